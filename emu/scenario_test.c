#include "emu/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/exit_code.h"
#include "emu/fake_device.h"
#include "emu/log.h"
#include "emu/trace.h"
#include "emu/util.h"

#include <cmocka.h>

#define US_PER_MS 1000
#define DONE_MAX  16
#define NOT_ENDED (-1)

/* A scenario of the fake device's, and what it did. */
struct bench {
    struct fake_device *fake;
    struct scenario *scenario;
    struct {
        char line[SCENARIO_TEXT_MAX];
        uint64_t at_ms;
    } done[DONE_MAX];
    size_t done_count;
    int code; /* NOT_ENDED: nobody asked for an end */
};

static const char *run(void *ctx, const char *line, char why[YAML_WHY_MAX])
{
    struct bench *bench = ctx;

    assert_true(bench->done_count < DONE_MAX);
    (void)snprintf(bench->done[bench->done_count].line, SCENARIO_TEXT_MAX, "%s", line);
    bench->done[bench->done_count++].at_ms = bench->fake->device.clock.now_us / US_PER_MS;
    (void)snprintf(why, YAML_WHY_MAX, "no such thing");
    return strcmp(line, "wrong") == 0 ? why : NULL;
}

static void end(void *ctx, int code)
{
    struct bench *bench = ctx;

    assert_int_equal(bench->code, NOT_ENDED);
    bench->code = code;
}

static void start(void **state, struct bench *bench, const char *text)
{
    struct fake_device *fake = *state;
    char why[YAML_WHY_MAX] = "";

    *bench = (struct bench){ .fake = fake, .code = NOT_ENDED };
    if (scenario_read(&bench->scenario, "x.yaml", text, strlen(text), why))
        fail_msg("%s", why);
    scenario_start(bench->scenario, &(struct scenario_config){ .timers = &fake->device.timers,
                                                               .clock = &fake->device.clock,
                                                               .trace = &fake->device.trace,
                                                               .log = &fake->device.log,
                                                               .run = run,
                                                               .end = end,
                                                               .ctx = bench });
}

static void say(struct bench *bench, const char *text)
{
    trace_emit(&bench->fake->device.trace, "log", "{s:s, s:s, s:s}", "level", "I", "tag",
               "user.main", "text", text);
}

static void pass_ms(struct bench *bench, uint64_t ms)
{
    fake_pass_ms(bench->fake, ms);
}

static void assert_said(struct bench *bench, const char *part)
{
    char *text = fake_read_all(bench->fake->voice_fd);

    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
    free(text);
}

static void finish(struct bench *bench, int code, int expected)
{
    assert_int_equal(scenario_finish(bench->scenario, code), expected);
    scenario_free(bench->scenario);
}

static void steps_are_taken_one_after_the_other_at_their_times(void **state)
{
    struct bench bench;

    start(state, &bench,
          "steps:\n- do: a\n- wait: 20ms\n- do: [b, c]\n- at: 0.05s\n- do: d\n"
          "- at: 10ms\n- do: e\n- wait: 1s\n- end: yes\n");
    pass_ms(&bench, 500);
    assert_int_equal(bench.done_count, 5);
    for (size_t i = 0; i < bench.done_count; i++) {
        static const uint64_t at_ms[] = { 0, 20, 20, 50, 50 };

        assert_int_equal(bench.done[i].line[0], 'a' + (int)i);
        assert_int_equal(bench.done[i].at_ms, at_ms[i]);
    }
    assert_int_equal(bench.code, NOT_ENDED);
    pass_ms(&bench, 600);
    assert_int_equal(bench.code, EXIT_CODE_OK);
    finish(&bench, EXIT_CODE_OK, EXIT_CODE_OK);
    assert_said(&bench, "scenario: x.yaml: its 9 steps are done");
}

