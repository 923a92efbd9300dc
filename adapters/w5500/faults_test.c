#include "adapters/w5500/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "adapters/w5500/bench.h"
#include "adapters/w5500/fake_host.h"
#include "emu/log.h"
#include "emu/trace.h"
#include "emu/util.h"

#include <cmocka.h>

#define COMMON W5500_BLOCK_COMMON
#define TCP    0x01
#define UDP    0x02
#define CLOSE  0x10

/* ---- which are told ------------------------------------------------------------------------------- */

static const char kinds[FAULTS_KINDS + 1][2];

static void the_same_is_told_three_times_at_a_place(void **state)
{
    struct faults faults = { 0 };

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(faults_note(&faults, kinds[0], "main.lua:1: ", "x"), i < 3);
    for (int i = 0; i < 10; i++)
        assert_int_equal(faults_note(&faults, kinds[0], "main.lua:2: ", "x"), i < 3);
}

static void what_is_not_told_does_not_count(void **state)
{
    struct faults faults = { 0 };
    int told = 0;

    (void)state;
    for (int i = 0; i < 1000; i++)
        told += faults_note(&faults, kinds[0], "", "x");
    assert_int_equal(told, 3);
    assert_true(faults_note(&faults, kinds[0], "", "y"));
}

static void a_kind_is_told_so_often(void **state)
{
    struct faults faults = { 0 };
    char text[16];
    int told = 0;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        told += faults_note(&faults, kinds[0], "", text);
        assert_int_equal(faults_are_over(&faults, kinds[0]), told == FAULTS_KIND_MAX);
    }
    assert_int_equal(told, FAULTS_KIND_MAX);
    assert_true(faults_note(&faults, kinds[1], "", "0"));
    assert_false(faults_are_over(&faults, kinds[1]));
}

static void all_of_them_are_bounded(void **state)
{
    struct faults faults = { 0 };
    char text[16];
    int told = 0;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        told += faults_note(&faults, kinds[i % (FAULTS_KINDS + 1)], "", text);
    }
    assert_int_equal(told, FAULTS_KINDS * FAULTS_KIND_MAX);
}

/* ---- what the chip tells ----------------------------------------------------------------------------- */

static int setup(void **state)
{
    static struct host host;

    host_init(&host, NULL);
    host_set_net(&host);
    host_forget(&host);
    *state = &host;
    return 0;
}

static int teardown(void **state)
{
    host_fini(*state);
    return 0;
}

static void expect(struct host *host, const char *fault)
{
    assert_string_equal(host->fault, fault);
    assert_int_equal(host->faults_count, 1);
    host_forget(host);
}

static void expect_none(const struct host *host)
{
    assert_string_equal(host->fault, "");
    assert_int_equal(host->faults_count, 0);
}

static void a_write_to_a_read_only_register_is_a_fault(void **state)
{
    struct host *host = *state;

    host_write8(host, COMMON, 0x39, 0xff);
    expect(host, "a write to VERSIONR, which is read-only");
    host_write32(host, COMMON, 0x28, 0x01020304); /* one, whatever its width */
    expect(host, "a write to UIPR, which is read-only");
    host_write8(host, W5500_BLOCK_SOCKET(3), 0x03, 0x22);
    expect(host, "socket 3: a write to Sn_SR, which is read-only");
    host_write16(host, W5500_BLOCK_SOCKET(3), 0x20, 5);
    expect(host, "socket 3: a write to Sn_TX_FSR, which is read-only");
    host_write8(host, COMMON, 0x39, 0x04); /* as it reads */
    expect_none(host);
}

/* As LuatOS opens a socket: 20 bytes, with what was in them in the place of Sn_SR. */
static void a_burst_over_a_read_only_register_is_none(void **state)
{
    uint8_t bytes[20] = { TCP, 0, 0xff, 0x17, 0x12, 0x34 };
    struct host *host = *state;

    host_write(host, W5500_BLOCK_SOCKET(1), 0, bytes, sizeof(bytes));
    expect_none(host);
}

