/* TCP (RFC 9293) as the chip does it. */
#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"

void w5500_tcp_init(struct w5500_socket *socket)
{
    (void)socket;
}

void w5500_tcp_stop(struct w5500_socket *socket)
{
    (void)socket;
}

void w5500_tcp_listen(struct w5500_socket *socket)
{
    socket->status = W5500_STATUS_LISTEN;
}

void w5500_tcp_connect(struct w5500_socket *socket)
{
    socket->status = W5500_STATUS_SYNSENT;
}

void w5500_tcp_discon(struct w5500_socket *socket)
{
    w5500_sock_close(socket, W5500_SN_IR_DISCON);
}

void w5500_tcp_send(struct w5500_socket *socket)
{
    (void)socket;
}

void w5500_tcp_send_keep(struct w5500_socket *socket)
{
    (void)socket;
}

void w5500_tcp_recv(struct w5500_socket *socket)
{
    (void)socket;
}

void w5500_tcp_in(struct w5500 *chip, const struct w5500_ip_in *in)
{
    (void)chip;
    (void)in;
}
