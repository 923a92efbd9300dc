/*
 * uplink_kind: the ways from a network that the emulator makes to the one outside, the best first.
 *
 *   pasta        a program, passt(1)
 *   slirp4netns  a program, slirp4netns(1)
 *   relay        a process of the emulator's, by libslirp
 *
 * All of them speak for the network by ordinary sockets, and none takes root.
 */
#pragma once

enum uplink_kind {
    UPLINK_PASTA,
    UPLINK_SLIRP4NETNS,
    UPLINK_RELAY,
    UPLINK_HOST, /* none is needed: adapters are on the network outside */
    UPLINK_OFF,
    UPLINK_AUTO, /* the first that can be had */
    UPLINK_COUNT,
};

/* "pasta". */
const char *uplink_name(enum uplink_kind kind);
