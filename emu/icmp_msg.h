/*
 * icmp_msg: ICMP's echo request and reply (RFC 792), written and read. No I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ICMP_HEADER_LEN 8
#define ICMP_DATA_MAX   1472 /* bytes after the header, in an Ethernet frame without fragments */

struct icmp_echo {
    uint16_t id, sequence;
    size_t data_len;
};

/* An echo request, checksum included; returns its length. Its data counts up from 0, as LuatOS's. */
size_t icmp_write_request(const struct icmp_echo *echo,
                          uint8_t message[ICMP_HEADER_LEN + ICMP_DATA_MAX]);

/* False: @message is no echo reply. The checksum is the kernel's to look at. */
bool icmp_read_reply(const uint8_t *message, size_t len, struct icmp_echo *echo);

/*
 * What an IPv4 packet (RFC 791) of a raw socket carries: @message points into @packet. False: it
 * is too short, or no IPv4.
 */
struct ip_payload {
    const uint8_t *message;
    size_t len;
    uint8_t ttl;
};
bool ip_read_payload(const uint8_t *packet, size_t len, struct ip_payload *payload);
