/* What LuatOS adds to Lua's string library. */
#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#include "luabind/lib.h"

static const char hex_digits[] = "0123456789ABCDEF";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base32_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- hexadecimal ------------------------------------------------------------------------------- */

static void add_hex(luaL_Buffer *out, char c)
{
    luaL_addchar(out, hex_digits[(unsigned char)c >> 4]);
    luaL_addchar(out, hex_digits[(unsigned char)c & 0xf]);
}

/* The second result does not count the separators. */
static int string_to_hex(lua_State *L)
{
    size_t len, separator_len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *separator = luaL_optlstring(L, 2, "", &separator_len);
    luaL_Buffer out;

    luaL_buffinit(L, &out);
    for (size_t i = 0; i < len; i++) {
        add_hex(&out, text[i]);
        luaL_addlstring(&out, separator, separator_len);
    }
    luaL_pushresult(&out);
    lua_pushinteger(L, (lua_Integer)len * 2);
    return 2;
}

/* -1: not one. */
static int hex_value(char c)
{
    char lower = (char)(c | 0x20);

    return is_digit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Digits count only in pairs: anything between two of them drops the first. */
static int string_from_hex(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    int high = -1;
    luaL_Buffer out;

    luaL_buffinit(L, &out);
    for (size_t i = 0; i < len; i++) {
        int value = hex_value(text[i]);

        if (value >= 0 && high >= 0) {
            luaL_addchar(&out, (char)(high << 4 | value));
            high = -1;
        } else {
            high = value;
        }
    }
    luaL_pushresult(&out);
    return 1;
}

/* Every character's digit, letters counted from 10, in its low four bits. */
static int string_to_value(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    luaL_Buffer out;

    luaL_buffinit(L, &out);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i]; /* char has no sign on a module's ARM */

        luaL_addchar(&out, (char)((c > '9' ? c + 9 : c) & 0xf));
    }
    luaL_pushresult(&out);
    lua_pushinteger(L, (lua_Integer)len);
    return 2;
}

/* ---- base64 and base32 ------------------------------------------------------------------------- */

int string_to_base64(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    luaL_Buffer out;

    luaL_buffinit(L, &out);
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i < 3 ? len - i : 3;
        uint32_t bits = 0;

        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (j < left ? (unsigned char)text[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            luaL_addchar(&out, j <= left ? base64_digits[bits >> (18 - 6 * j) & 0x3f] : '=');
    }
    luaL_pushresult(&out);
    return 1;
}

/*
 * The characters that count, in a string on the stack; false when the text is none in base64.
 * Lines may end with spaces, and a text with any mixture of them; spaces elsewhere are wrong.
 */
static bool push_base64_digits(lua_State *L, const char *text, size_t len)
{
    size_t padding = 0, spaces = 0;
    luaL_Buffer digits;

    luaL_buffinit(L, &digits);
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == ' ') {
            spaces++;
            continue;
        }
        if (c == '\n' || (c == '\r' && i + 1 < len && text[i + 1] == '\n')) {
            spaces = 0;
            continue;
        }
        padding += c == '=';
        if (spaces || padding > 2 || (c != '=' && padding) || !c ||
            (c != '=' && !strchr(base64_digits, c)))
            return false;
        luaL_addchar(&digits, c);
    }
    luaL_pushresult(&digits);
    return true;
}

static uint32_t base64_value(char c)
{
    return c == '=' ? 0 : (uint32_t)(strchr(base64_digits, c) - base64_digits);
}

int string_from_base64(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    luaL_Buffer out;

    if (!push_base64_digits(L, text, len)) {
        lua_pushliteral(L, "");
        return 1;
    }
    text = lua_tolstring(L, -1, &len);
    if (len % 4) {
        warn_script(L,
                    "string.fromBase64: %zu characters are no multiple of four; what is over "
                    "is dropped",
                    len);
    }
    luaL_buffinit(L, &out);
    for (size_t i = 0; i + 4 <= len; i += 4) {
        size_t bytes = text[i + 2] == '=' ? 1 : text[i + 3] == '=' ? 2 : 3;
        uint32_t bits = 0;

        for (size_t j = 0; j < 4; j++)
            bits = bits << 6 | base64_value(text[i + j]);
        for (size_t j = 0; j < bytes; j++)
            luaL_addchar(&out, (char)(bits >> (16 - 8 * j)));
    }
    luaL_pushresult(&out);
    return 1;
}

/* Without padding. */
static int string_to_base32(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    uint32_t bits = 0;
    unsigned have = 0;
    luaL_Buffer out;

    luaL_buffinit(L, &out);
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | (unsigned char)text[i];
        for (have += 8; have >= 5; have -= 5)
            luaL_addchar(&out, base32_digits[bits >> (have - 5) & 0x1f]);
    }
    if (have)
        luaL_addchar(&out, base32_digits[bits << (5 - have) & 0x1f]);
    luaL_pushresult(&out);
    return 1;
}

