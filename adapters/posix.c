#include "adapters/posix.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/keeper.h"
#include "adapters/posix_priv.h"
#include "emu/util.h"

#define SOCKS_CAP_MIN 16

/* The slots that only look take a const adapter; what is found from it is not const itself. */
struct posix *to_posix(const struct adapter *adapter)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return container_of((struct adapter *)(uintptr_t)adapter, struct posix, base);
}

static struct psock *to_psock(const struct adapter *adapter, int sid)
{
    const struct posix *posix = to_posix(adapter);

    assert(sid >= 0 && (size_t)sid < posix->socks_cap);
    assert(posix->socks[sid]);
    return posix->socks[sid];
}

int posix_socket_of(const struct posix *posix, int domain, int type, int protocol)
{
    const char *ifname = posix->config.ifname;
    int fd = posix->config.keeper
                 ? keeper_socket(posix->config.keeper, posix->config.place, domain, type, protocol)
                 : socket(domain, type, protocol);

    if (fd < 0)
        return posix->config.keeper ? fd : -errno;
    if (*ifname &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, sizeof(posix->config.ifname)) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

int posix_socket(const struct posix *posix, int domain, int type)
{
    return posix_socket_of(posix, domain, type, 0);
}

socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *storage)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;

    memset(storage, 0, sizeof(*storage));
    if (ep->family == IP_FAMILY_V6) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(ep->port);
        v6->sin6_scope_id = ep->scope_id;
        memcpy(&v6->sin6_addr, ep->addr, sizeof(v6->sin6_addr));
        return sizeof(*v6);
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons(ep->port);
    memcpy(&v4->sin_addr, ep->addr, sizeof(v4->sin_addr));
    return sizeof(*v4);
}

void endpoint_from_sockaddr(struct endpoint *ep, const struct sockaddr_storage *storage)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)storage;

    *ep = (struct endpoint){ 0 };
    if (storage->ss_family == AF_INET) {
        ep->family = IP_FAMILY_V4;
        ep->port = ntohs(v4->sin_port);
        memcpy(ep->addr, &v4->sin_addr, sizeof(v4->sin_addr));
    } else if (storage->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        ep->family = IP_FAMILY_V4; /* an IPv4 client of a listener for both */
        ep->port = ntohs(v6->sin6_port);
        memcpy(ep->addr, v6->sin6_addr.s6_addr + 12, 4);
    } else if (storage->ss_family == AF_INET6) {
        ep->family = IP_FAMILY_V6;
        ep->port = ntohs(v6->sin6_port);
        ep->scope_id = v6->sin6_scope_id;
        memcpy(ep->addr, &v6->sin6_addr, sizeof(v6->sin6_addr));
    }
}

int posix_bind(const struct posix *posix, int fd, const struct endpoint *local)
{
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(local, &sa);
    int rc = bind(fd, (const struct sockaddr *)&sa, len) < 0 ? -errno : 0;

    return rc == -EACCES && posix->config.binder
               ? keeper_bind(posix->config.binder, fd, (const struct sockaddr *)&sa, len)
               : rc;
}

void psock_post(const struct psock *sock, enum net_event_type type, uint32_t arg)
{
    adapter_post(&sock->posix->base,
                 &(struct net_event){ .type = type, .tag = sock->tag, .arg = arg });
}

void psock_end(struct psock *sock, int error)
{
    if (sock->is_over)
        return;
    sock->is_over = true;
    sock->posix->live--;
    if (error)
        psock_post(sock, NET_EVENT_ERROR, (uint32_t)error);
    else
        psock_post(sock, NET_EVENT_REMOTE_CLOSED, 0);
}

/* ---- the table of sockets -------------------------------------------------------------- */

static int take_sid(struct posix *posix)
{
    size_t cap = posix->socks_cap ? posix->socks_cap * 2 : SOCKS_CAP_MIN;

    if (!posix->free_count) {
        posix->socks = xrealloc(posix->socks, cap * sizeof(*posix->socks));
        posix->free_sids = xrealloc(posix->free_sids, cap * sizeof(*posix->free_sids));
        for (size_t sid = cap; sid-- > posix->socks_cap;) {
            posix->socks[sid] = NULL;
            posix->free_sids[posix->free_count++] = (int)sid;
        }
        posix->socks_cap = cap;
    }
    return posix->free_sids[--posix->free_count];
}

static struct psock *psock_new(struct posix *posix, enum psock_kind kind, uint32_t tag)
{
    struct psock *sock = xcalloc(1, sizeof(*sock));

