/* topic map: from a topic of MQTT to a stream, its key and its named levels; and what is no pattern */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/option.h"
#include "route/route.h"

#define COUNT(array) (sizeof array / sizeof *array)

struct fixture {
    struct config *config;
    struct streams *streams;
    struct topic_map *map;
    struct error error;
    struct topic_match match;
};

static void load(struct fixture *f, const char *const *sets, size_t count)
{
    cleanup_bytes struct bytes text;

    *f = (struct fixture){0};
    bytes_init(&text, 64 * 1024);
    config_load(&f->config, NULL, sets, count);
    cr_assert_eq(config_print_errors(f->config, &text, &f->error), 0);
    cr_assert_eq(config_errors(f->config), 0, "%.*s", (int)text.length, text.data);
    cr_assert_eq(streams_compile(&f->streams, f->config, &f->error), 0, "%s", f->error.text);
}

static void set_up(struct fixture *f, const char *const *sets, size_t count)
{
    load(f, sets, count);
    cr_assert_eq(topic_map_compile(&f->map, f->config, f->streams, &f->error), 0, "%s", f->error.text);
}

static void tear_down(struct fixture *f)
{
    topic_map_free(&f->map);
    cr_assert_null(f->map);
    topic_map_free(&f->map);
    streams_free(&f->streams);
    config_free(&f->config);
}

static bool match(struct fixture *f, const char *topic)
{
    memset(&f->match, 0xab, sizeof f->match); /* what is not set must not be looked at */
    return topic_map_match(f->map, slice_of(topic), &f->match);
}

static void assert_match(struct fixture *f, const char *topic, const char *pattern)
{
    bool found = match(f, topic);

    cr_assert_eq(found, pattern != NULL, "%s", topic);
    if (pattern)
        cr_assert_str_eq(
            f->match.pattern, pattern, "%s goes to %s instead of %s", topic, f->match.pattern, pattern);
}

/* ---- what is without a configuration ------------------------------------------------------------------------- */

Test(topic_map, default_leads_to_readings)
{
    struct fixture f;

    set_up(&f, NULL, 0);
    cr_assert(match(&f, "readings/SENSOR_0042"));
    cr_assert_eq(f.match.stream, streams_find(f.streams, slice_of("readings")));
    cr_assert_str_eq(f.match.pattern, "readings/{sensor_id}");
    cr_assert(slice_is(f.match.key, "SENSOR_0042"));
    cr_assert_eq(f.match.captures_count, 1);
    cr_assert_str_eq(f.match.captures[0].name, "sensor_id");
    cr_assert(slice_is(f.match.captures[0].value, "SENSOR_0042"));
    cr_assert_not(match(&f, "readings"));
    cr_assert_not(match(&f, "readings/"));
    cr_assert_not(match(&f, "readings/a/b"));
    cr_assert_not(match(&f, "/readings/a"));
    cr_assert_not(match(&f, "unorganized/a"));
    cr_assert_not(match(&f, "Readings/a"));
    cr_assert_not(topic_map_match(f.map, (struct slice){NULL, 0}, &f.match));
    tear_down(&f);
}

Test(topic_map, default_needs_the_stream)
{
    struct fixture f;

    load(&f, NULL, 0);
    streams_drop(f.streams, 0);
    cr_assert_null(streams_find(f.streams, slice_of("readings")));
    cr_assert_eq(topic_map_compile(&f.map, f.config, f.streams, &f.error), 0);
    cr_assert_not(match(&f, "readings/a"));
    cr_assert_not(match(&f, "readings"));
    tear_down(&f);
}

Test(topic_map, a_pattern_of_ones_own_replaces_the_default)
{
    struct fixture f;
    static const char *const sets[] = {"mqtt.topics.grid/{sensor_id}/wattage=readings"};

    set_up(&f, sets, COUNT(sets));
    assert_match(&f, "grid/7/wattage", "grid/{sensor_id}/wattage");
    cr_assert(slice_is(f.match.key, "7"));
    assert_match(&f, "readings/7", NULL);
    tear_down(&f);
}

/* ---- which pattern -------------------------------------------------------------------------------------------- */

static const char *const levels[] = {
    "mqtt.topics.a/b=unorganized",
    "mqtt.topics.a/{x}=unorganized",
    "mqtt.topics.a/+=unorganized",
    "mqtt.topics.a/#=unorganized",
    "mqtt.topics.a/b/#=unorganized",
    "mqtt.topics.a/{x}/c/d=unorganized",
    "mqtt.topics.a/b/c/e=unorganized",
    "mqtt.topics.+/b/c/d/f=unorganized",
    "mqtt.topics.{one}=unorganized",
    "mqtt.topics.{one}/{two}/{three}=unorganized",
    "mqtt.topics.$SYS/broker/+=unorganized",
    "mqtt.topics.//=unorganized",
    "mqtt.topics.empty//level=unorganized",
    "mqtt.topics.+/#=unorganized",
};

