/*
 * mobile: the module's cellular radio, as LuatOS's luat_lib_mobile.c. There is no radio: what it
 * says of itself is the board's.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "emu/device.h"
#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"
#include "luabind/vm.h"
#include "luabind/zbuff.h"

#define ENB_SHIFT    8 /* the cell's number within its eNodeB */
#define NETWORK_LEN  5 /* of an IMSI: MCC and MNC */
#define MCC_LEN      3
#define SIM_SLOT     0
#define PIN_NONE     (-1)
#define BAND_MIN_LEN 1

static struct mobile *mobile_of(lua_State *L)
{
    return &vm_of(L)->config.device->mobile;
}

/* What the board says, said once to be that. */
static const struct board_facts *facts_of(lua_State *L)
{
    static const struct board_facts none = { 0 };
    const struct board *board = vm_of(L)->config.device->board;

    stand_in(L, STAND_IN_MOBILE);
    return board ? &board->facts : &none;
}

/* A fact of the SIM or module number @arg; nil for another than the first, and when it is empty. */
static int push_fact(lua_State *L, const char *fact)
{
    lua_Integer index = luaL_optinteger(L, 1, SIM_SLOT);

    if (index == SIM_SLOT && *fact) {
        lua_pushstring(L, fact);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

/* ---- who it is ----------------------------------------------------------------------------------- */

static int mobile_imei(lua_State *L)
{
    return push_fact(L, facts_of(L)->imei);
}

static int mobile_imsi(lua_State *L)
{
    return push_fact(L, mobile_has_sim(mobile_of(L)) ? facts_of(L)->imsi : "");
}

static int mobile_iccid(lua_State *L)
{
    return push_fact(L, facts_of(L)->iccid);
}

static int mobile_number(lua_State *L)
{
    return push_fact(L, mobile_has_sim(mobile_of(L)) ? facts_of(L)->number : "");
}

static int mobile_muid(lua_State *L)
{
    lua_pushstring(L, facts_of(L)->muid);
    return 1;
}

/* sn(): nil, as on a module that left the factory without one. */
static int mobile_sn(lua_State *L)
{
    lua_pushnil(L);
    return 1;
}

/* ---- the SIM --------------------------------------------------------------------------------------- */

/* simid(id): there is one slot. */
static int mobile_simid(lua_State *L)
{
    lua_Integer id = luaL_optinteger(L, 1, SIM_SLOT);

    if (id != SIM_SLOT && id != 2) /* 2: whichever has a SIM */
        warn_script(L, "mobile.simid: this board has one slot, 0");
    lua_pushinteger(L, SIM_SLOT);
    return 1;
}

static int mobile_sim_pin(lua_State *L)
{
    lua_Integer id = luaL_optinteger(L, 1, SIM_SLOT), operation = luaL_optinteger(L, 2, PIN_NONE);

    if (operation != PIN_NONE)
        warn_script(L, "mobile.simPin: this SIM has no PIN: false");
    lua_pushboolean(L, operation == PIN_NONE && id == SIM_SLOT && mobile_has_sim(mobile_of(L)));
    return 1;
}

/* apn(index, cid, new, user, password, ...): the one in use; a new one is from registering on. */
static int mobile_apn(lua_State *L)
{
    struct mobile *mobile = mobile_of(L);
    size_t len;
    const char *next;

    (void)luaL_optinteger(L, 1, 0);
    (void)luaL_optinteger(L, 2, 0);
    if (lua_isstring(L, 3)) {
        next = lua_tolstring(L, 3, &len);
        (void)luaL_optstring(L, 4, "");
        (void)luaL_optstring(L, 5, "");
        if (len < sizeof(mobile->next_apn)) {
            memcpy(mobile->next_apn, next, len + 1);
        } else {
            warn_script(L, "mobile.apn: it has up to %zu bytes: not set",
                        sizeof(mobile->next_apn) - 1);
        }
    }
    if (mobile->state == MOBILE_STATE_REGISTERED && mobile->apn[0]) {
        lua_pushstring(L, mobile->apn);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

/* ---- the signal -------------------------------------------------------------------------------------- */

static int push_signal(lua_State *L, lua_Integer value)
{
    lua_pushinteger(L, mobile_is_served(mobile_of(L)) ? value : 0);
    return 1;
}

static int mobile_csq(lua_State *L)
{
    return push_signal(L, facts_of(L)->csq);
}

static int mobile_rssi(lua_State *L)
{
    return push_signal(L, facts_of(L)->rssi_dbm);
}

static int mobile_rsrp(lua_State *L)
{
    return push_signal(L, facts_of(L)->rsrp_dbm);
}

static int mobile_rsrq(lua_State *L)
{
    return push_signal(L, facts_of(L)->rsrq_db);
}

static int mobile_snr(lua_State *L)
{
    return push_signal(L, facts_of(L)->snr_db);
}

/* ---- the cell ------------------------------------------------------------------------------------------ */

static bool has_cell(lua_State *L, const struct board_facts *facts)
{
    return facts->cell_id && mobile_is_served(mobile_of(L));
}

static int mobile_eci(lua_State *L)
{
    const struct board_facts *facts = facts_of(L);

    lua_pushinteger(L, has_cell(L, facts) ? (lua_Integer)facts->cell_id : -1);
    return 1;
}

static int mobile_enbid(lua_State *L)
{
    const struct board_facts *facts = facts_of(L);

    lua_pushinteger(L, has_cell(L, facts) ? (lua_Integer)facts->cell_id >> ENB_SHIFT : -1);
    return 1;
}

static int mobile_tac(lua_State *L)
{
    const struct board_facts *facts = facts_of(L);

    lua_pushinteger(L, has_cell(L, facts) ? (lua_Integer)facts->tac : 0);
    return 1;
}

/* The first digits of the IMSI, TS 23.003 2.2. */
static int network_code(const char *imsi, size_t at, size_t len)
{
    char digits[MCC_LEN + 1] = "";

    if (strlen(imsi) >= NETWORK_LEN)
        memcpy(digits, imsi + at, len);
    return (int)strtol(digits, NULL, 10);
}

static void push_cell(lua_State *L, const struct board_facts *facts)
{
    const struct constant fields[] = {
        { "pci", facts->pci },
        { "cid", facts->cell_id },
        { "eci", facts->cell_id },
        { "earfcn", facts->earfcn },
        { "rsrp", facts->rsrp_dbm },
        { "rsrq", facts->rsrq_db },
        { "rssi", facts->rssi_dbm },
        { "snr", facts->snr_db },
        { "tac", facts->tac },
        { "band", facts->band },
        { "tdd", 0 },
        { "mcc", network_code(facts->imsi, 0, MCC_LEN) },
        { "mnc", network_code(facts->imsi, MCC_LEN, NETWORK_LEN - MCC_LEN) },
    };

    lua_createtable(L, 0, ARRAY_LEN(fields));
    set_constants(L, fields, ARRAY_LEN(fields));
}

/* scell(): the serving cell; an empty table without one. */
static int mobile_scell(lua_State *L)
{
    const struct board_facts *facts = facts_of(L);

    if (has_cell(L, facts)) {
        push_cell(L, facts);
    } else {
        lua_newtable(L);
    }
    return 1;
}

/* getCellInfo(): {cell}, once reqCellInfo or setAuto has found it. */
static int mobile_get_cell_info(lua_State *L)
{
    const struct board_facts *facts = facts_of(L);

    lua_newtable(L);
    if (mobile_of(L)->has_cells && has_cell(L, facts)) {
        push_cell(L, facts);
        lua_rawseti(L, -2, 1);
    }
    return 1;
}

static int mobile_req_cell_info(lua_State *L)
{
    (void)luaL_optinteger(L, 1, 0);
    mobile_request_cells(mobile_of(L));
    return 0;
}

/* setAuto(sim_ms, cells_ms, search_s, auto_reset, check_ms): of these, cells_ms does something. */
static int mobile_set_auto(lua_State *L)
{
    (void)luaL_optinteger(L, 1, 0);
    mobile_watch_cells(mobile_of(L), (uint32_t)luaL_optinteger(L, 2, 0));
    (void)luaL_optinteger(L, 3, 0);
    return 0;
}

/* getBand(zbuff): the bands, a byte each. */
static int mobile_get_band(lua_State *L)
{
    const struct board_facts *facts = facts_of(L); /* first: it may warn, and that collect */
    struct zbuff *buff = zbuff_check(L, 1);
    bool ok = buff->len >= BAND_MIN_LEN && facts->band;

    if (ok) {
        buff->data[0] = (uint8_t)facts->band;
        buff->used = BAND_MIN_LEN;
    }
    lua_pushboolean(L, ok);
    return 1;
}

/* ---- on and off ---------------------------------------------------------------------------------------- */

/* flymode(index, on): whether it was in flight mode. */
static int mobile_flymode(lua_State *L)
{
    struct mobile *mobile = mobile_of(L);
    bool was_flying = mobile->is_flying;

    (void)luaL_optinteger(L, 1, 0);
    if (lua_isboolean(L, 2))
        mobile_fly(mobile, lua_toboolean(L, 2));
    lua_pushboolean(L, was_flying);
    return 1;
}

static int mobile_lua_reset(lua_State *L)
{
    mobile_reset(mobile_of(L));
    return 0;
}

/* status(): registered, but out of reach, is searching. */
static int mobile_status(lua_State *L)
{
    const struct mobile *mobile = mobile_of(L);
    enum mobile_state state = mobile->state;

    if (state == MOBILE_STATE_REGISTERED && !mobile_is_served(mobile))
        state = MOBILE_STATE_SEARCHING;
    lua_pushinteger(L, state);
    return 1;
}

/* A switch that is read, and set by a boolean in argument 1. */
static int push_switch(lua_State *L, bool *is_on)
{
    if (lua_isboolean(L, 1))
        *is_on = lua_toboolean(L, 1);
    lua_pushboolean(L, *is_on);
    return 1;
}

static int mobile_ipv6(lua_State *L)
{
    return push_switch(L, &mobile_of(L)->is_ipv6);
}

static int mobile_sync_time(lua_State *L)
{
    return push_switch(L, &mobile_of(L)->syncs_time);
}

/* What only a radio could do: taken, and told to be nothing. */
static int mobile_config(lua_State *L)
{
    lua_Integer item = luaL_optinteger(L, 1, 0);

    (void)luaL_optinteger(L, 2, 0);
    stand_in(L, STAND_IN_MOBILE);
    lua_pushboolean(L, item != 0);
    return 1;
}

static int mobile_rtime(lua_State *L)
{
    (void)luaL_optinteger(L, 1, 0);
    return 0;
}

/* ---- the library ------------------------------------------------------------------------------------------ */

/* LuatOS luat_mobile.h */
static const struct constant constants[] = {
    { "UNREGISTER", 0 },
    { "REGISTERED", 1 },
    { "SEARCH", 2 },
    { "DENIED", 3 },
    { "UNKNOW", 4 }, /* upstream's spelling */
    { "REGISTERED_ROAMING", 5 },
    { "SMS_ONLY_REGISTERED", 6 },
    { "SMS_ONLY_REGISTERED_ROAMING", 7 },
    { "EMERGENCY_REGISTERED", 8 },
    { "CSFB_NOT_PREFERRED_REGISTERED", 9 },
    { "CSFB_NOT_PREFERRED_REGISTERED_ROAMING", 10 },
    { "CONF_RESELTOWEAKNCELL", 1 },
    { "CONF_STATICCONFIG", 2 },
    { "CONF_QUALITYFIRST", 3 },
    { "CONF_USERDRXCYCLE", 4 },
    { "CONF_T3324MAXVALUE", 5 },
    { "CONF_PSM_MODE", 6 },
    { "CONF_CE_MODE", 7 },
    { "CONF_SIM_WC_MODE", 8 },
    { "CONF_FAKE_CELL_BARTIME", 9 },
    { "CONF_RESET_TO_FACTORY", 10 },
    { "CONF_USB_ETHERNET", 11 },
    { "CONF_DISABLE_NCELL_MEAS", 12 },
    { "CONF_MAX_TX_POWER", 13 },
    { "PIN_VERIFY", 0 },
    { "PIN_CHANGE", 1 },
    { "PIN_ENABLE", 2 },
    { "PIN_DISABLE", 3 },
    { "PIN_UNBLOCK", 4 },
};

/* nil on a board without LWIP_GP: scripts ask for it. */
int luaopen_mobile(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "imei", mobile_imei },
        { "imsi", mobile_imsi },
        { "iccid", mobile_iccid },
        { "number", mobile_number },
        { "muid", mobile_muid },
        { "sn", mobile_sn },
        { "simid", mobile_simid },
        { "simPin", mobile_sim_pin },
        { "apn", mobile_apn },
        { "csq", mobile_csq },
        { "rssi", mobile_rssi },
        { "rsrp", mobile_rsrp },
        { "rsrq", mobile_rsrq },
        { "snr", mobile_snr },
        { "eci", mobile_eci },
        { "enbid", mobile_enbid },
        { "tac", mobile_tac },
        { "scell", mobile_scell },
        { "getCellInfo", mobile_get_cell_info },
        { "reqCellInfo", mobile_req_cell_info },
        { "setAuto", mobile_set_auto },
        { "getBand", mobile_get_band },
        { "flymode", mobile_flymode },
        { "reset", mobile_lua_reset },
        { "status", mobile_status },
        { "ipv6", mobile_ipv6 },
        { "syncTime", mobile_sync_time },
        { "config", mobile_config },
        { "rtime", mobile_rtime },
        { NULL, NULL },
    };
    const struct board *board = vm_of(L)->config.device->board;

    if (board && board->slots[ADAPTER_GP].binding == BINDING_OFF) {
        lua_pushnil(L);
        return 1;
    }
    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
