#include "emu/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "emu/fake_device.h"
#include "emu/vclock.h"

#include <cmocka.h>

struct bench {
    struct vclock clock;
    struct trace trace;
    int fd;
};

static void bench_init(struct bench *bench)
{
    vclock_init(&bench->clock, VCLOCK_MODE_VIRTUAL);
    bench->fd = memfd_create("trace", MFD_CLOEXEC);
    trace_init(&bench->trace, &bench->clock, bench->fd);
}

static void assert_written(struct bench *bench, const char *expected)
{
    char *text = fake_read_all(bench->fd);

    assert_string_equal(text, expected);
    free(text);
    close(bench->fd);
}

static void a_line_has_the_time_the_kind_and_its_own_keys(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench);
    vclock_advance(&bench.clock, 1500);
    trace_emit(&bench.trace, "netc.event", "{s:i, s:s}", "netc", 3, "event", "ON_LINE");
    trace_emit(&bench.trace, "end", "{s:b}", "ok", 1);
    assert_written(&bench,
                   "{\"t_us\":1500,\"kind\":\"netc.event\",\"netc\":3,\"event\":\"ON_LINE\"}\n"
                   "{\"t_us\":1500,\"kind\":\"end\",\"ok\":true}\n");
}

static void line_ends_in_a_text_stay_inside_the_line(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench);
    trace_emit(&bench.trace, "log", "{s:o}", "text", trace_text("a\n\"b\"\0c", 7));
    assert_written(&bench, "{\"t_us\":0,\"kind\":\"log\",\"text\":\"a\\n\\\"b\\\"\\u0000c\"}\n");
}

static void a_trace_that_is_off_takes_everything_and_writes_nothing(void **state)
{
    struct vclock clock;
    struct trace trace;

    (void)state;
    vclock_init(&clock, VCLOCK_MODE_VIRTUAL);
    trace_init(&trace, &clock, -1);
    assert_false(trace_is_on(&trace));
    trace_emit(&trace, "log", "{s:s}", "text", "x");
    trace_emit(&trace, "log", "{s:o}", "text", trace_text("x", 1)); /* else it leaks */
    assert_int_equal(trace.write_error, 0);
}

static void the_first_error_of_writing_is_remembered(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench);
    bench.trace.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(bench.trace.fd >= 0);
    trace_emit(&bench.trace, "log", "{s:s}", "text", "x");
    assert_int_equal(bench.trace.write_error, EBADF);
    close(bench.trace.fd);
    close(bench.fd);
}

static void assert_text(const char *bytes, size_t len, const char *expected)
{
    json_t *text = trace_text(bytes, len);

    assert_non_null(text);
    assert_string_equal(json_string_value(text), expected);
    json_decref(text);
}

static void bytes_that_are_not_utf8_become_replacement_characters(void **state)
{
    (void)state;
    assert_text("", 0, "");
    assert_text("\xe4\xb8\xad\xf0\x9f\x98\x80", 7, "\xe4\xb8\xad\xf0\x9f\x98\x80");
    assert_text("a\xff"
                "b",
                3,
                "a\xef\xbf\xbd"
                "b");
    assert_text("\xe4\xb8", 2, "\xef\xbf\xbd\xef\xbf\xbd");                 /* cut off */
    assert_text("\xc0\x80", 2, "\xef\xbf\xbd\xef\xbf\xbd");                 /* overlong */
    assert_text("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
    assert_text("\xf4\x90\x80\x80", 4, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    assert_text("\xff\xe4\xb8\xad", 4, "\xef\xbf\xbd\xe4\xb8\xad");
}

/* Whatever a script logs, its line can be read: all sequences of up to two bytes, and more. */
static void any_bytes_make_a_text(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 0x10000; i++) {
        const char bytes[] = { (char)(i >> 8), (char)i, (char)0x80 };
        json_t *text = trace_text(bytes, sizeof(bytes));

        if (!text)
            fail_msg("no text for %04x80", i);
        json_decref(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_the_time_the_kind_and_its_own_keys),
        cmocka_unit_test(line_ends_in_a_text_stay_inside_the_line),
        cmocka_unit_test(a_trace_that_is_off_takes_everything_and_writes_nothing),
        cmocka_unit_test(the_first_error_of_writing_is_remembered),
        cmocka_unit_test(bytes_that_are_not_utf8_become_replacement_characters),
        cmocka_unit_test(any_bytes_make_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
