/* Both ends of tls.h, a wire each way between them, and certificates of tls_cert.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/buf.h"
#include "emu/tls.h"
#include "emu/tls_cert.h"
#include "emu/util.h"

#include <cmocka.h>

#define NOW_S                1700000000
#define YEAR_S               31536000
#define NAME                 "server.test"
#define ADDRESS              "192.0.2.9"
#define TURNS_MAX            20
#define DGRAMS_MAX           64
#define HELLO_VERIFY_REQUEST 3
#define HANDSHAKE_TYPE_AT    13 /* after a record's header, RFC 6347 4.1 */

/* One direction. A stream, or datagrams, whose lengths are kept. */
struct wire {
    struct byteq bytes;
    size_t lens[DGRAMS_MAX];
    int dgrams;
    bool is_dgram;
};

struct end {
    struct wire *in, *out;
    struct tls_env env;
    struct tls_context *context;
    struct tls *tls;
    enum tls_verdict verdict;
};

struct ends {
    struct wire up, down;
    struct end client, server;
    struct tls_identity *ca, *id, *client_id;
};

static ssize_t wire_send(void *ctx, const void *data, size_t len)
{
    struct wire *wire = ((struct end *)ctx)->out;

    byteq_append(&wire->bytes, data, len);
    if (wire->is_dgram) {
        assert_true(wire->dgrams < DGRAMS_MAX);
        wire->lens[wire->dgrams++] = len;
    }
    return (ssize_t)len;
}

static ssize_t wire_recv(void *ctx, void *data, size_t cap)
{
    struct wire *wire = ((struct end *)ctx)->in;
    size_t len = wire->is_dgram ? wire->lens[0] : wire->bytes.len;
    size_t n = len < cap ? len : cap;

    if (wire->is_dgram ? !wire->dgrams : !len)
        return -EAGAIN;
    memcpy(data, byteq_front(&wire->bytes), n);
    byteq_drop(&wire->bytes, wire->is_dgram ? len : n);
    if (wire->is_dgram)
        memmove(wire->lens, wire->lens + 1, (size_t)--wire->dgrams * sizeof(wire->lens[0]));
    return (ssize_t)n;
}

static struct tls_identity *make(const char *cn, const char *san, const struct tls_identity *issuer)
{
    const struct tls_cert_spec spec = {
        .cn = cn, .san = san, .is_ca = !san, .from_s = NOW_S - YEAR_S, .until_s = NOW_S + YEAR_S
    };

    return tls_identity_new(&spec, issuer);
}

static int setup(void **state)
{
    const struct tls_cert_spec client = {
        .cn = "the client", .is_client = true, .from_s = NOW_S - YEAR_S, .until_s = NOW_S + YEAR_S
    };
    struct ends *ends = xcalloc(1, sizeof(*ends));

    byteq_init(&ends->up.bytes);
    byteq_init(&ends->down.bytes);
    ends->client.in = ends->server.out = &ends->down;
    ends->client.out = ends->server.in = &ends->up;
    tls_env_init(&ends->client.env, NULL);
    tls_env_init(&ends->server.env, NULL);
    ends->server.env.allows_1_3 = true;
    ends->ca = make("the ca", NULL, NULL);
    ends->id = make("the server", "DNS:" NAME ",IP:" ADDRESS, ends->ca);
    ends->client_id = tls_identity_new(&client, ends->ca);
    *state = ends;
    return ends->ca && ends->id && ends->client_id ? 0 : -1;
}

static void close_end(struct end *end)
{
    if (end->tls)
        tls_free(end->tls);
    if (end->context)
        tls_context_put(end->context);
    tls_env_fini(&end->env);
}

static int teardown(void **state)
{
    struct ends *ends = *state;

    close_end(&ends->client);
    close_end(&ends->server);
    byteq_fini(&ends->up.bytes);
    byteq_fini(&ends->down.bytes);
    tls_identity_free(ends->ca);
    tls_identity_free(ends->id);
    tls_identity_free(ends->client_id);
    free(ends);
    return 0;
}

static struct tls_blob blob(const char *text)
{
    return (struct tls_blob){ .data = text, .len = strlen(text) };
}

static struct tls_config server_config(const struct ends *ends)
{
    return (struct tls_config){ .is_server = true,
                                .cert = blob(tls_identity_cert(ends->id)),
                                .key = blob(tls_identity_key(ends->id)) };
}

static struct tls_config client_config(const struct ends *ends)
{
    return (struct tls_config){ .ca = blob(tls_identity_cert(ends->ca)) };
}

static void open_end(struct end *end, const struct tls_config *config, const char *name)
{
    const struct tls_io io = { .ctx = end, .recv = wire_recv, .send = wire_send };
    enum tls_problem problem;
    char why[TLS_WHY_MAX];

    end->context = tls_context_get(&end->env, config, &problem, why);
    assert_int_equal(problem, TLS_PROBLEM_NONE);
    end->tls = config->is_server ? tls_new_server(end->context, name, &io)
                                 : tls_new(end->context, name, ADDRESS, &io);
    assert_non_null(end->tls);
    end->verdict = TLS_VERDICT_MORE;
}

