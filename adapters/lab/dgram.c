/* The lab's UDP sockets: a datagram in, at most one out. */
#include <errno.h>
#include <sys/socket.h>

#include "adapters/lab/lab_priv.h"
#include "emu/trace.h"
#include "emu/util.h"

#define ROUNDS_MAX 64 /* datagrams of a peer before the others have their turn */

static void answer(struct lab_server *server, const struct sockaddr_in *sa, size_t len)
{
    struct lab *lab = server->lab;
    uint8_t reply[LAB_READ_CAP];
    char text[ENDPOINT_TEXT_MAX];
    struct endpoint from;
    ssize_t n;

    lab_from_sockaddr(&from, sa);
    trace_emit(lab->config.trace, "lab.datagram", "{s:s, s:s, s:i}", "peer", server->peer->name,
               "from", endpoint_text(&from, text), "len", (int)len);
    n = server->peer->dgram->received(server, &from, lab->scratch, len, reply);
    if (n < 0)
        return;
    /* what can't be sent is lost, as datagrams are */
    (void)sendto(server->source.fd, reply, (size_t)n, MSG_NOSIGNAL, (const struct sockaddr *)sa,
                 sizeof(*sa));
}

/* False: there is nothing left to read. */
static bool serve_one(struct lab_server *server)
{
    struct sockaddr_in sa;
    socklen_t sa_len = sizeof(sa);
    ssize_t n = recvfrom(server->source.fd, server->lab->scratch, LAB_READ_CAP, 0,
                         (struct sockaddr *)&sa, &sa_len);

    if (n < 0) /* the rest are errors of an earlier answer: there may be more behind them */
        return errno != EAGAIN;
    if (sa_len == sizeof(sa))
        answer(server, &sa, (size_t)n);
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
