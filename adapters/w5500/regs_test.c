#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/w5500/fake_host.h"
#include "adapters/w5500/w5500.h"
#include "emu/util.h"

#include <cmocka.h>

#define LINE_MAX  128
#define NAME_MAX  16
#define COMMON    W5500_BLOCK_COMMON
#define MR        0x00
#define IR        0x15
#define PHYCFGR   0x2e
#define VERSIONR  0x39
#define SN_CR     0x01
#define SN_RX_RD  0x28
#define SN_TX_WR  0x24
#define SN_DIPR   0x0c
#define LINK_BITS 0x07
#define OPEN      0x01
#define SEND      0x20

/* A line of registers.csv. */
struct line {
    bool is_socket;
    unsigned address, width;
    char name[NAME_MAX];
    uint64_t reset;
    enum w5500_rights rights;
    uint8_t writable;
};

static const char *const rights_names[] = {
    [W5500_RIGHTS_RW] = "RW",
    [W5500_RIGHTS_RO] = "RO",
    [W5500_RIGHTS_W1C] = "W1C",
    [W5500_RIGHTS_SHADOW] = "SHADOW",
};

static int setup(void **state)
{
    static struct host host;

    host_init(&host, NULL);
    *state = &host;
    return 0;
}

static int teardown(void **state)
{
    host_fini(*state);
    return 0;
}

static uint64_t next_number(char **rest, int base)
{
    return strtoull(strsep(rest, ","), NULL, base);
}

/* False: there is none any more. */
static bool next_line(FILE *file, struct line *line)
{
    char text[LINE_MAX], *rest = text;
    const char *rights;

    do {
        if (!fgets(text, sizeof(text), file))
            return false;
    } while (text[0] == '#');
    line->is_socket = strcmp(strsep(&rest, ","), "socket") == 0;
    line->address = (unsigned)next_number(&rest, 16);
    assert_non_null(rest);
    (void)snprintf(line->name, sizeof(line->name), "%s", strsep(&rest, ","));
    line->width = (unsigned)next_number(&rest, 10);
    line->reset = next_number(&rest, 16);
    rights = strsep(&rest, ",");
    assert_non_null(rest);
    line->writable = (uint8_t)next_number(&rest, 16);
    for (int i = 0; i < ARRAY_LEN(rights_names); i++) {
        if (strcmp(rights, rights_names[i]) == 0)
            line->rights = (enum w5500_rights)i;
    }
    return true;
}

static FILE *open_lines(void)
{
    FILE *file = fopen(FIXTURES "/w5500/registers.csv", "r");

    assert_non_null(file);
    return file;
}

/* Call @check for each line, and a socket's in the first, a middle and the last socket. */
static void for_each_line(struct host *host,
                          void (*check)(struct host *host, const struct line *line, unsigned block))
{
    static const unsigned sockets[] = { 0, 3, 7 };
    FILE *file = open_lines();
    struct line line = { 0 };

    while (next_line(file, &line)) {
        for (int i = 0; i < (line.is_socket ? ARRAY_LEN(sockets) : 1); i++)
            check(host, &line, line.is_socket ? W5500_BLOCK_SOCKET(sockets[i]) : COMMON);
    }
    assert_int_equal(fclose(file), 0);
}

