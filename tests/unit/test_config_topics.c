/* config: mqtt.topics, a map whose names are patterns with slashes, dots and braces */
#include <criterion/criterion.h>

#include "base/option.h"
#include "config_harness.h"

TestSuite(config_topics, .init = config_harness_enter, .fini = config_harness_leave);

#define NAME \
    "found a topic pattern of this name; allowed: 1 to 128 bytes of UTF-8 without control characters\n"
#define STREAM "allowed: up to 256 of TOPIC PATTERN: a stream\n"
#define BYTES_128                                                      \
    "{a23456789012345678901234567890123456789012345678901234567890b}/" \
    "a234567890123456789012345678901234567890123456789012345678/\xc3\xa4/+/"

static void assert_pair(const struct config *config, size_t index, const char *name, const char *value)
{
    const struct config_map *map = &config->mqtt.topics;

    cr_assert_lt(index, map->count, "%s", name);
    cr_assert_str_eq(map->items[index].name, name);
    cr_assert_str_eq(map->items[index].value, value);
}

Test(config_topics, none_by_default)
{
    struct config *config = config_harness_load("mqtt: {topics: {}}\n");

    config_harness_expect_none(config);
    cr_assert_eq(config->mqtt.topics.count, 0);
    config_free(&config);
}

static const char *const patterns[] = {"grid/{sensor_id}/wattage", "spBv1.0/{group}/DDATA/#", "#", "+",
    "/lead.ing//.", "a: b", "$SYS/x",
    "gr\xc3\xbc\xc3\x9f"
    "e/\xe2\x82\xac",
    "site=7/x", BYTES_128};

Test(config_topics, a_file_names_patterns)
{
    struct config *config = config_harness_load("mqtt:\n"
                                                "  topics:\n"
                                                "    \"grid/{sensor_id}/wattage\": readings\n"
                                                "    spBv1.0/{group}/DDATA/#: a\n"
                                                "    \"#\": b\n"
                                                "    +: c\n"
                                                "    /lead.ing//.: d\n"
                                                "    \"a: b\": e\n"
                                                "    $SYS/x: f\n"
                                                "    gr\xc3\xbc\xc3\x9f"
                                                "e/\xe2\x82\xac: g\n"
                                                "    site=7/x: h\n"
                                                "    \"" BYTES_128 "\": i\n");

    config_harness_expect_none(config);
    cr_assert_eq(config->mqtt.topics.count, COUNT(patterns));
    assert_pair(config, 0, patterns[0], "readings");
    for (size_t i = 1; i < COUNT(patterns); i++) {
        const char stream[] = {(char)('a' + i - 1), '\0'};
        assert_pair(config, i, patterns[i], stream);
    }
    config_free(&config);
}

Test(config_topics, a_set_names_one_pattern)
{
    static const char *const sets[] = {"mqtt.topics.grid/{sensor_id}/wattage=readings",
        "mqtt.topics.spBv1.0/{group}/DDATA/#=a", "mqtt.topics.#=b", "mqtt.topics.a.b/c.d.=e",
        "mqtt.topics.old=new", "mqtt.topics.last/{x}=unorganized"};
    static const char text[] = "mqtt: {topics: {old: old, kept: kept}}\n";
    struct config *config;

    config_harness_write(text, sizeof text - 1);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    config_harness_expect_none(config);
    cr_assert_eq(config->mqtt.topics.count, 7);
    assert_pair(config, 0, "old", "new");
    assert_pair(config, 1, "kept", "kept");
    assert_pair(config, 2, "grid/{sensor_id}/wattage", "readings");
    assert_pair(config, 3, "spBv1.0/{group}/DDATA/#", "a");
    assert_pair(config, 4, "#", "b");
    assert_pair(config, 5, "a.b/c.d.", "e");
    assert_pair(config, 6, "last/{x}", "unorganized");
    config_free(&config);
}

Test(config_topics, a_set_replaces_them_all)
{
    static const char *const sets[] = {"mqtt.topics={\"site=7/{x}\": a, \"b/{y}/#\": b}"};
    static const char text[] = "mqtt: {topics: {old: old}}\n";
    struct config *config;

    config_harness_write(text, sizeof text - 1);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    config_harness_expect_none(config);
    cr_assert_eq(config->mqtt.topics.count, 2);
    assert_pair(config, 0, "site=7/{x}", "a");
    assert_pair(config, 1, "b/{y}/#", "b");
    config_free(&config);
}

