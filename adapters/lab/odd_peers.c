/* The lab's odd peers: they do what others on the internet do only when nobody wants them to. */
#include <stdlib.h>
#include <string.h>

#include "adapters/lab/lab_priv.h"
#include "emu/timer.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define RESET_AFTER   1000  /* bytes */
#define SLOW_READ     100   /* bytes at once */
#define SLOW_MS       100   /* between two reads, or two bytes */
#define SILENT_END_MS 60000 /* a connection whose client has gone is kept for so long */
#define LARGE_LEN     4000  /* bytes, where none are asked for */
#define DGRAM_MAX     65507 /* bytes, RFC 768 over IPv4 */
#define DIGITS_MAX    5
#define US_PER_MS     1000U

/* ---- TCP, with a timer ---------------------------------------------------------------------------- */

struct odd {
    struct lab_stream *stream;
    struct timer timer;
};

static void start_timer(struct odd *odd, uint32_t ms)
{
    const struct lab_config *config = &odd->stream->server->lab->config;

    timer_start(config->timers, &odd->timer, config->clock->now_us + (uint64_t)ms * US_PER_MS);
}

static struct odd *begin(struct lab_stream *stream, timer_fn *fn)
{
    struct odd *odd = xcalloc(1, sizeof(*odd));

    odd->stream = stream;
    timer_init_background(&odd->timer, fn);
    stream->own = odd;
    return odd;
}

static void odd_closed(struct lab_stream *stream)
{
    struct odd *odd = stream->own;

    timer_stop(stream->server->lab->config.timers, &odd->timer);
    free(odd);
}

/* ---- a slow reader ---- */

static void on_slow_reader(struct timer *timer)
{
    struct odd *odd = container_of(timer, struct odd, timer);

    odd->stream->is_deaf = false;
    lab_stream_go_on(odd->stream);
}

static void slow_reader_opened(struct lab_stream *stream)
{
    (void)begin(stream, on_slow_reader);
    stream->read_max = SLOW_READ;
}

static void slow_reader_received(struct lab_stream *stream, const uint8_t *data, size_t len)
{
    (void)data;
    (void)len;
    stream->is_deaf = true;
    start_timer(stream->own, SLOW_MS);
}

/* ---- a dribble ---- */

static void on_dribble(struct timer *timer)
{
    struct odd *odd = container_of(timer, struct odd, timer);
    char byte;

    if (!odd->stream->outq.len) {
        lab_pattern(&byte, 1, odd->stream->tx);
        lab_stream_write(odd->stream, &byte, 1);
    }
    start_timer(odd, SLOW_MS);
    lab_stream_go_on(odd->stream);
}

static void dribble_opened(struct lab_stream *stream)
{
    stream->is_held = true;
    start_timer(begin(stream, on_dribble), SLOW_MS);
}

/* ---- silence ---- */

static void on_silence(struct timer *timer)
{
    struct odd *odd = container_of(timer, struct odd, timer);

    lab_stream_reset(odd->stream);
    lab_stream_go_on(odd->stream);
}

static void silent_opened(struct lab_stream *stream)
{
    stream->is_held = true;
    (void)begin(stream, on_silence);
}

static bool silent_writable(struct lab_stream *stream)
{
    struct odd *odd = stream->own;

    if (stream->is_read_out && !timer_is_running(&odd->timer))
        start_timer(odd, SILENT_END_MS);
    return false;
}

/* ---- TCP, at once --------------------------------------------------------------------------------- */

static void reset_received(struct lab_stream *stream, const uint8_t *data, size_t len)
{
    uint64_t left = RESET_AFTER - stream->tx;

    /* so few that the kernel sends them all before the RST */
    lab_stream_write(stream, data, len < left ? len : (size_t)left);
    if (len >= left)
        lab_stream_reset(stream);
}

static void half_close_received(struct lab_stream *stream, const uint8_t *data, size_t len)
{
    if (stream->is_shutting)
        return;
    lab_stream_write(stream, data, len);
    lab_stream_shut(stream);
}

const struct lab_stream_ops lab_rst_stream = { .opened = lab_stream_reset };
const struct lab_stream_ops lab_reset_stream = { .received = reset_received };
const struct lab_stream_ops lab_half_close_stream = { .received = half_close_received };
const struct lab_stream_ops lab_slow_reader_stream = { .opened = slow_reader_opened,
                                                       .received = slow_reader_received,
                                                       .closed = odd_closed };
const struct lab_stream_ops lab_dribble_stream = { .opened = dribble_opened, .closed = odd_closed };
const struct lab_stream_ops lab_silent_stream = { .opened = silent_opened,
                                                  .writable = silent_writable,
                                                  .closed = odd_closed };

/* ---- UDP ---------------------------------------------------------------------------------------------- */

static void ignore(const struct lab_dgram *dgram, const uint8_t *data, size_t len)
{
    (void)dgram;
    (void)data;
    (void)len;
}

static void send_twice(const struct lab_dgram *dgram, const uint8_t *data, size_t len)
{
    lab_dgram_answer(dgram, data, len);
    lab_dgram_answer(dgram, data, len);
}

static void send_from_sink(const struct lab_dgram *dgram, const uint8_t *data, size_t len)
{
    struct lab *lab = dgram->server->lab;
    struct lab_dgram other = *dgram;

    for (size_t i = 0; i < lab->servers_count; i++) {
        if (lab->servers[i].peer->dgram != &lab_sink_dgram)
            continue;
        other.server = &lab->servers[i];
        lab_dgram_answer(&other, data, len);
        return;
    }
}

/* What @data says, up to its first other character; LARGE_LEN where it says nothing. */
static size_t wanted_len(const uint8_t *data, size_t len)
{
    size_t wanted = 0, i;

    for (i = 0; i < len && i < DIGITS_MAX && data[i] >= '0' && data[i] <= '9'; i++)
        wanted = wanted * 10 + (size_t)(data[i] - '0');
    if (!i)
        return LARGE_LEN;
    return wanted < DGRAM_MAX ? wanted : DGRAM_MAX;
}

static void send_large(const struct lab_dgram *dgram, const uint8_t *data, size_t len)
{
    char answer[DGRAM_MAX];
    size_t answer_len = wanted_len(data, len);

    lab_pattern(answer, answer_len, 0);
    lab_dgram_answer(dgram, answer, answer_len);
}

const struct lab_dgram_ops lab_sink_dgram = { .received = ignore };
const struct lab_dgram_ops lab_twice_dgram = { .received = send_twice };
const struct lab_dgram_ops lab_other_port_dgram = { .received = send_from_sink };
const struct lab_dgram_ops lab_large_dgram = { .received = send_large };
