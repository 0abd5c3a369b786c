/* intake: what Kafka would refuse is refused at the door */
#include "intake_harness.h"

static void set_up_large(struct fixture *f)
{
    set_up_with(f, 64 * 1024, LIMITS(8192, 150));
}

static void expect_rejected(struct fixture *f, enum intake_reason reason, const char *text)
{
    cr_assert_geq(f->result.listed, 1);
    cr_assert_eq(f->result.list[0].reason, reason);
    cr_assert_eq(f->result.by_reason[reason], f->result.rejected);
    cr_assert_not_null(strstr(f->result.list[0].text, text), "%s", f->result.list[0].text);
}

/* ---- topics --------------------------------------------------------------------------------------------------- */

Test(intake_message, a_key_that_a_topic_cannot_carry)
{
    struct fixture f;

    set_up_large(&f);
    cr_assert_eq(take(&f, TOPICS, DECODE_NDJSON,
                     SLICE("{\"sensor_id\":\"S 1\",\"event_type\":\"t\"}\n"
                           "{\"sensor_id\":\"S_1\",\"event_type\":\"t\"}\n"
                           "{\"sensor_id\":\"S/1\",\"event_type\":\"t\"}\n"
                           "{\"sensor_id\":\"\xc3\xbc\",\"event_type\":\"t\"}\n")),
        0);
    expect_counts(&f, 1, 3);
    expect_rejected(&f, INTAKE_TOPIC, "key");
    cr_assert_eq(f.result.list[2].index, 3);
    cr_assert(slice_is(record_at(&f, 0).key, "S_1"));
    tear_down(&f);
}

Test(intake_message, a_label_that_a_topic_cannot_carry)
{
    struct fixture f;

    set_up_large(&f);
    cr_assert_eq(take(&f, TOPICS, DECODE_NDJSON,
                     SLICE("{\"sensor_id\":1}\n{\"sensor_id\":1,\"event_type\":\"a b\"}\n"
                           "{\"sensor_id\":1,\"event_type\":\"a.b\",\"unit\":\"any thing\"}\n")),
        0);
    expect_counts(&f, 1, 2);
    expect_rejected(&f, INTAKE_TOPIC, "type");
    tear_down(&f);
}

Test(intake_message, a_topic_that_is_too_long)
{
    struct fixture f;
    char body[512];
    const int longest = TEMPLATE_TOPIC_MAX - (int)strlen("SENSOR_");

    set_up_large(&f);
    for (int length = longest; length <= longest + 1; length++) {
        snprintf(body, sizeof body, "{\"sensor_id\":\"%0*d\",\"event_type\":\"t\"}", length, 1);
        cr_assert_eq(take(&f, TOPICS, DECODE_JSON, slice_of(body)), 0);
        expect_counts(&f, length == longest, length != longest);
    }
    expect_rejected(&f, INTAKE_TOPIC, "249");
    tear_down(&f);
}

Test(intake_message, topics_that_never_vary_ask_nothing)
{
    struct fixture f;

    set_up_large(&f);
    cr_assert_null(f.streams->items[WRAPPED]->topic_templates[0]);
    cr_assert_eq(take(&f, WRAPPED, DECODE_JSON, SLICE("{\"sensor_id\":\"any key\"}")), 0);
    expect_counts(&f, 1, 0);
    tear_down(&f);
}

/* ---- size ------------------------------------------------------------------------------------------------------ */

#define HEADER_OVERHEAD 32

/* Key and headers of a record with this key and these labels, from the harness' address. */
static uint64_t around(size_t key, size_t labels)
{
    return key + labels + strlen("penstock-id") + RECORD_ID_MAX + strlen("penstock-origin") +
           strlen("10.0.0.1") + strlen("x-type") + strlen("x-unit") + 4 * HEADER_OVERHEAD;
}

/* The message fits in exactly `least` bytes and not in one less. */
static void expect_message(
    struct fixture *f, int stream, enum decode_form form, struct slice body, uint64_t least)
{
    char text[200];

    f->streams->items[stream]->max_message = least;
    cr_assert_eq(take(f, stream, form, body), 0);
    expect_counts(f, 1, 0);
    f->streams->items[stream]->max_message = least - 1;
    cr_assert_eq(take(f, stream, form, body), 0);
    expect_counts(f, 0, 1);
    snprintf(text, sizeof text,
        "its message for Kafka would have %llu bytes: at most %llu are allowed (message.max.bytes)",
        (unsigned long long)least, (unsigned long long)least - 1);
    expect_rejected(f, INTAKE_TOO_LARGE, text);
    f->streams->items[stream]->max_message = 0;
    cr_assert_eq(take(f, stream, form, body), 0);
    expect_counts(f, 1, 0);
}