static void a_line_is_waited_for_in_its_part_by_a_regex_or_by_keys(void **state)
{
    struct bench bench;

    start(state, &bench,
          "steps:\n- expect: main hel\n- do: a\n- expect: /^I.*[0-9]{3}$/\n- do: b\n"
          "- expect: {kind: netc.state, to: ONLINE, netc: 3}\n- do: c\n");
    say(&bench, "yellow"); /* "main yel" is another */
    pass_ms(&bench, 1);
    assert_int_equal(bench.done_count, 0);
    say(&bench, "hello");
    pass_ms(&bench, 1);
    assert_int_equal(bench.done_count, 1);
    say(&bench, "12");
    say(&bench, "123");
    pass_ms(&bench, 1);
    assert_int_equal(bench.done_count, 2);
    trace_emit(&bench.fake->device.trace, "netc.state", "{s:i, s:s}", "netc", 4, "to", "ONLINE");
    pass_ms(&bench, 1);
    assert_int_equal(bench.done_count, 2);
    trace_emit(&bench.fake->device.trace, "netc.state", "{s:i, s:s}", "netc", 3, "to", "ONLINE");
    pass_ms(&bench, 1);
    assert_int_equal(bench.done_count, 3);
    assert_int_equal(bench.code, NOT_ENDED); /* the script goes on when all is done */
    finish(&bench, EXIT_CODE_OK, EXIT_CODE_OK);
}

static void lines_that_come_together_are_seen_by_steps_that_follow_each_other(void **state)
{
    struct bench bench;

    start(state, &bench, "steps:\n- expect: one\n- expect: two\n- do: a\n- expect: three\n");
    pass_ms(&bench, 1);
    say(&bench, "one");
    say(&bench, "two");
    say(&bench, "three"); /* too early: a is not done yet */
    pass_ms(&bench, 1);
    assert_int_equal(bench.done_count, 1);
    finish(&bench, EXIT_CODE_OK, EXIT_CODE_SCENARIO);
    assert_said(&bench, "scenario failed: x.yaml:5: the run ended before this: three");
}

/* The script's first lines come before the loop's first turn. */
static void first_lines_are_seen_behind_steps_that_wait_for_nothing(void **state)
{
    struct bench bench;

    start(state, &bench, "steps:\n- do: a\n- never: bad\n- expect: one\n- end: yes\n");
    assert_int_equal(bench.done_count, 1);
    say(&bench, "one");
    pass_ms(&bench, 1);
    assert_int_equal(bench.code, EXIT_CODE_OK);
    finish(&bench, EXIT_CODE_OK, EXIT_CODE_OK);
}

static void what_must_never_come_is_looked_for_from_the_line_before(void **state)
{
    struct bench bench;

    start(state, &bench, "steps:\n- expect: one\n- never: bad\n- expect: two\n- wait: 1s\n");
    say(&bench, "one");
    say(&bench, "two");
    pass_ms(&bench, 1);
    assert_int_equal(bench.code, NOT_ENDED);
    say(&bench, "bad");
    pass_ms(&bench, 1);
    assert_int_equal(bench.code, EXIT_CODE_SCENARIO);
    finish(&bench, EXIT_CODE_SCENARIO, EXIT_CODE_SCENARIO);
    assert_said(&bench, "scenario failed: x.yaml:3: this must never come, and came: bad");
}

static void a_line_that_does_not_come_in_time_fails(void **state)
{
    struct bench bench;

    start(state, &bench, "steps:\n- within: 30ms\n  expect: one\n- do: a\n");
    pass_ms(&bench, 29);
    assert_int_equal(bench.code, NOT_ENDED);
    pass_ms(&bench, 1);
    assert_int_equal(bench.code, EXIT_CODE_SCENARIO);
    assert_said(&bench, "scenario failed: x.yaml:2: this did not come within 0.030 s: one");
    finish(&bench, EXIT_CODE_SCENARIO, EXIT_CODE_SCENARIO);
    assert_int_equal(bench.done_count, 0);
}

