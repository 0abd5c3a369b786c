/* topic: which templates a Kafka topic may come from, and what a record makes of them */
#include <criterion/criterion.h>

#include <stdio.h>

#include "route/route.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})
#define COUNT(array) (sizeof array / sizeof *array)
#define ALLOWED "allowed are A-Z a-z 0-9 . _ -"

static const char *const labels[] = {"host", "event_type"};

/* 2026-02-03T04:05:06.789Z, day 34 of the year */
#define MOMENT INT64_C(1770091506789000)

static struct template *compile(const char *text)
{
    struct template *template = NULL;
    struct error error = {.text = ""};

    cr_assert_eq(template_compile_topic(&template, text, labels, 2, &error), 0, "%s", error.text);
    return template;
}

/* ---- compiling -------------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *error;
} wrong[] = {
    {"", "topic template '': a topic cannot be empty"},
    {".", "topic template '.': Kafka takes no topic named '.' or '..'"},
    {"..", "topic template '..': Kafka takes no topic named '.' or '..'"},
    {"my topic", "topic template 'my topic': ' ' cannot stand in a topic: " ALLOWED},
    {"a/b", "topic template 'a/b': '/' cannot stand in a topic: " ALLOWED},
    {"a{key}:", "topic template 'a{key}:': ':' cannot stand in a topic: " ALLOWED},
    {"gr\xc3\xbcn", "topic template 'gr\xc3\xbcn': '\xc3\xbc' cannot stand in a topic: " ALLOWED},
    {"{time:%H:%M}", "topic template '{time:%H:%M}': ':' cannot stand in a topic: " ALLOWED},
    {"{time:%Y/%m}", "topic template '{time:%Y/%m}': '/' cannot stand in a topic: " ALLOWED},
    {"{time:%Y-%q}", "topic template '{time:%Y-%q}': {time:%Y-%q}: allowed are %Y %m %d %H %M %S %j %s"},
    {"{nope}", "topic template '{nope}': {nope} is not known; allowed are {stream}, {key}, {time:FORMAT}, "
               "{time_source}, {schema_result}, {host}, {event_type}"},
    {"a{key", "topic template 'a{key': '{key': a brace without the other one"},
    {"a\tb", "topic template: control character or no UTF-8 at byte 1"},
    {"\xff", "topic template: control character or no UTF-8 at byte 0"},
};

Test(topic, compile_says_what_is_wrong)
{
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct template *template = NULL;
        struct error error = {.text = ""};

        cr_assert_eq(
            template_compile_topic(&template, wrong[i].text, labels, 2, &error), -1, "'%s'", wrong[i].text);
        cr_assert_null(template);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_str_eq(error.text, wrong[i].error);
    }
}

Test(topic, what_can_only_be_too_long_is_refused)
{
    char text[TEMPLATE_TOPIC_MAX + 9] = "";
    struct template *template;
    struct error error;

    memset(text, 'T', TEMPLATE_TOPIC_MAX);
    template = compile(text);
    template_free(&template);
    text[TEMPLATE_TOPIC_MAX] = 'T';
    cr_assert_eq(template_compile_topic(&template, text, NULL, 0, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, "a topic of at least 250 bytes, Kafka takes at most 249"));
    memcpy(text + TEMPLATE_TOPIC_MAX - 1, "{key}", 6); /* a key of one byte fits */
    template = compile(text);
    template_free(&template);
    memcpy(text + TEMPLATE_TOPIC_MAX - 1, "{key:02}", 9);
    cr_assert_eq(template_compile_topic(&template, text, NULL, 0, &error), -1);
    text[TEMPLATE_TOPIC_MAX - 1] = 'T';
    memcpy(text + TEMPLATE_TOPIC_MAX, "{key}", 6);
    cr_assert_eq(template_compile_topic(&template, text, NULL, 0, &error), -1);
}

static const struct {
    const char *text;
    bool constant;
} constants[] = {
    {"INGESTION", true},
    {"...", true},
    {"{stream}", true},
    {"all.{stream}-1", true},
    {"SENSOR_ID_{key}", false},
    {"{host}", false},
    {"a{time:%Y}", false},
    {"{time_source}", false},
};

Test(topic, constant_means_the_same_for_all_records)
{
    for (size_t i = 0; i < COUNT(constants); i++) {
        struct template *template = compile(constants[i].text);

        cr_assert_eq(template_is_constant(template), constants[i].constant, "%s", constants[i].text);
        template_free(&template);
    }
}

Test(topic, a_constant_path_is_one_too)
{
    struct template *template = NULL;
    struct error error;

    cr_assert_eq(template_compile(&template, "a/{stream}", NULL, 0, &error), 0);
    cr_assert(template_is_constant(template));
    template_free(&template);
}

/* ---- rendering -------------------------------------------------------------------------------------------- */

static const struct record some = {
    .received = MOMENT,
    .key = SLICE("S-1.a_Z"),
    .labels = {SLICE("user1.comcast.com"), SLICE("buy")},
    .labels_count = 2,
};

