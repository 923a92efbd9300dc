#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "adapters/capture.h"
#include "adapters/w5500/bench.h"
#include "emu/board.h"
#include "emu/device.h"
#include "emu/util.h"

#include <cmocka.h>

#define FILE_MAX        65536
#define BLOCK_INTERFACE 1
#define BLOCK_PACKET    6
#define OPTION_COMMENT  1
#define OPTION_NAME     2 /* of an interface */
#define OPTION_FLAGS    2 /* of a packet */
#define UPPER_PDU       252
#define INBOUND         1
#define OUTBOUND        2

struct fixture {
    struct device device;
    struct board board;
    struct bench *bench;
    struct capture *capture;
    int fd;
    uint8_t file[FILE_MAX];
    size_t len;
};

static int setup(void **state)
{
    static struct fixture fixture;
    const struct device_config config = { .time = VCLOCK_MODE_VIRTUAL,
                                          .trace_fd = -1,
                                          .log = { .module_fd = -1, .voice_fd = -1 },
                                          .board = &fixture.board };

    fixture = (struct fixture){ .fd = memfd_create("capture", 0) };
    assert_int_equal(device_open(&fixture.device, &config), 0);
    fixture.bench = bench_new(&(struct bench_config){ .timers = &fixture.device.timers,
                                                      .clock = &fixture.device.clock,
                                                      .rng = &fixture.device.rng,
                                                      .log = &fixture.device.log });
    fixture.capture =
        capture_new(&(struct capture_config){ .device = &fixture.device, .fd = dup(fixture.fd) });
    capture_spi(fixture.capture, fixture.bench);
    capture_start(fixture.capture);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    capture_settle(fixture->capture);
    bench_free(fixture->bench);
    device_close(&fixture->device);
    (void)capture_close(fixture->capture);
    close(fixture->fd);
    return 0;
}

static void clock_bytes(struct fixture *fixture, const void *bytes, size_t len)
{
    bench_select(fixture->bench, true);
    bench_transfer(fixture->bench, bytes, NULL, len);
    bench_select(fixture->bench, false);
}

/* ---- what has been written up to now ------------------------------------------------------------ */

