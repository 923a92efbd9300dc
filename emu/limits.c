#include "emu/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/handle.h"

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define LIMIT(field) offsetof(struct limits, field)

/* clang-format off */
const struct limit_row limit_rows[] = {
    { "sockets", LIMIT(sockets), 16, 1, (1U << HANDLE_INDEX_BITS) - 1, "controls",
      "socket controls at once, over all adapters of the stack",
      "LuatOS net_lwip2.h MAX_SOCK_NUM" },
    { "send_buffer", LIMIT(send_buffer), 256 * KIB, 1, 1 * GIB, "bytes",
      "bytes sent and not yet acknowledged, a socket, before socket.tx says full",
      "stands for the heap on which lwIP adapters queue; a W5500 has 20480" },
    { "udp_queue", LIMIT(udp_queue), 1024, 1, 1 << 20, "datagrams",
      "datagrams waiting for socket.rx, a socket; more stay in the host's buffer",
      "stands for the heap on which lwIP adapters queue" },
    { "connect_timeout", LIMIT(connect_timeout_ms), 18000, 1, 3600000, "ms",
      "until a TCP connect that nobody answers fails",
      "lwIP: 6 SYN retransmissions, 3 s apart" },
    { "handshake_timeout", LIMIT(handshake_timeout_ms), 20000, 1, 3600000, "ms",
      "until a TLS or DTLS handshake that does not end fails",
      "mbedTLS's read time-out on a module, which has no effect there: it waits for ever" },
    { "timers", LIMIT(timers), 65536, 1, 1 << 20, "timers",
      "script timers at once; beyond 64 a warning says what a module does",
      "a module has 64, the LuatOS PC simulator 1024" },
    { "lua_heap", LIMIT(lua_heap), 512 * MIB, 1 * MIB, 64 * GIB, "bytes",
      "memory of the Lua VM",
      "modules have 128 KiB to 8 MiB; the default only protects the host" },
};
/* clang-format on */
const size_t limit_rows_count = sizeof(limit_rows) / sizeof(limit_rows[0]);

static uint64_t *field(struct limits *limits, const struct limit_row *row)
{
    return (uint64_t *)(void *)((char *)limits + row->offset);
}

void limits_init(struct limits *limits)
{
    for (size_t i = 0; i < limit_rows_count; i++)
        *field(limits, &limit_rows[i]) = limit_rows[i].value;
}

const char *limits_set(struct limits *limits, const char *text, char why[], size_t why_cap)
{
    const char *equals = strchr(text, '=');
    size_t key_len = equals ? (size_t)(equals - text) : 0;
    unsigned long long value;
    char *end;

    if (!equals)
        return "it has the form KEY=VALUE";
    for (size_t i = 0; i < limit_rows_count; i++) {
        const struct limit_row *row = &limit_rows[i];

        if (strlen(row->key) != key_len || memcmp(row->key, text, key_len) != 0)
            continue;
        errno = 0;
        value = strtoull(equals + 1, &end, 0);
        if (end == equals + 1 || *end || errno || equals[1] == '-' || value < row->min ||
            value > row->max) {
            (void)snprintf(why, why_cap, "%s takes a number from %" PRIu64 " to %" PRIu64, row->key,
                           row->min, row->max);
            return why;
        }
        *field(limits, row) = value;
        return NULL;
    }
    return "there is no such key; --set help lists them";
}
