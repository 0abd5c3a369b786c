/* topic_compile: from mqtt.topics to the tree of its patterns; see route.h */
#include <assert.h>
#include <stdlib.h>

#include "base/option.h"
#include "route/selector.h"
#include "route/topic_map.h"

#define TOPIC_LISTED_MAX 3 /* patterns that a message names */
#define TOPIC_STREAMS_MAX 240 /* bytes of names of streams in a message */

/* What an empty mqtt.topics means. */
static const struct config_pair topic_default = {"readings/{sensor_id}", "readings"};

/* What is wrong goes to the config and compiling goes on, so that one run shows all of it; `wrong` counts. */
struct topic_compiler {
    struct topic_map *map;
    struct config *config;
    const struct streams *streams;
    size_t wrong;
};

static void topic_report(struct topic_compiler *compiler, const void *field, const struct error *error)
{
    config_report(compiler->config, field, "%s", error->text);
    compiler->wrong++;
}

/* Compiling happens once, before anything is accepted: without these few bytes the start ends here. */
static void *topic_allocated(void *memory)
{
    assert(memory);
    return memory;
}

/* ---- one level --------------------------------------------------------------------------------------------- */

static bool topic_holds(struct slice level, const char *characters)
{
    for (size_t i = 0; i < level.length; i++) {
        if (strchr(characters, level.data[i]))
            return true;
    }
    return false;
}

static int topic_level_kind(struct slice level, bool last, enum topic_kind *ret_kind, struct error *error)
{
    const struct slice name = {level.data + 1, level.length > 2 ? level.length - 2 : 0};
    enum topic_kind kind = TOPIC_TEXT;

    if (slice_is(level, "#"))
        kind = TOPIC_REST;
    else if (slice_is(level, "+"))
        kind = TOPIC_PLUS;
    else if (topic_holds(level, "+#"))
        return error_set(error, ERROR_REJECT, "+ and # stand for whole levels, alone between slashes");
    else if (topic_holds(level, "{}"))
        kind = TOPIC_NAME;
    if (kind == TOPIC_REST && !last)
        return error_set(error, ERROR_REJECT, "nothing may follow #, which stands for all that does");
    if (kind == TOPIC_NAME && (level.data[0] != '{' || level.data[level.length - 1] != '}'))
        return error_set(error, ERROR_REJECT, "{NAME} stands for a whole level, alone between slashes");
    if (kind == TOPIC_NAME && !selector_is_level(name))
        return error_set(
            error, ERROR_REJECT, "no name of a level; allowed in braces: " SELECTOR_LEVEL_ALLOWED);
    *ret_kind = kind;
    return 0;
}

static int topic_add_capture(
    struct topic_pattern *pattern, struct slice level, size_t depth, struct error *error)
{
    char *name = pattern->names + (level.data - pattern->text) + 1;

    if (pattern->captures_count == TOPIC_CAPTURES_MAX)
        return error_set(error, ERROR_REJECT, "more names; allowed: %d", TOPIC_CAPTURES_MAX);
    name[level.length - 2] = '\0';
    for (size_t i = 0; i < pattern->captures_count; i++) {
        if (strcmp(pattern->captures[i].name, name) == 0)
            return error_set(error, ERROR_REJECT, "two levels of this name");
    }
    pattern->captures[pattern->captures_count++] = (struct topic_capture){name, depth};
    return 0;
}

static struct topic_node *topic_add_node(
    struct topic_map *map, struct topic_node *parent, enum topic_kind kind, struct slice text)
{
    struct topic_node *node = &map->nodes[map->nodes_count++];

    *node = (struct topic_node){.parent = parent, .kind = kind, .text = text};
    return node;
}

/* The node that the level leads to, made if need be. */
static struct topic_node *topic_enter(
    struct topic_map *map, struct topic_node *node, enum topic_kind kind, struct slice level)
{
    struct topic_node **any = kind == TOPIC_NAME ? &node->name : &node->plus;
    struct topic_node *next;
    size_t place;

    if (kind != TOPIC_TEXT) {
        if (!*any)
            *any = topic_add_node(map, node, kind, level);
        return *any;
    }
    next = topic_find_text(node, level, &place);
    if (next)
        return next;
    next = topic_add_node(map, node, kind, level);
    node->texts = topic_allocated(realloc(node->texts, (node->texts_count + 1) * sizeof *node->texts));
    memmove(node->texts + place + 1, node->texts + place, (node->texts_count - place) * sizeof *node->texts);
    node->texts[place] = next;
    node->texts_count++;
    return next;
}

/* ---- one pattern ------------------------------------------------------------------------------------------- */

/* Where the pattern ends in the tree. */
static int topic_add_levels(struct topic_map *map, struct topic_pattern *pattern,
    struct topic_pattern ***ret_end, struct error *error)
{
    struct topic_node *node = map->nodes;
    const char *start = pattern->text;

