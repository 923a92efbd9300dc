/*
 * fake_module: a module's W5500 and its driver in a network of one's own, for tests of the driver.
 *
 * The clock, the timers and what the chip sent are a host's (fake_host.h); the network has the hosts
 * of fake_host.h, which answer ARP and DHCP, and nothing else. Or two modules hang on one cable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/w5500/bench.h"
#include "adapters/w5500/driver.h"
#include "adapters/w5500/fake_host.h"
#include "emu/adapter.h"
#include "emu/board.h"
#include "emu/buf.h"
#include "emu/dhcp_server.h"
#include "emu/log.h"
#include "emu/msgq.h"
#include "emu/net.h"
#include "emu/trace.h"

#define MODULE_LEASED_IP 0xc0000264 /* by DHCP: 192.0.2.100 and what follows */

struct module_options {
    struct board_chip wiring; /* all 0: on SPI 0, with LuatOS's buffers */
    bool is_dhcp;             /* else it has HOST_IP */
};

struct module {
    struct host *host;
    struct board_slot slot;
    struct board_chip wiring;
    struct bench *bench;
    struct adapter *adapter;
    const struct ethchip *ethchip;
    struct net net;
    struct msgq msgs;
    struct log log;
    struct trace trace;
    int log_fd, voice_fd;
    unsigned ups, downs; /* of the adapter, as they were taken */

    struct bench_observer observer;
    struct host_access *accesses;
    size_t accesses_count; /* MODULE_ACCESSES at most are kept */

    struct module *other; /* on the same cable; NULL: the network is */
    struct byteq wire;    /* what left, and has not come yet */
    struct timer arrival;
    struct dhcp_server dhcp;
    bool lacks_dhcp, lacks_arp;
    size_t frames_count; /* that left */
};

#define MODULE_ACCESSES 4096

/* NULL: no options. It is off; @host is bare, and its chip is this one's from now on. */
void module_init(struct module *module, struct host *host, const struct module_options *options);
void module_fini(struct module *module);

/* Both ends of one cable; @other is at HOST_PEER_IP. */
void module_join(struct module *module, struct module *other);

/* Boot it, and wait until it has an address. */
void module_be_ready(struct module *module);

/* The next event that is no link's. False: there is none now. */
bool module_take(struct module *module, struct net_event *event);

/* Until there is one of @type with @tag; others are dropped, unless they say that it will not come. */
struct net_event module_await(struct module *module, enum net_event_type type, uint32_t tag);

/* Text of the next W5500_IND; NULL: there is none. */
const char *module_indication(struct module *module);

/* How often it, or the emulator, has said that. */
size_t module_said(const struct module *module, const char *part);

int module_connect(struct module *module, enum sock_type type, uint32_t tag, uint16_t port);
int module_listen(struct module *module, uint32_t tag, uint16_t port);

/* How many accesses wrote @value as the first byte there. */
size_t module_wrote(const struct module *module, unsigned block, uint16_t address, uint8_t value);
