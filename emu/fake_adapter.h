/*
 * fake_adapter: a network for unit tests, whose events the test makes up.
 *
 * It opens whatever it is asked to open, keeps what it is given to send, and reports nothing of its
 * own accord: a test plays the peer and the stack with the fake_report() family. What is to fail is
 * set before the call, in the fields named x_rc. Socket numbers are never used twice, so that a
 * call on a closed socket shows as an assertion.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/adapter.h"
#include "emu/buf.h"

#define FAKE_SOCKS_MAX  128 /* sockets opened in the life of one adapter */
#define FAKE_SENT_MAX   4096
#define FAKE_DGRAMS_MAX 8
#define FAKE_DGRAM_MAX  512
#define FAKE_PORT       49152 /* of our end of socket 0, unless it was given one */

struct fake_dgram {
    uint8_t data[FAKE_DGRAM_MAX];
    size_t len;
    struct endpoint from;
};

struct fake_sock {
    bool is_open;
    bool is_listener, is_many, has_client;
    bool is_reset; /* by reset() */
    bool is_over;  /* the peer has closed: recv() says so once everything is read */
    struct sock_spec spec;
    struct endpoint remote; /* of connect() */
    struct endpoint peer;   /* what peer() says; family none: nothing */

    uint8_t sent[FAKE_SENT_MAX]; /* everything given to send(), one after the other */
    size_t sent_len, sends;
    struct endpoint sent_to; /* of the last send(); family none: to the connected peer */
    size_t unacked;          /* what unacked() says */

    struct byteq rxq; /* TCP */
    struct fake_dgram dgrams[FAKE_DGRAMS_MAX];
    size_t dgrams_count;
};

struct fake_adapter {
    struct adapter base;
    struct adapter_ops ops; /* its own, to be changed before use: @can_accept */
    struct adapter_info info;
    int connect_rc, listen_rc, disconnect_rc; /* 0, or the -errno with which the call fails */
    ssize_t send_rc;                          /* likewise */
    unsigned connects_to_fail;                /* so many connect() calls fail with @connect_rc */
    bool reports_at_once;                     /* connect() reports before it returns: CONNECTED, */
    int error_at_once;                        /* or ERROR, if this errno is not 0 */
    unsigned flushes, disconnects;
    int echo_rc; /* of echo() */
    uint32_t echo_tag;
    struct endpoint echo_to; /* the last request; family none: there was none */
    size_t echo_len;
    struct fake_sock *socks[FAKE_SOCKS_MAX];
    int socks_count; /* the newest is the last; numbers begin at 0 */
};

/* Ready, able to accept, at 192.0.2.2 behind 192.0.2.1. Freed by ops->free(), and net_fini(). */
struct fake_adapter *fake_adapter_new(void);

/* @sid was opened at some time. */
struct fake_sock *fake_sock(struct fake_adapter *fake, int sid);

/* The socket opened last; NULL: none was. */
struct fake_sock *fake_newest(struct fake_adapter *fake);

size_t fake_open_count(const struct fake_adapter *fake);

/* Report @type for @sock, as the network would; also for a socket that is closed meanwhile. */
void fake_report(struct fake_adapter *fake, const struct fake_sock *sock, enum net_event_type type,
                 uint32_t arg);

/* The last echo request is answered. */
void fake_echo(struct fake_adapter *fake, uint8_t ttl);

/* The cable. */
void fake_link(struct fake_adapter *fake, bool up);

/* A segment of a stream arrives. */
void fake_data(struct fake_adapter *fake, struct fake_sock *sock, const char *text);

void fake_datagram(struct fake_adapter *fake, struct fake_sock *sock, const void *data, size_t len,
                   const struct endpoint *from);

/* A client comes to a listener. */
void fake_client(struct fake_adapter *fake, struct fake_sock *listener, const char *ip,
                 uint16_t port);
