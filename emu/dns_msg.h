/*
 * dns_msg: DNS messages (RFC 1035 section 4), as far as a stub resolver and a small server of
 * addresses need them. Pure: bytes in, values out. Messages are hostile: every length and every
 * pointer is checked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/endpoint.h"

#define DNS_PORT        53
#define DNS_NAME_MAX    256 /* wire format, RFC 1035 3.1: 255 octets, and room to spare */
#define DNS_LENGTH_LEN  2   /* RFC 1035 4.2.2: before a message over TCP */
#define DNS_MSG_MAX     512 /* RFC 1035 4.2.1: a message over UDP */
#define DNS_ADDRS_MAX   4   /* addresses kept of one lookup; LuatOS luat_network_adapter.h:47 */
#define DNS_ANSWERS_MAX 64  /* records of an answer that are looked at */

enum dns_type { DNS_TYPE_A = 1, DNS_TYPE_CNAME = 5, DNS_TYPE_AAAA = 28 };

enum dns_rcode {
    DNS_RCODE_OK = 0,
    DNS_RCODE_FORMERR = 1,
    DNS_RCODE_SERVFAIL = 2,
    DNS_RCODE_NXDOMAIN = 3,
    DNS_RCODE_NOTIMP = 4,
    DNS_RCODE_REFUSED = 5,
};

/* A name in wire format: labels with their lengths, in lower case, ended by an empty one. */
struct dns_name {
    uint8_t octets[DNS_NAME_MAX];
    size_t len;
};

struct dns_question {
    uint16_t id;
    enum dns_type type;
    struct dns_name name;
};

struct dns_answer {
    enum dns_rcode rcode;
    bool is_truncated;
    struct endpoint addrs[DNS_ADDRS_MAX]; /* ports are 0 */
    int count;
};

/* 0, or -EINVAL when @text is no host name (RFC 1035 2.3.4: labels of 63, names of 255 octets). */
int dns_name_set(struct dns_name *name, const char *text);

/* Length of the query, which is below DNS_MSG_MAX. */
size_t dns_write_query(const struct dns_question *question, uint8_t message[DNS_MSG_MAX]);

/*
 * Read @message as the answer to @question. -EBADMSG when it is malformed or answers something
 * else: then @answer means nothing, and the true answer may still come. Addresses are those of the
 * question's name and of the names it is an alias for, in the message's order.
 */
int dns_read_answer(const struct dns_question *question, const uint8_t *message, size_t len,
                    struct dns_answer *answer);

/* Text of @name; octets that no host name has are shown as '?'. Returns @text. */
const char *dns_name_text(const struct dns_name *name, char text[DNS_NAME_MAX]);

/* A query as its server sees it. */
struct dns_asked {
    struct dns_question question; /* its type may be none of enum dns_type */
    enum dns_rcode rcode;         /* not OK: what is wrong with the query */
    uint16_t flags;
    const uint8_t *spelled; /* the question as it was written, borrowed from the message */
    size_t spelled_len;     /* 0: it could not be read */
};

/* -EBADMSG: this is no query, nobody waits for an answer. Else 0; look at @asked->rcode. */
int dns_read_query(const uint8_t *message, size_t len, struct dns_asked *asked);

/*
 * Answer @asked with @rcode and, when that is OK, those of the @count addresses that are of the
 * question's type. @count is at most DNS_ADDRS_MAX. Returns the length.
 */
size_t dns_write_answer(const struct dns_asked *asked, enum dns_rcode rcode,
                        const struct endpoint addrs[], int count, uint8_t message[DNS_MSG_MAX]);
