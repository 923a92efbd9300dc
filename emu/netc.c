#include "emu/netc.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/limits.h"
#include "emu/log.h"
#include "emu/msgq.h"
#include "emu/netc_priv.h"
#include "emu/trace.h"
#include "emu/util.h"

#define TO(name) (1U << NETC_STATE_##name)
/* A closed control keeps its state; connect and listen begin anew from there. */
#define REOPEN (TO(LINK_OFF) | TO(OFF_LINE) | TO(WAIT_DNS) | TO(CONNECTING))

typedef enum netc_verdict state_fn(struct netc *netc, const struct net_event *event);
static state_fn on_link_off, on_off_line, on_wait_dns, on_connecting, on_shakehand, on_online,
    on_listen, on_disconnecting;

static const struct {
    const char *name, *chinese;
    state_fn *handle;
    uint32_t may_become;
} states[] = {
    [NETC_STATE_LINK_OFF] = { "LINK_OFF", "硬件离线", on_link_off, REOPEN },
    [NETC_STATE_OFF_LINE] = { "OFF_LINE", "离线", on_off_line, REOPEN },
    [NETC_STATE_WAIT_DNS] = { "WAIT_DNS", "等待DNS", on_wait_dns, REOPEN },
    [NETC_STATE_CONNECTING] = { "CONNECTING", "正在连接", on_connecting,
                                REOPEN | TO(SHAKEHAND) | TO(ONLINE) | TO(LISTEN) },
    [NETC_STATE_SHAKEHAND] = { "SHAKEHAND", "正在TLS握手", on_shakehand, REOPEN | TO(ONLINE) },
    [NETC_STATE_ONLINE] = { "ONLINE", "在线", on_online, REOPEN | TO(DISCONNECTING) | TO(LISTEN) },
    [NETC_STATE_LISTEN] = { "LISTEN", "在监听", on_listen, REOPEN | TO(ONLINE) },
    [NETC_STATE_DISCONNECTING] = { "DISCONNECTING", "正在离线", on_disconnecting, REOPEN },
};
static_assert(sizeof(states) / sizeof(states[0]) == NETC_STATE_COUNT, "a state lacks its row");

static const char *const report_names[] = {
    [NETC_REPORT_LINK] = "LINK",   [NETC_REPORT_ON_LINE] = "ON_LINE",
    [NETC_REPORT_TX_OK] = "TX_OK", [NETC_REPORT_CLOSED] = "CLOSED",
    [NETC_REPORT_EVENT] = "EVENT",
};

static const char *const event_names[] = {
    [NET_EVENT_LINK_UP] = "link up",
    [NET_EVENT_LINK_DOWN] = "link down",
    [NET_EVENT_DNS_DONE] = "dns done",
    [NET_EVENT_CONNECTED] = "connected",
    [NET_EVENT_LISTENING] = "listening",
    [NET_EVENT_CLIENT] = "client",
    [NET_EVENT_RX] = "rx",
    [NET_EVENT_TX_ACKED] = "tx acked",
    [NET_EVENT_REMOTE_CLOSED] = "remote closed",
    [NET_EVENT_CLOSED] = "closed",
    [NET_EVENT_ERROR] = "error",
    [NET_EVENT_ECHO] = "echo",
};

const char *netc_state_name(enum netc_state state)
{
    return states[state].name;
}

const char *netc_state_chinese(enum netc_state state)
{
    return states[state].chinese;
}

bool netc_state_may_become(enum netc_state from, enum netc_state to)
{
    return states[from].may_become & (1U << to);
}

void netc_debug(const struct netc *netc, const char *format, ...)
{
    char text[256];
    va_list args;

    if (!netc->is_debug)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_firmware(netc->net->config.log, LOG_LEVEL_DEBUG, "net", "netc %u: %s", netc->serial, text);
}

static void netc_set_state(struct netc *netc, enum netc_state next)
{
    assert(netc_state_may_become(netc->state, next));
    if (next == netc->state)
        return;
    netc_debug(netc, "%s -> %s", states[netc->state].name, states[next].name);
    trace_emit(netc->net->config.trace, "netc.state", "{s:i, s:s, s:s}", "netc", (int)netc->serial,
               "from", states[netc->state].name, "to", states[next].name);
    netc->state = next;
}

/* ---- the life of a control ------------------------------------------------------------ */

