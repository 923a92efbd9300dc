#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/scenario.h"
#include "emu/scenario_priv.h"
#include "emu/util.h"

/* What is filled, from one level of the file to the next. */
struct reading {
    struct scenario *scenario;
    struct scenario_step *step;
    struct scenario_rule *rule;
    struct scenario_pattern *pattern;
    struct scenario_commands *commands;
    unsigned kinds;     /* keys of a step that say what it does */
    uint64_t within_us; /* 0: that key was not there */
};

#define OF(ctx) ((struct reading *)(ctx))

/* ---- patterns ------------------------------------------------------------------------------------- */

/* The larger number of "n,m}". */
static uint64_t repeats(const char *range)
{
    uint64_t most = 1;

    while (*(range += strcspn(range, "0123456789}")) && *range != '}') {
        char *end;
        uint64_t number = strtoul(range, &end, 10);

        most = number > most ? number : most;
        range = end;
    }
    return most > SCENARIO_COPIES_MAX ? SCENARIO_COPIES_MAX + 1 : most;
}

/*
 * Is compiling @regex a matter of moments? What is repeated regcomp(3) writes out, and what is
 * repeated in that again. Back references, which POSIX does not have here, are tried one by one.
 */
static bool is_affordable(const char *regex)
{
    uint64_t copies = 1;

    for (const char *at = regex; *at && copies <= SCENARIO_COPIES_MAX; at++) {
        if (*at == '\\' && at[1]) {
            if (*++at >= '1' && *at <= '9')
                return false;
        } else if (*at == '{') {
            copies *= repeats(at + 1);
        } else if (*at == '+' && at != regex && strchr(")}+*?", at[-1])) {
            copies *= 2;
        }
    }
    return copies <= SCENARIO_COPIES_MAX;
}

static int set_regex(struct yaml *yaml, int node, struct scenario_field *field)
{
    char regex[SCENARIO_TEXT_MAX], why[SCENARIO_TEXT_MAX];
    int rc;

    (void)snprintf(regex, sizeof(regex), "%.*s", (int)strlen(field->text) - 2, field->text + 1);
    if (!is_affordable(regex)) {
        return yaml_wrong(yaml, node,
                          "a regular expression has no back references, and repeats repetitions "
                          "%d times at most",
                          SCENARIO_COPIES_MAX);
    }
    rc = regcomp(&field->regex, regex, REG_EXTENDED | REG_NOSUB);
    if (rc != 0) {
        (void)regerror(rc, &field->regex, why, sizeof(why));
        return yaml_wrong(yaml, node, "this regular expression can't be used: %s", why);
    }
    field->is_regex = true;
    return 0;
}

/* "/.../" is a regular expression. */
static int set_field(struct yaml *yaml, int node, struct scenario_pattern *pattern,
                     const char *name)
{
    struct scenario_field *field = &pattern->fields[pattern->count];
    size_t len;
    int rc;

    if (pattern->count == SCENARIO_FIELDS_MAX)
        return yaml_wrong(yaml, node, "a pattern has %d keys at most", SCENARIO_FIELDS_MAX);
    rc = yaml_take_text(yaml, node, field->text, sizeof(field->text));
    if (rc < 0)
        return rc;
    if (!*field->text && strcmp(name, SCENARIO_LINE) == 0)
        return yaml_wrong(yaml, node, "an empty text is in every line");
    (void)snprintf(field->name, sizeof(field->name), "%s", name);
    field->is_part = strcmp(name, "text") == 0 || strcmp(name, SCENARIO_LINE) == 0;
    len = strlen(field->text);
    if (len >= 2 && field->text[0] == '/' && field->text[len - 1] == '/')
        rc = set_regex(yaml, node, field);
    pattern->count += rc == 0;
    return rc;
}

static int take_field(struct yaml *yaml, int key, int value, void *ctx)
{
    const char *name = yaml_text(yaml, key);

    if (strlen(name) >= SCENARIO_TEXT_MAX)
        return yaml_wrong(yaml, key, "it is too long");
    return set_field(yaml, value, OF(ctx)->pattern, name);
}

/* A text alone is part of a log line. */
static int take_pattern(struct yaml *yaml, int node, struct scenario_pattern *pattern, void *ctx)
{
    if (yaml_kind(yaml, node) != YAML_KIND_TEXT) {
        OF(ctx)->pattern = pattern;
        return yaml_take_pairs(yaml, node, take_field, ctx);
    }
    return set_field(yaml, node, pattern, SCENARIO_LINE);
}

/* A pattern as people wrote it, as far as there is room. */
static void describe(const struct scenario_pattern *pattern, char text[SCENARIO_TEXT_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < pattern->count && len < SCENARIO_TEXT_MAX; i++) {
        const struct scenario_field *field = &pattern->fields[i];
        bool is_line = strcmp(field->name, SCENARIO_LINE) == 0;

        len += (size_t)snprintf(text + len, SCENARIO_TEXT_MAX - len, "%s%s%s%s", i ? ", " : "",
                                is_line ? "" : field->name, is_line ? "" : ": ", field->text);
    }
}

