/* The link half of posix.c: an adapter that is as ready as one interface of the kernel's. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "adapters/keeper.h"
#include "adapters/netlink.h"
#include "adapters/posix_priv.h"
#include "emu/util.h"

static int open_there(void *ctx, int domain, int type, int protocol)
{
    const struct posix *posix = ctx;
    int fd;

    if (posix->config.keeper)
        return keeper_socket(posix->config.keeper, posix->config.place, domain, type, protocol);
    fd = socket(domain, type, protocol);
    return fd < 0 ? -errno : fd;
}

/* What the script is to believe has changed, perhaps. */
static void post_link(struct posix *posix)
{
    bool is_up = posix->has_link && !posix->is_held;

    if (is_up == posix->is_link_up)
        return;
    adapter_post(&posix->base,
                 &(struct net_event){ .type = is_up ? NET_EVENT_LINK_UP : NET_EVENT_LINK_DOWN,
                                      .arg = (uint32_t)posix->base.id });
    posix->is_link_up = is_up;
}

/*
 * Another address is another link, as in lwIP, whose connections break with it; and so is another
 * interface of the same name.
 */
static void on_change(void *ctx)
{
    struct posix *posix = ctx;
    struct adapter_info info = posix->config.info;
    struct netlink_state link;

    netlink_read(posix->netlink, &link, &info);
    posix->has_link = link.is_ready && link.ifindex == posix->link.ifindex &&
                      endpoint_same_ip(&info.ip, &posix->config.info.ip);
    post_link(posix);
    posix->config.info = info;
    posix->link = link;
    posix->has_link = link.is_ready;
    post_link(posix);
    if (posix->config.link_changed)
        posix->config.link_changed(posix->config.link_changed_ctx, (enum adapter_id)posix->base.id,
                                   &link);
}

int posix_watch_link(struct adapter *adapter)
{
    struct posix *posix = to_posix(adapter);
    struct netlink_config config = { .loop = posix->config.loop,
                                     .open = open_there,
                                     .open_ctx = posix,
                                     .changed = on_change,
                                     .changed_ctx = posix };
    int rc;

    memcpy(config.ifname, posix->config.watched, sizeof(config.ifname));
    rc = netlink_open(&posix->netlink, &config);
    if (rc < 0)
        return rc;
    netlink_read(posix->netlink, &posix->link, &posix->config.info);
    posix->has_link = posix->link.is_ready;
    adapter->is_ready = posix->is_link_up = posix->has_link && !posix->is_held;
    return 0;
}

void posix_look_at_link(struct adapter *adapter)
{
    if (to_posix(adapter)->netlink)
        on_change(to_posix(adapter));
}

const struct netlink_state *posix_link(const struct adapter *adapter)
{
    return &to_posix(adapter)->link;
}

void posix_hold_link(struct adapter *adapter, bool is_held)
{
    struct posix *posix = to_posix(adapter);

    posix->is_held = is_held;
    post_link(posix);
}

void posix_set_dns(struct adapter *adapter, const struct endpoint dns[], size_t count)
{
    struct posix *posix = to_posix(adapter);
    struct adapter_info *info = &posix->config.info;

    if (!posix->is_dns_leased)
        posix->configured = *info;
    posix->is_dns_leased = count > 0;
    if (!count) {
        dns = posix->configured.dns;
        count = posix->configured.dns_count;
    }
    info->dns_count = count < ADAPTER_DNS_MAX ? count : ADAPTER_DNS_MAX;
    for (size_t i = 0; i < info->dns_count; i++)
        info->dns[i] = dns[i];
}

void posix_unwatch_link(struct posix *posix)
{
    if (posix->netlink)
        netlink_close(posix->netlink);
    posix->netlink = NULL;
}
