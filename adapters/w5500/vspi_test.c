#include "adapters/w5500/vspi.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/w5500/bench.h"
#include "emu/log.h"
#include "emu/rng.h"
#include "emu/timer.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#include <cmocka.h>

#define HEADER_LEN  8
#define LINK_UP_US  100000
#define RSTN_LOW_US 500

enum { XFER = 1, PIN, PINS, CLOCK, HELLO, EVENTS, EVENT = 0x70, REPLY = 0x80 };
enum { ASSERT = 1, DEASSERT = 2, NOREPLY = 4, FRAME = ASSERT | DEASSERT };

static const uint8_t read_version[] = { 0x00, 0x39, 0x00, 0x00 };
static const uint8_t write_simr[] = { 0x00, 0x18, 0x04, 0xff };

struct fixture {
    struct vclock clock;
    struct timers timers;
    struct rng rng;
    struct trace trace;
    struct log log;
    struct bench *bench;
    struct vspi *vspi;
    unsigned ready;
};

static void on_ready(void *ctx)
{
    ((struct fixture *)ctx)->ready++;
}

static void begin(struct fixture *fixture, enum w5500_timing timing)
{
    *fixture = (struct fixture){ 0 };
    vclock_init(&fixture->clock, VCLOCK_MODE_VIRTUAL);
    timers_init(&fixture->timers);
    rng_init(&fixture->rng, 1);
    trace_init(&fixture->trace, &fixture->clock, -1);
    log_init(&fixture->log, &(struct log_config){ .clock = &fixture->clock,
                                                  .trace = &fixture->trace,
                                                  .module_fd = -1,
                                                  .voice_fd = -1 });
    fixture->bench = bench_new(&(struct bench_config){ .timers = &fixture->timers,
                                                       .clock = &fixture->clock,
                                                       .rng = &fixture->rng,
                                                       .log = &fixture->log,
                                                       .options = { .timing = timing } });
    fixture->vspi = vspi_new(&(struct vspi_config){ .bench = fixture->bench,
                                                    .timers = &fixture->timers,
                                                    .clock = &fixture->clock,
                                                    .ready = on_ready,
                                                    .ctx = fixture });
}

static int setup(void **state)
{
    static struct fixture fixture;

    begin(&fixture, W5500_TIMING_FAST);
    *state = &fixture;
    return 0;
}

static int setup_accurate(void **state)
{
    static struct fixture fixture;

    begin(&fixture, W5500_TIMING_ACCURATE);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    vspi_free(fixture->vspi);
    bench_free(fixture->bench);
    assert_int_equal(timers_next_us(&fixture->timers), UINT64_MAX);
    timers_fini(&fixture->timers);
    return 0;
}

static void run_us(struct fixture *fixture, uint64_t us)
{
    vclock_advance(&fixture->clock, us);
    (void)timers_run(&fixture->timers, fixture->clock.now_us);
    (void)timers_run(&fixture->timers, fixture->clock.now_us);
}

/* ---- a client ------------------------------------------------------------------------------- */

static size_t write_request(uint8_t *out, uint8_t op, uint8_t flags, unsigned arg,
                            const void *payload, size_t len)
{
    const uint8_t header[] = { op,
                               flags,
                               (uint8_t)arg,
                               (uint8_t)(arg >> 8),
                               (uint8_t)len,
                               (uint8_t)(len >> 8),
                               (uint8_t)(len >> 16),
                               (uint8_t)(len >> 24) };

    memcpy(out, header, sizeof(header));
    if (payload)
        memcpy(out + HEADER_LEN, payload, len);
    return HEADER_LEN + len;
}

static void give(struct fixture *fixture, const uint8_t *bytes, size_t len)
{
    while (len) {
        uint8_t *room;
        size_t part = vspi_room(fixture->vspi, &room);

        assert_true(part > 0);
        part = part < len ? part : len;
        memcpy(room, bytes, part);
        vspi_take(fixture->vspi, part);
        bytes += part;
        len -= part;
    }
}

static void ask(struct fixture *fixture, uint8_t op, uint8_t flags, unsigned arg,
                const void *payload, size_t len)
{
    uint8_t *request = xcalloc(1, HEADER_LEN + len);

    give(fixture, request, write_request(request, op, flags, arg, payload, len));
    free(request);
}

