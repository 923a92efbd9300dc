/* Included by netc.c and netc_data.c only. */
#pragma once

#include "emu/netc.h"

bool netc_is_online(const struct netc *netc);

/* socket.debug's lines: "netc 3: ..." */
void netc_debug(const struct netc *netc, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
