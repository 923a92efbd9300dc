/*
 * w5500: the module's Ethernet chip, as LuatOS's luat_lib_w5500.c. What comes of it is told by
 * IP_READY, IP_LOSE and W5500_IND.
 */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "emu/device.h"
#include "emu/ethchip.h"
#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

#define SPEED_HZ_MAX        80000000 /* W5500 datasheet 1.0.9, 1: "supports 80 MHz" */
#define SPEED_HZ_GUARANTEED 33300000 /* 5.5.4 */
#define RTR_DEFAULT         2000     /* of 100 us */
#define RCR_DEFAULT         8
#define MAC_MULTICAST       0x01 /* of its first byte, IEEE 802 c */

static struct device *device_of(lua_State *L)
{
    return vm_of(L)->config.device;
}

/* NULL: the board has none, which is said once. */
static const struct ethchip *chip_of(lua_State *L)
{
    const struct ethchip *chip = device_of(L)->ethchip;
    struct chip *told = &vm_of(L)->chip;

    if (!chip && !told->is_w5500_missed) {
        warn_script(L, "w5500: this board has none, which reads as a chip that is not found; "
                       "--bind ETH0=lab has one");
        told->is_w5500_missed = true;
    }
    return chip;
}

static bool is_set_up(lua_State *L, const char *function, const char *result)
{
    bool is = vm_of(L)->chip.w5500_is_set_up;

    if (!is)
        warn_script(L, "w5500.%s before w5500.init: a module returns %s", function, result);
    return is;
}

/* ---- init --------------------------------------------------------------------------------------- */

static int number_arg(lua_State *L, int arg, lua_Integer value, const char *what, int max)
{
    if (value >= 0 && value <= max)
        return (int)value;
    warn_script(L, "w5500.init: argument %d: there is no %s %lld", arg, what, (long long)value);
    return ETHCHIP_NO_PIN;
}

static void check_pins(lua_State *L, const struct ethchip_pins *pins)
{
    const int numbers[] = { pins->cs, pins->irq, pins->rst, pins->link };
    static const char *const names[] = { "cs", "irq", "rst", "link" };

    for (int a = 0; a < ARRAY_LEN(numbers); a++) {
        for (int b = a + 1; b < ARRAY_LEN(numbers); b++) {
            if (numbers[a] != numbers[b] || numbers[a] == ETHCHIP_NO_PIN)
                continue;
            warn_script(L, "w5500.init: %s and %s are one pin, %d", names[a], names[b], numbers[a]);
        }
    }
}

static unsigned speed_arg(lua_State *L, lua_Integer hz)
{
    if (hz <= 0) {
        warn_script(L, "w5500.init: %lld Hz is no speed", (long long)hz);
        return 0;
    }
    if (hz > SPEED_HZ_MAX) {
        warn_script(L, "w5500.init: %lld Hz: a W5500 takes %d at most", (long long)hz,
                    SPEED_HZ_MAX);
        return SPEED_HZ_MAX;
    }
    if (hz > SPEED_HZ_GUARANTEED) {
        warn_script(L, "w5500.init: %lld Hz: above %d nothing is guaranteed of a W5500",
                    (long long)hz, SPEED_HZ_GUARANTEED);
    }
    return (unsigned)hz;
}

/* init(bus, Hz, cs, irq, rst, link) */
static int w5500_lua_init(lua_State *L)
{
    lua_Integer spi = luaL_checkinteger(L, 1), hz = luaL_checkinteger(L, 2);
    lua_Integer cs = luaL_checkinteger(L, 3), irq = luaL_checkinteger(L, 4);
    lua_Integer rst = luaL_checkinteger(L, 5), link = luaL_optinteger(L, 6, ETHCHIP_NO_PIN);
    const struct ethchip *chip = chip_of(L);
    struct ethchip_pins pins;

    if (vm_of(L)->chip.w5500_is_set_up) {
        warn_script(L, "w5500.init again: a module ignores it");
        return 0;
    }
    vm_of(L)->chip.w5500_is_set_up = true;
    pins = (struct ethchip_pins){
        .spi = number_arg(L, 1, spi, "bus", CHIP_SPIS - 1),
        .speed_hz = speed_arg(L, hz),
        .cs = number_arg(L, 3, cs, "pin", ETHCHIP_NO_PIN),
        .irq = number_arg(L, 4, irq, "pin", ETHCHIP_NO_PIN),
        .rst = number_arg(L, 5, rst, "pin", ETHCHIP_NO_PIN),
        .link = number_arg(L, 6, link, "pin", ETHCHIP_NO_PIN),
    };
    check_pins(L, &pins);
    if (chip)
        chip->init(chip->ctx, &pins, warn_where(L));
    return 0;
}

/* ---- config ------------------------------------------------------------------------------------- */

static bool ipv4_arg(lua_State *L, int arg, struct endpoint *ep)
{
    return endpoint_set_text(ep, luaL_checkstring(L, arg)) && ep->family == IP_FAMILY_V4;
}

