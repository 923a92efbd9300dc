/*
 * What clients send to the server's end of TLS. The first byte says: DTLS or not, with certificates
 * or a key, are clients asked for theirs. DTLS: each datagram has its length, 2 bytes, before it.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "emu/buf.h"
#include "emu/fuzz/fuzz.h"
#include "emu/tls.h"
#include "emu/tls_cert.h"

#define IS_DTLS  1
#define HAS_KEY  2
#define ASKS     4
#define SENT_MAX (256 * 1024) /* no client can make us send more without sending anything itself */
#define TURNS    64

struct end {
    struct reader in;
    bool is_dtls;
    size_t sent;
};

static ssize_t hear(void *ctx, void *data, size_t cap)
{
    struct end *end = ctx;
    size_t left = reader_left(&end->in);
    size_t len = left;

    if (end->is_dtls && left >= 2) {
        len = reader_u16(&end->in);
        left -= 2;
    }
    len = len < left ? len : left;
    if (!len)
        return -EAGAIN;
    len = len < cap ? len : cap;
    memcpy(data, reader_bytes(&end->in, len), len);
    return (ssize_t)len;
}

static ssize_t say(void *ctx, const void *data, size_t len)
{
    struct end *end = ctx;

    (void)data;
    end->sent += len;
    assert(end->sent < SENT_MAX);
    return (ssize_t)len;
}

static struct tls_blob blob(const char *text)
{
    return (struct tls_blob){ .data = text, .len = strlen(text) };
}

static struct tls_config config_of(uint8_t which, const struct tls_identity *identity)
{
    struct tls_config config = { .is_server = true, .is_dtls = which & IS_DTLS };

    if (which & HAS_KEY) {
        config.psk = blob("0123456789abcdef");
        config.psk_id = blob("lab");
        return config;
    }
    config.cert = blob(tls_identity_cert(identity));
    config.key = blob(tls_identity_key(identity));
    if (which & ASKS)
        config.ca = config.cert;
    return config;
}

static void serve(struct tls_context *context, struct end *end)
{
    const struct tls_io io = { .ctx = end, .recv = hear, .send = say };
    struct tls *tls = tls_new_server(context, "192.0.2.1:1", &io);
    enum tls_verdict verdict = TLS_VERDICT_MORE;
    uint8_t data[1024];

    assert(tls);
    for (int i = 0; i < TURNS && verdict == TLS_VERDICT_MORE; i++)
        verdict = tls_handshake(tls);
    assert((verdict == TLS_VERDICT_FAILED) == (strlen(tls_why(tls)) > 0));
    if (verdict == TLS_VERDICT_DONE)
        (void)tls_read(tls, data, sizeof(data));
    tls_close(tls);
    tls_free(tls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tls_cert_spec spec = { .cn = "lab", .san = "DNS:lab", .until_s = INT32_MAX };
    struct tls_identity *identity = tls_identity_new(&spec, NULL);
    struct tls_context *context;
    struct tls_config config;
    enum tls_problem problem;
    char why[TLS_WHY_MAX];
    struct tls_env env;
    struct end end;

    tls_env_init(&env, NULL);
    env.allows_1_3 = true;
    if (size) {
        config = config_of(data[0], identity);
        context = tls_context_get(&env, &config, &problem, why);
        assert(problem == TLS_PROBLEM_NONE);
        end = (struct end){ .is_dtls = data[0] & IS_DTLS };
        reader_init(&end.in, data + 1, size - 1);
        serve(context, &end);
        tls_context_put(context);
    }
    tls_env_fini(&env);
    tls_identity_free(identity);
    return 0;
}
