#include "emu/crypto.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define OUT_MAX 128

/* RFC 2202 3, test case 2 */
static void a_hash_with_a_key_is_an_hmac(void **state)
{
    static const uint8_t wanted[] = { 0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
                                      0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79 };
    struct crypto_hash *hash = crypto_hash_new("SHA1", "Jefe", 4);
    uint8_t out[CRYPTO_HASH_MAX];

    (void)state;
    crypto_hash_update(hash, "what do ya want ", 16);
    crypto_hash_update(hash, "for nothing?", 12);
    assert_int_equal(crypto_hash_finish(hash, out), sizeof(wanted));
    assert_memory_equal(out, wanted, sizeof(wanted));
    crypto_hash_free(hash);
}

static void names_are_mbed_tls_s_to_the_letter(void **state)
{
    (void)state;
    assert_null(crypto_hash_new("md5", NULL, 0));
    assert_null(crypto_hash_new("MD4", NULL, 0));
    assert_null(crypto_hash_new("", "key", 3));
}

/* FIPS 197 C.1, in one block and without padding. */
static void a_block_is_encrypted_as_the_standard_says(void **state)
{
    static const uint8_t key[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    static const uint8_t text[] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                    0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
    static const uint8_t wanted[] = { 0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                                      0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a };
    const struct crypto_job job = { .cipher = "AES-128-ECB",
                                    .encrypts = true,
                                    .data = text,
                                    .len = sizeof(text),
                                    .key = key,
                                    .key_len = sizeof(key) };
    uint8_t out[OUT_MAX];
    struct crypto_result result = { .out = out };

    (void)state;
    assert_int_equal(crypto_run(&job, &result), 0);
    assert_null(result.why);
    assert_int_equal(result.len, sizeof(wanted));
    assert_memory_equal(out, wanted, sizeof(wanted));
}

static struct crypto_job job_of(size_t index, enum crypto_padding padding, const char *text,
                                size_t len)
{
    const char *name = crypto_cipher_name(index);
    static const char key[] = "0123456789abcdefghijklmnopqrstuv";
    struct crypto_job job = { .cipher = name,
                              .padding = padding,
                              .encrypts = true,
                              .data = text,
                              .len = len,
                              .key = key,
                              .key_len = 16,
                              .iv = "FEDCBA9876543210",
                              .iv_len = 16 };

    if (strstr(name, "192") || strstr(name, "EDE3"))
        job.key_len = 24;
    if (strstr(name, "256"))
        job.key_len = 32;
    if (strstr(name, "DES-ECB") == name || strstr(name, "DES-CBC") == name)
        job.key_len = 8;
    return job;
}

static bool is_stream(const char *name)
{
    return strstr(name, "CTR") || strstr(name, "CFB") || strstr(name, "GCM");
}

/* Every cipher, every padding, every length up to three blocks. */
static void what_was_encrypted_can_be_decrypted(void **state)
{
    static const char text[] = "The quick brown fox jumps over the lazy dog, twice";
    uint8_t there[OUT_MAX], back[OUT_MAX];

    (void)state;
    for (size_t i = 0; crypto_cipher_name(i); i++) {
        for (int padding = CRYPTO_PADDING_PKCS7; padding <= CRYPTO_PADDING_ZEROS_AND_LEN;
             padding++) {
            for (size_t len = 0; len <= 48; len++) {
                struct crypto_job job = job_of(i, (enum crypto_padding)padding, text, len);
                struct crypto_result result = { .out = there };
                size_t kept;

                assert_int_equal(crypto_run(&job, &result), 0);
                assert_null(result.why);
                assert_true(is_stream(job.cipher) ? result.len == len : result.len > len);
                job.encrypts = false;
                job.data = there;
                job.len = result.len;
                job.tag = result.tag;
                job.tag_len = result.has_tag ? CRYPTO_TAG_LEN : 0;
                result.out = back;
                assert_int_equal(crypto_run(&job, &result), 0);
                assert_null(result.why);
                kept = result.len;
                while (padding == CRYPTO_PADDING_ZEROS && kept > len)
                    assert_int_equal(back[--kept], 0); /* ECB leaves the zeros */
                assert_int_equal(kept, len);
                assert_memory_equal(back, text, len);
            }
        }
    }
}

static void a_wrong_padding_costs_the_last_block(void **state)
{
    static const char text[] = "0123456789abcdef0123456789abcdef";
    uint8_t there[OUT_MAX], back[OUT_MAX];
    struct crypto_job job = job_of(3, CRYPTO_PADDING_NONE, text, 32); /* AES-128-CBC */
    struct crypto_result result = { .out = there };

    (void)state;
    assert_int_equal(crypto_run(&job, &result), 0);
    job.encrypts = false;
    job.padding = CRYPTO_PADDING_PKCS7;
    job.data = there;
    result.out = back;
    assert_int_equal(crypto_run(&job, &result), 0);
    assert_string_equal(result.why, "the padding is wrong");
    assert_int_equal(result.len, 16);
    assert_memory_equal(back, text, 16);
}

static void what_is_not_whole_blocks_loses_the_rest(void **state)
{
    static const char text[] = "0123456789abcdef0123";
    uint8_t out[OUT_MAX];
    struct crypto_job job = job_of(0, CRYPTO_PADDING_NONE, text, 20);
    struct crypto_result result = { .out = out };

    (void)state;
    assert_int_equal(crypto_run(&job, &result), 0);
    assert_string_equal(result.why, "the data is not whole blocks");
    assert_int_equal(result.len, 16);
    job.encrypts = false;
    assert_int_equal(crypto_run(&job, &result), 0);
    assert_int_equal(result.len, 16);
}

static void keys_and_vectors_have_to_fit(void **state)
{
    uint8_t out[OUT_MAX];
    struct crypto_result result = { .out = out };
    struct crypto_job job = job_of(3, CRYPTO_PADDING_PKCS7, "x", 1);

    (void)state;
    job.key_len = 15;
    assert_int_equal(crypto_run(&job, &result), -EINVAL);
    job.key_len = 16;
    job.iv_len = 15;
    assert_int_equal(crypto_run(&job, &result), -EINVAL);
    job.iv_len = 17;
    assert_int_equal(crypto_run(&job, &result), -EINVAL);
    job.iv_len = 0; /* zeros */
    assert_int_equal(crypto_run(&job, &result), 0);
    job.cipher = "AES-128-GCM";
    assert_int_equal(crypto_run(&job, &result), -EINVAL);
    job.cipher = "AES-128-XYZ";
    assert_int_equal(crypto_run(&job, &result), -EINVAL);
    assert_string_equal(result.why, "there is no such cipher");
}

static void a_wrong_tag_is_refused(void **state)
{
    uint8_t there[OUT_MAX], back[OUT_MAX];
    struct crypto_result result = { .out = there };
    struct crypto_job job = job_of(12, CRYPTO_PADDING_NONE, "hello", 5);

    (void)state;
    assert_int_equal(crypto_run(&job, &result), 0);
    assert_true(result.has_tag);
    job.encrypts = false;
    job.data = there;
    result.tag[0] ^= 1;
    job.tag = memcpy(there + 64, result.tag, CRYPTO_TAG_LEN);
    job.tag_len = CRYPTO_TAG_LEN;
    result.out = back;
    assert_int_equal(crypto_run(&job, &result), -EINVAL);
    assert_string_equal(result.why, "the tag does not fit the data");
    job.tag_len = 0; /* nobody asks */
    assert_int_equal(crypto_run(&job, &result), 0);
    assert_memory_equal(back, "hello", 5);
}

static void count_suite(void *ctx, const char *name)
{
    assert_null(strchr(name, '_'));
    *(int *)ctx += strcmp(name, "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256") == 0;
}

static void suites_have_mbed_tls_s_names(void **state)
{
    int found = 0;

    (void)state;
    crypto_each_suite(count_suite, &found);
    assert_int_equal(found, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_with_a_key_is_an_hmac),
        cmocka_unit_test(names_are_mbed_tls_s_to_the_letter),
        cmocka_unit_test(a_block_is_encrypted_as_the_standard_says),
        cmocka_unit_test(what_was_encrypted_can_be_decrypted),
        cmocka_unit_test(a_wrong_padding_costs_the_last_block),
        cmocka_unit_test(what_is_not_whole_blocks_loses_the_rest),
        cmocka_unit_test(keys_and_vectors_have_to_fit),
        cmocka_unit_test(a_wrong_tag_is_refused),
        cmocka_unit_test(suites_have_mbed_tls_s_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
