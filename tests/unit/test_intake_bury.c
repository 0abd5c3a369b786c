/* intake: several bodies of one hand-over, and what becomes of those that cannot be accepted when nobody could be told */
#include "access/principal.h"
#include "intake_harness.h"

/* The bodies stand one behind the other in the hand-over's payloads, as a burst of messages does. */
static char payloads[64 * 1024];
static size_t used;

static struct slice message(struct slice text)
{
    char *at = payloads + used;

    cr_assert_leq(used + text.length, sizeof payloads);
    if (text.length)
        memcpy(at, text.data, text.length);
    used += text.length;
    return (struct slice){at, text.length};
}

static int add_text(struct fixture *f, int stream, enum decode_form form, const char *text)
{
    return add(f, stream, form, message(slice_of(text)));
}

static struct slice origin(void *context, struct slice payload)
{
    (void)context;
    (void)payload;
    return SLICE("mqtt client/1 grid/7");
}

static void set_up_burst(struct fixture *f)
{
    set_up(f);
    used = 0;
    f->handover.payloads = payloads;
    f->facts.origin = (struct slice){NULL, 0};
}

static void set_up_burying(struct fixture *f)
{
    set_up_burst(f);
    f->facts.bury = origin;
}

static void expect_result(struct fixture *f, uint64_t accepted, uint64_t rejected)
{
    cr_assert_eq(f->result.accepted, accepted, "%llu accepted", (unsigned long long)f->result.accepted);
    cr_assert_eq(f->result.rejected, rejected, "%llu rejected", (unsigned long long)f->result.rejected);
}

static void expect_buried(
    struct fixture *f, size_t n, uint32_t rendering, struct slice payload, const char *reason)
{
    struct record record = record_at(f, n);

    cr_assert_eq(record.flags, RECORD_UNDECODABLE);
    cr_assert_eq(record.rendering, rendering);
    cr_assert_eq(record.received, NOW);
    cr_assert_eq(record.key.length, 0);
    cr_assert_eq(record.labels_count, 0);
    cr_assert(slice_is(record.origin, "mqtt client/1 grid/7"));
    cr_assert(slice_is(record.reason, reason), "%.*s", (int)record.reason.length, record.reason.data);
    cr_assert(slice_equal(record.payload, payload), "%.*s", (int)record.payload.length, record.payload.data);
}

/* ---- one behind the other ----------------------------------------------------------------------------------- */

Test(intake_add, bodies_of_several_streams_in_one_hand_over)
{
    struct fixture f;

    set_up_burst(&f);
    cr_assert_eq(add_text(&f, READINGS, DECODE_JSON, "{\"sensor_id\":\"a\"}"), 0);
    expect_result(&f, 1, 0);
    cr_assert_eq(add_text(&f, LINES, DECODE_TEXT, "one\ntwo"), 0);
    expect_result(&f, 2, 0);
    f.facts.key = SLICE("from the topic");
    cr_assert_eq(add_text(&f, READINGS, DECODE_NDJSON, "{\"w\":1}\n{\"w\":2}\n"), 0);
    expect_result(&f, 2, 0);
    cr_assert_eq(f.handover.records, 5);
    cr_assert(slice_is(record_at(&f, 0).key, "a"));
    cr_assert(slice_is(record_at(&f, 0).payload, "{\"sensor_id\":\"a\"}"));
    cr_assert(slice_is(record_at(&f, 2).payload, "two"));
    cr_assert_eq(record_at(&f, 2).rendering, 100 + LINES);
    cr_assert(slice_is(record_at(&f, 4).key, "from the topic"));
    cr_assert(slice_is(record_at(&f, 4).payload, "{\"w\":2}"));
    tear_down(&f);
}

Test(intake_add, labels_of_one_body_are_not_those_of_the_next)
{
    struct fixture f;

    set_up_burst(&f);
    f.request.header = SLICE("first.example");
    cr_assert_eq(add_text(&f, EVENTS, DECODE_JSON, "{\"event_type\":\"x\",\"ok\":true}"), 0);
    f.request.header = (struct slice){NULL, 0};
    cr_assert_eq(add_text(&f, EVENTS, DECODE_JSON, "{}"), 0);
    cr_assert(slice_is(record_at(&f, 0).labels[0], "x"));
    cr_assert(slice_is(record_at(&f, 0).labels[1], "first.example"));
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(record_at(&f, 1).labels[i].length, 0);
    tear_down(&f);
}

