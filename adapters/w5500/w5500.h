/*
 * w5500: WIZnet's W5500 at register level: SPI bytes in, SPI bytes out; Ethernet frames in and out.
 *
 * The chip is a pure function of what it is told: it makes no system call, its time is @clock and
 * @timers, its randomness is @rng. Nothing here blocks or fails. It is driven by the loop's thread
 * only, and its callbacks must not call back into it: they note or queue what they are told.
 *
 * SPI: w5500_select() is SCSn, w5500_transfer() clocks bytes, full duplex, in pieces of any size. MISO
 * of the three header bytes is 01 02 03, of written bytes 00, of a chip that is not selected or is
 * held in reset FF (the line's pull-up).
 *
 * Registers, frames and times: W5500 datasheet 1.0.9. Where the silicon differs from it or it is
 * silent, a quirk is a switch; all false is the chip as it is sold.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng;
struct timers;
struct vclock;
struct w5500;

#define W5500_SOCKETS    8
#define W5500_FRAME_MAX  1514 /* bytes, without FCS */
#define W5500_FRAME_MIN  60   /* what is shorter is padded, both ways */
#define W5500_ACCESS_MAX 2048 /* data bytes in one w5500_access; longer ones come in pieces */

/* ---- what it is made of ------------------------------------------------------------------- */

struct w5500_quirks {
    bool sendok_acked; /* TCP: SENDOK when the peer has acknowledged, not when it is sent */
    bool recv_relatch; /* RECV is set again after a RECV command that leaves bytes */
    bool live_tx_wr;   /* Sn_TX_WR reads back before SEND what was written */
    bool live_rx_rd;   /* Sn_RX_RD reads back before RECV */
    bool
        shadowed_destination; /* Sn_DHAR, Sn_DIPR, Sn_DPORT, Sn_MSSR read back after a command only */
    bool zero_tx_base;        /* TCP's TX pointers are 0 after CONNECT, not random */
    bool ir_write0_clears;    /* IR: writing 0 clears, as LuatOS's driver believes */
    bool version_late;        /* VERSIONR reads 0 for a while after a reset */
    bool sendok_without_link; /* SEND completes with the cable out, instead of hanging */
    bool no_unreachable;      /* no ICMP answer to UDP for a closed port */
    bool macraw_multicast;    /* MFEN lets multicast frames through, unless MMB is set */
};

/* The switches by name, for options and documents; NULL after the last. */
struct w5500_quirk {
    const char *name, *what;
    size_t offset; /* in struct w5500_quirks */
};
const struct w5500_quirk *w5500_quirk_get(size_t index);

/* False: there is no quirk of that name. */
bool w5500_quirk_set(struct w5500_quirks *quirks, const char *name, bool value);

enum w5500_timing {
    W5500_TIMING_FAST,     /* SPI and wire take no time, the link comes up after 100 ms */
    W5500_TIMING_ACCURATE, /* SPI clock, command latency, wire at 10 or 100 Mbit/s, link in 1.5 s */
};

/* One access: what lies between a header and the end of its data, or a piece of it. */
struct w5500_access {
    uint8_t block; /* BSB */
    bool is_write;
    uint16_t address; /* of the first byte */
    const uint8_t *bytes;
    size_t len; /* at most W5500_ACCESS_MAX */
};

struct w5500_config {
    struct vclock *clock;
    struct timers *timers;
    struct rng *rng;
    struct w5500_quirks quirks;
    enum w5500_timing timing;
    unsigned scale_percent; /* of RTR and KPALVTR's times, in fast timing; 0: 100 */
    unsigned gap_ns;        /* accurate timing: between two SPI frames */

    /* An Ethernet frame leaves, padded, without FCS. */
    void (*send)(void *ctx, const uint8_t *frame, size_t len);
    /* A pin that w5500_pins() shows has changed, SCSn excepted. NULL: nobody looks. */
    void (*on_pins)(void *ctx);
    /* For traces. NULL: nobody looks. */
    void (*on_access)(void *ctx, const struct w5500_access *access);
    /*
     * The driver did what the datasheet forbids; @text names the register. Texts of one @kind, a
     * constant, differ in sockets, registers and values only. NULL: nobody looks.
     *
     * What shipped drivers do all the time is none: a read-only register may be written in the midst
     * of a burst, and any place with what it reads as. What a burst has behind the last register of
     * its block is one fault, however long it is.
     */
    void (*on_fault)(void *ctx, const char *kind, const char *text);
    void *ctx;
};

