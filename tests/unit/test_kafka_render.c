/* kafka_render: what a record's message holds */
#include <criterion/criterion.h>

#include "outlet/kafka_render.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})

static struct rendering_table *renderings;
static struct kafka_renderer *renderer;
static struct error error;

static void add_rendering(uint32_t id, enum record_value value)
{
    static char topic[] = "t", path[] = "p";
    const struct rendering rendering = {.id = id,
        .stream = "blobs",
        .format = RECORD_FORMAT_BYTES,
        .lake_path = path,
        .topics = {topic},
        .topics_count = 1,
        .value = value};
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
    cr_assert_eq(rendering_apply(renderings, body.data, body.length, 0, &error), 0);
}

static void set_up(void)
{
    cr_assert_eq(rendering_table_new(&renderings, &error), 0);
    add_rendering(1, RECORD_VALUE_PAYLOAD);
    add_rendering(2, RECORD_VALUE_ENVELOPE);
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
    struct rendered_topics topics;

    cr_assert_eq(kafka_render_topics(renderer, &record, &topics, &error), 0);
    cr_assert_eq(topics.count, 1);
    cr_assert(slice_is(topics.names[0], "t"));
    return kafka_render_message(renderer, &entry, &record, topics.rendering, ret_message, &error);
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
