/*
 * vspi.h: a client of luatos-emu's W5500 port, VSPI/1 (vspi.md), for drivers under test.
 *
 *     struct vspi chip;
 *
 *     if (vspi_open(&chip, "/tmp/spi") < 0) ...
 *     vspi_reset(&chip);
 *     vspi_read(&chip, 0, 0x0039, &version, 1);
 *     vspi_close(&chip);
 *
 * One header, C99 or C++, POSIX; where the compiler is strict (-std=c99), include it before
 * others or define _POSIX_C_SOURCE.
 * Calls block until the chip has answered. They return 0 or -errno: -ECONNRESET: the emulator has
 * gone. Not for several threads at once.
 */
#ifndef VSPI_H
#define VSPI_H

#if !defined(_POSIX_C_SOURCE) && !defined(_GNU_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define VSPI_HEADER_LEN 8
#define VSPI_LEN_MAX    (128 * 1024)
#define VSPI_IN_MAX     (VSPI_HEADER_LEN + 4096)
#define VSPI_LOOKS      50
#define VSPI_SMALL_MAX  (VSPI_HEADER_LEN + 4096) /* of a message that is sent by one call */

/* op */
#define VSPI_XFER   0x01
#define VSPI_PIN    0x02
#define VSPI_PINS   0x03
#define VSPI_CLOCK  0x04
#define VSPI_HELLO  0x05
#define VSPI_EVENTS 0x06
#define VSPI_EVENT  0x70
#define VSPI_REPLY  0x80

/* flags of vspi_xfer() */
#define VSPI_ASSERT   0x01 /* SCSn goes low before the first byte */
#define VSPI_DEASSERT 0x02 /* and high after the last */
#define VSPI_NOREPLY  0x04 /* posted: there is no MISO, and no waiting */
#define VSPI_FRAME    (VSPI_ASSERT | VSPI_DEASSERT)

/* pins of vspi_set_pin() */
#define VSPI_PIN_RSTN   0
#define VSPI_PIN_PMODE0 1
#define VSPI_PIN_PMODE1 2
#define VSPI_PIN_PMODE2 3
#define VSPI_PIN_CABLE  4 /* 1: plugged */

/* levels */
#define VSPI_INTN    0x01 /* low: the chip interrupts */
#define VSPI_RSTN    0x02
#define VSPI_LINKLED 0x04 /* low: link */
#define VSPI_SCSN    0x08

struct vspi {
    int fd;
    unsigned levels; /* of the last answer */
    int has_event;   /* one came while something else was waited for */
    unsigned event_levels;
    size_t in_pos, in_len; /* of @in, not read yet */
    uint8_t in[VSPI_IN_MAX];
};

/* ---- bytes -------------------------------------------------------------------------------------- */

