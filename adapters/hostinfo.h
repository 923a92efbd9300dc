/* hostinfo: what the host knows about its own network, in an adapter's terms. */
#pragma once

struct adapter_info;

/*
 * The interface of the default route, or the first that has an address, or loopback; its addresses,
 * and the resolvers of /etc/resolv.conf. Parts that can't be had stay empty.
 */
void hostinfo_read(struct adapter_info *info);

/* A host that knows only itself. */
void hostinfo_loopback(struct adapter_info *info);
