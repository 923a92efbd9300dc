#include "luabind/zbuff.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/pack.h"
#include "luabind/vm.h"

#define TAG            "zbuff"
#define KIB            1024
#define LARGE_SIZE     65536 /* from here on a module collects garbage first */
#define FRAME_BITS_MAX ((uint64_t)1 << 30)
#define BASE64_GROUP   3
#define BASE64_TEXT    4

enum seek_from { SEEK_FROM_START, SEEK_FROM_CURSOR, SEEK_FROM_END };

struct zbuff *zbuff_test(lua_State *L, int arg)
{
    return test_userdata(L, arg, vm_of(L)->zbuff_metatable);
}

struct zbuff *zbuff_check(lua_State *L, int arg)
{
    struct zbuff *buff = zbuff_test(L, arg);

    return buff ? buff : luaL_checkudata(L, arg, ZBUFF_TYPE); /* which raises */
}

/* A frame that no longer fits its buffer is none any more. */
static void drop_frame_beyond(struct zbuff *buff)
{
    if ((uint64_t)buff->width * buff->height * buff->bits <= (uint64_t)buff->len * 8)
        return;
    buff->width = buff->height = 0;
    buff->bits = 0;
}

/* Its data in a block of @len bytes, which is not 0; NULL, and nothing changes: no memory. */
static uint8_t *move_data(struct zbuff *buff, size_t len)
{
    uint8_t *data;

    if (len < buff->len + LARGE_SIZE) {
        data = realloc(buff->data, len);
        if (data && len > buff->len)
            memset(data + buff->len, 0, len - buff->len);
        return data;
    }
    data = calloc(1, len); /* zeros that nobody touches take no memory of the host's */
    if (data && buff->len)
        memcpy(data, buff->data, buff->len);
    if (data)
        free(buff->data);
    return data;
}

bool zbuff_resize(struct zbuff *buff, size_t len)
{
    uint8_t *data = NULL;

    if (len > ZBUFF_LEN_MAX || buff->is_collected)
        return false;
    if (len) {
        data = move_data(buff, len);
    } else {
        free(buff->data);
    }
    if (len && !data)
        return false;
    buff->data = data;
    buff->len = len;
    if (buff->used > len)
        buff->used = len;
    drop_frame_beyond(buff);
    return true;
}

static bool resize_or_log(lua_State *L, struct zbuff *buff, size_t len)
{
    size_t old = buff->len;

    if (zbuff_resize(buff, len))
        return true;
    firmware_log(L, LOG_LEVEL_ERROR, TAG, "zbuff realloc failed %zu -> %zu", old, len);
    return false;
}

/*
 * Lua does not see the bytes of a buffer: without this, thousands that nobody holds pile up before
 * it collects. It may run a __gc of the script, so it comes last.
 */
static void tell_collector(lua_State *L, size_t grown)
{
    if (grown >= KIB)
        lua_gc(L, LUA_GCSTEP, (int)(grown / KIB));
}

static void warn_firmware(lua_State *L, const char *text)
{
    firmware_log(L, LOG_LEVEL_WARN, TAG, "%s", text);
}

static size_t rest(const struct zbuff *buff)
{
    return buff->len - buff->used;
}

/* An optional argument as LuatOS takes most of them: cut to 32 bits. */
static int32_t opt_int32(lua_State *L, int arg, lua_Integer absent)
{
    return (int32_t)luaL_optinteger(L, arg, absent);
}

static bool is_bool(lua_State *L, int arg)
{
    return lua_type(L, arg) == LUA_TBOOLEAN;
}

/* ---- making one ---------------------------------------------------------------------------- */

/* Item @i of the table in argument 1. */
static lua_Integer frame_item(lua_State *L, int i)
{
    int is_integer;
    lua_Integer value;

    lua_rawgeti(L, 1, i);
    value = lua_tointegerx(L, -1, &is_integer);
    luaL_argcheck(L, is_integer, 1, "{width, height, bits} expected");
    lua_pop(L, 1);
    return value;
}

/* The frame buffer form: {width, height, bits}. Its size in bytes; 0: refused. */
static size_t frame_size(lua_State *L, struct zbuff *frame)
{
    lua_Integer depth = frame_item(L, 3);
    uint64_t bits;

    frame->width = (uint32_t)frame_item(L, 1);
    frame->height = (uint32_t)frame_item(L, 2);
    if (!zbuff_depth_is_valid(depth))
        return 0;
    frame->bits = (uint8_t)depth;
    bits = (uint64_t)frame->width * frame->height;
    bits = bits <= FRAME_BITS_MAX ? bits * frame->bits : UINT64_MAX;
    if (!bits || bits > FRAME_BITS_MAX) {
        warn_firmware(L, "invalid framebuffer size, create refused");
        return 0;
    }
    return (size_t)((bits + 7) / 8);
}

