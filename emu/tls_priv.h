/* Included by tls.c, tls_context.c and tls_test.c only. */
#pragma once

#include <openssl/ssl.h>

#include "emu/tls.h"

#define TLS_BLOB_MAX (1024 * 1024) /* bytes of a certificate bundle or a key */

struct tls_context {
    struct tls_env *env;
    struct tls_context *next;
    unsigned users;
    struct tls_config config; /* with copies */
    SSL_CTX *ctx;             /* NULL: no memory */
    enum tls_problem problem;
    char why[TLS_WHY_MAX];
};

/* SSL_CTX_set_verify()'s: notes what is wrong with which certificate. */
int tls_on_verify(int ok, X509_STORE_CTX *store);