/* Arguments 1 to 3. False: they are none, which was said. */
static bool address_args(lua_State *L, struct board_address *address)
{
    static const char *const names[] = { "address", "mask", "gateway" };
    struct endpoint mask = { 0 }, gateway = { 0 };
    struct endpoint *const parts[] = { &address->ip, &mask, &gateway };

    for (int i = 0; i < ARRAY_LEN(parts); i++) {
        (void)luaL_checkstring(L, i + 1);
        if (ipv4_arg(L, i + 1, parts[i]))
            continue;
        warn_script(L, "w5500.config: %.64s is no %s: a module takes an undefined one",
                    lua_tostring(L, i + 1), names[i]);
        return false;
    }
    if (!endpoint_mask_bits(&mask, &address->prefix_len) || !address->prefix_len ||
        !endpoint_is_unicast(&address->ip)) {
        warn_script(L, "w5500.config: %s, %s: no host has such an address and mask",
                    lua_tostring(L, 1), lua_tostring(L, 2));
        return false;
    }
    if (!endpoint_is_unicast(&gateway)) /* 0.0.0.0: there is none */
        return true;
    address->gateway = gateway;
    if (!endpoint_in_one_net(&address->ip, &gateway, address->prefix_len)) {
        warn_script(L, "w5500.config: the gateway %s is not in the network of %s",
                    lua_tostring(L, 3), lua_tostring(L, 1));
    }
    return true;
}

static bool mac_arg(lua_State *L, uint8_t mac[BOARD_MAC_LEN])
{
    size_t len = 0;
    const char *bytes = lua_isstring(L, 4) ? lua_tolstring(L, 4, &len) : NULL;

    if (!bytes)
        return false;
    if (len != BOARD_MAC_LEN) {
        warn_script(L, "w5500.config: a MAC has %d bytes, this has %zu: it is not used%s",
                    BOARD_MAC_LEN, len,
                    len > BOARD_MAC_LEN ? "; string.fromHex makes bytes of digits" : "");
        return false;
    }
    memcpy(mac, bytes, BOARD_MAC_LEN);
    if (mac[0] & MAC_MULTICAST) {
        warn_script(L,
                    "w5500.config: the MAC's first byte, 0x%02x, is odd: that is a group's "
                    "address, and nobody answers it",
                    (unsigned)mac[0]);
    }
    return true;
}

/* LuatOS's driver has the writes commented out. */
static unsigned retry_arg(lua_State *L, int arg, const char *name, int value)
{
    lua_Integer wanted = luaL_optinteger(L, arg, value);

    if (wanted != value) {
        warn_script(L,
                    "w5500.config: %s %lld never reaches the chip, which keeps %d: so it is on "
                    "a module",
                    name, (long long)wanted, value);
    }
    return (unsigned)wanted;
}

/* config(ip, mask, gateway, MAC, RTR, RCR, negotiation); without ip by DHCP. */
static int w5500_lua_config(lua_State *L)
{
    const struct ethchip *chip = chip_of(L);
    struct ethchip_setup setup = { 0 };
    bool is_found = is_set_up(L, "config", "false") && chip;

    if (is_found) {
        lua_Integer negotiation;

        if (lua_isstring(L, 1))
            setup.is_static = address_args(L, &setup.address);
        setup.has_mac = mac_arg(L, setup.mac);
        setup.rtr = retry_arg(L, 5, "RTR", RTR_DEFAULT);
        setup.rcr = retry_arg(L, 6, "RCR", RCR_DEFAULT);
        negotiation = luaL_optinteger(L, 7, 0);
        setup.has_negotiation = negotiation != 0;
        if (negotiation != 0 && negotiation != 1)
            warn_script(L, "w5500.config: the speed is 0, by the pins, or 1, negotiated");
        is_found = chip->config(chip->ctx, &setup, warn_where(L));
    }
    if (!is_found)
        firmware_log(L, LOG_LEVEL_DEBUG, "w5500", "device no ready");
    lua_pushboolean(L, is_found);
    return 1;
}

/* ---- the rest ----------------------------------------------------------------------------------- */

static int w5500_lua_bind(lua_State *L)
{
    lua_Integer number = luaL_checkinteger(L, 1);
    const struct adapter *adapter = net_adapter(&device_of(L)->net, number);
    const struct ethchip *chip = chip_of(L);

    if (!is_set_up(L, "bind", "nothing, and binds nothing") || !chip)
        return 0;
    if (!adapter || chip->bind(chip->ctx, (enum adapter_id)adapter->id) < 0) {
        warn_script(L, "w5500.bind: the chip's sockets are those of socket.ETH0, not of %lld",
                    (long long)number);
    }
    return 0;
}

static int w5500_lua_get_mac(lua_State *L)
{
    const struct ethchip *chip = chip_of(L);
    uint8_t mac[BOARD_MAC_LEN] = { 0 };

    if (is_set_up(L, "getMac", "zeros") && chip && !chip->mac(chip->ctx, mac))
        memset(mac, 0, sizeof(mac));
    lua_pushlstring(L, (const char *)mac, sizeof(mac));
    return 1;
}

int luaopen_w5500(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "init", w5500_lua_init },
        { "config", w5500_lua_config },
        { "bind", w5500_lua_bind },
        { "getMac", w5500_lua_get_mac },
        { NULL, NULL },
    };

    luaL_newlib(L, functions);
    return 1;
}