static const struct {
    int stream;
    enum decode_form form;
    const char *body;
    enum intake_reason refused;
} refused[] = {
    {READINGS, DECODE_JSON, "[{\"sensor_id\":\"a\"},]", INTAKE_SYNTAX},
    {READINGS, DECODE_JSON, "[]", INTAKE_SYNTAX},
    {READINGS, DECODE_NDJSON, " \n ", INTAKE_SYNTAX},
    {READINGS, DECODE_TEXT, "a line", INTAKE_SYNTAX},
    {READINGS, DECODE_BYTES, "bytes", INTAKE_SYNTAX},
    {BLOBS, DECODE_BYTES, "", INTAKE_SYNTAX},
};

Test(intake_add, a_refused_body_takes_back_its_own_records_alone)
{
    struct fixture f;
    char many[151 * 3 + 1] = "";

    set_up_burst(&f);
    for (size_t i = 0; i < 151; i++)
        memcpy(many + 3 * i, "{}\n", 3);
    cr_assert_eq(add_text(&f, READINGS, DECODE_JSON, "{\"sensor_id\":\"a\"}"), 0);
    const struct handover_mark before = handover_mark(&f.handover);
    for (size_t i = 0; i < COUNT(refused); i++) {
        cr_assert_eq(add_text(&f, refused[i].stream, refused[i].form, refused[i].body), -1, "case %zu", i);
        cr_assert_eq(f.error.kind, ERROR_REJECT);
        cr_assert_eq(f.result.refused, refused[i].refused);
        expect_result(&f, 0, 0);
        cr_assert_eq(f.handover.parts.length, before.parts_length);
    }
    cr_assert_eq(
        add_text(&f, KEYLESS, DECODE_NDJSON, many), -1); /* 150 of them were added before the last one */
    cr_assert_eq(f.result.refused, INTAKE_TOO_LARGE);
    expect_result(&f, 0, 0);
    cr_assert_eq(f.handover.records, 1);
    cr_assert_eq(f.handover.size, before.size);
    cr_assert_eq(add_text(&f, READINGS, DECODE_JSON, "{\"sensor_id\":\"b\"}"), 0);
    cr_assert(slice_is(record_at(&f, 0).key, "a"));
    cr_assert(slice_is(record_at(&f, 1).key, "b"));
    tear_down(&f);
}

/* Refused as a whole, it is not counted record by record as well. */
Test(intake_add, a_refused_body_counts_nothing)
{
    struct fixture f;
    char many[151 * 3 + 1] = "";

    set_up_burst(&f);
    for (size_t i = 0; i < 151; i++)
        memcpy(many + 3 * i, "{}\n", 3);
    cr_assert_eq(add_text(&f, READINGS, DECODE_NDJSON, many), -1); /* none of them has a key */
    expect_result(&f, 0, 0);
    cr_assert_eq(f.result.listed, 0);
    cr_assert_eq(f.result.by_reason[INTAKE_KEY], 0);
    tear_down(&f);
}

/* ---- buried ------------------------------------------------------------------------------------------------- */

Test(intake_bury, rejected_records_stand_between_their_neighbours)
{
    struct fixture f;

    set_up_burying(&f);
    cr_assert_eq(add_text(&f, READINGS, DECODE_NDJSON,
                     "{\"sensor_id\":\"a\"}\n{\"sensor_id\":}\n{\"w\":1}\n{\"sensor_id\":\"b\"}"),
        0);
    expect_result(&f, 2, 2);
    cr_assert_eq(f.result.by_reason[INTAKE_SYNTAX], 1);
    cr_assert_eq(f.result.by_reason[INTAKE_KEY], 1);
    cr_assert_eq(f.result.listed, 0);
    cr_assert_eq(f.handover.records, 4);
    cr_assert(slice_is(record_at(&f, 0).key, "a"));
    cr_assert_eq(record_at(&f, 0).origin.length, 0); /* facts.origin, not the one of the buried */
    expect_buried(&f, 1, 100, SLICE("{\"sensor_id\":}"), "byte 13: expected a value, found '}'");
    expect_buried(&f, 2, 100, SLICE("{\"w\":1}"), "key /sensor_id: missing");
    cr_assert_eq(record_at(&f, 3).flags, 0);
    cr_assert(slice_is(record_at(&f, 3).key, "b"));
    tear_down(&f);
}

