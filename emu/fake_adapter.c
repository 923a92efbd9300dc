#include "emu/fake_adapter.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/util.h"

/* The slots that only look take a const adapter; what is found from it is not const itself. */
static struct fake_adapter *to_fake(const struct adapter *adapter)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return container_of((struct adapter *)(uintptr_t)adapter, struct fake_adapter, base);
}

static struct fake_sock *to_open(const struct adapter *adapter, int sid)
{
    struct fake_sock *sock = fake_sock(to_fake(adapter), sid);

    assert(sock->is_open);
    return sock;
}

/* ---- the adapter's slots ------------------------------------------------------------------ */

static int open_sock(struct fake_adapter *fake, const struct sock_spec *spec)
{
    int sid = fake->socks_count;

    assert(sid < FAKE_SOCKS_MAX);
    fake->socks[sid] = xcalloc(1, sizeof(struct fake_sock));
    fake->socks[sid]->is_open = true;
    fake->socks[sid]->spec = *spec;
    byteq_init(&fake->socks[sid]->rxq);
    fake->socks_count++;
    return sid;
}

static void op_info(const struct adapter *adapter, struct adapter_info *info)
{
    *info = to_fake(adapter)->info;
}

static int op_connect(struct adapter *adapter, const struct sock_spec *spec,
                      const struct endpoint *remote)
{
    struct fake_adapter *fake = to_fake(adapter);
    int sid;

    assert(adapter->is_ready);
    if (fake->connects_to_fail) {
        fake->connects_to_fail--;
        return fake->connect_rc;
    }
    sid = open_sock(fake, spec);
    fake->socks[sid]->remote = fake->socks[sid]->peer = *remote;
    if (fake->reports_at_once) {
        fake_report(fake, fake->socks[sid],
                    fake->error_at_once ? NET_EVENT_ERROR : NET_EVENT_CONNECTED,
                    (uint32_t)fake->error_at_once);
    }
    return sid;
}

static int op_proceed(struct adapter *adapter, int sid)
{
    to_open(adapter, sid)->spec.is_held = false;
    return 0;
}

static int op_listen(struct adapter *adapter, const struct sock_spec *spec, bool many)
{
    struct fake_adapter *fake = to_fake(adapter);
    int sid;

    assert(adapter->is_ready);
    assert(spec->type == SOCK_TYPE_TCP);
    if (fake->listen_rc < 0)
        return fake->listen_rc;
    sid = open_sock(fake, spec);
    fake->socks[sid]->is_listener = true;
    fake->socks[sid]->is_many = many;
    return sid;
}

static int op_accept(struct adapter *adapter, int sid, uint32_t tag)
{
    struct fake_sock *listener = to_open(adapter, sid), *client;
    struct sock_spec spec = { .type = SOCK_TYPE_TCP, .tag = tag };
    int client_sid;

    if (!listener->has_client)
        return -EAGAIN;
    client_sid = open_sock(to_fake(adapter), &spec);
    client = fake_sock(to_fake(adapter), client_sid);
    client->peer = listener->peer;
    client->rxq = listener->rxq;
    byteq_init(&listener->rxq);
    listener->has_client = false;
    return client_sid;
}

static int op_peer(const struct adapter *adapter, int sid, struct endpoint *peer)
{
    *peer = to_open(adapter, sid)->peer;
    return peer->family == IP_FAMILY_NONE ? -ENOTCONN : 0;
}

static ssize_t op_send(struct adapter *adapter, int sid, const void *data, size_t len,
                       const struct endpoint *to)
{
    struct fake_adapter *fake = to_fake(adapter);
    struct fake_sock *sock = to_open(adapter, sid);

    if (fake->send_rc < 0)
        return fake->send_rc;
    assert(len <= FAKE_SENT_MAX - sock->sent_len);
    if (len)
        memcpy(sock->sent + sock->sent_len, data, len);
    sock->sent_len += len;
    sock->sends++;
    sock->sent_to = to ? *to : (struct endpoint){ 0 };
    return (ssize_t)len;
}

static ssize_t recv_dgram(struct fake_sock *sock, void *data, size_t cap, struct endpoint *from)
{
    const struct fake_dgram *first = &sock->dgrams[0];
    size_t len;

    if (!sock->dgrams_count)
        return -EAGAIN;
    len = first->len < cap ? first->len : cap;
    if (len)
        memcpy(data, first->data, len);
    if (from)
        *from = first->from;
    sock->dgrams_count--;
    memmove(sock->dgrams, sock->dgrams + 1, sock->dgrams_count * sizeof(*first));
    return (ssize_t)len;
}

