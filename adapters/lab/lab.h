/*
 * lab: a small network inside the emulator, for scripts that have no other: servers driven by the
 * device's own loop. It needs neither root nor the internet.
 *
 * It stands on the bridge of a network of its own (keeper.h), or else on the host's loopback, where
 * every lab has an address of its own, 127.A.B.C, so that many emulators run side by side with the
 * same ports. There all ports are above 1023, for those below need root, and a script can't listen
 * on a TCP port of the lab's itself while the lab is there. On a network of its own the servers have
 * their well-known ports too.
 *
 * What is where is in two tables, of peers and of names; lab_print() shows them to people.
 *
 * What a client can make the lab hold is bounded: LAB_CLIENTS_MAX connections, of each no more than
 * what one read can cause to be written, or the body that a web server sends back, of up to 1 MiB. A
 * further client gets RST. The lab's timers are in the background: neither that it listens nor what it
 * does for others keeps a run alive.
 *
 * Trace: "lab.open" address; "lab.accept", "lab.refuse" peer, port, from; "lab.close" peer, from,
 * rx, tx (bytes), error (errno, 0: none); "lab.datagram" peer, port, from, len; "lab.dns" name,
 * type, rcode, from, forwarded (another name server is asked); "lab.act" peer, action; "lab.http"
 * peer, from, method, path, status; "lab.tls.done" peer, from, with (version and cipher);
 * "lab.tls.failed" peer, from, why.
 *
 * TLS makes a run not quite repeatable, even with a seed: keys are new, and so signatures and the
 * lengths of some messages. What is said inside stays the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/adapter.h"

#define LAB_CLIENTS_MAX 256   /* connections at once, over all peers */
#define LAB_NTP_PORT    40323 /* where there are high ports only */

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
    struct endpoint upstream; /* a name server for names that the lab does not know; or none */
    int keylog_fd;            /* where TLS secrets are appended; -1: nowhere. Not owned */
    struct log *log;
    struct trace *trace;
};

/* 0 or -errno; -EADDRINUSE: no address was found on which all ports are free. */
int lab_open(struct lab **lab, const struct lab_config *config);
void lab_close(struct lab *lab);

/* The name server, for adapter_info.dns: address and port. All peers have this address. */
const struct endpoint *lab_dns(const struct lab *lab);

/* What a script needs to speak TLS with it: certificates and a key, in PEM. */
struct lab_file {
    const char *name, *text; /* "lab-ca.pem" */
};

/* NULL: there are no more. */
const struct lab_file *lab_file(const struct lab *lab, size_t index);

/* What a peer does by itself. */
enum lab_action {
    LAB_ACTION_CLOSE, /* its TCP connections, by FIN */
    LAB_ACTION_RESET, /* likewise, by RST */
    LAB_ACTION_SAY,   /* a text to each of its TCP connections */
    LAB_ACTION_STOP,  /* nobody is at its ports: who comes is refused. Connections stay */
    LAB_ACTION_START, /* it is there again */
};

/* "close" and so on. */
bool lab_action_by_name(const char *name, enum lab_action *action);

/* Is there one: "echo"? */
bool lab_has_peer(const char *name);

/* Have the peer of that name do it; @text is what it says. 0 or -errno, of START. */
int lab_act(struct lab *lab, const char *peer, enum lab_action action, const char *text);

/* Print what is where, as `luatos-emu lab` does. */
void lab_print(void);
