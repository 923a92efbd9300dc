/* A configuration of tls.h, parsed: certificates, keys and what goes with them. */
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/fdio.h"
#include "emu/log.h"
#include "emu/tls.h"
#include "emu/tls_priv.h"
#include "emu/util.h"

/* mbedTLS, and so a module, still takes what OpenSSL has put behind security levels. */
#define CIPHERS       "DEFAULT:@SECLEVEL=0"
#define CIPHERS_PSK   "PSK:@SECLEVEL=0" /* else whoever shows a certificate would do */
#define PEM_BEGIN     "-----BEGIN"
#define PEM_ENCRYPTED "ENCRYPTED"

/* ---- log and keys ----------------------------------------------------------------------------- */

static struct tls_context *context_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static void write_keylog(const SSL *ssl, const char *line)
{
    struct tls_env *env = context_of(ssl)->env;
    char text[TLS_WHY_MAX];
    int len;

    if (env->keylog_fd < 0 && !env->keylog)
        return;
    len = snprintf(text, sizeof(text), "%s\n", line);
    if (len <= 0 || (size_t)len >= sizeof(text))
        return;
    if (env->keylog)
        env->keylog(env->keylog_ctx, text, (size_t)len);
    if (env->keylog_fd < 0)
        return;
    if (fd_write_all(env->keylog_fd, text, (size_t)len))
        return;
    log_say(env->log, "the key log can't be written any more: %s", strerror(errno));
    env->keylog_fd = -1; /* it is main.c's to close */
}

static unsigned give_psk(SSL *ssl, const char *hint, char *identity, unsigned identity_cap,
                         unsigned char *psk, unsigned psk_cap)
{
    const struct tls_config *config = &context_of(ssl)->config;

    (void)hint;
    if (config->psk.len > psk_cap || config->psk_id.len >= identity_cap)
        return 0; /* check_psk() has said so */
    memcpy(psk, config->psk.data, config->psk.len);
    if (config->psk_id.len)
        memcpy(identity, config->psk_id.data, config->psk_id.len);
    identity[config->psk_id.len] = '\0';
    return (unsigned)config->psk.len;
}

/* ---- certificates and keys ------------------------------------------------------------------------ */

/* OpenSSL's last error is this one. */
static bool is_error(int lib, int reason)
{
    unsigned long error = ERR_peek_last_error();

    return ERR_GET_LIB(error) == lib && ERR_GET_REASON(error) == reason;
}

/* What OpenSSL's reader ends with when it is through, and nothing was wrong. */
static bool is_end_of_pem(void)
{
    return is_error(ERR_LIB_PEM, PEM_R_NO_START_LINE);
}

static bool has_text(const struct tls_blob *blob, const char *text)
{
    return blob->len && memmem(blob->data, blob->len, text, strlen(text));
}

static bool is_pem(const struct tls_blob *blob)
{
    return has_text(blob, PEM_BEGIN);
}

/* A certificate of DER, all of it; NULL when it is none. */
static X509 *read_der(const struct tls_blob *blob)
{
    const unsigned char *at = blob->data;
    X509 *cert = d2i_X509(NULL, &at, (long)blob->len);

    if (cert && at == (const unsigned char *)blob->data + blob->len)
        return cert;
    X509_free(cert);
    return NULL;
}

/* All certificates of @blob; NULL when one of them can't be read or there is none. */
static STACK_OF(X509) * read_certs(const struct tls_blob *blob)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    BIO *bio;
    X509 *cert;

    ERR_clear_error();
    if (!certs || blob->len > TLS_BLOB_MAX)
        goto err;
    if (!is_pem(blob)) {
        cert = read_der(blob);
        if (!cert || !sk_X509_push(certs, cert))
            goto err;
        return certs;
    }
    bio = BIO_new_mem_buf(blob->data, (int)blob->len);
    while (bio && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        (void)sk_X509_push(certs, cert);
    BIO_free(bio);
    if (sk_X509_num(certs) > 0 && is_end_of_pem()) {
        ERR_clear_error();
        return certs;
    }
err:
    sk_X509_pop_free(certs, X509_free);
    return NULL;
}

