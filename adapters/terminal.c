#include "adapters/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "emu/board.h"
#include "emu/device.h"
#include "emu/fdio.h"
#include "emu/util.h"

#define PTS_NAME_MAX 64
#define LINGER_MS    100   /* for who reads to read the last words */
#define DRAIN_MAX    65536 /* bytes, at once and in all, of what came while a port was closed */

struct terminal {
    struct terminals *terminals;
    struct loop_fd source; /* @fd -1: not open yet */
    int out_fd;
    int slave_fd; /* of a pty: held, or its reader would be told that the line is dead. -1: none */
    bool is_watched;
    bool was_closed; /* by the script */
};

struct terminals {
    struct device *device;
    const struct board *board;
    struct lines lines;
    struct terminal ports[UART_PORTS];
};

static struct terminal *at(void *ctx, int port)
{
    return &((struct terminals *)ctx)->ports[port];
}

static void on_ready(struct loop_fd *source, uint32_t events)
{
    struct terminal *terminal = container_of(source, struct terminal, source);
    unsigned posted = 0;

    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        posted |= UART_EVENT_READABLE;
    if (events & EPOLLOUT)
        posted |= UART_EVENT_WRITABLE;
    uart_post(&terminal->terminals->device->uart, (int)(terminal - terminal->terminals->ports),
              posted);
}

/* What can't be watched, a file or /dev/null, is always ready. */
static int watch(struct terminal *terminal, uint32_t events)
{
    int rc = loop_add(&terminal->terminals->device->loop, &terminal->source, events);

    terminal->is_watched = rc == 0;
    return rc == -EPERM ? 0 : rc;
}

static void shut(struct terminal *terminal)
{
    if (terminal->is_watched)
        loop_remove(&terminal->terminals->device->loop, &terminal->source);
    if (terminal->slave_fd >= 0) {
        fd_linger(terminal->slave_fd, LINGER_MS); /* the kernel drops what is unread at the end */
        close(terminal->slave_fd);
    }
    if (terminal->source.fd > STDERR_FILENO)
        close(terminal->source.fd);
    terminal->source.fd = terminal->slave_fd = terminal->out_fd = -1;
    terminal->is_watched = false;
}

/* ---- pseudo-terminals --------------------------------------------------------------------------- */

static int make_raw(int fd)
{
    struct termios settings;

    if (tcgetattr(fd, &settings) < 0)
        return -errno;
    cfmakeraw(&settings);
    return tcsetattr(fd, TCSANOW, &settings) < 0 ? -errno : 0;
}

static int open_slave(int fd, char name[PTS_NAME_MAX])
{
    int slave, rc;

    if (grantpt(fd) < 0 || unlockpt(fd) < 0 || ptsname_r(fd, name, PTS_NAME_MAX) != 0)
        return -errno;
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return -errno;
    rc = make_raw(slave);
    if (rc < 0)
        close(slave);
    return rc < 0 ? rc : slave;
}

static int open_pty(struct terminal *terminal, int port)
{
    struct device *device = terminal->terminals->device;
    char name[PTS_NAME_MAX];
    int rc;

    terminal->source.fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (terminal->source.fd < 0)
        return -errno;
    terminal->out_fd = terminal->source.fd;
    rc = terminal->slave_fd = open_slave(terminal->source.fd, name);
    if (rc >= 0)
        rc = watch(terminal, EPOLLIN | EPOLLOUT);
    if (rc < 0) {
        shut(terminal);
        return rc;
    }
    log_say(&device->log, "uart %s is %s", uart_port_name(port), name);
    trace_emit(&device->trace, "uart.open", "{s:s, s:s}", "uart", uart_port_name(port), "path",
               name);
    return 0;
}

/* ---- terminals and pipes of the host's ---------------------------------------------------------- */

static bool is_terminal_or_pipe(int fd)
{
    struct stat st;

    return isatty(fd) || (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode));
}

static int open_path(struct terminal *terminal, const char *path)
{
    int rc;

    terminal->source.fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (terminal->source.fd < 0)
        return -errno;
    terminal->out_fd = terminal->source.fd;
    rc = is_terminal_or_pipe(terminal->source.fd) ? watch(terminal, EPOLLIN | EPOLLOUT) : -ENOTTY;
    if (rc < 0)
        shut(terminal);
    return rc;
}

static speed_t speed_of(unsigned baud)
{
    static const struct {
        unsigned baud;
        speed_t speed;
    } speeds[] = {
        { 1200, B1200 },       { 2400, B2400 },     { 4800, B4800 },     { 9600, B9600 },
        { 19200, B19200 },     { 38400, B38400 },   { 57600, B57600 },   { 115200, B115200 },
        { 230400, B230400 },   { 460800, B460800 }, { 921600, B921600 }, { 1000000, B1000000 },
        { 2000000, B2000000 },
    };

    for (int i = 0; i < ARRAY_LEN(speeds); i++) {
        if (speeds[i].baud == baud)
            return speeds[i].speed;
    }
    return B0;
}

