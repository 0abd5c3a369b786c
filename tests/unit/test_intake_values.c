/* intake: the key, labels and time of a record */
#include "intake_harness.h"

/* ---- keys ---------------------------------------------------------------------------------------------------- */

static const struct {
    struct slice body;
    struct slice key;
    const char *error; /* NULL: key is taken */
} keys[] = {
    {SLICE("{\"sensor_id\":\"S\"}"), SLICE("S"), NULL},
    {SLICE("{\"sensor_id\":\"a\\u00fc\\n\"}"), SLICE(""), "key: control character at byte 3"},
    {SLICE("{\"sensor_id\":\"a\\u00fc\\/\"}"), SLICE("a\xc3\xbc/"), NULL},
    {SLICE("{\"sensor_id\":42}"), SLICE("42"), NULL},
    {SLICE("{\"sensor_id\":-0}"), SLICE("-0"), NULL},
    {SLICE("{\"sensor_id\":123456789012345678901234567890}"), SLICE("123456789012345678901234567890"), NULL},
    {SLICE("{\"sensor_id\":1.0}"), SLICE(""), "key /sensor_id: must be a string or an integer"},
    {SLICE("{\"sensor_id\":1e3}"), SLICE(""), "key /sensor_id: must be a string or an integer"},
    {SLICE("{\"sensor_id\":true}"), SLICE(""), "key /sensor_id: must be a string or an integer"},
    {SLICE("{\"sensor_id\":null}"), SLICE(""), "key /sensor_id: must be a string or an integer"},
    {SLICE("{\"sensor_id\":[1]}"), SLICE(""), "key /sensor_id: must be a string or an integer"},
    {SLICE("{\"sensor_id\":\"\"}"), SLICE(""), "key /sensor_id: empty"},
    {SLICE("{\"sensor\":\"S\"}"), SLICE(""), "key /sensor_id: missing"},
    {SLICE("[7]"), SLICE(""), "key /sensor_id: missing"},
    {SLICE("{\"sensor_id\":\"\\u0000\"}"), SLICE(""), "key: control character at byte 0"},
    {SLICE("{\"sensor_id\":\"a\",\"sensor_id\":\"b\"}"), SLICE("b"), NULL},
};

Test(intake_values, key_by_pointer)
{
    struct fixture f;

    set_up(&f);
    for (size_t i = 0; i < COUNT(keys); i++) {
        cr_assert_eq(take(&f, READINGS, DECODE_JSON, keys[i].body), 0, "%s", f.error.text);
        expect_counts(&f, keys[i].error ? 0 : 1, keys[i].error ? 1 : 0);
        if (keys[i].error) {
            cr_assert_eq(f.result.list[0].reason, INTAKE_KEY);
            cr_assert_str_eq(f.result.list[0].text, keys[i].error);
        } else {
            cr_assert(slice_equal(record_at(&f, 0).key, keys[i].key), "case %zu", i);
        }
    }
    tear_down(&f);
}

Test(intake_values, longest_key_may_be_escaped)
{
    struct fixture f;
    char body[8192];

    set_up_with(&f, 64 * 1024, LIMITS(10000, 1));
    for (int length = RECORD_KEY_MAX; length <= RECORD_KEY_MAX + 1; length++) {
        int at = snprintf(body, sizeof body, "{\"sensor_id\":\"");
        for (int i = 0; i < length; i++)
            at += snprintf(body + at, sizeof body - (size_t)at, "\\u0041");
        at += snprintf(body + at, sizeof body - (size_t)at, "\"}");
        cr_assert_eq(take(&f, READINGS, DECODE_JSON, (struct slice){body, (size_t)at}), 0);
        if (length == RECORD_KEY_MAX) {
            expect_counts(&f, 1, 0);
            cr_assert_eq(record_at(&f, 0).key.length, RECORD_KEY_MAX);
        }
    }
    expect_counts(&f, 0, 1);
    cr_assert_str_eq(f.result.list[0].text, "key /sensor_id: more than 256 bytes");
    int at = snprintf(body, sizeof body, "{\"sensor_id\":\"%0257d\"}", 1);
    cr_assert_eq(take(&f, READINGS, DECODE_JSON, (struct slice){body, (size_t)at}), 0);
    expect_counts(&f, 0, 1);
    cr_assert_str_eq(f.result.list[0].text, "key: 257 bytes, at most 256 are allowed");
    tear_down(&f);
}

