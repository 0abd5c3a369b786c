/* intake: see intake.h
 *
 * For each record: check its size, scan it once (that validates it and finds the wanted values), put key, labels and time into a
 * struct record whose slices point into the body or into scratch, encode its head, add it. No malloc, no copy of payloads (but
 * the one that came escaped in an envelope is unescaped to look into it).
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "source/intake_internal.h"

static const char *const intake_reason_names[INTAKE_REASONS] = {
    [INTAKE_SYNTAX] = "syntax",
    [INTAKE_KEY] = "key",
    [INTAKE_LABEL] = "label",
    [INTAKE_TOPIC] = "topic",
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
    for (size_t i = 0; i < (*intake)->streams->count; i++) {
        json_pointers_free(&(*intake)->pointers[i].own);
        json_pointers_free(&(*intake)->pointers[i].enveloped);
    }
    free((*intake)->pointers);
    bytes_free(&(*intake)->head);
    bytes_free(&(*intake)->inner);
    bytes_free(&(*intake)->topic);
    free(*intake);
    *intake = NULL;
}

static int intake_compile(struct intake_pointers *pointers, const struct stream *stream, struct error *error)
{
    if (json_pointers_compile(
            &pointers->own, (const char *const *)stream->pointers, stream->pointers_count, error) ||
        (stream->value == RECORD_VALUE_ENVELOPE &&
            intake_envelope_compile(&pointers->enveloped, stream, error)))
        return error_wrap(error, "stream %s", stream->name);
    return 0;
}

int intake_new(struct intake **ret_intake, const struct streams *streams, const struct intake_limits *limits,
    struct error *error)
{
    __attribute__((cleanup(intake_free))) struct intake *intake = NULL;
    struct intake_pointers *pointers = calloc(streams->count + 1, sizeof *pointers);

    intake = pointers ? calloc(1, sizeof *intake) : NULL;
    if (!intake) {
        free(pointers); /* GCOVR_EXCL_LINE malloc does not fail in tests */
        return error_set(error, ERROR_RETRY, "intake: out of memory"); /* GCOVR_EXCL_LINE as above */
    }
    intake->streams = streams;
    intake->limits = *limits;
    intake->pointers = pointers;
    bytes_init(&intake->head, RECORD_HEAD_MAX);
    bytes_init(&intake->inner, limits->max_record);
    bytes_init(&intake->topic, INTAKE_TOPIC_SCRATCH);
    if (bytes_reserve_exact(&intake->topic, INTAKE_TOPIC_SCRATCH, error))
        return -1; /* GCOVR_EXCL_LINE malloc does not fail in tests */
    for (size_t i = 0; i < streams->count; i++) {
        if (intake_compile(&pointers[i], &streams->items[i], error))
            return -1;
    }
    *ret_intake = intake;
    intake = NULL;
    return 0;
}

/* ---- what becomes of one record ---------------------------------------------------------------------------- */

int intake_reject(struct intake_run *run, uint64_t index, enum intake_reason reason, const char *format, ...)
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

/* Validates the payload and leaves the wanted values in the intake. */
static int intake_scan(struct intake_run *run, uint64_t index, struct slice payload)
{
    struct json_value *values = run->intake->values;
    const struct json_pointers *pointers =
        run->pointers->enveloped ? run->pointers->enveloped : run->pointers->own;
    struct error *error = &run->intake->scratch;

    if (payload.length > run->intake->limits.max_record)
        return intake_reject(run, index, INTAKE_TOO_LARGE,
            "record of %zu bytes: at most %llu are allowed (http.max_record)", payload.length,
            (unsigned long long)run->intake->limits.max_record);
    if (run->form == DECODE_TEXT) {
        memset(values, 0, run->stream->pointers_count * sizeof *values); /* JSON_ABSENT */
        return 0;
    }
    if (json_scan_document(payload, pointers, values, error))
        return intake_reject(run, index, INTAKE_SYNTAX, "%s", error->text);
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
    record.payload = payload;
    if (intake_scan(run, index, payload))
        return 0;
    if (run->pointers->enveloped && run->form != DECODE_TEXT &&
        intake_envelope_open(run, &record.flags, error))
        return -1; /* GCOVR_EXCL_LINE only malloc can fail */
    if (intake_value_key(run, index, &record.key) || intake_value_labels(run, index, &record))
        return 0;
    intake_value_time(run, &record);
    if (intake_message_check(run, index, &record))
        return 0;
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
    intake_message_begin(run);
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
        .pointers = &intake->pointers[stream - intake->streams->items],
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