    for (size_t depth = 0; depth < TOPIC_LEVELS_MAX; depth++) {
        struct slice level = {start, strcspn(start, "/")};
        bool last = start[level.length] == '\0';
        enum topic_kind kind = TOPIC_TEXT;
        if (topic_level_kind(level, last, &kind, error) ||
            (kind == TOPIC_NAME && topic_add_capture(pattern, level, depth, error)))
            return error_wrap(error, "level %zu, '%.*s'", depth + 1, (int)level.length, level.data);
        if (kind != TOPIC_REST)
            node = topic_enter(map, node, kind, level);
        if (last) {
            *ret_end = kind == TOPIC_REST ? &node->rest : &node->end;
            return 0;
        }
        start += level.length + 1;
    }
    return error_set(error, ERROR_REJECT, "more levels than allowed: %d", TOPIC_LEVELS_MAX);
}

/* No topic is empty. So the empty level that + matches and {NAME} does not is none when it stands alone; and something always follows
 * the root and an empty first level, so that # is there what +/# is. */
static struct topic_pattern *topic_find_equal(
    const struct topic_node *root, const struct topic_pattern *pattern)
{
    size_t place;
    const struct topic_node *empty = topic_find_text(root, (struct slice){"", 0}, &place);
    struct topic_pattern *const same[][2] = {
        {root->name ? root->name->end : NULL, root->plus ? root->plus->end : NULL},
        {root->rest, root->plus ? root->plus->rest : NULL},
        {empty ? empty->rest : NULL, empty && empty->plus ? empty->plus->rest : NULL},
    };

    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        for (size_t j = 0; j < 2; j++) {
            if (same[i][j] == pattern)
                return same[i][1 - j];
        }
    }
    return NULL;
}

static int topic_add_pattern(
    struct topic_map *map, struct topic_pattern *pattern, const char *text, struct error *error)
{
    const struct topic_pattern *equal;
    struct topic_pattern **end;

    *pattern =
        (struct topic_pattern){.text = topic_allocated(strdup(text)), .names = topic_allocated(strdup(text))};
    if (*text == '\0')
        return error_set(error, ERROR_REJECT, "an empty pattern; no topic is empty");
    if (topic_add_levels(map, pattern, &end, error))
        return -1;
    equal = *end;
    if (!equal) {
        *end = pattern;
        equal = topic_find_equal(map->nodes, pattern);
    }
    return equal ? error_set(error, ERROR_REJECT, "matches the same topics as '%s'", equal->text) : 0;
}

/* ---- streams and keys -------------------------------------------------------------------------------------- */

static void topic_list_streams(const struct streams *streams, struct bytes *text)
{
    struct error ignored;

    for (size_t i = 0; i < streams->count; i++) {
        const char *name = streams->items[i]->name;
        if (text->length + strlen(name) > TOPIC_STREAMS_MAX) {
            bytes_add_text(text, ", ...", &ignored);
            return;
        }
        bytes_print(text, &ignored, "%s%s", i ? ", " : "", name);
    }
}

static int topic_refuse_stream(const struct streams *streams, const char *name, struct error *error)
{
    struct slice *names = topic_allocated(calloc(streams->count + 1, sizeof *names));
    struct slice nearest;
    cleanup_bytes struct bytes list;

    for (size_t i = 0; i < streams->count; i++)
        names[i] = slice_of(streams->items[i]->name);
    nearest = option_nearest(slice_of(name), names, streams->count);
    free(names);
    bytes_init(&list, ERROR_TEXT_SIZE);
    topic_list_streams(streams, &list);
    return error_set(error, ERROR_REJECT, "found no stream '%.*s'; allowed: %.*s%s%.*s%s", OPTION_QUOTED_MAX,
        name, (int)list.length, list.data, nearest.length ? "; did you mean \"" : "", (int)nearest.length,
        nearest.length ? nearest.data : "", nearest.length ? "\"?" : "");
}

/* captures_count when there is none. */
static size_t topic_find_capture(const struct topic_pattern *pattern, const char *name)
{
    size_t i = 0;

    while (i < pattern->captures_count && strcmp(pattern->captures[i].name, name) != 0)
        i++;
    return i;
}

static size_t topic_find_key(const struct topic_pattern *pattern)
{
    const struct selector *selector = &pattern->stream->key;
    size_t key = topic_find_capture(pattern, "key");

    if (selector->source == SELECTOR_TOPIC &&
        topic_find_capture(pattern, selector->name) < pattern->captures_count)
        return pattern->captures_count; /* the selector finds it */
    if (key == pattern->captures_count && selector->source == SELECTOR_POINTER)
        key = topic_find_capture(pattern, strrchr(selector->name, '/') + 1);
    return key;
}

static int topic_set_stream(
    struct topic_pattern *pattern, const struct streams *streams, const char *name, struct error *error)
{
    pattern->stream = streams_find(streams, slice_of(name));
    if (!pattern->stream)
        return topic_refuse_stream(streams, name, error);
    pattern->key = topic_find_key(pattern);
    enum selector_source source = pattern->stream->key.source;
    if (pattern->key == pattern->captures_count && (source == SELECTOR_PATH || source == SELECTOR_QUERY))
        return error_set(error, ERROR_REJECT,
            "stream %s finds its keys in the URL, and no message has one; call the level that is the key {key}",
            name);
    return 0;
}

