/*
 * regtext: the chip's registers and SPI accesses in words, by the names of the W5500 datasheet 1.0.9.
 *
 * Texts are ASCII, one register a line, and end in '\0'; what has no room is left out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "adapters/w5500/w5500.h"

#define REGTEXT_VALUE_MAX  128
#define REGTEXT_ACCESS_MAX 512

/* What @value means: "ESTABLISHED", "192.0.2.2", "2000 (200 ms)", "CON|RECV". */
void regtext_value(char text[REGTEXT_VALUE_MAX], const struct w5500_register *reg, uint64_t value);

/* Of Sn_SR and Sn_CR; NULL: there is no such value. */
const char *regtext_status(unsigned value);
const char *regtext_command(unsigned value);

/*
 * "W Sn_CR[1]=CONNECT", "R Sn_TX_FSR[1]=2048 Sn_TX_RD[1]=0", "W TX[1] 0x0800 5 bytes: 68 65 6c 6c 6f".
 * Of a register that it has a part of: "W Sn_PORT[1] byte 1=0x50". "..." ends what was cut.
 */
void regtext_access(char text[REGTEXT_ACCESS_MAX], const struct w5500_access *access);

/* The registers of the common block, or of a socket's, as a driver would read them. The length. */
size_t regtext_block(char *text, size_t cap, const struct w5500 *chip, unsigned block);

/* The sockets, one a line: protocol, state, ends, bytes, interrupts. The length. */
size_t regtext_sockets(char *text, size_t cap, const struct w5500 *chip);

/* The pins' levels, one line. The length. */
size_t regtext_pins(char *text, size_t cap, const struct w5500 *chip);
