#include "emu/tls.h"

#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "emu/log.h"
#include "emu/tls_priv.h"
#include "emu/util.h"

#define US_PER_S        1000000
#define DTLS_MTU        1400    /* bytes of a datagram: the document's 1460 less room for tunnels */
#define DTLS_FIRST_US   2000000 /* mbedTLS on a module: 2 s, doubled up to 60 s */
#define DTLS_LONGEST_US 60000000
#define SUBJECT_MAX     160
#define TIME_MAX        64
#define HEX_SHOWN       16 /* bytes of a message that level 4 shows */

/* What a module's log says, mbedTLS's error numbers made positive. */
enum mbedtls_code {
    CODE_SEND_FAILED = 0x4e,
    CODE_VERIFY_FAILED = 0x2700,
    CODE_INTERNAL = 0x6c00,
    CODE_BAD_VERSION = 0x6e80,
    CODE_HANDSHAKE_FAILURE = 0x6e00,
    CODE_INVALID_RECORD = 0x7200,
    CODE_EOF = 0x7280,
    CODE_FATAL_ALERT = 0x7780,
    CODE_TIMEOUT = 0x6800,
};

/* sslLog's levels. */
enum { SSL_LOG_ERRORS = 1, SSL_LOG_STATES, SSL_LOG_MESSAGES, SSL_LOG_BYTES };

struct tls {
    struct tls_context *context;
    SSL *ssl;
    struct tls_io io;
    bool send_failed;
    unsigned code;
    int alert; /* the last one that came; -1: none */
    int verify_error, verify_depth;
    char verify_subject[SUBJECT_MAX];
    char why[TLS_WHY_MAX];
};

static void tls_log(const struct tls *tls, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void tls_log(const struct tls *tls, int level, const char *format, ...)
{
    const struct tls_env *env = tls->context->env;
    char text[TLS_WHY_MAX];
    va_list args;

    if (level > env->log_level)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_firmware(env->log, LOG_LEVEL_DEBUG, "ssl", "%s", text);
}

/* ---- OpenSSL's view of the network --------------------------------------------------------------- */

static int bio_read(BIO *bio, char *data, int cap)
{
    struct tls *tls = BIO_get_data(bio);
    ssize_t n = tls->io.recv(tls->io.ctx, data, (size_t)cap);

    BIO_clear_retry_flags(bio);
    if (n == -EAGAIN)
        BIO_set_retry_read(bio);
    return n > 0 ? (int)n : n == -EAGAIN ? -1 : 0;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct tls *tls = BIO_get_data(bio);
    ssize_t n = tls->io.send(tls->io.ctx, data, (size_t)len);

    BIO_clear_retry_flags(bio);
    if (n >= 0)
        return len;
    tls->send_failed = true;
    return -1;
}

static long bio_ctrl(BIO *bio, int what, long number, void *ptr)
{
    (void)bio;
    (void)number;
    (void)ptr;
    switch (what) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return DTLS_MTU;
    default:
        return 0;
    }
}

static BIO *new_bio(struct tls_env *env, struct tls *tls)
{
    BIO *bio;

    if (!env->bio_method) {
        env->bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "adapter");
        if (!env->bio_method)
            return NULL;
        BIO_meth_set_read(env->bio_method, bio_read);
        BIO_meth_set_write(env->bio_method, bio_write);
        BIO_meth_set_ctrl(env->bio_method, bio_ctrl);
    }
    bio = BIO_new(env->bio_method);
    if (!bio)
        return NULL;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- what OpenSSL tells on its way ------------------------------------------------------------------ */

int tls_on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);

    if (ok || tls->verify_error != X509_V_OK)
        return ok;
    tls->verify_error = X509_STORE_CTX_get_error(store);
    tls->verify_depth = X509_STORE_CTX_get_error_depth(store);
    if (cert)
        (void)X509_NAME_oneline(X509_get_subject_name(cert), tls->verify_subject,
                                sizeof(tls->verify_subject));
    return ok;
}

