/*
 * io: Lua's own library on the module's file system, and LuatOS's additions (liolib.c).
 *
 * What reads and writes is Lua's own; whatever opens a file by its name is replaced here, so that
 * a script reaches nothing but the vfs. Lua's functions that could open a host file are dropped:
 * they are no upvalues either, where the debug library would find them.
 *
 * The standard files: a module has no console but its log. What is written to io.stdout and
 * io.stderr becomes lines of the log, as print's: a line when its end is written; a line without
 * an end at flush(), when it has grown to LINE_MAX_LEN, or when the VM closes. io.stdin is at
 * its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emu/device.h"
#include "emu/util.h"
#include "emu/vfs.h"
#include "luabind/fs.h"
#include "luabind/lib.h"
#include "luabind/vm.h"
#include "luabind/zbuff.h"

/* Where liolib.c keeps the default files: in the registry. */
#define DEFAULT_INPUT  "_IO_input"
#define DEFAULT_OUTPUT "_IO_output"

#define LINE_MAX_LEN   ((size_t)1024 * 1024)
#define LINE_SPARE     ((size_t)256)
#define READ_CHUNK     LUAL_BUFFERSIZE
#define LIST_DEFAULT   10
#define LIST_MAX       100 /* entries; liolib.c */
#define MODE_MAX       4
#define TEMPORARY_NAME "/.luatos-emu-tmpfile"

static const char io_read_key; /* its address is the registry key of Lua's own io.read */

static int write_any(lua_State *L);

enum entry_type { ENTRY_TYPE_FILE = 0, ENTRY_TYPE_FOLDER = 1 };

static struct vfs *vfs_of(lua_State *L)
{
    return vm_of(L)->config.vfs;
}

/* ---- streams ------------------------------------------------------------------------------------- */

static luaL_Stream *check_open(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);

    if (!stream->closef)
        luaL_error(L, "attempt to use a closed file");
    return stream;
}

/* io.read and io.write have their file somewhere on their stack. */
static bool takes_default_file(lua_State *L, int function)
{
    lua_CFunction read;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &io_read_key);
    read = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    return lua_tocfunction(L, function) == read || lua_tocfunction(L, function) == write_any;
}

/* Is the function @ar of @of one that works on @stream? */
static bool works_on(lua_State *of, lua_Debug *ar, const luaL_Stream *stream)
{
    int function, values;
    bool found = false;

    (void)lua_getinfo(of, "Sf", ar);
    function = lua_gettop(of);
    values = *ar->what != 'C' ? 0 : takes_default_file(of, function) ? INT_MAX : 1; /* 1: self */
    for (int i = 1; values && lua_getupvalue(of, function, i); i++) /* of what lines() makes */
        found = found || lua_touserdata(of, -1) == stream;
    lua_settop(of, function);
    for (int i = 1; i <= values && lua_getlocal(of, ar, i); i++) {
        found = found || lua_touserdata(of, -1) == stream;
        lua_pop(of, 1);
    }
    lua_pop(of, 1);
    return found;
}

/*
 * Does a function further out than the one that closes @stream use it? Lua's own functions hold its
 * FILE while they make strings, and a finalizer of the script that closes it may run there.
 */
static bool is_in_use(lua_State *L, const luaL_Stream *stream)
{
    lua_Debug ar;

    for (const struct vm_running *at = vm_of(L)->running; at; at = at->resumed_by)
        for (int level = at->L == L ? 1 : 0; lua_getstack(at->L, level, &ar); level++)
            if (!lua_checkstack(at->L, LUA_MINSTACK) || works_on(at->L, &ar, stream))
                return true;
    return false;
}

static int close_file(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);

    if (is_in_use(L, stream)) {
        stream->closef = close_file;
        return luaL_error(L, "a file is closed while it is used");
    }
    errno = 0;
    return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* A closed stream, on the stack: from now on nothing that is put into it can get lost. */
static luaL_Stream *push_stream(lua_State *L, size_t size)
{
    luaL_Stream *stream = lua_newuserdatauv(L, size, 0);

    memset(stream, 0, size);
    luaL_setmetatable(L, LUA_FILEHANDLE);
    return stream;
}

/*
 * "r", "w" or "a", then "+" and "b" in either order: LuatOS's documents write "wb+". @clean gets
 * it as the C library wants it. False: something else.
 */
