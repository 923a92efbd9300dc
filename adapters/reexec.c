#include "adapters/reexec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/child.h"
#include "emu/util.h"

#define VARIABLE    "LUATOS_EMU_HELPER"
#define PATIENCE_MS 20000 /* podman sets itself up when it runs for the first time */
#define SAID_MAX    256

struct helper {
    const char *name;
    const char *words[REEXEC_WORDS_MAX - 1];
    bool is_emulator; /* and not told which one to run */
};

/* In order: the less there is between us and the kernel, the better. */
static const struct helper helpers[] = {
    { "/usr/bin/luatos-emu", { "/usr/bin/luatos-emu" }, true },
    { "/usr/local/bin/luatos-emu", { "/usr/local/bin/luatos-emu" }, true },
    { "rootlesskit", { "rootlesskit" }, false },
    { "podman", { "podman", "unshare", "--rootless-netns" }, false },
};

const char *reexec_helper(void)
{
    const char *name = getenv(VARIABLE);
    const char *known = NULL;

    for (int i = 0; name && i < ARRAY_LEN(helpers); i++) {
        if (strcmp(helpers[i].name, name) == 0)
            known = helpers[i].name;
    }
    (void)unsetenv(VARIABLE);
    return known;
}

static bool is_self(const char *path)
{
    struct stat a, b;

    return stat(path, &a) == 0 && stat("/proc/self/exe", &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* 0 or -errno. */
static int prepare(struct reexec *reexec, const struct helper *helper)
{
    char *self = NULL;
    ssize_t len;

    *reexec = (struct reexec){ .name = helper->name };
    for (int i = 0; i < ARRAY_LEN(helper->words) && helper->words[i]; i++) {
        (void)snprintf(reexec->words[reexec->words_count++], REEXEC_WORD_MAX, "%s",
                       helper->words[i]);
    }
    if (helper->is_emulator)
        return 0;
    self = reexec->words[reexec->words_count++];
    len = readlink("/proc/self/exe", self, REEXEC_WORD_MAX - 1);
    if (len < 0)
        return -errno;
    self[len] = '\0';
    return 0;
}

/* @argv without its first word, after the helper's. */
static char **command_of(struct reexec *reexec, char *const argv[])
{
    size_t count = 0, len = 0;
    char **command;

    while (argv[count])
        count++;
    command = xcalloc(reexec->words_count + count + 1, sizeof(*command));
    for (size_t i = 0; i < reexec->words_count; i++)
        command[len++] = reexec->words[i];
    for (size_t i = 1; i < count; i++)
        command[len++] = argv[i];
    return command;
}

static int mark(const struct reexec *reexec)
{
    return setenv(VARIABLE, reexec->name, 1) < 0 ? -errno : 0;
}

/* Of what was said, the last line: programs end with what went wrong. */
static const char *last_line(char *said)
{
    char *end = said + strlen(said);
    const char *slash;

    while (end > said && end[-1] == '\n')
        *--end = '\0';
    slash = strrchr(said, '\n');
    return slash ? slash + 1 : said;
}

/* 0, or -errno with @why. */
static int try_helper(struct reexec *reexec, char why[SAID_MAX])
{
    char program[] = "luatos-emu", doctor[] = "doctor", probe[] = "--probe";
    char said[SAID_MAX] = "";
    char *const words[] = { program, doctor, probe, NULL };
    char **command = command_of(reexec, words);
    const char *last;
    int code = mark(reexec);

    if (code == 0)
        code = child_run(command, PATIENCE_MS, said, sizeof(said));
    (void)unsetenv(VARIABLE);
    free(command);
    if (code == 0 && strstr(said, REEXEC_GOOD))
        return 0;
    if (code == -ENOENT) {
        (void)snprintf(why, SAID_MAX, "is not installed");
    } else if (code == -ETIMEDOUT) {
        (void)snprintf(why, SAID_MAX, "does not end");
    } else if (code < 0) {
        (void)snprintf(why, SAID_MAX, "can't be run: %s", strerror(-code));
    } else {
        last = last_line(said);
        (void)snprintf(why, SAID_MAX, "%s", *last ? last : "fails without a word");
        if (code == 0)
            (void)snprintf(why, SAID_MAX, "is of another version");
    }
    return code < 0 ? code : -ENOEXEC;
}

int reexec_find(struct reexec *reexec, char why[TIER_WHY_MAX])
{
    char reason[SAID_MAX];
    size_t len = 0;

    *why = '\0';
    for (int i = 0; i < ARRAY_LEN(helpers); i++) {
        int rc = is_self(helpers[i].name) ? -ENOENT : prepare(reexec, &helpers[i]);

        if (rc == 0)
            rc = try_helper(reexec, reason);
        if (rc == 0)
            return 0;
        if (rc == -ENOENT && helpers[i].is_emulator)
            continue;
        if (len < TIER_WHY_MAX) {
            len += (size_t)snprintf(why + len, TIER_WHY_MAX - len, "%s%s: %s", len ? ", " : "",
                                    helpers[i].name, reason);
        }
    }
    return -ENOENT;
}

int reexec_go(struct reexec *reexec, char *const argv[])
{
    char **command = command_of(reexec, argv);
    int rc = mark(reexec);

    if (rc == 0)
        rc = child_become(command);
    (void)unsetenv(VARIABLE);
    free(command);
    return rc;
}
