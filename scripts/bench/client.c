/*
 * client: the yardstick, plain C on epoll. Each probe does by the fewest system calls what the Lua
 * script of the same name does through the emulator.
 *
 *   client ping|udp|send|recv|connect PORT CONNECTIONS SIZE MS
 *
 * The server is at BENCH_HOST or 127.0.0.1. Prints "BENCH count seconds": round trips, connections or chunks within the window of MS.
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OPENING_MAX 128 /* connections on their way at once, as the script has them */
#define BATCH       256
#define CHUNK_MAX   65536
#define PATIENCE_MS 5000

struct client {
    int epoll_fd;
    in_addr_t host;
    in_port_t port;
    unsigned connections;
    size_t size;
    double window_s, start_s;
    uint64_t count;
    char buffer[CHUNK_MAX];
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

static void start(struct client *client)
{
    client->start_s = now_s();
}

static bool is_over(const struct client *client)
{
    return now_s() - client->start_s >= client->window_s;
}

static void watch(const struct client *client, int op, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };

    if (epoll_ctl(client->epoll_fd, op, fd, &event) < 0)
        die("epoll_ctl");
}

static int wait_events(const struct client *client, struct epoll_event *events, int max)
{
    int n = epoll_wait(client->epoll_fd, events, max, PATIENCE_MS);

    if (n <= 0)
        die("nothing comes");
    return n;
}

static void wait_for(const struct client *client, int fd, uint32_t what)
{
    struct epoll_event event;

    watch(client, EPOLL_CTL_MOD, fd, what);
    (void)wait_events(client, &event, 1);
}

static int open_connection(const struct client *client, int type, bool no_delay)
{
    const int on = 1;
    const struct sockaddr_in sa = { .sin_family = AF_INET,
                                    .sin_port = client->port,
                                    .sin_addr.s_addr = client->host };
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket");
    if (no_delay)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EINPROGRESS)
        die("connect");
    return fd;
}

static void send_all(const struct client *client, int fd)
{
    if (send(fd, client->buffer, client->size, MSG_NOSIGNAL) != (ssize_t)client->size)
        die("send");
}

/* ---- ping: all connections first, then every answer is the next question ------------------- */

static void open_all(const struct client *client, int *fds)
{
    struct epoll_event events[BATCH];
    unsigned opened = 0, up = 0;

    while (up < client->connections) {
        for (; opened < client->connections && opened - up < OPENING_MAX; opened++) {
            fds[opened] = open_connection(client, SOCK_STREAM, true);
            watch(client, EPOLL_CTL_ADD, fds[opened], EPOLLOUT);
        }
        for (int i = wait_events(client, events, BATCH); i-- > 0; up++) {
            if (events[i].events & (EPOLLERR | EPOLLHUP))
                die("connecting");
            watch(client, EPOLL_CTL_MOD, events[i].data.fd, EPOLLIN);
        }
    }
}

static void answer(struct client *client, int fd)
{
    ssize_t n = recv(fd, client->buffer, CHUNK_MAX, 0);

    if (n != (ssize_t)client->size) /* the server sends an answer in one piece */
        die("recv");
    client->count++;
    send_all(client, fd);
}

static void probe_ping(struct client *client)
{
    int *fds = calloc(client->connections, sizeof(*fds));
    struct epoll_event events[BATCH];

    if (!fds)
        die("calloc");
    open_all(client, fds);
    start(client);
    for (unsigned i = 0; i < client->connections; i++)
        send_all(client, fds[i]);
    free(fds);
    while (!is_over(client))
        for (int i = wait_events(client, events, BATCH); i-- > 0;)
            answer(client, events[i].data.fd);
}

static void probe_udp(struct client *client)
{
    int fd = open_connection(client, SOCK_DGRAM, false);
    struct epoll_event event;

    watch(client, EPOLL_CTL_ADD, fd, EPOLLIN);
    start(client);
    for (send_all(client, fd); !is_over(client);) {
        (void)wait_events(client, &event, 1);
        answer(client, fd);
    }
}

/* ---- bulk: as it goes, one chunk a call; without TCP_NODELAY, which would cut segments ------- */

static int open_bulk(struct client *client)
{
    int fd = open_connection(client, SOCK_STREAM, false);

    watch(client, EPOLL_CTL_ADD, fd, EPOLLOUT);
    wait_for(client, fd, EPOLLOUT);
    start(client);
    return fd;
}

static void probe_send(struct client *client)
{
    int fd = open_bulk(client);

    while (!is_over(client)) {
        if (send(fd, client->buffer, client->size, MSG_NOSIGNAL) > 0)
            client->count++;
        else if (errno == EAGAIN)
            wait_for(client, fd, EPOLLOUT);
        else
            die("send");
    }
}

static void probe_recv(struct client *client)
{
    int fd = open_bulk(client);
    uint64_t bytes = 0;

    while (!is_over(client)) {
        ssize_t n = recv(fd, client->buffer, client->size, 0);

        if (n > 0)
            bytes += (uint64_t)n;
        else if (n < 0 && errno == EAGAIN)
            wait_for(client, fd, EPOLLIN);
        else
            die("recv");
    }
    client->count = bytes / client->size;
}

/* ---- connect: until it is up and the peer has closed; one after another ---------------------- */

static void connect_once(struct client *client)
{
    int fd = open_connection(client, SOCK_STREAM, true);
    struct epoll_event event;
    bool is_up = false;

    watch(client, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    do {
        (void)wait_events(client, &event, 1);
        if (event.events & EPOLLERR)
            die("connecting");
        is_up = is_up || event.events & EPOLLOUT;
    } while (!is_up || !(event.events & EPOLLRDHUP));
    if (recv(fd, client->buffer, client->size, 0) != 0)
        die("recv");
    close(fd);
    client->count++;
}

static void probe_connect(struct client *client)
{
    for (start(client); !is_over(client);)
        connect_once(client);
}

static const struct {
    const char *name;
    void (*run)(struct client *client);
} probes[] = {
    { "ping", probe_ping }, { "udp", probe_udp },         { "send", probe_send },
    { "recv", probe_recv }, { "connect", probe_connect },
};

int main(int argc, char **argv)
{
    const char *host = getenv("BENCH_HOST");
    static struct client client;

    if (argc != 6) {
        (void)fprintf(stderr, "usage: client PROBE PORT CONNECTIONS SIZE MS\n");
        return EXIT_FAILURE;
    }
    client.host = inet_addr(host ? host : "127.0.0.1");
    client.port = htons((in_port_t)strtoul(argv[2], NULL, 10));
    client.connections = (unsigned)strtoul(argv[3], NULL, 10);
    client.size = strtoul(argv[4], NULL, 10);
    client.window_s = strtod(argv[5], NULL) / 1e3;
    client.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (client.epoll_fd < 0)
        die("epoll_create1");
    if (!client.connections || !client.size || client.size > CHUNK_MAX) {
        (void)fprintf(stderr, "client: CONNECTIONS from 1, SIZE from 1 to %d\n", CHUNK_MAX);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        if (strcmp(argv[1], probes[i].name) != 0)
            continue;
        probes[i].run(&client);
        printf("BENCH %" PRIu64 " %.9f\n", client.count, now_s() - client.start_s);
        return EXIT_SUCCESS;
    }
    (void)fprintf(stderr, "client: no probe %s\n", argv[1]);
    return EXIT_FAILURE;
}