static bool parse_mode(const char *mode, char clean[MODE_MAX], int *flags)
{
    bool is_update = false;

    if (!*mode || !strchr("rwa", *mode))
        return false;
    for (const char *at = mode + 1; *at; at++) {
        if (*at == '+' && !is_update) {
            is_update = true;
        } else if (*at != 'b') {
            return false;
        }
    }
    clean[0] = *mode;
    clean[1] = is_update ? '+' : '\0';
    clean[2] = '\0';
    *flags = is_update ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
    if (*mode == 'w') {
        *flags |= O_CREAT | O_TRUNC;
    } else if (*mode == 'a') {
        *flags |= O_CREAT | O_APPEND;
    }
    return true;
}

/* NULL with errno when it can't be opened. */
static FILE *open_path(struct vfs *vfs, const char *path, const char *mode, int flags)
{
    int fd = vfs_open(vfs, path, flags);
    FILE *file;

    if (fd < 0) {
        errno = -fd;
        return NULL;
    }
    file = fdopen(fd, mode);
    if (!file) {
        int error = errno;

        close(fd);
        errno = error;
    }
    return file;
}

/* The stream of an opened file on the stack; false with errno: the stream stays closed. */
static bool push_opened(lua_State *L, const char *path, const char *mode, int flags)
{
    luaL_Stream *stream = push_stream(L, sizeof(*stream));

    stream->f = open_path(vfs_of(L), path, mode, flags);
    if (stream->f)
        stream->closef = close_file;
    return stream->f != NULL;
}

static int io_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    const char *mode = luaL_optstring(L, 2, "r");
    char clean[MODE_MAX] = "";
    int flags = 0;

    luaL_argcheck(L, parse_mode(mode, clean, &flags), 2, "invalid mode");
    return push_opened(L, path, clean, flags) ? 1 : luaL_fileresult(L, 0, path);
}

static void open_or_raise(lua_State *L, const char *path, const char *mode, int flags)
{
    if (!push_opened(L, path, mode, flags))
        luaL_error(L, "cannot open file '%s' (%s)", path, strerror(errno));
}

/* io.input and io.output: set the default file, by name or as it is, and give it. */
static int default_file(lua_State *L, const char *which, const char *mode, int flags)
{
    if (!lua_isnoneornil(L, 1)) {
        const char *path = lua_tostring(L, 1);

        if (path) {
            open_or_raise(L, path, mode, flags);
        } else {
            (void)check_open(L);
            lua_pushvalue(L, 1);
        }
        lua_setfield(L, LUA_REGISTRYINDEX, which);
    }
    lua_getfield(L, LUA_REGISTRYINDEX, which);
    return 1;
}

static int io_input(lua_State *L)
{
    return default_file(L, DEFAULT_INPUT, "r", O_RDONLY);
}

static int io_output(lua_State *L)
{
    return default_file(L, DEFAULT_OUTPUT, "w", O_WRONLY | O_CREAT | O_TRUNC);
}

/* A file without a name; a module has room for it only in its flash. */
static int io_tmpfile(lua_State *L)
{
    struct vfs *vfs = vfs_of(L);
    bool is_open = push_opened(L, TEMPORARY_NAME, "w+", O_RDWR | O_CREAT | O_TRUNC);

    if (!is_open)
        return luaL_fileresult(L, 0, NULL);
    (void)vfs_remove(vfs, TEMPORARY_NAME);
    return 1;
}

/* ---- lines ------------------------------------------------------------------------------------------ */

/* What io.lines(name) gives to "for": upvalues are file:lines()'s iterator and the file. */
static int next_line(lua_State *L)
{
    luaL_Stream *stream;
    int results;

    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_call(L, 0, LUA_MULTRET);
    results = lua_gettop(L);
    if (results && !lua_isnil(L, 1))
        return results;
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(2));
    stream = lua_touserdata(L, 1);
    if (stream->closef) {
        stream->closef = NULL;
        (void)close_file(L);
    }
    return 0;
}

static int io_lines(lua_State *L)
{
    const char *path = lua_isnoneornil(L, 1) ? NULL : luaL_checkstring(L, 1);

    if (lua_isnone(L, 1))
        lua_pushnil(L);
    if (path) {
        open_or_raise(L, path, "r", O_RDONLY);
    } else {
        lua_getfield(L, LUA_REGISTRYINDEX, DEFAULT_INPUT);
    }
    lua_replace(L, 1);
    (void)lua_tocfunction(L,
                          lua_upvalueindex(1))(L); /* file:lines: the iterator takes the formats */
    if (!path)
        return 1;
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, next_line, 2);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, 1); /* to be closed when the loop ends, however it does */
    return 4;
}

/* ---- the standard files ----------------------------------------------------------------------------------- */

struct standard_file {
    luaL_Stream stream; /* first: Lua sees only this */
    struct device *device;
    char *line; /* what was written since the last line end */
    size_t len, cap;
};

