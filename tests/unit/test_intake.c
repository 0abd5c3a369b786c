/* intake: bodies in, hand-overs out */
#include "intake_harness.h"

/* ---- forms -------------------------------------------------------------------------------------------------- */

Test(intake, one_object_byte_for_byte)
{
    struct fixture f;

    set_up(&f);
    cr_assert_eq(take(&f, READINGS, DECODE_JSON, SLICE(" {\"sensor_id\": \"SENSOR_1\",\n \"w\":1.50}\n")), 0);
    expect_counts(&f, 1, 0);
    struct record record = record_at(&f, 0);
    cr_assert(slice_is(record.payload, "{\"sensor_id\": \"SENSOR_1\",\n \"w\":1.50}"));
    cr_assert(slice_is(record.key, "SENSOR_1"));
    cr_assert(slice_is(record.origin, "10.0.0.1"));
    cr_assert_eq(record.rendering, 100);
    cr_assert_eq(record.received, NOW);
    cr_assert_eq(record.flags, 0);
    cr_assert_eq(record.labels_count, 0);
    tear_down(&f);
}

Test(intake, array_elements_are_records)
{
    struct fixture f;

    set_up(&f);
    cr_assert_eq(
        take(&f, READINGS, DECODE_JSON, SLICE("[{\"sensor_id\":\"a\"} , {\"sensor_id\":\"b\"}]")), 0);
    expect_counts(&f, 2, 0);
    cr_assert(slice_is(record_at(&f, 0).key, "a"));
    cr_assert(slice_is(record_at(&f, 1).payload, "{\"sensor_id\":\"b\"}"));
    tear_down(&f);
}

Test(intake, array_that_is_broken_behind_good_records_stores_nothing)
{
    struct fixture f;

    set_up(&f);
    cr_assert_eq(
        take(&f, READINGS, DECODE_JSON, SLICE("[{\"sensor_id\":\"a\"},{\"x\":1},{\"sensor_id\":\"b\"}")), -1);
    cr_assert_str_eq(f.error.text, "stream readings: byte 44: expected ',' or ']', found the end");
    cr_assert_eq(f.result.refused, INTAKE_SYNTAX);
    expect_counts(&f, 0, 0);
    cr_assert_eq(f.result.listed, 0);
    cr_assert_eq(f.result.by_reason[INTAKE_KEY], 0);
    cr_assert_eq(
        take(&f, READINGS, DECODE_JSON, SLICE("[{\"sensor_id\":\"a\"},{\"x\":1},{\"sensor_id\":\"b\"}]")), 0);
    expect_counts(&f, 2, 1);
    cr_assert(slice_is(record_at(&f, 1).key, "b"));
    tear_down(&f);
}

Test(intake, bad_line_does_not_spoil_its_neighbours)
{
    struct fixture f;

    set_up(&f);
    cr_assert_eq(take(&f, READINGS, DECODE_NDJSON,
                     SLICE("{\"sensor_id\":\"a\"}\n\n{\"sensor_id\":}\n{\"x\":1}\r\n{\"sensor_id\":\"b\"}")),
        0);
    expect_counts(&f, 2, 2);
    cr_assert(slice_is(record_at(&f, 1).key, "b"));
    cr_assert_eq(f.result.listed, 2);
    cr_assert_eq(f.result.list[0].index, 1);
    cr_assert_eq(f.result.list[0].reason, INTAKE_SYNTAX);
    cr_assert_not_null(strstr(f.result.list[0].text, "byte 13"), "%s", f.result.list[0].text);
    cr_assert_eq(f.result.list[1].index, 2);
    cr_assert_eq(f.result.list[1].reason, INTAKE_KEY);
    cr_assert_str_eq(f.result.list[1].text, "key /sensor_id: missing");
    cr_assert_eq(f.result.by_reason[INTAKE_SYNTAX], 1);
    cr_assert_eq(f.result.by_reason[INTAKE_KEY], 1);
    tear_down(&f);
}

