/* statistics: what of librdkafka's statistics the metrics show; see kafka.h
 *
 * The JSON text (STATISTICS.md of librdkafka) is scanned where it stands; nothing is copied but brokers' names. The topics, megabytes
 * when there are a thousand, are only skipped.
 */
#include "kafka/internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { WHOLE_MESSAGES, WHOLE_BYTES, WHOLE_BROKERS, WHOLE_COUNT };
static const char *const whole_pointers[WHOLE_COUNT] = {"/msg_cnt", "/msg_size", "/brokers"};

enum { BROKER_NAME, BROKER_ID, BROKER_STATE, BROKER_SOURCE, BROKER_RETRIES, BROKER_COUNT };
static const char *const broker_pointers[BROKER_COUNT] = {
    "/name", "/nodeid", "/state", "/source", "/txretries"};

int statistics_compile(struct statistics_pointers *pointers, struct error *error)
{
    return json_pointers_compile(&pointers->whole, whole_pointers, WHOLE_COUNT, error) == 0 &&
                   json_pointers_compile(&pointers->broker, broker_pointers, BROKER_COUNT, error) == 0
               ? 0
               : -1;
}

void statistics_free(struct statistics_pointers *pointers)
{
    json_pointers_free(&pointers->whole);
    json_pointers_free(&pointers->broker);
}

/* 0 for what is no whole number of at most 18 digits. */
static uint64_t number_of(const struct json_value *value)
{
    uint64_t number = 0;

    if (value->type != JSON_NUMBER || value->text.length > 18)
        return 0;
    for (size_t i = 0; i < value->text.length; i++) {
        char digit = value->text.data[i];
        if (digit < '0' || digit > '9')
            return 0;
        number = number * 10 + (uint64_t)(digit - '0');
    }
    return number;
}

static bool is_text(const struct json_value *value, const char *text)
{
    return value->type == JSON_STRING && slice_is(value->text, text);
}

/* Bootstrap entries have the number -1. They are listed until a broker with a number is known, then those count: most often they
 * are the same machines. */
static void add_broker(struct kafka_statistics *statistics, bool *numbered, const struct json_value *values)
{
    bool has_number = values[BROKER_ID].type == JSON_NUMBER && values[BROKER_ID].text.data[0] != '-';
    const struct slice name = values[BROKER_NAME].text;

    statistics->retries += number_of(&values[BROKER_RETRIES]);
    /* librdkafka lists helpers of its own as brokers, too: "internal", "logical". */
    if (!is_text(&values[BROKER_SOURCE], "learned") && !is_text(&values[BROKER_SOURCE], "configured"))
        return;
    if (has_number && !*numbered) {
        *numbered = true;
        statistics->brokers_count = 0;
    }
    if (has_number != *numbered || statistics->brokers_count == KAFKA_BROKERS_MAX)
        return;

    struct kafka_broker *broker = &statistics->brokers[statistics->brokers_count++];
    snprintf(broker->name, sizeof broker->name, "%.*s", (int)name.length, name.data);
    broker->up = is_text(&values[BROKER_STATE], "UP");
}

/* Members of an object that was validated as part of the whole. */
static void take_brokers(
    struct kafka_statistics *statistics, const struct json_pointers *pointers, struct slice object)
{
    struct json_value values[BROKER_COUNT];
    struct error error;
    bool numbered = false;
    size_t position = 1, end;

    while (position < object.length) {
        struct slice rest = {object.data + position, object.length - position};
        if (json_scan(rest, NULL, NULL, &end, &error) != 0) /* the name; "}" of an empty object is none */
            return;
        position += end + 1; /* and the colon */
        rest = (struct slice){object.data + position, object.length - position};
        if (json_scan(rest, pointers, values, &end, &error) != 0)
            return;
        add_broker(statistics, &numbered, values);
        position += end + 1; /* and the comma or brace */
    }
}

void statistics_take(
    struct kafka_statistics *statistics, const struct statistics_pointers *pointers, struct slice json)
{
    struct kafka_statistics fresh = {.version = statistics->version + 1};
    struct json_value values[WHOLE_COUNT];
    struct error error;

    if (json_scan_document(json, pointers->whole, values, &error) != 0)
        return;
    fresh.queue_messages = number_of(&values[WHOLE_MESSAGES]);
    fresh.queue_bytes = number_of(&values[WHOLE_BYTES]);
    if (values[WHOLE_BROKERS].type == JSON_OBJECT)
        take_brokers(&fresh, pointers->broker, values[WHOLE_BROKERS].text);
    *statistics = fresh;
}