Test(config_topics, what_is_printed_is_read_as_the_same)
{
    static char stream[] = "readings";
    struct config *config, *again;
    struct error error;
    cleanup_bytes struct bytes text;

    config_load(&config, NULL, NULL, 0);
    for (size_t i = 0; i < COUNT(patterns); i++)
        config->mqtt.topics.items[config->mqtt.topics.count++] =
            (struct config_pair){(char *)(uintptr_t)patterns[i], stream};
    bytes_init(&text, 1 << 20);
    cr_assert_eq(config_print(config, &text, &error), 0);
    config_harness_write(text.data, text.length);
    cr_assert_eq(config_load(&again, FILE_NAME, NULL, 0), 0);
    config_harness_expect_none(again);
    cr_assert_eq(again->mqtt.topics.count, COUNT(patterns));
    for (size_t i = 0; i < COUNT(patterns); i++)
        assert_pair(again, i, patterns[i], "readings");
    config_free(&again);
    config_free(&config);
}

static const struct {
    const char *text;
    const char *errors;
} wrong_files[] = {
    {"mqtt: {topics: {\"\": a, \"a\\tb\": b, \"a\\x85b\": c, \"a\\x7f\": d}}\n",
        "p.yaml:1:17: mqtt.topics.: " NAME "p.yaml:1:24: mqtt.topics.a\\x09b: " NAME
        "p.yaml:1:35: mqtt.topics.a\\xC2\\x85b: " NAME "p.yaml:1:48: mqtt.topics.a\\x7F: " NAME},
    {"mqtt: {topics: {\"" BYTES_128 "x\": a}}\n", "p.yaml:1:17: mqtt.topics." BYTES_128 "x: " NAME},
    {"mqtt: {topics: {a/b: \"\", c: [d], e: }}\n", "p.yaml:1:22: mqtt.topics.a/b: found \"\"; " STREAM
                                                   "p.yaml:1:29: mqtt.topics.c: found a list; " STREAM
                                                   "p.yaml:1:37: mqtt.topics.e: found nothing; " STREAM},
    {"mqtt: {topics: {a/+: b, c: d, a/+: e}}\n",
        "p.yaml:1:31: mqtt.topics.a/+: found twice, first at line 1, column 17; allowed: once\n"},
    {"mqtt: {topics: [a]}\n", "p.yaml:1:16: mqtt.topics: found a list; " STREAM},
};

Test(config_topics, wrong_files)
{
    for (size_t i = 0; i < COUNT(wrong_files); i++)
        config_harness_expect_errors(config_harness_load(wrong_files[i].text), wrong_files[i].errors);
}

Test(config_topics, wrong_sets)
{
    config_harness_expect_errors(
        config_harness_load_set("mqtt.topics.a\xff=b"), "--set mqtt.topics.a\\xFF: " NAME);
    config_harness_expect_errors(
        config_harness_load_set("mqtt.topics.a="), "--set mqtt.topics.a: found \"\"; " STREAM);
    config_harness_expect_errors(
        config_harness_load_set("mqtt.topics=readings"), "--set mqtt.topics: found a text; " STREAM);
}

Test(config_topics, so_many)
{
    static const char *const sets[] = {"mqtt.topics.site/0/{x}=again", "mqtt.topics.one/more=readings"};
    struct error error;
    struct config *config;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 65536);
    cr_assert_eq(bytes_add_text(&text, "mqtt:\n  topics:\n", &error), 0);
    for (int i = 0; i < OPTION_TOPICS_MAX; i++)
        cr_assert_eq(bytes_print(&text, &error, "    \"site/%d/{x}\": readings\n", i), 0);
    config_harness_write(text.data, text.length);
    cr_assert_eq(config_load(&config, FILE_NAME, NULL, 0), 0);
    config_harness_expect_none(config);
    cr_assert_eq(config->mqtt.topics.count, OPTION_TOPICS_MAX);
    config_free(&config);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    config_harness_expect_errors(
        config, "--set mqtt.topics.one/more: found one topic pattern more; allowed: 256\n");
}