static void on_info(const SSL *ssl, int where, int value)
{
    struct tls *tls = SSL_get_app_data(ssl);

    if (where & SSL_CB_ALERT) {
        if (where & SSL_CB_READ)
            tls->alert = value & 0xff;
        tls_log(tls, SSL_LOG_ERRORS, "%s %s alert: %s", where & SSL_CB_READ ? "received" : "sent",
                SSL_alert_type_string_long(value), SSL_alert_desc_string_long(value));
    } else if (where & SSL_CB_LOOP || where & SSL_CB_HANDSHAKE_DONE) {
        tls_log(tls, SSL_LOG_STATES, "%s", SSL_state_string_long(ssl));
    }
}

static const char *handshake_name(unsigned type)
{
    switch (type) {
    case SSL3_MT_HELLO_REQUEST:
        return "hello request";
    case SSL3_MT_CLIENT_HELLO:
        return "client hello";
    case SSL3_MT_SERVER_HELLO:
        return "server hello";
    case SSL3_MT_NEWSESSION_TICKET:
        return "new session ticket";
    case SSL3_MT_ENCRYPTED_EXTENSIONS:
        return "encrypted extensions";
    case SSL3_MT_CERTIFICATE:
        return "certificate";
    case SSL3_MT_SERVER_KEY_EXCHANGE:
        return "server key exchange";
    case SSL3_MT_CERTIFICATE_REQUEST:
        return "certificate request";
    case SSL3_MT_SERVER_DONE:
        return "server hello done";
    case SSL3_MT_CERTIFICATE_VERIFY:
        return "certificate verify";
    case SSL3_MT_CLIENT_KEY_EXCHANGE:
        return "client key exchange";
    case SSL3_MT_FINISHED:
        return "finished";
    case DTLS1_MT_HELLO_VERIFY_REQUEST:
        return "hello verify request";
    default:
        return "handshake message";
    }
}

static void on_message(int is_sent, int version, int type, const void *data, size_t len, SSL *ssl,
                       void *arg)
{
    const struct tls *tls = SSL_get_app_data(ssl);
    const unsigned char *bytes = data;
    char hex[3 * HEX_SHOWN + 1] = "";

    (void)version;
    (void)arg;
    if (tls->context->env->log_level < SSL_LOG_MESSAGES || type != SSL3_RT_HANDSHAKE || !len)
        return;
    if (tls->context->env->log_level >= SSL_LOG_BYTES)
        for (size_t i = 0; i < len && i < HEX_SHOWN; i++)
            (void)snprintf(hex + 3 * i, 4, " %02x", bytes[i]);
    tls_log(tls, SSL_LOG_MESSAGES, "%s %s, %zu bytes%s", is_sent ? "send" : "receive",
            handshake_name(bytes[0]), len, hex);
}

static unsigned dtls_wait_us(SSL *ssl, unsigned last_us)
{
    (void)ssl;
    if (!last_us)
        return DTLS_FIRST_US;
    return last_us >= DTLS_LONGEST_US / 2 ? DTLS_LONGEST_US : 2 * last_us;
}

/* ---- life ----------------------------------------------------------------------------------------- */

/* Whom the certificate must be of. */
static bool expect_peer(const struct tls *tls, const char *name, const char *ip)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    size_t len = name ? strlen(name) : 0;

    if (len && len <= TLS_NAME_MAX && SSL_set_tlsext_host_name(tls->ssl, name) != 1)
        return false;
    if (!tls->context->config.ca.data)
        return true;
    if (X509_VERIFY_PARAM_set1_ip_asc(param, name ? name : ip) == 1)
        return true; /* an address must be in the certificate as an address */
    ERR_clear_error();
    return SSL_set1_host(tls->ssl, name ? name : ip) == 1;
}

struct tls *tls_new(struct tls_context *context, const char *name, const char *ip,
                    const struct tls_io *io)
{
    struct tls *tls = xcalloc(1, sizeof(*tls));
    BIO *bio;

    tls->context = context;
    context->users++;
    tls->io = *io;
    tls->alert = -1;
    tls->verify_error = X509_V_OK;
    tls->ssl = context->ctx ? SSL_new(context->ctx) : NULL;
    bio = tls->ssl ? new_bio(context->env, tls) : NULL;
    if (!bio)
        goto err;
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_info_callback(tls->ssl, on_info);
    SSL_set_msg_callback(tls->ssl, on_message);
    SSL_set_connect_state(tls->ssl);
    if (context->config.is_dtls) {
        (void)DTLS_set_link_mtu(tls->ssl, DTLS_MTU);
        DTLS_set_timer_cb(tls->ssl, dtls_wait_us);
    }
    if (expect_peer(tls, name, ip))
        return tls;
err:
    ERR_clear_error();
    tls_free(tls);
    return NULL;
}

