/*
 * A zbuff as a frame buffer: rows of pixels, the leftmost in the highest bits, larger ones with
 * their high byte first (LuatOS luat_lib_zbuff.c). A frame always fits its buffer, and no function
 * here takes longer than the frame is large, wherever the script's coordinates lie.
 */
#include <lauxlib.h>
#include <string.h>

#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/zbuff.h"

#define BYTE_BITS 8
#define BYTE_MAX  0xffU

bool zbuff_depth_is_valid(lua_Integer bits)
{
    static const uint8_t depths[] = { 1, 4, 8, 16, 24, 32 };

    for (int i = 0; i < ARRAY_LEN(depths); i++) {
        if (depths[i] == bits)
            return true;
    }
    return false;
}

/* ---- pixels by number, counted from the upper left along the rows --------------------------- */

/* Of a pixel smaller than a byte: how far its bits are from the lowest. */
static unsigned shift_of(const struct zbuff *buff, size_t point)
{
    unsigned in_byte = BYTE_BITS / buff->bits;

    return (in_byte - 1 - (unsigned)(point % in_byte)) * buff->bits;
}

static uint8_t *byte_of(const struct zbuff *buff, size_t point)
{
    return &buff->data[point * buff->bits / BYTE_BITS];
}

static void set_point(struct zbuff *buff, size_t point, uint32_t color)
{
    uint8_t *at = byte_of(buff, point);
    unsigned mask, shift;

    if (buff->bits < BYTE_BITS) {
        mask = (1U << buff->bits) - 1;
        shift = shift_of(buff, point);
        *at = (uint8_t)((*at & ~(mask << shift)) | (color & mask) << shift);
        return;
    }
    for (unsigned bits = buff->bits; bits; bits -= BYTE_BITS)
        *at++ = (uint8_t)(color >> (bits - BYTE_BITS));
}

static uint32_t get_point(const struct zbuff *buff, size_t point)
{
    const uint8_t *at = byte_of(buff, point);
    uint32_t color = 0;

    if (buff->bits < BYTE_BITS)
        return (uint32_t)*at >> shift_of(buff, point) & ((1U << buff->bits) - 1);
    for (unsigned bits = buff->bits; bits; bits -= BYTE_BITS)
        color = color << BYTE_BITS | *at++;
    return color;
}

/* A byte of pixels of one color. */
static uint8_t byte_of_color(const struct zbuff *buff, uint32_t color)
{
    if (buff->bits == 1)
        return color & 1 ? BYTE_MAX : 0;
    if (buff->bits == BYTE_BITS)
        return (uint8_t)color;
    return (uint8_t)((color & 0xf) * 0x11);
}

static void fill_points(struct zbuff *buff, size_t point, size_t count, uint32_t color)
{
    size_t end = point + count;
    size_t in_byte = buff->bits <= BYTE_BITS ? BYTE_BITS / buff->bits : 0;

    if (!in_byte) {
        for (; point < end; point++)
            set_point(buff, point, color);
        return;
    }
    for (; point < end && point % in_byte; point++)
        set_point(buff, point, color);
    if (point < end) {
        memset(byte_of(buff, point), byte_of_color(buff, color), (end - point) / in_byte);
        point += (end - point) / in_byte * in_byte;
    }
    for (; point < end; point++)
        set_point(buff, point, color);
}

void zbuff_fill_pixels(struct zbuff *buff, uint32_t color)
{
    fill_points(buff, 0, (size_t)buff->width * buff->height, color);
}

/* ---- pixels by place; what lies outside the frame is not drawn -------------------------------- */

static void plot(struct zbuff *buff, int64_t x, int64_t y, uint32_t color)
{
    if (x >= 0 && y >= 0 && x < buff->width && y < buff->height)
        set_point(buff, (size_t)y * buff->width + (size_t)x, color);
}

static void plot_row(struct zbuff *buff, int64_t x1, int64_t x2, int64_t y, uint32_t color)
{
    x1 = x1 > 0 ? x1 : 0;
    x2 = x2 < buff->width ? x2 : (int64_t)buff->width - 1;
    if (y >= 0 && y < buff->height && x1 <= x2)
        fill_points(buff, (size_t)y * buff->width + (size_t)x1, (size_t)(x2 - x1 + 1), color);
}

