/*
 * Sockets: commands and what they do, W5500 datasheet 4.2.
 *
 * A command does what it does when its byte is written, so that what follows in the same frame comes
 * after it, and Sn_CR is 0 again from the next frame on. In accurate timing it is accepted some
 * microseconds later, and does it then.
 */
#include <assert.h>

#include "adapters/w5500/regtext.h"
#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define ACCEPT_NS UINT64_C(4000)
#define NS_PER_US UINT64_C(1000)
#define PERCENT   100

/* ---- states --------------------------------------------------------------------------------- */

enum w5500_protocol w5500_sock_protocol(const struct w5500_socket *socket)
{
    return (enum w5500_protocol)(socket->mode & W5500_SN_MR_PROTOCOL);
}

static bool is_any(enum w5500_status status)
{
    (void)status;
    return true;
}

static bool is_init(enum w5500_status status)
{
    return status == W5500_STATUS_INIT;
}

static bool is_established(enum w5500_status status)
{
    return status == W5500_STATUS_ESTABLISHED;
}

static bool is_datagram(enum w5500_status status)
{
    return status == W5500_STATUS_UDP || status == W5500_STATUS_IPRAW;
}

static bool may_send(enum w5500_status status)
{
    return is_established(status) || status == W5500_STATUS_CLOSE_WAIT || is_datagram(status) ||
           status == W5500_STATUS_MACRAW;
}

/* Data that came before the peer's FIN can be fetched in all of them. */
static bool may_receive(enum w5500_status status)
{
    return may_send(status) || status == W5500_STATUS_FIN_WAIT || status == W5500_STATUS_CLOSING ||
           status == W5500_STATUS_TIME_WAIT || status == W5500_STATUS_LAST_ACK;
}

/* Of one that is closed already nothing is left to do; Arduino's stop() asks for it all the same. */
static bool may_disconnect(enum w5500_status status)
{
    return status == W5500_STATUS_CLOSED || is_init(status) || status == W5500_STATUS_LISTEN ||
           status == W5500_STATUS_SYNRECV || is_established(status) ||
           status == W5500_STATUS_CLOSE_WAIT;
}

static void stop_all(struct w5500_socket *socket)
{
    w5500_arp_stop(socket);
    w5500_tcp_stop(socket);
    w5500_igmp_stop(socket);
    timer_stop(socket->chip->config.timers, &socket->sendok);
    socket->is_sending = false;
    socket->is_connecting = false;
}

void w5500_sock_close(struct w5500_socket *socket, uint8_t bits)
{
    stop_all(socket);
    socket->status = W5500_STATUS_CLOSED;
    if (bits)
        w5500_irq_raise_socket(socket, bits);
}

/* ---- SEND of what is not TCP ------------------------------------------------------------------- */

static uint16_t tx_wr(const struct w5500_socket *socket)
{
    return w5500_get16(socket->regs + W5500_SN_TX_WR);
}

static void end_send(struct w5500_socket *socket)
{
    socket->is_sending = false;
    socket->tx_rd = socket->tx_ack = tx_wr(socket);
}

/* The MAC waits for a link before it lets a frame go; what it was asked to send is not over. */
static void emit(struct w5500_socket *socket)
{
    struct w5500 *chip = socket->chip;
    uint16_t len = (uint16_t)(tx_wr(socket) - socket->tx_rd);

    if (!chip->phy.is_linked && !chip->config.quirks.sendok_without_link)
        return;
    if (len && socket->status == W5500_STATUS_UDP) {
        w5500_udp_send(socket, len);
    } else if (len && socket->status == W5500_STATUS_IPRAW) {
        w5500_ipraw_send(socket, len);
    } else if (len) {
        w5500_macraw_send(socket, len);
    }
    end_send(socket);
    w5500_sock_sent(socket);
}

void w5500_sock_link_up(struct w5500 *chip)
{
    for (int n = 0; n < W5500_SOCKETS; n++) {
        if (chip->sockets[n].is_sending && !chip->sockets[n].arp.is_busy)
            emit(&chip->sockets[n]);
        w5500_tcp_link_up(&chip->sockets[n]);
    }
}

