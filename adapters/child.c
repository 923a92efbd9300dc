#include "adapters/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emu/fdio.h"
#include "emu/vclock.h"

#define US_PER_MS        1000
#define CODE_NO_SUCH     127 /* as shells have it */
#define CODE_NOT_STARTED 126

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

int child_become(char *const argv[])
{
    (void)execvp(argv[0], argv);
    return -errno;
}