static ssize_t op_recv(struct adapter *adapter, int sid, void *data, size_t cap,
                       struct endpoint *from)
{
    struct fake_sock *sock = to_open(adapter, sid);
    size_t len = sock->rxq.len < cap ? sock->rxq.len : cap;

    if (sock->spec.type == SOCK_TYPE_UDP)
        return recv_dgram(sock, data, cap, from);
    if (!sock->rxq.len)
        return sock->is_over ? -ENOTCONN : -EAGAIN;
    if (!len)
        return 0;
    memcpy(data, byteq_front(&sock->rxq), len);
    byteq_drop(&sock->rxq, len);
    return (ssize_t)len;
}

static ssize_t op_pending(struct adapter *adapter, int sid)
{
    const struct fake_sock *sock = to_open(adapter, sid);

    if (sock->spec.type == SOCK_TYPE_TCP)
        return (ssize_t)sock->rxq.len;
    return sock->dgrams_count ? (ssize_t)sock->dgrams[0].len : -EAGAIN;
}

static ssize_t op_peek(struct adapter *adapter, int sid, size_t skip, void *data, size_t cap,
                       struct endpoint *from)
{
    struct fake_sock *sock = to_open(adapter, sid);
    size_t left = sock->rxq.len > skip ? sock->rxq.len - skip : 0;
    size_t len = left < cap ? left : cap;

    if (sock->spec.type == SOCK_TYPE_UDP) {
        struct fake_sock later = { .dgrams_count = 0 };

        if (skip >= sock->dgrams_count)
            return -EAGAIN;
        later.dgrams[0] = sock->dgrams[skip];
        later.dgrams_count = 1;
        return recv_dgram(&later, data, cap, from);
    }
    if (!len)
        return -EAGAIN;
    memcpy(data, byteq_front(&sock->rxq) + skip, len);
    return (ssize_t)len;
}

static int op_local(const struct adapter *adapter, int sid, const struct endpoint *peer,
                    struct endpoint *local)
{
    struct fake_adapter *fake = to_fake(adapter);

    (void)peer;
    *local = fake->info.ip;
    local->port = (uint16_t)(FAKE_PORT + sid);
    if (to_open(adapter, sid)->spec.local_port)
        local->port = to_open(adapter, sid)->spec.local_port;
    return 0;
}

static size_t op_unacked(const struct adapter *adapter, int sid)
{
    return to_open(adapter, sid)->unacked;
}

static int op_disconnect(struct adapter *adapter, int sid)
{
    struct fake_adapter *fake = to_fake(adapter);

    if (to_open(adapter, sid)->spec.type == SOCK_TYPE_UDP)
        return -EOPNOTSUPP;
    if (fake->disconnect_rc < 0)
        return fake->disconnect_rc;
    fake->disconnects++;
    return 0;
}

static void op_reset(struct adapter *adapter, int sid)
{
    struct fake_sock *sock = to_open(adapter, sid);

    sock->is_reset = true;
    fake_report(to_fake(adapter), sock, NET_EVENT_ERROR, ECONNRESET);
}

static int op_look(const struct adapter *adapter, int sid, struct sock_look *look)
{
    const struct fake_adapter *fake = to_fake(adapter);
    const struct fake_sock *sock;

    if (sid >= fake->socks_count)
        return -ERANGE;
    sock = fake->socks[sid];
    if (!sock->is_open)
        return -ENOENT;
    *look = (struct sock_look){ .type = sock->spec.type,
                                .tag = sock->spec.tag,
                                .local_port = sock->spec.local_port,
                                .is_many = sock->is_many,
                                .peer = sock->peer };
    return 0;
}

static void op_close(struct adapter *adapter, int sid)
{
    struct fake_sock *sock = to_open(adapter, sid);

    byteq_fini(&sock->rxq);
    sock->is_open = false;
}

static void op_flush(struct adapter *adapter)
{
    to_fake(adapter)->flushes++;
}

static size_t op_active(const struct adapter *adapter)
{
    return fake_open_count(to_fake(adapter));
}

