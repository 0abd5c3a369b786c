/* plan: splits that have no row in common, and have all of them between them */
#include "table/plan.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct plan *plan;
static struct error error;

static void begin(void)
{
    cr_assert_eq(plan_new(&plan, &error), 0);
}

static void end(void)
{
    plan_free(&plan);
    cr_assert_null(plan);
    plan_free(&plan);
}

TestSuite(plan, .init = begin, .fini = end);

/* ---- pages ------------------------------------------------------------------------------------------------------- */

/* How many splits read a page. */
static size_t readers_of(uint64_t page)
{
    size_t readers = 0;

    for (size_t i = 0; i < plan->count; i++) {
        const struct split *split = &plan->splits[i];
        readers += split->method == SPLIT_WHOLE || (page >= split->first && page < split->end);
    }
    return readers;
}

Test(plan, every_page_is_read_once)
{
    static const struct {
        uint64_t pages, split;
        size_t splits;
    } cases[] = {{0, 1, 1}, {1, 1, 1}, {2, 1, 2}, {2, 2, 1}, {3, 2, 2}, {4, 2, 2}, {5, 2, 3}, {1000, 7, 143},
        {UINT32_MAX, UINT32_MAX / 16, 17}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        const uint64_t pages = cases[i].pages, last = pages ? pages - 1 : 0;
        end();
        begin();
        cr_assert_eq(
            plan_add_pages(plan, 3, pages, pages * 8192, 10.0 * (double)pages, cases[i].split, &error), 0);
        cr_assert_eq(plan->count, cases[i].splits, "%zu", i);
        for (uint64_t page = 0; page <= last && page < 2000; page++)
            cr_assert_eq(readers_of(page), 1, "page %" PRIu64 " of case %zu", page, i);
        /* Rows that came behind the last page belong to the last split. */
        cr_assert_eq(readers_of(last), 1);
        cr_assert_eq(readers_of(last + 1), 1);
        cr_assert_eq(readers_of(UINT32_MAX - 1), 1);
        double rows = 0;
        uint64_t bytes = 0;
        for (size_t k = 0; k < plan->count; k++) {
            cr_assert_eq(plan->splits[k].number, k);
            cr_assert_eq(plan->splits[k].part, 3);
            rows += plan->splits[k].rows;
            bytes += plan->splits[k].bytes;
        }
        cr_assert_eq(bytes, pages * 8192);
        cr_assert_float_eq(rows, 10.0 * (double)pages, 1e-6 * (rows + 1));
    }
}

Test(plan, what_is_unknown_stays_so)
{
    cr_assert_eq(plan_add_pages(plan, 0, 10, 81920, -1, 4, &error), 0);
    for (size_t i = 0; i < plan->count; i++)
        cr_assert_lt(plan->splits[i].rows, 0);
}

Test(plan, sizes_of_splits)
{
    struct plan_options options = {0};

    /* A small table is not worth more than one. */
    cr_assert_eq(plan_split_pages(0, -1, &options), PLAN_PAGES_LEAST);
    cr_assert_eq(plan_split_pages(1000, -1, &options), PLAN_PAGES_LEAST);
    options.workers = 2;
    cr_assert_eq(plan_split_pages(UINT64_C(8) * 5000, -1, &options), 5001);
    cr_assert_eq(plan_split_pages(UINT64_MAX, -1, &options), PLAN_PAGES_MOST);
    /* What a file is to have at most makes splits smaller, never larger, and never nothing. */
    options.split_bytes = (size_t)100 * 8192 + 8191;
    cr_assert_eq(plan_split_pages(1000, -1, &options), 100);
    options.split_rows = 500;
    cr_assert_eq(plan_split_pages(1000, -1, &options), 100);
    cr_assert_eq(plan_split_pages(1000, 0, &options), 100);
    cr_assert_eq(plan_split_pages(1000, 10000, &options), 50);
    cr_assert_eq(plan_split_pages(1000, 1000000, &options), 1);
    options.split_rows = UINT32_MAX;
    options.split_bytes = SIZE_MAX;
    cr_assert_eq(plan_split_pages(1000, 10000, &options), PLAN_PAGES_LEAST);
    options.split_bytes = 1;
    cr_assert_eq(plan_split_pages(1000, 10000, &options), 1);
    options.split_pages = 7;
    cr_assert_eq(plan_split_pages(UINT64_MAX, -1, &options), 7);

    cr_assert_eq(plan_ranges(0, &options), 1);
    cr_assert_eq(plan_ranges(7, &options), 1);
    cr_assert_eq(plan_ranges(8, &options), 2);
    cr_assert_eq(plan_ranges(UINT32_MAX, &options), PLAN_BOUNDS_MAX);
}

Test(plan, there_is_an_end_to_splits)
{
    cr_assert_eq(plan_add_pages(plan, 0, PLAN_SPLITS_MAX, 0, -1, 1, &error), 0);
    cr_assert_eq(plan->count, PLAN_SPLITS_MAX);
    cr_assert_eq(plan_add_whole(plan, 1, 0, -1, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, "more than 100000 splits"));
    cr_assert_eq(plan_add_pages(plan, 1, 2, 0, -1, 1, &error), -1);
    const struct plan_key key = {"k", "int4", true};
    cr_assert_eq(plan_add_bounds(plan, 1, &key, (const char *const[]){"1"}, 1, 2, 0, -1, &error), -1);
    cr_assert_eq(plan->count, PLAN_SPLITS_MAX);
}

