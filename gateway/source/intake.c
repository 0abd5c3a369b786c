/* intake: see intake.h
 *
 * For each record: check its size, scan it once (that validates it and finds the wanted values), put key, labels and time into a
 * struct record whose slices point into the body or into scratch, encode its head, add it. No malloc, no copy of payloads.
 */
#include "source/intake.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* An escape is at most six bytes per byte of meaning (\u0041): a longer string cannot be a key or label. */
#define INTAKE_ESCAPED_MAX (6 * RECORD_KEY_MAX)

struct intake {
    const struct streams *streams;
    struct intake_limits limits;
    struct json_pointers **pointers; /* of each stream */
    struct bytes head; /* reused */
    struct json_value values[JSON_POINTERS_MAX];
    char unescaped[1 + RECORD_LABELS_MAX][INTAKE_ESCAPED_MAX]; /* of the key, of each label */
};

/* One body on its way through. */
struct intake_run {
    struct intake *intake;
    const struct stream *stream;
    const struct json_pointers *pointers;
    enum decode_form form;
    const struct intake_facts *facts;
    struct slice key; /* found once for all records, as the next */
    struct slice labels[RECORD_LABELS_MAX];
    struct handover *handover;
    struct intake_result *result;
};

static const char *const intake_reason_names[INTAKE_REASONS] = {
    [INTAKE_SYNTAX] = "syntax",
    [INTAKE_KEY] = "key",
    [INTAKE_LABEL] = "label",
    [INTAKE_TOO_LARGE] = "too_large",
};

const char *intake_reason_name(enum intake_reason reason)
{
    return intake_reason_names[reason];
}

void intake_free(struct intake **intake)
{
    if (!*intake)
        return;
    for (size_t i = 0; i < (*intake)->streams->count; i++)
        json_pointers_free(&(*intake)->pointers[i]);
    free((*intake)->pointers);
    bytes_free(&(*intake)->head);
    free(*intake);
    *intake = NULL;
}

int intake_new(struct intake **ret_intake, const struct streams *streams, const struct intake_limits *limits,
    struct error *error)
{
    __attribute__((cleanup(intake_free))) struct intake *intake = NULL;
    struct json_pointers **pointers = calloc(streams->count + 1, sizeof(struct json_pointers *));

    intake = pointers ? calloc(1, sizeof *intake) : NULL;
    if (!intake) {
        free(pointers); /* GCOVR_EXCL_LINE malloc does not fail in tests */
        return error_set(error, ERROR_RETRY, "intake: out of memory"); /* GCOVR_EXCL_LINE as above */
    }
    intake->streams = streams;
    intake->limits = *limits;
    intake->pointers = pointers;
    bytes_init(&intake->head, RECORD_HEAD_MAX);
    for (size_t i = 0; i < streams->count; i++) {
        const struct stream *stream = &streams->items[i];
        if (json_pointers_compile(
                &pointers[i], (const char *const *)stream->pointers, stream->pointers_count, error))
            return error_wrap(error, "stream %s", stream->name);
    }
    *ret_intake = intake;
    intake = NULL;
    return 0;
}

/* ---- what becomes of one record ---------------------------------------------------------------------------- */

/* Always returns -1. */
__attribute__((format(printf, 4, 5))) static int intake_reject(
    struct intake_run *run, uint64_t index, enum intake_reason reason, const char *format, ...)
{
    struct intake_result *result = run->result;
    va_list arguments;

    result->rejected++;
    result->by_reason[reason]++;
    if (result->listed == INTAKE_LISTED_MAX)
        return -1;
    struct intake_rejection *rejection = &result->list[result->listed++];
    rejection->index = index;
    rejection->reason = reason;
    va_start(arguments, format);
    vsnprintf(rejection->text, sizeof rejection->text, format, arguments);
    va_end(arguments);
    return -1;
}

/* The meaning of a string; NULL data when it is longer than any name may be. */
static struct slice intake_string(const struct json_value *value, char scratch[INTAKE_ESCAPED_MAX])
{
    if (value->text.length > INTAKE_ESCAPED_MAX)
        return (struct slice){NULL, 0};
    if (!value->escaped)
        return value->text;
    return (struct slice){scratch, json_unescape(value, scratch)};
}

static bool intake_is_integer(struct slice number)
{
    for (size_t i = number.data[0] == '-'; i < number.length; i++) {
        if (number.data[i] < '0' || number.data[i] > '9')
            return false;
    }
    return true;
}

