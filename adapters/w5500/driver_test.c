/* The driver's task: reset, link, interrupts that are no socket's, and what scripts tell it. */
#include "adapters/w5500/driver.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "adapters/w5500/fake_module.h"
#include "emu/ethchip.h"
#include "emu/links.h"
#include "emu/util.h"

#include <cmocka.h>

#define MS          UINT64_C(1000)
#define S           UINT64_C(1000000)
#define REGS_LEN    58
#define MR          0x00
#define SIPR        0x0f
#define IR          0x15
#define IMR         0x16
#define SIMR        0x18
#define PHYCFGR     0x2e
#define SN_MR       0x00
#define SN_CR       0x01
#define SN_SR       0x03
#define SN_PORT     0x04
#define SN_KPALVTR  0x2f
#define IMR_WANTED  0xd0
#define SR_UDP      0x22
#define OPEN        0x01
#define CR_OPEN     0x01
#define KEEP_OF_OWN 2
#define SPI_HZ      25600000
#define SOCKET_0    W5500_BLOCK_SOCKET(0)
#define COMMON      W5500_BLOCK_COMMON

struct fixture {
    struct host host;
    struct module module;
};

static int begin(void **state, const struct module_options *options)
{
    static struct fixture fixture;

    host_init_bare(&fixture.host);
    module_init(&fixture.module, &fixture.host, options);
    *state = &fixture;
    return 0;
}

static int setup(void **state)
{
    return begin(state, NULL);
}

static int setup_dhcp(void **state)
{
    return begin(state, &(struct module_options){ .is_dhcp = true });
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    module_fini(&fixture->module);
    host_fini(&fixture->host);
    return 0;
}

static uint8_t peek(const struct fixture *fixture, unsigned block, uint16_t address)
{
    return w5500_peek(fixture->host.chip, block, address);
}

static bool is_in_reset(const struct fixture *fixture)
{
    return !(w5500_pins(fixture->host.chip) & W5500_PINS_RSTN);
}

static void take_links(struct fixture *fixture)
{
    struct net_event event;

    assert_false(module_take(&fixture->module, &event));
}

/* Its registers, common and socket 0's, are looked at so often in the next @us. */
static size_t looks_in(struct fixture *fixture, uint64_t us)
{
    struct module *module = &fixture->module;
    size_t count = 0;

    module->accesses_count = 0;
    host_run_us(&fixture->host, us);
    for (size_t i = 0; i < module->accesses_count; i++) {
        const struct host_access *access = &module->accesses[i];

        count += !access->is_write && access->block == COMMON && access->len == REGS_LEN;
    }
    return count;
}

static const struct ethchip_pins pins = {
    .spi = 0, .cs = 8, .irq = 1, .rst = 22, .link = ETHCHIP_NO_PIN, .speed_hz = SPI_HZ
};

static void say_init(const struct fixture *fixture, const struct ethchip_pins *wiring)
{
    fixture->module.ethchip->init(fixture->module.ethchip->ctx, wiring, "main.lua:3: ");
}

static bool say_config(const struct fixture *fixture, const struct ethchip_setup *config)
{
    return fixture->module.ethchip->config(fixture->module.ethchip->ctx, config, "main.lua:4: ");
}

/* ---- setting it up ------------------------------------------------------------------------------ */

static void it_resets_the_chip_for_5_ms_and_lets_it_wake_for_10(void **state)
{
    struct fixture *fixture = *state;

    driver_boot(fixture->module.adapter);
    assert_true(is_in_reset(fixture));
    host_run_us(&fixture->host, 5 * MS - 1);
    assert_true(is_in_reset(fixture));
    host_run_us(&fixture->host, 1);
    assert_false(is_in_reset(fixture));
    host_run_us(&fixture->host, 10 * MS - 1);
    assert_int_equal(fixture->module.accesses_count, 0);
    host_run_us(&fixture->host, 1);
    assert_int_not_equal(fixture->module.accesses_count, 0);
}

static void it_reads_58_bytes_and_writes_them_back(void **state)
{
    struct fixture *fixture = *state;
    const struct host_access *accesses = fixture->module.accesses;

    driver_boot(fixture->module.adapter);
    host_run_us(&fixture->host, 15 * MS);
    assert_false(accesses[0].is_write);
    assert_true(accesses[1].is_write);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(accesses[i].block, COMMON);
        assert_int_equal(accesses[i].address, 0);
        assert_int_equal(accesses[i].len, REGS_LEN);
    }
    assert_int_equal(peek(fixture, COMMON, IMR), IMR_WANTED);
    assert_int_equal(peek(fixture, COMMON, SIMR), 0xff);
    for (uint16_t i = 0; i < BOARD_MAC_LEN; i++)
        assert_int_equal(peek(fixture, COMMON, (uint16_t)(0x09 + i)), host_mac[i]);
}

