#include "luabind/vm.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include "emu/device.h"
#include "emu/exit_code.h"
#include "emu/vfs.h"
#include "luabind/absent.h"
#include "luabind/call.h"
#include "luabind/corelib.h"
#include "luabind/lib.h"

#define BIRTH_STACK_SIZE  ((size_t)256 * 1024)
#define SEED_PLACES       4096 /* different hash seeds that --seed reaches */
#define SEED_STEP         16   /* stack alignment */
#define GC_STRESS_EVERY   7    /* allocations */
#define REBOOT_MS         15000
#define UTF8_BOM          "\xef\xbb\xbf"
#define LUA_BINARY_MARK   '\033'
#define RX_CACHE_DEFAULT  32
#define TIMEZONE_QUARTERS 32 /* UTC+8 */

static const char stop_mark; /* its address is the error value of a stop */

/* ---- the C library's time(), as liblua calls it -------------------------------------------
 *
 * liblua seeds its hashes with time(). Nothing here may read the host's clock but vclock.c, and
 * equal seeds must give equal runs: linked with --wrap=time, every call from a static library of
 * ours ends here. Scripts get their time from os.c.
 */
time_t __wrap_time(time_t *out);
time_t __wrap_time(time_t *out)
{
    if (out)
        *out = 0;
    return 0;
}

/* ---- birth: lua_newstate() where its hash seed repeats -----------------------------------
 *
 * Its other ingredients are the address of a local variable, of the state, and of the function.
 * The state lies in our heap, the program is linked to a fixed address, and a context on a stack
 * of our own supplies the first: its depth comes from the device's seed. (Not a thread: a process
 * that has had one pays for locks and cancellation ever after.)
 */
struct birth {
    struct vm *vm;
    size_t depth;
    lua_State *L;
    ucontext_t caller, context;
};

/* makecontext() passes integers only: the halves of a pointer. */
static void be_born(unsigned high, unsigned low)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    struct birth *birth = (void *)((uintptr_t)high << 32 | low);
    volatile char *room = __builtin_alloca(birth->depth);

    room[0] = 0;
    birth->L = lua_newstate(heap_alloc, &birth->vm->heap);
}

static lua_State *new_state(struct vm *vm)
{
    struct birth birth = { .vm = vm };
    uintptr_t self = (uintptr_t)&birth;
    volatile bool is_born = false;
    struct rng rng;

    rng_init(&rng, vm->config.device->seed);
    birth.depth = SEED_STEP * (1 + (size_t)rng_below(&rng, SEED_PLACES));
    if (getcontext(&birth.context) < 0)
        return NULL;
    birth.context.uc_stack.ss_sp = heap_extra(&vm->heap);
    birth.context.uc_stack.ss_size = BIRTH_STACK_SIZE;
    birth.context.uc_link = &birth.caller;
    makecontext(&birth.context, (void (*)(void))be_born, 2, (unsigned)(self >> 32), (unsigned)self);
    (void)getcontext(&birth.caller); /* here be_born() returns to */
    if (!is_born) {
        is_born = true;
        (void)setcontext(&birth.context);
    }
    return birth.L;
}

/* ---- stopping ------------------------------------------------------------------------------ */

/* Remember the innermost place in the script's own Lua. */
static void note_where(struct vm *vm, lua_State *L)
{
    lua_Debug ar;

    for (int level = 0; !vm->where[0] && lua_getstack(L, level, &ar); level++)
        if (lua_getinfo(L, "Sl", &ar) && ar.currentline > 0 && !corelib_is_chunk(ar.source))
            (void)snprintf(vm->where, sizeof(vm->where), "%s:%d", ar.short_src, ar.currentline);
}

static void on_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    if (!vm_of(L)->was_waiting)
        note_where(vm_of(L), L);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&stop_mark);
    (void)lua_error(L);
}

