#include "adapters/dhcpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emu/loop.h"
#include "emu/trace.h"
#include "emu/util.h"

#define ROUNDS_MAX 32 /* datagrams before others have their turn */

struct dhcpd {
    struct dhcpd_config config;
    struct dhcp_server server;
    struct loop_fd source; /* fd -1: it has given way */
};

/* ---- a message ---------------------------------------------------------------------------------------- */

static void trace_served(const struct dhcpd *dhcpd, const struct dhcp_msg *msg,
                         const struct dhcp_reply *reply)
{
    char mac[DHCP_MAC_TEXT_MAX], ip[DHCP_IP_TEXT_MAX];

    trace_emit(dhcpd->config.trace, "dhcp.serve", "{s:s, s:s, s:s, s:s, s:s}", "link",
               dhcpd->config.link, "type", dhcp_type_name(msg->type), "mac",
               dhcp_mac_text(msg->mac, mac), "reply", reply ? dhcp_type_name(reply->msg.type) : "",
               "address", dhcp_ip_text(reply ? reply->msg.your_ip : 0, ip));
}

static void tell(struct dhcpd *dhcpd, const struct dhcp_msg *msg, const struct dhcp_reply *reply,
                 size_t leases_before)
{
    size_t leases = dhcp_server_leases(&dhcpd->server);

    if (!dhcpd->config.told || leases == leases_before)
        return;
    dhcpd->config.told(dhcpd->config.ctx, msg->mac, reply ? reply->msg.your_ip : msg->client_ip,
                       leases > leases_before);
}

static void answer(struct dhcpd *dhcpd, const struct dhcp_reply *reply)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons(reply->port),
                              .sin_addr.s_addr = htonl(reply->ip) };
    uint8_t data[DHCP_MSG_MAX];
    size_t len = dhcp_write(&reply->msg, data);

    /* what can't be sent is lost, as datagrams are */
    (void)sendto(dhcpd->source.fd, data, len, MSG_NOSIGNAL, (const struct sockaddr *)&sa,
                 sizeof(sa));
}

static void serve(struct dhcpd *dhcpd, const uint8_t *data, size_t len)
{
    size_t leases_before = dhcp_server_leases(&dhcpd->server);
    struct dhcp_reply reply;
    struct dhcp_msg msg;
    bool has_reply;

    if (!dhcp_read(data, len, &msg) || msg.is_reply)
        return;
    has_reply = dhcp_server_handle(&dhcpd->server, &msg, &reply);
    if (has_reply)
        answer(dhcpd, &reply);
    trace_served(dhcpd, &msg, has_reply ? &reply : NULL);
    tell(dhcpd, &msg, has_reply ? &reply : NULL, leases_before);
}

/*
 * The port is the other's alone from now on: of what is sent to one address the kernel gives a
 * socket of one interface, as ours is, everything.
 */
static void give_way(struct dhcpd *dhcpd)
{
    if (dhcpd->source.fd < 0)
        return;
    loop_remove(dhcpd->config.loop, &dhcpd->source);
    close(dhcpd->source.fd);
    dhcpd->source.fd = -1;
}

static void on_datagrams(struct loop_fd *source, uint32_t events)
{
    struct dhcpd *dhcpd = container_of(source, struct dhcpd, source);
    uint8_t data[DHCP_MSG_MAX];

    (void)events;
    if (dhcpd->config.is_silenced && dhcpd->config.is_silenced(dhcpd->config.ctx)) {
        give_way(dhcpd);
        return;
    }
    for (int round = 0; round < ROUNDS_MAX; round++) {
        ssize_t n = recv(source->fd, data, sizeof(data), 0);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n > 0)
            serve(dhcpd, data, (size_t)n);
    }
    loop_remove(dhcpd->config.loop, source); /* and tell of the rest at once, in the next turn */
    (void)loop_add(dhcpd->config.loop, source, EPOLLIN);
}

/* ---- life ----------------------------------------------------------------------------------------------- */

/* 0 or -errno. */
static int prepare(const struct dhcpd *dhcpd)
{
    const struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(DHCP_SERVER_PORT) };
    const char *ifname = dhcpd->config.ifname;
    const int on = 1;
    int fd = dhcpd->source.fd;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, (socklen_t)strlen(ifname)) < 0 ||
        bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
        return -errno;
    return 0;
}

int dhcpd_open(struct dhcpd **out, const struct dhcpd_config *config)
{
    const int type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = config->open(config->open_ctx, AF_INET, type, 0);
    struct dhcpd *dhcpd;
    int rc;

    if (fd < 0)
        return fd;
    dhcpd = xcalloc(1, sizeof(*dhcpd));
    dhcpd->config = *config;
    dhcpd->source = (struct loop_fd){ .fd = fd, .ready = on_datagrams };
    dhcp_server_init(&dhcpd->server, &config->server);
    rc = prepare(dhcpd);
    if (rc == 0)
        rc = loop_add(config->loop, &dhcpd->source, EPOLLIN);
    if (rc < 0) {
        close(fd);
        free(dhcpd);
        return rc;
    }
    *out = dhcpd;
    return 0;
}

void dhcpd_close(struct dhcpd *dhcpd)
{
    give_way(dhcpd);
    free(dhcpd);
}
