/*
 * ARP (RFC 826): who has an address is asked for each socket by itself, RCR + 1 times, RTR apart;
 * the answer is kept in Sn_DHAR, and nowhere else.
 */
#include <string.h>

#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/buf.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define ETHERNET_LEN   14
#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_IPV4 0x0800
#define HARDWARE_ETHER 1
#define IP_LEN         4
#define REQUEST        1
#define REPLY          2
#define MESSAGE_LEN    28

struct message {
    uint16_t operation;
    const uint8_t *sender_mac, *target_mac;
    uint32_t sender, target;
};

/* ---- out -------------------------------------------------------------------------------------- */

static void send_message(struct w5500 *chip, const struct message *message, const uint8_t *to_mac)
{
    uint8_t frame[ETHERNET_LEN + MESSAGE_LEN];
    struct writer w;

    writer_init(&w, frame, sizeof(frame));
    writer_bytes(&w, to_mac, W5500_MAC_LEN);
    writer_bytes(&w, message->sender_mac, W5500_MAC_LEN);
    writer_u16(&w, ETHERTYPE_ARP);
    writer_u16(&w, HARDWARE_ETHER);
    writer_u16(&w, ETHERTYPE_IPV4);
    writer_u8(&w, W5500_MAC_LEN);
    writer_u8(&w, IP_LEN);
    writer_u16(&w, message->operation);
    writer_bytes(&w, message->sender_mac, W5500_MAC_LEN);
    writer_u32(&w, message->sender);
    writer_bytes(&w, message->target_mac, W5500_MAC_LEN);
    writer_u32(&w, message->target);
    w5500_wire_send(chip, frame, w.len);
}

static void ask(struct w5500_socket *socket)
{
    static const uint8_t all[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, nobody[W5500_MAC_LEN];
    struct w5500 *chip = socket->chip;
    const struct message message = { .operation = REQUEST,
                                     .sender_mac = chip->common + W5500_SHAR,
                                     .sender = w5500_ip_own(chip),
                                     .target_mac = nobody,
                                     .target = socket->arp.hop };

    socket->arp.tries++;
    timer_start(chip->config.timers, &socket->arp.timer,
                chip->config.clock->now_us + w5500_sock_retry_us(chip));
    send_message(chip, &message, all);
}

static void on_timer(struct timer *timer)
{
    struct w5500_socket *socket = container_of(timer, struct w5500_socket, arp.timer);

    if (socket->arp.tries <= socket->chip->common[W5500_RCR]) {
        ask(socket);
        return;
    }
    w5500_arp_stop(socket);
    w5500_sock_resolved(socket, false);
}

static uint32_t next_hop(const struct w5500 *chip, uint32_t to)
{
    bool is_near = ((to ^ w5500_ip_own(chip)) & w5500_get32(chip->common + W5500_SUBR)) == 0;

    return is_near ? to : w5500_get32(chip->common + W5500_GAR);
}

void w5500_arp_start(struct w5500_socket *socket)
{
    struct w5500_arp *arp = &socket->arp;

    if (w5500_pppoe_is_on(socket->chip)) {
        w5500_regs_set(socket, W5500_SN_DHAR, socket->chip->common + W5500_PHAR);
        w5500_sock_resolved(socket, true);
        return;
    }
    arp->is_busy = true;
    arp->tries = 0;
    arp->hop = next_hop(socket->chip, w5500_get32(socket->regs + W5500_SN_DIPR));
    ask(socket);
}

void w5500_arp_init(struct w5500_socket *socket)
{
    timer_init(&socket->arp.timer, on_timer);
}

void w5500_arp_stop(struct w5500_socket *socket)
{
    socket->arp.is_busy = false;
    timer_stop(socket->chip->config.timers, &socket->arp.timer);
}

/* ---- in --------------------------------------------------------------------------------------- */

static bool read_message(const uint8_t *frame, size_t len, struct message *message)
{
    struct reader r;
    bool is_ours;

    reader_init(&r, frame, len);
    reader_seek(&r, ETHERNET_LEN);
    is_ours = reader_u16(&r) == HARDWARE_ETHER;
    is_ours &= reader_u16(&r) == ETHERTYPE_IPV4;
    is_ours &= reader_u8(&r) == W5500_MAC_LEN;
    is_ours &= reader_u8(&r) == IP_LEN;
    message->operation = reader_u16(&r);
    message->sender_mac = reader_bytes(&r, W5500_MAC_LEN);
    message->sender = reader_u32(&r);
    message->target_mac = reader_bytes(&r, W5500_MAC_LEN);
    message->target = reader_u32(&r);
    return is_ours && !r.failed;
}

static void answer(struct w5500 *chip, const struct message *asked)
{
    const struct message message = { .operation = REPLY,
                                     .sender_mac = chip->common + W5500_SHAR,
                                     .sender = asked->target,
                                     .target_mac = asked->sender_mac,
                                     .target = asked->sender };

    send_message(chip, &message, asked->sender_mac);
}

static void take(struct w5500 *chip, const struct message *message)
{
    for (int n = 0; n < W5500_SOCKETS; n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        if (!socket->arp.is_busy || socket->arp.hop != message->sender)
            continue;
        w5500_arp_stop(socket);
        w5500_regs_set(socket, W5500_SN_DHAR, message->sender_mac);
        w5500_sock_resolved(socket, true);
    }
}

/* A host that has our address is a conflict, and is told so by the answer. */
void w5500_arp_in(struct w5500 *chip, const uint8_t *frame, size_t len)
{
    uint32_t own = w5500_ip_own(chip);
    struct message message;

    if (!read_message(frame, len, &message) ||
        memcmp(message.sender_mac, chip->common + W5500_SHAR, W5500_MAC_LEN) == 0)
        return;
    if (own && message.sender == own)
        w5500_irq_raise(chip, W5500_IR_CONFLICT);
    if (message.operation == REQUEST && own && message.target == own) {
        answer(chip, &message);
    } else if (message.operation == REPLY) {
        take(chip, &message);
    }
}
