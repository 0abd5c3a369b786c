/* topic map: patterns that are none, that match the same topics, that lack what streams ask for */
#include "topic_harness.h"

#define NAMES "no name of a level; allowed in braces: 1 to 64 of the characters a-z 0-9 _, no digit in front"
#define WHOLE "{NAME} stands for a whole level, alone between slashes"
#define WILD "+ and # stand for whole levels, alone between slashes"
#define NAME_64 "a234567890123456789012345678901234567890123456789012345678901234"

static const struct {
    const char *set;
    const char *error; /* behind "--set mqtt.topics.PATTERN: " */
} wrong[] = {
    {"a+=readings", "level 1, 'a+': " WILD},
    {"x/+a/y=readings", "level 2, '+a': " WILD},
    {"++=readings", "level 1, '++': " WILD},
    {"x/a#=readings", "level 2, 'a#': " WILD},
    {"{a}#=readings", "level 1, '{a}#': " WILD},
    {"{+}=readings", "level 1, '{+}': " WILD},
    {"#/a=readings", "level 1, '#': nothing may follow #, which stands for all that does"},
    {"a/#/=readings", "level 2, '#': nothing may follow #, which stands for all that does"},
    {"a/#/#=readings", "level 2, '#': nothing may follow #, which stands for all that does"},
    {"a{b}=readings", "level 1, 'a{b}': " WHOLE},
    {"x/{b}c=readings", "level 2, '{b}c': " WHOLE},
    {"{=readings", "level 1, '{': " WHOLE},
    {"x/}=readings", "level 2, '}': " WHOLE},
    {"{a=readings", "level 1, '{a': " WHOLE},
    {"a}=readings", "level 1, 'a}': " WHOLE},
    {"}a{=readings", "level 1, '}a{': " WHOLE},
    {"{a/b}=readings", "level 1, '{a': " WHOLE},
    {"x/{}=readings", "level 2, '{}': " NAMES},
    {"{Site}=readings", "level 1, '{Site}': " NAMES},
    {"{1a}=readings", "level 1, '{1a}': " NAMES},
    {"{a-b}=readings", "level 1, '{a-b}': " NAMES},
    {"{a b}=readings", "level 1, '{a b}': " NAMES},
    {"{{a}}=readings", "level 1, '{{a}}': " NAMES},
    {"{\xc3\xa4}=readings", "level 1, '{\xc3\xa4}': " NAMES},
    {"{" NAME_64 "5}=readings", "level 1, '{" NAME_64 "5}': " NAMES},
    {"{a}/x/{a}=readings", "level 3, '{a}': two levels of this name"},
    {"{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}=readings",
        "level 17, '{q}': more names; allowed: 16"},
    {"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/#=readings",
        "more levels than allowed: 32"},
    {"a=reading", "found no stream 'reading'; allowed: readings, unorganized; did you mean \"readings\"?"},
    {"a=grid", "found no stream 'grid'; allowed: readings, unorganized"},
    {"a=readings/{key}", "found no stream 'readings/{key}'; allowed: readings, unorganized"},
};

static void assert_errors(struct fixture *f, const char *expected)
{
    cleanup_bytes struct bytes text;
    size_t lines = 0;
    char total[64];

    cr_assert_eq(topic_map_compile(&f->map, f->config, f->streams, &f->error), -1, "instead of %s", expected);
    cr_assert_null(f->map);
    cr_assert_eq(f->error.kind, ERROR_REJECT);
    bytes_init(&text, 64 * 1024);
    cr_assert_eq(config_print_errors(f->config, &text, &(struct error){0}), 0);
    cr_assert(slice_is(bytes_slice(&text), expected), "%.*s\ninstead of\n%s", (int)text.length, text.data,
        expected);
    for (const char *next = expected; *next; next++)
        lines += *next == '\n';
    snprintf(total, sizeof total, "mqtt.topics: %zu errors in the configuration", lines);
    cr_assert_str_eq(f->error.text, total);
    tear_down(f);
}

Test(topic_map, what_is_no_pattern_says_why)
{
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char set[256], expected[512];
        const char *sets[] = {set};
        struct fixture f;

        snprintf(set, sizeof set, "mqtt.topics.%s", wrong[i].set);
        snprintf(expected, sizeof expected, "--set mqtt.topics.%.*s: %s\n", (int)strcspn(wrong[i].set, "="),
            wrong[i].set, wrong[i].error);
        load(&f, sets, 1);
        assert_errors(&f, expected);
    }
}

Test(topic_map, an_empty_pattern_is_none)
{
    static struct config_pair pairs[] = {{"", "readings"}};
    struct fixture f;

    load(&f, NULL, 0);
    f.config->mqtt.topics = (struct config_map){pairs, 1};
    assert_errors(&f, "default of mqtt.topics.: an empty pattern; no topic is empty\n");
}

