/* topic: the entries of land.topics, compiled; see internal.h */
#include "land/internal.h"

#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"
#include "lake/forms.h"
#include "lake/schema_file.h"

static const char *const land_own_labels[LAND_OWN_LABELS] = {"topic", "partition"};

/* ---- one entry ------------------------------------------------------------------------------------------------ */

struct land_build {
    struct config *config;
    struct land_topic *topic;
    const char *pointers[JSON_POINTERS_MAX];
    const char *labels[RECORD_LABELS_MAX];
};

static int build_pointer(struct land_build *build, const char *text)
{
    build->pointers[build->topic->pointers_count] = text;
    return (int)build->topic->pointers_count++;
}

/* One that only JSON has. */
static bool build_wants_json(struct land_build *build, const char *text, const void *field)
{
    struct json_pointers *pointers = NULL;
    struct error error;

    if (build->topic->format != RECORD_FORMAT_JSON)
        config_report(build->config, field,
            "found \"%s\"; allowed with format: json, whose values are looked into", text);
    else if (json_pointers_compile(&pointers, &text, 1, &error))
        config_report(build->config, field, "%s", error.text);
    else {
        json_pointers_free(&pointers);
        return true;
    }
    return false;
}

static void build_label(struct land_build *build, const struct config_pair *pair)
{
    static const char header[] = "header:";
    struct land_topic *topic = build->topic;
    const size_t at = topic->labels_count;

    for (size_t i = 0; i < LAND_OWN_LABELS; i++)
        if (strcmp(pair->name, land_own_labels[i]) == 0)
            config_report(build->config, &pair->value, "{%s} is there already", pair->name);
    if (at == RECORD_LABELS_MAX) {
        config_report(build->config, &pair->value, "found more than %d labels; allowed: at most that",
            RECORD_LABELS_MAX - LAND_OWN_LABELS);
        return;
    }
    build->labels[at] = pair->name;
    topic->labels[at] = -1;
    if (strncmp(pair->value, header, sizeof header - 1) == 0 && pair->value[sizeof header - 1])
        topic->headers[at] = pair->value + sizeof header - 1;
    else if (pair->value[0] != '/')
        config_report(build->config, &pair->value,
            "found \"%s\"; allowed: a JSON pointer as /site, or header:NAME", pair->value);
    else if (build_wants_json(build, pair->value, &pair->value))
        topic->labels[at] = build_pointer(build, pair->value);
    topic->labels_count++;
}

static void build_names(struct land_build *build)
{
    struct land_topic *topic = build->topic;
    const struct config_list *names = &topic->config->topic;
    char reason[128];
    struct error error;

    if (names->count == 0)
        config_report(build->config, topic->config,
            "it has no topic: the name of one, or a pattern as ^SENSOR_ID_[0-9]+$");
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i][0] != '^') {
            if (kafka_topic_check(names->items[i], &error))
                config_report(build->config, &names->items[i], "%s", error.text);
            continue;
        }
        regex_t *pattern = &topic->patterns[topic->patterns_count];
        const int code = regcomp(pattern, names->items[i], REG_EXTENDED | REG_NOSUB);
        if (code) {
            regerror(code, pattern, reason, sizeof reason);
            config_report(build->config, &names->items[i], "\"%s\": %s", names->items[i], reason);
        } else
            topic->patterns_count++;
    }
}

/* What its files are, and with which columns. */
static void build_form(struct land_build *build)
{
    __attribute__((cleanup(schema_free))) struct schema *schema = NULL;
    const struct config_land_topic *config = build->topic->config;
    struct form *form = &build->topic->form;
    const void *field = &config->schema;
    struct error error;
    uint64_t ignored;

    if ((config->schema[0] && schema_load(config->schema, &schema, &ignored, &error)) ||
        form_compile(&config->lake, "topic", build->topic->format, schema, form, &field, &error))
        config_report(build->config, field, "%s", error.text);
    else if (schema && form->columns_count == 0)
        config_report(build->config, &config->schema,
            "found \"%s\"; its properties are the columns of tables, and there is no table: choose lake.format parquet, avro or csv, and format: json",
            config->schema);
}

