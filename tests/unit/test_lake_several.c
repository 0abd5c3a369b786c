/* lake: several files published at once, for stores where each of them takes its time. The store here is the local one, seen through a window. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "lake/store.h"
#include "lake_harness.h"

#define AT_ONCE 3

static char root[64];
static struct harness_clock now;
static struct lake_options options;
static struct store_kind kind; /* the local one, but for these: */
static struct lake *lake;
static struct error error;
static size_t calls, files, refused_at; /* the call that is refused; 0: none */
static size_t aborted;

static int publish(
    struct store *store, struct store_publication *publications, size_t count, struct error *failure)
{
    calls++;
    files += count;
    cr_assert_leq(count, AT_ONCE);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(publications[i].path, publications[k].path);
    if (calls != refused_at)
        return store_local.publish(store, publications, count, failure);
    for (size_t i = 0; i < count; i++)
        store_local.abort(&publications[i].file);
    return error_set(failure, ERROR_RETRY, "refused");
}

static int create(struct store *store, struct store_file **ret_file, struct error *failure)
{
    if (refused_at == SIZE_MAX && aborted == 0 && files == 0 && calls++ == 1)
        return error_set(failure, ERROR_RETRY, "no room for the second");
    return store_local.create(store, ret_file, failure);
}

static void count_abort(struct store_file **file)
{
    aborted += *file != NULL;
    store_local.abort(file);
}

static void set_up(void)
{
    harness_make_directory(root);
    now = harness_clock_at(1000);
    options = harness_options(root, &now);
    kind = store_local;
    kind.publish_most = AT_ONCE;
    kind.publish = publish;
    kind.create = create;
    kind.abort = count_abort;
    cr_assert_eq(lake_open_store(&lake, &options, &kind, &error), 0, "%s", error.text);
}

static void tear_down(void)
{
    lake_close(&lake);
    harness_remove(root);
}

TestSuite(lake_several, .init = set_up, .fini = tear_down);

static void append(uint64_t sequence, const char *path)
{
    bool there;
    const struct lake_row row = {.path = slice_of(path),
        .stream = "readings",
        .format = RECORD_FORMAT_JSON,
        .epoch = 1,
        .sequence = sequence,
        .payload = slice_of("{}")};

    cr_assert_eq(lake_append(lake, &row, 0, &there, &error), 0, "%s", error.text);
}

static void append_to(size_t paths)
{
    for (uint64_t i = 1; i <= paths; i++)
        append(i, (const char[]){(char)('a' + i), '\0'});
    cr_assert_eq(lake_open_files(lake), paths);
}

static bool is_there(const char *path, unsigned sequence)
{
    char name[128];

    snprintf(name, sizeof name, "%s/readings+gw-1.00000001+%010u+%010u.jsonl", path, sequence, sequence);
    return harness_has(root, name);
}

Test(lake_several, all_of_them)
{
    append_to(7);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    cr_assert_eq(calls, 3);
    cr_assert_eq(files, 7);
    cr_assert_eq(lake_published(lake), 7);
    cr_assert_eq(lake_open_files(lake), 0);
    cr_assert_eq(lake_oldest(lake), 0);
    cr_assert(is_there("b", 1) && is_there("h", 7));
}

/* The third and the fifth have become young again, by another row: they are not silent. */
Test(lake_several, those_that_are_due)
{
    lake_close(&lake);
    options.roll_every = 0;
    options.roll_idle = 1000;
    cr_assert_eq(lake_open_store(&lake, &options, &kind, &error), 0);
    append_to(6);
    now.now += 900;
    append(7, "d");
    append(8, "f");
    now.now += 200;
    cr_assert_eq(lake_roll(lake, false, &error), 0);
    cr_assert_eq(files, 4);
    cr_assert_eq(calls, 2);
    cr_assert_eq(lake_open_files(lake), 2);
    cr_assert_eq(lake_oldest(lake), 3);
    cr_assert_lt(lake_due(lake), INT64_MAX);
}

Test(lake_several, the_oldest_alone_or_with_those_behind_it)
{
    append_to(6);
    cr_assert_eq(lake_roll_oldest(lake, false, &error), 0);
    cr_assert_eq(files, 1);
    cr_assert_eq(lake_oldest(lake), 2);
    cr_assert_eq(lake_roll_oldest(lake, true, &error), 0);
    cr_assert_eq(calls, 2);
    cr_assert_eq(files, 1 + AT_ONCE);
    cr_assert_eq(lake_oldest(lake), 5);
    cr_assert_eq(lake_roll_oldest(lake, true, &error), 0);
    cr_assert_eq(lake_roll_oldest(lake, true, &error), 0);
    cr_assert_eq(lake_open_files(lake), 0);
    cr_assert_eq(calls, 3);
}

static size_t tight_for; /* files that have to go before there is room again */

static bool is_tight(const struct store *store)
{
    cr_assert_not_null(store);
    return files < tight_for;
}

/* Looked at whenever a buffer is full; the row finds another file then. */
Test(lake_several, no_room_for_what_waits)
{
    static char text[200000];
    const struct lake_row row = {.path = slice_of("c"),
        .stream = "readings",
        .format = RECORD_FORMAT_JSON,
        .epoch = 1,
        .sequence = 5,
        .payload = {text, sizeof text - 2}};
    bool there;

    kind.tight = is_tight;
    memset(text, ' ', sizeof text - 1);
    append_to(4);
    cr_assert_eq(files, 0);
    tight_for = 3;
    cr_assert_eq(lake_append(lake, &row, 0, &there, &error), 0, "%s", error.text);
    cr_assert_eq(files, 3);
    cr_assert(is_there("b", 1) && is_there("c", 2) && is_there("d", 3));
    cr_assert_eq(lake_oldest(lake), 4);
    cr_assert_eq(lake_open_files(lake), 2);
    tight_for = SIZE_MAX; /* whatever goes: nobody waits for ever */
    append(6, "c");
    cr_assert_eq(lake_open_files(lake), 2);
    refused_at = calls + 1;
    cr_assert_eq(lake_append(lake,
                     &(struct lake_row){.path = slice_of("e"),
                         .stream = "readings",
                         .format = RECORD_FORMAT_JSON,
                         .epoch = 1,
                         .sequence = 7,
                         .payload = {text, sizeof text - 2}},
                     0, &there, &error),
        -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
}

/* What was refused is still not published, for the cursor; and so is what came behind it. */
Test(lake_several, some_are_refused)
{
    refused_at = 2;
    append_to(7);
    cr_assert_eq(lake_roll(lake, true, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_eq(calls, 2);
    cr_assert_eq(lake_published(lake), 3);
    cr_assert_eq(lake_oldest(lake), 4);
    cr_assert_eq(lake_open_files(lake), 4);
    cr_assert_eq(lake_roll(lake, true, &error), -1);
    cr_assert_not_null(strstr(error.text, "opened again"));
    cr_assert(is_there("d", 3));
    cr_assert_not(is_there("e", 4));
}

/* The first has a file in the store by then: it goes, and nobody is told of it. */
Test(lake_several, one_cannot_be_written)
{
    refused_at = SIZE_MAX;
    append_to(3);
    cr_assert_eq(lake_roll(lake, true, &error), -1);
    cr_assert_not_null(strstr(error.text, "no room for the second"));
    cr_assert_eq(files, 0);
    cr_assert_eq(aborted, 1);
    cr_assert_eq(lake_oldest(lake), 1);
    cr_assert_not(harness_has(root, ".penstock/gw-1/1.tmp"));
}