static void op_free(struct adapter *adapter)
{
    struct fake_adapter *fake = to_fake(adapter);

    for (int sid = 0; sid < fake->socks_count; sid++) {
        byteq_fini(&fake->socks[sid]->rxq);
        free(fake->socks[sid]);
    }
    free(fake);
}

static int op_echo(struct adapter *adapter, uint32_t tag, const struct endpoint *to, size_t len)
{
    struct fake_adapter *fake = to_fake(adapter);

    fake->echo_tag = tag;
    fake->echo_to = *to;
    fake->echo_len = len;
    return fake->echo_rc;
}

static const struct adapter_ops fake_ops = {
    .name = "fake",
    .deterministic = true,
    .can_accept = true,
    .info = op_info,
    .connect = op_connect,
    .proceed = op_proceed,
    .listen = op_listen,
    .accept = op_accept,
    .peer = op_peer,
    .send = op_send,
    .recv = op_recv,
    .pending = op_pending,
    .peek = op_peek,
    .local = op_local,
    .unacked = op_unacked,
    .disconnect = op_disconnect,
    .echo = op_echo,
    .reset = op_reset,
    .close = op_close,
    .look = op_look,
    .flush = op_flush,
    .active = op_active,
    .free = op_free,
};

struct fake_adapter *fake_adapter_new(void)
{
    struct fake_adapter *fake = xcalloc(1, sizeof(*fake));

    fake->ops = fake_ops;
    fake->base.ops = &fake->ops;
    fake->base.is_ready = true;
    endpoint_set_v4(&fake->info.ip, 192, 0, 2, 2);
    endpoint_set_v4(&fake->info.mask, 255, 255, 255, 0);
    endpoint_set_v4(&fake->info.gateway, 192, 0, 2, 1);
    return fake;
}

/* ---- what a test does with it ----------------------------------------------------------------- */

struct fake_sock *fake_sock(struct fake_adapter *fake, int sid)
{
    assert(sid >= 0 && sid < fake->socks_count);
    return fake->socks[sid];
}

struct fake_sock *fake_newest(struct fake_adapter *fake)
{
    return fake->socks_count ? fake->socks[fake->socks_count - 1] : NULL;
}

size_t fake_open_count(const struct fake_adapter *fake)
{
    size_t count = 0;

    for (int sid = 0; sid < fake->socks_count; sid++)
        count += fake->socks[sid]->is_open;
    return count;
}

void fake_report(struct fake_adapter *fake, const struct fake_sock *sock, enum net_event_type type,
                 uint32_t arg)
{
    adapter_post(&fake->base,
                 &(struct net_event){ .type = type, .tag = sock->spec.tag, .arg = arg });
}

void fake_echo(struct fake_adapter *fake, uint8_t ttl)
{
    adapter_post(&fake->base,
                 &(struct net_event){ .type = NET_EVENT_ECHO, .tag = fake->echo_tag, .arg = ttl });
}

void fake_link(struct fake_adapter *fake, bool up)
{
    adapter_post(&fake->base,
                 &(struct net_event){ .type = up ? NET_EVENT_LINK_UP : NET_EVENT_LINK_DOWN,
                                      .arg = (uint32_t)fake->base.id });
}

void fake_data(struct fake_adapter *fake, struct fake_sock *sock, const char *text)
{
    byteq_append(&sock->rxq, text, strlen(text));
    fake_report(fake, sock, NET_EVENT_RX, 0);
}

void fake_datagram(struct fake_adapter *fake, struct fake_sock *sock, const void *data, size_t len,
                   const struct endpoint *from)
{
    struct fake_dgram *dgram = &sock->dgrams[sock->dgrams_count];

    assert(sock->dgrams_count < FAKE_DGRAMS_MAX);
    assert(len <= FAKE_DGRAM_MAX);
    *dgram = (struct fake_dgram){ .len = len };
    if (len)
        memcpy(dgram->data, data, len);
    if (from)
        dgram->from = *from;
    sock->dgrams_count++;
    fake_report(fake, sock, NET_EVENT_RX, 0);
}

void fake_client(struct fake_adapter *fake, struct fake_sock *listener, const char *ip,
                 uint16_t port)
{
    bool is_address = endpoint_set_text(&listener->peer, ip);

    assert(is_address);
    listener->peer.port = port;
    listener->has_client = true;
    fake_report(fake, listener, NET_EVENT_CLIENT, 0);
}
