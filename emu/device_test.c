#include "emu/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "emu/fake_device.h"
#include "emu/fake_script.h"
#include "emu/util.h"

#include <cmocka.h>

#define US_PER_S 1000000

/* Notes when it is called; may report a link that goes. */
struct alarm {
    struct timer timer;
    struct fake_device *fake;
    uint64_t rang_us;
    unsigned rings;
    bool cuts_link;
};

static void ring(struct timer *timer)
{
    struct alarm *alarm = container_of(timer, struct alarm, timer);

    alarm->rings++;
    alarm->rang_us = alarm->fake->device.clock.now_us;
    if (alarm->cuts_link)
        fake_link(alarm->fake->adapter, false);
}

static void set_alarm(struct alarm *alarm, struct fake_device *fake, uint64_t due_us)
{
    *alarm = (struct alarm){ .fake = fake };
    timer_init(&alarm->timer, ring);
    timer_start(&fake->device.timers, &alarm->timer, due_us);
}

static enum device_state turn(struct fake_device *fake)
{
    return device_turn(&fake->device, UINT64_MAX);
}

static void a_device_with_nothing_to_wait_for_is_idle(void **state)
{
    struct fake_device *fake = *state;

    assert_int_equal(turn(fake), DEVICE_STATE_IDLE);
    assert_int_equal(fake->device.clock.now_us, 0);
}

/* In virtual time an open socket alone brings nothing: its peer would need a timer. */
static void a_silent_socket_does_not_keep_a_virtual_device_busy(void **state)
{
    struct fake_device *fake = *state;

    (void)script_online(fake);
    assert_int_equal(net_active(&fake->device.net), 1);
    assert_int_equal(turn(fake), DEVICE_STATE_IDLE);
}

static void a_turn_goes_straight_to_the_next_timer(void **state)
{
    struct fake_device *fake = *state;
    struct alarm day, hour;

    set_alarm(&day, fake, UINT64_C(86400) * US_PER_S);
    set_alarm(&hour, fake, UINT64_C(3600) * US_PER_S);
    assert_int_equal(turn(fake), DEVICE_STATE_BUSY);
    assert_true(hour.rang_us == UINT64_C(3600) * US_PER_S);
    assert_int_equal(day.rings, 0);
    assert_int_equal(turn(fake), DEVICE_STATE_BUSY);
    assert_true(day.rang_us == UINT64_C(86400) * US_PER_S);
    assert_int_equal(turn(fake), DEVICE_STATE_IDLE);
}

/* Not even one that starts itself anew for ever; one in the foreground does, beside it. */
static void a_background_timer_does_not_keep_a_device_busy(void **state)
{
    struct fake_device *fake = *state;
    struct alarm behind = { .fake = fake }, alarm;

    timer_init_background(&behind.timer, ring);
    timer_start(&fake->device.timers, &behind.timer, 1000);
    assert_int_equal(turn(fake), DEVICE_STATE_IDLE);
    assert_int_equal(fake->device.clock.now_us, 0);
    set_alarm(&alarm, fake, 2000);
    assert_int_equal(turn(fake), DEVICE_STATE_BUSY);
    assert_int_equal(behind.rang_us, 1000);
    timer_start(&fake->device.timers, &behind.timer, 3000);
    assert_int_equal(turn(fake), DEVICE_STATE_BUSY);
    assert_int_equal(alarm.rings, 1);
    assert_int_equal(turn(fake), DEVICE_STATE_IDLE);
    timer_stop(&fake->device.timers, &behind.timer);
    assert_int_equal(turn(fake), DEVICE_STATE_IDLE);
}

static void a_turn_goes_no_further_than_it_may(void **state)
{
    struct fake_device *fake = *state;
    struct alarm alarm;

    set_alarm(&alarm, fake, 1000);
    assert_int_equal(device_turn(&fake->device, 400), DEVICE_STATE_BUSY);
    assert_int_equal(fake->device.clock.now_us, 400);
    assert_int_equal(alarm.rings, 0);
    assert_int_equal(device_turn(&fake->device, 400), DEVICE_STATE_BUSY);
    assert_int_equal(fake->device.clock.now_us, 400);
    assert_int_equal(device_turn(&fake->device, 2000), DEVICE_STATE_BUSY);
    assert_int_equal(alarm.rang_us, 1000);
}

static void time_stands_still_while_the_script_has_messages(void **state)
{
    struct fake_device *fake = *state;
    struct alarm alarm;
    struct msg msg;

    set_alarm(&alarm, fake, 1000);
    msgq_post_topic(&fake->device.msgs, "TOPIC", NULL);
    assert_int_equal(turn(fake), DEVICE_STATE_BUSY);
    assert_int_equal(fake->device.clock.now_us, 0);
    assert_int_equal(alarm.rings, 0);
    assert_true(msgq_take(&fake->device.msgs, &msg));
    (void)turn(fake);
    assert_int_equal(alarm.rings, 1);
}

