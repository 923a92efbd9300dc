#include "emu/uart.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/fake_device.h"

#include <cmocka.h>

#define PORT     1
#define RX_CAP   8
#define SOMEBODY 1 /* told */
#define OUT_CAP  16
#define PIN_485  10

/* A line with @in to be read, and room for @room bytes. */
struct fake_line {
    const char *in;
    char out[OUT_CAP];
    size_t out_len, room;
    bool has_end; /* after @in */
    int open_rc;
};

static int fake_open(void *ctx, int port, const struct uart_format *format)
{
    assert_int_equal(port, PORT);
    assert_true(format->baud > 0);
    return ((struct fake_line *)ctx)->open_rc;
}

static ssize_t fake_read(void *ctx, int port, void *data, size_t cap)
{
    struct fake_line *line = ctx;
    size_t len = strnlen(line->in, cap);

    (void)port;
    if (!len)
        return line->has_end ? 0 : -EAGAIN;
    memcpy(data, line->in, len);
    line->in += len;
    return (ssize_t)len;
}

static ssize_t fake_write(void *ctx, int port, const void *data, size_t len)
{
    struct fake_line *line = ctx;

    (void)port;
    if (!line->room)
        return -EAGAIN;
    len = len < line->room ? len : line->room;
    line->room -= len;
    if (line->out_len + len <= OUT_CAP)
        memcpy(line->out + line->out_len, data, len);
    line->out_len += len;
    return (ssize_t)len;
}

static void fake_close(void *ctx, int port)
{
    (void)ctx;
    (void)port;
}

/* A port that is open on @line, and somebody who is told. */
static struct uart *opened(struct fake_device *fake, struct fake_line *line, struct lines *lines)
{
    struct uart *uart = &fake->device.uart;
    const struct uart_setup setup = { .format = { .baud = 9600, .data_bits = 8, .stop_bits = 1 },
                                      .rx_cap = RX_CAP,
                                      .turn = { .pin = PIN_485 } };

    *lines = (struct lines){
        .open = fake_open, .read = fake_read, .write = fake_write, .close = fake_close, .ctx = line
    };
    uart->lines = lines;
    assert_int_equal(uart_open(uart, PORT, &setup), 0);
    uart->ports[PORT].receive_ref = uart->ports[PORT].sent_ref = SOMEBODY;
    return uart;
}

/* What the next message tells: 0 or UART_SENT; 1: there is none. */
static int next_told(struct fake_device *fake)
{
    struct msg msg;

    if (!msgq_take(&fake->device.msgs, &msg))
        return 1;
    assert_int_equal(msg.kind, MSG_KIND_UART);
    assert_int_equal(msg.as.uart.port, PORT);
    return msg.as.uart.what;
}

static void assert_read(struct uart *uart, const char *wanted)
{
    char data[RX_CAP * 2];
    size_t len = uart_read(uart, PORT, data, sizeof(data));

    assert_int_equal(len, strlen(wanted));
    assert_memory_equal(data, wanted, len);
}

static void what_comes_is_told_once_until_it_is_heard(void **state)
{
    struct fake_device *fake = *state;
    struct fake_line line = { .in = "abc" };
    struct lines lines;
    struct uart *uart = opened(fake, &line, &lines);

    uart_deliver(uart);
    line.in = "de";
    uart_post(uart, PORT, UART_EVENT_READABLE);
    assert_true(uart_has_events(uart));
    uart_deliver(uart);
    assert_int_equal(next_told(fake), 0);
    assert_int_equal(next_told(fake), 1);
    assert_int_equal(uart_rx_len(uart, PORT), 5);
    assert_read(uart, "abcde");
    uart->ports[PORT].is_told = false;
    line.in = "f";
    uart_post(uart, PORT, UART_EVENT_READABLE);
    uart_deliver(uart);
    assert_int_equal(next_told(fake), 0);
}

static void what_finds_no_room_waits_outside(void **state)
{
    struct fake_device *fake = *state;
    struct fake_line line = { .in = "0123456789abcdef" };
    struct lines lines;
    struct uart *uart = opened(fake, &line, &lines);

    uart_deliver(uart);
    assert_int_equal(uart_rx_len(uart, PORT), RX_CAP);
    assert_string_equal(line.in, "89abcdef");
    assert_read(uart, "01234567");
    assert_read(uart, "89abcdef");
    assert_read(uart, "");
}

static void a_script_that_does_not_read_is_warned_once(void **state)
{
    struct fake_device *fake = *state;
    struct fake_line line = { .in = "0123456789abcdef0123456789abcdef" };
    struct lines lines;
    struct uart *uart = opened(fake, &line, &lines);

    uart_deliver(uart);
    fake_pass_ms(fake, 900);
    assert_false(fake_traced(fake, "are full"));
    fake_pass_ms(fake, 200);
    assert_true(fake_traced(fake, "uart 1: the 8 bytes of its queue are full"));
    assert_read(uart, "01234567");
    fake_pass_ms(fake, 5000);
    assert_int_equal(fake->device.log.warned[0].count, 1);
}

static void clearing_forgets_what_was_not_read(void **state)
{
    struct fake_device *fake = *state;
    struct fake_line line = { .in = "abc" };
    struct lines lines;
    struct uart *uart = opened(fake, &line, &lines);

    uart_deliver(uart);
    uart_rx_clear(uart, PORT);
    assert_read(uart, "");
}

