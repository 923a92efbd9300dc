#include "emu/gpio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/fake_device.h"

#include <cmocka.h>

#define PIN       7
#define SETTLE_US 50000
#define SOMEBODY  1 /* told */

static struct gpio *watched(struct fake_device *fake, enum gpio_edge edge)
{
    struct gpio *gpio = &fake->device.gpio;

    gpio_setup(gpio, PIN, GPIO_MODE_IRQ, GPIO_PULL_DOWN, edge);
    gpio->pins[PIN].target_ref = SOMEBODY;
    return gpio;
}

/* High and low again. */
static void pulse(struct gpio *gpio)
{
    gpio_drive(gpio, PIN, GPIO_DRIVE_HIGH);
    gpio_drive(gpio, PIN, GPIO_DRIVE_LOW);
}

/* The level that the next message tells; -1: there is none. */
static int next_told(struct fake_device *fake)
{
    struct msg msg;

    if (!msgq_take(&fake->device.msgs, &msg))
        return -1;
    assert_int_equal(msg.kind, MSG_KIND_GPIO);
    assert_int_equal(msg.as.gpio.pin, PIN);
    return (int)msg.as.gpio.first;
}

static void an_input_reads_its_pull_until_it_is_driven(void **state)
{
    struct fake_device *fake = *state;
    struct gpio *gpio = &fake->device.gpio;

    gpio_setup(gpio, PIN, GPIO_MODE_INPUT, GPIO_PULL_UP, GPIO_EDGE_BOTH);
    assert_true(gpio_level(gpio, PIN));
    gpio_drive(gpio, PIN, GPIO_DRIVE_LOW);
    assert_false(gpio_level(gpio, PIN));
    gpio_drive(gpio, PIN, GPIO_DRIVE_OPEN);
    assert_true(gpio_level(gpio, PIN));
    gpio_setup(gpio, PIN, GPIO_MODE_INPUT, GPIO_PULL_DOWN, GPIO_EDGE_BOTH);
    assert_false(gpio_level(gpio, PIN));
    assert_int_equal(next_told(fake), -1);
}

static void an_output_is_not_moved_from_outside(void **state)
{
    struct fake_device *fake = *state;
    struct gpio *gpio = &fake->device.gpio;

    gpio_setup(gpio, PIN, GPIO_MODE_OUTPUT, GPIO_PULL_DEFAULT, GPIO_EDGE_BOTH);
    gpio_set(gpio, PIN, true);
    gpio_drive(gpio, PIN, GPIO_DRIVE_LOW);
    assert_true(gpio_level(gpio, PIN));
    assert_true(fake_traced(fake, "\"kind\":\"gpio.set\",\"pin\":7,\"level\":1"));
}

static void only_the_edges_asked_for_are_told(void **state)
{
    static const struct {
        enum gpio_edge edge;
        int told[2];
    } rows[] = {
        { GPIO_EDGE_RISING, { 1, -1 } }, { GPIO_EDGE_FALLING, { 0, -1 } },
        { GPIO_EDGE_BOTH, { 1, 0 } },    { GPIO_EDGE_HIGH, { 1, -1 } },
        { GPIO_EDGE_LOW, { 0, -1 } },
    };
    struct fake_device *fake = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pulse(watched(fake, rows[i].edge));
        assert_int_equal(next_told(fake), rows[i].told[0]);
        assert_int_equal(next_told(fake), rows[i].told[1]);
    }
}

static void what_does_not_change_the_level_is_not_told(void **state)
{
    struct fake_device *fake = *state;
    struct gpio *gpio = watched(fake, GPIO_EDGE_BOTH);

    gpio_drive(gpio, PIN, GPIO_DRIVE_LOW); /* as the pull has it */
    gpio_drive(gpio, PIN, GPIO_DRIVE_OPEN);
    assert_int_equal(next_told(fake), -1);
}

static void a_closed_pin_is_silent(void **state)
{
    struct fake_device *fake = *state;
    struct gpio *gpio = watched(fake, GPIO_EDGE_BOTH);

    gpio_debounce(gpio, PIN, SETTLE_US, GPIO_DEBOUNCE_SETTLE);
    gpio_drive(gpio, PIN, GPIO_DRIVE_HIGH);
    gpio_close(gpio, PIN);
    pulse(gpio);
    fake_pass_ms(fake, 100);
    assert_int_equal(next_told(fake), -1);
}

