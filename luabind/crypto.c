/* crypto: hashes, ciphers and checksums. LuatOS luat_lib_crypto.c; the arithmetic is emu/crypto.h's. */
#include "emu/crypto.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "emu/crc.h"
#include "emu/device.h"
#include "emu/util.h"
#include "emu/vfs.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"
#include "luabind/vm.h"
#include "luabind/zbuff.h"

#define STREAM_TYPE    "crypto" /* scripts see this name in tostring() */
#define TAG            "crypto"
#define READ_MAX       4096
#define TRNG_MAX       128
#define TOTP_PERIOD_S  30 /* RFC 6238 4.1 */
#define TOTP_DIGITS    1000000
#define US_PER_S       1000000
#define CRC8_POLY      0x07
#define CRC7_POLY      0xe5
#define CRC32_POLY     0x04c11db7
#define MODBUS_POLY    0x8005
#define ARGS_OF_CIPHER 6

/* Bytes that an argument lends. */
struct span {
    const char *data;
    size_t len;
};

static struct span check_span(lua_State *L, int arg)
{
    struct span span;

    span.data = luaL_checklstring(L, arg, &span.len);
    return span;
}

/* A key: a string, or none. */
static struct span key_arg(lua_State *L, int arg)
{
    struct span span = { NULL, 0 };

    if (lua_type(L, arg) == LUA_TSTRING)
        span.data = lua_tolstring(L, arg, &span.len);
    return span;
}

static int push_hex(lua_State *L, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    char text[2 * CRYPTO_HASH_MAX];

    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 0xf];
    }
    lua_pushlstring(L, text, 2 * len);
    return 1;
}

/* ---- hashes --------------------------------------------------------------------------------------- */

/* Nothing in here raises: the hash is freed. 0: there is no such hash. */
static size_t compute(const char *name, const struct span *data, const struct span *key,
                      uint8_t out[CRYPTO_HASH_MAX])
{
    struct crypto_hash *hash = crypto_hash_new(name, key->data, key->len);
    size_t len = 0;

    if (hash) {
        crypto_hash_update(hash, data->data, data->len);
        len = crypto_hash_finish(hash, out);
    }
    crypto_hash_free(hash);
    return len;
}

static int no_such_hash(lua_State *L, const char *name)
{
    firmware_log(L, LOG_LEVEL_WARN, TAG, "no such message digest %s", name);
    return 0;
}

static int push_hash(lua_State *L, const char *name, const struct span *data,
                     const struct span *key)
{
    uint8_t out[CRYPTO_HASH_MAX];
    size_t len = compute(name, data, key, out);

    return len ? push_hex(L, out, len) : no_such_hash(L, name);
}

static int plain(lua_State *L, const char *name)
{
    const struct span data = check_span(L, 1), none = { NULL, 0 };

    return push_hash(L, name, &data, &none);
}

static int keyed(lua_State *L, const char *name)
{
    const struct span data = check_span(L, 1), key = check_span(L, 2);

    if (!key.len)
        warn_script(L, "crypto: an empty key: a module gives the plain %s", name);
    return push_hash(L, name, &data, &key);
}

static int crypto_md5(lua_State *L)
{
    return plain(L, "MD5");
}

static int crypto_sha1(lua_State *L)
{
    return plain(L, "SHA1");
}

static int crypto_sha256(lua_State *L)
{
    return plain(L, "SHA256");
}

static int crypto_sha512(lua_State *L)
{
    return plain(L, "SHA512");
}

static int crypto_hmac_md5(lua_State *L)
{
    return keyed(L, "MD5");
}

static int crypto_hmac_sha1(lua_State *L)
{
    return keyed(L, "SHA1");
}

static int crypto_hmac_sha256(lua_State *L)
{
    return keyed(L, "SHA256");
}

static int crypto_hmac_sha512(lua_State *L)
{
    return keyed(L, "SHA512");
}

/* md(name, data, key) */
static int crypto_md(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const struct span data = check_span(L, 2), key = key_arg(L, 3);

    return push_hash(L, name, &data, &key);
}

/* The hash of what @fd has. Nothing in here raises. */
static size_t compute_file(const char *name, int fd, const struct span *key,
                           uint8_t out[CRYPTO_HASH_MAX])
{
    struct crypto_hash *hash = crypto_hash_new(name, key->data, key->len);
    char buffer[READ_MAX];
    size_t len = 0;
    ssize_t n;

    if (hash) {
        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
            crypto_hash_update(hash, buffer, (size_t)n);
        len = crypto_hash_finish(hash, out);
    }
    crypto_hash_free(hash);
    return len;
}

