/*
 * lines: what a module's serial ports are wired to: terminals of the host's.
 *
 * main.c puts adapters/terminal.c behind it. Ports are indexes: 0 to UART_PORTS - 1, the last of
 * them the virtual one of USB. No call blocks or calls back; when bytes have come, or there is room
 * again, the other side says so with uart_post(). Results are 0 or more, or -errno.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define UART_PORTS   5 /* 0 to 3, and the virtual one of USB */
#define UART_VIRTUAL (UART_PORTS - 1)

enum uart_parity { UART_PARITY_NONE, UART_PARITY_ODD, UART_PARITY_EVEN };

struct uart_format {
    unsigned baud, data_bits, stop_bits; /* one and a half stop bits are two */
    enum uart_parity parity;
};

struct lines {
    /*
     * Begin to listen. A line that has been closed since loses what came meanwhile, as a port does
     * that is off; one that is open only gets the format.
     */
    int (*open)(void *ctx, int port, const struct uart_format *format);

    /* -EAGAIN: nothing there. 0: nothing will ever come again. */
    ssize_t (*read)(void *ctx, int port, void *data, size_t cap);

    /* As much as there is room for; -EAGAIN: for nothing. */
    ssize_t (*write)(void *ctx, int port, const void *data, size_t len);

    void (*close)(void *ctx, int port);

    void *ctx;
};
