/*
 * fake_device: a module for unit tests: in virtual time, on a fake network, its voices in memory.
 *
 * It has one adapter, ETH0 (number 5), which is a fake_adapter. What it logs, says and traces is
 * kept, and can be looked through.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/device.h"
#include "emu/fake_adapter.h"

struct fake_device {
    struct device device;
    struct fake_adapter *adapter;
    int log_fd, voice_fd, trace_fd; /* files without a name */
};

/* For cmocka's set-up and tear-down: *@state is the struct fake_device. */
int fake_device_setup(void **state);
int fake_device_teardown(void **state);

/* Everything @fd has, to be freed. */
char *fake_read_all(int fd);

/* The trace has a line with @part in it. */
bool fake_traced(const struct fake_device *fake, const char *part);

/* Deliver what has been reported. */
void fake_deliver(struct fake_device *fake);

/* Let so much time pass, timer by timer, and deliver what they report. */
void fake_pass_ms(struct fake_device *fake, uint64_t ms);
