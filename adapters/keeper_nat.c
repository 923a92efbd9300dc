/*
 * The keeper's child: network address translation (RFC 3022) between two of its places.
 *
 * A cable, a veth pair, leads from the one to the other. What comes in by the first place's link and
 * is not for itself goes over it, under the first one's address on the cable, and leaves the second
 * by its link, under its address there. So neither place needs to know the other's networks, which
 * may be the same. Translation is netfilter's, told by libnftables, which is loaded when it is first
 * asked for.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapters/keeper_priv.h"
#include "adapters/netlink_make.h"

#define LIBRARY     "libnftables.so.1"
#define TABLE       77 /* of routes: where what comes in by the link goes */
#define CABLE       "nat"
#define CABLE_BITS  30 /* 100.64.N.0/30, RFC 6598: nobody else's */
#define COMMAND_MAX 512
#define PATH_CAP    64
#define NO_NAT      "this kernel has no NAT by nftables"

struct nft_ctx;

/* What is used of libnftables(3). */
struct nft {
    void *library;
    struct nft_ctx *(*ctx_new)(uint32_t flags);
    void (*ctx_free)(struct nft_ctx *ctx);
    int (*run)(struct nft_ctx *ctx, const char *commands);
    int (*buffer_error)(struct nft_ctx *ctx);
};

/* C forbids what dlsym(3) needs: a pointer to an object as one to a function. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);

    memcpy(function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

static int load(struct nft *nft, struct reply *reply)
{
    nft->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (nft->library && find(nft->library, "nft_ctx_new", &nft->ctx_new) &&
        find(nft->library, "nft_ctx_free", &nft->ctx_free) &&
        find(nft->library, "nft_run_cmd_from_buffer", &nft->run) &&
        find(nft->library, "nft_ctx_buffer_error", &nft->buffer_error))
        return 0;
    if (nft->library)
        (void)dlclose(nft->library);
    (void)snprintf(reply->text, sizeof(reply->text),
                   "it takes %s (Debian, Ubuntu: apt install libnftables1)", LIBRARY);
    return -ENOSYS;
}

/* In @place. 0 or -errno. */
static int run(struct child *child, const struct nft *nft, int place, const char *commands)
{
    int rc = child_go(child, place);
    struct nft_ctx *ctx;

    if (rc < 0)
        return rc;
    ctx = nft->ctx_new(0);
    if (!ctx)
        return -ENOMEM;
    (void)nft->buffer_error(ctx); /* it is not said on stderr */
    rc = nft->run(ctx, commands) == 0 ? 0 : -EOPNOTSUPP;
    nft->ctx_free(ctx);
    return rc;
}

/* What goes out of @place by @out, having come in by @in, takes its address there. */
static int masquerade(struct child *child, const struct nft *nft, int place, const char *in,
                      const char *out)
{
    char commands[COMMAND_MAX];

    (void)snprintf(commands, sizeof(commands),
                   "add table ip %s_%s\n"
                   "add chain ip %s_%s out { type nat hook postrouting priority 100; }\n"
                   "add rule ip %s_%s out iifname \"%s\" oifname \"%s\" masquerade\n",
                   CABLE, in, CABLE, in, CABLE, in, in, out);
    return run(child, nft, place, commands);
}

static void forget(struct child *child, const struct nft *nft, int place, const char *in)
{
    char command[COMMAND_MAX];

    (void)snprintf(command, sizeof(command), "delete table ip %s_%s\n", CABLE, in);
    (void)run(child, nft, place, command);
}

static int set_sysctl(const char *interface, const char *key, const char *value)
{
    char path[PATH_CAP];

    (void)snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", interface, key);
    return child_write_file(path, value);
}

/* @place sends on what is not for itself, also when the answer would go elsewhere (RFC 3704). */
static int let_through(struct child *child, int place, const char *cable)
{
    int rc = child_go(child, place);

    if (rc == 0)
        rc = set_sysctl("all", "forwarding", "1");
    if (rc == 0)
        rc = set_sysctl("all", "rp_filter", "0");
    if (rc == 0)
        rc = set_sysctl(child->places[place].ifname, "rp_filter", "0");
    return rc < 0 ? rc : set_sysctl(cable, "rp_filter", "0");
}

/* The ends of the cable; @number is that of the place that it leads from. */
struct cable {
    char near_name[IFNAMSIZ], far_name[IFNAMSIZ];
    struct endpoint near_ip, far_ip;
};

static struct cable cable_of(int number)
{
    struct cable cable = { .near_name = CABLE };

