/* wlan: the module's Wi-Fi, as LuatOS's luat_lib_wlan.c. SmartConfig is not there. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "emu/device.h"
#include "emu/links.h"
#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

#define RESULTS_DEFAULT 20 /* LuatOS luat_lib_wlan.c: scanResult */
#define RESULTS_MIN     8
#define RESULTS_MAX     32
#define AP_PASSWORD_MIN 8 /* WPA2 */
#define AP_IP           "192.168.4.1"
#define AP_MASK         "255.255.255.0"
#define AP_CHANNEL      6
#define AP_CHANNEL_MAX  13
#define HOSTNAME_PREFIX "LUATOS_"

static struct device *device_of(lua_State *L)
{
    return vm_of(L)->config.device;
}

static struct wlan *wlan_of(lua_State *L)
{
    return &device_of(L)->wlan;
}

/* 0 is the station, 1 the access point; and so are the adapters' numbers. */
static enum adapter_id side_arg(lua_State *L, int arg)
{
    lua_Integer side = luaL_optinteger(L, arg, 0);
    enum profile profile = device_of(L)->net.config.profile;

    return side == 1 || side == adapter_number(profile, ADAPTER_AP) ? ADAPTER_AP : ADAPTER_STA;
}

static struct link_status status_of(lua_State *L, enum adapter_id id)
{
    struct link_status status;

    (void)links_status(device_of(L), id, &status);
    if (!status.is_ready)
        status.info = (struct adapter_info){ 0 };
    return status;
}

static void push_ip(lua_State *L, const struct endpoint *ep)
{
    char text[ENDPOINT_TEXT_MAX];

    lua_pushstring(L, ep->family == IP_FAMILY_V4 ? endpoint_ip_text(ep, text) : "0.0.0.0");
}

/* ---- scanning ----------------------------------------------------------------------------------- */

static int wlan_lua_init(lua_State *L)
{
    wlan_start(wlan_of(L));
    lua_pushboolean(L, true);
    return 1;
}

static int wlan_lua_scan(lua_State *L)
{
    wlan_scan(wlan_of(L));
    return 0;
}

static void push_ap(lua_State *L, const struct board_ap *ap)
{
    lua_createtable(L, 0, 4);
    lua_pushstring(L, ap->ssid);
    lua_setfield(L, -2, "ssid");
    lua_pushlstring(L, (const char *)ap->bssid, BOARD_MAC_LEN);
    lua_setfield(L, -2, "bssid");
    lua_pushinteger(L, ap->channel);
    lua_setfield(L, -2, "channel");
    lua_pushinteger(L, ap->rssi_dbm);
    lua_setfield(L, -2, "rssi");
}

