#include "adapters/w5500/fake_host.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/buf.h"
#include "emu/pcapng.h"
#include "emu/util.h"

#define SEED    5500
#define LINK_US 100000
#define HEADER  3
#define WRITE   0x04
#define MASK    0xffffff00
#define OPEN    0x01
#define SEND    0x20
#define MTU     1500
#define ARP_LEN 28

#define EPOCH_NS  UINT64_C(1767225600000000000) /* 2026-01-01 00:00:00 UTC */
#define NS_PER_US 1000

static void keep(const struct host *host, enum pcapng_direction direction, const uint8_t *frame,
                 size_t len)
{
    const struct pcapng_packet packet = { .time_ns = EPOCH_NS + host->clock.now_us * NS_PER_US,
                                          .direction = direction,
                                          .data = frame,
                                          .len = len };

    if (host->wire)
        pcapng_put_packet(host->wire, &packet);
}

void host_receive(struct host *host, const uint8_t *frame, size_t len)
{
    keep(host, PCAPNG_DIRECTION_IN, frame, len);
    w5500_receive(host->chip, frame, len);
}

/* ---- what the chip tells ---------------------------------------------------------------------- */

void host_on_send(void *ctx, const uint8_t *bytes, size_t len)
{
    struct host *host = ctx;
    struct host_frame *frame = &host->frames[host->frames_count];

    keep(host, PCAPNG_DIRECTION_OUT, bytes, len);
    if (host->frames_count++ >= HOST_FRAMES_MAX)
        return;
    frame->at_us = host->clock.now_us;
    frame->len = len;
    memcpy(frame->bytes, bytes, len);
}

static void on_pins(void *ctx)
{
    struct host *host = ctx;

    host->pins_count++;
}

static void on_access(void *ctx, const struct w5500_access *access)
{
    struct host *host = ctx;

    if (host->accesses_count < HOST_ACCESSES_MAX) {
        host->accesses[host->accesses_count++] = (struct host_access){ .block = access->block,
                                                                       .is_write = access->is_write,
                                                                       .address = access->address,
                                                                       .len = access->len,
                                                                       .first = access->bytes[0] };
    }
}

static void on_fault(void *ctx, const char *kind, const char *text)
{
    struct host *host = ctx;

    (void)kind;
    (void)snprintf(host->fault, sizeof(host->fault), "%s", text);
    host->faults_count++;
}

/* ---- life ------------------------------------------------------------------------------------- */

void host_init_bare(struct host *host)
{
    *host = (struct host){ .frames = xcalloc(HOST_FRAMES_MAX, sizeof(*host->frames)) };
    vclock_init(&host->clock, VCLOCK_MODE_VIRTUAL);
    timers_init(&host->timers);
    rng_init(&host->rng, SEED);
}

void host_init(struct host *host, const struct w5500_config *config)
{
    struct w5500_config own = config ? *config : (struct w5500_config){ 0 };

    host_init_bare(host);
    own.clock = &host->clock;
    own.timers = &host->timers;
    own.rng = &host->rng;
    own.send = host_on_send;
    own.on_pins = on_pins;
    own.on_access = on_access;
    own.on_fault = on_fault;
    own.ctx = host;
    host->chip = w5500_new(&own);
    host_run_us(host, own.timing == W5500_TIMING_FAST ? LINK_US : 15 * LINK_US);
    host_forget(host);
}

void host_fini(struct host *host)
{
    w5500_free(host->chip);
    timers_fini(&host->timers);
    free(host->frames);
}

void host_forget(struct host *host)
{
    host->frames_count = 0;
    host->accesses_count = 0;
    host->faults_count = 0;
    host->fault[0] = '\0';
    host->pins_count = 0;
}

void host_run_us(struct host *host, uint64_t us)
{
    uint64_t end_us = host->clock.now_us + us;

    for (;;) {
        uint64_t next_us = timers_next_us(&host->timers);

        if (next_us > end_us)
            break;
        if (next_us > host->clock.now_us)
            vclock_advance(&host->clock, next_us - host->clock.now_us);
        (void)timers_run(&host->timers, host->clock.now_us);
    }
    vclock_advance(&host->clock, end_us - host->clock.now_us);
}

/* ---- SPI -------------------------------------------------------------------------------------- */

static void begin(struct host *host, unsigned block, uint16_t address, bool is_write)
{
    const uint8_t header[HEADER] = { (uint8_t)(address >> 8), (uint8_t)address,
                                     (uint8_t)(block << 3 | (is_write ? WRITE : 0)) };

    w5500_select(host->chip, true);
    w5500_transfer(host->chip, header, NULL, sizeof(header));
}

void host_read(struct host *host, unsigned block, uint16_t address, uint8_t *bytes, size_t len)
{
    begin(host, block, address, false);
    w5500_transfer(host->chip, NULL, bytes, len);
    w5500_select(host->chip, false);
}

void host_write(struct host *host, unsigned block, uint16_t address, const void *bytes, size_t len)
{
    begin(host, block, address, true);
    w5500_transfer(host->chip, bytes, NULL, len);
    w5500_select(host->chip, false);
}

uint8_t host_read8(struct host *host, unsigned block, uint16_t address)
{
    uint8_t byte;

    host_read(host, block, address, &byte, 1);
    return byte;
}

