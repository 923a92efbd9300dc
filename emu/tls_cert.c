#include "emu/tls_cert.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "emu/util.h"

#define SERIAL_BITS 127 /* RFC 5280 4.1.2.2: positive, at most 20 octets */
#define X509_V3     2

struct tls_identity {
    EVP_PKEY *key;
    X509 *cert;
    char *cert_pem, *key_pem;
};

static bool add_extension(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
    bool ok = extension && X509_add_ext(cert, extension, -1) == 1;

    X509_EXTENSION_free(extension);
    return ok;
}

/* What strict clients look for, RFC 5280 4.2.1. */
static bool add_extensions(X509 *cert, X509 *issuer, const struct tls_cert_spec *spec)
{
    X509V3_CTX ctx;
    bool ok;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ok =
        add_extension(cert, &ctx, NID_basic_constraints,
                      spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
        add_extension(cert, &ctx, NID_key_usage,
                      spec->is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
        add_extension(cert, &ctx, NID_subject_key_identifier, "hash");
    if (ok && issuer != cert)
        ok = add_extension(cert, &ctx, NID_authority_key_identifier, "keyid:always");
    if (ok && !spec->is_ca) {
        ok = add_extension(cert, &ctx, NID_ext_key_usage,
                           spec->is_client ? "clientAuth" : "serverAuth");
    }
    if (ok && spec->san)
        ok = add_extension(cert, &ctx, NID_subject_alt_name, spec->san);
    return ok;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *number = BN_new();
    bool ok = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));

    BN_free(number);
    return ok;
}

static bool fill(X509 *cert, const struct tls_cert_spec *spec)
{
    X509_NAME *subject = X509_get_subject_name(cert);

    return X509_set_version(cert, X509_V3) == 1 && set_serial(cert) &&
           ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)spec->from_s) &&
           ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)spec->until_s) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)spec->cn,
                                      -1, -1, 0) == 1;
}

/* A BIO of memory's bytes as a text of the caller's; NULL when there is none. */
static char *take_text(BIO *bio)
{
    char *data, *text = NULL;
    long len = bio ? BIO_get_mem_data(bio, &data) : 0;

    if (len > 0) {
        text = xcalloc(1, (size_t)len + 1);
        memcpy(text, data, (size_t)len);
    }
    BIO_free(bio);
    return text;
}

static bool write_pem(struct tls_identity *identity)
{
    BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_secmem());

    if (cert)
        (void)PEM_write_bio_X509(cert, identity->cert);
    if (key)
        (void)PEM_write_bio_PKCS8PrivateKey(key, identity->key, NULL, NULL, 0, NULL, NULL);
    identity->cert_pem = take_text(cert);
    identity->key_pem = take_text(key);
    return identity->cert_pem && identity->key_pem;
}

static bool make(struct tls_identity *identity, const struct tls_cert_spec *spec,
                 const struct tls_identity *issuer)
{
    X509 *cert = identity->cert;

    return identity->key && cert && fill(cert, spec) &&
           X509_set_issuer_name(cert, X509_get_subject_name(issuer->cert)) == 1 &&
           X509_set_pubkey(cert, identity->key) == 1 && add_extensions(cert, issuer->cert, spec) &&
           X509_sign(cert, issuer->key, EVP_sha256()) > 0 && write_pem(identity);
}

struct tls_identity *tls_identity_new(const struct tls_cert_spec *spec,
                                      const struct tls_identity *issuer)
{
    struct tls_identity *identity = xcalloc(1, sizeof(*identity));

    /* the host's openssl.cnf must not change what is made */
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    identity->key = EVP_EC_gen("P-256");
    identity->cert = X509_new();
    if (make(identity, spec, issuer ? issuer : identity))
        return identity;
    ERR_clear_error();
    tls_identity_free(identity);
    return NULL;
}

void tls_identity_free(struct tls_identity *identity)
{
    if (!identity)
        return;
    EVP_PKEY_free(identity->key);
    X509_free(identity->cert);
    if (identity->key_pem)
        OPENSSL_cleanse(identity->key_pem, strlen(identity->key_pem));
    free(identity->key_pem);
    free(identity->cert_pem);
    free(identity);
}

const char *tls_identity_cert(const struct tls_identity *identity)
{
    return identity->cert_pem;
}

const char *tls_identity_key(const struct tls_identity *identity)
{
    return identity->key_pem;
}
