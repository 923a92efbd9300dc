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

#include "emu/buf.h"
#include "emu/log.h"
#include "emu/tls_priv.h"
#include "emu/util.h"

#define US_PER_S        1000000
#define DTLS_MTU        1400    /* bytes of a datagram: the document's 1460 less room for tunnels */
#define DTLS_FIRST_US   2000000 /* mbedTLS on a module: 2 s, doubled up to 60 s */
#define DTLS_LONGEST_US 60000000
#define SUBJECT_MAX     160
#define TIME_MAX        64
#define HEX_SHOWN       16          /* bytes of a message that level 4 shows */
#define UNSENT_MAX      (64 * 1024) /* bytes that wait for the end of a renegotiation */

/* What a module's log says, mbedTLS's error numbers made positive. */
enum mbedtls_code {
    CODE_RECV_FAILED = 0x4c,
    CODE_SEND_FAILED = 0x4e,
    CODE_RESET = 0x50,
    CODE_VERIFY_FAILED = 0x2700,
    CODE_INTERNAL = 0x6c00,
    CODE_BAD_VERSION = 0x6e80,
    CODE_HANDSHAKE_FAILURE = 0x6e00,
    CODE_BAD_INPUT = 0x7100,
    CODE_INVALID_MAC = 0x7180,
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
    struct byteq unsent; /* what was written while the peer renegotiates */
    char *peer;          /* its name or address, as given */
    bool send_failed;
    bool is_broken; /* @why says how; OpenSSL is not asked again */
    unsigned code;
    int alert; /* the last one that came; -1: none */
    int verify_error, verify_depth;
    char verify_cert[SUBJECT_MAX + 2 * TIME_MAX];
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
    ssize_t n;

    do {
        n = tls->io.recv(tls->io.ctx, data, (size_t)cap);
    } while (n == 0 && tls->context->config.is_dtls); /* an empty datagram is no end */
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
        env->bio_method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "adapter");
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

int tls_on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    char subject[SUBJECT_MAX] = "", until[TIME_MAX];

    if (ok || tls->verify_error != X509_V_OK)
        return ok;
    tls->verify_error = X509_STORE_CTX_get_error(store);
    tls->verify_depth = X509_STORE_CTX_get_error_depth(store);
    if (!cert)
        return ok;
    (void)X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
    print_time(X509_get0_notAfter(cert), until);
    (void)snprintf(tls->verify_cert, sizeof(tls->verify_cert), "%s, valid until %s", subject,
                   until);
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
    if (tls->context->env->log_level >= SSL_LOG_BYTES) {
        for (size_t i = 0; i < len && i < HEX_SHOWN; i++)
            (void)snprintf(hex + 3 * i, 4, " %02x", bytes[i]);
    }
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

/* Say whom we want to speak to, and look for it in the certificate. */
static bool expect_peer(struct tls *tls, bool is_name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    size_t len = strlen(tls->peer);

    if (is_name && len && len <= TLS_NAME_MAX && SSL_set_tlsext_host_name(tls->ssl, tls->peer) != 1)
        return false;
    if (!tls->context->config.ca.data)
        return true;
    if (X509_VERIFY_PARAM_set1_ip_asc(param, tls->peer) == 1)
        return true; /* an address must be in the certificate as an address */
    ERR_clear_error();
    return SSL_set1_host(tls->ssl, tls->peer) == 1;
}

const char *tls_peer(SSL *ssl)
{
    const struct tls *tls = SSL_get_app_data(ssl);

    return tls->peer;
}

/* Either end's; NULL: OpenSSL has no memory. */
static struct tls *open_tls(struct tls_context *context, const char *peer, const struct tls_io *io)
{
    struct tls *tls = xcalloc(1, sizeof(*tls));
    BIO *bio;

    tls->context = context;
    context->users++;
    tls->io = *io;
    tls->peer = xstrdup(peer);
    byteq_init(&tls->unsent);
    tls->alert = -1;
    tls->verify_error = X509_V_OK;
    tls->ssl = context->ctx ? SSL_new(context->ctx) : NULL;
    bio = tls->ssl ? new_bio(context->env, tls) : NULL;
    if (!bio) {
        ERR_clear_error();
        tls_free(tls);
        return NULL;
    }
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_info_callback(tls->ssl, on_info);
    SSL_set_msg_callback(tls->ssl, on_message);
    if (context->config.is_dtls) {
        (void)DTLS_set_link_mtu(tls->ssl, DTLS_MTU);
        DTLS_set_timer_cb(tls->ssl, dtls_wait_us);
    }
    return tls;
}

struct tls *tls_new(struct tls_context *context, const char *name, const char *ip,
                    const struct tls_io *io)
{
    struct tls *tls = open_tls(context, name ? name : ip, io);

    if (!tls)
        return NULL;
    SSL_set_connect_state(tls->ssl);
    if (expect_peer(tls, name != NULL))
        return tls;
    ERR_clear_error();
    tls_free(tls);
    return NULL;
}

struct tls *tls_new_server(struct tls_context *context, const char *from, const struct tls_io *io)
{
    struct tls *tls = open_tls(context, from, io);