uint16_t host_read16(struct host *host, unsigned block, uint16_t address)
{
    uint8_t bytes[2];

    host_read(host, block, address, bytes, sizeof(bytes));
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

uint32_t host_read32(struct host *host, unsigned block, uint16_t address)
{
    uint8_t b[4];

    host_read(host, block, address, b, sizeof(b));
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

void host_write8(struct host *host, unsigned block, uint16_t address, uint8_t value)
{
    host_write(host, block, address, &value, 1);
}

void host_write16(struct host *host, unsigned block, uint16_t address, uint16_t value)
{
    const uint8_t bytes[] = { (uint8_t)(value >> 8), (uint8_t)value };

    host_write(host, block, address, bytes, sizeof(bytes));
}

void host_write32(struct host *host, unsigned block, uint16_t address, uint32_t value)
{
    const uint8_t bytes[] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value };

    host_write(host, block, address, bytes, sizeof(bytes));
}

/* ---- a network -------------------------------------------------------------------------------- */

const uint8_t host_mac[PACKET_MAC_LEN] = { 0x02, 0, 0, 0, 0, 0x02 };
const uint8_t host_peer_mac[PACKET_MAC_LEN] = { 0x02, 0, 0, 0, 0, 0x09 };
const uint8_t host_all_mac[PACKET_MAC_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

void host_set_net(struct host *host)
{
    uint8_t bytes[18];
    struct writer w;

    writer_init(&w, bytes, sizeof(bytes));
    writer_u32(&w, HOST_GATEWAY_IP);
    writer_u32(&w, MASK);
    writer_bytes(&w, host_mac, sizeof(host_mac));
    writer_u32(&w, HOST_IP);
    host_write(host, W5500_BLOCK_COMMON, 0x01, bytes, sizeof(bytes));
}

void host_command(struct host *host, unsigned socket, uint8_t command)
{
    host_write8(host, W5500_BLOCK_SOCKET(socket), 0x01, command);
}

void host_open(struct host *host, unsigned socket, uint8_t mode, uint16_t port)
{
    host_write8(host, W5500_BLOCK_SOCKET(socket), 0x00, mode);
    host_write16(host, W5500_BLOCK_SOCKET(socket), 0x04, port);
    host_command(host, socket, OPEN);
}

void host_set_destination(struct host *host, unsigned socket, uint32_t ip, uint16_t port)
{
    host_write32(host, W5500_BLOCK_SOCKET(socket), 0x0c, ip);
    host_write16(host, W5500_BLOCK_SOCKET(socket), 0x10, port);
}

void host_send(struct host *host, unsigned socket, const void *data, size_t len)
{
    uint16_t at = host_read16(host, W5500_BLOCK_SOCKET(socket), 0x24);

    host_write(host, W5500_BLOCK_TX(socket), at, data, len);
    host_write16(host, W5500_BLOCK_SOCKET(socket), 0x24, (uint16_t)(at + len));
    host_command(host, socket, SEND);
}

uint8_t host_status(struct host *host, unsigned socket)
{
    return host_read8(host, W5500_BLOCK_SOCKET(socket), 0x03);
}

uint8_t host_take_ir(struct host *host, unsigned socket)
{
    uint8_t bits = host_read8(host, W5500_BLOCK_SOCKET(socket), 0x02);

    host_write8(host, W5500_BLOCK_SOCKET(socket), 0x02, bits);
    return bits;
}

void host_arp(struct host *host, uint16_t operation, uint32_t sender, uint32_t target)
{
    uint8_t frame[14 + ARP_LEN];
    struct writer w;

    writer_init(&w, frame, sizeof(frame));
    writer_bytes(&w, operation == 1 ? host_all_mac : host_mac, PACKET_MAC_LEN);
    writer_bytes(&w, host_peer_mac, PACKET_MAC_LEN);
    writer_u32(&w, 0x08060001);
    writer_u32(&w, 0x08000604);
    writer_u16(&w, operation);
    writer_bytes(&w, host_peer_mac, PACKET_MAC_LEN);
    writer_u32(&w, sender);
    writer_bytes(&w, operation == 1 ? host_all_mac : host_mac, PACKET_MAC_LEN);
    writer_u32(&w, target);
    host_receive(host, frame, w.len);
}

struct packet_way host_way(uint16_t port)
{
    struct packet_way way = { .from.port = 5000, .to.port = port };

    endpoint_set_v4(&way.from, 192, 0, 2, 9);
    endpoint_set_v4(&way.to, 192, 0, 2, 2);
    memcpy(way.from_mac, host_peer_mac, PACKET_MAC_LEN);
    memcpy(way.to_mac, host_mac, PACKET_MAC_LEN);
    return way;
}

void host_udp(struct host *host, const struct packet_way *way, const void *data, size_t len)
{
    struct packet_datagram datagram = { .data = data, .data_len = len, .mtu = MTU };
    uint8_t frame[PACKET_HEADERS_MAX + MTU];
    size_t frame_len;

    while (packet_write_udp(frame, &frame_len, way, &datagram))
        host_receive(host, frame, frame_len);
}

const struct host_frame *host_frame_get(const struct host *host, size_t index)
{
    assert(index < host->frames_count);
    assert(index < HOST_FRAMES_MAX);
    return &host->frames[index];
}