    *sock = (struct psock){ .posix = posix,
                            .kind = kind,
                            .sid = take_sid(posix),
                            .tag = tag,
                            .conn.fd = -1,
                            .listener.fd = -1,
                            .waiting_fd = -1,
                            .wants_stamp = true };
    list_init(&sock->unacked_link);
    list_init(&sock->rxq);
    posix_tcp_init(sock);
    posix->socks[sock->sid] = sock;
    posix->live++;
    return sock;
}

static void psock_free(struct psock *sock)
{
    struct posix *posix = sock->posix;

    if (sock->kind == PSOCK_KIND_UDP)
        posix_udp_close(sock);
    else
        posix_tcp_close(sock);
    if (!sock->is_over)
        posix->live--;
    posix->socks[sock->sid] = NULL;
    posix->free_sids[posix->free_count++] = sock->sid;
    free(sock);
}

/* ---- the adapter's slots ------------------------------------------------------------------ */

static void op_info(const struct adapter *adapter, struct adapter_info *info)
{
    struct posix *posix = to_posix(adapter);

    if (posix->config.follows_host_dns && !posix->is_dns_leased)
        hostinfo_follow_dns(&posix->host_dns, &posix->config.info);
    *info = posix->config.info;
}

static int sid_or_free(struct psock *sock, int rc)
{
    int sid = sock->sid;

    if (rc < 0) {
        psock_free(sock);
        return rc;
    }
    return sid;
}

static int op_connect(struct adapter *adapter, const struct sock_spec *spec,
                      const struct endpoint *remote)
{
    bool is_udp = spec->type == SOCK_TYPE_UDP;
    struct psock *sock =
        psock_new(to_posix(adapter), is_udp ? PSOCK_KIND_UDP : PSOCK_KIND_TCP, spec->tag);

    sock->peer = *remote;
    sock->spec = *spec;
    if (spec->is_held)
        return sock->sid;
    return sid_or_free(sock, is_udp ? posix_udp_connect(sock, spec, remote)
                                    : posix_tcp_connect(sock, spec, remote));
}

static int op_proceed(struct adapter *adapter, int sid)
{
    struct psock *sock = to_psock(adapter, sid);

    return posix_tcp_connect(sock, &sock->spec, &sock->peer);
}

static int op_listen(struct adapter *adapter, const struct sock_spec *spec, bool many)
{
    struct psock *sock = psock_new(to_posix(adapter), PSOCK_KIND_LISTENER, spec->tag);

    sock->spec = *spec;
    return sid_or_free(sock, posix_tcp_listen(sock, spec, many));
}

static int op_accept(struct adapter *adapter, int sid, uint32_t tag)
{
    struct psock *listener = to_psock(adapter, sid);
    struct psock *client = psock_new(to_posix(adapter), PSOCK_KIND_TCP, tag);

    return sid_or_free(client, posix_tcp_accept(listener, client));
}

static int op_peer(const struct adapter *adapter, int sid, struct endpoint *peer)
{
    const struct psock *sock = to_psock(adapter, sid);

    *peer = sock->peer;
    return peer->family == IP_FAMILY_NONE ? -ENOTCONN : 0;
}

static ssize_t op_send(struct adapter *adapter, int sid, const void *data, size_t len,
                       const struct endpoint *to)
{
    struct psock *sock = to_psock(adapter, sid);

    if (sock->kind == PSOCK_KIND_UDP)
        return posix_udp_send(sock, data, len, to);
    return posix_tcp_send(sock, data, len);
}

static ssize_t op_recv(struct adapter *adapter, int sid, void *data, size_t cap,
                       struct endpoint *from)
{
    struct psock *sock = to_psock(adapter, sid);

    if (sock->kind == PSOCK_KIND_UDP)
        return posix_udp_recv(sock, data, cap, from);
    return posix_tcp_recv(sock, data, cap);
}

static ssize_t op_pending(struct adapter *adapter, int sid)
{
    const struct psock *sock = to_psock(adapter, sid);

    return sock->kind == PSOCK_KIND_UDP ? posix_udp_pending(sock) : posix_tcp_pending(sock);
}

static ssize_t op_peek(struct adapter *adapter, int sid, size_t skip, void *data, size_t cap,
                       struct endpoint *from)
{
    const struct psock *sock = to_psock(adapter, sid);

    if (sock->kind == PSOCK_KIND_UDP)
        return posix_udp_peek(sock, skip, data, cap, from);
    return posix_tcp_peek(sock, skip, data, cap);
}