static bool needs_arp(const struct w5500_socket *socket)
{
    uint32_t to = w5500_get32(socket->regs + W5500_SN_DIPR);

    if (socket->status == W5500_STATUS_MACRAW || w5500_ip_is_broadcast(socket->chip, to) ||
        w5500_ip_is_group(to))
        return false;
    return !socket->is_resolved || socket->resolved != to ||
           (socket->chip->common[W5500_MR] & W5500_MR_FARP);
}

void w5500_sock_resolved(struct w5500_socket *socket, bool is_found)
{
    bool is_tcp = socket->is_connecting;

    socket->is_connecting = false;
    socket->is_resolved = is_found;
    socket->resolved = w5500_get32(socket->regs + W5500_SN_DIPR);
    if (is_found && is_tcp) {
        w5500_tcp_connect(socket);
    } else if (is_found) {
        emit(socket);
    } else if (is_tcp) {
        w5500_sock_close(socket, W5500_SN_IR_TIMEOUT);
    } else {
        end_send(socket);
        w5500_irq_raise_socket(socket, W5500_SN_IR_TIMEOUT);
    }
}

static void on_sendok(struct timer *timer)
{
    w5500_irq_raise_socket(container_of(timer, struct w5500_socket, sendok), W5500_SN_IR_SENDOK);
}

void w5500_sock_sent(struct w5500_socket *socket)
{
    uint64_t due_us = w5500_wire_done_us(socket->chip);

    if (due_us <= socket->chip->config.clock->now_us) {
        w5500_irq_raise_socket(socket, W5500_SN_IR_SENDOK);
    } else {
        timer_start(socket->chip->config.timers, &socket->sendok, due_us);
    }
}

/* ---- commands --------------------------------------------------------------------------------- */

static void commit_destination(struct w5500_socket *socket)
{
    static const uint16_t addresses[] = { W5500_SN_DHAR, W5500_SN_DIPR, W5500_SN_DPORT,
                                          W5500_SN_MSSR };

    for (int i = 0; i < ARRAY_LEN(addresses); i++)
        w5500_regs_commit(socket, addresses[i]);
}

static void check_sizes(struct w5500 *chip)
{
    static const char *const names[] = { "Sn_RXBUF_SIZE", "Sn_TXBUF_SIZE" };

    for (int i = 0; i < ARRAY_LEN(names); i++) {
        size_t sum = w5500_mem_sum(chip, (uint16_t)(W5500_SN_RXBUF_SIZE + i));

        if (sum > W5500_MEMORY) {
            w5500_fault(chip, "%s: %zu KB in all sockets, and there are 16", names[i],
                        sum / W5500_KB);
        }
    }
}

static enum w5500_status opened(const struct w5500_socket *socket)
{
    switch (w5500_sock_protocol(socket)) {
    case W5500_PROTOCOL_TCP:
        return W5500_STATUS_INIT;
    case W5500_PROTOCOL_UDP:
        return W5500_STATUS_UDP;
    case W5500_PROTOCOL_IPRAW:
        return W5500_STATUS_IPRAW;
    case W5500_PROTOCOL_MACRAW:
        return socket->index == 0 ? W5500_STATUS_MACRAW : W5500_STATUS_CLOSED;
    case W5500_PROTOCOL_CLOSED:
        break;
    }
    return W5500_STATUS_CLOSED;
}

/* Nothing of the last life is left: no byte, no interrupt. */
static void do_open(struct w5500_socket *socket)
{
    static const uint8_t zero[2];

    stop_all(socket);
    check_sizes(socket->chip);
    socket->mode = socket->regs[W5500_SN_MR];
    socket->tx_rd = socket->tx_ack = socket->rx_wr = 0;
    socket->is_resolved = false;
    w5500_regs_set(socket, W5500_SN_TX_WR, zero);
    w5500_regs_set(socket, W5500_SN_RX_RD, zero);
    socket->regs[W5500_SN_IR] = 0;
    w5500_irq_update(socket->chip);
    commit_destination(socket);
    socket->status = opened(socket);
    if (socket->status == W5500_STATUS_CLOSED) {
        w5500_fault(socket->chip, "socket %u: OPEN with Sn_MR 0x%02x, which it does not have",
                    socket->index, socket->mode);
    }
    if (socket->status == W5500_STATUS_UDP && socket->mode & W5500_SN_MR_MULTI)
        w5500_igmp_join(socket);
}

