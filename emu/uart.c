#include "emu/uart.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "emu/gpio.h"
#include "emu/log.h"
#include "emu/msgq.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define US_PER_S     UINT64_C(1000000)
#define FULL_US      US_PER_S /* a script that leaves a full queue for so long has no other plan */
#define READ_NOW_MAX 4096     /* bytes in one piece */
#define START_BIT    1

static const char *const names[] = { "0", "1", "2", "3", "usb" };
static_assert(sizeof(names) / sizeof(names[0]) == UART_PORTS, "a port lacks its name");

const char *uart_port_name(int port)
{
    return names[port];
}

static struct uart_port *port_at(struct uart *uart, int port)
{
    assert(port >= 0);
    assert(port < UART_PORTS);
    return &uart->ports[port];
}

static int index_of(const struct uart_port *port)
{
    return (int)(port - port->uart->ports);
}

static void post(const struct uart_port *port, int what)
{
    const struct msg msg = { .kind = MSG_KIND_UART,
                             .as.uart = { .port = index_of(port), .what = what } };

    msgq_post(port->uart->config.msgs, &msg);
}

static void turn_around(const struct uart_port *port, bool receives)
{
    if (port->turn.pin >= 0)
        gpio_set(port->uart->config.gpio, port->turn.pin, port->turn.receive_level == receives);
}

static void on_sent(struct timer *timer)
{
    struct uart_port *port = container_of(timer, struct uart_port, sent);

    turn_around(port, true);
    post(port, UART_SENT);
}

static void on_full(struct timer *timer)
{
    struct uart_port *port = container_of(timer, struct uart_port, is_full);

    if (port->rx.len < port->rx_cap || !port->has_more)
        return;
    port->warned_rx = true;
    log_warn(port->uart->config.log, "",
             "uart %s: the %zu bytes of its queue are full: a module loses what comes before "
             "the next uart.read",
             names[index_of(port)], port->rx_cap);
}

void uart_init(struct uart *uart, const struct uart_config *config)
{
    *uart = (struct uart){ .config = *config, .has_line = (1U << UART_PORTS) - 1 };
    for (int i = 0; i < UART_PORTS; i++) {
        struct uart_port *port = &uart->ports[i];

        port->uart = uart;
        byteq_init(&port->rx);
        byteq_init(&port->tx);
        timer_init(&port->sent, on_sent);
        timer_init(&port->is_full, on_full);
    }
}

void uart_fini(struct uart *uart)
{
    for (int i = 0; i < UART_PORTS; i++)
        uart_close(uart, i);
}

bool uart_exists(const struct uart *uart, int port)
{
    return port >= 0 && port < UART_PORTS && uart->has_line >> port & 1;
}

/* ---- receiving ---------------------------------------------------------------------------------- */

/* Take in what is outside, as far as there is room. */
static size_t pull(struct uart_port *port)
{
    const struct lines *lines = port->uart->lines;
    size_t before = port->rx.len;

    while (lines && port->has_more && port->rx.len < port->rx_cap) {
        size_t room = port->rx_cap - port->rx.len;
        size_t want = room < READ_NOW_MAX ? room : READ_NOW_MAX;
        ssize_t n = lines->read(lines->ctx, index_of(port), byteq_room(&port->rx, want), want);

        if (n > 0) {
            byteq_grow(&port->rx, (size_t)n);
            continue;
        }
        port->has_more = false;
        port->is_ended = n != -EAGAIN;
    }
    return port->rx.len - before;
}

static void receive(struct uart_port *port)
{
    const struct uart_config *config = &port->uart->config;
    size_t came = pull(port);

    if (port->has_more && !port->warned_rx && !timer_is_running(&port->is_full))
        timer_start(config->timers, &port->is_full, config->clock->now_us + FULL_US);
    if (came) {
        trace_emit(config->trace, "uart.rx", "{s:s, s:i}", "uart", names[index_of(port)], "len",
                   (int)came);
        port->has_news = true;
    }
    if (!port->has_news || !port->receive_ref)
        return;
    port->has_news = false;
    if (port->is_told)
        return;
    port->is_told = true;
    post(port, 0);
}

size_t uart_rx_len(struct uart *uart, int port)
{
    return port_at(uart, port)->rx.len;
}

size_t uart_read(struct uart *uart, int port, void *data, size_t cap)
{
    struct uart_port *it = port_at(uart, port);
    size_t len = it->rx.len < cap ? it->rx.len : cap;

    if (len)
        memcpy(data, byteq_front(&it->rx), len);
    byteq_drop(&it->rx, len);
    if (it->has_more)
        receive(it);
    return len;
}

void uart_rx_clear(struct uart *uart, int port)
{
    struct uart_port *it = port_at(uart, port);

    byteq_fini(&it->rx);
    if (it->has_more)
        receive(it);
}

/* ---- sending ------------------------------------------------------------------------------------ */

