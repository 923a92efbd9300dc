/* fuzz_args: arguments for library functions, out of a fuzz target's input. */
#pragma once

#include <lua.h>

#include "emu/buf.h"

/*
 * Push one argument: nil, a boolean, an integer (small, negative or huge), a float, a string out of
 * the input, or the value at one of the stack indices 1..@values.
 */
void fuzz_push_argument(lua_State *L, struct reader *in, int values);

/* Push a string of up to 255 bytes. */
void fuzz_push_string(lua_State *L, struct reader *in);
