/*
 * impair_flow: where in its stream a TCP segment lies, by its sequence number (RFC 9293 3.4).
 *
 * A stream begins with its SYN, or with the first segment that is seen of it. Of so many
 * connections that they don't fit the table the one that was silent for longest is forgotten, and
 * begins anew when it speaks again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/impair.h"

#define IMPAIR_FLOWS_MAX 256

struct impair_segment {
    enum impair_direction direction;
    const struct endpoint *device, *peer;
    uint32_t sequence;
    bool is_syn;
};

struct impair_flows {
    struct impair_flow *flows; /* NULL: none was seen */
    size_t count;
    uint64_t segments; /* seen, ever */
};

void impair_flows_init(struct impair_flows *flows);
void impair_flows_fini(struct impair_flows *flows);

/* Bytes of the stream before the segment's data; 0 also for what lies before its beginning. */
uint64_t impair_flows_place(struct impair_flows *flows, const struct impair_segment *segment);
