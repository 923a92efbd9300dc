#include "emu/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "emu/buf.h"
#include "emu/fake_device.h"
#include "emu/tls_priv.h"
#include "emu/util.h"

#include <cmocka.h>

#define NOW_S       1700000000 /* 2023-11-14 22:13:20 UTC */
#define YEAR_S      31536000
#define NAME        "server.test"
#define ADDRESS     "192.0.2.9"
#define SAN         "DNS:" NAME ",IP:" ADDRESS
#define TURNS_MAX   20
#define DGRAMS_MAX  64
#define PSK         "sixteen bytes k."
#define PSK_ID      "device-1"
#define US_PER_S    1000000
#define PLAIN_MAX   65536
#define COOKIE      "cookie"
#define SECRET      "secret"
#define DTLS_HEADER 13 /* bytes before a record's own */

/* One direction. A stream, or datagrams, whose lengths are kept. */
struct wire {
    struct byteq bytes;
    size_t lens[DGRAMS_MAX];
    int dgrams;
    bool is_dgram, is_over;
    int error; /* of the next sends */
};

struct identity {
    EVP_PKEY *key;
    X509 *cert;
};

/* Our client and an OpenSSL server, a wire each way between them. */
struct ends {
    struct fake_device *fake;
    struct tls_env *env;
    struct wire up, down;
    struct identity ca, id;
    SSL_CTX *server_ctx;
    SSL *server;
    BIO_METHOD *method;
    struct tls_context *context;
    struct tls *tls;
    enum tls_verdict verdict;
    char pem[4096], why[TLS_WHY_MAX];
    enum tls_problem problem;
};

/* ---- OpenSSL's clock: DTLS asks gettimeofday(), which the test gives it ---------------------- */

static int64_t fake_now_us;

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    (void)tz;
    tv->tv_sec = (time_t)(NOW_S + fake_now_us / US_PER_S);
    tv->tv_usec = (suseconds_t)(fake_now_us % US_PER_S);
    return 0;
}

/* ---- wires ------------------------------------------------------------------------------------- */

static ssize_t wire_send(void *ctx, const void *data, size_t len)
{
    struct wire *wire = ctx;

    if (wire->error)
        return -wire->error;
    byteq_append(&wire->bytes, data, len);
    if (wire->is_dgram) {
        assert_true(wire->dgrams < DGRAMS_MAX);
        wire->lens[wire->dgrams++] = len;
    }
    return (ssize_t)len;
}

static ssize_t wire_recv(void *ctx, void *data, size_t cap)
{
    struct wire *wire = ctx;
    size_t len = wire->is_dgram ? wire->lens[0] : wire->bytes.len;
    size_t n = len < cap ? len : cap;

    if (wire->is_dgram ? !wire->dgrams : !len)
        return wire->is_over ? -ENOTCONN : -EAGAIN;
    if (n)
        memcpy(data, byteq_front(&wire->bytes), n);
    if (!wire->is_dgram) {
        byteq_drop(&wire->bytes, n);
        return (ssize_t)n;
    }
    byteq_drop(&wire->bytes, len);
    memmove(wire->lens, wire->lens + 1, (size_t)--wire->dgrams * sizeof(wire->lens[0]));
    return (ssize_t)n;
}

static void wire_clear(struct wire *wire)
{
    byteq_drop(&wire->bytes, wire->bytes.len);
    wire->dgrams = 0;
}

static ssize_t client_recv(void *ctx, void *data, size_t cap)
{
    return wire_recv(&((struct ends *)ctx)->down, data, cap);
}

static ssize_t client_send(void *ctx, const void *data, size_t len)
{
    return wire_send(&((struct ends *)ctx)->up, data, len);
}

static int server_read(BIO *bio, char *data, int cap)
{
    ssize_t n = wire_recv(&((struct ends *)BIO_get_data(bio))->up, data, (size_t)cap);

    BIO_clear_retry_flags(bio);
    if (n == -EAGAIN)
        BIO_set_retry_read(bio);
    return n < 0 ? -1 : (int)n;
}

static int server_write(BIO *bio, const char *data, int len)
{
    return (int)wire_send(&((struct ends *)BIO_get_data(bio))->down, data, (size_t)len);
}

static long server_ctrl(BIO *bio, int what, long number, void *ptr)
{
    (void)bio;
    (void)number;
    (void)ptr;
    return what == BIO_CTRL_FLUSH;
}

/* ---- identities -------------------------------------------------------------------------------- */

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* @issuer NULL: itself. @san NULL: it is a CA. */
static void make_identity(struct identity *id, const char *cn, const struct identity *issuer,
                          const char *san, int64_t from_s, int64_t until_s)
{
    const struct identity *signer = issuer ? issuer : id;
    X509_NAME *subject;

    *id = (struct identity){ .key = EVP_EC_gen("P-256"), .cert = X509_new() };
    assert_non_null(id->key);
    assert_non_null(id->cert);
    subject = X509_get_subject_name(id->cert);
    (void)X509_set_version(id->cert, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(id->cert), (long)(from_s & 0xffff) + 1);
    (void)ASN1_TIME_set(X509_getm_notBefore(id->cert), (time_t)from_s);
    (void)ASN1_TIME_set(X509_getm_notAfter(id->cert), (time_t)until_s);
    (void)X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1,
                                     0);
    (void)X509_set_issuer_name(id->cert, X509_get_subject_name(signer->cert));
    (void)X509_set_pubkey(id->cert, id->key);
    if (san) {
        add_extension(id->cert, NID_subject_alt_name, san);
    } else {
        add_extension(id->cert, NID_basic_constraints, "critical,CA:TRUE");
    }
    assert_true(X509_sign(id->cert, signer->key, EVP_sha256()) > 0);
}

static void free_identity(struct identity *id)
{
    EVP_PKEY_free(id->key);
    X509_free(id->cert);
}

/* What @bio has, as a blob whose bytes are in @text; @bio is freed. */
static struct tls_blob take_bio(BIO *bio, char *text, size_t cap)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);

    assert_true(len > 0 && (size_t)len < cap);
    memcpy(text, data, (size_t)len);
    text[len] = '\0';
    BIO_free(bio);
    return (struct tls_blob){ .data = text, .len = (size_t)len };
}

