#include "emu/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/util.h"

#include <cmocka.h>

#define TEXT_MAX 64

/* A folder of the host with main.lua, notes.txt and sub/deep.lua in it. */
struct bench {
    struct vfs *vfs;
    char folder[32];
};

static void host_path(const struct bench *bench, const char *name, char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s/%s", bench->folder, name);
}

static int put_host_file(const struct bench *bench, const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *file;

    host_path(bench, name, path);
    file = fopen(path, "we");
    if (!file)
        return -1;
    (void)fputs(text, file);
    return fclose(file);
}

static int setup(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));
    char path[PATH_MAX];

    *state = bench;
    bench->vfs = vfs_new();
    (void)strcpy(bench->folder, "/tmp/vfs_test.XXXXXX");
    if (!mkdtemp(bench->folder))
        return -1;
    host_path(bench, "sub", path);
    if (mkdir(path, 0700) < 0)
        return -1;
    return put_host_file(bench, "main.lua", "print(1)") ||
           put_host_file(bench, "notes.txt", "beside") ||
           put_host_file(bench, "sub/deep.lua", "deep") ||
           put_host_file(bench, "sub/.hidden", "hidden");
}

static int teardown(void **state)
{
    static const char *const names[] = { "sub/.hidden", "sub/deep.lua", "sub",
                                         "notes.txt",   "main.lua",     "" };
    struct bench *bench = *state;
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        host_path(bench, names[i], path);
        if (remove(path) < 0)
            return -1;
    }
    vfs_free(bench->vfs);
    free(bench);
    return 0;
}

static void add_main(struct bench *bench)
{
    char path[PATH_MAX];

    host_path(bench, "main.lua", path);
    assert_int_equal(vfs_add_file(bench->vfs, "main.lua", path), 0);
}

