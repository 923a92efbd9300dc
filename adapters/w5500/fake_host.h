/*
 * fake_host: a microcontroller, a clock and a wire for tests of the chip.
 *
 * Frames that leave, faults and accesses are kept in the order in which they came. Time is virtual
 * and moves by host_run_us() only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/w5500/w5500.h"
#include "emu/buf.h"
#include "emu/packet.h"
#include "emu/rng.h"
#include "emu/timer.h"
#include "emu/vclock.h"

#define HOST_FRAMES_MAX   512
#define HOST_FAULT_MAX    160
#define HOST_ACCESSES_MAX 64

struct host_frame {
    uint64_t at_us;
    size_t len;
    uint8_t bytes[W5500_FRAME_MAX];
};

struct host_access {
    uint8_t block;
    bool is_write;
    uint16_t address;
    size_t len;
    uint8_t first; /* byte */
};

struct host {
    struct vclock clock;
    struct timers timers;
    struct rng rng;
    struct w5500 *chip;
    struct host_frame *frames;
    size_t frames_count; /* beyond HOST_FRAMES_MAX they are counted only */
    struct host_access accesses[HOST_ACCESSES_MAX];
    size_t accesses_count;
    char fault[HOST_FAULT_MAX]; /* the last */
    size_t faults_count, pins_count;
    struct byteq *wire; /* both ways, as packets of a pcapng file (emu/pcapng.h); NULL: not kept */
};

/* A chip with the quirks and timing of @config (NULL: none, fast), whose link is up. */
void host_init(struct host *host, const struct w5500_config *config);
void host_fini(struct host *host);

/* Without a chip: somebody else's is @chip, and what it sends goes to host_on_send(). */
void host_init_bare(struct host *host);
void host_on_send(void *ctx, const uint8_t *frame, size_t len);

/* Let time pass, and what is due happen, each at its time. */
void host_run_us(struct host *host, uint64_t us);

/* One SPI frame of variable length. */
void host_read(struct host *host, unsigned block, uint16_t address, uint8_t *bytes, size_t len);
void host_write(struct host *host, unsigned block, uint16_t address, const void *bytes, size_t len);

uint8_t host_read8(struct host *host, unsigned block, uint16_t address);
uint16_t host_read16(struct host *host, unsigned block, uint16_t address);
uint32_t host_read32(struct host *host, unsigned block, uint16_t address);
void host_write8(struct host *host, unsigned block, uint16_t address, uint8_t value);
void host_write16(struct host *host, unsigned block, uint16_t address, uint16_t value);
void host_write32(struct host *host, unsigned block, uint16_t address, uint32_t value);

/* A frame comes by the wire. */
void host_receive(struct host *host, const uint8_t *frame, size_t len);

/* Forget frames, faults and accesses. */
void host_forget(struct host *host);

/* ---- a network: the chip, a peer and a gateway in 192.0.2.0/24 ---------------------------------- */

#define HOST_IP         0xc0000202
#define HOST_PEER_IP    0xc0000209
#define HOST_GATEWAY_IP 0xc0000201
#define HOST_FAR_IP     0xc6336401 /* 198.51.100.1 */

extern const uint8_t host_mac[PACKET_MAC_LEN], host_peer_mac[PACKET_MAC_LEN],
    host_all_mac[PACKET_MAC_LEN];

/* SHAR, GAR, SUBR and SIPR. */
void host_set_net(struct host *host);

void host_command(struct host *host, unsigned socket, uint8_t command);
void host_open(struct host *host, unsigned socket, uint8_t mode, uint16_t port);
void host_set_destination(struct host *host, unsigned socket, uint32_t ip, uint16_t port);

/* Append to the TX buffer, and SEND. */
void host_send(struct host *host, unsigned socket, const void *data, size_t len);

uint8_t host_status(struct host *host, unsigned socket);

/* Sn_IR, which is cleared. */
uint8_t host_take_ir(struct host *host, unsigned socket);

/* An ARP message of the peer's. */
void host_arp(struct host *host, uint16_t operation, uint32_t sender, uint32_t target);

/* From the peer's port 5000 to @port of the chip. */
struct packet_way host_way(uint16_t port);
void host_udp(struct host *host, const struct packet_way *way, const void *data, size_t len);

/* The @index-th frame that left; it must have. */
const struct host_frame *host_frame_get(const struct host *host, size_t index);
