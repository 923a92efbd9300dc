/*
 * TCP: what is sent again, and when. Times are W5500 datasheet 4.1's: RTR doubles until it would pass
 * 65535; after RCR more tries the connection is over, 31.8 s after the first by default.
 *
 * A peer whose window is shut is probed with a byte in the same rhythm, for as long as it answers.
 * One that acknowledged our FIN and sends none is waited for as if it had not (the datasheet's
 * "otherwise TCPTO occurs"), unless it sends data.
 */
#include "adapters/w5500/tcp_priv.h"
#include "adapters/w5500/w5500.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define RTR_MAX        65535
#define US_PER_KEEP    UINT64_C(5000000) /* Sn_KPALVTR's unit */
#define SEGMENTS_UNTIL 2

/* ---- again ------------------------------------------------------------------------------------- */

/* RTR and RCR count as they are now. */
static uint64_t wait_us(const struct w5500_socket *socket)
{
    uint64_t rtr = w5500_get16(socket->chip->common + W5500_RTR);

    for (unsigned n = 0; n < socket->tcp.tries && rtr && rtr * 2 <= RTR_MAX; n++)
        rtr *= 2;
    return w5500_sock_scaled_us(socket->chip, rtr * W5500_US_PER_RTR);
}

static void start_retry(struct w5500_socket *socket)
{
    timer_start(socket->chip->config.timers, &socket->tcp.retry,
                socket->chip->config.clock->now_us + wait_us(socket));
}

static bool is_synchronizing(const struct w5500_socket *socket)
{
    return socket->status == W5500_STATUS_SYNSENT || socket->status == W5500_STATUS_SYNRECV;
}

static bool has_to_wait(const struct w5500_socket *socket)
{
    const struct w5500_tcp *tcp = &socket->tcp;

    return is_synchronizing(socket) || tcp->is_closing || tcp->is_probing ||
           tcp_is_before(tcp->una, tcp->end);
}

void tcp_timer_wait(struct w5500_socket *socket, bool is_anew)
{
    struct w5500_tcp *tcp = &socket->tcp;
    bool is_waiting = has_to_wait(socket);

    if (is_anew || !is_waiting)
        timer_stop(socket->chip->config.timers, &tcp->retry);
    if (timer_is_running(&tcp->retry))
        return;
    tcp->tries = tcp->silent = 0;
    if (is_waiting)
        start_retry(socket);
}

static void send_again(struct w5500_socket *socket)
{
    const struct w5500_tcp *tcp = &socket->tcp;

    if (is_synchronizing(socket)) {
        tcp_send_syn(socket);
    } else if (tcp_is_before(tcp->una, tcp->end) || tcp->is_closing) {
        tcp_output_again(socket);
    } else {
        tcp_send_probe(socket);
    }
}

static void on_retry(struct timer *timer)
{
    struct w5500_socket *socket = container_of(timer, struct w5500_socket, tcp.retry);
    struct w5500_tcp *tcp = &socket->tcp;

    if (tcp->silent >= socket->chip->common[W5500_RCR]) {
        w5500_sock_close(socket, W5500_SN_IR_TIMEOUT);
        return;
    }
    tcp->silent++;
    tcp->tries++;
    start_retry(socket);
    send_again(socket);
}

/* ---- ACK ---------------------------------------------------------------------------------------- */

void tcp_timer_ack(struct w5500_socket *socket)
{
    struct w5500_tcp *tcp = &socket->tcp;
    const struct w5500_config *config = &socket->chip->config;

    tcp->unacked++;
    if (socket->mode & W5500_SN_MR_ND || tcp->unacked >= SEGMENTS_UNTIL) {
        tcp_send_ack(socket);
    } else if (!timer_is_running(&tcp->ack)) {
        timer_start(config->timers, &tcp->ack,
                    config->clock->now_us + w5500_sock_retry_us(socket->chip));
    }
}

void tcp_timer_acked(struct w5500_socket *socket)
{
    socket->tcp.unacked = 0;
    timer_stop(socket->chip->config.timers, &socket->tcp.ack);
}

static void on_ack(struct timer *timer)
{
    tcp_send_ack(container_of(timer, struct w5500_socket, tcp.ack));
}

/* ---- keepalive ---------------------------------------------------------------------------------- */

static uint64_t keep_us(const struct w5500_socket *socket)
{
    return w5500_sock_scaled_us(socket->chip, socket->regs[W5500_SN_KPALVTR] * US_PER_KEEP);
}

void tcp_timer_keep(struct w5500_socket *socket)
{
    struct w5500_tcp *tcp = &socket->tcp;
    const struct w5500_config *config = &socket->chip->config;
    uint64_t now_us = config->clock->now_us, due_us = tcp->heard_us + keep_us(socket);

    if (!socket->regs[W5500_SN_KPALVTR] || socket->status != W5500_STATUS_ESTABLISHED) {
        timer_stop(config->timers, &tcp->keep);
        return;
    }
    timer_start(config->timers, &tcp->keep, due_us > now_us ? due_us : now_us + keep_us(socket));
}

/* It is started at each period only, not with each segment, and looks whether the peer was heard. */
static void on_keep(struct timer *timer)
{
    struct w5500_socket *socket = container_of(timer, struct w5500_socket, tcp.keep);
    struct w5500_tcp *tcp = &socket->tcp;
    bool is_due = tcp->heard_us + keep_us(socket) <= socket->chip->config.clock->now_us;

    if (socket->status == W5500_STATUS_ESTABLISHED && is_due && tcp->has_exchanged &&
        !has_to_wait(socket)) {
        tcp->is_probing = true;
        tcp_send_probe(socket);
        tcp_timer_wait(socket, true);
    }
    tcp_timer_keep(socket);
}

/* ---- life --------------------------------------------------------------------------------------- */

void tcp_timer_init(struct w5500_socket *socket)
{
    timer_init(&socket->tcp.retry, on_retry);
    timer_init(&socket->tcp.ack, on_ack);
    timer_init(&socket->tcp.keep, on_keep);
}

void tcp_timer_stop(struct w5500_socket *socket)
{
    struct timers *timers = socket->chip->config.timers;

    timer_stop(timers, &socket->tcp.retry);
    timer_stop(timers, &socket->tcp.ack);
    timer_stop(timers, &socket->tcp.keep);
}
