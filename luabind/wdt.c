/*
 * wdt: the watchdog. LuatOS luat_lib_wdt.c. When it has not been fed for its time, a module starts
 * again; here the run ends with code 1 and says where the script was.
 *
 * It counts on the device's clock; a script that never returns to the loop is stopped by the CPU
 * time that it burns (vm_config.limit_cpu).
 */
#include <lauxlib.h>

#include "emu/device.h"
#include "emu/exit_code.h"
#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"
#include "luabind/vm.h"

#define DEFAULT_MS 10 /* LuatOS's, whatever it is good for */

static void on_hunger(struct timer *timer)
{
    struct vm *vm = container_of(timer, struct vm, chip.watchdog);

    vm_interrupt(vm, EXIT_CODE_SCRIPT);
}

void wdt_open(struct vm *vm)
{
    timer_init(&vm->chip.watchdog, on_hunger);
}

void wdt_close(struct vm *vm)
{
    timer_stop(&vm->config.device->timers, &vm->chip.watchdog);
}

static void feed(struct vm *vm)
{
    struct device *device = vm->config.device;

    if (!vm->chip.watchdog_us)
        return;
    vclock_refresh(&device->clock);
    timer_start(&device->timers, &vm->chip.watchdog, device->clock.now_us + vm->chip.watchdog_us);
    if (vm->config.limit_cpu && device->clock.mode == VCLOCK_MODE_REAL)
        vm->config.limit_cpu(vm->chip.watchdog_us);
}

static int set_time(lua_State *L, const char *function)
{
    lua_Integer ms = luaL_optinteger(L, 1, DEFAULT_MS);
    struct vm *vm = vm_of(L);

    stand_in(L, STAND_IN_WDT);
    if (ms > 0) {
        vm->chip.watchdog_us = ms_to_us(ms);
        feed(vm);
    } else {
        warn_script(L, "wdt.%s: %lld ms is no time: false", function, (long long)ms);
    }
    lua_pushboolean(L, ms > 0);
    return 1;
}

static int wdt_init(lua_State *L)
{
    return set_time(L, "init");
}

static int wdt_set_timeout(lua_State *L)
{
    return set_time(L, "setTimeout");
}

static int wdt_feed(lua_State *L)
{
    feed(vm_of(L));
    lua_pushboolean(L, true);
    return 1;
}

/* As a module: it can't be stopped any more, and is fed. */
static int wdt_end(lua_State *L)
{
    warn_script(L, "wdt.close: a module's watchdog can't be stopped: it is fed");
    return wdt_feed(L);
}

int luaopen_wdt(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "init", wdt_init }, { "setTimeout", wdt_set_timeout },
        { "feed", wdt_feed }, { "close", wdt_end },
        { NULL, NULL },
    };

    luaL_newlib(L, functions);
    return 1;
}