static void end_line(struct standard_file *file)
{
    vclock_refresh(&file->device->clock);
    log_print(&file->device->log, file->line ? file->line : "", file->len);
    file->len = 0;
}

static void add_text(struct standard_file *file, const char *text, size_t len)
{
    while (len) {
        size_t room = LINE_MAX_LEN - file->len;
        size_t part = len < room ? len : room;

        if (file->len + part > file->cap) {
            file->cap = 2 * (file->len + part) + LINE_SPARE;
            file->line = xrealloc(file->line, file->cap);
        }
        memcpy(file->line + file->len, text, part);
        file->len += part;
        text += part;
        len -= part;
        if (file->len == LINE_MAX_LEN)
            end_line(file);
    }
}

/* The C library calls it for what is written to the file. */
static ssize_t write_lines(void *cookie, const char *text, size_t len)
{
    struct standard_file *file = cookie;
    const char *at = text, *end = text + len, *line_end;

    while (at < end) {
        line_end = memchr(at, '\n', (size_t)(end - at));
        add_text(file, at, (size_t)((line_end ? line_end : end) - at));
        if (!line_end)
            break;
        end_line(file);
        at = line_end + 1;
    }
    return (ssize_t)len;
}

/* What closes a standard file, as far as the script can. */
static int keep_open(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);

    stream->closef = keep_open;
    lua_pushnil(L);
    lua_pushliteral(L, "cannot close standard file");
    return 2;
}

static struct standard_file *standard_file_of(luaL_Stream *stream)
{
    return stream->closef == keep_open ? container_of(stream, struct standard_file, stream) : NULL;
}

static void add_standard_file(lua_State *L, const char *name, const char *which, bool is_output)
{
    static const cookie_io_functions_t lines = { .write = write_lines };
    static const cookie_io_functions_t nothing = { .read = NULL };
    luaL_Stream *stream = push_stream(L, sizeof(struct standard_file));
    struct standard_file *file = container_of(stream, struct standard_file, stream);

    file->device = vm_of(L)->config.device;
    stream->f = fopencookie(file, is_output ? "w" : "r", is_output ? lines : nothing);
    if (!stream->f)
        luaL_error(L, "io.%s: %s", name, strerror(errno));
    stream->closef = keep_open;
    if (is_output)
        (void)setvbuf(stream->f, NULL, _IONBF, 0); /* lines are made here */
    if (which) {
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, which);
    }
    lua_setfield(L, -2, name);
}

/* Lua's own __gc (the upvalue) leaves the standard files open: it does not own them. */
static int collect_stream(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    struct standard_file *file = standard_file_of(stream);

    if (!file)
        return lua_tocfunction(L, lua_upvalueindex(1))(L);
    if (is_in_use(L, stream))
        return 0;
    stream->closef = NULL;
    (void)fclose(stream->f);
    if (file->len)
        end_line(file);
    free(file->line);
    file->line = NULL;
    return 0;
}

static void flush_line(luaL_Stream *stream)
{
    struct standard_file *file = standard_file_of(stream);

    if (file && file->len)
        end_line(file);
}

static int flush_stream(lua_State *L)
{
    luaL_Stream *stream = check_open(L);
    int results = lua_tocfunction(L, lua_upvalueindex(1))(L);

    flush_line(stream);
    return results;
}

static int io_flush(lua_State *L)
{
    int results = lua_tocfunction(L, lua_upvalueindex(1))(L);

    lua_getfield(L, LUA_REGISTRYINDEX, DEFAULT_OUTPUT);
    flush_line(lua_touserdata(L, -1));
    lua_pop(L, 1);
    return results;
}

/* Lua's own shows the address of the FILE, which is another one in every run. */
static int stream_to_string(lua_State *L)
{
    const luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);

    if (stream->closef) {
        lua_pushfstring(L, "file (%p)", (const void *)stream);
    } else {
        lua_pushliteral(L, "file (closed)");
    }
    return 1;
}

/* ---- methods that take a zbuff ------------------------------------------------------------------------ */

/*
 * Lua's own write (the upvalue: run in our frame, so that its messages fit), with each zbuff
 * replaced by what is used of it, and with numbers as tostring() has them: by itself it writes 2.0
 * as "2", a module does not.
 */
