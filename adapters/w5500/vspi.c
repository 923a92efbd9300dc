#include "adapters/w5500/vspi.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/w5500/bench.h"
#include "emu/buf.h"
#include "emu/timer.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define HEADER_LEN  8
#define IN_MAX      (HEADER_LEN + VSPI_LEN_MAX)
#define OUT_MAX     (256 * 1024) /* of answers that wait; then requests do */
#define EVENTS_MAX  (256 * HEADER_LEN)
#define WHERE_MAX   32
#define VERSION     1
#define HELLO_LEN   8
#define OP_REPLY    0x80
#define OP_EVENT    0x70
#define TOLD_LEVELS (W5500_PINS_INTN | W5500_PINS_LINKLED)

/* flags of XFER */
#define XFER_ASSERT   0x01
#define XFER_DEASSERT 0x02
#define XFER_NOREPLY  0x04

#define FLAG_ON 0x01 /* of PIN and EVENTS */

static const char name[] = "W5500, luatos-emu " LUATOS_EMU_VERSION;

struct request {
    uint8_t op, flags;
    uint16_t arg;
    uint32_t len;
    const uint8_t *payload;
};

struct vspi {
    struct vspi_config config;
    struct bench_master master;
    struct bench_observer observer;

    uint8_t *in; /* IN_MAX */
    size_t in_pos, in_len;
    struct byteq out;
    struct byteq events; /* noted while the chip was told something */
    size_t held_len;     /* of the last bytes of @out */
    struct timer hold;   /* the bytes of the last XFER are being clocked */
    struct timer tell;   /* events were noted */
    bool is_draining;

    uint32_t oversize;
    bool is_selected;
    uint64_t frame; /* of this client's, from 1 */
    char where[WHERE_MAX];

    bool is_subscribed;
    bool has_missed; /* events, for want of room: the levels are told when there is some */
    unsigned told_levels;
};

/* ---- numbers ------------------------------------------------------------------------------------ */

static uint32_t read_le(const uint8_t *bytes, size_t width)
{
    uint32_t value = 0;

    while (width--)
        value = value << 8 | bytes[width];
    return value;
}