static void handle_event(struct sock_owner *owner, const struct net_event *event)
{
    netc_handle(container_of(owner, struct netc, owner), event);
}

struct netc *netc_new(struct net *net, struct adapter *adapter)
{
    struct netc *netc;

    if (net->netcs_count >= net->config.limits->sockets || net_is_full(net, adapter))
        return NULL;
    netc = xcalloc(1, sizeof(*netc));
    *netc = (struct netc){ .owner = { handle_event },
                           .net = net,
                           .adapter = adapter,
                           .sid = -1,
                           .state = NETC_STATE_LINK_OFF,
                           .config = { .is_udp = true } };
    netc->id = handle_add(&net->netc_ids, netc);
    if (!netc->id) {
        free(netc);
        return NULL;
    }
    netc_tls_init(netc);
    netc->serial = ++net->netcs_made;
    list_append(&net->netcs, &netc->link);
    net->netcs_count++;
    trace_emit(net->config.trace, "netc.new", "{s:i, s:s}", "netc", (int)netc->serial, "adapter",
               adapter_name((enum adapter_id)adapter->id));
    netc_note(netc, "create");
    return netc;
}

void netc_free(struct netc *netc)
{
    struct net *net = netc->net;

    netc_note(netc, "release");
    netc_close(netc);
    netc_tls_fini(netc);
    trace_emit(net->config.trace, "netc.free", "{s:i}", "netc", (int)netc->serial);
    handle_remove(&net->netc_ids, netc->id);
    list_remove(&netc->link);
    net->netcs_count--;
    free(netc);
}

struct netc *netc_get(const struct net *net, uint32_t id)
{
    return handle_get(&net->netc_ids, id);
}

bool netc_has_socket(const struct netc *netc)
{
    return netc->sid >= 0;
}

bool netc_is_online(const struct netc *netc)
{
    return netc->state == NETC_STATE_ONLINE && netc->sid >= 0;
}

void netc_configure(struct netc *netc, const struct netc_config *config)
{
    netc->config = *config;
    netc_tls_fini(netc);
    netc_debug(netc, "config %s, local port %u, keepalive %u s", config->is_udp ? "UDP" : "TCP",
               config->local_port, config->keepalive ? config->keep_idle_s : 0);
}

/* Forget the present socket or lookup, and every report of it that is still on its way. */
static void drop_socket(struct netc *netc)
{
    dns_cancel(&netc->lookup);
    netc_tls_stop(netc);
    if (netc->sid >= 0)
        netc->adapter->ops->close(netc->adapter, netc->sid);
    netc->sid = -1;
    if (netc->tag)
        net_tag_remove(netc->net, netc->tag);
    netc->tag = 0;
}

static void forget_target(struct netc *netc)
{
    free(netc->domain);
    free(netc->server_name);
    netc->domain = netc->server_name = NULL;
    netc->lookup.count = 0;
    netc->lookup_next = 0;
}

void netc_close(struct netc *netc)
{
    netc_debug(netc, "close");
    drop_socket(netc);
    forget_target(netc);
    netc->need_close = false;
    netc->has_rx = false;
    netc->is_server = false;
    netc->wait = NETC_WAIT_NONE;
}

/* ---- opening --------------------------------------------------------------------------- */

static bool take_tag(struct netc *netc)
{
    if (netc->tag)
        net_tag_remove(netc->net, netc->tag);
    netc->tag = net_tag_add(netc->net, &netc->owner);
    return netc->tag != 0;
}

static struct sock_spec spec_of(const struct netc *netc)
{
    return (struct sock_spec){
        .type = netc->config.is_udp ? SOCK_TYPE_UDP : SOCK_TYPE_TCP,
        .tag = netc->tag,
        .local_port = netc->config.local_port,
        .keepalive = netc->config.keepalive,
        .keep_idle_s = netc->config.keep_idle_s,
        .keep_interval_s = netc->config.keep_interval_s,
        .keep_count = netc->config.keep_count,
    };
}

