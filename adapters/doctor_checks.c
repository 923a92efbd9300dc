/* What the doctor looks at, one function a line of its table. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/doctor_priv.h"
#include "adapters/keeper.h"
#include "adapters/sandbox.h"
#include "adapters/tiers.h"
#include "adapters/uplink.h"
#include "adapters/w5500/nat.h"
#include "emu/board.h"
#include "emu/util.h"

#define NAMED_FOLDER  "/run/netns" /* ip-netns(8) */
#define PROFILE       "/etc/apparmor.d/luatos-emu"
#define SETTING_MAX   64
#define LOW_PORTS_END 1024
#define LANDLOCK_GOOD 3 /* the version that also refuses truncate(2), landlock(7) */

void finding_set(struct finding *finding, bool is_good, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(finding->why, sizeof(finding->why), format, args);
    va_end(args);
    finding->is_good = is_good;
}

void finding_add_fix(struct finding *finding, const char *format, ...)
{
    va_list args;
    int i = 0;

    while (i < FINDING_FIXES - 1 && *finding->fixes[i])
        i++;
    va_start(args, format);
    (void)vsnprintf(finding->fixes[i], FINDING_FIX_MAX, format, args);
    va_end(args);
}

/* ---- what advice depends on ------------------------------------------------------------------------ */

/* A number of /proc/sys, by its path there; -1: there is no such setting. */
static long setting(const char *path)
{
    char whole[PATH_MAX], text[SETTING_MAX];
    FILE *file;
    long value = -1;

    (void)snprintf(whole, sizeof(whole), "/proc/sys/%s", path);
    file = fopen(whole, "re");
    if (file && fgets(text, sizeof(text), file))
        value = strtol(text, NULL, 10);
    if (file)
        (void)fclose(file);
    return value;
}

/* Container runtimes filter system calls, and leave such a file. */
static bool is_contained(void)
{
    char line[SETTING_MAX];
    bool is_filtered = false;
    FILE *file;

    if (access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0)
        return true;
    file = fopen("/proc/self/status", "re");
    while (file && !is_filtered && fgets(line, sizeof(line), file))
        is_filtered = strncmp(line, "Seccomp:\t2", strlen("Seccomp:\t2")) == 0;
    if (file)
        (void)fclose(file);
    return is_filtered;
}

/* Where @program is by PATH; "": nowhere. */
static const char *find_program(const char *program, char path[PATH_MAX])
{
    const char *at = getenv("PATH");

    while (at && *at) {
        size_t len = strcspn(at, ":");

        if (snprintf(path, PATH_MAX, "%.*s/%s", (int)len, at, program) < PATH_MAX &&
            access(path, X_OK) == 0)
            return path;
        at += len;
        at += *at == ':';
    }
    *path = '\0';
    return path;
}

/* ---- tiers -------------------------------------------------------------------------------------------- */