static void plot_column(struct zbuff *buff, int64_t x, int64_t y1, int64_t y2, uint32_t color)
{
    y1 = y1 > 0 ? y1 : 0;
    y2 = y2 < buff->height ? y2 : (int64_t)buff->height - 1;
    if (x < 0 || x >= buff->width)
        return;
    for (int64_t y = y1; y <= y2; y++)
        set_point(buff, (size_t)y * buff->width + (size_t)x, color);
}

/* A coordinate is what LuatOS makes of it: cut to 32 bits. */
static int64_t coordinate(lua_State *L, int arg)
{
    return (int32_t)luaL_checkinteger(L, arg);
}

static uint32_t opt_color(lua_State *L, int arg)
{
    return (uint32_t)luaL_optinteger(L, arg, 0);
}

static int64_t within(int64_t value, int64_t count)
{
    return value < 0 ? 0 : value < count ? value : count - 1;
}

/* ---- the methods ------------------------------------------------------------------------------- */

int zbuff_set_frame_buffer(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    lua_Integer width = luaL_checkinteger(L, 2);
    lua_Integer height = luaL_checkinteger(L, 3);
    lua_Integer bits = luaL_checkinteger(L, 4);
    uint64_t room = (uint64_t)buff->len * BYTE_BITS;

    if (!zbuff_depth_is_valid(bits)) {
        warn_script(L,
                    "zbuff.setFrameBuffer: a pixel of %lld bits; 1, 4, 8, 16, 24 or 32 are known",
                    (long long)bits);
        return 0;
    }
    if (width < 1 || height < 1 || (uint64_t)width > room || (uint64_t)height > room ||
        (uint64_t)width * (uint64_t)height > room / (uint64_t)bits)
        return 0;
    buff->width = (uint32_t)width;
    buff->height = (uint32_t)height;
    buff->bits = (uint8_t)bits;
    if (lua_isinteger(L, 5))
        zbuff_fill_pixels(buff, (uint32_t)lua_tointeger(L, 5));
    lua_pushboolean(L, true);
    return 1;
}

int zbuff_pixel(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    int64_t x = coordinate(L, 2);
    int64_t y = coordinate(L, 3);

    if (x < 0 || y < 0 || x >= buff->width || y >= buff->height)
        return 0;
    if (lua_isinteger(L, 4)) {
        plot(buff, x, y, (uint32_t)lua_tointeger(L, 4));
        lua_pushboolean(L, true);
    } else {
        lua_pushinteger(L, get_point(buff, (size_t)y * buff->width + (size_t)x));
    }
    return 1;
}

/* How far the short side of a line has come after @step of @steps steps along the long one. */
static int64_t line_offset(uint64_t step, uint64_t steps, uint64_t rise)
{
    uint64_t whole = step * rise / steps;
    uint64_t part = step * rise % steps;

    return (int64_t)(whole + (2 * part >= steps));
}

