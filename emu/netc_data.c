/* What goes through a socket control: tx, rx, and what a script may know about them. */
#include <assert.h>
#include <errno.h>

#include "emu/limits.h"
#include "emu/netc.h"
#include "emu/netc_priv.h"

static const struct netc_sent sent_failed = { .ok = false, .full = true, .acked = false };
static const struct netc_sent sent_full = { .ok = true, .full = true, .acked = true };
static const struct netc_sent sent_taken = { .ok = true, .full = false, .acked = false };

static const struct adapter_ops *ops(const struct netc *netc)
{
    return netc->adapter->ops;
}

/* Bytes of one record. */
static ssize_t read_record(struct netc *netc, void *data, size_t cap)
{
    ssize_t left = netc->config.is_udp ? 0 : tls_pending(netc->tls); /* a datagram has an event */
    ssize_t n = tls_read(netc->tls, data, cap);

    if (n > 0 && n == left)
        netc_tls_read_on(netc);
    return n;
}

/* What the script can have of @len bytes that wait: an adapter may keep the head of a datagram only. */
static size_t kept(const struct netc *netc, size_t len)
{
    size_t max = netc->config.is_udp ? netc->adapter->limits.datagram : 0;

    return max && len > max ? max : len;
}

/* Bytes of one record, or of what waits below. */
static ssize_t read_from(struct netc *netc, void *data, size_t cap, struct endpoint *from)
{
    if (!netc->tls)
        return ops(netc)->recv(netc->adapter, netc->sid, data, kept(netc, cap), from);
    if (from)
        (void)netc_peer(netc, from);
    return read_record(netc, data, cap);
}

/* By the reports so far; if they say full, by what the stack knows by now. */
static bool is_full(struct netc *netc)
{
    uint64_t max = netc->adapter->limits.send_buffer ? netc->adapter->limits.send_buffer
                                                     : netc->net->config.limits->send_buffer;

    if (netc->config.is_udp || netc->tx_size - netc->ack_size < max)
        return false;
    return ops(netc)->unacked(netc->adapter, netc->sid) >= max;
}

struct netc_sent netc_tx(struct netc *netc, const void *data, size_t len, const struct endpoint *to)
{
    ssize_t n;

    if (!netc_is_online(netc) || netc->need_close)
        return sent_failed;
    if (!len && (!netc->config.is_udp || netc->tls))
        return sent_taken; /* and no TX_OK ever: there is nothing to acknowledge */
    if (is_full(netc)) {
        netc_debug(netc, "tx %zu: full", len);
        netc->wait = NETC_WAIT_TX;
        return sent_full;
    }
    n = netc->tls ? tls_write(netc->tls, data, len)
                  : ops(netc)->send(netc->adapter, netc->sid, data, len, to);
    netc_debug(netc, "tx %zu: %zd", len, n);
    if (n == -EAGAIN) {
        netc->wait = NETC_WAIT_TX;
        return sent_full;
    }
    if (n < 0) {
        if (netc->tls)
            netc_tls_note_end(netc);
        netc->need_close = true;
        return sent_failed;
    }
    if (!netc->tls) /* which counts what it sends for it */
        netc->tx_size += (uint64_t)n;
    netc->wait = NETC_WAIT_TX;
    return sent_taken;
}

/* Of a module's mbedTLS: what is left of one record; a look that needs more forgets what came. */
static ssize_t tls_rx_len(struct netc *netc)
{
    ssize_t len = tls_pending(netc->tls);

    if (len <= 0)
        netc->has_rx = false;
    if (len < 0)
        netc_tls_note_end(netc);
    return len == 0 && netc->need_close ? -1 : len;
}

ssize_t netc_rx_len(struct netc *netc)
{
    ssize_t len;

    if (!netc_is_online(netc))
        return -1;
    if (netc->tls)
        return tls_rx_len(netc);
    len = ops(netc)->pending(netc->adapter, netc->sid);
    if (len == 0 && netc->config.is_udp) /* an empty datagram would block those behind it */
        (void)ops(netc)->recv(netc->adapter, netc->sid, NULL, 0, NULL);
    if (len <= 0)
        return netc->need_close ? -1 : 0;
    return (ssize_t)kept(netc, (size_t)len);
}

ssize_t netc_rx(struct netc *netc, void *data, size_t cap, struct endpoint *from)
{
    ssize_t n;

    if (!netc_is_online(netc))
        return -1;
    n = read_from(netc, data, cap, from);
    netc->has_rx = false;
    netc_debug(netc, "rx %zd", n);
    if (n < 0 && netc->tls)
        netc_tls_note_end(netc);
    if (n <= 0)
        return (netc->need_close || netc->tls) && n < 0 ? -1 : 0;
    return n;
}

enum netc_verdict netc_wait(struct netc *netc)
{
    if (netc->has_rx || (netc->need_close && netc_rx_len(netc) > 0)) {
        netc->wait = NETC_WAIT_EVENT;
        return NETC_VERDICT_DONE;
    }
    if (!netc_is_online(netc) || netc->need_close)
        return NETC_VERDICT_FAILED;
    netc->wait = NETC_WAIT_EVENT;
    return NETC_VERDICT_PENDING;
}
