#include "emu/scenario.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/exit_code.h"
#include "emu/log.h"
#include "emu/scenario_priv.h"
#include "emu/timer.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define US_PER_S 1000000

/* ---- matching ------------------------------------------------------------------------------------- */

/* A line's value as text; @number is where one is printed. */
static const char *value_text(const json_t *value, char number[SCENARIO_TEXT_MAX])
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (!json_is_integer(value))
        return "";
    (void)snprintf(number, SCENARIO_TEXT_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return number;
}

static bool matches_text(const struct scenario_field *field, const char *text)
{
    if (field->is_regex)
        return regexec(&field->regex, text, 0, NULL, 0) == 0;
    return field->is_part ? strstr(text, field->text) != NULL : strcmp(text, field->text) == 0;
}

/* A line of the module's log as it is printed, without its time. */
static bool matches_log(const struct scenario_field *field, const json_t *line)
{
    const char *kind = json_string_value(json_object_get(line, "kind"));
    const char *level = json_string_value(json_object_get(line, "level"));
    const char *tag = json_string_value(json_object_get(line, "tag"));
    const char *text = json_string_value(json_object_get(line, "text"));
    size_t cap;
    char *whole;
    bool does;

    if (!kind || strcmp(kind, "log") != 0 || !text)
        return false;
    if (!level || !tag) /* print() has none */
        return matches_text(field, text);
    cap = strlen(level) + strlen(tag) + strlen(text) + sizeof("/ ");
    whole = xcalloc(1, cap);
    (void)snprintf(whole, cap, "%s/%s %s", level, tag, text);
    does = matches_text(field, whole);
    free(whole);
    return does;
}

static bool matches_field(const struct scenario_field *field, const json_t *line)
{
    char number[SCENARIO_TEXT_MAX];
    const json_t *value;

    if (strcmp(field->name, SCENARIO_LINE) == 0)
        return matches_log(field, line);
    value = json_object_get(line, field->name);
    return value && matches_text(field, value_text(value, number));
}

static bool matches(const struct scenario_pattern *pattern, const json_t *line)
{
    for (size_t i = 0; i < pattern->count; i++) {
        if (!matches_field(&pattern->fields[i], line))
            return false;
    }
    return true;
}

/* ---- going on ------------------------------------------------------------------------------------- */

static uint64_t now_us(const struct scenario *scenario)
{
    return scenario->config.clock->now_us;
}

static void act_soon(struct scenario *scenario)
{
    if (!timer_is_running(&scenario->act))
        timer_start(scenario->config.timers, &scenario->act, now_us(scenario));
}

static void end(struct scenario *scenario, int code)
{
    if (scenario->has_ended)
        return;
    scenario->has_ended = true;
    scenario->config.end(scenario->config.ctx, code);
}

static void fail(struct scenario *scenario, unsigned line, const char *what)
{
    if (scenario->has_failed)
        return;
    scenario->has_failed = true;
    log_say(scenario->config.log, "scenario failed: %s:%u: %s", scenario->name, line, what);
    end(scenario, EXIT_CODE_SCENARIO);
}

static const struct scenario_step *current(const struct scenario *scenario)
{
    return scenario->at < scenario->steps_count ? &scenario->steps[scenario->at] : NULL;
}

static void run_commands(struct scenario *scenario, const struct scenario_commands *commands)
{
    char why[YAML_WHY_MAX], text[2 * YAML_WHY_MAX];

    for (size_t i = 0; i < commands->count && !scenario->has_failed; i++) {
        const struct scenario_command *command = &commands->list[i];
        const char *wrong = scenario->config.run(scenario->config.ctx, command->text, why);

        if (wrong) {
            (void)snprintf(text, sizeof(text), "%s: %s", command->text, wrong);
            fail(scenario, command->line, text);
        }
    }
}

/* Begin to wait for what the current step waits for; true: it waits for nothing. */
static bool is_done_at_once(struct scenario *scenario, const struct scenario_step *step)
{
    switch (step->kind) {
    case SCENARIO_STEP_WAIT:
        scenario->until_us = now_us(scenario) + step->us;
        break;
    case SCENARIO_STEP_AT:
        scenario->until_us = step->us;
        break;
    case SCENARIO_STEP_EXPECT:
        scenario->until_us = now_us(scenario) + step->us;
        break;
    case SCENARIO_STEP_DO:
        run_commands(scenario, &step->commands);
        return true;
    case SCENARIO_STEP_NEVER:
        return true; /* looked for by seen() */
    case SCENARIO_STEP_FAIL:
        fail(scenario, step->line, step->text);
        return false;
    case SCENARIO_STEP_END:
        scenario->at = scenario->steps_count;
        end(scenario, EXIT_CODE_OK);
        return false;
    }
    scenario->waits_for = scenario->at;
    return false;
}