static uint32_t u32_at(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint16_t u16_at(const uint8_t *at)
{
    return (uint16_t)u32_at((const uint8_t[]){ at[0], at[1], 0, 0 });
}

/* The @index-th block of the type; NULL: there are not so many. */
static const uint8_t *block_at(struct fixture *fixture, uint32_t type, int index)
{
    ssize_t len = pread(fixture->fd, fixture->file, sizeof(fixture->file), 0);
    size_t at = 0;

    assert_true(len > 0);
    while (at + 12 <= (size_t)len) {
        const uint8_t *block = fixture->file + at;

        assert_true(at + u32_at(block + 4) <= (size_t)len);
        if (u32_at(block) == type && index-- == 0)
            return block;
        at += u32_at(block + 4);
    }
    assert_int_equal(at, len);
    return NULL;
}

/* An option behind what the block has at first; it must be there. */
static const uint8_t *option_of(const uint8_t *block, size_t at, uint16_t code, size_t *len)
{
    size_t end = u32_at(block + 4) - 4;

    while (at + 4 <= end && u16_at(block + at)) {
        *len = u16_at(block + at + 2);
        if (u16_at(block + at) == code)
            return block + at + 4;
        at += 4 + (*len + 3) / 4 * 4;
    }
    fail_msg("no option %u", code);
    return NULL;
}

struct packet {
    const uint8_t *data;
    size_t len;
    uint32_t flags;
    char comment[512];
};

static struct packet packet_at(struct fixture *fixture, int index)
{
    const uint8_t *block = block_at(fixture, BLOCK_PACKET, index), *option;
    struct packet packet = { 0 };
    size_t options, len;

    assert_non_null(block);
    assert_int_equal(u32_at(block + 8), 0); /* interface */
    packet.data = block + 28;
    packet.len = u32_at(block + 20);
    options = 28 + (packet.len + 3) / 4 * 4;
    option = option_of(block, options, OPTION_COMMENT, &len);
    memcpy(packet.comment, option, len);
    packet.flags = u32_at(option_of(block, options, OPTION_FLAGS, &len));
    return packet;
}

static void pass_turn(struct fixture *fixture)
{
    (void)timers_run(&fixture->device.timers, fixture->device.clock.now_us);
}

/* ---- tests ---------------------------------------------------------------------------------------- */

static void registers_are_an_interface(void **state)
{
    const uint8_t *block = block_at(*state, BLOCK_INTERFACE, 0), *name;
    size_t len;

    assert_non_null(block);
    assert_int_equal(u16_at(block + 8), UPPER_PDU);
    name = option_of(block, 16, OPTION_NAME, &len);
    assert_int_equal(len, 8);
    assert_memory_equal(name, "ETH0-SPI", 8);
    assert_null(block_at(*state, BLOCK_INTERFACE, 1));
}

static void a_write_goes_out_with_its_bytes_and_words(void **state)
{
    static const uint8_t expected[] = "\0\x0c\0\x08syslog\0\0\0\x23\0\4\0\0\0\0\xfe\0\0\4\0\1\x2c\4"
                                      "\0\0\0\0W Sn_CR[1]=CONNECT";
    struct fixture *fixture = *state;
    struct packet packet;

    clock_bytes(fixture, "\0\1\x2c\4", 4);
    pass_turn(fixture);
    packet = packet_at(fixture, 0);
    assert_string_equal(packet.comment, "W Sn_CR[1]=CONNECT");
    assert_int_equal(packet.flags, OUTBOUND);
    assert_int_equal(packet.len, sizeof(expected) - 1);
    assert_memory_equal(packet.data, expected, packet.len);
}

static void a_read_comes_in(void **state)
{
    struct fixture *fixture = *state;
    struct packet packet;

    clock_bytes(fixture, "\0\x39\0\0", 4);
    pass_turn(fixture);
    packet = packet_at(fixture, 0);
    assert_string_equal(packet.comment, "R VERSIONR=4");
    assert_int_equal(packet.flags, INBOUND);
    assert_memory_equal(packet.data + 12, "\0\x23\0\4\0\0\0\1\xfe\0\0\4\0\x39\0\4", 16);
}

static void accesses_stay_in_order(void **state)
{
    struct fixture *fixture = *state;

    clock_bytes(fixture, "\0\0\x2c\2", 4);
    clock_bytes(fixture, "\0\1\x2c\1", 4);
    clock_bytes(fixture, "\0\3\x28\0", 4);
    pass_turn(fixture);
    assert_string_equal(packet_at(fixture, 0).comment, "W Sn_MR[1]=UDP");
    assert_string_equal(packet_at(fixture, 1).comment, "W Sn_CR[1]=OPEN");
    assert_string_equal(packet_at(fixture, 2).comment, "R Sn_SR[1]=UDP");
    assert_null(block_at(fixture, BLOCK_PACKET, 3));
}

static void the_longest_access_is_whole(void **state)
{
    static uint8_t bytes[3 + W5500_ACCESS_MAX + 1] = { 0, 0, 0x14 };
    struct fixture *fixture = *state;
    struct packet packet;

    memset(bytes + 3, 'x', W5500_ACCESS_MAX);
    clock_bytes(fixture, bytes, sizeof(bytes));
    pass_turn(fixture);
    packet = packet_at(fixture, 0);
    assert_string_equal(packet.comment, "W TX[0] 0x0000 2048 bytes: 78 78 78 78 78 78 78 78 ...");
    assert_memory_equal(packet.data + 24, bytes, 3 + W5500_ACCESS_MAX);
    assert_string_equal(packet_at(fixture, 1).comment, "W TX[0] 0x0800 1 byte: 00");
}

static void how_many_there_are_is_told(void **state)
{
    struct fixture *fixture = *state;
    char text[256];

    clock_bytes(fixture, "\0\x39\0\0", 4);
    (void)capture_describe(fixture->capture, text, sizeof(text));
    assert_string_equal(text, "ETH0-SPI 1 frames, 0 dropped\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(registers_are_an_interface, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_goes_out_with_its_bytes_and_words, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_comes_in, setup, teardown),
        cmocka_unit_test_setup_teardown(accesses_stay_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(the_longest_access_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(how_many_there_are_is_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
