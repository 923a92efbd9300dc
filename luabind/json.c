/*
 * JSON as LuatOS's json library (a lua-cjson) has it, which is more liberal than RFC 8259: bytes
 * above 0x7f are not looked at and control characters may stand in strings as they are. Hence a
 * parser of its own; it keeps everything on the Lua stack and heap, so that an error may be raised
 * anywhere and a script's memory limit holds.
 */
#include <errno.h>
#include <float.h>
#include <lauxlib.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luabind/lib.h"

#define DEPTH_MAX        1000 /* of tables in tables */
#define SPARSE_SAFE      10   /* an array of up to this length may have any number of holes */
#define SPARSE_RATIO     2    /* a longer one: length by elements */
#define FLOAT_DIGITS     7
#define FLOAT_DIGITS_MAX 14
#define FORMAT_LEN_MAX   7
#define NUMBER_TEXT_MAX  (DBL_MAX_10_EXP + FLOAT_DIGITS_MAX + 8) /* of "%.14f" */
#define OUT_CAP_MIN      256
#define SURROGATE_BITS   0xf800
#define SURROGATE        0xd800
#define SURROGATE_LOW    0x0400
#define ABOVE_16_BITS    0x10000

/* ---- encoding: text in a userdata that grows, at stack index @slot ---------------------------- */

struct encoder {
    lua_State *L;
    int slot;
    char *text;
    size_t len, cap;
    char float_style; /* 'f' or 'g' of printf */
    int float_digits;
};

static char *reserve(struct encoder *enc, size_t len)
{
    size_t cap = enc->cap ? enc->cap : OUT_CAP_MIN;
    char *text;

    if (enc->cap - enc->len >= len)
        return enc->text + enc->len;
    while (cap - enc->len < len)
        cap *= 2;
    text = lua_newuserdatauv(enc->L, cap, 0);
    if (enc->len)
        memcpy(text, enc->text, enc->len);
    lua_replace(enc->L, enc->slot);
    enc->text = text;
    enc->cap = cap;
    return text + enc->len;
}

static void put(struct encoder *enc, const char *text, size_t len)
{
    memcpy(reserve(enc, len), text, len);
    enc->len += len;
}

static void put_char(struct encoder *enc, char c)
{
    put(enc, &c, 1);
}

static void put_escaped(struct encoder *enc, unsigned char c)
{
    static const char names[] = "\"\"\\\\\bb\tt\nn\ff\rr"; /* pairs: what, after a backslash */
    char text[8];

    for (size_t i = 0; names[i]; i += 2) {
        if ((unsigned char)names[i] != c)
            continue;
        put_char(enc, '\\');
        put_char(enc, names[i + 1]);
        return;
    }
    put(enc, text, (size_t)snprintf(text, sizeof(text), "\\u%04x", c));
}

static void put_string(struct encoder *enc, int index)
{
    size_t len, plain = 0;
    const char *text = lua_tolstring(enc->L, index, &len);

    put_char(enc, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= ' ' && c != '"' && c != '\\' && c != 0x7f)
            continue;
        put(enc, text + plain, i - plain);
        put_escaped(enc, c);
        plain = i + 1;
    }
    put(enc, text + plain, len - plain);
    put_char(enc, '"');
}

static void put_number(struct encoder *enc, int index)
{
    char text[NUMBER_TEXT_MAX];
    lua_Number number = lua_tonumber(enc->L, index);
    int len;

    if (lua_isinteger(enc->L, index)) {
        len = snprintf(text, sizeof(text), "%lld", (long long)lua_tointeger(enc->L, index));
    } else if (!isfinite(number)) {
        luaL_error(enc->L, "json.encode: JSON has no NaN and no infinity");
        return;
    } else if (fabs(number) <= DBL_EPSILON) {
        len = snprintf(text, sizeof(text), "0");
    } else if (enc->float_style == 'f') {
        len = snprintf(text, sizeof(text), "%.*f", enc->float_digits, number);
    } else {
        len = snprintf(text, sizeof(text), "%.*g", enc->float_digits, number);
    }
    put(enc, text, (size_t)len);
}

/*
 * How long the table on top of the stack is as an array; 0 when it is not one: empty, or with a
 * key that is not a positive integer.
 */
static lua_Integer array_length(struct encoder *enc)
{
    lua_Integer count = 0, max = 0;
    lua_State *L = enc->L;

    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1) {
            lua_pop(L, 1);
            return 0;
        }
        max = lua_tointeger(L, -1) > max ? lua_tointeger(L, -1) : max;
        count++;
    }
    if (max > SPARSE_SAFE && max > count * SPARSE_RATIO)
        luaL_error(L, "json.encode: an array of %I places holds only %I values", max, count);
    return max;
}