static size_t plain_size(lua_State *L)
{
    lua_Integer len = luaL_checkinteger(L, 1);

    if (len < 0)
        warn_firmware(L, "invalid zbuff length, create refused");
    return len > 0 ? (size_t)len : 0;
}

static void fill_new(lua_State *L, struct zbuff *buff)
{
    const char *text;
    size_t len;

    if (lua_isinteger(L, 2)) {
        if (buff->width) {
            zbuff_fill_pixels(buff, (uint32_t)lua_tointeger(L, 2));
        } else {
            memset(buff->data, (uint8_t)lua_tointeger(L, 2), buff->len);
        }
    } else if (lua_isstring(L, 2) && !buff->width) {
        text = lua_tolstring(L, 2, &len);
        buff->used = len < buff->len ? len : buff->len;
        memcpy(buff->data, text, buff->used);
    }
}

static int zbuff_create(lua_State *L)
{
    struct zbuff made = { 0 };
    size_t len = lua_istable(L, 1) ? frame_size(L, &made) : plain_size(L);
    struct zbuff *buff;

    if (!len)
        return 0;
    buff = lua_newuserdatauv(L, sizeof(*buff), 0);
    *buff = (struct zbuff){ 0 };
    luaL_setmetatable(L, ZBUFF_TYPE);
    if (len >= LARGE_SIZE) {
        firmware_log(L, LOG_LEVEL_INFO, TAG, "create large size: %zu kbyte, trigger force GC",
                     len / KIB);
        lua_gc(L, LUA_GCCOLLECT);
    } else {
        tell_collector(L, len);
    }
    if (len <= ZBUFF_LEN_MAX)
        made.data = calloc(1, len);
    if (!made.data) {
        firmware_log(L, LOG_LEVEL_WARN, TAG, "create size: %zu byte but memory not enough!!!", len);
        lua_pushnil(L);
        lua_pushliteral(L, "memory not enough");
        return 2;
    }
    made.len = len;
    *buff = made;
    fill_new(L, buff);
    return 1;
}

static int zbuff_free(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);

    free(buff->data);
    *buff = (struct zbuff){ .is_collected = buff->is_collected };
    return 0;
}

/* Another object's __gc may still use the buffer, or bring it back to life. */
static int zbuff_collect(lua_State *L)
{
    zbuff_check(L, 1)->is_collected = true;
    return zbuff_free(L);
}

/* ---- at the cursor ---------------------------------------------------------------------------- */

