/*
 * shaped: impairs an adapter that has sockets and no frames, by standing between it and whoever
 * uses it (emu/impair.h says what a rule means).
 *
 * It slips under everything else, while the adapter runs: the adapter's own slots are replaced by
 * those here, and its events are heard here first. Socket numbers stay, so that it can leave again.
 * Without it an adapter is as it was; with it every datagram, and every piece of a stream, waits for
 * its time in memory of ours.
 *
 * What sockets allow: datagrams are delayed, lost, duplicated, reordered, held to a rate and to an
 * MTU (without a word: a socket can't be told). Of TCP, whose packets are the kernel's, a stream is
 * delayed, held to a rate, stopped by a black hole (nothing is lost: it goes on when the hole is
 * over) and reset at a byte. A connection is made when its SYN would leave, and said to be made when
 * the answer would come. The peer's data is acknowledged by this machine's kernel when it arrives.
 */
#pragma once

#include "emu/impair.h"

struct adapter;
struct limits;
struct shaped;
struct timers;
struct trace;
struct vclock;

struct shaped_config {
    struct timers *timers;
    const struct vclock *clock;
    const struct limits *limits;
    struct trace *trace;
    struct impair *impair; /* the rules; not owned */
    struct shaped **self;  /* is set to NULL when it has left */
};

/* @adapter may have layers on it, and sockets. */
struct shaped *shaped_enter(struct adapter *adapter, const struct shaped_config *config);

/* The rules have changed: what a black hole held back may pass. */
void shaped_renew(struct shaped *shaped);

/*
 * Leave: what is on its way arrives at once, and when the scripts have read what has arrived,
 * nothing is left. It may be entered again by shaped_stay() before that.
 */
void shaped_leave(struct shaped *shaped);
void shaped_stay(struct shaped *shaped);

/* Leave at once: nobody reads any more. */
void shaped_free(struct shaped *shaped);

/* Can anything of @rule be honoured here? Bits of the kinds that can't are set in @lacks. */
bool shaped_can(const struct impair_rule *rule, unsigned *lacks);
