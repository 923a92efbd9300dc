/* The driver's own socket 0: DHCP and names, as LuatOS has them there. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapters/dhcp_tell.h"
#include "adapters/w5500/driver_priv.h"
#include "emu/endpoint.h"
#include "emu/util.h"

#define DNS_PORT      53
#define DNS_ID_LEN    2
#define GIVE_UP_TRIES 3          /* unanswered: the chip is set up anew; w5500.c:677 */
#define ADDRESS_LEN   19         /* MR, GAR, SUBR, SHAR and SIPR */
#define REPLIES_MAX   (8 * 1024) /* bytes of answers that wait for a lookup; more are lost */
#define V4_LEN        4

static struct dhcp_teller teller_of(const struct driver *driver)
{
    return (struct dhcp_teller){ .log = driver->config.log,
                                 .trace = driver->config.trace,
                                 .name = adapter_name((enum adapter_id)driver->base.id) };
}

static struct driver *driver_of(struct dhcp_client *client)
{
    return container_of(client, struct driver, dhcp);
}

/* ---- the address ------------------------------------------------------------------------------ */

static void set_ready(struct driver *driver, bool is_ready)
{
    if (is_ready == driver->is_ready)
        return;
    driver->is_ready = is_ready;
    adapter_post(&driver->base,
                 &(struct net_event){ .type = is_ready ? NET_EVENT_LINK_UP : NET_EVENT_LINK_DOWN,
                                      .arg = (uint32_t)driver->base.id });
}

static void put_ip(uint8_t *bytes, const struct endpoint *ip)
{
    if (ip->family == IP_FAMILY_V4)
        memcpy(bytes, ip->addr, V4_LEN);
}

static void put_mask(uint8_t *bytes, unsigned prefix_len)
{
    uint32_t mask = dhcp_mask(prefix_len);

    for (int i = 0; i < V4_LEN; i++)
        bytes[i] = (uint8_t)(mask >> 8 * (V4_LEN - 1 - i));
}

/* Sockets that stood on another address are broken: the adapter is away in between. */
void driver_give_address(struct driver *driver)
{
    const struct board_address *address = &driver->address;
    uint32_t ip = dhcp_from_endpoint(&address->ip);
    uint8_t regs[ADDRESS_LEN] = { 0 };

    if (driver->phase == DRIVER_PHASE_RUN) {
        put_ip(regs + REG_GAR, &address->gateway);
        if (ip)
            put_mask(regs + REG_SUBR, address->prefix_len);
        memcpy(regs + REG_SHAR, driver->mac, sizeof(driver->mac));
        put_ip(regs + REG_SIPR, &address->ip);
        driver_write(driver, W5500_BLOCK_COMMON, REG_MR, regs, sizeof(regs));
    }
    if (ip != driver->told_ip)
        set_ready(driver, false);
    driver->told_ip = ip;
    set_ready(driver, ip && driver->has_link && driver->phase == DRIVER_PHASE_RUN);
}

/* ---- DHCP ------------------------------------------------------------------------------------- */

static void on_send(struct dhcp_client *client, const struct dhcp_msg *msg, uint32_t ip)
{
    struct driver *driver = driver_of(client);
    const struct dhcp_teller teller = teller_of(driver);
    uint8_t data[DHCP_MSG_MAX];
    size_t len = dhcp_write(msg, data);

    dhcp_tell_sent(&teller, msg, ip);
    dsock_queue_datagram(&driver->sockets[0], ip, DHCP_SERVER_PORT, data, len);
    driver_work(driver);
}

/* The lab gives what everybody there has: not worth a word. */
static bool is_expected(const struct driver *driver, const struct dhcp_lease *lease)
{
    return lease->ip == dhcp_from_endpoint(&driver->config.wish);
}

static void on_bound(struct dhcp_client *client, const struct dhcp_lease *lease)
{
    struct driver *driver = driver_of(client);
    const struct dhcp_teller teller = teller_of(driver);
    struct board_address *address = &driver->address;

    dhcp_tell_lease(&teller, lease,
                    lease->ip != dhcp_from_endpoint(&address->ip) && !is_expected(driver, lease));
    *address = (struct board_address){ .prefix_len = lease->prefix_len };
    dhcp_to_endpoint(lease->ip, &address->ip);
    if (lease->router)
        dhcp_to_endpoint(lease->router, &address->gateway);
    driver->dns_count = 0;
    for (size_t i = 0; i < lease->dns_count && i < ADAPTER_DNS_MAX; i++) {
        dhcp_to_endpoint(lease->dns[i], &driver->dns[i]);
        driver->dns[i].port = DNS_PORT;
        driver->dns_count++;
    }
    driver_give_address(driver);
}

static void lose(struct driver *driver, const char *why)
{
    const struct dhcp_teller teller = teller_of(driver);
    uint32_t ip = dhcp_from_endpoint(&driver->address.ip);

    if (ip)
        dhcp_tell_lost(&teller, ip, why);
    driver->address = (struct board_address){ 0 };
    driver->dns_count = 0;
}

static void on_lost(struct dhcp_client *client, enum dhcp_loss why)
{
    struct driver *driver = driver_of(client);

    lose(driver, dhcp_loss_text(why));
    driver_give_address(driver);
}

static void on_unanswered(struct dhcp_client *client, unsigned count)
{
    struct driver *driver = driver_of(client);
    const struct dhcp_teller teller = teller_of(driver);

    dhcp_tell_unanswered(&teller, count);
    if (count != GIVE_UP_TRIES)
        return;
    driver_indicate(driver, "DHCP_TIMEOUT");
    driver_restart(driver);
}

static const struct dhcp_client_ops client_ops = {
    .send = on_send, .bound = on_bound, .lost = on_lost, .unanswered = on_unanswered
};