/* scanResult(limit): {{ssid=, bssid=(six bytes), channel=, rssi=}, ...} */
static int wlan_scan_result(lua_State *L)
{
    lua_Integer limit = luaL_optinteger(L, 1, RESULTS_DEFAULT);
    const struct board *board = device_of(L)->board;
    size_t count = wlan_of(L)->has_scanned && board ? board->aps_count : 0;

    limit = limit < RESULTS_MIN ? RESULTS_MIN : limit > RESULTS_MAX ? RESULTS_MAX : limit;
    lua_newtable(L);
    for (size_t i = 0; i < count && i < (size_t)limit; i++) {
        push_ap(L, &board->aps[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- the station --------------------------------------------------------------------------------- */

/* setMode(mode), and wlan.mode(_, mode) of old firmware; what is no mode is STATION. */
static int wlan_set_mode(lua_State *L)
{
    lua_Integer mode = lua_isinteger(L, 1)   ? lua_tointeger(L, 1)
                       : lua_isinteger(L, 2) ? lua_tointeger(L, 2)
                                             : WLAN_MODE_STATION;

    wlan_start(wlan_of(L));
    if (mode <= WLAN_MODE_NONE || mode > WLAN_MODE_BOTH)
        mode = WLAN_MODE_STATION;
    wlan_of(L)->mode = (enum wlan_mode)mode;
    lua_pushboolean(L, true);
    return 1;
}

/* A text of up to @cap - 1 bytes in argument @arg; false: it is too long, or has a 0 in it. */
static bool text_arg(lua_State *L, int arg, char text[], size_t cap)
{
    size_t len;
    const char *given = luaL_optlstring(L, arg, "", &len);

    if (len >= cap || memchr(given, '\0', len))
        return false;
    memcpy(text, given, len + 1);
    return true;
}

static bool target_args(lua_State *L, struct wlan_target *target)
{
    size_t len;
    const char *bssid = luaL_optlstring(L, 4, "", &len);

    if (!text_arg(L, 1, target->ssid, sizeof(target->ssid)) || !target->ssid[0]) {
        warn_script(L, "wlan.connect: a network's name has 1 to 32 bytes: false");
        return false;
    }
    if (!text_arg(L, 2, target->password, sizeof(target->password))) {
        warn_script(L, "wlan.connect: a password has up to 64 bytes: false");
        return false;
    }
    target->has_bssid = len == BOARD_MAC_LEN;
    if (target->has_bssid)
        memcpy(target->bssid, bssid, BOARD_MAC_LEN);
    return true;
}

/*
 * connect(ssid, password, reconnect, bssid): whether it is tried; events tell the rest. connect():
 * as before. Modules reconnect whatever the third argument is.
 */
static int wlan_lua_connect(lua_State *L)
{
    struct wlan_target target = { 0 };
    bool ok;

    if (lua_isnoneornil(L, 1)) {
        ok = wlan_connect(wlan_of(L), NULL);
        if (!ok)
            warn_script(L, "wlan.connect: no network was named before: false");
    } else {
        ok = target_args(L, &target) && wlan_connect(wlan_of(L), &target);
    }
    lua_pushboolean(L, ok);
    return 1;
}

static int wlan_lua_disconnect(lua_State *L)
{
    wlan_disconnect(wlan_of(L));
    return 0;
}

static int wlan_ready(lua_State *L)
{
    const struct wlan *wlan = wlan_of(L);
    const struct adapter *adapter = device_of(L)->net.adapters[ADAPTER_STA];

    /* who has not touched Wi-Fi has the network that was there */
    lua_pushboolean(L, wlan->state == WLAN_STATE_OFF ? adapter && adapter->is_ready
                                                     : wlan_is_ready(wlan));
    return 1;
}

static int wlan_get_ip(lua_State *L)
{
    const struct link_status status = status_of(L, side_arg(L, 1));

    push_ip(L, &status.info.ip);
    return 1;
}

/* getInfo(): {bssid="AABBCCDDEEFF", rssi=, gw=} of the network that is joined. */
static int wlan_get_info(lua_State *L)
{
    const struct wlan *wlan = wlan_of(L);
    const struct link_status status = status_of(L, ADAPTER_STA);
    struct board_ap ap = { 0 };

    if (wlan->state == WLAN_STATE_JOINED)
        ap = wlan->joined;
    lua_createtable(L, 0, 3);
    push_mac(L, ap.bssid, false);
    lua_setfield(L, -2, "bssid");
    push_ip(L, &status.info.gateway);
    lua_setfield(L, -2, "gw");
    lua_pushinteger(L, ap.rssi_dbm);
    lua_setfield(L, -2, "rssi");
    return 1;
}

/* getMac(side, hex): as "AABBCCDDEEFF", or as six bytes with hex false. */
static int wlan_get_mac(lua_State *L)
{
    const struct link_status status = status_of(L, side_arg(L, 1));

    push_mac(L, status.mac, lua_isboolean(L, 2) && !lua_toboolean(L, 2));
    return 1;
}

static int wlan_set_mac(lua_State *L)
{
    enum adapter_id id = side_arg(L, 1);
    size_t len;
    const char *mac = luaL_checklstring(L, 2, &len);
    int rc = len == BOARD_MAC_LEN ? links_set_mac(device_of(L), id, (const uint8_t *)mac) : -EINVAL;

    if (rc < 0) {
        warn_script(L, "wlan.setMac: %s keeps its MAC: %s: false", adapter_name(id),
                    rc == -EOPNOTSUPP ? "it is on this machine's network" : strerror(-rc));
    }
    lua_pushboolean(L, rc == 0);
    return 1;
}

/* hostname(name), hostname(side), hostname(side, name): "LUATOS_" and the MAC unless it was set. */
static int wlan_hostname(lua_State *L)
{
    bool has_side = lua_type(L, 1) == LUA_TNUMBER;
    enum adapter_id id = has_side ? side_arg(L, 1) : ADAPTER_STA;
    char *name = wlan_of(L)->hostnames[id == ADAPTER_AP ? 1 : 0];
    char wanted[WLAN_HOSTNAME_MAX];
    const struct link_status status = status_of(L, id);

    if (!lua_isnoneornil(L, has_side ? 2 : 1)) {
        if (text_arg(L, has_side ? 2 : 1, wanted, sizeof(wanted))) {
            memcpy(name, wanted, sizeof(wanted));
        } else {
            warn_script(L, "wlan.hostname: it has up to %d bytes: not set", WLAN_HOSTNAME_MAX - 1);
        }
    }
    if (*name) {
        lua_pushstring(L, name);
        return 1;
    }
    lua_pushliteral(L, HOSTNAME_PREFIX);
    push_mac(L, status.mac, false);
    lua_concat(L, 2);
    return 1;
}

static int wlan_power_save(lua_State *L)
{
    if (lua_isinteger(L, 1))
        wlan_of(L)->power_save = (int)lua_tointeger(L, 1);
    lua_pushinteger(L, wlan_of(L)->power_save);
    return 1;
}

/* ---- addresses -------------------------------------------------------------------------------------- */

static bool set_mask(unsigned *bits, const char *text)
{
    struct endpoint mask = { 0 };

    return endpoint_set_text(&mask, text) && endpoint_mask_bits(&mask, bits);
}

static bool set_v4(struct endpoint *ep, const char *text)
{
    return endpoint_set_text(ep, text) && ep->family == IP_FAMILY_V4;
}

/* staIp(dhcp, ip, mask, gateway) */
static int wlan_sta_ip(lua_State *L)
{
    bool wants_dhcp = lua_isnoneornil(L, 1) || lua_toboolean(L, 1);
    struct board_address address = { 0 };
    int rc;

    if (wants_dhcp) {
        rc = links_set_dhcp(device_of(L), ADAPTER_STA, true);
        lua_pushboolean(L, rc == 0 || rc == -EOPNOTSUPP);
        return 1;
    }
    if (!set_v4(&address.ip, luaL_checkstring(L, 2)) ||
        !set_mask(&address.prefix_len, luaL_checkstring(L, 3)) ||
        !set_v4(&address.gateway, luaL_checkstring(L, 4))) {
        warn_script(L, "wlan.staIp: takes an address, a mask and a gateway: false");
        lua_pushboolean(L, false);
        return 1;
    }
    rc = links_set_address(device_of(L), ADAPTER_STA, &address);
    if (rc < 0) {
        warn_script(L, "wlan.staIp: LWIP_STA keeps its address: %s: false",
                    rc == -EOPNOTSUPP ? "it is on this machine's network" : strerror(-rc));
    }
    lua_pushboolean(L, rc == 0);
    return 1;
}

/* ---- the access point ------------------------------------------------------------------------------ */

static const char *wrong_ap(lua_State *L, struct wlan_ap_config *config)
{
    size_t password_len;
    lua_Integer channel = luaL_optinteger(L, 5, AP_CHANNEL);

    (void)luaL_optlstring(L, 2, "", &password_len);
    if (!text_arg(L, 1, config->ssid, sizeof(config->ssid)) || !config->ssid[0])
        return "a network's name has 1 to 32 bytes";
    if (password_len && (password_len < AP_PASSWORD_MIN || password_len >= BOARD_PASSWORD_MAX - 1))
        return "a password has 8 to 63 bytes, or none";
    if (channel < 1 || channel > AP_CHANNEL_MAX)
        return "a channel is 1 to 13";
    if (!set_v4(&config->address.ip, luaL_optstring(L, 3, AP_IP)) ||
        !set_mask(&config->address.prefix_len, luaL_optstring(L, 4, AP_MASK)))
        return "arguments 3 and 4 are its address and its mask";
    return NULL;
}

/* createAP(ssid, password, ip, mask, channel, options) */
static int wlan_create_ap(lua_State *L)
{
    struct wlan_ap_config config = { 0 };
    const char *wrong;
    int rc;

    (void)luaL_checkstring(L, 1);
    wrong = wrong_ap(L, &config);
    if (wrong) {
        warn_script(L, "wlan.createAP: %s: false", wrong);
        lua_pushboolean(L, false);
        return 1;
    }
    rc = wlan_start_ap(wlan_of(L), &config);
    if (rc < 0) {
        warn_script(L, "wlan.createAP: LWIP_AP keeps its address, and nobody can join: %s",
                    rc == -EOPNOTSUPP ? "it is on a network that is not the emulator's"
                                      : strerror(-rc));
    }
    lua_pushboolean(L, rc == 0 || rc == -EOPNOTSUPP);
    return 1;
}

static int wlan_lua_stop_ap(lua_State *L)
{
    lua_pushboolean(L, wlan_stop_ap(wlan_of(L)) == 0);
    return 1;
}

/* ---- the library -------------------------------------------------------------------------------------- */

static bool board_has(lua_State *L, enum adapter_id id)
{
    const struct board *board = device_of(L)->board;

    return !board || board->slots[id].binding != BINDING_OFF;
}

/* A module without LWIP_STA can scan at most, which helps it find out where it is. */
int luaopen_wlan(lua_State *L)
{
    static const luaL_Reg scanning[] = {
        { "init", wlan_lua_init },
        { "scan", wlan_lua_scan },
        { "scanResult", wlan_scan_result },
        { NULL, NULL },
    };
    static const luaL_Reg joining[] = {
        { "mode", wlan_set_mode },
        { "setMode", wlan_set_mode },
        { "ready", wlan_ready },
        { "connect", wlan_lua_connect },
        { "disconnect", wlan_lua_disconnect },
        { "getIP", wlan_get_ip },
        { "getInfo", wlan_get_info },
        { "getMac", wlan_get_mac },
        { "setMac", wlan_set_mac },
        { "hostname", wlan_hostname },
        { "staIp", wlan_sta_ip },
        { "powerSave", wlan_power_save },
        { "createAP", wlan_create_ap },
        { "stopAP", wlan_lua_stop_ap },
        { NULL, NULL },
    };
    static const struct constant constants[] = {
        { "NONE", WLAN_MODE_NONE },      { "STATION", WLAN_MODE_STATION },
        { "AP", WLAN_MODE_AP },          { "APSTA", WLAN_MODE_BOTH },
        { "STATIONAP", WLAN_MODE_BOTH }, { "PS_NONE", 0 },
        { "PS_MIN_MODEM", 1 },           { "PS_MAX_MODEM", 2 },
    };

    luaL_newlib(L, scanning);
    if (board_has(L, ADAPTER_STA) || board_has(L, ADAPTER_AP)) {
        luaL_setfuncs(L, joining, 0);
        set_constants(L, constants, ARRAY_LEN(constants));
    }
    return 1;
}
