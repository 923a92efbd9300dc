/*
 * alone: a W5500 without a module around it, `luatos-emu w5500`: it says where it listens, and then
 * the loop turns until a signal or the time limit ends it.
 */
#pragma once

#include <stdint.h>

#include "emu/endpoint.h"

struct device;
struct nets;

struct alone_config {
    struct device *device;
    const struct nets *nets;
    const char *path;    /* where its port listens */
    struct endpoint dns; /* for its driver; IP_FAMILY_NONE: none is known */
    int out_fd;          /* gets the line that says so; -1: nobody does */
    uint64_t timeout_ms; /* 0: none */
};

/* An enum exit_code. */
int alone_run(const struct alone_config *config);