    (void)snprintf(cable.far_name, sizeof(cable.far_name), CABLE "%d", number);
    endpoint_set_v4(&cable.near_ip, 100, 64, (uint8_t)number, 1);
    endpoint_set_v4(&cable.far_ip, 100, 64, (uint8_t)number, 2);
    return cable;
}

static int set_end(struct netlink_maker *maker, const char *ifname, const struct endpoint *ip)
{
    struct netlink_address address = { .ip = *ip, .prefix_len = CABLE_BITS };
    int rc = address.ifindex = netlink_index(maker, ifname);

    if (rc > 0)
        rc = netlink_set_up(maker, address.ifindex, true);
    return rc < 0 ? rc : netlink_add_address(maker, &address);
}

static int lay_cable(struct child *child, int from, int to, const struct cable *cable)
{
    struct place *near = &child->places[from], *far = &child->places[to];
    const struct netlink_veth veth = { .near_name = cable->near_name,
                                       .far_name = cable->far_name,
                                       .far_netns = far->netns };
    struct netlink_route route = { .gateway = cable->far_ip, .table = TABLE };
    int rc = netlink_add_veth(near->maker, &veth);

    if (rc == 0)
        rc = set_end(near->maker, cable->near_name, &cable->near_ip);
    if (rc == 0)
        rc = set_end(far->maker, cable->far_name, &cable->far_ip);
    route.ifindex = netlink_index(near->maker, cable->near_name);
    if (rc == 0)
        rc = netlink_add_default_route(near->maker, &route);
    return rc < 0 ? rc : netlink_add_rule(near->maker, near->ifname, TABLE);
}

static void stop(struct child *child, const struct nft *nft, int from)
{
    struct place *place = &child->places[from];
    struct cable cable = cable_of(from);
    int ifindex = netlink_index(place->maker, cable.near_name);

    if (child_go(child, from) == 0)
        (void)set_sysctl("all", "forwarding", "0");
    (void)netlink_remove_rule(place->maker, place->ifname, TABLE);
    if (ifindex > 0)
        (void)netlink_remove_link(place->maker, ifindex); /* its routes go with it */
    forget(child, nft, from, place->ifname);
    forget(child, nft, place->forward_to, cable.far_name);
    place->forward_to = 0;
}

static int start(struct child *child, const struct nft *nft, int from, int to)
{
    struct cable cable = cable_of(from);
    struct place *near = &child->places[from], *far = &child->places[to];
    int rc;

    near->forward_to = to;
    rc = lay_cable(child, from, to, &cable);
    if (rc == 0)
        rc = let_through(child, from, cable.near_name);
    if (rc == 0)
        rc = let_through(child, to, cable.far_name);
    if (rc == 0)
        rc = masquerade(child, nft, from, near->ifname, cable.near_name);
    if (rc == 0)
        rc = masquerade(child, nft, to, cable.far_name, far->ifname);
    if (rc < 0)
        stop(child, nft, from);
    return rc;
}

int child_masquerade(struct child *child, const char *in, const char *out, struct reply *reply)
{
    struct nft nft;
    int rc = load(&nft, reply);

    if (rc < 0)
        return rc;
    rc = child_go(child, KEEPER_HOME);
    if (rc == 0)
        rc = set_sysctl("all", "forwarding", "1");
    if (rc == 0)
        rc = masquerade(child, &nft, KEEPER_HOME, in, out);
    if (rc == -EOPNOTSUPP)
        (void)snprintf(reply->text, sizeof(reply->text), NO_NAT);
    (void)dlclose(nft.library);
    return rc;
}

static bool can_forward(const struct child *child, int place)
{
    return place > KEEPER_HOME && place < child->places_count && *child->places[place].ifname;
}

int child_forward(struct child *child, int from, int to, struct reply *reply)
{
    struct nft nft;
    int rc;

    if (!can_forward(child, from) || (to != KEEPER_HOME && (!can_forward(child, to) || from == to)))
        return -EOPNOTSUPP;
    if (child->places[from].forward_to == to)
        return 0;
    rc = load(&nft, reply);
    if (rc < 0)
        return rc;
    if (child->places[from].forward_to)
        stop(child, &nft, from);
    if (to != KEEPER_HOME)
        rc = start(child, &nft, from, to);
    if (rc == -EOPNOTSUPP)
        (void)snprintf(reply->text, sizeof(reply->text), NO_NAT);
    (void)dlclose(nft.library);
    return rc;
}
