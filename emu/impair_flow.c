#include "emu/impair_flow.h"

#include <stdlib.h>

#include "emu/util.h"

struct impair_flow {
    struct endpoint device, peer;
    uint64_t used; /* the last segment, by number */
    struct {
        bool is_known;
        uint32_t sequence; /* of the last segment ... */
        uint64_t place;    /* ... and where in the stream that is */
    } streams[IMPAIR_DIRECTIONS];
};

void impair_flows_init(struct impair_flows *flows)
{
    *flows = (struct impair_flows){ 0 };
}

void impair_flows_fini(struct impair_flows *flows)
{
    free(flows->flows);
    impair_flows_init(flows);
}

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && endpoint_same_ip(a, b);
}

static struct impair_flow *oldest(struct impair_flows *flows)
{
    struct impair_flow *found = &flows->flows[0];

    for (size_t i = 1; i < flows->count; i++) {
        if (flows->flows[i].used < found->used)
            found = &flows->flows[i];
    }
    return found;
}

static struct impair_flow *find(struct impair_flows *flows, const struct impair_segment *segment)
{
    struct impair_flow *flow;

    for (size_t i = 0; i < flows->count; i++) {
        flow = &flows->flows[i];
        if (is_same(&flow->device, segment->device) && is_same(&flow->peer, segment->peer))
            return flow;
    }
    if (!flows->flows)
        flows->flows = xcalloc(IMPAIR_FLOWS_MAX, sizeof(*flows->flows));
    flow = flows->count < IMPAIR_FLOWS_MAX ? &flows->flows[flows->count++] : oldest(flows);
    *flow = (struct impair_flow){ .device = *segment->device, .peer = *segment->peer };
    return flow;
}

uint64_t impair_flows_place(struct impair_flows *flows, const struct impair_segment *segment)
{
    struct impair_flow *flow = find(flows, segment);
    int32_t ahead;

    flow->used = ++flows->segments;
    if (segment->is_syn || !flow->streams[segment->direction].is_known) {
        flow->streams[segment->direction].is_known = true;
        flow->streams[segment->direction].sequence = segment->sequence + segment->is_syn;
        flow->streams[segment->direction].place = 0;
        return 0;
    }
    ahead = (int32_t)(segment->sequence - flow->streams[segment->direction].sequence);
    if (ahead < 0) { /* sent again */
        uint64_t back = (uint64_t) - (int64_t)ahead;
        uint64_t place = flow->streams[segment->direction].place;

        return place > back ? place - back : 0;
    }
    flow->streams[segment->direction].sequence = segment->sequence;
    flow->streams[segment->direction].place += (uint64_t)ahead;
    return flow->streams[segment->direction].place;
}