static int write_any(lua_State *L)
{
    int args = lua_gettop(L);

    for (int arg = 1; arg <= args; arg++) {
        const struct zbuff *buff = zbuff_test(L, arg);

        if (lua_type(L, arg) == LUA_TNUMBER)
            (void)lua_tostring(L, arg); /* in place */
        if (!buff)
            continue;
        lua_pushlstring(L, buff->used ? (const char *)buff->data : "", buff->used);
        lua_replace(L, arg);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* file:fill(buff, off, n): read into the buffer; its used length stays. */
static int fill_zbuff(lua_State *L)
{
    FILE *file = check_open(L)->f;
    struct zbuff *buff;
    lua_Integer off, n, left;
    size_t got;

    if (!lua_isuserdata(L, 2))
        return 0;
    buff = zbuff_check(L, 2);
    off = lua_isinteger(L, 3) ? lua_tointeger(L, 3) : 0;
    left = off >= 0 ? (lua_Integer)buff->len - off : -1;
    n = lua_isinteger(L, 4) ? lua_tointeger(L, 4) : left;
    if (left < 0 || n < 0) {
        warn_script(L, "file:fill: no %lld bytes at %lld in a zbuff of %zu", (long long)n,
                    (long long)off, buff->len);
        lua_pushboolean(L, false);
        lua_pushinteger(L, -1);
        return 2;
    }
    n = n < left ? n : left;
    clearerr(file);
    got = n ? fread(buff->data + off, 1, (size_t)n, file) : 0;
    lua_pushboolean(L, !ferror(file));
    lua_pushinteger(L, ferror(file) ? -1 : (lua_Integer)got);
    return 2;
}

/* ---- whole files --------------------------------------------------------------------------------------- */

static bool stat_path(lua_State *L, struct vfs_stat *st)
{
    return vfs_stat(vfs_of(L), luaL_checkstring(L, 1), st) == 0;
}

static int io_exists(lua_State *L)
{
    struct vfs_stat st;

    lua_pushboolean(L, stat_path(L, &st) && !st.is_folder);
    return 1;
}

static int io_dexist(lua_State *L)
{
    struct vfs_stat st;

    lua_pushboolean(L, stat_path(L, &st) && st.is_folder);
    return 1;
}

/* 0 when it is not there: the documents say nil, modules say 0. */
static int io_file_size(lua_State *L)
{
    struct vfs_stat st;

    lua_pushinteger(L, stat_path(L, &st) && !st.is_folder ? (lua_Integer)st.size : 0);
    return 1;
}

static int io_read_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    const char *mode = luaL_optstring(L, 2, "rb");
    lua_Integer off = luaL_optinteger(L, 3, 0);
    lua_Integer left = luaL_optinteger(L, 4, LUA_MAXINTEGER);
    char clean[MODE_MAX] = "";
    luaL_Stream *stream;
    luaL_Buffer out;
    size_t n;
    int flags = 0;

    luaL_argcheck(L, parse_mode(mode, clean, &flags), 2, "invalid mode");
    if (!push_opened(L, path, clean, flags))
        return 0;
    stream = lua_touserdata(L, -1); /* closes it when there is no memory for the text */
    if (off > 0 && fseeko(stream->f, (off_t)off, SEEK_SET) != 0)
        left = 0;
    luaL_buffinit(L, &out);
    while (left > 0) {
        n = left < (lua_Integer)READ_CHUNK ? (size_t)left : READ_CHUNK;
        n = fread(luaL_prepbuffsize(&out, READ_CHUNK), 1, n, stream->f);
        if (!n)
            break;
        luaL_addsize(&out, n);
        left -= (lua_Integer)n;
    }
    luaL_pushresult(&out);
    stream->closef = NULL;
    (void)fclose(stream->f);
    return 1;
}

/* Nothing when the file can't be opened, false when it could not be written. */
static int io_write_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    size_t len;
    const char *data = luaL_checklstring(L, 2, &len);
    const char *mode = luaL_optstring(L, 3, "wb+");
    char clean[MODE_MAX] = "";
    bool is_written;
    FILE *file;
    int flags = 0;

    luaL_argcheck(L, parse_mode(mode, clean, &flags), 3, "invalid mode");
    file = open_path(vfs_of(L), path, clean, flags);
    if (!file)
        return 0;
    is_written = fwrite(data, 1, len, file) == len;
    is_written = fclose(file) == 0 && is_written;
    lua_pushboolean(L, is_written);
    return 1;
}

/* ---- folders --------------------------------------------------------------------------------------------- */

/* What LuatOS's functions give: did it work, and the number from below. */
static int push_rc(lua_State *L, int rc)
{
    lua_pushboolean(L, rc == 0);
    lua_pushinteger(L, rc);
    return 2;
}

static int io_mkdir(lua_State *L)
{
    return push_rc(L, vfs_mkdir(vfs_of(L), luaL_checkstring(L, 1)));
}