static void stop_thread(lua_State *L)
{
    lua_sethook(L, on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static void stop(struct vm *vm, int code, bool was_asked)
{
    if (!vm->is_stopping) {
        vm->stop_code = code;
        vm->was_interrupted = !was_asked;
    }
    vm->is_stopping = 1;
    for (const struct vm_running *running = vm->running; running; running = running->resumed_by)
        stop_thread(running->L);
    loop_wake(&vm->config.device->loop);
}

void vm_interrupt(struct vm *vm, int code)
{
    stop(vm, code, false);
}

void vm_end(struct vm *vm, int code)
{
    stop(vm, code, true);
}

int vm_stop(lua_State *L, int code)
{
    stop(vm_of(L), code, true);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&stop_mark);
    return lua_error(L);
}

void vm_check_stop(lua_State *L)
{
    struct vm *vm = vm_of(L);

    if (!vm->is_stopping)
        return;
    vm->was_waiting = !vm->where[0];
    lua_pushlightuserdata(L, (void *)(uintptr_t)&stop_mark);
    (void)lua_error(L);
}

struct vm *vm_of(lua_State *L)
{
    return *(struct vm **)lua_getextraspace(L);
}

/* ---- coroutines: as Lua's own, and the VM knows which one runs ------------------------------- */

static int traced_resume(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct vm_running running = { .L = lua_tothread(L, 1), .resumed_by = vm->running };
    lua_CFunction resume = lua_tocfunction(L, lua_upvalueindex(1));
    int results;

    if (!running.L)
        return luaL_typeerror(L, 1, "coroutine");
    vm->running = &running;
    if (vm->is_stopping) /* since just now, when this thread was not in the list yet */
        stop_thread(running.L);
    results = resume(L);
    vm->running = running.resumed_by;
    return results;
}

/* coroutine.wrap's function: resume, and pass an error on. */
static int wrapped(lua_State *L)
{
    int args = lua_gettop(L);

    lua_pushvalue(L, lua_upvalueindex(1)); /* the thread */
    lua_insert(L, 1);
    lua_pushvalue(L, lua_upvalueindex(2)); /* coroutine.resume */
    lua_insert(L, 1);
    lua_call(L, args + 1, LUA_MULTRET);
    if (lua_toboolean(L, 1))
        return lua_gettop(L) - 1;
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING) { /* as Lua's own: add where the wrap was called */
        luaL_where(L, 1);
        lua_insert(L, 2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int traced_wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1)); /* coroutine.create */
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    lua_pushvalue(L, lua_upvalueindex(2)); /* coroutine.resume */
    lua_pushcclosure(L, wrapped, 2);
    return 1;
}

static void trace_coroutines(lua_State *L)
{
    lua_getglobal(L, LUA_COLIBNAME);
    lua_getfield(L, -1, "resume");
    lua_pushcclosure(L, traced_resume, 1);
    lua_getfield(L, -2, "create");
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, traced_wrap, 2);
    lua_setfield(L, -3, "wrap");
    lua_setfield(L, -2, "resume");
    lua_pop(L, 1);
}

/* ---- loading ------------------------------------------------------------------------------- */

/* The text of @fd in a string on the stack. 0 or -errno. */
static int push_text(lua_State *L, int fd)
{
    struct stat st;
    luaL_Buffer buffer;
    ssize_t n;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (st.st_size > VM_SCRIPT_SIZE_MAX)
        return -EFBIG;
    luaL_buffinit(L, &buffer);
    while ((n = read(fd, luaL_prepbuffer(&buffer), LUAL_BUFFERSIZE)) > 0) {
        luaL_addsize(&buffer, (size_t)n);
        if (luaL_bufflen(&buffer) > VM_SCRIPT_SIZE_MAX) { /* a pipe has no size to ask for */
            n = -1;
            errno = EFBIG;
            break;
        }
    }
    n = n < 0 ? -errno : 0;
    luaL_pushresult(&buffer);
    return (int)n;
}

static const char *why_not_lua(const char *text, size_t len)
{
    if (len && text[0] == LUA_BINARY_MARK)
        return "it is compiled Lua; give the source";
    if (memchr(text, '\0', len < 4096 ? len : 4096))
        return "it is a binary file, not Lua";
    return NULL;
}