static const char *intake_selector_prefix(const struct selector *selector)
{
    return selector->source == SELECTOR_HEADER  ? "header:"
           : selector->source == SELECTOR_QUERY ? "query:"
           : selector->source == SELECTOR_PATH  ? "path:"
                                                : "";
}

/* The key of a record by its pointer. */
static int intake_pointed_key(
    struct intake_run *run, uint64_t index, const struct json_value *value, struct slice *ret_key)
{
    const char *name = run->stream->key.name;

    switch (value->type) {
    case JSON_ABSENT:
        *ret_key = (struct slice){NULL, 0};
        return 0;
    case JSON_STRING:
        *ret_key = intake_string(value, run->intake->unescaped[0]);
        if (!ret_key->data)
            return intake_reject(run, index, INTAKE_KEY, "key %s: more than %d bytes", name, RECORD_KEY_MAX);
        return 0;
    case JSON_NUMBER:
        *ret_key = value->text;
        if (intake_is_integer(value->text))
            return 0;
        break;
    default:
        break;
    }
    return intake_reject(run, index, INTAKE_KEY, "key %s: must be a string or an integer", name);
}

static int intake_key(struct intake_run *run, uint64_t index, struct slice *ret_key)
{
    const struct selector *selector = &run->stream->key;
    const char *prefix = intake_selector_prefix(selector);
    const char *name = selector->name ? selector->name : "";
    bool in_url = run->facts->key.data != NULL;
    struct error error;

    *ret_key = run->key;
    if (!in_url && selector->source == SELECTOR_POINTER &&
        intake_pointed_key(run, index, &run->intake->values[selector->index], ret_key))
        return -1;
    if (record_check_name(*ret_key, "key", &error))
        return intake_reject(run, index, INTAKE_KEY, "%s", error.text);
    if (ret_key->length == 0 && in_url)
        return intake_reject(run, index, INTAKE_KEY, "key: empty in the URL");
    if (ret_key->length == 0 && selector->source != SELECTOR_NONE)
        return intake_reject(
            run, index, INTAKE_KEY, "key %s%s: %s", prefix, name, ret_key->data ? "empty" : "missing");
    return 0;
}