#define BLOB_CAP 4096

static struct tls_blob cert_pem(X509 *cert, char text[BLOB_CAP])
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
    return take_bio(bio, text, BLOB_CAP);
}

static struct tls_blob cert_der(X509 *cert, char text[BLOB_CAP])
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(i2d_X509_bio(bio, cert), 1);
    return take_bio(bio, text, BLOB_CAP);
}

/* @password NULL: not encrypted. */
static struct tls_blob key_pem(EVP_PKEY *key, const char *password, char text[BLOB_CAP])
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, password ? EVP_aes_128_cbc() : NULL,
                                                   password, password ? (int)strlen(password) : 0,
                                                   NULL, NULL),
                     1);
    return take_bio(bio, text, BLOB_CAP);
}

static struct tls_blob key_der(EVP_PKEY *key, const char *password, char text[BLOB_CAP])
{
    BIO *bio = BIO_new(BIO_s_mem());

    if (password) {
        assert_int_equal(i2d_PKCS8PrivateKey_bio(bio, key, EVP_aes_128_cbc(), password,
                                                 (int)strlen(password), NULL, NULL),
                         1);
    } else {
        assert_int_equal(i2d_PrivateKey_bio(bio, key), 1);
    }
    return take_bio(bio, text, BLOB_CAP);
}

static struct tls_blob blob_of(const char *text)
{
    return (struct tls_blob){ .data = text, .len = strlen(text) };
}

/* ---- the two ends ---------------------------------------------------------------------------------- */

static int setup(void **state)
{
    struct ends *ends = xcalloc(1, sizeof(*ends));

    if (fake_device_setup((void **)&ends->fake) < 0)
        return -1;
    fake_now_us = 0;
    ends->env = &ends->fake->device.net.tls;
    byteq_init(&ends->up.bytes);
    byteq_init(&ends->down.bytes);
    make_identity(&ends->ca, "the ca", NULL, NULL, NOW_S - YEAR_S, NOW_S + YEAR_S);
    make_identity(&ends->id, "the server", &ends->ca, SAN, NOW_S - YEAR_S, NOW_S + YEAR_S);
    *state = ends;
    return 0;
}

static void hang_up(struct ends *ends)
{
    if (ends->tls)
        tls_free(ends->tls);
    if (ends->context)
        tls_context_put(ends->context);
    SSL_free(ends->server);
    SSL_CTX_free(ends->server_ctx);
    BIO_meth_free(ends->method);
    ends->method = NULL;
    ends->tls = NULL;
    ends->context = NULL;
    ends->server = NULL;
    ends->server_ctx = NULL;
    byteq_fini(&ends->up.bytes);
    byteq_fini(&ends->down.bytes);
    ends->up = ends->down = (struct wire){ 0 };
}

static int teardown(void **state)
{
    struct ends *ends = *state;

    hang_up(ends);
    free_identity(&ends->ca);
    free_identity(&ends->id);
    (void)fake_device_teardown((void **)&ends->fake);
    free(ends);
    return 0;
}

static unsigned check_psk(SSL *ssl, const char *identity, unsigned char *psk, unsigned cap)
{
    (void)ssl;
    if (strcmp(identity, PSK_ID) != 0 || cap < sizeof(PSK) - 1)
        return 0;
    memcpy(psk, PSK, sizeof(PSK) - 1);
    return sizeof(PSK) - 1;
}

static int make_cookie(SSL *ssl, unsigned char *cookie, unsigned *len)
{
    (void)ssl;
    memcpy(cookie, COOKIE, sizeof(COOKIE));
    *len = sizeof(COOKIE);
    return 1;
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
    (void)ssl;
    return len == sizeof(COOKIE) && memcmp(cookie, COOKIE, len) == 0;
}

static void serve(struct ends *ends, bool is_dtls)
{
    BIO *bio;

    ends->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "wire");
    ends->up.is_dgram = ends->down.is_dgram = is_dtls;
    ends->server_ctx = SSL_CTX_new(is_dtls ? DTLS_server_method() : TLS_server_method());
    (void)SSL_CTX_set_cipher_list(ends->server_ctx, "ALL:@SECLEVEL=0");
    (void)SSL_CTX_set_min_proto_version(ends->server_ctx, is_dtls ? DTLS1_VERSION : TLS1_VERSION);
    (void)SSL_CTX_set_options(ends->server_ctx, SSL_OP_NO_QUERY_MTU);
    (void)SSL_CTX_use_certificate(ends->server_ctx, ends->id.cert);
    (void)SSL_CTX_use_PrivateKey(ends->server_ctx, ends->id.key);
    SSL_CTX_set_cookie_generate_cb(ends->server_ctx, make_cookie);
    SSL_CTX_set_cookie_verify_cb(ends->server_ctx, check_cookie);
    ends->server = SSL_new(ends->server_ctx);
    BIO_meth_set_read(ends->method, server_read);
    BIO_meth_set_write(ends->method, server_write);
    BIO_meth_set_ctrl(ends->method, server_ctrl);
    bio = BIO_new(ends->method);
    BIO_set_data(bio, ends);
    BIO_set_init(bio, 1);
    SSL_set_bio(ends->server, bio, bio);
    if (is_dtls)
        (void)DTLS_set_link_mtu(ends->server, 1400);
    SSL_set_accept_state(ends->server);
}

static void use(struct ends *ends, const struct tls_config *config)
{
    ends->context = tls_context_get(ends->env, config, &ends->problem, ends->why);
}

static void dial(struct ends *ends, const char *name)
{
    const struct tls_io io = { .ctx = ends, .recv = client_recv, .send = client_send };

    ends->tls = tls_new(ends->context, name, ADDRESS, &io);
    assert_non_null(ends->tls);
}

/* Both ends, in turn, until ours is through; the server then takes what is left. */
static enum tls_verdict shake(struct ends *ends)
{
    ends->verdict = TLS_VERDICT_MORE;
    for (int i = 0; i < TURNS_MAX && ends->verdict == TLS_VERDICT_MORE; i++) {
        ends->verdict = tls_handshake(ends->tls);
        (void)SSL_do_handshake(ends->server);
        ERR_clear_error();
    }
    return ends->verdict;
}