static void step(struct end *end)
{
    if (end->verdict == TLS_VERDICT_MORE)
        end->verdict = tls_handshake(end->tls);
}

static void meet(struct ends *ends, const struct tls_config *client,
                 const struct tls_config *server)
{
    ends->up.is_dgram = ends->down.is_dgram = server->is_dtls;
    open_end(&ends->server, server, "192.0.2.1:50000");
    open_end(&ends->client, client, NAME);
    for (int i = 0; i < TURNS_MAX; i++) {
        step(&ends->client);
        step(&ends->server);
    }
}

static void assert_says(struct end *from, struct end *to, const char *text)
{
    char got[256];

    assert_int_equal(tls_write(from->tls, text, strlen(text)), strlen(text));
    assert_int_equal(tls_read(to->tls, got, sizeof(got)), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

static void assert_talk(struct ends *ends)
{
    assert_int_equal(ends->client.verdict, TLS_VERDICT_DONE);
    assert_int_equal(ends->server.verdict, TLS_VERDICT_DONE);
    assert_says(&ends->client, &ends->server, "hello");
    assert_says(&ends->server, &ends->client, "and you");
}

static void assert_refused(const struct end *end, const char *why)
{
    assert_int_equal(end->verdict, TLS_VERDICT_FAILED);
    if (!strstr(tls_why(end->tls), why))
        fail_msg("\"%s\" is not in \"%s\"", why, tls_why(end->tls));
}

/* ---- certificates -------------------------------------------------------------------------------- */

static void our_certificates_are_good_for_our_client(void **state)
{
    struct ends *ends = *state;
    struct tls_config client = client_config(ends), server = server_config(ends);
    char why[TLS_WHY_MAX];

    meet(ends, &client, &server);
    assert_talk(ends);
    assert_false(tls_date_problem(ends->client.tls, NOW_S, why));
    assert_true(tls_date_problem(ends->client.tls, NOW_S + 2 * YEAR_S, why));
    assert_true(tls_date_problem(ends->client.tls, NOW_S - 2 * YEAR_S, why));
}

static void each_is_made_anew(void **state)
{
    struct ends *ends = *state;
    struct tls_identity *again = make("the server", "DNS:" NAME, ends->ca);

    assert_string_not_equal(tls_identity_cert(again), tls_identity_cert(ends->id));
    assert_string_not_equal(tls_identity_key(again), tls_identity_key(ends->id));
    tls_identity_free(again);
}

static void what_is_no_name_makes_no_certificate(void **state)
{
    struct ends *ends = *state;

    assert_null(make("x", "IP:nowhere", ends->ca));
    tls_identity_free(NULL);
}

static void a_certificate_for_others_is_refused(void **state)
{
    struct ends *ends = *state;
    struct tls_config client = client_config(ends), server;

    tls_identity_free(ends->id);
    ends->id = make("another", "DNS:another.test", ends->ca);
    server = server_config(ends);
    meet(ends, &client, &server);
    assert_refused(&ends->client, "it is not for \"" NAME "\"");
    assert_refused(&ends->server, "alert");
}

/* ---- clients' own ------------------------------------------------------------------------------- */

static void a_client_that_must_show_a_certificate_does(void **state)
{
    struct ends *ends = *state;
    struct tls_config client = client_config(ends), server = server_config(ends);

    client.cert = blob(tls_identity_cert(ends->client_id));
    client.key = blob(tls_identity_key(ends->client_id));
    server.ca = blob(tls_identity_cert(ends->ca));
    meet(ends, &client, &server);
    assert_talk(ends);
}

static void one_without_is_refused(void **state)
{
    struct ends *ends = *state;
    struct tls_config client = client_config(ends), server = server_config(ends);

    server.ca = blob(tls_identity_cert(ends->ca));
    meet(ends, &client, &server);
    assert_refused(&ends->server, "peer did not return a certificate");
    assert_refused(&ends->client, "alert");
}

static void one_with_another_cas_is_refused(void **state)
{
    struct ends *ends = *state;
    struct tls_config client = client_config(ends), server = server_config(ends);
    struct tls_identity *stranger = make("a stranger", NULL, NULL);

    client.cert = blob(tls_identity_cert(stranger));
    client.key = blob(tls_identity_key(stranger));
    server.ca = blob(tls_identity_cert(ends->ca));
    meet(ends, &client, &server);
    tls_identity_free(stranger);
    assert_refused(&ends->server, "the peer's certificate is refused");
}

/* ---- pre-shared keys ---------------------------------------------------------------------------- */

static struct tls_config psk_config(bool is_server, const char *id, const char *key)
{
    return (struct tls_config){ .is_server = is_server, .psk = blob(key), .psk_id = blob(id) };
}

static void a_key_that_both_know_is_enough(void **state)
{
    const struct tls_config client = psk_config(false, "lab", "0123456789abcdef");
    const struct tls_config server = psk_config(true, "lab", "0123456789abcdef");
    struct ends *ends = *state;

    meet(ends, &client, &server);
    assert_talk(ends);
}

static void another_name_or_key_is_not(void **state)
{
    static const char *const wrong[][2] = { { "labs", "0123456789abcdef" },
                                            { "la", "0123456789abcdef" },
                                            { "", "0123456789abcdef" },
                                            { "lab", "0123456789abcdeg" } };
    const struct tls_config server = psk_config(true, "lab", "0123456789abcdef");

    for (int i = 0; i < ARRAY_LEN(wrong); i++) {
        const struct tls_config client = psk_config(false, wrong[i][0], wrong[i][1]);
        struct ends *ends = *state;

        meet(ends, &client, &server);
        assert_int_equal(ends->client.verdict, TLS_VERDICT_FAILED);
        assert_int_equal(ends->server.verdict, TLS_VERDICT_FAILED);
        (void)teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

/* ---- DTLS ------------------------------------------------------------------------------------------ */

static void dtls_asks_for_a_cookie_first(void **state)
{
    struct ends *ends = *state;
    struct tls_config client = client_config(ends), server = server_config(ends);

    client.is_dtls = server.is_dtls = true;
    ends->up.is_dgram = ends->down.is_dgram = true;
    open_end(&ends->server, &server, "192.0.2.1:50000");
    open_end(&ends->client, &client, NAME);
    step(&ends->client);
    step(&ends->server);
    assert_int_equal(ends->down.dgrams, 1);
    assert_int_equal(byteq_front(&ends->down.bytes)[HANDSHAKE_TYPE_AT], HELLO_VERIFY_REQUEST);
    for (int i = 0; i < TURNS_MAX; i++) {
        step(&ends->client);
        step(&ends->server);
    }
    assert_talk(ends);
}

static void somebody_elses_cookie_is_not_taken(void **state)
{
    struct ends *ends = *state;
    struct tls_config client = client_config(ends), server = server_config(ends);

    client.is_dtls = server.is_dtls = true;
    ends->up.is_dgram = ends->down.is_dgram = true;
    open_end(&ends->server, &server, "192.0.2.1:50000");
    open_end(&ends->client, &client, NAME);
    step(&ends->client);
    step(&ends->server);
    step(&ends->client); /* the hello with the cookie is under way */
    tls_free(ends->server.tls);
    tls_context_put(ends->server.context);
    open_end(&ends->server, &server, "192.0.2.2:50000");
    step(&ends->server);
    assert_int_not_equal(ends->server.verdict, TLS_VERDICT_DONE);
    assert_true(ends->down.dgrams <= 1); /* at most another request; no certificate */
}

static void dtls_does_with_a_key_too(void **state)
{
    struct tls_config client = psk_config(false, "lab", "0123456789abcdef");
    struct tls_config server = psk_config(true, "lab", "0123456789abcdef");
    struct ends *ends = *state;

    client.is_dtls = server.is_dtls = true;
    meet(ends, &client, &server);
    assert_talk(ends);
}

/* ---- ends and nonsense --------------------------------------------------------------------------- */

static void a_server_says_that_it_closes(void **state)
{
    struct ends *ends = *state;
    struct tls_config client = client_config(ends), server = server_config(ends);

    meet(ends, &client, &server);
    tls_close(ends->server.tls);
    assert_int_equal(tls_pending(ends->client.tls), -1);
    assert_int_equal(tls_code(ends->client.tls), TLS_CODE_CLOSED);
}

static void what_is_no_hello_is_refused(void **state)
{
    static const char nonsense[] = "GET / HTTP/1.1\r\nHost: lab\r\n\r\n";
    struct ends *ends = *state;
    struct tls_config server = server_config(ends);

    open_end(&ends->server, &server, "192.0.2.1:50000");
    byteq_append(&ends->up.bytes, nonsense, sizeof(nonsense) - 1);
    step(&ends->server);
    assert_refused(&ends->server, "what the peer sends is not TLS");
    tls_close(ends->server.tls); /* says nothing: there is nobody to understand it */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(our_certificates_are_good_for_our_client),
        TEST(each_is_made_anew),
        TEST(what_is_no_name_makes_no_certificate),
        TEST(a_certificate_for_others_is_refused),
        TEST(a_client_that_must_show_a_certificate_does),
        TEST(one_without_is_refused),
        TEST(one_with_another_cas_is_refused),
        TEST(a_key_that_both_know_is_enough),
        TEST(another_name_or_key_is_not),
        TEST(dtls_asks_for_a_cookie_first),
        TEST(somebody_elses_cookie_is_not_taken),
        TEST(dtls_does_with_a_key_too),
        TEST(a_server_says_that_it_closes),
        TEST(what_is_no_hello_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
