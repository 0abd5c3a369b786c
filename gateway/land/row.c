/* row: a record of Kafka as a row of the lake; see internal.h */
#include "land/internal.h"

#include <inttypes.h>

#include "base/base64.h"
#include "base/json_escape.h"
#include "base/utf8.h"
#include "decode/decode.h"

#define LAND_PATH_MAX (16 * 1024)
#define LAND_KEYS_MAX (JSON_POINTERS_MAX * RECORD_KEY_MAX * JSON_ESCAPE_MAX)
#define LAND_LETTER_MAX (384 * 1024 * 1024) /* the lake's own for a row */

void land_memory_init(struct land_memory *memory)
{
    bytes_init(&memory->path, LAND_PATH_MAX);
    bytes_init(&memory->key, LAND_KEYS_MAX);
    bytes_init(&memory->letter, LAND_LETTER_MAX);
}

void land_memory_free(struct land_memory *memory)
{
    bytes_free(&memory->path);
    bytes_free(&memory->key);
    bytes_free(&memory->letter);
}

/* ---- values ------------------------------------------------------------------------------------------------- */

/* A value of the document as text; unescaped ones lie in memory->key, which has room for all of them. */
static int row_text(const struct json_value *value, const char *what, struct land_memory *memory,
    struct slice *ret_text, struct error *error)
{
    *ret_text = value->text;
    switch (value->type) {
    case JSON_ABSENT:
    case JSON_NULL:
        *ret_text = (struct slice){NULL, 0};
        return 0;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return error_set(error, ERROR_REJECT, "%s is an array or an object", what);
    default:
        break;
    }
    if (!value->escaped)
        return 0;
    if (value->text.length > (size_t)RECORD_KEY_MAX * JSON_ESCAPE_MAX)
        return error_set(error, ERROR_REJECT, "%s has more than %d bytes", what, RECORD_KEY_MAX);
    char *to = memory->key.data + memory->key.length;
    *ret_text = (struct slice){to, json_unescape(value, to)};
    memory->key.length += ret_text->length;
    return 0;
}

static int row_key(const struct land_topic *topic, const struct kafka_record *message,
    const struct json_value *values, struct land_memory *memory, struct record *record, struct error *error)
{
    if (!topic->keyed)
        return 0;
    record->key = message->key;
    if (topic->key >= 0 && row_text(&values[topic->key], "key", memory, &record->key, error))
        return -1;
    return record_check_name(record->key, "key", error);
}