static int zbuff_write(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    size_t count = 0;
    const char *text;

    if (lua_isinteger(L, 2)) {
        for (int arg = 2; lua_isinteger(L, arg) && rest(buff); arg++, count++)
            buff->data[buff->used++] = (uint8_t)lua_tointeger(L, arg);
    } else {
        text = luaL_checklstring(L, 2, &count);
        count = count < rest(buff) ? count : rest(buff);
        if (count)
            memcpy(buff->data + buff->used, text, count);
        buff->used += count;
    }
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

static int zbuff_read(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    size_t count = (uint32_t)opt_int32(L, 2, 1); /* negative: all the rest */

    count = count < rest(buff) ? count : rest(buff);
    buff->used +=
        count; /* before the push: it may collect, and a __gc of the script change @buff */
    lua_pushlstring(L, count ? (const char *)buff->data + buff->used - count : "", count);
    return 1;
}

static int zbuff_seek(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    lua_Integer to = (int32_t)luaL_checkinteger(L, 2);

    switch (opt_int32(L, 3, SEEK_FROM_START)) {
    case SEEK_FROM_START:
        break;
    case SEEK_FROM_CURSOR:
        to += (lua_Integer)buff->used;
        break;
    case SEEK_FROM_END:
        to += (lua_Integer)buff->len;
        break;
    default:
        return 0;
    }
    to = to < 0 ? 0 : to;
    buff->used = (size_t)to < buff->len ? (size_t)to : buff->len;
    lua_pushinteger(L, (lua_Integer)buff->used);
    return 1;
}

/* The format is argument 2 here, self being the first. */
static int bad_code(lua_State *L, char letter)
{
    return luaL_argerror(L, 2, lua_pushfstring(L, "bad code `%c'", letter));
}

static int zbuff_pack(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    struct pack_format format = { .at = luaL_checkstring(L, 2) };
    size_t start = buff->used;
    struct pack_item item;
    int arg = 3;

    while (rest(buff) && pack_next(&format, &item)) {
        for (int i = 0; i < item.count && rest(buff); i++) {
            uint8_t number[PACK_SCALAR_MAX];
            const char *bytes = (const char *)number;
            size_t size = pack_scalar_size(item.letter);

            if (size) {
                pack_scalar_write(L, arg++, item.letter, format.is_big, number);
            } else if (item.letter == 'A') {
                bytes = luaL_checklstring(L, arg++, &size);
            } else {
                return bad_code(L, item.letter);
            }
            size = size < rest(buff) ? size : rest(buff); /* the last one is cut */
            if (size)
                memcpy(buff->data + buff->used, bytes, size);
            buff->used += size;
        }
    }
    lua_pushinteger(L, (lua_Integer)(buff->used - start));
    return 1;
}

static int zbuff_unpack(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    struct pack_format format = { .at = luaL_checkstring(L, 2) };
    size_t start = buff->used, pos = start;
    struct pack_item item;
    bool more = true;

    lua_settop(L, 2);
    lua_pushnil(L); /* the count, once it is known */
    while (more && pack_next(&format, &item)) {
        size_t size = item.letter == 'A' ? (size_t)item.count : pack_scalar_size(item.letter);
        int times = item.letter == 'A' ? 1 : item.count;

        if (!size && times && item.letter != 'A')
            return bad_code(L, item.letter);
        for (int i = 0; i < times; i++) {
            if (pos > buff->len || size > buff->len - pos) { /* a __gc may have shortened it */
                more = false;
                break;
            }
            luaL_checkstack(L, 1, "too many results to unpack");
            if (item.letter == 'A') {
                lua_pushlstring(L, size ? (const char *)buff->data + pos : "", size);
            } else {
                pack_scalar_push(L, item.letter, format.is_big, buff->data + pos);
            }
            pos += size;
        }
    }
    lua_pushinteger(L, (lua_Integer)(pos - start));
    lua_replace(L, 3);
    buff->used = pos < buff->len ? pos : buff->len;
    return lua_gettop(L) - 2;
}

/* readI8 ... readF64 and writeI8 ... writeF64: the number's pack letter is the upvalue. */
static int read_number(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    char letter = (char)lua_tointeger(L, lua_upvalueindex(1));
    size_t size = pack_scalar_size(letter);

    if (size > rest(buff))
        return 0;
    pack_scalar_push(L, letter, false, buff->data + buff->used);
    buff->used += size;
    return 1;
}

static int write_number(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    char letter = (char)lua_tointeger(L, lua_upvalueindex(1));
    size_t size = pack_scalar_size(letter);
    uint8_t bytes[PACK_SCALAR_MAX];

    if (size > rest(buff)) {
        lua_pushinteger(L, 0);
        return 1;
    }
    pack_scalar_write(L, 2, letter, false, bytes);
    memcpy(buff->data + buff->used, bytes, size);
    buff->used += size;
    lua_pushinteger(L, (lua_Integer)size);
    return 1;
}

/* ---- wherever the cursor is --------------------------------------------------------------------- */

static int zbuff_clear(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    uint8_t value = (uint8_t)luaL_optinteger(L, 2, 0);

    if (buff->len)
        memset(buff->data, value, buff->len);
    return 0;
}

static int zbuff_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)zbuff_check(L, 1)->len);
    return 1;
}

static int zbuff_used(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);

    if (lua_isinteger(L, 2)) {
        lua_Unsigned used = (lua_Unsigned)lua_tointeger(L, 2); /* negative: more than there is */

        buff->used = used < buff->len ? (size_t)used : buff->len;
    }
    lua_pushinteger(L, (lua_Integer)buff->used);
    return 1;
}

static int zbuff_to_str(lua_State *L)
{
    const struct zbuff *buff = zbuff_check(L, 1);
    size_t off = (uint32_t)opt_int32(L, 2, 0);
    int32_t n = opt_int32(L, 3, (lua_Integer)buff->len);
    size_t count;

    off = off < buff->len ? off : buff->len;
    if (n < 0) {
        warn_firmware(L, "zbuff:toStr length cannot be negative");
        lua_pushliteral(L, "");
        return 1;
    }
    count = (size_t)n < buff->len - off ? (size_t)n : buff->len - off;
    lua_pushlstring(L, count ? (const char *)buff->data + off : "", count);
    return 1;
}