static void socket_0_is_its_own_on_port_68(void **state)
{
    struct fixture *fixture = *state;

    driver_boot(fixture->module.adapter);
    host_run_us(&fixture->host, 15 * MS);
    assert_int_equal(peek(fixture, SOCKET_0, SN_SR), SR_UDP);
    assert_int_equal(peek(fixture, SOCKET_0, SN_PORT + 1), 68);
    assert_int_equal(peek(fixture, SOCKET_0, SN_KPALVTR), KEEP_OF_OWN);
    assert_int_equal(module_wrote(&fixture->module, SOCKET_0, SN_CR, CR_OPEN), 1);
}

static void nothing_is_done_before_it_is_told_to_begin(void **state)
{
    struct fixture *fixture = *state;

    host_run_us(&fixture->host, 10 * S);
    assert_int_equal(fixture->module.accesses_count, 0);
}

/* ---- wiring ------------------------------------------------------------------------------------- */

static void another_bus_reads_ff_and_one_warning_says_what_to_check(void **state)
{
    struct fixture *fixture = *state;
    struct ethchip_pins wrong = pins;

    wrong.spi = 1;
    say_init(fixture, &wrong);
    assert_false(say_config(fixture, &(struct ethchip_setup){ 0 }));
    host_run_us(&fixture->host, 10 * S);
    take_links(fixture);
    assert_int_equal(fixture->module.ups, 0);
    assert_int_equal(fixture->module.accesses_count, 0);
    assert_int_equal(module_said(&fixture->module, "main.lua:3: VERSIONR reads 0xff"), 1);
    assert_int_equal(module_connect(&fixture->module, SOCK_TYPE_TCP, 1, 80), -ENETDOWN);
    assert_int_equal(fixture->module.adapter->ops->active(fixture->module.adapter), 0);
}

static void pins_that_the_board_names_are_compared(void **state)
{
    struct fixture *fixture = *state;

    fixture->module.wiring.cs = 9;
    fixture->module.wiring.irq = fixture->module.wiring.rst = BOARD_ANY_PIN;
    say_init(fixture, &pins);
    host_run_us(&fixture->host, S);
    assert_int_equal(module_said(&fixture->module, "chip not found"), 1);
}

static void any_pin_will_do_where_the_board_says_so(void **state)
{
    struct fixture *fixture = *state;
    struct board_chip *wiring = &fixture->module.wiring;

    wiring->cs = wiring->irq = wiring->rst = BOARD_ANY_PIN;
    say_init(fixture, &pins);
    assert_true(say_config(fixture, &(struct ethchip_setup){ 0 }));
    host_run_us(&fixture->host, S);
    take_links(fixture);
    assert_true(fixture->module.adapter->is_ready);
    assert_int_equal(w5500_clock(fixture->host.chip), SPI_HZ);
    assert_int_equal(module_said(&fixture->module, "not found"), 0);
}

static void config_before_init_is_refused(void **state)
{
    assert_false(say_config(*state, &(struct ethchip_setup){ 0 }));
}

static void config_gives_address_mac_and_negotiation(void **state)
{
    struct fixture *fixture = *state;
    struct board_chip *wiring = &fixture->module.wiring;
    struct ethchip_setup config = {
        .is_static = true, .has_mac = true, .mac = { 2, 3, 4, 5, 6, 7 }, .has_negotiation = true
    };
    struct adapter_info info;
    uint8_t mac[BOARD_MAC_LEN];

    wiring->cs = wiring->irq = wiring->rst = BOARD_ANY_PIN;
    dhcp_to_endpoint(HOST_PEER_IP, &config.address.ip);
    config.address.prefix_len = 16;
    say_init(fixture, &pins);
    assert_true(say_config(fixture, &config));
    host_run_us(&fixture->host, S);
    take_links(fixture);
    assert_true(fixture->module.adapter->is_ready);
    fixture->module.adapter->ops->info(fixture->module.adapter, &info);
    assert_int_equal(dhcp_from_endpoint(&info.ip), HOST_PEER_IP);
    assert_int_equal(dhcp_from_endpoint(&info.mask), 0xffff0000);
    assert_int_equal(peek(fixture, COMMON, SIPR + 3), HOST_PEER_IP & 0xff);
    assert_int_equal(peek(fixture, COMMON, 0x09 + 5), 7);
    assert_true(fixture->module.ethchip->mac(fixture->module.ethchip->ctx, mac));
    assert_memory_equal(mac, config.mac, sizeof(mac));
    assert_int_equal(module_wrote(&fixture->module, COMMON, PHYCFGR, 0x78), 1);
    assert_int_equal(module_wrote(&fixture->module, COMMON, PHYCFGR, 0xf8), 1);
}