    if (tls)
        SSL_set_accept_state(tls->ssl);
    return tls;
}

void tls_close(struct tls *tls)
{
    if (tls->is_broken || SSL_in_init(tls->ssl))
        return;
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

void tls_free(struct tls *tls)
{
    SSL_free(tls->ssl); /* without a close_notify, as a module; a server says it by tls_close() */
    tls_context_put(tls->context);
    byteq_fini(&tls->unsent);
    free(tls->peer);
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

/* How far the handshake has got, for those that stop in it; in OpenSSL's words. */
static const char *progress(const struct tls *tls, char text[SUBJECT_MAX])
{
    *text = '\0';
    if (SSL_in_init(tls->ssl)) {
        (void)snprintf(text, SUBJECT_MAX, " (the handshake had come to \"%s\")",
                       SSL_state_string_long(tls->ssl));
    }
    return text;
}

void tls_fail(struct tls *tls, int error)
{
    char at[SUBJECT_MAX];

    tls->is_broken = true;
    (void)progress(tls, at);
    if (!error) {
        fail(tls, CODE_EOF, "the peer closed the connection%s", at);
    } else if (error == ETIMEDOUT) {
        fail(tls, CODE_TIMEOUT, "the peer does not answer in time%s", at);
    } else {
        fail(tls, error == ECONNRESET ? CODE_RESET : CODE_RECV_FAILED, "the connection broke: %s%s",
             strerror(error), at);
    }
    tls_log(tls, SSL_LOG_ERRORS, "%s", tls->why);
}

static bool is_wrong_peer(int verify_error)
{
    return verify_error == X509_V_ERR_HOSTNAME_MISMATCH ||
           verify_error == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

static void fail_verify(struct tls *tls)
{
    char check[SUBJECT_MAX + TLS_NAME_MAX];

    if (is_wrong_peer(tls->verify_error)) {
        (void)snprintf(check, sizeof(check), "it is not for \"%s\"", tls->peer);
    } else {
        (void)snprintf(check, sizeof(check), "%s",
                       X509_verify_cert_error_string(tls->verify_error));
    }
    fail(tls, CODE_VERIFY_FAILED,
         "the peer's certificate is refused: %s (number %d of its chain: %s)", check,
         tls->verify_depth, tls->verify_cert);
}

struct reason_row {
    int reason;
    unsigned code;
    const char *what;
};

/* What OpenSSL calls by other names. */
static const struct reason_row reasons[] = {
    { SSL_R_WRONG_VERSION_NUMBER, CODE_INVALID_RECORD, "what the peer sends is not TLS" },
    { SSL_R_HTTP_REQUEST, CODE_INVALID_RECORD, "what the peer sends is not TLS" },
    { SSL_R_BAD_RECORD_TYPE, CODE_INVALID_RECORD, "what the peer sends is not TLS" },
    { SSL_R_RECORD_LENGTH_MISMATCH, CODE_INVALID_RECORD, "what the peer sends is not TLS" },
    { SSL_R_PACKET_LENGTH_TOO_LONG, CODE_INVALID_RECORD, "what the peer sends is not TLS" },
    { SSL_R_ENCRYPTED_LENGTH_TOO_LONG, CODE_INVALID_RECORD, "what the peer sends is not TLS" },
    { SSL_R_UNEXPECTED_MESSAGE, CODE_INVALID_RECORD, "the peer breaks TLS's rules" },
    { SSL_R_UNSUPPORTED_PROTOCOL, CODE_BAD_VERSION,
      "the peer and this board have no version of TLS in common" },
    { SSL_R_WRONG_SSL_VERSION, CODE_BAD_VERSION,
      "the peer and this board have no version of TLS in common" },
    { SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, CODE_INVALID_MAC,
      "what the peer sends was changed on its way" },
};

/* The last of OpenSSL's errors, the outermost, and the first, which is where it began. */
static void fail_openssl(struct tls *tls, unsigned long error)
{
    const struct reason_row *row = NULL;
    const char *last = ERR_reason_error_string(error);
    const char *first = ERR_reason_error_string(ERR_peek_error());

    for (int i = 0; i < ARRAY_LEN(reasons) && !row; i++) {
        if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reasons[i].reason)
            row = &reasons[i];
    }
    fail(tls, row ? row->code : CODE_HANDSHAKE_FAILURE, "%s%s%s%s%s",
         row ? row->what : "the peer's messages are refused", last ? ": " : "", last ? last : "",
         first && first != last ? ": " : "", first && first != last ? first : "");
}

/* Put OpenSSL's last error into words. */
static void explain(struct tls *tls, int ssl_error)
{
    unsigned long error = ERR_peek_last_error();
    bool is_alert =
        ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET;

    char at[SUBJECT_MAX];

    tls->is_broken = true;
    (void)progress(tls, at);
    if (tls->send_failed) {
        fail(tls, CODE_SEND_FAILED, "the connection broke while sending");
    } else if (tls->verify_error != X509_V_OK) {
        fail_verify(tls);
    } else if (tls->alert >= 0 && ssl_error == SSL_ERROR_SSL && is_alert) {
        fail(tls, CODE_FATAL_ALERT, "the peer ended it with the alert \"%s\"",
             SSL_alert_desc_string_long(tls->alert));
    } else if (ssl_error == SSL_ERROR_ZERO_RETURN || ssl_error == SSL_ERROR_SYSCALL ||
               ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        fail(tls, CODE_EOF, "the peer closed the connection%s", at);
    } else if (error) {
        fail_openssl(tls, error);
    } else {
        fail(tls, CODE_INTERNAL, "for no reason that OpenSSL gives");
    }
    tls_log(tls, SSL_LOG_ERRORS, "%s", tls->why);
    ERR_clear_error();
}

/* ---- driving it ---------------------------------------------------------------------------------------- */

enum tls_verdict tls_handshake(struct tls *tls)
{
    char text[TLS_WHY_MAX];
    int rc, ssl_error;

    ERR_clear_error();
    rc = SSL_do_handshake(tls->ssl);
    if (rc == 1 && !tls->send_failed) {
        tls_log(tls, SSL_LOG_STATES, "done: %s", tls_describe(tls, text));
        return TLS_VERDICT_DONE;
    }
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
    ERR_clear_error();
    tls_fail(tls, ETIMEDOUT);
    return TLS_VERDICT_FAILED;
}

/* The peer has renegotiated: what was written meanwhile goes out. */
static void send_unsent(struct tls *tls)
{
    size_t done;

    if (!tls->unsent.len || SSL_in_init(tls->ssl))
        return;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, byteq_front(&tls->unsent), tls->unsent.len, &done) == 1) {
        byteq_drop(&tls->unsent, tls->unsent.len);
    } else if (SSL_get_error(tls->ssl, 0) != SSL_ERROR_WANT_READ) {
        explain(tls, SSL_get_error(tls->ssl, 0));
    }
}

