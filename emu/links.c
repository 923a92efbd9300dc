#include "emu/links.h"

#include <errno.h>

#include "emu/device.h"

static const struct adapter *adapter_of(const struct device *device, enum adapter_id id)
{
    return device->net.adapters[id];
}

/* A locally administered address (IEEE 802 c) for what has none of its own. */
static void make_up_mac(enum adapter_id id, uint8_t mac[BOARD_MAC_LEN])
{
    const uint8_t made[BOARD_MAC_LEN] = { 0x02, 'L', 'U', 'A', 'T', (uint8_t)id };
    bool is_known = false;

    for (int i = 0; i < BOARD_MAC_LEN; i++)
        is_known |= mac[i] != 0;
    for (int i = 0; i < BOARD_MAC_LEN && !is_known; i++)
        mac[i] = made[i];
}

int links_status(const struct device *device, enum adapter_id id, struct link_status *status)
{
    const struct adapter *adapter = adapter_of(device, id);
    const struct links *links = device->links;

    *status = (struct link_status){ 0 };
    if (!adapter)
        return -ENODEV;
    if (!links || !links->status || links->status(links->ctx, id, status) < 0) {
        *status = (struct link_status){ .is_on = adapter->is_ready,
                                        .is_plugged = true,
                                        .has_carrier = adapter->is_ready };
        adapter->ops->info(adapter, &status->info);
    }
    status->is_ready = adapter->is_ready;
    make_up_mac(id, status->mac);
    return 0;
}

int links_power(struct device *device, enum adapter_id id, bool is_on)
{
    const struct links *links = device->links;
    struct adapter *adapter = device->net.adapters[id];
    int rc = -EOPNOTSUPP;

    if (!adapter)
        return -ENODEV;
    if (links && links->power)
        rc = links->power(links->ctx, id, is_on);
    if (rc == -EOPNOTSUPP) {
        rc = 0;
        if (is_on) {
            net_post(&device->net,
                     &(struct net_event){ .type = NET_EVENT_LINK_UP, .arg = (uint32_t)id });
        }
    }
    if (rc == 0 && !is_on) /* the script's next line must not find it ready */
        net_link_down(&device->net, adapter);
    return rc;
}

int links_set_address(struct device *device, enum adapter_id id,
                      const struct board_address *address)
{
    const struct links *links = device->links;

    if (!adapter_of(device, id))
        return -ENODEV;
    return links && links->set_address ? links->set_address(links->ctx, id, address) : -EOPNOTSUPP;
}

int links_set_dhcp(struct device *device, enum adapter_id id, bool is_on)
{
    const struct links *links = device->links;

    if (!adapter_of(device, id))
        return -ENODEV;
    return links && links->set_dhcp ? links->set_dhcp(links->ctx, id, is_on) : -EOPNOTSUPP;
}

int links_serve_dhcp(struct device *device, enum adapter_id id, bool is_on)
{
    const struct links *links = device->links;

    if (!adapter_of(device, id))
        return -ENODEV;
    return links && links->serve_dhcp ? links->serve_dhcp(links->ctx, id, is_on) : -EOPNOTSUPP;
}

int links_set_mac(struct device *device, enum adapter_id id, const uint8_t mac[BOARD_MAC_LEN])
{
    const struct links *links = device->links;

    if (!adapter_of(device, id))
        return -ENODEV;
    return links && links->set_mac ? links->set_mac(links->ctx, id, mac) : -EOPNOTSUPP;
}

int links_forward(struct device *device, enum adapter_id from, int to)
{
    const struct links *links = device->links;

    if (!adapter_of(device, from))
        return -ENODEV;
    return links && links->forward ? links->forward(links->ctx, from, to) : -EOPNOTSUPP;
}
