/* kafka_render: what a record's message holds */
#include <criterion/criterion.h>

#include "outlet/kafka_render.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})

/* Renderings with two topics */
enum { TWO = 3, KEYED };

static struct rendering_table *renderings;
static struct kafka_renderer *renderer;
static struct error error;

/* second: another topic, or NULL. */
static void add_rendering(uint32_t id, enum record_value value, char *first, char *second)
{
    static char path[] = "p";
    const struct rendering rendering = {.id = id,
        .stream = "blobs",
        .format = RECORD_FORMAT_BYTES,
        .lake_path = path,
        .topics = {first, second},
        .topics_count = second ? 2 : 1,
        .value = value};
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
    cr_assert_eq(rendering_apply(renderings, body.data, body.length, 0, &error), 0);
}

static void set_up(void)
{
    static char t[] = "t", twice[] = "{stream}-2", keyed[] = "of-{key}";

    cr_assert_eq(rendering_table_new(&renderings, &error), 0);
    add_rendering(1, RECORD_VALUE_PAYLOAD, t, NULL);
    add_rendering(2, RECORD_VALUE_ENVELOPE, t, NULL);
    add_rendering(TWO, RECORD_VALUE_PAYLOAD, t, twice);
    add_rendering(KEYED, RECORD_VALUE_PAYLOAD, t, keyed);
    cr_assert_eq(kafka_renderer_open(&renderer, renderings, "gw-1", 4096, &error), 0);
}

static void tear_down(void)
{
    kafka_renderer_close(&renderer);
    rendering_table_free(&renderings);
}

TestSuite(kafka_render, .init = set_up, .fini = tear_down);

static int render(uint32_t rendering, struct slice payload, struct kafka_message *ret_message)
{
    const struct journal_entry entry = {.type = JOURNAL_ENTRY_RECORD, .sequence = 42, .last = 42, .epoch = 7};
    const struct record record = {
        .rendering = rendering, .received = 5, .key = slice_of("k"), .payload = payload};
    const struct rendered_topics *topics;

    cr_assert_eq(kafka_render_topics(renderer, &record, &topics, &error), 0);
    cr_assert_eq(topics->count, 1);
    cr_assert(slice_is(topics->names[0], "t"));
    return kafka_render_message(renderer, &entry, &record, topics->rendering, ret_message, &error);
}

Test(kafka_render, bytes_are_the_value_as_they_are)
{
    const struct slice payload = SLICE("\x89PNG\r\n\0\xff");
    struct kafka_message message;

    cr_assert_eq(render(1, payload, &message), 0);
    cr_assert(slice_equal(message.value, payload));
    cr_assert(slice_is(message.key, "k"));
    cr_assert_eq(message.time, 5);
    cr_assert_eq(message.headers_count, 1);
    cr_assert(slice_is(message.headers[0].value, "gw-1/00000007/42"));
}

Test(kafka_render, what_a_schema_let_pass_is_marked)
{
    const struct record record = {.rendering = 1, .flags = RECORD_SCHEMA_INVALID, .payload = SLICE("{}")};
    const struct journal_entry entry = {.epoch = 7, .sequence = 42};
    struct kafka_message message;

    const struct rendered_topics *topics;
    cr_assert_eq(kafka_render_topics(renderer, &record, &topics, &error), 0);
    cr_assert_eq(kafka_render_message(renderer, &entry, &record, topics->rendering, &message, &error), 0);
    cr_assert_eq(message.headers_count, 2);
    cr_assert(slice_is(message.headers[1].name, "penstock-schema"));
    cr_assert(slice_is(message.headers[1].value, "invalid"));
}

/* The source has refused what is not UTF-8; should such a record be there, it can never be delivered. */
Test(kafka_render, an_envelope_holds_bytes_that_are_utf8)
{
    static const char start[] = "{\"payload\":\"\xc3\xbc\\n\\u0000\",\"correlation_id\":\"";
    struct kafka_message message;

    cr_assert_eq(render(2, SLICE("\xc3\xbc\n\0"), &message), 0);
    cr_assert_gt(message.value.length, sizeof start);
    cr_assert_eq(memcmp(message.value.data, start, sizeof start - 1), 0);
    cr_assert_eq(render(2, SLICE("\xff"), &message), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
}

static void check_topics(const struct record *record, const char *first, const char *second, uint16_t literal)
{
    const struct rendered_topics *topics;

    cr_assert_eq(kafka_render_topics(renderer, record, &topics, &error), 0, "%s", error.text);
    cr_assert_eq(topics->rendering->id, record->rendering);
    cr_assert_eq(topics->count, second ? 2 : 1);
    cr_assert(slice_is(topics->names[0], first));
    cr_assert(!second || slice_is(topics->names[1], second));
    cr_assert_eq(topics->literal, literal);
    cr_assert_null(topics->reason);
}

/* Topics that are the same for all records are not rendered anew: what comes between them must not show. */
Test(kafka_render, every_record_has_its_own_topics_whatever_came_before)
{
    const struct record one = {.rendering = 1}, two = {.rendering = TWO};
    const struct record a = {.rendering = KEYED, .key = slice_of("a")};
    const struct record b = {.rendering = KEYED, .key = slice_of("b")};
    const struct record again = {
        .rendering = TWO, .flags = RECORD_REPLAYED, .origin = slice_of("kafka gw-1/00000007/41 blobs-2")};
    const struct record lost = {.rendering = 9}, none = {.rendering = RECORD_NO_RENDERING};
    const struct rendered_topics *topics;

    for (int round = 0; round < 2; round++) {
        check_topics(&two, "t", "blobs-2", 3);
        check_topics(&two, "t", "blobs-2", 3);
        check_topics(&again, "blobs-2", NULL, 1);
        check_topics(&two, "t", "blobs-2", 3);
        check_topics(&one, "t", NULL, 1);
        check_topics(&a, "t", "of-a", 1);
        check_topics(&b, "t", "of-b", 1);
        check_topics(&one, "t", NULL, 1);
        cr_assert_eq(kafka_render_topics(renderer, &lost, &topics, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_eq(kafka_render_topics(renderer, &none, &topics, &error), -1);
        check_topics(&one, "t", NULL, 1);
    }
}

Test(kafka_render, a_topic_that_cannot_be_is_told_for_every_record)
{
    const struct record good = {.rendering = KEYED, .key = slice_of("a")};
    const struct record bad = {.rendering = KEYED, .key = slice_of("a:b")};
    const struct rendered_topics *topics;

    for (int round = 0; round < 2; round++) {
        check_topics(&good, "t", "of-a", 1);
        cr_assert_eq(kafka_render_topics(renderer, &bad, &topics, &error), 0);
        cr_assert_eq(topics->count, 2);
        cr_assert_eq(topics->names[1].length, 0);
        cr_assert_not_null(topics->reason);
    }
}
