/*
 * board: which adapters a device has, and what each is bound to.
 *
 * The default board, "laptop", has the six adapters of the document on the host's own network.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "emu/adapter.h"
#include "emu/adapter_table.h"

#define BOARD_NAME_MAX   256 /* of a namespace or its path, with its end */
#define BOARD_IFNAME_MAX 16  /* linux/if.h IFNAMSIZ */

enum binding {
    BINDING_OFF,   /* the board has no such adapter */
    BINDING_HOST,  /* the host's own network */
    BINDING_NETNS, /* another network namespace */
    BINDING_LAB,   /* a network that the emulator makes: a namespace on a bridge */
};

/* One adapter's. */
struct board_slot {
    enum binding binding;
    char netns[BOARD_NAME_MAX];    /* BINDING_NETNS: a name of ip-netns(8) or a path */
    char ifname[BOARD_IFNAME_MAX]; /* "": whichever the routes lead to */
    struct endpoint dns[ADAPTER_DNS_MAX];
    size_t dns_count; /* 0: those of the host */
    bool is_default;  /* not by --bind */
};

struct board {
    struct board_slot slots[ADAPTER_COUNT];
};

/* The laptop. */
void board_init(struct board *board);

/*
 * --bind: "ADAPTER=off", "ADAPTER=lab", "ADAPTER=host[,dev=IFACE][,dns=IP]" or "ADAPTER=netns:NAME[,dev=..][,dns=..]"
 * with dns up to ADAPTER_DNS_MAX times. NULL, or what is wrong with it, for people; static or in
 * @why.
 */
const char *board_bind(struct board *board, const char *text, char why[], size_t why_cap);

/* Put what --bind has not placed on the network that the emulator makes. */
void board_use_lab(struct board *board);

/* Is an adapter on it? */
bool board_has_lab(const struct board *board);

/* "host" and so on. */
const char *binding_name(enum binding binding);
