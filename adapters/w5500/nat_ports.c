#include "adapters/w5500/nat_ports.h"

#include <string.h>

#define SIPR       0x0f
#define SIPR_LEN   4
#define SN_CR      0x01
#define SN_SR      0x03
#define SN_PORT    0x04
#define SR_LISTEN  0x14
#define SR_UDP     0x22
#define DHCP_FIRST 67
#define DHCP_LAST  68

static uint8_t peek(const struct w5500 *chip, unsigned socket, uint16_t address)
{
    return w5500_peek(chip, W5500_BLOCK_SOCKET(socket), address);
}

bool nat_ports_have(const struct nat_ports *ports, const struct nat_port *port)
{
    for (size_t i = 0; i < ports->count; i++) {
        if (ports->at[i].port == port->port && ports->at[i].is_udp == port->is_udp)
            return true;
    }
    return false;
}

static bool is_open(const struct nat_port *port, uint8_t status)
{
    if (port->is_udp)
        return port->port && (port->port < DHCP_FIRST || port->port > DHCP_LAST);
    return port->port && status == SR_LISTEN;
}

void nat_ports_read(struct nat_ports *ports, const struct w5500 *chip)
{
    uint8_t ip[SIPR_LEN];

    memset(ports, 0, sizeof(*ports)); /* as a whole: it is sent */
    for (uint16_t i = 0; i < SIPR_LEN; i++)
        ip[i] = w5500_peek(chip, W5500_BLOCK_COMMON, SIPR + i);
    memcpy(&ports->ip, ip, sizeof(ports->ip));
    for (unsigned n = 0; n < W5500_SOCKETS && ports->ip.s_addr; n++) {
        uint8_t status = peek(chip, n, SN_SR);
        struct nat_port port = { .is_udp = status == SR_UDP,
                                 .port = (uint16_t)(peek(chip, n, SN_PORT) << 8 |
                                                    peek(chip, n, SN_PORT + 1)) };

        if (is_open(&port, status) && !nat_ports_have(ports, &port))
            ports->at[ports->count++] = port;
    }
}

bool nat_ports_equal(const struct nat_ports *a, const struct nat_ports *b)
{
    if (a->ip.s_addr != b->ip.s_addr || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!nat_ports_have(b, &a->at[i]))
            return false;
    }
    return true;
}

bool nat_ports_are_moving(const struct w5500 *chip)
{
    for (unsigned n = 0; n < W5500_SOCKETS; n++) {
        if (peek(chip, n, SN_CR))
            return true;
    }
    return false;
}

static bool touches(const struct w5500_access *access, uint16_t first, uint16_t last)
{
    return access->address <= last && access->address + access->len > first;
}

/* Whoever reads Sn_SR or Sn_IR is about to learn what has happened, and so can we. */
bool nat_ports_follow(const struct w5500_access *access)
{
    if (access->block == W5500_BLOCK_COMMON)
        return access->is_write && touches(access, 0, SIPR + SIPR_LEN - 1);
    return access->block % 4 == 1 && touches(access, SN_CR, SN_SR);
}
