/* fdio: reading and writing file descriptors that somebody else gave us. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/*
 * Write all of it, whatever the descriptor is: interrupted writes go on, a non-blocking one is
 * waited for. False, with errno, when it can't be.
 */
bool fd_write_all(int fd, const void *data, size_t len);

/* Would a read return at once, be it with an end or an error? */
bool fd_is_readable(int fd);

/* The same, when it would within @ms. */
bool fd_wait_readable(int fd, int ms);

/* The same of a hang-up of its other end, whatever there is to read. */
bool fd_is_hung_up(int fd, int ms);

/* Wait for any of them, as poll(2). */
struct pollfd;
int fd_wait_any(struct pollfd *fds, size_t count, int ms);

/*
 * Wait until nothing is left to be read from @fd, which somebody else does; but for @ms at the most.
 */
void fd_linger(int fd, int ms);

/* For sendmsg(2) and the like, which only read it. */
struct iovec fd_iovec(const void *data, size_t len);
