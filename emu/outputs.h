/*
 * outputs: the files that a run writes to beside its log: trace, TLS secrets, capture.
 *
 * They are opened before anything else, so that a name that can't be written ends the run at once.
 * Descriptors; -1: the command line asks for none. The capture is closed by who writes it
 * (adapters/capture.h); the others end with the process.
 */
#pragma once

#include <stdbool.h>

struct cli;

struct outputs {
    int trace_fd, keylog_fd, capture_fd;
};

/* False: one can't be written, which was said on stderr. */
bool outputs_open(struct outputs *outputs, const struct cli *cli);
