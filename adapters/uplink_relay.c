/*
 * The relay: a process that takes frames from the uplink's far end, by packet(7), and speaks for who
 * sent them by sockets of its own (usernet.h). It needs no /dev/net/tun, and has no privileges.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/child.h"
#include "adapters/keeper.h"
#include "adapters/privilege.h"
#include "adapters/uplink.h"
#include "adapters/uplink_priv.h"
#include "adapters/usernet.h"
#include "emu/util.h"

#define FRAME_CAP  2048 /* more than the interface's MTU and its Ethernet header */
#define FRAMES_MAX 256  /* of a round, before the sockets have their turn */

/* ---- the process ---------------------------------------------------------------------------------- */

struct relay {
    int packet_fd;
};

/* A frame for which there is no room is lost, as on a cable. */
static void send_packet(void *ctx, const uint8_t *frame, size_t len)
{
    const struct relay *relay = ctx;

    (void)send(relay->packet_fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void take_frames(struct usernet *usernet, int packet_fd)
{
    uint8_t frame[FRAME_CAP];

    for (int i = 0; i < FRAMES_MAX; i++) {
        ssize_t len = recv(packet_fd, frame, sizeof(frame), MSG_DONTWAIT);

        if (len <= 0)
            return;
        usernet_input(usernet, frame, (size_t)len);
    }
}

static struct usernet *open_usernet(struct relay *relay)
{
    struct usernet_config config = { .send = send_packet, .ctx = relay };

    (void)inet_pton(AF_INET, UPLINK_GATEWAY, &config.gateway);
    (void)inet_pton(AF_INET, UPLINK_DNS, &config.dns);
    (void)inet_pton(AF_INET, UPLINK_ADDRESS, &config.first);
    return usernet_open(&config);
}

/* Until the parent is gone. */
static int be_relay(int packet_fd, int life_fd)
{
    struct pollfd own[] = { { .fd = life_fd, .events = POLLIN },
                            { .fd = packet_fd, .events = POLLIN } };
    struct relay relay = { .packet_fd = packet_fd };
    char why[PRIVILEGE_WHY_MAX];
    struct usernet *usernet;

    if (privilege_drop(why) < 0 || !(usernet = open_usernet(&relay)))
        return 1;
    for (;;) {
        usernet_wait(usernet, own, ARRAY_LEN(own));
        if (own[0].revents)
            return 0;
        take_frames(usernet, packet_fd);
    }
}

/* ---- the parent ----------------------------------------------------------------------------------- */

int uplink_relay_find(char why[])
{
    return usernet_find(why);
}

/* Where frames come out, but not those that the relay itself sends. A descriptor or -errno. */
static int open_packets(struct keeper *keeper)
{
    struct sockaddr_ll sa = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    struct ifreq request = { .ifr_name = UPLINK_FAR_END };
    int fd = keeper_socket(keeper, KEEPER_HOME, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    const int on = 1;
    int rc = 0;

    if (fd < 0)
        return fd;
    if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
        rc = -errno;
    sa.sll_ifindex = request.ifr_ifindex;
    if (rc == 0 && setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0)
        rc = -errno;
    if (rc == 0 && bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
        rc = -errno;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int uplink_relay_start(struct child_process *child, struct keeper *keeper, char why[])
{
    int fd = open_packets(keeper);
    int rc = fd < 0 ? fd : child_fork(be_relay, fd, child);

    if (fd >= 0)
        close(fd);
    if (rc < 0)
        (void)snprintf(why, UPLINK_WHY_MAX, "%s", strerror(-rc));
    return rc;
}