static const struct {
    const char *topic;
    const char *pattern; /* NULL: none */
} wanted[] = {
    {"a", "a/#"}, /* more specific at its first level than {one} */
    {"b", "{one}"},
    {"a/b", "a/b"},
    {"a/x", "a/{x}"},
    {"a/", "a/+"}, /* no name stands for an empty level */
    {"a/b/c", "a/b/#"},
    {"a/b/c/e", "a/b/c/e"},
    {"a/b/c/d", "a/b/#"}, /* not a/{x}/c/d: they differ at the second level */
    {"a/x/c/d", "a/{x}/c/d"},
    {"a/x/c/e", "a/#"},
    {"a/x/c", "a/#"},
    {"a//c/d", "a/#"},
    {"a/b/c/d/f", "a/b/#"},
    {"x/b/c/d/f", "+/b/c/d/f"},
    {"/b/c/d/f", "+/b/c/d/f"},
    {"x/b/c/d", "+/#"},
    {"x/y/z", "{one}/{two}/{three}"},
    {"x//z", "+/#"},
    {"x/y/", "+/#"},
    {"/y/z", "+/#"},
    {"//", "//"},
    {"/", "+/#"},
    {"///", "+/#"},
    {"empty//level", "empty//level"},
    {"empty/x/level", "{one}/{two}/{three}"},
    {"$SYS/broker/uptime", "$SYS/broker/+"},
    {"$SYS/broker/", "$SYS/broker/+"},
    {"$SYS/broker", NULL}, /* neither +, # nor {one} stands for a first level with a $ */
    {"$SYS", NULL},
    {"$", NULL},
    {"$x/y/z", NULL},
    {"a/$x", "a/{x}"}, /* further down it is a character like any other */
    {"A/b", "+/#"},
    {"a/B", "a/{x}"},
    {"aa/b", "+/#"},
    {"a/b ", "a/{x}"},
    {"gr\xc3\xbc\xc3\x9f"
     "e",
        "{one}"},
};

Test(topic_map, the_most_specific_pattern_wins)
{
    struct fixture f;

    set_up(&f, levels, COUNT(levels));
    for (size_t i = 0; i < COUNT(wanted); i++)
        assert_match(&f, wanted[i].topic, wanted[i].pattern);
    tear_down(&f);
}

Test(topic_map, the_order_of_the_patterns_does_not_matter)
{
    const char *reversed[COUNT(levels)];
    struct fixture f;

    for (size_t i = 0; i < COUNT(levels); i++)
        reversed[i] = levels[COUNT(levels) - 1 - i];
    set_up(&f, reversed, COUNT(reversed));
    for (size_t i = 0; i < COUNT(wanted); i++)
        assert_match(&f, wanted[i].topic, wanted[i].pattern);
    tear_down(&f);
}

Test(topic_map, a_lone_hash_takes_all_but_reserved_topics)
{
    static const char *const sets[] = {"mqtt.topics.#=unorganized", "mqtt.topics.$SYS/#=readings"};
    struct fixture f;

    set_up(&f, sets, COUNT(sets));
    assert_match(&f, "a", "#");
    assert_match(&f, "/", "#");
    assert_match(&f, "a/b/c", "#");
    assert_match(&f, "$SYS", "$SYS/#");
    assert_match(&f, "$SYS/a/b", "$SYS/#");
    assert_match(&f, "$other", NULL);
    cr_assert_eq(f.match.captures_count, (size_t)0xabababababababab);
    tear_down(&f);
}

/* Longer topics than any pattern, up to the longest that MQTT has. */
Test(topic_map, topics_may_have_any_number_of_levels)
{
    static const char *const sets[] = {"mqtt.topics.a/{x}/#=unorganized", "mqtt.topics.b/+=unorganized",
        "mqtt.topics.1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32=readings",
        "mqtt.topics.2/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/{last}/#=readings"};
    static const char deepest[] =
        "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32";
    char topic[TOPIC_LENGTH_MAX];
    char deep[sizeof deepest + 8];
    struct fixture f;

    set_up(&f, sets, COUNT(sets));
    memset(topic, '/', sizeof topic);
    memcpy(topic, "a/x", 3);
    cr_assert(topic_map_match(f.map, (struct slice){topic, sizeof topic}, &f.match));
    cr_assert_str_eq(f.match.pattern, "a/{x}/#");
    cr_assert(slice_is(f.match.captures[0].value, "x"));
    topic[0] = 'b';
    cr_assert_not(topic_map_match(f.map, (struct slice){topic, sizeof topic}, &f.match));
    memset(topic + 2, 'y', sizeof topic - 2);
    cr_assert(topic_map_match(f.map, (struct slice){topic, sizeof topic}, &f.match));
    cr_assert_str_eq(f.match.pattern, "b/+");
    topic[0] = 'a';
    cr_assert(topic_map_match(f.map, (struct slice){topic, sizeof topic}, &f.match));
    cr_assert_eq(f.match.captures[0].value.length, sizeof topic - 2);
    cr_assert(match(&f, deepest));
    snprintf(deep, sizeof deep, "%s/33", deepest);
    cr_assert_not(match(&f, deep));
    deep[0] = '2';
    cr_assert(match(&f, deep));
    cr_assert(slice_is(f.match.captures[0].value, "31"));
    cr_assert_not(topic_map_match(f.map, (struct slice){deepest, sizeof deepest - 4}, &f.match));
    tear_down(&f);
}