static int open_to(struct netc *netc, const struct endpoint *remote)
{
    struct sock_spec spec;
    char text[ENDPOINT_TEXT_MAX];
    int sid;

    if (netc->sid >= 0) /* the address before this one failed */
        netc->adapter->ops->close(netc->adapter, netc->sid);
    netc->sid = -1;
    if (!take_tag(netc))
        return -ENOMEM;
    spec = spec_of(netc);
    netc_debug(netc, "connect to %s", endpoint_text(remote, text));
    sid = remote->family == IP_FAMILY_V6 && netc->adapter->limits.lacks_ipv6
              ? -EAFNOSUPPORT
              : netc->adapter->ops->connect(netc->adapter, &spec, remote);
    netc->sid = sid < 0 ? -1 : sid;
    netc_note(netc, sid < 0 ? "error" : "connecting");
    return sid < 0 ? sid : 0;
}

/* Try the addresses of the lookup from the next one on, until one can be tried. */
static bool open_next(struct netc *netc)
{
    while (netc->lookup_next < netc->lookup.count) {
        struct endpoint remote = netc->lookup.addrs[netc->lookup_next++];

        remote.port = netc->remote.port;
        if (open_to(netc, &remote) == 0)
            return true;
    }
    return false;
}

/* What the script configures may change while a listener waits for its link. */
static bool can_serve(const struct netc *netc)
{
    if (!netc->config.is_udp && !netc->tls_context)
        return true;
    log_firmware(netc->net->config.log, LOG_LEVEL_ERROR, "socket", "listen fail: %s",
                 netc->config.is_udp ? "in UDP mode" : "there is no TLS for servers");
    return false; /* a module would go online and speak to nobody */
}

static enum netc_verdict start_listen(struct netc *netc)
{
    struct sock_spec spec;

    if (!can_serve(netc) || !take_tag(netc))
        return NETC_VERDICT_FAILED;
    spec = spec_of(netc);
    netc->sid = netc->adapter->ops->listen(netc->adapter, &spec, netc->is_many);
    if (netc->sid < 0) {
        log_firmware(netc->net->config.log, LOG_LEVEL_ERROR, "socket", "listen on port %u: %s",
                     netc->config.local_port, strerror(-netc->sid));
        netc->sid = -1;
        return NETC_VERDICT_FAILED;
    }
    netc_set_state(netc, NETC_STATE_CONNECTING);
    return NETC_VERDICT_PENDING;
}

static enum netc_verdict start_lookup(struct netc *netc)
{
    if (!take_tag(netc))
        return NETC_VERDICT_FAILED;
    netc->lookup.tag = netc->tag;
    if (dns_start(netc->adapter, netc->domain, netc->want_ipv6, &netc->lookup) < 0)
        return NETC_VERDICT_FAILED;
    netc_set_state(netc, NETC_STATE_WAIT_DNS);
    return NETC_VERDICT_PENDING;
}

static enum netc_verdict start_connect(struct netc *netc)
{
    if (open_to(netc, &netc->remote) < 0)
        return NETC_VERDICT_FAILED;
    netc_set_state(netc, NETC_STATE_CONNECTING);
    return NETC_VERDICT_PENDING;
}

/* The link is up: do what connect or listen asked for. */
static enum netc_verdict start(struct netc *netc)
{
    enum netc_verdict verdict = netc->is_server ? start_listen(netc)
                                : netc->domain  ? start_lookup(netc)
                                                : start_connect(netc);

    if (verdict == NETC_VERDICT_FAILED)
        netc_set_state(netc, NETC_STATE_OFF_LINE);
    return verdict;
}

static enum netc_verdict start_or_park(struct netc *netc)
{
    netc->tx_size = netc->ack_size = 0;
    netc->need_close = false;
    netc->has_rx = false;
    netc->wait = NETC_WAIT_ONLINE;
    if (netc->adapter->is_ready)
        return start(netc);
    netc_set_state(netc, NETC_STATE_LINK_OFF);
    return NETC_VERDICT_PENDING;
}

enum netc_verdict netc_linkup(struct netc *netc)
{
    if (!netc->adapter->is_ready) {
        netc_set_state(netc, NETC_STATE_LINK_OFF);
        netc->wait = NETC_WAIT_LINK;
        return NETC_VERDICT_PENDING;
    }
    if (netc->sid >= 0 || (netc->state == NETC_STATE_WAIT_DNS && netc->wait == NETC_WAIT_ONLINE))
        return NETC_VERDICT_DONE; /* a module would break what is open here: divergence D2 */
    netc_set_state(netc, NETC_STATE_OFF_LINE);
    netc->wait = NETC_WAIT_NONE;
    return NETC_VERDICT_DONE;
}

