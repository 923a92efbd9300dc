#include "emu/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emu/fake_device.h"
#include "emu/util.h"

#include <cmocka.h>

#define STAMP_0 "[2026-01-01 08:00:00.000][000000000.000] " /* local time is UTC+8 */

static struct log *log_of(struct fake_device *fake)
{
    return &fake->device.log;
}

static void assert_file(int fd, const char *expected)
{
    char *text = fake_read_all(fd);

    assert_string_equal(text, expected);
    free(text);
}

static size_t count_in_file(int fd, const char *part)
{
    char *text = fake_read_all(fd);
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    free(text);
    return count;
}

static void a_script_line_has_stamp_level_tag_and_text(void **state)
{
    struct fake_device *fake = *state;

    log_script(log_of(fake), LOG_LEVEL_INFO, "user.main", "hello", 5);
    assert_file(fake->log_fd, STAMP_0 "I/user.main hello\n");
    assert_file(fake->voice_fd, "");
}

static void the_stamp_shows_local_time_and_time_since_start(void **state)
{
    struct fake_device *fake = *state;

    vclock_advance(&fake->device.clock, UINT64_C(3661020999));
    log_firmware(log_of(fake), LOG_LEVEL_DEBUG, "net", "%s %d", "adapter", 5);
    assert_file(fake->log_fd, "[2026-01-01 09:01:01.020][000003661.020] D/net adapter 5\n");
}

static void print_has_neither_level_nor_tag(void **state)
{
    struct fake_device *fake = *state;

    log_print(log_of(fake), "a b", 3);
    assert_file(fake->log_fd, STAMP_0 "a b\n");
}

static void lines_below_the_level_are_not_there_at_all(void **state)
{
    struct fake_device *fake = *state;

    log_of(fake)->config.level = LOG_LEVEL_WARN;
    log_script(log_of(fake), LOG_LEVEL_INFO, "user.main", "quiet", 5);
    log_firmware(log_of(fake), LOG_LEVEL_DEBUG, "net", "quiet");
    log_script(log_of(fake), LOG_LEVEL_WARN, "user.main", "loud", 4);
    log_print(log_of(fake), "printed", 7);
    assert_file(fake->log_fd, STAMP_0 "W/user.main loud\n" STAMP_0 "printed\n");
    assert_false(fake_traced(fake, "quiet"));
    log_of(fake)->config.level = LOG_LEVEL_SILENT;
    log_print(log_of(fake), "quiet", 5);
    assert_false(fake_traced(fake, "quiet"));
}

static void bytes_of_a_script_line_are_kept_as_they_are(void **state)
{
    struct fake_device *fake = *state;

    log_script(log_of(fake), LOG_LEVEL_ERROR, "t", "a\nb\xff", 4);
    assert_file(fake->log_fd, STAMP_0 "E/t a\nb\xff\n");
    assert_true(fake_traced(fake, "\"text\":\"a\\nb\xef\xbf\xbd\""));
}

static void a_long_script_line_is_kept_whole(void **state)
{
    enum { LEN = 100000 };
    struct fake_device *fake = *state;
    char *text = xcalloc(1, LEN + 1);

    memset(text, 'x', LEN);
    log_script(log_of(fake), LOG_LEVEL_INFO, "t", text, LEN);
    assert_int_equal(count_in_file(fake->log_fd, text), 1);
    free(text);
}

static void a_long_firmware_line_is_cut(void **state)
{
    enum { LEN = 10000 };
    struct fake_device *fake = *state;
    char *text = xcalloc(1, LEN + 1);

    memset(text, 'x', LEN);
    log_firmware(log_of(fake), LOG_LEVEL_INFO, "t", "%s", text);
    assert_int_equal(count_in_file(fake->log_fd, "x"), 4095);
    assert_int_equal(count_in_file(fake->log_fd, "\n"), 1);
    log_say(log_of(fake), "%s", text);
    assert_int_equal(count_in_file(fake->voice_fd, "x"), 4095);
    assert_int_equal(count_in_file(fake->voice_fd, "\n"), 1);
    free(text);
}

static void colors_surround_tag_and_text(void **state)
{
    struct fake_device *fake = *state;

    log_of(fake)->config.module_color = true;
    log_script(log_of(fake), LOG_LEVEL_ERROR, "t", "x", 1);
    log_script(log_of(fake), LOG_LEVEL_INFO, "t", "y", 1);
    assert_file(fake->log_fd, STAMP_0 "\033[31mE/t x\033[0m\n" STAMP_0 "I/t y\n");
}

