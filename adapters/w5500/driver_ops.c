/* The driver as an adapter: what the core asks of it. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/w5500/driver_priv.h"
#include "emu/links.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define QUEUE_MAX     (20 * 1024) /* of datagrams, before tx says full */
#define CHIP_HEADER   8
#define KEEP_UNIT_S   5 /* Sn_KPALVTR, datasheet 4.2 */
#define KEEP_UNIT_MAX 255
#define PORT_FIRST    50000
#define PORT_LAST     65535
#define MTU           1500

static struct driver *to_driver(const struct adapter *adapter)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return container_of((struct adapter *)(uintptr_t)adapter, struct driver, base);
}

/* NULL: it is a lookup's. */
static struct dsock *sock_at(struct driver *driver, int sid)
{
    return sid > 0 && sid < DRIVER_SOCKETS ? &driver->sockets[sid] : NULL;
}

static void op_info(const struct adapter *adapter, struct adapter_info *info)
{
    const struct driver *driver = to_driver(adapter);
    const struct board_address *address = &driver->address;
    bool is_final = driver->config.slot->dns_count || driver->config.has_final_dns;

    *info = (struct adapter_info){ .ip = address->ip,
                                   .gateway = address->gateway,
                                   .dns_is_complete = is_final };
    if (address->ip.family == IP_FAMILY_V4)
        dhcp_to_endpoint(dhcp_mask(address->prefix_len), &info->mask);
    if (driver->dns_count && !is_final) {
        memcpy(info->dns, driver->dns, sizeof(info->dns));
        info->dns_count = driver->dns_count;
    } else {
        memcpy(info->dns, driver->config.dns, sizeof(info->dns));
        info->dns_count = driver->config.dns_count;
    }
}

/* ---- opening ------------------------------------------------------------------------------------ */

/* Round-robin, as LuatOS has it; one that its last owner has left may still be closing. */
static struct dsock *find_free(struct driver *driver)
{
    unsigned users = driver->sockets_count - 1;

    for (unsigned i = 0; i < users; i++) {
        unsigned index = 1 + (driver->next_socket - 1 + i) % users;

        if (driver->sockets[index].phase == DSOCK_PHASE_FREE) {
            driver->next_socket = 1 + index % users;
            return &driver->sockets[index];
        }
    }
    return NULL;
}

/* One whose peer does not let it go is cut off when it is needed. */
static struct dsock *find_orphan(struct driver *driver)
{
    for (unsigned i = 1; i < driver->sockets_count; i++) {
        struct dsock *sock = &driver->sockets[i];

        if (sock->is_orphan) {
            dsock_fini(sock);
            return sock;
        }
    }
    return NULL;
}

static bool is_taken(const struct driver *driver, uint16_t port)
{
    for (int i = 0; i < DRIVER_SOCKETS; i++) {
        if (driver->sockets[i].phase != DSOCK_PHASE_FREE && driver->sockets[i].local_port == port)
            return true;
    }
    return false;
}

static uint16_t choose_port(struct driver *driver)
{
    do {
        uint16_t port = driver->next_port;

        driver->next_port = port == PORT_LAST ? PORT_FIRST : (uint16_t)(port + 1);
        if (!is_taken(driver, port))
            return port;
    } while (true);
}

static uint8_t keep_units_of(const struct sock_spec *spec)
{
    uint32_t units = (spec->keep_idle_s + KEEP_UNIT_S - 1) / KEEP_UNIT_S;

    if (!spec->keepalive || spec->type == SOCK_TYPE_UDP)
        return 0;
    return (uint8_t)(units < KEEP_UNIT_MAX ? units : KEEP_UNIT_MAX);
}

static int open_socket(struct driver *driver, const struct sock_spec *spec, bool is_listener,
                       const struct endpoint *remote)
{
    struct dsock *sock = NULL;

    if (driver->phase != DRIVER_PHASE_RUN)
        return -ENETDOWN;
    sock = find_free(driver);
    if (!sock)
        sock = find_orphan(driver);
    if (!sock)
        return -ENOBUFS;
    sock->is_udp = spec->type == SOCK_TYPE_UDP;
    sock->is_listener = is_listener;
    sock->tag = spec->tag;
    sock->local_port = spec->local_port ? spec->local_port : choose_port(driver);
    if (remote)
        sock->remote = *remote;
    sock->keep_units = is_listener ? 0 : keep_units_of(spec);
    dsock_open(driver, sock);
    driver_work(driver);
    return (int)sock->index;
}

static int op_connect(struct adapter *adapter, const struct sock_spec *spec,
                      const struct endpoint *remote)
{
    struct driver *driver = to_driver(adapter);

    if (remote->family != IP_FAMILY_V4)
        return -EAFNOSUPPORT;
    if (spec->is_for_names && spec->type == SOCK_TYPE_UDP && driver->own_kb)
        return driver_name_open(driver, spec, remote);
    return open_socket(driver, spec, false, remote);
}

static int op_listen(struct adapter *adapter, const struct sock_spec *spec, bool many)
{
    assert(!many);
    return open_socket(to_driver(adapter), spec, true, NULL);
}

