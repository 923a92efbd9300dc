/*
 * scenario: what happens around a script while it runs, as a file of YAML: cables pulled, networks
 * impaired, and what the script must say to that. README.md, section Scenarios, lists the keys.
 *
 * Steps are taken one after the other. Those that wait for a line of the trace (trace.h: a log line
 * is one) see every line from the moment on that the step before was done, so that lines which come
 * together match steps that follow each other. Rules ("whenever") and what must never come are
 * looked for all the time. Lines are matched when they are written; what follows from them is done
 * on a later turn.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/yaml.h"

#define SCENARIO_STEPS_MAX    1024
#define SCENARIO_RULES_MAX    64
#define SCENARIO_COMMANDS_MAX 16 /* of one step */
#define SCENARIO_FIELDS_MAX   8  /* of one pattern */
#define SCENARIO_TEXT_MAX     256
#define SCENARIO_COPIES_MAX   1000 /* that a regular expression makes of its parts */
#define SCENARIO_TIME_MAX_US  UINT64_C(86400000000) /* a day */
#define SCENARIO_LIMIT_US     UINT64_C(300000000)   /* for the whole, unless it says otherwise */
#define SCENARIO_WITHIN_US    UINT64_C(10000000)    /* for one line, likewise */

struct log;
struct scenario;
struct timers;
struct trace;
struct vclock;

/* NULL, or what is wrong with the line, in @why. */
typedef const char *scenario_command_fn(void *ctx, const char *line, char why[YAML_WHY_MAX]);

struct scenario_config {
    struct timers *timers;
    const struct vclock *clock;
    struct trace *trace;
    struct log *log;

    /* Do what a command line asks for. NULL, or what is wrong, in @why. */
    scenario_command_fn *run;

    /* End the run; enum exit_code. Called once at most. */
    void (*end)(void *ctx, int code);

    /* All steps are done, and its limit holds no more. NULL: nobody cares. */
    void (*done)(void *ctx);
    void *ctx;
};

/* NULL, or what is wrong with the file, in @why. */
const char *scenario_load(struct scenario **out, const char *path, char why[YAML_WHY_MAX]);

/* The same of a file's text; @name is for messages. */
const char *scenario_read(struct scenario **out, const char *name, const char *text, size_t len,
                          char why[YAML_WHY_MAX]);

/* Have every command line looked at before the run. NULL, or what is wrong with the first that is. */
const char *scenario_check(const struct scenario *scenario, scenario_command_fn *check, void *ctx,
                           char why[YAML_WHY_MAX]);

/*
 * How long it may take. It sees to that itself as long as the loop turns; who stops a script that
 * never waits says so to scenario_finish(), with EXIT_CODE_SCENARIO.
 */
uint64_t scenario_limit_us(const struct scenario *scenario);

/* Begin, with the steps that wait for nothing. @config is copied. */
void scenario_start(struct scenario *scenario, const struct scenario_config *config);

/*
 * The run is over, with @code (enum exit_code). One that went well fails when not all of the steps
 * are done, which is said: the code it ends with then.
 */
int scenario_finish(struct scenario *scenario, int code);
void scenario_free(struct scenario *scenario);
