#include "adapters/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/unix_path.h"
#include "emu/device.h"
#include "emu/exit_code.h"
#include "emu/fdio.h"
#include "emu/util.h"

struct client {
    struct ctl *ctl; /* NULL: free */
    struct loop_fd source;
    char line[COMMAND_LINE_MAX];
    size_t len;
};

struct ctl {
    struct commander commander;
    struct loop_fd listener;
    struct sockaddr_un sa;
    struct client clients[CTL_CLIENTS_MAX];
};

/* ---- connections ------------------------------------------------------------------------------------ */

static void drop(struct client *client)
{
    loop_remove(&client->ctl->commander.device->loop, &client->source);
    close(client->source.fd);
    client->ctl = NULL;
}

/* An answer is short: what the socket has no room for is not waited for. */
static bool answer_line(struct client *client, char *line)
{
    struct command_answer answer = { .len = 0 };

    command_run(&client->ctl->commander, line, &answer);
    return send(client->source.fd, answer.text, answer.len, MSG_NOSIGNAL | MSG_DONTWAIT) ==
           (ssize_t)answer.len;
}

static bool take_lines(struct client *client)
{
    char *end;

    while ((end = memchr(client->line, '\n', client->len))) {
        size_t taken = (size_t)(end - client->line) + 1;

        *end = '\0';
        if (!answer_line(client, client->line))
            return false;
        client->len -= taken;
        memmove(client->line, client->line + taken, client->len);
    }
    return client->len < sizeof(client->line); /* else: a line without end */
}

static void on_client(struct loop_fd *source, uint32_t events)
{
    struct client *client = container_of(source, struct client, source);
    ssize_t n;

    (void)events;
    do {
        n = recv(source->fd, client->line + client->len, sizeof(client->line) - client->len, 0);
        if (n > 0)
            client->len += (size_t)n;
    } while ((n > 0 && take_lines(client)) || (n < 0 && errno == EINTR));
    if (n >= 0 || errno != EAGAIN)
        drop(client);
}

static void on_listener(struct loop_fd *source, uint32_t events)
{
    struct ctl *ctl = container_of(source, struct ctl, listener);
    int fd;

    (void)events;
    while ((fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct client *client = ctl->clients;

        while (client < ctl->clients + CTL_CLIENTS_MAX && client->ctl)
            client++;
        if (client == ctl->clients + CTL_CLIENTS_MAX) {
            close(fd);
            continue;
        }
        *client = (struct client){ .ctl = ctl, .source = { .fd = fd, .ready = on_client } };
        if (loop_add(&ctl->commander.device->loop, &client->source, EPOLLIN | EPOLLRDHUP) < 0) {
            close(fd);
            client->ctl = NULL;
        }
    }
}

/* ---- life ----------------------------------------------------------------------------------------------- */

int ctl_open(struct ctl **out, const char *path, const struct commander *commander)
{
    struct sockaddr_un sa;
    struct ctl *ctl;
    int fd, rc = unix_path_set(&sa, path);

    if (rc < 0)
        return rc;
    fd = unix_path_listen(&sa);
    if (fd < 0)
        return fd;
    ctl = xcalloc(1, sizeof(*ctl));
    ctl->commander = *commander;
    ctl->sa = sa;
    ctl->listener = (struct loop_fd){ .fd = fd, .ready = on_listener };
    rc = loop_add(&commander->device->loop, &ctl->listener, EPOLLIN);
    if (rc < 0) {
        close(fd);
        (void)unlink(sa.sun_path);
        free(ctl);
        return rc;
    }
    *out = ctl;
    return 0;
}

void ctl_close(struct ctl *ctl)
{
    for (int i = 0; i < CTL_CLIENTS_MAX; i++) {
        if (ctl->clients[i].ctl)
            drop(&ctl->clients[i]);
    }
    loop_remove(&ctl->commander.device->loop, &ctl->listener);
    close(ctl->listener.fd);
    (void)unlink(ctl->sa.sun_path);
    free(ctl);
}

/* ---- the other side ---------------------------------------------------------------------------------- */

/* Print the answer up to its last line. */
static int print_answer(int fd)
{
    char text[COMMAND_ANSWER_MAX + 1];
    size_t len = 0;
    const char *last;
    ssize_t n;

    do {
        n = recv(fd, text + len, COMMAND_ANSWER_MAX - len, 0);
        len += n > 0 ? (size_t)n : 0;
        text[len] = '\0';
        last = len ? memrchr(text, '\n', len - 1) : NULL;
        last = last ? last + 1 : text;
    } while (n > 0 && !(text[len - 1] == '\n' &&
                        (strncmp(last, "ok", 2) == 0 || strncmp(last, "error: ", 7) == 0)));
    if (strncmp(last, "ok", 2) == 0) {
        (void)fwrite(text, 1, (size_t)(last - text), stdout);
        return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_LOG;
    }
    (void)fprintf(stderr, "luatos-emu: ctl: %s%s", len ? last + strlen("error: ") : "no answer",
                  len ? "" : "\n");
    return EXIT_CODE_SCRIPT;
}

int ctl_run(const char *path, int words_count, char *const words[])
{
    char line[COMMAND_LINE_MAX] = "";
    struct sockaddr_un sa;
    size_t len = 0;
    int fd, code;

    for (int i = 0; i < words_count && len < sizeof(line); i++)
        len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s", i ? " " : "", words[i]);
    if (!words_count || len + 1 >= sizeof(line) || strchr(line, '\n') ||
        unix_path_set(&sa, path) < 0) {
        (void)fputs("luatos-emu: ctl: usage: luatos-emu ctl PATH COMMAND; the command help lists "
                    "them\n",
                    stderr);
        return EXIT_CODE_USAGE;
    }
    line[len++] = '\n';
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
        (void)fprintf(stderr, "luatos-emu: ctl: %s: %s: is there a run with --ctl %s?\n", path,
                      strerror(errno), path);
        code = EXIT_CODE_ENVIRONMENT;
    } else {
        code = fd_write_all(fd, line, len) ? print_answer(fd) : EXIT_CODE_ENVIRONMENT;
    }
    if (fd >= 0)
        close(fd);
    return code;
}