static inline int vspi_send(struct vspi *chip, const void *data, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)data;

    while (len) {
        ssize_t n = send(chip->fd, bytes, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EPIPE ? -ECONNRESET : -errno;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* @data may be NULL: the bytes are dropped. */
static inline int vspi_receive(struct vspi *chip, void *data, size_t len)
{
    uint8_t *bytes = (uint8_t *)data;

    while (len) {
        size_t part = chip->in_len - chip->in_pos;
        ssize_t n;
        int i;

        if (part) {
            part = part < len ? part : len;
            if (bytes) {
                memcpy(bytes, chip->in + chip->in_pos, part);
                bytes += part;
            }
            chip->in_pos += part;
            len -= part;
            continue;
        }
        /* being woken takes longer than the chip does: look a few times before falling asleep */
        for (i = 0, n = -1; n < 0 && i < VSPI_LOOKS; i++)
            n = recv(chip->fd, chip->in, sizeof(chip->in), MSG_DONTWAIT);
        if (n < 0)
            n = recv(chip->fd, chip->in, sizeof(chip->in), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -ECONNRESET;
        chip->in_pos = 0;
        chip->in_len = (size_t)n;
    }
    return 0;
}

/* ---- messages ----------------------------------------------------------------------------------- */

/* @payload may be NULL: zeros. */
static inline int vspi_ask(struct vspi *chip, unsigned op, unsigned flags, unsigned arg,
                           const void *payload, size_t len)
{
    uint8_t message[VSPI_SMALL_MAX];
    size_t part = len < VSPI_SMALL_MAX - VSPI_HEADER_LEN ? len : VSPI_SMALL_MAX - VSPI_HEADER_LEN;
    int rc;

    if (len > VSPI_LEN_MAX)
        return -EMSGSIZE;
    message[0] = (uint8_t)op;
    message[1] = (uint8_t)flags;
    message[2] = (uint8_t)arg;
    message[3] = (uint8_t)(arg >> 8);
    message[4] = (uint8_t)len;
    message[5] = (uint8_t)(len >> 8);
    message[6] = (uint8_t)(len >> 16);
    message[7] = 0;
    if (part && payload)
        memcpy(message + VSPI_HEADER_LEN, payload, part);
    else
        memset(message + VSPI_HEADER_LEN, 0, part);
    rc = vspi_send(chip, message, VSPI_HEADER_LEN + part);
    if (rc == 0 && part < len && payload)
        rc = vspi_send(chip, (const uint8_t *)payload + part, len - part);
    for (len -= part; rc == 0 && len && !payload; len -= part) {
        part = len < VSPI_SMALL_MAX - VSPI_HEADER_LEN ? len : VSPI_SMALL_MAX - VSPI_HEADER_LEN;
        rc = vspi_send(chip, message + VSPI_HEADER_LEN, part);
    }
    return rc;
}

/* The header of what comes next. */
static inline int vspi_next(struct vspi *chip, unsigned *op, unsigned *status, size_t *len)
{
    uint8_t header[VSPI_HEADER_LEN];
    int rc = vspi_receive(chip, header, sizeof(header));

    if (rc < 0)
        return rc;
    *op = header[0];
    chip->levels = header[1];
    *status = (unsigned)(header[2] | header[3] << 8);
    *len = (size_t)header[4] | (size_t)header[5] << 8 | (size_t)header[6] << 16;
    if (*op == VSPI_EVENT) {
        chip->has_event = 1;
        chip->event_levels = header[1];
    }
    return 0;
}

/* The reply to @op, with at most @len bytes of it in @payload. */
static inline int vspi_answer(struct vspi *chip, unsigned op, void *payload, size_t len)
{
    unsigned got, status;
    size_t got_len, part;
    int rc;

    do {
        rc = vspi_next(chip, &got, &status, &got_len);
        if (rc < 0)
            return rc;
    } while (got == VSPI_EVENT);
    if (got != (op | VSPI_REPLY))
        return -EPROTO;
    part = got_len < len ? got_len : len;
    rc = vspi_receive(chip, payload, part);
    if (rc == 0)
        rc = vspi_receive(chip, NULL, got_len - part);
    return rc < 0 ? rc : -(int)status;
}

static inline int vspi_request(struct vspi *chip, unsigned op, unsigned flags, unsigned arg)
{
    int rc = vspi_ask(chip, op, flags, arg, NULL, 0);

    return rc < 0 ? rc : vspi_answer(chip, op, NULL, 0);
}

/* ---- a connection ------------------------------------------------------------------------------- */

static inline void vspi_close(struct vspi *chip)
{
    (void)close(chip->fd);
    chip->fd = -1;
}

static inline int vspi_open(struct vspi *chip, const char *path)
{
    static const uint8_t hello[8] = { 'V', 'S', 'P', 'I', 1, 0, 0, 0 };
    struct sockaddr_un sa;
    int rc = 0;

    memset(chip, 0, sizeof(*chip));
    memset(&sa, 0, sizeof(sa));
    sa.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(sa.sun_path))
        return -ENAMETOOLONG;
    memcpy(sa.sun_path, path, strlen(path) + 1);
    chip->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (chip->fd < 0)
        return -errno;
    if (connect(chip->fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
        rc = -errno;
    if (rc == 0)
        rc = vspi_ask(chip, VSPI_HELLO, 0, 0, hello, sizeof(hello));
    if (rc == 0)
        rc = vspi_answer(chip, VSPI_HELLO, NULL, 0);
    if (rc < 0)
        vspi_close(chip);
    return rc;
}

/* ---- the bus ------------------------------------------------------------------------------------ */

/* Clock @len bytes; @mosi may be NULL (zeros), and @miso (ignored), or both the same. */
static inline int vspi_xfer(struct vspi *chip, unsigned flags, const void *mosi, void *miso,
                            size_t len)
{
    int rc = vspi_ask(chip, VSPI_XFER, flags, 0, mosi, len);

    if (rc < 0 || (flags & VSPI_NOREPLY))
        return rc;
    return vspi_answer(chip, VSPI_XFER, miso, miso ? len : 0);
}

/* @block: the block select bits; 0: common, 4n+1, 4n+2, 4n+3: socket n's registers, TX and RX buffer. */
static inline int vspi_read(struct vspi *chip, unsigned block, unsigned address, void *data,
                            size_t len)
{
    uint8_t header[3];
    int rc;

    header[0] = (uint8_t)(address >> 8);
    header[1] = (uint8_t)address;
    header[2] = (uint8_t)(block << 3);
    if (len <= 64) { /* by one message */
        uint8_t bytes[3 + 64] = { 0 };

        memcpy(bytes, header, sizeof(header));
        rc = vspi_xfer(chip, VSPI_FRAME, bytes, bytes, sizeof(header) + len);
        if (rc == 0)
            memcpy(data, bytes + sizeof(header), len);
        return rc;
    }
    rc = vspi_xfer(chip, VSPI_ASSERT | VSPI_NOREPLY, header, NULL, sizeof(header));
    return rc < 0 ? rc : vspi_xfer(chip, VSPI_DEASSERT, NULL, data, len);
}

/* Posted: what is read after it sees it. */
static inline int vspi_write(struct vspi *chip, unsigned block, unsigned address, const void *data,
                             size_t len)
{
    uint8_t header[3];
    int rc;

    header[0] = (uint8_t)(address >> 8);
    header[1] = (uint8_t)address;
    header[2] = (uint8_t)(block << 3 | 0x04);
    if (len <= 64) {
        uint8_t bytes[3 + 64];

        memcpy(bytes, header, sizeof(header));
        memcpy(bytes + sizeof(header), data, len);
        return vspi_xfer(chip, VSPI_FRAME | VSPI_NOREPLY, bytes, NULL, sizeof(header) + len);
    }
    rc = vspi_xfer(chip, VSPI_ASSERT | VSPI_NOREPLY, header, NULL, sizeof(header));
    return rc < 0 ? rc : vspi_xfer(chip, VSPI_DEASSERT | VSPI_NOREPLY, data, NULL, len);
}

/* ---- pins --------------------------------------------------------------------------------------- */

static inline int vspi_set_pin(struct vspi *chip, unsigned pin, int level)
{
    return vspi_request(chip, VSPI_PIN, level ? 1 : 0, pin);
}

/* Levels now, or -errno. */
static inline int vspi_pins(struct vspi *chip)
{
    int rc = vspi_request(chip, VSPI_PINS, 0, 0);

    return rc < 0 ? rc : (int)chip->levels;
}

/* Of SPI, for luatos-emu --timing accurate. */
static inline int vspi_set_clock(struct vspi *chip, uint32_t hz)
{
    uint8_t payload[4];
    int rc;

    payload[0] = (uint8_t)hz;
    payload[1] = (uint8_t)(hz >> 8);
    payload[2] = (uint8_t)(hz >> 16);
    payload[3] = (uint8_t)(hz >> 24);
    rc = vspi_ask(chip, VSPI_CLOCK, 0, 0, payload, sizeof(payload));
    return rc < 0 ? rc : vspi_answer(chip, VSPI_CLOCK, NULL, 0);
}

/* Be told of changes of INTn and LINKLED, or no more. */
static inline int vspi_subscribe(struct vspi *chip, int is_on)
{
    return vspi_request(chip, VSPI_EVENTS, is_on ? 1 : 0, 0);
}

/* The levels after the last change; waits for one for @timeout_ms (-1: for ever). -ETIMEDOUT. */
static inline int vspi_wait_event(struct vspi *chip, int timeout_ms)
{
    struct pollfd pfd;
    unsigned op, status;
    size_t len;
    int rc;

    pfd.fd = chip->fd;
    pfd.events = POLLIN;
    while (!chip->has_event) {
        rc = chip->in_pos < chip->in_len ? 1 : poll(&pfd, 1, timeout_ms);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc <= 0)
            return rc ? -errno : -ETIMEDOUT;
        rc = vspi_next(chip, &op, &status, &len);
        if (rc < 0)
            return rc;
        if (op != VSPI_EVENT)
            return -EPROTO;
    }
    chip->has_event = 0;
    return (int)chip->event_levels;
}

static inline void vspi_sleep_us(unsigned us)
{
    struct timespec time;

    time.tv_sec = us / 1000000;
    time.tv_nsec = (long)(us % 1000000) * 1000;
    while (nanosleep(&time, &time) < 0 && errno == EINTR)
        ;
}

/* Pull RSTn, and wait until VERSIONR reads 4; -ETIMEDOUT. */
static inline int vspi_reset(struct vspi *chip)
{
    uint8_t version = 0;
    int rc = vspi_set_pin(chip, VSPI_PIN_RSTN, 0);

    vspi_sleep_us(600); /* 500 at least: W5500 datasheet 5.5.1 */
    if (rc == 0)
        rc = vspi_set_pin(chip, VSPI_PIN_RSTN, 1);
    vspi_sleep_us(1000); /* its PLL locks */
    for (int i = 0; rc == 0 && i < 1000; i++) {
        rc = vspi_read(chip, 0, 0x0039, &version, 1);
        if (rc == 0 && version == 4)
            return 0;
        vspi_sleep_us(1000);
    }
    return rc < 0 ? rc : -ETIMEDOUT;
}

#endif
