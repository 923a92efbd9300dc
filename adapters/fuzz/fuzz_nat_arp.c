/* Frames of a chip's at the other end of its cable: what is answered is answered whole. */
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "adapters/w5500/nat_arp.h"
#include "emu/fuzz/fuzz.h"

#define GATEWAY 0x0a000202

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct in_addr gateway = { htonl(GATEWAY) };
    uint8_t answer[NAT_ARP_LEN];

    if (!nat_arp_answer(data, size, gateway, answer))
        return 0;
    assert(size >= NAT_ARP_LEN);
    assert(memcmp(answer, data + 22, 6) == 0); /* to who asks */
    assert(memcmp(answer + 28, data + 38, 4) == 0);
    return 0;
}