typedef int read_fn(SSL *ssl, void *data, int cap); /* SSL_read or SSL_peek */

/* With tls_read()'s result. */
static ssize_t read_record(struct tls *tls, read_fn *read, void *data, size_t cap)
{
    int n, ssl_error;

    if (tls->is_broken)
        return -1;
    ERR_clear_error();
    n = read(tls->ssl, data, cap < TLS_RECORD_MAX ? (int)cap : TLS_RECORD_MAX);
    ssl_error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, n);
    if (n <= 0 && (ssl_error != SSL_ERROR_WANT_READ || tls->send_failed)) {
        if (ssl_error == SSL_ERROR_ZERO_RETURN) {
            fail(tls, TLS_CODE_CLOSED, "the peer has said that it closes");
        } else {
            explain(tls, ssl_error);
        }
        return -1;
    }
    send_unsent(tls);
    return n > 0 ? n : 0;
}

ssize_t tls_pending(struct tls *tls)
{
    uint8_t record[TLS_RECORD_MAX];
    int left = SSL_pending(tls->ssl);
    ssize_t n;

    if (tls->context->config.is_dtls)
        return read_record(tls, SSL_peek, record, sizeof(record));
    if (left > 0)
        return left;
    n = read_record(tls, SSL_peek, record, 1);
    return n > 0 ? SSL_pending(tls->ssl) : n;
}

ssize_t tls_read(struct tls *tls, void *data, size_t cap)
{
    uint8_t record[TLS_RECORD_MAX];
    ssize_t n;

    if (!tls->context->config.is_dtls)
        return cap ? read_record(tls, SSL_read, data, cap) : 0;
    n = read_record(tls, SSL_read, record, sizeof(record));
    if (n <= 0)
        return n;
    n = (size_t)n < cap ? n : (ssize_t)cap;
    if (n)
        memcpy(data, record, (size_t)n);
    return n;
}

ssize_t tls_write(struct tls *tls, const void *data, size_t len)
{
    int ssl_error = SSL_ERROR_WANT_READ;
    size_t done;

    if (tls->is_broken)
        return -EPIPE;
    if (!len)
        return 0;
    if (tls->context->config.is_dtls && len > TLS_RECORD_MAX) {
        fail(tls, CODE_BAD_INPUT, "%zu bytes are more than a record holds", len);
        return -EPIPE;
    }
    ERR_clear_error();
    if (!tls->unsent.len) {
        if (SSL_write_ex(tls->ssl, data, len, &done) == 1 && !tls->send_failed)
            return (ssize_t)done;
        ssl_error = SSL_get_error(tls->ssl, 0);
    }
    if (ssl_error != SSL_ERROR_WANT_READ || tls->send_failed) {
        explain(tls, ssl_error);
        return -EPIPE;
    }
    if (tls->unsent.len >= UNSENT_MAX)
        return -EAGAIN;
    byteq_append(&tls->unsent, data, len);
    return (ssize_t)len;
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
    for (int i = 0; i < sk_X509_num(chain); i++) {
        if (cert_date_problem(sk_X509_value(chain, i), now_s, why))
            return true;
    }
    return false;
}
