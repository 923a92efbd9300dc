#include "emu/mobile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/fake_device.h"
#include "emu/msgq.h"
#include "emu/util.h"

#include <cmocka.h>

#define GP 1 /* number */

struct bench {
    struct fake_device *fake;
    struct fake_adapter *gp;
    struct board board;
};

static int setup(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));
    void *fake = NULL;

    if (fake_device_setup(&fake) < 0)
        return -1;
    bench->fake = fake;
    board_init(&bench->board);
    bench->gp = fake_adapter_new();
    net_register(&bench->fake->device.net, &bench->gp->base, ADAPTER_GP);
    bench->fake->device.board = &bench->board;
    mobile_init(&bench->fake->device.mobile, &bench->fake->device);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    void *fake = bench->fake;
    int rc = fake_device_teardown(&fake);

    free(bench);
    return rc;
}

static struct mobile *mobile_of(struct bench *bench)
{
    return &bench->fake->device.mobile;
}

/* The next topic is this one, with this text (NULL: none) or number. */
static void expect(struct bench *bench, const char *name, const char *text)
{
    struct msg msg;

    assert_true(msgq_take(&bench->fake->device.msgs, &msg));
    assert_int_equal(msg.kind, MSG_KIND_TOPIC);
    assert_string_equal(msg.as.topic->name, name);
    if (text)
        assert_string_equal(msg.as.topic->args[0].text, text);
}

static void expect_nothing(struct bench *bench)
{
    struct msg msg;

    assert_false(msgq_take(&bench->fake->device.msgs, &msg));
}

static void begun(struct bench *bench)
{
    mobile_begin(mobile_of(bench));
    expect(bench, "SIM_IND", "RDY");
}

static void it_is_registered_from_the_start(void **state)
{
    struct bench *bench = *state;

    begun(bench);
    fake_deliver(bench->fake);
    expect_nothing(bench);
    assert_true(mobile_is_served(mobile_of(bench)));
    assert_int_equal(timers_next_us(&bench->fake->device.timers), UINT64_MAX);
}

static void without_a_sim_there_is_no_network(void **state)
{
    struct bench *bench = *state;

    bench->board.facts.iccid[0] = '\0';
    mobile_begin(mobile_of(bench));
    expect(bench, "SIM_IND", "NORDY");
    fake_deliver(bench->fake);
    expect_nothing(bench);
    assert_false(bench->gp->base.is_ready);
    mobile_fly(mobile_of(bench), true);
    mobile_fly(mobile_of(bench), false);
    fake_pass_ms(bench->fake, MOBILE_ATTACH_MS);
    expect(bench, "SIM_IND", "NORDY");
    expect_nothing(bench);
    assert_false(mobile_is_served(mobile_of(bench)));
}

static void flight_mode_takes_the_link_down_and_brings_it_up(void **state)
{
    struct bench *bench = *state;

    begun(bench);
    mobile_fly(mobile_of(bench), true);
    mobile_fly(mobile_of(bench), true);
    fake_deliver(bench->fake);
    expect(bench, "IP_LOSE", NULL);
    expect_nothing(bench);
    assert_int_equal(mobile_of(bench)->state, MOBILE_STATE_UNREGISTERED);
    mobile_fly(mobile_of(bench), false);
    expect(bench, "SIM_IND", "RDY");
    assert_int_equal(mobile_of(bench)->state, MOBILE_STATE_SEARCHING);
    fake_pass_ms(bench->fake, MOBILE_ATTACH_MS - 1);
    expect_nothing(bench);
    fake_pass_ms(bench->fake, 1);
    expect(bench, "NTP_UPDATE", NULL);
    expect(bench, "IP_READY", NULL);
    assert_int_equal(mobile_of(bench)->state, MOBILE_STATE_REGISTERED);
}

static void flight_mode_ends_the_search(void **state)
{
    struct bench *bench = *state;

    begun(bench);
    mobile_reset(mobile_of(bench));
    mobile_fly(mobile_of(bench), true);
    mobile_reset(mobile_of(bench));
    fake_pass_ms(bench->fake, 2 * MOBILE_ATTACH_MS);
    expect(bench, "IP_LOSE", NULL);
    expect(bench, "SIM_IND", "RDY"); /* of the first reset */
    expect_nothing(bench);
    assert_int_equal(mobile_of(bench)->state, MOBILE_STATE_UNREGISTERED);
    assert_false(bench->gp->base.is_ready);
}

static void a_new_apn_is_used_from_registering_on(void **state)
{
    struct bench *bench = *state;

    begun(bench);
    memcpy(mobile_of(bench)->next_apn, "private", sizeof("private"));
    assert_string_equal(mobile_of(bench)->apn, "cmnet");
    mobile_reset(mobile_of(bench));
    fake_pass_ms(bench->fake, MOBILE_ATTACH_MS);
    assert_string_equal(mobile_of(bench)->apn, "private");
}

static void cells_are_told_when_they_are_asked_for(void **state)
{
    struct bench *bench = *state;

    begun(bench);
    mobile_request_cells(mobile_of(bench));
    assert_false(mobile_of(bench)->has_cells);
    fake_pass_ms(bench->fake, MOBILE_CELLS_MS);
    expect(bench, "CELL_INFO_UPDATE", NULL);
    fake_pass_ms(bench->fake, 10 * MOBILE_CELLS_MS);
    expect_nothing(bench);
    mobile_watch_cells(mobile_of(bench), 7000);
    for (int i = 0; i < 3; i++) {
        fake_pass_ms(bench->fake, 7000);
        expect(bench, "CELL_INFO_UPDATE", NULL);
    }
    mobile_watch_cells(mobile_of(bench), 0);
    fake_pass_ms(bench->fake, 70000);
    expect_nothing(bench);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_is_registered_from_the_start),
        TEST(without_a_sim_there_is_no_network),
        TEST(flight_mode_takes_the_link_down_and_brings_it_up),
        TEST(flight_mode_ends_the_search),
        TEST(a_new_apn_is_used_from_registering_on),
        TEST(cells_are_told_when_they_are_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