/*
 * UDP is online, or has failed, when connect returns: scripts send on their next line, and on a
 * module that works. ON_LINE comes later all the same.
 */
static void finish_at_once(struct netc *netc)
{
    struct net_event event;

    if (netc->config.is_udp && netc->sid >= 0 && net_take_newest(netc->net, netc->tag, &event))
        netc_handle(netc, &event);
}

enum netc_verdict netc_connect(struct netc *netc, const struct netc_target *target)
{
    enum netc_verdict verdict;

    if (netc->sid >= 0)
        return NETC_VERDICT_FAILED;
    drop_socket(netc);
    forget_target(netc);
    netc->is_server = false;
    netc->want_ipv6 = target->want_ipv6 && !netc->adapter->limits.lacks_ipv6;
    netc->remote = (struct endpoint){ .port = target->port };
    netc->server_name = target->name ? xstrdup(target->name) : NULL;
    if (!target->name) {
        endpoint_set_word(&netc->remote, target->word);
    } else if (!endpoint_set_text(&netc->remote, target->name)) {
        netc->domain = xstrdup(target->name);
    }
    verdict = start_or_park(netc);
    finish_at_once(netc);
    return verdict;
}

enum netc_verdict netc_listen(struct netc *netc, bool many)
{
    if (netc->state == NETC_STATE_LISTEN && netc->sid >= 0)
        return adapter_can_accept(netc->adapter) ? NETC_VERDICT_PENDING : NETC_VERDICT_DONE;
    if (netc->sid >= 0) {
        log_firmware(netc->net->config.log, LOG_LEVEL_ERROR, "socket", "listen fail %s",
                     states[netc->state].name);
        return NETC_VERDICT_FAILED;
    }
    if (!can_serve(netc))
        return NETC_VERDICT_FAILED;
    if (many && !adapter_can_accept(netc->adapter)) {
        log_firmware(netc->net->config.log, LOG_LEVEL_ERROR, "socket", "%s serves one client only",
                     adapter_name((enum adapter_id)netc->adapter->id));
        return NETC_VERDICT_FAILED;
    }
    drop_socket(netc);
    forget_target(netc);
    netc->is_server = true;
    netc->is_many = many;
    return start_or_park(netc);
}

struct netc *netc_accept(struct netc *netc)
{
    const struct adapter_ops *ops = netc->adapter->ops;
    struct netc *client;

    if (!adapter_can_accept(netc->adapter) || netc->sid < 0)
        return NULL;
    client = netc_new(netc->net, netc->adapter);
    if (!client)
        return NULL;
    client->config = netc->config;
    client->config.is_udp = false; /* whatever the listener was configured to meanwhile */
    if (take_tag(client))
        client->sid = ops->accept(netc->adapter, netc->sid, client->tag);
    if (client->sid < 0) {
        client->sid = -1;
        netc_free(client);
        return NULL;
    }
    netc_set_state(client, NETC_STATE_CONNECTING);
    netc_set_state(client, NETC_STATE_ONLINE);
    if (netc->state == NETC_STATE_ONLINE) { /* the client had taken the listener over */
        netc_set_state(netc, NETC_STATE_LISTEN);
        netc->need_close = netc->has_rx = false;
        netc->tx_size = netc->ack_size = 0; /* they were the client's */
        netc->wait = NETC_WAIT_ONLINE;
    }
    return client;
}

bool netc_peer(const struct netc *netc, struct endpoint *peer)
{
    if (netc->sid < 0)
        return false;
    return netc->adapter->ops->peer(netc->adapter, netc->sid, peer) >= 0;
}

enum netc_verdict netc_disconnect(struct netc *netc)
{
    netc_debug(netc, "disconnect in %s", states[netc->state].name);
    netc->need_close = false;
    netc->has_rx = false;
    netc_tls_stop(netc);
    if (netc_is_online(netc) && !netc->config.is_udp &&
        netc->adapter->ops->disconnect(netc->adapter, netc->sid) == 0) {
        netc_set_state(netc, NETC_STATE_DISCONNECTING);
        netc->wait = NETC_WAIT_OFF;
        return NETC_VERDICT_PENDING;
    }
    drop_socket(netc);
    netc_set_state(netc, NETC_STATE_OFF_LINE);
    netc->wait = NETC_WAIT_NONE;
    return NETC_VERDICT_DONE;
}

