/* Packets, the first byte of the input says whether their sum counts. */
#include <assert.h>
#include <string.h>

#include "emu/fuzz/fuzz.h"
#include "emu/udp_packet.h"

#define CAP 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t written[CAP];
    struct udp_packet packet, again;
    size_t len;

    if (!size || !udp_packet_read(data + 1, size - 1, data[0] & 1, &packet))
        return 0;
    assert(packet.data >= data + UDP_PACKET_HEADERS && packet.data + packet.len <= data + size);
    len = udp_packet_write(&packet, written, sizeof(written));
    assert(len == packet.len + UDP_PACKET_HEADERS);
    assert(udp_packet_read(written, len, true, &again));
    assert(again.from == packet.from && again.to == packet.to && again.len == packet.len);
    assert(again.from_port == packet.from_port && again.to_port == packet.to_port);
    assert(!again.len || memcmp(again.data, packet.data, again.len) == 0);
    return 0;
}
