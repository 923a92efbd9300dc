/* Included by the files of adapters/lab: lab.c, peers.c, print.c, certs.c, secure.c, stream.c, dgram.c, dtls.c, dns_peer.c, dns_forward.c, ntp_peer.c, http_peer.c, odd_peers.c, control.c and stream_peers.c. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "adapters/lab/lab.h"
#include "emu/buf.h"
#include "emu/list.h"
#include "emu/loop.h"
#include "emu/tls.h"

#define LAB_READ_CAP (64 * 1024) /* read at once; more than any UDP payload, RFC 768 */
#define LAB_DTLS_MAX 64          /* clients at once, over all peers */
#define LAB_DOMAIN   ".lab"
#define LAB_FAR      "far" LAB_DOMAIN /* the host behind the router */
#define LAB_PSK_ID   "lab"
#define LAB_PSK      "0123456789abcdef"

/* ---- tables ----------------------------------------------------------------------------------- */

struct lab_dgram_ops;
struct lab_stream_ops;

/* How a server shows who it is. */
enum lab_secure {
    LAB_SECURE_NO,
    LAB_SECURE_CERT,        /* by a certificate of the lab's CA */
    LAB_SECURE_MUTUAL,      /* and clients do so too */
    LAB_SECURE_EXPIRED,     /* by one that has expired */
    LAB_SECURE_WRONG_HOST,  /* by one for another name */
    LAB_SECURE_SELF_SIGNED, /* by one that no CA has signed */
    LAB_SECURE_PSK,         /* by a key that both know, LAB_PSK */
    LAB_SECURE_COUNT,
};

/* Who is at its port. */
enum lab_door {
    LAB_DOOR_OPEN,
    LAB_DOOR_FULL, /* nobody takes a connection off the queue, and the queue is full: no SYN is answered */
    LAB_DOOR_NOBODY, /* no socket: the kernel refuses */
};

struct lab_peer {
    const char *name;
    enum sock_type type;
    uint16_t port;
    uint16_t well_known; /* on a network of its own, besides; 0: none */
    enum lab_secure secure;
    enum lab_door door;
    int rcvbuf;       /* bytes that its socket may keep unread; 0: what the kernel gives */
    bool is_far_too;  /* behind the router there is one, too */
    const char *what; /* for people */
    const struct lab_stream_ops *stream; /* TCP */
    const struct lab_dgram_ops *dgram;   /* UDP */
};

extern const struct lab_peer lab_peers[];
extern const size_t lab_peers_count;

/* Names that the lab's DNS knows, and published scripts use. */
struct lab_name_group {
    const char *what;         /* for people */
    bool is_certified;        /* they are in the lab's certificates */
    const char *const *names; /* NULL at their end */
};

extern const struct lab_name_group lab_name_groups[];
extern const size_t lab_name_groups_count;

/* Whose address @name, in lower case, is: "echo.lab" or one of those. NULL: the lab does not know it. */
const struct endpoint *lab_find_name(const struct lab *lab, const char *name);

/* ---- servers ------------------------------------------------------------------------------------ */

/* A port of a peer. */
struct lab_server {
    struct lab *lab;
    const struct lab_peer *peer;
    uint16_t port;
    int place;             /* of the keeper's: KEEPER_HOME, or behind the router */
    struct loop_fd source; /* fd -1: not open */
    bool is_starved;       /* a client waits, but there was no descriptor for it */
    int filler_fd;         /* what fills the queue of LAB_DOOR_FULL; -1: nothing */
};

struct lab {
    struct lab_config config;
    struct endpoint dns;
    struct endpoint far;        /* behind the router; IP_FAMILY_NONE: there is none */
    struct lab_server *servers; /* in the order of lab_peers */
    size_t servers_count;
    struct list streams; /* of struct lab_stream */
    size_t streams_count;
    struct list dtls; /* of struct lab_dtls */
    size_t dtls_count;
    struct tls_env tls;
    struct lab_certs *certs;
    struct lab_forward *forward;   /* NULL: there is no other name server */
    uint8_t scratch[LAB_READ_CAP]; /* where what was read lands */
};

/* At its port; 0 or -errno. A server that is closed has lost nobody who had come. */
int lab_server_open(struct lab_server *server);
void lab_server_close(struct lab_server *server);

void lab_to_sockaddr(const struct endpoint *ep, struct sockaddr_in *sa);
void lab_from_sockaddr(struct endpoint *ep, const struct sockaddr_in *sa);

/* See @source again next turn, though nothing has changed: its owner stopped half-way. */
int lab_again(struct lab *lab, struct loop_fd *source, uint32_t events);

/* Trace @kind, with "peer", "port" and "from". */
void lab_trace(const struct lab_server *server, const char *kind, const struct endpoint *from);

/* Where the lab is. A descriptor or -errno. */
int lab_socket(struct keeper *keeper, int place, int type);

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
    bool is_deaf;      /* read nothing for now */
    bool is_hung_up;   /* nothing can come or go any more */
    bool is_held;      /* its peer has something to do later: FIN is not the end */
    bool is_shutting;  /* FIN goes out when @outq is empty */
    bool is_shut;      /* it has */
    bool is_ending;    /* close when @outq is empty */
    int error;         /* the connection is broken, and why */
    struct tls *tls;   /* NULL: none. Of it, @rx and @tx count what is inside */
    bool is_secured;   /* its handshake is done */
    size_t read_max;   /* at once; 0: LAB_READ_CAP */
    void *own;         /* the peer's */
};

