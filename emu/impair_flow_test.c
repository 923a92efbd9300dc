#include "emu/impair_flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct bench {
    struct impair_flows flows;
    struct endpoint device, peer;
    struct impair_segment segment;
};

static void setup(struct bench *bench)
{
    *bench = (struct bench){ .device.port = 50000, .peer.port = 80 };
    impair_flows_init(&bench->flows);
    endpoint_set_v4(&bench->device, 10, 0, 0, 2);
    endpoint_set_v4(&bench->peer, 10, 0, 0, 1);
    bench->segment = (struct impair_segment){ .device = &bench->device, .peer = &bench->peer };
}

static uint64_t place(struct bench *bench, uint32_t sequence, bool is_syn)
{
    bench->segment.sequence = sequence;
    bench->segment.is_syn = is_syn;
    return impair_flows_place(&bench->flows, &bench->segment);
}

static void bytes_are_counted_from_the_syn(void **state)
{
    struct bench bench;

    (void)state;
    setup(&bench);
    assert_true(place(&bench, 999, true) == 0);
    assert_true(place(&bench, 1000, false) == 0);
    assert_true(place(&bench, 2400, false) == 1400);
    assert_true(place(&bench, 1000, false) == 0); /* once more */
    assert_true(place(&bench, 3800, false) == 2800);
    assert_true(place(&bench, 999, false) == 0); /* a keepalive of old */
    bench.segment.direction = IMPAIR_DIRECTION_DOWN;
    assert_true(place(&bench, 77, true) == 0);
    assert_true(place(&bench, 178, false) == 100);
    assert_true(place(&bench, 5, true) == 0); /* another connection from the same port */
    assert_true(place(&bench, 7, false) == 1);
    impair_flows_fini(&bench.flows);
}

static void numbers_wrap(void **state)
{
    struct bench bench;
    uint32_t sequence = UINT32_MAX - 1;

    (void)state;
    setup(&bench);
    assert_true(place(&bench, sequence, true) == 0);
    for (uint64_t at = 0; at < UINT64_C(10) << 30; at += 1 << 30)
        assert_true(place(&bench, sequence + 1 + (uint32_t)at, false) == at);
    impair_flows_fini(&bench.flows);
}

static void what_was_silent_for_longest_is_forgotten(void **state)
{
    struct bench bench;

    (void)state;
    setup(&bench);
    for (uint16_t i = 0; i < IMPAIR_FLOWS_MAX; i++) {
        bench.device.port = (uint16_t)(1000 + i);
        assert_true(place(&bench, 0, false) == 0);
    }
    bench.device.port = 1000;
    assert_true(place(&bench, 5, false) == 5);
    bench.device.port = 999; /* takes the place of 1001 */
    assert_true(place(&bench, 0, false) == 0);
    bench.device.port = 1000;
    assert_true(place(&bench, 6, false) == 6);
    bench.device.port = 1001;
    assert_true(place(&bench, 6, false) == 0);
    impair_flows_fini(&bench.flows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_counted_from_the_syn),
        cmocka_unit_test(numbers_wrap),
        cmocka_unit_test(what_was_silent_for_longest_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
