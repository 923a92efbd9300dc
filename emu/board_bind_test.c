#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/board.h"
#include "emu/util.h"

#include <cmocka.h>

/* What is wrong with these options, each a whole --bind; NULL: nothing. */
static const char *bind_all(struct board *board, const char *const binds[], int count,
                            char why[BOARD_WHY_MAX])
{
    const char *problem = NULL;

    board_init(board);
    for (int i = 0; i < count && !problem; i++)
        problem = board_bind(board, binds[i], why);
    return problem ? problem : board_check(board, why);
}

static const struct board_slot *bind(struct board *board, const char *text)
{
    char why[BOARD_WHY_MAX];

    assert_null(bind_all(board, &text, 1, why));
    return &board->slots[ADAPTER_ETH];
}

static void the_kind_is_understood(void **state)
{
    struct board board;

    (void)state;
    assert_int_equal(bind(&board, "LWIP_ETH=off")->binding, BINDING_OFF);
    assert_int_equal(bind(&board, "LWIP_ETH=host")->binding, BINDING_HOST);
    assert_int_equal(bind(&board, "LWIP_ETH=lab")->binding, BINDING_LAB);
    assert_int_equal(bind(&board, "LWIP_ETH=veth")->binding, BINDING_VETH);
    assert_string_equal(bind(&board, "LWIP_ETH=netns:lan")->netns, "lan");
    assert_string_equal(bind(&board, "LWIP_ETH=tap:tap0")->ifname, "tap0");
}

static void the_options_are_understood(void **state)
{
    struct board board;
    char text[ENDPOINT_TEXT_MAX];
    const uint8_t mac[] = { 0x02, 0x00, 0x5e, 0x00, 0x53, 0x01 };
    const struct board_slot *slot =
        bind(&board, "LWIP_ETH=veth:peer=lan0,bridge=br0,ip=10.0.0.2/8,gw=10.1.1.1,"
                     "ip6=2001:db8::2/64,gw6=fe80::1,mac=02-00-5E-00-53-01,mtu=1400,"
                     "dns=10.0.0.3,dns=10.0.0.4,down");

    (void)state;
    assert_string_equal(slot->peer, "lan0");
    assert_string_equal(slot->bridge, "br0");
    assert_int_equal(slot->addressing, ADDRESSING_STATIC);
    assert_string_equal(endpoint_ip_text(&slot->address.ip, text), "10.0.0.2");
    assert_int_equal(slot->address.prefix_len, 8);
    assert_string_equal(endpoint_ip_text(&slot->address.gateway, text), "10.1.1.1");
    assert_string_equal(endpoint_ip_text(&slot->address.ip6, text), "2001:db8::2");
    assert_int_equal(slot->address.prefix6_len, 64);
    assert_string_equal(endpoint_ip_text(&slot->address.gateway6, text), "fe80::1");
    assert_memory_equal(slot->mac, mac, sizeof(mac));
    assert_int_equal(slot->mtu, 1400);
    assert_int_equal(slot->dns_count, 2);
    assert_true(slot->starts_down);
}

static void an_address_takes_its_length_from_a_mask_too(void **state)
{
    struct board board;

    (void)state;
    assert_int_equal(
        bind(&board, "LWIP_ETH=lab,ip=10.0.0.2,mask=255.255.254.0")->address.prefix_len, 23);
    assert_int_equal(bind(&board, "LWIP_ETH=lab,mask=255.0.0.0,ip=10.0.0.2/8")->address.prefix_len,
                     8);
}

static void a_cable_without_an_address_asks_for_one(void **state)
{
    struct board board;

    (void)state;
    assert_int_equal(bind(&board, "LWIP_ETH=veth")->addressing, ADDRESSING_DHCP);
    assert_int_equal(bind(&board, "LWIP_ETH=tap:t")->addressing, ADDRESSING_DHCP);
    assert_int_equal(bind(&board, "LWIP_ETH=lab")->addressing, ADDRESSING_GIVEN);
    assert_int_equal(bind(&board, "LWIP_ETH=lab,dhcp")->addressing, ADDRESSING_DHCP);
    assert_int_equal(bind(&board, "LWIP_ETH=netns:a")->addressing, ADDRESSING_GIVEN);
}