/* ---- commands ------------------------------------------------------------------------------------- */

static int take_command(struct yaml *yaml, int node, void *ctx)
{
    struct scenario_commands *commands = OF(ctx)->commands;
    char line[SCENARIO_TEXT_MAX];
    int rc = yaml_take_text(yaml, node, line, sizeof(line));

    if (rc < 0)
        return rc;
    if (commands->count == SCENARIO_COMMANDS_MAX)
        return yaml_wrong(yaml, node, "a step has %d commands at most", SCENARIO_COMMANDS_MAX);
    commands->list[commands->count++] =
        (struct scenario_command){ xstrdup(line), yaml_line(yaml, node) };
    return 0;
}

static int take_commands(struct yaml *yaml, int node, struct scenario_commands *commands, void *ctx)
{
    OF(ctx)->commands = commands;
    return yaml_kind(yaml, node) == YAML_KIND_LIST ? yaml_take_list(yaml, node, take_command, ctx)
                                                   : take_command(yaml, node, ctx);
}

/* ---- steps ---------------------------------------------------------------------------------------- */

static void set_kind(void *ctx, enum scenario_step_kind kind)
{
    OF(ctx)->step->kind = kind;
    OF(ctx)->kinds++;
}

static int take_time(struct yaml *yaml, int node, struct scenario_step *step, const char *name)
{
    int rc = yaml_take_duration_us(yaml, node, SCENARIO_TIME_MAX_US, &step->us);

    if (rc == 0)
        (void)snprintf(step->text, sizeof(step->text), "%s: %.100s", name, yaml_text(yaml, node));
    return rc;
}

static int take_wait(struct yaml *yaml, int node, void *ctx)
{
    set_kind(ctx, SCENARIO_STEP_WAIT);
    return take_time(yaml, node, OF(ctx)->step, "wait");
}

static int take_at(struct yaml *yaml, int node, void *ctx)
{
    set_kind(ctx, SCENARIO_STEP_AT);
    return take_time(yaml, node, OF(ctx)->step, "at");
}

static int take_do(struct yaml *yaml, int node, void *ctx)
{
    set_kind(ctx, SCENARIO_STEP_DO);
    (void)snprintf(OF(ctx)->step->text, SCENARIO_TEXT_MAX, "do");
    return take_commands(yaml, node, &OF(ctx)->step->commands, ctx);
}

static int take_expect(struct yaml *yaml, int node, void *ctx)
{
    struct scenario_step *step = OF(ctx)->step;
    int rc = take_pattern(yaml, node, &step->pattern, ctx);

    set_kind(ctx, SCENARIO_STEP_EXPECT);
    describe(&step->pattern, step->text);
    return rc;
}

static int take_within(struct yaml *yaml, int node, void *ctx)
{
    int rc = yaml_take_duration_us(yaml, node, SCENARIO_TIME_MAX_US, &OF(ctx)->within_us);

    return rc == 0 && !OF(ctx)->within_us ? yaml_wrong(yaml, node, "it takes more than no time")
                                          : rc;
}

static int take_never(struct yaml *yaml, int node, void *ctx)
{
    struct scenario_step *step = OF(ctx)->step;
    int rc = take_pattern(yaml, node, &step->pattern, ctx);

    set_kind(ctx, SCENARIO_STEP_NEVER);
    describe(&step->pattern, step->text);
    return rc;
}

static int take_fail(struct yaml *yaml, int node, void *ctx)
{
    set_kind(ctx, SCENARIO_STEP_FAIL);
    return yaml_take_text(yaml, node, OF(ctx)->step->text, SCENARIO_TEXT_MAX);
}

static int take_end(struct yaml *yaml, int node, void *ctx)
{
    bool is_end = false;
    int rc = yaml_take_bool(yaml, node, &is_end);

    set_kind(ctx, SCENARIO_STEP_END);
    return rc == 0 && !is_end ? yaml_wrong(yaml, node, "it takes yes") : rc;
}

/* What its keys say together, in whatever order they came. */
static int end_step(struct yaml *yaml, int node, void *ctx)
{
    struct scenario_step *step = OF(ctx)->step;

    if (OF(ctx)->within_us && step->kind != SCENARIO_STEP_EXPECT)
        return yaml_wrong(yaml, node, "within goes with expect");
    if (step->kind == SCENARIO_STEP_EXPECT)
        step->us = OF(ctx)->within_us ? OF(ctx)->within_us : SCENARIO_WITHIN_US;
    if (step->kind == SCENARIO_STEP_NEVER || step->kind == SCENARIO_STEP_EXPECT)
        return step->pattern.count ? 0 : yaml_wrong(yaml, node, "its pattern has no keys");
    return step->kind == SCENARIO_STEP_DO && !step->commands.count
               ? yaml_wrong(yaml, node, "it has no commands")
               : 0;
}