static int op_peer(const struct adapter *adapter, int sid, struct endpoint *peer)
{
    struct driver *driver = to_driver(adapter);
    const struct dsock *sock = sock_at(driver, sid);

    *peer = sock ? sock->remote : driver_name_at(driver, sid)->server;
    return 0;
}

static int op_local(const struct adapter *adapter, int sid, const struct endpoint *peer,
                    struct endpoint *local)
{
    struct driver *driver = to_driver(adapter);
    const struct dsock *sock = sock_at(driver, sid);

    (void)peer;
    *local = driver->address.ip;
    local->port = sock ? sock->local_port : DRIVER_OWN_PORT;
    return 0;
}

/* ---- data --------------------------------------------------------------------------------------- */

static ssize_t ask_name(struct driver *driver, struct driver_name *name, const uint8_t *data,
                        size_t len)
{
    if (len < sizeof(name->id) || len > UINT16_MAX)
        return -EMSGSIZE;
    if (driver->phase != DRIVER_PHASE_RUN)
        return -ENETDOWN;
    memcpy(name->id, data, sizeof(name->id));
    dsock_queue_datagram(&driver->sockets[0], dhcp_from_endpoint(&name->server), name->server.port,
                         data, len);
    driver_work(driver);
    return (ssize_t)len;
}

static ssize_t send_datagram(struct dsock *sock, const void *data, size_t len,
                             const struct endpoint *to)
{
    const struct endpoint *remote = to ? to : &sock->remote;

    if (len > ADAPTER_DATAGRAM_MAX)
        return -EMSGSIZE;
    if (remote->family != IP_FAMILY_V4)
        return -EAFNOSUPPORT;
    if (sock->tx.len >= QUEUE_MAX)
        return -EAGAIN;
    dsock_queue_datagram(sock, dhcp_from_endpoint(remote), remote->port, data, len);
    return (ssize_t)len;
}

static ssize_t op_send(struct adapter *adapter, int sid, const void *data, size_t len,
                       const struct endpoint *to)
{
    struct driver *driver = to_driver(adapter);
    struct dsock *sock = sock_at(driver, sid);

    if (!sock)
        return ask_name(driver, driver_name_at(driver, sid), data, len);
    if (sock->phase == DSOCK_PHASE_DEAD || sock->is_leaving)
        return -EPIPE;
    if (sock->is_udp)
        return send_datagram(sock, data, len, to);
    byteq_append(&sock->tx, data, len);
    return (ssize_t)len;
}

/* What is said between two turns is told to the chip together. */
static void op_flush(struct adapter *adapter)
{
    struct driver *driver = to_driver(adapter);

    for (int i = 1; i < DRIVER_SOCKETS; i++) {
        const struct dsock *sock = &driver->sockets[i];

        if ((sock->tx.len || sock->is_leaving) && !sock->is_sending &&
            sock->phase == DSOCK_PHASE_ACTIVE) {
            driver_work(driver);
            return;
        }
    }
}

/* There is room again: what the chip has kept comes in. */
static void refill(struct driver *driver, struct dsock *sock)
{
    if (sock->has_unread && driver->phase == DRIVER_PHASE_RUN)
        driver_work(driver);
}

static ssize_t recv_datagram(struct byteq *queue, void *data, size_t cap, struct endpoint *from)
{
    struct dsock_datagram datagram;
    const uint8_t *bytes;
    size_t len;

    if (!dsock_front(queue, &datagram, &bytes))
        return -EAGAIN;
    len = datagram.len < cap ? datagram.len : cap;
    if (len)
        memcpy(data, bytes, len);
    if (from) {
        dhcp_to_endpoint(datagram.ip, from);
        from->port = datagram.port;
    }
    byteq_drop(queue, CHIP_HEADER + (size_t)datagram.len);
    return (ssize_t)len;
}

/* No more comes. */
static bool is_over(const struct dsock *sock)
{
    return sock->phase == DSOCK_PHASE_DEAD || (sock->has_end && !sock->has_unread);
}

static ssize_t op_recv(struct adapter *adapter, int sid, void *data, size_t cap,
                       struct endpoint *from)
{
    struct driver *driver = to_driver(adapter);
    struct dsock *sock = sock_at(driver, sid);
    ssize_t len;

    if (!sock)
        return recv_datagram(&driver_name_at(driver, sid)->rx, data, cap, from);
    if (sock->is_udp) {
        len = recv_datagram(&sock->rx, data, cap, from);
    } else {
        len = (ssize_t)(sock->rx.len < cap ? sock->rx.len : cap);
        if (len > 0) {
            memcpy(data, byteq_front(&sock->rx), (size_t)len);
            byteq_drop(&sock->rx, (size_t)len);
        }
        if (from)
            *from = sock->remote;
        if (!len)
            len = is_over(sock) ? 0 : -EAGAIN;
    }
    refill(driver, sock);
    return len;
}

