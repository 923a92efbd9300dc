#include "adapters/frame_io.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/nets.h"
#include "emu/board.h"
#include "emu/util.h"

#define RING_LEN     (16 * 1024 * 1024) /* at 1 Gbit/s some 90 ms, in which the script may run */
#define BLOCK_LEN    (64 * 1024)
#define SLOT_LEN_MIN 2048
#define SLOT_EXTRA   256 /* what the kernel puts before a frame, and Ethernet's header */
#define TAG_LEN      4   /* IEEE 802.1Q */
#define MACS_LEN     12
#define US_PER_S     1000000
#define NS_PER_US    1000

/* ---- opening -------------------------------------------------------------------------------- */

static int read_mtu(const struct nets_end *end, size_t *mtu, int *ifindex)
{
    struct ifreq request = { 0 };

    memcpy(request.ifr_name, end->ifname, sizeof(request.ifr_name));
    if (ioctl(end->fd, SIOCGIFMTU, &request) < 0)
        return -errno;
    *mtu = (size_t)request.ifr_mtu;
    if (ioctl(end->fd, SIOCGIFINDEX, &request) < 0)
        return -errno;
    *ifindex = request.ifr_ifindex;
    return 0;
}

static int map_ring(struct frame_io *io, size_t mtu)
{
    const int version = TPACKET_V2, on = 1;
    struct tpacket_req request = { .tp_frame_size = SLOT_LEN_MIN, .tp_block_size = BLOCK_LEN };
    void *ring;

    while (request.tp_frame_size < mtu + SLOT_EXTRA)
        request.tp_frame_size *= 2;
    if (request.tp_block_size < request.tp_frame_size)
        request.tp_block_size = request.tp_frame_size;
    request.tp_block_nr = RING_LEN / request.tp_block_size;
    request.tp_frame_nr = RING_LEN / request.tp_frame_size;
    if (setsockopt(io->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
        setsockopt(io->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
        setsockopt(io->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) < 0)
        return -errno;
    ring = mmap(NULL, RING_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, io->fd, 0);
    if (ring == MAP_FAILED)
        return -errno;
    io->ring = ring;
    io->slot_len = request.tp_frame_size;
    io->slots_count = request.tp_frame_nr;
    return 0;
}

static int open_interface(struct frame_io *io, const struct nets_end *end)
{
    struct sockaddr_ll sa = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    size_t mtu;
    int rc = read_mtu(end, &mtu, &sa.sll_ifindex);

    if (rc == 0)
        rc = map_ring(io, mtu);
    if (rc == 0 && bind(io->fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
        rc = -errno;
    io->frame_len_max = mtu + SLOT_EXTRA;
    return rc;
}

int frame_io_open(struct frame_io *io, const struct nets_end *end)
{
    *io = (struct frame_io){ .fd = end->fd,
                             .is_tap = !*end->ifname,
                             .frame_len_max = BOARD_MTU_MAX + SLOT_EXTRA };
    if (!io->is_tap) {
        int rc = open_interface(io, end);

        if (rc < 0)
            return rc;
    }
    io->buffer = xcalloc(1, io->frame_len_max);
    return 0;
}

void frame_io_close(struct frame_io *io)
{
    if (io->ring)
        munmap(io->ring, RING_LEN);
    free(io->buffer);
    close(io->fd);
}

/* ---- reading -------------------------------------------------------------------------------- */

static struct tpacket2_hdr *slot_of(const struct frame_io *io)
{
    return (struct tpacket2_hdr *)(void *)(io->ring + io->slot * io->slot_len);
}

static void release(struct frame_io *io)
{
    if (!io->has_frame)
        return;
    __atomic_store_n(&slot_of(io)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    io->slot = (io->slot + 1) % io->slots_count;
    io->has_frame = false;
}

/* The kernel takes 802.1Q tags out of frames: put it back. */
static void put_tag(struct frame_io *io, const struct tpacket2_hdr *header, struct frame_in *in)
{
    const uint16_t tag[2] = { htons(header->tp_vlan_tpid ? header->tp_vlan_tpid : ETH_P_8021Q),
                              htons(header->tp_vlan_tci) };

    memcpy(io->buffer, in->bytes, MACS_LEN);
    memcpy(io->buffer + MACS_LEN, tag, TAG_LEN);
    memcpy(io->buffer + MACS_LEN + TAG_LEN, in->bytes + MACS_LEN, in->len - MACS_LEN);
    in->bytes = io->buffer;
    in->len += TAG_LEN;
}

static bool next_of_ring(struct frame_io *io, struct frame_in *in)
{
    const struct tpacket2_hdr *header;
    uint32_t status;

    for (;;) {
        header = slot_of(io);
        status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);
        if (!(status & TP_STATUS_USER))
            return false;
        io->has_frame = true;
        io->has_lost |= (status & TP_STATUS_LOSING) != 0;
        /* larger than the MTU that the link had: nobody else would take it either */
        if (header->tp_snaplen == header->tp_len && header->tp_snaplen >= MACS_LEN &&
            header->tp_snaplen + TAG_LEN <= io->frame_len_max)
            break;
        release(io);
    }
    *in = (struct frame_in){ .bytes = (const uint8_t *)header + header->tp_mac,
                             .len = header->tp_snaplen,
                             .host_us = (uint64_t)header->tp_sec * US_PER_S +
                                        header->tp_nsec / NS_PER_US };
    if (status & TP_STATUS_VLAN_VALID)
        put_tag(io, header, in);
    return true;
}

static bool next_of_tap(struct frame_io *io, struct frame_in *in)
{
    ssize_t n;

    do
        n = read(io->fd, io->buffer, io->frame_len_max);
    while (n < 0 && errno == EINTR);
    io->is_gone = n == 0 || (n < 0 && errno != EAGAIN);
    if (n <= 0)
        return false;
    *in = (struct frame_in){ .bytes = io->buffer, .len = (size_t)n };
    return true;
}

bool frame_io_next(struct frame_io *io, struct frame_in *in)
{
    if (io->is_tap)
        return !io->is_gone && next_of_tap(io, in);
    release(io);
    return next_of_ring(io, in);
}

/* ---- sending -------------------------------------------------------------------------------- */

static void send_to_tap(const struct frame_io *io, const struct iovec frames[], unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)!write(io->fd, frames[i].iov_base, frames[i].iov_len);
}

void frame_io_send(struct frame_io *io, const struct iovec frames[], unsigned count)
{
    struct mmsghdr msgs[FRAME_IO_BATCH_MAX];
    struct iovec iov[FRAME_IO_BATCH_MAX];
    unsigned sent = 0;

    assert(count <= FRAME_IO_BATCH_MAX);
    if (io->is_tap) {
        send_to_tap(io, frames, count);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        iov[i] = frames[i];
        msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[i], .msg_iovlen = 1 } };
    }
    while (sent < count) {
        int n = sendmmsg(io->fd, msgs + sent, count - sent, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        sent += n > 0 ? (unsigned)n : 1; /* no room, or no link: that one is lost */
    }
}
