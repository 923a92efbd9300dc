#include "emu/project.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "emu/vfs.h"

#define MAIN_NAME "main.lua"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool join(const char *folder, const char *name, char path[PROJECT_PATH_MAX])
{
    size_t len = strlen(folder);
    const char *slash = len && folder[len - 1] == '/' ? "" : "/";

    return snprintf(path, PROJECT_PATH_MAX, "%s%s%s", folder, slash, name) < PROJECT_PATH_MAX;
}

/* Is the script, or has it, @path? */
static bool find_script(const char *path, bool any_file, char script[PROJECT_PATH_MAX])
{
    struct stat st;

    if (is_folder(path))
        return join(path, MAIN_NAME, script) && stat(script, &st) == 0;
    if (!any_file && strcmp(base_name(path), MAIN_NAME) != 0)
        return false;
    return snprintf(script, PROJECT_PATH_MAX, "%s", path) < PROJECT_PATH_MAX;
}

static const char *add(struct vfs *vfs, const char *path, char why[], size_t why_cap)
{
    char refused[PATH_MAX];
    struct stat st;
    int rc = stat(path, &st) < 0 ? -errno : 0;

    (void)snprintf(refused, sizeof(refused), "%s", path);
    if (rc == 0) {
        rc = S_ISDIR(st.st_mode) ? vfs_add_folder(vfs, path, refused)
                                 : vfs_add_file(vfs, base_name(path), path);
    }
    if (rc == 0)
        return NULL;
    if (rc == -ENOSPC) {
        (void)snprintf(why, why_cap, "%s: more than %d files", path, VFS_FILES_MAX);
    } else {
        (void)snprintf(why, why_cap, "can't read %s: %s", refused, strerror(-rc));
    }
    return why;
}

const char *project_open(struct vfs *vfs, const char *const paths[], int count,
                         char script[PROJECT_PATH_MAX], char why[], size_t why_cap)
{
    char folder[PROJECT_PATH_MAX];
    bool found = false;

    for (int i = 0; i < count; i++) {
        const char *wrong = add(vfs, paths[i], why, why_cap);

        if (wrong)
            return wrong;
        found = found || find_script(paths[i], i == 0, script);
    }
    if (!found) {
        (void)snprintf(why, why_cap, "%s has no " MAIN_NAME ": name the script", paths[0]);
        return why;
    }
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(base_name(script) - script), script);
    vfs_set_siblings(vfs, folder);
    return NULL;
}
