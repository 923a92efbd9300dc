/* The UDP half of posix.c. lwIP's manners: open to broadcast, never an error for a lost datagram. */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/posix_priv.h"
#include "emu/fdio.h"
#include "emu/limits.h"
#include "emu/util.h"

#define DGRAM_MAX   65536 /* more than any UDP payload, RFC 768 */
#define BATCH_COUNT 16    /* datagrams read by one system call */

struct dgram {
    struct list link;
    struct endpoint from;
    size_t len;
    uint8_t data[];
};

static void free_dgram(struct psock *sock, struct dgram *dgram)
{
    list_remove(&dgram->link);
    sock->rxq_len--;
    free(dgram);
}

static void queue_dgram(struct psock *sock, const uint8_t *data, size_t len,
                        const struct sockaddr_storage *from)
{
    struct dgram *dgram = xcalloc(1, sizeof(*dgram) + len);

    endpoint_from_sockaddr(&dgram->from, from);
    dgram->len = len;
    memcpy(dgram->data, data, len);
    list_append(&sock->rxq, &dgram->link);
    sock->rxq_len++;
    psock_post(sock, NET_EVENT_RX, 0);
}

static int read_batch(struct psock *sock, size_t max)
{
    struct posix *posix = sock->posix;
    struct sockaddr_storage from[BATCH_COUNT];
    struct mmsghdr msgs[BATCH_COUNT];
    struct iovec iov[BATCH_COUNT];
    int n;

    if (!posix->scratch)
        posix->scratch = xcalloc(BATCH_COUNT, DGRAM_MAX);
    for (size_t i = 0; i < max; i++) {
        iov[i] = (struct iovec){ posix->scratch + i * DGRAM_MAX, DGRAM_MAX };
        msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &from[i],
                                                 .msg_namelen = sizeof(from[i]),
                                                 .msg_iov = &iov[i],
                                                 .msg_iovlen = 1 } };
    }
    n = recvmmsg(sock->conn.fd, msgs, (unsigned)max, MSG_DONTWAIT, NULL);
    if (n < 0) /* an ICMP error of an earlier send: lwIP drops it; there may be more behind it */
        return errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == EINTR;
    for (int i = 0; i < n; i++)
        queue_dgram(sock, iov[i].iov_base, msgs[i].msg_len, &from[i]);
    return n == (int)max;
}

/* Read until the kernel has no more, or the queue is full. */
static void read_dgrams(struct psock *sock)
{
    uint64_t max = sock->posix->config.limits->udp_queue;

    for (;;) {
        size_t room = max > sock->rxq_len ? (size_t)(max - sock->rxq_len) : 0;

        sock->is_unread = !room;
        if (!room || !read_batch(sock, room < BATCH_COUNT ? room : BATCH_COUNT))
            return;
    }
}

static void on_ready(struct loop_fd *source, uint32_t events)
{
    struct psock *sock = container_of(source, struct psock, conn);

    if (events & (EPOLLIN | EPOLLERR))
        read_dgrams(sock);
    if (events & EPOLLOUT && sock->is_blocked) {
        sock->is_blocked = false;
        psock_post(sock, NET_EVENT_TX_ACKED, 0);
    }
}

