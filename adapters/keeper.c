#include "adapters/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/netlink.h"
#include "emu/util.h"

#define NAMED_FOLDER "/run/netns/" /* ip-netns(8) */
#define PATH_CAP     4096
#define ID_MAP_MAX   32
#define KEPT_FD      (STDERR_FILENO + 1) /* the child's end of the pair */

struct keeper {
    pid_t pid;
    int fd; /* our end of the pair */
};

enum request_kind { REQUEST_SOCKET, REQUEST_ADD_LINK, REQUEST_SET_LINK, REQUEST_DIVERT };

struct request {
    enum request_kind kind;
    int place;
    int domain, type, protocol;
    struct keeper_link link;
    bool is_up; /* REQUEST_DIVERT: back on the bridge */
};

/* With a descriptor where one was asked for. The first one says whether the keeper is ready. */
struct reply {
    int rc;
};

/* ---- one message with a descriptor ----------------------------------------------------------- */

union descriptor_control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

static int send_reply(int to, int rc, int fd)
{
    struct reply reply = { rc };
    struct iovec iov = { &reply, sizeof(reply) };
    union descriptor_control control = { 0 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd >= 0) {
        struct cmsghdr *cmsg;

        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
    }
    return sendmsg(to, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The reply's number; its descriptor in @fd, -1 when it has none. */
static int receive_reply(int from, int *fd)
{
    struct reply reply;
    struct iovec iov = { &reply, sizeof(reply) };
    union descriptor_control control;
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    const struct cmsghdr *cmsg;
    ssize_t n;

    *fd = -1;
    do {
        n = recvmsg(from, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n != sizeof(reply))
        return n < 0 ? -errno : -EPIPE; /* the keeper is gone */
    cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
    return reply.rc;
}

/* ---- the child ------------------------------------------------------------------------------------ */

/* Enter the user namespace that owns @netns, unless it is our own. */
static int enter_owner(int netns)
{
    struct stat ours, theirs;
    int owner = ioctl(netns, NS_GET_USERNS);
    int rc = 0;

    if (owner < 0)
        return errno == EPERM ? 0 : -errno; /* an ancestor's: it is entered with what we have */
    if (fstat(owner, &theirs) < 0 || stat("/proc/self/ns/user", &ours) < 0) {
        rc = -errno;
    } else if (ours.st_ino != theirs.st_ino && setns(owner, CLONE_NEWUSER) < 0) {
        rc = -errno;
    }
    close(owner);
    return rc;
}

static int enter(const char *path)
{
    int netns = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (netns < 0)
        return -errno;
    rc = enter_owner(netns);
    if (rc == 0 && setns(netns, CLONE_NEWNET) < 0)
        rc = -errno;
    close(netns);
    return rc;
}

/* ---- the child: a network of its own ------------------------------------------------------------ */

#define BRIDGE "lab"
#define VOID \
    "void" /* a bridge that is down: what arrives at its ports is dropped once it is seen */

struct child {
    int fd;                                    /* its end of the pair */
    int places[KEEPER_PLACES_MAX];             /* namespaces; KEEPER_HOME is the first */
    char ifnames[KEEPER_PLACES_MAX][IFNAMSIZ]; /* of the links in them */
    int places_count;
    int here; /* place that the child is in */
    bool has_void;
};

static int go_to(struct child *child, int place)
{
    if (place < 0 || place >= child->places_count)
        return -EINVAL;
    if (child->here != place && setns(child->places[place], CLONE_NEWNET) < 0)
        return -errno;
    child->here = place;
    return 0;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, text, strlen(text)) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

/* Be root of a user namespace in which the caller is the only user. */
static int become_own_root(void)
{
    char map[ID_MAP_MAX];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int rc;

    if (unshare(CLONE_NEWUSER) < 0)
        return -errno;
    rc = write_file("/proc/self/setgroups", "deny");
    (void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)gid);
    if (rc == 0)
        rc = write_file("/proc/self/gid_map", map);
    (void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)uid);
    return rc < 0 ? rc : write_file("/proc/self/uid_map", map);
}

/* A fresh network namespace with loopback; it is a place from now on, and the child is in it. */
static int add_place(struct child *child)
{
    int rc, ns;

    if (child->places_count == KEEPER_PLACES_MAX)
        return -ENOSPC;
    if (unshare(CLONE_NEWNET) < 0)
        return -errno;
    ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (ns < 0)
        return -errno;
    child->here = child->places_count;
    child->places[child->places_count++] = ns;
    rc = netlink_set_up("lo", true);
    if (rc == 0) /* the keeper's own group may send echo requests, icmp(7) */
        rc = write_file("/proc/sys/net/ipv4/ping_group_range", "0 0");
    /* servers there may have the well-known ports, and nobody has privileges */
    return rc < 0 ? rc : write_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
}

static int make_network(struct child *child, const struct keeper_link *bridge)
{
    int rc = add_place(child);

    if (rc == -EPERM) { /* without root: in a user namespace of one's own */
        rc = become_own_root();
        if (rc == 0)
            rc = add_place(child);
    }
    if (rc == 0)
        rc = netlink_add_bridge(BRIDGE);
    return rc < 0 ? rc : netlink_add_address(BRIDGE, &bridge->ip, bridge->prefix_len);
}

static void name_port(int place, char port[IFNAMSIZ])
{
    (void)snprintf(port, IFNAMSIZ, "port%d", place);
}

static int add_link(struct child *child, const struct keeper_link *link)
{
    char port[IFNAMSIZ];
    int rc = add_place(child);
    int place = child->here;

    name_port(place, port);
    if (rc == 0)
        rc = go_to(child, KEEPER_HOME);
    memcpy(child->ifnames[place], link->ifname, IFNAMSIZ);
    if (rc == 0)
        rc = netlink_add_veth(port, BRIDGE, link->ifname, child->places[place]);
    if (rc == 0)
        rc = go_to(child, place);
    if (rc == 0)
        rc = netlink_add_address(link->ifname, &link->ip, link->prefix_len);
    if (rc == 0)
        rc = netlink_set_up(link->ifname, true);
    if (rc == 0)
        rc = netlink_add_default_route(link->ifname, &link->gateway);
    return rc < 0 ? rc : place;
}

static int set_link(struct child *child, int place, bool is_up)
{
    char port[IFNAMSIZ];
    int rc = place == KEEPER_HOME ? -EINVAL : go_to(child, KEEPER_HOME);

    name_port(place, port);
    return rc < 0 ? rc : netlink_set_up(port, is_up);
}

void keeper_ends(int place, char link_end[IFNAMSIZ], char bridge_end[IFNAMSIZ])
{
    name_port(place, link_end);
    (void)snprintf(bridge_end, IFNAMSIZ, "far%d", place);
}

/* Ports of a bridge that is down: no other host on them answers what is meant for somebody else. */
static int add_void(struct child *child)
{
    int rc = child->has_void ? 0 : netlink_add_bridge(VOID);

    if (rc == 0 && !child->has_void)
        rc = netlink_set_up(VOID, false);
    child->has_void = rc == 0;
    return rc;
}

/*
 * The port of the link moves to the void, and so does one end of a second pair, whose other end,
 * "nearN", takes its place on the bridge. Both ways frames begin at an interface whose offloads are
 * off, the link's own one and the other.
 */
static int divert(struct child *child, int place)
{
    char port[IFNAMSIZ], far[IFNAMSIZ], near[IFNAMSIZ];
    int rc = add_void(child);

    keeper_ends(place, port, far);
    (void)snprintf(near, sizeof(near), "near%d", place);
    if (rc == 0)
        rc = netlink_add_veth(near, BRIDGE, far, child->places[KEEPER_HOME]);
    if (rc == 0)
        rc = netlink_set_offloads(near, false);
    if (rc == 0)
        rc = netlink_set_master(far, VOID);
    if (rc == 0)
        rc = netlink_set_up(far, true);
    if (rc == 0)
        rc = netlink_set_master(port, VOID);
    return rc;
}

static int rejoin(int place)
{
    char port[IFNAMSIZ], far[IFNAMSIZ];
    int rc;

    keeper_ends(place, port, far);
    rc = netlink_set_master(port, BRIDGE);
    return rc < 0 ? rc : netlink_remove_link(far);
}

static int set_diverted(struct child *child, int place, bool is_off)
{
    int rc = place == KEEPER_HOME ? -EINVAL : go_to(child, place);

    if (rc == 0)
        rc = netlink_set_offloads(child->ifnames[place], !is_off);
    if (rc == 0)
        rc = go_to(child, KEEPER_HOME);
    if (rc == 0)
        rc = is_off ? divert(child, place) : rejoin(place);
    if (rc < 0 && is_off && go_to(child, KEEPER_HOME) == 0)
        (void)rejoin(place);
    return rc;
}

static int open_socket(struct child *child, const struct request *request, int *made)
{
    int rc = go_to(child, request->place);

    if (rc < 0)
        return rc;
    *made = socket(request->domain, request->type, request->protocol);
    return *made < 0 ? -errno : 0;
}

static int answer(struct child *child, const struct request *request, int *made)
{
    switch (request->kind) {
    case REQUEST_SOCKET:
        return open_socket(child, request, made);
    case REQUEST_ADD_LINK:
        return add_link(child, &request->link);
    case REQUEST_SET_LINK:
        return set_link(child, request->place, request->is_up);
    case REQUEST_DIVERT:
        return set_diverted(child, request->place, !request->is_up);
    }
    return -EINVAL;
}

static void answer_requests(struct child *child)
{
    struct request request;

    for (;;) {
        ssize_t n = recv(child->fd, &request, sizeof(request), 0);
        int made = -1;
        int rc;

        if (n < 0 && errno == EINTR)
            continue;
        if (n != sizeof(request)) /* the parent is gone */
            return;
        rc = answer(child, &request, &made);
        if (send_reply(child->fd, rc, made) < 0)
            return;
        if (made >= 0)
            close(made);
    }
}

/* What a keeper begins with. */
struct beginning {
    const char *path;          /* of the namespace to enter; NULL: make one */
    struct keeper_link bridge; /* its address */
};

static int begin(struct child *child, const struct beginning *beginning)
{
    int rc;

    if (!beginning->path)
        return make_network(child, &beginning->bridge);
    rc = enter(beginning->path);
    if (rc < 0)
        return rc;
    child->places[child->places_count++] = -1; /* never left */
    return 0;
}

static _Noreturn void be_keeper(const struct beginning *beginning, int fd)
{
    struct child child = { .fd = KEPT_FD };
    int rc;

    if (fd != KEPT_FD && dup2(fd, KEPT_FD) < 0)
        _exit(1);
    (void)close_range(KEPT_FD + 1, ~0U, 0); /* other keepers' pairs, the log, the trace */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGINT, SIG_IGN); /* Ctrl-C is for the whole group; the parent decides */
    rc = begin(&child, beginning);
    if (send_reply(child.fd, rc, -1) == 0 && rc == 0)
        answer_requests(&child);
    _exit(0);
}

