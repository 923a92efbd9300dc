/*
 * links: what a script can do to its adapters' links and learn about them, by wlan, mobile, netdrv.
 *
 * main.c puts the networks of the board behind it (adapters/nets.c). Nothing here blocks for longer
 * than the kernel's answer, and nothing calls back: the adapter's LINK_UP and LINK_DOWN follow as
 * events, and with them IP_READY and IP_LOSE. Results are 0 or -errno; -ENODEV: the board has no
 * such adapter; -EOPNOTSUPP: its binding does not allow that (the host's own addresses are not
 * changed for a script).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/adapter.h"
#include "emu/adapter_table.h"
#include "emu/board.h"

struct link_status {
    bool is_on;       /* the module's side: its radio or chip is on, power() */
    bool is_plugged;  /* the other side: nobody has pulled the cable, the network is there */
    bool has_carrier; /* the kernel says that both are so */
    bool is_ready;    /* and there is an address: socket.adapter() */
    enum addressing addressing;
    uint8_t mac[BOARD_MAC_LEN];
    unsigned mtu;
    struct adapter_info info;
};

struct links {
    int (*status)(void *ctx, enum adapter_id id, struct link_status *status);

    /* Plug the cable in or out, as a hand from outside does: the control socket, a scenario. */
    int (*plug)(void *ctx, enum adapter_id id, bool is_in);

    /*
     * Switch the module's own side on or off, as the script does by wlan, mobile, netdrv: its radio,
     * its Ethernet chip. The link is up while it is on and the cable is in.
     */
    int (*power)(void *ctx, enum adapter_id id, bool is_on);

    /* Give it an address and routes; takes it off DHCP. */
    int (*set_address)(void *ctx, enum adapter_id id, const struct board_address *address);

    /* Ask for an address by DHCP, or stop asking and keep what there is. */
    int (*set_dhcp)(void *ctx, enum adapter_id id, bool is_on);

    /*
     * Give addresses to whoever asks for one on its link, of its own network, with itself as router
     * and name server; or no more. -EADDRNOTAVAIL: it has no address, or a network of its own only.
     */
    int (*serve_dhcp)(void *ctx, enum adapter_id id, bool is_on);

    int (*set_mac)(void *ctx, enum adapter_id id, const uint8_t mac[BOARD_MAC_LEN]);

    /*
     * Forward what comes in by @from out by @to, under @to's address (NAT, RFC 3022). @to
     * ADAPTER_NONE ends it.
     */
    int (*forward)(void *ctx, enum adapter_id from, int to);

    void *ctx;
};

/*
 * The same of a device, whatever stands behind it. Where nothing does, or it can't switch a link,
 * the device alone believes that the link is off: its adapter is not ready, its sockets break. What
 * is switched off is not ready when the call returns. 0 or -errno.
 */
struct device;

int links_status(const struct device *device, enum adapter_id id, struct link_status *status);
int links_power(struct device *device, enum adapter_id id, bool is_on);
int links_set_address(struct device *device, enum adapter_id id,
                      const struct board_address *address);
int links_set_dhcp(struct device *device, enum adapter_id id, bool is_on);
int links_serve_dhcp(struct device *device, enum adapter_id id, bool is_on);
int links_set_mac(struct device *device, enum adapter_id id, const uint8_t mac[BOARD_MAC_LEN]);
int links_forward(struct device *device, enum adapter_id from, int to);