void tls_free(struct tls *tls)
{
    SSL_free(tls->ssl); /* without a close_notify, as a module */
    tls_context_put(tls->context);
    free(tls);
}

/* ---- failing ---------------------------------------------------------------------------------------- */

static void fail(struct tls *tls, unsigned code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void fail(struct tls *tls, unsigned code, const char *format, ...)
{
    va_list args;

    tls->code = code;
    va_start(args, format);
    (void)vsnprintf(tls->why, sizeof(tls->why), format, args);
    va_end(args);
}

static void fail_verify(struct tls *tls)
{
    fail(tls, CODE_VERIFY_FAILED,
         "the peer's certificate is refused: %s%s%s (number %d of its chain)",
         X509_verify_cert_error_string(tls->verify_error), *tls->verify_subject ? ": " : "",
         tls->verify_subject, tls->verify_depth);
}

/* Put OpenSSL's last error into words. */
static void explain(struct tls *tls, int ssl_error)
{
    unsigned long error = ERR_peek_last_error();
    int reason = ERR_GET_REASON(error);
    const char *text = error ? ERR_reason_error_string(error) : NULL;

    if (tls->send_failed)
        fail(tls, CODE_SEND_FAILED, "the connection broke while sending");
    else if (tls->verify_error != X509_V_OK)
        fail_verify(tls);
    else if (tls->alert >= 0 && ssl_error == SSL_ERROR_SSL && reason >= SSL_AD_REASON_OFFSET)
        fail(tls, CODE_FATAL_ALERT, "the peer ended it with the alert \"%s\"",
             SSL_alert_desc_string_long(tls->alert));
    else if (ssl_error == SSL_ERROR_ZERO_RETURN || ssl_error == SSL_ERROR_SYSCALL ||
             reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        fail(tls, CODE_EOF, "the peer closed the connection");
    else if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
             reason == SSL_R_BAD_RECORD_TYPE || reason == SSL_R_UNEXPECTED_MESSAGE ||
             reason == SSL_R_RECORD_LENGTH_MISMATCH || reason == SSL_R_PACKET_LENGTH_TOO_LONG)
        fail(tls, CODE_INVALID_RECORD, "what the peer sends is not TLS: %s", text);
    else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_WRONG_SSL_VERSION)
        fail(tls, CODE_BAD_VERSION, "the peer and this board have no version in common");
    else
        fail(tls, error ? CODE_HANDSHAKE_FAILURE : CODE_INTERNAL, "%s",
             text ? text : "for no reason that OpenSSL gives");
    tls_log(tls, SSL_LOG_ERRORS, "%s", tls->why);
    ERR_clear_error();
}

/* ---- driving it ---------------------------------------------------------------------------------------- */

enum tls_verdict tls_handshake(struct tls *tls)
{
    int rc, ssl_error;

    ERR_clear_error();
    rc = SSL_do_handshake(tls->ssl);
    if (rc == 1)
        return TLS_VERDICT_DONE;
    ssl_error = SSL_get_error(tls->ssl, rc);
    if (ssl_error == SSL_ERROR_WANT_READ && !tls->send_failed)
        return TLS_VERDICT_MORE;
    explain(tls, ssl_error);
    return TLS_VERDICT_FAILED;
}

uint64_t tls_timeout_us(const struct tls *tls)
{
    struct timeval left;

    if (!tls->context->config.is_dtls || DTLSv1_get_timeout(tls->ssl, &left) != 1)
        return UINT64_MAX;
    return (uint64_t)left.tv_sec * US_PER_S + (uint64_t)left.tv_usec;
}

enum tls_verdict tls_on_timeout(struct tls *tls)
{
    ERR_clear_error();
    if (DTLSv1_handle_timeout(tls->ssl) >= 0)
        return TLS_VERDICT_MORE;
    fail(tls, CODE_TIMEOUT, "the peer does not answer");
    ERR_clear_error();
    return TLS_VERDICT_FAILED;
}

