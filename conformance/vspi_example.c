/*
 * vspi_example: a TCP client on an emulated W5500, with a driver of 150 lines.
 *
 *     luatos-emu w5500 --spi /tmp/spi --lab
 *     cc -o echo vspi_example.c && ./echo /tmp/spi 192.168.77.14/24 192.168.77.1 192.168.77.1 7
 *
 * Arguments: the port's path, the chip's address, its gateway, and an echo server's address and port.
 * It sends "hello" and prints what comes back. The comments name what W5500 datasheet 1.0.9 says.
 */
#define _POSIX_C_SOURCE 200809L /* for vspi.h, with -std=c99 */
#include <stdio.h>
#include <stdlib.h>

#include "vspi.h"

#define COMMON    0
#define SOCKET(n) (4U * (n) + 1)
#define TX(n)     (4U * (n) + 2)
#define RX(n)     (4U * (n) + 3)

enum { GAR = 0x01, SUBR = 0x05, SHAR = 0x09, SIPR = 0x0f, SIMR = 0x18, PHYCFGR = 0x2e };
enum {
    SN_MR = 0x00,
    SN_CR = 0x01,
    SN_IR = 0x02,
    SN_SR = 0x03,
    SN_PORT = 0x04,
    SN_DIPR = 0x0c,
    SN_DPORT = 0x10,
    SN_TX_FSR = 0x20,
    SN_TX_WR = 0x24,
    SN_RX_RSR = 0x26,
    SN_RX_RD = 0x28
};
enum { OPEN = 0x01, CONNECT = 0x04, DISCON = 0x08, SEND = 0x20, RECV = 0x40 };
enum { SOCK_CLOSED = 0x00, SOCK_INIT = 0x13, SOCK_ESTABLISHED = 0x17 };

#define PATIENCE_MS 10000
#define REPLY_MAX   2048

static struct vspi chip;

/* The emulator has gone: a driver on a bench would find its chip dead. */
static void check(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "vspi_example: %s: %s\n", what, strerror(-rc));
    exit(1);
}

/* ---- registers ---------------------------------------------------------------------------------- */

static uint8_t read8(unsigned block, unsigned address)
{
    uint8_t value;

    check(vspi_read(&chip, block, address, &value, 1), "read");
    return value;
}

static void write8(unsigned block, unsigned address, uint8_t value)
{
    check(vspi_write(&chip, block, address, &value, 1), "write");
}

static unsigned read16(unsigned block, unsigned address)
{
    uint8_t value[2];

    check(vspi_read(&chip, block, address, value, 2), "read");
    return (unsigned)(value[0] << 8 | value[1]);
}

static void write16(unsigned block, unsigned address, unsigned value)
{
    uint8_t bytes[2];

    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
    check(vspi_write(&chip, block, address, bytes, 2), "write");
}

/* The size registers change between two frames: they count when two reads agree. */
static unsigned read_size(unsigned block, unsigned address)
{
    unsigned before, size = read16(block, address);

    do {
        before = size;
        size = read16(block, address);
    } while (size != before);
    return size;
}

/* Sn_CR reads 0 when the command has been accepted. */
static void command(uint8_t value)
{
    write8(SOCKET(0), SN_CR, value);
    while (read8(SOCKET(0), SN_CR))
        ;
}

/* ---- waiting ------------------------------------------------------------------------------------ */

/* For an interrupt of socket 0: looks at INTn, and is told when it falls. */
static uint8_t wait_interrupt(void)
{
    uint8_t ir;

    for (;;) {
        int pins = vspi_pins(&chip);

        check(pins, "pins");
        if (!(pins & VSPI_INTN))
            break;
        check(vspi_wait_event(&chip, PATIENCE_MS), "no interrupt came");
    }
    ir = read8(SOCKET(0), SN_IR);
    write8(SOCKET(0), SN_IR, ir);
    return ir;
}

static void wait_status(uint8_t status, const char *what)
{
    uint8_t now;

    while ((now = read8(SOCKET(0), SN_SR)) != status) {
        if (now == SOCK_CLOSED) {
            fprintf(stderr, "vspi_example: %s: refused, or nobody answers\n", what);
            exit(1);
        }
        wait_interrupt();
    }
}

/* ---- what the program does ---------------------------------------------------------------------- */

