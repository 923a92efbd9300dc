/* Included by uplink.c, uplink_relay.c and keeper_uplink.c only. */
#pragma once

#include <stddef.h>

/* What slirp4netns(1) has, and all others are told to have. */
#define UPLINK_IFNAME  "uplink"
#define UPLINK_FAR_END "uplink-relay"
#define UPLINK_ADDRESS "10.0.2.100"
#define UPLINK_NETMASK "24"
#define UPLINK_GATEWAY "10.0.2.2"
#define UPLINK_DNS     "10.0.2.3"

struct child_process;
struct keeper;

/* Can the relay be had? 0 or -errno, with @why for people (UPLINK_WHY_MAX). */
int uplink_relay_find(char why[]);

/* Start it, at the far end of the interface, which is there. The same results. */
int uplink_relay_start(struct child_process *child, struct keeper *keeper, char why[]);
