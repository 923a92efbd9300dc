/* The TCP half of posix.c; its header says how acknowledgements are learnt of. */
#include <assert.h>
#include <errno.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "adapters/posix_priv.h"
#include "emu/fdio.h"
#include "emu/limits.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define US_PER_MS         1000
#define STAGE_BYPASS      (64 * 1024) /* so much at once is not worth copying first */
#define SWEEP_MS          10          /* how often unacknowledged bytes are looked at */
#define SWEEP_LOOKS_MAX   128         /* so many in a sweep */
#define ANSWER_US_MAX     50000       /* who answers so soon needs no reports */
#define AHEAD_MAX         2048        /* read before the script asks */
#define BULK_LEN          (48 * 1024) /* of a stream, read with a chunk that the script asks for */
#define CHUNK_MIN         4096        /* the smallest reads for which that pays */
#define EMPTY_US          1000        /* how long it is known that there was no more */
#define REFUSE_MS         50          /* how long a second client waits for accept() of the first */
#define BACKLOG           128
#define STAMPED_MAX       32
#define STAMPS_PER_CALL   8
#define STAMP_CONTROL_LEN 256
#define DISCARD_MAX       (1024 * 1024) /* unread bytes that a disconnect reads away */
#define KEEPALIVE_S_MAX   32767         /* the kernel's, include/net/tcp.h MAX_TCP_KEEPIDLE */
#define CONN_EVENTS       (EPOLLIN | EPOLLOUT | EPOLLRDHUP)

static uint64_t now_us(const struct psock *sock)
{
    return sock->posix->config.clock->now_us;
}

static struct timers *timers_of(const struct psock *sock)
{
    return sock->posix->config.timers;
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

static size_t bytes_by_ioctl(int fd, unsigned long request)
{
    int count = 0;

    return ioctl(fd, request, &count) < 0 || count < 0 ? 0 : (size_t)count;
}

/* ---- acknowledgements ---------------------------------------------------------------------- */

static bool has_unacked(const struct psock *sock)
{
    return sock->acked < sock->sent;
}

static void unlink_unacked(struct psock *sock)
{
    if (list_is_empty(&sock->unacked_link))
        return;
    list_remove(&sock->unacked_link);
    sock->posix->unacked_count--;
}

/* Report what the peer has acknowledged by now. */
static void update_acks(struct psock *sock)
{
    uint64_t out = bytes_by_ioctl(sock->conn.fd, SIOCOUTQ);
    uint64_t acked = out < sock->sent ? sock->sent - out : 0;

    if (acked <= sock->acked)
        return;
    psock_post(sock, NET_EVENT_TX_ACKED, (uint32_t)(acked - sock->acked));
    sock->acked = acked;
    if (!has_unacked(sock))
        unlink_unacked(sock);
}

/* At the end of the list, which is in the order of @look_at_us. */
static void look_later(struct psock *sock)
{
    unlink_unacked(sock);
    sock->look_at_us = now_us(sock) + (uint64_t)SWEEP_MS * US_PER_MS;
    list_append(&sock->posix->unacked, &sock->unacked_link);
    sock->posix->unacked_count++;
}

static void start_sweep(struct posix *posix)
{
    if (!timer_is_running(&posix->sweep_timer) && !list_is_empty(&posix->unacked))
        timer_start(posix->config.timers, &posix->sweep_timer,
                    posix->config.clock->now_us + (uint64_t)SWEEP_MS * US_PER_MS);
}

/*
 * Look at the writes that are a sweep old, at so many at the most, the oldest first. One that is
 * acknowledged by now and not answered: such a peer's next acknowledgement is asked to be reported.
 * One that takes longer waits for its answer, or for a peer that delays acknowledgements; a report
 * would come no sooner.
 */
void posix_tcp_sweep(struct timer *timer)
{
    struct posix *posix = container_of(timer, struct posix, sweep_timer);
    uint64_t now = posix->config.clock->now_us;

    for (int looks = 0; looks < SWEEP_LOOKS_MAX && !list_is_empty(&posix->unacked); looks++) {
        struct psock *sock = container_of(posix->unacked.next, struct psock, unacked_link);

        if (sock->look_at_us > now)
            break;
        update_acks(sock);
        if (!has_unacked(sock)) {
            sock->wants_stamp = sock->wants_stamp || !sock->was_looked_at;
        } else {
            sock->was_looked_at = true;
            look_later(sock);
        }
    }
    start_sweep(posix);
}

static void note_sent(struct psock *sock, size_t len)
{
    struct posix *posix = sock->posix;

    sock->sent += len;
    sock->sent_at_us = now_us(sock);
    sock->was_looked_at = false;
    look_later(sock);
    start_sweep(posix);
    loop_expect(posix->config.loop);
}

/* Read the reports away: that they came is all that matters. True when there was one. */
static bool drain_stamps(int fd)
{
    char control[STAMPS_PER_CALL][STAMP_CONTROL_LEN];
    struct mmsghdr msgs[STAMPS_PER_CALL];
    bool any = false;
    int n;

    do {
        for (int i = 0; i < STAMPS_PER_CALL; i++)
            msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_control = control[i],
                                                     .msg_controllen = sizeof(control[i]) } };
        n = recvmmsg(fd, msgs, STAMPS_PER_CALL, MSG_ERRQUEUE | MSG_DONTWAIT, NULL);
        any = any || n > 0;
    } while (n == STAMPS_PER_CALL);
    return any;
}

