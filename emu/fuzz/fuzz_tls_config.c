/*
 * What a script gives socket.config as certificates and keys. The first byte says which of them
 * there are; the rest is cut into as many pieces.
 */
#include <assert.h>
#include <string.h>

#include "emu/fuzz/fuzz.h"
#include "emu/log.h"
#include "emu/tls.h"
#include "emu/vclock.h"

#define PIECES  6
#define IS_DTLS 0x40

/* Bytes of the next piece, of those that are left for @pieces. */
static struct tls_blob take(const uint8_t **data, size_t *size, int pieces)
{
    size_t len = pieces > 1 ? *size / (size_t)pieces : *size;
    struct tls_blob blob = { .data = *data, .len = len };

    *data += len;
    *size -= len;
    return blob;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_blob blobs[PIECES] = { 0 };
    struct tls_config config;
    struct tls_context *context;
    enum tls_problem problem;
    char why[TLS_WHY_MAX];
    struct tls_env env;
    struct vclock clock;
    struct log log;
    uint8_t which;

    if (!size)
        return 0;
    which = *data++;
    size--;
    vclock_init(&clock, VCLOCK_MODE_VIRTUAL);
    log_init(&log,
             &(struct log_config){
                 .clock = &clock, .module_fd = -1, .voice_fd = -1, .level = LOG_LEVEL_SILENT });
    tls_env_init(&env, &log);
    for (int i = 0, left = __builtin_popcount(which & (IS_DTLS - 1)); i < PIECES; i++)
        if (which & 1 << i)
            blobs[i] = take(&data, &size, left--);
    config = (struct tls_config){ .is_dtls = which & IS_DTLS,
                                  .ca = blobs[0],
                                  .cert = blobs[1],
                                  .key = blobs[2],
                                  .password = blobs[3],
                                  .psk = blobs[4],
                                  .psk_id = blobs[5] };
    context = tls_context_get(&env, &config, &problem, why);
    assert(context);
    assert((problem == TLS_PROBLEM_NONE) == !*why);
    tls_context_put(context);
    tls_env_fini(&env);
    return 0;
}
