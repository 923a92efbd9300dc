#include "adapters/pump.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "adapters/frame_io.h"
#include "emu/adapter.h"
#include "emu/frame.h"
#include "emu/impair_flow.h"
#include "emu/impair_line.h"
#include "emu/log.h"
#include "emu/loop.h"
#include "emu/packet.h"
#include "emu/timer.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define READS_MAX     256  /* frames of one end in a turn */
#define PLACE_LEN     2048 /* of a packet in the pool */
#define SMALL_CAP     (PLACE_LEN - sizeof(struct pump_packet))
#define POOL_LEN      (4 * 1024 * 1024) /* at 1 Gbit/s some 20 ms */
#define HUGE_PAGE_LEN (2 * 1024 * 1024)
#define SPARE_MAX     8192
#define WINDOW_US     1000 /* in which is counted how many come */
#define BUSY_COUNT    8    /* so many in a window are many */
#define PACE_US       200  /* what came in so much time is handled together then */
#define BITS_A_BYTE   8

/* A frame on its way. */
struct pump_packet {
    struct impair_item item;
    bool is_twice, is_pooled;
    struct pump_packet *next; /* of @spare */
    size_t len, cap;
    uint8_t data[];
};

/* Where frames come from in one direction, and where they leave in the other. */
struct pump_end {
    struct pump *pump;
    struct frame_io io;
    struct loop_fd source;
    enum impair_direction direction; /* of what comes in here */
    uint64_t last_us;                /* when the last frame came in here */
    struct impair_line line;         /* of what came in here */
    size_t line_len;                 /* bytes */
};

struct pump {
    struct pump_config config;
    struct pump_end ends[IMPAIR_DIRECTIONS]; /* by direction */
    struct timer timer;
    struct impair_flows flows;
    uint8_t *pool; /* the first of @spare */
    struct pump_packet *spare;
    size_t spare_count;
    uint64_t window_us; /* when it began */
    unsigned window_count;
    bool is_paced; /* woken by the timer alone */
    bool has_said_full, has_said_slow;
};
static_assert(NETS_ENDS == IMPAIR_DIRECTIONS, "the link's end comes first, as up does");

/* ---- frames on their way -------------------------------------------------------------------- */

/* Of @len bytes, or for fewer. */
static struct pump_packet *packet_new(struct pump *pump, size_t len)
{
    struct pump_packet *packet = pump->spare;

    if (!packet || len > SMALL_CAP) {
        len = len > SMALL_CAP ? len : SMALL_CAP;
        packet = xcalloc(1, sizeof(*packet) + len);
        packet->cap = len;
        return packet;
    }
    pump->spare = packet->next;
    pump->spare_count--;
    packet->is_twice = false;
    return packet;
}

static void packet_free(struct pump *pump, struct pump_packet *packet)
{
    if (packet->cap != SMALL_CAP || (pump->spare_count >= SPARE_MAX && !packet->is_pooled)) {
        free(packet);
        return;
    }
    packet->next = pump->spare;
    pump->spare = packet;
    pump->spare_count++;
}

/*
 * Memory that is touched for the first time costs more than a frame does, above all in a virtual
 * machine: so some is there before the first frame comes.
 */
static void fill_pool(struct pump *pump)
{
    pump->pool = aligned_alloc(HUGE_PAGE_LEN, POOL_LEN);
    if (!pump->pool)
        return;
    (void)madvise(pump->pool, POOL_LEN, MADV_HUGEPAGE);
    for (size_t at = 0; at < POOL_LEN; at += PLACE_LEN) {
        struct pump_packet *packet = (struct pump_packet *)(void *)(pump->pool + at);

        *packet = (struct pump_packet){ .cap = SMALL_CAP, .is_pooled = true };
        packet_free(pump, packet);
    }
}

static struct pump_end *other_end(const struct pump_end *end)
{
    return &end->pump->ends[!end->direction];
}

/* It leaves at the other end at @at_us. */
static void put(struct pump_end *end, struct pump_packet *packet, uint64_t at_us, bool is_late)
{
    struct pump *pump = end->pump;

    if (!packet->len || end->line_len + packet->len > PUMP_LINE_LEN_MAX) {
        if (packet->len && !pump->has_said_full)
            log_say(pump->config.log, "%s: more than %d MB are on their way: the rest is lost",
                    adapter_name(pump->config.id), PUMP_LINE_LEN_MAX / 1024 / 1024);
        pump->has_said_full |= packet->len != 0;
        packet_free(pump, packet);
        return;
    }
    end->line_len += packet->len;
    impair_line_put(&end->line, &packet->item, at_us, is_late);
}

