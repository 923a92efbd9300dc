/*
 * The libraries of a module's own hardware, of fskv and of crypto, with any arguments: any functions
 * of them, one after the other, on two zbuffs and what earlier calls returned.
 */
#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "emu/ethchip.h"
#include "emu/fuzz/fuzz.h"
#include "emu/util.h"
#include "luabind/fuzz/fuzz_args.h"
#include "luabind/fuzz/fuzz_lua.h"
#include "luabind/lib.h"
#include "luabind/zbuff.h"

#define STEPS_MAX 64
#define ARGS_MAX  6
#define BUFFS     2 /* at the stack indices 1 and 2 */
#define VALUES    8 /* BUFFS, a function, and the results of the last calls */
#define BUFF_LEN  32
#define NAMES_MAX 64

static const luaL_Reg libraries[] = {
    { "gpio", luaopen_gpio },     { "uart", luaopen_uart },   { "spi", luaopen_spi },
    { "i2c", luaopen_i2c },       { "adc", luaopen_adc },     { "pin", luaopen_pin },
    { "pins", luaopen_pins },     { "fskv", luaopen_fskv },   { "errDump", luaopen_errdump },
    { "crypto", luaopen_crypto }, { "w5500", luaopen_w5500 }, { "zbuff", luaopen_zbuff },
};
#define LIBRARIES_CALLED (ARRAY_LEN(libraries) - 1) /* zbuff has a target of its own */

static int do_nothing(lua_State *L)
{
    (void)L;
    return 0;
}

/* ---- an Ethernet chip that is told nothing but what it can take --------------------------------- */

static void chip_init(void *ctx, const struct ethchip_pins *pins, const char *where)
{
    const int numbers[] = { pins->spi, pins->cs, pins->irq, pins->rst, pins->link };

    (void)ctx;
    for (int i = 0; i < ARRAY_LEN(numbers); i++)
        assert(numbers[i] >= 0 && numbers[i] <= ETHCHIP_NO_PIN);
    assert(where);
}

static bool chip_config(void *ctx, const struct ethchip_setup *setup, const char *where)
{
    (void)ctx;
    assert(!setup->is_static || endpoint_is_unicast(&setup->address.ip));
    assert(!setup->is_static || (setup->address.prefix_len && setup->address.prefix_len <= 32));
    assert(where);
    return !setup->has_mac;
}

static int chip_bind(void *ctx, enum adapter_id id)
{
    (void)ctx;
    return id == ADAPTER_ETH0 ? 0 : -1;
}

static bool chip_mac(void *ctx, uint8_t mac[BOARD_MAC_LEN])
{
    (void)ctx;
    memset(mac, 2, BOARD_MAC_LEN);
    return true;
}

static const struct ethchip fake_ethchip = {
    .init = chip_init, .config = chip_config, .bind = chip_bind, .mac = chip_mac
};

/* The parts of a device that these libraries stand on. */
static void open_device(struct device *device)
{
    timers_init(&device->timers);
    msgq_init(&device->msgs);
    rng_init(&device->rng, 1);
    device->ethchip = &fake_ethchip;
    gpio_init(&device->gpio, &(struct gpio_config){ .timers = &device->timers,
                                                    .clock = &device->clock,
                                                    .msgs = &device->msgs,
                                                    .trace = &device->trace });
    uart_init(&device->uart, &(struct uart_config){ .timers = &device->timers,
                                                    .clock = &device->clock,
                                                    .msgs = &device->msgs,
                                                    .log = &device->log,
                                                    .trace = &device->trace,
                                                    .gpio = &device->gpio });
}

static void close_device(struct device *device)
{
    uart_fini(&device->uart);
    gpio_fini(&device->gpio);
    msgq_fini(&device->msgs);
    timers_fini(&device->timers);
}

static int open_all(lua_State *L)
{
    for (int i = 0; i < ARRAY_LEN(libraries); i++)
        luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
    return luaopen_json(L);
}

static void push_buff(struct fuzz_lua *fuzz)
{
    lua_getglobal(fuzz->L, "zbuff");
    lua_getfield(fuzz->L, -1, "create");
    lua_remove(fuzz->L, -2);
    lua_pushinteger(fuzz->L, BUFF_LEN);
    lua_call(fuzz->L, 1, 1);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Push one of a library's functions, by the order of their names: a table's own differs. */
static void push_function(lua_State *L, const char *library, uint8_t which)
{
    const char *names[NAMES_MAX];
    size_t count = 0;

    lua_getglobal(L, library);
    for (lua_pushnil(L); lua_next(L, -2) && count < NAMES_MAX; lua_pop(L, 1)) {
        const char *name = lua_tostring(L, -2);

        if (lua_isfunction(L, -1) && strcmp(name, "md_file") != 0) /* there are no files here */
            names[count++] = name;
    }
    assert(count);
    qsort(names, count, sizeof(names[0]), compare);
    lua_getfield(L, -1, names[which % count]);
    lua_remove(L, -2);
}

static void check_buff(lua_State *L, int index)
{
    const struct zbuff *buff = zbuff_check(L, index);

    assert(buff->used <= buff->len);
    assert(buff->data || !buff->len);
    for (size_t i = 0; i < buff->len; i += 64) /* all of it is there */
        (void)*(volatile uint8_t *)&buff->data[i];
}

/* Keep one of the results above VALUES, and drop the others. */
static void keep_result(lua_State *L, uint8_t which)
{
    if (lua_gettop(L) > VALUES && !lua_isnil(L, VALUES + 1)) {
        lua_pushvalue(L, VALUES + 1);
        lua_replace(L, BUFFS + 2 + which % (VALUES - BUFFS - 1));
    }
    lua_settop(L, VALUES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_lua fuzz;
    struct reader in;
    struct msg msg;

    fuzz_lua_open(&fuzz, "json", open_all);
    open_device(&fuzz.device);
    push_buff(&fuzz);
    push_buff(&fuzz);
    lua_pushcfunction(fuzz.L, do_nothing);
    lua_settop(fuzz.L, VALUES);
    reader_init(&in, data, size);
    for (int i = 0; i < STEPS_MAX && reader_left(&in); i++) {
        const char *library = libraries[reader_u8(&in) % LIBRARIES_CALLED].name;
        int args;

        push_function(fuzz.L, library, reader_u8(&in));
        args = reader_u8(&in) % (ARGS_MAX + 1);
        for (int arg = 0; arg < args; arg++)
            fuzz_push_argument(fuzz.L, &in, VALUES);
        (void)fuzz_lua_call(&fuzz, args);
        keep_result(fuzz.L, reader_u8(&in));
        for (int buff = 1; buff <= BUFFS; buff++)
            check_buff(fuzz.L, buff);
        while (msgq_take(&fuzz.device.msgs, &msg))
            continue;
    }
    close_device(&fuzz.device);
    fuzz_lua_close(&fuzz);
    return 0;
}
