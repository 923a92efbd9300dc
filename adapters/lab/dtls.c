/*
 * DTLS at the lab's end. Everyone who sends a hello is a client until he says that he closes, begins
 * anew, or is the one of LAB_DTLS_MAX that has been quiet for the longest when another comes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/lab/lab_priv.h"
#include "emu/timer.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define RECORD_HANDSHAKE 22 /* RFC 6347 4.1: type, version, epoch, sequence number, length */
#define EPOCH_AT         3
#define RECORD_HEADER    13
#define CLIENT_HELLO     1

struct lab_dtls {
    struct list link; /* lab->dtls, the one that was heard last at its end */
    struct lab_dgram dgram;
    struct tls *tls;
    struct timer timer; /* of the last flight */
    bool is_secured;
    const uint8_t *data; /* the datagram in hand; NULL: none */
    size_t len;
};

static ssize_t hear(void *ctx, void *data, size_t cap)
{
    struct lab_dtls *dtls = ctx;
    size_t len = dtls->len < cap ? dtls->len : cap;

    if (!dtls->data)
        return -EAGAIN;
    memcpy(data, dtls->data, len);
    dtls->data = NULL;
    return (ssize_t)len;
}

static ssize_t say(void *ctx, const void *data, size_t len)
{
    struct lab_dtls *dtls = ctx;

    lab_dgram_send(&dtls->dgram, data, len);
    return (ssize_t)len;
}

/* ---- clients ------------------------------------------------------------------------------------ */

static void drop(struct lab_dtls *dtls)
{
    struct lab *lab = dtls->dgram.server->lab;

    tls_close(dtls->tls);
    tls_free(dtls->tls);
    timer_stop(lab->config.timers, &dtls->timer);
    list_remove(&dtls->link);
    lab->dtls_count--;
    free(dtls);
}

void lab_dtls_close(struct lab *lab)
{
    while (!list_is_empty(&lab->dtls))
        drop(container_of(lab->dtls.next, struct lab_dtls, link));
}

static struct lab_dtls *find(const struct lab_dgram *dgram)
{
    struct lab *lab = dgram->server->lab;

    list_for_each(node, &lab->dtls) {
        struct lab_dtls *dtls = container_of(node, struct lab_dtls, link);

        if (dtls->dgram.server == dgram->server && dtls->dgram.from.port == dgram->from.port &&
            endpoint_same_ip(&dtls->dgram.from, &dgram->from))
            return dtls;
    }
    return NULL;
}

/* The beginning of a handshake, which is sent in the clear. */
static bool is_hello(const uint8_t *data, size_t len)
{
    return len > RECORD_HEADER && data[0] == RECORD_HANDSHAKE && !data[EPOCH_AT] &&
           !data[EPOCH_AT + 1] && data[RECORD_HEADER] == CLIENT_HELLO;
}

static void on_timer(struct timer *timer);

static struct lab_dtls *begin(const struct lab_dgram *dgram)
{
    struct lab *lab = dgram->server->lab;
    struct lab_dtls *dtls = xcalloc(1, sizeof(*dtls));
    const struct tls_io io = { .ctx = dtls, .recv = hear, .send = say };

    dtls->tls = lab_secure_new(dgram->server, &dgram->from, &io);
    if (!dtls->tls) {
        free(dtls);
        return NULL;
    }
    dtls->dgram = *dgram;
    dtls->dgram.dtls = dtls;
    timer_init_background(&dtls->timer, on_timer);
    if (lab->dtls_count == LAB_DTLS_MAX)
        drop(container_of(lab->dtls.next, struct lab_dtls, link));
    list_append(&lab->dtls, &dtls->link);
    lab->dtls_count++;
    return dtls;
}

/* NULL: it is nobody's, and no beginning. */
static struct lab_dtls *find_or_begin(const struct lab_dgram *dgram, const uint8_t *data,
                                      size_t len)
{
    struct lab_dtls *dtls = find(dgram);
    bool begins = is_hello(data, len);

    if (dtls && dtls->is_secured && begins) {
        drop(dtls);
        dtls = NULL;
    }
    if (!dtls)
        return begins ? begin(dgram) : NULL;
    list_remove(&dtls->link);
    list_append(&dtls->dgram.server->lab->dtls, &dtls->link);
    return dtls;
}

/* ---- what they say ------------------------------------------------------------------------------ */

static void set_timer(struct lab_dtls *dtls)
{
    const struct lab_config *config = &dtls->dgram.server->lab->config;
    uint64_t wait_us = tls_timeout_us(dtls->tls);

    if (wait_us == UINT64_MAX) {
        timer_stop(config->timers, &dtls->timer);
    } else {
        timer_start(config->timers, &dtls->timer, config->clock->now_us + wait_us);
    }
}

/* False: it is over. */
static bool shake(struct lab_dtls *dtls)
{
    enum tls_verdict verdict = tls_handshake(dtls->tls);

    if (verdict == TLS_VERDICT_MORE)
        return true;
    dtls->is_secured = verdict == TLS_VERDICT_DONE;
    lab_secure_trace(dtls->dgram.server, &dtls->dgram.from, dtls->tls, dtls->is_secured);
    return dtls->is_secured;
}

/* False: the client has said that it closes. */
static bool read_all(struct lab_dtls *dtls)
{
    const struct lab_dgram_ops *ops = dtls->dgram.server->peer->dgram;
    uint8_t data[TLS_RECORD_MAX];
    ssize_t n;

    while ((n = tls_read(dtls->tls, data, sizeof(data))) > 0)
        ops->received(&dtls->dgram, data, (size_t)n);
    return n == 0;
}

static void on_timer(struct timer *timer)
{
    struct lab_dtls *dtls = container_of(timer, struct lab_dtls, timer);

    if (tls_on_timeout(dtls->tls) == TLS_VERDICT_FAILED) {
        lab_secure_trace(dtls->dgram.server, &dtls->dgram.from, dtls->tls, false);
        drop(dtls);
        return;
    }
    set_timer(dtls);
}

void lab_dtls_received(const struct lab_dgram *dgram, const uint8_t *data, size_t len)
{
    struct lab_dtls *dtls = find_or_begin(dgram, data, len);

    if (!dtls)
        return;
    dtls->data = data;
    dtls->len = len;
    if ((!dtls->is_secured && !shake(dtls)) || (dtls->is_secured && !read_all(dtls))) {
        drop(dtls);
        return;
    }
    dtls->data = NULL; /* it is the caller's */
    set_timer(dtls);
}

void lab_dtls_write(struct lab_dtls *dtls, const void *data, size_t len)
{
    (void)tls_write(dtls->tls, data, len);
}