/* Send what came in at @end and is due, up to a batch; false: that was all. */
static bool send_due(struct pump_end *end, uint64_t now_us)
{
    struct pump_packet *packets[FRAME_IO_BATCH_MAX];
    struct iovec frames[FRAME_IO_BATCH_MAX];
    unsigned count = 0, packets_count = 0;
    struct impair_item *item;

    while (count + 2 <= FRAME_IO_BATCH_MAX && (item = impair_line_take(&end->line, now_us))) {
        struct pump_packet *packet = container_of(item, struct pump_packet, item);

        packets[packets_count++] = packet;
        end->line_len -= packet->len;
        for (int copies = packet->is_twice ? 2 : 1; copies; copies--)
            frames[count++] = (struct iovec){ packet->data, packet->len };
    }
    frame_io_send(&other_end(end)->io, frames, count);
    for (unsigned i = 0; i < packets_count; i++)
        packet_free(end->pump, packets[i]);
    return count + 2 > FRAME_IO_BATCH_MAX;
}

/* ---- what the rules say --------------------------------------------------------------------- */

/* A frame as it came, and what was found in it. */
struct arrival {
    const struct frame *frame;
    const struct impair_packet *packet;
    uint64_t at_us;
};

static void take(struct pump_end *end, const uint8_t *bytes, size_t len, uint64_t at_us);

static void place_in_stream(struct pump *pump, const struct frame *frame,
                            struct impair_packet *packet)
{
    if (!impair_has_kind(pump->config.impair, IMPAIR_KIND_RESET))
        return;
    packet->stream_len = frame->data_len;
    packet->stream_begin = impair_flows_place(
        &pump->flows, &(struct impair_segment){ .direction = packet->direction,
                                                .device = &packet->device,
                                                .peer = &packet->peer,
                                                .sequence = frame->sequence,
                                                .is_syn = frame->flags & PACKET_TCP_SYN });
}

static void look_for_query(const struct pump *pump, const struct frame *frame,
                           struct impair_packet *packet)
{
    const struct adapter *adapter = pump->config.adapter;
    struct adapter_info info = { 0 };

    if (packet->direction != IMPAIR_DIRECTION_UP ||
        !impair_has_kind(pump->config.impair, IMPAIR_KIND_DNS))
        return;
    if (adapter)
        adapter->ops->info(adapter, &info);
    packet->is_query = impair_is_query(frame->bytes + frame->data_at, frame->data_len);
    packet->is_dns_server = impair_is_dns_server(&packet->peer, &info);
}

static void describe(struct pump_end *end, const struct frame *frame, struct impair_packet *packet)
{
    bool is_up = end->direction == IMPAIR_DIRECTION_UP;

    *packet = (struct impair_packet){ .direction = end->direction,
                                      .may_fragment = frame->may_fragment,
                                      .len = frame->ip_len,
                                      .device = is_up ? frame->from : frame->to,
                                      .peer = is_up ? frame->to : frame->from };
    if (frame->protocol == FRAME_PROTOCOL_TCP)
        packet->protocol = IMPAIR_PROTOCOL_TCP;
    else if (frame->protocol == FRAME_PROTOCOL_UDP)
        packet->protocol = IMPAIR_PROTOCOL_UDP;
    else if (frame->protocol == FRAME_PROTOCOL_ICMP)
        packet->protocol = IMPAIR_PROTOCOL_ICMP;
    if (frame->has_transport && frame->protocol == FRAME_PROTOCOL_TCP)
        place_in_stream(end->pump, frame, packet);
    if (frame->has_transport && frame->protocol == FRAME_PROTOCOL_UDP)
        look_for_query(end->pump, frame, packet);
}

/* Let @len bytes pass as they are, or nearly so. */
static void pass(struct pump_end *end, const uint8_t *bytes, size_t len,
                 const struct impair_verdict *verdict)
{
    struct pump_packet *packet = packet_new(end->pump, len);

    packet->len = len;
    memcpy(packet->data, bytes, len);
    packet->is_twice = verdict->is_twice;
    put(end, packet, verdict->at_us, verdict->is_late);
}

/* One bit of the IP packet, header or data. */
static void turn_bit(uint8_t *bytes, const struct frame *frame, uint32_t bit)
{
    bit %= (uint32_t)frame->ip_len * BITS_A_BYTE;
    bytes[frame->ip_at + bit / BITS_A_BYTE] ^= (uint8_t)(1U << bit % BITS_A_BYTE);
}

static void pass_corrupt(struct pump_end *end, const struct frame *frame,
                         const struct impair_verdict *verdict)
{
    size_t len = frame->ip_at + frame->ip_len;
    struct pump_packet *packet = packet_new(end->pump, len);

    packet->len = len;
    memcpy(packet->data, frame->bytes, len);
    turn_bit(packet->data, frame, verdict->corrupt_bit);
    packet->is_twice = verdict->is_twice;
    put(end, packet, verdict->at_us, verdict->is_late);
}

