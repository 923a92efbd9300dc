/* What a socket control does where there is TLS between it and its adapter. */
#include <errno.h>

#include "emu/limits.h"
#include "emu/log.h"
#include "emu/netc.h"
#include "emu/netc_priv.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define US_PER_MS   1000
#define US_PER_S    1000000
#define RX_IF_THERE 1 /* the arg of an RX event of our own */

static const struct net_config *config_of(const struct netc *netc)
{
    return &netc->net->config;
}

/* ---- below TLS -------------------------------------------------------------------------------- */

static ssize_t io_recv(void *ctx, void *data, size_t cap)
{
    struct netc *netc = ctx;

    return netc->adapter->ops->recv(netc->adapter, netc->sid, data, cap, NULL);
}

static ssize_t io_send(void *ctx, const void *data, size_t len)
{
    struct netc *netc = ctx;
    ssize_t n = netc->adapter->ops->send(netc->adapter, netc->sid, data, len, NULL);

    if (n == -EAGAIN && netc->config.is_udp) /* a datagram that got lost: it is sent again */
        return (ssize_t)len;
    if (n > 0)
        netc->tx_size += (uint64_t)n;
    return n;
}

/* ---- failing ------------------------------------------------------------------------------------ */

/* As a module says it, and in words. */
static void log_failed(const struct netc *netc, unsigned code, const char *why)
{
    struct log *log = config_of(netc)->log;

    log_firmware(log, LOG_LEVEL_ERROR, "net", "TLS handshake failed 0x%x !!", code);
    log_firmware(log, LOG_LEVEL_ERROR, "net", "netc %u: TLS handshake: %s", netc->serial, why);
    trace_emit(config_of(netc)->trace, "tls.failed", "{s:i, s:i, s:s}", "netc", (int)netc->serial,
               "code", (int)code, "why", why);
}

static enum netc_verdict fail(struct netc *netc)
{
    timer_stop(config_of(netc)->timers, &netc->tls_timer);
    log_failed(netc, tls_code(netc->tls), tls_why(netc->tls));
    return NETC_VERDICT_FAILED;
}

void netc_tls_broken(struct netc *netc, const struct net_event *event)
{
    tls_fail(netc->tls, event->type == NET_EVENT_LINK_DOWN ? ENETDOWN
                        : event->type == NET_EVENT_ERROR   ? (int)event->arg
                                                           : 0);
    (void)fail(netc);
}

void netc_tls_note_end(struct netc *netc)
{
    if (netc->tls_is_over)
        return;
    netc->tls_is_over = true;
    if (tls_code(netc->tls) == TLS_CODE_CLOSED) {
        netc_debug(netc, "TLS: %s", tls_why(netc->tls));
    } else {
        log_firmware(config_of(netc)->log, LOG_LEVEL_ERROR, "net", "netc %u: TLS 0x%x: %s",
                     netc->serial, tls_code(netc->tls), tls_why(netc->tls));
    }
}

/* ---- the handshake's timer ----------------------------------------------------------------------- */

static void set_timer(struct netc *netc)
{
    uint64_t now_us = config_of(netc)->clock->now_us;
    uint64_t wait_us = tls_timeout_us(netc->tls);
    uint64_t due_us = wait_us < UINT64_MAX - now_us ? now_us + wait_us : UINT64_MAX;

    if (due_us > netc->tls_deadline_us)
        due_us = netc->tls_deadline_us;
    timer_start(config_of(netc)->timers, &netc->tls_timer, due_us);
}

static void post_error(const struct netc *netc, uint32_t error)
{
    net_post(netc->net,
             &(struct net_event){ .type = NET_EVENT_ERROR, .tag = netc->tag, .arg = error });
}

static void on_timer(struct timer *timer)
{
    struct netc *netc = container_of(timer, struct netc, tls_timer);

    if (config_of(netc)->clock->now_us >= netc->tls_deadline_us) {
        log_warn(config_of(netc)->log, "",
                 "netc %u: the TLS handshake has not ended in time; a module waits for ever",
                 netc->serial);
        post_error(netc, ETIMEDOUT);
    } else if (tls_on_timeout(netc->tls) == TLS_VERDICT_FAILED) {
        post_error(netc, ETIMEDOUT);
    } else {
        set_timer(netc);
    }
}