static void put_value(struct encoder *enc, int depth);

static void put_array(struct encoder *enc, lua_Integer length, int depth)
{
    put_char(enc, '[');
    for (lua_Integer i = 1; i <= length; i++) {
        if (i > 1)
            put_char(enc, ',');
        (void)lua_rawgeti(enc->L, -1, i);
        put_value(enc, depth);
        lua_pop(enc->L, 1);
    }
    put_char(enc, ']');
}

static void put_key(struct encoder *enc)
{
    int type = lua_type(enc->L, -2);

    if (type == LUA_TSTRING) {
        put_string(enc, -2);
        put_char(enc, ':');
    } else if (type == LUA_TNUMBER) {
        put_char(enc, '"');
        put_number(enc, -2);
        put(enc, "\":", 2);
    } else {
        luaL_error(enc->L, "json.encode: a %s can't be a key", lua_typename(enc->L, type));
    }
}

static void put_object(struct encoder *enc, int depth)
{
    bool is_first = true;

    put_char(enc, '{');
    lua_pushnil(enc->L);
    while (lua_next(enc->L, -2)) {
        if (!is_first)
            put_char(enc, ',');
        is_first = false;
        put_key(enc);
        put_value(enc, depth);
        lua_pop(enc->L, 1);
    }
    put_char(enc, '}');
}

static void put_table(struct encoder *enc, int depth)
{
    lua_Integer length;

    if (depth > DEPTH_MAX)
        luaL_error(enc->L, "json.encode: more than %d tables in each other", DEPTH_MAX);
    luaL_checkstack(enc->L, 6, NULL); /* key, value, and room for a message */
    length = array_length(enc);
    if (length) {
        put_array(enc, length, depth);
    } else {
        put_object(enc, depth);
    }
}

/* The value on top of the stack, which stays. */
static void put_value(struct encoder *enc, int depth)
{
    lua_State *L = enc->L;
    int type = lua_type(L, -1);

    if (type == LUA_TSTRING) {
        put_string(enc, -1);
    } else if (type == LUA_TNUMBER) {
        put_number(enc, -1);
    } else if (type == LUA_TTABLE) {
        put_table(enc, depth + 1);
    } else if (type == LUA_TBOOLEAN) {
        put(enc, lua_toboolean(L, -1) ? "true" : "false", lua_toboolean(L, -1) ? 4 : 5);
    } else if (type == LUA_TNIL || (type == LUA_TLIGHTUSERDATA && !lua_touserdata(L, -1))) {
        put(enc, "null", 4);
    } else {
        luaL_error(L, "json.encode: a %s can't be encoded", lua_typename(L, type));
    }
}

/* Protected: the value, the encoder as a light userdata. Returns the text. */
static int encode(lua_State *L)
{
    struct encoder *enc = lua_touserdata(L, 2);

    lua_settop(L, 2); /* the second place becomes the text's */
    enc->L = L;
    enc->slot = 2;
    lua_pushvalue(L, 1);
    put_value(enc, 0);
    lua_pushlstring(L, enc->text, enc->len);
    return 1;
}

/* "3f", "12g", "%.3f". False when it is none of these. */
static bool read_float_format(struct encoder *enc, const char *text)
{
    const char *at = text + (*text == '%') + (text[0] == '%' && text[1] == '.');
    char *end;
    long digits;

    if (*at < '0' || *at > '9')
        return false;
    digits = strtol(at, &end, 10);
    if (digits > FLOAT_DIGITS_MAX || (*end != 'f' && *end != 'g') || end[1])
        return false;
    enc->float_digits = (int)digits;
    enc->float_style = *end;
    return true;
}

static int json_encode(lua_State *L)
{
    struct encoder enc = { .float_style = 'f', .float_digits = FLOAT_DIGITS };

    if (lua_isnil(L, 1)) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (lua_isstring(L, 2) && !read_float_format(&enc, lua_tostring(L, 2))) {
        warn_script(L, "json.encode: \"%s\" is no format of floats: \"7f\" and \"14g\" are",
                    lua_tostring(L, 2));
    }
    if (lua_isnone(L, 1)) {
        lua_pushnil(L);
        lua_pushliteral(L, "json.encode: there is nothing to encode");
        return 2;
    }
    lua_pushcfunction(L, encode);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, &enc);
    if (lua_pcall(L, 2, 1, 0) == LUA_OK)
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

/* ---- decoding ---------------------------------------------------------------------------------- */