static void write_le(uint8_t *bytes, size_t width, uint32_t value)
{
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static void write_header(uint8_t header[HEADER_LEN], uint8_t op, unsigned levels, unsigned status,
                         size_t len)
{
    header[0] = op;
    header[1] = (uint8_t)levels;
    write_le(header + 2, 2, status);
    write_le(header + 4, 4, (uint32_t)len);
}

/* ---- events ------------------------------------------------------------------------------------- */

static void note_levels(struct vspi *vspi, unsigned levels)
{
    uint8_t event[HEADER_LEN];

    vspi->told_levels = levels & TOLD_LEVELS;
    write_header(event, OP_EVENT, levels, 0, 0);
    byteq_append(&vspi->events, event, sizeof(event));
}

/* Of the bench: inside the chip's calls. */
static void on_pins(struct bench_observer *observer, unsigned levels)
{
    struct vspi *vspi = container_of(observer, struct vspi, observer);

    if (!vspi->is_subscribed || (levels & TOLD_LEVELS) == vspi->told_levels)
        return;
    if (vspi->events.len < EVENTS_MAX && !vspi->has_missed) {
        note_levels(vspi, levels);
    } else {
        vspi->has_missed = true;
    }
    if (!timer_is_running(&vspi->tell))
        timer_start(vspi->config.timers, &vspi->tell, vspi->config.clock->now_us);
}

static void pass_on_events(struct vspi *vspi)
{
    if (vspi->held_len || vspi->out.len >= OUT_MAX)
        return;
    byteq_append(&vspi->out, byteq_front(&vspi->events), vspi->events.len);
    byteq_drop(&vspi->events, vspi->events.len);
    if (!vspi->has_missed)
        return;
    vspi->has_missed = false;
    on_pins(&vspi->observer, bench_pins(vspi->config.bench));
}

static void on_tell(struct timer *timer)
{
    struct vspi *vspi = container_of(timer, struct vspi, tell);

    pass_on_events(vspi);
    vspi->config.ready(vspi->config.ctx);
}

/* ---- requests ----------------------------------------------------------------------------------- */

static void reply(struct vspi *vspi, const struct request *request, unsigned status,
                  const void *payload, size_t len)
{
    uint8_t header[HEADER_LEN];

    write_header(header, request->op | OP_REPLY, bench_pins(vspi->config.bench), status, len);
    byteq_append(&vspi->out, header, sizeof(header));
    if (len)
        byteq_append(&vspi->out, payload, len);
}

static void select_chip(struct vspi *vspi, bool is_selected)
{
    if (vspi->is_selected == is_selected)
        return;
    vspi->is_selected = is_selected;
    vspi->frame += is_selected;
    bench_select(vspi->config.bench, is_selected);
}

static void do_xfer(struct vspi *vspi, const struct request *request)
{
    size_t len = request->len, reply_len = HEADER_LEN + len;
    bool has_reply = !(request->flags & XFER_NOREPLY);
    uint8_t *out = has_reply ? byteq_room(&vspi->out, reply_len) : NULL;
    struct bench *bench = vspi->config.bench;

    if (request->flags & XFER_ASSERT)
        select_chip(vspi, true);
    if (len)
        bench_transfer(bench, request->payload, out ? out + HEADER_LEN : NULL, len);
    if (request->flags & XFER_DEASSERT)
        select_chip(vspi, false);
    if (!out)
        return;
    write_header(out, request->op | OP_REPLY, bench_pins(bench), 0, len);
    byteq_grow(&vspi->out, reply_len);
}

static void do_pin(struct vspi *vspi, const struct request *request)
{
    bool is_pin = request->arg <= W5500_PIN_CABLE;

    if (is_pin)
        bench_set_pin(vspi->config.bench, (enum w5500_pin)request->arg, request->flags & FLAG_ON);
    reply(vspi, request, is_pin ? 0 : EINVAL, NULL, 0);
}

static void do_clock(struct vspi *vspi, const struct request *request)
{
    uint32_t hz = request->len == sizeof(hz) ? read_le(request->payload, sizeof(hz)) : 0;

    if (hz)
        bench_set_clock(vspi->config.bench, hz);
    reply(vspi, request, hz ? 0 : EINVAL, NULL, 0);
}

static void do_hello(struct vspi *vspi, const struct request *request)
{
    uint8_t hello[HELLO_LEN + sizeof(name) - 1] = { 'V', 'S', 'P', 'I', VERSION };
    unsigned status = 0;

    memcpy(hello + HELLO_LEN, name, sizeof(name) - 1);
    if (request->len < HELLO_LEN || memcmp(request->payload, hello, 4) != 0) {
        status = EINVAL;
    } else if (memcmp(request->payload, hello, HELLO_LEN) != 0) {
        status = EPROTONOSUPPORT;
    }
    reply(vspi, request, status, hello, sizeof(hello));
}

static void do_events(struct vspi *vspi, const struct request *request)
{
    vspi->is_subscribed = request->flags & FLAG_ON;
    vspi->told_levels = bench_pins(vspi->config.bench) & TOLD_LEVELS;
    reply(vspi, request, 0, NULL, 0);
}

static void do_pins(struct vspi *vspi, const struct request *request)
{
    reply(vspi, request, 0, NULL, 0);
}

static const struct {
    uint8_t op;
    void (*run)(struct vspi *vspi, const struct request *request);
} ops[] = { { 0x01, do_xfer },  { 0x02, do_pin },   { 0x03, do_pins },
            { 0x04, do_clock }, { 0x05, do_hello }, { 0x06, do_events } };

static void run_request(struct vspi *vspi, const struct request *request)
{
    for (int i = 0; i < ARRAY_LEN(ops); i++) {
        if (ops[i].op == request->op) {
            ops[i].run(vspi, request);
            return;
        }
    }
    reply(vspi, request, ENOSYS, NULL, 0);
}

/* ---- one after the other ------------------------------------------------------------------------ */

/* False: not even its header is there. */
static bool peek_request(const struct vspi *vspi, struct request *request)
{
    const uint8_t *header = vspi->in + vspi->in_pos;

    if (vspi->in_len - vspi->in_pos < HEADER_LEN)
        return false;
    *request = (struct request){ .op = header[0],
                                 .flags = header[1],
                                 .arg = (uint16_t)read_le(header + 2, 2),
                                 .len = read_le(header + 4, 4),
                                 .payload = header + HEADER_LEN };
    return true;
}

static bool is_whole(const struct vspi *vspi, const struct request *request)
{
    return vspi->in_len - vspi->in_pos - HEADER_LEN >= request->len;
}

/* False: it is not whole yet, or too long. */
static bool next_request(struct vspi *vspi, struct request *request)
{
    if (vspi->oversize || !peek_request(vspi, request))
        return false;
    if (request->len > VSPI_LEN_MAX)
        vspi->oversize = request->len;
    return !vspi->oversize && is_whole(vspi, request);
}

static bool is_held(const struct vspi *vspi)
{
    return timer_is_running(&vspi->hold);
}

/* @before: length of what need not wait. */
static void hold(struct vspi *vspi, size_t before)
{
    uint64_t ready_us = bench_ready_us(vspi->config.bench);

    if (vspi->is_draining || ready_us <= vspi->config.clock->now_us)
        return;
    vspi->held_len = vspi->out.len - before;
    timer_start(vspi->config.timers, &vspi->hold, ready_us);
}

static bool may_run(const struct vspi *vspi)
{
    return vspi->is_draining || (!is_held(vspi) && vspi->out.len < OUT_MAX);
}

static void run_requests(struct vspi *vspi)
{
    struct request request;

    while (may_run(vspi) && next_request(vspi, &request)) {
        size_t before = vspi->out.len;

        run_request(vspi, &request);
        vspi->in_pos += HEADER_LEN + request.len;
        if (vspi->is_draining)
            byteq_drop(&vspi->out, vspi->out.len);
        hold(vspi, before);
        if (vspi->events.len)
            pass_on_events(vspi);
    }
}

static void on_held(struct timer *timer)
{
    struct vspi *vspi = container_of(timer, struct vspi, hold);

    vspi->held_len = 0;
    pass_on_events(vspi);
    run_requests(vspi);
    vspi->config.ready(vspi->config.ctx);
}

/* ---- the client's side -------------------------------------------------------------------------- */

size_t vspi_room(struct vspi *vspi, uint8_t **room)
{
    if (!may_run(vspi) || vspi->oversize)
        return 0;
    if (vspi->in_pos) {
        memmove(vspi->in, vspi->in + vspi->in_pos, vspi->in_len - vspi->in_pos);
        vspi->in_len -= vspi->in_pos;
        vspi->in_pos = 0;
    }
    *room = vspi->in + vspi->in_len;
    return IN_MAX - vspi->in_len;
}

void vspi_take(struct vspi *vspi, size_t len)
{
    assert(len <= IN_MAX - vspi->in_len);
    vspi->in_len += len;
    run_requests(vspi);
}

size_t vspi_answers(const struct vspi *vspi, const uint8_t **answers)
{
    *answers = byteq_front(&vspi->out);
    return vspi->out.len - vspi->held_len;
}

void vspi_sent(struct vspi *vspi, size_t len)
{
    assert(len <= vspi->out.len - vspi->held_len);
    byteq_drop(&vspi->out, len);
    pass_on_events(vspi);
    run_requests(vspi);
}

void vspi_drain(struct vspi *vspi)
{
    vspi->is_draining = true;
    vspi->is_subscribed = false;
    timer_stop(vspi->config.timers, &vspi->hold);
    vspi->held_len = 0;
    byteq_drop(&vspi->out, vspi->out.len);
    run_requests(vspi);
}

bool vspi_is_idle(const struct vspi *vspi)
{
    struct request request;
    bool has_request = peek_request(vspi, &request) && is_whole(vspi, &request);

    return !is_held(vspi) && !vspi->out.len && !has_request;
}

uint32_t vspi_oversize(const struct vspi *vspi)
{
    return vspi->oversize;
}

/* ---- life --------------------------------------------------------------------------------------- */

static const char *where(void *ctx)
{
    struct vspi *vspi = ctx;

    (void)snprintf(vspi->where, sizeof(vspi->where), "frame %" PRIu64 ": ", vspi->frame);
    return vspi->frame ? vspi->where : NULL;
}

struct vspi *vspi_new(const struct vspi_config *config)
{
    struct vspi *vspi = xcalloc(1, sizeof(*vspi));

    vspi->config = *config;
    vspi->in = xcalloc(1, IN_MAX);
    byteq_init(&vspi->out);
    byteq_init(&vspi->events);
    timer_init(&vspi->hold, on_held);
    timer_init_background(&vspi->tell, on_tell);
    vspi->observer = (struct bench_observer){ .pins = on_pins };
    vspi->master = (struct bench_master){ .where = where, .is_counting = true, .ctx = vspi };
    bench_observe(config->bench, &vspi->observer);
    bench_set_master(config->bench, &vspi->master);
    return vspi;
}

void vspi_restart(struct vspi *vspi)
{
    select_chip(vspi, false);
    timer_stop(vspi->config.timers, &vspi->hold);
    timer_stop(vspi->config.timers, &vspi->tell);
    byteq_drop(&vspi->out, vspi->out.len);
    byteq_drop(&vspi->events, vspi->events.len);
    vspi->in_pos = vspi->in_len = vspi->held_len = 0;
    vspi->frame = vspi->oversize = 0;
    vspi->is_draining = vspi->is_subscribed = vspi->has_missed = false;
}

void vspi_free(struct vspi *vspi)
{
    if (!vspi)
        return;
    vspi_restart(vspi);
    bench_set_master(vspi->config.bench, NULL);
    bench_unobserve(vspi->config.bench, &vspi->observer);
    byteq_fini(&vspi->out);
    byteq_fini(&vspi->events);
    free(vspi->in);
    free(vspi);
}
