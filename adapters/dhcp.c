#include "adapters/dhcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/dhcp_tell.h"
#include "emu/device.h"
#include "emu/udp_packet.h"
#include "emu/util.h"

#define PACKET_CAP 2048 /* more than a frame of Ethernet carries */
#define ROUNDS_MAX 32   /* packets before others have their turn */

struct dhcp {
    struct dhcp_config config;
    struct dhcp_client client;
    char ifname[IFNAMSIZ];
    int ifindex;           /* 0: there is no carrier */
    struct loop_fd source; /* fd -1: not open */
    int held;              /* port 68; -1: not held */
    uint8_t server_mac[DHCP_MAC_LEN];
    struct dhcp_lease told; /* ip 0: nothing was */
    bool has_complained;
};

static const char *name_of(const struct dhcp *dhcp)
{
    return adapter_name(dhcp->config.id);
}

static struct dhcp_teller teller_of(const struct dhcp *dhcp)
{
    return (struct dhcp_teller){ .log = &dhcp->config.device->log,
                                 .trace = &dhcp->config.device->trace,
                                 .name = name_of(dhcp) };
}

/* ---- sockets ---------------------------------------------------------------------------------------- */

/* Of what comes by, only IPv4's UDP to port 68: the loop is not woken for anything else. */
static int filter(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9), /* protocol */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 6),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6), /* fragment */
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 4, 0),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), /* length of IP's header */
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),  /* port */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP_CLIENT_PORT, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog program = { .len = ARRAY_LEN(code), .filter = code };

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

/* Nothing: what the packet socket has seen already. */
static int filter_all(int fd)
{
    struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
    const struct sock_fprog program = { .len = ARRAY_LEN(code), .filter = code };

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

/* Hold port 68. It is not needed to get an address, and may be out of reach. */
static void hold_port(struct dhcp *dhcp)
{
    const struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(DHCP_CLIENT_PORT) };
    int fd = dhcp->config.open(dhcp->config.open_ctx, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    if (filter_all(fd) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dhcp->ifname, (socklen_t)strlen(dhcp->ifname)) <
            0 ||
        bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
        close(fd);
        return;
    }
    dhcp->held = fd;
}

static void close_socket(struct dhcp *dhcp)
{
    if (dhcp->source.fd >= 0) {
        loop_remove(&dhcp->config.device->loop, &dhcp->source);
        close(dhcp->source.fd);
        dhcp->source.fd = -1;
    }
    if (dhcp->held >= 0)
        close(dhcp->held);
    dhcp->held = -1;
}

/* 0 or -errno. */
static int prepare(struct dhcp *dhcp, int fd)
{
    const struct sockaddr_ll sa = { .sll_family = AF_PACKET,
                                    .sll_protocol = htons(ETH_P_IP),
                                    .sll_ifindex = dhcp->ifindex };
    const int on = 1;
    int rc = filter(fd);

    if (rc == 0 && (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0 ||
                    bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0))
        rc = -errno;
    dhcp->source.fd = fd;
    return rc < 0 ? rc : loop_add(&dhcp->config.device->loop, &dhcp->source, EPOLLIN);
}

/* 0 or -errno. */
static int open_socket(struct dhcp *dhcp)
{
    const int type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd, rc;

    if (dhcp->source.fd >= 0)
        return 0;
    fd = dhcp->config.open(dhcp->config.open_ctx, AF_PACKET, type, 0);
    rc = fd < 0 ? fd : prepare(dhcp, fd);
    if (rc < 0 && fd >= 0) {
        close(fd);
        dhcp->source.fd = -1;
    }
    if (rc == 0)
        hold_port(dhcp);
    return rc;
}

/* ---- the client --------------------------------------------------------------------------------------- */

/* A message that can't be sent is one that got lost; but why is worth a word. */
static void complain(struct dhcp *dhcp, int rc)
{
    if (!dhcp->has_complained)
        log_say(&dhcp->config.device->log, "%s: DHCP can't be spoken: %s", name_of(dhcp),
                strerror(-rc));
    dhcp->has_complained = true;
}