static void read_ip(const char *text, uint8_t ip[4], unsigned *bits)
{
    unsigned a, b, c, d, n = 24;

    if (sscanf(text, "%u.%u.%u.%u/%u", &a, &b, &c, &d, &n) < 4 || n > 32) {
        fprintf(stderr, "vspi_example: %s is no address\n", text);
        exit(2);
    }
    ip[0] = (uint8_t)a;
    ip[1] = (uint8_t)b;
    ip[2] = (uint8_t)c;
    ip[3] = (uint8_t)d;
    if (bits)
        *bits = n;
}

static void configure(const char *address, const char *gateway)
{
    static const uint8_t mac[6] = { 0x02, 0x00, 0x00, 0x00, 0x55, 0x00 };
    uint8_t ip[4], mask[4];
    unsigned bits, i;

    read_ip(address, ip, &bits);
    for (i = 0; i < 4; i++)
        mask[i] = (uint8_t)(bits >= 8 * (i + 1) ? 0xff
                            : bits <= 8 * i     ? 0
                                                : 0xff00U >> (bits - 8 * i));
    check(vspi_write(&chip, COMMON, SHAR, mac, sizeof(mac)), "SHAR");
    check(vspi_write(&chip, COMMON, SUBR, mask, sizeof(mask)), "SUBR");
    check(vspi_write(&chip, COMMON, SIPR, ip, sizeof(ip)), "SIPR");
    read_ip(gateway, ip, NULL);
    check(vspi_write(&chip, COMMON, GAR, ip, sizeof(ip)), "GAR");
    while (!(read8(COMMON, PHYCFGR) & 1))
        vspi_sleep_us(1000);
}

static void connect_to(const char *address, unsigned port)
{
    uint8_t ip[4];

    read_ip(address, ip, NULL);
    write8(COMMON, SIMR, 1);
    write8(SOCKET(0), SN_MR, 1); /* TCP */
    write16(SOCKET(0), SN_PORT, 49152);
    command(OPEN);
    wait_status(SOCK_INIT, "OPEN");
    check(vspi_write(&chip, SOCKET(0), SN_DIPR, ip, sizeof(ip)), "DIPR");
    write16(SOCKET(0), SN_DPORT, port);
    command(CONNECT);
    wait_status(SOCK_ESTABLISHED, "CONNECT");
}

static void send_text(const char *text)
{
    unsigned at = read16(SOCKET(0), SN_TX_WR); /* anything, once connected */
    size_t len = strlen(text);

    if (read_size(SOCKET(0), SN_TX_FSR) < len)
        return;
    check(vspi_write(&chip, TX(0), at, text, len), "TX buffer");
    write16(SOCKET(0), SN_TX_WR, at + (unsigned)len);
    command(SEND);
}

/* As many bytes as were sent. */
static void print_reply(size_t len)
{
    uint8_t reply[REPLY_MAX];

    while (len) {
        unsigned at = read16(SOCKET(0), SN_RX_RD), size = read_size(SOCKET(0), SN_RX_RSR);

        if (!size) {
            if (read8(SOCKET(0), SN_SR) != SOCK_ESTABLISHED)
                check(-ECONNRESET, "the reply");
            wait_interrupt();
            continue;
        }
        size = size < len ? size : (unsigned)len;
        check(vspi_read(&chip, RX(0), at, reply, size), "RX buffer");
        write16(SOCKET(0), SN_RX_RD, at + size);
        command(RECV);
        fwrite(reply, 1, size, stdout);
        len -= size;
    }
    putchar('\n');
    fflush(stdout);
}

int main(int argc, char *argv[])
{
    static const char hello[] = "hello";

    if (argc != 6) {
        fprintf(stderr, "usage: %s PATH ADDRESS/BITS GATEWAY SERVER PORT\n", argv[0]);
        return 2;
    }
    check(vspi_open(&chip, argv[1]), argv[1]);
    check(vspi_reset(&chip), "reset");
    check(vspi_subscribe(&chip, 1), "events");
    configure(argv[2], argv[3]);
    connect_to(argv[4], (unsigned)strtoul(argv[5], NULL, 10));
    send_text(hello);
    print_reply(strlen(hello));
    command(DISCON);
    wait_status(SOCK_CLOSED, "DISCON");
    vspi_close(&chip);
    return 0;
}
