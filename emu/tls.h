/*
 * tls: TLS and DTLS as a module's client speaks them, by OpenSSL. Bytes in, bytes out: it sits
 * between a socket control and its adapter and knows neither; tls_io is all it has of a network.
 * It can be the server's end too, for those that the emulator brings along.
 *
 * As on a module (mbedTLS): TLS 1.0 to 1.2 unless the board allows 1.3; without a CA nothing is
 * verified; with one, the chain and the name are, and the dates are not (tls_date_problem() says
 * what a check of them would have found). No session is resumed, no close_notify is sent.
 *
 * Nothing here blocks. A connection is driven by tls_handshake() until it is done and then by
 * tls_read(), tls_write() and tls_pending(), all of which may read and write through tls_io.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TLS_NAME_MAX     255 /* RFC 6066 3: of the server name that is sent */
#define TLS_WHY_MAX      512
#define TLS_RECORD_MAX   16384 /* plain bytes in a record, RFC 8446 5.1 */
#define TLS_CONTEXTS_MAX 8     /* unused contexts that are kept for the next control */

/* Of tls_code(). */
#define TLS_CODE_CLOSED    0 /* the peer has ended it, as it should */
#define TLS_CODE_NO_MEMORY 0x7f00

struct log;

/* What several connections share. One per device. */
struct tls_env {
    struct log *log;
    int log_level; /* of socket.sslLog: 0 nothing, 1 errors, 2 states, 3 messages, 4 bytes */
    int keylog_fd; /* NSS key log format; -1: none */
    void (*keylog)(void *ctx, const char *line, size_t len); /* likewise; NULL: none */
    void *keylog_ctx;
    bool allows_1_3;                  /* the board's choice */
    struct tls_context *contexts;     /* most recently used first */
    struct bio_method_st *bio_method; /* OpenSSL's view of tls_io; NULL before it is needed */
};

struct tls_blob {
    const void *data; /* NULL: not given; an empty one has another address */
    size_t len;
};

/* Certificates and keys are PEM or DER, as they come. */
struct tls_config {
    bool is_dtls;
    bool is_server;
    struct tls_blob ca;                  /* not given: nothing is verified, of no client asked */
    struct tls_blob cert, key, password; /* our own */
    struct tls_blob psk, psk_id;         /* in place of all of the above */
};

enum tls_problem {
    TLS_PROBLEM_NONE,
    TLS_PROBLEM_CA,   /* not to be parsed, all of it */
    TLS_PROBLEM_CERT, /* likewise */
    TLS_PROBLEM_KEY,  /* likewise; or the password is wrong, or it is of another certificate */
    TLS_PROBLEM_PSK,  /* too long, or its name is: a module does not say so */
};

/* Where a connection reads and writes: as struct adapter_ops' recv and send. */
struct tls_io {
    void *ctx;
    ssize_t (*recv)(void *ctx, void *data, size_t cap); /* -EAGAIN: nothing; DTLS: a datagram */
    ssize_t (*send)(void *ctx, const void *data, size_t len); /* takes all, or -errno */
};

struct tls_context; /* a configuration, parsed */
struct tls;         /* a connection */

void tls_env_init(struct tls_env *env, struct log *log);
void tls_env_fini(struct tls_env *env);

/*
 * The context of @config, whose bytes are copied; never NULL. What could not be parsed is left out
 * of it, and @problem and @why (for people) say so: as on a module it can be used all the same, and
 * verification then fails. Give it back with tls_context_put().
 */
struct tls_context *tls_context_get(struct tls_env *env, const struct tls_config *config,
                                    enum tls_problem *problem, char why[TLS_WHY_MAX]);
void tls_context_put(struct tls_context *context);

/*
 * A new connection. @name is what the script connects to, sent as it is and, where there is a CA,
 * looked for in the certificate; NULL when it gave an integer: then @ip, its text, is looked for
 * and nothing is sent. @io is copied. NULL: OpenSSL has no memory.
 */
struct tls *tls_new(struct tls_context *context, const char *name, const char *ip,
                    const struct tls_io *io);

/* One that a client has opened; @from says who. It is driven like the other. */
struct tls *tls_new_server(struct tls_context *context, const char *from, const struct tls_io *io);

/* Say that we close, which a module never does. What was read before can still be. */
void tls_close(struct tls *tls);
void tls_free(struct tls *tls);

enum tls_verdict {
    TLS_VERDICT_FAILED, /* tls_why() and tls_code() tell */
    TLS_VERDICT_MORE,   /* goes on when there is something to read, or at tls_timeout_us() */
    TLS_VERDICT_DONE,
};

/* Take the handshake as far as it goes. */
enum tls_verdict tls_handshake(struct tls *tls);

/* DTLS: how long until the last flight must be sent again; UINT64_MAX: nothing is awaited. */
uint64_t tls_timeout_us(const struct tls *tls);

/* The connection below is broken: @error says how; 0: the peer closed it. */
void tls_fail(struct tls *tls, int error);

/* DTLS: that time is over. FAILED: there were too many. */
enum tls_verdict tls_on_timeout(struct tls *tls);

/*
 * What is left of the present record, or else the next one's size. 0: none has fully arrived. -1:
 * the peer has said that it closes, or the connection is broken.
 */
ssize_t tls_pending(struct tls *tls);

/* Bytes of one record: at most @cap, 0 and -1 as above. DTLS: its tail is dropped. */
ssize_t tls_read(struct tls *tls, void *data, size_t cap);

/*
 * All of @data is encrypted and sent; after the peer has renegotiated, if it does so. -EAGAIN: too
 * much waits for that. -EPIPE: broken.
 */
ssize_t tls_write(struct tls *tls, const void *data, size_t len);

/* Is something in hand that was read from the network and not yet from here? */
bool tls_has_pending(const struct tls *tls);

/* Why it failed, for people; and the number that a module's log has for it (mbedTLS, positive). */
const char *tls_why(const struct tls *tls);
unsigned tls_code(const struct tls *tls);

/* "TLSv1.2, ECDHE-ECDSA-AES128-GCM-SHA256" */
const char *tls_describe(const struct tls *tls, char text[TLS_WHY_MAX]);

/*
 * Which certificate of the peer's chain is out of date at @now_s (seconds since 1970), and since or
 * until when. False: none is, or none was verified.
 */
bool tls_date_problem(const struct tls *tls, int64_t now_s, char why[TLS_WHY_MAX]);
