#include "emu/endpoint.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define V4_LEN        4
#define V6_LEN        16
#define V4_MULTICAST  0xe0 /* 224.0.0.0/4, RFC 5771 */
#define V6_MULTICAST  0xff /* ff00::/8, RFC 4291 2.7 */
#define RXADDR_TAG_V4 0x00
#define RXADDR_TAG_V6 0x01
#define BYTE_BITS     8

static void set_addr(struct endpoint *ep, enum ip_family family, const void *addr, size_t len)
{
    ep->family = family;
    ep->scope_id = 0;
    memset(ep->addr, 0, sizeof(ep->addr));
    memcpy(ep->addr, addr, len);
}

static bool set_v6_text(struct endpoint *ep, const char *text)
{
    char addr[INET6_ADDRSTRLEN];
    const char *percent = strchr(text, '%');
    size_t len = percent ? (size_t)(percent - text) : strlen(text);
    struct in6_addr v6;

    if (len >= sizeof(addr))
        return false;
    memcpy(addr, text, len);
    addr[len] = '\0';
    if (inet_pton(AF_INET6, addr, &v6) != 1)
        return false;
    set_addr(ep, IP_FAMILY_V6, &v6, V6_LEN);
    if (percent)
        ep->scope_id = if_nametoindex(percent + 1);
    return true;
}

bool endpoint_set_text(struct endpoint *ep, const char *text)
{
    struct in_addr v4;

    /* inet_aton() stops at white space and calls what stands before it an address */
    if (text[0] && !strpbrk(text, " \t\r\n\v\f") && inet_aton(text, &v4)) {
        set_addr(ep, IP_FAMILY_V4, &v4, V4_LEN);
        return true;
    }
    return set_v6_text(ep, text);
}

void endpoint_set_v4(struct endpoint *ep, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    const uint8_t addr[V4_LEN] = { a, b, c, d };

    set_addr(ep, IP_FAMILY_V4, addr, V4_LEN);
}

void endpoint_set_word(struct endpoint *ep, uint32_t word)
{
    endpoint_set_v4(ep, (uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16),
                    (uint8_t)(word >> 24));
}

size_t endpoint_addr_len(const struct endpoint *ep)
{
    switch (ep->family) {
    case IP_FAMILY_NONE:
        return 0;
    case IP_FAMILY_V4:
        return V4_LEN;
    case IP_FAMILY_V6:
        return V6_LEN;
    }
    return 0;
}

const char *endpoint_ip_text(const struct endpoint *ep, char text[ENDPOINT_TEXT_MAX])
{
    text[0] = '\0';
    if (ep->family == IP_FAMILY_V4) {
        (void)inet_ntop(AF_INET, ep->addr, text, ENDPOINT_TEXT_MAX);
    } else if (ep->family == IP_FAMILY_V6) {
        (void)inet_ntop(AF_INET6, ep->addr, text, ENDPOINT_TEXT_MAX);
    }
    return text;
}

const char *endpoint_text(const struct endpoint *ep, char text[ENDPOINT_TEXT_MAX])
{
    char ip[ENDPOINT_TEXT_MAX];
    const char *open = ep->family == IP_FAMILY_V6 ? "[" : "";
    const char *close = ep->family == IP_FAMILY_V6 ? "]" : "";

    (void)snprintf(text, ENDPOINT_TEXT_MAX, "%s%.60s%s:%u", open, endpoint_ip_text(ep, ip), close,
                   ep->port);
    return text;
}

size_t endpoint_rxaddr(const struct endpoint *ep, uint8_t bytes[ENDPOINT_RXADDR_MAX])
{
    size_t len = endpoint_addr_len(ep);

    bytes[0] = ep->family == IP_FAMILY_V6 ? RXADDR_TAG_V6 : RXADDR_TAG_V4;
    if (!len) /* no sender known: the IPv4 form of "none" */
        len = V4_LEN;
    memcpy(bytes + 1, ep->addr, len);
    return len + 1;
}

bool endpoint_same_ip(const struct endpoint *a, const struct endpoint *b)
{
    return a->family == b->family && memcmp(a->addr, b->addr, endpoint_addr_len(a)) == 0;
}

bool endpoint_in_one_net(const struct endpoint *a, const struct endpoint *b, unsigned bits)
{
    unsigned whole = bits / BYTE_BITS, rest = bits % BYTE_BITS;

    if (a->family != b->family || memcmp(a->addr, b->addr, whole) != 0)
        return false;
    return !rest || (a->addr[whole] ^ b->addr[whole]) >> (BYTE_BITS - rest) == 0;
}

bool endpoint_is_unicast(const struct endpoint *ep)
{
    static const uint8_t zero[V6_LEN];
    static const uint8_t ones[V4_LEN] = { 0xff, 0xff, 0xff, 0xff };

    if (memcmp(ep->addr, zero, sizeof(zero)) == 0)
        return false;
    if (ep->family == IP_FAMILY_V4)
        return (ep->addr[0] & 0xf0) != V4_MULTICAST && memcmp(ep->addr, ones, V4_LEN) != 0;
    return ep->addr[0] != V6_MULTICAST;
}

bool endpoint_mask_bits(const struct endpoint *mask, unsigned *bits)
{
    uint32_t word = (uint32_t)mask->addr[0] << 24 | (uint32_t)mask->addr[1] << 16 |
                    (uint32_t)mask->addr[2] << 8 | mask->addr[3];

    for (*bits = 0; word & 0x80000000; ++*bits)
        word <<= 1;
    return mask->family == IP_FAMILY_V4 && word == 0;
}
