/*
 * endpoint: an IPv4 or IPv6 address with a port, and the three spellings that LuatOS scripts use:
 * text, the 32-bit word of a little-endian CPU (127.0.0.1 is 0x0100007F), and the bytes that
 * socket.rx returns (0x00 and 4 bytes, or 0x01 and 16 bytes).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ip_family { IP_FAMILY_NONE, IP_FAMILY_V4, IP_FAMILY_V6 };

#define ENDPOINT_TEXT_MAX   72 /* "[address%scope]:port" and its end */
#define ENDPOINT_RXADDR_MAX 17

struct endpoint {
    enum ip_family family;
    uint16_t port;     /* host byte order */
    uint32_t scope_id; /* IPv6 link-local only */
    uint8_t addr[16];  /* network byte order; IPv4 uses the first 4 */
};

/*
 * An address in any form that a module takes: dotted IPv4 with inet_aton()'s shorthands ("127.1"),
 * IPv6 (RFC 4291) with an optional "%scope". The port is left as it is. False for anything else.
 */
bool endpoint_set_text(struct endpoint *ep, const char *text);

/* IPv4 from the word that socket.connect and socket.tx accept. */
void endpoint_set_word(struct endpoint *ep, uint32_t word);

void endpoint_set_v4(struct endpoint *ep, uint8_t a, uint8_t b, uint8_t c, uint8_t d);

/* The address alone, as text; "" when there is none. Returns @text. */
const char *endpoint_ip_text(const struct endpoint *ep, char text[ENDPOINT_TEXT_MAX]);

/* Address and port: "192.0.2.1:80", "[2001:db8::1]:80". Returns @text. */
const char *endpoint_text(const struct endpoint *ep, char text[ENDPOINT_TEXT_MAX]);

/* socket.rx's form; returns its length, 5 or 17. */
size_t endpoint_rxaddr(const struct endpoint *ep, uint8_t bytes[ENDPOINT_RXADDR_MAX]);

/* Length of the address in bytes: 0, 4 or 16. */
size_t endpoint_addr_len(const struct endpoint *ep);

bool endpoint_same_ip(const struct endpoint *a, const struct endpoint *b);

/* Do both lie in one network, whose addresses have their first @bits in common? */
bool endpoint_in_one_net(const struct endpoint *a, const struct endpoint *b, unsigned bits);

/* Neither the all-hosts broadcast, nor multicast, nor the unspecified address. */
bool endpoint_is_unicast(const struct endpoint *ep);

/* How many bits the IPv4 mask @mask has: 24 of 255.255.255.0. False: it is none. */
bool endpoint_mask_bits(const struct endpoint *mask, unsigned *bits);
