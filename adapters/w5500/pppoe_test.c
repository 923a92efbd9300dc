#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_host.h"
#include "adapters/w5500/w5500.h"
#include "emu/buf.h"
#include "emu/util.h"

#include <cmocka.h>

#define COMMON   W5500_BLOCK_COMMON
#define MR       0x00
#define PPPOE    0x08
#define IR       0x15
#define IR_PPPOE 0x20
#define PTIMER   0x1c
#define PMAGIC   0x1d
#define PHAR     0x1e
#define PSID     0x24
#define UDP      0x02
#define PORT     7
#define SENDOK   0x10
#define RECV     0x04
#define IP_AT    22
#define SESSION  0x1234

static int setup(void **state)
{
    static struct host host;

    host_init(&host, NULL);
    host_set_net(&host);
    host_write(&host, COMMON, PHAR, host_peer_mac, 6);
    host_write16(&host, COMMON, PSID, SESSION);
    host_write8(&host, COMMON, PMAGIC, 0xa5);
    host_write8(&host, COMMON, MR, PPPOE);
    host_open(&host, 1, UDP, PORT);
    *state = &host;
    return 0;
}

static int teardown(void **state)
{
    host_fini(*state);
    return 0;
}

/* From the server, in the session unless @session says otherwise. */
static void receive(struct host *host, uint32_t type_and_code, uint16_t session, uint16_t protocol,
                    const uint8_t *data, size_t len)
{
    uint8_t frame[W5500_FRAME_MAX];
    struct writer w;

    writer_init(&w, frame, sizeof(frame));
    writer_bytes(&w, host_mac, 6);
    writer_bytes(&w, host_peer_mac, 6);
    writer_u32(&w, type_and_code);
    writer_u16(&w, session);
    writer_u16(&w, (uint16_t)(2 + len));
    writer_u16(&w, protocol);
    writer_bytes(&w, data, len);
    w5500_receive(host->chip, frame, w.len);
}

static void packets_go_through_the_session(void **state)
{
    struct host *host = *state;
    static const uint8_t data[1464 + 1];
    const uint8_t *bytes;

    host_set_destination(host, 1, HOST_FAR_IP, 53);
    host_send(host, 1, data, sizeof(data));
    assert_int_equal(host->frames_count, 2); /* nobody was asked */
    bytes = host_frame_get(host, 0)->bytes;
    assert_int_equal(host_frame_get(host, 0)->len, W5500_FRAME_MAX);
    assert_memory_equal(bytes, "\2\0\0\0\0\x09\2\0\0\0\0\2\x88\x64\x11\0\x12\x34\x05\xd6\0\x21\x45",
                        23);
    assert_memory_equal(bytes + IP_AT + 16, "\xc6\x33\x64\1", 4);
    assert_int_equal(host_take_ir(host, 1), SENDOK);
}

static void packets_come_through_the_session(void **state)
{
    struct host *host = *state;
    struct packet_way way = host_way(PORT);
    struct packet_datagram datagram = { .data = (const uint8_t *)"hello",
                                        .data_len = 5,
                                        .mtu = 1500 };
    uint8_t frame[PACKET_HEADERS_MAX + 5];
    size_t len;

    assert_true(packet_write_udp(frame, &len, &way, &datagram));
    receive(host, 0x88641100, SESSION + 1, 0x0021, frame + 14, len - 14);
    receive(host, 0x88641000, SESSION, 0x0021, frame + 14, len - 14);
    receive(host, 0x88641100, SESSION, 0x0057, frame + 14, len - 14);
    assert_int_equal(host_take_ir(host, 1), 0);
    receive(host, 0x88641100, SESSION, 0x0021, frame + 14, len - 14);
    assert_int_equal(host_take_ir(host, 1), RECV);
    host_write8(host, COMMON, MR, 0);
    receive(host, 0x88641100, SESSION, 0x0021, frame + 14, len - 14);
    assert_int_equal(host_take_ir(host, 1), 0);
}

static void the_end_of_a_session_is_told(void **state)
{
    struct host *host = *state;

    receive(host, 0x886311a7, SESSION + 1, 0, NULL, 0);
    assert_int_equal(host_read8(host, COMMON, IR), 0);
    receive(host, 0x886311a7, SESSION, 0, NULL, 0);
    assert_int_equal(host_read8(host, COMMON, IR), IR_PPPOE);
    host_write8(host, COMMON, IR, IR_PPPOE);
    receive(host, 0x88641100, SESSION, 0xc021, (const uint8_t *)"\5\1\0\4", 4);
    assert_int_equal(host_read8(host, COMMON, IR), IR_PPPOE);
}

/* PTIMER: 25 ms; 40 by default, which is a second. */
static void lcp_echoes_keep_the_session(void **state)
{
    struct host *host = *state;
    uint64_t begin_us = host->clock.now_us;
    const uint8_t *bytes;

    host_run_us(host, 3000000);
    assert_int_equal(host->frames_count, 3);
    assert_int_equal(host_frame_get(host, 0)->at_us, begin_us + 1000000);
    assert_int_equal(host_frame_get(host, 2)->at_us, begin_us + 3000000);
    bytes = host_frame_get(host, 1)->bytes;
    assert_memory_equal(bytes + 12,
                        "\x88\x64\x11\0\x12\x34\0\x0a\xc0\x21\x09\1\0\x08\xa5\xa5\xa5\xa5", 18);
    host_write8(host, COMMON, PTIMER, 2);
    host_run_us(host, 1000000); /* the one that was running */
    host_forget(host);
    host_run_us(host, 500000);
    assert_int_equal(host->frames_count, 10);
    receive(host, 0x88641100, SESSION, 0xc021, (const uint8_t *)"\x09\x77\0\x08\0\0\0\1", 8);
    assert_int_equal(host->frames_count, 11);
    assert_memory_equal(host_frame_get(host, 10)->bytes + IP_AT, "\x0a\x77\0\x08\xa5\xa5\xa5\xa5",
                        8);
    host_write8(host, COMMON, MR, 0);
    host_forget(host);
    host_run_us(host, 5000000);
    assert_int_equal(host->frames_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(packets_go_through_the_session),
        TEST(packets_come_through_the_session),
        TEST(the_end_of_a_session_is_told),
        TEST(lcp_echoes_keep_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
