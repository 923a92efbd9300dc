#include "emu/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emu/cli.h"

#define REFUSED        (-2)
#define TRACE_MODE     0666
#define SECRET_MODE    0600 /* of files with TLS secrets in them */
#define DESCRIPTOR_MAX 1000000

/* Where --json writes; -1: nowhere. REFUSED: it can't, which was said. */
static int open_trace(const char *json)
{
    char *end;
    long fd;

    if (!json)
        return -1;
    fd = strtol(json, &end, 10);
    if (!*end && fd >= 0 && fd < DESCRIPTOR_MAX) {
        if (fcntl((int)fd, F_GETFD) >= 0)
            return (int)fd;
        (void)fprintf(stderr, "luatos-emu: --json %s: no such descriptor is open\n", json);
        return REFUSED;
    }
    fd = open(json, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, TRACE_MODE);
    if (fd >= 0)
        return (int)fd;
    (void)fprintf(stderr, "luatos-emu: --json %s: can't write it: %s\n", json, strerror(errno));
    return REFUSED;
}

/* Where TLS secrets are appended; -1: nowhere. REFUSED: it can't, which was said. */
static int open_keylog(const char *path)
{
    int fd;

    if (!path)
        path = getenv("SSLKEYLOGFILE");
    if (!path || !*path)
        return -1;
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, SECRET_MODE);
    if (fd >= 0)
        return fd;
    (void)fprintf(stderr, "luatos-emu: the key log %s can't be written: %s\n", path,
                  strerror(errno));
    return REFUSED;
}

/*
 * Where the capture is written; -1: nowhere. REFUSED: it can't, which was said. A named pipe is not
 * waited for: somebody reads from it, or there is none.
 */
static int open_capture(const char *path)
{
    int fd;

    if (!path)
        return -1;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, SECRET_MODE);
    if (fd >= 0)
        return fd;
    (void)fprintf(stderr, "luatos-emu: --capture %s: can't write it: %s\n", path,
                  errno == ENXIO ? "nobody reads from that pipe" : strerror(errno));
    return REFUSED;
}

bool outputs_open_spi(int *fd, const char *path)
{
    *fd = -1;
    if (!path)
        return true;
    *fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, TRACE_MODE);
    if (*fd >= 0)
        return true;
    (void)fprintf(stderr, "luatos-emu: --trace-spi %s: can't write it: %s\n", path,
                  strerror(errno));
    return false;
}

bool outputs_open(struct outputs *outputs, const struct cli *cli)
{
    outputs->trace_fd = open_trace(cli->json);
    outputs->keylog_fd = open_keylog(cli->keylog);
    outputs->capture_fd = open_capture(cli->capture);
    return outputs->trace_fd != REFUSED && outputs->keylog_fd != REFUSED &&
           outputs->capture_fd != REFUSED && outputs_open_spi(&outputs->spi_fd, cli->trace_spi);
}