Test(intake_values, key_in_the_url_wins)
{
    struct fixture f;

    set_up(&f);
    f.facts.key = SLICE("URL");
    cr_assert_eq(
        take(&f, READINGS, DECODE_NDJSON, SLICE("{\"sensor_id\":\"a\"}\n{\"sensor_id\":[]}\n{}")), 0);
    expect_counts(&f, 3, 0);
    for (size_t i = 0; i < 3; i++)
        cr_assert(slice_is(record_at(&f, i).key, "URL"));
    cr_assert_eq(take(&f, LINES, DECODE_TEXT, SLICE("x")), 0);
    cr_assert(slice_is(record_at(&f, 0).key, "URL"));
    f.facts.key = SLICE("");
    cr_assert_eq(take(&f, LINES, DECODE_TEXT, SLICE("x")), 0);
    expect_counts(&f, 0, 1);
    cr_assert_str_eq(f.result.list[0].text, "key: empty in the URL");
    tear_down(&f);
}

Test(intake_values, key_by_header_is_asked_for_once)
{
    struct fixture f;

    set_up(&f);
    f.request.header = SLICE("H1");
    cr_assert_eq(take(&f, BY_HEADER, DECODE_TEXT, SLICE("a\nb\nc\n")), 0);
    expect_counts(&f, 3, 0);
    cr_assert(slice_is(record_at(&f, 2).key, "H1"));
    cr_assert_eq(f.request.asked, 1);
    f.request.header = (struct slice){NULL, 0};
    cr_assert_eq(take(&f, BY_HEADER, DECODE_TEXT, SLICE("a")), 0);
    cr_assert_str_eq(f.result.list[0].text, "key header:X-Key: missing");
    f.request.header = SLICE("");
    cr_assert_eq(take(&f, BY_HEADER, DECODE_TEXT, SLICE("a")), 0);
    cr_assert_str_eq(f.result.list[0].text, "key header:X-Key: empty");
    f.facts.find = NULL;
    cr_assert_eq(take(&f, BY_HEADER, DECODE_TEXT, SLICE("a")), 0);
    cr_assert_str_eq(f.result.list[0].text, "key header:X-Key: missing");
    tear_down(&f);
}

Test(intake_values, a_missing_key_is_named_as_the_configuration_does)
{
    static const struct {
        enum selector_source source;
        const char *text;
    } places[] = {
        {SELECTOR_HEADER, "key header:X-Key: missing"},
        {SELECTOR_QUERY, "key query:X-Key: missing"},
        {SELECTOR_PATH, "key path:X-Key: missing"},
        {SELECTOR_TOPIC, "key topic:X-Key: missing"},
        {SELECTOR_MQTT, "key mqtt:X-Key: missing"},
    };
    struct fixture f;

    set_up(&f);
    for (size_t i = 0; i < COUNT(places); i++) {
        f.streams->items[BY_HEADER]->key.source = places[i].source;
        cr_assert_eq(take(&f, BY_HEADER, DECODE_TEXT, SLICE("x")), 0);
        expect_counts(&f, 0, 1);
        cr_assert_str_eq(f.result.list[0].text, places[i].text);
    }
    tear_down(&f);
}

/* ---- labels -------------------------------------------------------------------------------------------------- */

static void expect_labels(
    struct fixture *f, const char *type, const char *host, const char *site, const char *ok)
{
    const char *const wanted[] = {type, host, site, ok};
    struct record record = record_at(f, 0);

    cr_assert_eq(record.labels_count, 4);
    for (size_t i = 0; i < 4; i++)
        cr_assert(slice_is(record.labels[i], wanted[i]), "label %zu: %.*s", i, (int)record.labels[i].length,
            record.labels[i].data);
}

Test(intake_values, labels_from_everywhere)
{
    struct fixture f;

    set_up(&f);
    f.request = (struct request){.header = SLICE("user1.comcast.com"), .query = SLICE("north")};
    cr_assert_eq(take(&f, EVENTS, DECODE_JSON, SLICE("{\"event_type\":\"b\\u0075y\",\"ok\":true}")), 0);
    expect_counts(&f, 1, 0);
    expect_labels(&f, "buy", "user1.comcast.com", "north", "true");
    cr_assert_eq(take(&f, EVENTS, DECODE_JSON, SLICE("{\"event_type\":-1.5e3,\"ok\":false}")), 0);
    expect_labels(&f, "-1.5e3", "user1.comcast.com", "north", "false");
    f.request = (struct request){.asked = 0};
    cr_assert_eq(take(&f, EVENTS, DECODE_JSON, SLICE("{\"event_type\":null}")), 0);
    expect_counts(&f, 1, 0);
    expect_labels(&f, "", "", "", "");
    tear_down(&f);
}

