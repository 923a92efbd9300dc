/* Packets of a raw socket, and messages of a datagram one. */
#include <assert.h>

#include "emu/fuzz/fuzz.h"
#include "emu/icmp_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ip_payload payload;
    struct icmp_echo echo;

    if (icmp_read_reply(data, size, &echo))
        assert(echo.data_len == size - ICMP_HEADER_LEN);
    if (!ip_read_payload(data, size, &payload))
        return 0;
    assert(payload.message >= data && payload.message + payload.len == data + size);
    if (icmp_read_reply(payload.message, payload.len, &echo))
        assert(echo.data_len + ICMP_HEADER_LEN == payload.len);
    return 0;
}