static int row_labels(const struct land_topic *topic, const struct kafka_record *message,
    const struct json_value *values, struct land_memory *memory, struct record *record, struct error *error)
{
    for (size_t i = LAND_OWN_LABELS; i < topic->labels_count; i++) {
        if (topic->headers[i])
            record->labels[i] = kafka_record_header(message, topic->headers[i]);
        else if (row_text(&values[topic->labels[i]], "label", memory, &record->labels[i], error))
            return -1;
        if (record_check_name(record->labels[i], "label", error))
            return -1;
    }
    record->labels_count = topic->labels_count;
    return 0;
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

static void row_begin(
    const struct land_place *place, const struct kafka_record *message, struct record *record)
{
    record->received = message->time;
    record->labels[0] = slice_of(place->topic);
    record->labels[1] = place->partition;
    record->labels_count = LAND_OWN_LABELS;
}

static struct lake_row row_end(const struct land_place *place, const struct kafka_record *message,
    const struct record *record, const struct land_memory *memory)
{
    return (struct lake_row){.path = bytes_slice(&memory->path),
        .stream = place->topic,
        .sequence = (uint64_t)message->offset + 1,
        .received = message->time,
        .key = message->key,
        .time = record_time(record)};
}

static int row_check_value(const struct land_topic *topic, const struct kafka_record *message,
    struct json_value *values, struct error *error)
{
    const struct slice value = message->value;

    if (!value.data)
        return error_set(error, ERROR_REJECT, "no value: a tombstone");
    if (topic->form.file != FORM_SOURCE && !utf8_is_text(message->key.data, message->key.length))
        return error_set(
            error, ERROR_REJECT, "a key that is no UTF-8, so that it can be no text of a column");
    if (topic->format == RECORD_FORMAT_JSON)
        return json_scan_document(value, topic->pointers, values, error);
    if (topic->form.file == FORM_SOURCE && topic->format == RECORD_FORMAT_TEXT && value.length &&
        memchr(value.data, '\n', value.length))
        return error_set(error, ERROR_REJECT, "a line break in a text that is to be one line");
    return 0;
}

static void row_time(const struct land_topic *topic, const struct json_value *values, struct record *record)
{
    struct error ignored;

    if (topic->time >= 0 && decode_time(&values[topic->time], &record->event, &ignored) == 0)
        record->flags |= RECORD_EVENT_TIME;
}

int land_row_make(const struct land_topic *topic, const struct land_place *place,
    const struct kafka_record *message, struct land_memory *memory, struct lake_row *ret_row,
    struct error *error)
{
    struct json_value values[JSON_POINTERS_MAX];
    struct record record;

    record.flags = 0;
    record.key = (struct slice){NULL, 0};
    bytes_clear(&memory->path);
    bytes_clear(&memory->key);
    if (topic->pointers_count && bytes_reserve(&memory->key, LAND_KEYS_MAX, error))
        return -1;
    if (row_check_value(topic, message, values, error))
        return -1;
    row_begin(place, message, &record);
    row_time(topic, values, &record);
    if (row_key(topic, message, values, memory, &record, error) ||
        row_labels(topic, message, values, memory, &record, error) ||
        template_render(topic->path, place->topic, &record, &memory->path, error))
        return -1;
    *ret_row = row_end(place, message, &record, memory);
    ret_row->format = topic->format;
    ret_row->rendering = place->table;
    ret_row->payload = message->value;
    return 0;
}

/* ---- dead letters ------------------------------------------------------------------------------------------- */

static int letter_escaped(struct slice text, struct bytes *out, struct error *error)
{
    for (size_t i = 0; i < text.length; i++)
        if (json_escape_is_needed(text.data[i]) ? json_escape_add(out, text.data[i], error)
                                                : bytes_add(out, text.data + i, 1, error))
            return -1;
    return 0;
}

/* What is no UTF-8 stands in NAME_base64. */
static int letter_data(const char *name, struct slice data, struct bytes *out, struct error *error)
{
    const bool text = utf8_is_text(data.data, data.length);

    if (!data.data)
        return bytes_print(out, error, ",\"%s\":null", name);
    return bytes_print(out, error, ",\"%s%s\":\"", name, text ? "" : "_base64") ||
                   (text ? letter_escaped(data, out, error) : base64_encode(data, out, error)) ||
                   bytes_add_text(out, "\"", error)
               ? -1
               : 0;
}

static int letter_print(const struct land_place *place, const struct kafka_record *message, const char *why,
    struct bytes *out, struct error *error)
{
    if (bytes_add_text(out, "{\"reason\":\"", error) || letter_escaped(slice_of(why), out, error) ||
        bytes_print(out, error,
            "\",\"topic\":\"%s\",\"partition\":%.*s,\"offset\":%" PRId64 ",\"time\":%" PRId64, place->topic,
            (int)place->partition.length, place->partition.data, message->offset, message->time / 1000) ||
        letter_data("key", message->key, out, error) || letter_data("payload", message->value, out, error))
        return -1;
    return bytes_add_text(out, "}", error);
}

int land_row_bury(const struct template *path, const struct land_place *place,
    const struct kafka_record *message, const char *why, struct land_memory *memory, struct lake_row *ret_row,
    struct error *error)
{
    struct record record;

    record.flags = 0;
    record.key = (struct slice){NULL, 0};
    bytes_clear(&memory->path);
    bytes_clear(&memory->letter);
    row_begin(place, message, &record);
    if (letter_print(place, message, why, &memory->letter, error) ||
        template_render(path, place->topic, &record, &memory->path, error))
        return -1;
    *ret_row = row_end(place, message, &record, memory);
    ret_row->format = RECORD_FORMAT_JSON;
    ret_row->payload = bytes_slice(&memory->letter);
    return 0;
}