Test(topic_map, as_many_patterns_as_the_configuration_takes)
{
    char texts[OPTION_TOPICS_MAX][64];
    const char *sets[OPTION_TOPICS_MAX];
    struct fixture f;
    char topic[64], pattern[64];

    for (size_t i = 0; i < COUNT(sets); i++) {
        snprintf(texts[i], sizeof texts[i], "mqtt.topics.site/%zu/{sensor_id}=readings", i * 7919 % 1009);
        sets[i] = texts[i];
    }
    set_up(&f, sets, COUNT(sets));
    for (size_t i = 0; i < COUNT(sets); i++) {
        snprintf(topic, sizeof topic, "site/%zu/S%zu", i * 7919 % 1009, i);
        snprintf(pattern, sizeof pattern, "site/%zu/{sensor_id}", i * 7919 % 1009);
        assert_match(&f, topic, pattern);
        cr_assert(slice_is(f.match.key, strrchr(topic, '/') + 1));
    }
    assert_match(&f, "site/2000/S", NULL);
    tear_down(&f);
}

/* ---- captures and keys ---------------------------------------------------------------------------------------- */

static const char *const keyed[] = {
    "streams.pointed.key=/meta/sensor_id",
    "streams.plain.format=text",
    "streams.by_topic.key=topic:device",
    "streams.by_topic.labels.site=topic:site",
    "streams.by_header.key=header:Device",
    "streams.by_url.key=path:key",
    "mqtt.topics.1/{site}/{sensor_id}=pointed",
    "mqtt.topics.2/{sensor_id}/{key}=pointed",
    "mqtt.topics.3/{meta}/{sensor}=pointed",
    "mqtt.topics.4/{sensor_id}=plain",
    "mqtt.topics.5/{key}=plain",
    "mqtt.topics.6/{device}/{site}=by_topic",
    "mqtt.topics.7/{device}/{key}=by_topic",
    "mqtt.topics.8/{key}=by_topic",
    "mqtt.topics.9/{device}=by_header",
    "mqtt.topics.10/{key}=by_header",
    "mqtt.topics.11/{key}=by_url",
};

static const struct {
    const char *topic;
    const char *stream;
    const char *key; /* NULL: the topic says none */
} keys[] = {
    {"1/north/S1", "pointed", "S1"}, /* the pointer's last token */
    {"2/S1/K", "pointed", "K"}, /* {key} before it */
    {"3/m/S1", "pointed", NULL},
    {"4/S1", "plain", NULL},
    {"5/S1", "plain", "S1"},
    {"6/D1/north", "by_topic", NULL}, /* the stream's selector finds it */
    {"7/D1/K", "by_topic", NULL},
    {"8/K", "by_topic", "K"},
    {"9/D1", "by_header", NULL},
    {"10/K", "by_header", "K"},
    {"11/K", "by_url", "K"},
};

Test(topic_map, a_level_may_be_the_key)
{
    struct fixture f;

    set_up(&f, keyed, COUNT(keyed));
    for (size_t i = 0; i < COUNT(keys); i++) {
        cr_assert(match(&f, keys[i].topic), "%s", keys[i].topic);
        cr_assert_str_eq(f.match.stream->name, keys[i].stream);
        cr_assert_eq(f.match.key.data != NULL, keys[i].key != NULL, "%s", keys[i].topic);
        cr_assert(slice_is(f.match.key, keys[i].key ? keys[i].key : ""), "%s", keys[i].topic);
    }
    tear_down(&f);
}

Test(topic_map, captures_stand_in_the_order_of_the_levels)
{
    static const char *const sets[] = {
        "mqtt.topics.{a}/x/{b_2}/+/{_c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/#=unorganized"};
    static const char topic[] = "A/x/B/skipped/C/D/E/F/G/H/I/J/K/L/M/N/O/P/Q";
    static const char names[TOPIC_CAPTURES_MAX][4] = {
        "a", "b_2", "_c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"};
    struct fixture f;

    set_up(&f, sets, COUNT(sets));
    cr_assert(match(&f, topic));
    cr_assert_eq(f.match.captures_count, TOPIC_CAPTURES_MAX);
    for (size_t i = 0; i < TOPIC_CAPTURES_MAX; i++) {
        const char value[] = {(char)('A' + i), '\0'};
        cr_assert_str_eq(f.match.captures[i].name, names[i]);
        cr_assert(slice_is(f.match.captures[i].value, value), "%zu", i);
    }
    cr_assert_eq(f.match.key.data, NULL);
    tear_down(&f);
}

/* ---- what is wrong -------------------------------------------------------------------------------------------- */

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