static void the_emulator_speaks_on_its_own_and_into_the_trace(void **state)
{
    struct fake_device *fake = *state;

    log_say(log_of(fake), "seed %d", 7);
    assert_file(fake->voice_fd, "luatos-emu: seed 7\n");
    assert_file(fake->log_fd, "");
    assert_true(fake_traced(fake, "\"kind\":\"say\",\"text\":\"seed 7\""));
}

static void the_same_warning_is_shown_three_times_and_always_traced(void **state)
{
    struct fake_device *fake = *state;

    for (int i = 0; i < 5; i++)
        log_warn(log_of(fake), "main.lua:1: ", "careful");
    log_warn(log_of(fake), "main.lua:2: ", "careful");
    assert_int_equal(count_in_file(fake->voice_fd, "warning: main.lua:1: careful\n"), 3);
    assert_int_equal(count_in_file(fake->voice_fd, "main.lua:1: (the same again"), 1);
    assert_int_equal(count_in_file(fake->voice_fd, "warning: main.lua:2: careful\n"), 1);
    assert_int_equal(count_in_file(fake->trace_fd, "\"kind\":\"warn\""), 6);
}

static void of_very_many_warnings_the_oldest_is_forgotten(void **state)
{
    struct fake_device *fake = *state;

    for (int i = 0; i < 5; i++)
        log_warn(log_of(fake), "", "old");
    for (int i = 0; i < LOG_WARN_KINDS_MAX; i++)
        log_warn(log_of(fake), "", "warning %d", i);
    log_warn(log_of(fake), "", "old");
    assert_int_equal(count_in_file(fake->voice_fd, "warning: old\n"), 4);
}

static void nothing_is_lost_without_a_trace(void **state)
{
    struct fake_device *fake = *state;

    fake->device.trace.fd = -1; /* what was made for it would leak */
    log_say(log_of(fake), "a");
    log_warn(log_of(fake), "", "b");
    log_script(log_of(fake), LOG_LEVEL_INFO, "t", "c", 1);
    assert_file(fake->voice_fd, "luatos-emu: a\nluatos-emu: warning: b\n");
    assert_file(fake->trace_fd, "");
}

static void without_a_place_for_the_log_it_goes_to_the_trace_only(void **state)
{
    struct fake_device *fake = *state;

    log_of(fake)->config.module_fd = -1;
    log_script(log_of(fake), LOG_LEVEL_INFO, "t", "c", 1);
    assert_true(fake_traced(fake, "\"kind\":\"log\",\"level\":\"I\",\"tag\":\"t\",\"text\":\"c\""));
    assert_int_equal(log_of(fake)->write_error, 0);
}

static void a_log_that_cannot_be_written_is_said_once(void **state)
{
    struct fake_device *fake = *state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    log_of(fake)->config.module_fd = fd;
    log_script(log_of(fake), LOG_LEVEL_INFO, "t", "c", 1);
    log_script(log_of(fake), LOG_LEVEL_INFO, "t", "d", 1);
    assert_int_equal(log_of(fake)->write_error, ENOSPC);
    assert_int_equal(count_in_file(fake->voice_fd, "the log can't be written any more"), 1);
    close(fd);
}

#define ON_DEVICE(test) \
    cmocka_unit_test_setup_teardown(test, fake_device_setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DEVICE(a_script_line_has_stamp_level_tag_and_text),
        ON_DEVICE(the_stamp_shows_local_time_and_time_since_start),
        ON_DEVICE(print_has_neither_level_nor_tag),
        ON_DEVICE(lines_below_the_level_are_not_there_at_all),
        ON_DEVICE(bytes_of_a_script_line_are_kept_as_they_are),
        ON_DEVICE(a_long_script_line_is_kept_whole),
        ON_DEVICE(a_long_firmware_line_is_cut),
        ON_DEVICE(colors_surround_tag_and_text),
        ON_DEVICE(the_emulator_speaks_on_its_own_and_into_the_trace),
        ON_DEVICE(the_same_warning_is_shown_three_times_and_always_traced),
        ON_DEVICE(of_very_many_warnings_the_oldest_is_forgotten),
        ON_DEVICE(nothing_is_lost_without_a_trace),
        ON_DEVICE(without_a_place_for_the_log_it_goes_to_the_trace_only),
        ON_DEVICE(a_log_that_cannot_be_written_is_said_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