static void write_file(struct vfs *vfs, const char *path, const char *text)
{
    int fd = vfs_open(vfs, path, O_WRONLY | O_CREAT | O_TRUNC);

    if (fd < 0)
        fail_msg("%s: %s", path, strerror(-fd));
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void assert_holds(struct vfs *vfs, const char *path, const char *expected)
{
    char text[TEXT_MAX] = "";
    int fd = vfs_open(vfs, path, O_RDONLY);

    if (fd < 0)
        fail_msg("%s: %s", path, strerror(-fd));
    assert_true(read(fd, text, sizeof(text) - 1) >= 0);
    assert_string_equal(text, expected);
    close(fd);
}

static void assert_absent(struct vfs *vfs, const char *path)
{
    struct vfs_stat st;

    assert_int_equal(vfs_open(vfs, path, O_RDONLY), -ENOENT);
    assert_int_equal(vfs_stat(vfs, path, &st), -ENOENT);
}

static void a_text_of_the_emulators_own_can_be_read_and_no_more(void **state)
{
    struct bench *bench = *state;
    struct vfs *vfs = bench->vfs;
    char found[PATH_MAX], folder[PATH_MAX];
    struct vfs_stat st;

    assert_int_equal(vfs_add_text(vfs, "ca.pem", "text", 4), 0);
    assert_int_equal(vfs_add_text(vfs, "ca.pem", "other", 5), 0);
    assert_holds(vfs, "/luadb/ca.pem", "text");
    assert_holds(vfs, "/luadb/ca.pem", "text"); /* from its beginning again */
    assert_int_equal(vfs_stat(vfs, "/luadb/ca.pem", &st), 0);
    assert_int_equal(st.size, 4);
    assert_int_equal(vfs_open(vfs, "/luadb/ca.pem", O_WRONLY), -EROFS);
    assert_int_equal(vfs_remove(vfs, "/luadb/ca.pem"), -EROFS);
    add_main(bench); /* the user's files win */
    assert_int_equal(vfs_add_text(vfs, "main.lua", "text", 4), 0);
    assert_non_null(vfs_host_path(vfs, "/luadb/main.lua", found, sizeof(found)));
    host_path(bench, "", folder);
    vfs_set_siblings(vfs, folder);
    assert_int_equal(vfs_add_text(vfs, "notes.txt", "text", 4), 0);
    assert_holds(vfs, "/luadb/notes.txt", "beside");
}

static void a_file_of_the_flash_can_be_written_and_read(void **state)
{
    struct vfs *vfs = ((struct bench *)*state)->vfs;
    struct vfs_stat st;

    assert_absent(vfs, "/a.txt");
    write_file(vfs, "/a.txt", "hello");
    assert_holds(vfs, "/a.txt", "hello");
    assert_int_equal(vfs_stat(vfs, "/a.txt", &st), 0);
    assert_false(st.is_folder);
    assert_int_equal(st.size, 5);
    write_file(vfs, "/a.txt", "x");
    assert_holds(vfs, "/a.txt", "x");
    assert_int_equal(vfs_used(vfs), 1);
}

static void every_open_has_its_own_position_and_mode(void **state)
{
    struct vfs *vfs = ((struct bench *)*state)->vfs;
    char text[TEXT_MAX] = "";
    int append, reader;

    write_file(vfs, "/a", "one");
    append = vfs_open(vfs, "/a", O_WRONLY | O_APPEND);
    reader = vfs_open(vfs, "/a", O_RDONLY);
    assert_true(append >= 0 && reader >= 0);
    assert_int_equal(write(append, "two", 3), 3);
    assert_int_equal(write(reader, "x", 1), -1);
    assert_int_equal(read(reader, text, sizeof(text)), 6);
    assert_string_equal(text, "onetwo");
    close(append);
    close(reader);
}

static void an_open_file_outlives_its_name(void **state)
{
    struct vfs *vfs = ((struct bench *)*state)->vfs;
    char text[TEXT_MAX] = "";
    int fd;

    write_file(vfs, "/a", "kept");
    fd = vfs_open(vfs, "/a", O_RDONLY);
    assert_int_equal(vfs_remove(vfs, "/a"), 0);
    assert_absent(vfs, "/a");
    assert_int_equal(read(fd, text, sizeof(text)), 4);
    close(fd);
}

static void one_file_has_many_spellings(void **state)
{
    struct vfs *vfs = ((struct bench *)*state)->vfs;

    assert_int_equal(vfs_mkdir(vfs, "/d"), 0);
    write_file(vfs, "/d/a", "same");
    assert_holds(vfs, "d/a", "same");
    assert_holds(vfs, "//d//a/", "same");
    assert_holds(vfs, "/./d/./a", "same");
    assert_holds(vfs, "/x/../d/a", "same");
    assert_holds(vfs, "/../../d/a", "same");
}

static void nobody_climbs_out_of_the_flash(void **state)
{
    struct vfs *vfs = ((struct bench *)*state)->vfs;

    assert_absent(vfs, "/etc/passwd");
    assert_absent(vfs, "../../../../etc/passwd");
    assert_absent(vfs, "/luadb/../etc/passwd");
    assert_absent(vfs, "/luadb/../../etc/passwd");
    assert_absent(vfs, "/proc/self/mem");
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    struct vfs *vfs = ((struct bench *)*state)->vfs;
    char path[VFS_PATH_MAX + 2];
    struct vfs_stat st;

    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(vfs_open(vfs, path, O_WRONLY | O_CREAT), -ENAMETOOLONG);
    assert_int_equal(vfs_stat(vfs, path, &st), -ENAMETOOLONG);
    path[VFS_PATH_MAX - 2] = '\0';
    write_file(vfs, path, "long");
    assert_holds(vfs, path, "long");
}

static void folders_must_exist_and_be_empty_to_go(void **state)
{
    struct vfs *vfs = ((struct bench *)*state)->vfs;
    struct vfs_stat st;

    assert_int_equal(vfs_open(vfs, "/d/a", O_WRONLY | O_CREAT), -ENOENT);
    assert_int_equal(vfs_mkdir(vfs, "/d/e"), -ENOENT);
    assert_int_equal(vfs_mkdir(vfs, "/d"), 0);
    assert_int_equal(vfs_mkdir(vfs, "/d"), -EEXIST);
    assert_int_equal(vfs_mkdir(vfs, "/"), -EEXIST);
    assert_int_equal(vfs_mkdir(vfs, "/d/e"), 0);
    write_file(vfs, "/d/e/a", "x");
    assert_int_equal(vfs_stat(vfs, "/d", &st), 0);
    assert_true(st.is_folder);
    assert_int_equal(vfs_rmdir(vfs, "/d/e"), -ENOTEMPTY);
    assert_int_equal(vfs_rmdir(vfs, "/d/e/a"), -ENOTDIR);
    assert_int_equal(vfs_rmdir(vfs, "/nothing"), -ENOENT);
    assert_int_equal(vfs_remove(vfs, "/d/e/a"), 0);
    assert_int_equal(vfs_rmdir(vfs, "/d/e"), 0);
    assert_int_equal(vfs_rmdir(vfs, "/d"), 0);
    assert_absent(vfs, "/d");
}

static void a_file_is_no_folder_and_a_folder_no_file(void **state)
{
    struct vfs *vfs = ((struct bench *)*state)->vfs;
    const char *name;
    struct vfs_stat st;

    write_file(vfs, "/a", "x");
    assert_int_equal(vfs_open(vfs, "/a/b", O_WRONLY | O_CREAT), -ENOENT);
    assert_int_equal(vfs_list(vfs, "/a", 0, &name, &st), -ENOTDIR);
    assert_int_equal(vfs_mkdir(vfs, "/d"), 0);
    assert_int_equal(vfs_open(vfs, "/d", O_RDONLY), -EISDIR);
    assert_int_equal(vfs_open(vfs, "/", O_RDWR | O_CREAT), -EISDIR);
    assert_int_equal(vfs_remove(vfs, "/d"), -EISDIR);
    assert_int_equal(vfs_rename(vfs, "/d", "/e"), -EISDIR);
    assert_int_equal(vfs_rename(vfs, "/a", "/d"), -EISDIR);
    assert_holds(vfs, "/a", "x");
}

static void renaming_moves_and_replaces(void **state)
{
    struct vfs *vfs = ((struct bench *)*state)->vfs;

    write_file(vfs, "/b", "from");
    assert_int_equal(vfs_rename(vfs, "/b", "/c"), 0);
    assert_absent(vfs, "/b");
    assert_holds(vfs, "/c", "from");
    write_file(vfs, "/a", "old a"); /* before it and behind it in the order of names */
    write_file(vfs, "/z", "old z");
    assert_int_equal(vfs_rename(vfs, "/c", "/a"), 0);
    assert_absent(vfs, "/c");
    assert_holds(vfs, "/a", "from");
    assert_int_equal(vfs_rename(vfs, "/a", "/z"), 0);
    assert_absent(vfs, "/a");
    assert_holds(vfs, "/z", "from");
    assert_int_equal(vfs_rename(vfs, "/z", "//z"), 0);
    assert_holds(vfs, "/z", "from");
    assert_int_equal(vfs_rename(vfs, "/nothing", "/y"), -ENOENT);
    assert_int_equal(vfs_rename(vfs, "/z", "/no/where"), -ENOENT);
    assert_int_equal(vfs_rename(vfs, "/z", "/"), -ENOENT);
    assert_holds(vfs, "/z", "from");
}

static void a_folder_lists_what_is_in_it_by_name(void **state)
{
    static const char *const files[] = { "/d/b", "/d/a", "/dd", "/d/c" };
    struct vfs *vfs = ((struct bench *)*state)->vfs;
    const char *name;
    struct vfs_stat st;

    assert_int_equal(vfs_mkdir(vfs, "/d"), 0);
    assert_int_equal(vfs_mkdir(vfs, "/d/sub"), 0);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        write_file(vfs, files[i], "12");
    write_file(vfs, "/d/sub/deep", "12");
    assert_int_equal(vfs_list(vfs, "/d", 0, &name, &st), 1);
    assert_string_equal(name, "a");
    assert_int_equal(st.size, 2);
    assert_int_equal(vfs_list(vfs, "/d", 3, &name, &st), 1);
    assert_string_equal(name, "sub");
    assert_true(st.is_folder);
    assert_int_equal(vfs_list(vfs, "/d", 4, &name, &st), 0);
    assert_int_equal(vfs_list(vfs, "/", 0, &name, &st), 1);
    assert_string_equal(name, "d");
    assert_int_equal(vfs_list(vfs, "/", 1, &name, &st), 1);
    assert_string_equal(name, "dd");
    assert_int_equal(vfs_list(vfs, "/", 2, &name, &st), 0);
    assert_int_equal(vfs_list(vfs, "/nothing", 0, &name, &st), -ENOENT);
}

static void luadb_has_the_files_of_the_command_line_read_only(void **state)
{
    struct bench *bench = *state;
    struct vfs *vfs = bench->vfs;
    struct vfs_stat st;

    add_main(bench);
    assert_holds(vfs, "/luadb/main.lua", "print(1)");
    assert_int_equal(vfs_stat(vfs, "/luadb/main.lua", &st), 0);
    assert_int_equal(st.size, 8);
    assert_int_equal(vfs_stat(vfs, "/luadb", &st), 0);
    assert_true(st.is_folder);
    assert_int_equal(vfs_open(vfs, "/luadb/main.lua", O_RDWR), -EROFS);
    assert_int_equal(vfs_open(vfs, "/luadb/new", O_WRONLY | O_CREAT), -EROFS);
    assert_int_equal(vfs_remove(vfs, "/luadb/main.lua"), -EROFS);
    assert_int_equal(vfs_rename(vfs, "/luadb/main.lua", "/a"), -EROFS);
    assert_int_equal(vfs_mkdir(vfs, "/luadb/d"), -EROFS);
    assert_int_equal(vfs_rmdir(vfs, "/luadb"), -EROFS);
    write_file(vfs, "/a", "x");
    assert_int_equal(vfs_rename(vfs, "/a", "/luadb/a"), -EROFS);
    assert_absent(vfs, "/luadb/notes.txt");
    assert_absent(vfs, "/luadb/sub/deep.lua");
}

static void a_folder_of_the_command_line_is_flattened_without_hidden_files(void **state)
{
    struct bench *bench = *state;
    char refused[PATH_MAX];
    const char *name;
    struct vfs_stat st;

    assert_int_equal(vfs_add_folder(bench->vfs, bench->folder, refused), 0);
    assert_holds(bench->vfs, "/luadb/deep.lua", "deep");
    assert_holds(bench->vfs, "/luadb/main.lua", "print(1)");
    assert_int_equal(vfs_list(bench->vfs, "/luadb", 0, &name, &st), 1);
    assert_string_equal(name, "deep.lua");
    assert_int_equal(st.size, 4);
    assert_int_equal(vfs_list(bench->vfs, "/luadb", 2, &name, &st), 1);
    assert_string_equal(name, "notes.txt");
    assert_int_equal(vfs_list(bench->vfs, "/luadb", 3, &name, &st), 0);
    assert_int_equal(vfs_add_folder(bench->vfs, "/nowhere/at/all", refused), -ENOENT);
    assert_string_equal(refused, "/nowhere/at/all");
}

static void the_first_file_of_a_name_stays(void **state)
{
    struct bench *bench = *state;
    char path[PATH_MAX];

    add_main(bench);
    host_path(bench, "notes.txt", path);
    assert_int_equal(vfs_add_file(bench->vfs, "main.lua", path), 0);
    assert_holds(bench->vfs, "/luadb/main.lua", "print(1)");
}

static void files_beside_the_script_are_found_but_not_listed(void **state)
{
    struct bench *bench = *state;
    char siblings[PATH_MAX], found[PATH_MAX], expected[PATH_MAX];
    const char *name;
    struct vfs_stat st;

    host_path(bench, "", siblings);
    vfs_set_siblings(bench->vfs, siblings);
    assert_holds(bench->vfs, "/luadb/notes.txt", "beside");
    assert_absent(bench->vfs, "/luadb/sub"); /* not a file */
    assert_absent(bench->vfs, "/luadb/sub/deep.lua");
    assert_int_equal(vfs_list(bench->vfs, "/luadb", 0, &name, &st), 0);
    host_path(bench, "notes.txt", expected);
    assert_string_equal(vfs_host_path(bench->vfs, "/luadb/notes.txt", found, sizeof(found)),
                        expected);
    assert_null(vfs_host_path(bench->vfs, "/notes.txt", found, sizeof(found)));
    assert_null(vfs_host_path(bench->vfs, "/luadb/nothing", found, sizeof(found)));
}

static void a_full_flash_takes_no_more_and_loses_nothing(void **state)
{
    struct vfs *vfs = ((struct bench *)*state)->vfs;
    char path[TEXT_MAX];

    write_file(vfs, "/a", "kept");
    for (int i = 1; i < VFS_FILES_MAX; i++) {
        (void)snprintf(path, sizeof(path), "/folder%d", i);
        assert_int_equal(vfs_mkdir(vfs, path), 0);
    }
    assert_int_equal(vfs_mkdir(vfs, "/more"), -ENOSPC);
    assert_int_equal(vfs_open(vfs, "/more", O_WRONLY | O_CREAT), -ENOSPC);
    assert_int_equal(vfs_rename(vfs, "/a", "/b"), 0);
    assert_holds(vfs, "/b", "kept");
}

#define ON_BENCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BENCH(a_text_of_the_emulators_own_can_be_read_and_no_more),
        ON_BENCH(a_file_of_the_flash_can_be_written_and_read),
        ON_BENCH(every_open_has_its_own_position_and_mode),
        ON_BENCH(an_open_file_outlives_its_name),
        ON_BENCH(one_file_has_many_spellings),
        ON_BENCH(nobody_climbs_out_of_the_flash),
        ON_BENCH(a_path_that_is_too_long_is_refused),
        ON_BENCH(folders_must_exist_and_be_empty_to_go),
        ON_BENCH(a_file_is_no_folder_and_a_folder_no_file),
        ON_BENCH(renaming_moves_and_replaces),
        ON_BENCH(a_folder_lists_what_is_in_it_by_name),
        ON_BENCH(luadb_has_the_files_of_the_command_line_read_only),
        ON_BENCH(a_folder_of_the_command_line_is_flattened_without_hidden_files),
        ON_BENCH(the_first_file_of_a_name_stays),
        ON_BENCH(files_beside_the_script_are_found_but_not_listed),
        ON_BENCH(a_full_flash_takes_no_more_and_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