static ssize_t op_pending(struct adapter *adapter, int sid)
{
    struct driver *driver = to_driver(adapter);
    const struct dsock *sock = sock_at(driver, sid);
    const struct byteq *queue = sock ? &sock->rx : &driver_name_at(driver, sid)->rx;
    struct dsock_datagram datagram;
    const uint8_t *bytes;

    if (sock && !sock->is_udp)
        return (ssize_t)queue->len;
    return dsock_front(queue, &datagram, &bytes) ? datagram.len : -EAGAIN;
}

static size_t op_unacked(const struct adapter *adapter, int sid)
{
    const struct dsock *sock = sock_at(to_driver(adapter), sid);

    return sock ? sock->tx.len + sock->sending : 0;
}

/* ---- leaving ------------------------------------------------------------------------------------ */

static int op_disconnect(struct adapter *adapter, int sid)
{
    struct driver *driver = to_driver(adapter);
    struct dsock *sock = sock_at(driver, sid);

    if (!sock || sock->is_udp)
        return -EOPNOTSUPP;
    if (sock->phase == DSOCK_PHASE_DEAD) {
        dsock_post(driver, sock, NET_EVENT_CLOSED, 0);
        return 0;
    }
    if (sock->phase != DSOCK_PHASE_ACTIVE)
        return -ENOTCONN;
    sock->is_leaving = true;
    driver_work(driver);
    return 0;
}

static void op_close(struct adapter *adapter, int sid)
{
    struct driver *driver = to_driver(adapter);
    struct dsock *sock = sock_at(driver, sid);

    if (!sock) {
        struct driver_name *name = driver_name_at(driver, sid);

        byteq_fini(&name->rx);
        *name = (struct driver_name){ 0 };
        return;
    }
    dsock_leave(driver, sock);
}

/* ---- life ---------------------------------------------------------------------------------------- */

/* An adapter that is not ready may become so, and what waits for it goes on. */
static size_t op_active(const struct adapter *adapter)
{
    const struct driver *driver = to_driver(adapter);
    size_t count = !driver->is_ready && driver->phase != DRIVER_PHASE_ABSENT ? 1 : 0;

    for (int i = 1; i < DRIVER_SOCKETS; i++) {
        const struct dsock *sock = &driver->sockets[i];

        count += sock->phase != DSOCK_PHASE_FREE && sock->phase != DSOCK_PHASE_DEAD;
    }
    return count;
}

static void op_free(struct adapter *adapter)
{
    struct driver *driver = to_driver(adapter);

    driver_net_fini(driver);
    timer_stop(driver->config.timers, &driver->timer);
    for (int i = 0; i < DRIVER_SOCKETS; i++)
        dsock_fini(&driver->sockets[i]);
    bench_free(driver->config.bench);
    free(driver);
}

const struct adapter_ops driver_ops = {
    .name = "w5500",
    .info = op_info,
    .connect = op_connect,
    .listen = op_listen,
    .peer = op_peer,
    .send = op_send,
    .recv = op_recv,
    .pending = op_pending,
    .local = op_local,
    .unacked = op_unacked,
    .disconnect = op_disconnect,
    .close = op_close,
    .flush = op_flush,
    .active = op_active,
    .free = op_free,
};

/* ---- for nets ------------------------------------------------------------------------------------- */

void driver_status(const struct adapter *adapter, struct link_status *status)
{
    const struct driver *driver = to_driver(adapter);

    *status =
        (struct link_status){ .is_on = driver->phase != DRIVER_PHASE_OFF,
                              .has_carrier = driver->has_link,
                              .is_ready = adapter->is_ready,
                              .addressing = driver->is_static ? ADDRESSING_STATIC : ADDRESSING_DHCP,
                              .mtu = MTU };
    memcpy(status->mac, driver->mac, sizeof(status->mac));
    op_info(adapter, &status->info);
}

int driver_set_address(struct adapter *adapter, const struct board_address *address)
{
    struct driver *driver = to_driver(adapter);

    if (address->ip.family != IP_FAMILY_V4)
        return -EAFNOSUPPORT;
    driver_stop_asking(driver, "it has a fixed one now");
    driver->is_static = true;
    driver->address = *address;
    driver_give_address(driver);
    driver_work(driver);
    return 0;
}

int driver_set_dhcp(struct adapter *adapter, bool is_on)
{
    struct driver *driver = to_driver(adapter);

    if (is_on == !driver->is_static)
        return 0;
    if (is_on) {
        driver->is_static = false;
        if (driver->own_kb)
            driver_ask(driver);
        else
            driver_restart(driver); /* with a buffer for it */
        driver_work(driver);
    } else { /* what there is stays */
        driver->is_static = true;
        driver_stop_asking(driver, "");
    }
    return 0;
}

int driver_set_mac(struct adapter *adapter, const uint8_t mac[BOARD_MAC_LEN])
{
    struct driver *driver = to_driver(adapter);

    memcpy(driver->mac, mac, BOARD_MAC_LEN);
    if (driver->is_asking) { /* as somebody else */
        driver_stop_asking(driver, "the MAC is another one");
        driver_give_address(driver);
        driver_ask(driver);
    } else if (driver->phase == DRIVER_PHASE_RUN) {
        driver_give_address(driver);
    }
    driver_work(driver);
    return 0;
}
