/* The driver's own socket: DHCP, names, and where addresses come from. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/driver.h"
#include "adapters/w5500/fake_module.h"
#include "emu/dhcp_msg.h"
#include "emu/frame.h"
#include "emu/links.h"
#include "emu/util.h"

#include <cmocka.h>

#define MS       UINT64_C(1000)
#define S        UINT64_C(1000000)
#define COMMON   W5500_BLOCK_COMMON
#define MR       0x00
#define SIPR     0x0f
#define MR_FARP  0x02
#define DNS_PORT 53
#define OWN_PORT 68
#define FIXED_IP 0xc0000232 /* 192.0.2.50 */

struct fixture {
    struct host host;
    struct module module;
    size_t seen; /* of its frames */
};

static int begin(void **state, const struct module_options *options)
{
    static struct fixture fixture;

    fixture.seen = 0;
    host_init_bare(&fixture.host);
    module_init(&fixture.module, &fixture.host, options);
    *state = &fixture;
    return 0;
}

static int setup(void **state)
{
    return begin(state, &(struct module_options){ .is_dhcp = true });
}

static int setup_static(void **state)
{
    return begin(state, NULL);
}

static int setup_16_kb(void **state)
{
    return begin(state, &(struct module_options){ .wiring.buffer_kb = 16, .is_dhcp = true });
}

static int setup_16_kb_static(void **state)
{
    return begin(state, &(struct module_options){ .wiring.buffer_kb = 16 });
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    module_fini(&fixture->module);
    host_fini(&fixture->host);
    return 0;
}

static const struct adapter_ops *ops(const struct fixture *fixture)
{
    return fixture->module.adapter->ops;
}

static void run(struct fixture *fixture, uint64_t us)
{
    struct net_event event;

    host_run_us(&fixture->host, us);
    assert_false(module_take(&fixture->module, &event));
}

static uint32_t ip_of(const struct fixture *fixture)
{
    struct adapter_info info;

    ops(fixture)->info(fixture->module.adapter, &info);
    return dhcp_from_endpoint(&info.ip);
}

static uint32_t sipr_of(const struct fixture *fixture)
{
    uint32_t ip = 0;

    for (uint16_t i = 0; i < 4; i++)
        ip = ip << 8 | w5500_peek(fixture->host.chip, COMMON, (uint16_t)(SIPR + i));
    return ip;
}

/* The next UDP datagram to @port that left. */
static bool next_to(struct fixture *fixture, uint16_t port, struct frame *frame)
{
    while (fixture->seen < fixture->host.frames_count) {
        const struct host_frame *sent = host_frame_get(&fixture->host, fixture->seen++);

        if (frame_read(frame, sent->bytes, sent->len) && frame->protocol == FRAME_PROTOCOL_UDP &&
            frame->to.port == port)
            return true;
    }
    return false;
}

static bool next_dhcp(struct fixture *fixture, struct dhcp_msg *msg)
{
    struct frame frame;

    return next_to(fixture, DHCP_SERVER_PORT, &frame) &&
           dhcp_read(frame.bytes + frame.data_at, frame.data_len, msg);
}

static size_t discovers(struct fixture *fixture)
{
    struct dhcp_msg msg;
    size_t count = 0;

    while (next_dhcp(fixture, &msg))
        count += msg.type == DHCP_TYPE_DISCOVER;
    return count;
}

/* ---- DHCP ----------------------------------------------------------------------------------------- */

