/*
 * The ICMP half of posix.c. Linux lets an ordinary process send echo requests by a datagram socket
 * where net.ipv4.ping_group_range says so (icmp(7)); else a raw one is tried, which a keeper with
 * privileges can open. One socket for all requests of the adapter, opened by the first.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <unistd.h>

#include "adapters/keeper.h"
#include "adapters/posix_priv.h"
#include "emu/icmp_msg.h"
#include "emu/util.h"

#define PACKET_MAX 2048

/* The address and, where the kernel tells it, the time to live of what was received. */
struct arrival {
    struct endpoint from;
    uint8_t ttl;
};

/* NOLINTNEXTLINE(readability-non-const-parameter): recvmsg() writes into it */
static ssize_t receive(int fd, uint8_t packet[PACKET_MAX], struct arrival *arrival)
{
    struct sockaddr_storage from;
    struct iovec iov = { packet, PACKET_MAX };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr msg = { .msg_name = &from,
                          .msg_namelen = sizeof(from),
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    const struct cmsghdr *cmsg;
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);
    int ttl = 0;

    if (n < 0)
        return n;
    cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg && cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_TTL)
        memcpy(&ttl, CMSG_DATA(cmsg), sizeof(ttl));
    endpoint_from_sockaddr(&arrival->from, &from);
    arrival->ttl = (uint8_t)ttl;
    return n;
}

static bool is_answer(const struct posix_icmp *icmp, const struct icmp_echo *echo,
                      const struct arrival *arrival)
{
    if (!icmp->tag || echo->sequence != icmp->sequence)
        return false;
    if (icmp->is_raw && echo->id != icmp->id)
        return false; /* of another process's ping */
    return !endpoint_is_unicast(&icmp->to) || endpoint_same_ip(&arrival->from, &icmp->to);
}

static void take(struct posix *posix, const uint8_t *packet, size_t len, struct arrival *arrival)
{
    struct posix_icmp *icmp = &posix->icmp;
    struct ip_payload payload = { packet, len, arrival->ttl };
    struct icmp_echo echo;

    if (icmp->is_raw && !ip_read_payload(packet, len, &payload))
        return;
    if (!icmp_read_reply(payload.message, payload.len, &echo) || !is_answer(icmp, &echo, arrival))
        return;
    adapter_post(&posix->base, &(struct net_event){
                                   .type = NET_EVENT_ECHO, .tag = icmp->tag, .arg = payload.ttl });
    icmp->tag = 0;
}

static void on_ready(struct loop_fd *source, uint32_t events)
{
    struct posix *posix = container_of(source, struct posix, icmp.source);
    uint8_t packet[PACKET_MAX];
    struct arrival arrival;
    ssize_t n;

    (void)events;
    for (;;) {
        n = receive(source->fd, packet, &arrival);
        if (n >= 0) {
            take(posix, packet, (size_t)n, &arrival);
        } else if (errno != EINTR && errno != EHOSTUNREACH && errno != ECONNREFUSED) {
            return; /* those are news of the request, and there may be more behind them */
        }
    }
}

static int open_any(struct posix *posix)
{
    const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = posix_socket_of(posix, AF_INET, SOCK_DGRAM | flags, IPPROTO_ICMP);

    posix->icmp.is_raw = false;
    if (fd != -EACCES && fd != -EPERM)
        return fd;
    posix->icmp.is_raw = true;
    fd = posix_socket_of(posix, AF_INET, SOCK_RAW | flags, IPPROTO_ICMP);
    return fd == -EPERM ? -EACCES : fd;
}

static int open_icmp(struct posix *posix)
{
    const int on = 1;
    int fd = open_any(posix);
    int rc;

    if (fd < 0)
        return fd;
    (void)setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
    posix->icmp.source = (struct loop_fd){ .fd = fd, .ready = on_ready };
    rc = loop_add(posix->config.loop, &posix->icmp.source, EPOLLIN);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    posix->icmp.is_open = true;
    return 0;
}

/* As in lwIP, what finds no way is lost without a word: only a socket that can't be had is told. */
int posix_icmp_echo(struct adapter *adapter, uint32_t tag, const struct endpoint *to, size_t len)
{
    struct posix *posix = to_posix(adapter);
    struct posix_icmp *icmp = &posix->icmp;
    uint8_t message[ICMP_HEADER_LEN + ICMP_DATA_MAX];
    struct sockaddr_storage sa;
    socklen_t sa_len = endpoint_to_sockaddr(to, &sa);
    int rc = icmp->is_open ? 0 : open_icmp(posix);

    if (rc < 0)
        return rc;
    ((struct sockaddr_in *)&sa)->sin_port = 0;
    icmp->tag = tag;
    icmp->to = *to;
    icmp->id = (uint16_t)(getpid() ^ (adapter->id << 8)); /* a datagram socket's is the kernel's */
    icmp->sequence++;
    len = icmp_write_request(
        &(struct icmp_echo){ .id = icmp->id, .sequence = icmp->sequence, .data_len = len },
        message);
    (void)!sendto(icmp->source.fd, message, len, MSG_NOSIGNAL, (struct sockaddr *)&sa, sa_len);
    loop_expect(posix->config.loop);
    return 0;
}

void posix_icmp_close(struct posix *posix)
{
    if (!posix->icmp.is_open)
        return;
    loop_remove(posix->config.loop, &posix->icmp.source);
    close(posix->icmp.source.fd);
    posix->icmp.is_open = false;
}
