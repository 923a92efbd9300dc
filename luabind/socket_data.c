/* The part of the socket library through which data goes: tx, rx, read. */
#include <lauxlib.h>
#include <string.h>

#include "emu/netc.h"
#include "luabind/lib.h"
#include "luabind/socket_priv.h"
#include "luabind/zbuff.h"

#define UDP_PAYLOAD_SAFE 1460 /* the document: more than this fails easily */

static int push_sent(lua_State *L, struct netc_sent sent)
{
    lua_pushboolean(L, sent.ok);
    lua_pushboolean(L, sent.full);
    lua_pushboolean(L, sent.acked);
    return 3;
}

/* Bytes to send: a string, a number's text, or the used part of a zbuff. */
static const char *to_bytes(lua_State *L, int arg, size_t *len)
{
    const struct zbuff *buff;

    if (lua_isstring(L, arg))
        return lua_tolstring(L, arg, len);
    buff = zbuff_check(L, arg);
    *len = buff->used;
    return (const char *)buff->data;
}

static void warn_tx(lua_State *L, size_t len)
{
    const struct netc *netc = socket_get(L, 1);

    if (!netc)
        return;
    if (netc->state != NETC_STATE_ONLINE) {
        warn_script(L, "socket.tx on a socket in state %d %s: false", (int)netc->state,
                    netc_state_name(netc->state));
    } else if (netc->config.is_udp && len > UDP_PAYLOAD_SAFE) {
        warn_script(L, "socket.tx: a datagram of %zu bytes; on a module more than %d fails easily",
                    len, UDP_PAYLOAD_SAFE);
    }
}

int socket_tx(lua_State *L)
{
    static const struct netc_sent failed = { .ok = false, .full = true, .acked = false };
    struct netc *netc = socket_check(L, "tx");
    struct endpoint to = { 0 };
    bool has_to;
    const char *data;
    size_t len;

    if (!netc)
        return 0;
    has_to = netc->config.is_udp && (lua_isinteger(L, 3) || lua_isstring(L, 3));
    (void)to_bytes(L, 2, &len);
    to.port = (uint16_t)luaL_optinteger(L, 4, 0);
    (void)luaL_optinteger(L, 5, 0);
    if (has_to && !socket_endpoint_arg(L, 3, &to)) {
        warn_script(L, "socket.tx: \"%s\" is no address: false; a module sends to 0.0.0.0",
                    lua_tostring(L, 3));
        return push_sent(L, failed);
    }
    warn_tx(L, len);
    data = to_bytes(L, 2, &len);
    netc = socket_get(L, 1);
    if (!netc)
        return 0;
    return push_sent(L, netc_tx(netc, data, len, has_to ? &to : NULL));
}

static void push_rxaddr(lua_State *L, const struct endpoint *from)
{
    uint8_t bytes[ENDPOINT_RXADDR_MAX];
    size_t len = endpoint_rxaddr(from, bytes);

    lua_pushlstring(L, (const char *)bytes, len);
}

/* Room in @buff for @len more bytes, as much as can be had. */
static size_t make_room(struct zbuff *buff, size_t len)
{
    size_t room = buff->len - buff->used;

    if (room < len && zbuff_resize(buff, buff->used + len))
        room = len;
    return room < len ? room : len;
}

/*
 * Read at most @limit bytes to the end of @buff, which grows by what does not fit. The common case,
 * data that fits, is one system call.
 */
static ssize_t rx_stream(struct netc *netc, struct zbuff *buff, size_t limit)
{
    size_t room = buff->len - buff->used;
    size_t first = room < limit ? room : limit;
    ssize_t n = first ? netc_rx(netc, buff->data + buff->used, first, NULL) : 0;
    ssize_t more;

    if (n < 0 || (first && (size_t)n < first) || (size_t)n == limit) {
        buff->used += n > 0 ? (size_t)n : 0;
        return n;
    }
    buff->used += (size_t)n;
    more = netc_rx_len(netc);
    if (more <= 0)
        return first ? n : more;
    limit -= (size_t)n;
    room = make_room(buff, (size_t)more < limit ? (size_t)more : limit);
    more = room ? netc_rx(netc, buff->data + buff->used, room, NULL) : 0;
    if (more > 0)
        buff->used += (size_t)more;
    return more > 0 ? n + more : n;
}

