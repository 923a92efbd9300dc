/*
 * terminal: the lines behind a module's serial ports: pseudo-terminals, the standard input and
 * output, terminals and pipes of the host's.
 */
#pragma once

#include <stddef.h>

#define TERMINALS_WHY_MAX 512

struct device;
struct board;
struct terminals;

/*
 * Wire the device's ports as the board says, and open those with a path. 0, or -errno and why in
 * @why.
 */
int terminals_open(struct terminals **out, struct device *device, const struct board *board,
                   char why[TERMINALS_WHY_MAX]);
void terminals_close(struct terminals *terminals);
