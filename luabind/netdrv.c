/*
 * netdrv: the module's network chips and what lies behind them, as LuatOS's luat_lib_netdrv.c. Raw
 * packets (send_raw, EVT_PKG) are not there.
 */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "emu/device.h"
#include "emu/links.h"
#include "emu/msgq.h"
#include "emu/util.h"
#include "luabind/call.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

#define IMPL_CH390  1
#define IMPL_UART   16
#define IMPL_WHALE  64
#define CTRL_RESET  0
#define CTRL_UPDOWN 1
#define RESET_HARD  0x101
#define RESET_SOFT  0x102
#define EVT_SOCKET  1

static const char listeners; /* its address is the registry's key of a table: number to function */

/* ---- arguments --------------------------------------------------------------------------------- */

/* False: the board has no such adapter. */
static bool id_of(lua_State *L, lua_Integer number, enum adapter_id *id)
{
    const struct adapter *adapter = net_adapter(&vm_of(L)->config.device->net, number);

    if (adapter)
        *id = (enum adapter_id)adapter->id;
    return adapter != NULL;
}

/* The same of the first argument, with a warning. */
static bool id_arg(lua_State *L, const char *function, enum adapter_id *id)
{
    lua_Integer number = luaL_checkinteger(L, 1);

    if (id_of(L, number, id))
        return true;
    warn_script(L, "netdrv.%s: this board has no adapter %lld", function, (long long)number);
    return false;
}

static struct device *device_of(lua_State *L)
{
    return vm_of(L)->config.device;
}

/* An IPv4 address in argument @arg. */
static bool ipv4_arg(lua_State *L, int arg, struct endpoint *ep)
{
    return endpoint_set_text(ep, lua_tostring(L, arg)) && ep->family == IP_FAMILY_V4;
}

/* ---- chips ------------------------------------------------------------------------------------ */

/* setup(id, kind, {spi=, cs=, irq=, ...}): which chip it is and where makes no difference here. */
static int netdrv_lua_setup(lua_State *L)
{
    enum adapter_id id;
    bool ok;

    (void)luaL_optinteger(L, 2, 0);
    ok = id_arg(L, "setup", &id);
    if (ok)
        vclock_refresh(&device_of(L)->clock);
    lua_pushboolean(L, ok && netdrv_setup(&device_of(L)->netdrv, id) == 0);
    return 1;
}

static int netdrv_ctrl(lua_State *L)
{
    lua_Integer command = luaL_checkinteger(L, 2), arg = luaL_checkinteger(L, 3);
    struct netdrv *netdrv = &device_of(L)->netdrv;
    enum adapter_id id;
    int rc = -EINVAL;

    if (!id_arg(L, "ctrl", &id))
        return 0;
    if (command == CTRL_RESET || (command == CTRL_UPDOWN && arg)) {
        rc = netdrv_setup(netdrv, id);
    } else if (command == CTRL_UPDOWN) {
        rc = netdrv_stop(netdrv, id);
    }
    lua_pushboolean(L, rc == 0);
    lua_pushinteger(L, rc);
    return 2;
}

static int netdrv_debug(lua_State *L)
{
    (void)luaL_checkinteger(L, 1);
    return 0;
}

/* ---- addresses --------------------------------------------------------------------------------- */

/* dhcp(id, on): the host's own addresses are whoever's they are, and stay. */
static int netdrv_dhcp(lua_State *L)
{
    bool is_on = lua_toboolean(L, 2);
    enum adapter_id id;
    int rc = -ENODEV;

    if (id_arg(L, "dhcp", &id))
        rc = id == ADAPTER_GP ? -EPERM : links_set_dhcp(device_of(L), id, is_on);
    lua_pushboolean(L, rc == 0 || rc == -EOPNOTSUPP);
    return 1;
}

/* mac(id, new, hex): the address as "AABBCCDDEEFF", or as six bytes with hex false. */
static int netdrv_mac(lua_State *L)
{
    const char *wanted = NULL;
    bool is_raw = lua_isboolean(L, 3) && !lua_toboolean(L, 3);
    struct link_status status;
    enum adapter_id id;
    size_t len = 0;
    int rc;

    if (lua_type(L, 2) == LUA_TSTRING)
        wanted = lua_tolstring(L, 2, &len);
    if (!id_arg(L, "mac", &id))
        return 0;
    if (wanted && len != BOARD_MAC_LEN) {
        warn_script(L, "netdrv.mac: a MAC has %d bytes, this has %zu: a module returns nothing",
                    BOARD_MAC_LEN, len);
        return 0;
    }
    rc = wanted ? links_set_mac(device_of(L), id, (const uint8_t *)wanted) : 0;
    if (rc < 0) {
        warn_script(L, "netdrv.mac: %s keeps its MAC: %s", adapter_name(id),
                    rc == -EOPNOTSUPP ? "it is on this machine's network" : strerror(-rc));
    }
    (void)links_status(device_of(L), id, &status);
    push_mac(L, wanted && rc == 0 ? (const uint8_t *)wanted : status.mac, is_raw);
    return 1;
}