struct answer {
    uint8_t op, flags;
    unsigned status;
    uint8_t payload[64]; /* its beginning */
    size_t len;
};

static struct answer take(struct fixture *fixture)
{
    const uint8_t *bytes;
    size_t len = vspi_answers(fixture->vspi, &bytes);
    struct answer answer = { 0 };

    assert_true(len >= HEADER_LEN);
    answer.op = bytes[0];
    answer.flags = bytes[1];
    answer.status = (unsigned)(bytes[2] | bytes[3] << 8);
    answer.len = (size_t)(bytes[4] | bytes[5] << 8 | bytes[6] << 16 | bytes[7] << 24);
    assert_true(len >= HEADER_LEN + answer.len);
    memcpy(answer.payload, bytes + HEADER_LEN, answer.len < 64 ? answer.len : 64);
    vspi_sent(fixture->vspi, HEADER_LEN + answer.len);
    return answer;
}

static struct answer expect(struct fixture *fixture, uint8_t op, unsigned status, size_t len)
{
    struct answer answer = take(fixture);

    assert_int_equal(answer.op, op);
    assert_int_equal(answer.status, status);
    assert_int_equal(answer.len, len);
    return answer;
}

static void expect_nothing(struct fixture *fixture)
{
    const uint8_t *bytes;

    assert_int_equal(vspi_answers(fixture->vspi, &bytes), 0);
}