/* A terminal that does not know such a speed keeps its own. */
static void set_format(int fd, const struct uart_format *format)
{
    speed_t speed = speed_of(format->baud);
    struct termios settings;

    if (tcgetattr(fd, &settings) < 0)
        return;
    cfmakeraw(&settings);
    settings.c_cflag &= ~(tcflag_t)(CSIZE | CSTOPB | PARENB | PARODD);
    settings.c_cflag |= CLOCAL | CREAD | (format->data_bits == 7 ? CS7 : CS8);
    settings.c_cflag |= format->stop_bits > 1 ? CSTOPB : 0;
    settings.c_cflag |= format->parity == UART_PARITY_NONE  ? 0
                        : format->parity == UART_PARITY_ODD ? PARENB | PARODD
                                                            : PARENB;
    if (speed != B0) {
        (void)cfsetispeed(&settings, speed);
        (void)cfsetospeed(&settings, speed);
    }
    (void)tcsetattr(fd, TCSANOW, &settings);
}

/* ---- the interface ------------------------------------------------------------------------------ */

static ssize_t line_read(void *ctx, int port, void *data, size_t cap)
{
    struct terminal *terminal = at(ctx, port);
    int waiting = 0;
    ssize_t n;

    /*
     * The standard input is shared with who started us, and so is O_NONBLOCK: it stays as it is, and
     * nothing is read that is not there.
     */
    if (terminal->source.fd == STDIN_FILENO && terminal->is_watched) {
        if (!fd_is_readable(STDIN_FILENO))
            return -EAGAIN;
        if (ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting > 0 && (size_t)waiting < cap)
            cap = (size_t)waiting;
    }
    n = read(terminal->source.fd, data, cap);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
}

static int line_open(void *ctx, int port, const struct uart_format *format)
{
    struct terminals *terminals = ctx;
    struct terminal *terminal = at(ctx, port);
    uint8_t dropped[1024];
    size_t total = 0;
    ssize_t n;

    switch (terminals->board->uarts[port].wiring) {
    case WIRING_PTY:
        if (terminal->source.fd < 0)
            return open_pty(terminal, port);
        break;
    case WIRING_STDIO:
        break;
    case WIRING_PATH:
        set_format(terminal->source.fd, format);
        break;
    case WIRING_OFF:
        return -ENODEV;
    }
    while (terminal->was_closed && total < DRAIN_MAX &&
           (n = line_read(ctx, port, dropped, sizeof(dropped))) > 0)
        total += (size_t)n;
    terminal->was_closed = false;
    return 0;
}

static ssize_t line_write(void *ctx, int port, const void *data, size_t len)
{
    const struct terminal *terminal = at(ctx, port);
    ssize_t n;

    if (terminal->out_fd == STDOUT_FILENO)
        return fd_write_all(STDOUT_FILENO, data, len) ? (ssize_t)len : -errno;
    n = write(terminal->out_fd, data, len);
    if (n >= 0)
        return n;
    return errno == EINTR ? -EAGAIN : -errno;
}

static void line_close(void *ctx, int port)
{
    at(ctx, port)->was_closed = true;
}

/* ---- life --------------------------------------------------------------------------------------- */

static int open_port(struct terminals *terminals, int port, char why[TERMINALS_WHY_MAX])
{
    const struct board_uart *uart = &terminals->board->uarts[port];
    struct terminal *terminal = &terminals->ports[port];
    const char *what = uart->wiring == WIRING_STDIO ? "the standard input" : uart->path;
    int rc = 0;

    if (uart->wiring == WIRING_STDIO) {
        terminal->source.fd = STDIN_FILENO;
        terminal->out_fd = STDOUT_FILENO;
        rc = watch(terminal, EPOLLIN);
    } else if (uart->wiring == WIRING_PATH) {
        rc = open_path(terminal, uart->path);
    }
    if (rc < 0) {
        (void)snprintf(why, TERMINALS_WHY_MAX, "--uart %s: %s: %s", uart_port_name(port), what,
                       rc == -ENOTTY ? "it is neither a terminal nor a pipe" : strerror(-rc));
    }
    return rc;
}

int terminals_open(struct terminals **out, struct device *device, const struct board *board,
                   char why[TERMINALS_WHY_MAX])
{
    struct terminals *terminals = xcalloc(1, sizeof(*terminals));
    int rc = 0;

    *terminals = (struct terminals){ .device = device,
                                     .board = board,
                                     .lines = { .open = line_open,
                                                .read = line_read,
                                                .write = line_write,
                                                .close = line_close,
                                                .ctx = terminals } };
    for (int port = 0; port < UART_PORTS; port++) {
        terminals->ports[port] = (struct terminal){ .terminals = terminals,
                                                    .source = { .fd = -1, .ready = on_ready },
                                                    .out_fd = -1,
                                                    .slave_fd = -1 };
    }
    for (int port = 0; port < UART_PORTS && rc == 0; port++)
        rc = open_port(terminals, port, why);
    if (rc < 0) {
        terminals_close(terminals);
        return rc;
    }
    device->uart.lines = &terminals->lines;
    *out = terminals;
    return 0;
}

void terminals_close(struct terminals *terminals)
{
    for (int port = 0; port < UART_PORTS; port++)
        shut(&terminals->ports[port]);
    terminals->device->uart.lines = NULL;
    free(terminals);
}
