/*
 * PPPoE (RFC 2516): with MR's bit, IPv4 goes through a session that the driver has made by MACRAW:
 * to PHAR, as PSID, without ARP. LCP's echo (RFC 1661) keeps it alive.
 */
#include <string.h>

#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/buf.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define ETHERNET_LEN  14
#define ETHERTYPE_AT  12
#define DISCOVERY     0x8863
#define SESSION       0x8864
#define ETHERTYPE_IP  0x0800
#define HEADER_LEN    6
#define VERSION       0x11
#define CODE_SESSION  0x00
#define CODE_PADT     0xa7
#define PPP_LEN       2
#define PPP_IPV4      0x0021
#define PPP_LCP       0xc021
#define LCP_LEN       8 /* of an echo: its header and the magic number */
#define LCP_TERMINATE 5
#define LCP_ECHO      9
#define LCP_REPLY     10
#define TIMER_US      25000 /* PTIMER's unit */

bool w5500_pppoe_is_on(const struct w5500 *chip)
{
    return chip->common[W5500_MR] & W5500_MR_PPPOE;
}

/* ---- out -------------------------------------------------------------------------------------- */

size_t w5500_pppoe_begin(const struct w5500 *chip, uint8_t *frame, uint16_t protocol, size_t len)
{
    struct writer w;

    writer_init(&w, frame, ETHERNET_LEN + W5500_PPPOE_LEN);
    writer_bytes(&w, chip->common + W5500_PHAR, W5500_MAC_LEN);
    writer_bytes(&w, chip->common + W5500_SHAR, W5500_MAC_LEN);
    writer_u16(&w, SESSION);
    writer_u8(&w, VERSION);
    writer_u8(&w, CODE_SESSION);
    writer_bytes(&w, chip->common + W5500_PSID, 2);
    writer_u16(&w, (uint16_t)(PPP_LEN + len));
    writer_u16(&w, protocol);
    return w.len;
}

static void send_echo(struct w5500 *chip, uint8_t code, uint8_t id)
{
    uint8_t frame[ETHERNET_LEN + W5500_PPPOE_LEN + LCP_LEN];
    size_t at = w5500_pppoe_begin(chip, frame, PPP_LCP, LCP_LEN);
    struct writer w;

    writer_init(&w, frame + at, LCP_LEN);
    writer_u8(&w, code);
    writer_u8(&w, id);
    writer_u16(&w, LCP_LEN);
    for (int i = 0; i < 4; i++)
        writer_u8(&w, chip->common[W5500_PMAGIC]); /* the number is this byte, four times */
    w5500_wire_send(chip, frame, at + w.len);
}

static void start_timer(struct w5500 *chip)
{
    uint8_t units = chip->common[W5500_PTIMER];

    if (units) {
        timer_start(chip->config.timers, &chip->pppoe.timer,
                    chip->config.clock->now_us +
                        w5500_sock_scaled_us(chip, (uint64_t)units * TIMER_US));
    }
}

static void on_timer(struct timer *timer)
{
    struct w5500 *chip = container_of(timer, struct w5500, pppoe.timer);

    send_echo(chip, LCP_ECHO, chip->pppoe.id++);
    start_timer(chip);
}

void w5500_pppoe_init(struct w5500 *chip)
{
    timer_init(&chip->pppoe.timer, on_timer);
}

void w5500_pppoe_written(struct w5500 *chip)
{
    if (!w5500_pppoe_is_on(chip)) {
        timer_stop(chip->config.timers, &chip->pppoe.timer);
    } else if (!timer_is_running(&chip->pppoe.timer)) {
        start_timer(chip);
    }
}

/* ---- in --------------------------------------------------------------------------------------- */

static void ip_in(struct w5500 *chip, const uint8_t *frame, const uint8_t *packet, size_t len)
{
    uint8_t plain[W5500_FRAME_MAX];

    memcpy(plain, frame, ETHERTYPE_AT);
    w5500_put16(plain + ETHERTYPE_AT, ETHERTYPE_IP);
    memcpy(plain + ETHERNET_LEN, packet, len);
    w5500_ip_in(chip, plain, ETHERNET_LEN + len);
}

static void lcp_in(struct w5500 *chip, const uint8_t *message, size_t len)
{
    if (len >= LCP_LEN && message[0] == LCP_ECHO) {
        send_echo(chip, LCP_REPLY, message[1]);
    } else if (len && message[0] == LCP_TERMINATE) {
        w5500_irq_raise(chip, W5500_IR_PPPOE);
    }
}

void w5500_pppoe_in(struct w5500 *chip, const uint8_t *frame, size_t len)
{
    struct reader r;
    uint16_t type, session, total, protocol;
    uint8_t version, code;

    reader_init(&r, frame, len);
    reader_seek(&r, ETHERTYPE_AT);
    type = reader_u16(&r);
    version = reader_u8(&r);
    code = reader_u8(&r);
    session = reader_u16(&r);
    total = reader_u16(&r);
    if (!w5500_pppoe_is_on(chip) || r.failed || version != VERSION || total > reader_left(&r) ||
        session != w5500_get16(chip->common + W5500_PSID) ||
        memcmp(frame + W5500_MAC_LEN, chip->common + W5500_PHAR, W5500_MAC_LEN) != 0)
        return;
    if (type == DISCOVERY && code == CODE_PADT) {
        w5500_irq_raise(chip, W5500_IR_PPPOE);
    } else if (type == SESSION && code == CODE_SESSION && total >= PPP_LEN) {
        protocol = reader_u16(&r);
        total = (uint16_t)(total - PPP_LEN);
        if (protocol == PPP_IPV4) {
            ip_in(chip, frame, frame + r.pos, total);
        } else if (protocol == PPP_LCP) {
            lcp_in(chip, frame + r.pos, total);
        }
    }
}
