/* rtos: the firmware under sys.lua: script timers, the message queue, and what a module says of itself. */
#include <assert.h>
#include <lauxlib.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "emu/device.h"
#include "emu/exit_code.h"
#include "emu/util.h"
#include "luabind/lib.h"
#include "luabind/vm.h"

#define US_PER_MS        1000
#define REST_US          UINT64_C(60000000) /* at a time, where nothing is waited for */
#define MSG_TIMER        1                  /* LuatOS luat_msgbus.h */
#define INF_TIMEOUT      (-1)
#define NO_MESSAGE       (-1) /* what receive() gives when its time is over */
#define REPEAT_FOREVER   (-1)
#define BUCKETS_MIN      64
#define MODULE_TIMERS    64  /* LuatOS luat_timer_freertos.c:20 */
#define MODULE_MESSAGES  256 /* LuatOS luat_msgbus_freertos.c */
#define FIRMWARE_VERSION 2035
#define FIRMWARE_NAME    "V2035"
#define FIRMWARE_DATE    "Aug  3 2026" /* of the LuatOS whose behaviour this is */
#define BOARD_NAME       "PC"          /* what test scripts take for "ends with os.exit" */
#define LUA_BITS         64

/* ---- timers ----------------------------------------------------------------------------- */

struct script_timer {
    struct timer timer;
    struct vm *vm;
    struct script_timer *next; /* in its bucket */
    uint32_t id;
    uint64_t period_us;
    int32_t repeat_left; /* times after this one; REPEAT_FOREVER */
};

static struct script_timer **bucket_of(const struct vm *vm, uint32_t id)
{
    return &vm->timers[id & (vm->timers_buckets - 1)];
}