static void do_listen(struct w5500_socket *socket)
{
    w5500_tcp_listen(socket);
}

static void do_connect(struct w5500_socket *socket)
{
    if (socket->is_connecting) {
        w5500_fault(socket->chip, "socket %u: CONNECT while it connects", socket->index);
        return;
    }
    commit_destination(socket);
    socket->is_connecting = true;
    w5500_arp_start(socket);
}

static void do_discon(struct w5500_socket *socket)
{
    if (is_init(socket->status) || socket->status == W5500_STATUS_LISTEN) {
        w5500_sock_close(socket, 0);
    } else if (socket->status != W5500_STATUS_CLOSED) {
        w5500_tcp_discon(socket);
    }
}

static void do_close(struct w5500_socket *socket)
{
    if (socket->status == W5500_STATUS_UDP && socket->mode & W5500_SN_MR_MULTI)
        w5500_igmp_leave(socket);
    w5500_sock_close(socket, 0);
}

static void send(struct w5500_socket *socket, bool has_mac)
{
    uint16_t used;

    if (socket->is_sending) {
        w5500_fault(socket->chip, "socket %u: SEND before the last one is over", socket->index);
        return;
    }
    w5500_regs_commit(socket, W5500_SN_TX_WR);
    used = (uint16_t)(tx_wr(socket) - socket->tx_ack);
    if (used > socket->tx_size) {
        w5500_fault(socket->chip,
                    "socket %u: SEND with Sn_TX_WR 0x%04x, which is beyond Sn_TX_FSR: %u bytes are "
                    "more than its %zu KB",
                    socket->index, tx_wr(socket), used, socket->tx_size / W5500_KB);
    }
    commit_destination(socket);
    if (!is_datagram(socket->status) && socket->status != W5500_STATUS_MACRAW) {
        w5500_tcp_send(socket);
        return;
    }
    socket->is_sending = true;
    if (!has_mac && tx_wr(socket) != socket->tx_rd && needs_arp(socket)) {
        w5500_arp_start(socket);
    } else {
        emit(socket);
    }
}

static void do_send(struct w5500_socket *socket)
{
    send(socket, false);
}

static void do_send_mac(struct w5500_socket *socket)
{
    send(socket, true);
}

/* Of a socket that probes by itself it is ignored: LuatOS's driver sends it with every empty SEND. */
static void do_send_keep(struct w5500_socket *socket)
{
    if (!socket->regs[W5500_SN_KPALVTR])
        w5500_tcp_send_keep(socket);
}

static void do_recv(struct w5500_socket *socket)
{
    uint16_t before = w5500_mem_rx_len(socket);

    w5500_regs_commit(socket, W5500_SN_RX_RD);
    if (w5500_mem_rx_len(socket) > before) {
        w5500_fault(socket->chip, "socket %u: Sn_RX_RD 0x%04x is beyond Sn_RX_WR", socket->index,
                    w5500_get16(socket->regs + W5500_SN_RX_RD));
    }
    if (w5500_sock_protocol(socket) == W5500_PROTOCOL_TCP)
        w5500_tcp_recv(socket);
    if (socket->chip->config.quirks.recv_relatch && w5500_mem_rx_len(socket))
        w5500_irq_raise_socket(socket, W5500_SN_IR_RECV);
}

struct command {
    uint8_t code;
    bool (*is_valid)(enum w5500_status status);
    void (*run)(struct w5500_socket *socket);
};