/*
 * Compile the text on top of the stack, which it replaces by the function or by a message. A
 * byte-order mark is no part of it, nor is a first line that begins with "#".
 */
static int compile(lua_State *L, const char *chunk)
{
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    const char *why = why_not_lua(text, len);
    int rc;

    if (why) {
        lua_pushfstring(L, "%s: %s", chunk + 1, why);
        lua_remove(L, -2);
        return LUA_ERRSYNTAX;
    }
    if (len >= 3 && memcmp(text, UTF8_BOM, 3) == 0) {
        text += 3;
        len -= 3;
    }
    while (len && text[0] == '#') { /* its line end stays: lines keep their numbers */
        const char *end = memchr(text, '\n', len);

        len = end ? len - (size_t)(end - text) : 0;
        text = end;
    }
    rc = luaL_loadbufferx(L, text, len, chunk, "t");
    lua_remove(L, -2);
    return rc;
}

bool vm_load_file(lua_State *L, const char *path)
{
    struct vfs *vfs = vm_of(L)->config.vfs;
    char found[4096];
    const char *host = vfs_host_path(vfs, path, found, sizeof(found));
    const char *chunk = lua_pushfstring(L, "@%s", host ? host : path);
    int fd = vfs_open(vfs, path, O_RDONLY);
    int rc;

    if (fd < 0) {
        lua_pop(L, 1);
        return false;
    }
    rc = push_text(L, fd);
    close(fd);
    if (rc < 0)
        luaL_error(L, "%s: %s", chunk + 1, strerror(-rc));
    if (compile(L, chunk) != LUA_OK)
        (void)lua_error(L);
    lua_remove(L, -2);
    return true;
}

/* The script, opened; what loading it comes to. */
struct loading {
    struct vm *vm;
    int fd;
    int code; /* enum exit_code; when it is not OK, the reason was told */
};

/* Protected, as memory can run out. The script's function is the result. */
static int load_script(lua_State *L)
{
    struct loading *loading = lua_touserdata(L, 1);
    struct log *log = &loading->vm->config.device->log;
    const char *chunk = lua_pushfstring(L, "@%s", loading->vm->config.script);
    int rc = push_text(L, loading->fd);
    const char *why;

    loading->code = EXIT_CODE_NO_SCRIPT;
    if (rc == -EFBIG) {
        log_say(log, "%s: too large for a script: more than %d MiB", chunk + 1,
                VM_SCRIPT_SIZE_MAX >> 20);
        return 0;
    }
    if (rc < 0) {
        log_say(log, "%s: can't read the script: %s", chunk + 1, strerror(-rc));
        return 0;
    }
    loading->code = EXIT_CODE_SYNTAX;
    if (compile(L, chunk) != LUA_OK) {
        why = lua_tostring(L, -1);
        if (strchr(why, ':'))
            log_say(log, "%s (nothing was run)", why);
        else /* a limit of the compiler's: it names no place */
            log_say(log, "%s: %s (nothing was run)", chunk + 1, why);
        return 0;
    }
    loading->code = EXIT_CODE_OK;
    return 1;
}

/* The script's function on the stack, or nil and why not as an exit code. */
static int open_script(struct vm *vm)
{
    struct loading loading = { .vm = vm, .fd = open(vm->config.script, O_RDONLY | O_CLOEXEC) };
    struct log *log = &vm->config.device->log;

    if (loading.fd < 0) {
        log_say(log, "%s: can't read the script: %s", vm->config.script, strerror(errno));
        return EXIT_CODE_NO_SCRIPT;
    }
    lua_pushcfunction(vm->L, load_script);
    lua_pushlightuserdata(vm->L, &loading);
    if (lua_pcall(vm->L, 1, 1, 0) != LUA_OK) {
        log_say(log, "%s: can't be loaded: %s (--set lua_heap=BYTES)", vm->config.script,
                lua_tostring(vm->L, -1));
        loading.code = EXIT_CODE_NO_SCRIPT;
    }
    close(loading.fd);
    return loading.code;
}

/* ---- the environment ----------------------------------------------------------------------- */

