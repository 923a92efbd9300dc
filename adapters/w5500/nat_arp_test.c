#include "adapters/w5500/nat_arp.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/buf.h"

#include <cmocka.h>

#define GATEWAY 0x0a000202
#define CHIP    0xc0a80132 /* 192.168.1.50 */
#define ROUTER  0xc0a80101
#define REQUEST 1
#define REPLY   2

static const uint8_t chip_mac[] = { 0x0c, 0x29, 0xab, 0x01, 0x02, 0x03 };

struct request {
    uint16_t type, operation;
    uint32_t sender, target;
};

static void write_request(const struct request *request, uint8_t frame[NAT_ARP_LEN])
{
    static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    struct writer w;

    writer_init(&w, frame, NAT_ARP_LEN);
    writer_bytes(&w, all, sizeof(all));
    writer_bytes(&w, chip_mac, sizeof(chip_mac));
    writer_u16(&w, request->type);
    writer_u16(&w, 1);
    writer_u16(&w, 0x0800);
    writer_u8(&w, 6);
    writer_u8(&w, 4);
    writer_u16(&w, request->operation);
    writer_bytes(&w, chip_mac, sizeof(chip_mac));
    writer_u32(&w, request->sender);
    writer_bytes(&w, all, sizeof(all));
    writer_u32(&w, request->target);
    assert_false(w.failed);
    assert_int_equal(w.len, NAT_ARP_LEN);
}

static bool answer(const struct request *request, uint8_t out[NAT_ARP_LEN])
{
    const struct in_addr gateway = { htonl(GATEWAY) };
    uint8_t frame[NAT_ARP_LEN];

    write_request(request, frame);
    return nat_arp_answer(frame, sizeof(frame), gateway, out);
}

static void a_router_of_any_network_is_there(void **state)
{
    const uint8_t mac[] = { 0x52, 0x55, 10, 0, 2, 2 };
    uint8_t out[NAT_ARP_LEN];
    struct reader r;

    (void)state;
    assert_true(answer(&(struct request){ 0x0806, REQUEST, CHIP, ROUTER }, out));
    reader_init(&r, out, sizeof(out));
    assert_memory_equal(reader_bytes(&r, 6), chip_mac, 6);
    assert_memory_equal(reader_bytes(&r, 6), mac, 6);
    assert_int_equal(reader_u16(&r), 0x0806);
    assert_int_equal(reader_u32(&r), 0x00010800);
    assert_int_equal(reader_u32(&r), 0x06040000 | REPLY);
    assert_memory_equal(reader_bytes(&r, 6), mac, 6);
    assert_int_equal(reader_u32(&r), ROUTER);
    assert_memory_equal(reader_bytes(&r, 6), chip_mac, 6);
    assert_int_equal(reader_u32(&r), CHIP);
    assert_int_equal(reader_left(&r), 0);
    assert_false(r.failed);
}

/* Else a chip would find that its own address is somebody else's. */
static void nobody_answers_for_what_is_not_to_be_taken(void **state)
{
    const struct request requests[] = {
        { 0x0806, REQUEST, CHIP, CHIP },          /* its own */
        { 0x0806, REQUEST, 0, ROUTER },           /* a probe, RFC 5227 2.1.1 */
        { 0x0806, REQUEST, 0x0a00020f, GATEWAY }, /* libslirp answers */
        { 0x0806, REQUEST, 0x0a00020f, 0x0a000263 },
        { 0x0806, REQUEST, CHIP, 0xe00000fb },
        { 0x0806, REQUEST, CHIP, 0xffffffff },
        { 0x0806, REQUEST, CHIP, 0 },
        { 0x0806, REPLY, CHIP, ROUTER },
        { 0x0800, REQUEST, CHIP, ROUTER },
    };
    uint8_t out[NAT_ARP_LEN];

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        assert_false(answer(&requests[i], out));
}

static void what_is_cut_off_is_no_request(void **state)
{
    const struct in_addr gateway = { htonl(GATEWAY) };
    uint8_t frame[NAT_ARP_LEN], out[NAT_ARP_LEN];

    (void)state;
    write_request(&(struct request){ 0x0806, REQUEST, CHIP, ROUTER }, frame);
    assert_true(nat_arp_answer(frame, sizeof(frame), gateway, out));
    for (size_t len = 0; len < sizeof(frame); len++)
        assert_false(nat_arp_answer(frame, len, gateway, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_router_of_any_network_is_there),
        cmocka_unit_test(nobody_answers_for_what_is_not_to_be_taken),
        cmocka_unit_test(what_is_cut_off_is_no_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
