/* intake: records held against their stream's schema. */
#include "intake_harness.h"

#define LEFT "\"correlation_id\":\"c\",\"created_at\":1,\"schema_version\":1}"
#define ENVELOPE(payload) "{\"payload\":\"" payload "\"," LEFT

static void give(struct fixture *f, int stream, const char *text, bool pass)
{
    struct stream *to = f->streams->items[stream];

    schema_free(&to->schema);
    to->schema_pass = pass;
    cr_assert_eq(schema_compile(&to->schema, slice_of(text), &f->error), 0, "%s", f->error.text);
}

/* An intake that knows them. */
static void set_up_schemas(struct fixture *f, bool pass)
{
    set_up(f);
    give(f, READINGS, "{\"properties\":{\"wattage\":{\"maximum\":1000}}}", pass);
    give(f, WRAPPED, "{\"required\":[\"sensor_id\",\"wattage\"]}", pass);
    intake_free(&f->intake);
    cr_assert_eq(intake_new(&f->intake, f->streams, f->streams->count, &LIMITS(200, 150), &f->error), 0);
}

static struct slice lines = SLICE("{\"sensor_id\":1,\"wattage\":1000}\n"
                                  "{\"sensor_id\":2,\"wattage\":1e4}\n"
                                  "{\"wattage\":5}\n"
                                  "{\"sensor_id\":4}\n"
                                  "{\"sensor_id\":5,\"wattage\":1001}\n");

Test(intake_schema, neighbours_of_a_bad_one_go_on)
{
    struct fixture f;

    set_up_schemas(&f, false);
    cr_assert_eq(take(&f, READINGS, DECODE_NDJSON, lines), 0);
    expect_counts(&f, 2, 3);
    cr_assert_eq(f.result.by_reason[INTAKE_SCHEMA], 2);
    cr_assert_eq(f.result.by_reason[INTAKE_KEY], 1);
    cr_assert_eq(f.result.list[0].index, 1);
    cr_assert_eq(f.result.list[0].reason, INTAKE_SCHEMA);
    cr_assert_str_eq(f.result.list[0].text, "schema: /wattage: 1e4 is above the maximum 1000");
    cr_assert_eq(record_at(&f, 1).flags, 0);
    cr_assert(slice_is(record_at(&f, 1).key, "4"));
    tear_down(&f);
}

Test(intake_schema, elements_of_an_array_are_records)
{
    struct fixture f;

    set_up_schemas(&f, false);
    cr_assert_eq(take(&f, READINGS, DECODE_JSON,
                     SLICE("[ {\"sensor_id\":1,\"wattage\":1} , {\"sensor_id\":2,\"wattage\":2000} ]")),
        0);
    expect_counts(&f, 1, 1);
    cr_assert_str_eq(f.result.list[0].text, "schema: /wattage: 2000 is above the maximum 1000");
    tear_down(&f);
}

Test(intake_schema, what_is_let_pass_is_marked)
{
    struct fixture f;

    set_up_schemas(&f, true);
    cr_assert_eq(take(&f, READINGS, DECODE_NDJSON, lines), 0);
    expect_counts(&f, 4, 1);
    cr_assert_eq(f.result.list[0].reason, INTAKE_KEY);
    cr_assert_eq(f.result.schema_invalid, 2);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(record_at(&f, i).flags, i == 1 || i == 3 ? RECORD_SCHEMA_INVALID : 0, "record %zu", i);
    tear_down(&f);
}

static struct slice request_bury(void *context, struct slice payload)
{
    (void)context, (void)payload;
    return SLICE("somewhere");
}

Test(intake_schema, without_an_answer_it_is_a_dead_letter)
{
    struct fixture f;

    set_up_schemas(&f, false);
    f.facts.bury = request_bury;
    cr_assert_eq(take(&f, READINGS, DECODE_NDJSON, lines), 0);
    cr_assert_eq(f.result.by_reason[INTAKE_SCHEMA], 2);
    const struct record record = record_at(&f, 1);
    cr_assert_eq(record.flags, RECORD_UNDECODABLE);
    cr_assert(slice_is(record.reason, "schema: /wattage: 1e4 is above the maximum 1000"));
    cr_assert(slice_is(record.payload, "{\"sensor_id\":2,\"wattage\":1e4}"));
    tear_down(&f);
}

static const struct {
    struct slice body;
    const char *why;
} envelopes[] = {
    {SLICE(ENVELOPE("{\\\"sensor_id\\\":1,\\\"wattage\\\":2}")), NULL},
    {SLICE(ENVELOPE(" {\\\"sensor_id\\\":1}")), "schema: the record: 'wattage' is missing (required)"},
    /* What stands beside the payload is not what the schema is about. */
    {SLICE("{\"sensor_id\":1,\"wattage\":1,\"payload\":\"{}\"," LEFT),
        "schema: the record: 'sensor_id' is missing (required)"},
    {SLICE("{\"sensor_id\":1,\"payload\":\"x\"," LEFT),
        "schema: /payload: is no JSON: byte 0: expected a value, found 'x'"},
    {SLICE("{\"sensor_id\":1,\"wattage\":2}"), NULL},
    {SLICE("{\"sensor_id\":1}"), "schema: the record: 'wattage' is missing (required)"},
};

Test(intake_schema, of_an_envelope_the_document_inside_counts)
{
    struct fixture f;

    set_up_schemas(&f, false);
    for (size_t i = 0; i < COUNT(envelopes); i++) {
        cr_assert_eq(take(&f, WRAPPED, DECODE_JSON, envelopes[i].body), 0);
        expect_counts(&f, !envelopes[i].why, envelopes[i].why != NULL);
        if (envelopes[i].why)
            cr_assert_str_eq(f.result.list[0].text, envelopes[i].why);
    }
    tear_down(&f);
}

