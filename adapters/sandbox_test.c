#include "adapters/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emu/util.h"

#include <cmocka.h>

#define PATH_CAP 256

/* A folder with "mine", and beside it "secret", to which "mine/link" leads. */
struct world {
    char root[PATH_CAP], mine[PATH_CAP], own[PATH_CAP], link[PATH_CAP], secret[PATH_CAP];
    int root_fd, memory_fd; /* open before the sandbox is */
};

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void join(char path[PATH_CAP], const char *folder, const char *name)
{
    assert_true(snprintf(path, PATH_CAP, "%s/%s", folder, name) < PATH_CAP);
}

static int set_up(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));

    (void)snprintf(world->root, sizeof(world->root), "/tmp/sandbox_test.XXXXXX");
    assert_non_null(mkdtemp(world->root));
    join(world->mine, world->root, "mine");
    join(world->own, world->mine, "own");
    join(world->link, world->mine, "link");
    join(world->secret, world->root, "secret");
    assert_int_equal(mkdir(world->mine, 0700), 0);
    write_text(world->own, "own");
    write_text(world->secret, "secret");
    assert_int_equal(symlink(world->secret, world->link), 0);
    world->root_fd = open(world->root, O_PATH | O_DIRECTORY);
    world->memory_fd = memfd_create("flash", MFD_CLOEXEC);
    assert_true(world->root_fd >= 0 && world->memory_fd >= 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    close(world->root_fd);
    close(world->memory_fd);
    (void)unlink(world->own);
    (void)unlink(world->link);
    (void)unlink(world->secret);
    (void)rmdir(world->mine);
    (void)rmdir(world->root);
    free(world);
    return 0;
}

/* errno of an attempt; 0: it succeeds. */
static int tried(int fd)
{
    int error = fd < 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    return error;
}

/* Run @check in a process of its own, in the sandbox of @paths; what it returns has to be 0. */
static void inside(const struct world *world, const struct sandbox_path paths[], size_t count,
                   int (*check)(const struct world *world))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        char why[SANDBOX_WHY_MAX];

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_enter(paths, count, why) < 0)
            _exit(255);
        _exit(check(world));
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void need_landlock(void)
{
    if (!sandbox_version())
        skip();
}

/* The line of the check that fails. */
#define EXPECT(condition)    \
    do {                     \
        if (!(condition))    \
            return __LINE__; \
    } while (0)

static int reads_only_its_own(const struct world *world)
{
    char path[2 * PATH_CAP + 64];

    EXPECT(tried(open(world->own, O_RDONLY)) == 0);
    EXPECT(tried(open(world->own, O_WRONLY)) == EACCES);
    EXPECT(tried(open(world->secret, O_RDONLY)) == EACCES);
    EXPECT(tried(open("/etc/passwd", O_RDONLY)) == EACCES);
    EXPECT(tried(open("/", O_RDONLY | O_DIRECTORY)) == EACCES);
    (void)snprintf(path, sizeof(path), "%s/new", world->mine);
    EXPECT(tried(open(path, O_WRONLY | O_CREAT, 0600)) == EACCES);
    EXPECT(unlink(world->own) < 0 && errno == EACCES);
    return 0;
}

static void what_is_not_named_can_not_be_opened(void **state)
{
    const struct world *world = *state;
    struct sandbox_path paths[] = { { world->mine, SANDBOX_USE_READ },
                                    { "/nowhere/at/all", SANDBOX_USE_READ } };

    need_landlock();
    inside(world, paths, ARRAY_LEN(paths), reads_only_its_own);
}

/* Ways around: a link, the process's root, a folder that is open already, "..". */
static int finds_no_way_around(const struct world *world)
{
    char path[2 * PATH_CAP + 64];

    EXPECT(tried(open(world->link, O_RDONLY)) == EACCES);
    (void)snprintf(path, sizeof(path), "/proc/self/root%s", world->secret);
    EXPECT(tried(open(path, O_RDONLY)) == EACCES);
    (void)snprintf(path, sizeof(path), "/proc/self/cwd/../../../../../../..%s", world->secret);
    EXPECT(tried(open(path, O_RDONLY)) == EACCES);
    EXPECT(tried(openat(world->root_fd, "secret", O_RDONLY)) == EACCES);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/secret", world->root_fd);
    EXPECT(tried(open(path, O_RDONLY)) == EACCES);
    (void)snprintf(path, sizeof(path), "%s/../secret", world->mine);
    EXPECT(tried(open(path, O_RDONLY)) == EACCES);
    EXPECT(tried(open("/proc/self/environ", O_RDONLY)) == EACCES);
    EXPECT(link(world->secret, world->own) < 0);
    EXPECT(rename(world->secret, world->own) < 0);
    return 0;
}

static void there_is_no_way_around(void **state)
{
    const struct world *world = *state;
    struct sandbox_path paths[] = { { world->mine, SANDBOX_USE_READ } };

    need_landlock();
    inside(world, paths, ARRAY_LEN(paths), finds_no_way_around);
}

/* As emu/vfs.c does with the module's own files. */
static int opens_memory_again(const struct world *world)
{
    char path[PATH_CAP];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", world->memory_fd);
    EXPECT(tried(open(path, O_RDWR | O_TRUNC)) == 0);
    EXPECT(tried(memfd_create("another", MFD_CLOEXEC)) == 0);
    return 0;
}

static void files_in_memory_stay(void **state)
{
    need_landlock();
    inside(*state, NULL, 0, opens_memory_again);
}

static int writes_and_removes(const struct world *world)
{
    EXPECT(tried(open("/dev/null", O_RDWR)) == 0);
    EXPECT(tried(open("/dev/zero", O_RDWR)) == EACCES);
    EXPECT(tried(open(world->own, O_RDONLY)) == EACCES);
    EXPECT(unlink(world->own) == 0);
    return 0;
}

static void writing_and_removing_are_rights_of_their_own(void **state)
{
    const struct world *world = *state;
    struct sandbox_path paths[] = { { "/dev/null", SANDBOX_USE_WRITE },
                                    { world->mine, SANDBOX_USE_REMOVE } };

    need_landlock();
    inside(world, paths, ARRAY_LEN(paths), writes_and_removes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_named_can_not_be_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_is_no_way_around, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_in_memory_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writing_and_removing_are_rights_of_their_own, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
