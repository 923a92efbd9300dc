/*
 * dhcp_msg: DHCP messages (RFC 2131), written and read. No I/O.
 *
 * IPv4 addresses are numbers in host byte order, 0 where there is none. What a message says of
 * itself is not believed: an option that is longer or shorter than it can be is as though it were
 * not there, a message whose options run out of it is none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/endpoint.h"

#define DHCP_SERVER_PORT  67
#define DHCP_CLIENT_PORT  68
#define DHCP_MSG_MAX      1472 /* bytes of a datagram in an Ethernet frame without fragments */
#define DHCP_MSG_MIN      300  /* RFC 1542 2.1: shorter ones are not relayed */
#define DHCP_MAC_LEN      6
#define DHCP_DNS_MAX      4
#define DHCP_ROUTES_MAX   8
#define DHCP_ID_MAX       64
#define DHCP_NAME_MAX     64 /* of a host, with its end */
#define DHCP_TEXT_MAX     80 /* why it was refused, with its end */
#define DHCP_WANTED_MAX   32
#define DHCP_BROADCAST    UINT32_MAX
#define DHCP_INFINITE_S   UINT32_MAX /* RFC 2131 3.3 */
#define DHCP_IP_TEXT_MAX  16
#define DHCP_MAC_TEXT_MAX 18

/* RFC 2132 9.6 */
enum dhcp_type {
    DHCP_TYPE_NONE,
    DHCP_TYPE_DISCOVER,
    DHCP_TYPE_OFFER,
    DHCP_TYPE_REQUEST,
    DHCP_TYPE_DECLINE,
    DHCP_TYPE_ACK,
    DHCP_TYPE_NAK,
    DHCP_TYPE_RELEASE,
    DHCP_TYPE_INFORM,
};

/* RFC 2132; those that a message can carry here. */
enum dhcp_option {
    DHCP_OPTION_PAD = 0,
    DHCP_OPTION_MASK = 1,
    DHCP_OPTION_ROUTER = 3,
    DHCP_OPTION_DNS = 6,
    DHCP_OPTION_HOSTNAME = 12,
    DHCP_OPTION_MTU = 26,
    DHCP_OPTION_BROADCAST = 28,
    DHCP_OPTION_REQUESTED_IP = 50,
    DHCP_OPTION_LEASE = 51,
    DHCP_OPTION_OVERLOAD = 52,
    DHCP_OPTION_TYPE = 53,
    DHCP_OPTION_SERVER_ID = 54,
    DHCP_OPTION_WANTED = 55,
    DHCP_OPTION_TEXT = 56,
    DHCP_OPTION_T1 = 58,
    DHCP_OPTION_T2 = 59,
    DHCP_OPTION_CLIENT_ID = 61,
    DHCP_OPTION_ROUTES = 121, /* RFC 3442 */
    DHCP_OPTION_END = 255,
};

struct dhcp_route {
    uint32_t to, via;    /* @via 0: on the link */
    unsigned prefix_len; /* bits */
};

/* What identifies a client to a server: any bytes (RFC 2132 9.14). */
struct dhcp_id {
    uint8_t bytes[DHCP_ID_MAX];
    size_t len; /* 0: none */
};

struct dhcp_msg {
    bool is_reply; /* from a server */
    enum dhcp_type type;
    uint32_t xid;
    uint16_t secs;
    bool wants_broadcast;
    uint32_t client_ip, your_ip, next_ip, relay_ip;
    uint8_t mac[DHCP_MAC_LEN];

    uint32_t server_id, requested_ip;
    uint32_t mask, broadcast, router; /* the first router */
    uint32_t dns[DHCP_DNS_MAX];
    size_t dns_count;
    struct dhcp_route routes[DHCP_ROUTES_MAX];
    size_t routes_count;
    uint32_t lease_s, t1_s, t2_s; /* 0: not said */
    uint16_t mtu;                 /* bytes; 0: not said */
    struct dhcp_id client_id;
    char hostname[DHCP_NAME_MAX]; /* "": none; what can't be printed is '?' */
    char text[DHCP_TEXT_MAX];     /* likewise */
    uint8_t wanted[DHCP_WANTED_MAX];
    size_t wanted_count;
};

/* False: it is no DHCP message of an Ethernet client. */
bool dhcp_read(const uint8_t *data, size_t len, struct dhcp_msg *msg);

/* Returns its length. */
size_t dhcp_write(const struct dhcp_msg *msg, uint8_t data[DHCP_MSG_MAX]);

/* "DISCOVER" */
const char *dhcp_type_name(enum dhcp_type type);

/* Does a client ask for @option, or for nothing in particular? */
bool dhcp_wants(const struct dhcp_msg *msg, enum dhcp_option option);

/* Can a host have it: not loopback, multicast, broadcast, or in 0.0.0.0/8. */
bool dhcp_ip_is_usable(uint32_t ip);

/* Bits of @mask; 0: it is no mask, for it has holes, or no bits at all. */
unsigned dhcp_prefix_len(uint32_t mask);
uint32_t dhcp_mask(unsigned prefix_len);

void dhcp_to_endpoint(uint32_t ip, struct endpoint *ep);
uint32_t dhcp_from_endpoint(const struct endpoint *ep); /* 0: it is none of IPv4 */

/* "192.0.2.1"; "02:4c:41:42:00:01". Return @text. */
const char *dhcp_ip_text(uint32_t ip, char text[DHCP_IP_TEXT_MAX]);
const char *dhcp_mac_text(const uint8_t mac[DHCP_MAC_LEN], char text[DHCP_MAC_TEXT_MAX]);