static void sent_is_told_when_a_line_would_be_done(void **state)
{
    struct fake_device *fake = *state;
    struct fake_line line = { .in = "", .room = OUT_CAP };
    struct lines lines;
    struct uart *uart = opened(fake, &line, &lines);

    uart_write(uart, PORT, "hello", 5); /* 50 bits at 9600 baud: 5.2 ms */
    uart_write(uart, PORT, "!", 1);
    assert_memory_equal(line.out, "hello!", 6);
    fake_pass_ms(fake, 6);
    assert_int_equal(next_told(fake), 1);
    fake_pass_ms(fake, 1);
    assert_int_equal(next_told(fake), UART_SENT);
    assert_int_equal(next_told(fake), 1);
}

static void a_transceiver_is_turned_around_while_sending(void **state)
{
    struct fake_device *fake = *state;
    struct fake_line line = { .in = "", .room = OUT_CAP };
    struct lines lines;
    struct uart *uart = opened(fake, &line, &lines);

    assert_false(gpio_level(&fake->device.gpio, PIN_485));
    uart_write(uart, PORT, "x", 1);
    assert_true(gpio_level(&fake->device.gpio, PIN_485));
    fake_pass_ms(fake, 2);
    assert_false(gpio_level(&fake->device.gpio, PIN_485));
}

static void what_the_line_does_not_take_is_sent_later_in_order(void **state)
{
    struct fake_device *fake = *state;
    struct fake_line line = { .in = "", .room = 2 };
    struct lines lines;
    struct uart *uart = opened(fake, &line, &lines);

    uart_write(uart, PORT, "abc", 3);
    line.room = 1; /* it is not asked before it says so */
    uart_write(uart, PORT, "de", 2);
    assert_int_equal(line.out_len, 2);
    line.room = OUT_CAP;
    uart_post(uart, PORT, UART_EVENT_WRITABLE);
    uart_deliver(uart);
    assert_memory_equal(line.out, "abcde", 5);
}

static void what_nobody_takes_is_bounded(void **state)
{
    struct fake_device *fake = *state;
    struct fake_line line = { .in = "" };
    struct lines lines;
    struct uart *uart = opened(fake, &line, &lines);
    const char data[1000] = { 0 };

    for (int i = 0; i < 100; i++)
        uart_write(uart, PORT, data, sizeof(data));
    assert_int_equal(uart->ports[PORT].tx.len, UART_TX_MAX);
    assert_true(fake_traced(fake, "uart 1: nobody reads what the script sends"));
    assert_int_equal(fake->device.log.warned[0].count, 1);
}

static void nothing_is_wired_to_a_port_without_lines(void **state)
{
    struct fake_device *fake = *state;
    struct fake_line line = { .in = "" };
    struct lines lines;
    struct uart *uart = opened(fake, &line, &lines);
    const struct uart_setup setup = { .format = { .baud = 9600, .data_bits = 8, .stop_bits = 1 },
                                      .rx_cap = RX_CAP,
                                      .turn = { .pin = -1 } };

    uart_close(uart, PORT);
    uart->lines = NULL;
    assert_int_equal(uart_open(uart, PORT, &setup), 0);
    uart_deliver(uart);
    uart_write(uart, PORT, "abc", 3);
    assert_read(uart, "");
    assert_int_equal(uart_active(uart), 0);
    fake_pass_ms(fake, 10);
    assert_int_equal(next_told(fake), UART_SENT);
}

static void a_port_counts_while_something_can_come_and_be_told(void **state)
{
    struct fake_device *fake = *state;
    struct fake_line line = { .in = "abc" };
    struct lines lines;
    struct uart *uart = opened(fake, &line, &lines);

    uart_deliver(uart);
    assert_int_equal(uart_active(uart), 1);
    uart->ports[PORT].receive_ref = 0;
    assert_int_equal(uart_active(uart), 0);
    uart->ports[PORT].receive_ref = SOMEBODY;
    line.has_end = true;
    uart_post(uart, PORT, UART_EVENT_READABLE);
    uart_deliver(uart);
    assert_int_equal(uart_active(uart), 0);
}

static void a_line_that_cannot_be_had_is_an_error(void **state)
{
    struct fake_device *fake = *state;
    struct fake_line line = { .in = "" };
    struct lines lines;
    struct uart *uart = opened(fake, &line, &lines);
    const struct uart_setup setup = { .format = { .baud = 9600 }, .rx_cap = 1 };

    uart_close(uart, PORT);
    line.open_rc = -EMFILE;
    assert_int_equal(uart_open(uart, PORT, &setup), -EMFILE);
    assert_false(uart->ports[PORT].is_open);
}

/* The line went with the test's stack. */
static int teardown(void **state)
{
    ((struct fake_device *)*state)->device.uart.lines = NULL;
    return fake_device_teardown(state);
}

#define ON_DEVICE(test) cmocka_unit_test_setup_teardown(test, fake_device_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DEVICE(what_comes_is_told_once_until_it_is_heard),
        ON_DEVICE(what_finds_no_room_waits_outside),
        ON_DEVICE(a_script_that_does_not_read_is_warned_once),
        ON_DEVICE(clearing_forgets_what_was_not_read),
        ON_DEVICE(sent_is_told_when_a_line_would_be_done),
        ON_DEVICE(a_transceiver_is_turned_around_while_sending),
        ON_DEVICE(what_the_line_does_not_take_is_sent_later_in_order),
        ON_DEVICE(what_nobody_takes_is_bounded),
        ON_DEVICE(nothing_is_wired_to_a_port_without_lines),
        ON_DEVICE(a_port_counts_while_something_can_come_and_be_told),
        ON_DEVICE(a_line_that_cannot_be_had_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