static const struct {
    const char *template;
    const char *topic;
} rendered[] = {
    {"INGESTION", "INGESTION"},
    {"SENSOR_ID_{key}", "SENSOR_ID_S-1.a_Z"},
    {"{key}", "S-1.a_Z"},
    {"S{key:010}", "S000S-1.a_Z"},
    {"_{stream}.", "_readings."},
    {"{host}-{event_type}", "user1.comcast.com-buy"},
    {"d{time:%Y-%m-%d_%H.%M.%S-%j}", "d2026-02-03_04.05.06-034"},
    {"{time:%s}", "1770091506"},
    {"{stream}_{time_source}", "readings_received"},
};

Test(topic, fields_get_their_values)
{
    for (size_t i = 0; i < COUNT(rendered); i++) {
        struct template *template = compile(rendered[i].template);
        struct error error = {.text = ""};
        cleanup_bytes struct bytes out;

        bytes_init(&out, 4096);
        cr_assert_eq(bytes_add_text(&out, "before ", &error), 0);
        cr_assert_eq(template_render_topic(template, "readings", &some, &out, &error), 0, "%s", error.text);
        cr_assert(slice_is((struct slice){out.data + 7, out.length - 7}, rendered[i].topic), "%.*s",
            (int)out.length, out.data);
        template_free(&template);
    }
}

/* Renders with out's limit at most; what was there before stays in either case. */
static void fails(
    const char *text, const char *stream, const struct record *record, size_t most, const char *wanted)
{
    struct template *template = compile(text);
    struct error error = {.text = ""};
    cleanup_bytes struct bytes out;

    bytes_init(&out, most);
    cr_assert_eq(bytes_add_text(&out, "before ", &error), 0);
    cr_assert_eq(template_render_topic(template, stream, record, &out, &error), -1, "%s", wanted);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, wanted);
    cr_assert(slice_is(bytes_slice(&out), "before "));
    template_free(&template);
}

static void fails_for_key(struct slice key, const char *wanted)
{
    struct record record = some;

    record.key = key;
    fails("SENSOR_ID_{key}", "readings", &record, 4096, wanted);
}

Test(topic, values_that_no_topic_can_carry_are_named)
{
    fails_for_key(SLICE("a:b"), "key \"a:b\" cannot be part of a topic: " ALLOWED);
    fails_for_key(SLICE("a/b"), "key \"a/b\" cannot be part of a topic: " ALLOWED);
    fails_for_key(SLICE("say \"hi\""), "key \"say \\\"hi\\\"\" cannot be part of a topic: " ALLOWED);
    fails_for_key(SLICE("gr\xc3\xbcn"), "key \"gr\xc3\xbcn\" cannot be part of a topic: " ALLOWED);
    fails_for_key(SLICE("\x1b[31m\n"), "key \"\\x1b[31m\\n\" cannot be part of a topic: " ALLOWED);
    fails_for_key(SLICE("a\0b"), "key \"a\\x00b\" cannot be part of a topic: " ALLOWED);
    fails_for_key(SLICE(""), "key is empty: it cannot be part of a topic");
    fails_for_key((struct slice){NULL, 0}, "key is empty: it cannot be part of a topic");
    fails("{stream}", "my stream", &some, 4096, "stream \"my stream\" cannot be part of a topic: " ALLOWED);
}

Test(topic, a_long_value_is_cut_between_two_characters)
{
    fails_for_key(SLICE("123456789 123456789 123456789 123456789 123456789 123456789 \xc3\xbc"),
        "key \"123456789 123456789 123456789 123456789 123456789 123456789 ...\" cannot be part of a topic: " ALLOWED);
    fails_for_key(SLICE("123456789 123456789 123456789 123456789 123456789 12345678 \xe2\x82\xac"),
        "key \"123456789 123456789 123456789 123456789 123456789 12345678 ...\" cannot be part of a topic: " ALLOWED);
}

Test(topic, labels_are_named)
{
    struct record record = some;

    record.labels[0] = SLICE("a b");
    fails("{key}{host}", "readings", &record, 4096, "label host \"a b\" cannot be part of a topic: " ALLOWED);
    record.labels[0] = SLICE("");
    fails("{key}{host}", "readings", &record, 4096, "label host is empty: it cannot be part of a topic");
    record.labels_count = 1; /* an older record than the rendering */
    fails(
        "{event_type}", "readings", &record, 4096, "label event_type is empty: it cannot be part of a topic");
}

Test(topic, lengths_and_dots_are_judged_when_they_are_known)
{
    char key[TEMPLATE_TOPIC_MAX] = "";
    struct record record = {.key = {key, sizeof key}};
    struct template *template = compile("{key}");
    struct error error;
    cleanup_bytes struct bytes out;

    memset(key, 'k', sizeof key);
    bytes_init(&out, TEMPLATE_TOPIC_MAX);
    cr_assert_eq(template_render_topic(template, "s", &record, &out, &error), 0);
    cr_assert_eq(out.length, TEMPLATE_TOPIC_MAX);
    template_free(&template);
    fails("T{key}", "s", &record, 4096,
        "topic \"Tkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...\" of 250 bytes: Kafka takes at most 249");
    record.key = SLICE(".");
    fails("{key}", "s", &record, 4096, "topic \".\": Kafka takes no topic named \".\" or \"..\"");
    fails(".{key}", "s", &record, 4096, "topic \"..\": Kafka takes no topic named \".\" or \"..\"");
}

Test(topic, a_full_buffer_is_left_as_it_was)
{
    fails("ab{key}", "s", &some, 9, "more than 9 bytes");
}
