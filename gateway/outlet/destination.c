/* destination: whether there is an outlet for the records of each stream, judged by the configuration alone; see outlet.h */
#include "outlet/outlet.h"

#include <string.h>

#include "base/option.h"

bool destination_exists(const struct config *config, const struct config_stream *stream)
{
    return outlet_lake.wanted(config) || (stream->topics.count && outlet_kafka.wanted(config));
}

/* These streams exist although nobody may have asked for them. */
static bool destination_is_built_in(const struct config_stream *stream)
{
    for (size_t i = 0; i < option_stream_defaults_count; i++) {
        if (strcmp(option_stream_defaults[i].stream, stream->name) == 0)
            return true;
    }
    return false;
}

static void destination_check_topics(struct config *config)
{
    for (size_t i = 0; i < config->streams_count; i++) {
        if (config->streams[i].topics.count && !outlet_kafka.wanted(config))
            config_report(config, &config->streams[i].topics.items[0],
                "topics, but kafka.properties has no bootstrap.servers");
    }
}

#define DESTINATION_NOWHERE                                                                  \
    "stream %s goes nowhere, it has no topics and there is no lake: give it topics, or set " \
    "lake.enabled: true"

/* A stream that nobody asked for is told where somebody sends messages or files to it. */
static void destination_report(struct config *config, const struct config_stream *stream)
{
    const struct config_map *topics = &config->mqtt.topics;

    if (!destination_is_built_in(stream))
        config_report(config, &stream->topics, DESTINATION_NOWHERE, stream->name);
    for (size_t i = 0; destination_is_built_in(stream) && i < topics->count; i++) {
        if (strcmp(topics->items[i].value, stream->name) == 0)
            config_report(config, &topics->items[i].value, DESTINATION_NOWHERE, stream->name);
    }
    for (size_t i = 0; destination_is_built_in(stream) && i < config->files_count; i++) {
        if (strcmp(config->files[i].stream, stream->name) == 0)
            config_report(config, &config->files[i].stream, DESTINATION_NOWHERE, stream->name);
    }
}

/* What is accepted has to go somewhere. */
static void destination_check_streams(struct config *config)
{
    size_t taken = 0;

    for (size_t i = 0; i < config->streams_count; i++)
        taken += destination_exists(config, &config->streams[i]);
    if (taken == 0)
        config_report(config, &config->lake.enabled,
            "nothing takes the records: set it to true, or set bootstrap.servers in kafka.properties and give a "
            "stream topics");
    for (size_t i = 0; taken && i < config->streams_count; i++) {
        if (!destination_exists(config, &config->streams[i]))
            destination_report(config, &config->streams[i]);
    }
}

/* What `delivered` waits for must get the stream's records. */
static void destination_check_acks(struct config *config)
{
    for (size_t i = 0; i < config->streams_count; i++) {
        struct config_stream *stream = &config->streams[i];
        for (size_t j = 0; j < stream->ack.outlets.count; j++) {
            char *const *name = &stream->ack.outlets.items[j];
            if (strcmp(*name, outlet_kafka.name) && strcmp(*name, outlet_lake.name))
                config_report(config, name, "\"%s\" is no outlet; there are kafka and lake", *name);
            else if (!strcmp(*name, outlet_kafka.name) &&
                     (!stream->topics.count || !outlet_kafka.wanted(config)))
                config_report(config, name,
                    "kafka gets nothing of a stream without topics, or without kafka.properties");
            else if (!strcmp(*name, outlet_lake.name) && !outlet_lake.wanted(config))
                config_report(config, name, "there is no lake: set lake.enabled to true");
        }
    }
}

void destination_check(struct config *config)
{
    destination_check_topics(config);
    destination_check_acks(config);
    destination_check_streams(config);
}

/* Whether requests of the stream are said to wait for the lake: source/http chooses in the same way. */
static bool destination_acks_from_lake(const struct config *config, const struct config_stream *stream)
{
    const struct config_list *outlets = &stream->ack.outlets;
    bool named = false;

    if (!outlet_lake.wanted(config) || (strcmp(stream->ack.level, "delivered") && !outlets->count))
        return false;
    for (size_t i = 0; i < outlets->count; i++)
        named |= strcmp(outlets->items[i], outlet_lake.name) == 0;
    return outlets->count ? named : stream->topics.count == 0;
}

static bool destination_is_later(int64_t roll, int64_t timeout)
{
    return roll == 0 || roll > timeout;
}

const char *destination_doubt(const struct config *config, const struct config_stream *stream)
{
    const int64_t timeout = config->http.delivery_timeout;

    if (!destination_acks_from_lake(config, stream) || config->lake.roll.records == 1 ||
        !destination_is_later(config->lake.roll.every, timeout) ||
        !destination_is_later(config->lake.roll.idle, timeout))
        return NULL;
    return "waits for the lake, which publishes a file up to lake.roll.every behind its first record, longer than "
           "http.delivery_timeout: answers that would take so long are 202, not yet delivered; set lake.roll.every or "
           "lake.roll.idle to less than http.delivery_timeout";
}
