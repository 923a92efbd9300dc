/*
 * gpio: the pins of a module, without a board under them (emu/gpio.h). LuatOS luat_lib_gpio.c.
 *
 * setup returns a function of the pin, which is its upvalue: set of an output, get of the others.
 */
#include <lauxlib.h>

#include "emu/device.h"
#include "emu/util.h"
#include "luabind/call.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"
#include "luabind/vm.h"

#define PIN_NONE     255 /* LuatOS LUAT_GPIO_NONE */
#define WAKEUP_FIRST 39  /* of an EC718, behind its pins 0 to 38 */
#define MS           1000
#define BITS_A_BYTE  8

static struct gpio *gpio_of(lua_State *L)
{
    return &vm_of(L)->config.device->gpio;
}

/* The default pull, which setDefaultPull changes, is the registry's under this address. */
static const char pull_key;

static bool has_pin(lua_State *L, lua_Integer pin, const char *function)
{
    if (pin >= 0 && pin < GPIO_PINS)
        return true;
    firmware_log(L, LOG_LEVEL_WARN, "gpio", "MUST pin < %d", GPIO_PINS);
    warn_script(L, "gpio.%s: there is no pin %lld: a module does nothing", function,
                (long long)pin);
    return false;
}

/*
 * The pin is argument 1, or the upvalue of what setup returned; @first is where the other
 * arguments begin.
 */
static lua_Integer pin_arg(lua_State *L, int *first)
{
    bool is_bound = lua_isinteger(L, lua_upvalueindex(1));

    *first = is_bound ? 1 : 2;
    return is_bound ? lua_tointeger(L, lua_upvalueindex(1)) : luaL_checkinteger(L, 1);
}

static void forget_target(lua_State *L, int pin)
{
    struct gpio_pin *it = &gpio_of(L)->pins[pin];

    if (it->target_ref)
        luaL_unref(L, LUA_REGISTRYINDEX, it->target_ref);
    it->target_ref = 0;
}

/* The function in argument @arg is told from here on. */
static void set_target(lua_State *L, int pin, int arg)
{
    int ref;

    lua_pushvalue(L, arg);
    ref = luaL_ref(L, LUA_REGISTRYINDEX);
    forget_target(L, pin);
    gpio_of(L)->pins[pin].target_ref = ref;
}

void gpio_deliver(lua_State *L, const struct msg *msg)
{
    const struct gpio_pin *pin = &gpio_of(L)->pins[msg->as.gpio.pin];

    if (!pin->target_ref) /* closed since */
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, pin->target_ref);
    lua_pushinteger(L, msg->as.gpio.first);
    lua_pushinteger(L, msg->as.gpio.second);
    call_script(L, 2);
}

/* ---- the functions ------------------------------------------------------------------------------ */

static int gpio_set_level(lua_State *L)
{
    int first;
    lua_Integer pin = pin_arg(L, &first);
    lua_Integer level = luaL_checkinteger(L, first);

    stand_in(L, STAND_IN_GPIO);
    if (has_pin(L, pin, "set"))
        gpio_set(gpio_of(L), (int)pin, level != 0);
    return 0;
}

static int gpio_get_level(lua_State *L)
{
    int first;
    lua_Integer pin = pin_arg(L, &first);
    const struct gpio *gpio = gpio_of(L);
    bool level = false;

    stand_in(L, STAND_IN_GPIO);
    if (has_pin(L, pin, "get")) {
        level = gpio_level(gpio, (int)pin);
        if (gpio->pins[pin].mode == GPIO_MODE_OUTPUT) {
            warn_script(L, "gpio.get of pin %lld, which is an output: a module reads 0",
                        (long long)pin);
            level = false;
        }
    }
    lua_pushinteger(L, level);
    return 1;
}

static int gpio_take(lua_State *L)
{
    lua_Integer pin = luaL_checkinteger(L, 1);

    stand_in(L, STAND_IN_GPIO);
    lua_pushinteger(L, has_pin(L, pin, "count") ? gpio_take_count(gpio_of(L), (int)pin) : 0);
    return 1;
}

