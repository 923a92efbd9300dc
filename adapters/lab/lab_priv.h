/* Included by lab.c, peers.c, print.c, stream.c, dgram.c, dns_peer.c, ntp_peer.c and stream_peers.c only. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "adapters/lab/lab.h"
#include "emu/buf.h"
#include "emu/list.h"
#include "emu/loop.h"

#define LAB_READ_CAP (64 * 1024) /* read at once; more than any UDP payload, RFC 768 */

/* ---- tables ----------------------------------------------------------------------------------- */

struct lab_dgram_ops;
struct lab_stream_ops;

struct lab_peer {
    const char *name;
    enum sock_type type;
    uint16_t port;
    uint16_t well_known;                 /* on a network of its own, besides; 0: none */
    const char *what;                    /* for people */
    const struct lab_stream_ops *stream; /* TCP */
    const struct lab_dgram_ops *dgram;   /* UDP */
};

extern const struct lab_peer lab_peers[];
extern const size_t lab_peers_count;

/* Names that the lab's DNS knows, and published scripts use. */
struct lab_name_group {
    const char *what;         /* for people */
    const char *const *names; /* NULL at their end */
};

extern const struct lab_name_group lab_name_groups[];
extern const size_t lab_name_groups_count;

/* Is @name, in lower case, one of them, or "echo.lab" and so on? */
bool lab_knows_name(const char *name);

/* ---- servers ------------------------------------------------------------------------------------ */

/* A port of a peer. */
struct lab_server {
    struct lab *lab;
    const struct lab_peer *peer;
    uint16_t port;
    struct loop_fd source; /* fd -1: not open */
    bool is_starved;       /* a client waits, but there was no descriptor for it */
};

struct lab {
    struct lab_config config;
    struct endpoint dns;
    struct lab_server *servers; /* in the order of lab_peers */
    size_t servers_count;
    struct list streams; /* of struct lab_stream */
    size_t streams_count;
    uint8_t scratch[LAB_READ_CAP]; /* where what was read lands */
};

void lab_to_sockaddr(const struct endpoint *ep, struct sockaddr_in *sa);
void lab_from_sockaddr(struct endpoint *ep, const struct sockaddr_in *sa);

/* See @source again next turn, though nothing has changed: its owner stopped half-way. */
int lab_again(struct lab *lab, struct loop_fd *source, uint32_t events);

/* Trace @kind, with "peer", "port" and "from". */
void lab_trace(const struct lab_server *server, const char *kind, const struct endpoint *from);

/* What the loop calls for a server's socket. */
void lab_on_listener(struct loop_fd *source, uint32_t events);
void lab_on_dgrams(struct loop_fd *source, uint32_t events);

/* ---- TCP ------------------------------------------------------------------------------------------ */

/* One TCP connection. */
struct lab_stream {
    struct list link;
    struct lab_server *server;
    struct loop_fd source;
    struct endpoint from;
    struct byteq inq;  /* for the peer's use: a message of which the end has not come */
    struct byteq outq; /* what the kernel had no room for */
    uint64_t rx, tx;   /* bytes read, and given to the kernel */
    bool is_read_out;  /* FIN came */
    bool is_ending;    /* close when @outq is empty */
    int error;         /* the connection is broken, and why */
};

/*
 * A TCP peer's manners; all slots are optional. None of them may close the stream: they call
 * lab_stream_end(). Nothing is read while something waits to be written, so what received() writes
 * for one piece, of LAB_READ_CAP bytes at most, is all that a stream ever holds.
 */
struct lab_stream_ops {
    void (*opened)(struct lab_stream *stream);
    void (*received)(struct lab_stream *stream, const uint8_t *data, size_t len);
    void (*writable)(struct lab_stream *stream); /* nothing waits: write more */
};

/* Send @data, after what waits already. */
void lab_stream_write(struct lab_stream *stream, const void *data, size_t len);

/* Read no more, and close after what was written. */
void lab_stream_end(struct lab_stream *stream);

/* At once, whatever waits. */
void lab_stream_close(struct lab_stream *stream);

/* ---- UDP ------------------------------------------------------------------------------------------ */

/* Where a datagram came from, and which of the lab's addresses it was sent to. */
struct lab_dgram {
    struct lab_server *server;
    struct endpoint from, to; /* @to without a port */
};

struct lab_dgram_ops {
    void (*received)(const struct lab_dgram *dgram, const uint8_t *data, size_t len);
};

/* Send @data back. What can't be sent is lost, as datagrams are. */
void lab_dgram_answer(const struct lab_dgram *dgram, const void *data, size_t len);

extern const struct lab_stream_ops lab_echo_stream, lab_sink_stream, lab_source_stream,
    lab_hangup_stream, lab_dns_stream;
extern const struct lab_dgram_ops lab_echo_dgram, lab_dns_dgram, lab_ntp_dgram;
