#include "emu/sntp.h"

#include <stdio.h>
#include <string.h>

#include "emu/adapter.h"
#include "emu/log.h"
#include "emu/msgq.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define US_PER_S  1000000
#define US_PER_MS 1000
#define MS_PER_S  1000

static const char *const default_servers[SNTP_SERVERS_MAX] = {
    "ntp.aliyun.com",
    "ntp.ntsc.ac.cn",
    "time1.cloud.tencent.com",
};

static void begin_server(struct sntp *sntp);

/* ---- the end of a server's turn and of a run ----------------------------------------------- */

static void drop_socket(struct sntp *sntp)
{
    dns_cancel(&sntp->lookup);
    if (sntp->sid >= 0)
        sntp->adapter->ops->close(sntp->adapter, sntp->sid);
    sntp->sid = -1;
    if (sntp->tag)
        net_tag_remove(sntp->net, sntp->tag);
    sntp->tag = 0;
    timer_stop(sntp->net->config.timers, &sntp->timer);
}

static void finish(struct sntp *sntp, bool ok)
{
    drop_socket(sntp);
    sntp->adapter = NULL;
    trace_emit(sntp->net->config.trace, "sntp.done", "{s:b}", "ok", ok);
    if (ok) {
        msgq_post_topic_number(sntp->net->config.msgs, "NTP_UPDATE", NULL, 0);
    } else {
        msgq_post_topic(sntp->net->config.msgs, "NTP_ERROR", NULL);
    }
}

static void next_server(struct sntp *sntp, const char *why)
{
    log_firmware(sntp->net->config.log, LOG_LEVEL_DEBUG, "sntp", "%s %s", why,
                 sntp->servers[sntp->server]);
    drop_socket(sntp);
    if (++sntp->server < SNTP_SERVERS_MAX) {
        begin_server(sntp);
    } else {
        finish(sntp, false);
    }
}

static void on_timer(struct timer *timer)
{
    next_server(container_of(timer, struct sntp, timer), "timeout");
}

/* ---- asking ------------------------------------------------------------------------------------ */

struct ntp_time sntp_now(const struct sntp *sntp)
{
    uint64_t up_us = sntp->clock->now_us;
    int64_t ms = ((int64_t)(up_us / US_PER_S) + sntp->start_s) * MS_PER_S +
                 (int64_t)(up_us / US_PER_MS % MS_PER_S) + sntp->start_ms;

    return (struct ntp_time){ .s = ms / MS_PER_S, .ms = (int32_t)(ms % MS_PER_S) };
}

/* The time that a request carries: none before the first answer. */
static struct ntp_time origin_now(const struct sntp *sntp)
{
    struct ntp_time now = sntp_now(sntp);
    int64_t ms = now.s * MS_PER_S + now.ms + sntp->delay_ms;

    if (!sntp->is_valid)
        return (struct ntp_time){ 0 };
    return (struct ntp_time){ .s = ms / MS_PER_S, .ms = (int32_t)(ms % MS_PER_S) };
}

static void ask(struct sntp *sntp, const struct endpoint *server)
{
    const struct adapter_ops *ops = sntp->adapter->ops;
    const struct sock_spec spec = { .type = SOCK_TYPE_UDP, .tag = sntp->tag };
    uint8_t message[NTP_REQUEST_LEN];
    char text[ENDPOINT_TEXT_MAX];

    sntp->remote = *server;
    sntp->remote.port = sntp->port;
    sntp->sid = ops->connect(sntp->adapter, &spec, &sntp->remote);
    if (sntp->sid < 0) {
        next_server(sntp, "no way to");
        return;
    }
    sntp->origin = origin_now(sntp);
    ntp_write_request(&sntp->origin, message);
    trace_emit(sntp->net->config.trace, "sntp.request", "{s:s}", "server",
               endpoint_text(&sntp->remote, text));
    if (ops->send(sntp->adapter, sntp->sid, message, sizeof(message), NULL) < 0)
        next_server(sntp, "no way to");
}

static void begin_server(struct sntp *sntp)
{
    const char *name = sntp->servers[sntp->server];
    struct endpoint literal = { 0 };

    log_firmware(sntp->net->config.log, LOG_LEVEL_DEBUG, "sntp", "query %s", name);
    timer_start(sntp->net->config.timers, &sntp->timer,
                sntp->clock->now_us + (uint64_t)SNTP_SERVER_MS * US_PER_MS);
    if (!sntp->adapter->is_ready) /* its turn passes; the next one may find the link up */
        return;
    sntp->tag = net_tag_add(sntp->net, &sntp->owner);
    sntp->lookup.tag = sntp->tag;
    if (endpoint_set_text(&literal, name)) {
        ask(sntp, &literal);
    } else if (!sntp->tag || dns_start(sntp->adapter, name, false, &sntp->lookup) < 0) {
        next_server(sntp, "no address for");
    }
}

/* ---- the answer ---------------------------------------------------------------------------------- */

static int64_t ms_between(const struct ntp_time *from, const struct ntp_time *to)
{
    return (to->s - from->s) * MS_PER_S + (to->ms - from->ms);
}

/* LuatOS: the first sample fills all places; the sum is always divided by their number. */
static void note_delay(struct sntp *sntp, const struct ntp_reply *reply, const struct ntp_time *now)
{
    int64_t delay =
        (ms_between(&sntp->origin, &reply->received) + ms_between(&reply->sent, now)) / 2;
    int64_t sum = 0;
    int32_t sample = (int32_t)(delay > INT32_MAX / SNTP_SAMPLES   ? INT32_MAX / SNTP_SAMPLES
                               : delay < INT32_MIN / SNTP_SAMPLES ? INT32_MIN / SNTP_SAMPLES
                                                                  : delay);

    if (!sntp->delay_ms) {
        for (int i = 0; i < SNTP_SAMPLES; i++)
            sntp->delays_ms[i] = sample;
    }
    sntp->delays_ms[sntp->delays_next] = sample;
    sntp->delays_next = (sntp->delays_next + 1) % SNTP_SAMPLES;
    for (int i = 0; i < SNTP_SAMPLES; i++)
        sum += sntp->delays_ms[i];
    sntp->delay_ms = sum < 0 ? 0 : (int32_t)(sum / SNTP_SAMPLES);
}