static const struct {
    int stream;
    enum decode_form form;
    const char *body, *reason;
} buried[] = {
    {READINGS, DECODE_JSON, "[{\"sensor_id\":\"a\"},]", "byte 19: expected a value, found ']'"},
    {READINGS, DECODE_JSON, "[]", "the body holds no record"},
    {READINGS, DECODE_JSON, "", "the body is empty"},
    {READINGS, DECODE_JSON, "\xff\xfe", "byte 0: expected a value, found byte 0xff"},
    {READINGS, DECODE_NDJSON, " \n ", "the body is empty"},
    {READINGS, DECODE_TEXT, "a line", "takes JSON, not text lines"},
    {READINGS, DECODE_BYTES, "bytes", "takes JSON, not bytes"},
    {LINES, DECODE_BYTES, "a\nb", "takes text lines, not bytes"},
    {BLOBS, DECODE_BYTES, "", "the body is empty"},
    {BLOBS, DECODE_BYTES, "\xff", "key header:X-Key: missing"},
    {WRAPPED_BLOBS, DECODE_BYTES, "\xff", "not UTF-8: cannot be put into an envelope"},
};

Test(intake_bury, a_body_that_is_refused_is_one_record)
{
    struct fixture f;

    set_up_burying(&f);
    for (size_t i = 0; i < COUNT(buried); i++) {
        struct slice body = message(slice_of(buried[i].body));
        cr_assert_eq(add(&f, buried[i].stream, buried[i].form, body), 0, "case %zu: %s", i, f.error.text);
        expect_result(&f, 0, 1);
        cr_assert_eq(f.handover.records, i + 1);
        expect_buried(&f, i, (uint32_t)(100 + buried[i].stream), body, buried[i].reason);
    }
    tear_down(&f);
}

Test(intake_bury, more_records_than_one_body_may_have_are_one)
{
    struct fixture f;
    char many[151 * 3 + 1] = "";

    set_up_burying(&f);
    for (size_t i = 0; i < 151; i++)
        memcpy(many + 3 * i, "{}\n", 3);
    cr_assert_eq(add_text(&f, KEYLESS, DECODE_NDJSON, many), 0);
    expect_result(&f, 0, 1);
    cr_assert_eq(f.result.by_reason[INTAKE_TOO_LARGE], 1);
    cr_assert_eq(f.handover.records, 1);
    expect_buried(
        &f, 0, 100 + KEYLESS, slice_of(many), "more than 150 records in one body (http.max_records)");
    tear_down(&f);
}

Test(intake_bury, of_many_rejected_records_each_has_its_reason)
{
    struct fixture f;
    char lines[120 * 2 + 1] = "";

    set_up_burying(&f);
    for (size_t i = 0; i < 120; i++)
        memcpy(lines + 2 * i, i % 2 ? "1\n" : "x\n", 2);
    cr_assert_eq(add_text(&f, READINGS, DECODE_NDJSON, lines), 0);
    expect_result(&f, 0, 120);
    expect_buried(&f, 118, 100, SLICE("x"), "byte 0: expected a value, found 'x'");
    expect_buried(&f, 119, 100, SLICE("1"), "key /sensor_id: missing");
    tear_down(&f);
}

/* ---- by itself ---------------------------------------------------------------------------------------------- */

Test(intake_bury, what_belongs_to_no_stream)
{
    struct fixture f;
    struct slice body, empty;

    set_up_burying(&f);
    body = message(SLICE("\0any\xff"));
    empty = (struct slice){NULL, 0};
    cr_assert_eq(intake_bury(f.intake, NULL, body, &f.facts, "no pattern", &f.handover, &f.error), 0);
    cr_assert_eq(intake_bury(f.intake, NULL, empty, &f.facts, "no pattern", &f.handover, &f.error), 0);
    cr_assert_eq(
        intake_bury(f.intake, f.streams->items[TOPICS], body, &f.facts, "x", &f.handover, &f.error), 0);
    cr_assert_eq(f.handover.records, 3);
    expect_buried(&f, 0, RECORD_NO_RENDERING, body, "no pattern");
    expect_buried(&f, 1, RECORD_NO_RENDERING, empty, "no pattern");
    expect_buried(&f, 2, 100 + TOPICS, body, "x");
    tear_down(&f);
}

Test(intake_bury, without_an_origin_of_its_own_it_has_that_of_the_others)
{
    struct fixture f;

    set_up_burst(&f);
    f.facts.origin = SLICE("10.0.0.1");
    cr_assert_eq(intake_bury(f.intake, NULL, message(SLICE("x")), &f.facts, "why", &f.handover, &f.error), 0);
    cr_assert(slice_is(record_at(&f, 0).origin, "10.0.0.1"));
    tear_down(&f);
}

