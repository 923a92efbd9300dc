/*
 * udp_packet: an IPv4 packet with a UDP datagram in it (RFC 791, RFC 768), written and read. No I/O.
 * For what has to be said before there is an address, on packet sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UDP_PACKET_HEADERS 28 /* bytes, as they are written: without options */

/* Addresses and ports are in host byte order. */
struct udp_packet {
    uint32_t from, to;
    uint16_t from_port, to_port;
    const uint8_t *data; /* borrowed */
    size_t len;
};

/* Into @out, of @cap bytes; returns its length. 0: there is no room. */
size_t udp_packet_write(const struct udp_packet *packet, uint8_t *out, size_t cap);

/*
 * False: it carries no UDP, or a fragment, or is broken. @is_summed: its UDP checksum was put in; in
 * packets of this machine's own the hardware would do that, which is not there.
 */
bool udp_packet_read(const uint8_t *bytes, size_t len, bool is_summed, struct udp_packet *packet);