/*
 * A TCP peer's manners; all slots are optional. None of them may close the stream: they call
 * lab_stream_end(). Nothing is read while something waits to be written, so what received() writes
 * for one piece, of LAB_READ_CAP bytes at most, is all that a stream ever holds. A client's FIN ends
 * the stream when there is nothing left to say.
 */
struct lab_stream_ops {
    void (*opened)(struct lab_stream *stream);
    void (*received)(struct lab_stream *stream, const uint8_t *data, size_t len);
    bool (*writable)(
        struct lab_stream *stream); /* nothing waits: write more. False: nothing to say */
    void (*closed)(struct lab_stream *stream); /* free @own */
};

/* Send @data, after what waits already; by TLS where there is one. */
void lab_stream_write(struct lab_stream *stream, const void *data, size_t len);

/* Likewise, as it is. */
void lab_stream_send(struct lab_stream *stream, const void *data, size_t len);

/* Read no more, and close after what was written. */
void lab_stream_end(struct lab_stream *stream);

/* Say no more after what was written (FIN), and go on reading. */
void lab_stream_shut(struct lab_stream *stream);

/* End it at once by RST, whatever waits. */
void lab_stream_reset(struct lab_stream *stream);

/* From outside its slots, such as a timer: go on, as something has changed. It may be closed by that. */
void lab_stream_go_on(struct lab_stream *stream);

/* At once, whatever waits. */
void lab_stream_close(struct lab_stream *stream);

/* ---- UDP ------------------------------------------------------------------------------------------ */

/* Where a datagram came from, and which of the lab's addresses it was sent to. */
struct lab_dgram {
    struct lab_server *server;
    struct endpoint from, to; /* @to without a port */
    struct lab_dtls *dtls;    /* by which it came; NULL: none */
};

struct lab_dgram_ops {
    void (*received)(const struct lab_dgram *dgram, const uint8_t *data, size_t len);
};

/* Send @data back. What can't be sent is lost, as datagrams are. */
void lab_dgram_answer(const struct lab_dgram *dgram, const void *data, size_t len);

/* Likewise, as it is. */
void lab_dgram_send(const struct lab_dgram *dgram, const void *data, size_t len);

/* ---- another name server -------------------------------------------------------------------------- */

/* Who asks: by a datagram, or on a stream, which has @server and @from, too; the other is NULL. */
struct lab_asker {
    const struct lab_server *server;
    const struct endpoint *from;
    const struct lab_dgram *dgram;
    struct lab_stream *stream;
};

/* Ask it what @asker asks. False: there is none, or not for this. */
bool lab_forward(const struct lab_asker *asker, const uint8_t *query, size_t len);

/* @stream is about to go: it gets no answers any more. */
void lab_forward_forget(struct lab_stream *stream);

/* 0 or -errno. */
int lab_forward_open(struct lab *lab);
void lab_forward_close(struct lab *lab);

/* ---- TLS and DTLS ----------------------------------------------------------------------------------- */

struct tls_identity;

/* What every lab has. 0 or -errno. */
int lab_certs_open(struct lab *lab);
void lab_certs_close(struct lab *lab);

/* Made when it is first asked for. NULL: OpenSSL could not. */
const struct tls_identity *lab_certs_server(struct lab *lab, enum lab_secure secure);
const struct tls_identity *lab_certs_ca(const struct lab *lab);

/* A connection that @from has opened to @server. NULL: OpenSSL has no memory. */
struct tls *lab_secure_new(struct lab_server *server, const struct endpoint *from,
                           const struct tls_io *io);

/* How a handshake went, or that a connection broke. */
void lab_secure_trace(const struct lab_server *server, const struct endpoint *from,
                      const struct tls *tls, bool ok);

/* Begin TLS on a stream. 0 or -errno. */
int lab_secure_stream(struct lab_stream *stream);

/* Take its handshake as far as it goes. True: it is done. */
bool lab_secure_shake(struct lab_stream *stream);

/* As recv(2), -errno for errors. */
ssize_t lab_secure_read(struct lab_stream *stream, void *data, size_t cap);

/* A datagram of whoever it is from. */
void lab_dtls_received(const struct lab_dgram *dgram, const uint8_t *data, size_t len);
void lab_dtls_write(struct lab_dtls *dtls, const void *data, size_t len);
void lab_dtls_close(struct lab *lab);

/* ---- peers --------------------------------------------------------------------------------------------- */

/* What the source and others send: the printable characters of ASCII, over and over, from byte @from. */
void lab_pattern(char *data, size_t len, uint64_t from);

extern const struct lab_stream_ops lab_echo_stream, lab_sink_stream, lab_source_stream,
    lab_hangup_stream, lab_dns_stream, lab_tls_hangup_stream, lab_http_stream, lab_rst_stream,
    lab_reset_stream, lab_half_close_stream, lab_slow_reader_stream, lab_dribble_stream,
    lab_silent_stream;
extern const struct lab_dgram_ops lab_echo_dgram, lab_dns_dgram, lab_ntp_dgram, lab_sink_dgram,
    lab_twice_dgram, lab_other_port_dgram, lab_large_dgram;
