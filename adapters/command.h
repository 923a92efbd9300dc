/*
 * command: what can be asked of a run from outside, by the control socket or a scenario.
 *
 * A command is a line of words; its answer is lines of which the last begins with "ok" or
 * "error: ". The commands are rows of a table in command.c; "help" lists them.
 */
#pragma once

#include <stddef.h>

#define COMMAND_LINE_MAX   256 /* with its end */
#define COMMAND_ANSWER_MAX 4096

struct capture;
struct device;
struct impairment;
struct lab;
struct nets;
struct w5500;

/* What commands act on. */
struct commander {
    struct device *device;
    struct nets *nets;
    struct impairment *impairment;
    struct capture *capture;   /* NULL: none */
    struct lab *lab;           /* NULL: none */
    const struct w5500 *w5500; /* NULL: no chip */
};

struct command_answer {
    char text[COMMAND_ANSWER_MAX];
    size_t len;
};

/* Append to @answer; what it has no room for is left out. */
void command_say(struct command_answer *answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* @line is cut into its words. */
void command_run(const struct commander *commander, char *line, struct command_answer *answer);

/* Could it be run, on some board? NULL, or what is wrong, in @answer. */
const char *command_check(const char *line, struct command_answer *answer);

/* Run it. NULL, or what the answer's error is, in @answer. */
const char *command_do(const struct commander *commander, const char *line,
                       struct command_answer *answer);
