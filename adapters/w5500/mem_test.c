#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_host.h"
#include "adapters/w5500/w5500.h"
#include "emu/util.h"

#include <cmocka.h>

#define RXBUF_SIZE 0x1e
#define TXBUF_SIZE 0x1f
#define TX_FSR     0x20
#define RX_RSR     0x26
#define RX_RD      0x28
#define RX_WR      0x2a
#define TX_WR      0x24
#define UDP        0x02
#define RECV       0x40
#define PORT       7
#define HEADER_LEN 8 /* of a datagram in the RX buffer */

static int setup(void **state)
{
    static struct host host;

    host_init(&host, NULL);
    host_set_net(&host);
    *state = &host;
    return 0;
}

static int teardown(void **state)
{
    host_fini(*state);
    return 0;
}

static void fill(uint8_t *bytes, size_t len, uint8_t seed)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(seed + i * 7);
}

/* ---- memory ----------------------------------------------------------------------------------- */

static void both_memories_are_read_as_they_were_written(void **state)
{
    struct host *host = *state;
    uint8_t out[2048], in[2048];

    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        fill(out, sizeof(out), (uint8_t)n);
        host_write(host, W5500_BLOCK_TX(n), 0, out, sizeof(out));
        fill(out, sizeof(out), (uint8_t)(0x80 + n));
        host_write(host, W5500_BLOCK_RX(n), 0, out, sizeof(out));
    }
    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        fill(out, sizeof(out), (uint8_t)n);
        host_read(host, W5500_BLOCK_TX(n), 0, in, sizeof(in));
        assert_memory_equal(in, out, sizeof(in));
        fill(out, sizeof(out), (uint8_t)(0x80 + n));
        host_read(host, W5500_BLOCK_RX(n), 0, in, sizeof(in));
        assert_memory_equal(in, out, sizeof(in));
    }
}

/* Any pointer is an offset: the byte is its rest by the buffer's size. Arduino begins at 0x8000. */
static void offsets_wrap_by_the_size(void **state)
{
    struct host *host = *state;
    uint8_t out[100], in[100];

    fill(out, sizeof(out), 1);
    host_write(host, W5500_BLOCK_TX(2), 0x8000 + 3 * 0x800 - 50, out, sizeof(out));
    host_read(host, W5500_BLOCK_TX(2), 2048 - 50, in, 50);
    assert_memory_equal(in, out, 50);
    host_read(host, W5500_BLOCK_TX(2), 0, in, 50);
    assert_memory_equal(in, out + 50, 50);
    host_write(host, W5500_BLOCK_TX(2), 0xffce, out, sizeof(out)); /* around 65536 */
    host_read(host, W5500_BLOCK_TX(2), 0xffce, in, sizeof(in));
    assert_memory_equal(in, out, sizeof(in));
}

static void a_burst_longer_than_the_buffer_goes_around_it(void **state)
{
    struct host *host = *state;
    uint8_t out[5000], in[2048];

    fill(out, sizeof(out), 3);
    host_write(host, W5500_BLOCK_RX(0), 0, out, sizeof(out));
    host_read(host, W5500_BLOCK_RX(0), 5000 - 2048, in, sizeof(in));
    assert_memory_equal(in, out + 5000 - 2048, sizeof(in));
}

static void every_size_is_laid_out_in_the_order_of_sockets(void **state)
{
    static const uint8_t sizes[] = { 4, 0, 8, 1, 1, 2, 0, 0 };
    struct host *host = *state;

    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        host_write8(host, W5500_BLOCK_SOCKET(n), TXBUF_SIZE, sizes[n]);
        host_write8(host, W5500_BLOCK_SOCKET(n), RXBUF_SIZE, sizes[n]);
    }
    for (unsigned n = 0; n < W5500_SOCKETS; n++)
        assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(n), TX_FSR), sizes[n] * 1024);
    for (unsigned n = 0; n < W5500_SOCKETS; n++)
        host_write8(host, W5500_BLOCK_TX(n), 0, (uint8_t)(0x10 + n));
    host_write8(host, W5500_BLOCK_SOCKET(0), TXBUF_SIZE, 16); /* now all of it is socket 0's */
    assert_int_equal(host_read8(host, W5500_BLOCK_TX(0), 0), 0x10);
    assert_int_equal(host_read8(host, W5500_BLOCK_TX(0), 4096), 0x12);
    assert_int_equal(host_read8(host, W5500_BLOCK_TX(0), 12288), 0x13);
    assert_int_equal(host_read8(host, W5500_BLOCK_TX(0), 13312), 0x14);
    assert_int_equal(host_read8(host, W5500_BLOCK_TX(0), 14336), 0x15);
    assert_int_equal(host->faults_count, 0);
}

static void a_buffer_of_0_takes_nothing(void **state)
{
    struct host *host = *state;
    const struct packet_way way = host_way(PORT);
    uint8_t in[4];

    host_write8(host, W5500_BLOCK_SOCKET(0), TXBUF_SIZE, 0);
    host_write8(host, W5500_BLOCK_SOCKET(0), RXBUF_SIZE, 0);
    host_write(host, W5500_BLOCK_TX(0), 5, "1234", 4);
    host_read(host, W5500_BLOCK_TX(0), 5, in, sizeof(in));
    assert_memory_equal(in, "\0\0\0\0", sizeof(in));
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(0), TX_FSR), 0);
    host_open(host, 0, UDP, PORT);
    host_udp(host, &way, "x", 1);
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(0), RX_RSR), 0);
}

