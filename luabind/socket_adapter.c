/* The part of the socket library that is about adapters: adapter, localIP, setDNS, dft and so on. */
#include <lauxlib.h>

#include "emu/device.h"
#include "emu/netc.h"
#include "luabind/lib.h"
#include "luabind/socket_priv.h"
#include "luabind/vm.h"

#define DNS_PORT_NUMBER 53
#define RX_CACHE_MIN    6
#define RX_CACHE_MAX    48

int socket_adapter(lua_State *L)
{
    const struct net *net = socket_net(L);
    lua_Integer number = luaL_optinteger(L, 1, -1);
    const struct adapter *adapter;

    if (number >= 1 && number <= ADAPTER_NUMBER_MAX) {
        adapter = net_adapter(net, number);
        lua_pushboolean(L, adapter && adapter->is_ready);
        lua_pushinteger(L, number);
        return 2;
    }
    for (number = 1; number <= ADAPTER_NUMBER_MAX; number++) {
        adapter = net_adapter(net, number);
        if (adapter && adapter->is_ready)
            break;
    }
    lua_pushboolean(L, number <= ADAPTER_NUMBER_MAX);
    lua_pushinteger(L, number <= ADAPTER_NUMBER_MAX ? number : ADAPTER_NUMBER_MAX);
    return 2;
}

static void push_ip(lua_State *L, const struct endpoint *ep, bool is_ready)
{
    char text[ENDPOINT_TEXT_MAX];

    if (is_ready && ep->family != IP_FAMILY_NONE) {
        lua_pushstring(L, endpoint_ip_text(ep, text));
    } else {
        lua_pushliteral(L, "0.0.0.0");
    }
}

int socket_local_ip(lua_State *L)
{
    struct adapter_info info = { 0 };
    lua_Integer number;
    const struct adapter *adapter = socket_adapter_arg(L, 1, &number);
    char text[ENDPOINT_TEXT_MAX];

    if (!adapter) {
        warn_script(L, "socket.localIP: this board has no adapter %lld: a module returns nothing",
                    (long long)number);
        return 0;
    }
    adapter->ops->info(adapter, &info);
    push_ip(L, &info.ip, adapter->is_ready);
    push_ip(L, &info.mask, adapter->is_ready);
    push_ip(L, &info.gateway, adapter->is_ready);
    if (adapter->is_ready && info.ip6.family == IP_FAMILY_V6) {
        lua_pushstring(L, endpoint_ip_text(&info.ip6, text));
    } else {
        lua_pushnil(L);
    }
    return 4;
}

int socket_remote_ip(lua_State *L)
{
    const struct netc *netc = socket_get(L, 1);
    char texts[DNS_ADDRS_MAX][ENDPOINT_TEXT_MAX];
    int count = netc ? netc->lookup.count : 0;

    for (int i = 0; i < count; i++)
        (void)endpoint_ip_text(&netc->lookup.addrs[i], texts[i]);
    for (int i = 0; i < DNS_ADDRS_MAX; i++)
        lua_pushstring(L, i < count ? texts[i] : NULL); /* NULL: nil */
    return DNS_ADDRS_MAX;
}

int socket_dns_servers(lua_State *L)
{
    struct endpoint servers[ADAPTER_DNS_MAX];
    char text[ENDPOINT_TEXT_MAX];
    lua_Integer number;
    const struct adapter *adapter = socket_adapter_arg(L, 1, &number);
    size_t count = adapter ? dns_servers(adapter, servers) : 0;

    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, endpoint_ip_text(&servers[i], text));
        lua_pushinteger(L, servers[i].port);
    }
    return 2 * (int)count;
}

int socket_set_dns(lua_State *L)
{
    lua_Integer number;
    struct adapter *adapter = socket_adapter_arg(L, 1, &number);
    lua_Integer index = luaL_optinteger(L, 2, 1);
    struct endpoint ep = { .port = DNS_PORT_NUMBER };
    bool is_address;

    if (!lua_isinteger(L, 3))
        (void)luaL_checkstring(L, 3);
    if (!adapter) {
        warn_script(L, "socket.setDNS: this board has no adapter %lld: false", (long long)number);
        lua_pushboolean(L, false);
        return 1;
    }
    is_address = socket_endpoint_arg(L, 3, &ep);
    if (!is_address) {
        warn_script(L, "socket.setDNS: \"%s\" is no address: ignored; a module stores rubbish",
                    lua_tostring(L, 3));
    } else if (index < 1 || index > ADAPTER_DNS_MAX) {
        warn_script(L, "socket.setDNS: slot %lld of 1..%d: ignored", (long long)index,
                    ADAPTER_DNS_MAX);
    } else {
        adapter->dns_static[index - 1] = ep;
    }
    lua_pushboolean(L, true); /* LuatOS says true to all of these */
    return 1;
}

int socket_dft(lua_State *L)
{
    struct net *net = socket_net(L);
    uint8_t number;

    if (lua_type(L, 1) == LUA_TNUMBER) {
        number = (uint8_t)luaL_checkinteger(L, 1);
        if (number <= ADAPTER_NUMBER_MAX) {
            if (number != net->default_number) {
                firmware_log(L, LOG_LEVEL_INFO, "socket", "dft adapter change from %d to %d",
                             net->default_number, number);
            }
            net->default_number = number;
            net->is_default_chosen = true;
        }
    }
    lua_pushinteger(L, net->default_number);
    lua_pushinteger(L, net->last_number);
    return 2;
}

int socket_close_all(lua_State *L)
{
    struct net *net = socket_net(L);
    lua_Integer number;
    const struct adapter *adapter;

    if (lua_type(L, 1) != LUA_TNUMBER) {
        lua_pushboolean(L, false);
        return 1;
    }
    number = luaL_checkinteger(L, 1);
    adapter = net_adapter(net, number);
    if (adapter)
        net_close_all(net, adapter);
    lua_pushboolean(L, number >= 0 && number <= ADAPTER_NUMBER_MAX);
    return 1;
}

int socket_rx_cache(lua_State *L)
{
    struct vm *vm = vm_of(L);

    if (lua_type(L, 1) == LUA_TNUMBER) {
        uint8_t count = (uint8_t)luaL_checkinteger(L, 1);

        if (count >= RX_CACHE_MIN && count <= RX_CACHE_MAX)
            vm->rx_cache = count;
    }
    lua_pushinteger(L, vm->rx_cache);
    return 1;
}