static void it_has_what_a_server_leases(void **state)
{
    struct fixture *fixture = *state;
    struct adapter_info info;
    struct dhcp_msg msg;

    module_be_ready(&fixture->module);
    assert_in_range(fixture->host.clock.now_us, 0, 200 * MS);
    assert_int_equal(ip_of(fixture), MODULE_LEASED_IP);
    assert_int_equal(sipr_of(fixture), MODULE_LEASED_IP);
    ops(fixture)->info(fixture->module.adapter, &info);
    assert_int_equal(dhcp_from_endpoint(&info.gateway), HOST_GATEWAY_IP);
    assert_int_equal(dhcp_from_endpoint(&info.mask), 0xffffff00);
    assert_int_equal(info.dns_count, 1);
    assert_int_equal(dhcp_from_endpoint(&info.dns[0]), HOST_PEER_IP);
    assert_true(next_dhcp(fixture, &msg));
    assert_int_equal(msg.type, DHCP_TYPE_DISCOVER);
    assert_false(msg.wants_broadcast);
    assert_true(next_dhcp(fixture, &msg));
    assert_int_equal(msg.type, DHCP_TYPE_REQUEST);
    assert_int_equal(dhcp_server_leases(&fixture->module.dhcp), 1);
}

/* LuatOS writes MR for its first DISCOVER, and all of the address from MR on for a lease. */
static void arp_is_forced_while_there_is_no_lease(void **state)
{
    struct fixture *fixture = *state;

    fixture->module.lacks_dhcp = true;
    driver_boot(fixture->module.adapter);
    run(fixture, 200 * MS);
    assert_int_equal(w5500_peek(fixture->host.chip, COMMON, MR), MR_FARP);
    fixture->module.lacks_dhcp = false;
    run(fixture, 2 * S);
    assert_true(fixture->module.adapter->is_ready);
    assert_int_equal(w5500_peek(fixture->host.chip, COMMON, MR), 0);
}

static void three_unanswered_discovers_set_the_chip_up_anew(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;

    module->lacks_dhcp = true;
    driver_boot(module->adapter);
    run(fixture, 6900 * MS); /* 1, 2 and 4 s after the link */
    assert_string_equal(module_indication(module), "CABLE_INSERT");
    assert_null(module_indication(module));
    assert_int_equal(discovers(fixture), 3);
    for (unsigned ms = 0; ms < 600 && w5500_pins(fixture->host.chip) & W5500_PINS_RSTN; ms++)
        run(fixture, MS);
    assert_false(w5500_pins(fixture->host.chip) & W5500_PINS_RSTN);
    assert_string_equal(module_indication(module), "DHCP_TIMEOUT");
    run(fixture, 5 * MS);
    assert_true(w5500_pins(fixture->host.chip) & W5500_PINS_RSTN);
    module->lacks_dhcp = false;
    run(fixture, S);
    assert_true(module->adapter->is_ready);
}

static void a_lease_is_renewed(void **state)
{
    struct fixture *fixture = *state;
    struct dhcp_msg msg;

    module_be_ready(&fixture->module);
    while (next_dhcp(fixture, &msg))
        ;
    run(fixture, 1801 * S);
    assert_true(next_dhcp(fixture, &msg));
    assert_int_equal(msg.type, DHCP_TYPE_REQUEST);
    assert_int_equal(msg.client_ip, MODULE_LEASED_IP);
    assert_false(next_dhcp(fixture, &msg));
    assert_int_equal(fixture->module.downs, 0);
}

static void a_lease_goes_with_the_link_and_is_asked_for_again(void **state)
{
    struct fixture *fixture = *state;

    module_be_ready(&fixture->module);
    bench_set_cable(fixture->module.bench, false);
    run(fixture, 2 * S);
    assert_false(fixture->module.adapter->is_ready);
    assert_int_equal(ip_of(fixture), 0);
    assert_int_equal(sipr_of(fixture), 0);
    bench_set_cable(fixture->module.bench, true);
    run(fixture, S);
    assert_int_equal(sipr_of(fixture), MODULE_LEASED_IP);
}