/* 0 or -errno. */
static int send_packet(const struct dhcp *dhcp, const struct udp_packet *packet)
{
    struct sockaddr_ll sa = { .sll_family = AF_PACKET,
                              .sll_protocol = htons(ETH_P_IP),
                              .sll_ifindex = dhcp->ifindex,
                              .sll_halen = DHCP_MAC_LEN };
    uint8_t bytes[UDP_PACKET_HEADERS + DHCP_MSG_MAX];
    size_t len = udp_packet_write(packet, bytes, sizeof(bytes));

    memset(sa.sll_addr, 0xff, DHCP_MAC_LEN);
    if (packet->to != DHCP_BROADCAST)
        memcpy(sa.sll_addr, dhcp->server_mac, DHCP_MAC_LEN);
    return sendto(dhcp->source.fd, bytes, len, MSG_NOSIGNAL, (const struct sockaddr *)&sa,
                  sizeof(sa)) < 0
               ? -errno
               : 0;
}

static void on_send(struct dhcp_client *client, const struct dhcp_msg *msg, uint32_t ip)
{
    struct dhcp *dhcp = container_of(client, struct dhcp, client);
    uint8_t data[DHCP_MSG_MAX];
    const struct udp_packet packet = { .from = msg->client_ip,
                                       .to = ip,
                                       .from_port = DHCP_CLIENT_PORT,
                                       .to_port = DHCP_SERVER_PORT,
                                       .data = data,
                                       .len = dhcp_write(msg, data) };
    const struct dhcp_teller teller = teller_of(dhcp);
    int rc = open_socket(dhcp);

    dhcp_tell_sent(&teller, msg, ip);
    if (rc == 0)
        rc = send_packet(dhcp, &packet);
    if (rc < 0)
        complain(dhcp, rc);
    loop_expect(&dhcp->config.device->loop);
}

/* Is there anything in it that the interface has to know? */
static bool is_news(const struct dhcp *dhcp, const struct dhcp_lease *lease)
{
    const struct dhcp_lease *told = &dhcp->told;

    return lease->ip != told->ip || lease->prefix_len != told->prefix_len ||
           lease->router != told->router || lease->mtu != told->mtu ||
           lease->dns_count != told->dns_count || lease->routes_count != told->routes_count ||
           memcmp(lease->dns, told->dns, sizeof(lease->dns)) != 0 ||
           memcmp(lease->routes, told->routes, sizeof(lease->routes)) != 0;
}

static void on_bound(struct dhcp_client *client, const struct dhcp_lease *lease)
{
    struct dhcp *dhcp = container_of(client, struct dhcp, client);
    const struct dhcp_teller teller = teller_of(dhcp);

    close_socket(dhcp);
    dhcp->has_complained = false;
    dhcp_tell_lease(&teller, lease, lease->ip != dhcp->told.ip);
    if (!is_news(dhcp, lease))
        return;
    dhcp->told = *lease;
    dhcp->config.leased(dhcp->config.leased_ctx, dhcp->config.id, lease);
}

static void lose(struct dhcp *dhcp, const char *why)
{
    const struct dhcp_teller teller = teller_of(dhcp);

    if (!dhcp->told.ip)
        return;
    dhcp_tell_lost(&teller, dhcp->told.ip, why);
    dhcp->told = (struct dhcp_lease){ 0 };
    dhcp->config.leased(dhcp->config.leased_ctx, dhcp->config.id, NULL);
}

static void on_lost(struct dhcp_client *client, enum dhcp_loss why)
{
    lose(container_of(client, struct dhcp, client), dhcp_loss_text(why));
}

static void on_unanswered(struct dhcp_client *client, unsigned count)
{
    const struct dhcp_teller teller = teller_of(container_of(client, struct dhcp, client));

    dhcp_tell_unanswered(&teller, count);
}

static const struct dhcp_client_ops client_ops = {
    .send = on_send, .bound = on_bound, .lost = on_lost, .unanswered = on_unanswered
};

/* ---- hearing ------------------------------------------------------------------------------------------ */

/* Was the UDP checksum put in? On a virtual link it may still be to be done, packet(7). */
static bool is_summed(struct msghdr *msg)
{
    struct cmsghdr *cmsg;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        struct tpacket_auxdata aux;

        if (cmsg->cmsg_level != SOL_PACKET || cmsg->cmsg_type != PACKET_AUXDATA)
            continue;
        memcpy(&aux, CMSG_DATA(cmsg), sizeof(aux));
        return !(aux.tp_status & TP_STATUS_CSUMNOTREADY);
    }
    return false;
}

