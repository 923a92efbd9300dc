#include "emu/offload.h"

#include <assert.h>
#include <string.h>

#include "emu/checksum.h"
#include "emu/packet.h"

#define IPV4_LEN_AT      2
#define IPV4_ID_AT       4
#define IPV4_CHECKSUM_AT 10
#define IPV6_LEN_AT      4
#define IPV6_HEADER_LEN  40
#define PROTOCOL_TCP     6
#define PROTOCOL_UDP     17
#define TCP_SEQUENCE_AT  4
#define TCP_FLAGS_AT     13
#define TCP_CHECKSUM_AT  16
#define TCP_CWR          0x80 /* RFC 3168 */
#define UDP_LEN_AT       4
#define UDP_CHECKSUM_AT  6

static void put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put_u32(uint8_t *at, uint32_t value)
{
    put_u16(at, value >> 16);
    put_u16(at + 2, value & 0xffff);
}

void offload_begin(struct offload *offload, const uint8_t *bytes, size_t len,
                   const struct offload_rest *rest)
{
    const struct frame *frame = &offload->frame;
    enum frame_protocol wanted =
        rest->cut == OFFLOAD_CUT_TCP ? FRAME_PROTOCOL_TCP : FRAME_PROTOCOL_UDP;

    *offload = (struct offload){ .bytes = bytes, .len = len, .rest = *rest };
    offload->is_cut = rest->cut != OFFLOAD_CUT_NONE && rest->part_len &&
                      frame_read(&offload->frame, bytes, len) && frame->has_transport &&
                      frame->protocol == wanted && frame->data_len > rest->part_len;
}

/* ---- one part of many ----------------------------------------------------------------------- */

static void put_ip(const struct offload *offload, uint8_t *out, size_t len)
{
    const struct frame *frame = &offload->frame;
    uint8_t *ip = out + frame->ip_at;
    size_t ip_len = len - frame->ip_at;

    if (frame->is_v6) {
        put_u16(ip + IPV6_LEN_AT, ip_len - IPV6_HEADER_LEN);
        return;
    }
    put_u16(ip + IPV4_LEN_AT, ip_len);
    put_u16(ip + IPV4_ID_AT,
            (uint16_t)((ip[IPV4_ID_AT] << 8 | ip[IPV4_ID_AT + 1]) + (int)offload->count));
    checksum_put(ip + IPV4_CHECKSUM_AT, 0);
    checksum_put(ip + IPV4_CHECKSUM_AT,
                 checksum_end(checksum_add(0, ip, frame->upper_at - frame->ip_at)));
}

/* With the pseudo header, RFC 9293 3.1, RFC 768, RFC 8200 8.1. */
static void put_sum(const struct frame *frame, uint8_t *out, size_t len)
{
    bool is_tcp = frame->protocol == FRAME_PROTOCOL_TCP;
    uint8_t *upper = out + frame->upper_at;
    uint8_t *at = upper + (is_tcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT);
    size_t upper_len = len - frame->upper_at;
    uint32_t sum = (is_tcp ? PROTOCOL_TCP : PROTOCOL_UDP) + (uint32_t)upper_len;
    uint16_t value;

    sum = checksum_add(sum, frame->from.addr, endpoint_addr_len(&frame->from));
    sum = checksum_add(sum, frame->to.addr, endpoint_addr_len(&frame->to));
    checksum_put(at, 0);
    value = checksum_end(checksum_add(sum, upper, upper_len));
    checksum_put(at, value || is_tcp ? value : 0xffff); /* RFC 768: 0 is for none */
}

static size_t write_part(const struct offload *offload, uint8_t *out, size_t part_len)
{
    const struct frame *frame = &offload->frame;
    size_t len = frame->data_at + part_len;
    uint8_t *upper = out + frame->upper_at;

    memcpy(out, offload->bytes, frame->data_at);
    memcpy(out + frame->data_at, offload->bytes + frame->data_at + offload->done, part_len);
    put_ip(offload, out, len);
    if (frame->protocol == FRAME_PROTOCOL_UDP) {
        put_u16(upper + UDP_LEN_AT, len - frame->upper_at);
    } else {
        put_u32(upper + TCP_SEQUENCE_AT, frame->sequence + (uint32_t)offload->done);
        if (offload->done)
            upper[TCP_FLAGS_AT] &= (uint8_t)~TCP_CWR;
        if (offload->done + part_len < frame->data_len)
            upper[TCP_FLAGS_AT] &= (uint8_t) ~(PACKET_TCP_FIN | PACKET_TCP_PSH);
    }
    put_sum(frame, out, len);
    return len;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static size_t write_whole(const struct offload *offload, uint8_t *out)
{
    const struct offload_rest *rest = &offload->rest;
    uint16_t value;

    memcpy(out, offload->bytes, offload->len);
    if (!rest->lacks_checksum || rest->sum_from >= offload->len || offload->len < 2 ||
        rest->sum_at < rest->sum_from || rest->sum_at > offload->len - 2)
        return offload->len;
    value = checksum_end(checksum_add(0, out + rest->sum_from, offload->len - rest->sum_from));
    checksum_put(out + rest->sum_at, value ? value : 0xffff); /* of TCP it is the same */
    return offload->len;
}

size_t offload_next(struct offload *offload, uint8_t *out)
{
    size_t left = offload->frame.data_len - offload->done, part_len, len;

    if (!offload->is_cut) {
        len = offload->count ? 0 : write_whole(offload, out);
    } else {
        part_len = left < offload->rest.part_len ? left : offload->rest.part_len;
        len = part_len ? write_part(offload, out, part_len) : 0;
        offload->done += part_len;
    }
    offload->count++;
    return len;
}
