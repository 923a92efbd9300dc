/*
 * nat_arp: an answer to every ARP request of the chip's, but for what answers by itself: whatever
 * network its address and its gateway are of, the way out is here (RFC 1027, proxy ARP). RFC 826.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAT_ARP_LEN 42 /* bytes of an answer, with its Ethernet header */

/*
 * @gateway, of whose /24 nothing is answered for, lends its MAC. False: @frame is no request, or one
 * that asks for the chip's own address.
 */
bool nat_arp_answer(const uint8_t *frame, size_t len, struct in_addr gateway,
                    uint8_t answer[NAT_ARP_LEN]);
