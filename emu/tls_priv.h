/* Included by tls.c, tls_context.c, tls_server.c and tls_test.c only. */
#pragma once

#include <openssl/ssl.h>

#include "emu/tls.h"

#define TLS_BLOB_MAX   (1024 * 1024) /* bytes of a certificate bundle or a key */
#define TLS_SECRET_LEN 32

struct tls_context {
    struct tls_env *env;
    struct tls_context *next;
    unsigned users;
    struct tls_config config; /* with copies */
    SSL_CTX *ctx;             /* NULL: no memory */
    enum tls_problem problem;
    char why[TLS_WHY_MAX];
    unsigned char secret[TLS_SECRET_LEN]; /* of a server's, for its cookies */
};

/* What a server's context needs besides. False: OpenSSL has no entropy. */
bool tls_set_up_server(struct tls_context *context);

/* Who is at the other end of a connection, as it was named. */
const char *tls_peer(SSL *ssl);

/* SSL_CTX_set_verify()'s: notes what is wrong with which certificate. */
int tls_on_verify(int ok, X509_STORE_CTX *store);