static bool use_ca(struct tls_context *context)
{
    STACK_OF(X509) *certs = read_certs(&context->config.ca);
    X509_STORE *store = SSL_CTX_get_cert_store(context->ctx);

    if (!certs)
        return false;
    for (int i = 0; i < sk_X509_num(certs); i++)
        (void)X509_STORE_add_cert(store, sk_X509_value(certs, i));
    sk_X509_pop_free(certs, X509_free);
    return true;
}

static bool use_cert(struct tls_context *context)
{
    STACK_OF(X509) *certs = read_certs(&context->config.cert);
    bool ok;

    if (!certs)
        return false;
    ok = SSL_CTX_use_certificate(context->ctx, sk_X509_value(certs, 0)) == 1;
    for (int i = 1; ok && i < sk_X509_num(certs); i++)
        ok = SSL_CTX_add1_chain_cert(context->ctx, sk_X509_value(certs, i)) == 1;
    sk_X509_pop_free(certs, X509_free);
    return ok;
}

static int give_password(char *buf, int cap, int writing, void *arg)
{
    const struct tls_blob *password = arg;

    (void)writing;
    if (!password->data || password->len > (size_t)cap)
        return -1;
    memcpy(buf, password->data, password->len);
    return (int)password->len;
}

static EVP_PKEY *read_key(struct tls_config *config)
{
    const struct tls_blob *blob = &config->key;
    const unsigned char *at = blob->data;
    EVP_PKEY *key = NULL;
    BIO *bio;

    ERR_clear_error();
    if (blob->len > TLS_BLOB_MAX)
        return NULL;
    if (!is_pem(blob))
        key = d2i_AutoPrivateKey(NULL, &at, (long)blob->len);
    if (key)
        return key;
    bio = BIO_new_mem_buf(blob->data, (int)blob->len);
    if (!bio)
        return NULL;
    key = is_pem(blob) ? PEM_read_bio_PrivateKey(bio, NULL, give_password, &config->password)
                       : d2i_PKCS8PrivateKey_bio(bio, NULL, give_password, &config->password);
    BIO_free(bio);
    return key;
}

static bool use_key(struct tls_context *context)
{
    EVP_PKEY *key = read_key(&context->config);
    X509 *cert = SSL_CTX_get0_certificate(context->ctx);
    /* asked first: a key of another kind than the certificate's would be kept beside it */
    bool ok = key && X509_check_private_key(cert, key) == 1 &&
              SSL_CTX_use_PrivateKey(context->ctx, key) == 1;

    EVP_PKEY_free(key);
    return ok;
}

static bool is_encrypted(const struct tls_blob *key)
{
    const unsigned char *at = key->data;
    X509_SIG *pkcs8;
    bool is;

    if (is_pem(key))
        return has_text(key, PEM_ENCRYPTED);
    pkcs8 = d2i_X509_SIG(NULL, &at, (long)key->len);
    is = pkcs8 != NULL;
    X509_SIG_free(pkcs8);
    return is;
}

static const char *why_no_key(const struct tls_config *config)
{
    if (!config->key.data)
        return "there is none";
    if (is_error(ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH) ||
        is_error(ERR_LIB_X509, X509_R_KEY_TYPE_MISMATCH))
        return "it belongs to another certificate";
    if (!is_encrypted(&config->key))
        return "it is no key in PEM or DER";
    return config->password.data ? "it is encrypted, and the password does not open it"
                                 : "it is encrypted, and there is no password";
}

static void note_problem(struct tls_context *context, enum tls_problem problem, const char *what,
                         const char *why)
{
    context->problem = problem;
    (void)snprintf(context->why, sizeof(context->why), "%s can't be used: %s", what, why);
}