/* A client with the CA that connects to @name. */
static enum tls_verdict connect_to(struct ends *ends, const char *name)
{
    const struct tls_config config = { .ca = cert_pem(ends->ca.cert, ends->pem) };

    if (!ends->server)
        serve(ends, false);
    use(ends, &config);
    assert_int_equal(ends->problem, TLS_PROBLEM_NONE);
    dial(ends, name);
    return shake(ends);
}

/* A client that verifies nothing. */
static enum tls_verdict connect_plainly(struct ends *ends)
{
    const struct tls_config config = { 0 };

    if (!ends->server)
        serve(ends, false);
    use(ends, &config);
    dial(ends, NAME);
    return shake(ends);
}

static void serve_identity(struct ends *ends, const char *cn, const struct identity *issuer,
                           const char *san, int64_t from_s, int64_t until_s)
{
    free_identity(&ends->id);
    make_identity(&ends->id, cn, issuer, san, from_s, until_s);
    serve(ends, false);
}

static void assert_failed(const struct ends *ends, unsigned code, const char *why)
{
    assert_int_equal(ends->verdict, TLS_VERDICT_FAILED);
    if (!strstr(tls_why(ends->tls), why))
        fail_msg("\"%s\" is not in \"%s\"", why, tls_why(ends->tls));
    assert_int_equal(tls_code(ends->tls), code);
}

static void server_says(struct ends *ends, const char *text)
{
    assert_int_equal(SSL_write(ends->server, text, (int)strlen(text)), strlen(text));
}

