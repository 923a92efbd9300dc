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

static void post_link(struct posix *posix, bool is_up)
{
    adapter_post(&posix->base,
                 &(struct net_event){ .type = is_up ? NET_EVENT_LINK_UP : NET_EVENT_LINK_DOWN,
                                      .arg = (uint32_t)posix->base.id });
    posix->is_link_up = is_up;
}

/* Another address is another link: what was connected with the old one is lost. */
static void on_change(void *ctx)
{
    struct posix *posix = ctx;
    struct adapter_info info = posix->config.info;
    bool is_up = netlink_read(posix->netlink, &info);
    bool moved = !endpoint_same_ip(&info.ip, &posix->config.info.ip);

    if (posix->is_link_up && (!is_up || moved))
        post_link(posix, false);
    posix->config.info = info;
    if (is_up && !posix->is_link_up)
        post_link(posix, true);
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

    memcpy(config.ifname, posix->config.ifname, sizeof(config.ifname));
    rc = netlink_open(&posix->netlink, &config);
    if (rc < 0)
        return rc;
    adapter->is_ready = posix->is_link_up = netlink_read(posix->netlink, &posix->config.info);
    return 0;
}

void posix_unwatch_link(struct posix *posix)
{
    if (posix->netlink)
        netlink_close(posix->netlink);
    posix->netlink = NULL;
}