Test(intake_bury, a_long_reason_is_cut_between_characters)
{
    struct fixture f;
    char reason[RECORD_REASON_MAX + 100];

    set_up_burying(&f);
    for (size_t ascii = 0; ascii < 3; ascii++) {
        const size_t kept = ascii + (RECORD_REASON_MAX - ascii) / 3 * 3;
        memset(reason, 'a', ascii);
        for (size_t i = 0; i < 180; i++)
            memcpy(reason + ascii + 3 * i, "\xe2\x82\xac", 3);
        reason[ascii + 3 * 180] = '\0';
        cr_assert_eq(
            intake_bury(f.intake, NULL, message(SLICE("x")), &f.facts, reason, &f.handover, &f.error), 0);
        struct record record = record_at(&f, ascii);
        cr_assert_eq(record.reason.length, kept);
        cr_assert_eq(memcmp(record.reason.data, reason, kept), 0);
    }
    memset(reason, 'a', RECORD_REASON_MAX);
    reason[RECORD_REASON_MAX] = '\0';
    cr_assert_eq(
        intake_bury(f.intake, NULL, message(SLICE("x")), &f.facts, reason, &f.handover, &f.error), 0);
    cr_assert_eq(record_at(&f, 3).reason.length, RECORD_REASON_MAX);
    tear_down(&f);
}

/* ---- a hand-over that is full ------------------------------------------------------------------------------- */

static void set_up_small(struct fixture *f, size_t parts)
{
    set_up_with(f, parts, LIMITS(200, 150));
    used = 0;
    f->handover.payloads = payloads;
    f->facts.origin = (struct slice){NULL, 0};
    f->facts.bury = origin;
}

/* Each record is where it is, whether it is accepted or not. */
static struct slice place(void *context, struct slice payload)
{
    static char text[32];

    snprintf(text, sizeof text, "%s:%zu", (const char *)context, (size_t)(payload.data - payloads));
    return slice_of(text);
}

Test(intake_bury, each_record_may_have_an_origin_of_its_own)
{
    static const char *const origins[] = {"a.log:0", "a.log:19", "a.log:24"};
    struct fixture f;

    set_up_burying(&f);
    f.facts.bury = f.facts.locate = place;
    f.facts.context = (char[]){"a.log"};
    cr_assert_eq(
        add_text(&f, READINGS, DECODE_NDJSON, "{\"sensor_id\":\"S1\"}\nbad}\n{\"sensor_id\":\"S2\"}\n"), 0);
    expect_result(&f, 2, 1);
    for (size_t i = 0; i < 3; i++) {
        const struct record record = record_at(&f, i);
        cr_assert(slice_is(record.origin, origins[i]), "%zu: %.*s", i, (int)record.origin.length,
            record.origin.data);
        cr_assert_eq((record.flags & RECORD_UNDECODABLE) != 0, i == 1);
    }
    tear_down(&f);
}

/* What is accepted, what is rejected, what is refused: whichever comes when there is no room, the hand-over stays as it was. */
Test(intake_bury, a_full_hand_over_is_an_error)
{
    static const struct {
        int stream;
        enum decode_form form;
        const char *body;
    } late[] = {
        {KEYLESS, DECODE_NDJSON, "{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n"},
        {READINGS, DECODE_NDJSON, "{}\n{}\n{}\n{}\n"},
        {READINGS, DECODE_JSON, "[{\"sensor_id\":\"a\"},]"},
    };
    struct fixture f;

    set_up_small(&f, 128);
    cr_assert_eq(add_text(&f, KEYLESS, DECODE_JSON, "{}"), 0);
    const struct handover_mark before = handover_mark(&f.handover);
    for (size_t i = 0; i < COUNT(late); i++) {
        cr_assert_eq(add_text(&f, late[i].stream, late[i].form, late[i].body), -1, "case %zu", i);
        cr_assert_eq(f.error.kind, ERROR_REJECT);
        expect_result(&f, 0, 0);
        cr_assert_eq(f.handover.parts.length, before.parts_length);
        cr_assert_eq(f.handover.records, 1);
    }
    cr_assert_eq(intake_bury(f.intake, NULL, message(SLICE("x")), &f.facts,
                     "a reason that is longer than the room that is left", &f.handover, &f.error),
        -1);
    cr_assert_eq(f.error.kind, ERROR_REJECT);
    cr_assert_eq(f.handover.parts.length, before.parts_length);
    cr_assert(slice_is(record_at(&f, 0).payload, "{}"));
    tear_down(&f);
}

/* ---- what form is it? --------------------------------------------------------------------------------------- */