/* As on a module: what comes after something that can't be used is not looked at. */
static void load_certificates(struct tls_context *context)
{
    static const char why_no_cert[] = "it is no certificate in PEM or DER, or only in part";
    const struct tls_config *config = &context->config;

    if (config->ca.data && !use_ca(context)) {
        note_problem(context, TLS_PROBLEM_CA, "the CA certificate", why_no_cert);
    } else if (config->cert.data && !use_cert(context)) {
        note_problem(context, TLS_PROBLEM_CERT, "the client certificate", why_no_cert);
    } else if (config->cert.data && !use_key(context)) {
        note_problem(context, TLS_PROBLEM_KEY, "the client certificate's key", why_no_key(config));
    }
}

static void check_psk(struct tls_context *context)
{
    const struct tls_config *config = &context->config;

    if (!config->psk.len) {
        note_problem(context, TLS_PROBLEM_PSK, "the pre-shared key", "it is empty");
    } else if (config->psk.len > PSK_MAX_PSK_LEN) {
        note_problem(context, TLS_PROBLEM_PSK, "the pre-shared key", "it is too long");
    } else if (config->psk_id.len >= PSK_MAX_IDENTITY_LEN) {
        note_problem(context, TLS_PROBLEM_PSK, "the pre-shared key's name", "it is too long");
    } else if (config->psk_id.len && memchr(config->psk_id.data, '\0', config->psk_id.len)) {
        note_problem(context, TLS_PROBLEM_PSK, "the pre-shared key's name",
                     "it has a zero byte, after which OpenSSL sends nothing of it");
    }
}

/* ---- contexts --------------------------------------------------------------------------------- */

/* Of one that is too long, as much as shows it. */
static struct tls_blob copy_blob(const struct tls_blob *blob)
{
    size_t len = blob->len <= TLS_BLOB_MAX ? blob->len : TLS_BLOB_MAX + 1;
    char *copy;

    if (!blob->data)
        return (struct tls_blob){ 0 };
    copy = xcalloc(1, len + 1);
    memcpy(copy, blob->data, len);
    return (struct tls_blob){ .data = copy, .len = len };
}

static void free_blob(struct tls_blob *blob)
{
    /* copy_blob() made it, and nobody else has it; NOLINTNEXTLINE(performance-no-int-to-ptr) */
    void *data = (void *)(uintptr_t)blob->data;

    if (data)
        OPENSSL_cleanse(data, blob->len);
    free(data);
}

static bool same_blob(const struct tls_blob *a, const struct tls_blob *b)
{
    if (!a->data || !b->data)
        return a->data == b->data;
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool same_config(const struct tls_config *a, const struct tls_config *b)
{
    return a->is_dtls == b->is_dtls && a->is_server == b->is_server && same_blob(&a->ca, &b->ca) &&
           same_blob(&a->cert, &b->cert) && same_blob(&a->key, &b->key) &&
           same_blob(&a->password, &b->password) && same_blob(&a->psk, &b->psk) &&
           same_blob(&a->psk_id, &b->psk_id);
}

/* No CA: nothing is verified, and no time is spent on looking for a chain. */
static int trust_anyone(X509_STORE_CTX *store, void *arg)
{
    (void)store;
    (void)arg;
    return 1;
}

static void set_up(struct tls_context *context)
{
    SSL_CTX *ctx = context->ctx;
    const struct tls_config *config = &context->config;
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

    SSL_CTX_set_app_data(ctx, context);
    (void)SSL_CTX_set_cipher_list(ctx, config->psk.data ? CIPHERS_PSK : CIPHERS);
    (void)SSL_CTX_set_min_proto_version(ctx, config->is_dtls ? DTLS1_VERSION : TLS1_VERSION);
    (void)SSL_CTX_set_max_proto_version(ctx, config->is_dtls            ? DTLS1_2_VERSION
                                             : context->env->allows_1_3 ? TLS1_3_VERSION
                                                                        : TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                       SSL_OP_NO_QUERY_MTU | SSL_OP_LEGACY_SERVER_CONNECT);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_keylog_callback(ctx, write_keylog);
    if (config->ca.data) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, tls_on_verify);
    } else {
        SSL_CTX_set_cert_verify_callback(ctx, trust_anyone, NULL);
    }
    (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (config->psk.data) {
        SSL_CTX_set_psk_client_callback(ctx, give_psk);
        check_psk(context);
    }
    load_certificates(context);
    if (config->is_server && !tls_set_up_server(context)) {
        SSL_CTX_free(ctx);
        context->ctx = NULL;
    }
    ERR_clear_error();
}

