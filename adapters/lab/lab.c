#include "adapters/lab/lab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/keeper.h"
#include "adapters/lab/lab_priv.h"
#include "emu/board.h"
#include "emu/dns_msg.h"
#include "emu/log.h"
#include "emu/rng.h"
#include "emu/trace.h"
#include "emu/util.h"

#define DNS_SERVICE    40053
#define ADDRESS_TRIES  64 /* addresses of which some port was taken */
#define BACKLOG        64
#define SERVERS_A_PEER 4 /* two ports, here and behind the router */

void lab_to_sockaddr(const struct endpoint *ep, struct sockaddr_in *sa)
{
    *sa = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(ep->port) };
    memcpy(&sa->sin_addr, ep->addr, sizeof(sa->sin_addr));
}

void lab_from_sockaddr(struct endpoint *ep, const struct sockaddr_in *sa)
{
    *ep = (struct endpoint){ .family = IP_FAMILY_V4, .port = ntohs(sa->sin_port) };
    memcpy(ep->addr, &sa->sin_addr, sizeof(sa->sin_addr));
}

int lab_again(struct lab *lab, struct loop_fd *source, uint32_t events)
{
    loop_remove(lab->config.loop, source);
    return loop_add(lab->config.loop, source, events); /* tells at once what is ready */
}

void lab_trace(const struct lab_server *server, const char *kind, const struct endpoint *from)
{
    char text[ENDPOINT_TEXT_MAX];

    trace_emit(server->lab->config.trace, kind, "{s:s, s:i, s:s}", "peer", server->peer->name,
               "port", server->port, "from", endpoint_text(from, text));
}

/* ---- servers -------------------------------------------------------------------------------- */

void lab_server_close(struct lab_server *server)
{
    if (server->filler_fd >= 0)
        close(server->filler_fd);
    server->filler_fd = -1;
    if (server->source.fd < 0)
        return;
    loop_remove(server->lab->config.loop, &server->source);
    close(server->source.fd);
    server->source.fd = -1;
}

/*
 * UDP ports may be shared: a script's own socket for any address can have the same number, and the
 * lab's, for one address, comes first.
 */
