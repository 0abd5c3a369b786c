/* topic map: from a topic of MQTT to a stream, its key and its named levels; what is no pattern is in test_topic_compile.c */
#include "topic_harness.h"

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
