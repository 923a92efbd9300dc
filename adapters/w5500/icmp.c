/* ICMP (RFC 792): ping is answered, and what was unreachable is told, both ways. */
#include <string.h>

#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/buf.h"
#include "emu/checksum.h"

#define HEADER_LEN       8
#define SUM_AT           2
#define ECHO_REPLY       0
#define UNREACHABLE      3
#define PORT_UNREACHABLE 3 /* code */
#define ECHO             8
#define QUOTED_LEN       8 /* bytes of what the packet carried */
#define IP_HEADER_LEN    20
#define IP_PROTOCOL_AT   9
#define IP_FROM_AT       12
#define IP_TO_AT         16
#define WORD_LEN         4

static void send(struct w5500 *chip, const struct w5500_ip_in *in, size_t len)
{
    const struct w5500_ip_out out = { .mac = in->mac,
                                      .to = in->from,
                                      .protocol = W5500_IP_PROTOCOL_ICMP,
                                      .ttl = W5500_IP_TTL,
                                      .frag = W5500_IP_DF };
    uint8_t *message = w5500_ip_data(chip);

    checksum_put(message + SUM_AT, 0);
    checksum_put(message + SUM_AT, checksum_end(checksum_add(0, message, len)));
    w5500_ip_send(chip, &out, len);
}

void w5500_icmp_send_unreachable(struct w5500 *chip, const struct w5500_ip_in *in)
{
    size_t quoted_len = in->len < QUOTED_LEN ? in->len : QUOTED_LEN;
    struct writer w;

    if (w5500_ip_is_broadcast(chip, in->from) || w5500_ip_is_group(in->from) || !in->from)
        return;
    writer_init(&w, w5500_ip_data(chip), W5500_IP_DATA_MAX);
    writer_u8(&w, UNREACHABLE);
    writer_u8(&w, PORT_UNREACHABLE);
    writer_u16(&w, 0);
    writer_u32(&w, 0);
    writer_bytes(&w, in->header, in->header_len + quoted_len);
    send(chip, in, w.len);
}

static void answer_echo(struct w5500 *chip, const struct w5500_ip_in *in)
{
    uint8_t *message = w5500_ip_data(chip);

    if (!in->is_own || chip->common[W5500_MR] & W5500_MR_PB || in->len > w5500_ip_data_max(chip))
        return;
    memcpy(message, in->data, in->len);
    message[0] = ECHO_REPLY;
    send(chip, in, in->len);
}

/* A packet of ours is quoted: where a UDP datagram went to that did not arrive. */
static void note_unreachable(struct w5500 *chip, const struct w5500_ip_in *in)
{
    const uint8_t *quoted = in->data + HEADER_LEN;
    size_t len = in->len - HEADER_LEN, header_len;

    if (len < IP_HEADER_LEN)
        return;
    header_len = (size_t)(quoted[0] & 0xf) * WORD_LEN;
    if (header_len < IP_HEADER_LEN || len < header_len + WORD_LEN ||
        quoted[IP_PROTOCOL_AT] != W5500_IP_PROTOCOL_UDP ||
        w5500_get32(quoted + IP_FROM_AT) != w5500_ip_own(chip))
        return;
    memcpy(chip->common + W5500_UIPR, quoted + IP_TO_AT, 4);
    memcpy(chip->common + W5500_UPORTR, quoted + header_len + 2, 2);
    w5500_irq_raise(chip, W5500_IR_UNREACH);
}

void w5500_icmp_in(struct w5500 *chip, const struct w5500_ip_in *in)
{
    if (in->len < HEADER_LEN || checksum_end(checksum_add(0, in->data, in->len)) != 0)
        return;
    if (in->data[0] == ECHO) {
        answer_echo(chip, in);
    } else if (in->data[0] == UNREACHABLE) {
        note_unreachable(chip, in);
    }
}
