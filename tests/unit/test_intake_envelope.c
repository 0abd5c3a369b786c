/* intake: payloads that came in the envelope, and those that will be put into one */
#include "intake_harness.h"

/* An envelope whose payload's string is this. */
#define ENVELOPE(payload) "{" MEMBERS(payload)
#define MEMBERS(payload)     \
    "\"payload\":\"" payload \
    "\",\"correlation_id\":\"7a0d4a3e-0000-8000-8000-000000000001\",\"created_at\":1795233600.25,\"schema_version\":1}"
#define INNER "{\\\"sensor_id\\\":\\\"SENSOR_1\\\",\\\"wattage\\\":812.5}"

static struct record one(struct fixture *f, int stream, struct slice body)
{
    cr_assert_eq(take(f, stream, DECODE_JSON, body), 0, "%s", f->error.text);
    expect_counts(f, 1, 0);
    struct record record = record_at(f, 0);
    cr_assert(slice_equal(record.payload, body), "not the bytes that came: %.*s", (int)record.payload.length,
        record.payload.data);
    return record;
}

static void set_up_large(struct fixture *f)
{
    set_up_with(f, 64 * 1024, LIMITS(8192, 150));
}

/* ---- what is one -------------------------------------------------------------------------------------------- */

static const struct {
    struct slice body;
    bool enveloped;
} documents[] = {
    {SLICE(ENVELOPE(INNER)), true},
    {SLICE(ENVELOPE("plain text")), true},
    {SLICE(ENVELOPE("")), true},
    {SLICE("{\"x\":[],\"schema_version\":-0,\"created_at\":1,\"correlation_id\":\"\",\"payload\":\"\"}"),
        true},
    {SLICE("{\"p\\u0061yload\":\"\",\"correlation_id\":\"c\",\"created_at\":1e9,\"schema_version\":2}"),
        true},
    {SLICE("{\"payload\":1,\"payload\":\"\",\"correlation_id\":\"c\",\"created_at\":1,\"schema_version\":1}"),
        true},
    {SLICE("{\"payload\":\"x\"}"), false},
    {SLICE("{\"correlation_id\":\"c\",\"created_at\":1,\"schema_version\":1}"), false},
    {SLICE("{\"payload\":\"x\",\"created_at\":1,\"schema_version\":1}"), false},
    {SLICE("{\"payload\":\"x\",\"correlation_id\":\"c\",\"schema_version\":1}"), false},
    {SLICE("{\"payload\":\"x\",\"correlation_id\":\"c\",\"created_at\":1}"), false},
    {SLICE("{\"payload\":{},\"correlation_id\":\"c\",\"created_at\":1,\"schema_version\":1}"), false},
    {SLICE("{\"payload\":null,\"correlation_id\":\"c\",\"created_at\":1,\"schema_version\":1}"), false},
    {SLICE("{\"payload\":\"x\",\"correlation_id\":7,\"created_at\":1,\"schema_version\":1}"), false},
    {SLICE("{\"payload\":\"x\",\"correlation_id\":\"c\",\"created_at\":\"1\",\"schema_version\":1}"), false},
    {SLICE("{\"payload\":\"x\",\"correlation_id\":\"c\",\"created_at\":1,\"schema_version\":\"1\"}"), false},
    {SLICE("{\"payload\":\"x\",\"correlation_id\":\"c\",\"created_at\":1,\"schema_version\":1.0}"), false},
    {SLICE("{\"a\":{\"payload\":\"x\",\"correlation_id\":\"c\",\"created_at\":1,\"schema_version\":1}}"),
        false},
};

Test(intake_envelope, all_four_members_make_one)
{
    struct fixture f;

    set_up_large(&f);
    f.facts.key = SLICE("URL"); /* so that no key need be found */
    for (size_t i = 0; i < COUNT(documents); i++)
        cr_assert_eq(one(&f, WRAPPED, documents[i].body).flags, documents[i].enveloped ? RECORD_ENVELOPED : 0,
            "case %zu", i);
    tear_down(&f);
}

Test(intake_envelope, only_where_the_stream_wants_it)
{
    struct fixture f;

    set_up_large(&f);
    cr_assert_eq(one(&f, KEYLESS, SLICE(ENVELOPE(INNER))).flags, 0);
    cr_assert_eq(one(&f, LOGS, SLICE(ENVELOPE(INNER))).flags, RECORD_ENVELOPED, "JSON in a stream of lines");
    cr_assert_eq(take(&f, LOGS, DECODE_TEXT, SLICE(ENVELOPE(INNER))), 0);
    expect_counts(&f, 1, 0);
    cr_assert_eq(record_at(&f, 0).flags, 0, "a line is text, whatever stands in it");
    cr_assert_eq(take(&f, READINGS, DECODE_JSON, SLICE(ENVELOPE(INNER))), 0);
    expect_counts(&f, 0, 1);
    cr_assert_str_eq(f.result.list[0].text, "key /sensor_id: missing");
    tear_down(&f);
}