static void assert_reads(struct ends *ends, const char *text)
{
    char got[256];
    ssize_t n = tls_read(ends->tls, got, sizeof(got));

    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

static void assert_server_hears(struct ends *ends, const char *text)
{
    char got[256];
    int n = SSL_read(ends->server, got, sizeof(got));

    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

/* ---- verification ---------------------------------------------------------------------------- */

static void without_a_ca_any_certificate_will_do(void **state)
{
    struct ends *ends = *state;

    serve_identity(ends, "nobody", NULL, "DNS:else.test", 0, YEAR_S);
    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    assert_int_equal(tls_write(ends->tls, "x", 1), 1);
    assert_server_hears(ends, "x");
}

static void with_a_ca_its_certificates_are_accepted(void **state)
{
    struct ends *ends = *state;

    assert_int_equal(connect_to(ends, NAME), TLS_VERDICT_DONE);
}

static void a_certificate_that_is_given_as_the_ca_is_accepted_itself(void **state)
{
    struct ends *ends = *state;
    struct tls_config config = { 0 };

    serve(ends, false);
    config.ca = cert_pem(ends->id.cert, ends->pem);
    use(ends, &config);
    dial(ends, NAME);
    assert_int_equal(shake(ends), TLS_VERDICT_DONE);
}

static void a_certificate_of_another_ca_is_refused(void **state)
{
    struct ends *ends = *state;

    serve_identity(ends, "an impostor", NULL, SAN, NOW_S, NOW_S + YEAR_S);
    (void)connect_to(ends, NAME);
    assert_failed(ends, 0x2700,
                  "self-signed certificate (number 0 of its chain: /CN=an impostor, "
                  "valid until 2024-11-13 22:13:20 UTC)");
}

static void a_certificate_for_another_name_is_refused(void **state)
{
    struct ends *ends = *state;

    (void)connect_to(ends, "other.test");
    assert_failed(ends, 0x2700,
                  "it is not for \"other.test\" (number 0 of its chain: "
                  "/CN=the server, valid until 2024-11-13");
}

static void an_address_must_be_in_the_certificate_as_an_address(void **state)
{
    struct ends *ends = *state;

    assert_int_equal(connect_to(ends, ADDRESS), TLS_VERDICT_DONE);
    hang_up(ends);
    serve_identity(ends, "texts", &ends->ca, "DNS:" ADDRESS, NOW_S, NOW_S + YEAR_S);
    (void)connect_to(ends, ADDRESS);
    assert_failed(ends, 0x2700, "it is not for \"" ADDRESS "\"");
}

static void an_integer_address_is_looked_for_too(void **state)
{
    struct ends *ends = *state;

    assert_int_equal(connect_to(ends, NULL), TLS_VERDICT_DONE);
    hang_up(ends);
    serve_identity(ends, "names", &ends->ca, "DNS:" NAME, NOW_S, NOW_S + YEAR_S);
    (void)connect_to(ends, NULL);
    assert_failed(ends, 0x2700, "it is not for \"" ADDRESS "\"");
}

static void a_certificate_out_of_date_is_accepted_and_told_of(void **state)
{
    struct ends *ends = *state;
    char why[TLS_WHY_MAX] = "";

    serve_identity(ends, "an old one", &ends->ca, SAN, 1000000000, 1000000060);
    assert_int_equal(connect_to(ends, NAME), TLS_VERDICT_DONE);
    assert_true(tls_date_problem(ends->tls, NOW_S, why));
    assert_string_equal(why, "the certificate /CN=an old one has expired: 2001-09-09 01:47:40 UTC");
    assert_true(tls_date_problem(ends->tls, 999999999, why));
    assert_non_null(strstr(why, "is not valid before"));
}

static void where_nothing_is_verified_no_date_is_looked_at(void **state)
{
    struct ends *ends = *state;
    char why[TLS_WHY_MAX];

    serve_identity(ends, "an old one", &ends->ca, SAN, 1000000000, 1000000060);
    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    assert_false(tls_date_problem(ends->tls, NOW_S, why));
}

/* ---- what is sent of the name ------------------------------------------------------------------ */

static void the_name_is_sent_as_it_is_given_and_no_integer_is(void **state)
{
    static const char *const names[] = { NAME, ADDRESS, NULL };
    struct ends *ends = *state;

    for (int i = 0; i < ARRAY_LEN(names); i++) {
        const char *sent;

        assert_int_equal(connect_to(ends, names[i]), TLS_VERDICT_DONE);
        sent = SSL_get_servername(ends->server, TLSEXT_NAMETYPE_host_name);
        if (names[i]) {
            assert_string_equal(sent, names[i]);
        } else {
            assert_null(sent);
        }
        hang_up(ends);
    }
}

/* ---- versions --------------------------------------------------------------------------------- */

static void tls_1_3_is_spoken_only_where_the_board_allows_it(void **state)
{
    struct ends *ends = *state;
    char text[TLS_WHY_MAX];

    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    assert_non_null(strstr(tls_describe(ends->tls, text), "TLSv1.2, ECDHE-ECDSA-"));
    hang_up(ends);
    tls_env_fini(ends->env);
    tls_env_init(ends->env, &ends->fake->device.log);
    ends->env->allows_1_3 = true;
    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    assert_non_null(strstr(tls_describe(ends->tls, text), "TLSv1.3"));
}

static void old_servers_are_spoken_to(void **state)
{
    static const struct {
        int version;
        const char *text;
    } versions[] = { { TLS1_VERSION, "TLSv1," }, { TLS1_1_VERSION, "TLSv1.1," } };
    struct ends *ends = *state;
    char text[TLS_WHY_MAX];

    for (int i = 0; i < ARRAY_LEN(versions); i++) {
        serve(ends, false);
        (void)SSL_set_max_proto_version(ends->server, versions[i].version);
        assert_int_equal(connect_to(ends, NAME), TLS_VERDICT_DONE);
        assert_non_null(strstr(tls_describe(ends->tls, text), versions[i].text));
        hang_up(ends);
    }
}

static void a_server_of_tls_1_3_alone_ends_it(void **state)
{
    struct ends *ends = *state;

    serve(ends, false);
    (void)SSL_set_min_proto_version(ends->server, TLS1_3_VERSION);
    (void)connect_plainly(ends);
    assert_failed(ends, 0x7780, "the peer ended it with the alert \"protocol version\"");
}

/* ---- data --------------------------------------------------------------------------------------- */

static void records_are_read_one_by_one(void **state)
{
    static char plain[PLAIN_MAX], got[PLAIN_MAX];
    static const ssize_t lens[] = { 16384, 16384, 7232, 0 };
    struct ends *ends = *state;

    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    assert_int_equal(SSL_write(ends->server, plain, 40000), 40000);
    for (int i = 0; i < ARRAY_LEN(lens); i++) {
        assert_int_equal(tls_pending(ends->tls), lens[i]);
        assert_int_equal(tls_read(ends->tls, got, sizeof(got)), lens[i]);
    }
}

static void what_is_left_of_a_record_stays(void **state)
{
    struct ends *ends = *state;
    char got[4];

    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    server_says(ends, "hello");
    server_says(ends, "world");
    assert_int_equal(tls_read(ends->tls, got, 0), 0);
    assert_int_equal(tls_read(ends->tls, got, 2), 2);
    assert_memory_equal(got, "he", 2);
    assert_int_equal(tls_pending(ends->tls), 3);
    assert_reads(ends, "llo");
    assert_int_equal(tls_pending(ends->tls), 5);
    assert_reads(ends, "world");
    assert_false(tls_has_pending(ends->tls));
}

static void half_a_record_is_nothing_yet(void **state)
{
    struct ends *ends = *state;
    uint8_t record[256];
    size_t len;

    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    server_says(ends, "hello");
    len = ends->down.bytes.len;
    assert_true(len < sizeof(record));
    memcpy(record, byteq_front(&ends->down.bytes), len);
    wire_clear(&ends->down);
    for (size_t i = 0; i + 1 < len; i++) {
        byteq_append(&ends->down.bytes, record + i, 1);
        assert_int_equal(tls_pending(ends->tls), 0);
    }
    byteq_append(&ends->down.bytes, record + len - 1, 1);
    assert_int_equal(tls_pending(ends->tls), 5);
    assert_reads(ends, "hello");
}

static void data_that_comes_with_the_last_flight_is_seen(void **state)
{
    struct ends *ends = *state;

    serve(ends, false);
    use(ends, &(struct tls_config){ 0 });
    dial(ends, NAME);
    assert_int_equal(tls_handshake(ends->tls), TLS_VERDICT_MORE);
    (void)SSL_do_handshake(ends->server);
    assert_int_equal(tls_handshake(ends->tls), TLS_VERDICT_MORE);
    assert_int_equal(SSL_do_handshake(ends->server), 1);
    server_says(ends, "hello");
    assert_int_equal(tls_handshake(ends->tls), TLS_VERDICT_DONE);
    assert_true(tls_has_pending(ends->tls));
    assert_reads(ends, "hello");
}

static void a_close_notify_is_the_end_after_what_came_before(void **state)
{
    struct ends *ends = *state;
    char got[16];

    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    server_says(ends, "bye");
    (void)SSL_shutdown(ends->server);
    assert_reads(ends, "bye");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tls_pending(ends->tls), -1);
        assert_int_equal(tls_read(ends->tls, got, sizeof(got)), -1);
        assert_int_equal(tls_code(ends->tls), TLS_CODE_CLOSED);
    }
}

static void an_end_without_close_notify_is_one_too(void **state)
{
    struct ends *ends = *state;

    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    server_says(ends, "bye");
    ends->down.is_over = true;
    assert_reads(ends, "bye");
    assert_int_equal(tls_pending(ends->tls), -1);
}

static void nothing_is_said_when_it_is_freed(void **state)
{
    struct ends *ends = *state;

    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    wire_clear(&ends->up);
    tls_free(ends->tls);
    ends->tls = NULL;
    assert_int_equal(ends->up.bytes.len, 0);
}

static void a_record_that_was_changed_breaks_it_for_good(void **state)
{
    static const uint8_t record[] = { 23, 3, 3, 0, 32, 1, 2, 3, 4 };
    struct ends *ends = *state;
    const uint8_t zeros[32 - 4] = { 0 };

    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    byteq_append(&ends->down.bytes, record, sizeof(record));
    byteq_append(&ends->down.bytes, zeros, sizeof(zeros));
    assert_int_equal(tls_pending(ends->tls), -1);
    assert_non_null(strstr(tls_why(ends->tls), "changed on its way"));
    assert_int_equal(tls_code(ends->tls), 0x7180);
    server_says(ends, "hello");
    assert_int_equal(tls_pending(ends->tls), -1);
    assert_int_equal(tls_write(ends->tls, "x", 1), -EPIPE);
    assert_non_null(strstr(tls_why(ends->tls), "changed on its way"));
}