/* How long a line of this format takes. */
static uint64_t line_us(const struct uart_format *format, size_t len)
{
    uint64_t bits =
        START_BIT + format->data_bits + format->stop_bits + (format->parity != UART_PARITY_NONE);

    return bits * len * US_PER_S / format->baud;
}

/* Hand on as much as the line takes; without a line, all of it is gone. */
static size_t push(const struct uart_port *port, const void *data, size_t len)
{
    const struct lines *lines = port->uart->lines;
    ssize_t n = lines ? lines->write(lines->ctx, index_of(port), data, len) : (ssize_t)len;

    if (n == -EAGAIN)
        return 0;
    return n < 0 ? len : (size_t)n; /* a line that is broken takes everything, as cut wires do */
}

static void flush(struct uart_port *port)
{
    while (port->tx.len) {
        size_t n = push(port, byteq_front(&port->tx), port->tx.len);

        if (!n)
            return;
        byteq_drop(&port->tx, n);
    }
}

static void queue(struct uart_port *port, const uint8_t *data, size_t len)
{
    size_t room = UART_TX_MAX - port->tx.len;

    byteq_append(&port->tx, data, len < room ? len : room);
    if (len <= room || port->warned_tx)
        return;
    port->warned_tx = true;
    log_warn(port->uart->config.log, "",
             "uart %s: nobody reads what the script sends: what is more than %d bytes is lost",
             names[index_of(port)], UART_TX_MAX);
}

void uart_write(struct uart *uart, int port, const void *data, size_t len)
{
    struct uart_port *it = port_at(uart, port);
    uint64_t from_us;
    size_t sent = 0;

    assert(it->is_open);
    if (!len)
        return;
    vclock_refresh(uart->config.clock); /* the script may have worked for long since the turn */
    from_us = timer_is_running(&it->sent) ? it->sent.due_us : uart->config.clock->now_us;
    turn_around(it, false);
    if (!it->tx.len) {
        size_t n;

        while (sent < len && (n = push(it, (const uint8_t *)data + sent, len - sent)))
            sent += n;
    }
    if (sent < len)
        queue(it, (const uint8_t *)data + sent, len - sent);
    trace_emit(uart->config.trace, "uart.tx", "{s:s, s:i}", "uart", names[port], "len", (int)len);
    timer_start(uart->config.timers, &it->sent, from_us + line_us(&it->format, len));
}

/* ---- life --------------------------------------------------------------------------------------- */

int uart_open(struct uart *uart, int port, const struct uart_setup *setup)
{
    struct uart_port *it = port_at(uart, port);
    int rc;

    assert(setup->format.baud);
    assert(setup->rx_cap);
    assert(setup->rx_cap <= UART_RX_MAX);
    rc = uart->lines ? uart->lines->open(uart->lines->ctx, port, &setup->format) : 0;
    if (rc < 0)
        return rc;
    it->format = setup->format;
    it->turn = setup->turn;
    it->rx_cap = setup->rx_cap;
    if (it->turn.pin >= 0) {
        gpio_setup(uart->config.gpio, it->turn.pin, GPIO_MODE_OUTPUT, GPIO_PULL_DEFAULT,
                   GPIO_EDGE_BOTH);
    }
    turn_around(it, true);
    it->is_open = true;
    it->has_more = uart->lines; /* the line may have been ready before it was watched */
    it->is_ended = !uart->lines;
    uart_post(uart, port, UART_EVENT_READABLE);
    return 0;
}

void uart_close(struct uart *uart, int port)
{
    struct uart_port *it = port_at(uart, port);

    timer_stop(uart->config.timers, &it->sent);
    timer_stop(uart->config.timers, &it->is_full);
    byteq_fini(&it->rx);
    byteq_fini(&it->tx);
    it->has_news = false;
    if (it->is_open && uart->lines)
        uart->lines->close(uart->lines->ctx, port);
    it->is_open = false;
    it->events = 0;
}

void uart_post(struct uart *uart, int port, unsigned events)
{
    struct uart_port *it = port_at(uart, port);

    if (it->is_open)
        it->events |= events;
}

bool uart_has_events(const struct uart *uart)
{
    for (int i = 0; i < UART_PORTS; i++) {
        if (uart->ports[i].events)
            return true;
    }
    return false;
}

void uart_deliver(struct uart *uart)
{
    for (int i = 0; i < UART_PORTS; i++) {
        struct uart_port *port = &uart->ports[i];
        unsigned events = port->events;

        port->events = 0;
        if (events & UART_EVENT_WRITABLE)
            flush(port);
        if (events & UART_EVENT_READABLE) {
            port->has_more = uart->lines && !port->is_ended;
            receive(port);
        }
    }
}

size_t uart_active(const struct uart *uart)
{
    size_t count = 0;

    for (int i = 0; i < UART_PORTS; i++) {
        const struct uart_port *port = &uart->ports[i];

        count += port->is_open && port->receive_ref && !port->is_ended;
    }
    return count;
}
