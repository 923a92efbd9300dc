/*
 * nat_ports: at which ports a chip can be reached, read from its registers: a TCP socket that
 * listens, a UDP socket that is open. W5500 datasheet 4.2.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/w5500/w5500.h"

struct nat_port {
    bool is_udp;
    uint16_t port; /* host byte order */
};

struct nat_ports {
    struct in_addr ip; /* the chip's */
    struct nat_port at[W5500_SOCKETS];
    size_t count; /* 0: it has no address, or no such socket */
};

/* Each once. Those of DHCP are left out: who answers it is in the same network. */
void nat_ports_read(struct nat_ports *ports, const struct w5500 *chip);

bool nat_ports_have(const struct nat_ports *ports, const struct nat_port *port);
bool nat_ports_equal(const struct nat_ports *a, const struct nat_ports *b);

/* Is a command under way, which may change them? */
bool nat_ports_are_moving(const struct w5500 *chip);

/* May they have changed by that, once the chip is done with it? */
bool nat_ports_follow(const struct w5500_access *access);
