/*
 * outputs: the files that a run writes to beside its log: trace, TLS secrets, capture, SPI bus.
 *
 * They are opened before anything else, so that a name that can't be written ends the run at once.
 * Descriptors; -1: the command line asks for none. Capture and SPI bus are closed by who
 * writes them (adapters/capture.h, adapters/w5500/vcd.h); the others end with the process.
 */
#pragma once

#include <stdbool.h>

struct cli;

struct outputs {
    int trace_fd, keylog_fd, capture_fd, spi_fd;
};

/* False: one can't be written, which was said on stderr. */
bool outputs_open(struct outputs *outputs, const struct cli *cli);

/* The SPI bus alone: false as above. */
bool outputs_open_spi(int *fd, const char *path);