/* Powered, out of reset, cable in, PMODE pins high (all capable), link on its way. */
struct w5500 *w5500_new(const struct w5500_config *config);

/* Another on_access from now on; NULL: nobody looks any more. */
void w5500_observe(struct w5500 *chip, void (*on_access)(void *ctx, const struct w5500_access *));

/* Nothing is said to the network: its peers see silence. */
void w5500_free(struct w5500 *chip);

/* ---- SPI and pins ------------------------------------------------------------------------- */

/* SCSn: true is low, selected. */
void w5500_select(struct w5500 *chip, bool is_selected);

/* @mosi may be NULL (zeros), and @miso (ignored); they may be the same. */
void w5500_transfer(struct w5500 *chip, const uint8_t *mosi, uint8_t *miso, size_t len);

/* SPI clock, in accurate timing; W5500_SPI_HZ before it is set. */
#define W5500_SPI_HZ 33300000
void w5500_set_clock(struct w5500 *chip, unsigned hz);
unsigned w5500_clock(const struct w5500 *chip);

/* When the bytes clocked so far are over; now, or before it, in fast timing. Who drives SPI waits. */
uint64_t w5500_ready_us(const struct w5500 *chip);

/* Numbers of VSPI/1's PIN. */
enum w5500_pin {
    W5500_PIN_RSTN,
    W5500_PIN_PMODE0,
    W5500_PIN_PMODE1,
    W5500_PIN_PMODE2,
    W5500_PIN_CABLE, /* true: plugged */
};
void w5500_pin_set(struct w5500 *chip, enum w5500_pin pin, bool level);

/* Levels: bits of VSPI/1's flags. */
#define W5500_PINS_INTN    0x01
#define W5500_PINS_RSTN    0x02
#define W5500_PINS_LINKLED 0x04 /* low: link */
#define W5500_PINS_SCSN    0x08
unsigned w5500_pins(const struct w5500 *chip);

/* ---- network ------------------------------------------------------------------------------ */

/* A frame, without FCS, comes in by the cable. Whatever it is. */
void w5500_receive(struct w5500 *chip, const uint8_t *frame, size_t len);

/* ---- looking at it ------------------------------------------------------------------------ */

/* BSB, the block select bits: 0 is common; 1, 2 and 3 plus 4n are socket n's. */
#define W5500_BLOCK_COMMON    0
#define W5500_BLOCK_SOCKET(n) (4 * (n) + 1)
#define W5500_BLOCK_TX(n)     (4 * (n) + 2)
#define W5500_BLOCK_RX(n)     (4 * (n) + 3)
#define W5500_BLOCKS          32

enum w5500_rights {
    W5500_RIGHTS_RW,
    W5500_RIGHTS_RO,
    W5500_RIGHTS_W1C,    /* writing a 1 clears the bit */
    W5500_RIGHTS_SHADOW, /* RW, but a command makes it valid */
};

struct w5500_register {
    const char *name; /* "SIPR", "Sn_MR" */
    bool is_socket;   /* one in each socket block */
    uint16_t address;
    uint8_t width;  /* bytes */
    uint64_t reset; /* the first byte is the highest */
    enum w5500_rights rights;
};

/* In the order of blocks and addresses. False: there are not so many. */
bool w5500_register_get(size_t index, struct w5500_register *reg);

/* The register that has the byte; false: it is reserved, or no register block. */
bool w5500_register_find(unsigned block, uint16_t address, struct w5500_register *reg);

/* What a driver would read, without any effect. */
uint8_t w5500_peek(const struct w5500 *chip, unsigned block, uint16_t address);
uint64_t w5500_peek_register(const struct w5500 *chip, const struct w5500_register *reg,
                             unsigned socket);
