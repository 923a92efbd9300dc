/*
 * Frames of a hostile network, for a chip whose sockets are open in every way. Each record is a byte
 * that says what is made right in it, a length, and the frame from its type on.
 */
#include <assert.h>
#include <string.h>

#include "adapters/fuzz/fuzz_w5500.h"
#include "emu/checksum.h"
#include "emu/fuzz/fuzz.h"

#define FIX_MAC      0x01 /* it is to us */
#define FIX_IP       0x02 /* version, length, addresses, checksum */
#define FIX_UPPER    0x04 /* checksum of what IP carries */
#define FIX_PORT     0x08 /* an open one */
#define FIX_TIME     0x10 /* time passes first */
#define FIX_SEND     0x20 /* the driver sends and receives first */
#define ETHERNET_LEN 14
#define IP_LEN       20
#define UPPER_AT     (ETHERNET_LEN + IP_LEN)
#define TYPE_AT      12
#define PROTOCOL_AT  (ETHERNET_LEN + 9)
#define LEN_UNIT     8
#define TIME_US      300000
#define OPEN         0x01
#define LISTEN       0x02
#define CONNECT      0x04
#define SEND         0x20
#define RECV         0x40
#define RSR_AT       0x26
#define SIZE_MAX_KB  2
#define TCP          6
#define UDP          17
#define PORT         7

static const uint8_t own_mac[] = { 2, 0, 0, 0, 0, 2 }, peer_mac[] = { 2, 0, 0, 0, 0, 9 };
static const uint8_t own_ip[] = { 192, 0, 2, 2 }, peer_ip[] = { 192, 0, 2, 9 };

/* ---- the driver ---------------------------------------------------------------------------------- */

static void write8(struct bench *bench, unsigned socket, uint16_t address, uint8_t value)
{
    bench_write(bench, W5500_BLOCK_SOCKET(socket), address, &value, 1);
}

static void open_socket(struct bench *bench, unsigned socket, uint8_t mode, uint8_t command)
{
    const uint8_t port[] = { 0, PORT }, to[] = { 192, 0, 2, 9, 0, PORT };

    write8(bench, socket, 0x00, mode);
    bench_write(bench, W5500_BLOCK_SOCKET(socket), 0x04, port, sizeof(port));
    bench_write(bench, W5500_BLOCK_SOCKET(socket), 0x0c, to, sizeof(to));
    write8(bench, socket, 0x14, 1); /* Sn_PROTO: ICMP */
    write8(bench, socket, 0x01, OPEN);
    bench_run_us(bench, 10);
    if (command)
        write8(bench, socket, 0x01, command);
    bench_run_us(bench, 10);
}

static void set_up(struct bench *bench, uint8_t flags)
{
    const uint8_t common[] = {
        0x20, 192, 0, 2, 1, 255, 255, 255, 0, 2, 0, 0, 0, 0, 2, 192, 0, 2, 2
    };

    bench_init(bench, flags);
    bench_write(bench, W5500_BLOCK_COMMON, 0, common, sizeof(common));
    open_socket(bench, 0, 0x04, 0);
    open_socket(bench, 1, 0x01, LISTEN);
    open_socket(bench, 2, 0x02, 0);
    open_socket(bench, 3, 0x82, 0); /* with a group that is none */
    open_socket(bench, 4, 0x03, 0);
    open_socket(bench, 5, 0x01, CONNECT);
    open_socket(bench, 6, 0x01, LISTEN);
    open_socket(bench, 7, 0x21, LISTEN);
}

