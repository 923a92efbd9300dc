/*
 * pump: carries an adapter's frames between its link and the network, and does to them what its
 * rules of impairment say (emu/impair.h).
 *
 * It reads and writes by packet sockets, packet(7), from the one loop: what arrives is copied out of
 * a ring that the kernel fills, waits in a line for its time, and is sent with others that are due.
 * A delay counts from when the kernel has seen the frame, not from when the loop had time for it.
 *
 * What carries no IP, ARP above all, and what keeps an IPv6 link together passes unharmed: a rule
 * loses the packets that scripts send.
 */
#pragma once

#include "adapters/nets.h"
#include "emu/impair.h"

#define PUMP_LINE_LEN_MAX (64 * 1024 * 1024) /* bytes on their way, a direction; more are lost */

struct adapter;
struct log;
struct loop;
struct pump;
struct timers;
struct trace;
struct vclock;

struct pump_config {
    struct loop *loop;
    struct timers *timers;
    const struct vclock *clock;
    struct log *log;
    struct trace *trace;
    enum adapter_id id;              /* for its name */
    const struct adapter *adapter;   /* for its name servers; NULL: it has none of ours */
    struct impair *impair;           /* its rules; not owned, and changed while the pump runs */
    struct nets_end ends[NETS_ENDS]; /* their descriptors are the pump's, whatever comes of it */
};

/* 0 or -errno. */
int pump_open(struct pump **out, const struct pump_config *config);

/* What is on its way arrives at once. */
void pump_close(struct pump *pump);