static void push_ipv4(lua_State *L, const struct endpoint *ep)
{
    char text[ENDPOINT_TEXT_MAX];

    lua_pushstring(L, ep->family == IP_FAMILY_V4 ? endpoint_ip_text(ep, text) : "0.0.0.0");
}

static int push_ipv4s(lua_State *L, const struct endpoint *ip, const struct endpoint *mask,
                      const struct endpoint *gateway)
{
    push_ipv4(L, ip);
    push_ipv4(L, mask);
    push_ipv4(L, gateway);
    return 3;
}

static int give_ipv4(lua_State *L, enum adapter_id id)
{
    struct board_address address = { 0 };
    struct endpoint mask = { 0 }, gateway = { 0 };
    int rc;

    if (!ipv4_arg(L, 2, &address.ip) || !ipv4_arg(L, 3, &mask) || !ipv4_arg(L, 4, &gateway) ||
        !endpoint_mask_bits(&mask, &address.prefix_len)) {
        warn_script(L,
                    "netdrv.ipv4: %s, %s, %s are no address, mask and gateway: a module returns "
                    "nothing",
                    lua_tostring(L, 2), lua_tostring(L, 3), lua_tostring(L, 4));
        return 0;
    }
    if (endpoint_is_unicast(&gateway))
        address.gateway = gateway;
    rc = links_set_address(device_of(L), id, &address);
    if (rc == 0)
        return push_ipv4s(L, &address.ip, &mask, &gateway);
    warn_script(L, "netdrv.ipv4: %s keeps its address: %s", adapter_name(id),
                rc == -EOPNOTSUPP ? "it is on this machine's network" : strerror(-rc));
    return -1;
}

/* ipv4(id), or ipv4(id, ip, mask, gateway). */
static int netdrv_ipv4(lua_State *L)
{
    struct link_status status;
    enum adapter_id id;
    int results = -1;

    if (!id_arg(L, "ipv4", &id))
        return 0;
    if (lua_isstring(L, 2) && lua_isstring(L, 3) && lua_isstring(L, 4))
        results = give_ipv4(L, id);
    if (results >= 0)
        return results;
    (void)links_status(device_of(L), id, &status);
    if (!status.is_ready)
        status.info = (struct adapter_info){ 0 };
    return push_ipv4s(L, &status.info.ip, &status.info.mask, &status.info.gateway);
}

/* ---- state ------------------------------------------------------------------------------------- */

static int netdrv_link(lua_State *L)
{
    struct link_status status;
    enum adapter_id id;

    if (!id_of(L, luaL_checkinteger(L, 1), &id))
        return 0;
    (void)links_status(device_of(L), id, &status);
    lua_pushboolean(L, status.is_on && status.is_plugged && status.has_carrier &&
                           (id != ADAPTER_GP || status.is_ready));
    return 1;
}

/* ready(-1): whether any is, and a bit for each number that is. */
static int push_all_ready(lua_State *L)
{
    const struct net *net = &device_of(L)->net;
    lua_Integer mask = 0;

    for (int number = 1; number <= ADAPTER_NUMBER_MAX; number++) {
        const struct adapter *adapter = net_adapter(net, number);

        if (adapter && adapter->is_ready)
            mask |= (lua_Integer)1 << number;
    }
    lua_pushboolean(L, mask != 0);
    lua_pushinteger(L, mask);
    return 2;
}

static int netdrv_ready(lua_State *L)
{
    lua_Integer number = luaL_checkinteger(L, 1);
    const struct adapter *adapter = net_adapter(&device_of(L)->net, number);

    if (number < 0)
        return push_all_ready(L);
    if (!adapter)
        return 0;
    lua_pushboolean(L, adapter->is_ready);
    return 1;
}

/* ---- NAT ----------------------------------------------------------------------------------------- */

/* Others than these have no clients behind them. */
static bool may_serve(enum adapter_id id)
{
    return id != ADAPTER_GP && id != ADAPTER_GP_GW && id != ADAPTER_STA;
}

