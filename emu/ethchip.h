/*
 * ethchip: what a script can do to its module's Ethernet chip, by w5500.*.
 *
 * main.c puts the adapter of the board's chip behind it (adapters/w5500/driver.h). Nothing here
 * blocks and nothing calls back: the adapter's events follow, and with them IP_READY, IP_LOSE and
 * W5500_IND.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/adapter_table.h"
#include "emu/board.h"

#define ETHCHIP_NO_PIN 0xff

/* What w5500.init names; pins by their GPIO numbers. */
struct ethchip_pins {
    int spi, cs, irq, rst;
    int link; /* ETHCHIP_NO_PIN: none */
    unsigned speed_hz;
};

/* What w5500.config names. */
struct ethchip_setup {
    bool is_static; /* else DHCP */
    struct board_address address;
    bool has_mac;
    uint8_t mac[BOARD_MAC_LEN];
    unsigned rtr, rcr;    /* which never reach the chip */
    bool has_negotiation; /* @speed of w5500.config */
};

struct ethchip {
    /*
     * Start the driver with the chip on those pins; a second call is ignored. A chip that is wired
     * otherwise is not found: everything reads 0xff.
     */
    void (*init)(void *ctx, const struct ethchip_pins *pins, const char *where);
    /* False: no chip was found, or init() was not called. @where: "main.lua:12: ", copied. */
    bool (*config)(void *ctx, const struct ethchip_setup *setup, const char *where);
    /* Register its sockets as those of an adapter; -EOPNOTSUPP: the board has the chip elsewhere. */
    int (*bind)(void *ctx, enum adapter_id id);
    bool (*mac)(void *ctx, uint8_t mac[BOARD_MAC_LEN]); /* false: not known yet */
    void *ctx;
};