/* Up to its byte the stream goes on; then each end hears that the other has reset it. */
static void reset(struct pump_end *end, const struct frame *frame,
                  const struct impair_verdict *verdict)
{
    struct pump_packet *on = packet_new(end->pump, 0), *back = packet_new(end->pump, 0);

    if (verdict->keep_len) {
        struct pump_packet *cut = packet_new(end->pump, frame->data_at + verdict->keep_len);

        cut->len = frame_write_cut(frame, verdict->keep_len, cut->data, cut->cap);
        put(end, cut, verdict->at_us, false);
    }
    on->len = frame_write_reset_on(frame, verdict->keep_len, on->data, on->cap);
    put(end, on, verdict->at_us, false);
    back->len = frame_write_reset_back(frame, back->data, back->cap);
    put(other_end(end), back, verdict->at_us, false);
}

static void tell_too_big(struct pump_end *end, const struct frame *frame,
                         const struct impair_verdict *verdict, uint64_t at_us)
{
    struct pump_packet *told = packet_new(end->pump, 0);

    told->len = frame_write_too_big(frame, verdict->rule->mtu, told->data, told->cap);
    put(other_end(end), told, at_us, false);
}

/* It comes from where the server is: down the same way as its own would. */
static void answer(struct pump_end *end, const struct frame *frame,
                   const struct impair_verdict *verdict)
{
    uint8_t message[IMPAIR_ANSWER_MAX], bytes[FRAME_HEADERS_MAX + IMPAIR_ANSWER_MAX];
    size_t len =
        impair_answer(verdict->rule, frame->bytes + frame->data_at, frame->data_len, message);

    len = frame_write_answer(frame, message, len, bytes, sizeof(bytes));
    if (len)
        take(other_end(end), bytes, len, verdict->at_us);
}

static void carry_out(struct pump_end *end, const struct frame *frame, uint64_t at_us,
                      const struct impair_verdict *verdict)
{
    switch (verdict->action) {
    case IMPAIR_ACTION_PASS:
        if (verdict->is_corrupt)
            pass_corrupt(end, frame, verdict);
        else
            pass(end, frame->bytes, frame->ip_at + frame->ip_len, verdict);
        break;
    case IMPAIR_ACTION_LOSE:
        break;
    case IMPAIR_ACTION_TOO_BIG:
        tell_too_big(end, frame, verdict, at_us);
        break;
    case IMPAIR_ACTION_RESET:
        reset(end, frame, verdict);
        break;
    case IMPAIR_ACTION_ANSWER:
        answer(end, frame, verdict);
        break;
    }
}