/* A number out of @n bytes at @at, as query() gives it; 0 results: no number has that size. */
static int push_query_number(lua_State *L, const uint8_t *at, size_t n)
{
    bool is_big = lua_toboolean(L, 4);
    bool is_signed = is_bool(L, 5) && lua_toboolean(L, 5);
    bool is_float = is_bool(L, 6) && lua_toboolean(L, 6);

    switch (n) {
    case 1:
        pack_scalar_push(L, is_signed ? 'c' : 'b', is_big, at);
        return 1;
    case 2:
        pack_scalar_push(L, is_signed ? 'h' : 'H', is_big, at);
        return 1;
    case 4: /* 32-bit results are signed, whatever is asked for; floats are in native order */
        pack_scalar_push(L, is_float ? 'f' : 'i', is_big && !is_float, at);
        return 1;
    case 8:
        pack_scalar_push(L, is_float ? 'd' : 'l', is_big && !is_float, at);
        return 1;
    default:
        return 0;
    }
}

static int zbuff_query(lua_State *L)
{
    const struct zbuff *buff = zbuff_check(L, 1);
    lua_Integer off = opt_int32(L, 2, 0);
    lua_Integer n = opt_int32(L, 3, (lua_Integer)buff->used);
    lua_Integer left;

    if (off < 0)
        off += (lua_Integer)buff->used;
    left = (lua_Integer)buff->used - off;
    if (n < 0 || n > left)
        n = left;
    if (off < 0 || n <= 0) {
        lua_pushnil(L);
        return 1;
    }
    if (is_bool(L, 4) && push_query_number(L, buff->data + off, (size_t)n))
        return 1;
    lua_pushlstring(L, (const char *)buff->data + off, (size_t)n);
    return 1;
}

static int zbuff_del(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    lua_Integer used = (lua_Integer)buff->used;
    lua_Integer off = opt_int32(L, 2, 0);
    lua_Integer n;

    if (off < 0)
        off += used;
    if (off < 0 || off >= used)
        return 0;
    n = luaL_optinteger(L, 3, used);
    if (n < 0) {
        warn_firmware(L, "invalid del length, del refused");
        return 0;
    }
    n = n < used - off ? n : used - off;
    if (off + n < used)
        memmove(buff->data + off, buff->data + off + n, (size_t)(used - off - n));
    buff->used -= (size_t)n;
    return 0;
}

static int zbuff_set(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    lua_Integer len = (lua_Integer)buff->len;
    lua_Integer start = luaL_optinteger(L, 2, 0);
    uint8_t value = (uint8_t)luaL_optinteger(L, 3, 0);
    lua_Integer n = luaL_optinteger(L, 4, len);

    if (start < 0 || start >= len || n < 0) {
        warn_firmware(L, "set range out of buff, set refused");
        return 0;
    }
    memset(buff->data + start, value, (size_t)(n < len - start ? n : len - start));
    return 0;
}

static int zbuff_resize_method(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);

    size_t old = buff->len;

    if (lua_isinteger(L, 2) && resize_or_log(L, buff, (uint32_t)lua_tointeger(L, 2)))
        tell_collector(L, buff->len > old ? buff->len - old : 0);
    return 0;
}

static int zbuff_is_equal(lua_State *L)
{
    const struct zbuff *a = zbuff_check(L, 1);
    lua_Integer off_a = luaL_optinteger(L, 2, 0);
    const struct zbuff *b = zbuff_check(L, 3);
    lua_Integer off_b = luaL_optinteger(L, 4, 0);
    lua_Integer n = luaL_optinteger(L, 5, 1);
    lua_Integer same = 0;

    if (off_a < 0 || off_a > (lua_Integer)a->len || off_b < 0 || off_b > (lua_Integer)b->len ||
        n < 0 || n > (lua_Integer)a->len - off_a || n > (lua_Integer)b->len - off_b) {
        warn_firmware(L, "isEqual range out of buff");
        lua_pushboolean(L, false);
        return 1;
    }
    while (same < n && a->data[off_a + same] == b->data[off_b + same])
        same++;
    lua_pushboolean(L, same == n);
    lua_pushinteger(L, same == n ? 0 : same);
    return 2;
}

/* ---- copy ------------------------------------------------------------------------------------------ */

