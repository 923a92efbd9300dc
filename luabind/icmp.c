/* icmp: the module's ping. netdrv.ping is the same function, of newer firmware. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "emu/device.h"
#include "emu/icmp_msg.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

static struct adapter *adapter_arg(lua_State *L, const char *function)
{
    lua_Integer number = luaL_checkinteger(L, 1);
    struct adapter *adapter = net_adapter(&vm_of(L)->config.device->net, number);

    if (!adapter)
        warn_script(L, "%s: this board has no adapter %lld", function, (long long)number);
    return adapter;
}

static void warn_unsent(lua_State *L, const struct adapter *adapter, int rc)
{
    if (!adapter->ops->echo) {
        warn_script(L,
                    "ping: %s answers pings and sends none, as on a module with such a chip: false "
                    "(chip=none has what Linux has)",
                    adapter_name((enum adapter_id)adapter->id));
    } else if (rc == -EACCES) {
        warn_script(L, "ping: this system does not let this process send echo requests: false "
                       "(sysctl net.ipv4.ping_group_range=\"0 2147483647\", or --net own)");
    } else if (rc == -EOPNOTSUPP) {
        warn_script(L, "ping: there is no network in virtual time: false (--time real)");
    } else if (rc != -ENETDOWN) {
        warn_script(L, "ping: %s: false", strerror(-rc));
    }
}

/* ping(id, ip, len): was it sent? Nothing when it can't be. */
int icmp_ping(lua_State *L)
{
    struct device *device = vm_of(L)->config.device;
    struct adapter *adapter = adapter_arg(L, "ping");
    const char *ip = luaL_checkstring(L, 2);
    lua_Integer len = luaL_optinteger(L, 3, PING_LEN);
    struct endpoint to = { 0 };
    int rc;

    if (!adapter)
        return 0;
    if (!endpoint_set_text(&to, ip) || to.family != IP_FAMILY_V4) {
        warn_script(L, "ping: \"%s\" is no IPv4 address: nothing is sent", ip);
        return 0;
    }
    if (len < 0 || len > ICMP_DATA_MAX) {
        warn_script(L, "ping: %lld bytes, of 0 to %d: nothing is sent", (long long)len,
                    ICMP_DATA_MAX);
        return 0;
    }
    vclock_refresh(&device->clock); /* the script may have worked for long since the turn */
    rc = ping_start(&device->pings, adapter, &to, (size_t)len);
    if (rc < 0)
        warn_unsent(L, adapter, rc);
    lua_pushboolean(L, rc == 0);
    return 1;
}

static int icmp_setup(lua_State *L)
{
    lua_pushboolean(L, adapter_arg(L, "icmp.setup") != NULL);
    return 1;
}

static int icmp_debug(lua_State *L)
{
    lua_pushboolean(L, lua_toboolean(L, 1));
    return 1;
}

int luaopen_icmp(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "setup", icmp_setup },
        { "ping", icmp_ping },
        { "debug", icmp_debug },
        { NULL, NULL },
    };

    luaL_newlib(L, functions);
    return 1;
}
