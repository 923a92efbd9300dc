#include "emu/crypto.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/util.h"

#define PIECE_MAX       (1 << 20) /* OpenSSL counts in int */
#define KEY_MAX         32
#define DIGEST_NAME_MAX 16
#define IV_MAX          16 /* mbedTLS MBEDTLS_MAX_IV_LENGTH */
#define DES_KEY_LEN     8
#define DES_BLOCK       8
#define ONE             0x80
#define SUITE_NAME_MAX  64
#define AAD             "1234567890123456" /* of every GCM: LuatOS's, whatever a script wants */

/* ---- hashes -------------------------------------------------------------------------------------- */

struct crypto_hash {
    EVP_MD_CTX *plain; /* one of the two */
    EVP_MAC_CTX *keyed;
};

/* OpenSSL's name of an mbedTLS name. */
static const char *digest_name(const char *name)
{
    static const char *const names[][2] = {
        { "MD5", "MD5" },       { "SHA1", "SHA1" },           { "SHA", "SHA1" },
        { "SHA224", "SHA224" }, { "SHA256", "SHA256" },       { "SHA384", "SHA384" },
        { "SHA512", "SHA512" }, { "RIPEMD160", "RIPEMD160" },
    };

    for (int i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i][0], name) == 0)
            return names[i][1];
    }
    return NULL;
}

static EVP_MAC_CTX *new_keyed(const char *digest, const void *key, size_t key_len)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    char name[DIGEST_NAME_MAX]; /* OpenSSL wants it not const */
    OSSL_PARAM params[] = { OSSL_PARAM_END, OSSL_PARAM_END };

    (void)snprintf(name, sizeof(name), "%s", digest);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0); /* measures it */
    EVP_MAC_free(mac);
    if (ctx && EVP_MAC_init(ctx, key, key_len, params))
        return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

static EVP_MD_CTX *new_plain(const char *digest)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = EVP_get_digestbyname(digest);

    if (ctx && md && EVP_DigestInit_ex(ctx, md, NULL))
        return ctx;
    EVP_MD_CTX_free(ctx);
    return NULL;
}

struct crypto_hash *crypto_hash_new(const char *name, const void *key, size_t key_len)
{
    const char *digest = digest_name(name);
    struct crypto_hash *hash;

    if (!digest)
        return NULL;
    hash = xcalloc(1, sizeof(*hash));
    if (key_len) {
        hash->keyed = new_keyed(digest, key, key_len);
    } else {
        hash->plain = new_plain(digest);
    }
    if (hash->keyed || hash->plain)
        return hash;
    ERR_clear_error(); /* this OpenSSL was built without it */
    free(hash);
    return NULL;
}

void crypto_hash_free(struct crypto_hash *hash)
{
    if (!hash)
        return;
    EVP_MD_CTX_free(hash->plain);
    EVP_MAC_CTX_free(hash->keyed);
    free(hash);
}

void crypto_hash_update(struct crypto_hash *hash, const void *data, size_t len)
{
    if (hash->keyed) {
        (void)EVP_MAC_update(hash->keyed, data, len);
    } else {
        (void)EVP_DigestUpdate(hash->plain, data, len);
    }
}

size_t crypto_hash_finish(struct crypto_hash *hash, uint8_t out[CRYPTO_HASH_MAX])
{
    size_t len = 0;
    unsigned digest_len = 0;

    if (hash->keyed)
        return EVP_MAC_final(hash->keyed, out, &len, CRYPTO_HASH_MAX) ? len : 0;
    return EVP_DigestFinal_ex(hash->plain, out, &digest_len) ? digest_len : 0;
}

/* ---- ciphers ------------------------------------------------------------------------------------- */

enum mode { MODE_ECB, MODE_CBC, MODE_STREAM, MODE_GCM };

struct cipher {
    const char *name;    /* mbedTLS's */
    const char *openssl; /* OpenSSL's */
    enum mode mode;
    size_t key_len, block;
};