Test(intake, lines_are_any_bytes)
{
    struct fixture f;

    set_up(&f);
    cr_assert_eq(take(&f, LINES, DECODE_TEXT, SLICE("one\r\n\xff\0two\n\nthree")), 0);
    expect_counts(&f, 3, 0);
    cr_assert(slice_is(record_at(&f, 0).payload, "one"));
    cr_assert(slice_equal(record_at(&f, 1).payload, SLICE("\xff\0two")));
    cr_assert(slice_is(record_at(&f, 2).payload, "three"));
    cr_assert_eq(record_at(&f, 2).key.length, 0);
    tear_down(&f);
}

Test(intake, a_block_of_lines_is_one_record)
{
    struct fixture f;

    set_up(&f);
    cr_assert_eq(take(&f, LINES, DECODE_BLOCK, SLICE("one\r\n\xff\n\n two\r\n")), 0);
    expect_counts(&f, 1, 0);
    cr_assert(slice_is(record_at(&f, 0).payload, "one\r\n\xff\n\n two"));
    f.request.header = SLICE("H1");
    cr_assert_eq(take(&f, BLOBS, DECODE_BLOCK, SLICE("{\n}\n")), 0);
    expect_counts(&f, 1, 0);
    cr_assert(slice_is(record_at(&f, 0).payload, "{\n}"));
    tear_down(&f);
}

Test(intake, json_in_a_stream_of_lines_must_be_one_line)
{
    struct fixture f;

    set_up(&f);
    cr_assert_eq(take(&f, LINES, DECODE_JSON, SLICE("[{\"a\":1},{\"a\":\n1}]")), 0);
    expect_counts(&f, 1, 1);
    cr_assert_eq(f.result.by_reason[INTAKE_SYNTAX], 1);
    cr_assert_eq(f.result.list[0].index, 1);
    tear_down(&f);
}

/* ---- bytes -------------------------------------------------------------------------------------------------- */

Test(intake, any_body_is_one_record_in_a_stream_of_bytes)
{
    static const struct slice bodies[] = {SLICE("\xff\0\n\r\n "), SLICE("\n"), SLICE("[{\"a\":1},{\"a\":2}]"),
        SLICE("{\"event_type\":\"x\",\"at\":1}\n{}\n"), SLICE(" line\r\nline ")};
    struct fixture f;

    set_up(&f);
    f.request.header = SLICE("k");
    for (int form = DECODE_JSON; form <= DECODE_BYTES; form++) {
        if (form == DECODE_BLOCK) /* its last line break is left out */
            continue;
        for (size_t i = 0; i < COUNT(bodies); i++) {
            cr_assert_eq(take(&f, BLOBS, (enum decode_form)form, bodies[i]), 0, "%s", f.error.text);
            expect_counts(&f, 1, 0);
            struct record record = record_at(&f, 0);
            cr_assert(slice_equal(record.payload, bodies[i]));
            cr_assert(slice_is(record.key, "k"));
            cr_assert_eq(record.flags, 0); /* a JSON pointer finds nothing, /at neither */
            cr_assert_eq(record.labels_count, 2);
            cr_assert_eq(record.labels[0].length, 0);
        }
    }
    tear_down(&f);
}

Test(intake, bytes_have_a_largest_size)
{
    struct fixture f;
    char body[201] = {0};

    set_up(&f);
    f.request.header = SLICE("k");
    cr_assert_eq(take(&f, BLOBS, DECODE_BYTES, (struct slice){body, 200}), 0);
    expect_counts(&f, 1, 0);
    cr_assert_eq(take(&f, BLOBS, DECODE_BYTES, (struct slice){body, 201}), 0);
    expect_counts(&f, 0, 1);
    cr_assert_eq(f.result.list[0].reason, INTAKE_TOO_LARGE);
    tear_down(&f);
}

/* ---- whole bodies refused ------------------------------------------------------------------------------------ */