static void an_address_that_another_host_has_is_declined(void **state)
{
    struct fixture *fixture = *state;
    struct dhcp_msg msg;

    module_be_ready(&fixture->module);
    while (next_dhcp(fixture, &msg))
        ;
    host_arp(&fixture->host, 1, MODULE_LEASED_IP, MODULE_LEASED_IP);
    run(fixture, 2 * S);
    while (next_dhcp(fixture, &msg) && msg.type != DHCP_TYPE_DECLINE)
        ;
    assert_int_equal(msg.type, DHCP_TYPE_DECLINE);
    assert_int_equal(msg.requested_ip, MODULE_LEASED_IP);
    assert_int_equal(msg.server_id, HOST_GATEWAY_IP);
    assert_int_equal(fixture->module.downs, 1);
    assert_true(fixture->module.adapter->is_ready);
    assert_int_equal(ip_of(fixture), MODULE_LEASED_IP + 1);
}

/* The second one begins a reset in the midst of what the driver is at. */
static void two_conflicts_of_leases_set_it_up_anew(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;

    module_be_ready(module);
    host_arp(&fixture->host, 1, MODULE_LEASED_IP, MODULE_LEASED_IP);
    run(fixture, 2 * S);
    assert_true(module->adapter->is_ready);
    host_arp(&fixture->host, 1, MODULE_LEASED_IP + 1, MODULE_LEASED_IP + 1);
    run(fixture, 5 * MS - 1);
    assert_false(w5500_pins(fixture->host.chip) & W5500_PINS_RSTN);
    run(fixture, 1);
    assert_true(w5500_pins(fixture->host.chip) & W5500_PINS_RSTN);
    run(fixture, 2 * S);
    assert_true(module->adapter->is_ready);
}

/* ---- from outside --------------------------------------------------------------------------------- */

static void a_static_address_asks_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct link_status status;

    module_be_ready(&fixture->module);
    assert_int_equal(sipr_of(fixture), HOST_IP);
    run(fixture, 10 * S);
    assert_int_equal(discovers(fixture), 0);
    driver_status(fixture->module.adapter, &status);
    assert_int_equal(status.addressing, ADDRESSING_STATIC);
    assert_true(status.has_carrier);
}

static void an_address_can_be_set_and_asked_for_again(void **state)
{
    struct fixture *fixture = *state;
    struct board_address address = { .prefix_len = 24 };

    module_be_ready(&fixture->module);
    dhcp_to_endpoint(FIXED_IP, &address.ip);
    assert_int_equal(driver_set_address(fixture->module.adapter, &address), 0);
    run(fixture, 4000 * S); /* and nobody renews */
    assert_int_equal(sipr_of(fixture), FIXED_IP);
    assert_int_equal(fixture->module.downs, 1);
    assert_int_equal(fixture->module.ups, 2);
    assert_int_equal(driver_set_dhcp(fixture->module.adapter, true), 0);
    run(fixture, 2 * S);
    assert_int_equal(sipr_of(fixture), MODULE_LEASED_IP);
    assert_int_equal(driver_set_dhcp(fixture->module.adapter, false), 0);
    run(fixture, 8000 * S);
    assert_int_equal(sipr_of(fixture), MODULE_LEASED_IP); /* which it keeps */
    assert_int_equal(fixture->module.downs, 2);
}

static void an_address_of_ipv6_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct board_address address = { 0 };

    assert_true(endpoint_set_text(&address.ip, "2001:db8::1"));
    assert_int_equal(driver_set_address(fixture->module.adapter, &address), -EAFNOSUPPORT);
}

static void another_mac_asks_for_another_lease(void **state)
{
    static const uint8_t mac[BOARD_MAC_LEN] = { 2, 1, 1, 1, 1, 1 };
    struct fixture *fixture = *state;
    struct dhcp_msg msg;

    module_be_ready(&fixture->module);
    while (next_dhcp(fixture, &msg))
        ;
    assert_int_equal(driver_set_mac(fixture->module.adapter, mac), 0);
    run(fixture, 2 * S);
    assert_true(next_dhcp(fixture, &msg));
    assert_memory_equal(msg.mac, mac, sizeof(mac));
}

/* ---- buffers ---------------------------------------------------------------------------------------- */