void driver_ask(struct driver *driver)
{
    struct dhcp_client_config config = { .timers = driver->config.timers,
                                         .clock = driver->config.clock,
                                         .rng = driver->config.rng,
                                         .ops = &client_ops,
                                         .timing = &dhcp_client_timing };
    uint32_t last_ip = driver->dhcp.last_ip;

    if (driver->is_static) {
        driver_give_address(driver);
        return;
    }
    if (driver->is_asking || !driver->has_link || driver->phase != DRIVER_PHASE_RUN)
        return;
    driver_write8(driver, W5500_BLOCK_COMMON, REG_MR, MR_FARP);
    memcpy(config.mac, driver->mac, sizeof(config.mac));
    (void)snprintf(config.hostname, sizeof(config.hostname), "luatos-%02x%02x%02x", config.mac[3],
                   config.mac[4], config.mac[5]);
    dhcp_client_init(&driver->dhcp, &config);
    driver->dhcp.last_ip = last_ip ? last_ip : dhcp_from_endpoint(&driver->config.wish);
    driver->is_asking = true;
    dhcp_client_start(&driver->dhcp);
}

void driver_stop_asking(struct driver *driver, const char *why)
{
    if (!driver->is_asking)
        return;
    driver->is_asking = false;
    dhcp_client_stop(&driver->dhcp);
    if (!driver->is_static)
        lose(driver, why);
}

/* RFC 2131 4.4.4 */
void driver_decline(struct driver *driver)
{
    const struct dhcp_client *client = &driver->dhcp;
    struct dhcp_msg msg = { .type = DHCP_TYPE_DECLINE,
                            .xid = client->xid,
                            .requested_ip = client->lease.ip,
                            .server_id = client->lease.server };

    if (!driver->is_asking || !dhcp_client_is_bound(client))
        return;
    memcpy(msg.mac, driver->mac, sizeof(msg.mac));
    driver_stop_asking(driver, "another host has it");
    driver->dhcp.last_ip = 0;
    driver_give_address(driver);
    on_send(&driver->dhcp, &msg, DHCP_BROADCAST);
    driver_ask(driver);
}

static void hear_dhcp(struct driver *driver, uint32_t from, const uint8_t *data, size_t len)
{
    const struct dhcp_teller teller = teller_of(driver);
    struct dhcp_msg msg;

    if (!driver->is_asking || !dhcp_read(data, len, &msg))
        return;
    dhcp_tell_received(&teller, &msg, from);
    if (!dhcp_client_handle(&driver->dhcp, &msg))
        dhcp_tell_ignored(&teller, &msg, from);
}

/* ---- names ------------------------------------------------------------------------------------ */

int driver_name_open(struct driver *driver, const struct sock_spec *spec,
                     const struct endpoint *server)
{
    for (int i = 0; i < DRIVER_NAMES; i++) {
        struct driver_name *name = &driver->names[i];

        if (name->is_used)
            continue;
        *name = (struct driver_name){ .is_used = true, .tag = spec->tag, .server = *server };
        byteq_init(&name->rx);
        adapter_post(&driver->base,
                     &(struct net_event){ .type = NET_EVENT_CONNECTED, .tag = spec->tag });
        return DRIVER_SOCKETS + i;
    }
    return -ENOBUFS;
}

struct driver_name *driver_name_at(struct driver *driver, int sid)
{
    if (sid < DRIVER_SOCKETS || sid >= DRIVER_SOCKETS + DRIVER_NAMES)
        return NULL;
    return &driver->names[sid - DRIVER_SOCKETS];
}

/* Several lookups share the socket: the id of a message tells whose answer it is. */
static void hear_name(struct driver *driver, const struct dsock_datagram *datagram,
                      const uint8_t *raw, const uint8_t *data)
{
    for (int i = 0; i < DRIVER_NAMES; i++) {
        struct driver_name *name = &driver->names[i];

        if (!name->is_used || datagram->len < DNS_ID_LEN ||
            dhcp_from_endpoint(&name->server) != datagram->ip ||
            name->server.port != datagram->port || memcmp(name->id, data, DNS_ID_LEN) != 0 ||
            name->rx.len > REPLIES_MAX)
            continue;
        byteq_append(&name->rx, raw, (size_t)(data - raw) + datagram->len);
        adapter_post(&driver->base, &(struct net_event){ .type = NET_EVENT_RX, .tag = name->tag });
    }
}

void driver_net_receive(struct driver *driver)
{
    struct byteq *rx = &driver->sockets[0].rx;
    struct dsock_datagram datagram;
    const uint8_t *data;

    while (dsock_front(rx, &datagram, &data)) {
        const uint8_t *raw = byteq_front(rx);
        uint8_t message[DHCP_MSG_MAX];
        size_t len = datagram.len < sizeof(message) ? datagram.len : sizeof(message);
        bool is_dhcp = datagram.port == DHCP_SERVER_PORT;

        if (is_dhcp)
            memcpy(message, data, len);
        else
            hear_name(driver, &datagram, raw, data);
        byteq_drop(rx, (size_t)(data - raw) + datagram.len);
        if (is_dhcp) /* which may set the chip up anew, and all that has come with it */
            hear_dhcp(driver, datagram.ip, message, len);
    }
}

/* ---- life ------------------------------------------------------------------------------------- */

void driver_net_init(struct driver *driver)
{
    for (int i = 0; i < DRIVER_NAMES; i++)
        byteq_init(&driver->names[i].rx);
}

void driver_net_fini(struct driver *driver)
{
    if (driver->is_asking)
        dhcp_client_stop(&driver->dhcp);
    for (int i = 0; i < DRIVER_NAMES; i++)
        byteq_fini(&driver->names[i].rx);
}