Test(intake_message, payload_key_and_headers_count)
{
    struct fixture f;
    struct slice body = SLICE("{\"sensor_id\":\"SENSOR_1\",\"event_type\":\"abc\",\"unit\":\"W\"}");

    set_up_large(&f);
    expect_message(&f, TOPICS, DECODE_JSON, body, body.length + around(8, 4));
    tear_down(&f);
}

Test(intake_message, an_envelope_counts_with_its_escapes)
{
    struct fixture f;
    struct slice body = SLICE("{\"sensor_id\":\"S\",\"text\":\"a\\nb\"}");
    struct slice line = SLICE("a\tb\x01\"\\ \xc3\xbc");

    set_up_large(&f);
    /* eight quotes and a backslash */
    expect_message(&f, WRAPPED, DECODE_JSON, body, body.length + 9 + RECORD_ENVELOPE_OVERHEAD + around(1, 0));
    /* Far below the limit nobody counts escapes. */
    f.streams->items[WRAPPED]->max_message = 1 << 20;
    cr_assert_eq(take(&f, WRAPPED, DECODE_JSON, body), 0);
    expect_counts(&f, 1, 0);
    /* \t, \u0001, \" and two backslashes */
    expect_message(&f, LOGS, DECODE_TEXT, line,
        line.length + 1 + 5 + 1 + 1 + RECORD_ENVELOPE_OVERHEAD + around(0, 0) - strlen("x-type") -
            strlen("x-unit") - 2 * HEADER_OVERHEAD);
    tear_down(&f);
}

Test(intake_message, an_envelope_that_came_counts_as_it_is)
{
    struct fixture f;
    struct slice body = SLICE("{\"payload\":\"{\\\"sensor_id\\\":\\\"S\\\",\\\"event_type\\\":\\\"abc\\\"}\","
                              "\"correlation_id\":\"c\",\"created_at\":1,\"schema_version\":1}");

    set_up_large(&f);
    expect_message(&f, WRAPPED, DECODE_JSON, body, body.length + around(1, 3));
    tear_down(&f);
}

Test(intake_message, a_limit_below_the_headers_takes_nothing)
{
    struct fixture f;

    set_up_large(&f);
    f.streams->items[WRAPPED]->max_message = 1;
    cr_assert_eq(take(&f, WRAPPED, DECODE_JSON, SLICE("{\"sensor_id\":1}")), 0);
    expect_counts(&f, 0, 1);
    expect_rejected(&f, INTAKE_TOO_LARGE, "at most 1 are allowed (message.max.bytes)");
    tear_down(&f);
}

/* ---- what no envelope can hold --------------------------------------------------------------------------------- */

Test(intake_message, a_line_that_is_not_utf8)
{
    struct fixture f;

    set_up_large(&f);
    for (uint64_t limit = 0; limit <= 4096; limit += 4096) {
        f.streams->items[LOGS]->max_message = limit;
        cr_assert_eq(take(&f, LOGS, DECODE_TEXT, SLICE("caf\xe9\ncaf\xc3\xa9\n\xc0\x80\n")), 0);
        expect_counts(&f, 1, 2);
        expect_rejected(&f, INTAKE_SYNTAX, "not UTF-8: cannot be put into an envelope");
        cr_assert(slice_is(record_at(&f, 0).payload, "caf\xc3\xa9"));
    }
    tear_down(&f);
}

Test(intake_message, bytes_that_are_not_utf8)
{
    struct fixture f;

    set_up_large(&f);
    for (uint64_t limit = 0; limit <= 4096; limit += 4096) {
        f.streams->items[WRAPPED_BLOBS]->max_message = limit;
        cr_assert_eq(take(&f, WRAPPED_BLOBS, DECODE_BYTES, SLICE("\x89PNG\n")), 0);
        expect_counts(&f, 0, 1);
        expect_rejected(&f, INTAKE_SYNTAX, "not UTF-8: cannot be put into an envelope");
        cr_assert_eq(take(&f, WRAPPED_BLOBS, DECODE_BYTES, SLICE("caf\xc3\xa9\n\0")), 0);
        expect_counts(&f, 1, 0);
    }
    tear_down(&f);
}

/* Nothing is parsed: what looks like an envelope is put into one. */
Test(intake_message, bytes_that_look_like_an_envelope_are_none)
{
    struct fixture f;

    set_up_large(&f);
    cr_assert_eq(
        take(&f, WRAPPED_BLOBS, DECODE_JSON,
            SLICE("{\"payload\":\"\",\"correlation_id\":\"c\",\"created_at\":1,\"schema_version\":1}")),
        0);
    expect_counts(&f, 1, 0);
    cr_assert_eq(record_at(&f, 0).flags, 0);
    tear_down(&f);
}