/* Single and double DES are triple DES with keys that repeat: OpenSSL no longer has them by name. */
static const struct cipher ciphers[] = {
    { "AES-128-ECB", "AES-128-ECB", MODE_ECB, 16, 16 },
    { "AES-192-ECB", "AES-192-ECB", MODE_ECB, 24, 16 },
    { "AES-256-ECB", "AES-256-ECB", MODE_ECB, 32, 16 },
    { "AES-128-CBC", "AES-128-CBC", MODE_CBC, 16, 16 },
    { "AES-192-CBC", "AES-192-CBC", MODE_CBC, 24, 16 },
    { "AES-256-CBC", "AES-256-CBC", MODE_CBC, 32, 16 },
    { "AES-128-CFB128", "AES-128-CFB", MODE_STREAM, 16, 16 },
    { "AES-192-CFB128", "AES-192-CFB", MODE_STREAM, 24, 16 },
    { "AES-256-CFB128", "AES-256-CFB", MODE_STREAM, 32, 16 },
    { "AES-128-CTR", "AES-128-CTR", MODE_STREAM, 16, 16 },
    { "AES-192-CTR", "AES-192-CTR", MODE_STREAM, 24, 16 },
    { "AES-256-CTR", "AES-256-CTR", MODE_STREAM, 32, 16 },
    { "AES-128-GCM", "AES-128-GCM", MODE_GCM, 16, 16 },
    { "AES-192-GCM", "AES-192-GCM", MODE_GCM, 24, 16 },
    { "AES-256-GCM", "AES-256-GCM", MODE_GCM, 32, 16 },
    { "DES-ECB", "DES-EDE3", MODE_ECB, DES_KEY_LEN, DES_BLOCK },
    { "DES-EDE-ECB", "DES-EDE3", MODE_ECB, 2 * DES_KEY_LEN, DES_BLOCK },
    { "DES-EDE3-ECB", "DES-EDE3", MODE_ECB, 3 * DES_KEY_LEN, DES_BLOCK },
    { "DES-CBC", "DES-EDE3-CBC", MODE_CBC, DES_KEY_LEN, DES_BLOCK },
    { "DES-EDE-CBC", "DES-EDE3-CBC", MODE_CBC, 2 * DES_KEY_LEN, DES_BLOCK },
    { "DES-EDE3-CBC", "DES-EDE3-CBC", MODE_CBC, 3 * DES_KEY_LEN, DES_BLOCK },
};

const char *crypto_cipher_name(size_t index)
{
    return index < sizeof(ciphers) / sizeof(ciphers[0]) ? ciphers[index].name : NULL;
}

static const struct cipher *find_cipher(const char *name)
{
    for (int i = 0; i < ARRAY_LEN(ciphers); i++) {
        if (strcmp(ciphers[i].name, name) == 0)
            return &ciphers[i];
    }
    return NULL;
}

static size_t round_down(size_t len, size_t block)
{
    return len - len % block;
}

/* The block that ends @data, of which @len bytes are data. */
static void pad(enum crypto_padding padding, uint8_t *block, size_t len, size_t block_len)
{
    size_t count = block_len - len;

    memset(block + len, padding == CRYPTO_PADDING_PKCS7 ? (int)count : 0, count);
    if (padding == CRYPTO_PADDING_ONE_AND_ZEROS)
        block[len] = ONE;
    if (padding == CRYPTO_PADDING_ZEROS_AND_LEN)
        block[block_len - 1] = (uint8_t)count;
}

static bool are_all(const uint8_t *bytes, size_t count, uint8_t value)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != value)
            return false;
    }
    return true;
}