struct decoder {
    lua_State *L;
    const char *text, *at; /* ends with a NUL */
    int depth;
    bool has_bare_exponent, has_wide_integer;
};

static int fail(struct decoder *dec, const char *what)
{
    return luaL_error(dec->L, "json.decode: %s at character %d", what,
                      (int)(dec->at - dec->text) + 1);
}

/* The next character that is not white space; the end of the text is '\0'. */
static char peek(struct decoder *dec)
{
    dec->at += strspn(dec->at, " \t\r\n");
    return *dec->at;
}

static bool accept(struct decoder *dec, char c)
{
    if (peek(dec) != c)
        return false;
    dec->at++;
    return true;
}

static uint32_t read_hex4(struct decoder *dec)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++, dec->at++) {
        char c = *dec->at;
        char lower = (char)(c | 0x20);

        if (c >= '0' && c <= '9') {
            value = value * 16 + (uint32_t)(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            value = value * 16 + (uint32_t)(lower - 'a' + 10);
        } else {
            fail(dec, "\\u without four hexadecimal digits");
        }
    }
    return value;
}

/* After "\u". A character outside of 16 bits is a pair of escapes. */
static void add_unicode(struct decoder *dec, luaL_Buffer *out)
{
    uint32_t code = read_hex4(dec), low;
    char utf8[4];
    size_t len = 0;

    if ((code & SURROGATE_BITS) == SURROGATE) {
        if ((code & SURROGATE_LOW) || dec->at[0] != '\\' || dec->at[1] != 'u')
            fail(dec, "half of a surrogate pair");
        dec->at += 2;
        low = read_hex4(dec);
        if ((low & (SURROGATE_BITS | SURROGATE_LOW)) != (SURROGATE | SURROGATE_LOW))
            fail(dec, "half of a surrogate pair");
        code = ABOVE_16_BITS + ((code & 0x3ff) << 10) + (low & 0x3ff);
    }
    if (code < 0x80) {
        utf8[len++] = (char)code;
    } else {
        if (code < 0x800) {
            utf8[len++] = (char)(0xc0 | code >> 6);
        } else {
            if (code < ABOVE_16_BITS) {
                utf8[len++] = (char)(0xe0 | code >> 12);
            } else {
                utf8[len++] = (char)(0xf0 | code >> 18);
                utf8[len++] = (char)(0x80 | (code >> 12 & 0x3f));
            }
            utf8[len++] = (char)(0x80 | (code >> 6 & 0x3f));
        }
        utf8[len++] = (char)(0x80 | (code & 0x3f));
    }
    luaL_addlstring(out, utf8, len);
}

/* After a backslash. */
static void add_escape(struct decoder *dec, luaL_Buffer *out)
{
    static const char names[] = "\"\\/btnfr", values[] = "\"\\/\b\t\n\f\r";
    const char *name = *dec->at ? strchr(names, *dec->at) : NULL;

    if (*dec->at == 'u') {
        dec->at++;
        add_unicode(dec, out);
        return;
    }
    if (!name)
        fail(dec, "an unknown escape");
    luaL_addchar(out, values[name - names]);
    dec->at++;
}

/* After the quote. */
static void read_string(struct decoder *dec)
{
    luaL_Buffer out;
    size_t plain = strcspn(dec->at, "\"\\");

    if (dec->at[plain] == '"') {
        lua_pushlstring(dec->L, dec->at, plain);
        dec->at += plain + 1;
        return;
    }
    luaL_buffinit(dec->L, &out);
    for (;;) {
        plain = strcspn(dec->at, "\"\\");
        luaL_addlstring(&out, dec->at, plain);
        dec->at += plain;
        if (*dec->at == '"')
            break;
        if (!*dec->at)
            fail(dec, "a string without end");
        dec->at++;
        add_escape(dec, &out);
    }
    dec->at++;
    luaL_pushresult(&out);
}

/*
 * A fraction makes a float and its absence an integer, cut to the integers there are; "-0" is a
 * float. LuatOS takes what strtod() does, less the leading zeros, hexadecimal numbers, infinities
 * and NaNs.
 */
