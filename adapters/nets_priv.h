/* Included by nets.c and nets_links.c only. */
#pragma once

#include "adapters/nets.h"

/* What scripts and hands may do to the links. */
extern const struct links nets_links_ops;

/* Is there a place on whose link things can be changed? */
bool net_link_is_ours(const struct net_link *link);

/* Give the adapter's interface what the board says, where it is known now. 0 or -errno. */
int nets_give_address(struct nets *nets, enum adapter_id id, const struct board_address *address,
                      char why[NETS_WHY_MAX]);
