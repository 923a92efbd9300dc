#include "adapters/uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/keeper.h"
#include "adapters/uplink_priv.h"
#include "emu/device.h"
#include "emu/dns_msg.h"
#include "emu/fdio.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define PATIENCE_US 5000000 /* with a program that does not make its interface */
#define LOOK_MS     2
#define PATH_CAP    64
#define ID_MAP_CAP  128
#define SAID_CAP    512

/* ---- a program --------------------------------------------------------------------------------- */

/* Root of the machine, and not of a user namespace, where ids are mapped (user_namespaces(7)). */
static bool is_true_root(void)
{
    char map[ID_MAP_CAP] = "";
    int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, map, sizeof(map) - 1);
    const char *count = map + (len > 0 ? len : 0);

    if (fd >= 0)
        close(fd);
    while (count > map && (count[-1] < '0' || count[-1] > '9'))
        count--;
    while (count > map && count[-1] >= '0' && count[-1] <= '9')
        count--; /* the last number: how many are mapped, all of them or a few */
    return geteuid() == 0 && (len <= 0 || strtoul(count, NULL, 10) == UINT32_MAX);
}

/* The last line of what it says before its end; the others are about its start. */
static void read_last_words(const struct child_process *child, char said[SAID_CAP])
{
    size_t len = 0;
    char *line;
    ssize_t n;

    while (len + 1 < SAID_CAP && fd_wait_readable(child->fd, 0) &&
           (n = read(child->fd, said + len, SAID_CAP - 1 - len)) > 0)
        len += (size_t)n;
    said[len] = '\0';
    while (len && said[len - 1] == '\n')
        said[--len] = '\0';
    line = strrchr(said, '\n');
    if (line)
        memmove(said, line + 1, strlen(line));
}

/* The interface comes when the program has come that far; then it is given what it takes. */
static int await(struct uplink *uplink, struct keeper *keeper, char why[UPLINK_WHY_MAX])
{
    char reason[KEEPER_WHY_MAX], said[SAID_CAP];
    struct vclock clock;
    uint64_t until_us;
    int rc;

    vclock_init(&clock, VCLOCK_MODE_REAL);
    until_us = clock.now_us + PATIENCE_US;
    while ((rc = keeper_set_uplink(keeper, false, reason)) == -ENODEV) {
        vclock_refresh(&clock);
        if (child_has_ended(&uplink->child, LOOK_MS)) {
            read_last_words(&uplink->child, said);
            (void)snprintf(why, UPLINK_WHY_MAX, "%.*s", SAID_CAP, *said ? said : "it has ended");
            return -EIO;
        }
        if (clock.now_us > until_us) {
            (void)snprintf(why, UPLINK_WHY_MAX, "it made no interface");
            return -ETIMEDOUT;
        }
    }
    if (rc < 0)
        (void)snprintf(why, UPLINK_WHY_MAX, "%s", reason);
    return rc;
}

static int open_program(struct uplink *uplink, struct keeper *keeper, const char *const argv[],
                        char why[UPLINK_WHY_MAX])
{
    char reason[KEEPER_WHY_MAX];
    int rc = keeper_set_uplink(keeper, false, reason); /* is where its namespace is to be found */

    if (access("/dev/net/tun", R_OK | W_OK) < 0) {
        rc = -errno;
        (void)snprintf(why, UPLINK_WHY_MAX, "/dev/net/tun: %s", strerror(-rc));
        return rc;
    }
    if (rc != -ENODEV) {
        (void)snprintf(why, UPLINK_WHY_MAX, "%s", rc < 0 ? reason : "there is one already");
        return rc < 0 ? rc : -EEXIST;
    }
    rc = child_start(argv, &uplink->child);
    if (rc < 0) {
        (void)snprintf(why, UPLINK_WHY_MAX, "%s",
                       rc == -ENOENT ? "it is not installed" : strerror(-rc));
        return rc;
    }
    rc = await(uplink, keeper, why);
    if (rc < 0)
        child_end(&uplink->child);
    return rc;
}

static void name_namespaces(const struct keeper *keeper, char netns[PATH_CAP],
                            char userns[PATH_CAP])
{
    (void)snprintf(netns, PATH_CAP, "/proc/%d/ns/net", (int)keeper_pid(keeper));
    (void)snprintf(userns, PATH_CAP, "/proc/%d/ns/user", (int)keeper_pid(keeper));
}

static int open_pasta(struct uplink *uplink, struct keeper *keeper, char why[UPLINK_WHY_MAX])
{
    char netns[PATH_CAP], userns[PATH_CAP];
    const char *argv[] = { "pasta",         "--foreground", "--quiet",     "--ipv4-only",
                           "--ns-ifname",   UPLINK_IFNAME,  "--address",   UPLINK_ADDRESS,
                           "--netmask",     UPLINK_NETMASK, "--gateway",   UPLINK_GATEWAY,
                           "--dns-forward", UPLINK_DNS,     "--no-map-gw", "--tcp-ports",
                           "none",          "--udp-ports",  "none",        "--tcp-ns",
                           "none",          "--udp-ns",     "none",        "--netns",
                           netns,           "--netns-only", NULL,          NULL };
    size_t last = sizeof(argv) / sizeof(argv[0]) - 3;

    if (is_true_root()) {
        (void)snprintf(why, UPLINK_WHY_MAX, "it is not for root");
        return -EPERM;
    }
    name_namespaces(keeper, netns, userns);
    if (keeper_is_in_userns(keeper)) {
        argv[last] = "--userns";
        argv[last + 1] = userns;
    }
    return open_program(uplink, keeper, argv, why);
}

