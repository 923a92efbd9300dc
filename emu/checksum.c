#include "emu/checksum.h"

#include <arpa/inet.h>
#include <string.h>

static uint32_t fold(uint64_t wide)
{
    while (wide >> 16)
        wide = (wide & 0xffff) + (wide >> 16);
    return (uint32_t)wide;
}

/*
 * The sum of 16-bit words, folded so that it never overflows. They are added as this machine reads
 * them, two at a time, and the sum is turned round (RFC 1071 2 (B) and (C)).
 */
uint32_t checksum_add(uint32_t sum, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    uint64_t wide = 0;
    uint32_t words;
    size_t i = 0;

    for (; i + sizeof(words) <= len; i += sizeof(words)) {
        memcpy(&words, bytes + i, sizeof(words));
        wide += words;
    }
    wide = ntohs((uint16_t)fold(wide)) + (uint64_t)sum;
    for (; i + 1 < len; i += 2)
        wide += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    if (len % 2)
        wide += (uint32_t)bytes[len - 1] << 8;
    return fold(wide);
}

uint16_t checksum_end(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

void checksum_put(uint8_t at[2], uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}
