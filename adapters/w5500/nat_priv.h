/* Included by nat.c and nat_child.c only. */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

#include "adapters/w5500/nat_ports.h"

/*
 * What the two processes say to each other, a struct at a time, as they are one program. The parent
 * says struct nat_net first, and struct nat_ports, all of them, whenever they have changed. The
 * child says a struct nat_refusal without a port when it is ready, and one for each port that it
 * can't have.
 */
struct nat_net {
    struct in_addr gateway, dns, first;
};

struct nat_refusal {
    struct nat_port port;
    int32_t error; /* errno */
};

/* The child; @fd is its end of the cable. */
int nat_child(int fd, int life_fd);