/* -1: not one. 0, 1 and 8 are taken for the letters that look like them. */
static int base32_value(char c)
{
    if (c == '0')
        return 'O' - 'A';
    if (c == '1')
        return 'L' - 'A';
    if (c == '8')
        return 'B' - 'A';
    if (is_letter(c))
        return (c & 0x1f) - 1;
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

/* White space and '-' are skipped and a NUL ends it; anything else, '=' too, makes it "". */
int string_from_base32(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    uint32_t bits = 0;
    unsigned have = 0;
    luaL_Buffer out;

    luaL_buffinit(L, &out);
    for (; *text; text++) {
        int value = base32_value(*text);

        if (strchr(" \t\r\n-", *text))
            continue;
        if (value < 0) {
            if (*text == '=')
                warn_script(L, "string.fromBase32 knows no padding: a '=' makes the result empty");
            lua_pushliteral(L, "");
            return 1;
        }
        bits = bits << 5 | (uint32_t)value;
        have += 5;
        if (have >= 8) {
            have -= 8;
            luaL_addchar(&out, (char)(bits >> have));
        }
    }
    luaL_pushresult(&out);
    return 1;
}

/* ---- URLs -------------------------------------------------------------------------------------- */

enum url_mode {
    URL_MODE_CUSTOM = -1,
    URL_MODE_PHP = 0,
    URL_MODE_RFC3986 = 1,
};

/* urlEncode(text, mode, space, kept): the last two belong to URL_MODE_CUSTOM. */
static int string_url_encode(lua_State *L)
{
    size_t len, kept_len = 4;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *kept = ".-*_";
    lua_Integer mode = lua_gettop(L) == 1 ? URL_MODE_PHP : luaL_checkinteger(L, 2);
    bool is_space_plus = mode != URL_MODE_RFC3986;
    luaL_Buffer out;

    if (mode == URL_MODE_CUSTOM) {
        is_space_plus = luaL_checkinteger(L, 3) == 0;
        kept = luaL_checklstring(L, 4, &kept_len);
    } else if (mode == URL_MODE_RFC3986) {
        kept = ".-_";
        kept_len = 3;
    }
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (is_digit(c) || is_letter(c) || memchr(kept, c, kept_len)) {
            luaL_addchar(&out, c);
        } else if (c == ' ' && is_space_plus) {
            luaL_addchar(&out, '+');
        } else {
            luaL_addchar(&out, '%');
            add_hex(&out, c);
        }
    }
    luaL_pushresult(&out);
    return 1;
}

/* ---- pieces ------------------------------------------------------------------------------------ */

/* split(text, separator, keep_empty) -> table; no separator, or an empty one, is a comma. */
static int string_split(lua_State *L)
{
    size_t len, separator_len = 0;
    const char *at = luaL_checklstring(L, 1, &len);
    const char *end = at + len;
    const char *separator = len ? luaL_optlstring(L, 2, ",", &separator_len) : NULL;
    bool keep_empty = lua_isboolean(L, 3) && lua_toboolean(L, 3);
    lua_Integer count = 0;

    if (!separator_len) {
        separator = ",";
        separator_len = 1;
    }
    lua_newtable(L);
    while (len) {
        const char *next = memmem(at, (size_t)(end - at), separator, separator_len);
        const char *until = next ? next : end;

        if (until > at || keep_empty) {
            lua_pushlstring(L, at, (size_t)(until - at));
            lua_rawseti(L, -2, ++count);
        }
        if (!next)
            break;
        at = next + separator_len;
    }
    return 1;
}

static int string_starts_with(lua_State *L)
{
    size_t len, prefix_len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *prefix = luaL_checklstring(L, 2, &prefix_len);

    lua_pushboolean(L, len >= prefix_len && memcmp(text, prefix, prefix_len) == 0);
    return 1;
}

static int string_ends_with(lua_State *L)
{
    size_t len, suffix_len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *suffix = luaL_checklstring(L, 2, &suffix_len);

    lua_pushboolean(L,
                    len >= suffix_len && memcmp(text + len - suffix_len, suffix, suffix_len) == 0);
    return 1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* trim(text, left, right): what is not a boolean counts as true. */
static int string_trim(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    bool left = !lua_isboolean(L, 2) || lua_toboolean(L, 2);
    bool right = !lua_isboolean(L, 3) || lua_toboolean(L, 3);

    for (; left && len && is_blank(*text); len--)
        text++;
    while (right && len && is_blank(text[len - 1]))
        len--;
    lua_pushlstring(L, text, len);
    return 1;
}

int luaopen_luatos_string(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "toHex", string_to_hex },
        { "fromHex", string_from_hex },
        { "toValue", string_to_value },
        { "toBase64", string_to_base64 },
        { "fromBase64", string_from_base64 },
        { "toBase32", string_to_base32 },
        { "fromBase32", string_from_base32 },
        { "urlEncode", string_url_encode },
        { "split", string_split },
        { "startsWith", string_starts_with },
        { "endsWith", string_ends_with },
        { "trim", string_trim },
        { NULL, NULL },
    };

    luaL_setfuncs(L, functions, 0);
    return 1;
}
