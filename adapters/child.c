#include "adapters/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emu/fdio.h"
#include "emu/vclock.h"

#define US_PER_MS        1000
#define CODE_NO_SUCH     127 /* as shells have it */
#define CODE_NOT_STARTED 126
#define FIRST_FREE_FD    (STDERR_FILENO + 1)

static _Noreturn void be(char *const argv[], int said_fd)
{
    int nothing = open("/dev/null", O_RDONLY);

    (void)setpgid(0, 0); /* to be killed as a whole, and out of Ctrl-C's way */
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(said_fd, STDOUT_FILENO) < 0 ||
        dup2(said_fd, STDERR_FILENO) < 0)
        _exit(CODE_NOT_STARTED);
    (void)close_range(STDERR_FILENO + 1, ~0U, 0);
    (void)execvp(argv[0], argv); /* EACCES: of a folder of PATH that is closed to us, it may be */
    _exit(errno == ENOENT || (errno == EACCES && !strchr(argv[0], '/')) ? CODE_NO_SUCH
                                                                        : CODE_NOT_STARTED);
}

/* Until its end or the deadline; false: that came first. */
static bool listen_to(int fd, unsigned ms, char said[], size_t said_cap)
{
    struct vclock clock;
    uint64_t until_us;
    size_t len = 0;

    vclock_init(&clock, VCLOCK_MODE_REAL);
    until_us = clock.now_us + (uint64_t)ms * US_PER_MS;
    for (;;) {
        char surplus[256];
        bool has_room = len + 1 < said_cap;
        ssize_t n;

        vclock_refresh(&clock);
        if (clock.now_us >= until_us ||
            !fd_wait_readable(fd, (int)((until_us - clock.now_us) / US_PER_MS) + 1))
            return false;
        n = has_room ? read(fd, said + len, said_cap - 1 - len)
                     : read(fd, surplus, sizeof(surplus));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return true;
        if (has_room)
            said[len += (size_t)n] = '\0';
    }
}

int child_run(char *const argv[], unsigned ms, char said[], size_t said_cap)
{
    int pair[2], status = 0;
    bool has_ended;
    pid_t pid;

    said[0] = '\0';
    if (pipe2(pair, O_CLOEXEC) < 0)
        return -errno;
    pid = fork();
    if (pid == 0)
        be(argv, pair[1]);
    close(pair[1]);
    has_ended = pid > 0 && listen_to(pair[0], ms, said, said_cap);
    close(pair[0]);
    if (pid < 0)
        return -EAGAIN;
    if (!has_ended) {
        (void)kill(-pid, SIGKILL);
        (void)kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!has_ended)
        return -ETIMEDOUT;
    if (!WIFEXITED(status))
        return -ECHILD;
    return WEXITSTATUS(status) == CODE_NO_SUCH ? -ENOENT : WEXITSTATUS(status);
}

/* ---- beside the emulator --------------------------------------------------------------------------- */

/* @process->fd and the other end. 0 or -errno. */
static int open_pair(struct child_process *process, int *theirs)
{
    int pair[2];

    *process = CHILD_NONE;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    process->fd = pair[0];
    *theirs = pair[1];
    return 0;
}

/* -errno of fork(2), whose result it is; in the parent. */
static int keep(struct child_process *process, pid_t pid, int theirs)
{
    int rc = pid < 0 ? -errno : 0;

    close(theirs);
    process->pid = pid < 0 ? 0 : pid;
    if (rc < 0)
        child_end(process);
    return rc;
}

/* What execvp(3) says goes to @failure_fd, which is closed when it works. */
static _Noreturn void be_program(const char *const argv[], int fd, int failure_fd)
{
    int error;

    (void)setpgid(0, 0); /* out of Ctrl-C's way */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_DFL);       /* as programs expect it; pasta insists */
    (void)fcntl(fd, F_SETFL, O_NONBLOCK); /* nobody reads what it says later */
    (void)dup2(fd, STDIN_FILENO);
    (void)dup2(fd, STDOUT_FILENO);
    (void)dup2(fd, STDERR_FILENO);
    if (dup2(failure_fd, FIRST_FREE_FD) < 0)
        _exit(CODE_NOT_STARTED);
    (void)fcntl(FIRST_FREE_FD, F_SETFD, FD_CLOEXEC);
    (void)close_range(FIRST_FREE_FD + 1, ~0U, 0);
    /* it only reads them, execvp(3); NOLINTNEXTLINE(performance-no-int-to-ptr) */
    (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
    error = errno;
    (void)!write(FIRST_FREE_FD, &error, sizeof(error));
    _exit(CODE_NOT_STARTED);
}

int child_start(const char *const argv[], struct child_process *process)
{
    int theirs = -1, failure[2] = { -1, -1 }, error = 0;
    int rc = open_pair(process, &theirs);
    ssize_t n;
    pid_t pid;

    if (rc < 0)
        return rc;
    if (pipe2(failure, O_CLOEXEC) < 0) {
        rc = -errno;
        close(theirs);
        child_end(process);
        return rc;
    }
    pid = fork();
    if (pid == 0)
        be_program(argv, theirs, failure[1]);
    rc = keep(process, pid, theirs);
    close(failure[1]);
    do {
        n = rc == 0 ? read(failure[0], &error, sizeof(error)) : 0;
    } while (n < 0 && errno == EINTR);
    close(failure[0]);
    if (n == sizeof(error)) {
        rc = -error;
        child_end(process);
    }
    return rc;
}

int child_fork(int (*body)(int fd, int life_fd), int fd, struct child_process *process)
{
    int theirs = -1, rc = open_pair(process, &theirs);
    pid_t pid;

    if (rc < 0)
        return rc;
    pid = fork();
    if (pid == 0) {
        /* both away from where they are to be; every other descriptor is the parent's business */
        int far_fd = fcntl(fd, F_DUPFD, FIRST_FREE_FD + 2);
        int far_life = fcntl(theirs, F_DUPFD, FIRST_FREE_FD + 2);

        if (dup2(far_fd, FIRST_FREE_FD) < 0 || dup2(far_life, FIRST_FREE_FD + 1) < 0)
            _exit(CODE_NOT_STARTED);
        (void)close_range(FIRST_FREE_FD + 2, ~0U, 0);
        (void)signal(SIGINT, SIG_IGN); /* Ctrl-C is for the whole group; the parent decides */
        _exit(body(FIRST_FREE_FD, FIRST_FREE_FD + 1));
    }
    return keep(process, pid, theirs);
}

bool child_has_ended(const struct child_process *process, int ms)
{
    return fd_is_hung_up(process->fd, ms);
}

void child_end(struct child_process *process)
{
    if (process->fd >= 0)
        close(process->fd);
    if (process->pid > 0) {
        (void)kill(process->pid, SIGTERM);
        (void)kill(process->pid, SIGCONT); /* it may be stopped, and would not hear of it */
        while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    *process = CHILD_NONE;
}

int child_become(char *const argv[])
{
    (void)execvp(argv[0], argv);
    return -errno;
}
