/* intake: records held against their stream's schema. */
#include "intake_harness.h"

#define LEFT "\"correlation_id\":\"c\",\"created_at\":1,\"schema_version\":1}"
#define ENVELOPE(payload) "{\"payload\":\"" payload "\"," LEFT

static void give(struct fixture *f, int stream, const char *text, bool pass)
{
    struct stream *to = &f->streams->items[stream];

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
    cr_assert_eq(intake_new(&f->intake, f->streams, &LIMITS(200, 150), &f->error), 0);
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
        cr_assert_eq(intake_new(&f.intake, f.streams, &LIMITS(200, 150), &f.error), 0);
        f.facts.key = SLICE("k");
        for (least[pass] = 1;; least[pass]++) {
            f.streams->items[WRAPPED].max_message = least[pass];
            cr_assert_eq(take(&f, WRAPPED, DECODE_JSON, SLICE(body)), 0);
            if (f.result.accepted)
                break;
        }
    }
    cr_assert_eq(least[1], least[0] + strlen("penstock-schema") + strlen("invalid") + 32);
    tear_down(&f);
}

static const char weak_pattern[] = "{\"properties\":{\"w\":{\"pattern\":\"^(a+)+$\"}}}";
static const char weak[] = "{\"sensor_id\":1,\"w\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}";

/* So often that all steps are used up: the number of records whose reason says so. */
static size_t worn_out(struct fixture *f, bool together)
{
    size_t found = 0;

    for (int i = 0; i < 60; i++) {
        if (i == 0 || !together)
            handover_clear(&f->handover);
        f->handover.payloads = weak;
        const struct intake_facts facts = {.received = 1, .bury = request_bury};
        cr_assert_eq(intake_add(f->intake, &f->streams->items[READINGS], DECODE_JSON, slice_of(weak), &facts,
                         &f->handover, &f->result, &f->error),
            0);
        cr_assert_eq(f->result.by_reason[INTAKE_SCHEMA], 1, "%d", i);
        const struct record record = record_at(f, together ? (size_t)i : 0);
        found += record.reason.length && memmem(record.reason.data, record.reason.length, "together", 8);
    }
    return found;
}

Test(intake_schema, patterns_have_so_many_steps_for_what_is_handed_over_together)
{
    struct fixture f;

    set_up_schemas(&f, false);
    give(&f, READINGS, weak_pattern, false);
    cr_assert_eq(worn_out(&f, true), 60 - 49);
    cr_assert_eq(worn_out(&f, false), 0);
    cr_assert_eq(worn_out(&f, true), 60 - 49);
    tear_down(&f);
}
