#include "adapters/w5500/vcd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "adapters/w5500/bench.h"
#include "emu/log.h"
#include "emu/rng.h"
#include "emu/timer.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#include <cmocka.h>

#define HZ         10000000 /* 100 ns a bit */
#define BYTE_NS    800
#define FRAMES_MAX 64
#define BYTES_MAX  32768
#define NAMES_MAX  4096
#define NAME_LEN   512
#define LEN_MAX    (16 * 1024 * 1024)
#define HEADER     3
#define WRITE      0x04
#define SN_CR      0x01
#define OPEN       0x01
#define UDP        0x02

struct fixture {
    struct vclock clock;
    struct timers timers;
    struct rng rng;
    struct trace trace;
    struct log log;
    struct bench *bench;
    struct vcd *vcd;
    int fd;
};

static void begin(struct fixture *fixture, enum w5500_timing timing, int fd)
{
    *fixture = (struct fixture){ .fd = fd };
    vclock_init(&fixture->clock, VCLOCK_MODE_VIRTUAL);
    timers_init(&fixture->timers);
    rng_init(&fixture->rng, 1);
    trace_init(&fixture->trace, &fixture->clock, -1);
    log_init(&fixture->log, &(struct log_config){ .clock = &fixture->clock,
                                                  .trace = &fixture->trace,
                                                  .module_fd = -1,
                                                  .voice_fd = -1 });
    vclock_advance(&fixture->clock, 5);
    fixture->bench = bench_new(&(struct bench_config){ .timers = &fixture->timers,
                                                       .clock = &fixture->clock,
                                                       .rng = &fixture->rng,
                                                       .log = &fixture->log,
                                                       .options.timing = timing });
    bench_set_clock(fixture->bench, HZ);
    fixture->vcd = vcd_new(&(struct vcd_config){ .chip = bench_chip(fixture->bench),
                                                 .clock = &fixture->clock,
                                                 .log = &fixture->log,
                                                 .fd = fd });
    bench_observe(fixture->bench, vcd_observer(fixture->vcd));
}

static int setup(void **state)
{
    static struct fixture fixture;

    begin(&fixture, W5500_TIMING_FAST, memfd_create("vcd", 0));
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    bench_free(fixture->bench);
    if (fixture->vcd)
        (void)vcd_close(fixture->vcd);
    timers_fini(&fixture->timers);
    return 0;
}

/* ---- a reader, as an analyzer has one ----------------------------------------------------------- */

struct frame {
    uint64_t from_ns, to_ns; /* SCSn low */
    size_t first, count;     /* in bytes */
};

struct reading {
    char text[LEN_MAX];
    struct frame frames[FRAMES_MAX];
    size_t frames_count;
    uint8_t mosi[BYTES_MAX], miso[BYTES_MAX];
    uint64_t at_ns[BYTES_MAX]; /* of its first rising edge */
    size_t bytes_count;
    struct {
        uint64_t at_ns;
        char text[NAME_LEN];
    } names[NAMES_MAX];
    size_t names_count;
    uint64_t intn_ns, rstn_ns; /* when they last changed */
    char levels[128];          /* by id */
};

static struct reading reading;

static void read_bit(struct reading *r, uint64_t at_ns, unsigned *bits)
{
    struct frame *frame = &r->frames[r->frames_count - 1];

    if (*bits == 0) {
        assert_true(r->bytes_count < BYTES_MAX);
        r->at_ns[r->bytes_count] = at_ns;
        r->mosi[r->bytes_count] = r->miso[r->bytes_count] = 0;
    }
    assert_int_not_equal(r->levels['i'], 'z');
    r->mosi[r->bytes_count] = (uint8_t)(r->mosi[r->bytes_count] << 1 | (r->levels['o'] == '1'));
    r->miso[r->bytes_count] = (uint8_t)(r->miso[r->bytes_count] << 1 | (r->levels['i'] == '1'));
    *bits = (*bits + 1) % 8;
    if (*bits == 0) {
        r->bytes_count++;
        frame->count++;
    }
}

