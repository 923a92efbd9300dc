/*
 * pack: the format language that the pack library and zbuff's pack and unpack share.
 *
 * A format is letters with optional counts; "<", ">" and "=" switch the byte order of what follows,
 * spaces and commas mean nothing. Values are cut to their size, never range-checked.
 */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACK_SCALAR_MAX 8
#define PACK_COUNT_MAX  0x7fffffff

struct pack_format {
    const char *at;
    bool is_big; /* endian, for what follows */
};

struct pack_item {
    char letter;
    bool has_count;
    int count; /* 1 when none is given */
};

/* The next letter that stands for data; false at the end. */
bool pack_next(struct pack_format *format, struct pack_item *item);

/* Size in bytes of a number with this letter; 0 when it stands for no number. */
size_t pack_scalar_size(char letter);

/* The bytes of the number in argument @arg; raises when it is none. */
void pack_scalar_write(lua_State *L, int arg, char letter, bool is_big,
                       uint8_t bytes[PACK_SCALAR_MAX]);

/* Push the number that @bytes hold. */
void pack_scalar_push(lua_State *L, char letter, bool is_big, const uint8_t *bytes);

/* Raise: @letter is no letter of the format. */
int pack_bad_code(lua_State *L, char letter);
