/*
 * server: the peer that both sides of a comparison talk to, one epoll loop on BENCH_HOST or
 * 127.0.0.1.
 *
 *   server MODE       echo: send back what comes (TCP)     sink: read and drop
 *                     udp: send back every datagram        source: write until the peer leaves
 *                     hangup: accept and close
 *
 * Prints its port, serves until its standard input ends and the connections are gone (with
 * BENCH_VANISHES in its environment it does not wait for them: a chip whose power is gone says no
 * word), then prints what it saw: "bytes clients seconds", seconds between the first arrival and the last.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LIFE_S     120 /* whatever happens to the driver */
#define BACKLOG    4096
#define BATCH      256
#define BUFFER_LEN (256 * 1024)
#define SOURCE_LEN (64 * 1024)

enum mode { MODE_ECHO, MODE_UDP, MODE_SINK, MODE_SOURCE, MODE_HANGUP, MODE_COUNT };

static const char *const mode_names[] = {
    [MODE_ECHO] = "echo",     [MODE_UDP] = "udp",       [MODE_SINK] = "sink",
    [MODE_SOURCE] = "source", [MODE_HANGUP] = "hangup",
};

struct server {
    enum mode mode;
    int epoll_fd, listener;
    bool is_ending; /* standard input has ended */
    unsigned active;
    uint64_t bytes, clients;
    double first_s, last_s;
    char buffer[BUFFER_LEN];
};

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void watch(const struct server *server, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };

    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void count(struct server *server, ssize_t bytes)
{
    server->last_s = now_s();
    if (!server->bytes)
        server->first_s = server->last_s;
    server->bytes += (uint64_t)bytes;
}

static void drop(struct server *server, int fd)
{
    close(fd);
    server->active--;
}

static bool is_gone(ssize_t n)
{
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void serve_echo(struct server *server, int fd)
{
    ssize_t n = read(fd, server->buffer, BUFFER_LEN);

    if (n > 0) {
        count(server, n);
        /* an answer always fits: nobody asks again before it has come */
        n = send(fd, server->buffer, (size_t)n, MSG_NOSIGNAL);
    }
    if (is_gone(n))
        drop(server, fd);
}

static void serve_sink(struct server *server, int fd)
{
    ssize_t n;

    while ((n = read(fd, server->buffer, BUFFER_LEN)) > 0)
        count(server, n);
    if (is_gone(n))
        drop(server, fd);
}

static void serve_source(struct server *server, int fd)
{
    ssize_t n;

    while ((n = send(fd, server->buffer, SOURCE_LEN, MSG_NOSIGNAL)) > 0)
        count(server, n);
    if (is_gone(n))
        drop(server, fd);
}

static void serve_udp(struct server *server)
{
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    ssize_t n = recvfrom(server->listener, server->buffer, BUFFER_LEN, 0, (struct sockaddr *)&from,
                         &from_len);

    if (n < 0)
        return;
    count(server, n);
    (void)sendto(server->listener, server->buffer, (size_t)n, 0, (struct sockaddr *)&from,
                 from_len);
}

static void serve_listener(struct server *server)
{
    const int on = 1;
    int fd;

    while ((fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        server->clients++;
        if (server->mode == MODE_HANGUP) {
            close(fd);
            continue;
        }
        server->active++;
        if (server->mode == MODE_ECHO)
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        watch(server, fd, server->mode == MODE_SOURCE ? EPOLLOUT : EPOLLIN);
    }
}

static void serve(struct server *server, int fd)
{
    switch (server->mode) {
    case MODE_ECHO:
        serve_echo(server, fd);
        break;
    case MODE_SINK:
        serve_sink(server, fd);
        break;
    case MODE_SOURCE:
        serve_source(server, fd);
        break;
    case MODE_UDP:
    case MODE_HANGUP:
    case MODE_COUNT:
        break;
    }
}

static void dispatch(struct server *server, int fd)
{
    if (fd == STDIN_FILENO) {
        if (read(fd, server->buffer, 1) <= 0) {
            server->is_ending = true;
            close(fd); /* which also ends the watch: it would be readable for ever */
        }
    } else if (fd != server->listener) {
        serve(server, fd);
    } else if (server->mode == MODE_UDP) {
        serve_udp(server);
    } else {
        serve_listener(server);
    }
}

static unsigned open_port(struct server *server)
{
    int type = server->mode == MODE_UDP ? SOCK_DGRAM : SOCK_STREAM;
    const char *host = getenv("BENCH_HOST");
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_addr.s_addr = inet_addr(host ? host : "127.0.0.1") };
    socklen_t len = sizeof(sa);

    server->listener = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&sa, len) < 0)
        die("bind");
    if (server->mode != MODE_UDP && listen(server->listener, BACKLOG) < 0)
        die("listen");
    if (getsockname(server->listener, (struct sockaddr *)&sa, &len) < 0)
        die("getsockname");
    watch(server, server->listener, EPOLLIN);
    return ntohs(sa.sin_port);
}

static enum mode to_mode(const char *name)
{
    enum mode mode = MODE_ECHO;

    while (mode < MODE_COUNT && strcmp(name, mode_names[mode]) != 0)
        mode++;
    return mode;
}

static void raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    static struct server server;
    struct epoll_event events[BATCH];

    server.mode = argc == 2 ? to_mode(argv[1]) : MODE_COUNT;
    if (server.mode == MODE_COUNT) {
        (void)fprintf(stderr, "usage: server echo|udp|sink|source|hangup\n");
        return EXIT_FAILURE;
    }
    alarm(LIFE_S);
    raise_fd_limit();
    server.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (server.epoll_fd < 0)
        die("epoll_create1");
    watch(&server, STDIN_FILENO, EPOLLIN);
    printf("%u\n", open_port(&server));
    (void)fflush(stdout);
    while (!server.is_ending || (server.active && !getenv("BENCH_VANISHES"))) {
        int n = epoll_wait(server.epoll_fd, events, BATCH, -1);

        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++)
            dispatch(&server, events[i].data.fd);
    }
    printf("%" PRIu64 " %" PRIu64 " %.9f\n", server.bytes, server.clients,
           server.last_s - server.first_s);
    return EXIT_SUCCESS;
}
