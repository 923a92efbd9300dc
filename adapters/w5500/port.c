#include "adapters/w5500/port.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/unix_path.h"
#include "adapters/w5500/vspi.h"
#include "emu/fdio.h"
#include "emu/log.h"
#include "emu/loop.h"
#include "emu/timer.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define READS_MAX 64 /* in a turn: others want to be served as well */
#define NO_CLIENT (-1)

struct port {
    struct port_config config;
    struct sockaddr_un sa;
    struct loop_fd listener;
    struct loop_fd client;
    struct vspi *vspi;
    struct timer more; /* a turn's share was read, and more may be there */
    bool has_input;    /* since the kernel last said that there is none */
    bool is_hung_up;   /* the input has an end, */
    bool is_ended;     /* which was read */
    bool is_blocked;   /* the kernel has no room for answers, and tells when it does */
};

/* ---- a client's end --------------------------------------------------------------------------- */

static void drop(struct port *port)
{
    loop_remove(port->config.loop, &port->client);
    close(port->client.fd);
    port->client.fd = NO_CLIENT;
    timer_stop(port->config.timers, &port->more);
    vspi_restart(port->vspi);
    trace_emit(port->config.trace, "spi.client", "{s:b}", "connected", false);
}

/* It will not read any more: what it has sent is carried out nevertheless. */
static void finish(struct port *port)
{
    uint8_t *room;
    size_t room_len;
    ssize_t n;

    vspi_drain(port->vspi);
    while ((room_len = vspi_room(port->vspi, &room)) &&
           ((n = recv(port->client.fd, room, room_len, 0)) > 0 || (n < 0 && errno == EINTR))) {
        if (n > 0)
            vspi_take(port->vspi, (size_t)n);
    }
    drop(port);
}

/* ---- to and fro ------------------------------------------------------------------------------- */

/* Room for answers is waited for only while there is none: it comes each time the client reads. */
static void watch(struct port *port, bool is_blocked)
{
    if (port->is_blocked == is_blocked)
        return;
    port->is_blocked = is_blocked;
    loop_remove(port->config.loop, &port->client);
    if (loop_add(port->config.loop, &port->client,
                 EPOLLIN | EPOLLRDHUP | (is_blocked ? EPOLLOUT : 0)) < 0)
        finish(port);
}

/* False: the client has gone. */
static bool send_answers(struct port *port)
{
    const uint8_t *answers;
    size_t len;

    while ((len = vspi_answers(port->vspi, &answers))) {
        ssize_t n = send(port->client.fd, answers, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0) {
            vspi_sent(port->vspi, (size_t)n);
            loop_expect(port->config.loop);
        } else if (errno == EAGAIN) {
            watch(port, true);
            return port->client.fd != NO_CLIENT;
        } else if (errno != EINTR) {
            finish(port);
            return false;
        }
    }
    watch(port, false);
    return port->client.fd != NO_CLIENT;
}

/* What fits; false: nothing came. */
static bool read_requests(struct port *port)
{
    uint8_t *room;
    size_t room_len = vspi_room(port->vspi, &room);
    ssize_t n;

    if (!room_len || !port->has_input)
        return false;
    n = recv(port->client.fd, room, room_len, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0) {
        port->is_ended = n == 0 || errno != EAGAIN;
        port->has_input = false;
        return false;
    }
    /* a stream that gives less than there is room for has no more, but for its end: epoll(7) */
    port->has_input = (size_t)n == room_len || port->is_hung_up;
    vspi_take(port->vspi, (size_t)n);
    return true;
}

/* False: the client has gone. */
static bool check(struct port *port)
{
    uint32_t oversize = vspi_oversize(port->vspi);

    if (oversize)
        log_warn(port->config.log, "",
                 "--spi: a message of %" PRIu32 " bytes, where %d are the most: its client is "
                 "dropped",
                 oversize, VSPI_LEN_MAX);
    if (oversize && !send_answers(port)) /* to what it asked before */
        return false;
    if (oversize || (port->is_ended && vspi_is_idle(port->vspi))) {
        drop(port);
        return false;
    }
    return true;
}

static void serve(struct port *port)
{
    if (port->client.fd == NO_CLIENT)
        return;
    for (int reads = 0; reads < READS_MAX; reads++) {
        bool came;

        if (!send_answers(port))
            return;
        came = read_requests(port);
        if (!check(port) || !came)
            return;
    }
    timer_start(port->config.timers, &port->more, port->config.clock->now_us);
}

static void on_more(struct timer *timer)
{
    serve(container_of(timer, struct port, more));
}

static void on_vspi(void *ctx)
{
    serve(ctx);
}

static void on_client(struct loop_fd *source, uint32_t events)
{
    struct port *port = container_of(source, struct port, client);

    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        port->is_hung_up = true;
    if (events & ~(uint32_t)EPOLLOUT)
        port->has_input = true;
    serve(port);
}

/* ---- clients come ------------------------------------------------------------------------------- */

static void adopt(struct port *port, int fd)
{
    port->client = (struct loop_fd){ .fd = fd, .ready = on_client };
    port->has_input = port->is_hung_up = port->is_ended = port->is_blocked = false;
    if (loop_add(port->config.loop, &port->client, EPOLLIN | EPOLLRDHUP) < 0) {
        close(fd);
        port->client.fd = NO_CLIENT;
        return;
    }
    trace_emit(port->config.trace, "spi.client", "{s:b}", "connected", true);
}

static void on_listener(struct loop_fd *source, uint32_t events)
{
    struct port *port = container_of(source, struct port, listener);
    int fd;

    (void)events;
    while ((fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        /* one that has gone is perhaps seen only after the one that comes in its place */
        if (port->client.fd != NO_CLIENT && fd_is_hung_up(port->client.fd, 0))
            finish(port);
        if (port->client.fd == NO_CLIENT) {
            adopt(port, fd);
        } else {
            log_warn(port->config.log, "",
                     "--spi: a second client is refused: one at a time drives the bus");
            close(fd);
        }
    }
}

/* ---- life --------------------------------------------------------------------------------------- */

int port_open(struct port **out, const char *path, const struct port_config *config)
{
    struct sockaddr_un sa;
    struct port *port;
    int fd, rc = unix_path_set(&sa, path);

    if (rc < 0)
        return rc;
    fd = unix_path_listen(&sa);
    if (fd < 0)
        return fd;
    port = xcalloc(1, sizeof(*port));
    port->config = *config;
    port->sa = sa;
    port->client.fd = NO_CLIENT;
    port->listener = (struct loop_fd){ .fd = fd, .ready = on_listener };
    timer_init(&port->more, on_more);
    port->vspi = vspi_new(&(struct vspi_config){ .bench = config->bench,
                                                 .timers = config->timers,
                                                 .clock = config->clock,
                                                 .ready = on_vspi,
                                                 .ctx = port });
    rc = loop_add(config->loop, &port->listener, EPOLLIN);
    if (rc < 0) {
        port_close(port);
        return rc;
    }
    *out = port;
    return 0;
}

void port_close(struct port *port)
{
    if (!port)
        return;
    if (port->client.fd != NO_CLIENT)
        drop(port);
    loop_remove(port->config.loop, &port->listener);
    close(port->listener.fd);
    (void)unlink(port->sa.sun_path);
    vspi_free(port->vspi);
    free(port);
}
