#include "adapters/w5500/nat_ports.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/w5500/fake_host.h"

#include <cmocka.h>

#define TCP     0x01
#define UDP     0x02
#define OPEN    0x01
#define LISTEN  0x02
#define CLOSE   0x10
#define SN_CR   0x01
#define SN_SR   0x03
#define SN_PORT 0x04
#define SIPR    0x0f
#define SUBR    0x05
#define RTR     0x19
#define RX_WR   0x2a

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

static struct nat_ports read_ports(const struct host *host)
{
    struct nat_ports ports;

    nat_ports_read(&ports, host->chip);
    return ports;
}

static void who_listens_is_reached(void **state)
{
    const struct nat_port port = { .port = 8080 }, other = { .is_udp = true, .port = 8080 };
    struct host *host = *state;
    struct nat_ports ports;

    host_open(host, 2, TCP, 8080);
    assert_int_equal(read_ports(host).count, 0);
    host_command(host, 2, LISTEN);
    ports = read_ports(host);
    assert_int_equal(ntohl(ports.ip.s_addr), HOST_IP);
    assert_int_equal(ports.count, 1);
    assert_true(nat_ports_have(&ports, &port));
    assert_false(nat_ports_have(&ports, &other));
    host_command(host, 2, CLOSE);
    assert_int_equal(read_ports(host).count, 0);
}

static void two_that_listen_at_a_port_are_one(void **state)
{
    struct host *host = *state;

    for (unsigned n = 0; n < 2; n++) {
        host_open(host, n, TCP, 80);
        host_command(host, n, LISTEN);
    }
    assert_int_equal(read_ports(host).count, 1);
}

static void an_open_udp_socket_is_reached(void **state)
{
    const struct nat_port port = { .is_udp = true, .port = 5000 };
    struct host *host = *state;
    struct nat_ports ports;

    host_open(host, 7, UDP, 5000);
    ports = read_ports(host);
    assert_true(nat_ports_have(&ports, &port));
}

/* The network leases addresses itself, and has the port of who does. */
static void a_dhcp_client_is_left_alone(void **state)
{
    struct host *host = *state;

    host_open(host, 0, UDP, 68);
    assert_int_equal(read_ports(host).count, 0);
}

static void without_an_address_nobody_is_reached(void **state)
{
    struct host *host = *state;

    host_open(host, 0, UDP, 5000);
    host_write32(host, W5500_BLOCK_COMMON, SIPR, 0);
    assert_int_equal(read_ports(host).count, 0);
}

static void their_order_makes_no_difference(void **state)
{
    struct nat_ports a = { .at = { { true, 1 }, { false, 2 } }, .count = 2 };
    struct nat_ports b = { .at = { { false, 2 }, { true, 1 } }, .count = 2 };

    (void)state;
    assert_true(nat_ports_equal(&a, &b));
    b.at[0].port = 3;
    assert_false(nat_ports_equal(&a, &b));
    b.count = 1;
    assert_false(nat_ports_equal(&a, &b));
    b = a;
    b.ip.s_addr = 1;
    assert_false(nat_ports_equal(&a, &b));
}

static bool follow(unsigned block, bool is_write, uint16_t address, size_t len)
{
    const struct w5500_access access = {
        .block = (uint8_t)block, .is_write = is_write, .address = address, .len = len
    };

    return nat_ports_follow(&access);
}

static void what_may_change_them_is_followed(void **state)
{
    (void)state;
    assert_true(follow(W5500_BLOCK_SOCKET(3), true, SN_CR, 1));
    assert_true(follow(W5500_BLOCK_SOCKET(0), true, 0, 4));
    assert_true(follow(W5500_BLOCK_SOCKET(7), false, SN_SR, 1));
    assert_true(follow(W5500_BLOCK_COMMON, true, SIPR, 4));
    assert_true(follow(W5500_BLOCK_COMMON, true, SUBR, 14));
    assert_false(follow(W5500_BLOCK_COMMON, false, SIPR, 4));
    assert_false(follow(W5500_BLOCK_COMMON, true, RTR, 2));
    assert_false(follow(W5500_BLOCK_SOCKET(3), true, SN_PORT, 2));
    assert_false(follow(W5500_BLOCK_SOCKET(3), false, RX_WR, 2));
    assert_false(follow(W5500_BLOCK_TX(3), true, 0, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_listens_is_reached, setup, teardown),
        cmocka_unit_test_setup_teardown(two_that_listen_at_a_port_are_one, setup, teardown),
        cmocka_unit_test_setup_teardown(an_open_udp_socket_is_reached, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dhcp_client_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(without_an_address_nobody_is_reached, setup, teardown),
        cmocka_unit_test(their_order_makes_no_difference),
        cmocka_unit_test(what_may_change_them_is_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