/* A frame that came in at @end, at @at_us. */
static void take(struct pump_end *end, const uint8_t *bytes, size_t len, uint64_t at_us)
{
    const struct pump_config *config = &end->pump->config;
    struct impair_verdict verdict = { .at_us = at_us };
    struct impair_packet packet;
    struct frame frame;

    if (!frame_read(&frame, bytes, len) || frame.protocol == FRAME_PROTOCOL_LINK) {
        pass(end, bytes, len, &verdict);
        return;
    }
    describe(end, &frame, &packet);
    impair_judge(config->impair, &packet, at_us, &verdict);
    impair_note(config->trace, config->id, &packet, &verdict);
    carry_out(end, &frame, at_us, &verdict);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* None came before the one in front of it, whatever the host's calendar does. */
static uint64_t arrival_us(struct pump_end *end, const struct frame_in *in)
{
    const struct vclock *clock = end->pump->config.clock;
    uint64_t at_us = in->host_us ? vclock_of_host(clock, in->host_us) : clock->now_us;

    if (end->last_us < at_us)
        end->last_us = at_us;
    return end->last_us;
}

/* Take what has come, up to a turn's share; false: that was all. */
static bool read_frames(struct pump_end *end)
{
    struct frame_in in;

    for (int i = 0; i < READS_MAX; i++) {
        if (!frame_io_next(&end->io, &in))
            return false;
        take(end, in.bytes, in.len, arrival_us(end, &in));
        end->pump->window_count++;
    }
    return true;
}

static void tell_slow(struct pump *pump, const struct pump_end *end)
{
    if (!end->io.has_lost || pump->has_said_slow)
        return;
    pump->has_said_slow = true;
    log_say(pump->config.log, "%s: too many frames came while the script ran: some are lost",
            adapter_name(pump->config.id));
}

/*
 * To wake for each of many frames costs more than to carry them. So while many come the loop is not
 * told of them: they are looked for every PACE_US. When each came the kernel has stamped on it.
 */
static void pace(struct pump *pump)
{
    uint64_t now_us = pump->config.clock->now_us;
    uint64_t windows = (now_us - pump->window_us) / WINDOW_US;
    bool is_busy = pump->window_count >= windows * BUSY_COUNT;

    if (!windows)
        return;
    pump->window_us = now_us;
    pump->window_count = 0;
    if (is_busy == pump->is_paced)
        return;
    for (int i = 0; i < IMPAIR_DIRECTIONS; i++) {
        struct pump_end *end = &pump->ends[i];

        if (is_busy)
            loop_remove(pump->config.loop, &end->source);
        else if (loop_add(pump->config.loop, &end->source, EPOLLIN) < 0)
            return; /* the timer goes on */
    }
    pump->is_paced = is_busy;
}

static uint64_t next_due_us(const struct pump *pump)
{
    uint64_t due_us = UINT64_MAX;

    for (int i = 0; i < IMPAIR_DIRECTIONS; i++) {
        uint64_t next_us = impair_line_next_us(&pump->ends[i].line);

        due_us = next_us < due_us ? next_us : due_us;
    }
    return due_us;
}

static void start_timer(struct pump *pump, bool is_now)
{
    uint64_t due_us = is_now           ? 0
                      : pump->is_paced ? pump->config.clock->now_us + PACE_US
                                       : next_due_us(pump);

    if (due_us == UINT64_MAX)
        timer_stop(pump->config.timers, &pump->timer);
    else
        timer_start(pump->config.timers, &pump->timer, due_us);
}

static void work(struct pump *pump)
{
    uint64_t now_us = pump->config.clock->now_us;
    bool has_more = false;

    for (int i = 0; i < IMPAIR_DIRECTIONS; i++) {
        has_more |= read_frames(&pump->ends[i]);
        tell_slow(pump, &pump->ends[i]);
    }
    for (int i = 0; i < IMPAIR_DIRECTIONS; i++) {
        while (send_due(&pump->ends[i], now_us))
            ;
    }
    pace(pump);
    start_timer(pump, has_more);
}

static void on_timer(struct timer *timer)
{
    work(container_of(timer, struct pump, timer));
}

static void on_ready(struct loop_fd *source, uint32_t events)
{
    struct pump_end *end = container_of(source, struct pump_end, source);
    socklen_t len = sizeof(int);
    int error;

    if (events & EPOLLERR) /* the link went down: it may come up again */
        (void)getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    work(end->pump);
}

/* ---- opening and closing -------------------------------------------------------------------- */

static int open_end(struct pump_end *end, const struct nets_end *given)
{
    int rc = frame_io_open(&end->io, given);

    if (rc == 0)
        rc = loop_add(end->pump->config.loop, &end->source, EPOLLIN);
    return rc;
}

int pump_open(struct pump **out, const struct pump_config *config)
{
    struct pump *pump = xcalloc(1, sizeof(*pump));
    int rc = 0;

    pump->config = *config;
    timer_init(&pump->timer, on_timer);
    impair_flows_init(&pump->flows);
    fill_pool(pump);
    for (unsigned i = 0; i < IMPAIR_DIRECTIONS; i++) {
        struct pump_end *end = &pump->ends[i];

        *end = (struct pump_end){ .pump = pump,
                                  .direction = (enum impair_direction)i,
                                  .io = { .fd = config->ends[i].fd },
                                  .source = { .fd = config->ends[i].fd, .ready = on_ready } };
        impair_line_init(&end->line);
    }
    for (unsigned i = 0; i < IMPAIR_DIRECTIONS && rc == 0; i++)
        rc = open_end(&pump->ends[i], &config->ends[i]);
    if (rc < 0) {
        pump_close(pump);
        return rc;
    }
    *out = pump;
    return 0;
}

void pump_close(struct pump *pump)
{
    for (int i = 0; i < IMPAIR_DIRECTIONS; i++) {
        while (pump->ends[i].io.buffer && read_frames(&pump->ends[i]))
            ;
    }
    for (int i = 0; i < IMPAIR_DIRECTIONS; i++) {
        while (send_due(&pump->ends[i], UINT64_MAX - 1))
            ;
        impair_line_fini(&pump->ends[i].line);
    }
    timer_stop(pump->config.timers, &pump->timer);
    for (int i = 0; i < IMPAIR_DIRECTIONS; i++) {
        loop_remove(pump->config.loop, &pump->ends[i].source);
        frame_io_close(&pump->ends[i].io);
    }
    while (pump->spare) {
        struct pump_packet *packet = pump->spare;

        pump->spare = packet->next;
        if (!packet->is_pooled)
            free(packet);
    }
    free(pump->pool);
    impair_flows_fini(&pump->flows);
    free(pump);
}
