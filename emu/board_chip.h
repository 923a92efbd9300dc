/*
 * board_chip: what a board says of the W5500 behind its ETH0, from text.
 *
 * Functions that return a text return NULL, or what is wrong, for people; static or in @why.
 */
#pragma once

#include <stdbool.h>

#include "emu/board.h"
#include "emu/yaml.h"

#define BOARD_TIMINGS "it takes fast or accurate"

/* A board file's "w5500:"; @ctx is the struct board_chip. 0, or the problem is @yaml's. */
int board_chip_take(struct yaml *yaml, int node, void *ctx);

/* "fast", "accurate". False: neither. */
bool board_chip_set_timing(struct board_chip *chip, const char *text);

/* "NAME[,NAME]", which add up. Whether there are such quirks is for others to say. */
const char *board_chip_add_quirks(struct board_chip *chip, const char *text,
                                  char why[BOARD_WHY_MAX]);

/* Is it there, where spi.setup has bus @spi? */
bool board_chip_is_on(const struct board_chip *chip, int spi);