static void cooling_tells_the_first_change_only(void **state)
{
    struct fake_device *fake = *state;
    struct gpio *gpio = watched(fake, GPIO_EDGE_BOTH);

    fake_pass_ms(fake, 10);
    gpio_debounce(gpio, PIN, SETTLE_US, GPIO_DEBOUNCE_COOL);
    pulse(gpio);
    assert_int_equal(next_told(fake), 1);
    assert_int_equal(next_told(fake), -1);
    fake_pass_ms(fake, 50);
    gpio_drive(gpio, PIN, GPIO_DRIVE_HIGH);
    assert_int_equal(next_told(fake), 1);
}

/* The clock of a run begins at 0. */
static void cooling_begins_with_the_clock(void **state)
{
    struct fake_device *fake = *state;
    struct gpio *gpio = watched(fake, GPIO_EDGE_BOTH);

    assert_int_equal(fake->device.clock.now_us, 0);
    gpio_debounce(gpio, PIN, SETTLE_US, GPIO_DEBOUNCE_COOL);
    pulse(gpio);
    assert_int_equal(next_told(fake), 1);
    assert_int_equal(next_told(fake), -1);
}

static void settling_tells_what_has_stayed(void **state)
{
    struct fake_device *fake = *state;
    struct gpio *gpio = watched(fake, GPIO_EDGE_BOTH);

    gpio_debounce(gpio, PIN, SETTLE_US, GPIO_DEBOUNCE_SETTLE);
    gpio_drive(gpio, PIN, GPIO_DRIVE_HIGH);
    fake_pass_ms(fake, 40);
    pulse(gpio);
    fake_pass_ms(fake, 40); /* 80 since the first change, 40 since the last */
    assert_int_equal(next_told(fake), -1);
    fake_pass_ms(fake, 10);
    assert_int_equal(next_told(fake), 0);
    assert_int_equal(next_told(fake), -1);
}

static void a_bounce_back_is_no_edge(void **state)
{
    struct fake_device *fake = *state;
    struct gpio *gpio = watched(fake, GPIO_EDGE_RISING);

    gpio_debounce(gpio, PIN, SETTLE_US, GPIO_DEBOUNCE_SETTLE);
    pulse(gpio);
    fake_pass_ms(fake, 100);
    assert_int_equal(next_told(fake), -1);
}

static void changes_are_counted_and_the_count_is_taken(void **state)
{
    struct fake_device *fake = *state;
    struct gpio *gpio = &fake->device.gpio;

    gpio_setup(gpio, PIN, GPIO_MODE_COUNT, GPIO_PULL_DOWN, GPIO_EDGE_RISING);
    pulse(gpio);
    pulse(gpio);
    assert_int_equal(gpio_take_count(gpio, PIN), 2);
    assert_int_equal(gpio_take_count(gpio, PIN), 0);
    assert_int_equal(next_told(fake), -1);
}

static void a_capture_tells_how_long_the_level_was_there(void **state)
{
    struct fake_device *fake = *state;
    struct gpio *gpio = &fake->device.gpio;

    gpio_drive(gpio, PIN, GPIO_DRIVE_HIGH);
    gpio_capture(gpio, PIN, true);
    gpio->pins[PIN].target_ref = SOMEBODY;
    gpio_drive(gpio, PIN, GPIO_DRIVE_LOW); /* nobody knows since when it was high */
    assert_int_equal(next_told(fake), -1);
    gpio_drive(gpio, PIN, GPIO_DRIVE_HIGH);
    fake_pass_ms(fake, 3);
    gpio_drive(gpio, PIN, GPIO_DRIVE_LOW);
    assert_int_equal(next_told(fake), 3000);
}

#define ON_DEVICE(test) \
    cmocka_unit_test_setup_teardown(test, fake_device_setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DEVICE(an_input_reads_its_pull_until_it_is_driven),
        ON_DEVICE(an_output_is_not_moved_from_outside),
        ON_DEVICE(only_the_edges_asked_for_are_told),
        ON_DEVICE(what_does_not_change_the_level_is_not_told),
        ON_DEVICE(a_closed_pin_is_silent),
        ON_DEVICE(cooling_tells_the_first_change_only),
        ON_DEVICE(cooling_begins_with_the_clock),
        ON_DEVICE(settling_tells_what_has_stayed),
        ON_DEVICE(a_bounce_back_is_no_edge),
        ON_DEVICE(changes_are_counted_and_the_count_is_taken),
        ON_DEVICE(a_capture_tells_how_long_the_level_was_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
