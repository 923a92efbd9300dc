/*
 * board: which adapters a device has, and what each is bound to.
 *
 * The default board, "laptop", has the six adapters of the document on the host's own network.
 */
#pragma once

#include <stddef.h>

#include "emu/adapter_table.h"

enum binding {
    BINDING_OFF,  /* the board has no such adapter */
    BINDING_HOST, /* the host's own network */
};

struct board {
    enum binding bindings[ADAPTER_COUNT];
};

/* The laptop. */
void board_init(struct board *board);

/* "ADAPTER=BINDING" of --bind. NULL, or what is wrong with it, for people; static or in @why. */
const char *board_bind(struct board *board, const char *text, char why[], size_t why_cap);

/* "host" and so on. */
const char *binding_name(enum binding binding);