/* ---- what the adapter reports, state by state ------------------------------------------- */

/* lwIP's number for @error, as the document lists them with socket.connect. */
static int lwip_code(uint32_t error)
{
    switch (error) {
    case ENOMEM:
        return -1;
    case ETIMEDOUT:
        return -3;
    case EADDRINUSE:
        return -8;
    case ENOTCONN:
        return -11;
    case ECONNABORTED:
        return -13;
    case ECONNRESET:
    case EPIPE: /* the reset came as the answer to what was sent */
    case ECONNREFUSED:
        return -14;
    default:
        return -4; /* ERR_RTE: no way there */
    }
}

static void log_broken(const struct netc *netc, const struct net_event *event)
{
    if (event->type != NET_EVENT_ERROR)
        return;
    log_firmware(netc->net->config.log, LOG_LEVEL_DEBUG, "net",
                 "adapter %d socket %d not closing, but error %d (%s)",
                 net_number(netc->net, netc->adapter), netc->sid, lwip_code(event->arg),
                 strerror((int)event->arg));
}

static enum netc_verdict broken(struct netc *netc, const struct net_event *event)
{
    log_broken(netc, event);
    netc->need_close = true;
    return NETC_VERDICT_FAILED;
}

static enum netc_verdict on_link_off(struct netc *netc, const struct net_event *event)
{
    if (event->type != NET_EVENT_LINK_UP)
        return NETC_VERDICT_PENDING;
    netc_set_state(netc, NETC_STATE_OFF_LINE);
    if (netc->wait == NETC_WAIT_LINK)
        return NETC_VERDICT_DONE;
    if (netc->wait == NETC_WAIT_ONLINE)
        return start(netc);
    return NETC_VERDICT_PENDING;
}

static enum netc_verdict on_off_line(struct netc *netc, const struct net_event *event)
{
    (void)netc;
    (void)event;
    return NETC_VERDICT_PENDING;
}

static enum netc_verdict on_wait_dns(struct netc *netc, const struct net_event *event)
{
    if (netc->wait != NETC_WAIT_ONLINE) /* the lookup has failed, or was given up */
        return NETC_VERDICT_FAILED;
    switch (event->type) {
    case NET_EVENT_LINK_DOWN:
        dns_cancel(&netc->lookup);
        return NETC_VERDICT_FAILED;
    case NET_EVENT_DNS_DONE:
        if (!netc->lookup.count)
            return NETC_VERDICT_FAILED;
        if (!netc->remote.port) { /* port 0 with a name: the lookup was all that was asked for */
            netc_set_state(netc, NETC_STATE_OFF_LINE);
            return NETC_VERDICT_DONE;
        }
        if (!open_next(netc))
            return NETC_VERDICT_FAILED;
        netc_set_state(netc, NETC_STATE_CONNECTING);
        return NETC_VERDICT_PENDING;
    case NET_EVENT_LINK_UP: /* a module gives up here: divergence D5 */
    case NET_EVENT_CONNECTED:
    case NET_EVENT_LISTENING:
    case NET_EVENT_CLIENT:
    case NET_EVENT_RX:
    case NET_EVENT_TX_ACKED:
    case NET_EVENT_REMOTE_CLOSED:
    case NET_EVENT_CLOSED:
    case NET_EVENT_ERROR:
    case NET_EVENT_ECHO:
        break;
    }
    return NETC_VERDICT_PENDING;
}

/* A handshake has got as far as @verdict says. */
static enum netc_verdict end_shaking(struct netc *netc, enum netc_verdict verdict)
{
    if (verdict == NETC_VERDICT_FAILED)
        netc->need_close = true;
    if (verdict == NETC_VERDICT_DONE)
        netc_set_state(netc, NETC_STATE_ONLINE);
    return verdict;
}

static enum netc_verdict shake_hands(struct netc *netc)
{
    netc_set_state(netc, NETC_STATE_SHAKEHAND);
    return end_shaking(netc, netc_tls_start(netc));
}

