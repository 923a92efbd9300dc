/*
 * board_file: a board as a file of YAML: which adapters it has, what they are bound to and can do,
 * what the module says of itself. scripts/boards/ has those that are compiled in; README.md,
 * section Boards, lists the keys.
 */
#pragma once

#include <stddef.h>

#include "emu/yaml.h"

struct board;
struct limits;

/* A board that is compiled in. */
struct board_builtin {
    const char *name; /* "Air780E" */
    const char *text; /* of its file */
    size_t len;       /* bytes */
};

extern const struct board_builtin board_builtins[];
extern const size_t board_builtins_count;

/*
 * Take what the file says into @board and @limits, which hold the defaults. @name: of a board that
 * is compiled in, else a path. NULL, or what is wrong, in @why.
 */
const char *board_load(struct board *board, struct limits *limits, const char *name,
                       char why[YAML_WHY_MAX]);

/* The same of a file's text; @name is for messages. */
const char *board_read(struct board *board, struct limits *limits, const char *name,
                       const char *text, size_t len, char why[YAML_WHY_MAX]);