static int name_of(int fd, struct endpoint *name)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);

    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return -errno;
    endpoint_from_sockaddr(name, &sa);
    return 0;
}

/* The address that the routes to @peer begin with: the kernel chooses it when it is asked. */
static int source_towards(const struct posix *posix, const struct endpoint *peer,
                          struct endpoint *source)
{
    const int on = 1;
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(peer, &sa);
    int fd = posix_socket(posix, sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC);
    int rc;

    if (fd < 0)
        return fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
    rc = connect(fd, (struct sockaddr *)&sa, len) < 0 ? -errno : name_of(fd, source);
    close(fd);
    return rc;
}

static int op_local(const struct adapter *adapter, int sid, const struct endpoint *peer,
                    struct endpoint *local)
{
    const struct psock *sock = to_psock(adapter, sid);
    struct endpoint source;
    int fd = sock->conn.fd;
    int rc;

    if (fd < 0)
        fd = sock->waiting_fd >= 0 ? sock->waiting_fd : sock->listener.fd;
    if (fd < 0)
        return -ENOTCONN;
    rc = name_of(fd, local);
    if (rc < 0 || sock->kind != PSOCK_KIND_UDP || sock->is_joined)
        return rc;
    rc = source_towards(sock->posix, peer, &source);
    source.port = local->port;
    *local = source;
    return rc;
}

static size_t op_unacked(const struct adapter *adapter, int sid)
{
    return posix_tcp_unacked(to_psock(adapter, sid));
}

static int op_disconnect(struct adapter *adapter, int sid)
{
    struct psock *sock = to_psock(adapter, sid);

    return sock->kind == PSOCK_KIND_UDP ? -EOPNOTSUPP : posix_tcp_disconnect(sock);
}

static void op_reset(struct adapter *adapter, int sid)
{
    posix_tcp_reset(to_psock(adapter, sid));
}

static int op_look(const struct adapter *adapter, int sid, struct sock_look *look)
{
    const struct posix *posix = to_posix(adapter);
    const struct psock *sock;

    if (sid < 0 || (size_t)sid >= posix->socks_cap)
        return -ERANGE;
    sock = posix->socks[sid];
    if (!sock)
        return -ENOENT;
    *look =
        (struct sock_look){ .type = sock->kind == PSOCK_KIND_UDP ? SOCK_TYPE_UDP : SOCK_TYPE_TCP,
                            .tag = sock->tag,
                            .local_port = sock->spec.local_port,
                            .is_many = sock->is_many,
                            .peer = sock->peer };
    return 0;
}

static void op_close(struct adapter *adapter, int sid)
{
    psock_free(to_psock(adapter, sid));
}

static void op_flush(struct adapter *adapter)
{
    posix_tcp_flush_stage(to_posix(adapter));
}

static size_t op_active(const struct adapter *adapter)
{
    const struct posix *posix = to_posix(adapter);

    /* a link that is down may come up, and then what waits for it goes on */
    return posix->live + (posix->netlink && !posix->is_link_up ? 1 : 0);
}

static void op_free(struct adapter *adapter)
{
    struct posix *posix = to_posix(adapter);

    for (size_t sid = 0; sid < posix->socks_cap; sid++)
        if (posix->socks[sid])
            psock_free(posix->socks[sid]);
    timer_stop(posix->config.timers, &posix->sweep_timer);
    posix_unwatch_link(posix);
    posix_icmp_close(posix);
    free(posix->socks);
    free(posix->free_sids);
    byteq_fini(&posix->spare);
    free(posix->stage);
    free(posix->scratch);
    free(posix);
}

static const struct adapter_ops posix_ops = {
    .name = "host",
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
    .reset = op_reset,
    .close = op_close,
    .look = op_look,
    .echo = posix_icmp_echo,
    .flush = op_flush,
    .active = op_active,
    .free = op_free,
};

struct adapter *posix_adapter_new(const struct posix_config *config)
{
    struct posix *posix = xcalloc(1, sizeof(*posix));

    posix->base.ops = &posix_ops;
    posix->config = *config;
    if (config->follows_host_dns)
        hostinfo_follow_dns(&posix->host_dns, &posix->config.info);
    posix->has_link = true;
    posix->is_held = config->is_held;
    posix->base.is_ready = posix->is_link_up = !config->is_held;
    list_init(&posix->unacked);
    timer_init(&posix->sweep_timer, posix_tcp_sweep);
    return &posix->base;
}
