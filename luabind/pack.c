#include "luabind/pack.h"

#include <lauxlib.h>
#include <string.h>

#include "luabind/lib.h"

#define CPU_SIZE_T 4 /* length of "a": a size_t of the module's 32-bit CPU */

bool pack_next(struct pack_format *format, struct pack_item *item)
{
    for (;;) {
        *item = (struct pack_item){ .letter = *format->at, .count = 1 };
        if (!item->letter)
            return false;
        format->at++;
        if (*format->at >= '0' && *format->at <= '9') {
            long long count = 0;

            for (; *format->at >= '0' && *format->at <= '9'; format->at++) {
                if (count <= PACK_COUNT_MAX)
                    count = count * 10 + (*format->at - '0');
            }
            item->count = count <= PACK_COUNT_MAX ? (int)count : PACK_COUNT_MAX;
            item->has_count = true;
        }
        switch (item->letter) {
        case '<':
        case '=':
            format->is_big = format->is_big && !item->count;
            break;
        case '>':
            format->is_big = format->is_big || item->count;
            break;
        case ' ':
        case ',':
            break;
        default:
            return true;
        }
    }
}

size_t pack_scalar_size(char letter)
{
    switch (letter) {
    case 'c':
    case 'b':
        return 1;
    case 'h':
    case 'H':
        return 2;
    case 'i':
    case 'I':
    case 'f':
        return 4;
    case 'l':
    case 'L':
    case 'd':
    case 'n':
        return 8;
    default:
        return 0;
    }
}

static void reverse(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        uint8_t byte = bytes[i];

        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = byte;
    }
}

void pack_scalar_write(lua_State *L, int arg, char letter, bool is_big,
                       uint8_t bytes[PACK_SCALAR_MAX])
{
    size_t size = pack_scalar_size(letter);
    lua_Number number;
    lua_Integer integer;
    float single;

    if (letter == 'd' || letter == 'n') {
        number = luaL_checknumber(L, arg);
        memcpy(bytes, &number, size);
    } else if (letter == 'f') {
        single = (float)luaL_checknumber(L, arg);
        memcpy(bytes, &single, size);
    } else {
        integer = luaL_checkinteger(L, arg);
        memcpy(bytes, &integer, size); /* little-endian host: the low bytes come first */
    }
    if (is_big)
        reverse(bytes, size);
}

void pack_scalar_push(lua_State *L, char letter, bool is_big, const uint8_t *bytes)
{
    size_t size = pack_scalar_size(letter);
    uint8_t ordered[PACK_SCALAR_MAX] = { 0 };
    lua_Integer integer = 0;
    lua_Number number;
    float single;

    memcpy(ordered, bytes, size);
    if (is_big)
        reverse(ordered, size);
    memcpy(&integer, ordered, sizeof(integer));
    switch (letter) {
    case 'd':
    case 'n':
        memcpy(&number, ordered, sizeof(number));
        lua_pushnumber(L, number);
        return;
    case 'f':
        memcpy(&single, ordered, sizeof(single));
        lua_pushnumber(L, (lua_Number)single);
        return;
    case 'c':
        integer = (int8_t)integer;
        break;
    case 'h':
        integer = (int16_t)integer;
        break;
    case 'i':
        integer = (int32_t)integer;
        break;
    default:
        break;
    }
    lua_pushinteger(L, integer);
}

int pack_bad_code(lua_State *L, char letter)
{
    return luaL_argerror(L, 1, lua_pushfstring(L, "bad code `%c'", letter));
}

/* Size of the length before the string of "p", "P" and "a"; 0 for other letters. */
static size_t prefix_size(char letter)
{
    return letter == 'p' ? 1 : letter == 'P' ? 2 : letter == 'a' ? CPU_SIZE_T : 0;
}

static void add_number(luaL_Buffer *out, lua_Integer value, size_t size, bool is_big)
{
    uint8_t bytes[PACK_SCALAR_MAX];

    memcpy(bytes, &value, size);
    if (is_big)
        reverse(bytes, size);
    luaL_addlstring(out, (const char *)bytes, size);
}

/* "A5": one string, cut or filled with zeros to 5 bytes. */
static void add_fixed(lua_State *L, int arg, luaL_Buffer *out, size_t count)
{
    size_t len = 0;
    const char *text = count ? luaL_checklstring(L, arg, &len) : luaL_optlstring(L, arg, "", &len);
    size_t taken = len < count ? len : count;

    luaL_addlstring(out, text, taken);
    for (; taken < count; taken++)
        luaL_addchar(out, '\0');
}

