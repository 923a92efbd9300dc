/* Messages: what was read can be written, and then reads the same. */
#include <assert.h>
#include <string.h>

#include "emu/dhcp_msg.h"
#include "emu/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t written[DHCP_MSG_MAX];
    struct dhcp_msg msg, again;
    size_t len;

    if (!dhcp_read(data, size, &msg))
        return 0;
    assert(msg.type != DHCP_TYPE_NONE && *dhcp_type_name(msg.type));
    assert(msg.dns_count <= DHCP_DNS_MAX && msg.routes_count <= DHCP_ROUTES_MAX);
    assert(msg.client_id.len <= DHCP_ID_MAX && msg.wanted_count <= DHCP_WANTED_MAX);
    assert(memchr(msg.hostname, '\0', sizeof(msg.hostname)));
    assert(memchr(msg.text, '\0', sizeof(msg.text)));
    len = dhcp_write(&msg, written);
    assert(len >= DHCP_MSG_MIN && dhcp_read(written, len, &again));
    assert(memcmp(&msg, &again, sizeof(msg)) == 0);
    return 0;
}
