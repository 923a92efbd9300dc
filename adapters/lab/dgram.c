/* The lab's UDP sockets. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "adapters/lab/lab_priv.h"
#include "emu/fdio.h"
#include "emu/trace.h"
#include "emu/util.h"

#define ROUNDS_MAX 64 /* datagrams of a peer before the others have their turn */

/* Which of our addresses a datagram is for, or goes out from: ip(7), IP_PKTINFO. */
union pktinfo_control {
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr align;
};

void lab_dgram_send(const struct lab_dgram *dgram, const void *data, size_t len)
{
    struct iovec iov = fd_iovec(data, len);
    union pktinfo_control control = { 0 };
    struct in_pktinfo info = { 0 };
    struct sockaddr_in sa;
    struct msghdr msg = { .msg_name = &sa,
                          .msg_namelen = sizeof(sa),
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

    lab_to_sockaddr(&dgram->from, &sa);
    memcpy(&info.ipi_spec_dst, dgram->to.addr, sizeof(info.ipi_spec_dst));
    cmsg->cmsg_level = IPPROTO_IP;
    cmsg->cmsg_type = IP_PKTINFO;
    cmsg->cmsg_len = CMSG_LEN(sizeof(info));
    memcpy(CMSG_DATA(cmsg), &info, sizeof(info));
    (void)sendmsg(dgram->server->source.fd, &msg, MSG_NOSIGNAL);
}

void lab_dgram_answer(const struct lab_dgram *dgram, const void *data, size_t len)
{
    if (dgram->dtls) {
        lab_dtls_write(dgram->dtls, data, len);
    } else {
        lab_dgram_send(dgram, data, len);
    }
}

static void note_addresses(struct lab_dgram *dgram, struct msghdr *msg)
{
    const struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
    struct in_pktinfo info = { 0 };

    lab_from_sockaddr(&dgram->from, msg->msg_name);
    if (cmsg && cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_PKTINFO)
        memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
    dgram->to.family = IP_FAMILY_V4;
    memcpy(dgram->to.addr, &info.ipi_spec_dst, sizeof(info.ipi_spec_dst));
}

static void hand_over(const struct lab_dgram *dgram, size_t len)
{
    const struct lab_server *server = dgram->server;
    char text[ENDPOINT_TEXT_MAX];

    trace_emit(server->lab->config.trace, "lab.datagram", "{s:s, s:i, s:s, s:i}", "peer",
               server->peer->name, "port", server->port, "from", endpoint_text(&dgram->from, text),
               "len", (int)len);
    (server->peer->secure ? lab_dtls_received
                          : server->peer->dgram->received)(dgram, server->lab->scratch, len);
}

/* False: there is nothing left to read. */
static bool serve_one(struct lab_server *server)
{
    struct sockaddr_in sa;
    struct iovec iov = { server->lab->scratch, LAB_READ_CAP };
    union pktinfo_control control;
    struct msghdr msg = { .msg_name = &sa,
                          .msg_namelen = sizeof(sa),
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    struct lab_dgram dgram = { .server = server };
    ssize_t n = recvmsg(server->source.fd, &msg, 0);

    if (n < 0) /* the rest are errors of an earlier answer: there may be more behind them */
        return errno != EAGAIN;
    if (msg.msg_namelen != sizeof(sa))
        return true;
    note_addresses(&dgram, &msg);
    hand_over(&dgram, (size_t)n);
    return true;
}

void lab_on_dgrams(struct loop_fd *source, uint32_t events)
{
    struct lab_server *server = container_of(source, struct lab_server, source);

    (void)events;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (!serve_one(server))
            return;
    }
    (void)lab_again(server->lab, source, EPOLLIN);
}