static void a_network_that_does_not_send_breaks_it(void **state)
{
    struct ends *ends = *state;

    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    ends->up.error = ECONNRESET;
    assert_int_equal(tls_write(ends->tls, "x", 1), -EPIPE);
    assert_int_equal(tls_code(ends->tls), 0x4e);
}

static void what_is_written_while_the_peer_renegotiates_comes_after(void **state)
{
    struct ends *ends = *state;
    char got[16];

    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    assert_int_equal(SSL_renegotiate(ends->server), 1);
    assert_int_equal(SSL_do_handshake(ends->server), 1); /* the request for it */
    assert_int_equal(tls_pending(ends->tls), 0);         /* and our hello */
    assert_int_equal(tls_write(ends->tls, "while ", 6), 6);
    assert_int_equal(tls_write(ends->tls, "waiting", 7), 7);
    for (int i = 0; i < TURNS_MAX && SSL_read(ends->server, got, 1) <= 0; i++)
        assert_int_equal(tls_pending(ends->tls), 0);
    assert_int_equal(got[0], 'w');
    assert_server_hears(ends, "hile waiting");
    server_says(ends, "fine");
    assert_reads(ends, "fine");
}

/* ---- handshakes that fail ------------------------------------------------------------------------ */

static void a_peer_that_does_not_speak_tls_is_told_from_one_that_does(void **state)
{
    struct ends *ends = *state;

    serve(ends, false);
    byteq_append(&ends->down.bytes, "220 mail.test ESMTP\r\n", 21);
    (void)connect_plainly(ends);
    assert_failed(ends, 0x7200, "what the peer sends is not TLS");
}

static void a_peer_that_hangs_up_is_said_to(void **state)
{
    struct ends *ends = *state;

    serve(ends, false);
    ends->down.is_over = true;
    use(ends, &(struct tls_config){ 0 });
    dial(ends, NAME);
    ends->verdict = tls_handshake(ends->tls);
    assert_failed(ends, 0x7280, "the peer closed the connection (the handshake had come to ");
}

static void a_break_below_has_its_own_words(void **state)
{
    struct ends *ends = *state;

    serve(ends, false);
    use(ends, &(struct tls_config){ 0 });
    dial(ends, NAME);
    tls_fail(ends->tls, ECONNRESET);
    assert_non_null(strstr(tls_why(ends->tls), "the connection broke: Connection reset by peer"));
    tls_fail(ends->tls, ETIMEDOUT);
    assert_non_null(strstr(tls_why(ends->tls), "the peer does not answer in time"));
    assert_int_equal(tls_code(ends->tls), 0x6800);
}