/* In virtual time only advancing makes the script's work take time. */
static void what_was_sent_waits_for_short_handlers_only(void **state)
{
    struct fake_device *fake = *state;
    struct alarm alarm;
    unsigned flushes;

    set_alarm(&alarm, fake, 1000);
    assert_int_equal(turn(fake), DEVICE_STATE_BUSY);
    flushes = fake->adapter->flushes;
    vclock_advance(&fake->device.clock, 5000);
    device_breathe(&fake->device);
    assert_int_equal(fake->adapter->flushes, flushes); /* no message waits: a turn comes now */
    msgq_post_topic(&fake->device.msgs, "TOPIC", NULL);
    device_breathe(&fake->device);
    assert_int_equal(fake->adapter->flushes, flushes + 1);
    (void)turn(fake);
    flushes = fake->adapter->flushes;
    device_breathe(&fake->device);
    assert_int_equal(fake->adapter->flushes, flushes);
}

static void what_is_reported_is_delivered_before_time_goes_on(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_connecting(fake);
    struct alarm alarm;

    set_alarm(&alarm, fake, 1000);
    fake_report(fake->adapter, script_sock(fake, netc), NET_EVENT_CONNECTED, 0);
    assert_int_equal(turn(fake), DEVICE_STATE_BUSY);
    assert_int_equal(fake->device.clock.now_us, 0);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_OK);
}

static void what_a_timer_reports_is_delivered_in_the_same_turn(void **state)
{
    struct fake_device *fake = *state;
    struct netc *netc = script_connecting(fake);
    struct alarm alarm;

    set_alarm(&alarm, fake, 1000);
    alarm.cuts_link = true;
    assert_int_equal(turn(fake), DEVICE_STATE_BUSY);
    script_expect(fake, netc, NETC_REPORT_ON_LINE, NETC_REPORT_FAILED);
    assert_int_equal(fake->device.clock.now_us, 1000);
}

struct door {
    struct loop_fd source;
    struct alarm *alarm;
    unsigned opened, rings_before;
};

static void on_door(struct loop_fd *source, uint32_t events)
{
    struct door *door = container_of(source, struct door, source);

    (void)events;
    door->opened++;
    door->rings_before = door->alarm->rings;
}

static void descriptors_are_served_before_timers(void **state)
{
    struct fake_device *fake = *state;
    struct alarm alarm;
    struct door door = { .source = { eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), on_door },
                         .alarm = &alarm };

    assert_true(door.source.fd >= 0);
    assert_int_equal(loop_add(&fake->device.loop, &door.source, EPOLLIN), 0);
    set_alarm(&alarm, fake, 1000);
    (void)turn(fake);
    assert_int_equal(door.opened, 1);
    assert_int_equal(door.rings_before, 0);
    assert_int_equal(alarm.rings, 1);
    loop_remove(&fake->device.loop, &door.source);
    close(door.source.fd);
}

static void every_turn_begins_by_passing_on_what_was_sent(void **state)
{
    struct fake_device *fake = *state;

    (void)turn(fake);
    (void)turn(fake);
    assert_int_equal(fake->adapter->flushes, 2);
}

static void open_device(struct device *device, uint64_t seed, bool has_seed)
{
    struct device_config config = {
        .time = VCLOCK_MODE_VIRTUAL,
        .seed = seed,
        .has_seed = has_seed,
        .log = { .module_fd = -1, .voice_fd = STDERR_FILENO, .level = LOG_LEVEL_DEBUG },
        .trace_fd = -1,
    };

    limits_init(&config.limits);
    assert_int_equal(device_open(device, &config), 0);
}

static void a_seed_that_was_chosen_can_be_given_again(void **state)
{
    struct device first, again;

    (void)state;
    open_device(&first, 0, false);
    open_device(&again, first.seed, true);
    assert_true(rng_next(&first.rng) == rng_next(&again.rng));
    device_close(&first);
    device_close(&again);
}

static void devices_do_not_share_anything(void **state)
{
    struct device first, second;

    (void)state;
    open_device(&first, 1, true);
    open_device(&second, 1, true);
    msgq_post_topic(&first.msgs, "TOPIC", NULL);
    assert_int_equal(device_turn(&second, 500), DEVICE_STATE_BUSY);
    assert_int_equal(first.clock.now_us, 0);
    assert_int_equal(second.clock.now_us, 500);
    assert_int_equal(second.msgs.count, 0);
    (void)rng_next(&first.rng);
    assert_true(first.rng.state != second.rng.state);
    device_close(&first);
    device_close(&second);
}

#define ON_DEVICE(test) \
    cmocka_unit_test_setup_teardown(test, fake_device_setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DEVICE(a_device_with_nothing_to_wait_for_is_idle),
        ON_DEVICE(a_silent_socket_does_not_keep_a_virtual_device_busy),
        ON_DEVICE(a_turn_goes_straight_to_the_next_timer),
        ON_DEVICE(a_background_timer_does_not_keep_a_device_busy),
        ON_DEVICE(a_turn_goes_no_further_than_it_may),
        ON_DEVICE(time_stands_still_while_the_script_has_messages),
        ON_DEVICE(what_was_sent_waits_for_short_handlers_only),
        ON_DEVICE(what_is_reported_is_delivered_before_time_goes_on),
        ON_DEVICE(what_a_timer_reports_is_delivered_in_the_same_turn),
        ON_DEVICE(descriptors_are_served_before_timers),
        ON_DEVICE(every_turn_begins_by_passing_on_what_was_sent),
        cmocka_unit_test(a_seed_that_was_chosen_can_be_given_again),
        cmocka_unit_test(devices_do_not_share_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