static int open_socket(struct psock *sock, const struct endpoint *remote)
{
    const int on = 1;
    int family = remote->family == IP_FAMILY_V6 ? AF_INET6 : AF_INET;
    int fd = posix_socket(sock->posix, family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sock->conn = (struct loop_fd){ .fd = fd, .ready = on_ready };
    return 0;
}

static int bind_local(struct psock *sock, const struct sock_spec *spec,
                      const struct endpoint *remote)
{
    const struct endpoint any = { .family = remote->family, .port = spec->local_port };

    return posix_bind(sock->posix, sock->conn.fd, &any);
}

int posix_udp_connect(struct psock *sock, const struct sock_spec *spec,
                      const struct endpoint *remote)
{
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(remote, &sa);
    int rc = open_socket(sock, remote);

    if (rc < 0)
        return rc;
    rc = bind_local(sock, spec, remote);
    if (rc < 0) {
        psock_end(sock, -rc);
        return 0;
    }
    /* as lwIP: a peer with a port is the only one that is heard */
    if (remote->port && endpoint_is_unicast(remote))
        sock->is_joined = connect(sock->conn.fd, (struct sockaddr *)&sa, len) == 0;
    rc = loop_add(sock->posix->config.loop, &sock->conn, EPOLLIN | EPOLLOUT);
    if (rc < 0)
        return rc;
    psock_post(sock, NET_EVENT_CONNECTED, 0);
    return 0;
}

/* What has no way out is lost without a word, as in lwIP; what is no datagram at all is an error. */
static bool is_lost(int error)
{
    return error != EAGAIN && error != EMSGSIZE;
}

static bool is_limited_broadcast(const struct endpoint *to)
{
    static const uint8_t ones[] = { 0xff, 0xff, 0xff, 0xff }; /* RFC 919 7 */

    return to->family == IP_FAMILY_V4 && memcmp(to->addr, ones, sizeof(ones)) == 0;
}

union pktinfo_control {
    char buf[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr align;
};

/* By the adapter's own interface, as lwIP does, whether a route leads there or not: ip(7). */
static ssize_t broadcast(const struct psock *sock, struct iovec iov, struct sockaddr_storage *sa,
                         socklen_t sa_len)
{
    const struct in_pktinfo info = { .ipi_ifindex = sock->posix->link.ifindex };
    union pktinfo_control control = { 0 };
    struct msghdr msg = { .msg_name = sa,
                          .msg_namelen = sa_len,
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.buf,
                          .msg_controllen = sizeof(control.buf) };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

    cmsg->cmsg_level = IPPROTO_IP;
    cmsg->cmsg_type = IP_PKTINFO;
    cmsg->cmsg_len = CMSG_LEN(sizeof(info));
    memcpy(CMSG_DATA(cmsg), &info, sizeof(info));
    return sendmsg(sock->conn.fd, &msg, MSG_NOSIGNAL);
}

static ssize_t send_to(const struct psock *sock, const void *data, size_t len,
                       const struct endpoint *to)
{
    struct sockaddr_storage sa;
    socklen_t sa_len;

    if (!to && sock->is_joined)
        return send(sock->conn.fd, data, len, MSG_NOSIGNAL);
    if (!to)
        to = &sock->peer;
    sa_len = endpoint_to_sockaddr(to, &sa);
    if (sock->posix->link.ifindex && is_limited_broadcast(to))
        return broadcast(sock, fd_iovec(data, len), &sa, sa_len);
    return sendto(sock->conn.fd, data, len, MSG_NOSIGNAL, (struct sockaddr *)&sa, sa_len);
}

ssize_t posix_udp_send(struct psock *sock, const void *data, size_t len, const struct endpoint *to)
{
    ssize_t n = send_to(sock, data, len, to);

    if (n < 0 && errno == ECONNREFUSED) /* an ICMP error of an earlier send: this one is not sent */
        n = send_to(sock, data, len, to);
    if (n < 0 && errno == EAGAIN)
        sock->is_blocked = true;
    if (n < 0 && !is_lost(errno))
        return -errno;
    loop_expect(sock->posix->config.loop);
    psock_post(sock, NET_EVENT_TX_ACKED, (uint32_t)len);
    return (ssize_t)len;
}

static struct dgram *first_dgram(const struct psock *sock)
{
    if (list_is_empty(&sock->rxq))
        return NULL;
    return container_of(sock->rxq.next, struct dgram, link);
}

ssize_t posix_udp_recv(struct psock *sock, void *data, size_t cap, struct endpoint *from)
{
    struct dgram *dgram = first_dgram(sock);
    size_t n;

    if (!dgram)
        return -EAGAIN;
    n = dgram->len < cap ? dgram->len : cap;
    if (n)
        memcpy(data, dgram->data, n);
    if (from)
        *from = dgram->from;
    free_dgram(sock, dgram);
    if (sock->is_unread)
        read_dgrams(sock);
    return (ssize_t)n;
}

ssize_t posix_udp_pending(const struct psock *sock)
{
    const struct dgram *dgram = first_dgram(sock);

    return dgram ? (ssize_t)dgram->len : -EAGAIN;
}

ssize_t posix_udp_peek(const struct psock *sock, size_t skip, void *data, size_t cap,
                       struct endpoint *from)
{
    list_for_each(node, &sock->rxq) {
        const struct dgram *dgram = container_of(node, struct dgram, link);
        size_t n = dgram->len < cap ? dgram->len : cap;

        if (skip--)
            continue;
        if (n)
            memcpy(data, dgram->data, n);
        if (from)
            *from = dgram->from;
        return (ssize_t)n;
    }
    return -EAGAIN;
}

void posix_udp_close(struct psock *sock)
{
    struct dgram *dgram;

    while ((dgram = first_dgram(sock)))
        free_dgram(sock, dgram);
    if (sock->conn.fd < 0)
        return;
    loop_remove(sock->posix->config.loop, &sock->conn);
    close(sock->conn.fd);
}
