#include "adapters/confine.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "emu/board.h"
#include "emu/util.h"

#if defined(__SANITIZE_ADDRESS__)
#define OWN_PROCESS "/proc/self" /* AddressSanitizer looks there for its report */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWN_PROCESS "/proc/self"
#endif
#endif

struct path_list {
    struct sandbox_path *at;
    char **texts; /* that they point to */
    size_t count, cap;
};

static void add(struct path_list *list, const char *path, enum sandbox_use use)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->at = xrealloc(list->at, list->cap * sizeof(*list->at));
        list->texts = xrealloc(list->texts, list->cap * sizeof(*list->texts));
    }
    list->texts[list->count] = xstrdup(path);
    list->at[list->count] = (struct sandbox_path){ .path = list->texts[list->count], .use = use };
    list->count++;
}

static void fini(struct path_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->texts[i]);
    free(list->texts);
    free(list->at);
}

/* Of @path, with its slash; "./" when it has none. */
static void folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');

    (void)snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(slash - path) + 1 : 2,
                   slash ? path : "./");
}

/* Where require() looks at last. A folder that can't be listed has no files for anybody. */
static void add_siblings(struct path_list *list, const char *script)
{
    char folder[PATH_MAX], path[PATH_MAX];
    const struct dirent *entry;
    struct stat st;
    DIR *dir;

    folder_of(script, folder);
    dir = opendir(folder);
    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        if (snprintf(path, sizeof(path), "%s%s", folder, entry->d_name) < (int)sizeof(path) &&
            lstat(path, &st) == 0 && S_ISREG(st.st_mode))
            add(list, path, SANDBOX_USE_READ);
    }
    (void)closedir(dir);
}

static void add_wires(struct path_list *list, const struct board *board)
{
    bool has_pty = false;

    for (int port = 0; port < UART_PORTS; port++) {
        has_pty = has_pty || board->uarts[port].wiring == WIRING_PTY;
        if (board->uarts[port].wiring == WIRING_PATH)
            add(list, board->uarts[port].path, SANDBOX_USE_WRITE);
    }
    if (!has_pty)
        return;
    add(list, "/dev/ptmx", SANDBOX_USE_WRITE);
    add(list, "/dev/pts", SANDBOX_USE_WRITE);
}

/* Of a socket, to remove it; NULL: there is none. */
static void add_folder_of(struct path_list *list, const char *path)
{
    char folder[PATH_MAX];

    if (!path)
        return;
    folder_of(path, folder);
    add(list, folder, SANDBOX_USE_REMOVE);
}

int confine(const struct confinement *confinement, char why[SANDBOX_WHY_MAX])
{
    struct path_list list = { 0 };
    int rc;

    for (int i = 0; i < confinement->paths_count; i++)
        add(&list, confinement->paths[i], SANDBOX_USE_READ);
    if (confinement->script)
        add_siblings(&list, confinement->script);
    add_wires(&list, confinement->board);
    add_folder_of(&list, confinement->ctl);
    add_folder_of(&list, confinement->spi_port);
#ifdef OWN_PROCESS
    add(&list, OWN_PROCESS, SANDBOX_USE_READ);
#endif
    rc = sandbox_enter(list.at, list.count, why);
    fini(&list);
    return rc;
}
