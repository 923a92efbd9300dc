#include "emu/board_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/board.h"
#include "emu/board_chip.h"
#include "emu/limits.h"
#include "emu/util.h"

#include <cmocka.h>

struct fixture {
    struct board board;
    struct limits limits;
    char why[YAML_WHY_MAX];
};

static const char *read_board(struct fixture *fixture, const char *text)
{
    board_init(&fixture->board);
    limits_init(&fixture->limits);
    return board_read(&fixture->board, &fixture->limits, "b.yaml", text, strlen(text),
                      fixture->why);
}

static void every_builtin_board_can_be_read(void **state)
{
    struct fixture fixture;

    (void)state;
    assert_true(board_builtins_count >= 6);
    for (size_t i = 0; i < board_builtins_count; i++) {
        board_init(&fixture.board);
        limits_init(&fixture.limits);
        assert_null(
            board_load(&fixture.board, &fixture.limits, board_builtins[i].name, fixture.why));
        assert_string_equal(fixture.board.facts.name, board_builtins[i].name);
    }
}

static void what_a_file_says_is_taken_and_the_rest_stays(void **state)
{
    struct fixture fixture;
    const struct board_slot *eth = &fixture.board.slots[ADAPTER_ETH];

    (void)state;
    assert_null(read_board(&fixture,
                           "name: bench\n"
                           "adapters:\n"
                           "  LWIP_GP:\n"
                           "  LWIP_ETH:\n"
                           "    dns: [192.0.2.1, 192.0.2.2]\n"
                           "    bind: netns:lan\n"
                           "    limits: { sockets: 3, listen: one, ipv6: no, datagram: 1460 }\n"
                           "mobile: { imei: \"490154203237518\", csq: 99 }\n"
                           "adc: { 1: 1500, vbat: 3700 }\n"
                           "wifi: [{ ssid: home, password: longenough }]\n"
                           "limits: { sockets: 5 }\n"));
    assert_string_equal(fixture.board.facts.name, "bench");
    assert_string_equal(fixture.board.facts.model, "PC");
    assert_true(fixture.board.slots[ADAPTER_GP].is_default);
    assert_int_equal(fixture.board.slots[ADAPTER_STA].binding, BINDING_OFF);
    assert_int_equal(eth->binding, BINDING_NETNS);
    assert_int_equal(eth->dns_count, 2);
    assert_int_equal(eth->limits.sockets, 3);
    assert_int_equal(eth->limits.datagram, 1460);
    assert_true(eth->limits.one_to_one);
    assert_true(eth->limits.lacks_ipv6);
    assert_string_equal(fixture.board.facts.imei, "490154203237518");
    assert_int_equal(fixture.board.facts.csq, 99);
    assert_int_equal(fixture.board.facts.adc_mv[1], 1500);
    assert_int_equal(fixture.board.facts.vbat_mv, 3700);
    assert_int_equal(fixture.board.aps_count, 1);
    assert_string_equal(fixture.board.aps[0].ssid, "home");
    assert_int_equal(fixture.limits.sockets, 5);
}

/* README.md, section Boards: a text is what --bind takes. */
static void an_adapter_s_text_is_what_bind_takes(void **state)
{
    struct fixture fixture;
    const struct board_slot *eth = &fixture.board.slots[ADAPTER_ETH];

    (void)state;
    assert_null(read_board(&fixture, "adapters:\n"
                                     "  LWIP_ETH: netns:lan,dev=eth0,dns=192.0.2.1\n"
                                     "  LWIP_STA: off\n"
                                     "  LWIP_GP: \"\"\n"));
    assert_int_equal(eth->binding, BINDING_NETNS);
    assert_string_equal(eth->netns, "lan");
    assert_string_equal(eth->ifname, "eth0");
    assert_int_equal(eth->dns_count, 1);
    assert_false(eth->is_default);
    assert_int_equal(fixture.board.slots[ADAPTER_STA].binding, BINDING_OFF);
    assert_true(fixture.board.slots[ADAPTER_GP].is_default);
}

/* Without the adapter's name; README.md, sections Boards and Bad networks. */
static void an_adapter_s_rules_are_what_impair_takes(void **state)
{
    static const char *const wanted[] = { "LWIP_GP,delay=80ms,loss=1%", "LWIP_ETH:up,loss=2%",
                                          "LWIP_ETH:down,rate=1mbit", "LWIP_ETH,blackhole" };
    struct fixture fixture;

    (void)state;
    assert_null(read_board(&fixture, "adapters:\n"
                                     "  LWIP_GP: { impair: \"delay=80ms,loss=1%\" }\n"
                                     "  LWIP_ETH:\n"
                                     "    impair:\n"
                                     "      - up,loss=2%\n"
                                     "      - :down,rate=1mbit\n"
                                     "      - blackhole\n"
                                     "    bind: netns:lan\n"));
    assert_int_equal(fixture.board.impairs_count, ARRAY_LEN(wanted));
    for (int i = 0; i < ARRAY_LEN(wanted); i++)
        assert_string_equal(fixture.board.impairs[i].text, wanted[i]);
    assert_int_equal(fixture.board.impairs[1].directions, 1U << IMPAIR_DIRECTION_UP);
    assert_int_equal(fixture.board.impairs[2].adapter, ADAPTER_ETH);
}

