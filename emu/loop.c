#include "emu/loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "emu/util.h"

#define US_PER_S  1000000
#define NS_PER_US 1000
#define US_PER_MS 1000

#define LOOKS              150   /* some 20 to 100 us, as fast as the machine's system calls are */
#define LOOKS_TO_SKIP_MAX  63    /* after looks in vain */
#define LOOKS_TO_SKIP_LONG 1023  /* after a look that was disturbed; twice as many after the next */
#define LOOKS_TO_SKIP_FAR  16383 /* and so on up to this */
#define LOOKS_UNDISTURBED  4096  /* after so many it begins anew */

static void drain_wake(struct loop_fd *source, uint32_t events)
{
    uint64_t count;

    (void)events;
    while (read(source->fd, &count, sizeof(count)) > 0)
        ;
}

int loop_open(struct loop *loop)
{
    int rc;

    *loop = (struct loop){ .wake = { .ready = drain_wake } };
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return -errno;
    loop->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake.fd < 0) {
        rc = -errno;
        goto err_close_epoll;
    }
    rc = loop_add(loop, &loop->wake, EPOLLIN);
    if (rc < 0)
        goto err_close_wake;
    return 0;

err_close_wake:
    close(loop->wake.fd);
err_close_epoll:
    close(loop->epoll_fd);
    return rc;
}

void loop_close(struct loop *loop)
{
    close(loop->wake.fd);
    close(loop->epoll_fd);
}

int loop_add(struct loop *loop, struct loop_fd *source, uint32_t events)
{
    struct epoll_event event = { .events = events | EPOLLET, .data.ptr = source };

    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

void loop_remove(struct loop *loop, struct loop_fd *source)
{
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    for (int i = 0; i < loop->batch_len; i++) {
        if (loop->batch[i].data.ptr == source)
            loop->batch[i].data.ptr = NULL;
    }
}

static int wait_ms(struct loop *loop, uint64_t timeout_us)
{
    uint64_t ms = timeout_us / US_PER_MS + (timeout_us % US_PER_MS != 0);
    int timeout = timeout_us == UINT64_MAX ? -1 : ms < INT_MAX ? (int)ms : INT_MAX;

    return epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH_MAX, timeout);
}

static int wait_us(struct loop *loop, uint64_t timeout_us)
{
    const struct timespec timeout = {
        .tv_sec = (time_t)(timeout_us / US_PER_S),
        .tv_nsec = (long)(timeout_us % US_PER_S) * NS_PER_US,
    };
    int n;

    if (loop->lacks_pwait2)
        return wait_ms(loop, timeout_us);
    n = epoll_pwait2(loop->epoll_fd, loop->batch, LOOP_BATCH_MAX,
                     timeout_us == UINT64_MAX ? NULL : &timeout, NULL);
    if (n >= 0 || errno != ENOSYS)
        return n;
    loop->lacks_pwait2 = true;
    return wait_ms(loop, timeout_us);
}

void loop_wait(struct loop *loop, uint64_t timeout_us)
{
    int n = wait_us(loop, timeout_us);

    loop->batch_len = n > 0 ? n : 0; /* a signal interrupts: the next turn sees what it changed */
}

void loop_expect(struct loop *loop)
{
    loop->is_expecting = true;
}

bool loop_look(struct loop *loop)
{
    if (!loop->is_expecting)
        return false;
    loop->is_expecting = false;
    if (loop->looks_skipped < loop->looks_to_skip) {
        loop->looks_skipped++;
        return false;
    }
    loop->looks_skipped = 0;
    loop->looks_undisturbed++;
    for (int i = 0; i < LOOKS; i++) {
        int n = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH_MAX, 0);

        if (n > 0) {
            loop->batch_len = n;
            loop->looks_to_skip = 0;
            return true;
        }
    }
    loop->looks_to_skip = 2 * loop->looks_to_skip + 1;
    if (loop->looks_to_skip > LOOKS_TO_SKIP_MAX)
        loop->looks_to_skip = LOOKS_TO_SKIP_MAX;
    return false;
}

void loop_look_rarely(struct loop *loop)
{
    unsigned longer = 2 * loop->looks_to_skip_long + 1;

    if (!loop->looks_to_skip_long || loop->looks_undisturbed >= LOOKS_UNDISTURBED)
        longer = LOOKS_TO_SKIP_LONG;
    loop->looks_to_skip_long = longer < LOOKS_TO_SKIP_FAR ? longer : LOOKS_TO_SKIP_FAR;
    loop->looks_to_skip = loop->looks_to_skip_long;
    loop->looks_undisturbed = 0;
}

void loop_dispatch(struct loop *loop)
{
    for (int i = 0; i < loop->batch_len; i++) {
        struct loop_fd *source = loop->batch[i].data.ptr;

        if (source)
            source->ready(source, loop->batch[i].events);
    }
    loop->batch_len = 0;
}

void loop_wake(const struct loop *loop)
{
    const uint64_t one = 1;

    (void)!write(loop->wake.fd, &one, sizeof(one));
}
