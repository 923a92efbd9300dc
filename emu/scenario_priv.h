/* Included by scenario.c and scenario_read.c only. */
#pragma once

#include <regex.h>

#include "emu/scenario.h"
#include "emu/timer.h"
#include "emu/trace.h"

/* Not a key of the trace: a line of the module's log as people see it, "I/user.main hello". */
#define SCENARIO_LINE "line"

struct scenario_field {
    char name[SCENARIO_TEXT_MAX]; /* of the trace line's key */
    char text[SCENARIO_TEXT_MAX];
    bool is_part;  /* the value holds @text; else it is @text */
    bool is_regex; /* POSIX extended, regex(7) */
    regex_t regex;
};

struct scenario_pattern {
    struct scenario_field fields[SCENARIO_FIELDS_MAX];
    size_t count;
};

struct scenario_command {
    char *text;
    unsigned line; /* of the file */
};

struct scenario_commands {
    struct scenario_command list[SCENARIO_COMMANDS_MAX];
    size_t count;
};

enum scenario_step_kind {
    SCENARIO_STEP_WAIT,
    SCENARIO_STEP_AT,
    SCENARIO_STEP_DO,
    SCENARIO_STEP_EXPECT,
    SCENARIO_STEP_NEVER,
    SCENARIO_STEP_FAIL,
    SCENARIO_STEP_END,
};

struct scenario_step {
    enum scenario_step_kind kind;
    unsigned line; /* of the file */
    uint64_t us;   /* how long to wait, or since the start; of EXPECT: at most */
    char text[SCENARIO_TEXT_MAX];
    struct scenario_pattern pattern;
    struct scenario_commands commands;
};

struct scenario_rule {
    struct scenario_pattern pattern;
    struct scenario_commands commands;
    uint64_t times; /* it is still to be followed */
    uint64_t hits;  /* not yet acted upon */
};

struct scenario {
    char *name;
    struct scenario_step *steps;
    struct scenario_rule *rules;
    size_t steps_count, rules_count;
    uint64_t limit_us;

    struct scenario_config config;
    bool has_ended, has_failed;
    size_t at;        /* the current step */
    size_t waits_for; /* the step that @until_us is for */
    uint64_t until_us;
    const struct scenario_step *never_came; /* NULL: none did */
    struct timer step_timer, act, limit;
    struct trace_watcher watcher;
};