static int open_slirp4netns(struct uplink *uplink, struct keeper *keeper, char why[UPLINK_WHY_MAX])
{
    char netns[PATH_CAP], userns[PATH_CAP], userns_option[2 * PATH_CAP];
    const char *argv[] = { "slirp4netns",
                           "--exit-fd=0",
                           "--mtu=1500",
                           "--disable-host-loopback",
                           "--netns-type=path",
                           userns_option,
                           netns,
                           UPLINK_IFNAME,
                           NULL };

    name_namespaces(keeper, netns, userns);
    (void)snprintf(userns_option, sizeof(userns_option), "--userns-path=%s", userns);
    if (!keeper_is_in_userns(keeper))
        memmove(&argv[5], &argv[6], 3 * sizeof(argv[0]));
    return open_program(uplink, keeper, argv, why);
}

static int open_relay(struct uplink *uplink, struct keeper *keeper, char why[UPLINK_WHY_MAX])
{
    char reason[KEEPER_WHY_MAX];
    int rc = uplink_relay_find(why);

    if (rc == 0) {
        rc = keeper_set_uplink(keeper, true, reason);
        if (rc < 0)
            (void)snprintf(why, UPLINK_WHY_MAX, "%s", reason);
    }
    return rc < 0 ? rc : uplink_relay_start(&uplink->child, keeper, why);
}

/* ---- one of them -------------------------------------------------------------------------------- */

static int open_kind(struct uplink *uplink, struct keeper *keeper, char why[UPLINK_WHY_MAX])
{
    switch (uplink->kind) {
    case UPLINK_PASTA:
        return open_pasta(uplink, keeper, why);
    case UPLINK_SLIRP4NETNS:
        return open_slirp4netns(uplink, keeper, why);
    case UPLINK_RELAY:
        return open_relay(uplink, keeper, why);
    case UPLINK_HOST:
    case UPLINK_OFF:
    case UPLINK_AUTO:
    case UPLINK_COUNT:
        break;
    }
    return 0;
}

static void note_missed(struct uplink *uplink, const char *why)
{
    size_t len = strlen(uplink->missed);

    (void)snprintf(uplink->missed + len, sizeof(uplink->missed) - len, "%snot %s: %s",
                   len ? "; " : "", uplink_name(uplink->kind), why);
}

int uplink_open(struct uplink *uplink, struct keeper *keeper, enum uplink_kind wish,
                char why[UPLINK_WHY_MAX])
{
    char reason[UPLINK_WHY_MAX];
    int rc = 0;

    *uplink =
        (struct uplink){ .kind = wish, .is_demanded = wish != UPLINK_AUTO, .child = CHILD_NONE };
    if (wish == UPLINK_OFF)
        return 0;
    if (!keeper) {
        uplink->kind = UPLINK_HOST;
        return 0;
    }
    if (wish != UPLINK_AUTO) {
        rc = open_kind(uplink, keeper, reason);
        if (rc < 0)
            (void)snprintf(why, UPLINK_WHY_MAX, "--uplink %s: %.700s", uplink_name(wish), reason);
        return rc;
    }
    for (int kind = UPLINK_PASTA; kind <= (int)UPLINK_RELAY; kind++) {
        uplink->kind = (enum uplink_kind)kind;
        rc = open_kind(uplink, keeper, reason);
        if (rc == 0)
            return 0;
        note_missed(uplink, reason);
    }
    (void)snprintf(why, UPLINK_WHY_MAX, "--uplink: there is none: %.700s", uplink->missed);
    return rc;
}

void uplink_close(struct uplink *uplink)
{
    child_end(&uplink->child);
    uplink->kind = UPLINK_OFF;
}

void uplink_dns(struct endpoint *dns)
{
    endpoint_set_v4(dns, 10, 0, 2, 3); /* UPLINK_DNS */
    dns->port = DNS_PORT;
}

void uplink_tell(const struct uplink *uplink, struct device *device)
{
    const char *reason = uplink->kind == UPLINK_HOST ? "adapters are on this machine's network"
                         : uplink->is_demanded       ? "--uplink asks for it"
                         : *uplink->missed           ? uplink->missed
                                                     : "the best there is";

    if (uplink->kind == UPLINK_OFF)
        return;
    trace_emit(&device->trace, "net.uplink", "{s:s, s:s}", "name", uplink_name(uplink->kind),
               "reason", reason);
    log_say(&device->log, "uplink: %s, %s", uplink_name(uplink->kind), reason);
}

/* ---- its end --------------------------------------------------------------------------------------- */

static void on_news(struct loop_fd *source, uint32_t events)
{
    struct uplink *uplink = container_of(source, struct uplink, source);
    struct device *device = uplink->device;

    if (!(events & EPOLLHUP))
        return; /* what it says is nobody's business */
    uplink_unwatch(uplink);
    trace_emit(&device->trace, "net.uplink", "{s:s, s:s}", "name", uplink_name(UPLINK_OFF),
               "reason", "it has ended");
    log_say(&device->log, "uplink: %s has ended: nothing outside is reached any more",
            uplink_name(uplink->kind));
}

int uplink_watch(struct uplink *uplink, struct device *device)
{
    int rc;

    if (uplink->child.fd < 0)
        return 0;
    uplink->source = (struct loop_fd){ .fd = uplink->child.fd, .ready = on_news };
    rc = loop_add(&device->loop, &uplink->source, EPOLLIN);
    uplink->device = rc == 0 ? device : NULL;
    return rc;
}

void uplink_unwatch(struct uplink *uplink)
{
    if (uplink->device)
        loop_remove(&uplink->device->loop, &uplink->source);
    uplink->device = NULL;
}
