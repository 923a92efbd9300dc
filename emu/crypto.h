/*
 * crypto: hashes and ciphers under the names that LuatOS has them by, done by OpenSSL.
 *
 * A module's come from mbedTLS. Where the two differ (padding, what is left of a wrong input) this
 * is mbedTLS, for scripts and their servers agree on that: components/crypto/luat_crypto_mbedtls.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPTO_HASH_MAX  64 /* bytes of SHA-512 */
#define CRYPTO_BLOCK_MAX 16
#define CRYPTO_TAG_LEN   16

/* ---- hashes -------------------------------------------------------------------------------------- */

struct crypto_hash;

/*
 * "MD5", "SHA1" and so on; with a key, an HMAC (RFC 2104). An empty key is none. NULL: there is no
 * such hash.
 */
struct crypto_hash *crypto_hash_new(const char *name, const void *key, size_t key_len);
void crypto_hash_free(struct crypto_hash *hash); /* NULL is fine */
void crypto_hash_update(struct crypto_hash *hash, const void *data, size_t len);

/* Its length. Afterwards it can only be freed. */
size_t crypto_hash_finish(struct crypto_hash *hash, uint8_t out[CRYPTO_HASH_MAX]);

/* ---- ciphers ------------------------------------------------------------------------------------- */

enum crypto_padding {
    CRYPTO_PADDING_NONE,
    CRYPTO_PADDING_PKCS7,
    CRYPTO_PADDING_ZEROS, /* a whole block when there would be none */
    CRYPTO_PADDING_ONE_AND_ZEROS,
    CRYPTO_PADDING_ZEROS_AND_LEN,
};

struct crypto_job {
    const char *cipher; /* "AES-128-CBC" */
    enum crypto_padding padding;
    bool encrypts;
    const void *data, *key, *iv, *tag; /* @tag, of GCM: to be checked when decrypting */
    size_t len, key_len, iv_len, tag_len;
};

struct crypto_result {
    uint8_t *out; /* room for the data and CRYPTO_BLOCK_MAX more */
    size_t len;
    uint8_t tag[CRYPTO_TAG_LEN];
    bool has_tag;    /* GCM, encrypting */
    const char *why; /* what was wrong, static; NULL: nothing */
};

/*
 * 0, or -EINVAL: no such cipher, a wrong key, vector or tag. With 0 there may be a @why too: then
 * @out is what comes before what was wrong.
 */
int crypto_run(const struct crypto_job *job, struct crypto_result *result);

/* The @index'th cipher's name; NULL past the last. */
const char *crypto_cipher_name(size_t index);

/* Call @visit with the name of every TLS suite that is spoken, as mbedTLS spells it. */
typedef void crypto_suite_fn(void *ctx, const char *name);
void crypto_each_suite(crypto_suite_fn *visit, void *ctx);
