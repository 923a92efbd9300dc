/*
 * unix_path: a Unix stream socket at a path of the user's, where programs of this machine connect.
 *
 * A socket that nobody listens at any more is replaced; what is there else is not touched.
 */
#pragma once

#include <sys/un.h>

/* 0 or -errno: -ENAMETOOLONG. */
int unix_path_set(struct sockaddr_un *sa, const char *path);

/*
 * A socket that listens there and does not block, or -errno: -EADDRINUSE: another one does,
 * -ENOTSOCK: something is there that is no socket. Who closes it unlinks the path.
 */
int unix_path_listen(const struct sockaddr_un *sa);