/* md_file(name, path, key) */
static int crypto_md_file(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 2);
    const struct span key = key_arg(L, 3);
    uint8_t out[CRYPTO_HASH_MAX];
    size_t len;
    int fd = vfs_open(vm_of(L)->config.vfs, path, O_RDONLY);

    if (fd < 0) {
        firmware_log(L, LOG_LEVEL_INFO, TAG, "no such file %s", path);
        return 0;
    }
    len = compute_file(name, fd, &key, out);
    close(fd);
    return len ? push_hex(L, out, len) : no_such_hash(L, name);
}

/* ---- hashes of what comes in pieces -------------------------------------------------------------- */

struct stream {
    struct crypto_hash *hash; /* NULL: finished */
};

static int stream_gc(lua_State *L)
{
    struct stream *stream = luaL_checkudata(L, 1, STREAM_TYPE);

    crypto_hash_free(stream->hash);
    stream->hash = NULL;
    return 0;
}

static struct stream *check_stream(lua_State *L, const char *function)
{
    struct stream *stream = luaL_checkudata(L, 1, STREAM_TYPE);

    if (!stream->hash)
        warn_script(L, "crypto.%s on a stream that is finished: a module crashes", function);
    return stream;
}

/* hash_init(name, key) */
static int crypto_hash_init(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const struct span key = key_arg(L, 2);
    struct stream *stream = lua_newuserdatauv(L, sizeof(*stream), 0);

    stream->hash = NULL;
    luaL_setmetatable(L, STREAM_TYPE);
    stream->hash = crypto_hash_new(name, key.data, key.len);
    return stream->hash ? 1 : no_such_hash(L, name);
}

static int crypto_update(lua_State *L)
{
    struct stream *stream = check_stream(L, "hash_update");
    const struct span data = check_span(L, 2);

    if (stream->hash)
        crypto_hash_update(stream->hash, data.data, data.len);
    return 0;
}

static int crypto_finish(lua_State *L)
{
    struct stream *stream = check_stream(L, "hash_finish");
    uint8_t out[CRYPTO_HASH_MAX];
    size_t len;

    if (!stream->hash)
        return 0;
    len = crypto_hash_finish(stream->hash, out);
    crypto_hash_free(stream->hash);
    stream->hash = NULL;
    return push_hex(L, out, len);
}

/* ---- ciphers ---------------------------------------------------------------------------------------- */

static enum crypto_padding padding_of(const char *name)
{
    static const struct {
        const char *name;
        enum crypto_padding padding;
    } rows[] = {
        { "PKCS7", CRYPTO_PADDING_PKCS7 },
        { "ZERO", CRYPTO_PADDING_ZEROS },
        { "ZEROS", CRYPTO_PADDING_ZEROS },
        { "ONE_AND_ZEROS", CRYPTO_PADDING_ONE_AND_ZEROS },
        { "ZEROS_AND_LEN", CRYPTO_PADDING_ZEROS_AND_LEN },
    };

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].padding;
    }
    return CRYPTO_PADDING_NONE;
}

/* cipher_encrypt(cipher, padding, data, key, iv), cipher_decrypt(..., tag) */
static int run_cipher(lua_State *L, bool encrypts)
{
    struct crypto_job job = { .cipher = luaL_optstring(L, 1, "AES-128-ECB"),
                              .padding = padding_of(luaL_optstring(L, 2, "PKCS7")),
                              .encrypts = encrypts };
    struct crypto_result result;
    luaL_Buffer out;
    int rc;

    job.data = luaL_checklstring(L, 3, &job.len);
    job.key = luaL_checklstring(L, 4, &job.key_len);
    job.iv = luaL_optlstring(L, 5, "", &job.iv_len);
    job.tag = luaL_optlstring(L, ARGS_OF_CIPHER, "", &job.tag_len);
    result.out = (uint8_t *)luaL_buffinitsize(L, &out, job.len + CRYPTO_BLOCK_MAX);
    rc = crypto_run(&job, &result);
    luaL_pushresultsize(&out, rc < 0 ? 0 : result.len);
    if (result.why)
        firmware_log(L, LOG_LEVEL_ERROR, TAG, "%s: %s", job.cipher, result.why);
    if (rc < 0)
        return 0;
    if (!result.has_tag)
        return 1;
    lua_pushlstring(L, (const char *)result.tag, sizeof(result.tag));
    return 2;
}