static enum gpio_pull default_pull(lua_State *L)
{
    enum gpio_pull pull = GPIO_PULL_DEFAULT;

    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &pull_key) == LUA_TNUMBER)
        pull = (enum gpio_pull)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return pull;
}

/* How a pin is used, by setup's second argument. */
static enum gpio_mode mode_arg(lua_State *L)
{
    if (lua_tocfunction(L, 2) == gpio_take)
        return GPIO_MODE_COUNT;
    if (lua_isfunction(L, 2))
        return GPIO_MODE_IRQ;
    return lua_isinteger(L, 2) ? GPIO_MODE_OUTPUT : GPIO_MODE_INPUT;
}

static enum gpio_edge edge_arg(lua_State *L, enum gpio_mode mode)
{
    lua_Integer edge = GPIO_EDGE_BOTH;

    if (mode == GPIO_MODE_IRQ || mode == GPIO_MODE_COUNT)
        edge = luaL_optinteger(L, 4, GPIO_EDGE_BOTH);
    return edge >= GPIO_EDGE_RISING && edge <= GPIO_EDGE_LOW ? (enum gpio_edge)edge
                                                             : GPIO_EDGE_BOTH;
}

static enum gpio_pull pull_arg(lua_State *L)
{
    lua_Integer pull = luaL_optinteger(L, 3, default_pull(L));

    return pull >= GPIO_PULL_DEFAULT && pull <= GPIO_PULL_DOWN ? (enum gpio_pull)pull
                                                               : GPIO_PULL_DEFAULT;
}

static int push_bound(lua_State *L, lua_Integer pin, lua_CFunction function)
{
    lua_pushinteger(L, pin);
    lua_pushcclosure(L, function, 1);
    return 1;
}

/* setup(pin, mode, pull, irq, alt): a level, a function, gpio.count or nil. */
static int gpio_set_up(lua_State *L)
{
    lua_Integer pin = luaL_checkinteger(L, 1);
    enum gpio_mode mode = mode_arg(L);
    enum gpio_edge edge = edge_arg(L, mode);
    enum gpio_pull pull = pull_arg(L);

    stand_in(L, STAND_IN_GPIO);
    if (!has_pin(L, pin, "setup"))
        return 0;
    if (mode == GPIO_MODE_IRQ)
        set_target(L, (int)pin, 2);
    if (mode == GPIO_MODE_COUNT)
        forget_target(L, (int)pin);
    gpio_setup(gpio_of(L), (int)pin, mode, pull, edge);
    if (mode == GPIO_MODE_OUTPUT)
        gpio_set(gpio_of(L), (int)pin, lua_tointeger(L, 2) != 0);
    return push_bound(L, pin, mode == GPIO_MODE_OUTPUT ? gpio_set_level : gpio_get_level);
}

/* caplevel(pin, level, function(us)): how long the pin was at the level. */
static int gpio_cap_level(lua_State *L)
{
    lua_Integer pin = luaL_checkinteger(L, 1);
    bool level = luaL_checkinteger(L, 2) == 1;

    stand_in(L, STAND_IN_GPIO);
    if (!lua_isfunction(L, 3) || !has_pin(L, pin, "caplevel"))
        return 0;
    set_target(L, (int)pin, 3);
    gpio_capture(gpio_of(L), (int)pin, level);
    return push_bound(L, pin, gpio_get_level);
}

static int gpio_shut(lua_State *L)
{
    lua_Integer pin = luaL_checkinteger(L, 1);

    stand_in(L, STAND_IN_GPIO);
    if (!has_pin(L, pin, "close"))
        return 0;
    forget_target(L, (int)pin);
    gpio_close(gpio_of(L), (int)pin);
    return 0;
}

static int gpio_toggle(lua_State *L)
{
    int first;
    lua_Integer pin = pin_arg(L, &first);
    struct gpio *gpio = gpio_of(L);

    stand_in(L, STAND_IN_GPIO);
    if (has_pin(L, pin, "toggle"))
        gpio_set(gpio, (int)pin, !gpio->pins[pin].output);
    return 0;
}

