/* Included by netc.c, netc_data.c, netc_note.c and netc_tls.c only. */
#pragma once

#include "emu/netc.h"

bool netc_is_online(const struct netc *netc);

/* socket.debug's lines: "netc 3: ..." */
void netc_debug(const struct netc *netc, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- netc_tls.c ---- */

void netc_tls_init(struct netc *netc);

/* Begin the handshake on the socket that has just connected; FAILED: it can't. */
enum netc_verdict netc_tls_start(struct netc *netc);

/* Take the handshake further. DONE: it is done. */
enum netc_verdict netc_tls_shake(struct netc *netc);

/* The connection broke during the handshake: log it as a failed one. */
void netc_tls_broken(struct netc *netc, const struct net_event *event);

/*
 * A record has been read to its end. On a module the next one mostly came in a segment of its own,
 * with an event of its own, and scripts read once an event; here one report may stand for many
 * segments. So whatever the script leaves there is announced again.
 */
void netc_tls_read_on(struct netc *netc);

/* @event announces only what is still there. Is it, or is the end? */
bool netc_tls_has_more(struct netc *netc, const struct net_event *event);

/* Log, once, why nothing more can be read from it or written to it. */
void netc_tls_note_end(struct netc *netc);

/* Forget the connection's TLS; nothing is sent. */
void netc_tls_stop(struct netc *netc);

/* Plain again: give the context back. */
void netc_tls_fini(struct netc *netc);

/* ---- netc_note.c ---- */

/* Tell who listens by netdrv.on. */
void netc_note(const struct netc *netc, const char *event);
void netc_note_event(const struct netc *netc, const struct net_event *event);
