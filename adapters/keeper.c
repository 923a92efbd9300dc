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

#include "emu/util.h"

#define NAMED_FOLDER "/run/netns/" /* ip-netns(8) */
#define PATH_CAP     4096
#define KEPT_FD      (STDERR_FILENO + 1) /* the child's end of the pair */

struct keeper {
    pid_t pid;
    int fd; /* our end of the pair */
};

struct request {
    int domain, type, protocol;
};

/* With a descriptor when @rc is 0. The first one, without, says whether the namespace was entered. */
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
    do
        n = recvmsg(from, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
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
    if (fstat(owner, &theirs) < 0 || stat("/proc/self/ns/user", &ours) < 0)
        rc = -errno;
    else if (ours.st_ino != theirs.st_ino && setns(owner, CLONE_NEWUSER) < 0)
        rc = -errno;
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

static void answer_requests(int fd)
{
    struct request request;
    ssize_t n;

    for (;;) {
        int made;

        n = recv(fd, &request, sizeof(request), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != sizeof(request)) /* the parent is gone */
            return;
        made = socket(request.domain, request.type, request.protocol);
        if (send_reply(fd, made < 0 ? -errno : 0, made) < 0)
            return;
        if (made >= 0)
            close(made);
    }
}

static _Noreturn void be_keeper(const char *path, int fd)
{
    int rc;

    if (fd != KEPT_FD && dup2(fd, KEPT_FD) < 0)
        _exit(1);
    (void)close_range(KEPT_FD + 1, ~0U, 0); /* other keepers' pairs, the log, the trace */
    fd = KEPT_FD;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGINT, SIG_IGN); /* Ctrl-C is for the whole group; the parent decides */
    rc = enter(path);
    if (send_reply(fd, rc, -1) == 0 && rc == 0)
        answer_requests(fd);
    _exit(0);
}

/* ---- the parent -------------------------------------------------------------------------------------- */

static void explain(char why[KEEPER_WHY_MAX], const char *path, int rc)
{
    const char *help =
        rc == -ENOENT   ? "there is no such namespace: ip netns list shows those there are"
        : rc == -EPERM  ? "that needs root, or a namespace that you have made yourself"
        : rc == -EINVAL ? "that is no network namespace"
                        : strerror(-rc);

    (void)snprintf(why, KEEPER_WHY_MAX, "the network namespace %.128s can't be entered: %s", path,
                   help);
}

int keeper_start(struct keeper **out, const char *name, char why[KEEPER_WHY_MAX])
{
    struct keeper *keeper;
    char path[PATH_CAP];
    int pair[2], none, rc;
    pid_t pid;

    (void)snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : NAMED_FOLDER, name);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        rc = -errno;
        explain(why, path, rc);
        return rc;
    }
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        be_keeper(path, pair[1]);
    }
    rc = pid < 0 ? -errno : 0;
    close(pair[1]);
    if (rc == 0)
        rc = receive_reply(pair[0], &none);
    keeper = xcalloc(1, sizeof(*keeper));
    *keeper = (struct keeper){ .pid = pid, .fd = pair[0] };
    if (rc < 0) {
        explain(why, path, rc);
        keeper_stop(keeper);
        return rc;
    }
    *out = keeper;
    return 0;
}

void keeper_stop(struct keeper *keeper)
{
    close(keeper->fd); /* it ends by itself then */
    while (keeper->pid > 0 && waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(keeper);
}

int keeper_socket(struct keeper *keeper, int domain, int type, int protocol)
{
    const struct request request = { domain, type, protocol };
    int fd, rc;

    if (send(keeper->fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
        return -errno;
    rc = receive_reply(keeper->fd, &fd);
    if (rc < 0 && fd >= 0)
        close(fd);
    return rc < 0 ? rc : fd < 0 ? -EPROTO : fd;
}
