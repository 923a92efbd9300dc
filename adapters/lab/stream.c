/* The lab's TCP connections: accepting them, reading, writing and closing; lab_priv.h has the rules. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/lab/lab_priv.h"
#include "emu/trace.h"
#include "emu/util.h"

#define STREAM_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP)
#define ROUNDS_MAX    16 /* reads or writes of a stream before the others have their turn */

static struct lab *lab_of(const struct lab_stream *stream)
{
    return stream->server->lab;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Give the kernel what it takes; how much that was. */
static size_t write_some(struct lab_stream *stream, const void *data, size_t len)
{
    ssize_t n = send(stream->source.fd, data, len, MSG_NOSIGNAL);

    if (n < 0) {
        if (errno != EAGAIN)
            stream->error = errno;
        return 0;
    }
    if (!stream->tls)
        stream->tx += (uint64_t)n;
    return (size_t)n;
}

void lab_stream_write(struct lab_stream *stream, const void *data, size_t len)
{
    if (!stream->tls) {
        lab_stream_send(stream, data, len);
    } else if (!stream->error && tls_write(stream->tls, data, len) == (ssize_t)len) {
        stream->tx += len;
    }
}

void lab_stream_send(struct lab_stream *stream, const void *data, size_t len)
{
    size_t n = 0;

    if (stream->error)
        return;
    if (!stream->outq.len)
        n = write_some(stream, data, len);
    byteq_append(&stream->outq, (const uint8_t *)data + n, len - n);
}

static void flush(struct lab_stream *stream)
{
    while (stream->outq.len) {
        size_t n = write_some(stream, byteq_front(&stream->outq), stream->outq.len);

        if (!n)
            return;
        byteq_drop(&stream->outq, n);
    }
}

/* ---- ending --------------------------------------------------------------------------------- */

void lab_stream_end(struct lab_stream *stream)
{
    if (stream->is_secured && !stream->is_ending && !stream->is_shutting)
        tls_close(stream->tls);
    stream->is_ending = true;
}

void lab_stream_shut(struct lab_stream *stream)
{
    if (stream->is_secured && !stream->is_shutting)
        tls_close(stream->tls);
    stream->is_shutting = true;
}

/* When all is written. */
static void shut(struct lab_stream *stream)
{
    if (!stream->is_shutting || stream->is_shut || stream->outq.len)
        return;
    (void)shutdown(stream->source.fd, SHUT_WR);
    stream->is_shut = true;
}

static void make_reset(int fd)
{
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

void lab_stream_reset(struct lab_stream *stream)
{
    make_reset(stream->source.fd);
    byteq_drop(&stream->outq, stream->outq.len);
    stream->is_ending = true;
}

/* A descriptor is free: clients that wait for one have their turn. */
static void feed_starved(struct lab *lab)
{
    for (size_t i = 0; i < lab->servers_count; i++) {
        struct lab_server *server = &lab->servers[i];

        if (!server->is_starved)
            continue;
        server->is_starved = false;
        (void)lab_again(lab, &server->source, EPOLLIN);
    }
}

void lab_stream_close(struct lab_stream *stream)
{
    struct lab *lab = lab_of(stream);
    char text[ENDPOINT_TEXT_MAX];

    trace_emit(lab->config.trace, "lab.close", "{s:s, s:s, s:I, s:I, s:i}", "peer",
               stream->server->peer->name, "from", endpoint_text(&stream->from, text), "rx",
               (json_int_t)stream->rx, "tx", (json_int_t)stream->tx, "error", stream->error);
    loop_remove(lab->config.loop, &stream->source);
    close(stream->source.fd);
    if (stream->server->peer->stream->closed)
        stream->server->peer->stream->closed(stream);
    if (stream->tls)
        tls_free(stream->tls);
    byteq_fini(&stream->inq);
    byteq_fini(&stream->outq);
    list_remove(&stream->link);
    lab->streams_count--;
    free(stream);
    feed_starved(lab);
}

/* ---- what the loop sees of a connection -------------------------------------------------------- */

/* As recv(2), -errno for errors. */
static ssize_t receive(struct lab_stream *stream, void *data, size_t cap)
{
    ssize_t n;

    if (stream->tls)
        return lab_secure_read(stream, data, cap);
    n = recv(stream->source.fd, data, cap, 0);
    return n < 0 ? -errno : n;
}

/* True when there may be more to read. */
static bool read_some(struct lab_stream *stream)
{
    const struct lab_stream_ops *ops = stream->server->peer->stream;
    uint8_t *data = lab_of(stream)->scratch;
    ssize_t n = receive(stream, data, stream->read_max ? stream->read_max : LAB_READ_CAP);

    if (n < 0) {
        if (n != -EAGAIN)
            stream->error = (int)-n;
        return false;
    }
    if (n == 0) {
        stream->is_read_out = true;
        return true; /* its peer may have something to say to that */
    }
    stream->rx += (uint64_t)n;
    if (ops->received)
        ops->received(stream, data, (size_t)n);
    return true;
}

static void open_to_peer(struct lab_stream *stream)
{
    if (stream->server->peer->stream->opened)
        stream->server->peer->stream->opened(stream);
}

/* With step()'s result. */
static bool begin_secured(struct lab_stream *stream)
{
    if (!lab_secure_shake(stream))
        return stream->is_ending && !stream->error;
    open_to_peer(stream);
    return true;
}

/* One step. True when a further one may get on. */
static bool step(struct lab_stream *stream)
{
    const struct lab_stream_ops *ops = stream->server->peer->stream;
    bool more, has_said;

    flush(stream);
    shut(stream);
    if (stream->error || stream->outq.len || stream->is_ending)
        return false;
    if (stream->tls && !stream->is_secured)
        return begin_secured(stream);
    has_said = ops->writable && ops->writable(stream);
    more = has_said && !stream->outq.len;
    if (!stream->is_read_out && !stream->is_deaf && !stream->error)
        more = read_some(stream) || more;
    if (stream->is_read_out && !has_said && !more && !stream->is_held)
        lab_stream_end(stream);
    return (more || stream->is_ending) && !stream->error;
}

/* Who does not read is told by nothing else. */
static void note_end(struct lab_stream *stream)
{
    socklen_t len = sizeof(stream->error);

    if (stream->error)
        return;
    if (getsockopt(stream->source.fd, SOL_SOCKET, SO_ERROR, &stream->error, &len) < 0)
        stream->error = errno;
    if (stream->error)
        return;
    lab_stream_end(stream);
    byteq_drop(&stream->outq, stream->outq.len); /* to nobody */
}

static void serve(struct lab_stream *stream)
{
    bool is_over, more = true;

    for (int round = 0; more && round < ROUNDS_MAX; round++)
        more = step(stream);
    if (stream->is_deaf && stream->is_hung_up)
        note_end(stream);
    is_over = stream->error || (stream->is_ending && !stream->outq.len);
    if (more && !is_over)
        is_over = lab_again(lab_of(stream), &stream->source, STREAM_EVENTS) < 0;
    if (is_over)
        lab_stream_close(stream);
}

void lab_stream_go_on(struct lab_stream *stream)
{
    serve(stream);
}

static void on_stream(struct loop_fd *source, uint32_t events)
{
    struct lab_stream *stream = container_of(source, struct lab_stream, source);

    /* kept: it may come with the last bytes, before these have made the stream deaf, and once only */
    if (events & (EPOLLERR | EPOLLHUP))
        stream->is_hung_up = true;
    serve(stream); /* the next read or write tells */
}

/* ---- clients come -------------------------------------------------------------------------------- */

static void refuse(struct lab_server *server, int fd, const struct endpoint *from)
{
    lab_trace(server, "lab.refuse", from);
    make_reset(fd);
    close(fd);
}

static void welcome(struct lab_server *server, int fd, const struct endpoint *from)
{
    const int on = 1;
    struct lab *lab = server->lab;
    struct lab_stream *stream = xcalloc(1, sizeof(*stream));

    *stream = (struct lab_stream){ .server = server,
                                   .source = { .fd = fd, .ready = on_stream },
                                   .from = *from };
    if ((server->peer->secure && lab_secure_stream(stream) < 0) ||
        loop_add(lab->config.loop, &stream->source, STREAM_EVENTS) < 0) {
        if (stream->tls)
            tls_free(stream->tls);
        refuse(server, fd, from);
        free(stream);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    list_append(&lab->streams, &stream->link);
    lab->streams_count++;
    lab_trace(server, "lab.accept", from);
    if (!stream->tls)
        open_to_peer(stream);
    serve(stream);
}

/* A descriptor, or -errno. */
static int next_client(struct lab_server *server, struct endpoint *from)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    int fd = accept4(server->source.fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return -errno;
    lab_from_sockaddr(from, &sa);
    return fd;
}

/* The client is gone again: accept(2) says to go on with the next. */
static bool is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO;
}

void lab_on_listener(struct loop_fd *source, uint32_t events)
{
    struct lab_server *server = container_of(source, struct lab_server, source);
    struct endpoint from;
    int fd;

    (void)events;
    while ((fd = next_client(server, &from)) >= 0 || is_passing(-fd)) {
        bool is_full = server->lab->streams_count >= LAB_CLIENTS_MAX;

        if (fd >= 0)
            (is_full ? refuse : welcome)(server, fd, &from);
    }
    server->is_starved = fd != -EAGAIN;
}
