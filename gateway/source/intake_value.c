/* intake_value: key, labels and time of one record, by its stream's selectors; see intake_internal.h */
#include "source/intake_internal.h"

struct slice intake_value_string(const struct json_value *value, char scratch[INTAKE_ESCAPED_MAX])
{
    if (value->text.length > INTAKE_ESCAPED_MAX)
        return (struct slice){NULL, 0};
    if (!value->escaped)
        return value->text;
    return (struct slice){scratch, json_unescape(value, scratch)};
}

bool intake_value_is_integer(struct slice number)
{
    for (size_t i = number.data[0] == '-'; i < number.length; i++) {
        if (number.data[i] < '0' || number.data[i] > '9')
            return false;
    }
    return true;
}

const char *intake_value_selector_prefix(const struct selector *selector)
{
    switch (selector->source) {
    case SELECTOR_HEADER:
        return "header:";
    case SELECTOR_QUERY:
        return "query:";
    case SELECTOR_PATH:
        return "path:";
    case SELECTOR_TOPIC:
        return "topic:";
    case SELECTOR_MQTT:
        return "mqtt:";
    case SELECTOR_FILE:
        return "file:";
    case SELECTOR_LINE:
        return "line:";
    case SELECTOR_NONE:
    case SELECTOR_POINTER:
        break;
    }
    return "";
}

/* The key of a record by its pointer. */
static int intake_value_pointed_key(
    struct intake_run *run, uint64_t index, const struct json_value *value, struct slice *ret_key)
{
    const char *name = run->stream->key.name;

    switch (value->type) {
    case JSON_ABSENT:
        *ret_key = (struct slice){NULL, 0};
        return 0;
    case JSON_STRING:
        *ret_key = intake_value_string(value, run->intake->unescaped[0]);
        if (!ret_key->data)
            return intake_reject(run, index, INTAKE_KEY, "key %s: more than %d bytes", name, RECORD_KEY_MAX);
        return 0;
    case JSON_NUMBER:
        *ret_key = value->text;
        if (intake_value_is_integer(value->text))
            return 0;
        break;
    default:
        break;
    }
    return intake_reject(run, index, INTAKE_KEY, "key %s: must be a string or an integer", name);
}

int intake_value_key(struct intake_run *run, uint64_t index, struct slice *ret_key)
{
    const struct selector *selector = &run->stream->key;
    bool in_url = run->facts->key.data != NULL;
    struct error *error = &run->intake->scratch;

    *ret_key = run->key;
    if (!in_url && selector->source == SELECTOR_POINTER &&
        intake_value_pointed_key(run, index, &run->intake->values[selector->index], ret_key))
        return -1;
    if (record_check_name(*ret_key, "key", error))
        return intake_reject(run, index, INTAKE_KEY, "%s", error->text);
    if (ret_key->length == 0 && in_url)
        return intake_reject(run, index, INTAKE_KEY, "key: empty in the URL");
    if (ret_key->length == 0 && selector->source != SELECTOR_NONE)
        return intake_reject(run, index, INTAKE_KEY, "key %s%s: %s", intake_value_selector_prefix(selector),
            selector->name, ret_key->data ? "empty" : "missing");
    return 0;
}

static int intake_value_pointed_label(struct intake_run *run, uint64_t index, size_t label,
    const struct json_value *value, struct slice *ret_label)
{
    const char *name = run->stream->label_names[label];
    const char *pointer = run->stream->labels[label].name;

    switch (value->type) {
    case JSON_ABSENT:
    case JSON_NULL:
        *ret_label = (struct slice){NULL, 0};
        return 0;
    case JSON_STRING:
        *ret_label = intake_value_string(value, run->intake->unescaped[1 + label]);
        if (!ret_label->data)
            return intake_reject(
                run, index, INTAKE_LABEL, "label %s (%s): more than %d bytes", name, pointer, RECORD_KEY_MAX);
        return 0;
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
        *ret_label = value->text;
        return 0;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return intake_reject(
        run, index, INTAKE_LABEL, "label %s (%s): must be a string, a number, true or false", name, pointer);
}

int intake_value_labels(struct intake_run *run, uint64_t index, struct record *record)
{
    const struct stream *stream = run->stream;
    struct error *error = &run->intake->scratch;

    for (size_t i = 0; i < stream->labels_count; i++) {
        const struct selector *selector = &stream->labels[i];
        struct slice *label = &record->labels[i];

        *label = run->labels[i];
        if (selector->source == SELECTOR_POINTER &&
            intake_value_pointed_label(run, index, i, &run->intake->values[selector->index], label))
            return -1;
        if (record_check_name(*label, stream->label_names[i], error))
            return intake_reject(run, index, INTAKE_LABEL, "label %s", error->text);
    }
    record->labels_count = stream->labels_count;
    return 0;
}

static bool intake_value_inside(const struct stream *stream, int64_t event, int64_t received)
{
    int64_t first, last;

    if (__builtin_sub_overflow(received, stream->time_past, &first))
        first = INT64_MIN;
    if (__builtin_add_overflow(received, stream->time_future, &last))
        last = INT64_MAX;
    return event >= first && event <= last;
}

/* As a document would have it. */
static struct json_value intake_value_in_line(struct slice text, struct error *ignored)
{
    while (text.length && (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
        text.length--;
    const bool number = text.length && memchr("-0123456789", text.data[0], 11);

    if (text.length == 0)
        return (struct json_value){.type = JSON_ABSENT};
    return (struct json_value){
        .type = number && json_scan_document(text, NULL, NULL, ignored) == 0 ? JSON_NUMBER : JSON_STRING,
        .text = text};
}

static int intake_value_event(const struct stream *stream, const struct json_value *value, int64_t received,
    int64_t *ret_event, struct error *error)
{
    char plain[INTAKE_ESCAPED_MAX];

    if (!stream->time_format.text[0] || (value->type != JSON_STRING && value->type != JSON_NUMBER))
        return decode_time(value, ret_event, error);
    const struct slice text = intake_value_string(value, plain);
    return text.data ? decode_time_as(&stream->time_format, text, received, ret_event, error) : -1;
}

void intake_value_time(struct intake_run *run, struct record *record)
{
    const struct stream *stream = run->stream;
    const struct json_value value = stream->time.source == SELECTOR_LINE
                                        ? intake_value_in_line(run->time, &run->intake->scratch)
                                        : run->intake->values[stream->time.index];
    int64_t event;

    record->received = run->facts->received;
    if (stream->time.source == SELECTOR_NONE || value.type == JSON_ABSENT || value.type == JSON_NULL)
        return;
    /* A time that cannot be read is marked, not refused. */
    if (intake_value_event(stream, &value, record->received, &event, &run->intake->scratch) ||
        !intake_value_inside(stream, event, record->received)) {
        record->flags |= RECORD_TIME_OUTSIDE;
        return;
    }
    record->flags |= RECORD_EVENT_TIME;
    record->event = event;
}
