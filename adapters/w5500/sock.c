/* Sockets: commands and what they do, W5500 datasheet 4.2. */
#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"

void w5500_sock_init(struct w5500 *chip)
{
    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        chip->sockets[n].chip = chip;
        chip->sockets[n].index = n;
    }
}

void w5500_sock_reset(struct w5500 *chip)
{
    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        struct w5500_socket *socket = &chip->sockets[n];

        socket->command = 0;
        socket->status = W5500_STATUS_CLOSED;
        socket->tx_rd = socket->tx_ack = socket->rx_wr = 0;
    }
}

void w5500_sock_command(struct w5500_socket *socket, uint8_t command)
{
    socket->command = command;
}

void w5500_sock_frame_over(struct w5500 *chip)
{
    for (unsigned n = 0; n < W5500_SOCKETS; n++)
        chip->sockets[n].command = 0;
}

void w5500_sock_time_passed(struct w5500 *chip)
{
    (void)chip;
}
