/* IGMP, version 1 (RFC 1112) or 2 (RFC 2236) by Sn_MR: a socket with MULTI is a group's member. */
#include <string.h>

#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/buf.h"
#include "emu/checksum.h"
#include "emu/rng.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define MESSAGE_LEN   8
#define SUM_AT        2
#define GROUP_AT      4
#define QUERY         0x11
#define REPORT_V1     0x12
#define REPORT_V2     0x16
#define LEAVE         0x17
#define ALL_ROUTERS   0xe0000002
#define DELAY_UNIT_US 100000 /* of a query's response time */
#define DELAY_V1      100    /* of those units, where it says 0 */
#define TTL           1

static bool is_v1(const struct w5500_socket *socket)
{
    return socket->mode & W5500_SN_MR_MC;
}

static uint32_t group_of(const struct w5500_socket *socket)
{
    return w5500_get32(socket->regs + W5500_SN_DIPR);
}

static void send(struct w5500_socket *socket, uint8_t type, uint32_t to, const uint8_t *mac)
{
    const struct w5500_ip_out out = { .mac = mac,
                                      .to = to,
                                      .protocol = W5500_IP_PROTOCOL_IGMP,
                                      .ttl = TTL,
                                      .frag = w5500_get16(socket->regs + W5500_SN_FRAG),
                                      .has_alert = !is_v1(socket) };
    uint8_t *message = w5500_ip_data(socket->chip);
    struct writer w;

    writer_init(&w, message, MESSAGE_LEN);
    writer_u8(&w, type);
    writer_u8(&w, 0); /* response time: a query's */
    writer_u16(&w, 0);
    writer_u32(&w, group_of(socket));
    checksum_put(message + SUM_AT, checksum_end(checksum_add(0, message, MESSAGE_LEN)));
    w5500_ip_send(socket->chip, &out, MESSAGE_LEN);
}

void w5500_igmp_join(struct w5500_socket *socket)
{
    send(socket, is_v1(socket) ? REPORT_V1 : REPORT_V2, group_of(socket),
         socket->regs + W5500_SN_DHAR);
}

/* Version 1 knows no leaving. */
void w5500_igmp_leave(struct w5500_socket *socket)
{
    static const uint8_t mac[] = { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x02 };

    if (!is_v1(socket))
        send(socket, LEAVE, ALL_ROUTERS, mac);
}

static void on_report(struct timer *timer)
{
    w5500_igmp_join(container_of(timer, struct w5500_socket, report));
}

void w5500_igmp_init(struct w5500_socket *socket)
{
    timer_init(&socket->report, on_report);
}

void w5500_igmp_stop(struct w5500_socket *socket)
{
    timer_stop(socket->chip->config.timers, &socket->report);
}

/* An answer is given at a random time, unless another member has given it before. */
static void take(struct w5500_socket *socket, const uint8_t *message)
{
    struct w5500 *chip = socket->chip;
    uint32_t group = w5500_get32(message + GROUP_AT), units = message[1] ? message[1] : DELAY_V1;
    bool is_ours = group == group_of(socket);

    if (message[0] == QUERY && (!group || is_ours)) {
        if (!timer_is_running(&socket->report)) {
            timer_start(chip->config.timers, &socket->report,
                        chip->config.clock->now_us +
                            rng_below(chip->config.rng, units * DELAY_UNIT_US));
        }
    } else if ((message[0] == REPORT_V1 || message[0] == REPORT_V2) && is_ours) {
        w5500_igmp_stop(socket);
    }
}

void w5500_igmp_in(struct w5500 *chip, const struct w5500_ip_in *in)
{
    if (in->len < MESSAGE_LEN || checksum_end(checksum_add(0, in->data, in->len)) != 0)
        return;
    for (int n = 0; n < W5500_SOCKETS; n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        if (socket->status == W5500_STATUS_UDP && socket->mode & W5500_SN_MR_MULTI)
            take(socket, in->data);
    }
}