static enum netc_verdict on_connecting(struct netc *netc, const struct net_event *event)
{
    if (netc->need_close || netc->wait != NETC_WAIT_ONLINE)
        return NETC_VERDICT_FAILED;
    switch (event->type) {
    case NET_EVENT_CONNECTED:
        if (netc->tls_context)
            return shake_hands(netc);
        netc_set_state(netc, NETC_STATE_ONLINE);
        return NETC_VERDICT_DONE;
    case NET_EVENT_LISTENING:
        netc_set_state(netc, NETC_STATE_LISTEN);
        return NETC_VERDICT_PENDING; /* the script is not told: LuatOS has no event for it */
    case NET_EVENT_ERROR:
    case NET_EVENT_REMOTE_CLOSED:
    case NET_EVENT_CLOSED:
        log_broken(netc, event);
        return netc->domain && open_next(netc) ? NETC_VERDICT_PENDING : NETC_VERDICT_FAILED;
    case NET_EVENT_LINK_DOWN:
        return NETC_VERDICT_FAILED;
    case NET_EVENT_LINK_UP: /* a module gives up here: divergence D5 */
    case NET_EVENT_DNS_DONE:
    case NET_EVENT_CLIENT:
    case NET_EVENT_RX:
    case NET_EVENT_TX_ACKED:
    case NET_EVENT_ECHO:
        break;
    }
    return NETC_VERDICT_PENDING;
}

static enum netc_verdict on_shakehand(struct netc *netc, const struct net_event *event)
{
    if (netc->need_close || (netc->wait != NETC_WAIT_ONLINE && netc->wait != NETC_WAIT_TX))
        return NETC_VERDICT_FAILED;
    switch (event->type) {
    case NET_EVENT_RX:
        return end_shaking(netc, netc_tls_shake(netc));
    case NET_EVENT_TX_ACKED:
        netc->ack_size += event->arg;
        return NETC_VERDICT_PENDING;
    case NET_EVENT_ERROR:
    case NET_EVENT_REMOTE_CLOSED:
    case NET_EVENT_CLOSED:
    case NET_EVENT_LINK_DOWN:
        netc_tls_broken(netc, event);
        return broken(netc, event);
    case NET_EVENT_LINK_UP:
    case NET_EVENT_DNS_DONE:
    case NET_EVENT_CONNECTED:
    case NET_EVENT_LISTENING:
    case NET_EVENT_CLIENT:
    case NET_EVENT_ECHO:
        break;
    }
    return NETC_VERDICT_PENDING;
}

static enum netc_verdict on_tx_acked(struct netc *netc, uint32_t len)
{
    netc->ack_size += len;
    netc_debug(netc, "acked %u, %llu to go", len,
               (unsigned long long)(netc->tx_size - netc->ack_size));
    if (netc->wait == NETC_WAIT_TX && netc->ack_size == netc->tx_size)
        return NETC_VERDICT_DONE;
    return NETC_VERDICT_PENDING;
}

static enum netc_verdict on_online(struct netc *netc, const struct net_event *event)
{
    if (netc->need_close || netc->wait == NETC_WAIT_OFF)
        return NETC_VERDICT_FAILED;
    switch (event->type) {
    case NET_EVENT_RX:
        if (!netc_tls_has_more(netc, event))
            return NETC_VERDICT_PENDING;
        netc->has_rx = true;
        return netc->wait == NETC_WAIT_TX ? NETC_VERDICT_PENDING : NETC_VERDICT_DONE;
    case NET_EVENT_TX_ACKED:
        return on_tx_acked(netc, event->arg);
    case NET_EVENT_ERROR:
    case NET_EVENT_REMOTE_CLOSED:
    case NET_EVENT_CLOSED:
    case NET_EVENT_LINK_DOWN:
        return broken(netc, event);
    case NET_EVENT_LINK_UP:
    case NET_EVENT_DNS_DONE:
    case NET_EVENT_CONNECTED:
    case NET_EVENT_LISTENING:
    case NET_EVENT_CLIENT:
    case NET_EVENT_ECHO:
        break;
    }
    return NETC_VERDICT_PENDING;
}