/* Its header is part of the message that Kafka is asked to take. */
Test(intake_schema, the_mark_counts_in_a_message)
{
    static const char body[] = "{\"sensor_id\":1,\"wattage\":2}";
    struct fixture f;
    uint64_t least[2];

    set_up(&f);
    for (int pass = 0; pass < 2; pass++) {
        give(&f, WRAPPED, "true", pass);
        intake_free(&f.intake);
        cr_assert_eq(intake_new(&f.intake, f.streams, f.streams->count, &LIMITS(200, 150), &f.error), 0);
        f.facts.key = SLICE("k");
        for (least[pass] = 1;; least[pass]++) {
            f.streams->items[WRAPPED]->max_message = least[pass];
            cr_assert_eq(take(&f, WRAPPED, DECODE_JSON, SLICE(body)), 0);
            if (f.result.accepted)
                break;
        }
    }
    cr_assert_eq(least[1], least[0] + strlen("penstock-schema") + strlen("invalid") + 32);
    tear_down(&f);
}

/* w: one that takes all steps that there are; v: goes over its text once, a few steps for each character. */
static const char patterns[] =
    "{\"properties\":{\"w\":{\"pattern\":\"^(a+)+$\"},\"v\":{\"pattern\":\"^(?:(?:(?:a|b)|c)|d)*$\"}}}";
static const char weak[] = "{\"sensor_id\":1,\"w\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}";

enum { PLAIN = 60000 }; /* bytes of a text for v */

static void set_up_patterns(struct fixture *f)
{
    set_up_with(f, 64 * 1024, LIMITS(PLAIN + 100, 1000));
    give(f, READINGS, patterns, false);
    intake_free(&f->intake);
    cr_assert_eq(
        intake_new(&f->intake, f->streams, f->streams->count, &LIMITS(PLAIN + 100, 1000), &f->error), 0);
}

/* So many weak records, and so many whose v is a text of so many bytes. */
static struct slice body_of(size_t weak_ones, size_t plain_ones, int length)
{
    static char body[10 << 20], text[PLAIN];
    size_t used = 0;

    memset(text, 'd', sizeof text);
    for (size_t i = 0; i < weak_ones; i++)
        used += (size_t)snprintf(body + used, sizeof body - used, "%s\n", weak);
    for (size_t i = 0; i < plain_ones; i++)
        used += (size_t)snprintf(
            body + used, sizeof body - used, "{\"sensor_id\":2,\"v\":\"%.*s\"}\n", length, text);
    return (struct slice){body, used};
}

Test(intake_schema, the_records_of_a_body_share_what_patterns_may_take)
{
    struct fixture f;

    set_up_patterns(&f);
    cr_assert_eq(take(&f, READINGS, DECODE_NDJSON, body_of(60, 1, 1000)), 0);
    expect_counts(&f, 0, 61);
    cr_assert(strstr(f.result.list[0].text, "takes more steps than are allowed"));
    for (size_t i = 51; i <= 60; i++)
        cr_assert(strstr(f.result.list[i].text, "together"), "%zu: %s", i, f.result.list[i].text);
    /* Another one does not suffer for it, */
    cr_assert_eq(take(&f, READINGS, DECODE_NDJSON, body_of(1, 1, 1000)), 0);
    expect_counts(&f, 1, 1);
    tear_down(&f);
}

Test(intake_schema, a_large_body_has_steps_for_all_of_it)
{
    struct fixture f;

    set_up_patterns(&f);
    cr_assert_eq(take(&f, READINGS, DECODE_NDJSON, body_of(0, 160, PLAIN)), 0);
    expect_counts(&f, 160, 0);
    tear_down(&f);
}

/* One of several that are handed over together, from whom nobody waits for an answer. */
static void add_message(struct fixture *f, struct slice body)
{
    f->handover.payloads = body.data;
    f->facts.bury = request_bury;
    cr_assert_eq(add(f, READINGS, DECODE_NDJSON, body), 0);
}

Test(intake_schema, a_message_has_steps_of_its_own)
{
    struct fixture f;

    set_up_patterns(&f);
    for (int i = 0; i < 60; i++) {
        add_message(&f, body_of(1, 0, 0));
        cr_assert_eq(f.result.by_reason[INTAKE_SCHEMA], 1);
        cr_assert(slice_is(record_at(&f, (size_t)i).payload, weak));
        cr_assert(memmem(f.body.data, f.body.length, "together", 8), "%d", i);
    }
    add_message(&f, body_of(0, 1, 1000));
    cr_assert_eq(f.result.accepted, 1);
    tear_down(&f);
}

/* Whatever comes first in a hand-over: one of no stream is buried without being looked at. */
Test(intake_schema, nothing_is_left_over_from_the_last_hand_over)
{
    struct fixture f;

    set_up_patterns(&f);
    cr_assert_eq(take(&f, READINGS, DECODE_NDJSON, body_of(60, 0, 0)), 0);
    handover_clear(&f.handover);
    f.facts.bury = request_bury;
    cr_assert_eq(
        intake_bury(f.intake, NULL, SLICE(""), &f.facts, "belongs to nobody", &f.handover, &f.error), 0);
    add_message(&f, body_of(0, 1, 1000));
    cr_assert_eq(f.result.accepted, 1);
    tear_down(&f);
}
