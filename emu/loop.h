/*
 * loop: epoll's one door. Waits for file descriptors and calls their owners.
 *
 * Descriptors are edge-triggered: an owner is told that something changed, once, and must read or
 * write until the kernel says EAGAIN, or remember that it did not. Owners only read, write and
 * post; what follows from it happens in the turn (device.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h> /* EPOLLIN and friends, for owners */

#define LOOP_BATCH_MAX 64 /* descriptors served before the script runs again */

struct loop_fd;
typedef void loop_fd_fn(struct loop_fd *source, uint32_t events);

/* Embed one per descriptor. @fd stays the owner's to close, after loop_remove(). */
struct loop_fd {
    int fd;
    loop_fd_fn *ready;
};

struct loop {
    int epoll_fd;
    struct loop_fd wake; /* eventfd of loop_wake() */
    struct epoll_event batch[LOOP_BATCH_MAX];
    int batch_len;
    bool is_expecting;
    unsigned looks_to_skip, looks_skipped;
    unsigned looks_to_skip_long, looks_undisturbed;
    bool lacks_pwait2; /* the kernel is older than 5.11 */
};

/* 0 or -errno. */
int loop_open(struct loop *loop);
void loop_close(struct loop *loop);

/*
 * Watch @source->fd for @events (EPOLLIN, EPOLLOUT, EPOLLRDHUP; edge-triggered). 0 or -errno: the
 * descriptor can't be watched.
 */
int loop_add(struct loop *loop, struct loop_fd *source, uint32_t events);

/* Forget @source; what this turn still had for it is dropped. Call it before closing the fd. */
void loop_remove(struct loop *loop, struct loop_fd *source);

/* Wait for up to @timeout_us (UINT64_MAX: until something happens). */
void loop_wait(struct loop *loop, uint64_t timeout_us);

/* Something was sent that a peer may answer at once: look before the next wait. */
void loop_expect(struct loop *loop);

/*
 * Before a wait: look a few times without sleeping, if an answer is expected. Falling asleep and
 * being woken takes longer than a peer on this machine takes to answer. True when something was
 * found, as by loop_wait(). Each time that nothing was, more of the next calls return false at
 * once, so that looking in vain costs next to nothing.
 */
bool loop_look(struct loop *loop);

/*
 * The last look took so long that others want the CPU: the next 1023 calls return at once, and
 * twice as many each time that this happens again soon.
 */
void loop_look_rarely(struct loop *loop);

/* Call the owners of what loop_wait() or loop_look() found. */
void loop_dispatch(struct loop *loop);

/* Make loop_wait() return, now or next time. May be called from a signal handler. */
void loop_wake(const struct loop *loop);