/*
 * One datagram, or what is left of one TLS record, to the end of @buff; what is beyond @limit of a
 * datagram is lost. -1: nothing could be read.
 */
static ssize_t rx_message(struct netc *netc, struct zbuff *buff, size_t limit,
                          struct endpoint *from)
{
    ssize_t len = netc_rx_len(netc);
    size_t room;
    ssize_t n;

    if (len <= 0)
        return len;
    room = make_room(buff, (size_t)len < limit ? (size_t)len : limit);
    n = netc_rx(netc, buff->data + buff->used, room, from);
    if (n > 0)
        buff->used += (size_t)n;
    return n;
}

/* rx without a zbuff, or with something else in its place: only how much there is. */
static int rx_query(lua_State *L, struct netc *netc)
{
    ssize_t len = netc_rx_len(netc);

    if (len > 0 && lua_isuserdata(L, 2))
        (void)zbuff_check(L, 2); /* raises, but only now: LuatOS looks at the data first */
    lua_pushboolean(L, len >= 0);
    lua_pushinteger(L, len > 0 ? len : 0);
    return 2;
}

int socket_rx(lua_State *L)
{
    struct netc *netc = socket_check(L, "rx");
    struct endpoint from = { 0 };
    struct zbuff *buff;
    size_t limit = SIZE_MAX;
    bool is_udp;
    ssize_t n;

    if (!netc)
        return 0;
    buff = zbuff_test(L, 2);
    if (!buff)
        return rx_query(L, netc);
    if (lua_gettop(L) >= 4 && lua_isinteger(L, 4) && lua_tointeger(L, 4) >= 0) {
        limit = (uint32_t)lua_tointeger(L, 4);
    } else if (lua_isinteger(L, 3) && lua_tointeger(L, 3) > 0) {
        warn_script(L, "socket.rx: the third argument is a flag without effect; the limit is the "
                       "fourth");
    }
    netc = socket_get(L, 1);
    if (!netc)
        return 0;
    is_udp = netc->config.is_udp;
    n = is_udp || netc->tls ? rx_message(netc, buff, limit, &from) : rx_stream(netc, buff, limit);
    lua_pushboolean(L, n >= 0);
    lua_pushinteger(L, n > 0 ? n : 0);
    if (n <= 0)
        return 2;
    if (is_udp) {
        push_rxaddr(L, &from);
        lua_pushinteger(L, from.port);
    } else {
        lua_pushnil(L);
        lua_pushnil(L);
    }
    return 4;
}

int socket_read(lua_State *L)
{
    struct netc *netc = socket_check(L, "read");
    struct endpoint from = { 0 };
    lua_Integer limit = 0;
    luaL_Buffer data;
    bool is_udp;
    char *room;
    ssize_t len;

    if (!netc)
        return 0;
    is_udp = netc->config.is_udp;
    if (lua_isinteger(L, 2))
        limit = lua_tointeger(L, 2);
    len = netc_rx_len(netc);
    lua_pushboolean(L, len >= 0);
    if (len < 0)
        return 1;
    if (limit > 0 && len > limit)
        len = (ssize_t)limit;
    room = luaL_buffinitsize(L, &data, (size_t)len);
    netc = socket_get(L, 1);
    if (len)
        len = netc ? netc_rx(netc, room, (size_t)len, &from) : 0;
    luaL_pushresultsize(&data, len > 0 ? (size_t)len : 0);
    if (len <= 0 || !is_udp)
        return 2;
    push_rxaddr(L, &from);
    lua_pushinteger(L, from.port);
    return 4;
}