/* The result of SSL_read() or SSL_peek() as tls_read()'s. */
static ssize_t result_of(struct tls *tls, int n)
{
    int ssl_error;

    if (n > 0)
        return n;
    ssl_error = SSL_get_error(tls->ssl, n);
    if (ssl_error == SSL_ERROR_WANT_READ && !tls->send_failed)
        return 0;
    if (ssl_error == SSL_ERROR_ZERO_RETURN)
        fail(tls, 0, "the peer has said that it closes");
    else
        explain(tls, ssl_error);
    ERR_clear_error();
    return -1;
}

ssize_t tls_pending(struct tls *tls)
{
    uint8_t record[TLS_RECORD_MAX];
    int left = SSL_pending(tls->ssl);
    int n;

    if (!tls->context->config.is_dtls && left > 0)
        return left;
    ERR_clear_error();
    n = SSL_peek(tls->ssl, record, tls->context->config.is_dtls ? sizeof(record) : 1);
    if (n <= 0 || tls->context->config.is_dtls)
        return result_of(tls, n);
    return SSL_pending(tls->ssl);
}

ssize_t tls_read(struct tls *tls, void *data, size_t cap)
{
    uint8_t record[TLS_RECORD_MAX];
    ssize_t n;

    ERR_clear_error();
    if (!tls->context->config.is_dtls) {
        if (!cap)
            return 0;
        return result_of(tls, SSL_read(tls->ssl, data,
                                       cap < TLS_RECORD_MAX ? (int)cap : TLS_RECORD_MAX));
    }
    n = result_of(tls, SSL_read(tls->ssl, record, sizeof(record)));
    if (n <= 0)
        return n;
    n = (size_t)n < cap ? n : (ssize_t)cap;
    if (n)
        memcpy(data, record, (size_t)n);
    return n;
}

ssize_t tls_write(struct tls *tls, const void *data, size_t len)
{
    size_t done;

    ERR_clear_error();
    if (!len)
        return 0;
    if (SSL_write_ex(tls->ssl, data, len, &done) == 1 && !tls->send_failed)
        return (ssize_t)done;
    explain(tls, SSL_get_error(tls->ssl, -1));
    return -1;
}

bool tls_has_pending(const struct tls *tls)
{
    return SSL_has_pending(tls->ssl) == 1;
}

/* ---- what can be known about it --------------------------------------------------------------------- */

const char *tls_why(const struct tls *tls)
{
    return tls->why;
}

unsigned tls_code(const struct tls *tls)
{
    return tls->code;
}

const char *tls_describe(const struct tls *tls, char text[TLS_WHY_MAX])
{
    (void)snprintf(text, TLS_WHY_MAX, "%s, %s", SSL_get_version(tls->ssl),
                   SSL_get_cipher_name(tls->ssl));
    return text;
}

static void print_time(const ASN1_TIME *time, char text[TIME_MAX])
{
    struct tm tm = { 0 };

    if (ASN1_TIME_to_tm(time, &tm) != 1) {
        (void)snprintf(text, TIME_MAX, "an unreadable date");
        return;
    }
    (void)snprintf(text, TIME_MAX, "%04d-%02d-%02d %02d:%02d:%02d UTC", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static bool cert_date_problem(X509 *cert, int64_t now_s, char why[TLS_WHY_MAX])
{
    const ASN1_TIME *since = X509_get0_notBefore(cert), *until = X509_get0_notAfter(cert);
    char subject[SUBJECT_MAX] = "", date[TIME_MAX];
    time_t now = (time_t)now_s;
    bool is_early = X509_cmp_time(since, &now) > 0;

    if (!is_early && X509_cmp_time(until, &now) >= 0)
        return false;
    (void)X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
    print_time(is_early ? since : until, date);
    (void)snprintf(why, TLS_WHY_MAX, "the certificate %s %s %s", subject,
                   is_early ? "is not valid before" : "has expired:", date);
    return true;
}

bool tls_date_problem(const struct tls *tls, int64_t now_s, char why[TLS_WHY_MAX])
{
    STACK_OF(X509) * chain;

    if (!tls->context->config.ca.data)
        return false;
    chain = SSL_get0_verified_chain(tls->ssl);
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (cert_date_problem(sk_X509_value(chain, i), now_s, why))
            return true;
    return false;
}
