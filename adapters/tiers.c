#include "adapters/tiers.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/keeper.h"
#include "adapters/reexec.h"
#include "emu/board.h"
#include "emu/device.h"

static_assert(NETS_WHY_MAX == TIER_WHY_MAX, "a reason of the one is a reason of the other");

#define LAB_LOOPBACK 0x7f010001 /* 127.1.0.1, the first address that a lab may have there */
#define SEE_DOCTOR   "; luatos-emu doctor tells what would help"

/* ---- trying ------------------------------------------------------------------------------------- */

static int try_to_make(bool in_userns, char why[TIER_WHY_MAX])
{
    struct keeper_network network = { .in_userns = in_userns, .prefix_len = BOARD_LAB_BITS };
    struct keeper_link link = { .end = KEEPER_END_LAB, .ifname = "probe" };
    struct keeper *keeper;
    struct keeper_made made;
    int place, rc;

    board_lab_ip(&network.bridge, BOARD_LAB_HOST);
    board_lab_address(&link.address, ADAPTER_GP);
    rc = keeper_make(&keeper, &network, why);
    if (rc < 0)
        return rc;
    place = keeper_add_link(keeper, &link, &made);
    if (place < 0)
        (void)snprintf(why, TIER_WHY_MAX, "a veth pair: %s", made.why);
    keeper_stop(keeper);
    return place < 0 ? place : 0;
}

/* Where the lab would be: 127.0.0.0/8 is the host's as a whole, ip(7). */
static int try_loopback(char why[TIER_WHY_MAX])
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(LAB_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;

    if (rc < 0)
        (void)snprintf(why, TIER_WHY_MAX, "a socket on loopback: %s", strerror(-rc));
    if (fd >= 0)
        close(fd);
    return rc;
}

int tiers_try(enum tier tier, const char **by, char why[TIER_WHY_MAX])
{
    struct reexec reexec;
    int rc = -EINVAL;

    *by = NULL;
    switch (tier) {
    case TIER_ROOT:
    case TIER_USERNS:
        return try_to_make(tier == TIER_USERNS, why);
    case TIER_REEXEC:
        rc = reexec_find(&reexec, why);
        *by = rc == 0 ? reexec.name : NULL;
        return rc;
    case TIER_HOST:
        return try_loopback(why);
    case TIER_GIVEN:
    case TIER_COUNT:
        break;
    }
    return rc;
}

int tiers_probe(char why[TIER_WHY_MAX])
{
    int rc = try_to_make(false, why);

    return rc < 0 ? try_to_make(true, why) : rc;
}

/* ---- a run's ------------------------------------------------------------------------------------- */

/* By the helper's rights, or begin anew by one. */
static int open_reexec(struct nets *nets, const struct tiers_config *config,
                       struct tier_choice *choice, char why[NETS_WHY_MAX])
{
    struct reexec reexec;
    int rc;

    choice->helper = config->helper;
    if (config->helper) {
        rc = nets_open(nets, config->board, false, why);
        return rc < 0 && nets->is_own_refused ? nets_open(nets, config->board, true, why) : rc;
    }
    nets->is_own_refused = true;
    rc = reexec_find(&reexec, why);
    if (rc < 0)
        return rc;
    rc = reexec_go(&reexec, config->argv);
    (void)snprintf(why, NETS_WHY_MAX, "%s: %s", reexec.name, strerror(-rc));
    return rc;
}

static int open_tier(struct nets *nets, const struct tiers_config *config,
                     struct tier_choice *choice, char why[NETS_WHY_MAX])
{
    board_use(config->board,
              tier_plan_makes(&config->plan, choice->tier) ? BINDING_LAB : BINDING_HOST);
    switch (choice->tier) {
    case TIER_ROOT:
    case TIER_USERNS:
        return nets_open(nets, config->board, choice->tier == TIER_USERNS, why);
    case TIER_REEXEC:
        return open_reexec(nets, config, choice, why);
    case TIER_GIVEN:
        if (!config->plan.has_given) {
            nets->is_own_refused = true;
            (void)snprintf(why, NETS_WHY_MAX,
                           "nothing is given: --bind ADAPTER=netns:NAME gives a namespace");
            return -ENOENT;
        }
        return nets_open(nets, config->board, false, why);
    case TIER_HOST:
        return nets_open(nets, config->board, false, why);
    case TIER_COUNT:
        break;
    }
    return -EINVAL;
}

/* What was asked for, and why it can't be had. */
static void tell_why_not(const struct tiers_config *config, const struct tier_choice *choice,
                         char why[TIERS_WHY_MAX])
{
    const struct tier_plan *plan = &config->plan;
    char missed[TIER_TEXT_MAX];
    const char *option = plan->makes_links ? "--bind" : "--lab";

    switch (plan->wish) {
    case TIER_WISH_OWN:
        option = "--net own";
        break;
    case TIER_WISH_ONE:
        (void)snprintf(why, TIERS_WHY_MAX, "--net: no %s %s here: %s%s", tier_number(plan->wanted),
                       tier_name(plan->wanted), choice->missed[plan->wanted],
                       plan->wanted == TIER_GIVEN ? "" : SEE_DOCTOR);
        return;
    case TIER_WISH_AUTO:
        break;
    }
    (void)snprintf(why, TIERS_WHY_MAX, "%s: no network can be made here: %s" SEE_DOCTOR, option,
                   tier_missed_text(choice, missed));
}

int tiers_open(struct nets *nets, const struct tiers_config *config, struct tier_choice *choice,
               char why[TIERS_WHY_MAX])
{
    int rc = -ENOENT;

    *nets = (struct nets){ 0 };
    *choice = (struct tier_choice){ .tier = TIER_COUNT };
    if (config->helper && config->plan.wish != TIER_WISH_ONE)
        choice->tier = TIER_USERNS; /* these were tried before the helper was */
    while ((choice->tier = tier_plan_next(&config->plan, choice->tier)) != TIER_COUNT) {
        rc = open_tier(nets, config, choice, choice->missed[choice->tier]);
        if (rc == 0)
            return 0;
        if (!nets->is_own_refused) { /* no other tier would help */
            (void)snprintf(why, TIERS_WHY_MAX, "%s", choice->missed[choice->tier]);
            return rc;
        }
    }
    tell_why_not(config, choice, why);
    return rc;
}

void tiers_tell(const struct tier_choice *choice, const struct tier_plan *plan,
                struct device *device)
{
    bool is_asked_for = plan->wants_lab || plan->makes_links || plan->wish != TIER_WISH_AUTO;
    char missed[TIER_TEXT_MAX];
    const char *reason = tier_missed_text(choice, missed);

    if (plan->wish == TIER_WISH_ONE) {
        reason = "--net asks for it";
    } else if (!is_asked_for) {
        reason = "no network of its own is asked for";
    } else if (!*reason) {
        reason = "the best there is";
    }
    trace_emit(&device->trace, "net.tier", "{s:s, s:s, s:s?, s:s}", "tier",
               tier_number(choice->tier), "name", tier_name(choice->tier), "helper", choice->helper,
               "reason", reason);
    if (is_asked_for) {
        log_say(&device->log, "net: %s %s%s%s, %s%s", tier_number(choice->tier),
                tier_name(choice->tier), choice->helper ? " by " : "",
                choice->helper ? choice->helper : "", reason,
                choice->tier == TIER_HOST && *missed ? SEE_DOCTOR : "");
    }
}
