/* dhcp_tell: what a DHCP client's lease is to people, and in the trace. */
#pragma once

#include "emu/dhcp_client.h"

struct log;
struct trace;

struct dhcp_teller {
    struct log *log;
    struct trace *trace;
    const char *name; /* of the adapter; static */
};

void dhcp_tell_sent(const struct dhcp_teller *teller, const struct dhcp_msg *msg, uint32_t to);

/* The second of those that were none for this client. */
void dhcp_tell_received(const struct dhcp_teller *teller, const struct dhcp_msg *msg,
                        uint32_t from);
void dhcp_tell_ignored(const struct dhcp_teller *teller, const struct dhcp_msg *msg, uint32_t from);

/* @is_new: with another address than before. */
void dhcp_tell_lease(const struct dhcp_teller *teller, const struct dhcp_lease *lease, bool is_new);
void dhcp_tell_lost(const struct dhcp_teller *teller, uint32_t ip, const char *why);
const char *dhcp_loss_text(enum dhcp_loss why);

/* Some DISCOVERs were waited for in vain. */
void dhcp_tell_unanswered(const struct dhcp_teller *teller, unsigned count);