/* Pairs of patterns that match the same topics. */
static const char *const equals[][2] = {
    {"a/{x}", "a/{y}"},
    {"{x}", "{y}"},
    {"{x}/#", "{y}/#"},
    {"a/{x}/+/{y}/#", "a/{y}/+/{x}/#"},
    {"{x}", "+"}, /* one level alone is never empty */
    {"+", "{x}"},
    {"#", "+/#"}, /* there is always a first level */
    {"+/#", "#"},
    {"/#", "/+/#"}, /* nor does a topic end behind an empty first level */
    {"/+/#", "/#"},
};

Test(topic_map, two_patterns_of_the_same_topics_are_named)
{
    for (size_t i = 0; i < COUNT(equals); i++) {
        char first[64], second[64], expected[256];
        const char *sets[] = {first, "mqtt.topics.between/x=readings", second};
        struct fixture f;

        snprintf(first, sizeof first, "mqtt.topics.%s=readings", equals[i][0]);
        snprintf(second, sizeof second, "mqtt.topics.%s=unorganized", equals[i][1]);
        snprintf(expected, sizeof expected, "--set mqtt.topics.%s: matches the same topics as '%s'\n",
            equals[i][1], equals[i][0]);
        load(&f, sets, COUNT(sets));
        assert_errors(&f, expected);
    }
}

Test(topic_map, almost_the_same_is_not_the_same)
{
    static const char *const sets[] = {"mqtt.topics.a/{x}=readings", "mqtt.topics.a/+=readings",
        "mqtt.topics.a/#=readings", "mqtt.topics.a/+/#=readings", "mqtt.topics.a/{x}/#=readings",
        "mqtt.topics.a=readings", "mqtt.topics.a/=readings", "mqtt.topics.{x}/#=readings",
        "mqtt.topics.+/#=readings", "mqtt.topics.+=readings"};
    struct fixture f;

    set_up(&f, sets, COUNT(sets));
    tear_down(&f);
}

Test(topic_map, everything_wrong_is_reported)
{
    static const char *const sets[] = {
        "streams.s.key=topic:none", /* judged only when all patterns are right */
        "mqtt.topics.a=s",
        "mqtt.topics.b+=nowhere",
        "mqtt.topics.c/{x}=s",
        "mqtt.topics.c/{y}=nothing",
    };
    struct fixture f;

    load(&f, sets, COUNT(sets));
    assert_errors(&f,
        "--set mqtt.topics.b+: level 1, 'b+': " WILD "\n"
        "--set mqtt.topics.b+: found no stream 'nowhere'; allowed: readings, unorganized, s\n"
        "--set mqtt.topics.c/{y}: matches the same topics as 'c/{x}'\n"
        "--set mqtt.topics.c/{y}: found no stream 'nothing'; allowed: readings, unorganized, s\n");
}

Test(topic_map, of_many_streams_a_message_names_some)
{
    static char sets_text[20][64];
    static const char *sets[21] = {"mqtt.topics.a=x"};
    struct fixture f;

    for (size_t i = 0; i < COUNT(sets_text); i++) {
        snprintf(sets_text[i], sizeof sets_text[i], "streams.a_stream_%zu.format=text", 10 + i);
        sets[1 + i] = sets_text[i];
    }
    load(&f, sets, COUNT(sets));
    assert_errors(&f,
        "--set mqtt.topics.a: found no stream 'x'; allowed: readings, unorganized, a_stream_10, "
        "a_stream_11, a_stream_12, a_stream_13, a_stream_14, a_stream_15, a_stream_16, a_stream_17, "
        "a_stream_18, a_stream_19, a_stream_20, a_stream_21, a_stream_22, a_stream_23, a_stream_24, "
        "a_stream_25, a_stream_26, ...\n");
}

/* ---- what the streams want of the topics ---------------------------------------------------------------------- */

