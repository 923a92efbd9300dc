/*
 * compile_corelib: a tool of the build. Our own Lua files, compiled, as C arrays: see corelib.h.
 * Compiling them at every start took three quarters of its instructions.
 *
 *   compile_corelib OUT.c FILE.lua...
 */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luabind/corelib.h"

#define COLUMNS 16

struct output {
    FILE *file;
    size_t len; /* of the present array */
};

static int write_bytes(lua_State *L, const void *data, size_t len, void *ud)
{
    const unsigned char *bytes = data;
    struct output *out = ud;

    (void)L;
    for (size_t i = 0; i < len; i++)
        (void)fprintf(out->file, "%s0x%02x,", out->len++ % COLUMNS ? " " : "\n    ", bytes[i]);
    return 0;
}

/* "sys" of "scripts/corelib/sys.lua", on the stack */
static const char *push_name(lua_State *L, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;

    return lua_pushlstring(L, base, strcspn(base, "."));
}

static void push_text(lua_State *L, const char *path)
{
    FILE *file = fopen(path, "r");
    luaL_Buffer text;
    size_t n;

    if (!file)
        luaL_error(L, "%s: can't be opened", path);
    luaL_buffinit(L, &text);
    while ((n = fread(luaL_prepbuffer(&text), 1, LUAL_BUFFERSIZE, file)) > 0)
        luaL_addsize(&text, n);
    luaL_pushresult(&text);
    if (ferror(file))
        luaL_error(L, "%s: can't be read", path);
    (void)fclose(file);
}

static void write_array(lua_State *L, struct output *out, const char *path)
{
    const char *name = push_name(L, path);
    const char *chunk = lua_pushfstring(L, "@" CORELIB_FOLDER "%s.lua", name);
    const char *text;
    size_t len;

    push_text(L, path);
    text = lua_tolstring(L, -1, &len);
    if (luaL_loadbufferx(L, text, len, chunk, "t") != LUA_OK)
        (void)lua_error(L);
    out->len = 0;
    (void)fprintf(out->file, "static const unsigned char chunk_%s[] = {", name);
    (void)lua_dump(L, write_bytes, out, 0); /* with line numbers: error messages show them */
    (void)fprintf(out->file, "\n};\n\n");
    lua_settop(L, 0);
}

static void write_row(lua_State *L, const struct output *out, const char *path)
{
    const char *name = push_name(L, path);

    (void)fprintf(out->file, "    { \"%s\", (const char *)chunk_%s, sizeof(chunk_%s) },\n", name,
                  name, name);
    lua_pop(L, 1);
}

/* (output, paths, a row of NULL) */
static int write_all(lua_State *L)
{
    struct output *out = lua_touserdata(L, 1);
    char **paths = lua_touserdata(L, 2);

    lua_settop(L, 0);
    (void)fprintf(out->file, "#include \"luabind/corelib.h\"\n\n");
    for (char **path = paths; *path; path++)
        write_array(L, out, *path);
    (void)fprintf(out->file, "const struct corelib_file corelib_files[] = {\n");
    for (char **path = paths; *path; path++)
        write_row(L, out, *path);
    (void)fprintf(out->file, "    { 0 },\n};\n");
    return 0;
}

int main(int argc, char *argv[])
{
    struct output out = { .file = argc > 1 ? fopen(argv[1], "w") : NULL };
    lua_State *L = luaL_newstate();
    int rc;

    if (!out.file || !L) {
        (void)fprintf(stderr, "usage: compile_corelib OUT.c FILE.lua...\n");
        return EXIT_FAILURE;
    }
    lua_pushcfunction(L, write_all);
    lua_pushlightuserdata(L, &out);
    lua_pushlightuserdata(L, argv + 2);
    rc = lua_pcall(L, 2, 0, 0);
    if (rc != LUA_OK)
        (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    if (ferror(out.file) | fclose(out.file)) {
        perror(argv[1]);
        rc = LUA_ERRERR;
    }
    if (rc == LUA_OK)
        return EXIT_SUCCESS;
    (void)remove(argv[1]); /* half a file would be taken for a whole one */
    return EXIT_FAILURE;
}
