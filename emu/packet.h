/*
 * packet: Ethernet frames that carry TCP, UDP or ICMP over IPv4 or IPv6, built whole: right lengths,
 * right checksums. No I/O, no state.
 *
 * Ethernet II (IEEE 802.3), IPv4 (RFC 791), IPv6 (RFC 8200), UDP (RFC 768), TCP (RFC 9293), ICMP
 * (RFC 792, RFC 4443). frame.h reads what these build.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/endpoint.h"

#define PACKET_MAC_LEN      6
#define PACKET_HEADERS_MAX  96    /* before the data, in every frame built here */
#define PACKET_UDP_DATA_MAX 65527 /* RFC 768: its length field counts the header too */
#define PACKET_TCP_DATA_MAX 65475 /* so that an IPv4 packet has room for it and the headers */
#define PACKET_TTL          64

/* RFC 9293 3.1 */
#define PACKET_TCP_FIN 0x01
#define PACKET_TCP_SYN 0x02
#define PACKET_TCP_RST 0x04
#define PACKET_TCP_PSH 0x08
#define PACKET_TCP_ACK 0x10

/* From where to where; both ends are of one family. */
struct packet_way {
    uint8_t from_mac[PACKET_MAC_LEN], to_mac[PACKET_MAC_LEN];
    struct endpoint from, to;
    uint16_t id; /* IPv4's identification, and IPv6's of fragments */
};

struct packet_way packet_way_back(const struct packet_way *way);

struct packet_tcp {
    uint32_t sequence, acknow;
    uint8_t flags;
    uint16_t window;
    uint16_t mss;  /* option of a SYN, RFC 9293 3.2; 0: none */
    uint8_t scale; /* option of a SYN, RFC 7323 2.2 */
    const uint8_t *data;
    size_t data_len; /* at most PACKET_TCP_DATA_MAX */
};

/*
 * The MAC address that an IP packet to @to goes to: @next, its next hop's; a group has one of its
 * own (RFC 1112 6.4, RFC 2464 7).
 */
void packet_group_mac(const struct endpoint *to, const uint8_t next[PACKET_MAC_LEN],
                      uint8_t mac[PACKET_MAC_LEN]);

/* A segment. @out has PACKET_HEADERS_MAX bytes and room for the data. Returns the frame's length. */
size_t packet_write_tcp(uint8_t *out, const struct packet_way *way, const struct packet_tcp *tcp);

/*
 * A datagram, in as many fragments as @mtu, the size of IP packets, makes of it. Each call writes the
 * next one; false: there was none left.
 */
struct packet_datagram {
    const uint8_t *data;
    size_t data_len; /* at most PACKET_UDP_DATA_MAX */
    size_t mtu;      /* from 576 on */
    size_t done;     /* bytes of header and data that were written; begins as 0 */
    bool is_over;    /* begins as false */
};
bool packet_write_udp(uint8_t *out, size_t *len, const struct packet_way *way,
                      struct packet_datagram *datagram);

/* An ICMP message without fragments; its checksum (bytes 2 and 3) is filled in. */
size_t packet_write_icmp(uint8_t *out, const struct packet_way *way, const uint8_t *message,
                         size_t len);