static const struct {
    const char *sets[8];
    const char *errors; /* NULL: none */
} wishes[] = {
    {{"streams.s.key=topic:device", "mqtt.topics.a/{device}=s"}, NULL},
    {{"streams.s.key=topic:device", "mqtt.topics.a/{key}=s", "mqtt.topics.b/{device}=s"}, NULL},
    {{"streams.s.key=topic:device"},
        "--set streams.s.key: 'topic:device': no pattern of mqtt.topics leads to stream s\n"},
    {{"streams.s.key=topic:device", "mqtt.topics.a/{devise}=s"},
        "--set streams.s.key: 'topic:device': mqtt.topics leads here by 'a/{devise}', with no level {device}\n"},
    {{"streams.s.key=topic:device", "mqtt.topics.a/{device}=s", "mqtt.topics.b/+=s",
         "mqtt.topics.c/+=readings", "mqtt.topics.d/{devise}=s"},
        "--set streams.s.key: 'topic:device': mqtt.topics leads here by 'b/+', 'd/{devise}', with no level {device}\n"},
    {{"streams.s.key=mqtt:client_id", "streams.s.dedupe.sequence=topic:n", "mqtt.topics.a/{n}=s"}, NULL},
    {{"streams.s.key=mqtt:client_id", "streams.s.dedupe.sequence=topic:n", "mqtt.topics.a/{n}=s",
         "mqtt.topics.b/+=s"},
        "--set streams.s.dedupe.sequence: 'topic:n': mqtt.topics leads here by 'b/+', with no level {n}\n"},
    {{"streams.s.labels.site=topic:site", "mqtt.topics.a/{site}=s", "mqtt.topics.b/+=s"}, NULL},
    {{"streams.s.labels.site=topic:site", "mqtt.topics.a/{side}=s", "mqtt.topics.b/+=s", "mqtt.topics.c=s",
         "mqtt.topics.d=s", "mqtt.topics.e=s", "mqtt.topics.x/{site}=readings"},
        "--set streams.s.labels.site: 'topic:site': mqtt.topics leads here by 'a/{side}', 'b/+', 'c' and 2 more, "
        "with no level {site}\n"},
    {{"streams.s.labels.one=topic:one", "streams.s.labels.two=topic:two",
         "streams.s.labels.id=mqtt:client_id", "mqtt.topics.{two}=s"},
        "--set streams.s.labels.one: 'topic:one': mqtt.topics leads here by '{two}', with no level {one}\n"},
    {{"streams.readings.labels.id=topic:sensor_id"}, NULL},
    {{"streams.readings.labels.site=topic:site"},
        "--set streams.readings.labels.site: 'topic:site': mqtt.topics leads here by 'readings/{sensor_id}', with no "
        "level {site}\n"},
    {{"streams.s.key=path:key", "mqtt.topics.a/{sensor}=s", "mqtt.topics.b/{key}=s"},
        "--set mqtt.topics.a/{sensor}: stream s finds its keys in the URL, and no message has one; call the level "
        "that is the key {key}\n"},
    {{"streams.s.key=query:id", "mqtt.topics.a/#=s"},
        "--set mqtt.topics.a/#: stream s finds its keys in the URL, and no message has one; call the level that is "
        "the key {key}\n"},
    {{"streams.s.key=header:id", "mqtt.topics.a/#=s"}, NULL},
    {{"streams.s.key=mqtt:client_id", "mqtt.topics.a/#=s"}, NULL},
};

Test(topic_map, streams_get_the_levels_that_they_ask_for)
{
    for (size_t i = 0; i < COUNT(wishes); i++) {
        struct fixture f;
        size_t count = 0;

        while (wishes[i].sets[count])
            count++;
        load(&f, wishes[i].sets, count);
        if (wishes[i].errors) {
            assert_errors(&f, wishes[i].errors);
            continue;
        }
        cr_assert_eq(topic_map_compile(&f.map, f.config, f.streams, &f.error), 0, "case %zu", i);
        tear_down(&f);
    }
}

/* A stream that nothing takes is not there any more; its configuration still is. */
Test(topic_map, dropped_streams_want_nothing)
{
    static const char *const sets[] = {"streams.readings.labels.site=topic:site"};
    struct fixture f;

    load(&f, sets, COUNT(sets));
    streams_drop(f.streams, 0);
    cr_assert_eq(topic_map_compile(&f.map, f.config, f.streams, &f.error), 0);
    tear_down(&f);
}

/* Patterns are judged also while the streams are wrong: one run shows all errors. */
Test(topic_map, without_streams_the_patterns_are_judged)
{
    static const char *const sets[] = {
        "streams.s.key=topic:none", "mqtt.topics.a+=nowhere", "mqtt.topics.b=nowhere", "mqtt.topics.c=s"};
    struct fixture f;

    load(&f, sets, COUNT(sets));
    streams_free(&f.streams);
    assert_errors(&f, "--set mqtt.topics.a+: level 1, 'a+': " WILD "\n");
    load(&f, NULL, 0);
    streams_free(&f.streams);
    cr_assert_eq(topic_map_compile(&f.map, f.config, NULL, &f.error), -1);
    cr_assert_str_eq(f.error.text, "mqtt.topics: no streams to lead to");
    cr_assert_eq(config_errors(f.config), 0);
    tear_down(&f);
}