static void read_change(struct reading *r, const char *line, uint64_t at_ns, unsigned *bits)
{
    char level = line[0], id = line[1];

    assert_int_equal(line[2], '\n');
    assert_true(level == '0' || level == '1' || level == 'z');
    if (id == 'c' && level == '0') {
        assert_int_equal(r->levels['k'], '0');
        r->frames[r->frames_count++] = (struct frame){ .from_ns = at_ns, .first = r->bytes_count };
        *bits = 0;
    } else if (id == 'c' && r->frames_count) {
        r->frames[r->frames_count - 1].to_ns = at_ns;
    } else if (id == 'n') {
        r->intn_ns = at_ns;
    } else if (id == 'r') {
        r->rstn_ns = at_ns;
    } else if (id == 'k' && level == '1' && r->levels['c'] == '0') {
        read_bit(r, at_ns, bits);
    }
    r->levels[(unsigned char)id] = level;
}

static void read_name(struct reading *r, const char *line, uint64_t at_ns)
{
    char *to = r->names[r->names_count].text;

    assert_true(r->names_count < NAMES_MAX);
    for (line++; *line != ' '; line++) {
        bool is_blank = strncmp(line, "\\x20", 4) == 0;

        *to++ = is_blank ? ' ' : *line;
        line += is_blank ? 3 : 0;
    }
    *to = '\0';
    assert_memory_equal(line, " a\n", 3);
    r->names[r->names_count++].at_ns = at_ns;
}

/* strchr() looks through all of the text where it is sanitized. */
static char *next_line(char *line)
{
    while (*line++ != '\n')
        ;
    return line;
}

/* What has been written up to now. */
static struct reading *read_all(const struct fixture *fixture)
{
    struct reading *r = &reading;
    ssize_t len = pread(fixture->fd, r->text, sizeof(r->text) - 1, 0);
    uint64_t at_ns = 0;
    unsigned bits = 0;
    char *line;

    assert_true(len > 0);
    r->text[len] = '\0';
    r->frames_count = r->bytes_count = r->names_count = 0;
    line = strstr(r->text, "$enddefinitions $end\n");
    assert_non_null(line);
    for (line = next_line(line); *line; line = next_line(line)) {
        if (*line == '#') {
            uint64_t next_ns = strtoull(line + 1, NULL, 10);

            assert_true(next_ns > at_ns); /* never back */
            at_ns = next_ns;
        } else if (*line == 's') {
            read_name(r, line, at_ns);
        } else if (*line != '$') {
            read_change(r, line, at_ns, &bits);
        }
    }
    assert_int_equal(bits, 0);
    return r;
}

/* ---- driving it --------------------------------------------------------------------------------- */

static void transfer(struct fixture *fixture, unsigned block, uint16_t address, bool is_write,
                     const uint8_t *bytes, size_t len)
{
    const uint8_t header[HEADER] = { (uint8_t)(address >> 8), (uint8_t)address,
                                     (uint8_t)(block << 3 | (is_write ? WRITE : 0)) };

    bench_select(fixture->bench, true);
    bench_transfer(fixture->bench, header, NULL, sizeof(header));
    bench_transfer(fixture->bench, bytes, NULL, len);
    bench_select(fixture->bench, false);
}

static void write8(struct fixture *fixture, unsigned block, uint16_t address, uint8_t value)
{
    transfer(fixture, block, address, true, &value, 1);
}

/* ---- tests ---------------------------------------------------------------------------------------- */

static void the_wires_are_declared(void **state)
{
    const struct reading *r = read_all(*state);

    assert_non_null(strstr(r->text, "$timescale 1 ns $end\n"));
    assert_non_null(strstr(r->text, "$var wire 1 c SCSn $end\n$var wire 1 k SCLK $end\n"
                                    "$var wire 1 o MOSI $end\n$var wire 1 i MISO $end\n"
                                    "$var wire 1 n INTn $end\n$var wire 1 r RSTn $end\n"
                                    "$var string 1 a access $end\n"));
    assert_non_null(strstr(r->text, "#5000\n$dumpvars\n1c\n0k\n0o\nzi\n1n\n1r\ns\\x20 a\n$end\n"));
}

