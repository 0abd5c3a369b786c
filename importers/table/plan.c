/* plan: see plan.h */
#include "table/plan.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAN_PAGE 8192

int plan_new(struct plan **ret_plan, struct error *error)
{
    struct plan *plan = calloc(1, sizeof *plan);

    if (!plan)
        return error_set(error, ERROR_RETRY, "plan: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    *ret_plan = plan;
    return 0;
}

void plan_free(struct plan **plan)
{
    if (!*plan)
        return;
    for (size_t i = 0; i < (*plan)->texts_count; i++)
        free((*plan)->texts[i]);
    free((*plan)->texts);
    free((*plan)->splits);
    free(*plan);
    *plan = NULL;
}

const char *plan_keep(struct plan *plan, const char *text, struct error *error)
{
    if (plan->texts_count == plan->texts_capacity) {
        const size_t capacity = plan->texts_capacity ? plan->texts_capacity * 2 : 16;
        char **more = realloc(plan->texts, capacity * sizeof *more);
        if (!more)
            return error_set(error, ERROR_RETRY, "plan: out of memory"), /* GCOVR_EXCL_LINE out of memory */
                   NULL;
        plan->texts = more;
        plan->texts_capacity = capacity;
    }
    char *kept = strdup(text);
    if (!kept)
        return error_set(error, ERROR_RETRY, "plan: out of memory"), NULL; /* GCOVR_EXCL_LINE out of memory */
    return plan->texts[plan->texts_count++] = kept;
}

int plan_add(struct plan *plan, const struct split *split, struct error *error)
{
    if (plan->count == PLAN_SPLITS_MAX)
        return error_set(error, ERROR_REJECT,
            "a table in more than %d splits; choose larger ones, or import its partitions one by one",
            PLAN_SPLITS_MAX);
    if (plan->count == plan->capacity) {
        const size_t capacity = plan->capacity ? plan->capacity * 2 : 16;
        struct split *more = realloc(plan->splits, capacity * sizeof *more);
        if (!more)
            return error_set(error, ERROR_RETRY, "plan: out of memory"); /* GCOVR_EXCL_LINE out of memory */
        plan->splits = more;
        plan->capacity = capacity;
    }
    plan->splits[plan->count] = *split;
    plan->splits[plan->count].number = (uint32_t)plan->count;
    plan->count++;
    return 0;
}

uint64_t plan_split_pages(uint64_t pages, double rows, const struct plan_options *options)
{
    const unsigned workers = options->workers ? options->workers : 1;
    const uint64_t share = pages / (workers * PLAN_PER_WORKER) + 1;
    uint64_t most = share < PLAN_PAGES_LEAST  ? PLAN_PAGES_LEAST
                    : share > PLAN_PAGES_MOST ? PLAN_PAGES_MOST
                                              : share;

    if (options->split_pages)
        return options->split_pages;
    if (options->split_bytes && options->split_bytes / PLAN_PAGE < most)
        most = options->split_bytes / PLAN_PAGE;
    if (options->split_rows && rows > 0 && (double)pages * options->split_rows / rows < (double)most)
        most = (uint64_t)((double)pages * options->split_rows / rows);
    return most ? most : 1;
}

int plan_add_whole(struct plan *plan, uint32_t part, uint64_t bytes, double rows, struct error *error)
{
    const struct split split = {.part = part, .method = SPLIT_WHOLE, .bytes = bytes, .rows = rows};

    return plan_add(plan, &split, error);
}

/* A share of an estimate; one that is unknown stays so. */
static double plan_share(double rows, uint64_t share, uint64_t of)
{
    return rows < 0 ? rows : rows * (double)share / (double)of;
}

int plan_add_pages(struct plan *plan, uint32_t part, uint64_t pages, uint64_t bytes, double rows,
    uint64_t split_pages, struct error *error)
{
    assert(split_pages > 0);
    if (pages <= split_pages)
        return plan_add_whole(plan, part, bytes, rows, error);
    for (uint64_t first = 0; first < pages; first += split_pages) {
        const uint64_t taken = pages - first < split_pages ? pages - first : split_pages;
        const struct split split = {
            .part = part,
            .method = SPLIT_PAGES,
            .first = first,
            .end = taken < split_pages || first + taken == pages ? UINT64_MAX : first + taken,
            .bytes = taken * PLAN_PAGE,
            .rows = plan_share(rows, taken, pages),
        };
        if (plan_add(plan, &split, error))
            return -1;
    }
    return 0;
}

size_t plan_ranges(uint64_t pages, const struct plan_options *options)
{
    const uint64_t each = plan_split_pages(pages, -1, options);
    const uint64_t ranges = (pages + each - 1) / each;

    return ranges > PLAN_BOUNDS_MAX ? PLAN_BOUNDS_MAX : ranges ? (size_t)ranges : 1;
}

int plan_add_bounds(struct plan *plan, uint32_t part, const struct plan_key *key, const char *const *bounds,
    size_t bounds_count, size_t ranges, uint64_t bytes, double rows, struct error *error)
{
    if (ranges > bounds_count + 1)
        ranges = bounds_count + 1;
    if (ranges <= 1)
        return plan_add_whole(plan, part, bytes, rows, error);

    struct split split = {
        .part = part, .method = SPLIT_RANGE, .bytes = bytes / ranges, .rows = plan_share(rows, 1, ranges)};
    split.column = plan_keep(plan, key->column, error);
    split.type = split.column ? plan_keep(plan, key->type, error) : NULL;
    if (!split.type)
        return -1; /* GCOVR_EXCL_LINE out of memory */
    for (size_t i = 0; i < ranges; i++) {
        /* The bounds nearest to equal shares; none of them is taken twice, as there are enough. */
        const size_t at = (i + 1) * (bounds_count + 1) / ranges;
        split.low = split.high;
        split.high = i + 1 < ranges ? plan_keep(plan, bounds[at - 1], error) : NULL;
        if ((i + 1 < ranges && !split.high) || plan_add(plan, &split, error))
            return -1;
    }
    if (!key->nulls)
        return 0;
    split.method = SPLIT_NULLS;
    split.low = NULL;
    split.bytes = 0;
    split.rows = -1;
    return plan_add(plan, &split, error);
}

size_t plan_even_bounds(int64_t least, int64_t most, int64_t *bounds, size_t most_bounds)
{
    size_t count = 0;

    for (size_t i = 1; i <= most_bounds && least < most; i++) {
        const __int128 width = (__int128)most - least + 1;
        const int64_t bound = (int64_t)(least + width * (__int128)i / (__int128)(most_bounds + 1));
        if (bound > least && (count == 0 || bound > bounds[count - 1]))
            bounds[count++] = bound;
    }
    return count;
}

void split_name(const struct split *split, char name[static SPLIT_NAME_MAX])
{
    snprintf(name, SPLIT_NAME_MAX, "%05" PRIu32, split->number);
}
