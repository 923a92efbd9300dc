/*
 * limits: what a module has little of. Set by --set KEY=VALUE; limits.c names the source of each
 * default.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limits {
    uint64_t sockets;              /* socket controls at once, over all adapters of a stack */
    uint64_t send_buffer;          /* bytes sent and not acknowledged before tx says full */
    uint64_t udp_queue;            /* datagrams that wait for rx, a socket */
    uint64_t connect_timeout_ms;   /* until a TCP connect without any answer fails */
    uint64_t handshake_timeout_ms; /* until a TLS handshake that does not end fails */
    uint64_t timers;               /* script timers at once */
    uint64_t lua_heap;             /* bytes of the Lua VM */
};

struct limit_row {
    const char *key;
    size_t offset; /* in struct limits, of a uint64_t */
    uint64_t value, min, max;
    const char *unit, *what, *source;
};

extern const struct limit_row limit_rows[];
extern const size_t limit_rows_count;

void limits_init(struct limits *limits);

/* "KEY=VALUE". NULL, or what is wrong with it, for people; static or in @why. */
const char *limits_set(struct limits *limits, const char *text, char why[], size_t why_cap);