static void hear(struct dhcp *dhcp, const struct udp_packet *packet, const struct sockaddr_ll *from)
{
    const struct dhcp_teller teller = teller_of(dhcp);
    uint8_t former[DHCP_MAC_LEN];
    struct dhcp_msg msg;

    if (packet->from_port != DHCP_SERVER_PORT || packet->to_port != DHCP_CLIENT_PORT ||
        !dhcp_read(packet->data, packet->len, &msg))
        return;
    dhcp_tell_received(&teller, &msg, packet->from);
    memcpy(former, dhcp->server_mac, sizeof(former)); /* where renewals go */
    memcpy(dhcp->server_mac, from->sll_addr, sizeof(dhcp->server_mac));
    if (dhcp_client_handle(&dhcp->client, &msg))
        return;
    memcpy(dhcp->server_mac, former, sizeof(former));
    dhcp_tell_ignored(&teller, &msg, packet->from);
}

/* False: there is nothing left to read. */
static bool hear_one(struct dhcp *dhcp)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
        struct cmsghdr align;
    } control;
    uint8_t bytes[PACKET_CAP];
    struct sockaddr_ll from = { 0 };
    struct iovec iov = { bytes, sizeof(bytes) };
    struct msghdr msg = { .msg_name = &from,
                          .msg_namelen = sizeof(from),
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    struct udp_packet packet;
    ssize_t n = recvmsg(dhcp->source.fd, &msg, 0);

    if (n < 0) /* ENETDOWN and the like say what the link's watch says too */
        return errno != EAGAIN;
    if (from.sll_pkttype != PACKET_OUTGOING && from.sll_halen == DHCP_MAC_LEN &&
        udp_packet_read(bytes, (size_t)n, is_summed(&msg), &packet))
        hear(dhcp, &packet, &from);
    return true;
}

static void on_packets(struct loop_fd *source, uint32_t events)
{
    struct dhcp *dhcp = container_of(source, struct dhcp, source);
    struct loop *loop = &dhcp->config.device->loop;

    (void)events;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (dhcp->source.fd < 0 || !hear_one(dhcp))
            return;
    }
    if (dhcp->source.fd < 0)
        return;
    loop_remove(loop, source); /* and tell of the rest at once, in the next turn */
    (void)loop_add(loop, source, EPOLLIN);
}

/* ---- the link ------------------------------------------------------------------------------------------ */

/* As no two devices should have the same, and people know it. */
static void name_host(const uint8_t mac[DHCP_MAC_LEN], char name[DHCP_NAME_MAX])
{
    (void)snprintf(name, DHCP_NAME_MAX, "luatos-%02x%02x%02x", mac[3], mac[4], mac[5]);
}

static void begin(struct dhcp *dhcp, const struct netlink_state *link)
{
    struct device *device = dhcp->config.device;
    struct dhcp_client_config config = { .timers = &device->timers,
                                         .clock = &device->clock,
                                         .rng = &device->rng,
                                         .ops = &client_ops,
                                         .timing = dhcp->config.timing,
                                         .wants_broadcast = true };
    uint32_t last_ip = dhcp->client.last_ip;

    memcpy(config.mac, link->mac, sizeof(config.mac));
    name_host(config.mac, config.hostname);
    dhcp_client_init(&dhcp->client, &config);
    dhcp->client.last_ip = last_ip;
    dhcp->ifindex = link->ifindex;
    dhcp_client_start(&dhcp->client);
}

static void end(struct dhcp *dhcp)
{
    dhcp_client_stop(&dhcp->client);
    close_socket(dhcp);
    dhcp->ifindex = 0;
}

void dhcp_link(struct dhcp *dhcp, const char *ifname, const struct netlink_state *link)
{
    bool is_same = link->has_carrier && link->ifindex == dhcp->ifindex &&
                   memcmp(link->mac, dhcp->client.config.mac, DHCP_MAC_LEN) == 0;

    (void)snprintf(dhcp->ifname, sizeof(dhcp->ifname), "%s", ifname);
    if (dhcp->ifindex && !is_same) {
        end(dhcp);
        lose(dhcp, "the link is down");
    }
    if (link->has_carrier && link->ifindex && !dhcp->ifindex)
        begin(dhcp, link);
}

struct dhcp *dhcp_new(const struct dhcp_config *config)
{
    struct dhcp *dhcp = xcalloc(1, sizeof(*dhcp));

    dhcp->config = *config;
    dhcp->source = (struct loop_fd){ .fd = -1, .ready = on_packets };
    dhcp->held = -1;
    dhcp->client.last_ip = config->wish;
    return dhcp;
}

void dhcp_free(struct dhcp *dhcp)
{
    if (dhcp->ifindex)
        end(dhcp);
    free(dhcp);
}