/* Two bindings, of which the second may be NULL, and a part of what is said. */
struct refusal {
    const char *first, *second, *why;
};

static const struct refusal refusals[] = {
    { "LWIP_ETH", NULL, "it has the form" },
    { "MOON=host", NULL, "no adapter \"MOON\"" },
    { "LWIP_ETH=moon", NULL, "bound to host" },
    { "LWIP_ETH=veth:lan0", NULL, "no option \"lan0\"" },
    { "LWIP_ETH=tap:", NULL, "tap:NAME" },
    { "LWIP_ETH=tap:a/b", NULL, "tap:NAME" },
    { "LWIP_ETH=tap:sixteen-letters-", NULL, "tap:NAME" },
    { "LWIP_ETH=lab,", NULL, "no option \"\"" },
    { "LWIP_ETH=lab,ip", NULL, "ip= lacks its value" },
    { "LWIP_ETH=lab,down=1", NULL, "down takes no value" },
    { "LWIP_ETH=lab,colour=red", NULL, "no option \"colour\"" },
    { "LWIP_ETH=off,down", NULL, "off takes nothing more" },
    { "LWIP_ETH=host,ip=10.0.0.2/8", NULL, "host takes no ip=" },
    { "LWIP_ETH=host,dhcp", NULL, "host takes no dhcp:" },
    { "LWIP_ETH=netns:a,mac=02:00:00:00:00:01", NULL, "netns takes no mac=" },
    { "LWIP_ETH=netns:a,gw6=fe80::1", NULL, "netns takes no gw6=" },
    { "LWIP_ETH=lab,dev=eth0", NULL, "lab takes no dev=" },
    { "LWIP_ETH=lab,bridge=br0", NULL, "lab takes no bridge=" },
    { "LWIP_ETH=tap:t,peer=a", NULL, "tap takes no peer=" },
    { "LWIP_ETH=netns:a,ip=10.0.0.2/8", NULL, "which one, dev=?" },
    { "LWIP_ETH=lab,ip=10.0.0.2", NULL, "lacks its network's length" },
    { "LWIP_ETH=lab,ip=10.0.0.2/33", NULL, "32 bits" },
    { "LWIP_ETH=lab,ip=10.0.0.2/0", NULL, "ip= takes" },
    { "LWIP_ETH=lab,ip=10.0.0.2/", NULL, "ip= takes" },
    { "LWIP_ETH=lab,ip=10.0.0.2/8x", NULL, "ip= takes" },
    { "LWIP_ETH=lab,ip=10.0.0.2/+8", NULL, "ip= takes" },
    { "LWIP_ETH=lab,ip=2001:db8::2/64", NULL, "is for ip6=" },
    { "LWIP_ETH=lab,ip6=10.0.0.2/8", NULL, "is for ip=" },
    { "LWIP_ETH=lab,ip6=2001:db8::2", NULL, "ip6= takes" },
    { "LWIP_ETH=lab,ip6=2001:db8::2/129", NULL, "ip6= takes" },
    { "LWIP_ETH=lab,ip6=fe80::2/64", NULL, "no address that others can reach" },
    { "LWIP_ETH=lab,ip=10.0.0.0/8", NULL, "no host's address" },
    { "LWIP_ETH=lab,ip=10.255.255.255/8", NULL, "no host's address" },
    { "LWIP_ETH=lab,ip=127.0.0.2/8", NULL, "no host's address" },
    { "LWIP_ETH=lab,ip=224.0.0.2/8", NULL, "no host's address" },
    { "LWIP_ETH=lab,ip=10.0.0.2/8,mask=255.255.0.0", NULL, "different things" },
    { "LWIP_ETH=lab,mask=255.0.255.0", NULL, "mask= takes" },
    { "LWIP_ETH=lab,mask=255.0.0.0", NULL, "mask= goes with ip=" },
    { "LWIP_ETH=lab,gw=10.0.0.1", NULL, "gw= goes with ip=" },
    { "LWIP_ETH=lab,ip=10.0.0.2/24,gw=10.0.1.1", NULL, "gw=10.0.1.1 is not in" },
    { "LWIP_ETH=lab,ip=10.0.0.2/24,gw=10.0.0.2", NULL, "own address" },
    { "LWIP_ETH=lab,ip=10.0.0.2/24,gw=fe80::1", NULL, "gw= takes" },
    { "LWIP_ETH=lab,gw6=fe80::1", NULL, "gw6= goes with ip6=" },
    { "LWIP_ETH=lab,ip6=2001:db8::2/64,gw6=2001:db9::1", NULL, "gw6=2001:db9::1 is not in" },
    { "LWIP_ETH=lab,ip=10.0.0.2/8,dhcp", NULL, "not from both" },
    { "LWIP_ETH=lab,dhcp,ip=10.0.0.2/8", NULL, "not from both" },
    { "LWIP_ETH=lab,ip=10.0.0.2/8,ip=10.0.0.3/8", NULL, "one ip=" },
    { "LWIP_ETH=lab,mtu=67", NULL, "mtu= takes" },
    { "LWIP_ETH=lab,mtu=65522", NULL, "mtu= takes" },
    { "LWIP_ETH=lab,mtu=-1", NULL, "mtu= takes" },
    { "LWIP_ETH=lab,mtu=1400B", NULL, "mtu= takes" },
    { "LWIP_ETH=lab,mtu=1279,ip6=2001:db8::2/64", NULL, "too little for ip6=" },
    { "LWIP_ETH=lab,mac=02:00:00:00:00", NULL, "mac= takes" },
    { "LWIP_ETH=lab,mac=02:00:00:00:00:01:02", NULL, "mac= takes" },
    { "LWIP_ETH=lab,mac=01:00:5e:00:00:01", NULL, "no address of one station" },
    { "LWIP_ETH=lab,mac=000000000000", NULL, "no address of one station" },
    { "LWIP_ETH=host,dns=1.1.1.1,dns=1.1.1.2,dns=1.1.1.3,dns=1.1.1.4,dns=1.1.1.5", NULL, "four" },
    { "LWIP_ETH=veth,peer=a:b", NULL, "peer= takes" },
    { "LWIP_ETH=veth,bridge=.", NULL, "bridge= takes" },
    { "LWIP_ETH=lab,ip=192.168.77.1/24", NULL, "the lab's own address" },
    { "LWIP_ETH=lab,mac=020000000001", "USB=veth,mac=02:00:00:00:00:01", "one mac=" },
    { "LWIP_ETH=veth,peer=a", "USB=veth,peer=a", "both want the name a (peer=)" },
    { "LWIP_ETH=veth,peer=a", "USB=tap:a", "both want the name a" },
    { "LWIP_ETH=lab,ip=192.168.77.15/24", "USB=lab", "one address, 192.168.77.15" },
    { "LWIP_ETH=lab,ip=10.0.0.2/8", "USB=lab,ip=10.0.0.3/16", "overlap: 10.0.0.2/8" },
    { "LWIP_ETH=veth,bridge=b,ip=10.0.0.2/8", "USB=tap:t,bridge=b,ip=10.0.0.2/8", "one address" },
    { "LWIP_ETH=netns:a,dev=x,ip=10.0.0.2/8", "USB=netns:/run/netns/a,dev=y,ip=10.0.0.3/8",
      "in one namespace" },
    { "LWIP_ETH=lab,ip6=2001:db8::2/64", "USB=lab,ip6=2001:db8::2/64", "one address, 2001:db8::2" },
    { "ETH0=lab,ip6=2001:db8::2/64", NULL, "ETH0: ip6=: a W5500 has no IPv6" },
    { "ETH0=veth,mtu=1501", NULL, "ETH0: mtu=1501: a W5500 has 1500 at most" },
    { "ETH0=lab,chip=w5100", NULL, "chip= takes w5500 or none; not \"w5100\"" },
    { "ETH0=lab,chip", NULL, "chip= lacks its value" },
    { "ETH0=host,chip=w5500", NULL, "host takes no chip=: a chip takes a link" },
    { "ETH0=netns:a,chip=w5500", NULL, "takes an interface's frames: which one, dev=?" },
    { "LWIP_ETH=lab,chip=w5500", NULL, "LWIP_ETH: chip=w5500: the board has one, behind ETH0" },
    { "LWIP_ETH=nat", NULL, "LWIP_ETH: nat is the way out of the W5500" },
    { "ETH0=nat,chip=none", NULL, "no chip=none" },
    { "ETH0=nat,ip6=2001:db8::2/64", NULL, "nat takes no ip6=" },
    { "ETH0=nat,mtu=1400", NULL, "nat takes no mtu=" },
};