static void topic_compile_pair(struct topic_compiler *compiler, const struct config_pair *pair)
{
    struct topic_map *map = compiler->map;
    struct topic_pattern *pattern = &map->patterns[map->patterns_count++];
    struct error error;

    if (topic_add_pattern(map, pattern, pair->name, &error))
        topic_report(compiler, &pair->value, &error);
    if (compiler->streams && topic_set_stream(pattern, compiler->streams, pair->value, &error))
        topic_report(compiler, &pair->value, &error);
}

/* ---- what selectors of the streams want --------------------------------------------------------------------- */

/* A pattern without the level: does the selector find nothing there? */
static bool topic_lacks(
    const struct topic_pattern *pattern, const struct stream *stream, const struct selector *selector)
{
    if (selector == &stream->key && pattern->key < pattern->captures_count)
        return false;
    return topic_find_capture(pattern, selector->name) == pattern->captures_count;
}

/* A label may be missing from some topics; a record without its key or its sequence would always be refused. */
static void topic_check_selector(struct topic_compiler *compiler, const struct stream *stream,
    const struct selector *selector, const void *field)
{
    const struct topic_map *map = compiler->map;
    size_t leading = 0;
    size_t lacking = 0;
    struct error error;
    cleanup_bytes struct bytes list;

    bytes_init(&list, ERROR_TEXT_SIZE);
    if (selector->source != SELECTOR_TOPIC)
        return;
    for (size_t i = 0; i < map->patterns_count; i++) {
        const struct topic_pattern *pattern = &map->patterns[i];
        if (pattern->stream != stream)
            continue;
        leading++;
        if (topic_lacks(pattern, stream, selector) && lacking++ < TOPIC_LISTED_MAX)
            bytes_print(&list, &error, "%s'%s'", lacking > 1 ? ", " : "", pattern->text);
    }
    if (lacking > TOPIC_LISTED_MAX)
        bytes_print(&list, &error, " and %zu more", lacking - TOPIC_LISTED_MAX);
    if (leading == 0)
        error_set(&error, ERROR_REJECT, "'topic:%s': no pattern of mqtt.topics leads to stream %s",
            selector->name, stream->name);
    else if (selector == &stream->key || selector == &stream->sequence ? lacking == 0 : lacking < leading)
        return;
    else
        error_set(&error, ERROR_REJECT, "'topic:%s': mqtt.topics leads here by %.*s, with no level {%s}",
            selector->name, (int)list.length, list.data, selector->name);
    topic_report(compiler, field, &error);
}

static void topic_check_stream(struct topic_compiler *compiler, const struct config_stream *from)
{
    const struct stream *stream = streams_find(compiler->streams, slice_of(from->name));

    if (!stream) /* nothing takes its records: it has been dropped */
        return;
    topic_check_selector(compiler, stream, &stream->key, &from->key);
    topic_check_selector(compiler, stream, &stream->sequence, &from->dedupe.sequence);
    for (size_t i = 0; i < stream->labels_count; i++)
        topic_check_selector(compiler, stream, &stream->labels[i], &from->labels.items[i].value);
}

/* ---- all of it --------------------------------------------------------------------------------------------- */

static size_t topic_count_levels(const struct config_pair *pairs, size_t count)
{
    size_t levels = 0;

    for (size_t i = 0; i < count; i++) {
        levels++;
        for (const char *next = pairs[i].name; *next; next++)
            levels += *next == '/';
    }
    return levels;
}

/* A default for a stream that is not there is none. */
static size_t topic_count_pairs(const struct config_map *topics, const struct streams *streams)
{
    bool wanted = streams && streams_find(streams, slice_of(topic_default.value));

    return topics->count ? topics->count : wanted;
}

int topic_map_compile(
    struct topic_map **ret_map, struct config *config, const struct streams *streams, struct error *error)
{
    const struct config_map *topics = &config->mqtt.topics;
    const struct config_pair *pairs = topics->count ? topics->items : &topic_default;
    size_t count = topic_count_pairs(topics, streams);
    __attribute__((cleanup(topic_map_free))) struct topic_map *map = topic_allocated(calloc(1, sizeof *map));
    struct topic_compiler compiler = {map, config, streams, 0};

    map->patterns = topic_allocated(calloc(count + 1, sizeof *map->patterns));
    map->nodes = topic_allocated(calloc(topic_count_levels(pairs, count) + 1, sizeof *map->nodes));
    map->nodes_count = 1;
    for (size_t i = 0; i < count; i++)
        topic_compile_pair(&compiler, &pairs[i]);
    /* What a stream lacks cannot be said while patterns are missing. */
    for (size_t i = 0; streams && compiler.wrong == 0 && i < config->streams_count; i++)
        topic_check_stream(&compiler, &config->streams[i]);
    if (compiler.wrong)
        return error_set(error, ERROR_REJECT, "mqtt.topics: %zu errors in the configuration", compiler.wrong);
    if (!streams)
        return error_set(error, ERROR_REJECT, "mqtt.topics: no streams to lead to");
    *ret_map = map;
    map = NULL;
    return 0;
}