static int build_entry(struct land_build *build, struct error *error)
{
    struct land_topic *topic = build->topic;
    const struct config_land_topic *config = topic->config;

    topic->format = record_format_of(config->format);
    topic->key = topic->time = -1;
    topic->labels_count = LAND_OWN_LABELS;
    memcpy(build->labels, land_own_labels, sizeof land_own_labels);
    build_names(build);
    build_form(build);
    if (config->key[0] && build_wants_json(build, config->key, &config->key))
        topic->key = build_pointer(build, config->key);
    if (config->time[0] && build_wants_json(build, config->time, &config->time))
        topic->time = build_pointer(build, config->time);
    for (size_t i = 0; i < config->labels.count; i++)
        build_label(build, &config->labels.items[i]);
    topic->keyed = strstr(config->path, "{key") != NULL;
    if (template_compile(&topic->path, config->path, build->labels, topic->labels_count, error))
        config_report(build->config, &config->path, "%s", error->text);
    return topic->pointers_count
               ? json_pointers_compile(&topic->pointers, build->pointers, topic->pointers_count, error)
               : 0;
}

/* ---- all ------------------------------------------------------------------------------------------------------ */

static void topics_check_from(struct config *config)
{
    const char *from = config->land.from;
    struct error error;
    int64_t time;

    if (strcmp(from, "earliest") != 0 && strcmp(from, "latest") != 0 &&
        decode_rfc3339(slice_of(from), &time, &error))
        config_report(config, &config->land.from,
            "found \"%s\"; allowed: earliest, latest, or a time as 2026-11-21T00:00:00Z", from);
}

int land_topics_compile(struct land_topics *topics, struct config *config, struct error *error)
{
    const size_t errors = config_errors(config);
    const size_t count = config->land.topics_count;

    *topics = (struct land_topics){.items = calloc(count + 1, sizeof *topics->items),
        .names = calloc(count * OPTION_LIST_MAX + 1, sizeof *topics->names)};
    if (!topics->items || !topics->names)
        return error_set(error, ERROR_RETRY, "land: out of memory");
    topics_check_from(config);
    if (template_compile(
            &topics->dead_letters, config->land.dead_letters, land_own_labels, LAND_OWN_LABELS, error))
        config_report(config, &config->land.dead_letters, "%s", error->text);
    while (topics->count < count) {
        struct land_topic *topic = &topics->items[topics->count];
        struct land_build build = {.config = config, .topic = topic};
        topic->config = &config->land.topics[topics->count++];
        for (size_t i = 0; i < topic->config->topic.count; i++)
            topics->names[topics->names_count++] = topic->config->topic.items[i];
        if (build_entry(&build, error))
            return -1;
    }
    return config_errors(config) == errors
               ? 0
               : error_set(error, ERROR_FATAL, "land: the configuration is not right");
}

void land_topics_free(struct land_topics *topics)
{
    for (size_t i = 0; i < topics->count; i++) {
        struct land_topic *topic = &topics->items[i];
        template_free(&topic->path);
        form_clear(&topic->form);
        json_pointers_free(&topic->pointers);
        for (size_t j = 0; j < topic->patterns_count; j++)
            regfree(&topic->patterns[j]);
    }
    template_free(&topics->dead_letters);
    free(topics->items);
    free(topics->names);
    *topics = (struct land_topics){0};
}

static bool topic_has(const struct land_topic *topic, const char *name)
{
    for (size_t i = 0; i < topic->config->topic.count; i++)
        if (strcmp(topic->config->topic.items[i], name) == 0)
            return true;
    for (size_t i = 0; i < topic->patterns_count; i++)
        if (regexec(&topic->patterns[i], name, 0, NULL, 0) == 0)
            return true;
    return false;
}

const struct land_topic *land_topics_find(const struct land_topics *topics, const char *name)
{
    for (size_t i = 0; i < topics->count; i++)
        if (topic_has(&topics->items[i], name))
            return &topics->items[i];
    return NULL;
}
