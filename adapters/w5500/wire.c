/* Frames out of the cable and in. */
#include <assert.h>
#include <string.h>

#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define ETHERNET_LEN    14
#define ETHERTYPE_AT    12
#define ETHERTYPE_IPV4  0x0800
#define ETHERTYPE_ARP   0x0806
#define PPPOE_DISCOVERY 0x8863
#define PPPOE_SESSION   0x8864
#define AROUND_LEN      24    /* bytes that a frame takes on the wire besides: preamble, FCS, gap */
#define LEAVING_MAX     65536 /* bytes that wait; more is lost */
#define PREFIX_LEN      2
#define BITS            8
#define NS_PER_US       UINT64_C(1000)
#define GROUP_BIT       0x01

/* ---- out -------------------------------------------------------------------------------------- */

static void leave(struct w5500 *chip, const uint8_t *frame, size_t len)
{
    if (chip->phy.is_linked)
        chip->config.send(chip->config.ctx, frame, len);
}

static uint64_t frame_ns(const struct w5500 *chip, size_t len)
{
    return (len + AROUND_LEN) * BITS * NS_PER_US / w5500_phy_mbits(chip);
}

static size_t first_len(const struct w5500_wire *wire)
{
    return w5500_get16(byteq_front(&wire->leaving));
}

/* The first of those that wait is out when its last bit is. */
static void start_first(struct w5500 *chip, uint64_t begin_ns)
{
    struct w5500_wire *wire = &chip->wire;

    wire->first_ns = begin_ns + frame_ns(chip, first_len(wire));
    timer_start(chip->config.timers, &wire->timer, wire->first_ns / NS_PER_US);
}

static void on_timer(struct timer *timer)
{
    struct w5500 *chip = container_of(timer, struct w5500, wire.timer);
    struct w5500_wire *wire = &chip->wire;
    size_t len = first_len(wire);

    leave(chip, byteq_front(&wire->leaving) + PREFIX_LEN, len);
    byteq_drop(&wire->leaving, PREFIX_LEN + len);
    if (wire->leaving.len)
        start_first(chip, wire->first_ns);
}

static void queue(struct w5500 *chip, const uint8_t *frame, size_t len)
{
    struct w5500_wire *wire = &chip->wire;
    uint64_t now_ns = chip->config.clock->now_us * NS_PER_US;
    bool is_first = !wire->leaving.len;
    uint8_t prefix[PREFIX_LEN];

    if (wire->leaving.len > LEAVING_MAX)
        return;
    w5500_put16(prefix, (uint16_t)len);
    byteq_append(&wire->leaving, prefix, sizeof(prefix));
    byteq_append(&wire->leaving, frame, len);
    wire->free_ns = (wire->free_ns > now_ns ? wire->free_ns : now_ns) + frame_ns(chip, len);
    if (is_first)
        start_first(chip, now_ns);
}

void w5500_wire_send(struct w5500 *chip, const uint8_t *frame, size_t len)
{
    uint8_t padded[W5500_FRAME_MIN] = { 0 };

    assert(len >= ETHERNET_LEN);
    assert(len <= W5500_FRAME_MAX);
    if (len < sizeof(padded)) {
        memcpy(padded, frame, len);
        frame = padded;
        len = sizeof(padded);
    }
    if (chip->config.timing == W5500_TIMING_FAST) {
        leave(chip, frame, len);
    } else if (chip->phy.is_linked) {
        queue(chip, frame, len);
    }
}

uint64_t w5500_wire_done_us(const struct w5500 *chip)
{
    return chip->wire.free_ns / NS_PER_US;
}

/* ---- in --------------------------------------------------------------------------------------- */

/* To us, to all, or to a group; others' frames are MACRAW's only. */
static bool is_for_us(const struct w5500 *chip, const uint8_t *frame)
{
    return frame[0] & GROUP_BIT || memcmp(frame, chip->common + W5500_SHAR, W5500_MAC_LEN) == 0;
}

static void frame_in(struct w5500 *chip, const uint8_t *frame, size_t len)
{
    uint16_t type = w5500_get16(frame + ETHERTYPE_AT);

    if (chip->sockets[0].status == W5500_STATUS_MACRAW)
        w5500_macraw_in(chip, frame, len);
    if (!is_for_us(chip, frame))
        return;
    if (type == ETHERTYPE_ARP) {
        w5500_arp_in(chip, frame, len);
    } else if (type == ETHERTYPE_IPV4) {
        w5500_ip_in(chip, frame, len);
    } else if (type == PPPOE_DISCOVERY || type == PPPOE_SESSION) {
        w5500_pppoe_in(chip, frame, len);
    }
}

/* Who takes frames from a wire pads short ones: so does this end for a wire that need not. */
void w5500_receive(struct w5500 *chip, const uint8_t *frame, size_t len)
{
    struct w5500_wire *wire = &chip->wire;
    struct w5500_held padded = { .len = len < W5500_FRAME_MIN ? W5500_FRAME_MIN : len };

    if (!chip->is_running || !chip->phy.is_linked || len < ETHERNET_LEN || len > W5500_FRAME_MAX)
        return;
    memcpy(padded.bytes, frame, len);
    if (!w5500_spi_is_in_frame(chip)) {
        frame_in(chip, padded.bytes, padded.len);
    } else if (wire->held_count < W5500_HELD_MAX) {
        wire->held[wire->held_count++] = padded;
    }
}

void w5500_wire_frame_over(struct w5500 *chip)
{
    struct w5500_wire *wire = &chip->wire;

    for (size_t i = 0; i < wire->held_count; i++)
        frame_in(chip, wire->held[i].bytes, wire->held[i].len);
    wire->held_count = 0;
}

/* ---- life ------------------------------------------------------------------------------------- */

void w5500_wire_link_changed(struct w5500 *chip)
{
    if (chip->phy.is_linked)
        w5500_sock_link_up(chip);
}

void w5500_wire_init(struct w5500 *chip)
{
    timer_init(&chip->wire.timer, on_timer);
    byteq_init(&chip->wire.leaving);
}

void w5500_wire_reset(struct w5500 *chip)
{
    timer_stop(chip->config.timers, &chip->wire.timer);
    byteq_fini(&chip->wire.leaving);
    byteq_init(&chip->wire.leaving);
    chip->wire.free_ns = 0;
    chip->wire.held_count = 0;
}
