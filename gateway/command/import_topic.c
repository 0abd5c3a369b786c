/* import_topic: see import_topic.h. */
#include "command/import_topic.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/option.h"

#define TOPIC_ERRORS_MAX ((size_t)64 << 10)
#define TOPIC_SET "--set "
#define TOPIC_PROPERTIES "kafka.properties."
#define TOPIC_FILES "kafka.files."

struct topic_sets {
    char **sets; /* as `penstock run --set` takes them; owned */
    size_t count;
};

static void sets_free(struct topic_sets *sets)
{
    for (size_t i = 0; i < sets->count; i++)
        free(sets->sets[i]);
    free(sets->sets);
}

static int sets_add(
    struct topic_sets *sets, const char *option, const char *prefix, const char *word, struct error *error)
{
    const char *equals = strchr(word, '=');

    if (!equals || equals == word)
        return error_set(error, ERROR_REJECT, "--%s: \"%.64s\" is not NAME=VALUE", option, word);
    /* What a command line says everybody can see. */
    const struct slice name = {word, (size_t)(equals - word)};
    if (strcmp(prefix, TOPIC_PROPERTIES) == 0 && option_is_secret(name))
        return error_set(error, ERROR_REJECT,
            "--%s: %.*s is a secret: put it into a file, and say --kafka-property-file %.*s=FILE", option,
            (int)name.length, name.data, (int)name.length, name.data);
    if (asprintf(&sets->sets[sets->count], "%s%s", prefix, word) < 0)
        return error_set(error, ERROR_RETRY, "out of memory");
    sets->count++;
    return 0;
}

static int sets_make(struct topic_sets *sets, const struct import_options *options, struct error *error)
{
    sets->sets = calloc(options->properties.count + options->property_files.count + 1, sizeof *sets->sets);
    if (!sets->sets)
        return error_set(error, ERROR_RETRY, "out of memory");
    for (size_t i = 0; i < options->properties.count; i++) {
        if (sets_add(sets, "kafka-property", TOPIC_PROPERTIES, options->properties.names[i], error))
            return -1;
    }
    for (size_t i = 0; i < options->property_files.count; i++) {
        if (sets_add(sets, "kafka-property-file", TOPIC_FILES, options->property_files.names[i], error))
            return -1;
    }
    return 0;
}

/* In the words of this command line: "--set kafka.properties.NAME: " there is "--kafka-property NAME: " here. */
static int topic_complain(const struct config *config, struct error *error)
{
    static const char *const words[][2] = {{TOPIC_SET TOPIC_PROPERTIES, "--kafka-property "},
        {TOPIC_SET TOPIC_FILES, "--kafka-property-file "}, {"default of kafka.properties: ", ""}};
    cleanup_bytes struct bytes text, shown;

    bytes_init(&text, TOPIC_ERRORS_MAX);
    bytes_init(&shown, TOPIC_ERRORS_MAX);
    if (config_print_errors(config, &text, error) || bytes_add(&text, "", 1, error))
        return -1;
    for (const char *at = text.data; *at;) {
        size_t step = 0;
        for (size_t i = 0; i < sizeof words / sizeof *words && !step; i++) {
            step = strncmp(at, words[i][0], strlen(words[i][0])) == 0 ? strlen(words[i][0]) : 0;
            if (step && bytes_add_text(&shown, words[i][1], error))
                return -1;
        }
        const bool end = !step && *at == '\n';
        if (end ? at[1] && bytes_add_text(&shown, "; ", error) : !step && bytes_add(&shown, at, 1, error))
            return -1;
        at += step ? step : 1;
    }
    return error_set(error, ERROR_REJECT, "%.*s", (int)shown.length, shown.data);
}

int import_topic_open(
    struct import_topic *ret_topic, const struct import_options *options, struct error *error)
{
    __attribute__((cleanup(sets_free))) struct topic_sets sets = {.sets = NULL};
    struct config *config = NULL;

    if (sets_make(&sets, options, error))
        return -1;
    const int loaded = config_load(&config, NULL, (const char *const *)sets.sets, sets.count);
    ret_topic->config = config;
    if (loaded || config_errors(config) || kafka_client_new(&ret_topic->client, config, error))
        return config_errors(config) ? topic_complain(config, error) : -1;
    ret_topic->job = (struct job_topic){.client = ret_topic->client,
        .name = options->topic,
        .key = options->key.names,
        .key_count = options->key.count,
        .value = options->file.format == TABLE_AVRO ? JOB_VALUE_AVRO
                 : options->value                   ? JOB_VALUE_ENVELOPE
                                                    : JOB_VALUE_JSON,
        .transactional = options->transactional};
    return 0;
}

void import_topic_close(struct import_topic *topic)
{
    kafka_client_free(&topic->client);
    config_free(&topic->config);
}
