/* health: conditions come and go, and the table keeps what matters most. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "base/health.h"

static struct health_condition test_list[HEALTH_CONDITIONS_MAX];

static size_t list(enum health_level *worst)
{
    return health_list(test_list, HEALTH_CONDITIONS_MAX, worst);
}

Test(health, nothing_is_wrong_at_the_start)
{
    enum health_level worst = HEALTH_REFUSING;

    health_set("lake", HEALTH_OK, "ignored");
    cr_assert_eq(list(&worst), 0);
    cr_assert_eq(worst, HEALTH_OK);
}

Test(health, a_condition_is_set_changed_and_cleared)
{
    enum health_level worst;

    health_set("lake", HEALTH_DEGRADED, "no route to host");
    cr_assert_eq(list(&worst), 1);
    cr_assert_eq(worst, HEALTH_DEGRADED);
    health_set("journal", HEALTH_REFUSING, "disk full");
    health_set("lake", HEALTH_DEGRADED, "time-out");
    cr_assert_eq(list(&worst), 2);
    cr_assert_eq(worst, HEALTH_REFUSING);
    cr_assert_str_eq(test_list[0].name, "lake");
    cr_assert_str_eq(test_list[0].text, "time-out");
    cr_assert_str_eq(test_list[1].name, "journal");
    health_set("lake", HEALTH_OK, NULL);
    cr_assert_eq(list(&worst), 1);
    cr_assert_str_eq(test_list[0].text, "disk full");
    cr_assert_eq(test_list[0].level, HEALTH_REFUSING);
    health_set("journal", HEALTH_OK, NULL);
    cr_assert_eq(list(&worst), 0);
    cr_assert_eq(worst, HEALTH_OK);
}

Test(health, a_short_list_still_tells_the_worst)
{
    enum health_level worst;

    health_set("a", HEALTH_DEGRADED, "");
    health_set("b", HEALTH_REFUSING, "");
    cr_assert_eq(health_list(test_list, 1, &worst), 1);
    cr_assert_eq(worst, HEALTH_REFUSING);
    cr_assert_eq(health_list(NULL, 0, &worst), 0);
    cr_assert_eq(worst, HEALTH_REFUSING);
}

Test(health, a_full_table_keeps_what_matters_more)
{
    enum health_level worst;
    char name[16];

    for (int i = 0; i < HEALTH_CONDITIONS_MAX + 5; i++) {
        snprintf(name, sizeof name, "degraded.%d", i);
        health_set(name, HEALTH_DEGRADED, "x");
    }
    cr_assert_eq(list(&worst), HEALTH_CONDITIONS_MAX);
    cr_assert_eq(worst, HEALTH_DEGRADED);
    for (int i = 0; i < HEALTH_CONDITIONS_MAX + 5; i++) {
        snprintf(name, sizeof name, "refusing.%d", i);
        health_set(name, HEALTH_REFUSING, "y");
    }
    cr_assert_eq(list(&worst), HEALTH_CONDITIONS_MAX);
    cr_assert_eq(worst, HEALTH_REFUSING);
    for (size_t i = 0; i < HEALTH_CONDITIONS_MAX; i++)
        cr_assert_eq(test_list[i].level, HEALTH_REFUSING);
    health_set("degraded.1", HEALTH_OK, NULL); /* not in the table: nothing else goes */
    cr_assert_eq(list(&worst), HEALTH_CONDITIONS_MAX);
}

Test(health, long_names_and_texts_are_cut)
{
    enum health_level worst;
    char longer[1000];

    memset(longer, 'n', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    health_set(longer, HEALTH_DEGRADED, longer);
    health_set(longer, HEALTH_DEGRADED, longer);
    cr_assert_eq(list(&worst), 1);
    cr_assert_eq(strlen(test_list[0].name), sizeof test_list[0].name - 1);
    cr_assert_eq(strlen(test_list[0].text), sizeof test_list[0].text - 1);
}
