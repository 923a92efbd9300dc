/* Included by nets.c, nets_chip.c, nets_dhcp.c and nets_links.c only. */
#pragma once

#include "adapters/nets.h"

struct adapter_info;
struct netlink_state;

/* What scripts and hands may do to the links. */
extern const struct links nets_links_ops;

/* Ask for an address, or no more: what there is stays. Both are harmless when it is so already. */
void nets_ask_dhcp(struct nets *nets, enum adapter_id id);
void nets_forget_dhcp(struct nets *nets, enum adapter_id id);

/* The adapter's interface has changed. */
void nets_tell_dhcp(struct nets *nets, enum adapter_id id, const struct netlink_state *state);

/*
 * Give addresses to whoever asks for one on the adapter's link, of the network of its own, or no
 * more. 0 or -errno.
 */
int nets_serve_dhcp(struct nets *nets, enum adapter_id id, bool is_on);

/*
 * Give addresses to whoever asks for one on the lab's bridge, which is the gateway, with @dns; or no
 * more. What adapters have without asking is given to nobody else, unless they wish for their own.
 * 0 or -errno.
 */
int nets_serve_lab(struct nets *nets, const struct endpoint dns[], size_t dns_count);
void nets_forget_lab(struct nets *nets);

/* Of a link that is split: let its adapter see what its other end sees. */
void nets_follow_leg(struct net_link *link);

/* Is there a place on whose link things can be changed? */
bool net_link_is_ours(const struct net_link *link);

/* Give the adapter's interface what the board says, where it is known now. 0 or -errno. */
int nets_give_address(struct nets *nets, enum adapter_id id, const struct board_address *address,
                      char why[NETS_WHY_MAX]);

/* ---- a link on which a W5500 stands ---------------------------------------------------------------- */

/* @info names the name servers. 0 or -errno; nets_chip_unplug() follows, whatever comes of it. */
int nets_chip_plug(struct nets *nets, enum adapter_id id, const struct adapter_info *info);
void nets_chip_unplug(struct nets_chip *chip);

/* Is its cable in, or not? */
void nets_chip_look(struct nets_chip *chip);