static void advise_on_userns(struct finding *finding)
{
    if (setting("kernel/apparmor_restrict_unprivileged_userns") == 1) {
        if (access(PROFILE, F_OK) == 0)
            finding_add_fix(finding, "sudo apparmor_parser -r -W " PROFILE);
        finding_add_fix(finding, "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    }
    if (setting("kernel/unprivileged_userns_clone") == 0)
        finding_add_fix(finding, "sudo sysctl -w kernel.unprivileged_userns_clone=1");
    if (setting("user/max_user_namespaces") == 0)
        finding_add_fix(finding, "sudo sysctl -w user.max_user_namespaces=10000");
    if (is_contained()) {
        finding_add_fix(finding,
                        "docker run --cap-add=NET_ADMIN --cap-add=SYS_ADMIN --security-opt "
                        "apparmor=unconfined --security-opt seccomp=unconfined ...");
    }
}

static void check_made(enum tier tier, struct finding *finding)
{
    char why[TIER_WHY_MAX], self[PATH_MAX];
    const char *by;
    ssize_t len;

    if (tiers_try(tier, &by, why) == 0) {
        finding_set(finding, true, by ? "by %s" : "a network was made", by);
        return;
    }
    finding_set(finding, false, "%s", why);
    len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[len < 0 ? 0 : len] = '\0';
    if (tier == TIER_ROOT && !is_contained() && geteuid() != 0)
        finding_add_fix(finding, "sudo %.200s --lab main.lua", len < 0 ? "luatos-emu" : self);
    if (tier == TIER_USERNS)
        advise_on_userns(finding);
    if (tier == TIER_REEXEC && geteuid() != 0 && !is_contained())
        finding_add_fix(finding, "sudo apt-get install -y podman");
}

static bool can_enter(const char *name)
{
    struct keeper *keeper;
    char why[KEEPER_WHY_MAX];

    if (keeper_enter(&keeper, name, why) < 0)
        return false;
    keeper_stop(keeper);
    return true;
}

static void check_given(struct finding *finding)
{
    DIR *dir = opendir(NAMED_FOLDER);
    const struct dirent *entry;
    int there = 0, open = 0;

    while (dir && (entry = readdir(dir))) {
        if (*entry->d_name == '.')
            continue;
        there++;
        open += can_enter(entry->d_name);
    }
    if (dir)
        (void)closedir(dir);
    if (there) {
        finding_set(finding, open > 0, "of %d namespaces in " NAMED_FOLDER " %d can be entered",
                    there, open);
    } else {
        finding_set(finding, false,
                    "no namespace is in " NAMED_FOLDER ", where ip netns makes them; "
                    "one of your own is named by its path");
    }
}

void doctor_check_tier(enum tier tier, struct finding *finding)
{
    char why[TIER_WHY_MAX];
    const char *by;

    (void)snprintf(finding->name, sizeof(finding->name), "%s %s", tier_number(tier),
                   tier_name(tier));
    switch (tier) {
    case TIER_ROOT:
    case TIER_USERNS:
    case TIER_REEXEC:
        check_made(tier, finding);
        break;
    case TIER_GIVEN:
        check_given(finding);
        break;
    case TIER_HOST:
        if (tiers_try(tier, &by, why) == 0) {
            finding_set(finding, true, "this machine's network, and the lab on loopback");
        } else {
            finding_set(finding, false, "%s", why);
        }
        break;
    case TIER_COUNT:
        break;
    }
}

/* ---- and what else there is ------------------------------------------------------------------------ */

static void check_userns(struct finding *finding)
{
    long max = setting("user/max_user_namespaces");

    if (max < 0) {
        finding_set(finding, false, "this kernel has no user namespaces");
    } else {
        finding_set(finding, max > 0, "up to %ld of them (sysctl user.max_user_namespaces)", max);
    }
}

static void check_apparmor(struct finding *finding)
{
    if (setting("kernel/apparmor_restrict_unprivileged_userns") != 1) {
        finding_set(finding, true, "AppArmor restricts no user namespaces here");
        return;
    }
    finding_set(finding, access(PROFILE, F_OK) == 0,
                "AppArmor gives rights in user namespaces only to programs that a profile names "
                "(Ubuntu 24.04); " PROFILE " %s",
                access(PROFILE, F_OK) == 0 ? "is one for /usr/bin/luatos-emu" : "is not installed");
    if (!finding->is_good) {
        finding_add_fix(finding, "sudo cmake --install build/release --prefix /usr");
        finding_add_fix(finding, "sudo apparmor_parser -r -W " PROFILE);
    }
}

static void check_tun(struct finding *finding)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    if (fd >= 0) {
        finding_set(
            finding, true,
            "/dev/net/tun can be opened: --bind ADAPTER=tap:NAME, pasta and slirp4netns take it");
        close(fd);
        return;
    }
    finding_set(finding, false,
                "/dev/net/tun: %s: no --bind ADAPTER=tap:NAME, pasta or slirp4netns",
                strerror(errno));
    if (errno == EACCES || errno == EPERM) {
        finding_add_fix(finding, "sudo chmod 0666 /dev/net/tun");
    } else {
        finding_add_fix(finding, "sudo modprobe tun");
    }
}

/* Between two places of a network of one's own. */
static int try_forwarding(bool in_userns, char why[KEEPER_WHY_MAX])
{
    const struct keeper_network network = { .in_userns = in_userns };
    struct keeper_link links[] = { { .end = KEEPER_END_LAB, .ifname = "a" },
                                   { .end = KEEPER_END_LAB, .ifname = "b" } };
    struct keeper_network with_bridge = network;
    struct keeper_made made;
    struct keeper *keeper;
    int places[ARRAY_LEN(links)], rc;

    board_lab_ip(&with_bridge.bridge, BOARD_LAB_HOST);
    with_bridge.prefix_len = BOARD_LAB_BITS;
    rc = keeper_make(&keeper, &with_bridge, why);
    if (rc < 0)
        return rc;
    for (int i = 0; i < ARRAY_LEN(links) && rc >= 0; i++) {
        board_lab_address(&links[i].address, i ? ADAPTER_ETH : ADAPTER_GP);
        rc = places[i] = keeper_add_link(keeper, &links[i], &made);
    }
    if (rc < 0) {
        (void)snprintf(why, KEEPER_WHY_MAX, "%s", made.why);
    } else {
        rc = keeper_forward(keeper, places[0], places[1], why);
    }
    keeper_stop(keeper);
    return rc;
}

static void check_nftables(struct finding *finding)
{
    char why[KEEPER_WHY_MAX];
    int rc = try_forwarding(false, why);

    if (rc < 0)
        rc = try_forwarding(true, why);
    if (rc < 0) {
        finding_set(finding, false, "no forwarding between adapters: %s", why);
    } else {
        finding_set(finding, true, "what comes by one adapter was forwarded by another");
    }
    if (rc == -ENOSYS)
        finding_add_fix(finding, "sudo apt-get install -y libnftables1");
}

static void check_program(struct finding *finding, const char *program)
{
    char path[PATH_MAX];

    if (*find_program(program, path)) {
        finding_set(finding, true, "%.200s: --net=T3", path);
    } else {
        finding_set(finding, false, "is not installed: --net=T3");
    }
}

/* Out of a network of one's own, by whichever tier makes one. */
static int try_uplink(enum uplink_kind kind, char why[UPLINK_WHY_MAX])
{
    struct keeper_network network = { .prefix_len = BOARD_LAB_BITS };
    struct uplink uplink;
    struct keeper *keeper;
    int rc;

    board_lab_ip(&network.bridge, BOARD_LAB_HOST);
    rc = keeper_make(&keeper, &network, why);
    network.in_userns = true;
    if (rc < 0)
        rc = keeper_make(&keeper, &network, why);
    if (rc < 0)
        return rc;
    rc = uplink_open(&uplink, keeper, kind, why);
    uplink_close(&uplink);
    keeper_stop(keeper);
    return rc;
}

static void check_uplink(struct finding *finding, enum uplink_kind kind, const char *package)
{
    char why[UPLINK_WHY_MAX];
    int rc = try_uplink(kind, why);

    if (rc == 0) {
        finding_set(finding, true, "--uplink=%s: it led out of a network", uplink_name(kind));
    } else {
        finding_set(finding, false, "%.300s", why);
    }
    if (rc == -ENOENT || rc == -ENOSYS)
        finding_add_fix(finding, "sudo apt-get install -y %s", package);
}

static void check_pasta(struct finding *finding)
{
    check_uplink(finding, UPLINK_PASTA, "passt");
}

static void check_slirp4netns(struct finding *finding)
{
    check_uplink(finding, UPLINK_SLIRP4NETNS, "slirp4netns");
}

static void check_relay(struct finding *finding)
{
    check_uplink(finding, UPLINK_RELAY, "libslirp0 libnftables1");
}

static void check_nat(struct finding *finding)
{
    char why[NAT_WHY_MAX];
    struct nat *nat;
    int rc = nat_open(&nat, why);

    if (rc == 0) {
        finding_set(finding, true, "--bind ETH0=nat: a W5500 without a link of its own");
        nat_close(nat);
    } else {
        finding_set(finding, false, "%s", why);
    }
    if (rc == -ENOSYS)
        finding_add_fix(finding, "sudo apt-get install -y libslirp0");
}

static void check_podman(struct finding *finding)
{
    check_program(finding, "podman");
}

static void check_rootlesskit(struct finding *finding)
{
    check_program(finding, "rootlesskit");
}

static void check_landlock(struct finding *finding)
{
    int version = sandbox_version();

    if (version) {
        finding_set(finding, true, "version %d%s: --sandbox", version,
                    version < LANDLOCK_GOOD ? ", which lets files be truncated" : "");
    } else {
        finding_set(finding, false,
                    "this kernel has none: no --sandbox (Linux 5.13, with landlock "
                    "among the lsm= of its command line)");
    }
}

static void check_ports(struct finding *finding)
{
    long first = setting("net/ipv4/ip_unprivileged_port_start");

    if (first < 0)
        first = LOW_PORTS_END;
    finding_set(
        finding, first == 0 || geteuid() == 0,
        "on this machine's network scripts can listen on ports from %ld; on one of their own "
        "from 1",
        geteuid() == 0 ? 1 : first);
    if (!finding->is_good)
        finding_add_fix(finding, "sudo sysctl -w net.ipv4.ip_unprivileged_port_start=0");
}

static void check_ping(struct finding *finding)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);

    if (fd >= 0) {
        finding_set(finding, true, "scripts can send echo requests on this machine's network");
        close(fd);
        return;
    }
    finding_set(finding, false, "no echo requests on this machine's network: %s", strerror(errno));
    finding_add_fix(finding, "sudo sysctl -w 'net.ipv4.ping_group_range=0 2147483647'");
}

static const struct {
    const char *name;
    void (*check)(struct finding *finding);
} checks[] = {
    { "userns", check_userns },     { "apparmor", check_apparmor },
    { "tun", check_tun },           { "nftables", check_nftables },
    { "pasta", check_pasta },       { "slirp4netns", check_slirp4netns },
    { "relay", check_relay },       { "nat", check_nat },
    { "podman", check_podman },     { "rootlesskit", check_rootlesskit },
    { "landlock", check_landlock }, { "ports", check_ports },
    { "ping", check_ping },
};

bool doctor_check(size_t index, struct finding *finding)
{
    if (index >= ARRAY_LEN(checks))
        return false;
    (void)snprintf(finding->name, sizeof(finding->name), "%s", checks[index].name);
    checks[index].check(finding);
    return true;
}