static void take_time(struct sntp *sntp, const struct ntp_reply *reply)
{
    struct ntp_time now = sntp_now(sntp);
    int64_t up_ms = (int64_t)(sntp->clock->now_us / US_PER_MS);
    int64_t start_ms = reply->sent.s * MS_PER_S + reply->sent.ms - up_ms;

    if (sntp->is_valid)
        note_delay(sntp, reply, &now);
    sntp->start_s = start_ms / MS_PER_S;
    sntp->start_ms = start_ms % MS_PER_S;
    sntp->is_valid = true;
    vclock_set_wall(sntp->clock, (reply->sent.s - NTP_UNIX_EPOCH_S) * US_PER_S +
                                     (int64_t)reply->sent.ms * US_PER_MS);
    log_firmware(sntp->net->config.log, LOG_LEVEL_DEBUG, "sntp", "Unix timestamp: %lld",
                 (long long)(reply->sent.s - NTP_UNIX_EPOCH_S));
    finish(sntp, true);
}

static bool is_from_server(const struct sntp *sntp, const struct endpoint *from)
{
    const struct endpoint *server = &sntp->remote;

    if (!endpoint_is_unicast(server)) /* 0.0.0.0: the answer comes from 127.0.0.1 */
        return from->port == server->port;
    return endpoint_same_ip(from, server) && from->port == server->port;
}

static void on_rx(struct sntp *sntp)
{
    uint8_t message[NTP_REPLY_MAX + 1]; /* one more, to know what is too long */
    struct endpoint from = { 0 };
    struct ntp_reply reply;
    enum ntp_verdict verdict;
    char text[ENDPOINT_TEXT_MAX];
    ssize_t n = sntp->adapter->ops->recv(sntp->adapter, sntp->sid, message, sizeof(message), &from);

    if (n < 0)
        return;
    verdict = is_from_server(sntp, &from)
                  ? ntp_read_reply(&sntp->origin, message, (size_t)n, &reply)
                  : NTP_VERDICT_STRANGER;
    if (verdict == NTP_VERDICT_OK) {
        take_time(sntp, &reply);
        return;
    }
    log_firmware(sntp->net->config.log, LOG_LEVEL_WARN, "sntp", "%zd bytes from %s ignored: %s%s%s",
                 n, endpoint_text(&from, text), ntp_verdict_text(verdict),
                 verdict == NTP_VERDICT_KISS ? " " : "",
                 verdict == NTP_VERDICT_KISS ? reply.kiss : "");
    if (verdict == NTP_VERDICT_KISS)
        next_server(sntp, "unwelcome at");
}

static void handle_event(struct sock_owner *owner, const struct net_event *event)
{
    struct sntp *sntp = container_of(owner, struct sntp, owner);

    switch (event->type) {
    case NET_EVENT_DNS_DONE:
        if (sntp->lookup.count) {
            ask(sntp, &sntp->lookup.addrs[0]);
        } else {
            next_server(sntp, "no address for");
        }
        break;
    case NET_EVENT_RX:
        on_rx(sntp);
        break;
    case NET_EVENT_ERROR:
        next_server(sntp, "no way to");
        break;
    case NET_EVENT_LINK_UP:
    case NET_EVENT_LINK_DOWN:
    case NET_EVENT_CONNECTED:
    case NET_EVENT_LISTENING:
    case NET_EVENT_CLIENT:
    case NET_EVENT_ECHO:
    case NET_EVENT_TX_ACKED:
    case NET_EVENT_REMOTE_CLOSED:
    case NET_EVENT_CLOSED:
        break;
    }
}

/* ---- for the script --------------------------------------------------------------------------------- */

void sntp_init(struct sntp *sntp, struct net *net, struct vclock *clock)
{
    *sntp = (struct sntp){
        .owner = { handle_event }, .net = net, .clock = clock, .port = NTP_PORT, .sid = -1
    };
    timer_init(&sntp->timer, on_timer);
    for (int slot = 0; slot < SNTP_SERVERS_MAX; slot++)
        (void)sntp_set_server(sntp, slot, default_servers[slot]);
}

void sntp_fini(struct sntp *sntp)
{
    if (sntp->adapter)
        drop_socket(sntp);
    sntp->adapter = NULL;
}

bool sntp_set_server(struct sntp *sntp, int slot, const char *name)
{
    if (strlen(name) > SNTP_NAME_MAX) {
        log_firmware(sntp->net->config.log, LOG_LEVEL_ERROR, "sntp", "server_addr too long %s",
                     name);
        return false;
    }
    (void)snprintf(sntp->servers[slot], sizeof(sntp->servers[slot]), "%s", name);
    return true;
}

bool sntp_start(struct sntp *sntp, struct adapter *adapter)
{
    if (sntp->adapter) {
        log_firmware(sntp->net->config.log, LOG_LEVEL_ERROR, "sntp", "sntp is running");
        return false;
    }
    vclock_refresh(sntp->clock); /* the script may have worked for long since the turn */
    sntp->server = 0;
    sntp->adapter = adapter;
    if (!adapter || !net_can_use(sntp->net, adapter)) {
        finish(sntp, false);
        return true;
    }
    begin_server(sntp);
    return true;
}
