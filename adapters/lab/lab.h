/*
 * lab: a small network inside the emulator, for scripts that have no other: servers on the host's
 * loopback, driven by the device's own loop. It needs neither root nor the internet.
 *
 * Every lab has an address of its own, 127.A.B.C, so that many emulators run side by side with the
 * same ports; or it is on the bridge of a network of its own (keeper.h). All ports are above 1023: those below need root. A script can't listen on a TCP port of
 * this table itself while the lab is there.
 *
 *   port   protocol   name     what it does
 *   40053  UDP, TCP   dns      knows netlab.luatos.com and NAME.lab of every peer (echo.lab): A is
 *                              the lab's address, any other type is empty, other names NXDOMAIN
 *   40123  TCP, UDP   echo     sends back what it gets; after the client's FIN it closes too
 *   40124  TCP        sink     reads and says nothing; after the client's FIN it closes too
 *   40125  TCP        source   sends as fast as the client reads, for ever, and ignores what it
 *                              gets; byte number n (from 0) is 0x20 + n % 95
 *   40126  TCP        hangup   closes at once
 *
 * A peer is a row of lab_peers. What a client can make the lab hold is bounded: LAB_CLIENTS_MAX
 * connections, of each no more than what one read can cause to be written. A further client gets
 * RST. The lab sets no timers: that it listens does not keep a run alive.
 *
 * Trace: "lab.open" address; "lab.accept", "lab.refuse" peer, from; "lab.close" peer, from, rx, tx
 * (bytes), error (errno, 0: none); "lab.datagram" peer, from, len; "lab.dns" name, type, rcode, from.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "emu/adapter.h"

#define LAB_CLIENTS_MAX 256 /* connections at once, over all peers */

struct keeper;
struct lab;
struct log;
struct loop;
struct rng;
struct timers;
struct trace;
struct vclock;

struct lab_config {
    struct loop *loop;
    struct timers *timers;
    const struct vclock *clock;
    struct rng *rng;       /* one number is taken: where the search for an address begins */
    struct keeper *keeper; /* of a network whose bridge has @ip: there; NULL: on loopback */
    struct endpoint ip;
    struct log *log;
    struct trace *trace;
};

struct lab_dgram_ops;
struct lab_stream_ops;

struct lab_peer {
    const char *name;
    enum sock_type type;
    uint16_t port;
    const char *what;                    /* for people */
    const struct lab_stream_ops *stream; /* TCP */
    const struct lab_dgram_ops *dgram;   /* UDP */
};

extern const struct lab_peer lab_peers[];
extern const size_t lab_peers_count;

/* 0 or -errno; -EADDRINUSE: no address was found on which all ports are free. */
int lab_open(struct lab **lab, const struct lab_config *config);
void lab_close(struct lab *lab);

/* The name server, for adapter_info.dns: address and port. All peers have this address. */
const struct endpoint *lab_dns(const struct lab *lab);
