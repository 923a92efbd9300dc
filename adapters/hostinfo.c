#include "adapters/hostinfo.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/adapter.h"
#include "emu/dns_msg.h"

#define ROUTE_LINE_MAX 256
#define RTF_GATEWAY_V4 0x0002 /* linux/route.h RTF_GATEWAY */

/* The default route's interface and gateway, from /proc/net/route; false when there is none. */
static bool find_default_route(char ifname[IFNAMSIZ], struct endpoint *gateway)
{
    char line[ROUTE_LINE_MAX];
    unsigned destination, via, flags;
    bool found = false;
    FILE *file = fopen("/proc/net/route", "re");

    if (!file)
        return false;
    while (!found && fgets(line, sizeof(line), file)) {
        /* NOLINTNEXTLINE(cert-err34-c): the kernel's own table; overflow is not possible */
        if (sscanf(line, "%15s %x %x %x", ifname, &destination, &via, &flags) != 4)
            continue;
        found = destination == 0;
        if (found && flags & RTF_GATEWAY_V4)
            endpoint_set_word(gateway, via); /* the table shows network order as a host word */
    }
    (void)fclose(file);
    return found;
}

static void set_from_sockaddr(struct endpoint *ep, const struct sockaddr *sa)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;

    if (!sa)
        return;
    if (sa->sa_family == AF_INET) {
        ep->family = IP_FAMILY_V4;
        memcpy(ep->addr, &v4->sin_addr, sizeof(v4->sin_addr));
    } else {
        ep->family = IP_FAMILY_V6;
        memcpy(ep->addr, &v6->sin6_addr, sizeof(v6->sin6_addr));
    }
}

static bool is_candidate(const struct ifaddrs *ifa, const char *ifname)
{
    if (!ifa->ifa_addr || !(ifa->ifa_flags & IFF_UP))
        return false;
    return ifname ? strcmp(ifa->ifa_name, ifname) == 0 : !(ifa->ifa_flags & IFF_LOOPBACK);
}

/* Addresses of @ifname, or of the first interface that is not loopback. */
static void read_addresses(struct adapter_info *info, const char *ifname)
{
    struct ifaddrs *all;

    if (getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *ifa = all; ifa; ifa = ifa->ifa_next) {
        const struct sockaddr_in6 *v6;

        if (!is_candidate(ifa, ifname))
            continue;
        if (ifa->ifa_addr->sa_family == AF_INET && info->ip.family == IP_FAMILY_NONE) {
            set_from_sockaddr(&info->ip, ifa->ifa_addr);
            set_from_sockaddr(&info->mask, ifa->ifa_netmask);
        }
        v6 = (const struct sockaddr_in6 *)(const void *)ifa->ifa_addr;
        if (ifa->ifa_addr->sa_family == AF_INET6 && info->ip6.family == IP_FAMILY_NONE &&
            !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
            set_from_sockaddr(&info->ip6, ifa->ifa_addr);
    }
    freeifaddrs(all);
}

static void read_resolvers(struct adapter_info *info)
{
    struct __res_state state = { 0 };

    if (res_ninit(&state) < 0)
        return;
    for (int i = 0; i < state.nscount && info->dns_count < ADAPTER_DNS_MAX; i++) {
        struct endpoint *dns = &info->dns[info->dns_count++];
        const struct sockaddr_in6 *v6 = state._u._ext.nsaddrs[i];

        if (state.nsaddr_list[i].sin_family) {
            set_from_sockaddr(dns, (const struct sockaddr *)&state.nsaddr_list[i]);
        } else if (v6) {
            set_from_sockaddr(dns, (const struct sockaddr *)v6);
        }
        dns->port = DNS_PORT;
    }
    res_nclose(&state);
}

/* The kernel shows a sandbox (sandbox.h) when a file has changed, and not what is in it. */
static bool can_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void hostinfo_follow_dns(struct hostinfo_dns *seen, struct adapter_info *info)
{
    struct hostinfo_dns now;
    struct stat st;
    bool is_first = seen->ino == 0;

    if (stat(_PATH_RESCONF, &st) < 0)
        return; /* it is being written */
    now = (struct hostinfo_dns){ st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_ino };
    if (now.mtime_s == seen->mtime_s && now.mtime_ns == seen->mtime_ns && now.ino == seen->ino)
        return;
    *seen = now;
    if (is_first || !can_read(_PATH_RESCONF)) /* without it res_ninit() makes up 127.0.0.1 */
        return;
    info->dns_count = 0;
    read_resolvers(info);
}

void hostinfo_loopback(struct adapter_info *info)
{
    *info = (struct adapter_info){ .dns_is_complete = true };
    endpoint_set_v4(&info->ip, 127, 0, 0, 1);
    endpoint_set_v4(&info->mask, 255, 0, 0, 0);
    endpoint_set_v4(&info->gateway, 0, 0, 0, 0);
}

void hostinfo_read(struct adapter_info *info)
{
    char ifname[IFNAMSIZ] = "";

    *info = (struct adapter_info){ .dns_is_complete = true };
    if (find_default_route(ifname, &info->gateway))
        read_addresses(info, ifname);
    if (info->ip.family == IP_FAMILY_NONE)
        read_addresses(info, NULL);
    if (info->ip.family == IP_FAMILY_NONE)
        hostinfo_loopback(info);
    if (info->gateway.family == IP_FAMILY_NONE)
        endpoint_set_v4(&info->gateway, 0, 0, 0, 0);
    read_resolvers(info);
}