static int take_step(struct yaml *yaml, int node, void *ctx)
{
    static const struct yaml_key keys[] = {
        { "wait", take_wait },     { "at", take_at },         { "do", take_do },
        { "expect", take_expect }, { "within", take_within }, { "never", take_never },
        { "fail", take_fail },     { "end", take_end },
    };
    struct scenario *scenario = OF(ctx)->scenario;
    int rc;

    if (scenario->steps_count == SCENARIO_STEPS_MAX)
        return yaml_wrong(yaml, node, "there are %d steps at most", SCENARIO_STEPS_MAX);
    scenario->steps =
        xrealloc(scenario->steps, (scenario->steps_count + 1) * sizeof(*scenario->steps));
    OF(ctx)->step = &scenario->steps[scenario->steps_count++];
    memset(OF(ctx)->step, 0, sizeof(*OF(ctx)->step));
    OF(ctx)->step->line = yaml_line(yaml, node);
    OF(ctx)->kinds = 0;
    OF(ctx)->within_us = 0;
    rc = yaml_take_map(yaml, node, keys, ARRAY_LEN(keys), ctx);
    if (rc < 0)
        return rc;
    if (OF(ctx)->kinds != 1) {
        return yaml_wrong(yaml, node,
                          "a step does one thing: wait, at, do, expect, never, fail or end");
    }
    return end_step(yaml, node, ctx);
}

static int take_steps(struct yaml *yaml, int node, void *ctx)
{
    return yaml_take_list(yaml, node, take_step, ctx);
}

/* ---- rules ---------------------------------------------------------------------------------------- */

static int take_on(struct yaml *yaml, int node, void *ctx)
{
    return take_pattern(yaml, node, &OF(ctx)->rule->pattern, ctx);
}

static int take_rule_do(struct yaml *yaml, int node, void *ctx)
{
    return take_commands(yaml, node, &OF(ctx)->rule->commands, ctx);
}

static int take_times(struct yaml *yaml, int node, void *ctx)
{
    int64_t times = 0;
    int rc = yaml_take_number(yaml, node, 1, INT64_MAX, &times);

    OF(ctx)->rule->times = (uint64_t)times;
    return rc;
}

static int take_rule(struct yaml *yaml, int node, void *ctx)
{
    static const struct yaml_key keys[] = { { "on", take_on },
                                            { "do", take_rule_do },
                                            { "times", take_times } };
    struct scenario *scenario = OF(ctx)->scenario;
    int rc;

    if (scenario->rules_count == SCENARIO_RULES_MAX)
        return yaml_wrong(yaml, node, "there are %d rules at most", SCENARIO_RULES_MAX);
    scenario->rules =
        xrealloc(scenario->rules, (scenario->rules_count + 1) * sizeof(*scenario->rules));
    OF(ctx)->rule = &scenario->rules[scenario->rules_count++];
    memset(OF(ctx)->rule, 0, sizeof(*OF(ctx)->rule));
    OF(ctx)->rule->times = UINT64_MAX;
    rc = yaml_take_map(yaml, node, keys, ARRAY_LEN(keys), ctx);
    if (rc == 0 && (!OF(ctx)->rule->pattern.count || !OF(ctx)->rule->commands.count))
        return yaml_wrong(yaml, node, "a rule says what it waits for and what it does (on, do)");
    return rc;
}

static int take_whenever(struct yaml *yaml, int node, void *ctx)
{
    return yaml_take_list(yaml, node, take_rule, ctx);
}

/* ---- the file ------------------------------------------------------------------------------------- */

static int take_limit(struct yaml *yaml, int node, void *ctx)
{
    return yaml_take_duration_us(yaml, node, SCENARIO_TIME_MAX_US, &OF(ctx)->scenario->limit_us);
}

const char *scenario_read(struct scenario **out, const char *name, const char *text, size_t len,
                          char why[YAML_WHY_MAX])
{
    static const struct yaml_key keys[] = { { "limit", take_limit },
                                            { "steps", take_steps },
                                            { "whenever", take_whenever } };
    struct reading reading = { 0 };
    struct scenario *scenario;
    struct yaml *yaml;
    const char *wrong = yaml_open(&yaml, name, text, len, why);

    if (wrong)
        return wrong;
    scenario = xcalloc(1, sizeof(*scenario));
    scenario->name = xstrdup(name);
    scenario->limit_us = SCENARIO_LIMIT_US;
    reading.scenario = scenario;
    (void)yaml_take_map(yaml, yaml_root(yaml), keys, ARRAY_LEN(keys), &reading);
    if (!yaml_problem(yaml) && !scenario->steps_count)
        (void)yaml_wrong(yaml, yaml_root(yaml), "it has no steps");
    if (yaml_problem(yaml)) {
        (void)snprintf(why, YAML_WHY_MAX, "%s", yaml_problem(yaml));
        scenario_free(scenario);
        wrong = why;
    } else {
        *out = scenario;
    }
    yaml_close(yaml);
    return wrong;
}

const char *scenario_load(struct scenario **out, const char *path, char why[YAML_WHY_MAX])
{
    char *text;
    size_t len;
    const char *wrong = yaml_read_file(path, &text, &len, why);

    if (wrong)
        return wrong;
    wrong = scenario_read(out, path, text, len, why);
    free(text);
    return wrong;
}
