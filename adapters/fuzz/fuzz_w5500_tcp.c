/*
 * A hostile peer of TCP connections, which knows their ports and sequence numbers. Each record is
 * what it says, relative to what is right, or what the driver does.
 */
#include <assert.h>
#include <string.h>

#include "adapters/fuzz/fuzz_w5500.h"
#include "emu/fuzz/fuzz.h"
#include "emu/packet.h"

#define PORT       80
#define PEER_PORT  5000
#define OPEN       0x01
#define LISTEN     0x02
#define TCP        0x01
#define RX_MAX     2048
#define DATA_MAX   1460
#define DATA_UNIT  16
#define TIME_UNIT  50000
#define SEQ        UINT32_C(0xfffff000)
#define KIND_COUNT 4

enum kind { KIND_SEGMENT, KIND_SEND, KIND_COMMAND, KIND_TIME };

struct world {
    struct bench bench;
    struct reader r;
    uint32_t next; /* the peer's sequence number */
};

static uint16_t peek16(const struct world *world, uint16_t address)
{
    const struct w5500 *chip = world->bench.chip;

    return (uint16_t)(w5500_peek(chip, W5500_BLOCK_SOCKET(0), address) << 8 |
                      w5500_peek(chip, W5500_BLOCK_SOCKET(0), (uint16_t)(address + 1)));
}

static void write16(struct world *world, uint16_t address, uint16_t value)
{
    const uint8_t bytes[] = { (uint8_t)(value >> 8), (uint8_t)value };

    bench_write(&world->bench, W5500_BLOCK_SOCKET(0), address, bytes, sizeof(bytes));
}

static void command(struct world *world, uint8_t code)
{
    bench_write(&world->bench, W5500_BLOCK_SOCKET(0), 0x01, &code, 1);
    bench_run_us(&world->bench, 10);
}

static void listen(struct world *world)
{
    const uint8_t mode = TCP;

    bench_write(&world->bench, W5500_BLOCK_SOCKET(0), 0x00, &mode, 1);
    write16(world, 0x04, PORT);
    command(world, OPEN);
    command(world, LISTEN);
}

static void set_up(struct world *world, uint8_t flags)
{
    static const uint8_t common[] = {
        192, 0, 2, 1, 255, 255, 255, 0, 2, 0, 0, 0, 0, 2, 192, 0, 2, 2
    };

    bench_init(&world->bench, flags);
    bench_write(&world->bench, W5500_BLOCK_COMMON, 1, common, sizeof(common));
    world->next = SEQ;
    listen(world);
}

/* Numbers near those that the chip waits for: its own can be seen in Sn_TX_WR, but for their half. */
static void segment(struct world *world)
{
    static const uint8_t data[DATA_MAX];
    struct packet_way way = { .from.port = PEER_PORT, .to.port = PORT };
    struct packet_tcp tcp = { .data = data };
    uint8_t frame[PACKET_HEADERS_MAX + DATA_MAX];
    size_t len;

    endpoint_set_v4(&way.from, 192, 0, 2, 9);
    endpoint_set_v4(&way.to, 192, 0, 2, 2);
    memcpy(way.from_mac, "\x02\0\0\0\0\x09", PACKET_MAC_LEN);
    memcpy(way.to_mac, "\x02\0\0\0\0\x02", PACKET_MAC_LEN);
    tcp.flags = reader_u8(&world->r) & 0x3f;
    tcp.sequence = world->next + (uint32_t)(int8_t)reader_u8(&world->r) * DATA_UNIT;
    tcp.acknow = world->bench.acknow + (uint32_t)(int8_t)reader_u8(&world->r);
    tcp.window = reader_u16(&world->r);
    tcp.data_len = (size_t)reader_u8(&world->r) * DATA_UNIT;
    tcp.data_len = tcp.data_len < DATA_MAX ? tcp.data_len : DATA_MAX;
    tcp.mss = tcp.flags & PACKET_TCP_SYN ? (uint16_t)tcp.data_len : 0;
    len = packet_write_tcp(frame, &way, &tcp);
    w5500_receive(world->bench.chip, frame, len);
    if (world->bench.expected)
        world->next = world->bench.expected;
}

static void step(struct world *world)
{
    uint8_t what = reader_u8(&world->r);

    switch ((enum kind)(what % KIND_COUNT)) {
    case KIND_SEGMENT:
        segment(world);
        break;
    case KIND_SEND:
        write16(world, 0x24, (uint16_t)(peek16(world, 0x24) + reader_u16(&world->r) % RX_MAX));
        command(world, 0x20);
        write16(world, 0x28, peek16(world, 0x2a));
        command(world, 0x40);
        break;
    case KIND_COMMAND:
        command(world, (uint8_t)(1U << (what >> 2 & 7)));
        if (w5500_peek(world->bench.chip, W5500_BLOCK_SOCKET(0), 0x03) == 0)
            listen(world);
        break;
    case KIND_TIME:
        bench_run_us(&world->bench, (uint64_t)(what >> 2) * TIME_UNIT);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world;

    reader_init(&world.r, data, size);
    set_up(&world, reader_u8(&world.r));
    while (reader_left(&world.r)) {
        step(&world);
        assert(peek16(&world, 0x26) <= RX_MAX);
    }
    bench_fini(&world.bench);
    return 0;
}