static void a_w5500_is_where_eth0_has_frames(void **state)
{
    static const struct {
        const char *bind;
        bool has_chip;
    } rows[] = {
        { "ETH0=lab", true },
        { "ETH0=veth", true },
        { "ETH0=tap:t", true },
        { "ETH0=nat", true },
        { "ETH0=lab,chip=w5500,mac=02:00:00:00:00:01", true },
        { "ETH0=netns:a,dev=x,mac=02:00:00:00:00:01", true },
        { "ETH0=netns:a", false },
        { "ETH0=host", false },
        { "ETH0=off", false },
        { "ETH0=lab,chip=none,ip6=2001:db8::2/64,mtu=9000", false },
        { "LWIP_ETH=lab", false },
    };

    (void)state;
    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        char why[BOARD_WHY_MAX];
        struct board board;

        assert_null(bind_all(&board, &rows[i].bind, 1, why));
        board_use(&board, BINDING_HOST);
        for (int id = 0; id < ADAPTER_COUNT; id++)
            assert_int_equal(board_has_chip(&board.slots[id], (enum adapter_id)id),
                             rows[i].has_chip && id == ADAPTER_ETH0);
    }
}

static void what_nobody_has_placed_gets_its_chip_with_its_place(void **state)
{
    struct board board;

    (void)state;
    board_init(&board);
    board_use(&board, BINDING_HOST);
    assert_false(board_has_chip(&board.slots[ADAPTER_ETH0], ADAPTER_ETH0));
    board_use(&board, BINDING_LAB);
    assert_true(board_has_chip(&board.slots[ADAPTER_ETH0], ADAPTER_ETH0));
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < ARRAY_LEN(refusals); i++) {
        const char *const binds[] = { refusals[i].first, refusals[i].second };
        char why[BOARD_WHY_MAX];
        struct board board;
        const char *problem = bind_all(&board, binds, binds[1] ? 2 : 1, why);

        if (!problem || !strstr(problem, refusals[i].why)) {
            fail_msg("%s %s: %s", binds[0], binds[1] ? binds[1] : "",
                     problem ? problem : "was not refused");
        }
    }
}