static const struct {
    const char *body;
    const char *host;
    const char *error;
} bad_labels[] = {
    {"{\"event_type\":{}}", "h", "label type (/event_type): must be a string, a number, true or false"},
    {"{\"ok\":[]}", "h", "label ok (/ok): must be a string, a number, true or false"},
    {"{\"ok\":\"\\u0007\"}", "h", "label ok: control character at byte 0"},
    {"{}", "h\x01", "label host: control character at byte 1"},
    {"{}", "\xff", "label host: byte 0 is not UTF-8"},
};

Test(intake_values, labels_that_are_not_allowed)
{
    struct fixture f;

    set_up(&f);
    for (size_t i = 0; i < COUNT(bad_labels); i++) {
        f.request.header = slice_of(bad_labels[i].host);
        cr_assert_eq(take(&f, EVENTS, DECODE_JSON, slice_of(bad_labels[i].body)), 0);
        expect_counts(&f, 0, 1);
        cr_assert_eq(f.result.list[0].reason, INTAKE_LABEL);
        cr_assert_str_eq(f.result.list[0].text, bad_labels[i].error);
    }
    tear_down(&f);
}

Test(intake_values, label_string_far_too_long)
{
    struct fixture f;
    char body[4096];
    int length = snprintf(body, sizeof body, "{\"ok\":\"%01600d\"}", 1);

    set_up_with(&f, 64 * 1024, LIMITS(10000, 1));
    cr_assert_eq(take(&f, EVENTS, DECODE_JSON, (struct slice){body, (size_t)length}), 0);
    expect_counts(&f, 0, 1);
    cr_assert_str_eq(f.result.list[0].text, "label ok (/ok): more than 256 bytes");
    tear_down(&f);
}

/* ---- time ---------------------------------------------------------------------------------------------------- */

struct time_case {
    const char *created_at;
    uint8_t flags;
    int64_t event;
};

static void expect_times(struct fixture *f, const struct time_case *cases, size_t count)
{
    char body[128];

    for (size_t i = 0; i < count; i++) {
        snprintf(body, sizeof body, "{\"sensor_id\":1,\"created_at\":%s}", cases[i].created_at);
        cr_assert_eq(take(f, READINGS, DECODE_JSON, slice_of(body)), 0);
        expect_counts(f, 1, 0);
        struct record record = record_at(f, 0);
        cr_assert_eq(record.flags, cases[i].flags, "case %zu", i);
        cr_assert_eq(record.event, cases[i].event, "case %zu", i);
        cr_assert_eq(record.received, NOW);
    }
}

static const struct time_case times[] = {
    {"1795233600", RECORD_EVENT_TIME, NOW},
    {"1795233599123", RECORD_EVENT_TIME, NOW - 877000},
    {"\"2026-11-21T05:00:00+01:00\"", RECORD_EVENT_TIME, NOW},
    {"1795147200", RECORD_EVENT_TIME, NOW - 24 * HOUR},
    {"1795147199", RECORD_TIME_OUTSIDE, 0},
    {"1795237200", RECORD_EVENT_TIME, NOW + HOUR},
    {"1795237201", RECORD_TIME_OUTSIDE, 0},
    {"\"yesterday\"", RECORD_TIME_OUTSIDE, 0},
    {"{}", RECORD_TIME_OUTSIDE, 0},
    {"null", 0, 0},
};

Test(intake_values, event_time_counts_inside_its_window)
{
    struct fixture f;

    set_up(&f);
    expect_times(&f, times, COUNT(times));
    tear_down(&f);
}

static const struct time_case formatted_times[] = {
    {"\"21.11. 05:00\"", RECORD_EVENT_TIME, NOW},
    {"\"21.11.\\u002005:00\"", RECORD_EVENT_TIME, NOW},
    {"\"2026-11-21T05:00:00+01:00\"", RECORD_TIME_OUTSIDE, 0},
    {"1795233600", RECORD_TIME_OUTSIDE, 0},
    {"\"\"", RECORD_TIME_OUTSIDE, 0},
    {"{}", RECORD_TIME_OUTSIDE, 0},
    {"null", 0, 0},
};

