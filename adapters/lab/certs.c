/* The lab's certificates: made at start or when they are first needed, of keys that no other run has. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/lab/lab_priv.h"
#include "emu/tls_cert.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define US_PER_S    1000000
#define DAY_S       86400
#define YEAR_S      (365 * DAY_S)
#define SAN_MAX     4096 /* of the text that names whom a certificate is for */
#define OTHER_SAN   "DNS:another.example"
#define FILE_CA     "lab-ca.pem"
#define FILE_CERT   "lab-client.pem"
#define FILE_KEY    "lab-client.key"
#define FILES_COUNT 3

struct lab_certs {
    struct tls_identity *ca, *client, *servers[LAB_SECURE_COUNT];
    struct lab_file files[FILES_COUNT];
};

/* How long a certificate is good. */
struct span {
    int from_s, until_s; /* from now */
};

static const struct span good = { -DAY_S, 10 * YEAR_S };
static const struct span over = { -2 * YEAR_S, -DAY_S };

struct names {
    char text[SAN_MAX];
    size_t len;
};

static void add_name(struct names *san, const char *kind, const char *name, const char *domain)
{
    int n = snprintf(san->text + san->len, sizeof(san->text) - san->len, "%s%s:%s%s",
                     san->len ? "," : "", kind, name, domain);

    assert(n > 0 && (size_t)n < sizeof(san->text) - san->len); /* the tables are ours */
    san->len += (size_t)n;
}

/* All names of the lab but those of time servers, which nobody asks for a certificate. */
static void name_the_lab(const struct lab *lab, struct names *san)
{
    char ip[ENDPOINT_TEXT_MAX];

    for (size_t i = 0; i < lab_name_groups_count; i++) {
        const struct lab_name_group *group = &lab_name_groups[i];

        for (const char *const *name = group->names; group->is_certified && *name; name++)
            add_name(san, "DNS", *name, "");
    }
    for (size_t i = 0; i < lab_peers_count; i++) {
        if (i == 0 || strcmp(lab_peers[i].name, lab_peers[i - 1].name) != 0)
            add_name(san, "DNS", lab_peers[i].name, LAB_DOMAIN);
    }
    add_name(san, "IP", endpoint_ip_text(lab_dns(lab), ip), "");
}

static struct tls_identity *make(const struct lab *lab, struct tls_cert_spec spec,
                                 const struct span *span, const struct tls_identity *issuer)
{
    int64_t now_s = vclock_world_us(lab->config.clock) / US_PER_S;

    spec.from_s = now_s + span->from_s;
    spec.until_s = now_s + span->until_s;
    return tls_identity_new(&spec, issuer);
}

static struct tls_identity *make_server(const struct lab *lab, enum lab_secure secure)
{
    const struct tls_identity *ca = lab->certs->ca;
    struct names san = { .len = 0 };
    struct tls_cert_spec spec = { .cn = "luatos-emu lab", .san = san.text };

    name_the_lab(lab, &san);
    switch (secure) {
    case LAB_SECURE_CERT:
    case LAB_SECURE_MUTUAL:
        return make(lab, spec, &good, ca);
    case LAB_SECURE_EXPIRED:
        return make(lab, spec, &over, ca);
    case LAB_SECURE_WRONG_HOST:
        spec.san = OTHER_SAN;
        return make(lab, spec, &good, ca);
    case LAB_SECURE_SELF_SIGNED:
        return make(lab, spec, &good, NULL);
    case LAB_SECURE_NO:
    case LAB_SECURE_PSK:
    case LAB_SECURE_COUNT:
        break;
    }
    return NULL;
}

const struct tls_identity *lab_certs_server(struct lab *lab, enum lab_secure secure)
{
    struct tls_identity **server = &lab->certs->servers[secure];

    if (!*server)
        *server = make_server(lab, secure);
    return *server;
}

const struct tls_identity *lab_certs_ca(const struct lab *lab)
{
    return lab->certs->ca;
}

int lab_certs_open(struct lab *lab)
{
    const struct tls_cert_spec ca = { .cn = "luatos-emu lab CA", .is_ca = true };
    const struct tls_cert_spec client = { .cn = "luatos-emu lab client", .is_client = true };
    struct lab_certs *certs = xcalloc(1, sizeof(*certs));

    lab->certs = certs;
    certs->ca = make(lab, ca, &good, NULL);
    if (certs->ca)
        certs->client = make(lab, client, &good, certs->ca);
    if (!certs->client)
        return -ENOMEM;
    certs->files[0] = (struct lab_file){ FILE_CA, tls_identity_cert(certs->ca) };
    certs->files[1] = (struct lab_file){ FILE_CERT, tls_identity_cert(certs->client) };
    certs->files[2] = (struct lab_file){ FILE_KEY, tls_identity_key(certs->client) };
    return 0;
}

void lab_certs_close(struct lab *lab)
{
    struct lab_certs *certs = lab->certs;

    if (!certs)
        return;
    tls_identity_free(certs->ca);
    tls_identity_free(certs->client);
    for (int i = 0; i < LAB_SECURE_COUNT; i++)
        tls_identity_free(certs->servers[i]);
    free(certs);
}

const struct lab_file *lab_file(const struct lab *lab, size_t index)
{
    return index < FILES_COUNT ? &lab->certs->files[index] : NULL;
}