static uint64_t read_value(struct host *host, const struct line *line, unsigned block)
{
    uint8_t bytes[8];
    uint64_t value = 0;

    host_read(host, block, (uint16_t)line->address, bytes, line->width);
    for (unsigned i = 0; i < line->width; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void write_all(struct host *host, const struct line *line, unsigned block, uint8_t byte)
{
    uint8_t bytes[8];

    memset(bytes, byte, sizeof(bytes));
    host_write(host, block, (uint16_t)line->address, bytes, line->width);
}

static uint64_t repeated(uint8_t byte, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value = value << 8 | byte;
    return value;
}

/* ---- the rows --------------------------------------------------------------------------------- */

static void rows_are_as_the_datasheet_has_them(void **state)
{
    FILE *file = open_lines();
    struct w5500_register reg;
    struct line line;
    size_t count = 0;

    (void)state;
    while (next_line(file, &line)) {
        assert_true(w5500_register_get(count++, &reg));
        assert_string_equal(reg.name, line.name);
        assert_int_equal(reg.is_socket, line.is_socket);
        assert_int_equal(reg.address, line.address);
        assert_int_equal(reg.width, line.width);
        assert_int_equal(reg.reset, line.reset);
        assert_int_equal(reg.rights, line.rights);
    }
    assert_false(w5500_register_get(count, &reg));
    assert_int_equal(fclose(file), 0);
}

static void check_reset(struct host *host, const struct line *line, unsigned block)
{
    uint64_t value = read_value(host, line, block);

    if (block == COMMON && line->address == PHYCFGR)
        value &= (uint64_t)~LINK_BITS;
    assert_int_equal(value, line->reset);
}

static void every_register_begins_as_the_datasheet_says(void **state)
{
    for_each_line(*state, check_reset);
}

static bool is_special(const struct line *line)
{
    return strcmp(line->name, "MR") == 0 || strcmp(line->name, "Sn_CR") == 0 ||
           strcmp(line->name, "PHYCFGR") == 0;
}

/* What a driver writes is there, in the bits that may be written; else what was there stays. */
static void check_writes(struct host *host, const struct line *line, unsigned block)
{
    uint64_t before = read_value(host, line, block), ones = repeated(line->writable, line->width);

    if (is_special(line))
        return;
    host_forget(host);
    write_all(host, line, block, 0xff);
    switch (line->rights) {
    case W5500_RIGHTS_RO:
        assert_int_equal(read_value(host, line, block), before);
        assert_true(host->faults_count > 0);
        break;
    case W5500_RIGHTS_W1C:
        assert_int_equal(read_value(host, line, block), 0);
        break;
    case W5500_RIGHTS_RW:
        assert_int_equal(read_value(host, line, block), ones);
        write_all(host, line, block, 0x55);
        assert_int_equal(read_value(host, line, block),
                         repeated(0x55 & line->writable, line->width));
        break;
    case W5500_RIGHTS_SHADOW:
        if (line->address == SN_TX_WR || line->address == SN_RX_RD) {
            assert_int_equal(read_value(host, line, block), before);
        } else {
            assert_int_equal(read_value(host, line, block), ones);
        }
        break;
    }
}

static void every_register_takes_what_may_be_written(void **state)
{
    struct host *host = *state;

    for_each_line(host, check_writes);
    host_write8(host, COMMON, MR, 0x80);
    for_each_line(host, check_reset);
}

static void check_reserved(struct host *host, unsigned block, uint16_t address)
{
    struct w5500_register reg;

    if (w5500_register_find(block, address, &reg))
        return;
    host_forget(host);
    host_write8(host, block, address, 0xff);
    assert_int_equal(host_read8(host, block, address), 0);
    assert_int_equal(host->faults_count, 1);
    assert_non_null(strstr(host->fault, "reserved"));
    host_forget(host);
    host_write8(host, block, address, 0); /* as it was read: no fault */
    assert_int_equal(host->faults_count, 0);
}

static void reserved_places_read_0_and_take_nothing(void **state)
{
    for (uint16_t address = 0; address < 0x60; address++) {
        check_reserved(*state, COMMON, address);
        check_reserved(*state, W5500_BLOCK_SOCKET(5), address);
    }
    check_reserved(*state, COMMON, 0xffff);
    check_reserved(*state, W5500_BLOCK_SOCKET(7), 0x8000);
}

static void a_register_is_found_by_each_of_its_bytes(void **state)
{
    struct w5500_register reg;

    (void)state;
    assert_true(w5500_register_find(COMMON, 0x0e, &reg));
    assert_string_equal(reg.name, "SHAR");
    assert_true(w5500_register_find(W5500_BLOCK_SOCKET(2), 0x25, &reg));
    assert_string_equal(reg.name, "Sn_TX_WR");
    assert_false(w5500_register_find(W5500_BLOCK_TX(0), 0, &reg));
    assert_false(w5500_register_find(4, 0, &reg));
    assert_false(w5500_register_find(W5500_BLOCKS + 1, 0, &reg));
}

/* ---- what is special --------------------------------------------------------------------------- */

static void mr_keeps_its_bits_and_resets(void **state)
{
    struct host *host = *state;

    host_write8(host, COMMON, MR, 0x7f);
    assert_int_equal(host_read8(host, COMMON, MR), 0x3a);
    host_write32(host, COMMON, 0x0f, 0xc0000201);
    host_write8(host, COMMON, MR, 0x80);
    assert_int_equal(host_read8(host, COMMON, MR), 0);
    assert_int_equal(host_read32(host, COMMON, 0x0f), 0);
}

/* ioLibrary's: MR is written and read, and then addresses are. */
static void a_reset_is_over_before_its_frame_is(void **state)
{
    struct host *host = *state;
    const uint8_t bytes[] = { 0x80, 192, 0, 2, 1 };

    host_write32(host, COMMON, 0x05, 0xffffff00);
    host_write(host, COMMON, MR, bytes, sizeof(bytes));
    assert_int_equal(host_read32(host, COMMON, 0x01), 0xc0000201);
    assert_int_equal(host_read32(host, COMMON, 0x05), 0);
}

/* LuatOS does it at every start: 58 bytes are written back as they were read. */
static void a_whole_block_may_be_written_back(void **state)
{
    struct host *host = *state;
    uint8_t before[0x3a], after[0x3a];

    host_write32(host, COMMON, 0x0f, 0xc0000202);
    host_write16(host, COMMON, 0x19, 1000);
    host_read(host, COMMON, 0, before, sizeof(before));
    assert_int_equal(before[VERSIONR], 4);
    before[0x16] = 0xd0;
    host_write(host, COMMON, 0, before, sizeof(before));
    host_read(host, COMMON, 0, after, sizeof(after));
    assert_memory_equal(before, after, sizeof(before));
    assert_int_equal(host->faults_count, 0);
}

static void a_command_of_0_is_none(void **state)
{
    struct host *host = *state;
    const uint8_t bytes[] = { 0x02, 0x00, 0xff, 0x00, 0x12, 0x34 };

    host_write(host, W5500_BLOCK_SOCKET(1), 0, bytes, sizeof(bytes));
    assert_int_equal(host_read8(host, W5500_BLOCK_SOCKET(1), 3), 0);
    assert_int_equal(host_read16(host, W5500_BLOCK_SOCKET(1), 4), 0x1234);
    assert_int_equal(host->faults_count, 0);
}

/* Arduino's Ethernet library reads Sn_TX_WR anew for each part of a datagram. */
static void tx_wr_is_shadowed_until_send(void **state)
{
    struct host *host = *state;
    unsigned block = W5500_BLOCK_SOCKET(0);

    host_write8(host, block, 0, 0x02);
    host_write8(host, block, SN_CR, OPEN);
    host_write32(host, block, SN_DIPR, 0xffffffff);
    host_write16(host, block, SN_TX_WR, 100);
    assert_int_equal(host_read16(host, block, SN_TX_WR), 0);
    assert_int_equal(host_read16(host, block, 0x20), 0x0800);
    host_write8(host, block, SN_CR, SEND);
    assert_int_equal(host_read16(host, block, SN_TX_WR), 100);
}

static void quirks_turn_shadows_on_and_off(void **state)
{
    struct w5500_config config = { 0 };
    struct host host;
    unsigned block = W5500_BLOCK_SOCKET(0);

    (void)state;
    assert_true(w5500_quirk_set(&config.quirks, "live_tx_wr", true));
    assert_true(w5500_quirk_set(&config.quirks, "live_rx_rd", true));
    assert_true(w5500_quirk_set(&config.quirks, "shadowed_destination", true));
    assert_false(w5500_quirk_set(&config.quirks, "none", true));
    host_init(&host, &config);
    host_write16(&host, block, SN_TX_WR, 0x1234);
    host_write16(&host, block, SN_RX_RD, 0x2345);
    host_write32(&host, block, SN_DIPR, 0xc0000209);
    assert_int_equal(host_read16(&host, block, SN_TX_WR), 0x1234);
    assert_int_equal(host_read16(&host, block, SN_RX_RD), 0x2345);
    assert_int_equal(host_read32(&host, block, SN_DIPR), 0);
    host_write8(&host, block, 0, 0x02);
    host_write8(&host, block, SN_CR, OPEN);
    assert_int_equal(host_read32(&host, block, SN_DIPR), 0xc0000209);
    host_fini(&host);
}

static void every_quirk_has_a_name_and_is_off(void **state)
{
    struct w5500_quirks quirks = { 0 };
    size_t count = 0;

    (void)state;
    for (const struct w5500_quirk *quirk; (quirk = w5500_quirk_get(count)); count++) {
        assert_true(w5500_quirk_set(&quirks, quirk->name, true));
        assert_true(*((const bool *)&quirks + quirk->offset / sizeof(bool)));
        assert_true(strlen(quirk->what) > 0);
    }
    assert_int_equal(count, sizeof(quirks) / sizeof(bool));
}

static void peeking_has_no_effect(void **state)
{
    struct host *host = *state;
    struct w5500_register reg;

    host_write32(host, COMMON, 0x0f, 0xc0000202);
    assert_true(w5500_register_find(COMMON, 0x10, &reg));
    assert_int_equal(w5500_peek_register(host->chip, &reg, 0), 0xc0000202);
    assert_int_equal(w5500_peek(host->chip, COMMON, VERSIONR), 4);
    assert_int_equal(w5500_peek(host->chip, W5500_BLOCKS + 2, 0), 0);
    host_write8(host, W5500_BLOCK_TX(3), 5, 0x77);
    assert_int_equal(w5500_peek(host->chip, W5500_BLOCK_TX(3), 5), 0x77);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(rows_are_as_the_datasheet_has_them),
        TEST(every_register_begins_as_the_datasheet_says),
        TEST(every_register_takes_what_may_be_written),
        TEST(reserved_places_read_0_and_take_nothing),
        TEST(a_register_is_found_by_each_of_its_bytes),
        TEST(mr_keeps_its_bits_and_resets),
        TEST(a_reset_is_over_before_its_frame_is),
        TEST(a_whole_block_may_be_written_back),
        TEST(a_command_of_0_is_none),
        TEST(tx_wr_is_shadowed_until_send),
        cmocka_unit_test(quirks_turn_shadows_on_and_off),
        cmocka_unit_test(every_quirk_has_a_name_and_is_off),
        TEST(peeking_has_no_effect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
