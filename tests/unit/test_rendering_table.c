/* All renderings of a journal: which one a record needs, and how long. */
#include <criterion/criterion.h>

#include "record/rendering_json.h"
#include "rendering_samples.h"

static struct rendering_table *new_table(void)
{
    struct rendering_table *table;
    struct error error;

    cr_assert_eq(rendering_table_new(&table, &error), 0);
    return table;
}

static void apply_rendering(
    struct rendering_table *table, const struct rendering *rendering, uint64_t sequence)
{
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(rendering, &body, &error), 0);
    cr_assert_eq(rendering_apply(table, body.data, body.length, sequence, &error), 0, "%s", error.text);
}

static void apply(
    struct rendering_table *table, uint32_t id, const char *stream, char *path, uint64_t sequence)
{
    struct rendering rendering = sample(id, stream, path);

    apply_rendering(table, &rendering, sequence);
}

/* What rendering_dump() emitted. */
struct dumped {
    char bodies[8][512];
    size_t count;
    size_t fails_at;
};

static int dumped_take(void *context, const void *body, size_t length, struct error *error)
{
    struct dumped *dumped = context;

    if (dumped->count == dumped->fails_at)
        return error_set(error, ERROR_RETRY, "full");
    snprintf(
        dumped->bodies[dumped->count++], sizeof *dumped->bodies, "%.*s", (int)length, (const char *)body);
    return 0;
}

static struct dumped dump(struct rendering_table *table, uint64_t keep_from)
{
    struct dumped dumped = {.fails_at = SIZE_MAX};
    struct error error;

    cr_assert_eq(rendering_dump(table, keep_from, dumped_take, &dumped, &error), 0);
    return dumped;
}

Test(rendering_table, finds_by_id_whatever_the_order)
{
    struct rendering_table *table = new_table();

    apply(table, 5, "readings", path_a, 0);
    apply(table, 2, "events", path_a, 0);
    apply(table, 9, "unorganized", path_b, 0);
    cr_assert_str_eq(rendering_find(table, 2)->stream, "events");
    cr_assert_str_eq(rendering_find(table, 5)->stream, "readings");
    cr_assert_str_eq(rendering_find(table, 9)->stream, "unorganized");
    cr_assert_null(rendering_find(table, 0));
    cr_assert_null(rendering_find(table, 3));
    cr_assert_null(rendering_find(table, 10));
    rendering_table_free(&table);
    cr_assert_null(table);
    rendering_table_free(&table);
}

Test(rendering_table, same_id_again_replaces_nothing)
{
    struct rendering_table *table = new_table();

    apply(table, 1, "readings", path_a, 0);
    const struct rendering *first = rendering_find(table, 1);
    apply(table, 1, "readings", path_b, 10);
    cr_assert_eq(rendering_find(table, 1), first);
    cr_assert_str_eq(first->lake_path, "a/{key}");
    cr_assert_eq(dump(table, 100).count, 1);
    rendering_table_free(&table);
}

Test(rendering_table, addresses_stay_when_it_grows)
{
    struct rendering_table *table = new_table();

    apply(table, 1000, "readings", path_a, 0);
    const struct rendering *first = rendering_find(table, 1000);
    for (uint32_t id = 1; id < 200; id++)
        apply(table, id, "events", path_a, id);
    cr_assert_eq(rendering_find(table, 1000), first);
    rendering_table_free(&table);
}