/* README.md, section ETH0. */
static void the_chip_is_wired_and_behaves_as_the_file_says(void **state)
{
    struct fixture fixture;
    const struct board_chip *chip = &fixture.board.chip;

    (void)state;
    assert_null(read_board(&fixture, "w5500:\n"
                                     "  spi: 2\n"
                                     "  cs: 8\n"
                                     "  irq: 0\n"
                                     "  rst: any\n"
                                     "  link: none\n"
                                     "  buffer: 16\n"
                                     "  timing: accurate\n"
                                     "  scale: 10\n"
                                     "  gap_us: 3\n"
                                     "  quirks: [version_late, live_tx_wr, version_late]\n"));
    assert_true(board_chip_is_on(chip, 2));
    assert_false(board_chip_is_on(chip, 0));
    assert_int_equal(chip->cs, 8);
    assert_int_equal(chip->irq, 0);
    assert_int_equal(chip->rst, BOARD_ANY_PIN);
    assert_int_equal(chip->link, BOARD_NO_PIN);
    assert_int_equal(chip->buffer_kb, 16);
    assert_true(chip->is_accurate);
    assert_int_equal(chip->scale_percent, 10);
    assert_int_equal(chip->gap_ns, 3000);
    assert_int_equal(chip->quirks_count, 2);
    assert_string_equal(chip->quirks[0], "version_late");
    assert_string_equal(chip->quirks[1], "live_tx_wr");
}

static void without_a_word_the_chip_is_where_scripts_look_for_it(void **state)
{
    struct fixture fixture;

    (void)state;
    assert_null(read_board(&fixture, "{}"));
    for (int spi = 0; spi <= BOARD_HSPI_0; spi++)
        assert_int_equal(board_chip_is_on(&fixture.board.chip, spi), spi == 0 || spi == 5);
    assert_null(read_board(&fixture, "w5500: { spi: any }"));
    for (int spi = 0; spi <= BOARD_HSPI_0; spi++)
        assert_true(board_chip_is_on(&fixture.board.chip, spi));
    assert_null(read_board(&fixture, "w5500: { spi: 5, quirks: live_rx_rd }"));
    assert_true(board_chip_is_on(&fixture.board.chip, 5));
    assert_int_equal(fixture.board.chip.quirks_count, 1);
}

static void quirks_add_up_without_end(void **state)
{
    char why[BOARD_WHY_MAX], name[BOARD_TEXT_MAX + 1];
    struct board_chip chip = { 0 };

    (void)state;
    assert_null(board_chip_add_quirks(&chip, "a,b,a", why));
    assert_null(board_chip_add_quirks(&chip, "ab", why));
    assert_int_equal(chip.quirks_count, 3);
    assert_non_null(board_chip_add_quirks(&chip, "", why));
    assert_non_null(board_chip_add_quirks(&chip, "c,", why));
    memset(name, 'x', sizeof(name));
    name[BOARD_TEXT_MAX] = '\0';
    assert_non_null(strstr(board_chip_add_quirks(&chip, name, why), "so long a name: xxx"));
    for (int i = 0; i < BOARD_QUIRKS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "q%d", i);
        (void)board_chip_add_quirks(&chip, name, why);
    }
    assert_int_equal(chip.quirks_count, BOARD_QUIRKS_MAX);
    assert_non_null(board_chip_add_quirks(&chip, "another", why));
}

static void an_empty_file_changes_nothing(void **state)
{
    struct fixture fixture, before;

    (void)state;
    assert_null(read_board(&fixture, "{}"));
    board_init(&before.board);
    assert_memory_equal(&fixture.board, &before.board, sizeof(before.board));
}