/* Room for @n bytes at @start; false when there is no memory. */
static bool grow_for_copy(lua_State *L, struct zbuff *buff, size_t start, size_t n)
{
    return start + n <= buff->len || resize_or_log(L, buff, buff->len + n + start);
}

static size_t copy_bytes(lua_State *L, struct zbuff *buff, size_t start, const void *data, size_t n)
{
    if (!grow_for_copy(L, buff, start, n))
        return 0;
    if (n)
        memmove(buff->data + start, data, n);
    if (buff->used < start + n)
        buff->used = start + n;
    return n;
}

static size_t copy_integers(lua_State *L, struct zbuff *buff, size_t start)
{
    size_t pos = start;

    for (int arg = 3; lua_isinteger(L, arg); arg++, pos++) {
        if (pos >= buff->len && !resize_or_log(L, buff, pos ? 2 * pos : 1))
            return pos - start;
        assert(pos < buff->len);
        buff->data[pos] = (uint8_t)lua_tointeger(L, arg);
    }
    if (buff->used < pos)
        buff->used = pos;
    return pos - start;
}

static size_t copy_zbuff(lua_State *L, struct zbuff *buff, size_t start)
{
    const struct zbuff *src = zbuff_check(L, 3);
    lua_Integer off = luaL_optinteger(L, 4, 0);
    lua_Integer n = luaL_optinteger(L, 5, (lua_Integer)src->used);

    if (off < 0 || off > (lua_Integer)src->len || n < 0 || n > (lua_Integer)src->len - off) {
        warn_firmware(L, "copy range out of source buff, copy refused");
        return 0;
    }
    if (!grow_for_copy(L, buff, start, (size_t)n)) /* @src may be @buff: grow before looking */
        return 0;
    return copy_bytes(L, buff, start, n ? src->data + off : NULL, (size_t)n);
}

static int zbuff_copy(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    lua_Integer start = opt_int32(L, 2, (lua_Integer)buff->used);
    size_t old = buff->len, len, count = 0;
    const char *text;

    if (start < 0)
        start += (lua_Integer)buff->used;
    if (start >= 0 && lua_isinteger(L, 3)) {
        count = copy_integers(L, buff, (size_t)start);
    } else if (start >= 0 && lua_isstring(L, 3)) {
        text = lua_tolstring(L, 3, &len);
        count = copy_bytes(L, buff, (size_t)start, text, len);
    } else if (start >= 0 && lua_isuserdata(L, 3)) {
        count = copy_zbuff(L, buff, (size_t)start);
    }
    tell_collector(L, buff->len > old ? buff->len - old : 0);
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

/* ---- base64 ----------------------------------------------------------------------------------------- */

static int zbuff_to_base64(lua_State *L)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const struct zbuff *src = zbuff_check(L, 1);
    struct zbuff *dst = zbuff_check(L, 2);
    size_t text_len = (src->used + BASE64_GROUP - 1) / BASE64_GROUP * BASE64_TEXT;

    if (!src->used)
        dst->used = 0;
    if (!src->used || dst->len < text_len + 1) {
        if (src->used)
            firmware_log(L, LOG_LEVEL_ERROR, TAG, "zbuff toBase64 failed %d", -1);
        lua_pushinteger(L, 0);
        return 1;
    }
    dst->data[text_len] = '\0';
    for (size_t out = text_len; out; out -= BASE64_TEXT) { /* backwards: @dst may be @src */
        size_t i = (out / BASE64_TEXT - 1) * BASE64_GROUP;
        size_t left = src->used - i;
        uint32_t group = (uint32_t)src->data[i] << 16;
        uint8_t *text = dst->data + out - BASE64_TEXT;

        group |= left > 1 ? (uint32_t)src->data[i + 1] << 8 : 0;
        group |= left > 2 ? src->data[i + 2] : 0;
        text[0] = (uint8_t)alphabet[group >> 18];
        text[1] = (uint8_t)alphabet[group >> 12 & 63];
        text[2] = left > 1 ? (uint8_t)alphabet[group >> 6 & 63] : '=';
        text[3] = left > 2 ? (uint8_t)alphabet[group & 63] : '=';
    }
    dst->used = text_len;
    lua_pushinteger(L, (lua_Integer)text_len);
    return 1;
}

/* ---- b[i] --------------------------------------------------------------------------------------------- */

static bool push_byte(lua_State *L, const struct zbuff *buff, lua_Integer index)
{
    uint32_t i = (uint32_t)index;

    if (i >= buff->len)
        return false;
    lua_pushinteger(L, buff->data[i]);
    return true;
}