/* How much of the last block is data; @block_len + 1: its padding is wrong. */
static size_t unpad(enum crypto_padding padding, const uint8_t *block, size_t block_len)
{
    size_t count = block[block_len - 1], len = block_len;
    bool is_right = count >= 1 && count <= block_len;

    switch (padding) {
    case CRYPTO_PADDING_NONE:
        return block_len;
    case CRYPTO_PADDING_PKCS7:
        is_right = is_right && are_all(block + block_len - count, count, (uint8_t)count);
        return is_right ? block_len - count : block_len + 1;
    case CRYPTO_PADDING_ZEROS_AND_LEN:
        is_right = is_right && are_all(block + block_len - count, count - 1, 0);
        return is_right ? block_len - count : block_len + 1;
    case CRYPTO_PADDING_ZEROS:
    case CRYPTO_PADDING_ONE_AND_ZEROS:
        while (len && !block[len - 1])
            len--;
        break;
    }
    if (padding == CRYPTO_PADDING_ZEROS)
        return len;
    return len && block[len - 1] == ONE ? len - 1 : block_len + 1;
}

/* ECB never takes zeros off, for a module does not. */
static enum crypto_padding padding_of(const struct crypto_job *job, const struct cipher *cipher)
{
    if (cipher->mode == MODE_ECB && !job->encrypts && job->padding == CRYPTO_PADDING_ZEROS)
        return CRYPTO_PADDING_NONE;
    return cipher->mode == MODE_ECB || cipher->mode == MODE_CBC ? job->padding
                                                                : CRYPTO_PADDING_NONE;
}

static bool start(EVP_CIPHER_CTX *ctx, const struct crypto_job *job, const struct cipher *cipher)
{
    const EVP_CIPHER *evp = EVP_get_cipherbyname(cipher->openssl);
    uint8_t key[KEY_MAX], iv[IV_MAX] = { 0 };

    memcpy(key, job->key, job->key_len);
    if (cipher->block == DES_BLOCK) { /* k, k, k or k1, k2, k1 */
        for (size_t i = job->key_len; i < (size_t)3 * DES_KEY_LEN; i++)
            key[i] = key[i - job->key_len];
    }
    if (job->iv_len)
        memcpy(iv, job->iv, job->iv_len);
    if (!evp || !EVP_CipherInit_ex(ctx, evp, NULL, NULL, NULL, job->encrypts))
        return false;
    if (cipher->mode == MODE_GCM &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)job->iv_len, NULL) <= 0)
        return false;
    return EVP_CipherInit_ex(ctx, NULL, NULL, key, iv, job->encrypts) &&
           EVP_CIPHER_CTX_set_padding(ctx, 0);
}

/* @len is whole blocks, or anything for a stream. */
static bool feed(EVP_CIPHER_CTX *ctx, const uint8_t *data, size_t len, struct crypto_result *result)
{
    while (len) {
        int piece = len < PIECE_MAX ? (int)len : PIECE_MAX, out = 0;

        if (!EVP_CipherUpdate(ctx, result->out + result->len, &out, data, piece))
            return false;
        result->len += (size_t)out;
        data += piece;
        len -= (size_t)piece;
    }
    return true;
}

static bool encrypt_blocks(EVP_CIPHER_CTX *ctx, const struct crypto_job *job,
                           const struct cipher *cipher, struct crypto_result *result)
{
    enum crypto_padding padding = padding_of(job, cipher);
    size_t whole = round_down(job->len, cipher->block);
    uint8_t last[CRYPTO_BLOCK_MAX];

    if (!feed(ctx, job->data, whole, result))
        return false;
    if (padding == CRYPTO_PADDING_NONE) {
        if (whole != job->len)
            result->why = "the data is not whole blocks";
        return true;
    }
    if (job->len > whole)
        memcpy(last, (const uint8_t *)job->data + whole, job->len - whole);
    pad(padding, last, job->len - whole, cipher->block);
    return feed(ctx, last, cipher->block, result);
}

