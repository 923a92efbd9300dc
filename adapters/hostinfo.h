/* hostinfo: what the host knows about its own network, in an adapter's terms. */
#pragma once

#include <sys/types.h>
#include <time.h>

struct adapter_info;

/*
 * The interface of the default route, or the first that has an address, or loopback; its addresses,
 * and the resolvers of /etc/resolv.conf. Parts that can't be had stay empty.
 */
void hostinfo_read(struct adapter_info *info);

/* /etc/resolv.conf as it was read last. Starts as 0. */
struct hostinfo_dns {
    time_t mtime_s;
    long mtime_ns;
    ino_t ino;
};

/*
 * Read the resolvers of @info anew if that file is another since @seen, and not the first time; they
 * stay where it can't be read any more.
 */
void hostinfo_follow_dns(struct hostinfo_dns *seen, struct adapter_info *info);

/* A host that knows only itself. */
void hostinfo_loopback(struct adapter_info *info);