/* ---- sending ------------------------------------------------------------------------------- */

static ssize_t send_stamped(struct psock *sock, const void *data, size_t len)
{
    const uint32_t options = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
    const uint32_t stamp = SOF_TIMESTAMPING_TX_ACK;
    struct iovec iov = fd_iovec(data, len);
    union {
        char bytes[CMSG_SPACE(sizeof(uint32_t))];
        struct cmsghdr align;
    } control = { 0 };
    const struct msghdr msg = { .msg_iov = &iov,
                                .msg_iovlen = 1,
                                .msg_control = control.bytes,
                                .msg_controllen = sizeof(control.bytes) };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

    if (!sock->stamps_on)
        sock->stamps_on =
            setsockopt(sock->conn.fd, SOL_SOCKET, SO_TIMESTAMPING, &options, sizeof(options)) == 0;
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SO_TIMESTAMPING;
    cmsg->cmsg_len = CMSG_LEN(sizeof(stamp));
    memcpy(CMSG_DATA(cmsg), &stamp, sizeof(stamp));
    return sendmsg(sock->conn.fd, &msg, MSG_NOSIGNAL);
}

/* In a crowd the reports would cost more than the sweep, which comes soon enough for it. */
static bool wants_stamp_now(const struct psock *sock)
{
    return sock->wants_stamp && sock->posix->unacked_count < STAMPED_MAX;
}

/* Give the kernel what it takes; the number of bytes, or -errno. */
static ssize_t write_some(struct psock *sock, const void *data, size_t len)
{
    ssize_t n = wants_stamp_now(sock) ? send_stamped(sock, data, len)
                                      : send(sock->conn.fd, data, len, MSG_NOSIGNAL);

    if (n > 0)
        note_sent(sock, (size_t)n);
    return n < 0 ? -errno : n;
}

/* Write, and keep for later what the kernel has no room for. */
static void write_or_queue(struct psock *sock, const uint8_t *data, size_t len)
{
    ssize_t n = 0;

    if (sock->is_over && !sock->is_leaving)
        return; /* broken, and reported: these bytes go nowhere */
    if (!sock->txq.len && !sock->is_connecting)
        n = write_some(sock, data, len);
    if (n < 0 && n != -EAGAIN && n != -EINTR) {
        psock_end(sock, (int)-n);
        return;
    }
    n = n < 0 ? 0 : n;
    byteq_append(&sock->txq, data + n, len - (size_t)n);
}

static void leave(struct psock *sock);