static int intake_pointed_label(struct intake_run *run, uint64_t index, size_t label,
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
        *ret_label = intake_string(value, run->intake->unescaped[1 + label]);
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

static int intake_labels(struct intake_run *run, uint64_t index, struct record *record)
{
    const struct stream *stream = run->stream;
    struct error error;

    for (size_t i = 0; i < stream->labels_count; i++) {
        const struct selector *selector = &stream->labels[i];
        struct slice *label = &record->labels[i];

        *label = run->labels[i];
        if (selector->source == SELECTOR_POINTER &&
            intake_pointed_label(run, index, i, &run->intake->values[selector->index], label))
            return -1;
        if (record_check_name(*label, stream->label_names[i], &error))
            return intake_reject(run, index, INTAKE_LABEL, "label %s", error.text);
    }
    record->labels_count = stream->labels_count;
    return 0;
}

static bool intake_inside(const struct stream *stream, int64_t event, int64_t received)
{
    int64_t first, last;

    if (__builtin_sub_overflow(received, stream->time_past, &first))
        first = INT64_MIN;
    if (__builtin_add_overflow(received, stream->time_future, &last))
        last = INT64_MAX;
    return event >= first && event <= last;
}

static void intake_time(struct intake_run *run, struct record *record)
{
    const struct stream *stream = run->stream;
    const struct json_value *value = &run->intake->values[stream->time.index];
    struct error ignored; /* a time that cannot be read is marked, not refused */
    int64_t event;

    record->received = run->facts->received;
    if (stream->time.source == SELECTOR_NONE || value->type == JSON_ABSENT || value->type == JSON_NULL)
        return;
    if (decode_time(value, &event, &ignored) || !intake_inside(stream, event, record->received)) {
        record->flags |= RECORD_TIME_OUTSIDE;
        return;
    }
    record->flags |= RECORD_EVENT_TIME;
    record->event = event;
}

/* Validates the payload and leaves the wanted values in the intake. */
static int intake_scan(struct intake_run *run, uint64_t index, struct slice payload)
{
    struct json_value *values = run->intake->values;
    struct error error;

    if (payload.length > run->intake->limits.max_record)
        return intake_reject(run, index, INTAKE_TOO_LARGE,
            "record of %zu bytes: at most %llu are allowed (http.max_record)", payload.length,
            (unsigned long long)run->intake->limits.max_record);
    if (run->form == DECODE_TEXT) {
        memset(values, 0, run->stream->pointers_count * sizeof *values); /* JSON_ABSENT */
        return 0;
    }
    if (json_scan_document(payload, run->pointers, values, &error))
        return intake_reject(run, index, INTAKE_SYNTAX, "%s", error.text);
    if (run->stream->format == RECORD_FORMAT_TEXT && memchr(payload.data, '\n', payload.length))
        return intake_reject(run, index, INTAKE_SYNTAX,
            "a line break between tokens cannot be kept in a stream of text lines");
    return 0;
}

/* 0 also when the record was rejected; -1 ends the body. */
static int intake_record(struct intake_run *run, uint64_t index, struct slice payload, struct error *error)
{
    struct bytes *head = &run->intake->head;
    struct record record;

    record.rendering = run->stream->rendering;
    record.flags = 0;
    record.event = 0;
    record.origin = run->facts->origin;
    if (intake_scan(run, index, payload) || intake_key(run, index, &record.key) ||
        intake_labels(run, index, &record))
        return 0;
    intake_time(run, &record);
    bytes_clear(head);
    if (record_encode_head(&record, head, error))
        return -1; /* GCOVR_EXCL_LINE the buffer takes the largest head, so only malloc can fail */
    if (handover_add(run->handover, JOURNAL_KIND_DATA, bytes_slice(head),
            (size_t)(payload.data - run->handover->payloads), payload.length, error))
        return -1;
    run->result->accepted++;
    return 0;
}

/* ---- the body ---------------------------------------------------------------------------------------------- */

static struct slice intake_find(const struct intake_facts *facts, const struct selector *selector)
{
    if (!facts->find || selector->source == SELECTOR_NONE || selector->source == SELECTOR_POINTER)
        return (struct slice){NULL, 0};
    return facts->find(facts->context, selector->source, selector->name);
}

/* What is the same for all records of a body. */
static void intake_find_all(struct intake_run *run)
{
    const struct stream *stream = run->stream;

    run->key = run->facts->key.data ? run->facts->key : intake_find(run->facts, &stream->key);
    for (size_t i = 0; i < stream->labels_count; i++)
        run->labels[i] = intake_find(run->facts, &stream->labels[i]);
}

static int intake_refuse(struct intake_run *run, enum intake_reason reason, struct error *error)
{
    run->result->refused = reason;
    run->result->accepted = 0;
    handover_clear(run->handover);
    return error_wrap(error, "stream %s", run->stream->name);
}

static int intake_records(struct intake_run *run, struct decoder *decoder, struct error *error)
{
    uint64_t most = run->intake->limits.max_records;
    uint64_t index = 0;
    struct slice payload;

    for (; decoder_next(decoder, &payload); index++) {
        if (index == most) {
            error_set(error, ERROR_REJECT, "more than %llu records in one body (http.max_records)",
                (unsigned long long)most);
            return intake_refuse(run, INTAKE_TOO_LARGE, error);
        }
        if (intake_record(run, index, payload, error))
            return intake_refuse(run, INTAKE_TOO_LARGE, error);
    }
    if (index == 0) {
        error_set(error, ERROR_REJECT, "the body holds no record");
        return intake_refuse(run, INTAKE_SYNTAX, error);
    }
    return 0;
}

int intake_take(struct intake *intake, const struct stream *stream, enum decode_form form, struct slice body,
    const struct intake_facts *facts, struct handover *handover, struct intake_result *ret_result,
    struct error *error)
{
    assert(stream >= intake->streams->items && stream < intake->streams->items + intake->streams->count);

    struct intake_run run = {
        .intake = intake,
        .stream = stream,
        .pointers = intake->pointers[stream - intake->streams->items],
        .form = form,
        .facts = facts,
        .handover = handover,
        .result = ret_result,
    };
    struct decoder decoder;

    handover_clear(handover);
    handover->payloads = body.data;
    ret_result->accepted = ret_result->rejected = ret_result->listed = 0;
    memset(ret_result->by_reason, 0, sizeof ret_result->by_reason);

    if (form == DECODE_TEXT && stream->format != RECORD_FORMAT_TEXT) {
        error_set(error, ERROR_REJECT, "takes JSON, not text lines");
        return intake_refuse(&run, INTAKE_SYNTAX, error);
    }
    if (decoder_start(&decoder, form, body, error))
        return intake_refuse(&run, INTAKE_SYNTAX, error);
    intake_find_all(&run);
    return intake_records(&run, &decoder, error);
}
