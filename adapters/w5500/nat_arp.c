#include "adapters/w5500/nat_arp.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>

#include "emu/buf.h"

#define HARDWARE     1
#define REQUEST      1
#define REPLY        2
#define IP_LEN       4
#define NETWORK_MASK 0xffffff00
#define MULTICAST    0xe0000000 /* and what is above, RFC 1112 4 */

struct arp {
    const uint8_t *mac; /* the sender's */
    uint32_t sender, target;
};

static bool read_request(const uint8_t *frame, size_t len, struct arp *arp)
{
    struct reader r;

    reader_init(&r, frame, len);
    (void)reader_bytes(&r, ETH_ALEN + ETH_ALEN);
    if (reader_u16(&r) != ETH_P_ARP || reader_u16(&r) != HARDWARE || reader_u16(&r) != ETH_P_IP ||
        reader_u8(&r) != ETH_ALEN || reader_u8(&r) != IP_LEN || reader_u16(&r) != REQUEST)
        return false;
    arp->mac = reader_bytes(&r, ETH_ALEN);
    arp->sender = reader_u32(&r);
    (void)reader_bytes(&r, ETH_ALEN);
    arp->target = reader_u32(&r);
    return !r.failed;
}

bool nat_arp_answer(const uint8_t *frame, size_t len, struct in_addr gateway,
                    uint8_t answer[NAT_ARP_LEN])
{
    uint32_t own = ntohl(gateway.s_addr);
    struct writer w;
    struct arp arp;

    if (!read_request(frame, len, &arp) || !arp.sender || !arp.target || arp.target == arp.sender ||
        arp.target >= MULTICAST || (arp.target & NETWORK_MASK) == (own & NETWORK_MASK))
        return false;
    writer_init(&w, answer, NAT_ARP_LEN);
    writer_bytes(&w, arp.mac, ETH_ALEN);
    writer_u16(&w, 0x5255); /* libslirp's MAC of an address of its own */
    writer_u32(&w, own);
    writer_u16(&w, ETH_P_ARP);
    writer_u16(&w, HARDWARE);
    writer_u16(&w, ETH_P_IP);
    writer_u8(&w, ETH_ALEN);
    writer_u8(&w, IP_LEN);
    writer_u16(&w, REPLY);
    writer_u16(&w, 0x5255);
    writer_u32(&w, own);
    writer_u32(&w, arp.target);
    writer_bytes(&w, arp.mac, ETH_ALEN);
    writer_u32(&w, arp.sender);
    return !w.failed;
}
