/*
 * sntp: the module's SNTP client, over any adapter (LuatOS luat_sntp.c).
 *
 * A run asks the servers one after another, each for SNTP_SERVER_MS: the name's lookup and the
 * answer must come within it. A lookup or a socket that fails makes it the next server's turn at
 * once. The first good answer sets the device's calendar and publishes NTP_UPDATE(0); when no
 * server is left, NTP_ERROR. What is no answer of that server to that request changes nothing and
 * is logged; one that asks to be left alone (a kiss-o'-death) ends its turn.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/dns.h"
#include "emu/net.h"
#include "emu/ntp_msg.h"
#include "emu/timer.h"

#define SNTP_SERVERS_MAX 3
#define SNTP_NAME_MAX    30 /* characters; LuatOS luat_sntp.h */
#define SNTP_SERVER_MS   2000
#define SNTP_SAMPLES     8 /* of the delay, averaged */

struct vclock;

struct sntp {
    struct sock_owner owner;
    struct net *net;
    struct vclock *clock;
    char servers[SNTP_SERVERS_MAX][SNTP_NAME_MAX + 1];
    uint16_t port;

    struct adapter *adapter; /* of the present run; NULL: none is running */
    int server;              /* whose turn it is */
    struct dns_request lookup;
    uint32_t tag;
    int sid; /* -1: none */
    struct timer timer;
    struct endpoint remote; /* whom @sid asks */
    struct ntp_time origin; /* what the last request carried */

    /* socket.ntptm's fields */
    bool is_valid;
    int64_t start_s, start_ms; /* when the device started, in seconds since 1900 and ms more */
    int32_t delay_ms;          /* average of: */
    int32_t delays_ms[SNTP_SAMPLES];
    int delays_next;
};

void sntp_init(struct sntp *sntp, struct net *net, struct vclock *clock);
void sntp_fini(struct sntp *sntp);

/* False: it is too long. */
bool sntp_set_server(struct sntp *sntp, int slot, const char *name);

/* Begin a run. False: one is running already. @adapter NULL: it fails at once. */
bool sntp_start(struct sntp *sntp, struct adapter *adapter);

/* The estimate of the present time, in seconds since 1900 and milliseconds: up time and start. */
struct ntp_time sntp_now(const struct sntp *sntp);