static const struct {
    int stream;
    const char *body;
    enum decode_form form;
} guesses[] = {
    {READINGS, "{\"a\":1}", DECODE_JSON},
    {READINGS, "{\"a\":1}\n", DECODE_JSON},
    {READINGS, "\n{\"a\":1}\r\n\r\n", DECODE_JSON},
    {READINGS, "{\n\"a\":1\n}\n", DECODE_JSON},
    {READINGS, "[{\"a\":1},\n{\"a\":2}]", DECODE_JSON},
    {READINGS, "[\n{\"a\":1}\n]", DECODE_JSON},
    {READINGS, "{\"a\":1}\n{\"a\":2}", DECODE_NDJSON},
    {READINGS, "{\"a\":1}\r\n{\"a\":2}\r\n", DECODE_NDJSON},
    {READINGS, "\n\n {\"a\":1} \n \n{\"a\":", DECODE_NDJSON},
    {READINGS, "{\"a\":\n{\"a\":2}", DECODE_JSON},
    {READINGS, "1\n2", DECODE_NDJSON},
    {READINGS, "", DECODE_JSON},
    {READINGS, "\n", DECODE_JSON},
    {WRAPPED, "{}\n{}", DECODE_NDJSON},
    {LINES, "{\"a\":1}\n{\"a\":2}", DECODE_TEXT},
    {LINES, "", DECODE_TEXT},
    {BLOBS, "{\"a\":1}\n{\"a\":2}", DECODE_BYTES},
    {BLOBS, "", DECODE_BYTES},
};

Test(intake_guess, the_form_of_a_message_without_a_type)
{
    struct fixture f;

    set_up(&f);
    for (size_t i = 0; i < COUNT(guesses); i++)
        cr_assert_eq(intake_guess(f.intake, f.streams->items[guesses[i].stream], slice_of(guesses[i].body)),
            guesses[i].form, "case %zu: %s", i, guesses[i].body);
    cr_assert_eq(intake_guess(f.intake, f.streams->items[READINGS], (struct slice){NULL, 0}), DECODE_JSON);
    tear_down(&f);
}

/* ---- keys that the sender may not write ------------------------------------------------------------------------------ */

static char *own_keys[] = {(char *)"a*"};
static struct principal own = {.name = (char *)"pump", .keys = own_keys, .keys_count = 1};

Test(intake_add, a_forbidden_key_refuses_the_body_and_buries_nothing)
{
    const struct grant grant = {NULL, &own};
    struct fixture f;

    set_up_burying(&f);
    f.facts.grant = &grant;
    cr_assert_eq(add_text(&f, READINGS, DECODE_NDJSON, "{\"sensor_id\":\"a1\"}\n{}\n"), 0);
    expect_result(&f, 1, 1);
    cr_assert_eq(
        add_text(&f, READINGS, DECODE_NDJSON, "{\"sensor_id\":\"a2\"}\n{}\n{\"sensor_id\":\"b\"}\n{no json"),
        -1);
    cr_assert_eq(f.error.kind, ERROR_REJECT);
    cr_assert_eq(f.result.refused, INTAKE_FORBIDDEN);
    cr_assert(strstr(f.error.text, "pump may not write the key 'b'"), "%s", f.error.text);
    expect_result(&f, 0, 0);
    cr_assert_eq(f.handover.records, 2);
    cr_assert_eq(add_text(&f, READINGS, DECODE_JSON, "{\"sensor_id\":\"a3\"}"), 0);
    cr_assert_eq(f.handover.records, 3);
    tear_down(&f);
}

Test(intake_take, a_forbidden_key_rejects_its_record)
{
    const struct grant grant = {NULL, &own}, nobody = {NULL, NULL};
    struct fixture f;

    set_up(&f);
    f.facts.grant = &grant;
    cr_assert_eq(
        take(&f, READINGS, DECODE_NDJSON, SLICE("{\"sensor_id\":\"b\"}\n{\"sensor_id\":\"a\"}\n")), 0);
    expect_result(&f, 1, 1);
    cr_assert_eq(f.result.by_reason[INTAKE_FORBIDDEN], 1);
    cr_assert_str_eq(intake_reason_name(INTAKE_FORBIDDEN), "forbidden");
    f.facts.key = SLICE("b");
    cr_assert_eq(take(&f, READINGS, DECODE_JSON, SLICE("{\"sensor_id\":\"a\"}")), 0);
    expect_result(&f, 0, 1);
    f.facts.grant = &nobody;
    cr_assert_eq(take(&f, READINGS, DECODE_JSON, SLICE("{\"sensor_id\":\"a\"}")), 0);
    expect_result(&f, 1, 0);
    tear_down(&f);
}
