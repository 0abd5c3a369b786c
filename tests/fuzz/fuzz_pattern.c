/* Fuzzes what strangers name things (libFuzzer): a byte that says which, then texts with a zero byte behind each. Patterns of files and a path; patterns of MQTT topics
 * and a topic; the name of a file of the lake, which is written in one way only. */
#include <assert.h>
#include <stdio.h>

#include "files/pattern.h"
#include "lake/file_name.h"
#include "route/route.h"
#include "texts.h"

#define TEXT_MAX 1024
#define TOPICS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct error error;

/* ---- files ------------------------------------------------------------------------------------------------------------ */

static void check_file_match(
    const struct file_pattern *pattern, struct slice path, const struct file_match *match)
{
    const char *behind = path.data;

    for (size_t i = 0; i < match->count; i++) {
        const struct slice value = match->captures[i].value;
        assert(value.length && value.data >= behind && value.data + value.length <= path.data + path.length);
        assert(!memchr(value.data, '/', value.length) &&
               file_pattern_captures(pattern, match->captures[i].name));
        behind = value.data + value.length;
    }
    for (size_t i = 0; i < path.length; i++)
        if (path.data[i] == '/')
            assert(file_pattern_enters(pattern, (struct slice){path.data, i}));
    assert(file_pattern_enters(pattern, (struct slice){"", 0}));
}

/* Does it look like a path that somebody walked to? */
static bool is_path(struct slice path)
{
    for (size_t from = 0, at = 0; at <= path.length; at++) {
        if (at < path.length && path.data[at] != '/')
            continue;
        const struct slice name = {path.data + from, at - from};
        if (name.length == 0 || slice_is(name, ".") || slice_is(name, ".."))
            return false;
        from = at + 1;
    }
    return true;
}

static void check_file(struct slice input)
{
    cleanup_file_pattern struct file_pattern *pattern = NULL;
    const struct slice written = texts_take(&input), path = texts_take(&input);
    char text[TEXT_MAX + 1], whole[3 * TEXT_MAX];
    struct file_match match;

    if (written.length > TEXT_MAX || path.length > TEXT_MAX || !is_path(path))
        return;
    memcpy(text, written.data, written.length);
    text[written.length] = '\0';
    if (file_pattern_compile(&pattern, text, &error))
        return;
    const bool matches = file_pattern_match(pattern, path, &match);
    const char *root = file_pattern_root(pattern);
    if (matches)
        check_file_match(pattern, path, &match);
    assert(matches || !file_pattern_takes(pattern, path, NULL));
    snprintf(whole, sizeof whole, "%s%s%.*s", strcmp(root, ".") ? root : "",
        strcmp(root, ".") && strcmp(root, "/") ? "/" : "", (int)path.length, path.data);
    assert(file_pattern_match_whole(pattern, slice_of(whole)) == matches);
}

/* ---- topics ------------------------------------------------------------------------------------------------------------ */

static void check_topic_match(struct slice topic, const struct topic_match *match)
{
    const char *behind = topic.data;

    for (size_t i = 0; i < match->captures_count; i++) {
        const struct slice value = match->captures[i].value;
        assert(
            value.length && value.data >= behind && value.data + value.length <= topic.data + topic.length);
        assert(!memchr(value.data, '/', value.length));
        assert(value.data == topic.data || value.data[-1] == '/');
        behind = value.data + value.length;
        assert(behind == topic.data + topic.length || *behind == '/');
    }
}

static void check_topics(struct slice input)
{
    char sets[TOPICS][TEXT_MAX + 32];
    const char *given[TOPICS];
    struct config *config;
    struct streams *streams;
    struct topic_map *map;
    struct topic_match match;

    for (size_t i = 0; i < TOPICS; i++) {
        const struct slice text = texts_take(&input);
        if (text.length > TEXT_MAX || (text.length && memchr(text.data, '=', text.length)))
            return;
        snprintf(sets[i], sizeof sets[i], "mqtt.topics.%.*s=readings", (int)text.length, text.data);
        given[i] = sets[i];
    }
    const struct slice topic = texts_take(&input);
    const int loaded = config_load(&config, NULL, given, TOPICS);
    if (loaded == 0 && streams_compile(&streams, config, &error) == 0) {
        if (topic_map_compile(&map, config, streams, &error) == 0) {
            if (topic.length && topic.length <= TOPIC_LENGTH_MAX && topic_map_match(map, topic, &match))
                check_topic_match(topic, &match);
            topic_map_free(&map);
        }
        streams_free(&streams);
    }
    config_free(&config);
}

/* ---- the lake's files ----------------------------------------------------------------------------------------------------- */

static void check_lake(struct slice text)
{
    char again[FILE_NAME_SIZE];
    struct file_name parsed;

    if (file_name_parse(text, &parsed))
        return;
    file_name_compose(&parsed, again);
    assert(slice_equal(slice_of(again), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = {(const char *)data + 1, size - 1};

    if (size == 0)
        return 0;
    if (data[0] % 3 == 0)
        check_file(input);
    else if (data[0] % 3 == 1)
        check_topics(input);
    else
        check_lake(input);
    return 0;
}