/* ---- ranges of a key --------------------------------------------------------------------------------------------- */

#define KEYS 40

static int key_of(const char *bound)
{
    return (int)strtol(bound, NULL, 10);
}

/* Keys are 0 to 39; bounds are numbers, as text. */
static size_t readers_of_key(int key)
{
    size_t readers = 0;

    for (size_t i = 0; i < plan->count; i++) {
        const struct split *split = &plan->splits[i];
        readers += split->method == SPLIT_WHOLE ||
                   (split->method == SPLIT_RANGE && (!split->low || key >= key_of(split->low)) &&
                       (!split->high || key < key_of(split->high)));
    }
    return readers;
}

static size_t readers_of_null(void)
{
    size_t readers = 0;

    for (size_t i = 0; i < plan->count; i++)
        readers += plan->splits[i].method == SPLIT_WHOLE || plan->splits[i].method == SPLIT_NULLS;
    return readers;
}

Test(plan, every_key_is_read_once_whatever_the_bounds)
{
    const struct plan_key key = {.column = "k", .type = "pg_catalog.int4", .nulls = true};
    char texts[KEYS][12];
    const char *bounds[KEYS];

    for (size_t count = 0; count < KEYS; count++) {
        /* Each bound three times: equal ones make empty ranges. */
        for (size_t i = 0; i < count; i++) {
            snprintf(texts[i], sizeof texts[i], "%zu", i / 3 * 3 + 1);
            bounds[i] = texts[i];
        }
        for (size_t ranges = 0; ranges <= KEYS + 2; ranges++) {
            end();
            begin();
            cr_assert_eq(plan_add_bounds(plan, 1, &key, bounds, count, ranges, 1000, 100, &error), 0);
            const size_t wanted = ranges > count + 1 ? count + 1 : ranges ? ranges : 1;
            cr_assert_eq(plan->count, wanted == 1 ? 1 : wanted + 1);
            for (int k = -1; k <= KEYS; k++)
                cr_assert_eq(readers_of_key(k), 1, "key %d, %zu bounds, %zu ranges", k, count, ranges);
            cr_assert_eq(readers_of_null(), 1);
        }
    }
}

Test(plan, ranges_of_a_key_own_their_texts)
{
    char column[] = "k", type[] = "pg_catalog.int4", bound[] = "17";
    const struct plan_key key = {.column = column, .type = type, .nulls = false};
    const char *bounds[] = {bound};

    cr_assert_eq(plan_add_bounds(plan, 0, &key, bounds, 1, 2, 1001, -1, &error), 0);
    memset(column, 'x', 1);
    memset(type, 'x', sizeof type - 1);
    memset(bound, 'x', 2);
    cr_assert_eq(plan->count, 2, "no NULL, no split for it");
    cr_assert_null(plan->splits[0].low);
    cr_assert_str_eq(plan->splits[0].high, "17");
    cr_assert_str_eq(plan->splits[1].low, "17");
    cr_assert_null(plan->splits[1].high);
    for (size_t i = 0; i < 2; i++) {
        cr_assert_str_eq(plan->splits[i].column, "k");
        cr_assert_str_eq(plan->splits[i].type, "pg_catalog.int4");
        cr_assert_eq(plan->splits[i].bytes, 500);
        cr_assert_lt(plan->splits[i].rows, 0);
    }
}

Test(plan, even_bounds)
{
    static const struct {
        int64_t least, most;
        size_t most_bounds, count;
    } cases[] = {{0, 0, 5, 0}, {5, 4, 5, 0}, {0, 1, 5, 1}, {0, 9, 4, 4}, {-5, 4, 9, 9}, {-5, 4, 100, 9},
        {INT64_MIN, INT64_MAX, 63, 63}, {INT64_MAX - 1, INT64_MAX, 8, 1}, {INT64_MIN, INT64_MIN + 1, 8, 1},
        {1, 9, 0, 0}};
    int64_t bounds[128];

    for (size_t i = 0; i < COUNT(cases); i++) {
        const size_t count = plan_even_bounds(cases[i].least, cases[i].most, bounds, cases[i].most_bounds);
        cr_assert_eq(count, cases[i].count, "%zu: %zu", i, count);
        for (size_t k = 0; k < count; k++) {
            cr_assert(bounds[k] > cases[i].least && bounds[k] <= cases[i].most);
            cr_assert(k == 0 || bounds[k] > bounds[k - 1]);
        }
    }
    cr_assert_eq(plan_even_bounds(0, 999, bounds, 3), 3);
    cr_assert_eq(bounds[0], 250);
    cr_assert_eq(bounds[1], 500);
    cr_assert_eq(bounds[2], 750);
}

Test(plan, names_sort_as_numbers_do)
{
    char name[SPLIT_NAME_MAX];

    split_name(&(const struct split){.number = 42}, name);
    cr_assert_str_eq(name, "00042");
    split_name(&(const struct split){.number = PLAN_SPLITS_MAX - 1}, name);
    cr_assert_str_eq(name, "99999");
    split_name(&(const struct split){.number = UINT32_MAX}, name);
    cr_assert_str_eq(name, "4294967295");
}
