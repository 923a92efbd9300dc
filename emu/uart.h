/*
 * uart: a module's serial ports.
 *
 * What comes in waits in a queue of the size that the script asked for; what finds no room there
 * waits outside, where a module would lose it. What goes out is sent at once, and counts as sent
 * when a line of that speed would be done with it; what nobody takes is dropped in the end, as on a
 * line that nobody listens to.
 *
 * The script is told by MSG_KIND_UART, of any number of arrivals once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/buf.h"
#include "emu/lines.h"
#include "emu/timer.h"

#define UART_RX_MAX 65536
#define UART_TX_MAX 65536
#define UART_SENT   (-1) /* in a message: not that something came, but that all was sent */

struct gpio;
struct log;
struct msgq;
struct trace;
struct uart;
struct vclock;

enum uart_event { UART_EVENT_READABLE = 1, UART_EVENT_WRITABLE = 2 };

/* The pin that turns a transceiver of RS-485 around. */
struct uart_turn {
    int pin;            /* -1: none */
    bool receive_level; /* of the pin, but while something is sent */
};

struct uart_port {
    struct uart *uart;
    bool is_open;
    bool has_more; /* outside, as far as is known */
    bool is_ended; /* nothing will ever come again */
    bool has_news; /* something came that nobody was told of */
    bool is_told;  /* a message about what came is on its way */
    bool warned_rx, warned_tx;
    unsigned events; /* posted, enum uart_event */
    struct uart_format format;
    struct uart_turn turn;
    struct byteq rx, tx;
    size_t rx_cap;
    struct timer sent;         /* due when a line would be done */
    struct timer is_full;      /* due when the script has left a full queue for long */
    int receive_ref, sent_ref; /* luabind's: who is told; 0: nobody */
};

struct uart_config {
    struct timers *timers;
    struct vclock *clock;
    struct msgq *msgs;
    struct log *log;
    struct trace *trace;
    struct gpio *gpio;
};

struct uart {
    struct uart_config config;
    const struct lines *lines; /* NULL: nothing is wired to any port. Not owned */
    unsigned has_line;         /* bits: the ports that the board has */
    struct uart_port ports[UART_PORTS];
};

void uart_init(struct uart *uart, const struct uart_config *config);
void uart_fini(struct uart *uart);

/* "1", "usb": as --uart names them. */
const char *uart_port_name(int port);

/* Does the board have it? */
bool uart_exists(const struct uart *uart, int port);

struct uart_setup {
    struct uart_format format; /* baud is not 0 */
    size_t rx_cap;             /* 1 to UART_RX_MAX */
    struct uart_turn turn;
};

/* 0 or -errno, of the line. An open port is changed. */
int uart_open(struct uart *uart, int port, const struct uart_setup *setup);

/* What was not read is lost. */
void uart_close(struct uart *uart, int port);

/* Bytes that can be read now. */
size_t uart_rx_len(struct uart *uart, int port);

/* Up to @cap of them. */
size_t uart_read(struct uart *uart, int port, void *data, size_t cap);

void uart_rx_clear(struct uart *uart, int port);

/* Send all of it. The port is open. */
void uart_write(struct uart *uart, int port, const void *data, size_t len);

/* Something has happened on the line: @events of enum uart_event. May be called at any time. */
void uart_post(struct uart *uart, int port, unsigned events);

/* Is something posted that has not been delivered? */
bool uart_has_events(const struct uart *uart);

/* Handle what was posted. */
void uart_deliver(struct uart *uart);

/* Number of ports from which the script can still be told something. */
size_t uart_active(const struct uart *uart);