static void add_item(lua_State *L, int arg, luaL_Buffer *out, char letter, bool is_big)
{
    uint8_t bytes[PACK_SCALAR_MAX];
    size_t size = pack_scalar_size(letter), len;
    const char *text;

    if (size) {
        pack_scalar_write(L, arg, letter, is_big, bytes);
        luaL_addlstring(out, (const char *)bytes, size);
        return;
    }
    if (letter != 'A' && letter != 'z' && !prefix_size(letter))
        (void)pack_bad_code(L, letter);
    text = luaL_checklstring(L, arg, &len);
    if (prefix_size(letter))
        add_number(out, (lua_Integer)len, prefix_size(letter), is_big);
    luaL_addlstring(out, text, len);
    if (letter == 'z')
        luaL_addchar(out, '\0');
}

static int pack_pack(lua_State *L)
{
    struct pack_format format = { .at = luaL_checkstring(L, 1) };
    struct pack_item item;
    luaL_Buffer out;
    int arg = 2;

    luaL_buffinit(L, &out);
    while (pack_next(&format, &item)) {
        if (item.letter == 'A' && item.has_count) {
            add_fixed(L, arg++, &out, (size_t)item.count);
            continue;
        }
        for (int i = 0; i < item.count; i++)
            add_item(L, arg++, &out, item.letter, format.is_big);
    }
    luaL_pushresult(&out);
    return 1;
}

struct source {
    const char *data;
    size_t len, pos;
};

/* Push one item and move on; false when it is not all there. */
static bool push_item(lua_State *L, struct source *src, char letter, bool is_big)
{
    size_t left = src->len > src->pos ? src->len - src->pos : 0;
    const char *at = src->data + (left ? src->pos : 0);
    size_t size = pack_scalar_size(letter);
    size_t prefix = prefix_size(letter), len = 0;
    const char *end;

    if (size) {
        if (size > left)
            return false;
        pack_scalar_push(L, letter, is_big, (const uint8_t *)at);
        src->pos += size;
        return true;
    }
    if (letter == 'z') {
        if (!left)
            return false;
        end = memchr(at, '\0', left);
        len = end ? (size_t)(end - at) : left;
        lua_pushlstring(L, at, len);
        src->pos += len + 1;
        return true;
    }
    if (!prefix)
        (void)pack_bad_code(L, letter);
    if (prefix > left)
        return false;
    for (size_t i = 0; i < prefix; i++)
        len |= (size_t)(uint8_t)at[is_big ? prefix - 1 - i : i] << (8 * i);
    if (len > left - prefix)
        return false;
    lua_pushlstring(L, at + prefix, len);
    src->pos += prefix + len;
    return true;
}

static bool push_fixed(lua_State *L, struct source *src, size_t count)
{
    if (src->pos > src->len || count > src->len - src->pos) {
        if (count)
            return false;
        lua_pushliteral(L, "");
        return true;
    }
    lua_pushlstring(L, src->data + src->pos, count);
    src->pos += count;
    return true;
}

static int pack_unpack(lua_State *L)
{
    struct source src = { 0 };
    struct pack_format format = { 0 };
    struct pack_item item;
    lua_Number init;
    bool more = true;

    src.data = luaL_checklstring(L, 1, &src.len);
    format.at = luaL_checkstring(L, 2);
    init = luaL_optnumber(L, 3, 1);
    lua_settop(L, 2);
    if (!(init >= 1 && init <= (lua_Number)src.len + 1)) { /* outside: nothing to read there */
        lua_pushinteger(L, init >= 1 && init < 9e15 ? (lua_Integer)init : 1);
        return 1;
    }
    src.pos = (size_t)init - 1;
    lua_pushnil(L); /* the position, once it is known */
    while (more && pack_next(&format, &item)) {
        if (item.letter == 'A') {
            luaL_checkstack(L, 1, "too many results to unpack");
            more = push_fixed(L, &src, (size_t)item.count);
            continue;
        }
        for (int i = 0; more && i < item.count; i++) {
            luaL_checkstack(L, 1, "too many results to unpack");
            more = push_item(L, &src, item.letter, format.is_big);
        }
    }
    lua_pushinteger(L, (lua_Integer)src.pos + 1);
    lua_replace(L, 3);
    return lua_gettop(L) - 2;
}

int luaopen_pack(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "pack", pack_pack },
        { "unpack", pack_unpack },
        { NULL, NULL },
    };

    luaL_newlib(L, functions);
    return 1;
}
