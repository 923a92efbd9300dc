/*
 * yaml: a file of YAML (1.1, by libyaml) as nodes that know their lines, and tables of what may
 * stand where in it.
 *
 * A reader is a table of keys, each with a function that takes its value; unknown keys, keys given
 * twice and values of the wrong kind are told with file, line and key. The first thing that is
 * wrong is kept, whatever follows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YAML_FILE_MAX  (256 * 1024) /* bytes */
#define YAML_WHY_MAX   512
#define YAML_DEPTH_MAX 16 /* of maps and lists that are taken */

enum yaml_kind { YAML_KIND_TEXT, YAML_KIND_LIST, YAML_KIND_MAP };

struct yaml;

/* A key of a map. @take: 0, or -EINVAL after yaml_wrong(). */
struct yaml_key {
    const char *name;
    int (*take)(struct yaml *yaml, int node, void *ctx);
};

/* NULL, or what is wrong, in @why. @name is the file's, for messages. */
const char *yaml_open(struct yaml **out, const char *name, const char *text, size_t len,
                      char why[YAML_WHY_MAX]);

/* The file at @path, for free(). The same results. */
const char *yaml_read_file(const char *path, char **text, size_t *len, char why[YAML_WHY_MAX]);
void yaml_close(struct yaml *yaml);

/* What is wrong: "x.yaml:12: adapters.ETH0.mtu: it takes a number"; NULL: nothing. */
const char *yaml_problem(const struct yaml *yaml);

/* Something is wrong with @node: -EINVAL. */
int yaml_wrong(struct yaml *yaml, int node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

int yaml_root(const struct yaml *yaml); /* of an empty file an empty text */
enum yaml_kind yaml_kind(const struct yaml *yaml, int node);
unsigned yaml_line(const struct yaml *yaml, int node); /* from 1 */

/* Of a text; valid until yaml_close(). Never holds a NUL byte before its end. */
const char *yaml_text(const struct yaml *yaml, int node);

/* 0 or -EINVAL, when @node is of another kind or a function says so. */
int yaml_take_map(struct yaml *yaml, int node, const struct yaml_key keys[], size_t count,
                  void *ctx);

/* A map whose keys are names of the reader's: @take gets key and value. */
int yaml_take_pairs(struct yaml *yaml, int node,
                    int (*take)(struct yaml *yaml, int key, int value, void *ctx), void *ctx);
int yaml_take_list(struct yaml *yaml, int node, int (*take)(struct yaml *yaml, int node, void *ctx),
                   void *ctx);
int yaml_take_text(struct yaml *yaml, int node, char text[], size_t cap);
int yaml_take_bool(struct yaml *yaml, int node, bool *value); /* yes, no, true, false */
int yaml_take_number(struct yaml *yaml, int node, int64_t min, int64_t max, int64_t *value);

/* "1.5s", "20ms", "10us", "2min": microseconds, up to @max_us. */
int yaml_take_duration_us(struct yaml *yaml, int node, uint64_t max_us, uint64_t *value);