static bool decrypt_blocks(EVP_CIPHER_CTX *ctx, const struct crypto_job *job,
                           const struct cipher *cipher, struct crypto_result *result)
{
    enum crypto_padding padding = padding_of(job, cipher);
    size_t whole = round_down(job->len, cipher->block), last;

    if (!feed(ctx, job->data, whole, result))
        return false;
    if (whole != job->len) {
        result->why = "the data is not whole blocks";
        return true;
    }
    if (!whole || padding == CRYPTO_PADDING_NONE)
        return true;
    last = unpad(padding, result->out + result->len - cipher->block, cipher->block);
    result->len -= cipher->block;
    if (last > cipher->block) {
        result->why = "the padding is wrong";
    } else {
        result->len += last;
    }
    return true;
}

static bool run_gcm(EVP_CIPHER_CTX *ctx, const struct crypto_job *job, struct crypto_result *result)
{
    uint8_t tag[CRYPTO_TAG_LEN];
    int len = 0;

    if (job->iv_len && !EVP_CipherUpdate(ctx, NULL, &len, (const uint8_t *)AAD, (int)strlen(AAD)))
        return false;
    if (!feed(ctx, job->data, job->len, result))
        return false;
    if (!job->encrypts && job->tag_len != CRYPTO_TAG_LEN) /* as a module: then it is not checked */
        return true;
    if (!job->encrypts) {
        memcpy(tag, job->tag, sizeof(tag));
        if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) > 0 &&
            EVP_CipherFinal_ex(ctx, result->out + result->len, &len))
            return true;
        result->why = "the tag does not fit the data";
        return false;
    }
    result->has_tag = true;
    return EVP_CipherFinal_ex(ctx, result->out + result->len, &len) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, sizeof(result->tag), result->tag) > 0;
}

static const char *why_not(const struct crypto_job *job, const struct cipher *cipher)
{
    if (!cipher)
        return "there is no such cipher";
    if (job->key_len != cipher->key_len)
        return "the key has a wrong length";
    if (job->iv_len > IV_MAX)
        return "the initialization vector is too long";
    if (cipher->mode == MODE_GCM)
        return job->iv_len ? NULL : "there is no initialization vector";
    return cipher->mode != MODE_ECB && job->iv_len && job->iv_len < cipher->block
               ? "the initialization vector is too short"
               : NULL;
}

int crypto_run(const struct crypto_job *job, struct crypto_result *result)
{
    const struct cipher *cipher = find_cipher(job->cipher);
    EVP_CIPHER_CTX *ctx;
    bool is_done;

    result->len = 0;
    result->has_tag = false;
    result->why = why_not(job, cipher);
    if (result->why)
        return -EINVAL;
    ctx = EVP_CIPHER_CTX_new();
    is_done = ctx && start(ctx, job, cipher) &&
              (cipher->mode == MODE_GCM      ? run_gcm(ctx, job, result)
               : cipher->mode == MODE_STREAM ? feed(ctx, job->data, job->len, result)
               : job->encrypts               ? encrypt_blocks(ctx, job, cipher, result)
                                             : decrypt_blocks(ctx, job, cipher, result));
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    if (!is_done && !result->why)
        result->why = "OpenSSL refuses it";
    return is_done ? 0 : -EINVAL;
}

/* ---- suites -------------------------------------------------------------------------------------- */

void crypto_each_suite(crypto_suite_fn *visit, void *ctx)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());
    const STACK_OF(SSL_CIPHER) *suites = ssl ? SSL_CTX_get_ciphers(ssl) : NULL;

    for (int i = 0; suites && i < sk_SSL_CIPHER_num(suites); i++) {
        const char *name = SSL_CIPHER_standard_name(sk_SSL_CIPHER_value(suites, i));
        char spelled[SUITE_NAME_MAX];
        size_t len = 0;

        for (; name && name[len] && len < sizeof(spelled) - 1; len++)
            spelled[len] = name[len] == '_' ? '-' : name[len];
        spelled[len] = '\0';
        if (len)
            visit(ctx, spelled);
    }
    SSL_CTX_free(ssl);
}