static void drive(struct bench *bench, uint8_t len)
{
    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        unsigned block = W5500_BLOCK_SOCKET(n);
        uint8_t pointer[2];
        uint16_t wr = (uint16_t)(w5500_peek(bench->chip, block, 0x24) << 8 |
                                 w5500_peek(bench->chip, block, 0x25));

        pointer[0] = (uint8_t)((wr + len) >> 8);
        pointer[1] = (uint8_t)(wr + len);
        bench_write(bench, block, 0x24, pointer, sizeof(pointer));
        write8(bench, n, 0x01, SEND);
        bench_run_us(bench, 10);
        pointer[0] = w5500_peek(bench->chip, block, 0x2a);
        pointer[1] = w5500_peek(bench->chip, block, 0x2b);
        bench_write(bench, block, 0x28, pointer, sizeof(pointer));
        write8(bench, n, 0x01, RECV);
        bench_run_us(bench, 10);
    }
}

/* ---- the network ---------------------------------------------------------------------------------- */

static void fix_ip(uint8_t *frame, size_t len)
{
    uint8_t *ip = frame + ETHERNET_LEN;

    frame[TYPE_AT] = 0x08;
    frame[TYPE_AT + 1] = 0x00;
    ip[0] = 0x45;
    ip[2] = (uint8_t)((len - ETHERNET_LEN) >> 8);
    ip[3] = (uint8_t)(len - ETHERNET_LEN);
    ip[6] &= 0x40;
    ip[7] = 0;
    memcpy(ip + 12, peer_ip, sizeof(peer_ip));
    memcpy(ip + 16, own_ip, sizeof(own_ip));
    checksum_put(ip + 10, 0);
    checksum_put(ip + 10, checksum_end(checksum_add(0, ip, IP_LEN)));
}

static void fix_upper(uint8_t *frame, size_t len)
{
    uint8_t protocol = frame[PROTOCOL_AT], *upper = frame + UPPER_AT;
    size_t upper_len = len - UPPER_AT, at = protocol == TCP ? 16 : protocol == UDP ? 6 : 2;
    uint32_t sum = protocol == TCP || protocol == UDP ? protocol + (uint32_t)upper_len : 0;

    if (upper_len < at + 2)
        return;
    if (sum)
        sum = checksum_add(sum, frame + ETHERNET_LEN + 12, 8);
    checksum_put(upper + at, 0);
    checksum_put(upper + at, checksum_end(checksum_add(sum, upper, upper_len)));
}

static void fix(uint8_t *frame, size_t len, uint8_t what)
{
    if (what & FIX_MAC)
        memcpy(frame, own_mac, sizeof(own_mac));
    memcpy(frame + 6, peer_mac, sizeof(peer_mac));
    if (len < UPPER_AT + 4)
        return;
    if (what & FIX_IP)
        fix_ip(frame, len);
    if (what & FIX_PORT) {
        frame[UPPER_AT + 2] = 0;
        frame[UPPER_AT + 3] = PORT;
    }
    if (what & FIX_UPPER)
        fix_upper(frame, len);
}

/* No more is in a buffer than it has room for. */
static void check_rooms(const struct bench *bench)
{
    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        unsigned block = W5500_BLOCK_SOCKET(n);
        unsigned len = (unsigned)w5500_peek(bench->chip, block, RSR_AT) << 8 |
                       w5500_peek(bench->chip, block, RSR_AT + 1);

        assert(len <= SIZE_MAX_KB * 1024);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bench bench;
    struct reader r;

    reader_init(&r, data, size);
    set_up(&bench, reader_u8(&r));
    while (reader_left(&r)) {
        uint8_t what = reader_u8(&r), units = reader_u8(&r), frame[W5500_FRAME_MAX + 600] = { 0 };
        size_t len = (size_t)units * LEN_UNIT + (what >> 6);

        len = len < reader_left(&r) ? len : reader_left(&r);
        if (len)
            memcpy(frame + TYPE_AT, reader_bytes(&r, len), len);
        if (what & FIX_TIME)
            bench_run_us(&bench, TIME_US);
        if (what & FIX_SEND)
            drive(&bench, units);
        fix(frame, TYPE_AT + len, what);
        w5500_receive(bench.chip, frame, TYPE_AT + len);
        check_rooms(&bench);
    }
    bench_fini(&bench);
    return 0;
}
