#include "adapters/doctor.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/doctor_priv.h"
#include "adapters/reexec.h"
#include "adapters/tiers.h"
#include "emu/exit_code.h"

#define CHECKS_MAX 16

struct findings {
    struct finding tiers[TIER_COUNT];
    struct finding checks[CHECKS_MAX];
    size_t checks_count;
};

static struct findings *examine(void)
{
    struct findings *findings = calloc(1, sizeof(*findings));

    for (int i = 0; findings && i < TIER_COUNT; i++)
        doctor_check_tier((enum tier)i, &findings->tiers[i]);
    while (findings && findings->checks_count < CHECKS_MAX &&
           doctor_check(findings->checks_count, &findings->checks[findings->checks_count]))
        findings->checks_count++;
    return findings;
}

/* The best tier that makes a network; TIER_COUNT: there is none. */
static enum tier best_of(const struct findings *findings)
{
    for (int i = 0; i <= (int)TIER_REEXEC; i++) {
        if (findings->tiers[i].is_good)
            return (enum tier)i;
    }
    return TIER_COUNT;
}

/* ---- three ways to tell ------------------------------------------------------------------------- */

static void print_finding(const struct finding *finding)
{
    printf("%-12s %-4s %s\n", finding->name, finding->is_good ? "yes" : "no", finding->why);
    for (int i = 0; i < FINDING_FIXES && *finding->fixes[i]; i++)
        printf("%-12s %-4s %s  %s\n", "", "", i ? "   " : "try", finding->fixes[i]);
}

static void print_table(const struct findings *findings)
{
    enum tier best = best_of(findings);
    char title[TIER_WHY_MAX];

    printf("luatos-emu " LUATOS_EMU_VERSION ": ways to a network of its own (--net, --lab)\n\n");
    for (int i = 0; i < TIER_COUNT; i++)
        print_finding(&findings->tiers[i]);
    printf("\nand what else there is\n\n");
    for (size_t i = 0; i < findings->checks_count; i++)
        print_finding(&findings->checks[i]);
    if (best == TIER_COUNT) {
        printf("\n--lab is on loopback (T5): no network of its own can be had here\n");
    } else {
        printf("\n--lab is on a network of its own, by %s\n", tier_title(best, title));
    }
}

static json_t *to_json(const struct finding *finding, const char *name_key, const char *name)
{
    json_t *fixes = json_array();

    for (int i = 0; i < FINDING_FIXES && *finding->fixes[i]; i++)
        (void)json_array_append_new(fixes, json_string(finding->fixes[i]));
    return json_pack("{s:s, s:b, s:s, s:o}", name_key, name, "ok", finding->is_good, "reason",
                     finding->why, "fix", fixes);
}

static void print_json(const struct findings *findings)
{
    enum tier best = best_of(findings);
    json_t *tiers = json_array(), *checks = json_array(), *all;

    for (int i = 0; i < TIER_COUNT; i++) {
        json_t *tier = to_json(&findings->tiers[i], "tier", tier_number((enum tier)i));

        (void)json_object_set_new(tier, "name", json_string(tier_name((enum tier)i)));
        (void)json_array_append_new(tiers, tier);
    }
    for (size_t i = 0; i < findings->checks_count; i++) {
        const struct finding *check = &findings->checks[i];

        (void)json_array_append_new(checks, to_json(check, "name", check->name));
    }
    all =
        json_pack("{s:s, s:s?, s:o, s:o}", "version", LUATOS_EMU_VERSION, "net",
                  best == TIER_COUNT ? NULL : tier_number(best), "tiers", tiers, "checks", checks);
    (void)json_dumpf(all, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(all);
}

static void print_fixes_of(const struct finding *finding)
{
    for (int i = 0; i < FINDING_FIXES && *finding->fixes[i]; i++)
        puts(finding->fixes[i]);
}

/* Of tiers, those that come before the best one need no help, and those after it are not wanted. */
static void print_fixes(const struct findings *findings)
{
    if (best_of(findings) == TIER_COUNT) {
        for (int i = 0; i <= (int)TIER_REEXEC; i++)
            print_fixes_of(&findings->tiers[i]);
    }
    for (size_t i = 0; i < findings->checks_count; i++)
        print_fixes_of(&findings->checks[i]);
}

/* ---- asked for by reexec.c ------------------------------------------------------------------------ */

static int probe(void)
{
    char why[TIER_WHY_MAX];

    if (tiers_probe(why) < 0) {
        (void)fprintf(stderr, "%s\n", why);
        return EXIT_CODE_ENVIRONMENT;
    }
    puts(REEXEC_GOOD);
    return EXIT_CODE_OK;
}

int doctor_run(int words_count, char *const words[])
{
    const char *how = words_count ? words[0] : "";
    void (*print)(const struct findings *findings) = strcmp(how, "--json") == 0  ? print_json
                                                     : strcmp(how, "--fix") == 0 ? print_fixes
                                                     : !*how                     ? print_table
                                                                                 : NULL;
    struct findings *findings;
    int code;

    if (words_count == 1 && strcmp(how, "--probe") == 0)
        return probe();
    if (words_count > 1 || !print) {
        (void)fputs("luatos-emu: usage: luatos-emu doctor [--json|--fix]\n", stderr);
        return EXIT_CODE_USAGE;
    }
    findings = examine();
    if (!findings)
        return EXIT_CODE_ENVIRONMENT;
    print(findings);
    code = best_of(findings) == TIER_COUNT ? EXIT_CODE_ENVIRONMENT : EXIT_CODE_OK;
    free(findings);
    return fflush(stdout) == 0 ? code : EXIT_CODE_LOG;
}