static void go_on(struct scenario *scenario)
{
    const struct scenario_step *step;

    while ((step = current(scenario)) && !scenario->has_ended) {
        if (scenario->waits_for != scenario->at && is_done_at_once(scenario, step)) {
            scenario->at++;
            continue;
        }
        if (scenario->has_ended)
            return;
        if (step->kind != SCENARIO_STEP_EXPECT && now_us(scenario) >= scenario->until_us) {
            scenario->at++;
            continue;
        }
        timer_start(scenario->config.timers, &scenario->step_timer, scenario->until_us);
        return;
    }
    timer_stop(scenario->config.timers, &scenario->step_timer);
    if (scenario->has_ended)
        return;
    timer_stop(scenario->config.timers, &scenario->limit); /* nothing more keeps the run going */
    if (scenario->config.done)
        scenario->config.done(scenario->config.ctx);
}

static void on_step_timer(struct timer *timer)
{
    struct scenario *scenario = container_of(timer, struct scenario, step_timer);
    const struct scenario_step *step = current(scenario);
    char text[YAML_WHY_MAX];

    if (scenario->has_ended)
        return;
    if (step && step->kind == SCENARIO_STEP_EXPECT && now_us(scenario) >= scenario->until_us) {
        (void)snprintf(text, sizeof(text), "this did not come within %.3f s: %.300s",
                       (double)step->us / US_PER_S, step->text);
        fail(scenario, step->line, text);
        return;
    }
    go_on(scenario);
}

static void say_limit(struct scenario *scenario)
{
    const struct scenario_step *step = current(scenario);
    char text[YAML_WHY_MAX];

    (void)snprintf(text, sizeof(text),
                   "it has not ended within %.3f s (limit: TIME allows more), and is at %.300s",
                   (double)scenario->limit_us / US_PER_S, step ? step->text : "its end");
    fail(scenario, step ? step->line : 1, text);
}

static void on_limit(struct timer *timer)
{
    struct scenario *scenario = container_of(timer, struct scenario, limit);

    if (!scenario->has_ended)
        say_limit(scenario);
}

static void say_never(struct scenario *scenario)
{
    char text[YAML_WHY_MAX];

    (void)snprintf(text, sizeof(text), "this must never come, and came: %.300s",
                   scenario->never_came->text);
    fail(scenario, scenario->never_came->line, text);
}

static void on_act(struct timer *timer)
{
    struct scenario *scenario = container_of(timer, struct scenario, act);

    if (scenario->has_ended)
        return;
    if (scenario->never_came)
        say_never(scenario);
    for (size_t i = 0; i < scenario->rules_count; i++) {
        struct scenario_rule *rule = &scenario->rules[i];

        for (; rule->hits && !scenario->has_failed; rule->hits--)
            run_commands(scenario, &rule->commands);
    }
    if (!scenario->has_failed)
        go_on(scenario);
}

/* ---- seeing --------------------------------------------------------------------------------------- */

static void look_for_nevers(struct scenario *scenario, const json_t *line)
{
    for (size_t i = 0; i < scenario->at && !scenario->never_came; i++) {
        const struct scenario_step *step = &scenario->steps[i];

        if (step->kind == SCENARIO_STEP_NEVER && matches(&step->pattern, line)) {
            scenario->never_came = step;
            act_soon(scenario);
        }
    }
}

static void look_for_rules(struct scenario *scenario, const json_t *line)
{
    for (size_t i = 0; i < scenario->rules_count; i++) {
        struct scenario_rule *rule = &scenario->rules[i];

        if (!rule->times || !matches(&rule->pattern, line))
            continue;
        rule->times--;
        rule->hits++;
        act_soon(scenario);
    }
}

/* What must never come is looked for as soon as the step before is done, even in the same turn. */
static void pass_nevers(struct scenario *scenario)
{
    while (current(scenario) && current(scenario)->kind == SCENARIO_STEP_NEVER)
        scenario->at++;
}

static void look_for_step(struct scenario *scenario, const json_t *line)
{
    const struct scenario_step *step = current(scenario);

    if (!step || step->kind != SCENARIO_STEP_EXPECT || !matches(&step->pattern, line))
        return;
    scenario->at++;
    pass_nevers(scenario);
    step = current(scenario);
    if (step && step->kind == SCENARIO_STEP_EXPECT) { /* it may come in this turn */
        scenario->waits_for = scenario->at;
        scenario->until_us = now_us(scenario) + step->us;
    }
    act_soon(scenario);
}