static const SSL_METHOD *method_of(const struct tls_config *config)
{
    if (config->is_server)
        return config->is_dtls ? DTLS_server_method() : TLS_server_method();
    return config->is_dtls ? DTLS_client_method() : TLS_client_method();
}

static struct tls_context *context_new(struct tls_env *env, const struct tls_config *config)
{
    struct tls_context *context = xcalloc(1, sizeof(*context));

    /* the host's openssl.cnf must not change what a module can do */
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    context->env = env;
    context->config = (struct tls_config){ .is_dtls = config->is_dtls,
                                           .is_server = config->is_server,
                                           .ca = copy_blob(&config->ca),
                                           .cert = copy_blob(&config->cert),
                                           .key = copy_blob(&config->key),
                                           .password = copy_blob(&config->password),
                                           .psk = copy_blob(&config->psk),
                                           .psk_id = copy_blob(&config->psk_id) };
    context->ctx = SSL_CTX_new(method_of(config));
    if (context->ctx)
        set_up(context);
    return context;
}

static void context_free(struct tls_context *context)
{
    struct tls_blob *blobs[] = { &context->config.ca,  &context->config.cert,
                                 &context->config.key, &context->config.password,
                                 &context->config.psk, &context->config.psk_id };

    for (int i = 0; i < ARRAY_LEN(blobs); i++)
        free_blob(blobs[i]);
    SSL_CTX_free(context->ctx);
    free(context);
}

static void link_first(struct tls_context *context)
{
    context->next = context->env->contexts;
    context->env->contexts = context;
}

static void unlink_context(struct tls_context *context)
{
    struct tls_context **at = &context->env->contexts;

    while (*at != context)
        at = &(*at)->next;
    *at = context->next;
}

/* Free the unused ones that have not been asked for the longest. */
static void trim(struct tls_env *env)
{
    int unused = 0;
    struct tls_context *next;

    for (struct tls_context *context = env->contexts; context; context = next) {
        next = context->next;
        if (context->users || ++unused <= TLS_CONTEXTS_MAX)
            continue;
        unlink_context(context);
        context_free(context);
    }
}

struct tls_context *tls_context_get(struct tls_env *env, const struct tls_config *config,
                                    enum tls_problem *problem, char why[TLS_WHY_MAX])
{
    struct tls_context *context = env->contexts;

    while (context && !same_config(&context->config, config))
        context = context->next;
    if (context) {
        unlink_context(context);
    } else {
        context = context_new(env, config);
    }
    link_first(context);
    context->users++;
    *problem = context->problem;
    (void)snprintf(why, TLS_WHY_MAX, "%s", context->why);
    return context;
}

void tls_context_put(struct tls_context *context)
{
    assert(context->users);
    context->users--;
    trim(context->env);
}

void tls_env_init(struct tls_env *env, struct log *log)
{
    *env = (struct tls_env){ .log = log, .keylog_fd = -1 };
}

void tls_env_fini(struct tls_env *env)
{
    while (env->contexts) {
        struct tls_context *context = env->contexts;

        assert(!context->users);
        unlink_context(context);
        context_free(context);
    }
    BIO_meth_free(env->bio_method);
}