static void flush_txq(struct psock *sock)
{
    while (sock->txq.len) {
        ssize_t n = write_some(sock, byteq_front(&sock->txq), sock->txq.len);

        if (n == -EAGAIN || n == -EINTR)
            return;
        if (n < 0) {
            byteq_fini(&sock->txq);
            psock_end(sock, (int)-n);
            break;
        }
        byteq_drop(&sock->txq, (size_t)n);
    }
    if (sock->is_leaving)
        leave(sock);
}

void posix_tcp_flush_stage(struct posix *posix)
{
    struct stage *stage = posix->stage;
    const uint8_t *data = stage ? stage->data : NULL;

    if (!stage)
        return;
    for (size_t i = 0; i < stage->count; i++) {
        const struct stage_part *part = &stage->parts[i];

        part->sock->staged_len -= part->len;
        write_or_queue(part->sock, data, part->len);
        data += part->len;
    }
    stage->len = stage->count = 0;
}

static bool has_room(const struct stage *stage, size_t len)
{
    return len <= STAGE_CAP - stage->len && stage->count < STAGE_PARTS_MAX;
}

static void put_on_stage(struct stage *stage, struct psock *sock, const void *data, size_t len)
{
    if (!stage->count || stage->parts[stage->count - 1].sock != sock)
        stage->parts[stage->count++] = (struct stage_part){ .sock = sock };
    memcpy(stage->data + stage->len, data, len);
    stage->len += len;
    stage->parts[stage->count - 1].len += len;
    sock->staged_len += len;
}

ssize_t posix_tcp_send(struct psock *sock, const void *data, size_t len)
{
    struct posix *posix = sock->posix;

    if (!posix->stage)
        posix->stage = xcalloc(1, sizeof(*posix->stage));
    if (!has_room(posix->stage, len))
        posix_tcp_flush_stage(posix);
    if (!sock->staged_len && (len >= STAGE_BYPASS || sock->txq.len))
        write_or_queue(sock, data, len);
    else
        put_on_stage(posix->stage, sock, data, len);
    return (ssize_t)len;
}

size_t posix_tcp_unacked(const struct psock *sock)
{
    return sock->staged_len + sock->txq.len + bytes_by_ioctl(sock->conn.fd, SIOCOUTQ);
}

/* ---- receiving --------------------------------------------------------------------------- */

ssize_t posix_tcp_pending(const struct psock *sock)
{
    if (sock->conn.fd < 0)
        return 0;
    return (ssize_t)(sock->ahead.len + bytes_by_ioctl(sock->conn.fd, FIONREAD));
}

static ssize_t peek_kernel(int fd, size_t skip, void *data, size_t cap)
{
    uint8_t *skipped = skip ? xcalloc(1, skip) : NULL;
    struct iovec iov[2] = { { skipped, skip }, { data, cap } };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
    ssize_t n;

    do
        n = recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    free(skipped);
    if (n < 0)
        return -errno;
    return (size_t)n > skip ? n - (ssize_t)skip : -EAGAIN;
}

ssize_t posix_tcp_peek(const struct psock *sock, size_t skip, void *data, size_t cap)
{
    size_t ahead = sock->ahead.len;
    size_t n = ahead > skip && ahead - skip < cap ? ahead - skip : cap;

    if (sock->conn.fd < 0)
        return -EAGAIN;
    if (ahead <= skip)
        return peek_kernel(sock->conn.fd, skip - ahead, data, cap);
    memcpy(data, sock->ahead.data + sock->ahead.head + skip, n);
    return (ssize_t)n;
}

/* Has the kernel more than was read ahead, as far as is known? */
static bool has_unread(const struct psock *sock)
{
    return sock->read < sock->seen;
}

/* The memory of an emptied stream's queue is kept for the next: one is enough. */
static void drop_ahead(struct psock *sock, size_t n)
{
    struct byteq *spare = &sock->posix->spare;

    if (n < sock->ahead.len || sock->ahead.cap < BULK_LEN || spare->cap) {
        byteq_drop(&sock->ahead, n);
        return;
    }
    *spare = sock->ahead;
    spare->head = spare->len = 0;
    byteq_init(&sock->ahead);
}