static void a_second_init_is_ignored(void **state)
{
    struct fixture *fixture = *state;
    struct board_chip *wiring = &fixture->module.wiring;

    wiring->cs = wiring->irq = wiring->rst = BOARD_ANY_PIN;
    say_init(fixture, &pins);
    host_run_us(&fixture->host, S);
    say_init(fixture, &pins);
    assert_false(is_in_reset(fixture));
}

/* ---- the link ----------------------------------------------------------------------------------- */

static void the_cable_is_told_of(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;

    module_be_ready(module);
    assert_string_equal(module_indication(module), "CABLE_INSERT");
    assert_null(module_indication(module));
    bench_set_cable(module->bench, false);
    host_run_us(&fixture->host, 2 * S);
    take_links(fixture);
    assert_false(module->adapter->is_ready);
    assert_string_equal(module_indication(module), "CABLE_REMOVE");
    bench_set_cable(module->bench, true);
    host_run_us(&fixture->host, S);
    take_links(fixture);
    assert_true(module->adapter->is_ready);
    assert_string_equal(module_indication(module), "CABLE_INSERT");
}

static void without_a_link_it_looks_each_100_ms_and_with_one_each_second(void **state)
{
    struct fixture *fixture = *state;

    bench_set_cable(fixture->module.bench, false);
    driver_boot(fixture->module.adapter);
    host_run_us(&fixture->host, S);
    bench_set_cable(fixture->module.bench, false);
    assert_in_range(looks_in(fixture, 10 * S), 99, 101);
    bench_set_cable(fixture->module.bench, true);
    host_run_us(&fixture->host, S);
    assert_in_range(looks_in(fixture, 10 * S), 9, 11);
}

static void without_an_address_it_looks_each_500_ms(void **state)
{
    struct fixture *fixture = *state;

    fixture->module.lacks_dhcp = true;
    driver_boot(fixture->module.adapter);
    host_run_us(&fixture->host, 1100 * MS);
    assert_in_range(looks_in(fixture, 5 * S), 9, 11);
}

/* A pin tells at once what a look would tell within a second. */
static void a_link_pin_tells_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    struct board_chip *wiring = &module->wiring;
    struct ethchip_pins with_link = pins;

    wiring->cs = wiring->irq = wiring->rst = wiring->link = BOARD_ANY_PIN;
    with_link.link = 9;
    say_init(fixture, &with_link);
    host_run_us(&fixture->host, S);
    take_links(fixture);
    assert_true(module->adapter->is_ready);
    bench_set_cable(module->bench, false);
    host_run_us(&fixture->host, 0);
    take_links(fixture);
    assert_false(module->adapter->is_ready);
}

/* ---- what goes wrong ---------------------------------------------------------------------------- */

static void a_chip_that_has_forgotten_imr_is_set_up_anew(void **state)
{
    struct fixture *fixture = *state;

    module_be_ready(&fixture->module);
    host_write8(&fixture->host, COMMON, IMR, 0);
    host_run_us(&fixture->host, S);
    take_links(fixture);
    assert_int_equal(fixture->module.downs, 1);
    host_run_us(&fixture->host, S);
    take_links(fixture);
    assert_true(fixture->module.adapter->is_ready);
    assert_int_equal(peek(fixture, COMMON, IMR), IMR_WANTED);
}

static void a_reset_that_begins_by_itself_takes_5_ms(void **state)
{
    struct fixture *fixture = *state;

    module_be_ready(&fixture->module);
    host_write8(&fixture->host, COMMON, IMR, 0);
    for (unsigned us = 0; us < 2 * S && !is_in_reset(fixture); us += 100)
        host_run_us(&fixture->host, 100);
    assert_true(is_in_reset(fixture));
    host_run_us(&fixture->host, 5 * MS - 200);
    assert_true(is_in_reset(fixture));
    host_run_us(&fixture->host, 200);
    assert_false(is_in_reset(fixture));
}

