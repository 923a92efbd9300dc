#include "emu/tier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "emu/util.h"

#include <cmocka.h>

static void both_spellings_name_a_tier(void **state)
{
    (void)state;
    for (int i = 0; i < TIER_COUNT; i++) {
        assert_int_equal(tier_by_name(tier_name((enum tier)i)), i);
        assert_int_equal(tier_by_name(tier_number((enum tier)i)), i);
    }
    assert_int_equal(tier_by_name("t3"), TIER_REEXEC);
    assert_int_equal(tier_by_name("T6"), -1);
    assert_int_equal(tier_by_name("T0"), -1);
    assert_int_equal(tier_by_name(""), -1);
    assert_int_equal(tier_by_name("Root"), -1);
}

/* "T1 T2 " and so on: what is tried, in order. */
static const char *tried(const struct tier_plan *plan, char text[64])
{
    enum tier tier = TIER_COUNT;

    *text = '\0';
    while ((tier = tier_plan_next(plan, tier)) != TIER_COUNT)
        (void)snprintf(text + strlen(text), 64 - strlen(text), "%s ", tier_number(tier));
    return text;
}

static void what_is_tried_depends_on_what_is_asked_for(void **state)
{
    static const struct {
        struct tier_plan plan;
        const char *tried;
    } rows[] = {
        { { 0 }, "T5 " },
        { { .has_given = true }, "T4 T5 " },
        { { .wants_lab = true }, "T1 T2 T3 T5 " },
        { { .wants_lab = true, .has_given = true }, "T1 T2 T3 T5 " },
        { { .makes_links = true }, "T1 T2 T3 " },
        { { .makes_links = true, .wants_lab = true }, "T1 T2 T3 " },
        { { .makes_links = true, .has_far_links = true }, "T1 T2 " },
        { { .wish = TIER_WISH_OWN }, "T1 T2 T3 " },
        { { .wish = TIER_WISH_OWN, .wants_lab = true }, "T1 T2 T3 " },
        { { .wish = TIER_WISH_ONE, .wanted = TIER_ROOT }, "T1 " },
        { { .wish = TIER_WISH_ONE, .wanted = TIER_HOST, .wants_lab = true }, "T5 " },
        { { .wish = TIER_WISH_ONE, .wanted = TIER_GIVEN }, "T4 " },
    };
    char text[64];

    (void)state;
    for (int i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(tried(&rows[i].plan, text), rows[i].tried);
}

static void adapters_move_only_where_a_network_is_asked_for(void **state)
{
    const struct tier_plan plain = { 0 }, lab = { .wants_lab = true },
                           own = { .wish = TIER_WISH_OWN },
                           one = { .wish = TIER_WISH_ONE, .wanted = TIER_USERNS },
                           link = { .makes_links = true };

    (void)state;
    assert_false(tier_plan_makes(&plain, TIER_HOST));
    assert_false(tier_plan_makes(&link, TIER_ROOT)); /* --bind ETH0=veth leaves the others alone */
    assert_true(tier_plan_makes(&lab, TIER_USERNS));
    assert_false(tier_plan_makes(&lab, TIER_HOST));
    assert_true(tier_plan_makes(&own, TIER_ROOT));
    assert_true(tier_plan_makes(&one, TIER_USERNS));
}

static void what_was_missed_is_told_in_order(void **state)
{
    struct tier_choice choice = { .tier = TIER_ROOT };
    char text[TIER_TEXT_MAX];

    (void)state;
    assert_string_equal(tier_missed_text(&choice, text), "");
    choice.tier = TIER_REEXEC;
    (void)strcpy(choice.missed[TIER_ROOT], "no root");
    (void)strcpy(choice.missed[TIER_USERNS], "not allowed");
    assert_string_equal(tier_missed_text(&choice, text),
                        "not T1 root: no root; not T2 userns: not allowed");
    choice.tier = TIER_USERNS;
    assert_string_equal(tier_missed_text(&choice, text), "not T1 root: no root");
}

static void long_reasons_fit(void **state)
{
    struct tier_choice choice = { .tier = TIER_HOST };
    char text[TIER_TEXT_MAX];

    (void)state;
    for (int i = 0; i < TIER_COUNT; i++)
        memset(choice.missed[i], 'x', sizeof(choice.missed[i]) - 1);
    assert_int_equal(strlen(tier_missed_text(&choice, text)), TIER_TEXT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spellings_name_a_tier),
        cmocka_unit_test(what_is_tried_depends_on_what_is_asked_for),
        cmocka_unit_test(adapters_move_only_where_a_network_is_asked_for),
        cmocka_unit_test(what_was_missed_is_told_in_order),
        cmocka_unit_test(long_reasons_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