static void warn_if_none(lua_State *L, int forwarded, int rc)
{
    if (!forwarded && rc < 0) {
        warn_script(L, "netdrv.napt: nothing is forwarded: %s",
                    rc == -EOPNOTSUPP ? "the adapters are on this machine's network, or somebody's"
                                      : strerror(-rc));
    }
}

/* napt(id): what comes in by an adapter with clients goes out by @id; napt(-1) ends it. */
static int netdrv_napt(lua_State *L)
{
    lua_Integer number = luaL_checkinteger(L, 1);
    struct device *device = device_of(L);
    enum adapter_id to = ADAPTER_GP;
    int forwarded = 0, worst = 0;

    if (number >= 0 && !id_arg(L, "napt", &to))
        return 0;
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        int rc;

        if (!may_serve((enum adapter_id)id) || !device->net.adapters[id] ||
            (number >= 0 && id == (int)to))
            continue;
        rc = links_forward(device, (enum adapter_id)id, number < 0 ? ADAPTER_NONE : (int)to);
        forwarded += rc == 0;
        worst = rc < 0 ? rc : worst;
    }
    if (number >= 0)
        warn_if_none(L, forwarded, worst);
    lua_pushboolean(L, true);
    return 1;
}

/* ---- what the sockets of an adapter do ------------------------------------------------------- */

static void push_listeners(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &listeners) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &listeners);
}

/* on(id, EVT_SOCKET, function(id, event, info)); event 0 ends it. */
static int netdrv_on(lua_State *L)
{
    lua_Integer number = luaL_checkinteger(L, 1), kind = luaL_checkinteger(L, 2);
    enum adapter_id id;

    if (!id_arg(L, "on", &id))
        return 0;
    if (kind != 0 && (kind != EVT_SOCKET || !lua_isfunction(L, 3))) {
        warn_script(L, "netdrv.on: takes EVT_SOCKET and a function: a module returns nothing");
        return 0;
    }
    if (kind == 0) {
        lua_settop(L, 2);
        lua_pushnil(L);
    }
    push_listeners(L);
    lua_pushvalue(L, 3);
    lua_rawseti(L, -2, number);
    device_of(L)->net.is_noted[id] = kind != 0;
    lua_pushboolean(L, true);
    return 1;
}

static void set_ip(lua_State *L, const struct endpoint *ep, const char *name)
{
    char text[ENDPOINT_TEXT_MAX];

    if (ep->family == IP_FAMILY_NONE)
        return;
    lua_pushstring(L, endpoint_ip_text(ep, text));
    lua_setfield(L, -2, name);
}

void netdrv_deliver(lua_State *L, const struct sock_note *note)
{
    push_listeners(L);
    if (lua_rawgeti(L, -1, note->adapter) != LUA_TFUNCTION) {
        lua_pop(L, 2);
        return;
    }
    lua_remove(L, -2);
    lua_pushinteger(L, note->adapter);
    lua_pushstring(L, note->event);
    lua_newtable(L);
    set_ip(L, &note->remote, "remote_ip");
    set_ip(L, &note->online, "online_ip");
    lua_pushinteger(L, note->remote.port);
    lua_setfield(L, -2, "remote_port");
    lua_pushstring(L, strcmp(note->event, "create") == 0 ? "unknown" : note->proto);
    lua_setfield(L, -2, "proto");
    if (note->domain[0]) {
        lua_pushstring(L, note->domain);
        lua_setfield(L, -2, "domain_name");
    }
    call_script(L, 3);
}

/* ---- the library --------------------------------------------------------------------------------- */

int luaopen_netdrv(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "setup", netdrv_lua_setup }, { "ctrl", netdrv_ctrl },   { "debug", netdrv_debug },
        { "dhcp", netdrv_dhcp },       { "mac", netdrv_mac },     { "ipv4", netdrv_ipv4 },
        { "link", netdrv_link },       { "ready", netdrv_ready }, { "napt", netdrv_napt },
        { "ping", icmp_ping },         { "on", netdrv_on },       { NULL, NULL },
    };
    static const struct constant constants[] = {
        { "CH390", IMPL_CH390 },      { "UART", IMPL_UART },          { "WHALE", IMPL_WHALE },
        { "CTRL_RESET", CTRL_RESET }, { "CTRL_UPDOWN", CTRL_UPDOWN }, { "RESET_HARD", RESET_HARD },
        { "RESET_SOFT", RESET_SOFT }, { "EVT_SOCKET", EVT_SOCKET },
    };

    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
