/*
 * zbuff: LuatOS's byte buffer. The cursor and the length of what is in use are one and the same
 * number (LuatOS luat_zbuff.h): writing, seeking and receiving move it, sending sends up to it.
 */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZBUFF_TYPE    "ZBUFF*"
#define ZBUFF_LEN_MAX ((size_t)1 << 30) /* bytes; more is "memory not enough" */

struct zbuff {
    uint8_t *data; /* NULL when @len is 0 */
    size_t len;    /* capacity */
    size_t used;   /* and cursor */
    uint32_t width, height;
    uint8_t bits;      /* of a pixel; @width 0: no frame buffer */
    bool is_collected; /* nothing would free memory that it got now */
};

/* The zbuff in argument @arg; NULL when it is something else. */
struct zbuff *zbuff_test(lua_State *L, int arg);

/* The same; raises when it is something else. */
struct zbuff *zbuff_check(lua_State *L, int arg);

/* Change the capacity; new bytes are 0. False, and nothing changes, when there is no memory. */
bool zbuff_resize(struct zbuff *buff, size_t len);

/* zbuff_draw.c */
bool zbuff_depth_is_valid(lua_Integer bits);
void zbuff_fill_pixels(struct zbuff *buff, uint32_t color);
int zbuff_set_frame_buffer(lua_State *L);
int zbuff_pixel(lua_State *L);
int zbuff_draw_line(lua_State *L);
int zbuff_draw_rect(lua_State *L);
int zbuff_draw_circle(lua_State *L);
