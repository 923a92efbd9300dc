/*
 * pm: sleep and power. LuatOS luat_lib_pm.c.
 *
 * Deep sleep ends with a start from the beginning, and so does the run: when the script that asked
 * for it waits next and has nothing to do. So do switching off and restarting.
 */
#include <lauxlib.h>
#include <stdio.h>

#include "emu/device.h"
#include "emu/exit_code.h"
#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"
#include "luabind/vm.h"

#define US_PER_MS 1000
#define TEXT_MAX  96

enum sleep_mode { SLEEP_NONE, SLEEP_IDLE, SLEEP_LIGHT, SLEEP_DEEP, SLEEP_HIB };

enum power_id {
    POWER_USB,
    POWER_GPS,
    POWER_GPS_ANT,
    POWER_CAMERA,
    POWER_DAC_EN,
    POWER_PWK_MODE,
    POWER_WORK_MODE,
    POWER_LDO_CTL,
    POWER_COUNT
};
#define WORK_MODE_SAVER 3 /* deep sleep whenever there is nothing to do */

enum level_id { LEVEL_ALL_GPIO, LEVEL_SDIO, LEVEL_LCD, LEVEL_CAMA, LEVEL_CAMD };

#define ID_NATIVE 1 /* LuatOS has the same number for both */
#define ID_WIFI   1

/* ---- timers that go on in sleep -------------------------------------------------------------- */

static void on_dtimer(struct timer *timer)
{
    struct chip_dtimer *dtimer = container_of(timer, struct chip_dtimer, timer);
    struct topic topic = { .name = "DTIMER_WAKEUP" };

    topic.args[0] = topic_number((int)(dtimer - dtimer->vm->chip.dtimers));
    msgq_publish(&dtimer->vm->config.device->msgs, &topic);
}

void pm_open(struct vm *vm)
{
    for (int i = 0; i < CHIP_DTIMERS; i++) {
        vm->chip.dtimers[i].vm = vm;
        timer_init(&vm->chip.dtimers[i].timer, on_dtimer);
    }
}

void pm_close(struct vm *vm)
{
    for (int i = 0; i < CHIP_DTIMERS; i++)
        timer_stop(&vm->config.device->timers, &vm->chip.dtimers[i].timer);
}

/* The timer that argument 1 names; NULL: there is none. */
static struct timer *dtimer_arg(lua_State *L)
{
    lua_Integer id = luaL_checkinteger(L, 1);

    if (id < 0 || id >= CHIP_DTIMERS)
        return NULL;
    return &vm_of(L)->chip.dtimers[id].timer;
}

static int pm_dtimer_start(lua_State *L)
{
    struct device *device = vm_of(L)->config.device;
    struct timer *timer = dtimer_arg(L);
    lua_Integer ms = luaL_checkinteger(L, 2);
    bool is_started = timer && ms > 0;

    stand_in(L, STAND_IN_PM);
    if (is_started) {
        vclock_refresh(&device->clock);
        timer_start(&device->timers, timer, device->clock.now_us + ms_to_us(ms));
    } else {
        warn_script(L, "pm.dtimerStart: timers are 0 to %d, and their time is not 0: false",
                    CHIP_DTIMERS - 1);
    }
    lua_pushboolean(L, is_started);
    return 1;
}

static int pm_dtimer_stop(lua_State *L)
{
    struct timer *timer = dtimer_arg(L);

    if (timer)
        timer_stop(&vm_of(L)->config.device->timers, timer);
    return 0;
}

static uint64_t left_ms(struct vm *vm, const struct timer *timer)
{
    struct vclock *clock = &vm->config.device->clock;

    vclock_refresh(clock);
    return timer->due_us > clock->now_us ? (timer->due_us - clock->now_us) / US_PER_MS : 0;
}

/* dtimerCheck(id): does it run, and for how many ms? */
static int pm_dtimer_check(lua_State *L)
{
    const struct timer *timer = dtimer_arg(L);
    bool runs = timer && timer_is_running(timer);

    lua_pushboolean(L, runs);
    if (!runs)
        return 1;
    lua_pushinteger(L, (lua_Integer)left_ms(vm_of(L), timer));
    return 2;
}

