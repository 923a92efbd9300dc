/*
 * tls_cert: keys and certificates made on the spot, as PEM: EC P-256 (RFC 5480), X.509 version 3
 * (RFC 5280), signed with SHA-256. The keys come from OpenSSL's own entropy: no two runs have the
 * same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct tls_identity; /* a key and the certificate for it */

struct tls_cert_spec {
    const char *cn;  /* the subject's common name */
    const char *san; /* who it is for: "DNS:a.test,IP:192.0.2.1"; NULL: it says no names */
    bool is_ca;
    bool is_client;          /* for clients; else for servers */
    int64_t from_s, until_s; /* since 1970 */
};

/* Signed by @issuer, or, NULL, by itself. NULL: OpenSSL could not. */
struct tls_identity *tls_identity_new(const struct tls_cert_spec *spec,
                                      const struct tls_identity *issuer);
void tls_identity_free(struct tls_identity *identity); /* NULL is allowed */

/* PEM; they live as long as @identity. */
const char *tls_identity_cert(const struct tls_identity *identity);
const char *tls_identity_key(const struct tls_identity *identity);
