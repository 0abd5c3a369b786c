/* The numbers of records that are to be stored once. */
#include "intake_harness.h"

/* Of the n-th part of the hand-over. */
static struct once once_at(struct fixture *f, size_t n)
{
    struct handover_part *part;
    struct once once;
    size_t position = 0;

    do {
        part = handover_part_next(&f->handover, &position);
        cr_assert(part && part->once);
    } while (n-- > 0);
    memcpy(&once, handover_part_head(part) + part->head_length, sizeof once);
    return once;
}

static const struct {
    const char *text;
    uint64_t number;
} numbers[] = {
    {"0", 0},
    {"7", 7},
    {"\"42\"", 42},
    {"\"007\"", 7},
    {"18446744073709551615", UINT64_MAX},
    {"\"18446744073709551615\"", UINT64_MAX},
};

Test(intake_once, a_number_or_its_digits)
{
    struct fixture f;
    char body[100];

    set_up(&f);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        snprintf(body, sizeof body, "{\"sensor_id\":\"a\",\"seq\":%s}", numbers[i].text);
        cr_assert_eq(take(&f, ONCE, DECODE_JSON, slice_of(body)), 0);
        expect_counts(&f, 1, 0);
        cr_assert_eq(f.handover.once, 1);
        cr_assert_eq(once_at(&f, 0).sequence, numbers[i].number, "%s", numbers[i].text);
        cr_assert(slice_is(record_at(&f, 0).key, "a"));
        cr_assert(slice_is(record_at(&f, 0).payload, body));
    }
    tear_down(&f);
}

static const char *const no_numbers[] = {"-1", "1.0", "1e3", "18446744073709551616", "99999999999999999999",
    "\"\"", "\" 1\"", "\"0x1\"", "\"\\u0031\"", "true", "[1]", "{}"};

Test(intake_once, what_is_none_is_refused)
{
    struct fixture f;
    char body[100];

    set_up(&f);
    for (size_t i = 0; i < COUNT(no_numbers); i++) {
        snprintf(body, sizeof body, "{\"sensor_id\":\"a\",\"seq\":%s}", no_numbers[i]);
        cr_assert_eq(take(&f, ONCE, DECODE_JSON, slice_of(body)), 0);
        expect_counts(&f, 0, 1);
        cr_assert_eq(f.result.by_reason[INTAKE_SEQUENCE], 1);
        cr_assert_str_eq(
            f.result.list[0].text, "sequence /seq: must be an integer from 0 to 18446744073709551615");
    }
    cr_assert_eq(take(&f, ONCE, DECODE_NDJSON,
                     SLICE("{\"sensor_id\":\"a\"}\n{\"sensor_id\":\"a\",\"seq\":null}\n{\"seq\":1}\n")),
        0);
    expect_counts(&f, 0, 3);
    cr_assert_eq(f.result.by_reason[INTAKE_SEQUENCE], 2);
    cr_assert_eq(f.result.by_reason[INTAKE_KEY], 1);
    cr_assert_str_eq(f.result.list[0].text, "sequence /seq: missing");
    cr_assert_str_eq(intake_reason_name(f.result.list[0].reason), "sequence");
    tear_down(&f);
}

Test(intake_once, is_found_where_the_stream_says)
{
    struct fixture f;

    set_up(&f);
    cr_assert_eq(take(&f, ONCE_IN_HEADER, DECODE_NDJSON, SLICE("{\"sensor_id\":\"a\"}\n")), 0);
    expect_counts(&f, 0, 1);
    cr_assert_str_eq(f.result.list[0].text, "sequence header:X-Key: missing");
    f.request.header = SLICE("12");
    cr_assert_eq(
        take(&f, ONCE_IN_HEADER, DECODE_NDJSON, SLICE("{\"sensor_id\":\"a\"}\n{\"sensor_id\":\"b\"}\n")), 0);
    expect_counts(&f, 2, 0);
    cr_assert_eq(once_at(&f, 0).sequence, 12);
    cr_assert_eq(once_at(&f, 1).sequence, 12);
    cr_assert_eq(take(&f, ONCE_IN_LINES, DECODE_TEXT, SLICE("3 x\n4 y\nfive z\n")), 0);
    expect_counts(&f, 2, 1);
    cr_assert_eq(once_at(&f, 0).sequence, 3);
    cr_assert_eq(once_at(&f, 1).sequence, 4);
    cr_assert_eq(memcmp(once_at(&f, 0).tag, once_at(&f, 1).tag, ONCE_TAG), 0);
    const struct slice envelope = SLICE(
        "{\"payload\":\"{\\\"sensor_id\\\":\\\"a\\\",\\\"seq\\\":9}\",\"correlation_id\":\"x\",\"created_at\":1,\"schema_version\":1}");
    cr_assert_eq(take(&f, ONCE, DECODE_JSON, envelope), 0);
    expect_counts(&f, 1, 0);
    cr_assert_eq(once_at(&f, 0).sequence, 9);
    tear_down(&f);
}

Test(intake_once, a_tag_is_that_of_stream_and_key)
{
    struct fixture f;
    struct once first, other;

    set_up(&f);
    cr_assert_eq(
        take(&f, ONCE, DECODE_NDJSON,
            SLICE(
                "{\"sensor_id\":\"a\",\"seq\":1}\n{\"sensor_id\":\"b\",\"seq\":1}\n{\"sensor_id\":\"ab\",\"seq\":1}\n{\"sensor_id\":\"a\",\"seq\":2}\n{\"sensor_id\":\"a\",\"seq\":3}\n")),
        0);
    expect_counts(&f, 5, 0);
    first = once_at(&f, 0);
    for (size_t i = 1; i < 5; i++) {
        other = once_at(&f, i);
        cr_assert_eq(memcmp(first.tag, other.tag, ONCE_TAG) == 0, i > 2, "%zu", i);
        cr_assert_eq(first.stream, other.stream);
    }
    f.request.header = SLICE("1");
    cr_assert_eq(take(&f, ONCE_IN_HEADER, DECODE_NDJSON, SLICE("{\"sensor_id\":\"a\"}\n")), 0);
    other = once_at(&f, 0);
    cr_assert_neq(memcmp(first.tag, other.tag, ONCE_TAG), 0);
    cr_assert_neq(first.stream, other.stream);
    tear_down(&f);
}

static struct slice nowhere(void *context, struct slice payload)
{
    (void)context;
    (void)payload;
    return (struct slice){"origin", 6};
}

Test(intake_once, dead_letters_and_other_streams_have_none)
{
    struct fixture f;

    set_up(&f);
    f.facts.bury = nowhere;
    f.handover.payloads = "{\"sensor_id\":\"a\"}";
    cr_assert_eq(add(&f, ONCE, DECODE_JSON, slice_of(f.handover.payloads)), 0);
    cr_assert_eq(f.handover.records, 1);
    cr_assert(f.handover.has_letter);
    cr_assert_eq(f.handover.once, 0);
    f.facts.bury = NULL;
    cr_assert_eq(take(&f, READINGS, DECODE_JSON, SLICE("{\"sensor_id\":\"a\",\"seq\":1}")), 0);
    expect_counts(&f, 1, 0);
    cr_assert_eq(f.handover.once, 0);
    tear_down(&f);
}