/* Where the timer @id hangs; its end when there is none. */
static struct script_timer **find_timer(const struct vm *vm, uint32_t id)
{
    struct script_timer **at = bucket_of(vm, id);

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void remove_timer(struct script_timer **at)
{
    struct script_timer *timer = *at;

    *at = timer->next;
    timer_stop(&timer->vm->config.device->timers, &timer->timer);
    timer->vm->timers_count--;
    free(timer);
}

static void grow_buckets(struct vm *vm)
{
    struct script_timer **old = vm->timers;
    size_t old_buckets = vm->timers_buckets;

    vm->timers_buckets = old_buckets ? old_buckets * 2 : BUCKETS_MIN;
    vm->timers = xcalloc(vm->timers_buckets, sizeof(*vm->timers));
    for (size_t i = 0; i < old_buckets; i++) {
        while (old[i]) {
            struct script_timer *timer = old[i];
            struct script_timer **at = bucket_of(vm, timer->id);

            old[i] = timer->next;
            timer->next = *at;
            *at = timer;
        }
    }
    free(old);
}

static void on_timer(struct timer *fired)
{
    struct script_timer *timer = container_of(fired, struct script_timer, timer);
    struct device *device = timer->vm->config.device;
    uint64_t now_us = device->clock.now_us;
    const struct msg msg = {
        .kind = MSG_KIND_TIMER,
        .as.timer = { .id = timer->id, .repeat_left = timer->repeat_left },
    };

    msgq_post(&device->msgs, &msg);
    if (!timer->repeat_left) { /* the script may start another of this number while it is told */
        remove_timer(find_timer(timer->vm, timer->id));
        return;
    }
    if (timer->repeat_left != REPEAT_FOREVER)
        timer->repeat_left--;
    /* a period that was missed because the script was busy is not made up for */
    timer_start(&device->timers, fired,
                fired->due_us + timer->period_us > now_us ? fired->due_us + timer->period_us
                                                          : now_us + timer->period_us);
}

static bool has_room(lua_State *L, struct vm *vm)
{
    if (vm->timers_count >= vm->config.device->limits.timers) {
        warn_script(L, "rtos.timer_start: %zu timers run: refused (--set timers=N)",
                    vm->timers_count);
        return false;
    }
    if (vm->timers_count == MODULE_TIMERS && !vm->warned_timers) {
        vm->warned_timers = true;
        warn_script(L, "more than %d timers and waiting tasks: a module starts no more",
                    MODULE_TIMERS);
    }
    return true;
}

/* timer_start(id, ms, times): 0 and 1 are once, -1 is for ever. 1, or 0 without a timer. */
static int rtos_timer_start(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct device *device = vm->config.device;
    uint32_t id = (uint32_t)luaL_checkinteger(L, 1);
    uint32_t ms = (uint32_t)luaL_checkinteger(L, 2);
    int32_t repeat = (int32_t)luaL_optinteger(L, 3, 0);
    struct script_timer **at, *timer;

    if (!ms || !has_room(L, vm)) {
        lua_pushinteger(L, 0);
        return 1;
    }
    if (vm->timers_count >= vm->timers_buckets)
        grow_buckets(vm);
    at = find_timer(vm, id);
    if (*at)
        remove_timer(at);
    timer = xcalloc(1, sizeof(*timer));
    *timer = (struct script_timer){ .vm = vm,
                                    .next = *bucket_of(vm, id),
                                    .id = id,
                                    .period_us = (uint64_t)ms * US_PER_MS,
                                    .repeat_left = repeat < 0   ? REPEAT_FOREVER
                                                   : repeat > 0 ? repeat - 1
                                                                : 0 };
    *bucket_of(vm, id) = timer;
    vm->timers_count++;
    timer_init(&timer->timer, on_timer);
    vclock_refresh(&device->clock); /* the script may have worked for long since the turn */
    timer_start(&device->timers, &timer->timer, device->clock.now_us + timer->period_us);
    lua_pushinteger(L, 1);
    return 1;
}

static int rtos_timer_stop(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct script_timer **at;

    if (!lua_isinteger(L, 1) || !vm->timers_count)
        return 0;
    at = find_timer(vm, (uint32_t)lua_tointeger(L, 1));
    if (*at)
        remove_timer(at);
    return 0;
}

void rtos_close(struct vm *vm)
{
    for (size_t i = 0; i < vm->timers_buckets; i++) {
        while (vm->timers[i])
            remove_timer(&vm->timers[i]);
    }
    free(vm->timers);
    vm->timers = NULL;
    vm->timers_buckets = 0;
}

/* ---- receive ------------------------------------------------------------------------------ */

/* Nothing can come any more: end the run, or wait for a signal. */
static void rest(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct device *device = vm->config.device;

    if (vm->config.keep_running && device->clock.mode == VCLOCK_MODE_REAL) {
        (void)device_turn(device, device->clock.now_us + REST_US); /* the background goes on */
        return;
    }
    if (vm->config.keep_running) {
        loop_wait(&device->loop, UINT64_MAX);
        loop_dispatch(&device->loop);
        return;
    }
    log_say(&device->log, "no timer is set and no socket is open: nothing can happen any more "
                          "(--exit-on never waits on)");
    vm_stop(L, EXIT_CODE_OK);
}

static void check_ends(lua_State *L, struct vm *vm)
{
    const struct device *device = vm->config.device;

    vm_check_stop(L);
    if (device->log.write_error || device->trace.write_error)
        vm_stop(L, EXIT_CODE_LOG);
    if (vm->config.timeout_us && device->clock.mode == VCLOCK_MODE_VIRTUAL &&
        device->clock.now_us >= vm->config.timeout_us) {
        vm_interrupt(vm, EXIT_CODE_TIMEOUT);
        vm_check_stop(L);
    }
}

static void warn_messages(lua_State *L, struct vm *vm)
{
    if (vm->warned_messages || vm->config.device->msgs.count < MODULE_MESSAGES)
        return;
    vm->warned_messages = true;
    warn_script(L, "%d messages wait for the script: a module drops what comes now",
                MODULE_MESSAGES);
}

/* False: it is a timer's, which rtos.receive returns. */
static bool deliver(lua_State *L, const struct msg *msg)
{
    switch (msg->kind) {
    case MSG_KIND_TIMER:
        return false;
    case MSG_KIND_NETC:
    case MSG_KIND_TOPIC:
        socket_deliver(L, msg);
        break;
    case MSG_KIND_GPIO:
        gpio_deliver(L, msg);
        break;
    case MSG_KIND_UART:
        uart_deliver_msg(L, msg);
        break;
    case MSG_KIND_NOTE:
        netdrv_deliver(L, msg->as.note);
        break;
    }
    return true;
}

/* receive(ms): the next message; timers' are returned, all others are handled here. */
static int rtos_receive(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct device *device = vm->config.device;
    lua_Integer ms = luaL_checkinteger(L, 1);
    uint64_t until_us = UINT64_MAX;
    struct msg msg;

    if (ms >= 0) {
        vclock_refresh(&device->clock);
        until_us = device->clock.now_us + ms_to_us(ms);
    }
    check_ends(L, vm);
    device_breathe(device);
    while (!msgq_take(&device->msgs, &msg)) {
        if (vm->chip.wants_sleep)
            (void)pm_sleep(L);
        if (device_turn(device, until_us) == DEVICE_STATE_IDLE)
            rest(L);
        check_ends(L, vm);
        if (!device->msgs.count && device->clock.now_us >= until_us) {
            lua_pushinteger(L, NO_MESSAGE);
            return 1;
        }
        warn_messages(L, vm);
    }
    if (deliver(L, &msg))
        return 0;
    lua_pushinteger(L, MSG_TIMER);
    lua_pushinteger(L, msg.as.timer.id);
    lua_pushinteger(L, msg.as.timer.repeat_left);
    return 3;
}

/* ---- the rest -------------------------------------------------------------------------------- */

int rtos_reboot(lua_State *L)
{
    lua_Integer code = luaL_optinteger(L, 1, 0);

    log_say(&vm_of(L)->config.device->log,
            "the script asked for a reboot: a module would start again");
    return vm_stop(L, (int)(code & 0xff));
}

static int rtos_standy(lua_State *L)
{
    (void)luaL_checkinteger(L, 1);
    warn_script(L, "rtos.standy: there is no hardware to send to sleep");
    return 0;
}

static int rtos_build_date(lua_State *L)
{
    lua_pushliteral(L, FIRMWARE_DATE);
    return 1;
}

static int rtos_bsp(lua_State *L)
{
    lua_pushliteral(L, BOARD_NAME);
    return 1;
}

static int rtos_version(lua_State *L)
{
    bool wants_all = lua_toboolean(L, 1);

    lua_pushliteral(L, FIRMWARE_NAME);
    if (!wants_all)
        return 1;
    lua_pushinteger(L, FIRMWARE_VERSION);
    lua_pushinteger(L, LUA_BITS);
    return 3;
}

static int rtos_firmware(lua_State *L)
{
    lua_pushliteral(L, "LuatOS-SoC_" FIRMWARE_NAME "_" BOARD_NAME);
    return 1;
}

/*
 * meminfo("lua"): the VM's memory; anything else: this process's own. Total, used, peak. In virtual
 * time the VM's again: the process's depends on its environment, and equal runs must be equal.
 */
static int rtos_meminfo(lua_State *L)
{
    const struct vm *vm = vm_of(L);
    const char *which = luaL_optstring(L, 1, "lua");
    size_t total = vm->heap.cap, used = vm->heap.used, peak = vm->heap.peak;

    if (strcmp(which, "lua") != 0 && vm->config.device->clock.mode == VCLOCK_MODE_REAL) {
        struct mallinfo2 info = mallinfo2();

        used = info.uordblks + info.hblkhd;
        peak = total = info.arena + info.hblkhd;
    }
    lua_pushinteger(L, (lua_Integer)total);
    lua_pushinteger(L, (lua_Integer)used);
    lua_pushinteger(L, (lua_Integer)peak);
    return 3;
}

static bool is_path_template(const char *text, size_t len)
{
    const char *percent = strchr(text, '%');

    return len > 0 && len < VM_REQUIRE_PATH_MAX && percent && percent[1] == 's' &&
           !strchr(percent + 1, '%');
}

/* setPaths(t1, ..., t4): where require looks first. */
static int rtos_set_paths(lua_State *L)
{
    struct vm *vm = vm_of(L);

    for (int i = 0; i < VM_REQUIRE_PATHS; i++) {
        size_t len;
        const char *text;

        vm->require_paths[i][0] = '\0';
        if (!lua_isstring(L, i + 1))
            continue;
        text = lua_tolstring(L, i + 1, &len);
        if (is_path_template(text, len)) {
            memcpy(vm->require_paths[i], text, len + 1);
        } else {
            warn_script(L, "rtos.setPaths: \"%s\" is no template: below %d bytes, with one %%s",
                        text, VM_REQUIRE_PATH_MAX);
        }
    }
    return 0;
}

static int rtos_nop(lua_State *L)
{
    (void)L;
    return 0;
}

int luaopen_rtos(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "timer_start", rtos_timer_start },
        { "timer_stop", rtos_timer_stop },
        { "receive", rtos_receive },
        { "reboot", rtos_reboot },
        { "standy", rtos_standy },
        { "buildDate", rtos_build_date },
        { "bsp", rtos_bsp },
        { "version", rtos_version },
        { "firmware", rtos_firmware },
        { "meminfo", rtos_meminfo },
        { "setPaths", rtos_set_paths },
        { "nop", rtos_nop },
        { "autoCollectMem", rtos_nop }, /* Lua's own collector is enough here */
        { NULL, NULL },
    };
    static const struct constant constants[] = { { "INF_TIMEOUT", INF_TIMEOUT },
                                                 { "MSG_TIMER", MSG_TIMER } };

    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
