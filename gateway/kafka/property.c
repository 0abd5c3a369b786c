/* property: one of librdkafka's properties: is there such a one, does it take the value, does the promise hold with it
 *
 * Each is tried on a scratch configuration, so that what is wrong with it is reported at its own place. No text that is reported may
 * hold the value of a secret: librdkafka's own words are used only where they cannot.
 */
#include "kafka/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/option.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789._"

/* Properties that may be named, but only with what the promise needs. The values are as librdkafka prints them. */
struct fixed {
    const char *name;
    uint64_t most; /* 0: only a single value */
    const char *only; /* NULL: none at all */
    const char *reason;
};

#define ORDER "or records of a key could change places"
#define CONFIRMED "or records that are confirmed could be lost"
#define NEVER_GIVES_UP "the journal keeps what Kafka cannot take, so that a message never times out"
#define OWN "it is the gateway's own"

static const struct fixed fixed_properties[] = {
    {"acks", 0, "-1", CONFIRMED},
    {"request.required.acks", 0, "-1", CONFIRMED},
    {"enable.idempotence", 0, "true", "or records could be stored twice or change places"},
    {"enable.gapless.guarantee", 0, "true", ORDER},
    {"queuing.strategy", 0, "fifo", ORDER},
    {"max.in.flight", 5, NULL, ORDER},
    {"max.in.flight.requests.per.connection", 5, NULL, ORDER},
    {"sticky.partitioning.linger.ms", 0, "0", ORDER},
    {"message.timeout.ms", 0, "0", NEVER_GIVES_UP},
    {"delivery.timeout.ms", 0, "0", NEVER_GIVES_UP},
    {"delivery.report.only.error", 0, "false", "or nothing would ever count as delivered"},
    {"log.queue", 0, "true", OWN},
    {"enabled_events", 0, NULL, OWN},
    {"plugin.library.paths", 0, NULL, "the gateway loads no foreign code"},
    {"transactional.id", 0, NULL,
        "only penstock import --transactional has transactions, under ids of its own"},
};

/* ---- librdkafka's list of properties ------------------------------------------------------------------------ */

/* One row: "message.max.bytes     |  *  | 1000 .. 1000000000 | ..."; C is the consumer's, P the producer's. Heads and rules are no
 * rows, option_nearest() takes no longer names. */
static void add_row(struct properties *properties, struct slice line)
{
    const char *bar = memchr(line.data, '|', line.length);
    size_t length = 0;

    while (length < line.length && memchr(NAME_CHARACTERS, line.data[length], strlen(NAME_CHARACTERS)))
        length++;
    if (!bar || line.data + line.length - bar < 4 || length == 0 || line.data[length] != ' ' ||
        length > OPTION_ELEMENT_NAME_MAX || properties->count == KAFKA_PROPERTIES_MAX)
        return;
    properties->names[properties->count] = (struct slice){line.data, length};
    properties->of_consumer[properties->count++] = bar[3] == 'C';
}

int property_list(struct properties *properties, struct error *error)
{
    FILE *file = open_memstream(&properties->text, &properties->length);

    if (!file)
        return error_set(error, ERROR_RETRY, "kafka: out of memory");
    rd_kafka_conf_properties_show(file);
    fclose(file);
    for (size_t start = 0, end; start < properties->length; start = end + 1) {
        const char *line = properties->text + start;
        const char *newline = memchr(line, '\n', properties->length - start);
        end = newline ? (size_t)(newline - properties->text) : properties->length;
        add_row(properties, (struct slice){line, end - start});
    }
    return 0;
}

static bool is_of_consumer(const struct properties *properties, const char *name)
{
    for (size_t i = 0; i < properties->count; i++) {
        if (slice_is(properties->names[i], name))
            return properties->of_consumer[i];
    }
    return false; /* a hidden one */
}

/* ---- one property ------------------------------------------------------------------------------------------ */