/* As LuatOS starts: 58 bytes, while the chip has raised interrupts. */
static void a_block_that_is_written_back_is_none(void **state)
{
    struct host *host = *state;
    uint8_t bytes[0x3a];

    host_read(host, COMMON, 0, bytes, sizeof(bytes));
    bytes[0x17] = 0x55; /* SIR has changed since */
    host_write(host, COMMON, 0, bytes, sizeof(bytes));
    expect_none(host);
}

static void a_write_to_a_reserved_place_is_a_fault(void **state)
{
    struct host *host = *state;
    uint8_t bytes[100];

    host_write8(host, COMMON, 0x30, 1);
    expect(host, "a write to 0x0030, which is reserved");
    host_write8(host, W5500_BLOCK_SOCKET(2), 0x18, 1);
    expect(host, "socket 2: a write to 0x0018, which is reserved");
    memset(bytes, 0xff, sizeof(bytes)); /* beyond the block: one for all of it */
    host_write(host, W5500_BLOCK_SOCKET(2), 0x2f, bytes, sizeof(bytes));
    expect(host, "socket 2: a write to 0x0030, which is reserved");
    memset(bytes, 0, sizeof(bytes));
    host_write(host, COMMON, 0x3a, bytes, sizeof(bytes));
    expect_none(host);
}

static void a_reserved_block_is_a_fault(void **state)
{
    struct host *host = *state;

    host_write8(host, 0x04, 0, 1);
    expect(host, "a frame selects block 0x04, which is reserved");
    (void)host_read8(host, 0x1c, 0);
    expect(host, "a frame selects block 0x1c, which is reserved");
}

static void sizes_that_there_are_not_are_faults(void **state)
{
    struct host *host = *state;

    host_write8(host, W5500_BLOCK_SOCKET(0), 0x1e, 32);
    expect(host, "socket 0: a buffer of 32 KB; there are 0, 1, 2, 4, 8 and 16");
    host_write8(host, W5500_BLOCK_SOCKET(0), 0x1e, 2);
    host_write8(host, W5500_BLOCK_SOCKET(0), 0x1f, 16);
    expect_none(host); /* the others may be about to shrink */
    host_open(host, 0, UDP, 5000);
    expect(host, "Sn_TXBUF_SIZE: 30 KB in all sockets, and there are 16");
}

static void a_command_in_a_wrong_state_is_a_fault(void **state)
{
    struct host *host = *state;

    host_command(host, 1, 0x04);
    expect(host, "socket 1: CONNECT while it is CLOSED");
    host_open(host, 1, UDP, 5000);
    host_command(host, 1, 0x02);
    expect(host, "socket 1: LISTEN while it is UDP");
    host_command(host, 1, CLOSE);
    host_command(host, 1, CLOSE); /* drivers do that */
    expect_none(host);
    host_command(host, 1, 0x20);
    expect(host, "socket 1: SEND while it is CLOSED");
    host_command(host, 1, 0x99);
    expect(host, "socket 1: 0x99 is no command");
    host_open(host, 1, 0x04, 0); /* socket 0's alone */
    expect(host, "socket 1: OPEN with Sn_MR 0x04, which it does not have");
}

static void pointers_beyond_what_there_is_are_faults(void **state)
{
    struct host *host = *state;

    host_open(host, 1, UDP, 5000);
    host_set_destination(host, 1, 0xffffffff, 7);
    host_write16(host, W5500_BLOCK_SOCKET(1), 0x24, 2049);
    host_command(host, 1, 0x20);
    expect(host, "socket 1: SEND with Sn_TX_WR 0x0801, which is beyond Sn_TX_FSR: 2049 bytes are "
                 "more than its 2 KB");
    host_write16(host, W5500_BLOCK_SOCKET(1), 0x28, 1);
    host_command(host, 1, 0x40);
    expect(host, "socket 1: Sn_RX_RD 0x0001 is beyond Sn_RX_WR");
}

static void spi_in_reset_is_a_fault(void **state)
{
    struct host *host = *state;

    w5500_pin_set(host->chip, W5500_PIN_RSTN, false);
    assert_int_equal(host_read8(host, COMMON, 0x39), 0xff);
    expect(host, "SPI while RSTn is low: the chip does not answer");
    host_run_us(host, 1000);
    w5500_pin_set(host->chip, W5500_PIN_RSTN, true);
    host_run_us(host, 1000);
    assert_int_equal(host_read8(host, COMMON, 0x39), 4);
    expect_none(host);
}