/*
 * Lua looks there for a function that was called without a name, by pcall say. A module's libraries
 * are read-only tables, which it does not look into: such a function is '?', but for the globals.
 */
static void forget_names(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushglobaltable(L);
    lua_setfield(L, -2, LUA_GNAME);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}

static void open_libraries(lua_State *L)
{
    static const luaL_Reg libraries[] = {
        { LUA_GNAME, luaopen_base },
        { LUA_COLIBNAME, luaopen_coroutine },
        { LUA_TABLIBNAME, luaopen_table },
        { LUA_STRLIBNAME, luaopen_string },
        { LUA_UTF8LIBNAME, luaopen_utf8 },
        { LUA_MATHLIBNAME, luaopen_math },
        { LUA_DBLIBNAME, luaopen_debug },
        { "log", luaopen_log },
        { "rtos", luaopen_rtos },
        { "timer", luaopen_timer },
        { "mcu", luaopen_mcu },
        { "rtc", luaopen_rtc },
        { "json", luaopen_json },
        { "zbuff", luaopen_zbuff },
        { "pack", luaopen_pack },
        { "fs", luaopen_fs },
        { "gpio", luaopen_gpio },
        { "hmeta", luaopen_hmeta },
        { "uart", luaopen_uart },
        { "crypto", luaopen_crypto },
        { "fskv", luaopen_fskv },
        { "pm", luaopen_pm },
        { "wdt", luaopen_wdt },
        { "adc", luaopen_adc },
        { "spi", luaopen_spi },
        { "i2c", luaopen_i2c },
        { "pin", luaopen_pin },
        { "pins", luaopen_pins },
        { "errDump", luaopen_errdump },
        { "socket", luaopen_socket },
        { "icmp", luaopen_icmp },
        { "netdrv", luaopen_netdrv },
        { "w5500", luaopen_w5500 },
        { "wlan", luaopen_wlan },
        { "mobile", luaopen_mobile },
        { "airlink", luaopen_airlink },
        { LUA_IOLIBNAME, luaopen_luatos_io },
        { LUA_OSLIBNAME, luaopen_luatos_os },
    };

    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
        luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
        lua_pop(L, 1);
    }
    lua_getglobal(L, LUA_STRLIBNAME);
    luaopen_luatos_string(L);
    lua_pop(L, 1);
    luaopen_luatos_base(L);
    trace_coroutines(L);
    forget_names(L);
}

/* math.random too comes from the one door. */
static void seed_random(lua_State *L)
{
    struct rng *rng = &vm_of(L)->config.device->rng;

    lua_getglobal(L, LUA_MATHLIBNAME);
    lua_getfield(L, -1, "randomseed");
    lua_pushinteger(L, (lua_Integer)rng_next(rng));
    lua_pushinteger(L, (lua_Integer)rng_next(rng));
    lua_call(L, 2, 0);
    lua_pop(L, 1);
}

static int set_up(lua_State *L)
{
    open_libraries(L);
    seed_random(L);
    return 0;
}

int vm_open(struct vm *vm, const struct vm_config *config)
{
    size_t cap = config->device->limits.lua_heap;
    int rc;

    *vm = (struct vm){ .config = *config,
                       .script_log_level = LOG_LEVEL_DEBUG,
                       .rx_cache = RX_CACHE_DEFAULT,
                       .timezone_quarters = TIMEZONE_QUARTERS };
    wdt_open(vm);
    pm_open(vm);
    rc = heap_open(&vm->heap, cap, BIRTH_STACK_SIZE);
    if (rc < 0)
        return rc;
    vm->L = new_state(vm);
    if (!vm->L) {
        heap_close(&vm->heap);
        return -ENOMEM;
    }
    *(struct vm **)lua_getextraspace(vm->L) = vm;
    lua_pushcfunction(vm->L, set_up);
    if (lua_pcall(vm->L, 0, 0, 0) != LUA_OK) {
        log_say(&config->device->log, "the Lua VM can't be set up: %s", lua_tostring(vm->L, -1));
        vm_close(vm);
        return -ENOMEM;
    }
    if (config->gc_stress)
        vm->heap.stress = GC_STRESS_EVERY;
    return 0;
}