static void report_unknown(struct property_build *build, const char *name, const void *place)
{
    struct slice nearest = option_nearest(slice_of(name), build->properties.names, build->properties.count);

    if (nearest.length > 0)
        config_report(build->config, place, "librdkafka %s has no such property; did you mean %.*s?",
            rd_kafka_version_str(), (int)nearest.length, nearest.data);
    else
        config_report(build->config, place, "librdkafka %s has no such property", rd_kafka_version_str());
}

/* librdkafka's text repeats the value, and may end in a line break. */
static void report_value(
    struct property_build *build, const char *name, const void *place, const char *reason)
{
    if (option_is_secret(slice_of(name)))
        config_report(build->config, place, "librdkafka does not take this value");
    else
        config_report(build->config, place, "%.*s", (int)strcspn(reason, "\n"), reason);
}

/* Whether the value that was set on scratch is one that keeps the promise. */
static bool is_fixed_right(const struct fixed *fixed, const rd_kafka_conf_t *scratch)
{
    char value[64] = "";
    size_t size = sizeof value;

    if (rd_kafka_conf_get(scratch, fixed->name, value, &size) != RD_KAFKA_CONF_OK)
        return false;
    return fixed->most > 0 ? strtoull(value, NULL, 10) <= fixed->most
                           : fixed->only && strcmp(value, fixed->only) == 0;
}

static bool keeps_promise(
    struct property_build *build, const rd_kafka_conf_t *scratch, const char *name, const void *place)
{
    for (size_t i = 0; i < sizeof fixed_properties / sizeof *fixed_properties; i++) {
        const struct fixed *fixed = &fixed_properties[i];
        if (strcmp(fixed->name, name) != 0 || is_fixed_right(fixed, scratch))
            continue;
        if (fixed->most > 0)
            config_report(build->config, place, "can be %llu at most: %s", (unsigned long long)fixed->most,
                fixed->reason);
        else if (fixed->only)
            config_report(build->config, place, "can only be %s: %s",
                strcmp(fixed->only, "-1") == 0 ? "all" : fixed->only, fixed->reason);
        else
            config_report(build->config, place, "cannot be set: %s", fixed->reason);
        return false;
    }
    return true;
}

/* librdkafka names neither the file nor the reason when it cannot read one. ssl.ca.location may also be a directory, or "probe". */
static bool names_no_file(const char *name, const char *value)
{
    static const char suffix[] = ".location";
    const size_t length = strlen(name);

    return length > strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0 && *value &&
           strcmp(value, "probe") != 0 && access(value, R_OK) != 0;
}

void property_set(struct property_build *build, const char *name, const char *value, const void *place)
{
    char reason[KAFKA_REASON_SIZE];
    rd_kafka_conf_t *scratch = rd_kafka_conf_new();
    rd_kafka_conf_res_t result = rd_kafka_conf_set(scratch, name, value, reason, sizeof reason);

    if (result == RD_KAFKA_CONF_UNKNOWN)
        report_unknown(build, name, place);
    else if (is_of_consumer(&build->properties, name))
        config_report(build->config, place, "is a consumer's property, the gateway only produces");
    else if (result != RD_KAFKA_CONF_OK)
        report_value(build, name, place, reason);
    else if (names_no_file(name, value))
        config_report(build->config, place, "%s: %s", value, strerror(errno));
    else if (keeps_promise(build, scratch, name, place))
        rd_kafka_conf_set(build->conf, name, value, reason, sizeof reason);
    rd_kafka_conf_destroy(scratch);
}

/* ---- files ------------------------------------------------------------------------------------------------- */

static bool is_in(const struct config_map *map, const char *name)
{
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->items[i].name, name) == 0)
            return true;
    }
    return false;
}

void property_set_from_file(struct property_build *build, const struct config_pair *pair)
{
    cleanup_bytes struct bytes text;
    struct error error;

    bytes_init(&text, FILE_VALUE_BUFFER);
    if (is_in(&build->config->kafka.properties, pair->name))
        config_report(build->config, &pair->value, "is in kafka.properties, too");
    else if (file_read_value(pair->value, option_is_secret(slice_of(pair->name)), &text, &error) != 0)
        config_report(build->config, &pair->value, "%s", error.text);
    else
        property_set(build, pair->name, text.data, &pair->value);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
}
