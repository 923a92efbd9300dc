/*
 * pcapng: capture files, written block by block (draft-ietf-opsawg-pcapng-04; the sections below are
 * its own). No I/O: blocks are appended to a byteq, each of them whole.
 *
 * Little-endian, one section, times in nanoseconds since 1970-01-01 UTC. Interfaces are numbered
 * from 0 in the order in which they are described, and described before their first packet; secrets
 * come before the first packet that needs them (4.7).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "emu/buf.h"
#include "emu/endpoint.h"

#define PCAPNG_LINK_ETHERNET  1   /* LINKTYPE_ETHERNET */
#define PCAPNG_LINK_UPPER_PDU 252 /* LINKTYPE_WIRESHARK_UPPER_PDU */
#define PCAPNG_OPTION_MAX     65535
#define PCAPNG_PACKET_MAX     262144 /* bytes; what a packet has beyond them is cut off */

/* Texts are UTF-8 and may be NULL; they are cut at PCAPNG_OPTION_MAX bytes. */
struct pcapng_section {
    const char *hardware, *os, *application, *comment;
};

/* 4.1 */
void pcapng_put_section(struct byteq *out, const struct pcapng_section *section);

struct pcapng_interface {
    uint16_t link_type;
    const char *name, *description;
    const uint8_t *mac;       /* 6 bytes; NULL: not known */
    struct endpoint ip, mask; /* IPv4; family IP_FAMILY_NONE: not known */
    struct endpoint ip6;
    uint8_t prefix6_len; /* bits */
};

/* 4.2 */
void pcapng_put_interface(struct byteq *out, const struct pcapng_interface *interface);

/* 4.3.1, bits 0 and 1 of the flags word */
enum pcapng_direction {
    PCAPNG_DIRECTION_UNKNOWN,
    PCAPNG_DIRECTION_IN,
    PCAPNG_DIRECTION_OUT,
};

struct pcapng_packet {
    uint32_t interface;
    uint64_t time_ns;
    enum pcapng_direction direction;
    const void *data;
    size_t len;
    const char *const *comments; /* one option each */
    size_t comments_count;
};

/* 4.3 */
void pcapng_put_packet(struct byteq *out, const struct pcapng_packet *packet);

/* 4.7, of the type "TLS Key Log": lines as SSLKEYLOGFILE has them, with their ends. */
void pcapng_put_tls_keys(struct byteq *out, const void *lines, size_t len);

struct pcapng_statistics {
    uint32_t interface;
    uint64_t time_ns, start_ns, end_ns;
    uint64_t received, dropped; /* packets; the dropped ones were not received */
    const char *const *comments;
    size_t comments_count;
};

/* 4.6 */
void pcapng_put_statistics(struct byteq *out, const struct pcapng_statistics *statistics);