static int crypto_encrypt(lua_State *L)
{
    return run_cipher(L, true);
}

static int crypto_decrypt(lua_State *L)
{
    return run_cipher(L, false);
}

static int crypto_cipher_list(lua_State *L)
{
    const char *name;

    lua_newtable(L);
    for (size_t i = 0; (name = crypto_cipher_name(i)); i++) {
        lua_pushstring(L, name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

#define SUITES_TEXT_MAX 8192

struct names {
    char text[SUITES_TEXT_MAX]; /* each with its end */
    size_t len;
};

/* OpenSSL is at work: no Lua in here. */
static void note_suite(void *ctx, const char *name)
{
    struct names *names = ctx;
    size_t len = strlen(name) + 1;

    if (names->len + len > sizeof(names->text))
        return;
    memcpy(names->text + names->len, name, len);
    names->len += len;
}

static int crypto_cipher_suites(lua_State *L)
{
    struct names names = { .len = 0 };
    lua_Integer count = 0;

    crypto_each_suite(note_suite, &names);
    lua_newtable(L);
    for (size_t at = 0; at < names.len; at += strlen(names.text + at) + 1) {
        lua_pushstring(L, names.text + at);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* ---- checksums -------------------------------------------------------------------------------------- */

/* A string, or a zbuff from its cursor to its end, as on a module. */
static struct span data_arg(lua_State *L, int arg)
{
    const struct zbuff *buff = zbuff_test(L, arg);

    if (buff && buff->data)
        return (struct span){ (const char *)buff->data + buff->used, buff->len - buff->used };
    return buff ? (struct span){ "", 0 } : check_span(L, arg);
}

/* A number, of which a module takes 16 bits; what is no number of such a size is 0. */
static uint16_t u16_arg(lua_State *L, int arg)
{
    lua_Number number = luaL_optnumber(L, arg, 0);

    return number > INT32_MIN && number < INT32_MAX ? (uint16_t)(int32_t)number : 0;
}

/* crc16(name, data, poly, initial, final, reflected): the latter for USER-DEFINED. */
static int crypto_crc16(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    bool is_reflected = luaL_optnumber(L, 6, 0) != 0;
    const struct crc_model own = { 16,           u16_arg(L, 3), u16_arg(L, 4), u16_arg(L, 5),
                                   is_reflected, is_reflected };
    const struct crc_model *model = strcmp(name, "USER-DEFINED") == 0 ? &own : crc16_model(name);
    struct span data;

    if (!model)
        warn_script(L, "crypto.crc16: there is no \"%s\": a module gives 0", name);
    data = data_arg(L, 2);
    lua_pushinteger(L, model ? crc_compute(model, data.data, data.len) : 0);
    return 1;
}

static int crypto_crc16_modbus(lua_State *L)
{
    const struct span data = check_span(L, 1);
    uint32_t init = (uint16_t)luaL_optinteger(L, 2, 0xffff);
    const struct crc_model model = { 16, MODBUS_POLY, crc_reflect(init, 16), 0, true, true };

    lua_pushinteger(L, crc_compute(&model, data.data, data.len));
    return 1;
}

/* crc32(data, start, poly, final) */
static int crypto_crc32(lua_State *L)
{
    const struct span data = check_span(L, 1);
    const struct crc_model model = {
        .width = 32,
        .init = crc_reflect((uint32_t)luaL_optinteger(L, 2, UINT32_MAX), 32),
        .poly = (uint32_t)luaL_optinteger(L, 3, CRC32_POLY),
        .xor_out = (uint32_t)luaL_optinteger(L, 4, UINT32_MAX),
        .reflects_in = true,
        .reflects_out = true,
    };

    lua_pushinteger(L, crc_compute(&model, data.data, data.len));
    return 1;
}

/* crc8(data), crc8(data, poly, start, reflected) */
static int crypto_crc8(lua_State *L)
{
    const struct span data = check_span(L, 1);
    struct crc_model model = { 8, CRC8_POLY, 0, 0, false, false };

    if (lua_isinteger(L, 2)) {
        uint32_t start = (uint8_t)luaL_optinteger(L, 3, 0);

        model.poly = (uint8_t)lua_tointeger(L, 2);
        model.reflects_in = model.reflects_out = lua_isboolean(L, 4) && lua_toboolean(L, 4);
        model.init = model.reflects_in ? crc_reflect(start, 8) : start;
    }
    lua_pushinteger(L, crc_compute(&model, data.data, data.len));
    return 1;
}

static int crypto_crc7(lua_State *L)
{
    const struct span data = check_span(L, 1);
    const struct crc_model model = { .width = 7,
                                     .poly = (uint32_t)luaL_optinteger(L, 2, CRC7_POLY) & 0x7f,
                                     .init = (uint32_t)luaL_optinteger(L, 3, 0) & 0x7f };

    lua_pushinteger(L, crc_compute(&model, data.data, data.len));
    return 1;
}

/* checksum(data, mode): all bytes xored, or added. */
static int crypto_checksum(lua_State *L)
{
    const struct span data = check_span(L, 1);
    bool adds = luaL_optinteger(L, 2, 0) == 1;
    uint8_t sum = 0;

    for (size_t i = 0; i < data.len; i++)
        sum = (uint8_t)(adds ? sum + (uint8_t)data.data[i] : sum ^ (uint8_t)data.data[i]);
    lua_pushinteger(L, sum);
    return 1;
}

/* ---- the rest ---------------------------------------------------------------------------------------- */

static int crypto_trng(lua_State *L)
{
    size_t len = (size_t)luaL_checkinteger(L, 1); /* a negative one is large, as on a module */
    uint8_t bytes[TRNG_MAX];

    stand_in(L, STAND_IN_TRNG);
    if (!len)
        return 0;
    len = len < TRNG_MAX ? len : TRNG_MAX;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)rng_below(&vm_of(L)->config.device->rng, 256);
    lua_pushlstring(L, (const char *)bytes, len);
    return 1;
}

/* The moment for which totp computes: argument 2, or now. */
static uint64_t totp_time(lua_State *L)
{
    struct vclock *clock = &vm_of(L)->config.device->clock;

    if (lua_isinteger(L, 2))
        return (uint64_t)lua_tointeger(L, 2);
    vclock_refresh(clock);
    return (uint64_t)(vclock_wall_us(clock) / US_PER_S);
}

/* totp(secret in base32, time): RFC 6238, six digits. */
static int crypto_totp(lua_State *L)
{
    uint64_t step = totp_time(L) / TOTP_PERIOD_S;
    uint8_t counter[sizeof(step)], hash[CRYPTO_HASH_MAX];
    struct span key, data = { (const char *)counter, sizeof(counter) };
    uint32_t number = 0;
    size_t offset;

    (void)luaL_checkstring(L, 1);
    lua_pushcfunction(L, string_from_base32);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    key = check_span(L, -1);
    for (size_t i = 0; i < sizeof(counter); i++)
        counter[i] = (uint8_t)(step >> 8 * (sizeof(counter) - 1 - i));
    offset = compute("SHA1", &data, &key, hash);
    offset = hash[offset - 1] & 0xf; /* RFC 4226 5.3 */
    for (size_t i = 0; i < sizeof(number); i++)
        number = number << 8 | hash[offset + i];
    lua_pushinteger(L, (number & 0x7fffffff) % TOTP_DIGITS);
    return 1;
}

int luaopen_crypto(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "md5", crypto_md5 },
        { "sha1", crypto_sha1 },
        { "sha256", crypto_sha256 },
        { "sha512", crypto_sha512 },
        { "hmac_md5", crypto_hmac_md5 },
        { "hmac_sha1", crypto_hmac_sha1 },
        { "hmac_sha256", crypto_hmac_sha256 },
        { "hmac_sha512", crypto_hmac_sha512 },
        { "md", crypto_md },
        { "md_file", crypto_md_file },
        { "hash_init", crypto_hash_init },
        { "hash_update", crypto_update },
        { "hash_finish", crypto_finish },
        { "cipher", crypto_encrypt },
        { "cipher_encrypt", crypto_encrypt },
        { "cipher_decrypt", crypto_decrypt },
        { "cipher_list", crypto_cipher_list },
        { "cipher_suites", crypto_cipher_suites },
        { "crc16", crypto_crc16 },
        { "crc16_modbus", crypto_crc16_modbus },
        { "crc32", crypto_crc32 },
        { "crc8", crypto_crc8 },
        { "crc7", crypto_crc7 },
        { "checksum", crypto_checksum },
        { "trng", crypto_trng },
        { "totp", crypto_totp },
        { "base64_encode", string_to_base64 },
        { "base64_decode", string_from_base64 },
        { NULL, NULL },
    };

    luaL_newmetatable(L, STREAM_TYPE);
    lua_pushcfunction(L, stream_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