static void unreachable_does_not_make_it_spin(void **state)
{
    static const uint8_t message[] = {
        3,    3, 0,   0,  0, 0, 0, 0, /* RFC 792, and what it is about: */
        0x45, 0, 0,   28, 0, 0, 0, 0,  64, 17, 0, 0, 192, 0,
        2,    2, 192, 0,  2, 9, 0, 68, 0,  53, 0, 8, 0,   0
    };
    struct fixture *fixture = *state;
    struct packet_way way = host_way(0);
    uint8_t frame[PACKET_HEADERS_MAX + sizeof(message)];
    size_t len;

    module_be_ready(&fixture->module);
    len = packet_write_icmp(frame, &way, message, sizeof(message));
    fixture->module.accesses_count = 0;
    bench_receive(fixture->module.bench, frame, len);
    host_run_us(&fixture->host, 0);
    assert_int_equal(module_wrote(&fixture->module, COMMON, IR, 0x40), 1);
    assert_int_equal(peek(fixture, COMMON, IR), 0);
    assert_in_range(fixture->module.accesses_count, 1, 20);
    assert_true(w5500_pins(fixture->host.chip) & W5500_PINS_INTN);
}

static void two_conflicts_set_it_up_anew(void **state)
{
    struct fixture *fixture = *state;

    module_be_ready(&fixture->module);
    host_arp(&fixture->host, 1, HOST_IP, HOST_IP);
    host_run_us(&fixture->host, S);
    assert_int_equal(module_said(&fixture->module, "ip conflict"), 1);
    take_links(fixture);
    assert_int_equal(fixture->module.downs, 0);
    host_arp(&fixture->host, 1, HOST_IP, HOST_IP);
    host_run_us(&fixture->host, 0);
    assert_true(is_in_reset(fixture));
    host_run_us(&fixture->host, S);
    take_links(fixture);
    assert_true(fixture->module.adapter->is_ready);
}

/* ---- power -------------------------------------------------------------------------------------- */

static void switched_off_it_is_held_in_reset(void **state)
{
    struct fixture *fixture = *state;
    struct module *module = &fixture->module;
    struct link_status status;
    int sid;

    module_be_ready(module);
    sid = module_connect(module, SOCK_TYPE_UDP, 1, 9);
    assert_in_range(sid, 1, 7);
    driver_power(module->adapter, false);
    (void)module_await(module, NET_EVENT_ERROR, 1);
    assert_false(module->adapter->is_ready);
    host_run_us(&fixture->host, 10 * S);
    assert_true(is_in_reset(fixture));
    driver_status(module->adapter, &status);
    assert_false(status.is_on);
    assert_int_equal(module_connect(module, SOCK_TYPE_UDP, 2, 9), -ENETDOWN);
    module->adapter->ops->close(module->adapter, sid);
    driver_power(module->adapter, true);
    host_run_us(&fixture->host, S);
    take_links(fixture);
    assert_true(module->adapter->is_ready);
}

static void a_script_does_not_switch_it_on(void **state)
{
    struct fixture *fixture = *state;
    struct board_chip *wiring = &fixture->module.wiring;

    wiring->cs = wiring->irq = wiring->rst = BOARD_ANY_PIN;
    module_be_ready(&fixture->module);
    driver_power(fixture->module.adapter, false);
    say_init(fixture, &pins);
    (void)say_config(fixture, &(struct ethchip_setup){ 0 });
    host_run_us(&fixture->host, S);
    assert_true(is_in_reset(fixture));
    driver_power(fixture->module.adapter, true);
    host_run_us(&fixture->host, S);
    take_links(fixture);
    assert_true(fixture->module.adapter->is_ready);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_resets_the_chip_for_5_ms_and_lets_it_wake_for_10),
        TEST(it_reads_58_bytes_and_writes_them_back),
        TEST(socket_0_is_its_own_on_port_68),
        TEST(nothing_is_done_before_it_is_told_to_begin),
        TEST(another_bus_reads_ff_and_one_warning_says_what_to_check),
        TEST(pins_that_the_board_names_are_compared),
        TEST(any_pin_will_do_where_the_board_says_so),
        TEST(config_before_init_is_refused),
        TEST(config_gives_address_mac_and_negotiation),
        TEST(a_second_init_is_ignored),
        TEST(the_cable_is_told_of),
        TEST(without_a_link_it_looks_each_100_ms_and_with_one_each_second),
        cmocka_unit_test_setup_teardown(without_an_address_it_looks_each_500_ms, setup_dhcp,
                                        teardown),
        TEST(a_link_pin_tells_at_once),
        TEST(a_chip_that_has_forgotten_imr_is_set_up_anew),
        TEST(a_reset_that_begins_by_itself_takes_5_ms),
        TEST(unreachable_does_not_make_it_spin),
        TEST(two_conflicts_set_it_up_anew),
        TEST(switched_off_it_is_held_in_reset),
        TEST(a_script_does_not_switch_it_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
