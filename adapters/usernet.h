/*
 * usernet: an IPv4 network that speaks for who sends frames into it, by ordinary sockets of the
 * process that it is in: TCP, UDP and ICMP echo, with a DHCP server and a name server of its own.
 * It takes no rights. Its TCP and IP are libslirp's, which is loaded when it is asked for.
 *
 * For a process of its own, which does nothing else: it reads hostile frames by somebody else's code.
 */
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USERNET_WHY_MAX   128
#define USERNET_FRAME_MAX 1514 /* bytes, without FCS */
#define USERNET_OWN_MAX   8    /* descriptors of usernet_wait() */

struct usernet;

struct usernet_config {
    struct in_addr gateway, dns, first; /* its own two, and the first that it leases; one /24 */
    bool
        has_loopback; /* 127.0.0.1 of this machine is reached at @gateway, and others of 127.0.0.0/8 */

    /* A frame leaves; good until this returns. */
    void (*send)(void *ctx, const uint8_t *frame, size_t len);
    void *ctx;
};

/* Can there be one? 0 or -errno, with @why for people. */
int usernet_find(char why[USERNET_WHY_MAX]);

/* NULL: there can't. It lasts as long as the process. */
struct usernet *usernet_open(const struct usernet_config *config);

/* A frame, whatever it is; what is longer than USERNET_FRAME_MAX is lost. */
void usernet_input(struct usernet *usernet, const uint8_t *frame, size_t len);

/* A port of this machine's that leads to one inside. */
struct usernet_forward {
    bool is_udp;
    uint16_t port; /* the same at both its ends */
    struct in_addr inside;
};

/* Listen at all of this machine's addresses, or no more. 0 or -errno. */
int usernet_forward(struct usernet *usernet, const struct usernet_forward *forward, bool is_on);

/*
 * Wait until something is to be done, for a second at the most, and serve its sockets. @own are
 * waited for too, and have their revents then.
 */
void usernet_wait(struct usernet *usernet, struct pollfd own[], size_t own_count);