static void a_frame_is_its_bits_at_the_pace_of_the_clock(void **state)
{
    struct fixture *fixture = *state;
    const struct reading *r;

    transfer(fixture, W5500_BLOCK_COMMON, 0x39, false, NULL, 1);
    r = read_all(fixture);
    assert_int_equal(r->frames_count, 1);
    assert_int_equal(r->frames[0].count, 4);
    assert_memory_equal(r->mosi, "\x00\x39\x00\x00", 4);
    assert_memory_equal(r->miso, "\x01\x02\x03\x04", 4);
    assert_int_equal(r->frames[0].from_ns, 5000);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(r->at_ns[i], 5000 + i * BYTE_NS + 50);
    assert_int_equal(r->frames[0].to_ns, 5000 + 4 * BYTE_NS + 50);
    assert_int_equal(r->levels['i'], 'z');
}

static void an_access_is_named_where_its_bits_begin(void **state)
{
    struct fixture *fixture = *state;
    const struct reading *r;

    write8(fixture, W5500_BLOCK_SOCKET(1), 0x00, UDP);
    write8(fixture, W5500_BLOCK_SOCKET(1), SN_CR, OPEN);
    r = read_all(fixture);
    assert_int_equal(r->names_count, 5);
    assert_string_equal(r->names[1].text, "W Sn_MR[1]=UDP");
    assert_int_equal(r->names[1].at_ns, r->frames[0].from_ns);
    assert_string_equal(r->names[2].text, " ");
    assert_int_equal(r->names[2].at_ns, r->frames[0].to_ns);
    assert_string_equal(r->names[3].text, "W Sn_CR[1]=OPEN");
    assert_int_equal(r->names[3].at_ns, r->frames[1].from_ns);
}

/* Frames of one moment follow each other; after a pause the next is where the clock is. */
static void time_goes_on_with_the_bus_and_with_the_clock(void **state)
{
    struct fixture *fixture = *state;
    const struct reading *r;

    transfer(fixture, W5500_BLOCK_COMMON, 0x39, false, NULL, 1);
    transfer(fixture, W5500_BLOCK_COMMON, 0x39, false, NULL, 1);
    vclock_advance(&fixture->clock, 1000);
    transfer(fixture, W5500_BLOCK_COMMON, 0x39, false, NULL, 1);
    r = read_all(fixture);
    assert_int_equal(r->frames_count, 3);
    assert_int_equal(r->frames[1].from_ns, r->frames[0].to_ns + 30);
    assert_int_equal(r->frames[2].from_ns, 1005000);
}

static void any_clock_keeps_its_pace_on_the_average(void **state)
{
    struct fixture *fixture = *state;
    const struct reading *r;

    bench_set_clock(fixture->bench, 33300000);
    transfer(fixture, W5500_BLOCK_TX(0), 0, false, NULL, 1000);
    r = read_all(fixture);
    assert_int_equal(r->frames[0].count, 1003);
    /* 8024 bits, and half a clock before SCSn rises */
    assert_in_range(r->frames[0].to_ns - r->frames[0].from_ns, 240975, 240977);
}

/* Fixed length: SCSn stays low, and the next header follows. */
static void every_access_of_a_chain_is_named(void **state)
{
    static const uint8_t chain[] = { 0,    0x39, 0x01, 0,    0,    0x13, 0x06,
                                     0x12, 0x34, 0,    0x13, 0x02, 0,    0 };
    struct fixture *fixture = *state;
    const struct reading *r;

    bench_select(fixture->bench, true);
    bench_transfer(fixture->bench, chain, NULL, sizeof(chain));
    r = read_all(fixture); /* though SCSn is low */
    assert_int_equal(r->names_count, 4);
    assert_string_equal(r->names[1].text, "R VERSIONR=4");
    assert_int_equal(r->names[1].at_ns, 5000);
    assert_string_equal(r->names[2].text, "W INTLEVEL=4660 (124.29 us)");
    assert_int_equal(r->names[2].at_ns, 5000 + 4 * BYTE_NS);
    assert_string_equal(r->names[3].text, "R INTLEVEL=4660 (124.29 us)");
    assert_int_equal(r->names[3].at_ns, 5000 + 9 * BYTE_NS);
}

