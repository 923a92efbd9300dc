/* fdio: writing to a file descriptor that somebody else gave us. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Write all of it, whatever the descriptor is: interrupted writes go on, a non-blocking one is
 * waited for. False, with errno, when it can't be.
 */
bool fd_write_all(int fd, const void *data, size_t len);