static enum netc_verdict on_listen(struct netc *netc, const struct net_event *event)
{
    if (netc->need_close)
        return NETC_VERDICT_FAILED;
    switch (event->type) {
    case NET_EVENT_CLIENT:
        if (!netc->is_many)
            netc_set_state(netc, NETC_STATE_ONLINE);
        return NETC_VERDICT_DONE;
    case NET_EVENT_ERROR:
    case NET_EVENT_REMOTE_CLOSED:
    case NET_EVENT_CLOSED:
    case NET_EVENT_LINK_DOWN:
        return broken(netc, event);
    case NET_EVENT_LINK_UP:
    case NET_EVENT_DNS_DONE:
    case NET_EVENT_CONNECTED:
    case NET_EVENT_LISTENING:
    case NET_EVENT_RX:
    case NET_EVENT_TX_ACKED:
    case NET_EVENT_ECHO:
        break;
    }
    return NETC_VERDICT_PENDING;
}

static enum netc_verdict on_disconnecting(struct netc *netc, const struct net_event *event)
{
    if (netc->wait != NETC_WAIT_OFF)
        return NETC_VERDICT_FAILED;
    switch (event->type) {
    case NET_EVENT_CLOSED:
    case NET_EVENT_REMOTE_CLOSED:
    case NET_EVENT_ERROR:
        drop_socket(netc);
        netc_set_state(netc, NETC_STATE_OFF_LINE);
        netc->wait = NETC_WAIT_NONE;
        return NETC_VERDICT_DONE;
    case NET_EVENT_LINK_UP:
        drop_socket(netc);
        netc_set_state(netc, NETC_STATE_OFF_LINE);
        netc->wait = NETC_WAIT_NONE;
        return NETC_VERDICT_FAILED;
    case NET_EVENT_LINK_DOWN:
        return NETC_VERDICT_FAILED;
    case NET_EVENT_DNS_DONE:
    case NET_EVENT_CONNECTED:
    case NET_EVENT_LISTENING:
    case NET_EVENT_CLIENT:
    case NET_EVENT_RX:
    case NET_EVENT_TX_ACKED:
    case NET_EVENT_ECHO:
        break;
    }
    return NETC_VERDICT_PENDING;
}

/* ---- from verdict to report ---------------------------------------------------------------- */

static void tell_script(struct netc *netc, enum netc_report report, int param)
{
    const struct msg msg = {
        .kind = MSG_KIND_NETC,
        .as.netc = { .netc = netc->id, .report = (int)report, .param = param },
    };

    netc_debug(netc, "event %s %d", report_names[report], param);
    trace_emit(netc->net->config.trace, "netc.event", "{s:i, s:s, s:i}", "netc", (int)netc->serial,
               "event", report_names[report], "param", param);
    net_observe(netc->net, netc->adapter, netc, "netc %u %s %d", netc->serial, report_names[report],
                param);
    msgq_post(netc->net->config.msgs, &msg);
}

static enum netc_report report_of(enum netc_wait wait)
{
    static const enum netc_report reports[] = {
        [NETC_WAIT_NONE] = NETC_REPORT_EVENT,     [NETC_WAIT_LINK] = NETC_REPORT_LINK,
        [NETC_WAIT_ONLINE] = NETC_REPORT_ON_LINE, [NETC_WAIT_TX] = NETC_REPORT_TX_OK,
        [NETC_WAIT_OFF] = NETC_REPORT_CLOSED,     [NETC_WAIT_EVENT] = NETC_REPORT_EVENT,
    };

    return reports[wait];
}

/* LuatOS luat_network_adapter.c:1046-1101 */
void netc_handle(struct netc *netc, const struct net_event *event)
{
    bool was_leaving = netc->state == NETC_STATE_DISCONNECTING && netc->wait == NETC_WAIT_OFF;
    enum netc_verdict verdict;
    enum netc_report report;

    netc_debug(netc, "%s in %s", event_names[event->type], states[netc->state].name);
    netc_note_event(netc, event);
    verdict = states[netc->state].handle(netc, event);
    if (verdict == NETC_VERDICT_PENDING) {
        if (netc->has_rx) /* unread data is announced with whatever else happens */
            tell_script(netc, NETC_REPORT_EVENT, NETC_REPORT_OK);
        return;
    }
    report =
        was_leaving && netc->wait == NETC_WAIT_NONE ? NETC_REPORT_CLOSED : report_of(netc->wait);
    if (netc->state != NETC_STATE_LISTEN || verdict == NETC_VERDICT_FAILED)
        netc->wait = NETC_WAIT_NONE;
    tell_script(netc, report, verdict == NETC_VERDICT_DONE ? NETC_REPORT_OK : NETC_REPORT_FAILED);
}