/* What it reports in pieces is named in pieces. */
static void a_long_access_is_named_piece_by_piece(void **state)
{
    struct fixture *fixture = *state;
    const struct reading *r;

    transfer(fixture, W5500_BLOCK_TX(0), 0, true, NULL, W5500_ACCESS_MAX + 2);
    write8(fixture, W5500_BLOCK_COMMON, 0x1b, 4);
    r = read_all(fixture);
    assert_string_equal(r->names[1].text, "W TX[0] 0x0000 2048 bytes: 00 00 00 00 00 00 00 00 ...");
    assert_int_equal(r->names[1].at_ns, r->frames[0].from_ns);
    assert_string_equal(r->names[2].text, "W TX[0] 0x0800 2 bytes: 00 00");
    assert_int_equal(r->names[2].at_ns,
                     r->frames[0].from_ns + (W5500_ACCESS_MAX + HEADER) * BYTE_NS);
    assert_string_equal(r->names[4].text, "W RCR=4");
    assert_int_equal(r->names[4].at_ns, r->frames[1].from_ns);
}

/* All of a buffer, in pieces as they come. */
static void a_long_frame_is_named_where_each_piece_begins(void **state)
{
    static const uint8_t header[] = { 0, 0, 0x14 }, data[1000];
    struct fixture *fixture = *state;
    const struct reading *r;

    bench_select(fixture->bench, true);
    bench_transfer(fixture->bench, header, NULL, sizeof(header));
    for (int i = 0; i < 17; i++)
        bench_transfer(fixture->bench, data, NULL, sizeof(data));
    r = read_all(fixture); /* though it is not over */
    assert_int_equal(r->names_count, 1 + 8);
    for (unsigned i = 1; i < 9; i++) {
        uint64_t first = i == 1 ? 0 : (i - 1) * W5500_ACCESS_MAX + HEADER;

        assert_non_null(strstr(r->names[i].text, " 2048 bytes: "));
        assert_int_equal(r->names[i].at_ns, 5000 + first * BYTE_NS);
    }
    assert_int_equal(r->bytes_count, HEADER + 8 * W5500_ACCESS_MAX);
    bench_select(fixture->bench, false);
    r = read_all(fixture);
    assert_int_equal(r->names_count, 1 + 9 + 1);
    assert_int_equal(r->bytes_count, HEADER + 17 * sizeof(data));
}

static void a_frame_without_data_has_no_name(void **state)
{
    static const uint8_t header[] = { 0, 0x39, 0 };
    struct fixture *fixture = *state;
    const struct reading *r;

    bench_select(fixture->bench, true);
    bench_transfer(fixture->bench, header, NULL, 2);
    bench_select(fixture->bench, false);
    transfer(fixture, W5500_BLOCK_COMMON, 0x39, false, NULL, 1);
    r = read_all(fixture);
    assert_int_equal(r->frames[0].count, 2);
    assert_string_equal(r->names[1].text, "R VERSIONR=4");
    assert_int_equal(r->names[1].at_ns, r->frames[1].from_ns);
}

static void pins_change_behind_what_has_changed_them(void **state)
{
    struct fixture *fixture = *state;
    const struct reading *r;

    bench_set_pin(fixture->bench, W5500_PIN_RSTN, false);
    vclock_advance(&fixture->clock, 500);
    bench_set_pin(fixture->bench, W5500_PIN_RSTN, true);
    vclock_advance(&fixture->clock, 2000);
    (void)timers_run(&fixture->timers, fixture->clock.now_us);
    r = read_all(fixture);
    assert_int_equal(r->rstn_ns, 505000);
    assert_int_equal(r->levels['r'], '1');

    write8(fixture, W5500_BLOCK_COMMON, 0x18, 0xff); /* SIMR */
    write8(fixture, W5500_BLOCK_SOCKET(0), 0x00, UDP);
    write8(fixture, W5500_BLOCK_SOCKET(0), SN_CR, OPEN);
    vclock_advance(&fixture->clock, 200000); /* the link comes */
    (void)timers_run(&fixture->timers, fixture->clock.now_us);
    write8(fixture, W5500_BLOCK_SOCKET(0), SN_CR, 0x20); /* SEND of nothing: SENDOK at once */
    r = read_all(fixture);
    assert_int_equal(r->levels['n'], '0');
    assert_int_equal(r->intn_ns, r->frames[3].from_ns + 4 * BYTE_NS);
    write8(fixture, W5500_BLOCK_SOCKET(0), 0x02, 0xff);
    r = read_all(fixture);
    assert_int_equal(r->levels['n'], '1');
    assert_int_equal(r->intn_ns, r->frames[4].from_ns + 4 * BYTE_NS);
}