/* ---- what is found there ------------------------------------------------------------------------------------- */

static const struct {
    struct slice body;
    const char *key; /* NULL: rejected with the text */
    const char *type;
    const char *error;
} found[] = {
    {SLICE(ENVELOPE(INNER)), "SENSOR_1", "", NULL},
    {SLICE(ENVELOPE(" {\\n\\t\\u0022sensor_id\\u0022 : 42 } ")), "42", "", NULL},
    {SLICE(ENVELOPE("{\\\"sensor_id\\\":\\\"a\\\\u00fc\\\\\\\"\\\",\\\"event_type\\\":\\\"\\\\u0062uy\\\"}")),
        "a\xc3\xbc\"", "buy", NULL},
    {SLICE(ENVELOPE("{\\\"sensor_id\\\":7,\\\"event_type\\\":true}")), "7", "true", NULL},
    {SLICE("{\"sensor_id\":\"outer\"," MEMBERS(
         "{\\\"sensor_id\\\":\\\"inner\\\",\\\"event_type\\\":\\\"t\\\"}")),
        "outer", "t", NULL},
    {SLICE(ENVELOPE("{\\\"wattage\\\":812.5}")), NULL, NULL, "key /sensor_id: missing"},
    {SLICE(ENVELOPE("{\\\"sensor_id\\\":1.5}")), NULL, NULL,
        "key /sensor_id: must be a string or an integer"},
    {SLICE(ENVELOPE("{\\\"sensor_id\\\":\\\"\\\"}")), NULL, NULL, "key /sensor_id: empty"},
    {SLICE(ENVELOPE("{\\\"sensor_id\\\":\\\"S\\\"")), NULL, NULL, "key /sensor_id: missing"},
    {SLICE(ENVELOPE("SENSOR_1,812.5")), NULL, NULL, "key /sensor_id: missing"},
    {SLICE(ENVELOPE("")), NULL, NULL, "key /sensor_id: missing"},
    {SLICE(ENVELOPE("[1]")), NULL, NULL, "key /sensor_id: missing"},
};

Test(intake_envelope, selectors_look_outside_first_then_inside)
{
    struct fixture f;

    set_up_large(&f);
    for (size_t i = 0; i < COUNT(found); i++) {
        cr_assert_eq(take(&f, WRAPPED, DECODE_JSON, found[i].body), 0);
        expect_counts(&f, found[i].key ? 1 : 0, found[i].key ? 0 : 1);
        if (!found[i].key) {
            cr_assert_eq(f.result.list[0].reason, INTAKE_KEY);
            cr_assert_str_eq(f.result.list[0].text, found[i].error, "case %zu", i);
            continue;
        }
        struct record record = record_at(&f, 0);
        cr_assert_eq(record.flags, RECORD_ENVELOPED);
        cr_assert(
            slice_is(record.key, found[i].key), "case %zu: %.*s", i, (int)record.key.length, record.key.data);
        cr_assert(slice_is(record.labels[0], found[i].type), "case %zu", i);
    }
    tear_down(&f);
}

Test(intake_envelope, time_outside_wins_over_time_inside)
{
    struct fixture f;

    set_up_large(&f);
    struct record record = one(&f, WRAPPED, SLICE(ENVELOPE("{\\\"sensor_id\\\":1,\\\"at\\\":1795233600}")));
    cr_assert_eq(record.flags, RECORD_ENVELOPED | RECORD_EVENT_TIME);
    cr_assert_eq(record.event, NOW);
    record =
        one(&f, WRAPPED, SLICE("{\"at\":1795233599," MEMBERS("{\\\"sensor_id\\\":1,\\\"at\\\":1795233600}")));
    cr_assert_eq(record.event, NOW - CLOCK_SECOND);
    record = one(&f, WRAPPED, SLICE(ENVELOPE("{\\\"sensor_id\\\":1,\\\"at\\\":0}")));
    cr_assert_eq(record.flags, RECORD_ENVELOPED | RECORD_TIME_OUTSIDE);
    tear_down(&f);
}