static int zbuff_index(lua_State *L)
{
    if (lua_isinteger(L, 2)) {
        if (!push_byte(L, zbuff_check(L, 1), lua_tointeger(L, 2)))
            lua_pushnil(L);
        return 1;
    }
    lua_settop(L, 2);
    lua_rawget(L, lua_upvalueindex(1)); /* a method, or nil */
    return 1;
}

static int zbuff_newindex(lua_State *L)
{
    struct zbuff *buff = zbuff_check(L, 1);
    uint8_t value;
    uint32_t index;

    if (!lua_isinteger(L, 2))
        return 0;
    value = (uint8_t)luaL_checkinteger(L, 3);
    index = (uint32_t)lua_tointeger(L, 2);
    if (index >= buff->len) {
        warn_firmware(L, "zbuff index out of range, write refused");
    } else {
        buff->data[index] = value;
    }
    return 0;
}

/* get(i): what the metatable has under that key, else the byte. */
static int zbuff_get(lua_State *L)
{
    const struct zbuff *buff = zbuff_check(L, 1);

    luaL_checkany(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING && luaL_getmetafield(L, 1, lua_tostring(L, 2)) != LUA_TNIL)
        return 1;
    return push_byte(L, buff, luaL_checkinteger(L, 2)) ? 1 : 0;
}

/* ---- the library --------------------------------------------------------------------------------------- */

static const luaL_Reg methods[] = {
    { "write", zbuff_write },
    { "read", zbuff_read },
    { "clear", zbuff_clear },
    { "seek", zbuff_seek },
    { "pack", zbuff_pack },
    { "unpack", zbuff_unpack },
    { "get", zbuff_get },
    { "toStr", zbuff_to_str },
    { "len", zbuff_len },
    { "free", zbuff_free },
    { "copy", zbuff_copy },
    { "set", zbuff_set },
    { "query", zbuff_query },
    { "del", zbuff_del },
    { "resize", zbuff_resize_method },
    { "reSize", zbuff_resize_method },
    { "used", zbuff_used },
    { "isEqual", zbuff_is_equal },
    { "toBase64", zbuff_to_base64 },
    { "setFrameBuffer", zbuff_set_frame_buffer },
    { "pixel", zbuff_pixel },
    { "drawLine", zbuff_draw_line },
    { "drawRect", zbuff_draw_rect },
    { "drawCircle", zbuff_draw_circle },
    { NULL, NULL },
};

/* readI8 and so on: name and pack letter. */
static const struct {
    const char *read, *write;
    char letter;
} numbers[] = {
    { "readI8", "writeI8", 'c' },   { "readU8", "writeU8", 'b' },   { "readI16", "writeI16", 'h' },
    { "readU16", "writeU16", 'H' }, { "readI32", "writeI32", 'i' }, { "readU32", "writeU32", 'I' },
    { "readI64", "writeI64", 'l' }, { "readU64", "writeU64", 'L' }, { "readF32", "writeF32", 'f' },
    { "readF64", "writeF64", 'd' },
};

static void set_number_methods(lua_State *L)
{
    for (int i = 0; i < ARRAY_LEN(numbers); i++) {
        lua_pushinteger(L, numbers[i].letter);
        lua_pushcclosure(L, read_number, 1);
        lua_setfield(L, -2, numbers[i].read);
        lua_pushinteger(L, numbers[i].letter);
        lua_pushcclosure(L, write_number, 1);
        lua_setfield(L, -2, numbers[i].write);
    }
}

int luaopen_zbuff(lua_State *L)
{
    static const luaL_Reg functions[] = { { "create", zbuff_create }, { NULL, NULL } };
    static const struct constant constants[] = {
        { "SEEK_SET", SEEK_FROM_START },
        { "SEEK_CUR", SEEK_FROM_CURSOR },
        { "SEEK_END", SEEK_FROM_END },
        { "HEAP_AUTO", 0 },
        { "HEAP_SRAM", 1 },
        { "HEAP_PSRAM", 2 },
    };

    luaL_newmetatable(L, ZBUFF_TYPE);
    vm_of(L)->zbuff_metatable = lua_topointer(L, -1);
    luaL_newlib(L, methods);
    set_number_methods(L);
    lua_pushcclosure(L, zbuff_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, zbuff_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, zbuff_len);
    lua_setfield(L, -2, "__len");
    lua_pushcfunction(L, zbuff_collect);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