/* ---- the parent -------------------------------------------------------------------------------------- */

/* 0 or -errno. */
static int start(struct keeper **out, const struct beginning *beginning)
{
    struct keeper *keeper;
    int pair[2], none, rc;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    pid = fork();
    if (pid == 0)
        be_keeper(beginning, pair[1]);
    rc = pid < 0 ? -errno : 0;
    close(pair[1]);
    if (rc == 0)
        rc = receive_reply(pair[0], &none);
    keeper = xcalloc(1, sizeof(*keeper));
    *keeper = (struct keeper){ .pid = pid, .fd = pair[0] };
    if (rc < 0) {
        keeper_stop(keeper);
    } else {
        *out = keeper;
    }
    return rc;
}

int keeper_enter(struct keeper **keeper, const char *name, char why[KEEPER_WHY_MAX])
{
    char path[PATH_CAP];
    const struct beginning beginning = { .path = path };
    const char *help;
    int rc;

    (void)snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : NAMED_FOLDER, name);
    rc = start(keeper, &beginning);
    if (rc == 0)
        return 0;
    help = rc == -ENOENT  ? "there is no such namespace: ip netns list shows those there are"
           : rc == -EPERM ? "that needs root, or a namespace that you have made yourself"
                          : strerror(-rc);
    (void)snprintf(why, KEEPER_WHY_MAX, "the network namespace %.128s can't be entered: %s", path,
                   help);
    return rc;
}