/* The last point is not drawn; LuatOS leaves it out too. */
int zbuff_draw_line(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    int64_t x1, y1, dx, dy, start, size, from, to;
    uint64_t run_x, run_y, steps;
    uint32_t color;
    bool is_steep;

    if (!buff->width)
        return 0;
    x1 = coordinate(L, 2);
    y1 = coordinate(L, 3);
    dx = coordinate(L, 4) - x1;
    dy = coordinate(L, 5) - y1;
    color = opt_color(L, 6);
    run_x = (uint64_t)(dx < 0 ? -dx : dx);
    run_y = (uint64_t)(dy < 0 ? -dy : dy);
    is_steep = run_y > run_x;
    steps = is_steep ? run_y : run_x;
    start = is_steep ? y1 : x1;
    size = is_steep ? buff->height : buff->width;
    if ((is_steep ? dy : dx) < 0) { /* the steps that lie in the frame */
        from = start - (size - 1);
        to = start;
    } else {
        from = -start;
        to = size - 1 - start;
    }
    from = from > 0 ? from : 0;
    to = to < (int64_t)steps ? to : (int64_t)steps - 1;
    for (int64_t i = from; i <= to; i++) {
        int64_t along_x = is_steep ? line_offset((uint64_t)i, steps, run_x) : i;
        int64_t along_y = is_steep ? i : line_offset((uint64_t)i, steps, run_y);

        plot(buff, dx < 0 ? x1 - along_x : x1 + along_x, dy < 0 ? y1 - along_y : y1 + along_y,
             color);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* Corners outside the frame are moved to its edge. */
int zbuff_draw_rect(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    int64_t x1, y1, x2, y2, left, right, top, bottom;
    uint32_t color;

    if (!buff->width)
        return 0;
    x1 = within(coordinate(L, 2), buff->width);
    y1 = within(coordinate(L, 3), buff->height);
    x2 = within(coordinate(L, 4), buff->width);
    y2 = within(coordinate(L, 5), buff->height);
    color = opt_color(L, 6);
    left = x1 < x2 ? x1 : x2;
    right = x1 < x2 ? x2 : x1;
    top = y1 < y2 ? y1 : y2;
    bottom = y1 < y2 ? y2 : y1;
    if (lua_toboolean(L, 7)) {
        for (int64_t y = top; y <= bottom; y++)
            plot_row(buff, left, right, y, color);
    } else {
        plot_row(buff, left, right, top, color);
        plot_row(buff, left, right, bottom, color);
        plot_column(buff, left, top, bottom, color);
        plot_column(buff, right, top, bottom, color);
    }
    lua_pushboolean(L, true);
    return 1;
}

struct circle {
    int64_t x, y, radius;
    uint32_t color;
};

/*
 * How far the circle is from its center's row at @from_center columns from it: the largest y with
 * y(y-1) < radius^2 - from_center^2, as Bresenham's steps come to it.
 */
static int64_t reach(int64_t radius, int64_t from_center)
{
    int64_t square = radius * radius - from_center * from_center;
    int64_t low = 0, high = radius + 1;

    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;

        if (middle * (middle - 1) < square) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The widest @x with x^2 <= @square. */
static int64_t root(int64_t square)
{
    int64_t low = 0, high = (int64_t)1 << 32;

    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;

        if (middle <= square / middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* How far the disc reaches in a row @from_center rows from its center. */
static int64_t half_width(int64_t radius, int64_t from_center)
{
    int64_t far = reach(radius, from_center);

    if (far >= from_center)
        return far;
    return root(radius * radius - from_center * (from_center - 1) - 1);
}

static int64_t distance(int64_t a, int64_t b)
{
    return a < b ? b - a : a - b;
}

/* The columns and rows from @center that lie in a frame of @count. */
static void visible(int64_t center, int64_t radius, int64_t count, int64_t *first, int64_t *last)
{
    *first = center - radius > 0 ? center - radius : 0;
    *last = center + radius < count ? center + radius : count - 1;
}

static void draw_disc(struct zbuff *buff, const struct circle *circle)
{
    int64_t first, last;

    visible(circle->y, circle->radius, buff->height, &first, &last);
    for (int64_t y = first; y <= last; y++) {
        int64_t half = half_width(circle->radius, distance(y, circle->y));

        plot_row(buff, circle->x - half, circle->x + half, y, circle->color);
    }
}

/* By column where the outline is flat, by row where it is steep. */
static void draw_outline(struct zbuff *buff, const struct circle *circle)
{
    int64_t first, last;

    visible(circle->x, circle->radius, buff->width, &first, &last);
    for (int64_t x = first; x <= last; x++) {
        int64_t near = distance(x, circle->x);
        int64_t far = reach(circle->radius, near);

        if (near <= far) {
            plot(buff, x, circle->y - far, circle->color);
            plot(buff, x, circle->y + far, circle->color);
        }
    }
    visible(circle->y, circle->radius, buff->height, &first, &last);
    for (int64_t y = first; y <= last; y++) {
        int64_t near = distance(y, circle->y);
        int64_t far = reach(circle->radius, near);

        if (near <= far) {
            plot(buff, circle->x - far, y, circle->color);
            plot(buff, circle->x + far, y, circle->color);
        }
    }
}

int zbuff_draw_circle(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    struct circle circle;

    if (!buff->width)
        return 0;
    circle.x = coordinate(L, 2);
    circle.y = coordinate(L, 3);
    circle.radius = coordinate(L, 4);
    circle.color = opt_color(L, 5);
    if (circle.x + circle.radius < 0 || circle.x - circle.radius >= buff->width ||
        circle.y + circle.radius < 0 || circle.y - circle.radius >= buff->height)
        return 0;
    if (lua_toboolean(L, 6)) {
        draw_disc(buff, &circle);
    } else {
        draw_outline(buff, &circle);
    }
    lua_pushboolean(L, true);
    return 1;
}