static int pm_dtimer_list(lua_State *L)
{
    lua_Integer count = 0;

    lua_newtable(L);
    for (int i = 0; i < CHIP_DTIMERS; i++) {
        if (!timer_is_running(&vm_of(L)->chip.dtimers[i].timer))
            continue;
        lua_pushinteger(L, i);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* Nothing has woken it: the run begins with power on. */
static int pm_dtimer_wakeup_id(lua_State *L)
{
    lua_pushinteger(L, -1);
    return 1;
}

/* ---- sleep ------------------------------------------------------------------------------------- */

/* What would wake the module, for people. */
static void describe_wakeup(struct vm *vm, char text[TEXT_MAX])
{
    const struct timer *first = NULL;
    int id = 0;

    for (int i = 0; i < CHIP_DTIMERS; i++) {
        const struct timer *timer = &vm->chip.dtimers[i].timer;

        if (!timer_is_running(timer) || (first && timer->due_us >= first->due_us))
            continue;
        first = timer;
        id = i;
    }
    if (first) {
        (void)snprintf(text, TEXT_MAX, "its timer %d would start it again in %llu ms", id,
                       (unsigned long long)left_ms(vm, first));
    } else {
        (void)snprintf(text, TEXT_MAX, "only a pin or its power would start it again");
    }
}

int pm_sleep(lua_State *L)
{
    struct vm *vm = vm_of(L);
    char text[TEXT_MAX];

    describe_wakeup(vm, text);
    log_say(&vm->config.device->log, "the module sleeps, as the script asked for: %s", text);
    return vm_stop(L, EXIT_CODE_OK);
}

static int pm_request(lua_State *L)
{
    lua_Integer mode = luaL_checkinteger(L, 1);
    bool is_mode = mode >= SLEEP_NONE && mode <= SLEEP_HIB;

    stand_in(L, STAND_IN_PM);
    if (is_mode)
        vm_of(L)->chip.wants_sleep = mode >= SLEEP_DEEP;
    lua_pushboolean(L, is_mode);
    return 1;
}

/* At once. */
static int pm_force(lua_State *L)
{
    lua_Integer mode = luaL_checkinteger(L, 1);

    stand_in(L, STAND_IN_PM);
    if (mode == SLEEP_DEEP || mode == SLEEP_HIB)
        return pm_sleep(L);
    lua_pushinteger(L, 0);
    return 1;
}

/* Nothing keeps it awake. */
static int pm_check(lua_State *L)
{
    stand_in(L, STAND_IN_PM);
    lua_pushboolean(L, true);
    lua_pushinteger(L, 0);
    return 2;
}

/* Power on: not from sleep, and by its button. */
static int pm_last_reason(lua_State *L)
{
    stand_in(L, STAND_IN_PM);
    for (int i = 0; i < 3; i++)
        lua_pushinteger(L, 0);
    return 3;
}

static int pm_shutdown(lua_State *L)
{
    log_say(&vm_of(L)->config.device->log, "the script switched the module off");
    return vm_stop(L, EXIT_CODE_OK);
}

/* ---- power ------------------------------------------------------------------------------------- */

static int pm_power(lua_State *L)
{
    lua_Integer id = luaL_checkinteger(L, 1);
    lua_Integer value = lua_isboolean(L, 2) ? lua_toboolean(L, 2) : lua_tointeger(L, 2);

    stand_in(L, STAND_IN_PM);
    if (id == POWER_WORK_MODE)
        vm_of(L)->chip.wants_sleep = value == WORK_MODE_SAVER;
    lua_pushboolean(L, id >= 0 && id < POWER_COUNT);
    return 1;
}

static int pm_io_vol(lua_State *L)
{
    (void)luaL_optinteger(L, 1, LEVEL_ALL_GPIO);
    stand_in(L, STAND_IN_PM);
    lua_pushboolean(L, true);
    return 1;
}

static int pm_wakeup_pin(lua_State *L)
{
    (void)luaL_optinteger(L, 2, 0);
    stand_in(L, STAND_IN_PM);
    lua_pushboolean(L, true);
    return 1;
}

int luaopen_pm(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "request", pm_request },
        { "force", pm_force },
        { "check", pm_check },
        { "dtimerStart", pm_dtimer_start },
        { "dtimerStop", pm_dtimer_stop },
        { "dtimerCheck", pm_dtimer_check },
        { "dtimerList", pm_dtimer_list },
        { "dtimerWkId", pm_dtimer_wakeup_id },
        { "lastReson", pm_last_reason },
        { "shutdown", pm_shutdown },
        { "reboot", rtos_reboot },
        { "power", pm_power },
        { "ioVol", pm_io_vol },
        { "wakeupPin", pm_wakeup_pin },
        { NULL, NULL },
    };
    static const struct constant constants[] = {
        { "NONE", SLEEP_NONE },         { "IDLE", SLEEP_IDLE },
        { "LIGHT", SLEEP_LIGHT },       { "DEEP", SLEEP_DEEP },
        { "HIB", SLEEP_HIB },           { "USB", POWER_USB },
        { "GPS", POWER_GPS },           { "GPS_ANT", POWER_GPS_ANT },
        { "CAMERA", POWER_CAMERA },     { "DAC_EN", POWER_DAC_EN },
        { "PWK_MODE", POWER_PWK_MODE }, { "WORK_MODE", POWER_WORK_MODE },
        { "LDO_CTL", POWER_LDO_CTL },   { "IOVOL_ALL_GPIO", LEVEL_ALL_GPIO },
        { "IOVOL_SDIO", LEVEL_SDIO },   { "IOVOL_LCD", LEVEL_LCD },
        { "IOVOL_CAMA", LEVEL_CAMA },   { "IOVOL_CAMD", LEVEL_CAMD },
        { "ID_NATIVE", ID_NATIVE },     { "ID_WIFI", ID_WIFI },
    };

    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