static void with_16_kb_in_one_socket_there_is_no_dhcp_and_8_it_is(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fixture->module.adapter->limits.sockets, 1);
    module_be_ready(&fixture->module);
    assert_int_equal(ip_of(fixture), MODULE_LEASED_IP);
    assert_int_equal(w5500_peek(fixture->host.chip, W5500_BLOCK_SOCKET(1), 0x1e), 8);
    assert_int_equal(module_said(&fixture->module, "16 KB leaves none for DHCP"), 1);
}

static void with_16_kb_and_a_static_address_dhcp_takes_8(void **state)
{
    struct fixture *fixture = *state;

    module_be_ready(&fixture->module);
    assert_int_equal(w5500_peek(fixture->host.chip, W5500_BLOCK_SOCKET(1), 0x1f), 16);
    assert_int_equal(module_said(&fixture->module, "16 KB"), 0);
    assert_int_equal(driver_set_dhcp(fixture->module.adapter, true), 0);
    run(fixture, 2 * S);
    assert_int_equal(ip_of(fixture), MODULE_LEASED_IP);
    assert_int_equal(w5500_peek(fixture->host.chip, W5500_BLOCK_SOCKET(1), 0x1f), 8);
}

/* ---- names ------------------------------------------------------------------------------------------ */

static int open_name(struct fixture *fixture, uint32_t tag)
{
    const struct sock_spec spec = { .type = SOCK_TYPE_UDP, .tag = tag, .is_for_names = true };
    struct endpoint server;

    dhcp_to_endpoint(HOST_PEER_IP, &server);
    server.port = DNS_PORT;
    return ops(fixture)->connect(fixture->module.adapter, &spec, &server);
}

static void ask(struct fixture *fixture, int sid, const char *question)
{
    assert_int_equal(ops(fixture)->send(fixture->module.adapter, sid, question, strlen(question),
                                        NULL),
                     strlen(question));
    ops(fixture)->flush(fixture->module.adapter);
    host_run_us(&fixture->host, 0);
}

static void answer(struct fixture *fixture, const char *text)
{
    struct packet_way way = host_way(OWN_PORT);

    dhcp_to_endpoint(ip_of(fixture), &way.to);
    way.to.port = OWN_PORT;
    way.from.port = DNS_PORT;
    host_udp(&fixture->host, &way, text, strlen(text));
    host_run_us(&fixture->host, 0);
}

static void hear(struct fixture *fixture, int sid, const char *expected)
{
    struct endpoint from = { 0 };
    char text[64] = { 0 };
    ssize_t n = ops(fixture)->recv(fixture->module.adapter, sid, text, sizeof(text), &from);

    assert_int_equal(n, strlen(expected));
    assert_string_equal(text, expected);
    assert_int_equal(dhcp_from_endpoint(&from), HOST_PEER_IP);
    assert_int_equal(from.port, DNS_PORT);
}

/* Two at once, by one socket, and answered in the other order: the id tells whose it is. */
static void lookups_share_socket_0(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    struct frame frame;
    int first, second;

    module_be_ready(module);
    first = open_name(fixture, 1);
    second = open_name(fixture, 2);
    (void)module_await(module, NET_EVENT_CONNECTED, 2);
    ask(fixture, first, "a1 first");
    ask(fixture, second, "b2 second");
    assert_true(next_to(fixture, DNS_PORT, &frame));
    assert_int_equal(frame.from.port, OWN_PORT);
    assert_memory_equal(frame.bytes + frame.data_at, "a1 first", 8);
    assert_true(next_to(fixture, DNS_PORT, &frame));
    assert_memory_equal(frame.bytes + frame.data_at, "b2 second", 9);
    answer(fixture, "b2 is at 2");
    (void)module_await(module, NET_EVENT_RX, 2);
    answer(fixture, "a1 is at 1");
    (void)module_await(module, NET_EVENT_RX, 1);
    hear(fixture, first, "a1 is at 1");
    hear(fixture, second, "b2 is at 2");
    ops(fixture)->close(module->adapter, first);
    answer(fixture, "a1 is nobody's any more");
    run(fixture, S);
    assert_int_equal(ops(fixture)->active(module->adapter), 0);
}