/* What is wrong is told with line and key. */
static void what_is_wrong_is_told_with_line_and_key(void **state)
{
    static const char *const pairs[][2] = {
        { "nmae: x", "b.yaml:1: nmae: there is no such key; there are name," },
        { "name: x\nname: y", "b.yaml:2: name: this key is here twice" },
        { "name: [x]", "b.yaml:1: name: a single value is wanted here" },
        { "adapters: 3", "b.yaml:1: adapters: keys and values are wanted here" },
        { "adapters:\n  LWIP: off", "b.yaml:2: adapters.LWIP: there is no such adapter" },
        { "adapters:\n  LWIP_GP: cloud", "b.yaml:2: adapters.LWIP_GP: " },
        { "adapters:\n  LWIP_GP:\n    bind: lab\n    mtu: 1",
          "b.yaml:4: adapters.LWIP_GP.mtu: mtu= takes bytes from" },
        { "adapters: {ETH0: {limits: {sockets: x}}}",
          "b.yaml:1: adapters.ETH0.limits.sockets: it takes a number from 1 to" },
        { "adapters: {ETH0: {limits: {listen: two}}}",
          "b.yaml:1: adapters.ETH0.limits.listen: it takes one or many" },
        { "adapters: {ETH0: {limits: {ipv6: perhaps}}}",
          "b.yaml:1: adapters.ETH0.limits.ipv6: it takes yes or no" },
        { "adapters:\n  ETH0:\n    impair: loss=x", "b.yaml:3: adapters.ETH0.impair: " },
        { "adapters: {ETH0: {impair: [blackhole, sideways]}}", "b.yaml:1: adapters.ETH0.impair: " },
        { "adapters: {ETH0: {impair: {loss: 1}}}",
          "b.yaml:1: adapters.ETH0.impair: a single value is wanted here" },
        { "adapters: {ETH0: {bind: off, impair: blackhole}}",
          "b.yaml:1: adapters.ETH0.impair: the adapter is off" },
        { "mobile: {imei: abc}", "b.yaml:1: mobile.imei: it takes 14 to 16 digits" },
        { "mobile: {csq: 50}", "b.yaml:1: mobile.csq: it takes 0 to 31, or 99" },
        { "adc: {9: 1}", "b.yaml:1: adc.9: there are 0 to 3, vbat and cpu" },
        { "wifi: [{password: longenough}]", "b.yaml:1: wifi: a network has a name" },
        { "wifi: [{ssid: x, password: short}]", "b.yaml:1: wifi.password: a password has 8" },
        { "wifi: [{ssid: x, bssid: \"1:2:3\"}]", "b.yaml:1: wifi.bssid: it takes six bytes" },
        { "w5500: {spi: 6}", "b.yaml:1: w5500.spi: it takes a number from 0 to 5" },
        { "w5500: {spi: none}", "b.yaml:1: w5500.spi: it takes a number from 0 to 5, any" },
        { "w5500: {cs: -1}", "b.yaml:1: w5500.cs: it takes a number from 0 to 254, any" },
        { "w5500: {link: x}", "w5500.link: it takes a number from 0 to 254, any or none" },
        { "w5500: {buffer: 3}", "w5500.buffer: a socket's buffers have 1, 2, 4, 8 or 16 KB" },
        { "w5500: {timing: slow}", "w5500.timing: it takes fast or accurate" },
        { "w5500: {scale: 0}", "w5500.scale: it takes a number from 1 to 10000" },
        { "w5500: {gap_us: x}", "w5500.gap_us: it takes a number from 0 to" },
        { "w5500: {quirks: [\"\"]}", "w5500.quirks: it takes the names of quirks" },
        { "w5500: {mosi: 1}", "w5500.mosi: there is no such key" },
        { "limits: {socks: 1}", "b.yaml:1: limits.socks: there is no such key" },
        { "uart: {9: pty}", "b.yaml:1: uart.9: " },
        { "a: [", "b.yaml:2: this is not YAML" },
        { "a: b\n---\nc: d", "one document is all that is read" },
        { "name: \"a\\0b\"", "b.yaml:1: a text holds a NUL byte" },
        { "a: &x [*x]", "b.yaml:1: a: there is no such key" },
    };
    struct fixture fixture;

    (void)state;
    for (int i = 0; i < ARRAY_LEN(pairs); i++) {
        const char *wrong = read_board(&fixture, pairs[i][0]);

        if (!wrong)
            fail_msg("\"%s\" was taken", pairs[i][0]);
        if (!strstr(wrong, pairs[i][1]))
            fail_msg("\"%s\" gave \"%s\"", pairs[i][0], wrong);
    }
}

static void no_more_networks_than_there_is_room_for(void **state)
{
    char text[4096] = "wifi:\n";
    struct fixture fixture;

    (void)state;
    for (int i = 0; i < BOARD_APS_MAX; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "  - ssid: n%d\n", i);
    assert_null(read_board(&fixture, text));
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "  - ssid: more\n");
    assert_non_null(strstr(read_board(&fixture, text), "there are 16 networks at most"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_builtin_board_can_be_read),
        cmocka_unit_test(what_a_file_says_is_taken_and_the_rest_stays),
        cmocka_unit_test(an_adapter_s_text_is_what_bind_takes),
        cmocka_unit_test(an_adapter_s_rules_are_what_impair_takes),
        cmocka_unit_test(the_chip_is_wired_and_behaves_as_the_file_says),
        cmocka_unit_test(without_a_word_the_chip_is_where_scripts_look_for_it),
        cmocka_unit_test(quirks_add_up_without_end),
        cmocka_unit_test(an_empty_file_changes_nothing),
        cmocka_unit_test(what_is_wrong_is_told_with_line_and_key),
        cmocka_unit_test(no_more_networks_than_there_is_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
