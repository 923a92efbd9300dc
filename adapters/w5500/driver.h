/*
 * driver: what a LuatOS module's firmware does with a W5500, as an adapter.
 *
 * It touches the chip only by SPI frames, the reset pin and the levels of INTn (and of LINKLED, where
 * the script names a pin for it), as components/ethernet/w5500/w5500.c does: socket 0 for DHCP and
 * names, seven for scripts, one-to-one listeners, a queue of 20 KB each way a socket.
 *
 * It is off until it is told to begin: by the script (ethchip.h), or by driver_boot().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "emu/adapter.h"
#include "emu/board.h"

struct bench;
struct ethchip;
struct link_status;
struct log;
struct msgq;
struct rng;
struct timers;
struct trace;
struct vclock;

struct driver_config {
    struct bench *bench; /* whose master it becomes; the driver's from now on */
    struct timers *timers;
    struct vclock *clock;
    struct rng *rng;
    struct log *log;
    struct trace *trace;
    struct msgq *msgs;    /* for W5500_IND */
    struct endpoint wish; /* what DHCP is asked for at first; IP_FAMILY_NONE: nothing */
    struct endpoint dns[ADAPTER_DNS_MAX]; /* while a lease names none */
    size_t dns_count;
    bool has_final_dns;              /* whatever a lease names */
    const struct board_slot *slot;   /* addressing, address, mac, dns; not owned */
    const struct board_chip *wiring; /* not owned */
};

/* Freed by ops->free(), and the bench with it. */
struct adapter *driver_new(const struct driver_config *config);

/* Begin without being told by a script: what the board says of addresses is the configuration. */
void driver_boot(struct adapter *adapter);

/* What a script may do with it. */
const struct ethchip *driver_ethchip(struct adapter *adapter);

/* ---- for nets, as links.h has it ------------------------------------------------------------------ */

void driver_status(const struct adapter *adapter, struct link_status *status);
void driver_power(struct adapter *adapter, bool is_on); /* off: held in reset */
int driver_set_address(struct adapter *adapter, const struct board_address *address);
int driver_set_dhcp(struct adapter *adapter, bool is_on);
int driver_set_mac(struct adapter *adapter, const uint8_t mac[BOARD_MAC_LEN]);