static void an_answer_to_nobodys_question_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    int sid;

    module_be_ready(&fixture->module);
    sid = open_name(fixture, 1);
    (void)module_await(&fixture->module, NET_EVENT_CONNECTED, 1);
    ask(fixture, sid, "a1");
    answer(fixture, "c3 of a stranger");
    answer(fixture, "a");
    run(fixture, S);
    assert_int_equal(ops(fixture)->pending(fixture->module.adapter, sid), -EAGAIN);
}

/* Whoever is not there must not keep the socket from those who are. */
static void a_server_that_is_not_there_does_not_block_the_socket(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    struct frame frame;
    int sid;

    module_be_ready(module);
    sid = open_name(fixture, 1);
    (void)module_await(module, NET_EVENT_CONNECTED, 1);
    module->lacks_arp = true;
    ask(fixture, sid, "a1");
    run(fixture, 10 * S);
    assert_false(next_to(fixture, DNS_PORT, &frame));
    module->lacks_arp = false;
    ask(fixture, sid, "a2");
    assert_true(next_to(fixture, DNS_PORT, &frame));
    assert_memory_equal(frame.bytes + frame.data_at, "a2", 2);
}

/* The chip hangs in a SEND without a link; with the link it goes on, and so does the queue. */
static void a_cable_that_was_out_does_not_block_the_socket(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;

    module->lacks_dhcp = true;
    driver_boot(module->adapter);
    run(fixture, 500 * MS);
    bench_set_cable(module->bench, false);
    run(fixture, 600 * MS); /* the second DISCOVER, before anybody looks, or the first look */
    module->lacks_dhcp = false;
    bench_set_cable(module->bench, true);
    run(fixture, 5 * S);
    assert_true(module->adapter->is_ready);
}

static void with_16_kb_a_lookup_takes_the_one_socket(void **state)
{
    struct fixture *fixture = *state;
    struct frame frame;
    int sid;

    module_be_ready(&fixture->module);
    sid = open_name(fixture, 1);
    assert_int_equal(sid, 1);
    ask(fixture, sid, "a1");
    assert_true(next_to(fixture, DNS_PORT, &frame));
    assert_int_not_equal(frame.from.port, OWN_PORT);
    assert_int_equal(open_name(fixture, 2), -ENOBUFS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_has_what_a_server_leases),
        TEST(arp_is_forced_while_there_is_no_lease),
        TEST(three_unanswered_discovers_set_the_chip_up_anew),
        TEST(a_lease_is_renewed),
        TEST(a_lease_goes_with_the_link_and_is_asked_for_again),
        TEST(an_address_that_another_host_has_is_declined),
        TEST(two_conflicts_of_leases_set_it_up_anew),
        cmocka_unit_test_setup_teardown(a_static_address_asks_nobody, setup_static, teardown),
        TEST(an_address_can_be_set_and_asked_for_again),
        TEST(an_address_of_ipv6_is_refused),
        TEST(another_mac_asks_for_another_lease),
        cmocka_unit_test_setup_teardown(with_16_kb_in_one_socket_there_is_no_dhcp_and_8_it_is,
                                        setup_16_kb, teardown),
        cmocka_unit_test_setup_teardown(with_16_kb_and_a_static_address_dhcp_takes_8,
                                        setup_16_kb_static, teardown),
        TEST(lookups_share_socket_0),
        TEST(an_answer_to_nobodys_question_is_dropped),
        TEST(a_server_that_is_not_there_does_not_block_the_socket),
        TEST(a_cable_that_was_out_does_not_block_the_socket),
        cmocka_unit_test_setup_teardown(with_16_kb_a_lookup_takes_the_one_socket,
                                        setup_16_kb_static, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
