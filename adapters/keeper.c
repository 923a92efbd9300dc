#include "adapters/keeper.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/keeper_priv.h"
#include "adapters/privilege.h"
#include "emu/fdio.h"
#include "emu/util.h"

#define NAMED_FOLDER "/run/netns/" /* ip-netns(8) */
#define PATH_CAP     4096
#define KEPT_FD      (STDERR_FILENO + 1) /* the child's end of the pair */
#define PATIENCE_S   10                  /* with a child that does not answer */

#define BIT(capability) (UINT64_C(1) << (capability))

/* Links and their addresses; packet and raw sockets; setns() and unshare(); ports below 1024. */
#define KEPT_CAPABILITIES \
    (BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW) | BIT(CAP_SYS_ADMIN) | BIT(CAP_NET_BIND_SERVICE))

struct keeper {
    pid_t pid;
    int fd; /* our end of the pair */
    bool in_userns;
    bool is_lost; /* it did not answer: what it says later answers nothing */
};

/* ---- one message with a descriptor ----------------------------------------------------------- */

union descriptor_control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

int keeper_send(int to, const void *message, size_t len, int fd)
{
    struct iovec iov = fd_iovec(message, len);
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

ssize_t keeper_receive(int from, void *message, size_t cap, int *fd)
{
    struct iovec iov = { message, cap };
    union descriptor_control control;
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    const struct cmsghdr *cmsg;
    ssize_t n;

    *fd = -1;
    n = recvmsg(from, &msg, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
    return n;
}

/* Its descriptor in @fd, -1 when it has none. 0 or -errno: whether it came. */
static int receive_reply(int from, struct reply *reply, int *fd)
{
    ssize_t n;

    do {
        n = keeper_receive(from, reply, sizeof(*reply), fd);
    } while (n == -EINTR);
    if (n < 0)
        return n == -EAGAIN ? -ETIMEDOUT : (int)n;
    return n == sizeof(*reply) ? 0 : -EPIPE; /* the keeper is gone */
}

/* ---- the child ------------------------------------------------------------------------------------ */

static _Noreturn void be_keeper(const struct beginning *beginning, int fd)
{
    struct child child = { .fd = KEPT_FD };
    struct reply reply = { 0 };

    if (fd != KEPT_FD && dup2(fd, KEPT_FD) < 0)
        _exit(1);
    (void)close_range(KEPT_FD + 1, ~0U, 0); /* other keepers' pairs, the log, the trace */
    (void)signal(SIGINT, SIG_IGN);          /* Ctrl-C is for the whole group; the parent decides */
    reply.rc = child_begin(&child, beginning, &reply);
    if (reply.rc == 0) { /* nothing more is entered: what it takes to open that is given up */
        reply.rc =
            privilege_limit(beginning->stays ? BIT(CAP_NET_BIND_SERVICE) : KEPT_CAPABILITIES);
    }
    if (keeper_send(child.fd, &reply, sizeof(reply), -1) == 0 && reply.rc == 0)
        child_serve(&child);
    _exit(0);
}

/* ---- the parent -------------------------------------------------------------------------------------- */

/* 0 or -errno, with @why for people. */
static int start(struct keeper **out, const struct beginning *beginning, char why[KEEPER_WHY_MAX])
{
    const struct timeval patience = { .tv_sec = PATIENCE_S };
    struct keeper *keeper;
    struct reply reply = { 0 };
    int pair[2], none, rc;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        rc = -errno;
        (void)snprintf(why, KEEPER_WHY_MAX, "socketpair: %s", strerror(-rc));
        return rc;
    }
    (void)setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    pid = fork();
    if (pid == 0)
        be_keeper(beginning, pair[1]);
    rc = pid < 0 ? -errno : 0;
    close(pair[1]);
    if (rc == 0)
        rc = receive_reply(pair[0], &reply, &none);
    if (rc == 0)
        rc = reply.rc;
    (void)snprintf(why, KEEPER_WHY_MAX, "%s", *reply.text ? reply.text : strerror(-rc));
    keeper = xcalloc(1, sizeof(*keeper));
    *keeper =
        (struct keeper){ .pid = pid, .fd = pair[0], .in_userns = beginning->network.in_userns };
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
    rc = start(keeper, &beginning, why);
    if (rc == 0)
        return 0;
    help = rc == -ENOENT  ? "there is no such namespace: ip netns list shows those there are"
           : rc == -EPERM ? "that needs root, or a namespace that you have made yourself"
                          : strerror(-rc);
    (void)snprintf(why, KEEPER_WHY_MAX, "the network namespace %.128s can't be entered: %s", path,
                   help);
    return rc;
}

int keeper_stay(struct keeper **keeper, char why[KEEPER_WHY_MAX])
{
    const struct beginning beginning = { .stays = true };

    return start(keeper, &beginning, why);
}

int keeper_make(struct keeper **keeper, const struct keeper_network *network,
                char why[KEEPER_WHY_MAX])
{
    const struct beginning beginning = { .network = *network };

    return start(keeper, &beginning, why);
}

void keeper_stop(struct keeper *keeper)
{
    close(keeper->fd); /* it ends by itself then */
    if (keeper->is_lost && keeper->pid > 0)
        (void)kill(keeper->pid, SIGKILL);
    else if (keeper->pid > 0)
        (void)kill(keeper->pid, SIGCONT); /* it may be stopped, and would not hear of it */
    while (keeper->pid > 0 && waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(keeper);
}

pid_t keeper_pid(const struct keeper *keeper)
{
    return keeper->pid;
}

bool keeper_is_in_userns(const struct keeper *keeper)
{
    return keeper->in_userns;
}

int keeper_fd(const struct keeper *keeper)
{
    return keeper->fd;
}

/* With @given, unless that is -1. The reply's number, its text and its descriptor; or -errno. */
static int ask_with(struct keeper *keeper, const struct request *request, int given,
                    struct reply *reply, int *fd)
{
    int rc;

    *fd = -1;
    *reply = (struct reply){ 0 };
    if (keeper->is_lost)
        return -EPIPE;
    rc = keeper_send(keeper->fd, request, sizeof(*request), given);
    if (rc < 0)
        return rc;
    rc = receive_reply(keeper->fd, reply, fd);
    keeper->is_lost = rc < 0;
    return rc < 0 ? rc : reply->rc;
}

static int ask(struct keeper *keeper, const struct request *request, struct reply *reply, int *fd)
{
    return ask_with(keeper, request, -1, reply, fd);
}

/* The same of what needs no more than a number. */
static int ask_number(struct keeper *keeper, const struct request *request)
{
    struct reply reply;
    int none;

    return ask(keeper, request, &reply, &none);
}

/* And why not, for people. */
static int ask_why(struct keeper *keeper, const struct request *request, char why[KEEPER_WHY_MAX])
{
    struct reply reply;
    int none, rc = ask(keeper, request, &reply, &none);

    if (rc < 0)
        (void)snprintf(why, KEEPER_WHY_MAX, "%s", *reply.text ? reply.text : strerror(-rc));
    return rc;
}

int keeper_add_link(struct keeper *keeper, const struct keeper_link *link, struct keeper_made *made)
{
    const struct request request = { .kind = REQUEST_ADD_LINK, .link = *link };
    struct reply reply;
    int rc;

    *made = (struct keeper_made){ .tap_fd = -1 };
    rc = ask(keeper, &request, &reply, &made->tap_fd);
    if (rc < 0) {
        (void)snprintf(made->why, sizeof(made->why), "%s",
                       *reply.text ? reply.text : strerror(-rc));
    } else {
        (void)snprintf(made->peer, sizeof(made->peer), "%.15s", reply.text);
    }
    made->leg_place = reply.leg_place;
    return rc;
}

int keeper_set_link(struct keeper *keeper, int place, bool is_up)
{
    const struct request request = { .kind = REQUEST_SET_LINK, .place = place, .is_up = is_up };

    return ask_number(keeper, &request);
}

int keeper_set_half(struct keeper *keeper, int place, bool is_up)
{
    const struct request request = { .kind = REQUEST_SET_HALF, .place = place, .is_up = is_up };

    return ask_number(keeper, &request);
}

int keeper_divert(struct keeper *keeper, int place, bool is_off)
{
    const struct request request = { .kind = REQUEST_DIVERT, .place = place, .is_up = !is_off };

    return ask_number(keeper, &request);
}

int keeper_forward(struct keeper *keeper, int from, int to, char why[KEEPER_WHY_MAX])
{
    const struct request request = { .kind = REQUEST_FORWARD, .place = from, .to = to };

    return ask_why(keeper, &request, why);
}

int keeper_set_address(struct keeper *keeper, int place, const char *ifname,
                       const struct board_address *address, unsigned mtu, char why[KEEPER_WHY_MAX])
{
    struct request request = { .kind = REQUEST_SET_ADDRESS,
                               .place = place,
                               .link = { .address = *address, .mtu = mtu } };

    (void)snprintf(request.link.ifname, sizeof(request.link.ifname), "%s", ifname);
    return ask_why(keeper, &request, why);
}

int keeper_set_mac(struct keeper *keeper, int place, const uint8_t mac[BOARD_MAC_LEN])
{
    struct request request = { .kind = REQUEST_SET_MAC, .place = place };

    memcpy(request.link.mac, mac, sizeof(request.link.mac));
    return ask_number(keeper, &request);
}

int keeper_set_tap(struct keeper *keeper, const char *ifname, const char *bridge, unsigned mtu,
                   char why[KEEPER_WHY_MAX])
{
    struct request request = { .kind = REQUEST_SET_TAP, .link = { .mtu = mtu } };

    (void)snprintf(request.link.ifname, sizeof(request.link.ifname), "%s", ifname);
    (void)snprintf(request.link.bridge, sizeof(request.link.bridge), "%s", bridge);
    return ask_why(keeper, &request, why);
}

int keeper_set_uplink(struct keeper *keeper, bool with_veth, char why[KEEPER_WHY_MAX])
{
    const struct request request = { .kind = REQUEST_SET_UPLINK, .with_veth = with_veth };

    return ask_why(keeper, &request, why);
}

int keeper_add_subnet(struct keeper *keeper, const struct board_address *address)
{
    const struct request request = { .kind = REQUEST_ADD_SUBNET, .link = { .address = *address } };

    return ask_number(keeper, &request);
}

int keeper_bind(struct keeper *keeper, int fd, const struct sockaddr *sa, socklen_t len)
{
    struct request request = { .kind = REQUEST_BIND, .address_len = len };
    struct reply reply;
    int none;

    assert(len <= sizeof(request.address));
    memcpy(&request.address, sa, len);
    return ask_with(keeper, &request, fd, &reply, &none);
}

int keeper_socket(struct keeper *keeper, int place, int domain, int type, int protocol)
{
    const struct request request = {
        .kind = REQUEST_SOCKET, .place = place, .domain = domain, .type = type, .protocol = protocol
    };
    struct reply reply;
    int fd, rc = ask(keeper, &request, &reply, &fd);

    return rc < 0 ? rc : fd < 0 ? -EPROTO : fd;
}
