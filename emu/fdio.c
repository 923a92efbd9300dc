#include "emu/fdio.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

bool fd_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd pfd = { .fd = fd, .events = POLLOUT };

            (void)poll(&pfd, 1, -1);
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool fd_wait_readable(int fd, int ms)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    return poll(&pfd, 1, ms) > 0;
}

bool fd_is_hung_up(int fd, int ms)
{
    struct pollfd pfd = { .fd = fd };

    return poll(&pfd, 1, ms) > 0 && pfd.revents & POLLHUP;
}

int fd_wait_any(struct pollfd *fds, size_t count, int ms)
{
    return poll(fds, count, ms);
}

bool fd_is_readable(int fd)
{
    return fd_wait_readable(fd, 0);
}

void fd_linger(int fd, int ms)
{
    while (ms-- > 0 && fd_is_readable(fd))
        (void)poll(NULL, 0, 1);
}

struct iovec fd_iovec(const void *data, size_t len)
{
    union {
        const void *in;
        void *out;
    } pun = { .in = data };

    return (struct iovec){ pun.out, len };
}