static void read_number(struct decoder *dec)
{
    const char *from = dec->at, *digits = from + (*from == '-');
    lua_Number number;
    lua_Integer integer;
    size_t len;
    char *end;

    if ((*digits != '.' && (*digits < '0' || *digits > '9')) ||
        (digits[0] == '0' && ((digits[1] | 0x20) == 'x' || (digits[1] >= '0' && digits[1] <= '9'))))
        fail(dec, "an invalid number");
    number = strtod(from, &end);
    if (end == from)
        fail(dec, "an invalid number");
    dec->at = end;
    len = (size_t)(end - from);
    if (memchr(from, '.', len) || (number == 0 && *from == '-')) {
        lua_pushnumber(dec->L, number);
        return;
    }
    if (memchr(from, 'e', len) || memchr(from, 'E', len)) {
        dec->has_bare_exponent = true;
        lua_pushnumber(dec->L, number);
        return;
    }
    errno = 0;
    integer = strtoll(from, NULL, 10);
    dec->has_wide_integer = dec->has_wide_integer || errno == ERANGE;
    lua_pushinteger(dec->L, integer);
}

static void read_value(struct decoder *dec);

static void read_object(struct decoder *dec)
{
    lua_newtable(dec->L);
    if (accept(dec, '}'))
        return;
    do {
        if (!accept(dec, '"'))
            fail(dec, "no key");
        read_string(dec);
        if (!accept(dec, ':'))
            fail(dec, "no ':' after a key");
        read_value(dec);
        lua_rawset(dec->L, -3);
    } while (accept(dec, ','));
    if (!accept(dec, '}'))
        fail(dec, "neither ',' nor '}' after a value");
}

static void read_array(struct decoder *dec)
{
    lua_newtable(dec->L);
    if (accept(dec, ']'))
        return;
    for (lua_Integer i = 1;; i++) {
        read_value(dec);
        lua_rawseti(dec->L, -2, i);
        if (!accept(dec, ','))
            break;
    }
    if (!accept(dec, ']'))
        fail(dec, "neither ',' nor ']' after a value");
}

static void read_nested(struct decoder *dec, void (*read)(struct decoder *dec))
{
    if (++dec->depth > DEPTH_MAX)
        fail(dec, "too many arrays and objects in each other");
    luaL_checkstack(dec->L, 6, NULL); /* table, key, value, and a string in the making */
    dec->at++;
    read(dec);
    dec->depth--;
}

static bool accept_word(struct decoder *dec, const char *word)
{
    if (strncmp(dec->at, word, strlen(word)) != 0)
        return false;
    dec->at += strlen(word);
    return true;
}

static void read_value(struct decoder *dec)
{
    char c = peek(dec);

    if (accept(dec, '"')) {
        read_string(dec);
    } else if (c == '{') {
        read_nested(dec, read_object);
    } else if (c == '[') {
        read_nested(dec, read_array);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        read_number(dec);
    } else if (accept_word(dec, "true")) {
        lua_pushboolean(dec->L, true);
    } else if (accept_word(dec, "false")) {
        lua_pushboolean(dec->L, false);
    } else if (accept_word(dec, "null")) {
        lua_pushlightuserdata(dec->L, NULL); /* json.null */
    } else {
        fail(dec, c ? "no value" : "the text ends, no value");
    }
}

/* Protected: the arguments of json.decode, the decoder as an upvalue. Returns the value. */
static int decode(lua_State *L)
{
    struct decoder *dec = lua_touserdata(L, lua_upvalueindex(1));
    size_t len;

    if (lua_gettop(L) != 1)
        return luaL_error(L, "json.decode takes one argument, not %d", lua_gettop(L));
    dec->L = L;
    dec->text = dec->at = luaL_checklstring(L, 1, &len);
    if (len >= 2 && (!dec->text[0] || !dec->text[1]))
        return luaL_error(L, "json.decode: the text is UTF-16 or UTF-32");
    read_value(dec);
    if (peek(dec))
        fail(dec, "something after the value");
    return 1;
}

static int json_decode(lua_State *L)
{
    struct decoder dec = { 0 };

    lua_pushlightuserdata(L, &dec);
    lua_pushcclosure(L, decode, 1);
    lua_insert(L, 1);
    if (lua_pcall(L, lua_gettop(L) - 1, 1, 0) != LUA_OK) {
        lua_pushnil(L);
        lua_pushboolean(L, false);
        lua_rotate(L, -3, -1);
        return 3;
    }
    if (dec.has_bare_exponent) {
        warn_script(L, "json.decode: a number with an exponent and no '.': a module's decoder "
                       "stops there with an error");
    }
    if (dec.has_wide_integer) {
        warn_script(L, "json.decode: an integer has more digits than integers hold; it is cut, "
                       "on a module with 32-bit Lua beyond 2147483647 already");
    }
    lua_pushinteger(L, 1);
    return 2;
}

int luaopen_json(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "encode", json_encode },
        { "decode", json_decode },
        { NULL, NULL },
    };

    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