/* The bits of pulse(pin, bits, len, delay): a number's eight, or a string's. */
static const char *bits_arg(lua_State *L, int arg, char *byte, size_t *bytes)
{
    *bytes = 1;
    *byte = (char)lua_tointeger(L, arg);
    return lua_type(L, arg) == LUA_TSTRING ? lua_tolstring(L, arg, bytes) : byte;
}

/* Bit by bit, the highest first; the delay is below what anything here could see. */
static int gpio_pulse(lua_State *L)
{
    int first;
    lua_Integer pin = pin_arg(L, &first);
    lua_Integer len = luaL_checkinteger(L, first + 1);
    size_t bytes;
    char byte;
    const char *bits;

    (void)luaL_checkinteger(L, first + 2);
    stand_in(L, STAND_IN_GPIO);
    if (!has_pin(L, pin, "pulse"))
        return 0;
    bits = bits_arg(L, first, &byte, &bytes);
    for (size_t i = 0; (lua_Integer)i < len && i < bytes * BITS_A_BYTE; i++) {
        unsigned in_byte = (unsigned char)bits[i / BITS_A_BYTE];

        gpio_set(gpio_of(L), (int)pin, in_byte >> (BITS_A_BYTE - 1 - i % BITS_A_BYTE) & 1);
    }
    return 0;
}

static int gpio_set_debounce(lua_State *L)
{
    lua_Integer pin = luaL_checkinteger(L, 1);
    uint16_t ms = (uint16_t)luaL_checkinteger(L, 2);
    lua_Integer mode = luaL_optinteger(L, 3, GPIO_DEBOUNCE_COOL);

    stand_in(L, STAND_IN_GPIO);
    if (has_pin(L, pin, "debounce")) {
        gpio_debounce(gpio_of(L), (int)pin, (uint64_t)ms * MS,
                      mode == GPIO_DEBOUNCE_SETTLE ? GPIO_DEBOUNCE_SETTLE : GPIO_DEBOUNCE_COOL);
    }
    return 0;
}

static int gpio_set_default_pull(lua_State *L)
{
    lua_Integer pull = luaL_checkinteger(L, 1);
    bool is_known = pull >= GPIO_PULL_DEFAULT && pull <= GPIO_PULL_DOWN;

    stand_in(L, STAND_IN_GPIO);
    if (is_known) {
        lua_pushinteger(L, pull);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &pull_key);
    }
    lua_pushboolean(L, is_known);
    return 1;
}

int luaopen_gpio(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "setup", gpio_set_up },
        { "set", gpio_set_level },
        { "get", gpio_get_level },
        { "close", gpio_shut },
        { "toggle", gpio_toggle },
        { "debounce", gpio_set_debounce },
        { "pulse", gpio_pulse },
        { "setDefaultPull", gpio_set_default_pull },
        { "count", gpio_take },
        { "caplevel", gpio_cap_level },
        { NULL, NULL },
    };
    static const struct constant constants[] = {
        { "NONE", PIN_NONE },
        { "LOW", 0 },
        { "HIGH", 1 },
        { "OUTPUT", 0 },
        { "PULLUP", GPIO_PULL_UP },
        { "PULLDOWN", GPIO_PULL_DOWN },
        { "RISING", GPIO_EDGE_RISING },
        { "FALLING", GPIO_EDGE_FALLING },
        { "BOTH", GPIO_EDGE_BOTH },
        { "HIGH_IRQ", GPIO_EDGE_HIGH },
        { "LOW_IRQ", GPIO_EDGE_LOW },
        { "WAKEUP0", WAKEUP_FIRST },
        { "WAKEUP1", WAKEUP_FIRST + 1 },
        { "WAKEUP2", WAKEUP_FIRST + 2 },
        { "WAKEUP3", WAKEUP_FIRST + 3 },
        { "WAKEUP4", WAKEUP_FIRST + 4 },
        { "WAKEUP5", WAKEUP_FIRST + 5 },
        { "CHG_DET", WAKEUP_FIRST + 6 },
        { "PWR_KEY", WAKEUP_FIRST + 7 },
    };

    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
