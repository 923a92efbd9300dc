#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_host.h"
#include "adapters/w5500/w5500.h"
#include "emu/buf.h"
#include "emu/checksum.h"
#include "emu/util.h"

#include <cmocka.h>

#define BLOCK     W5500_BLOCK_SOCKET(4)
#define MULTI     0x80
#define BCASTB    0x40
#define MC        0x20
#define UCASTB    0x10
#define UDP       0x02
#define SN_DHAR   0x06
#define RX_RSR    0x26
#define SEND      0x20
#define CLOSE     0x10
#define RECV      0x04
#define PORT      5353
#define GROUP     0xe00000fb
#define ALL_HOSTS 0xe0000001
#define IP_AT     14
#define QUERY     0x11
#define REPORT_V1 0x12
#define REPORT_V2 0x16
#define LEAVE     0x17
#define TENTH_US  100000

static const uint8_t group_mac[] = { 0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb };

static int setup(void **state)
{
    static struct host host;

    host_init(&host, NULL);
    host_set_net(&host);
    host_write(&host, BLOCK, SN_DHAR, group_mac, sizeof(group_mac));
    host_set_destination(&host, 4, GROUP, PORT);
    *state = &host;
    return 0;
}

static int teardown(void **state)
{
    host_fini(*state);
    return 0;
}

/* The @index-th frame is an IGMP message to @to; version 2's have the router alert option. */
static void assert_igmp(struct host *host, size_t index, uint8_t type, uint32_t to)
{
    const uint8_t *bytes = host_frame_get(host, index)->bytes, *ip = bytes + IP_AT;
    size_t header_len = (size_t)(ip[0] & 0xf) * 4;
    const uint8_t *igmp = ip + header_len;

    assert_int_equal(header_len, type == REPORT_V1 ? 20 : 24);
    assert_int_equal(ip[8], 1);
    assert_int_equal(ip[9], 2);
    assert_int_equal(ip[3], header_len + 8);
    assert_int_equal(checksum_end(checksum_add(0, ip, header_len)), 0);
    assert_int_equal((uint32_t)ip[16] << 24 | ip[17] << 16 | ip[18] << 8 | ip[19], to);
    assert_int_equal(igmp[0], type);
    assert_memory_equal(igmp + 4, "\xe0\0\0\xfb", 4);
    assert_int_equal(checksum_end(checksum_add(0, igmp, 8)), 0);
    assert_int_equal(bytes[0], 0x01);
    assert_int_equal(bytes[5], to & 0xff);
}

static void open_joins_and_close_leaves(void **state)
{
    struct host *host = *state;

    host_open(host, 4, UDP | MULTI, PORT);
    assert_int_equal(host->frames_count, 1);
    assert_igmp(host, 0, REPORT_V2, GROUP);
    host_command(host, 4, CLOSE);
    assert_int_equal(host->frames_count, 2);
    assert_igmp(host, 1, LEAVE, 0xe0000002);
    host_command(host, 4, CLOSE);
    assert_int_equal(host->frames_count, 2);
}

static void version_1_does_not_leave(void **state)
{
    struct host *host = *state;

    host_open(host, 4, UDP | MULTI | MC, PORT);
    assert_igmp(host, 0, REPORT_V1, GROUP);
    host_command(host, 4, CLOSE);
    assert_int_equal(host->frames_count, 1);
}

static void a_group_is_sent_to_without_asking(void **state)
{
    struct host *host = *state;

    host_open(host, 4, UDP | MULTI, PORT);
    host_send(host, 4, "x", 1);
    assert_int_equal(host->frames_count, 2);
    assert_memory_equal(host_frame_get(host, 1)->bytes, group_mac, 6);
    assert_int_equal(host_take_ir(host, 4), 0x10);
}

/* ---- queries ----------------------------------------------------------------------------------- */