static int listen_on(int fd, const struct sockaddr_in *sa, const struct lab_peer *peer)
{
    int backlog = peer->door == LAB_DOOR_FULL ? 0 : BACKLOG;
    bool is_tcp = peer->type == SOCK_TYPE_TCP;
    const int on = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (!is_tcp)
        (void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    if (peer->rcvbuf) /* before there is a connection: a window never shrinks */
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &peer->rcvbuf, sizeof(peer->rcvbuf));
    if (bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
        return -errno;
    return is_tcp && listen(fd, backlog) < 0 ? -errno : 0;
}

int lab_socket(struct keeper *keeper, int place, int type)
{
    int fd;

    type |= SOCK_NONBLOCK | SOCK_CLOEXEC;
    if (keeper)
        return keeper_socket(keeper, place, AF_INET, type, 0);
    fd = socket(AF_INET, type, 0);
    return fd < 0 ? -errno : fd;
}

/*
 * Of a queue of 0 the kernel lets one connection in, and then drops every SYN: that one is our own.
 * It is there as soon as connect() returns, for nothing lies between its ends.
 */
static int fill(struct lab_server *server, const struct sockaddr_in *sa)
{
    struct sockaddr_in to = *sa;
    int fd = lab_socket(server->lab->config.keeper, server->place, SOCK_STREAM);

    if (fd < 0)
        return fd;
    server->filler_fd = fd;
    if (server->lab->config.keeper)
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
        return -errno;
    return 0;
}

int lab_server_open(struct lab_server *server)
{
    bool is_tcp = server->peer->type == SOCK_TYPE_TCP;
    struct endpoint ep = server->lab->dns;
    struct sockaddr_in sa;
    int fd, rc;

    fd = lab_socket(server->lab->config.keeper, server->place, is_tcp ? SOCK_STREAM : SOCK_DGRAM);
    if (fd < 0)
        return fd;
    ep.port = server->port;
    lab_to_sockaddr(&ep, &sa);
    if (server->lab->config.keeper) /* nobody else is there */
        sa.sin_addr.s_addr = htonl(INADDR_ANY);
    server->source =
        (struct loop_fd){ .fd = fd, .ready = is_tcp ? lab_on_listener : lab_on_dgrams };
    rc = listen_on(fd, &sa, server->peer);
    if (rc == 0 && server->peer->door == LAB_DOOR_FULL)
        rc = fill(server, &sa);
    else if (rc == 0)
        rc = loop_add(server->lab->config.loop, &server->source, EPOLLIN);
    if (rc < 0)
        lab_server_close(server);
    return rc;
}

static void close_servers(struct lab *lab)
{
    for (size_t i = 0; i < lab->servers_count; i++)
        lab_server_close(&lab->servers[i]);
}

/* All of them on the lab's address, or none. */
static int open_servers(struct lab *lab)
{
    for (size_t i = 0; i < lab->servers_count; i++) {
        int rc = lab_server_open(&lab->servers[i]);

        if (rc < 0) {
            close_servers(lab);
            return rc;
        }
    }
    return 0;
}

/*
 * Somewhere in 127.1.0.1 to 127.254.254.254, away from 127.0.0.x, where the host has its own.
 * The device's rng gives one number whatever happens here, so that a seeded run stays the same
 * when it finds its address taken.
 */
static int find_address(struct lab *lab)
{
    struct rng rng;
    int rc = -EADDRINUSE;

    if (lab->config.keeper) {
        lab->dns = lab->config.ip;
        lab->dns.port = DNS_PORT;
        return open_servers(lab);
    }
    rng_init(&rng, rng_next(lab->config.rng));
    for (int i = 0; i < ADDRESS_TRIES && rc == -EADDRINUSE; i++) {
        endpoint_set_v4(&lab->dns, 127, (uint8_t)(1 + rng_below(&rng, 254)),
                        (uint8_t)rng_below(&rng, 255), (uint8_t)(1 + rng_below(&rng, 254)));
        lab->dns.port = DNS_SERVICE;
        rc = open_servers(lab);
    }
    return rc;
}

static void add_server(struct lab *lab, const struct lab_peer *peer, uint16_t port, int place)
{
    if (peer->door == LAB_DOOR_NOBODY)
        return;
    lab->servers[lab->servers_count++] = (struct lab_server){
        .lab = lab, .peer = peer, .port = port, .place = place, .source.fd = -1, .filler_fd = -1
    };
}

static void add_servers(struct lab *lab, const struct lab_peer *peer, int place)
{
    add_server(lab, peer, peer->port, place);
    if (lab->config.keeper && peer->well_known)
        add_server(lab, peer, peer->well_known, place);
}

/* A host behind the bridge's router. Where the kernel can't forward, the lab goes without. */
static void add_far(struct lab *lab)
{
    struct board_address address = { 0 };
    int place;

    board_far_address(&address);
    place = keeper_add_subnet(lab->config.keeper, &address);
    if (place < 0) {
        log_say(lab->config.log, "lab: there is nothing behind its router: %s", strerror(-place));
        return;
    }
    lab->far = address.ip;
    for (size_t i = 0; i < lab_peers_count; i++) {
        if (lab_peers[i].is_far_too)
            add_servers(lab, &lab_peers[i], place);
    }
}

static struct lab *lab_new(const struct lab_config *config)
{
    struct lab *lab = xcalloc(1, sizeof(*lab));

    lab->config = *config;
    list_init(&lab->streams);
    list_init(&lab->dtls);
    tls_env_init(&lab->tls, config->log);
    lab->tls.keylog_fd = config->keylog_fd;
    lab->tls.allows_1_3 = true;
    lab->servers = xcalloc(SERVERS_A_PEER * lab_peers_count, sizeof(*lab->servers));
    for (size_t i = 0; i < lab_peers_count; i++)
        add_servers(lab, &lab_peers[i], KEEPER_HOME);
    if (config->keeper)
        add_far(lab);
    return lab;
}

int lab_open(struct lab **lab, const struct lab_config *config)
{
    struct lab *made = lab_new(config);
    char text[ENDPOINT_TEXT_MAX];
    int rc = find_address(made);

    if (rc == 0)
        rc = lab_certs_open(made);
    if (rc == 0)
        rc = lab_forward_open(made);
    if (rc < 0) {
        lab_close(made);
        return rc;
    }
    trace_emit(config->trace, "lab.open", "{s:s}", "address",
               endpoint_ip_text(lab_dns(made), text));
    *lab = made;
    return 0;
}

void lab_close(struct lab *lab)
{
    list_for_each_safe(node, &lab->streams)
        lab_stream_close(container_of(node, struct lab_stream, link));
    lab_dtls_close(lab);
    lab_forward_close(lab);
    close_servers(lab);
    tls_env_fini(&lab->tls);
    lab_certs_close(lab);
    free(lab->servers);
    free(lab);
}

const struct endpoint *lab_dns(const struct lab *lab)
{
    return &lab->dns;
}