static const struct command commands[] = {
    { W5500_COMMAND_OPEN, is_any, do_open },
    { W5500_COMMAND_LISTEN, is_init, do_listen },
    { W5500_COMMAND_CONNECT, is_init, do_connect },
    { W5500_COMMAND_DISCON, may_disconnect, do_discon },
    { W5500_COMMAND_CLOSE, is_any, do_close },
    { W5500_COMMAND_SEND, may_send, do_send },
    { W5500_COMMAND_SEND_MAC, is_datagram, do_send_mac },
    { W5500_COMMAND_SEND_KEEP, is_established, do_send_keep },
    { W5500_COMMAND_RECV, may_receive, do_recv },
};

static const struct command *find_command(uint8_t code)
{
    for (int i = 0; i < ARRAY_LEN(commands); i++) {
        if (commands[i].code == code)
            return &commands[i];
    }
    return NULL;
}

/* What does not fit the state, and what does not exist, has no effect. */
static void run_command(struct w5500_socket *socket)
{
    const struct command *command = find_command(socket->command);

    if (!command) {
        w5500_fault(socket->chip, "socket %u: 0x%02x is no command", socket->index,
                    socket->command);
    } else if (!command->is_valid(socket->status)) {
        w5500_fault(socket->chip, "socket %u: %s while it is %s", socket->index,
                    regtext_command(command->code), regtext_status(socket->status));
    } else {
        command->run(socket);
    }
}

/* ---- when they are accepted ------------------------------------------------------------------- */

static bool is_accurate(const struct w5500 *chip)
{
    return chip->config.timing == W5500_TIMING_ACCURATE;
}

static void accept_command(struct w5500_socket *socket)
{
    timer_stop(socket->chip->config.timers, &socket->accept);
    run_command(socket);
    socket->command = 0;
}

static void on_accept(struct timer *timer)
{
    accept_command(container_of(timer, struct w5500_socket, accept));
}

void w5500_sock_command(struct w5500_socket *socket, uint8_t command)
{
    struct w5500 *chip = socket->chip;

    if (socket->command) {
        w5500_fault(chip, "socket %u: another command, 0x%02x, before Sn_CR is 0", socket->index,
                    command);
        if (is_accurate(chip))
            return;
    }
    socket->command = command;
    if (!is_accurate(chip)) {
        run_command(socket);
        return;
    }
    socket->accept_ns = chip->spi.time_ns + ACCEPT_NS;
    timer_start(chip->config.timers, &socket->accept,
                (socket->accept_ns + NS_PER_US - 1) / NS_PER_US);
}

void w5500_sock_frame_over(struct w5500 *chip)
{
    for (int n = 0; n < W5500_SOCKETS && !is_accurate(chip); n++)
        chip->sockets[n].command = 0;
}

/* SPI's clock runs ahead of the loop's. */
void w5500_sock_time_passed(struct w5500 *chip)
{
    for (int n = 0; n < W5500_SOCKETS && is_accurate(chip); n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        if (socket->command && chip->spi.time_ns >= socket->accept_ns)
            accept_command(socket);
    }
}

/* ---- times and life --------------------------------------------------------------------------- */

uint64_t w5500_sock_scaled_us(const struct w5500 *chip, uint64_t us)
{
    return is_accurate(chip) ? us : us * chip->config.scale_percent / PERCENT;
}

uint64_t w5500_sock_retry_us(const struct w5500 *chip)
{
    return w5500_sock_scaled_us(chip,
                                (uint64_t)w5500_get16(chip->common + W5500_RTR) * W5500_US_PER_RTR);
}

void w5500_sock_init(struct w5500 *chip)
{
    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        socket->chip = chip;
        socket->index = n;
        timer_init(&socket->accept, on_accept);
        timer_init(&socket->sendok, on_sendok);
        w5500_arp_init(socket);
        w5500_igmp_init(socket);
        w5500_tcp_init(socket);
    }
}

void w5500_sock_reset(struct w5500 *chip)
{
    for (int n = 0; n < W5500_SOCKETS; n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        stop_all(socket);
        timer_stop(chip->config.timers, &socket->accept);
        socket->command = 0;
        socket->status = W5500_STATUS_CLOSED;
        socket->mode = 0;
        socket->is_resolved = false;
        socket->tx_rd = socket->tx_ack = socket->rx_wr = 0;
    }
}
