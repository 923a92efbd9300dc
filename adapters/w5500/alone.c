#include "adapters/w5500/alone.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/nets.h"
#include "adapters/w5500/nat.h"
#include "emu/board.h"
#include "emu/device.h"
#include "emu/exit_code.h"
#include "emu/fdio.h"
#include "emu/util.h"

#define LINE_MAX_LEN 1024
#define US_PER_MS    1000
#define TURN_US_MAX  UINT64_C(3600000000) /* a turn that has an end is not idle: device.h */
#define RUNNING      (-1)
#define MAC_LOCAL    0x02 /* of its first byte, IEEE 802 c */
#define MAC_GROUP    0x01

struct alone {
    struct alone_config config;
    struct loop_fd signals;
    struct timer limit;
    int code; /* RUNNING, or an enum exit_code */
};

/* ---- what ends it ----------------------------------------------------------------------------- */

static void on_signal(struct loop_fd *source, uint32_t events)
{
    struct alone *alone = container_of(source, struct alone, signals);
    struct signalfd_siginfo info;

    (void)events;
    while (read(source->fd, &info, sizeof(info)) == sizeof(info))
        alone->code = info.ssi_signo == SIGINT ? EXIT_CODE_INTERRUPTED : EXIT_CODE_TERMINATED;
}

static void on_limit(struct timer *timer)
{
    container_of(timer, struct alone, limit)->code = EXIT_CODE_TIMEOUT;
}

/* 0 or -errno. */
static int catch_signals(struct alone *alone)
{
    sigset_t set;
    int rc;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    alone->signals.ready = on_signal;
    alone->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (alone->signals.fd < 0)
        return -errno;
    rc = loop_add(&alone->config.device->loop, &alone->signals, EPOLLIN);
    if (rc < 0)
        close(alone->signals.fd);
    return rc;
}

/* ---- what it says ----------------------------------------------------------------------------- */

/* The chip has no MAC of its own: the board's, or a made-up one that --seed repeats. */
static void choose_mac(struct device *device, const struct board_slot *slot,
                       uint8_t mac[BOARD_MAC_LEN])
{
    static const uint8_t none[BOARD_MAC_LEN];
    uint64_t number = rng_next(&device->rng);

    memcpy(mac, slot->mac, BOARD_MAC_LEN);
    if (memcmp(mac, none, BOARD_MAC_LEN) != 0)
        return;
    for (int i = 0; i < BOARD_MAC_LEN; i++)
        mac[i] = (uint8_t)(number >> 8 * i);
    mac[0] = (uint8_t)((mac[0] & ~MAC_GROUP) | MAC_LOCAL);
}

static size_t add(char line[LINE_MAX_LEN], size_t len, const char *key, const char *value)
{
    if (*value)
        len += (size_t)snprintf(line + len, LINE_MAX_LEN - len, " %s=%s", key, value);
    return len < LINE_MAX_LEN ? len : LINE_MAX_LEN - 1;
}

static size_t add_ip(char line[LINE_MAX_LEN], size_t len, const char *key,
                     const struct endpoint *ip, unsigned bits)
{
    char text[ENDPOINT_TEXT_MAX], net[ENDPOINT_TEXT_MAX + 8];

    if (ip->family == IP_FAMILY_NONE)
        return len;
    (void)snprintf(net, sizeof(net), bits ? "%s/%u" : "%s", endpoint_ip_text(ip, text), bits);
    return add(line, len, key, net);
}

/* And where names are asked for, where it is known better than by @dns. */
static struct board_address address_of(const struct nets *nets, const struct board_slot *slot,
                                       struct endpoint *dns)
{
    struct board_address address = slot->address, leased;

    if (slot->binding == BINDING_LAB && address.ip.family == IP_FAMILY_NONE)
        board_lab_address(&address, ADAPTER_ETH0);
    if (slot->binding == BINDING_NAT) {
        nat_address(nets->nat, &leased, dns);
        if (address.ip.family == IP_FAMILY_NONE)
            address = leased;
    }
    if (slot->dns_count)
        *dns = slot->dns[0];
    return address;
}

/* False: it can't be written. */
static bool say_where(const struct alone *alone)
{
    const struct nets *nets = alone->config.nets;
    const struct board_slot *slot = &nets->board->slots[ADAPTER_ETH0];
    struct endpoint dns = alone->config.dns;
    const struct board_address address = address_of(nets, slot, &dns);
    const char *peer = *slot->peer ? slot->peer : nets->net_links[ADAPTER_ETH0].peer;
    char line[LINE_MAX_LEN] = "w5500", mac_text[3 * BOARD_MAC_LEN];
    uint8_t mac[BOARD_MAC_LEN];
    size_t len = strlen(line);

    choose_mac(alone->config.device, slot, mac);
    (void)snprintf(mac_text, sizeof(mac_text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                   mac[2], mac[3], mac[4], mac[5]);
    len = add(line, len, "spi", alone->config.path);
    len = add(line, len, "bind", binding_name(slot->binding));
    len = add(line, len, "dev", slot->ifname);
    len = add(line, len, "peer", slot->binding == BINDING_VETH ? peer : "");
    len = add_ip(line, len, "address", &address.ip, address.prefix_len);
    len = add_ip(line, len, "gateway", &address.gateway, 0);
    len = add_ip(line, len, "dns", &dns, 0);
    len = add(line, len, "mac", mac_text);
    trace_emit(&alone->config.device->trace, "spi.listen", "{s:s, s:s}", "path", alone->config.path,
               "mac", mac_text);
    line[len < LINE_MAX_LEN - 1 ? len : LINE_MAX_LEN - 2] = '\n';
    return alone->config.out_fd < 0 || fd_write_all(alone->config.out_fd, line, len + 1);
}

/* ---- a run ------------------------------------------------------------------------------------ */

static void turn(struct device *device)
{
    struct msg msg;

    (void)device_turn(device, device->clock.now_us + TURN_US_MAX);
    while (msgq_take(&device->msgs, &msg)) /* for a script, and there is none */
        ;
}

int alone_run(const struct alone_config *config)
{
    struct alone alone = { .config = *config, .code = RUNNING };
    struct device *device = config->device;
    int rc = catch_signals(&alone);

    if (rc < 0) {
        log_say(&device->log, "w5500: signals can't be waited for: %s", strerror(-rc));
        return EXIT_CODE_ENVIRONMENT;
    }
    timer_init(&alone.limit, on_limit);
    if (config->timeout_ms)
        timer_start(&device->timers, &alone.limit,
                    device->clock.now_us + config->timeout_ms * US_PER_MS);
    if (!say_where(&alone))
        alone.code = EXIT_CODE_LOG;
    while (alone.code == RUNNING)
        turn(device);
    trace_emit(&device->trace, "exit", "{s:i}", "code", alone.code);
    timer_stop(&device->timers, &alone.limit);
    loop_remove(&device->loop, &alone.signals);
    close(alone.signals.fd);
    return alone.code;
}