static const struct {
    int stream;
    enum decode_form form;
    struct slice body;
} refused[] = {
    {READINGS, DECODE_JSON, {NULL, 0}},
    {READINGS, DECODE_JSON, SLICE(" \n")},
    {READINGS, DECODE_JSON, SLICE("[]")},
    {READINGS, DECODE_JSON, SLICE("[{\"sensor_id\":\"a\"},]")},
    {READINGS, DECODE_NDJSON, SLICE("\n\n")},
    {READINGS, DECODE_TEXT, SLICE("{\"sensor_id\":\"a\"}")},
    {LINES, DECODE_TEXT, SLICE("\n")},
    {LINES, DECODE_BYTES, SLICE("a\nb")},
    {READINGS, DECODE_BLOCK, SLICE("{\"sensor_id\":\"a\"}")},
    {READINGS, DECODE_BYTES, SLICE("{\"sensor_id\":\"a\"}")},
    {BLOBS, DECODE_BYTES, {NULL, 0}},
};

Test(intake, refused_bodies_leave_nothing)
{
    struct fixture f;

    set_up(&f);
    for (size_t i = 0; i < COUNT(refused); i++) {
        cr_assert_eq(take(&f, READINGS, DECODE_JSON, SLICE("{\"sensor_id\":\"a\"}")), 0);
        cr_assert_eq(take(&f, refused[i].stream, refused[i].form, refused[i].body), -1, "case %zu", i);
        cr_assert_eq(f.error.kind, ERROR_REJECT);
        cr_assert_eq(strncmp(f.error.text, "stream ", 7), 0, "%s", f.error.text);
        cr_assert_eq(f.result.refused, INTAKE_SYNTAX);
        expect_counts(&f, 0, 0);
    }
    tear_down(&f);
}

/* count records {} one per line. */
static struct slice many(size_t count, const char *line)
{
    size_t length = strlen(line);
    char *text = malloc(count * length);

    for (size_t i = 0; i < count; i++)
        memcpy(text + i * length, line, length);
    return (struct slice){text, count * length};
}

Test(intake, too_many_records_refuse_the_body)
{
    struct fixture f;
    struct slice body = many(151, "{}\n");

    set_up(&f);
    cr_assert_eq(take(&f, KEYLESS, DECODE_NDJSON, (struct slice){body.data, body.length - 3}), 0);
    expect_counts(&f, 150, 0);
    cr_assert_eq(take(&f, KEYLESS, DECODE_NDJSON, body), -1);
    cr_assert_eq(f.error.kind, ERROR_REJECT);
    cr_assert_str_eq(f.error.text, "stream keyless: more than 150 records in one body (http.max_records)");
    cr_assert_eq(f.result.refused, INTAKE_TOO_LARGE);
    expect_counts(&f, 0, 0);
    free((char *)body.data);
    tear_down(&f);
}

Test(intake, full_hand_over_refuses_the_body)
{
    struct fixture f;

    set_up_with(&f, 100, LIMITS(200, 150));
    cr_assert_eq(take(&f, KEYLESS, DECODE_NDJSON, SLICE("{}\n{}\n")), -1);
    cr_assert_eq(f.error.kind, ERROR_REJECT);
    cr_assert_eq(f.result.refused, INTAKE_TOO_LARGE);
    expect_counts(&f, 0, 0);
    tear_down(&f);
}