/* ---- the handshake ---------------------------------------------------------------------------------- */

void netc_tls_init(struct netc *netc)
{
    timer_init(&netc->tls_timer, on_timer);
}

static bool has_bytes(const struct netc *netc)
{
    return tls_has_pending(netc->tls) || netc->adapter->ops->pending(netc->adapter, netc->sid) > 0;
}

static void announce(struct netc *netc)
{
    net_post(netc->net,
             &(struct net_event){ .type = NET_EVENT_RX, .tag = netc->tag, .arg = RX_IF_THERE });
}

void netc_tls_read_on(struct netc *netc)
{
    if (has_bytes(netc) || netc->need_close) /* the end must be told after what came before it */
        announce(netc);
}

bool netc_tls_has_more(struct netc *netc, const struct net_event *event)
{
    return event->arg != RX_IF_THERE || !netc->tls || tls_pending(netc->tls) != 0;
}

static void warn_dates(const struct netc *netc)
{
    int64_t now_s = vclock_wall_us(config_of(netc)->clock) / US_PER_S;
    char why[TLS_WHY_MAX];

    if (tls_date_problem(netc->tls, now_s, why)) {
        log_warn(config_of(netc)->log, "",
                 "netc %u: %s; a module does not look at dates, other clients refuse it",
                 netc->serial, why);
    }
}

enum netc_verdict netc_tls_shake(struct netc *netc)
{
    char text[TLS_WHY_MAX];

    switch (tls_handshake(netc->tls)) {
    case TLS_VERDICT_MORE:
        set_timer(netc);
        return NETC_VERDICT_PENDING;
    case TLS_VERDICT_FAILED:
        return fail(netc);
    case TLS_VERDICT_DONE:
        break;
    }
    timer_stop(config_of(netc)->timers, &netc->tls_timer);
    netc_debug(netc, "%s", tls_describe(netc->tls, text));
    trace_emit(config_of(netc)->trace, "tls.done", "{s:i, s:s}", "netc", (int)netc->serial, "with",
               tls_describe(netc->tls, text));
    warn_dates(netc);
    if (has_bytes(netc)) /* what came with the last flight: nothing else would announce it */
        announce(netc);
    return NETC_VERDICT_DONE;
}

enum netc_verdict netc_tls_start(struct netc *netc)
{
    const struct tls_io io = { .ctx = netc, .recv = io_recv, .send = io_send };
    char ip[ENDPOINT_TEXT_MAX];

    netc_tls_stop(netc);
    netc->tls_is_over = false;
    netc->tls =
        tls_new(netc->tls_context, netc->server_name, endpoint_ip_text(&netc->remote, ip), &io);
    if (!netc->tls) {
        log_failed(netc, TLS_CODE_NO_MEMORY, "there is no memory for it");
        return NETC_VERDICT_FAILED;
    }
    netc->tls_deadline_us =
        config_of(netc)->clock->now_us + config_of(netc)->limits->handshake_timeout_ms * US_PER_MS;
    return netc_tls_shake(netc);
}

void netc_tls_stop(struct netc *netc)
{
    timer_stop(config_of(netc)->timers, &netc->tls_timer);
    if (netc->tls)
        tls_free(netc->tls);
    netc->tls = NULL;
}

/* ---- configuration ----------------------------------------------------------------------------------- */

enum tls_problem netc_use_tls(struct netc *netc, const struct tls_config *config,
                              char why[TLS_WHY_MAX])
{
    enum tls_problem problem;

    netc_tls_fini(netc);
    netc->tls_context = tls_context_get(&netc->net->tls, config, &problem, why);
    return problem;
}

void netc_tls_fini(struct netc *netc)
{
    if (netc->tls_context)
        tls_context_put(netc->tls_context);
    netc->tls_context = NULL;
}