static void on_line(struct trace_watcher *watcher, const json_t *line)
{
    struct scenario *scenario = container_of(watcher, struct scenario, watcher);

    if (scenario->has_ended)
        return;
    look_for_nevers(scenario, line);
    look_for_rules(scenario, line);
    look_for_step(scenario, line);
}

static const char *check_commands(const struct scenario *scenario,
                                  const struct scenario_commands *commands,
                                  scenario_command_fn *check, void *ctx, char why[YAML_WHY_MAX])
{
    for (size_t i = 0; i < commands->count; i++) {
        const struct scenario_command *command = &commands->list[i];
        char text[YAML_WHY_MAX];
        const char *wrong = check(ctx, command->text, text);

        if (!wrong)
            continue;
        (void)snprintf(why, YAML_WHY_MAX, "%.100s:%u: %s: %.100s", scenario->name, command->line,
                       command->text, wrong);
        return why;
    }
    return NULL;
}

const char *scenario_check(const struct scenario *scenario, scenario_command_fn *check, void *ctx,
                           char why[YAML_WHY_MAX])
{
    const char *wrong = NULL;

    for (size_t i = 0; !wrong && i < scenario->steps_count; i++)
        wrong = check_commands(scenario, &scenario->steps[i].commands, check, ctx, why);
    for (size_t i = 0; !wrong && i < scenario->rules_count; i++)
        wrong = check_commands(scenario, &scenario->rules[i].commands, check, ctx, why);
    return wrong;
}

/* ---- its life ------------------------------------------------------------------------------------- */

uint64_t scenario_limit_us(const struct scenario *scenario)
{
    return scenario->limit_us;
}

void scenario_start(struct scenario *scenario, const struct scenario_config *config)
{
    scenario->config = *config;
    scenario->waits_for = SIZE_MAX;
    timer_init(&scenario->step_timer, on_step_timer);
    timer_init(&scenario->act, on_act);
    timer_init(&scenario->limit, on_limit);
    scenario->watcher.seen = on_line;
    trace_watch(config->trace, &scenario->watcher);
    timer_start(config->timers, &scenario->limit, now_us(scenario) + scenario->limit_us);
    go_on(scenario); /* the first steps hold for the script's first line */
}

static void judge(struct scenario *scenario)
{
    const struct scenario_step *step = current(scenario);
    char text[YAML_WHY_MAX];

    if (scenario->never_came) {
        say_never(scenario);
    } else if (step && step->kind != SCENARIO_STEP_END) {
        (void)snprintf(text, sizeof(text), "the run ended before this: %.300s", step->text);
        fail(scenario, step->line, text);
    }
    if (!scenario->has_failed) {
        log_say(scenario->config.log, "scenario: %s: its %zu steps are done", scenario->name,
                scenario->steps_count);
    }
}

int scenario_finish(struct scenario *scenario, int code)
{
    trace_unwatch(scenario->config.trace, &scenario->watcher);
    timer_stop(scenario->config.timers, &scenario->step_timer);
    timer_stop(scenario->config.timers, &scenario->act);
    timer_stop(scenario->config.timers, &scenario->limit);
    scenario->has_ended = true;
    if (code == EXIT_CODE_OK)
        judge(scenario);
    else if (code == EXIT_CODE_SCENARIO)
        say_limit(scenario); /* unless it has failed by itself */
    return code == EXIT_CODE_OK && scenario->has_failed ? EXIT_CODE_SCENARIO : code;
}

static void free_pattern(struct scenario_pattern *pattern)
{
    for (size_t i = 0; i < pattern->count; i++) {
        if (pattern->fields[i].is_regex)
            regfree(&pattern->fields[i].regex);
    }
}

static void free_commands(struct scenario_commands *commands)
{
    for (size_t i = 0; i < commands->count; i++)
        free(commands->list[i].text);
}

void scenario_free(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->steps_count; i++) {
        free_pattern(&scenario->steps[i].pattern);
        free_commands(&scenario->steps[i].commands);
    }
    for (size_t i = 0; i < scenario->rules_count; i++) {
        free_pattern(&scenario->rules[i].pattern);
        free_commands(&scenario->rules[i].commands);
    }
    free(scenario->steps);
    free(scenario->rules);
    free(scenario->name);
    free(scenario);
}