static void what_must_never_come_fails_from_its_step_on(void **state)
{
    struct bench bench;

    start(state, &bench,
          "steps:\n- wait: 10ms\n- never: {kind: log, level: E}\n- never: bad\n"
          "- wait: 1s\n");
    say(&bench, "bad"); /* not yet looked for */
    pass_ms(&bench, 20);
    say(&bench, "good");
    pass_ms(&bench, 20);
    assert_int_equal(bench.code, NOT_ENDED);
    say(&bench, "bad");
    pass_ms(&bench, 1);
    assert_int_equal(bench.code, EXIT_CODE_SCENARIO);
    assert_said(&bench, "scenario failed: x.yaml:4: this must never come, and came: bad");
    finish(&bench, EXIT_CODE_OK, EXIT_CODE_SCENARIO);
}

static void a_rule_acts_each_time_or_so_many_times(void **state)
{
    struct bench bench;

    start(state, &bench,
          "steps:\n- wait: 1s\nwhenever:\n- {on: ping, do: pong, times: 2}\n- on: /x$/\n"
          "  do: [y, z]\n");
    for (int i = 0; i < 3; i++) {
        say(&bench, "ping");
        pass_ms(&bench, 1);
    }
    assert_int_equal(bench.done_count, 2);
    say(&bench, "a x");
    say(&bench, "b x");
    pass_ms(&bench, 1);
    assert_int_equal(bench.done_count, 6);
    pass_ms(&bench, 1000);
    finish(&bench, EXIT_CODE_OK, EXIT_CODE_OK);
}

static void a_command_that_goes_wrong_fails_and_no_other_follows(void **state)
{
    struct bench bench;

    start(state, &bench, "steps:\n- do:\n  - a\n  - wrong\n  - b\n- do: c\n");
    pass_ms(&bench, 1);
    assert_int_equal(bench.done_count, 2);
    assert_int_equal(bench.code, EXIT_CODE_SCENARIO);
    assert_said(&bench, "scenario failed: x.yaml:4: wrong: no such thing");
    finish(&bench, EXIT_CODE_SCENARIO, EXIT_CODE_SCENARIO);
}

static void a_step_can_fail_by_itself(void **state)
{
    struct bench bench;

    start(state, &bench, "steps:\n- fail: not on this board\n");
    pass_ms(&bench, 1);
    assert_int_equal(bench.code, EXIT_CODE_SCENARIO);
    assert_said(&bench, "scenario failed: x.yaml:2: not on this board");
    finish(&bench, EXIT_CODE_SCENARIO, EXIT_CODE_SCENARIO);
}

static void a_scenario_that_never_ends_is_ended_at_its_limit(void **state)
{
    struct bench bench;

    start(state, &bench, "limit: 2s\nsteps:\n- wait: 1s\n- expect: x\n  within: 1min\n");
    pass_ms(&bench, 1999);
    assert_int_equal(bench.code, NOT_ENDED);
    pass_ms(&bench, 1);
    assert_int_equal(bench.code, EXIT_CODE_SCENARIO);
    assert_said(&bench,
                "scenario failed: x.yaml:4: it has not ended within 2.000 s (limit: TIME allows "
                "more), and is at x");
    finish(&bench, EXIT_CODE_SCENARIO, EXIT_CODE_SCENARIO);
}

static void a_run_that_went_wrong_by_itself_keeps_its_code(void **state)
{
    struct bench bench;

    start(state, &bench, "steps:\n- expect: x\n");
    pass_ms(&bench, 1);
    finish(&bench, EXIT_CODE_SCRIPT, EXIT_CODE_SCRIPT);
}

