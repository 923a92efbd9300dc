/*
 * vspi: the port's protocol, VSPI/1, without its socket: a client's bytes in, answers out. It is the
 * master of a bench while it exists; clients come and go, one at a time.
 *
 * Every message, both ways, is a header of 8 bytes and then @len bytes; numbers are little-endian:
 *
 *   u8 op      of a request; its reply's has the bit 0x80 set
 *   u8 flags   of a request, see below; in replies and events the levels of w5500_pins()
 *   u16 arg    of a request, see below; of a reply 0 or an errno value
 *   u32 len    at most VSPI_LEN_MAX
 *
 *   01 XFER    clock MOSI bytes; flags: 1 SCSn goes low before, 2 high after, 4 no reply. Reply: MISO
 *   02 PIN     arg: enum w5500_pin; flags: 1 its level
 *   03 PINS    the reply's flags are the answer
 *   04 CLOCK   u32 of SPI in Hz, for accurate timing
 *   05 HELLO   "VSPI", u16 version 1, u16 0. Reply: the same, and a name
 *   06 EVENTS  flags: 1 tell of INTn and LINKLED from now on
 *   70 EVENT   from here, unasked: one of those has changed. len is 0
 *
 * ASSERT while SCSn is low, and DEASSERT while it is high, do nothing. Requests are carried out in
 * their order. In accurate timing a reply is held until its bytes have been clocked, and so is what
 * was asked after it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VSPI_LEN_MAX (128 * 1024)

struct bench;
struct timers;
struct vclock;
struct vspi;

struct vspi_config {
    struct bench *bench;
    struct timers *timers;
    struct vclock *clock;
    /* From the loop: there are answers, or there is room again. Never inside a call from there. */
    void (*ready)(void *ctx);
    void *ctx;
};

struct vspi *vspi_new(const struct vspi_config *config);

/* Before the bench is. */
void vspi_free(struct vspi *vspi);

/* A client's end, and another's begin: SCSn goes high, what was not carried out is forgotten. */
void vspi_restart(struct vspi *vspi);

/* Where its next bytes go; returns how many may come. 0: none now, until ready(), or vspi_sent(). */
size_t vspi_room(struct vspi *vspi, uint8_t **room);

/* So many have come there: carry out what is whole. */
void vspi_take(struct vspi *vspi, size_t len);

/* What is to be sent; returns its length. Good until the next call of another function here. */
size_t vspi_answers(const struct vspi *vspi, const uint8_t **answers);
void vspi_sent(struct vspi *vspi, size_t len);

/* Nobody will take answers any more: carry out the rest without them, and without waiting. */
void vspi_drain(struct vspi *vspi);

/* Is there nothing to be carried out or sent? A message that is not whole does not count. */
bool vspi_is_idle(const struct vspi *vspi);

/* The @len of a message that is too long; the client has to go. 0: there is none. */
uint32_t vspi_oversize(const struct vspi *vspi);