/* What is wrong with it for good comes before what was too much of it. */
Test(intake, array_that_is_broken_behind_a_limit_is_broken)
{
    struct fixture f;
    struct slice commas = many(151, "{},");
    char *body = malloc(commas.length + 3);

    body[0] = '[';
    memcpy(body + 1, commas.data, commas.length);
    memcpy(body + 1 + commas.length, "x]", 2);
    set_up(&f);
    cr_assert_eq(take(&f, KEYLESS, DECODE_JSON, (struct slice){body, commas.length + 3}), -1);
    cr_assert_eq(f.result.refused, INTAKE_SYNTAX);
    cr_assert_str_eq(f.error.text, "stream keyless: byte 454: expected a value, found 'x'");
    expect_counts(&f, 0, 0);
    memcpy(body + commas.length, "]  ", 3);
    cr_assert_eq(take(&f, KEYLESS, DECODE_JSON, (struct slice){body, commas.length + 3}), -1);
    cr_assert_eq(f.result.refused, INTAKE_TOO_LARGE);
    tear_down(&f);
    set_up_with(&f, 100, LIMITS(200, 150));
    cr_assert_eq(take(&f, KEYLESS, DECODE_JSON, SLICE("[{},{},{},x]")), -1);
    cr_assert_eq(f.result.refused, INTAKE_SYNTAX);
    cr_assert_str_eq(f.error.text, "stream keyless: byte 10: expected a value, found 'x'");
    cr_assert_eq(take(&f, KEYLESS, DECODE_JSON, SLICE("[{},{},{},{}]")), -1);
    cr_assert_eq(f.result.refused, INTAKE_TOO_LARGE);
    tear_down(&f);
    free(body);
    free((char *)commas.data);
}

Test(intake, many_rejections_are_counted_but_a_hundred_listed)
{
    struct fixture f;
    struct slice body = many(140, "{}\n");

    set_up(&f);
    cr_assert_eq(take(&f, READINGS, DECODE_NDJSON, body), 0);
    expect_counts(&f, 0, 140);
    cr_assert_eq(f.result.listed, INTAKE_LISTED_MAX);
    cr_assert_eq(f.result.list[99].index, 99);
    cr_assert_eq(f.result.by_reason[INTAKE_KEY], 140);
    cr_assert_eq(take(&f, READINGS, DECODE_NDJSON, SLICE("{\"sensor_id\":1}")), 0);
    expect_counts(&f, 1, 0); /* nothing of the body before is left */
    cr_assert_eq(f.result.by_reason[INTAKE_KEY], 0);
    cr_assert_eq(f.result.listed, 0);
    free((char *)body.data);
    tear_down(&f);
}

Test(intake, record_above_the_limit_is_rejected_by_name)
{
    struct fixture f;
    struct slice body = many(200, "x");

    set_up(&f);
    cr_assert_eq(take(&f, LINES, DECODE_TEXT, body), 0);
    expect_counts(&f, 1, 0);
    free((char *)body.data);
    body = many(201, "x");
    cr_assert_eq(take(&f, LINES, DECODE_TEXT, body), 0);
    expect_counts(&f, 0, 1);
    cr_assert_eq(f.result.list[0].reason, INTAKE_TOO_LARGE);
    cr_assert_str_eq(f.result.list[0].text, "record of 201 bytes: at most 200 are allowed (http.max_record)");
    free((char *)body.data);
    tear_down(&f);
}

/* ---- names and start ------------------------------------------------------------------------------------------ */

Test(intake, reasons_have_names)
{
    cr_assert_str_eq(intake_reason_name(INTAKE_SYNTAX), "syntax");
    cr_assert_str_eq(intake_reason_name(INTAKE_KEY), "key");
    cr_assert_str_eq(intake_reason_name(INTAKE_LABEL), "label");
    cr_assert_str_eq(intake_reason_name(INTAKE_TOPIC), "topic");
    cr_assert_str_eq(intake_reason_name(INTAKE_SCHEMA), "schema");
    cr_assert_str_eq(intake_reason_name(INTAKE_TOO_LARGE), "too_large");
}

Test(intake, wrong_pointers_are_named_with_their_stream)
{
    static char *pointers[] = {"no slash"};
    struct stream stream = {.name = "odd", .place = 1, .pointers = pointers, .pointers_count = 1};
    struct stream *streams_items[] = {&stream};
    const struct streams streams = {.items = streams_items, .count = 1};
    const struct intake_limits limits = LIMITS(1, 1);
    struct intake *intake = NULL;
    struct error error;

    cr_assert_eq(intake_new(&intake, &streams, 1, &limits, &error), -1);
    cr_assert_null(intake);
    cr_assert_eq(strncmp(error.text, "stream odd: ", 12), 0, "%s", error.text);
}