/* Nothing of one record may be left for the next. */
Test(intake_envelope, neighbours_are_strangers)
{
    static const struct slice lines = SLICE(
        ENVELOPE("{\\\"sensor_id\\\":\\\"a long name for one\\\",\\\"event_type\\\":\\\"t\\\"}") "\n" ENVELOPE(
            "{\\\"sensor_id\\\":\\\"b\\\"}") "\n"
                                             "{\"sensor_id\":\"c\"}\n" ENVELOPE("{}") "\n" ENVELOPE("no JSON") "\n" ENVELOPE(
                                                 "{\\\"sensor_id\\\":\\\"d\\\",\\\"event_type\\\":\\\"u\\\"}"));
    static const char *const keys[] = {"a long name for one", "b", "c", "d"};
    static const char *const types[] = {"t", "", "", "u"};
    struct fixture f;

    set_up_large(&f);
    cr_assert_eq(take(&f, WRAPPED, DECODE_NDJSON, lines), 0);
    expect_counts(&f, 4, 2);
    cr_assert_eq(f.result.list[0].index, 3);
    cr_assert_eq(f.result.list[1].index, 4);
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct record record = record_at(&f, i);
        cr_assert(slice_is(record.key, keys[i]), "record %zu", i);
        cr_assert(slice_is(record.labels[0], types[i]), "record %zu", i);
        cr_assert_eq(record.flags, i == 2 ? 0 : RECORD_ENVELOPED, "record %zu", i);
    }
    tear_down(&f);
}

/* The room for what is inside is that of one record, again and again. */
Test(intake_envelope, the_largest_records_in_a_row)
{
    struct fixture f;
    char body[4096];
    int one_length = 0;
    int length = 0;

    for (int i = 0; i < 3; i++) {
        length += snprintf(body + length, sizeof body - (size_t)length,
            ENVELOPE("{\\\"sensor_id\\\":%d,\\\"text\\\":\\\"%0900d\\\"}") "\n", i, 0);
        one_length = one_length ? one_length : length - 1;
    }
    set_up_with(&f, 64 * 1024, LIMITS((uint64_t)one_length, 3));
    cr_assert_eq(take(&f, WRAPPED, DECODE_NDJSON, slice_of(body)), 0, "%s", f.error.text);
    expect_counts(&f, 3, 0);
    cr_assert(slice_is(record_at(&f, 2).key, "2"));
    tear_down(&f);
}

/* As many selectors as a stream may have: one scan finds them and the envelope. */
Test(intake_envelope, beside_all_selectors)
{
    static const struct slice body = SLICE(ENVELOPE(
        "{\\\"sensor_id\\\":5,\\\"at\\\":1795233600,\\\"l0\\\":\\\"first\\\",\\\"l15\\\":\\\"last\\\"}"));
    const struct intake_limits limits = LIMITS(8192, 1);
    char names[RECORD_LABELS_MAX][8];
    char *pointers[2 + RECORD_LABELS_MAX] = {"/sensor_id", "/at"};
    struct stream stream = {.name = "full",
        .value = RECORD_VALUE_ENVELOPE,
        .key = {SELECTOR_POINTER, pointers[0], 0},
        .time = {SELECTOR_POINTER, pointers[1], 1},
        .time_past = HOUR,
        .time_future = HOUR,
        .labels_count = RECORD_LABELS_MAX,
        .place = 1,
        .pointers = pointers,
        .pointers_count = COUNT(pointers)};
    struct stream *items[] = {&stream};
    const struct streams streams = {.items = items, .count = 1};
    struct intake *intake;
    struct fixture f;

    for (size_t i = 0; i < RECORD_LABELS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "/l%u", (unsigned)i % RECORD_LABELS_MAX);
        pointers[2 + i] = stream.label_names[i] = names[i];
        stream.labels[i] = (struct selector){SELECTOR_POINTER, names[i], 2 + i};
    }
    set_up_large(&f);
    cr_assert_eq(intake_new(&intake, &streams, 1, &limits, &f.error), 0, "%s", f.error.text);
    cr_assert_eq(
        intake_take(intake, &stream, DECODE_JSON, body, &f.facts, &f.handover, &f.result, &f.error), 0);
    expect_counts(&f, 1, 0);
    struct record record = record_at(&f, 0);
    cr_assert_eq(record.flags, RECORD_ENVELOPED | RECORD_EVENT_TIME);
    cr_assert(slice_is(record.key, "5"));
    cr_assert(slice_is(record.labels[0], "first"));
    cr_assert(slice_is(record.labels[RECORD_LABELS_MAX - 1], "last"));
    intake_free(&intake);
    tear_down(&f);
}