Test(intake_values, event_time_in_a_format_of_the_stream)
{
    struct fixture f;
    struct error error;

    set_up(&f);
    struct time_format *format = &f.streams->items[READINGS]->time_format;
    cr_assert_eq(time_format_compile(format, "%d.%m. %H:%M", &error), 0);
    cr_assert_eq(time_format_set_zone(format, "+01:00", &error), 0);
    expect_times(&f, formatted_times, COUNT(formatted_times));
    tear_down(&f);
}

Test(intake_values, window_does_not_overflow)
{
    struct fixture f;
    struct slice body = SLICE("{\"sensor_id\":1,\"created_at\":0}");

    set_up(&f);
    f.streams->items[READINGS]->time_past = f.streams->items[READINGS]->time_future = INT64_MAX;
    f.facts.received = INT64_MAX - 1;
    cr_assert_eq(take(&f, READINGS, DECODE_JSON, body), 0);
    cr_assert_eq(record_at(&f, 0).flags, RECORD_EVENT_TIME);
    f.facts.received = -10;
    cr_assert_eq(take(&f, READINGS, DECODE_JSON, body), 0);
    cr_assert_eq(record_at(&f, 0).flags, RECORD_EVENT_TIME);
    tear_down(&f);
}

/* ---- what stands in the record's own line -------------------------------------------------------------------- */

static const struct {
    const char *line;
    int64_t event; /* 0: the received time counts, */
    bool outside; /* for there is one that cannot be used */
} line_times[] = {
    {"a north 2026-11-21T03:59:00Z", NOW - 60 * CLOCK_SECOND, false},
    {"a north 1795233540", NOW - 60 * CLOCK_SECOND, false},
    {"a north 1795233540000", NOW - 60 * CLOCK_SECOND, false},
    {"a north 1795233540\t", NOW - 60 * CLOCK_SECOND, false},
    {"a north", 0, false},
    {"a north 1975-01-01T00:00:00Z", 0, true},
    {"a north 12:00", 0, true},
    {"a north -", 0, true},
};

Test(intake_values, what_is_in_the_line_is_looked_up_for_each_record)
{
    struct fixture f;

    set_up(&f);
    f.request.header = SLICE("H");
    cr_assert_eq(take(&f, IN_LINES, DECODE_TEXT, SLICE("a north\nb\n\nc south\n west\n")), 0);
    expect_counts(&f, 3, 1);
    cr_assert_eq(f.request.looked, 4);
    cr_assert(slice_is(record_at(&f, 0).key, "a") && slice_is(record_at(&f, 0).labels[0], "north"));
    cr_assert(slice_is(record_at(&f, 1).key, "b") && record_at(&f, 1).labels[0].length == 0);
    cr_assert(slice_is(record_at(&f, 2).key, "c") && slice_is(record_at(&f, 2).labels[0], "south"));
    cr_assert(slice_is(record_at(&f, 2).labels[1], "H"));
    cr_assert_eq(f.result.list[0].index, 3);
    cr_assert_str_eq(f.result.list[0].text, "key line:id: empty");
    f.facts.look = NULL;
    f.request.line = (struct slice){NULL, 0};
    cr_assert_eq(take(&f, IN_LINES, DECODE_TEXT, SLICE("a north\n")), 0);
    cr_assert_str_eq(f.result.list[0].text, "key line:id: missing");
    f.facts.key = SLICE("K"); /* in the URL */
    cr_assert_eq(take(&f, IN_LINES, DECODE_TEXT, SLICE("a north\n")), 0);
    cr_assert(slice_is(record_at(&f, 0).key, "K"));
    tear_down(&f);
}

Test(intake_values, time_in_the_line)
{
    struct fixture f;

    set_up(&f);
    for (size_t i = 0; i < COUNT(line_times); i++) {
        cr_assert_eq(take(&f, IN_LINES, DECODE_TEXT, slice_of(line_times[i].line)), 0);
        expect_counts(&f, 1, 0);
        const struct record record = record_at(&f, 0);
        cr_assert_eq(record.event, line_times[i].event, "%s", line_times[i].line);
        cr_assert_eq((record.flags & RECORD_EVENT_TIME) != 0, line_times[i].event != 0);
        cr_assert_eq((record.flags & RECORD_TIME_OUTSIDE) != 0, line_times[i].outside);
    }
    tear_down(&f);
}