void vm_close(struct vm *vm)
{
    if (vm->L) {
        vm->heap.stress = 0;
        lua_close(vm->L);
    }
    rtos_close(vm);
    wdt_close(vm);
    pm_close(vm);
    heap_close(&vm->heap);
}

/* ---- running ------------------------------------------------------------------------------------ */

static void log_boot(struct vm *vm)
{
    struct log *log = &vm->config.device->log;

    log_firmware(log, LOG_LEVEL_INFO, "main", "LuatOS@luatos-emu %s, Lua 5.4, seed %llu",
                 LUATOS_EMU_VERSION, (unsigned long long)vm->config.device->seed);
}

/* As a module's firmware says that the script is over (luat_main.c:252-268). */
static int report_end(struct vm *vm, const char *message)
{
    struct log *log = &vm->config.device->log;
    const char *line_end = strpbrk(message, "\r\n");
    int line_len = line_end ? (int)(line_end - message) : (int)strlen(message);
    const char *absent = absent_in_message(message);

    log_firmware(log, LOG_LEVEL_ERROR, "main", "Luat: ");
    log_firmware(log, LOG_LEVEL_ERROR, "main", "%s", message);
    log_firmware(log, LOG_LEVEL_ERROR, "main", "Lua VM exit!! reboot in %dms", REBOOT_MS);
    log_say(log, "%.*s (a module would start again in %d s)", line_len, message, REBOOT_MS / 1000);
    if (absent)
        log_say(log, "%s: absent here, see README.md, Module by module", absent);
    return EXIT_CODE_SCRIPT;
}

/* Somebody else than the script ended it. */
static void report_interrupt(struct vm *vm)
{
    struct log *log = &vm->config.device->log;
    const char *why = vm->stop_code == EXIT_CODE_SCRIPT
                          ? "the watchdog was not fed in time, a module would start again"
                      : vm->stop_code == EXIT_CODE_TIMEOUT     ? "--timeout is over"
                      : vm->stop_code == EXIT_CODE_SCENARIO    ? "the scenario's limit is over"
                      : vm->stop_code == EXIT_CODE_INTERRUPTED ? "interrupted"
                                                               : "terminated";

    if (vm->was_waiting || !vm->where[0])
        log_say(log, "%s; the script was waiting", why);
    else
        log_say(log, "%s; the script was at %s", why, vm->where);
}

static void require_global(lua_State *L, const char *name)
{
    lua_getglobal(L, "require");
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
    lua_setglobal(L, name);
}

/*
 * sys and its friends are globals before the script runs; luat_main.c:128-133. They may be the
 * script's own files, which can fail, stop or loop for ever like the script itself.
 */
static int load_sys(lua_State *L)
{
    require_global(L, "sys");
    require_global(L, "sysplus");
    return 0;
}

/* Load sys, then call the script on top of the stack. */
static int call_with_sys(lua_State *L)
{
    int rc;

    lua_pushcfunction(L, load_sys);
    rc = call_protected(L, 0);
    return rc == LUA_OK ? call_protected(L, 0) : rc;
}

static int run_script(struct vm *vm)
{
    lua_State *L = vm->L;
    struct vm_running running = { .L = L };
    int rc;

    vm->running = &running;
    if (vm->is_stopping)
        stop_thread(L);
    rc = call_with_sys(L);
    vm->running = NULL;
    lua_sethook(L, NULL, 0, 0);
    if (vm->was_interrupted)
        report_interrupt(vm);
    if (vm->is_stopping)
        return vm->stop_code;
    if (rc != LUA_OK)
        return report_end(vm, lua_tostring(L, -1));
    lua_pushfstring(L, "%s returned without sys.run(): end it with sys.run()", vm->config.script);
    return report_end(vm, lua_tostring(L, -1));
}

int vm_run(struct vm *vm)
{
    int code;

    log_boot(vm);
    code = open_script(vm);
    if (code == EXIT_CODE_OK)
        code = run_script(vm);
    lua_settop(vm->L, 0);
    return code;
}
