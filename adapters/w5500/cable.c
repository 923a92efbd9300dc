#include "adapters/w5500/cable.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/nets.h"
#include "emu/loop.h"
#include "emu/offload.h"
#include "emu/timer.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define READS_MAX 64          /* in a turn; each may be cut into many frames */
#define FRAME_MAX (64 * 1024) /* what Linux leaves to a card to cut, with its header */
#define GSO_UDP   5           /* newer than Debian 12's <linux/virtio_net.h>: since Linux 6.2 */

struct cable {
    struct cable_config config;
    struct loop_fd source;
    struct timer more; /* a turn's share was read, and more may be there */
    bool has_header;   /* a struct virtio_net_hdr stands before each frame */
    bool is_gone;
    uint8_t in[sizeof(struct virtio_net_hdr) + FRAME_MAX];
    uint8_t room[2 * FRAME_MAX]; /* of what was cut */
};

/* ---- opening and closing -------------------------------------------------------------------- */

/* Classic BPF, see linux/filter.h: without those that had a tag. */
static int refuse_tagged(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog program = { ARRAY_LEN(code), code };

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* The chip's MAC is not the interface's: whatever passes is seen. */
static int bind_interface(int fd, const char *ifname)
{
    struct sockaddr_ll sa = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    struct packet_mreq all = { .mr_type = PACKET_MR_PROMISC };
    struct ifreq request = { 0 };
    const int on = 1;

    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
    if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
        return -errno;
    sa.sll_ifindex = all.mr_ifindex = request.ifr_ifindex;
    if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 || refuse_tagged(fd) < 0 ||
        bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0)
        return -errno;
    return 0;
}

static void on_ready(struct loop_fd *source, uint32_t events);
static void on_more(struct timer *timer);

int cable_open(struct cable **out, const struct nets_end *end, const struct cable_config *config)
{
    struct cable *cable = xcalloc(1, sizeof(*cable));
    int rc;

    cable->config = *config;
    cable->source = (struct loop_fd){ .fd = end->fd, .ready = on_ready };
    cable->has_header = *end->ifname;
    timer_init_background(&cable->more, on_more);
    rc = cable->has_header ? bind_interface(end->fd, end->ifname) : 0;
    if (rc == 0)
        rc = loop_add(config->loop, &cable->source, EPOLLIN);
    if (rc < 0) {
        close(end->fd);
        free(cable);
        return rc;
    }
    *out = cable;
    return 0;
}

void cable_close(struct cable *cable)
{
    timer_stop(cable->config.timers, &cable->more);
    loop_remove(cable->config.loop, &cable->source);
    close(cable->source.fd);
    free(cable);
}

/* ---- frames that come ----------------------------------------------------------------------- */

/* The kernel's own words, in its own byte order. */
static struct offload_rest rest_of(const struct virtio_net_hdr *header)
{
    struct offload_rest rest = { .lacks_checksum = header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                 .sum_from = header->csum_start,
                                 .sum_at = (size_t)header->csum_start + header->csum_offset,
                                 .part_len = header->gso_size };

    switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
    case VIRTIO_NET_HDR_GSO_TCPV6:
        rest.cut = OFFLOAD_CUT_TCP;
        break;
    case GSO_UDP:
        rest.cut = OFFLOAD_CUT_UDP;
        break;
    default:
        break;
    }
    return rest;
}

static void finish(struct cable *cable, const uint8_t *frame, size_t len,
                   const struct offload_rest *rest)
{
    struct offload offload;
    size_t part_len;

    offload_begin(&offload, frame, len, rest);
    while ((part_len = offload_next(&offload, cable->room)))
        cable->config.receive(cable->config.ctx, cable->room, part_len);
}

static void take(struct cable *cable, size_t len)
{
    struct virtio_net_hdr header;
    struct offload_rest rest;

    if (!cable->has_header) {
        cable->config.receive(cable->config.ctx, cable->in, len);
        return;
    }
    if (len <= sizeof(header))
        return;
    memcpy(&header, cable->in, sizeof(header));
    rest = rest_of(&header);
    len -= sizeof(header);
    if (rest.lacks_checksum || rest.cut != OFFLOAD_CUT_NONE)
        finish(cable, cable->in + sizeof(header), len, &rest);
    else
        cable->config.receive(cable->config.ctx, cable->in + sizeof(header), len);
}

static void lose(struct cable *cable)
{
    if (cable->is_gone)
        return;
    cable->is_gone = true;
    loop_remove(cable->config.loop, &cable->source);
    if (cable->config.gone)
        cable->config.gone(cable->config.ctx);
}

/* A link that is down says so in the middle of its frames. */
static bool may_go_on(int error)
{
    return error == EINTR || error == ENETDOWN;
}

static void read_frames(struct cable *cable)
{
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = read(cable->source.fd, cable->in, sizeof(cable->in));

        if (n > 0) {
            take(cable, (size_t)n);
        } else if (n < 0 && errno == EAGAIN) {
            cable->config.received(cable->config.ctx);
            return;
        } else if (n == 0 || !may_go_on(errno)) {
            cable->config.received(cable->config.ctx);
            lose(cable);
            return;
        }
    }
    cable->config.received(cable->config.ctx);
    timer_start(cable->config.timers, &cable->more, cable->config.clock->now_us);
}

static void on_ready(struct loop_fd *source, uint32_t events)
{
    (void)events;
    read_frames(container_of(source, struct cable, source));
}

static void on_more(struct timer *timer)
{
    read_frames(container_of(timer, struct cable, more));
}

/* ---- frames that leave ---------------------------------------------------------------------- */

void cable_send(struct cable *cable, const struct iovec frames[], unsigned count)
{
    static const struct virtio_net_hdr nothing_left = { 0 };
    struct mmsghdr msgs[CABLE_BATCH_MAX];
    struct iovec parts[CABLE_BATCH_MAX][2];
    unsigned sent = 0;

    assert(count <= CABLE_BATCH_MAX);
    if (cable->is_gone)
        return;
    for (unsigned i = 0; !cable->has_header && i < count; i++)
        (void)!write(cable->source.fd, frames[i].iov_base, frames[i].iov_len);
    if (!cable->has_header)
        return;
    for (unsigned i = 0; i < count; i++) {
        parts[i][0] = (struct iovec){ (void *)(uintptr_t)&nothing_left, sizeof(nothing_left) };
        parts[i][1] = frames[i];
        msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = parts[i], .msg_iovlen = 2 } };
    }
    while (sent < count) {
        int n = sendmmsg(cable->source.fd, msgs + sent, count - sent, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        sent += n > 0 ? (unsigned)n : 1; /* no room, or no link: that one is lost */
    }
}
