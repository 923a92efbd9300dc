/* The W5500 of a board, on its adapter's link. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "adapters/keeper.h"
#include "adapters/netlink.h"
#include "adapters/nets_priv.h"
#include "adapters/w5500/bench.h"
#include "adapters/w5500/driver.h"
#include "adapters/w5500/nat.h"
#include "emu/device.h"
#include "emu/util.h"

struct nets_chip {
    struct nets *nets;
    enum adapter_id id;
    struct bench *bench;
    bool has_driver;       /* whose bench it is */
    struct netlink *watch; /* of the interface that its cable is; NULL: it is none */
};

static int open_there(void *ctx, int domain, int type, int protocol)
{
    const struct nets_chip *chip = ctx;

    return nets_socket(chip->nets, chip->id, domain, type, protocol);
}

/* The cable is in while what it leads to is there, and nobody has pulled it. */
void nets_chip_look(struct nets_chip *chip)
{
    const struct net_link *link = &chip->nets->net_links[chip->id];
    struct netlink_state state = { .has_carrier = true };
    struct adapter_info unused = { 0 };

    if (chip->watch)
        netlink_read(chip->watch, &state, &unused);
    bench_set_cable(chip->bench, state.has_carrier && !link->is_unplugged && !link->is_lost);
}

static void on_change(void *ctx)
{
    struct nets_chip *chip = ctx;

    nets_chip_look(chip);
    if (chip->nets->interface_changed)
        chip->nets->interface_changed(chip->nets->interface_changed_ctx, chip->id);
}

static struct bench_options options_of(const struct board_chip *board)
{
    struct bench_options options = { .timing = board->is_accurate ? W5500_TIMING_ACCURATE
                                                                  : W5500_TIMING_FAST,
                                     .scale_percent = board->scale_percent,
                                     .gap_ns = board->gap_ns };

    for (size_t i = 0; i < board->quirks_count; i++)
        (void)w5500_quirk_set(&options.quirks, board->quirks[i], true);
    return options;
}

static void on_nat_ended(void *ctx)
{
    struct nets_chip *chip = ctx;

    chip->nets->net_links[chip->id].is_lost = true;
    nets_chip_look(chip);
}

/* 0 or -errno. In virtual time nobody answers: what a run does must not depend on when they would. */
static int connect_nat(struct nets_chip *chip)
{
    struct net_link *link = &chip->nets->net_links[chip->id];
    int rc = nat_connect(chip->nets->nat, &(struct nat_watch){ .id = chip->id,
                                                               .device = chip->nets->device,
                                                               .bench = chip->bench,
                                                               .ended = on_nat_ended,
                                                               .ctx = chip });

    link->is_lost = chip->nets->device->clock.mode == VCLOCK_MODE_VIRTUAL;
    if (rc == 0)
        nets_chip_look(chip);
    return rc;
}

/* 0 or -errno. */
static int connect_cable(struct nets_chip *chip)
{
    struct netlink_config watch = { .loop = &chip->nets->device->loop,
                                    .open = open_there,
                                    .open_ctx = chip,
                                    .changed = on_change,
                                    .changed_ctx = chip };
    struct nets_end end;
    int rc = end.fd = open_there(chip, AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (rc < 0)
        return rc;
    (void)snprintf(end.ifname, sizeof(end.ifname), "%s", nets_ifname(chip->nets, chip->id));
    memcpy(watch.ifname, end.ifname, sizeof(watch.ifname));
    rc = bench_connect(chip->bench, &end);
    if (rc == 0)
        rc = netlink_open(&chip->watch, &watch);
    if (rc == 0)
        nets_chip_look(chip);
    return rc;
}

/* What the lab has for the adapter where it does not ask for anything else. */
static struct endpoint wish_of(const struct nets *nets, enum adapter_id id)
{
    struct board_address address = { 0 };

    if (nets->board->slots[id].binding == BINDING_LAB &&
        nets->board->slots[id].addressing == ADDRESSING_GIVEN)
        board_lab_address(&address, id);
    return address.ip;
}

/* The lab knows names that this machine does not; on loopback it can be asked through nat, too. */
static bool is_asking_lab(const struct nets *nets, const struct adapter_info *info)
{
    return nets->nat && nets->device->clock.mode == VCLOCK_MODE_REAL && !nets->follows_host_dns &&
           !nets_lab(nets) && info->dns_count;
}

/* The module's own driver, as an adapter. */
static void add_driver(struct nets_chip *chip, const struct adapter_info *info)
{
    struct nets *nets = chip->nets;
    struct device *device = nets->device;
    struct net_link *link = &nets->net_links[chip->id];

    struct driver_config config = { .bench = chip->bench,
                                    .timers = &device->timers,
                                    .clock = &device->clock,
                                    .rng = &device->rng,
                                    .log = &device->log,
                                    .trace = &device->trace,
                                    .msgs = &device->msgs,
                                    .wish = wish_of(nets, chip->id),
                                    .dns_count = info->dns_count,
                                    .has_final_dns = is_asking_lab(nets, info),
                                    .slot = &nets->board->slots[chip->id],
                                    .wiring = &nets->board->chip };

    memcpy(config.dns, info->dns, sizeof(config.dns));
    link->adapter = driver_new(&config);
    chip->has_driver = true;
    net_register(&device->net, link->adapter, chip->id);
    device->ethchip = driver_ethchip(link->adapter);
    driver_boot(link->adapter);
}

int nets_chip_plug(struct nets *nets, enum adapter_id id, const struct adapter_info *info)
{
    struct device *device = nets->device;
    struct nets_chip *chip = xcalloc(1, sizeof(*chip));
    int rc;

    chip->nets = nets;
    chip->id = id;
    chip->bench = bench_new(&(struct bench_config){ .loop = &device->loop,
                                                    .timers = &device->timers,
                                                    .clock = &device->clock,
                                                    .rng = &device->rng,
                                                    .log = &device->log,
                                                    .options = options_of(&nets->board->chip) });
    nets->net_links[id].chip = chip;
    nets->chip = chip;
    rc = nets->nat ? connect_nat(chip) : connect_cable(chip);
    if (rc == 0 && !nets->has_outside_driver)
        add_driver(chip, info);
    return rc;
}

void nets_chip_unplug(struct nets_chip *chip)
{
    if (chip->watch)
        netlink_close(chip->watch);
    if (chip->nets->nat)
        nat_unwatch(chip->nets->nat);
    if (!chip->has_driver)
        bench_free(chip->bench);
    free(chip);
}

struct bench *nets_bench(const struct nets *nets)
{
    return nets->chip ? nets->chip->bench : NULL;
}
