/* What the server's end of tls.h needs besides: clients' certificates and keys, cookies. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <string.h>

#include "emu/tls.h"
#include "emu/tls_priv.h"

static struct tls_context *context_of(SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* The key of the only name that is known. */
static unsigned find_psk(SSL *ssl, const char *identity, unsigned char *psk, unsigned psk_cap)
{
    const struct tls_config *config = &context_of(ssl)->config;
    size_t len = strlen(identity);

    if (len != config->psk_id.len || memcmp(identity, config->psk_id.data, len) != 0 ||
        config->psk.len > psk_cap)
        return 0;
    memcpy(psk, config->psk.data, config->psk.len);
    return (unsigned)config->psk.len;
}

/* RFC 6347 4.2.1: from who the client says to be and a secret, so that only he can repeat it. */
static int make_cookie(SSL *ssl, unsigned char *cookie, unsigned *len)
{
    const struct tls_context *context = context_of(ssl);
    const char *peer = tls_peer(ssl);
    size_t made = 0;

    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, context->secret, sizeof(context->secret),
                   (const unsigned char *)peer, strlen(peer), cookie, DTLS1_COOKIE_LENGTH, &made))
        return 0;
    *len = (unsigned)made;
    return 1;
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
    unsigned char made[DTLS1_COOKIE_LENGTH];
    unsigned made_len;

    return make_cookie(ssl, made, &made_len) && made_len == len &&
           CRYPTO_memcmp(made, cookie, len) == 0;
}

/* Name the CAs whose certificates clients can show. */
static void name_cas(SSL_CTX *ctx)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));

    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

        if (ca)
            (void)SSL_CTX_add_client_CA(ctx, ca);
    }
}

bool tls_set_up_server(struct tls_context *context)
{
    SSL_CTX *ctx = context->ctx;

    if (RAND_bytes(context->secret, sizeof(context->secret)) != 1)
        return false;
    (void)SSL_CTX_set_num_tickets(ctx, 0);
    (void)SSL_CTX_set_options(ctx, SSL_OP_COOKIE_EXCHANGE);
    SSL_CTX_set_cookie_generate_cb(ctx, make_cookie);
    SSL_CTX_set_cookie_verify_cb(ctx, check_cookie);
    if (context->config.psk.data)
        SSL_CTX_set_psk_server_callback(ctx, find_psk);
    if (!context->config.ca.data)
        return true;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, tls_on_verify);
    name_cas(ctx);
    return true;
}