static void a_server_that_wants_a_certificate_and_gets_none_ends_it(void **state)
{
    struct ends *ends = *state;

    serve(ends, false);
    SSL_set_verify(ends->server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    (void)connect_plainly(ends);
    assert_failed(ends, 0x7780, "the alert \"handshake failure\"");
}

/* ---- certificates and keys, as they are given ------------------------------------------------------ */

static void assert_problem(const struct ends *ends, enum tls_problem problem, const char *why)
{
    assert_int_equal(ends->problem, problem);
    if (!strstr(ends->why, why))
        fail_msg("\"%s\" is not in \"%s\"", why, ends->why);
}

static void a_ca_is_pem_or_der_or_a_bundle(void **state)
{
    struct ends *ends = *state;
    struct tls_config config = { 0 };
    char second[BLOB_CAP], bundle[3 * BLOB_CAP];

    for (int form = 0; form < 3; form++) {
        (void)cert_pem(ends->id.cert, second);
        config.ca =
            form == 1 ? cert_der(ends->ca.cert, ends->pem) : cert_pem(ends->ca.cert, ends->pem);
        if (form == 2) {
            (void)snprintf(bundle, sizeof(bundle), "two of them:\r\n%s\n%s", second, ends->pem);
            config.ca = blob_of(bundle);
        }
        serve(ends, false);
        use(ends, &config);
        assert_int_equal(ends->problem, TLS_PROBLEM_NONE);
        dial(ends, NAME);
        assert_int_equal(shake(ends), TLS_VERDICT_DONE);
        hang_up(ends);
    }
}

static void a_ca_that_is_none_is_told_of_and_nobody_is_trusted(void **state)
{
    struct ends *ends = *state;
    char broken[2 * BLOB_CAP];

    (void)cert_pem(ends->ca.cert, ends->pem);
    (void)snprintf(broken, sizeof(broken), "%s%.100s", ends->pem, ends->pem); /* half of a second */
    const struct tls_blob huge = { .data = xcalloc(1, TLS_BLOB_MAX + 2), .len = TLS_BLOB_MAX + 2 };
    const struct tls_blob none[] = {
        blob_of(""),
        blob_of("rubbish"),
        blob_of("-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n"),
        blob_of(broken),
        { .data = "\x30\x82\x01\x00", .len = 4 },
        { .data = ends->pem, .len = 30 },
        huge,
    };
    for (int i = 0; i < ARRAY_LEN(none); i++) {
        const struct tls_config config = { .ca = none[i] };

        serve(ends, false);
        use(ends, &config);
        assert_problem(ends, TLS_PROBLEM_CA,
                       "the CA certificate can't be used: it is no "
                       "certificate in PEM or DER, or only in part");
        dial(ends, NAME);
        (void)shake(ends);
        assert_failed(ends, 0x2700, "unable to get local issuer certificate");
        hang_up(ends);
    }
    free((void *)(uintptr_t)huge.data); /* NOLINT(performance-no-int-to-ptr) */
}

static void a_client_shows_its_certificate_in_every_form(void **state)
{
    struct ends *ends = *state;
    char cert[BLOB_CAP], key[BLOB_CAP];
    struct identity client;

    make_identity(&client, "a client", &ends->ca, "DNS:client.test", NOW_S, NOW_S + YEAR_S);
    for (int form = 0; form < 4; form++) {
        bool is_der = form & 1, is_encrypted = form & 2;
        const char *password = is_encrypted ? SECRET : NULL;
        const struct tls_config config = {
            .cert = is_der ? cert_der(client.cert, cert) : cert_pem(client.cert, cert),
            .key = is_der ? key_der(client.key, password, key) : key_pem(client.key, password, key),
            .password = is_encrypted ? blob_of(SECRET) : (struct tls_blob){ 0 },
        };

        serve(ends, false);
        SSL_set_verify(ends->server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        (void)X509_STORE_add_cert(SSL_CTX_get_cert_store(ends->server_ctx), ends->ca.cert);
        (void)X509_VERIFY_PARAM_set_flags(SSL_get0_param(ends->server), X509_V_FLAG_NO_CHECK_TIME);
        use(ends, &config);
        assert_problem(ends, TLS_PROBLEM_NONE, "");
        dial(ends, NAME);
        assert_int_equal(shake(ends), TLS_VERDICT_DONE);
        assert_int_equal(X509_cmp(SSL_get0_peer_certificate(ends->server), client.cert), 0);
        hang_up(ends);
    }
    free_identity(&client);
}

static void a_key_that_can_not_be_used_is_told_of(void **state)
{
    struct ends *ends = *state;
    char cert[BLOB_CAP], key[BLOB_CAP], other[BLOB_CAP], sealed[BLOB_CAP], sealed_der[BLOB_CAP];
    const struct tls_blob cert_blob = cert_pem(ends->id.cert, cert);
    const struct tls_blob sealed_der_blob = key_der(ends->id.key, SECRET, sealed_der);

    (void)key_pem(ends->ca.key, NULL, other);
    (void)key_pem(ends->id.key, NULL, key);
    (void)key_pem(ends->id.key, SECRET, sealed);
    const struct {
        struct tls_config config;
        enum tls_problem problem;
        const char *why;
    } rows[] = {
        { { .cert = cert_blob, .key = blob_of(key) }, TLS_PROBLEM_NONE, "" },
        { { .cert = cert_blob }, TLS_PROBLEM_KEY, "there is none" },
        { { .cert = cert_blob, .key = blob_of("") }, TLS_PROBLEM_KEY, "it is no key" },
        { { .cert = cert_blob, .key = blob_of("rubbish") }, TLS_PROBLEM_KEY, "it is no key" },
        { { .cert = cert_blob, .key = cert_blob }, TLS_PROBLEM_KEY, "it is no key" },
        { { .cert = cert_blob, .key = blob_of(other) },
          TLS_PROBLEM_KEY,
          "it belongs to another certificate" },
        { { .cert = cert_blob, .key = blob_of(sealed) },
          TLS_PROBLEM_KEY,
          "it is encrypted, and there is no password" },
        { { .cert = cert_blob, .key = sealed_der_blob },
          TLS_PROBLEM_KEY,
          "it is encrypted, and there is no password" },
        { { .cert = cert_blob, .key = blob_of(sealed), .password = blob_of("wrong") },
          TLS_PROBLEM_KEY,
          "it is encrypted, and the password does not open it" },
        { { .cert = cert_blob, .key = sealed_der_blob, .password = blob_of("") },
          TLS_PROBLEM_KEY,
          "it is encrypted, and the password does not open it" },
        { { .cert = blob_of("rubbish"), .key = blob_of(key) },
          TLS_PROBLEM_CERT,
          "the client certificate can't be used" },
    };
    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        use(ends, &rows[i].config);
        assert_problem(ends, rows[i].problem, rows[i].why);
        hang_up(ends);
    }
}

/* ---- contexts ------------------------------------------------------------------------------------- */

static void equal_configurations_share_a_context(void **state)
{
    struct ends *ends = *state;
    struct tls_config config = { .ca = cert_pem(ends->ca.cert, ends->pem) };
    struct tls_context *first, *second, *other;

    first = tls_context_get(ends->env, &config, &ends->problem, ends->why);
    second = tls_context_get(ends->env, &config, &ends->problem, ends->why);
    assert_ptr_equal(first, second);
    config.is_dtls = true;
    other = tls_context_get(ends->env, &config, &ends->problem, ends->why);
    assert_ptr_not_equal(first, other);
    tls_context_put(first);
    tls_context_put(second);
    tls_context_put(other);
}

static void only_so_many_unused_contexts_are_kept(void **state)
{
    struct ends *ends = *state;
    struct tls_context *used = NULL;
    int kept = 0;

    for (int i = 0; i < 3 * TLS_CONTEXTS_MAX; i++) {
        struct tls_config config = { .is_dtls = true, .psk = blob_of(PSK) };
        struct tls_context *context;
        char id[16];

        (void)snprintf(id, sizeof(id), "device-%d", i);
        config.psk_id = blob_of(id);
        context = tls_context_get(ends->env, &config, &ends->problem, ends->why);
        if (i == 0) {
            used = context; /* the oldest one, but in use */
        } else {
            tls_context_put(context);
        }
    }
    for (struct tls_context *context = ends->env->contexts; context; context = context->next)
        kept += context != used;
    assert_int_equal(kept, TLS_CONTEXTS_MAX);
    tls_context_put(used);
}

/* ---- logs -------------------------------------------------------------------------------------------- */

static void secrets_go_to_the_key_log(void **state)
{
    struct ends *ends = *state;
    char *text;

    ends->env->keylog_fd = memfd_create("keylog", MFD_CLOEXEC);
    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    text = fake_read_all(ends->env->keylog_fd);
    assert_int_equal(strncmp(text, "CLIENT_RANDOM ", 14), 0);
    assert_int_equal(strlen(text), 14 + 64 + 1 + 96 + 1);
    free(text);
    close(ends->env->keylog_fd);
    ends->env->keylog_fd = -1;
}

static void a_key_log_that_can_not_be_written_is_given_up(void **state)
{
    struct ends *ends = *state;
    char *voice;
    int pipe_fds[2];

    assert_int_equal(pipe(pipe_fds), 0);
    close(pipe_fds[1]);
    ends->env->keylog_fd = pipe_fds[0]; /* the end that only reads */
    assert_int_equal(connect_plainly(ends), TLS_VERDICT_DONE);
    assert_int_equal(ends->env->keylog_fd, -1);
    close(pipe_fds[0]);
    voice = fake_read_all(ends->fake->voice_fd);
    assert_non_null(strstr(voice, "the key log can't be written any more: "));
    free(voice);
}

static char *log_at(struct ends *ends, int level)
{
    ends->env->log_level = level;
    serve(ends, false);
    SSL_set_verify(ends->server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    assert_int_equal(ftruncate(ends->fake->log_fd, 0), 0);
    assert_int_equal(lseek(ends->fake->log_fd, 0, SEEK_SET), 0);
    (void)connect_plainly(ends);
    hang_up(ends);
    return fake_read_all(ends->fake->log_fd);
}

static void the_log_says_as_much_as_the_level_asks_for(void **state)
{
    static const struct {
        const char *line;
        int from;
    } lines[] = {
        { "received fatal alert: handshake failure", 1 },
        { "D/ssl the peer ended it with the alert \"handshake failure\"", 1 },
        { "D/ssl SSLv3/TLS read server hello", 2 },
        { "D/ssl receive server hello, ", 3 },
        { "D/ssl send client hello, ", 3 },
        { " bytes 02 00 ", 4 },
    };
    struct ends *ends = *state;

    for (int level = 0; level <= 4; level++) {
        char *text = log_at(ends, level);

        for (int i = 0; i < ARRAY_LEN(lines); i++) {
            if ((strstr(text, lines[i].line) != NULL) != (level >= lines[i].from))
                fail_msg("level %d, \"%s\" in:\n%s", level, lines[i].line, text);
        }
        free(text);
    }
}

/* ---- DTLS --------------------------------------------------------------------------------------------- */

static void dial_dtls(struct ends *ends)
{
    serve(ends, true);
    use(ends, &(struct tls_config){ .is_dtls = true });
    dial(ends, NAME);
}

static void dtls_answers_with_the_cookie_it_was_given(void **state)
{
    struct ends *ends = *state;
    char text[TLS_WHY_MAX];

    dial_dtls(ends);
    (void)SSL_set_options(ends->server, SSL_OP_COOKIE_EXCHANGE);
    assert_int_equal(shake(ends), TLS_VERDICT_DONE);
    assert_non_null(strstr(tls_describe(ends->tls, text), "DTLSv1.2, "));
}

static void dtls_1_0_is_spoken_to_old_servers(void **state)
{
    struct ends *ends = *state;
    char text[TLS_WHY_MAX];

    dial_dtls(ends);
    (void)SSL_set_max_proto_version(ends->server, DTLS1_VERSION);
    assert_int_equal(shake(ends), TLS_VERDICT_DONE);
    assert_non_null(strstr(tls_describe(ends->tls, text), "DTLSv1, "));
}

static void a_datagram_is_read_as_a_whole(void **state)
{
    struct ends *ends = *state;
    char got[4];

    dial_dtls(ends);
    assert_int_equal(shake(ends), TLS_VERDICT_DONE);
    server_says(ends, "hello");
    server_says(ends, "world");
    assert_int_equal(tls_pending(ends->tls), 5);
    assert_int_equal(tls_read(ends->tls, got, 2), 2);
    assert_memory_equal(got, "he", 2);
    assert_reads(ends, "world");
    server_says(ends, "gone");
    assert_int_equal(tls_read(ends->tls, NULL, 0), 0);
    assert_int_equal(tls_pending(ends->tls), 0);
}

static void a_close_notify_ends_dtls_too(void **state)
{
    struct ends *ends = *state;

    dial_dtls(ends);
    assert_int_equal(shake(ends), TLS_VERDICT_DONE);
    server_says(ends, "bye");
    (void)SSL_shutdown(ends->server);
    assert_reads(ends, "bye");
    assert_int_equal(tls_pending(ends->tls), -1);
    assert_int_equal(tls_code(ends->tls), TLS_CODE_CLOSED);
}

static void datagrams_that_are_not_the_peers_change_nothing(void **state)
{
    struct ends *ends = *state;
    uint8_t noise[200] = { 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 100, 2 };

    dial_dtls(ends);
    assert_int_equal(tls_handshake(ends->tls), TLS_VERDICT_MORE);
    assert_int_equal(wire_send(&ends->down, noise, 0), 0);
    assert_int_equal(wire_send(&ends->down, "x", 1), 1);
    assert_int_equal(wire_send(&ends->down, noise, DTLS_HEADER), DTLS_HEADER);
    assert_int_equal(tls_handshake(ends->tls), TLS_VERDICT_MORE);
    assert_int_equal(shake(ends), TLS_VERDICT_DONE);
    noise[0] = 23;
    assert_int_equal(wire_send(&ends->down, noise, 0), 0);
    assert_int_equal(wire_send(&ends->down, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    assert_int_equal(wire_send(&ends->down, noise, sizeof(noise)), sizeof(noise));
    assert_int_equal(tls_pending(ends->tls), 0);
    server_says(ends, "hello");
    assert_reads(ends, "hello");
}

static void a_lost_flight_is_sent_again_after_2_4_8_seconds(void **state)
{
    struct ends *ends = *state;
    size_t first_len;

    dial_dtls(ends);
    assert_int_equal(tls_handshake(ends->tls), TLS_VERDICT_MORE);
    first_len = ends->up.bytes.len;
    for (int64_t wait_s = 2; wait_s <= 8; wait_s *= 2) {
        assert_int_equal(tls_timeout_us(ends->tls), wait_s * US_PER_S);
        wire_clear(&ends->up);
        fake_now_us += (wait_s - 1) * US_PER_S;
        assert_int_equal(tls_on_timeout(ends->tls), TLS_VERDICT_MORE);
        assert_int_equal(ends->up.dgrams, 0);
        fake_now_us += US_PER_S;
        assert_int_equal(tls_on_timeout(ends->tls), TLS_VERDICT_MORE);
        assert_int_equal(ends->up.bytes.len, first_len);
    }
    assert_int_equal(shake(ends), TLS_VERDICT_DONE);
    assert_int_equal(tls_timeout_us(ends->tls), UINT64_MAX);
}

static void a_peer_that_never_answers_is_given_up_in_the_end(void **state)
{
    struct ends *ends = *state;
    int tries = 0;

    dial_dtls(ends);
    assert_int_equal(tls_handshake(ends->tls), TLS_VERDICT_MORE);
    do {
        assert_true(tls_timeout_us(ends->tls) <= 60 * (uint64_t)US_PER_S);
        fake_now_us += (int64_t)tls_timeout_us(ends->tls);
        wire_clear(&ends->up);
        ends->verdict = tls_on_timeout(ends->tls);
    } while (ends->verdict == TLS_VERDICT_MORE && ++tries < 100);
    assert_failed(ends, 0x6800, "the peer does not answer in time");
}

/* ---- PSK ------------------------------------------------------------------------------------------------ */

static enum tls_verdict connect_by_psk(struct ends *ends, const char *psk, const char *id)
{
    const struct tls_config config = { .is_dtls = true,
                                       .psk = blob_of(psk),
                                       .psk_id = blob_of(id) };

    serve(ends, true);
    SSL_set_psk_server_callback(ends->server, check_psk);
    use(ends, &config);
    dial(ends, NAME);
    return shake(ends);
}

static void a_key_that_both_have_is_enough(void **state)
{
    struct ends *ends = *state;
    char text[TLS_WHY_MAX];

    assert_int_equal(connect_by_psk(ends, PSK, PSK_ID), TLS_VERDICT_DONE);
    assert_non_null(strstr(tls_describe(ends->tls, text), "PSK"));
    assert_int_equal(tls_write(ends->tls, "x", 1), 1);
    assert_server_hears(ends, "x");
}

static void a_key_or_name_that_the_server_does_not_know_is_refused(void **state)
{
    struct ends *ends = *state;

    assert_int_not_equal(connect_by_psk(ends, PSK, "device-2"), TLS_VERDICT_DONE);
    hang_up(ends);
    assert_int_not_equal(connect_by_psk(ends, "another key", PSK_ID), TLS_VERDICT_DONE);
}

static void with_a_key_no_certificate_will_do_instead(void **state)
{
    struct ends *ends = *state;
    const struct tls_config config = { .is_dtls = true,
                                       .psk = blob_of(PSK),
                                       .psk_id = blob_of(PSK_ID) };

    serve(ends, true);
    use(ends, &config);
    dial(ends, NAME);
    (void)shake(ends);
    assert_failed(ends, 0x7780, "the alert \"handshake failure\"");
}

static void a_key_or_name_that_can_not_be_sent_is_told_of(void **state)
{
    struct ends *ends = *state;
    static char longer[1000];
    struct tls_config config = { .is_dtls = true, .psk = blob_of("") };

    memset(longer, 'x', sizeof(longer));
    use(ends, &config);
    assert_problem(ends, TLS_PROBLEM_PSK, "it is empty");
    hang_up(ends);
    config.psk = (struct tls_blob){ .data = longer, .len = sizeof(longer) };
    use(ends, &config);
    assert_problem(ends, TLS_PROBLEM_PSK, "the pre-shared key can't be used: it is too long");
    hang_up(ends);
    config.psk = blob_of(PSK);
    config.psk_id = (struct tls_blob){ .data = longer, .len = sizeof(longer) };
    use(ends, &config);
    assert_problem(ends, TLS_PROBLEM_PSK, "name can't be used: it is too long");
    hang_up(ends);
    config.psk_id = (struct tls_blob){ .data = "a\0b", .len = 3 };
    use(ends, &config);
    assert_problem(ends, TLS_PROBLEM_PSK, "it has a zero byte");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_ca_any_certificate_will_do),
        TEST(with_a_ca_its_certificates_are_accepted),
        TEST(a_certificate_that_is_given_as_the_ca_is_accepted_itself),
        TEST(a_certificate_of_another_ca_is_refused),
        TEST(a_certificate_for_another_name_is_refused),
        TEST(an_address_must_be_in_the_certificate_as_an_address),
        TEST(an_integer_address_is_looked_for_too),
        TEST(a_certificate_out_of_date_is_accepted_and_told_of),
        TEST(where_nothing_is_verified_no_date_is_looked_at),
        TEST(the_name_is_sent_as_it_is_given_and_no_integer_is),
        TEST(tls_1_3_is_spoken_only_where_the_board_allows_it),
        TEST(old_servers_are_spoken_to),
        TEST(a_server_of_tls_1_3_alone_ends_it),
        TEST(records_are_read_one_by_one),
        TEST(what_is_left_of_a_record_stays),
        TEST(half_a_record_is_nothing_yet),
        TEST(data_that_comes_with_the_last_flight_is_seen),
        TEST(a_close_notify_is_the_end_after_what_came_before),
        TEST(an_end_without_close_notify_is_one_too),
        TEST(nothing_is_said_when_it_is_freed),
        TEST(a_record_that_was_changed_breaks_it_for_good),
        TEST(a_network_that_does_not_send_breaks_it),
        TEST(what_is_written_while_the_peer_renegotiates_comes_after),
        TEST(a_peer_that_does_not_speak_tls_is_told_from_one_that_does),
        TEST(a_peer_that_hangs_up_is_said_to),
        TEST(a_break_below_has_its_own_words),
        TEST(a_server_that_wants_a_certificate_and_gets_none_ends_it),
        TEST(a_ca_is_pem_or_der_or_a_bundle),
        TEST(a_ca_that_is_none_is_told_of_and_nobody_is_trusted),
        TEST(a_client_shows_its_certificate_in_every_form),
        TEST(a_key_that_can_not_be_used_is_told_of),
        TEST(equal_configurations_share_a_context),
        TEST(only_so_many_unused_contexts_are_kept),
        TEST(secrets_go_to_the_key_log),
        TEST(a_key_log_that_can_not_be_written_is_given_up),
        TEST(the_log_says_as_much_as_the_level_asks_for),
        TEST(dtls_answers_with_the_cookie_it_was_given),
        TEST(dtls_1_0_is_spoken_to_old_servers),
        TEST(a_datagram_is_read_as_a_whole),
        TEST(a_close_notify_ends_dtls_too),
        TEST(datagrams_that_are_not_the_peers_change_nothing),
        TEST(a_lost_flight_is_sent_again_after_2_4_8_seconds),
        TEST(a_peer_that_never_answers_is_given_up_in_the_end),
        TEST(a_key_that_both_have_is_enough),
        TEST(a_key_or_name_that_the_server_does_not_know_is_refused),
        TEST(with_a_key_no_certificate_will_do_instead),
        TEST(a_key_or_name_that_can_not_be_sent_is_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