int keeper_make(struct keeper **keeper, const struct endpoint *ip, unsigned prefix_len,
                char why[KEEPER_WHY_MAX])
{
    const struct beginning beginning = { .bridge = { .ip = *ip, .prefix_len = prefix_len } };
    int rc = start(keeper, &beginning);

    if (rc < 0) {
        (void)snprintf(why, KEEPER_WHY_MAX, "no network can be made here: %s%s", strerror(-rc),
                       rc == -EPERM || rc == -EACCES || rc == -ENOSPC
                           ? ": it takes root, or a system that allows user namespaces"
                           : "");
    }
    return rc;
}

void keeper_stop(struct keeper *keeper)
{
    close(keeper->fd); /* it ends by itself then */
    while (keeper->pid > 0 && waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(keeper);
}

static int ask(struct keeper *keeper, const struct request *request, int *fd)
{
    if (send(keeper->fd, request, sizeof(*request), MSG_NOSIGNAL) < 0)
        return -errno;
    return receive_reply(keeper->fd, fd);
}

int keeper_add_link(struct keeper *keeper, const struct keeper_link *link)
{
    const struct request request = { .kind = REQUEST_ADD_LINK, .link = *link };
    int none;

    return ask(keeper, &request, &none);
}

int keeper_set_link(struct keeper *keeper, int place, bool is_up)
{
    const struct request request = { .kind = REQUEST_SET_LINK, .place = place, .is_up = is_up };
    int none;

    return ask(keeper, &request, &none);
}

int keeper_divert(struct keeper *keeper, int place, bool is_off)
{
    const struct request request = { .kind = REQUEST_DIVERT, .place = place, .is_up = !is_off };
    int none;

    return ask(keeper, &request, &none);
}

int keeper_socket(struct keeper *keeper, int place, int domain, int type, int protocol)
{
    const struct request request = {
        .kind = REQUEST_SOCKET, .place = place, .domain = domain, .type = type, .protocol = protocol
    };
    int fd = -1;
    int rc = ask(keeper, &request, &fd);

    return rc < 0 ? rc : fd < 0 ? -EPROTO : fd;
}