static int io_rmdir(lua_State *L)
{
    return push_rc(L, vfs_rmdir(vfs_of(L), luaL_checkstring(L, 1)));
}

static int io_mkfs(lua_State *L)
{
    return push_rc(L, fs_format(L, luaL_checkstring(L, 1)));
}

static void push_entry(lua_State *L, const char *name, const struct vfs_stat *st)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, st->is_folder ? ENTRY_TYPE_FOLDER : ENTRY_TYPE_FILE);
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, (lua_Integer)st->size);
    lua_setfield(L, -2, "size");
}

static int io_lsdir(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lua_Integer max = luaL_optinteger(L, 2, LIST_DEFAULT);
    lua_Integer first = luaL_optinteger(L, 3, 0);
    struct vfs_stat st;
    const char *name;
    int rc = 1;

    max = max < 0 ? LIST_DEFAULT : max < LIST_MAX ? max : LIST_MAX;
    first = first < 0 ? 0 : first < VFS_FILES_MAX ? first : VFS_FILES_MAX;
    lua_pushboolean(L, true);
    lua_newtable(L);
    for (lua_Integer i = 0; i < max; i++) {
        rc = vfs_list(vfs_of(L), path, (size_t)(first + i), &name, &st);
        if (rc <= 0)
            break;
        push_entry(L, name, &st);
        lua_rawseti(L, -2, i + 1);
    }
    return rc < 0 ? push_rc(L, rc) : 2;
}

static int io_lsmount(lua_State *L)
{
    static const char *const mounts[][2] = { { "", FS_FLASH_TYPE }, { FS_LUADB, FS_LUADB_TYPE } };

    lua_createtable(L, ARRAY_LEN(mounts), 0);
    for (int i = 0; i < ARRAY_LEN(mounts); i++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, mounts[i][0]);
        lua_setfield(L, -2, "path");
        lua_pushstring(L, mounts[i][1]);
        lua_setfield(L, -2, "fs");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* ---- the library ------------------------------------------------------------------------------------------- */

static const luaL_Reg functions[] = {
    { "open", io_open },
    { "input", io_input },
    { "output", io_output },
    { "tmpfile", io_tmpfile },
    { "exists", io_exists },
    { "dexist", io_dexist },
    { "fileSize", io_file_size },
    { "readFile", io_read_file },
    { "writeFile", io_write_file },
    { "mkdir", io_mkdir },
    { "rmdir", io_rmdir },
    { "mkfs", io_mkfs },
    { "lsdir", io_lsdir },
    { "lsmount", io_lsmount },
    { "fsstat", fs_stat },
    { NULL, NULL },
};

/* Replace @name in the table on top by @function, whose upvalue is what was there before. */
static void wrap(lua_State *L, const char *name, lua_CFunction function)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
}

static void change_methods(lua_State *L)
{
    luaL_getmetatable(L, LUA_FILEHANDLE);
    wrap(L, "__gc", collect_stream);
    lua_pushcfunction(L, stream_to_string);
    lua_setfield(L, -2, "__tostring");
    lua_getfield(L, -1, "__index");
    wrap(L, "write", write_any);
    wrap(L, "flush", flush_stream);
    lua_pushcfunction(L, fill_zbuff);
    lua_setfield(L, -2, "fill");
    lua_pop(L, 2);
}

static void set_lines(lua_State *L)
{
    luaL_getmetatable(L, LUA_FILEHANDLE);
    lua_getfield(L, -1, "__index");
    lua_getfield(L, -1, "lines");
    lua_pushcclosure(L, io_lines, 1);
    lua_setfield(L, -4, "lines");
    lua_pop(L, 2);
}

int luaopen_luatos_io(lua_State *L)
{
    static const struct constant constants[] = {
        { "FILE", ENTRY_TYPE_FILE },
        { "DIR", ENTRY_TYPE_FOLDER },
    };

    (void)luaopen_io(L);
    lua_getfield(L, -1, "read");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &io_read_key);
    luaL_setfuncs(L, functions, 0);
    change_methods(L);
    set_lines(L);
    wrap(L, "write", write_any);
    wrap(L, "flush", io_flush);
    lua_pushnil(L); /* a module has no processes */
    lua_setfield(L, -2, "popen");
    set_constants(L, constants, ARRAY_LEN(constants));
    add_standard_file(L, "stdin", DEFAULT_INPUT, false);
    add_standard_file(L, "stdout", DEFAULT_OUTPUT, true);
    add_standard_file(L, "stderr", NULL, true);
    return 1;
}