static size_t take_ahead(struct psock *sock, void *data, size_t cap)
{
    size_t n = sock->ahead.len < cap ? sock->ahead.len : cap;

    if (!n)
        return 0;
    memcpy(data, byteq_front(&sock->ahead), n);
    drop_ahead(sock, n);
    if (!sock->ahead.len && sock->read == sock->seen)
        sock->empty_until_us = now_us(sock) + EMPTY_US;
    return n;
}

static ssize_t read_kernel(struct psock *sock, void *data, size_t cap)
{
    ssize_t n;

    do
        n = recv(sock->conn.fd, data, cap, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        sock->read += (uint64_t)n;
    return n < 0 ? -errno : n;
}

/*
 * Of a stream that comes faster than the script takes it, read a few chunks at once: a system call,
 * and the acknowledgement that it makes the kernel send, cost more than copying does.
 */
static ssize_t read_chunks(struct psock *sock, void *data, size_t cap)
{
    struct iovec iov[2] = { { data, cap }, { NULL, BULK_LEN } };
    ssize_t n;

    sock->ahead = sock->posix->spare;
    byteq_init(&sock->posix->spare);
    iov[1].iov_base = byteq_room(&sock->ahead, BULK_LEN);
    do
        n = readv(sock->conn.fd, iov, 2);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        sock->read += (uint64_t)n;
    if (n > (ssize_t)cap)
        byteq_grow(&sock->ahead, (size_t)n - cap);
    else
        drop_ahead(sock, 0);
    if (n < 0)
        return -errno;
    return n < (ssize_t)cap ? n : (ssize_t)cap;
}

ssize_t posix_tcp_recv(struct psock *sock, void *data, size_t cap)
{
    size_t taken;
    ssize_t n;

    if (sock->conn.fd < 0)
        return -ENOTCONN;
    if (!cap)
        return 0;
    taken = take_ahead(sock, data, cap);
    if (taken == cap || (taken && !has_unread(sock)))
        return (ssize_t)taken;
    if (!taken && now_us(sock) < sock->empty_until_us) {
        sock->empty_until_us = 0; /* a script that insists is not put off again */
        return -EAGAIN;
    }
    n = !taken && sock->is_bulk && cap >= CHUNK_MIN
            ? read_chunks(sock, data, cap)
            : read_kernel(sock, (uint8_t *)data + taken, cap - taken);
    if (n > 0 || taken)
        return (ssize_t)taken + (n > 0 ? n : 0);
    return n ? n : -ENOTCONN; /* the end; on_conn() reports it */
}

/*
 * Read what has come before the script asks: that tells how much it is as well, where EPOLLIN says
 * only that some is unread. At an end the kernel is only asked, so that what broke is not missed.
 */
static uint64_t count_arrived(struct psock *sock, uint32_t events)
{
    uint8_t data[AHEAD_MAX];
    ssize_t n;

    if (sock->ahead.len || sock->is_bulk || events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        return sock->read + bytes_by_ioctl(sock->conn.fd, FIONREAD);
    n = read_kernel(sock, data, sizeof(data));
    if (n < 0 && n != -EAGAIN)
        psock_end(sock, (int)-n);
    if (n <= 0)
        return sock->read;
    byteq_append(&sock->ahead, data, (size_t)n);
    return sock->read + (n < AHEAD_MAX ? 0 : bytes_by_ioctl(sock->conn.fd, FIONREAD));
}

/* Report data that has come since the last report. */
static void report_arrival(struct psock *sock, uint32_t events)
{
    uint64_t come = count_arrived(sock, events);

    sock->empty_until_us = 0;
    if (come <= sock->seen)
        return;
    sock->is_bulk = come - sock->seen >= AHEAD_MAX; /* the script's own read is the better one */
    sock->seen = come;
    psock_post(sock, NET_EVENT_RX, 0);
}

/* ---- what the loop sees of a connection ------------------------------------------------------ */

static void end_connecting(struct psock *sock, uint32_t events)
{
    int error = 0;

    sock->is_connecting = false;
    timer_stop(timers_of(sock), &sock->connect_timer);
    if (events & (EPOLLERR | EPOLLHUP)) {
        error = socket_error(sock->conn.fd);
        if (error != ECONNRESET && error != EPIPE) {
            psock_end(sock, error ? error : ECONNREFUSED);
            return;
        }
    }
    psock_post(sock, NET_EVENT_CONNECTED, 0);
    loop_expect(sock->posix->config.loop); /* it may speak first */
    if (!error)
        return;
    /* made, and broken before we looked: a SYN's RST would have been ECONNREFUSED */
    report_arrival(sock, events);
    psock_end(sock, error);
}

static void report_end(struct psock *sock, uint32_t events)
{
    int error = events & EPOLLERR ? socket_error(sock->conn.fd) : 0;

    if (sock->is_leaving) {
        byteq_fini(&sock->txq);
        leave(sock);
        return;
    }
    if (!error && !(events & (EPOLLRDHUP | EPOLLHUP)))
        return;
    psock_end(sock, error);
}

static void on_conn(struct loop_fd *source, uint32_t events)
{
    struct psock *sock = container_of(source, struct psock, conn);
    const uint32_t end = EPOLLRDHUP | EPOLLHUP;
    bool stamped = false;

    if (sock->is_connecting) {
        if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
            return;
        end_connecting(sock, events);
    }
    if (sock->is_over && !sock->is_leaving)
        return;
    if (events & EPOLLERR && sock->stamps_on)
        stamped = drain_stamps(sock->conn.fd);
    if (has_unacked(sock) && events & (EPOLLIN | EPOLLERR))
        update_acks(sock);
    if (events & EPOLLIN && sock->sent && !has_unacked(sock) &&
        now_us(sock) < sock->sent_at_us + ANSWER_US_MAX)
        sock->wants_stamp = false; /* answers acknowledge */
    if (events & EPOLLOUT && sock->txq.len)
        flush_txq(sock);
    if (events & EPOLLIN && !sock->is_leaving)
        report_arrival(sock, events);
    if (events & end || (events & EPOLLERR && !stamped))
        report_end(sock, events);
}

static int watch_conn(struct psock *sock, int fd)
{
    sock->conn = (struct loop_fd){ .fd = fd, .ready = on_conn };
    return loop_add(sock->posix->config.loop, &sock->conn, CONN_EVENTS);
}

static void set_options(int fd, const struct sock_spec *spec)
{
    const int on = 1;
    int idle = (int)(spec->keep_idle_s < KEEPALIVE_S_MAX ? spec->keep_idle_s : KEEPALIVE_S_MAX);
    /* the document, of a W5500: the idle time alone is the interval of heartbeats */
    int interval = spec->keep_interval_s ? spec->keep_interval_s : idle;
    int count = spec->keep_count;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!spec->keepalive)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    if (count)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static int bind_port(const struct posix *posix, int fd, enum ip_family family, uint16_t port)
{
    const int on = 1;
    const struct endpoint any = { .family = family, .port = port };

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return posix_bind(posix, fd, &any);
}

/* ---- client --------------------------------------------------------------------------------- */

static void on_connect_timeout(struct timer *timer)
{
    struct psock *sock = container_of(timer, struct psock, connect_timer);

    sock->is_connecting = false;
    psock_end(sock, ETIMEDOUT);
}

int posix_tcp_connect(struct psock *sock, const struct sock_spec *spec,
                      const struct endpoint *remote)
{
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(remote, &sa);
    int fd = posix_socket(sock->posix, sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
    int rc = 0;

    if (fd < 0)
        return fd;
    sock->conn.fd = fd;
    set_options(fd, spec);
    if (spec->local_port)
        rc = bind_port(sock->posix, fd, remote->family, spec->local_port);
    if (rc == 0 && connect(fd, (struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS)
        rc = -errno;
    if (rc < 0) { /* a module learns of it later, as of any failed connect */
        psock_end(sock, -rc);
        return 0;
    }
    sock->is_connecting = true;
    loop_expect(sock->posix->config.loop);
    timer_start(timers_of(sock), &sock->connect_timer,
                now_us(sock) + sock->posix->config.limits->connect_timeout_ms * US_PER_MS);
    return watch_conn(sock, fd);
}

/* ---- server ----------------------------------------------------------------------------------- */

static void close_by_reset(int fd)
{
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

static int next_client(struct psock *sock, struct endpoint *peer)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    int fd = accept4(sock->listener.fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        endpoint_from_sockaddr(peer, &sa);
    return fd;
}

static void refuse_all(struct psock *sock)
{
    struct endpoint peer;
    int fd;

    while ((fd = next_client(sock, &peer)) >= 0)
        close_by_reset(fd);
}

static void on_refuse_timeout(struct timer *timer)
{
    refuse_all(container_of(timer, struct psock, refuse_timer));
}

/* One-to-one: the first client takes the socket over, the others are turned away. */
static void take_over(struct psock *sock)
{
    int fd = sock->conn.fd < 0 ? next_client(sock, &sock->peer) : -1;

    if (fd >= 0) {
        if (watch_conn(sock, fd) < 0)
            close_by_reset(fd);
        else
            psock_post(sock, NET_EVENT_CLIENT, 0);
    }
    if (sock->conn.fd >= 0)
        refuse_all(sock);
}

/*
 * One-to-many: one client waits for accept(). A module refuses a second one that comes meanwhile;
 * on the host's own network clients can come closer together than any radio brings them, so the
 * second one is given a moment.
 */
static void offer_client(struct psock *sock)
{
    if (sock->waiting_fd < 0) {
        timer_stop(timers_of(sock), &sock->refuse_timer);
        sock->waiting_fd = next_client(sock, &sock->peer);
        if (sock->waiting_fd >= 0)
            psock_post(sock, NET_EVENT_CLIENT, 0);
    } else if (!timer_is_running(&sock->refuse_timer)) {
        timer_start(timers_of(sock), &sock->refuse_timer,
                    now_us(sock) + (uint64_t)REFUSE_MS * US_PER_MS);
    }
}

void posix_tcp_init(struct psock *sock)
{
    timer_init(&sock->connect_timer, on_connect_timeout);
    timer_init(&sock->refuse_timer, on_refuse_timeout);
}

static void on_listener(struct loop_fd *source, uint32_t events)
{
    struct psock *sock = container_of(source, struct psock, listener);

    (void)events;
    if (sock->is_many)
        offer_client(sock);
    else
        take_over(sock);
}

/* A listener for IPv6 and IPv4 where the host has IPv6, else for IPv4. */
static int open_listener(const struct posix *posix, uint16_t port)
{
    const int off = 0;
    int fd = posix_socket(posix, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
    int rc = -EAFNOSUPPORT;

    if (fd >= 0) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
        rc = bind_port(posix, fd, IP_FAMILY_V6, port);
        if (rc == 0)
            return fd;
        close(fd);
    }
    if (rc != -EAFNOSUPPORT && rc != -EADDRNOTAVAIL)
        return rc;
    fd = posix_socket(posix, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return fd;
    rc = bind_port(posix, fd, IP_FAMILY_V4, port);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int posix_tcp_listen(struct psock *sock, const struct sock_spec *spec, bool many)
{
    int fd = open_listener(sock->posix, spec->local_port);
    int rc;

    if (fd < 0)
        return fd;
    sock->is_many = many;
    sock->listener = (struct loop_fd){ .fd = fd, .ready = on_listener };
    set_options(fd, spec); /* inherited by the connections */
    if (listen(fd, BACKLOG) < 0)
        return -errno;
    rc = loop_add(sock->posix->config.loop, &sock->listener, EPOLLIN);
    if (rc < 0)
        return rc;
    psock_post(sock, NET_EVENT_LISTENING, 0);
    return 0;
}

/* What was read ahead is the client's; the listener begins anew. */
static void hand_over(struct psock *listener, struct psock *client)
{
    client->ahead = listener->ahead;
    byteq_init(&listener->ahead);
    client->read = client->seen = client->ahead.len;
    if (client->ahead.len)
        psock_post(client, NET_EVENT_RX, 0);
    listener->read = listener->seen = 0;
    listener->sent = listener->acked = 0;
}

int posix_tcp_accept(struct psock *listener, struct psock *client)
{
    int fd = listener->waiting_fd;
    int rc;

    if (fd >= 0) {
        listener->waiting_fd = -1;
    } else if (listener->conn.fd >= 0 && listener->listener.fd >= 0) {
        posix_tcp_flush_stage(listener->posix);
        fd = listener->conn.fd;
        loop_remove(listener->posix->config.loop, &listener->conn);
        listener->conn.fd = -1;
        hand_over(listener, client);
        if (listener->is_over) { /* the end that was reported was the client's */
            listener->is_over = false;
            listener->posix->live++;
        }
    } else {
        return -EAGAIN;
    }
    client->peer = listener->peer;
    rc = watch_conn(client, fd);
    if (rc < 0)
        return rc;
    on_listener(&listener->listener, EPOLLIN); /* who came meanwhile was reported once already */
    return 0;
}

/* ---- leaving --------------------------------------------------------------------------------- */

/* Close so that the peer sees FIN: with unread bytes the kernel would send RST. */
static void close_gently(int fd)
{
    char drain[4096];
    size_t left = DISCARD_MAX;
    ssize_t n;

    (void)shutdown(fd, SHUT_WR);
    while (left && (n = recv(fd, drain, sizeof(drain), 0)) > 0)
        left -= (size_t)n < left ? (size_t)n : left;
    close(fd);
}

static void close_listener(struct psock *sock)
{
    if (sock->waiting_fd >= 0)
        close_by_reset(sock->waiting_fd);
    sock->waiting_fd = -1;
    if (sock->listener.fd < 0)
        return;
    timer_stop(timers_of(sock), &sock->refuse_timer);
    loop_remove(sock->posix->config.loop, &sock->listener);
    close(sock->listener.fd);
    sock->listener.fd = -1;
}

static void leave(struct psock *sock)
{
    sock->is_leaving = false;
    unlink_unacked(sock);
    loop_remove(sock->posix->config.loop, &sock->conn);
    close_gently(sock->conn.fd);
    sock->conn.fd = -1;
    byteq_fini(&sock->ahead);
    if (!sock->is_over) {
        sock->is_over = true;
        sock->posix->live--;
    }
    psock_post(sock, NET_EVENT_CLOSED, 0);
}

int posix_tcp_disconnect(struct psock *sock)
{
    if (sock->conn.fd < 0)
        return -ENOTCONN;
    if (sock->staged_len)
        posix_tcp_flush_stage(sock->posix);
    close_listener(sock);
    if (sock->txq.len && !sock->is_over)
        sock->is_leaving = true; /* flush_txq() goes on */
    else
        leave(sock);
    return 0;
}

void posix_tcp_close(struct psock *sock)
{
    if (sock->staged_len)
        posix_tcp_flush_stage(sock->posix);
    close_listener(sock);
    timer_stop(timers_of(sock), &sock->connect_timer);
    unlink_unacked(sock);
    byteq_fini(&sock->txq);
    if (sock->conn.fd < 0)
        return;
    loop_remove(sock->posix->config.loop, &sock->conn);
    if (sock->ahead.len) /* as the kernel does with bytes that nobody read */
        close_by_reset(sock->conn.fd);
    else
        close(sock->conn.fd);
    sock->conn.fd = -1;
    byteq_fini(&sock->ahead);
}

void posix_tcp_reset(struct psock *sock)
{
    if (sock->conn.fd < 0)
        return;
    if (sock->staged_len)
        posix_tcp_flush_stage(sock->posix);
    timer_stop(timers_of(sock), &sock->connect_timer);
    unlink_unacked(sock);
    byteq_fini(&sock->txq);
    loop_remove(sock->posix->config.loop, &sock->conn);
    close_by_reset(sock->conn.fd);
    sock->conn.fd = -1;
    byteq_fini(&sock->ahead);
    sock->is_connecting = false;
    psock_end(sock, ECONNRESET);
}