static void a_size_that_there_is_not_is_rounded_down_and_reported(void **state)
{
    struct host *host = *state;

    host_write8(host, W5500_BLOCK_SOCKET(6), TXBUF_SIZE, 7);
    assert_int_equal(host_read8(host, W5500_BLOCK_SOCKET(6), TXBUF_SIZE), 7);
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(6), TX_FSR), 4096);
    assert_non_null(strstr(host->fault, "7 KB"));
    host_write8(host, W5500_BLOCK_SOCKET(6), TXBUF_SIZE, 255);
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(6), TX_FSR), 16384);
}

static void more_than_16_kb_is_reported_at_open_and_goes_on(void **state)
{
    struct host *host = *state;
    uint8_t out[4096], in[4096];

    host_write8(host, W5500_BLOCK_SOCKET(0), RXBUF_SIZE, 4);
    assert_int_equal(host->faults_count, 0); /* the others may be about to shrink */
    host_open(host, 0, UDP, PORT);
    assert_non_null(strstr(host->fault, "Sn_RXBUF_SIZE: 18 KB"));
    host_write8(host, W5500_BLOCK_SOCKET(7), RXBUF_SIZE, 4);
    fill(out, sizeof(out), 9);
    host_write(host, W5500_BLOCK_RX(7), 0, out, sizeof(out));
    host_read(host, W5500_BLOCK_RX(7), 0, in, sizeof(in));
    assert_memory_equal(in, out, sizeof(in));
}

/* ---- pointers --------------------------------------------------------------------------------- */

/* Header and data may straddle the end anywhere. */
static void datagrams_wrap_at_every_place_of_the_ring(void **state)
{
    struct host *host = *state;
    const struct packet_way way = host_way(PORT);
    unsigned block = W5500_BLOCK_SOCKET(1);
    uint8_t data[701], in[HEADER_LEN + sizeof(data)];
    uint16_t rd = 0;

    host_open(host, 1, UDP, PORT);
    for (unsigned i = 0; i < 200; i++) {
        size_t len = 1 + i * 7 % sizeof(data);

        fill(data, len, (uint8_t)i);
        host_udp(host, &way, data, len);
        assert_int_equal(host_read16(host, block, RX_RSR), HEADER_LEN + len);
        assert_int_equal(host_read16(host, block, RX_WR), (uint16_t)(rd + HEADER_LEN + len));
        host_read(host, W5500_BLOCK_RX(1), rd, in, HEADER_LEN + len);
        assert_memory_equal(in, "\xc0\x00\x02\x09\x13\x88", 6);
        assert_int_equal(in[6] << 8 | in[7], len);
        assert_memory_equal(in + HEADER_LEN, data, len);
        rd = (uint16_t)(rd + HEADER_LEN + len);
        host_write16(host, block, RX_RD, rd);
        assert_int_equal(host_read16(host, block, RX_RSR), HEADER_LEN + len); /* not before RECV */
        host_command(host, 1, RECV);
        assert_int_equal(host_read16(host, block, RX_RSR), 0);
    }
    assert_true(rd < 0x8000); /* 65536 was passed */
    assert_int_equal(host->faults_count, 0);
}

static void a_datagram_is_kept_whole_or_not_at_all(void **state)
{
    struct host *host = *state;
    const struct packet_way way = host_way(PORT);
    unsigned block = W5500_BLOCK_SOCKET(1);
    static const uint8_t data[1024];

    host_open(host, 1, UDP, PORT);
    host_udp(host, &way, data, 1024 - HEADER_LEN);
    host_udp(host, &way, data, 1024 - HEADER_LEN + 1);
    assert_int_equal(host_read16(host, block, RX_RSR), 1024);
    host_udp(host, &way, data, 1024 - HEADER_LEN);
    assert_int_equal(host_read16(host, block, RX_RSR), 2048);
    host_udp(host, &way, data, 0);
    assert_int_equal(host_read16(host, block, RX_RSR), 2048);
}

static void pointers_are_not_clamped(void **state)
{
    struct host *host = *state;
    unsigned block = W5500_BLOCK_SOCKET(1);

    host_open(host, 1, UDP, PORT);
    host_set_destination(host, 1, 0xffffffff, PORT);
    host_write16(host, block, RX_RD, 0x0010);
    host_command(host, 1, RECV);
    assert_int_equal(host_read16(host, block, RX_RSR), 0xfff0);
    assert_non_null(strstr(host->fault, "Sn_RX_RD"));
    host_set_destination(host, 1, HOST_PEER_IP, PORT);
    host_write16(host, block, TX_WR, 0x0901);
    host_command(host, 1, 0x20);
    assert_int_equal(host_read16(host, block, TX_FSR), 0xfeff);
    assert_non_null(strstr(host->fault, "beyond Sn_TX_FSR"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(both_memories_are_read_as_they_were_written),
        TEST(offsets_wrap_by_the_size),
        TEST(a_burst_longer_than_the_buffer_goes_around_it),
        TEST(every_size_is_laid_out_in_the_order_of_sockets),
        TEST(a_buffer_of_0_takes_nothing),
        TEST(a_size_that_there_is_not_is_rounded_down_and_reported),
        TEST(more_than_16_kb_is_reported_at_open_and_goes_on),
        TEST(datagrams_wrap_at_every_place_of_the_ring),
        TEST(a_datagram_is_kept_whole_or_not_at_all),
        TEST(pointers_are_not_clamped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