/* Nobody has to close it for that. */
static void what_is_over_is_in_the_file(void **state)
{
    struct fixture *fixture = *state;

    bench_set_pin(fixture->bench, W5500_PIN_RSTN, false);
    assert_int_equal(read_all(fixture)->levels['r'], '0');
    transfer(fixture, W5500_BLOCK_COMMON, 0x39, false, NULL, 1);
    assert_int_equal(read_all(fixture)->frames_count, 1);
    assert_memory_equal(reading.miso, "\xff\xff\xff\xff", 4);
}

/* Frames that begin in reset, and bytes that nobody listens to. */
static void bytes_that_the_chip_does_not_see_are_no_access(void **state)
{
    struct fixture *fixture = *state;
    const struct reading *r;
    uint8_t bytes[7] = { 0 };

    bench_transfer(fixture->bench, bytes, NULL, sizeof(bytes));
    bench_set_pin(fixture->bench, W5500_PIN_RSTN, false);
    bench_select(fixture->bench, true);
    bench_transfer(fixture->bench, bytes, NULL, sizeof(bytes));
    vclock_advance(&fixture->clock, 5000);
    bench_set_pin(fixture->bench, W5500_PIN_RSTN, true);
    bytes[1] = 0x39;
    bench_transfer(fixture->bench, bytes, NULL, 4);
    bench_select(fixture->bench, false);
    r = read_all(fixture);
    assert_int_equal(r->names_count, 3);
    assert_string_equal(r->names[1].text, "R VERSIONR=4");
    assert_int_equal(r->names[1].at_ns, 5005000);
}

static void in_accurate_timing_its_time_is_the_chips(void **state)
{
    struct fixture *fixture = *state;
    const struct reading *r;
    int fd = memfd_create("vcd", 0);

    (void)teardown(state);
    begin(fixture, W5500_TIMING_ACCURATE, fd);
    transfer(fixture, W5500_BLOCK_COMMON, 0x39, false, NULL, 97);
    r = read_all(fixture);
    assert_int_equal(bench_ready_us(fixture->bench), 5 + 80);
    assert_int_equal(r->frames[0].to_ns, 5000 + 80000 + 50);
}

static void what_can_not_be_written_is_told_once(void **state)
{
    struct fixture *fixture = *state;

    (void)teardown(state);
    begin(fixture, W5500_TIMING_FAST, open("/dev/full", O_WRONLY));
    write8(fixture, W5500_BLOCK_COMMON, 0x1b, 4);
    bench_free(fixture->bench);
    fixture->bench = NULL;
    assert_int_equal(vcd_close(fixture->vcd), ENOSPC);
    fixture->vcd = NULL;
}

/* Whatever is clocked, and in which pieces: all of it is there. */
static void any_bytes_are_written(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t bytes[BYTES_MAX];
    size_t done = 0;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_below(&fixture->rng, 256);
    for (int i = 0; i < FRAMES_MAX / 2; i++) {
        size_t len = rng_below(&fixture->rng, BYTES_MAX / FRAMES_MAX);

        bench_select(fixture->bench, true);
        bench_transfer(fixture->bench, bytes + done, NULL, len / 2);
        bench_transfer(fixture->bench, bytes + done + len / 2, NULL, len - len / 2);
        bench_select(fixture->bench, false);
        done += len;
    }
    assert_true(done > 300);
    assert_int_equal(read_all(fixture)->bytes_count, done);
    assert_memory_equal(reading.mosi, bytes, done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_wires_are_declared, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frame_is_its_bits_at_the_pace_of_the_clock, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_access_is_named_where_its_bits_begin, setup, teardown),
        cmocka_unit_test_setup_teardown(time_goes_on_with_the_bus_and_with_the_clock, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(any_clock_keeps_its_pace_on_the_average, setup, teardown),
        cmocka_unit_test_setup_teardown(every_access_of_a_chain_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_access_is_named_piece_by_piece, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_frame_is_named_where_each_piece_begins, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_frame_without_data_has_no_name, setup, teardown),
        cmocka_unit_test_setup_teardown(pins_change_behind_what_has_changed_them, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_over_is_in_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_the_chip_does_not_see_are_no_access, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(in_accurate_timing_its_time_is_the_chips, setup, teardown),
        cmocka_unit_test_setup_teardown(what_can_not_be_written_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(any_bytes_are_written, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
