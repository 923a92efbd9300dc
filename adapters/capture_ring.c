#include "adapters/capture_ring.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emu/util.h"

#define BLOCK_LEN (2 * 1024 * 1024)
#define NS_PER_S  UINT64_C(1000000000)
#define MACS_LEN  12

/* What is newer than Debian 12's <linux/virtio_net.h>: datagrams to be cut, since Linux 6.2. */
#define GSO_UDP 5

static const struct {
    size_t slot_len, blocks_count;
} kinds[CAPTURE_RING_KINDS] = {
    [CAPTURE_RING_SMALL] = { 2048, 4 },
    [CAPTURE_RING_LARGE] = { 66048, 3 }, /* 64 KiB of IP packet, and what the kernel puts before */
};

static size_t slots_a_block(const struct capture_ring *ring)
{
    return BLOCK_LEN / kinds[ring->kind].slot_len;
}

static size_t map_len(const struct capture_ring *ring)
{
    return kinds[ring->kind].blocks_count * BLOCK_LEN;
}

static struct tpacket2_hdr *header_of(const struct capture_ring *ring)
{
    size_t count = slots_a_block(ring);

    return (struct tpacket2_hdr *)(void *)(ring->map + ring->slot / count * BLOCK_LEN +
                                           ring->slot % count * kinds[ring->kind].slot_len);
}

/* ---- opening and closing -------------------------------------------------------------------- */

/* Classic BPF: the other ring sees the other frames. */
static int filter(const struct capture_ring *ring)
{
    bool is_small = ring->kind == CAPTURE_RING_SMALL;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, CAPTURE_RING_SMALL_MAX, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, is_small ? 0 : UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, is_small ? UINT32_MAX : 0),
    };
    const struct sock_fprog program = { ARRAY_LEN(code), code };

    return setsockopt(ring->source.fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int capture_ring_open(struct capture_ring *ring, int fd, enum capture_ring_kind kind)
{
    const int version = TPACKET_V2, on = 1;
    struct tpacket_req request = { .tp_block_size = BLOCK_LEN };
    void *map;

    ring->source.fd = fd;
    ring->kind = kind;
    ring->map = NULL;
    ring->slot = 0;
    request.tp_block_nr = (unsigned)kinds[kind].blocks_count;
    request.tp_frame_size = (unsigned)kinds[kind].slot_len;
    request.tp_frame_nr = request.tp_block_nr * (unsigned)slots_a_block(ring);
    if (filter(ring) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) < 0)
        return -errno;
    map = mmap(NULL, map_len(ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    ring->map = map;
    return 0;
}

void capture_ring_close(struct capture_ring *ring)
{
    if (ring->map)
        munmap(ring->map, map_len(ring));
    close(ring->source.fd);
}

int capture_ring_bind(const struct capture_ring *ring, int ifindex)
{
    const struct sockaddr_ll sa = { .sll_family = AF_PACKET,
                                    .sll_protocol = htons(ETH_P_ALL),
                                    .sll_ifindex = ifindex };

    return bind(ring->source.fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
}

/* ---- frames ----------------------------------------------------------------------------------- */

/* The kernel's own words, in its own byte order: virtio_net.h, VIRTIO_NET_HDR_GSO_ECN aside. */
static struct offload_rest rest_of(const uint8_t *bytes)
{
    struct virtio_net_hdr header;
    struct offload_rest rest = { 0 };

    memcpy(&header, bytes - sizeof(header), sizeof(header));
    rest.lacks_checksum = header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
    rest.sum_from = header.csum_start;
    rest.sum_at = (size_t)header.csum_start + header.csum_offset;
    rest.part_len = header.gso_size;
    switch (header.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
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

static void read_tag(const struct tpacket2_hdr *header, uint32_t status,
                     struct capture_ring_frame *frame)
{
    uint16_t type = status & TP_STATUS_VLAN_TPID_VALID ? header->tp_vlan_tpid : ETH_P_8021Q;
    const uint16_t tag[] = { htons(type), htons(header->tp_vlan_tci) };

    frame->has_tag = status & TP_STATUS_VLAN_VALID;
    memcpy(frame->tag, tag, sizeof(frame->tag));
}

bool capture_ring_peek(const struct capture_ring *ring, struct capture_ring_frame *frame)
{
    const struct tpacket2_hdr *header = header_of(ring);
    uint32_t status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);
    const uint8_t *start = (const uint8_t *)header;
    struct sockaddr_ll from;

    if (!(status & TP_STATUS_USER))
        return false;
    memcpy(&from, start + TPACKET_ALIGN(sizeof(*header)), sizeof(from));
    *frame = (struct capture_ring_frame){
        .host_ns = header->tp_sec * NS_PER_S + header->tp_nsec,
        .is_out = from.sll_pkttype == PACKET_OUTGOING,
        .is_other = from.sll_pkttype == PACKET_OTHERHOST || header->tp_snaplen < MACS_LEN,
        .is_cut = header->tp_snaplen < header->tp_len,
        .bytes = start + header->tp_mac,
        .len = header->tp_snaplen,
    };
    frame->rest = rest_of(frame->bytes);
    read_tag(header, status, frame);
    return true;
}

void capture_ring_drop(struct capture_ring *ring)
{
    __atomic_store_n(&header_of(ring)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    ring->slot = (ring->slot + 1) % (kinds[ring->kind].blocks_count * slots_a_block(ring));
}

uint64_t capture_ring_lost(const struct capture_ring *ring)
{
    struct tpacket_stats stats = { 0 };
    socklen_t len = sizeof(stats);

    if (getsockopt(ring->source.fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) < 0)
        return 0;
    return stats.tp_drops;
}