Test(rendering_table, broken_body_changes_nothing)
{
    struct rendering_table *table = new_table();
    struct error error;

    cr_assert_eq(rendering_apply(table, "{}", 2, 0, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_eq(rendering_next_id(table), 1);
    rendering_table_free(&table);
}

Test(rendering_table, ids_go_on_behind_the_highest)
{
    struct rendering_table *table = new_table();

    cr_assert_eq(rendering_next_id(table), 1);
    apply(table, 7, "readings", path_a, 0);
    apply(table, 3, "events", path_a, 0);
    cr_assert_eq(rendering_next_id(table), 8);
    rendering_table_free(&table);
}

Test(rendering_table, equal_means_all_but_the_id_of_the_newest)
{
    struct rendering_table *table = new_table();
    struct rendering like = sample(0, "readings", path_a);

    cr_assert_eq(rendering_find_equal(table, &like), 0);
    apply(table, 3, "events", path_a, 0);
    cr_assert_eq(rendering_find_equal(table, &like), 0);
    apply(table, 4, "readings", path_a, 0);
    cr_assert_eq(rendering_find_equal(table, &like), 4);

    static char other[] = "other";
    struct rendering unlike = like;
    unlike.lake_path = path_b;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.format = RECORD_FORMAT_TEXT;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.labels_count = 1;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.labels[1] = other;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);

    /* a, b, a: while the gateway runs the first a still is one, */
    apply(table, 5, "readings", path_b, 20);
    cr_assert_eq(rendering_find_equal(table, &like), 4);
    /* and not behind a start with b: it may be dropped from the next snapshot. */
    rendering_supersede(table, (const uint32_t[]){5}, 1, 30);
    cr_assert_eq(rendering_find_equal(table, &like), 0);
    like.lake_path = path_b;
    cr_assert_eq(rendering_find_equal(table, &like), 5);
    rendering_table_free(&table);
}

Test(rendering_table, equal_means_topics_value_and_headers_too)
{
    struct rendering_table *table = new_table();
    struct rendering like = sample_topics(4);
    struct rendering unlike;

    apply_rendering(table, &like, 0);
    cr_assert_eq(rendering_find_equal(table, &like), 4);
    unlike = like;
    unlike.topics_count = 1;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.topics[1] = topic_a;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.value = RECORD_VALUE_PAYLOAD;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.headers_count = 1;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.headers[1].label = 1;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.headers[1].name = name_a;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    rendering_table_free(&table);
}

Test(rendering_table, dump_keeps_an_older_one_while_a_record_may_need_it)
{
    struct rendering_table *table = new_table();

    apply(table, 1, "readings", path_a, 0);
    apply(table, 2, "events", path_a, 10);
    apply(table, 3, "readings", path_b, 15);
    cr_assert_eq(dump(table, 1000).count, 3, "who has looked at 1 may still accept records under it");
    rendering_supersede(table, (const uint32_t[]){2, 3}, 2, 20); /* record 20 may be of 1 */
    rendering_supersede(table, (const uint32_t[]){2, 3}, 2, 40); /* once is enough */
    cr_assert_eq(dump(table, 0).count, 3);
    cr_assert_eq(dump(table, 20).count, 3);
    struct dumped dumped = dump(table, 21);
    cr_assert_eq(dumped.count, 2);
    cr_assert_not_null(strstr(dumped.bodies[0], "\"id\":2,"));
    cr_assert_not_null(strstr(dumped.bodies[1], "\"id\":3,"));
    rendering_table_free(&table);
}

Test(rendering_table, snapshot_carries_what_the_next_one_needs)
{
    struct rendering_table *table = new_table();
    struct rendering_table *again = new_table();
    struct error error;

    apply(table, 1, "readings", path_a, 0);
    apply(table, 2, "readings", path_b, 15);
    rendering_supersede(table, NULL, 0, 20); /* of all but the highest id */
    struct dumped dumped = dump(table, 5);
    cr_assert_eq(dumped.count, 2);
    cr_assert_not_null(strstr(dumped.bodies[0], "\"superseded_at\":20"));
    cr_assert_null(strstr(dumped.bodies[1], "superseded_at"));
    for (size_t i = 0; i < dumped.count; i++)
        cr_assert_eq(rendering_apply(again, dumped.bodies[i], strlen(dumped.bodies[i]), 500, &error), 0);
    cr_assert_eq(dump(again, 20).count, 2);
    cr_assert_eq(dump(again, 21).count, 1);
    struct rendering like = sample(0, "readings", path_a);
    cr_assert_eq(rendering_find_equal(again, &like), 0);
    like.lake_path = path_b;
    cr_assert_eq(rendering_find_equal(again, &like), 2);
    rendering_table_free(&table);
    rendering_table_free(&again);
}

Test(rendering_table, dump_stops_at_the_first_failure)
{
    struct rendering_table *table = new_table();
    struct dumped dumped = {.fails_at = 1};
    struct error error;

    apply(table, 1, "readings", path_a, 0);
    apply(table, 2, "events", path_a, 0);
    cr_assert_eq(rendering_dump(table, 0, dumped_take, &dumped, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_eq(dumped.count, 1);
    rendering_table_free(&table);
}