static void what_can_live_side_by_side_may(void **state)
{
    static const char *const pairs[][2] = {
        { "LWIP_ETH=lab,ip=10.0.0.2/8", "USB=lab,ip=10.0.0.3/8" },
        { "LWIP_ETH=veth,ip=10.0.0.2/8", "USB=veth,ip=10.0.0.2/16" },
        { "LWIP_ETH=netns:a,dev=x,ip=10.0.0.2/8", "USB=netns:b,dev=x,ip=10.0.0.2/8" },
        { "LWIP_ETH=veth,bridge=a", "USB=veth,bridge=a" },
        { "LWIP_ETH=lab,ip=10.0.0.1/31", "USB=lab,ip=10.0.0.0/31" },
    };

    (void)state;
    for (int i = 0; i < ARRAY_LEN(pairs); i++) {
        char why[BOARD_WHY_MAX];
        struct board board;

        assert_null(bind_all(&board, pairs[i], 2, why));
    }
}

static void a_refused_option_changes_nothing(void **state)
{
    struct board board;
    char why[BOARD_WHY_MAX];

    (void)state;
    board_init(&board);
    assert_non_null(board_bind(&board, "LWIP_ETH=off,down", why));
    assert_int_equal(board.slots[ADAPTER_ETH].binding, BINDING_HOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kind_is_understood),
        cmocka_unit_test(the_options_are_understood),
        cmocka_unit_test(an_address_takes_its_length_from_a_mask_too),
        cmocka_unit_test(a_cable_without_an_address_asks_for_one),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(what_can_live_side_by_side_may),
        cmocka_unit_test(a_w5500_is_where_eth0_has_frames),
        cmocka_unit_test(what_nobody_has_placed_gets_its_chip_with_its_place),
        cmocka_unit_test(a_refused_option_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
