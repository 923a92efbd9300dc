/* The part of the socket library that asks for the time: sntp, sntp_port, ntptm. */
#include <lauxlib.h>

#include "emu/device.h"
#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/socket_priv.h"
#include "luabind/vm.h"

#define US_PER_S  1000000
#define US_PER_MS 1000

static struct device *device_of(lua_State *L)
{
    return vm_of(L)->config.device;
}

/* sntp({a, b, c}): one server a slot; those that are too long keep the slot's old one. */
static void set_servers(lua_State *L, struct sntp *sntp)
{
    for (int slot = 0; slot < SNTP_SERVERS_MAX; slot++) {
        if (lua_rawgeti(L, 1, slot + 1) == LUA_TNIL) {
            lua_pop(L, 1);
            break;
        }
        if (!lua_isstring(L, -1)) {
            luaL_error(L, "bad argument #1 to 'sntp' (server %d is a %s, not a string)", slot + 1,
                       luaL_typename(L, -1));
        }
        (void)sntp_set_server(sntp, slot, lua_tostring(L, -1));
        lua_pop(L, 1);
    }
}

int socket_sntp(lua_State *L)
{
    struct device *device = device_of(L);
    lua_Integer number;
    struct adapter *adapter;

    if (lua_istable(L, 1)) {
        set_servers(L, &device->sntp);
    } else if (lua_isstring(L, 1)) {
        if (!sntp_set_server(&device->sntp, 0, lua_tostring(L, 1)))
            return 0;
    }
    number = luaL_optinteger(L, 2, device->net.default_number);
    adapter = net_adapter(&device->net, number);
    if (!adapter) {
        warn_script(L, "socket.sntp: this board has no adapter %lld: NTP_ERROR", (long long)number);
    } else if (!net_can_use(&device->net, adapter)) {
        warn_script(L, "socket.sntp: there is no network in virtual time: NTP_ERROR");
    }
    (void)sntp_start(&device->sntp, adapter);
    return 0;
}

int socket_sntp_port(lua_State *L)
{
    struct sntp *sntp = &device_of(L)->sntp;

    if (lua_type(L, 1) == LUA_TNUMBER && (uint16_t)luaL_checkinteger(L, 1))
        sntp->port = (uint16_t)lua_tointeger(L, 1);
    lua_pushinteger(L, sntp->port);
    return 1;
}

/* Seconds count from 1900 in the document, from 1970 in today's firmware. */
static lua_Integer in_profile(const struct device *device, int64_t s)
{
    if (device->sntp.is_valid && device->net.config.profile == PROFILE_CURRENT)
        return s - NTP_UNIX_EPOCH_S;
    return s;
}

int socket_ntptm(lua_State *L)
{
    struct device *device = device_of(L);
    const struct sntp *sntp = &device->sntp;
    struct ntp_time now;

    vclock_refresh(&device->clock);
    now = sntp_now(sntp);
    const struct constant fields[] = {
        { "ndelay", sntp->delay_ms },
        { "ssec", in_profile(device, sntp->start_s) },
        { "sms", sntp->start_ms },
        { "tsec", in_profile(device, now.s) },
        { "tms", now.ms },
        { "lsec", (lua_Integer)(device->clock.now_us / US_PER_S) },
        { "lms", (lua_Integer)(device->clock.now_us / US_PER_MS % 1000) },
    };
    lua_newtable(L);
    set_constants(L, fields, ARRAY_LEN(fields));
    if (sntp->is_valid) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, "vaild"); /* LuatOS's spelling */
    }
    return 1;
}
