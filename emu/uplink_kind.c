#include "emu/uplink_kind.h"

#include <assert.h>

static const char *const names[] = {
    [UPLINK_PASTA] = "pasta", [UPLINK_SLIRP4NETNS] = "slirp4netns",
    [UPLINK_RELAY] = "relay", [UPLINK_HOST] = "host",
    [UPLINK_OFF] = "off",     [UPLINK_AUTO] = "auto",
};
static_assert(sizeof(names) / sizeof(names[0]) == UPLINK_COUNT, "an uplink lacks its name");

const char *uplink_name(enum uplink_kind kind)
{
    return names[kind];
}