static void expect_version(struct fixture *fixture)
{
    const uint8_t miso[] = { 1, 2, 3, 4 };

    assert_memory_equal(expect(fixture, XFER | REPLY, 0, sizeof(miso)).payload, miso, 4);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void a_frame_is_one_request(void **state)
{
    ask(*state, XFER, FRAME, 0, read_version, sizeof(read_version));
    expect_version(*state);
    expect_nothing(*state);
}

static void a_message_may_come_byte_by_byte(void **state)
{
    uint8_t request[HEADER_LEN + sizeof(read_version)];
    size_t len = write_request(request, XFER, FRAME, 0, read_version, sizeof(read_version));

    for (size_t i = 0; i < len; i++) {
        expect_nothing(*state);
        give(*state, request + i, 1);
    }
    expect_version(*state);
}

static void many_messages_may_come_at_once(void **state)
{
    uint8_t requests[100 * (HEADER_LEN + sizeof(read_version))], *at = requests;

    for (int i = 0; i < 100; i++)
        at += write_request(at, XFER, FRAME, 0, read_version, sizeof(read_version));
    give(*state, requests, sizeof(requests));
    for (int i = 0; i < 100; i++)
        expect_version(*state);
    expect_nothing(*state);
}

static void a_frame_may_be_cut_anywhere(void **state)
{
    for (size_t i = 0; i <= sizeof(read_version); i++) {
        struct answer answer;

        ask(*state, XFER, ASSERT, 0, read_version, i);
        answer = expect(*state, XFER | REPLY, 0, i);
        assert_false(answer.flags & W5500_PINS_SCSN);
        ask(*state, XFER, DEASSERT, 0, read_version + i, sizeof(read_version) - i);
        answer = expect(*state, XFER | REPLY, 0, sizeof(read_version) - i);
        assert_true(answer.flags & W5500_PINS_SCSN);
        if (i < sizeof(read_version))
            assert_int_equal(answer.payload[answer.len - 1], 4);
    }
}

/* "ASSERT while low and DEASSERT while high do nothing" */
static void scsn_that_is_low_may_be_asserted_again(void **state)
{
    ask(*state, XFER, ASSERT, 0, read_version, 2);
    ask(*state, XFER, ASSERT, 0, read_version + 2, 2);
    (void)take(*state);
    assert_int_equal(expect(*state, XFER | REPLY, 0, 2).payload[1], 4);
    ask(*state, XFER, DEASSERT, 0, NULL, 0);
    ask(*state, XFER, DEASSERT, 0, NULL, 0);
    (void)take(*state);
    assert_true(expect(*state, XFER | REPLY, 0, 0).flags & W5500_PINS_SCSN);
}

static void a_posted_frame_has_no_reply(void **state)
{
    const uint8_t read_simr[] = { 0x00, 0x18, 0x00, 0x00 };

    ask(*state, XFER, FRAME | NOREPLY, 0, write_simr, sizeof(write_simr));
    expect_nothing(*state);
    ask(*state, XFER, FRAME, 0, read_simr, sizeof(read_simr));
    assert_int_equal(expect(*state, XFER | REPLY, 0, 4).payload[3], 0xff);
}

static void hello_is_answered_with_hello(void **state)
{
    static const uint8_t hello[] = { 'V', 'S', 'P', 'I', 1, 0, 0, 0 };
    static const uint8_t newer[] = { 'V', 'S', 'P', 'I', 2, 0, 0, 0 };
    struct answer answer;

    ask(*state, HELLO, 0, 0, hello, sizeof(hello));
    answer = take(*state);
    assert_int_equal(answer.op, HELLO | REPLY);
    assert_int_equal(answer.status, 0);
    assert_memory_equal(answer.payload, hello, sizeof(hello));
    for (size_t i = sizeof(hello); i < answer.len; i++)
        assert_in_range(answer.payload[i], ' ', '~');
    ask(*state, HELLO, 0, 0, newer, sizeof(newer));
    assert_int_equal(take(*state).status, EPROTONOSUPPORT);
    ask(*state, HELLO, 0, 0, hello, 4);
    assert_int_equal(take(*state).status, EINVAL);
}

static void what_it_does_not_know_it_says_so(void **state)
{
    ask(*state, 0x42, 7, 7, read_version, sizeof(read_version));
    (void)expect(*state, 0x42 | REPLY, ENOSYS, 0);
    ask(*state, EVENT, 0, 0, NULL, 0);
    (void)expect(*state, EVENT | REPLY, ENOSYS, 0);
    ask(*state, PIN, 1, W5500_PIN_CABLE + 1, NULL, 0);
    (void)expect(*state, PIN | REPLY, EINVAL, 0);
    ask(*state, CLOCK, 0, 0, read_version, 3);
    (void)expect(*state, CLOCK | REPLY, EINVAL, 0);
    ask(*state, XFER, FRAME, 0, read_version, sizeof(read_version));
    expect_version(*state);
}

static void the_longest_message_is_taken_and_a_longer_one_is_not(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *mosi = xcalloc(1, VSPI_LEN_MAX), header[HEADER_LEN], *room;

    ask(fixture, XFER, FRAME, 0, mosi, VSPI_LEN_MAX);
    free(mosi);
    (void)expect(fixture, XFER | REPLY, 0, VSPI_LEN_MAX);
    assert_int_equal(vspi_oversize(fixture->vspi), 0);
    (void)write_request(header, XFER, FRAME | NOREPLY, 0, NULL, VSPI_LEN_MAX + 1);
    give(fixture, header, sizeof(header));
    assert_int_equal(vspi_oversize(fixture->vspi), VSPI_LEN_MAX + 1);
    assert_int_equal(vspi_room(fixture->vspi, &room), 0);
    vspi_restart(fixture->vspi);
    ask(fixture, XFER, FRAME, 0, read_version, sizeof(read_version));
    expect_version(fixture);
}

/* ---- pins ----------------------------------------------------------------------------------- */

static void pins_are_pulled_and_read(void **state)
{
    struct fixture *fixture = *state;

    ask(fixture, PIN, 0, W5500_PIN_RSTN, NULL, 0);
    assert_false(expect(fixture, PIN | REPLY, 0, 0).flags & W5500_PINS_RSTN);
    ask(fixture, XFER, FRAME, 0, read_version, sizeof(read_version));
    assert_int_equal(expect(fixture, XFER | REPLY, 0, 4).payload[3], 0xff);
    run_us(fixture, RSTN_LOW_US);
    ask(fixture, PIN, 1, W5500_PIN_RSTN, NULL, 0);
    assert_true(expect(fixture, PIN | REPLY, 0, 0).flags & W5500_PINS_RSTN);
    run_us(fixture, LINK_UP_US);
    ask(fixture, PINS, 0, 0, NULL, 0);
    assert_int_equal(expect(fixture, PINS | REPLY, 0, 0).flags,
                     W5500_PINS_INTN | W5500_PINS_RSTN | W5500_PINS_SCSN);
}

static void who_subscribes_is_told_of_the_link(void **state)
{
    struct fixture *fixture = *state;

    run_us(fixture, LINK_UP_US);
    expect_nothing(fixture);
    ask(fixture, EVENTS, 1, 0, NULL, 0);
    (void)expect(fixture, EVENTS | REPLY, 0, 0);
    ask(fixture, PIN, 0, W5500_PIN_CABLE, NULL, 0);
    (void)expect(fixture, PIN | REPLY, 0, 0);
    assert_true(expect(fixture, EVENT, 0, 0).flags & W5500_PINS_LINKLED);
    ask(fixture, PIN, 1, W5500_PIN_CABLE, NULL, 0);
    (void)expect(fixture, PIN | REPLY, 0, 0);
    fixture->ready = 0;
    run_us(fixture, LINK_UP_US);
    assert_true(fixture->ready > 0);
    assert_false(expect(fixture, EVENT, 0, 0).flags & W5500_PINS_LINKLED);
    ask(fixture, EVENTS, 0, 0, NULL, 0);
    (void)expect(fixture, EVENTS | REPLY, 0, 0);
    ask(fixture, PIN, 0, W5500_PIN_CABLE, NULL, 0);
    (void)expect(fixture, PIN | REPLY, 0, 0);
    expect_nothing(fixture);
}

static void set_cable(struct fixture *fixture, bool is_in)
{
    ask(fixture, PIN, is_in, W5500_PIN_CABLE, NULL, 0);
    run_us(fixture, LINK_UP_US);
}

/* The first ones are told, and then how it is when there is room. */
static void who_does_not_read_is_told_of_the_end(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *room, last = 0, *mosi = xcalloc(1, VSPI_LEN_MAX);

    run_us(fixture, LINK_UP_US);
    ask(fixture, EVENTS, 1, 0, NULL, 0);
    ask(fixture, XFER, 0, 0, mosi, VSPI_LEN_MAX);
    ask(fixture, XFER, 0, 0, mosi, VSPI_LEN_MAX);
    free(mosi);
    assert_int_equal(vspi_room(fixture->vspi, &room), 0);
    for (int i = 0; i < 1001; i++) {
        bench_set_cable(fixture->bench, i & 1);
        run_us(fixture, LINK_UP_US);
    }
    (void)expect(fixture, EVENTS | REPLY, 0, 0);
    (void)expect(fixture, XFER | REPLY, 0, VSPI_LEN_MAX);
    assert_true(vspi_room(fixture->vspi, &room) > 0);
    (void)expect(fixture, XFER | REPLY, 0, VSPI_LEN_MAX);
    run_us(fixture, 0);
    for (unsigned events = 0; !vspi_is_idle(fixture->vspi); events++) {
        last = expect(fixture, EVENT, 0, 0).flags;
        assert_in_range(events, 0, 1000);
    }
    assert_true(last & W5500_PINS_LINKLED);
    set_cable(fixture, true);
    (void)expect(fixture, PIN | REPLY, 0, 0);
    assert_false(expect(fixture, EVENT, 0, 0).flags & W5500_PINS_LINKLED);
}

/* ---- clients ---------------------------------------------------------------------------------- */

static void requests_wait_while_answers_do(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *mosi = xcalloc(1, VSPI_LEN_MAX), *room;
    int asked = 0;

    for (; vspi_room(fixture->vspi, &room); asked++) {
        ask(fixture, XFER, FRAME, 0, mosi, VSPI_LEN_MAX);
        assert_in_range(asked, 0, 4);
    }
    free(mosi);
    for (int i = 0; i < asked; i++)
        (void)expect(fixture, XFER | REPLY, 0, VSPI_LEN_MAX);
    assert_true(vspi_room(fixture->vspi, &room) > 0);
    assert_true(vspi_is_idle(fixture->vspi));
}

static void a_client_that_goes_releases_scsn(void **state)
{
    struct fixture *fixture = *state;

    ask(fixture, XFER, ASSERT, 0, read_version, 2);
    give(fixture, (const uint8_t[]){ XFER, DEASSERT }, 2);
    assert_false(bench_pins(fixture->bench) & W5500_PINS_SCSN);
    vspi_restart(fixture->vspi);
    assert_true(bench_pins(fixture->bench) & W5500_PINS_SCSN);
    expect_nothing(fixture);
    ask(fixture, XFER, FRAME, 0, read_version, sizeof(read_version));
    expect_version(fixture);
}

/* "The chip is not reset by connecting or disconnecting" */
static void what_a_client_wrote_before_it_went_is_written(void **state)
{
    struct fixture *fixture = *state;
    const struct w5500 *chip = bench_chip(fixture->bench);

    vspi_drain(fixture->vspi);
    ask(fixture, XFER, FRAME, 0, write_simr, sizeof(write_simr));
    expect_nothing(fixture);
    vspi_restart(fixture->vspi);
    assert_int_equal(w5500_peek(chip, W5500_BLOCK_COMMON, 0x18), 0xff);
}

/* ---- time ----------------------------------------------------------------------------------- */

/* 1000 bytes at 1 MHz: 8 ms, of which no byte may be known before they are over. */
static void in_accurate_timing_a_reply_takes_its_time(void **state)
{
    struct fixture *fixture = *state;
    const uint8_t mhz[] = { 0x40, 0x42, 0x0f, 0x00 };
    uint8_t mosi[1000] = { 0 }, *room;

    ask(fixture, CLOCK, 0, 0, mhz, sizeof(mhz));
    ask(fixture, XFER, FRAME, 0, mosi, sizeof(mosi));
    (void)expect(fixture, CLOCK | REPLY, 0, 0);
    expect_nothing(fixture);
    assert_int_equal(vspi_room(fixture->vspi, &room), 0);
    run_us(fixture, 7999);
    expect_nothing(fixture);
    assert_int_equal(fixture->ready, 0);
    run_us(fixture, 1);
    assert_int_equal(fixture->ready, 1);
    (void)expect(fixture, XFER | REPLY, 0, sizeof(mosi));
}

static void in_accurate_timing_requests_wait_for_another(void **state)
{
    struct fixture *fixture = *state;
    uint8_t requests[2 * (HEADER_LEN + 1000)] = { 0 }, mosi[1000] = { 0 };
    size_t len = write_request(requests, XFER, FRAME | NOREPLY, 0, mosi, sizeof(mosi));

    ask(fixture, CLOCK, 0, 0, (const uint8_t[]){ 0x40, 0x42, 0x0f, 0x00 }, 4);
    (void)expect(fixture, CLOCK | REPLY, 0, 0);
    len += write_request(requests + len, XFER, FRAME, 0, mosi, sizeof(mosi));
    give(fixture, requests, len);
    run_us(fixture, 8000);
    expect_nothing(fixture);
    run_us(fixture, 7999);
    expect_nothing(fixture);
    run_us(fixture, 1);
    (void)expect(fixture, XFER | REPLY, 0, sizeof(mosi));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(a_frame_is_one_request),
        WITH(a_message_may_come_byte_by_byte),
        WITH(many_messages_may_come_at_once),
        WITH(a_frame_may_be_cut_anywhere),
        WITH(scsn_that_is_low_may_be_asserted_again),
        WITH(a_posted_frame_has_no_reply),
        WITH(hello_is_answered_with_hello),
        WITH(what_it_does_not_know_it_says_so),
        WITH(the_longest_message_is_taken_and_a_longer_one_is_not),
        WITH(pins_are_pulled_and_read),
        WITH(who_subscribes_is_told_of_the_link),
        WITH(who_does_not_read_is_told_of_the_end),
        WITH(requests_wait_while_answers_do),
        WITH(a_client_that_goes_releases_scsn),
        WITH(what_a_client_wrote_before_it_went_is_written),
        cmocka_unit_test_setup_teardown(in_accurate_timing_a_reply_takes_its_time, setup_accurate,
                                        teardown),
        cmocka_unit_test_setup_teardown(in_accurate_timing_requests_wait_for_another,
                                        setup_accurate, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