static void a_file_that_is_no_scenario_is_told_by_line_and_key(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "", "x.yaml:1: " },
        { "limit: 3s\n", "x.yaml:1: it has no steps" },
        { "steps: []\n", "it has no steps" },
        { "steps: 3\n", "x.yaml:1: steps: " },
        { "stepps:\n- end: yes\n", "x.yaml:1: stepps: " },
        { "steps:\n- end: no\n", "x.yaml:2: steps.end: it takes yes" },
        { "steps:\n- wait: 3\n", "x.yaml:2: steps.wait: it takes a time as 1.5s" },
        { "steps:\n- wait: -3s\n", "it takes a time as 1.5s" },
        { "steps:\n- wait: 2000min\n", "it takes a time as 1.5s" },
        { "steps:\n- wait: nans\n", "it takes a time as 1.5s" },
        { "steps:\n- wait: 0x10ms\n", "it takes a time as 1.5s" },
        { "steps:\n- wait: 1.2.3ms\n", "it takes a time as 1.5s" },
        { "steps:\n- expect:\n", "x.yaml:2: steps.expect: an empty text is in every line" },
        { "steps:\n- expect: /(a)\\1/\n", "a regular expression has no back references" },
        { "steps:\n- expect: /((a{99}){99}){99}/\n", "and repeats repetitions 1000 times at most" },
        { "steps:\n- expect: /a++++++++++++++++++++++++++++++++/\n", "1000 times at most" },
        { "steps:\n- expect: /a{99999999999999999999999}/\n", "1000 times at most" },
        { "steps:\n- wait: 1s\n  do: a\n", "x.yaml:2: steps: a step does one thing" },
        { "steps:\n- within: 1s\n", "a step does one thing" },
        { "steps:\n- do: a\n  within: 1s\n", "within goes with expect" },
        { "steps:\n- expect: a\n  within: 0s\n", "it takes more than no time" },
        { "steps:\n- expect: {}\n", "its pattern has no keys" },
        { "steps:\n- do: []\n", "it has no commands" },
        { "steps:\n- expect: /a(/\n", "this regular expression can't be used: " },
        { "steps:\n- end: yes\nwhenever:\n- on: a\n", "x.yaml:4: whenever: a rule says what" },
        { "steps:\n- end: yes\nwhenever:\n- {on: a, do: b, times: 0}\n", "x.yaml:4: " },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scenario *scenario;
        char why[YAML_WHY_MAX];
        const char *wrong =
            scenario_read(&scenario, "x.yaml", cases[i].text, strlen(cases[i].text), why);

        if (!wrong || !strstr(wrong, cases[i].why))
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].why, wrong ? wrong : "-");
    }
}

static const char *check(void *ctx, const char *line, char why[YAML_WHY_MAX])
{
    (void)ctx;
    (void)snprintf(why, YAML_WHY_MAX, "no such command");
    return strcmp(line, "wrong") == 0 ? why : NULL;
}

static void commands_are_checked_before_the_run(void **state)
{
    static const char text[] =
        "steps:\n- do: [a, b]\nwhenever:\n- on: x\n  do:\n  - c\n  - wrong\n";
    struct scenario *scenario;
    char why[YAML_WHY_MAX];

    (void)state;
    assert_null(scenario_read(&scenario, "x.yaml", text, strlen(text), why));
    assert_string_equal(scenario_check(scenario, check, NULL, why),
                        "x.yaml:7: wrong: no such command");
    scenario_free(scenario);
}

#define BENCH_TEST(f) cmocka_unit_test_setup_teardown(f, fake_device_setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(steps_are_taken_one_after_the_other_at_their_times),
        BENCH_TEST(a_line_is_waited_for_in_its_part_by_a_regex_or_by_keys),
        BENCH_TEST(lines_that_come_together_are_seen_by_steps_that_follow_each_other),
        BENCH_TEST(first_lines_are_seen_behind_steps_that_wait_for_nothing),
        BENCH_TEST(what_must_never_come_is_looked_for_from_the_line_before),
        BENCH_TEST(a_line_that_does_not_come_in_time_fails),
        BENCH_TEST(what_must_never_come_fails_from_its_step_on),
        BENCH_TEST(a_rule_acts_each_time_or_so_many_times),
        BENCH_TEST(a_command_that_goes_wrong_fails_and_no_other_follows),
        BENCH_TEST(a_step_can_fail_by_itself),
        BENCH_TEST(a_scenario_that_never_ends_is_ended_at_its_limit),
        BENCH_TEST(a_run_that_went_wrong_by_itself_keeps_its_code),
        cmocka_unit_test(a_file_that_is_no_scenario_is_told_by_line_and_key),
        cmocka_unit_test(commands_are_checked_before_the_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