static void igmp(struct host *host, uint8_t type, uint8_t tenths, uint32_t group)
{
    uint8_t frame[60] = { 0x01, 0, 0x5e, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x08, 0x00 };
    struct writer w;

    writer_init(&w, frame + IP_AT, 28);
    writer_u32(&w, 0x4500001c);
    writer_u32(&w, 0);
    writer_u32(&w, 0x01020000);
    writer_u32(&w, HOST_PEER_IP);
    writer_u32(&w, group ? group : ALL_HOSTS);
    checksum_put(frame + IP_AT + 10, checksum_end(checksum_add(0, frame + IP_AT, 20)));
    writer_u8(&w, type);
    writer_u8(&w, tenths);
    writer_u16(&w, 0);
    writer_u32(&w, group);
    checksum_put(frame + IP_AT + 22, checksum_end(checksum_add(0, frame + IP_AT + 20, 8)));
    w5500_receive(host->chip, frame, sizeof(frame));
}

static void a_query_is_answered_in_its_time(void **state)
{
    struct host *host = *state;

    host_open(host, 4, UDP | MULTI, PORT);
    host_forget(host);
    igmp(host, QUERY, 20, 0);
    assert_int_equal(host->frames_count, 0);
    host_run_us(host, 20 * TENTH_US);
    assert_int_equal(host->frames_count, 1);
    assert_igmp(host, 0, REPORT_V2, GROUP);
    igmp(host, QUERY, 5, GROUP);
    host_run_us(host, 5 * TENTH_US);
    assert_int_equal(host->frames_count, 2);
    igmp(host, QUERY, 5, GROUP + 1);
    host_run_us(host, 10 * TENTH_US);
    assert_int_equal(host->frames_count, 2);
}

static void another_members_report_is_enough(void **state)
{
    struct host *host = *state;

    host_open(host, 4, UDP | MULTI, PORT);
    host_forget(host);
    igmp(host, QUERY, 200, 0);
    igmp(host, REPORT_V2, 0, GROUP);
    host_run_us(host, 200 * TENTH_US);
    assert_int_equal(host->frames_count, 0);
}

/* ---- what it receives -------------------------------------------------------------------------- */

static bool is_received(struct host *host, struct packet_way way, const uint8_t *ip,
                        const uint8_t *mac)
{
    endpoint_set_v4(&way.to, ip[0], ip[1], ip[2], ip[3]);
    memcpy(way.to_mac, mac, 6);
    (void)host_take_ir(host, 4);
    host_udp(host, &way, "x", 1);
    return host_take_ir(host, 4) & RECV;
}

static void check_filter(struct host *host, uint8_t mode, bool group, bool broadcast, bool unicast)
{
    const struct packet_way way = host_way(PORT);
    const uint8_t group_ip[] = { 224, 0, 0, 251 }, other[] = { 224, 0, 0, 252 };
    const uint8_t all[] = { 255, 255, 255, 255 }, own[] = { 192, 0, 2, 2 };

    host_open(host, 4, mode, PORT);
    assert_int_equal(is_received(host, way, group_ip, group_mac), group);
    assert_false(is_received(host, way, other, group_mac));
    assert_int_equal(is_received(host, way, all, host_all_mac), broadcast);
    assert_int_equal(is_received(host, way, own, host_mac), unicast);
}

static void the_filters_of_sn_mr_filter(void **state)
{
    check_filter(*state, UDP, false, true, true);
    check_filter(*state, UDP | UCASTB, false, true, true); /* with MULTI only */
    check_filter(*state, UDP | MULTI, true, true, true);
    check_filter(*state, UDP | MULTI | BCASTB, true, false, true);
    check_filter(*state, UDP | MULTI | UCASTB, true, true, false);
    check_filter(*state, UDP | MULTI | UCASTB | BCASTB | MC, true, false, false);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(open_joins_and_close_leaves),       TEST(version_1_does_not_leave),
        TEST(a_group_is_sent_to_without_asking), TEST(a_query_is_answered_in_its_time),
        TEST(another_members_report_is_enough),  TEST(the_filters_of_sn_mr_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