static void scsn_that_rises_too_early_is_a_fault(void **state)
{
    static const uint8_t bytes[] = { 0, 0x0f, 0x07, 1, 2 };
    struct host *host = *state;

    w5500_select(host->chip, true);
    w5500_select(host->chip, false); /* nobody was meant */
    expect_none(host);
    w5500_select(host->chip, true);
    w5500_transfer(host->chip, bytes, NULL, 2);
    w5500_select(host->chip, false);
    expect(host, "SCSn rose within a frame's header, after 2 of 3 bytes");
    w5500_select(host->chip, true);
    w5500_transfer(host->chip, bytes, NULL, sizeof(bytes));
    w5500_select(host->chip, false);
    expect(host, "SCSn rose within a frame of fixed length, 2 bytes before its end");
    assert_int_equal(host_read8(host, COMMON, 0x39), 4);
    expect_none(host);
}

/* ---- and the bench ----------------------------------------------------------------------------------- */

struct told {
    struct trace_watcher watcher;
    unsigned count;
    char where[32], text[160];
    unsigned frame;
};

static void on_line(struct trace_watcher *watcher, const json_t *line)
{
    struct told *told = container_of(watcher, struct told, watcher);

    if (strcmp(json_string_value(json_object_get(line, "kind")), "warn") != 0)
        return;
    told->count++;
    (void)snprintf(told->where, sizeof(told->where), "%s",
                   json_string_value(json_object_get(line, "where")));
    (void)snprintf(told->text, sizeof(told->text), "%s",
                   json_string_value(json_object_get(line, "text")));
}

static const char *where(void *ctx)
{
    static char text[32];
    struct told *told = ctx;

    (void)snprintf(text, sizeof(text), "frame %u: ", ++told->frame);
    return text;
}

static void a_master_that_counts_is_warned_of_the_same_three_times(void **state)
{
    static const uint8_t bytes[] = { 0, 0x39, 0x04, 9 };
    struct told told = { .watcher.seen = on_line };
    const struct bench_master master = { .where = where, .is_counting = true, .ctx = &told };
    struct host *host = *state;
    struct trace trace;
    struct log log;
    struct bench *bench;

    trace_init(&trace, &host->clock, -1);
    trace_watch(&trace, &told.watcher);
    log_init(&log, &(struct log_config){
                       .clock = &host->clock, .trace = &trace, .module_fd = -1, .voice_fd = -1 });
    bench = bench_new(&(struct bench_config){
        .timers = &host->timers, .clock = &host->clock, .rng = &host->rng, .log = &log });
    bench_set_master(bench, &master);
    for (int i = 0; i < 100; i++) {
        bench_select(bench, true);
        bench_transfer(bench, bytes, NULL, sizeof(bytes));
        bench_select(bench, false);
    }
    assert_int_equal(told.count, 3);
    assert_string_equal(told.where, "frame 3: ");
    assert_string_equal(told.text, "w5500: a write to VERSIONR, which is read-only");
    bench_free(bench);
    trace_unwatch(&trace, &told.watcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_is_told_three_times_at_a_place),
        cmocka_unit_test(what_is_not_told_does_not_count),
        cmocka_unit_test(a_kind_is_told_so_often),
        cmocka_unit_test(all_of_them_are_bounded),
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_write_to_a_read_only_register_is_a_fault),
        TEST(a_burst_over_a_read_only_register_is_none),
        TEST(a_block_that_is_written_back_is_none),
        TEST(a_write_to_a_reserved_place_is_a_fault),
        TEST(a_reserved_block_is_a_fault),
        TEST(sizes_that_there_are_not_are_faults),
        TEST(a_command_in_a_wrong_state_is_a_fault),
        TEST(pointers_beyond_what_there_is_are_faults),
        TEST(spi_in_reset_is_a_fault),
        TEST(scsn_that_rises_too_early_is_a_fault),
        TEST(a_master_that_counts_is_warned_of_the_same_three_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
