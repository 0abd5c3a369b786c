/* intake: see intake.h
 *
 * For each record: check its size, scan it once (that validates it and finds the wanted values), put key, labels and time into a
 * struct record whose slices point into the body or into scratch, encode its head, add it. No malloc, no copy of payloads (but
 * the one that came escaped in an envelope is unescaped to look into it). A body may be a hundred bytes, one of a million in a
 * second: nothing large is set up for it.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "source/intake_internal.h"

static const char *const intake_reason_names[INTAKE_REASONS] = {
    [INTAKE_SYNTAX] = "syntax",
    [INTAKE_KEY] = "key",
    [INTAKE_SEQUENCE] = "sequence",
    [INTAKE_LABEL] = "label",
    [INTAKE_TOPIC] = "topic",
    [INTAKE_SCHEMA] = "schema",
    [INTAKE_FORBIDDEN] = "forbidden",
    [INTAKE_RATE] = "rate",
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
    for (size_t i = 0; i <= (*intake)->places; i++) {
        json_pointers_free(&(*intake)->known[i].own);
        json_pointers_free(&(*intake)->known[i].enveloped);
    }
    free((*intake)->known);
    bytes_free(&(*intake)->head);
    bytes_free(&(*intake)->inner);
    bytes_free(&(*intake)->topic);
    schema_scratch_free(&(*intake)->schema);
    free(*intake);
    *intake = NULL;
}

static bool intake_looks_in_line(const struct stream *stream)
{
    bool looks = stream->key.source == SELECTOR_LINE || stream->time.source == SELECTOR_LINE ||
                 stream->sequence.source == SELECTOR_LINE;

    for (size_t i = 0; i < stream->labels_count; i++)
        looks |= stream->labels[i].source == SELECTOR_LINE;
    return looks;
}

static int intake_know(struct intake *intake, const struct stream *stream, struct error *error)
{
    struct intake_stream *known = &intake->known[stream->place];

    if ((!known->own && json_pointers_compile(&known->own, (const char *const *)stream->pointers,
                            stream->pointers_count, error)) ||
        (!known->enveloped && stream->value == RECORD_VALUE_ENVELOPE &&
            stream->format != RECORD_FORMAT_BYTES &&
            intake_envelope_compile(&known->enveloped, stream, error)) ||
        intake_schema_know(intake, stream, error))
        return error_wrap(error, "stream %s", stream->name);
    known->in_line = intake_looks_in_line(stream);
    known->scope = intake_rate_scope(stream);
    if (stream->schema_pass)
        metric_series(METRIC_RECORDS_SCHEMA_INVALID, stream->name, NULL, NULL); /* seen from the start */
    known->once = stream->sequence.source != SELECTOR_NONE;
    if (known->once)
        sequence_stream_find(&known->sequences, stream->name, stream->sequence_stores_old);
    intake_message_know(known, stream);
    known->whole = true;
    return 0;
}

void intake_limit(struct intake *intake, const struct intake_limits *limits)
{
    assert(limits->max_record_option && limits->max_records_option);
    intake->limits = *limits;
    intake->inner.limit =
        limits->max_record > intake->inner.capacity ? limits->max_record : intake->inner.capacity;
}

int intake_new(struct intake **ret_intake, const struct streams *streams, size_t places,
    const struct intake_limits *limits, struct error *error)
{
    __attribute__((cleanup(intake_free))) struct intake *intake = NULL;
    struct intake_stream *known = calloc(places + 1, sizeof *known);

    intake = known ? calloc(1, sizeof *intake) : NULL;
    if (!intake) {
        free(known); /* GCOVR_EXCL_LINE malloc does not fail in tests */
        return error_set(error, ERROR_RETRY, "intake: out of memory"); /* GCOVR_EXCL_LINE as above */
    }
    intake->known = known;
    intake->places = places;
    bytes_init(&intake->head, RECORD_HEAD_MAX);
    bytes_init(&intake->inner, limits->max_record);
    bytes_init(&intake->topic, INTAKE_TOPIC_SCRATCH);
    intake_limit(intake, limits);
    if (bytes_reserve_exact(&intake->topic, INTAKE_TOPIC_SCRATCH, error))
        return -1; /* GCOVR_EXCL_LINE malloc does not fail in tests */
    for (size_t i = 0; i < streams->count; i++) {
        if (intake_know(intake, streams->items[i], error))
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
    char *text = run->intake->why;
    size_t size = sizeof run->intake->why;
    va_list arguments;

    result->rejected++;
    result->by_reason[reason]++;
    if (!run->facts->bury) {
        if (result->listed == INTAKE_LISTED_MAX)
            return -1;
        struct intake_rejection *rejection = &result->list[result->listed++];
        rejection->index = index;
        rejection->reason = reason;
        text = rejection->text;
        size = sizeof rejection->text;
    }
    va_start(arguments, format);
    vsnprintf(text, size, format, arguments);
    va_end(arguments);
    return -1;
}

static struct slice intake_find(const struct intake_facts *facts, const struct selector *selector)
{
    if (!facts->find || selector->source == SELECTOR_NONE || selector->source == SELECTOR_POINTER)
        return (struct slice){NULL, 0};
    return facts->find(facts->context, selector->source, selector->name);
}

/* What stands in this record's own line. */
static void intake_look(struct intake_run *run, struct slice payload)
{
    const struct intake_facts *facts = run->facts;
    const struct stream *stream = run->stream;

    if (facts->look)
        facts->look(facts->context, payload);
    if (stream->key.source == SELECTOR_LINE && !facts->key.data)
        run->key = intake_find(facts, &stream->key);
    if (stream->sequence.source == SELECTOR_LINE)
        run->sequence = intake_find(facts, &stream->sequence);
    if (stream->time.source == SELECTOR_LINE)
        run->time = intake_find(facts, &stream->time);
    for (size_t i = 0; i < stream->labels_count; i++) {
        if (stream->labels[i].source == SELECTOR_LINE)
            run->labels[i] = intake_find(facts, &stream->labels[i]);
    }
}

/* What is looked for in each payload. */
static const struct json_pointers *intake_pointers(const struct intake_run *run)
{
    return run->known->enveloped ? run->known->enveloped : run->known->own;
}

/* Validates the payload, unless its decoder has done so, and leaves the wanted values in the intake. */
static int intake_scan(struct intake_run *run, uint64_t index, struct slice payload)
{
    struct json_value *values = run->intake->values;
    const struct intake_limits *limits = &run->intake->limits;
    struct error *error = &run->intake->scratch;

    if (payload.length > limits->max_record)
        return intake_reject(run, index, INTAKE_TOO_LARGE,
            "record of %zu bytes: at most %llu are allowed (%s)", payload.length,
            (unsigned long long)limits->max_record, limits->max_record_option);
    if (intake_is_opaque(run)) {
        memset(values, 0, run->stream->pointers_count * sizeof *values); /* JSON_ABSENT */
        return 0;
    }
    if (!run->scanned && json_scan_document(payload, intake_pointers(run), values, error))
        return intake_reject(run, index, INTAKE_SYNTAX, "%s", error->text);
    if (run->stream->format == RECORD_FORMAT_TEXT && memchr(payload.data, '\n', payload.length))
        return intake_reject(run, index, INTAKE_SYNTAX,
            "a line break between tokens cannot be kept in a stream of text lines");
    return 0;
}

/* Where the URL or the topic says the key, the record may say another one all the same, and its readers believe that. */
static bool intake_allows_own_key(struct intake_run *run, const struct grant *grant)
{
    const struct selector *selector = &run->stream->key;
    const struct json_value *value = &run->intake->values[selector->index];

    if (!run->facts->key.data || selector->source != SELECTOR_POINTER)
        return true;
    if (value->type == JSON_NUMBER)
        return grant_allows_key(grant, value->text);
    return value->type != JSON_STRING ||
           grant_allows_key(grant, intake_value_string(value, run->intake->unescaped[0]));
}

/* A key that its sender may not write. */
static int intake_forbid(struct intake_run *run, uint64_t index, struct slice key)
{
    const struct grant *grant = run->facts->grant;

    if (!grant || (grant_allows_key(grant, key) && intake_allows_own_key(run, grant)))
        return 0;
    run->forbidden = true;
    return intake_reject(run, index, INTAKE_FORBIDDEN, "%s may not write the key '%.*s'", grant_name(grant),
        (int)key.length, key.data);
}

/* Everything but its payload. 1: rejected; -1 only when memory is gone. */
static int intake_describe(
    struct intake_run *run, uint64_t index, struct slice payload, struct record *record, struct error *error)
{
    record->rendering = run->stream->rendering;
    record->flags = 0;
    record->event = 0;
    record->origin =
        run->facts->locate ? run->facts->locate(run->facts->context, payload) : run->facts->origin;
    record->reason = (struct slice){NULL, 0};
    record->payload = payload;
    if (intake_scan(run, index, payload))
        return 1;
    if (run->known->enveloped && !intake_is_opaque(run) && intake_envelope_open(run, &record->flags, error))
        return -1; /* GCOVR_EXCL_LINE only malloc can fail */
    if (run->known->in_line)
        intake_look(run, payload);
    /* First of all: what is wrong besides with somebody else's record makes it no dead letter. */
    if (intake_value_key(run, index, &record->key) || intake_forbid(run, index, record->key))
        return 1;
    if (run->rated)
        run->who = rate_key(run->facts->rates, run->known->scope, record->key);
    if (run->stream->schema) {
        const int checked = intake_schema_check(run, index, record, error);
        if (checked)
            return checked;
    }
    if ((run->known->once && intake_once_find(run, index, record->key)) ||
        intake_value_labels(run, index, record))
        return 1;
    intake_value_time(run, record);
    return intake_message_check(run, index, record) ||
                   (run->rated && intake_rate_check(run, index, record->key))
               ? 1
               : 0;
}

/* Nothing of the body is to be taken, for one of its records, and nothing buried. */
static bool intake_gives_up(const struct intake_run *run)
{
    return run->facts->bury && (run->forbidden || run->ahead);
}

/* 0 also when the record was rejected; -1 ends the body. */
static int intake_record(struct intake_run *run, uint64_t index, struct slice payload, struct error *error)
{
    struct intake *intake = run->intake;
    int described = intake_describe(run, index, payload, &intake->record, error);

    if (described < 0)
        return -1; /* GCOVR_EXCL_LINE as above */
    if (intake_gives_up(run))
        return error_set(error, ERROR_REJECT, "%s", intake->why);
    if (described > 0)
        return run->facts->bury
                   ? intake_bury(intake, run->stream, payload, run->facts, intake->why, run->handover, error)
                   : 0;
    if (intake_store(intake, run->known->once ? &intake->once : NULL, run->handover, error))
        return -1;
    run->result->accepted++;
    run->result->schema_invalid += (intake->record.flags & RECORD_SCHEMA_INVALID) != 0;
    return 0;
}

/* ---- the body ---------------------------------------------------------------------------------------------- */

/* What is the same for all records of a body; what is not, intake_look() finds. */
static void intake_find_all(struct intake_run *run)
{
    const struct stream *stream = run->stream;

    run->key = run->facts->key.data ? run->facts->key : intake_find(run->facts, &stream->key);
    if (run->known->once)
        run->sequence = intake_find(run->facts, &stream->sequence);
    for (size_t i = 0; i < stream->labels_count; i++)
        run->labels[i] = intake_find(run->facts, &stream->labels[i]);
}

/* Nothing of the body is left, and nothing of it is counted. */
static void intake_forget(struct intake_run *run)
{
    struct intake_result *result = run->result;

    if (run->rated && !run->facts->bury)
        intake_refund((struct stream *const[]){(struct stream *)run->stream}, 1, run->handover, &run->mark,
            run->facts->rates, INTAKE_REFUND_ALL);
    handover_rewind(run->handover, &run->mark);
    result->accepted = result->schema_invalid = result->rejected = result->listed = 0;
    memset(result->by_reason, 0, sizeof result->by_reason);
}

/* Neither the body's fault nor the sender's: they may come again. */
static int intake_fail(struct intake_run *run, struct error *error)
{
    intake_forget(run);
    run->result->refused = !intake_gives_up(run) ? INTAKE_TOO_LARGE
                           : run->forbidden      ? INTAKE_FORBIDDEN
                                                 : INTAKE_RATE;
    return error_wrap(error, "stream %s", run->stream->name);
}

/* The body as a whole, for the error's reason. 0: it is buried. */
static int intake_refuse(
    struct intake_run *run, struct slice body, enum intake_reason reason, struct error *error)
{
    intake_forget(run);
    if (run->facts->bury) {
        intake_reject(run, 0, reason, "%s", error->text);
        if (intake_bury(run->intake, run->stream, body, run->facts, run->intake->why, run->handover, error))
            return intake_fail(run, error);
        return 0;
    }
    run->result->refused = reason;
    return error_wrap(error, "stream %s", run->stream->name);
}

/* A body that is broken further behind is refused for that, whatever limit was met in front of it. */
static bool intake_breaks(struct decoder *decoder, struct error *error)
{
    struct error broken;
    struct slice payload;
    int next;

    while ((next = decoder_next(decoder, &payload, &broken)) > 0)
        continue;
    if (next < 0)
        *error = broken;
    return next < 0;
}

static int intake_records(
    struct intake_run *run, struct decoder *decoder, struct slice body, struct error *error)
{
    const struct intake_limits *limits = &run->intake->limits;
    uint64_t index = 0;
    struct slice payload;
    int next;

    for (; (next = decoder_next(decoder, &payload, error)) > 0; index++) {
        if (index == limits->max_records) {
            error_set(error, ERROR_REJECT, "more than %llu records in one body (%s)",
                (unsigned long long)limits->max_records, limits->max_records_option);
            return intake_refuse(
                run, body, intake_breaks(decoder, error) ? INTAKE_SYNTAX : INTAKE_TOO_LARGE, error);
        }
        run->scanned = decoder->scanned;
        if (intake_record(run, index, payload, error))
            return !intake_gives_up(run) && intake_breaks(decoder, error)
                       ? intake_refuse(run, body, INTAKE_SYNTAX, error)
                       : intake_fail(run, error);
    }
    if (next < 0 || index == 0) {
        if (next == 0)
            error_set(error, ERROR_REJECT, "the body holds no record");
        return intake_refuse(run, body, INTAKE_SYNTAX, error);
    }
    return 0;
}

static void intake_begin(struct intake *intake, const struct stream *stream, enum decode_form form,
    const struct intake_facts *facts, struct handover *handover, struct intake_result *result)
{
    struct intake_run *run = &intake->run;

    assert(stream->place >= 1 && stream->place <= intake->places);
    run->intake = intake;
    run->stream = stream;
    run->known = &intake->known[stream->place];
    run->form = stream->format == RECORD_FORMAT_BYTES && form != DECODE_BLOCK ? DECODE_BYTES : form;
    run->facts = facts;
    run->forbidden = run->ahead = false;
    run->rated = facts->rates && stream->key_rate;
    run->handover = handover;
    run->mark = handover_mark(handover);
    run->result = result;
    result->accepted = result->schema_invalid = result->rejected = result->listed = 0;
    result->wait = INT64_MAX;
    memset(result->by_reason, 0, sizeof result->by_reason);
    intake_find_all(run);
}

/* In a file of text lines a line break ends a record; blocks of lines are for those who want them there all the same. */
static bool intake_fits(enum decode_form form, enum record_format format)
{
    return ((form != DECODE_TEXT && form != DECODE_LINES) || format == RECORD_FORMAT_TEXT) &&
           (form != DECODE_BYTES || format == RECORD_FORMAT_BYTES) &&
           (form != DECODE_BLOCK || format != RECORD_FORMAT_JSON);
}

static int intake_body(struct intake *intake, const struct stream *stream, enum decode_form form,
    struct slice body, const struct intake_facts *facts, struct handover *handover,
    struct intake_result *ret_result, struct error *error)
{
    struct intake_run *run = &intake->run;
    struct decoder decoder;

    if (!intake->known[stream->place].whole && intake_know(intake, stream, error))
        return -1; /* GCOVR_EXCL_LINE malloc does not fail in tests */
    intake_begin(intake, stream, form, facts, handover, ret_result);
    if (!intake_fits(run->form, stream->format)) {
        error_set(error, ERROR_REJECT, "takes %s, not %s",
            stream->format == RECORD_FORMAT_TEXT ? "text lines" : "JSON",
            form == DECODE_TEXT ? "text lines" : "bytes");
        return intake_refuse(run, body, INTAKE_SYNTAX, error);
    }
    if (decoder_start(&decoder, run->form, body, error))
        return intake_refuse(run, body, INTAKE_SYNTAX, error);
    decoder.pointers = intake_pointers(run);
    decoder.values = intake->values;
    return intake_records(run, &decoder, body, error);
}

/* What the patterns of schemas may take. */
static void intake_renew(struct intake *intake, uint64_t steps, struct slice body)
{
    if (intake->schema)
        schema_scratch_renew(intake->schema, steps + body.length * SCHEMA_STEPS_PER_BYTE);
}

/* Each has steps of its own: nobody's neighbour takes them. */
int intake_add(struct intake *intake, const struct stream *stream, enum decode_form form, struct slice body,
    const struct intake_facts *facts, struct handover *handover, struct intake_result *ret_result,
    struct error *error)
{
    intake_renew(intake, SCHEMA_STEPS_MESSAGE, body);
    return intake_body(intake, stream, form, body, facts, handover, ret_result, error);
}

int intake_take(struct intake *intake, const struct stream *stream, enum decode_form form, struct slice body,
    const struct intake_facts *facts, struct handover *handover, struct intake_result *ret_result,
    struct error *error)
{
    handover_clear(handover);
    handover->payloads = body.data;
    intake_renew(intake, SCHEMA_STEPS_BODY, body);
    return intake_body(intake, stream, form, body, facts, handover, ret_result, error);
}

enum decode_form intake_guess(struct intake *intake, const struct stream *stream, struct slice body)
{
    struct decoder lines;
    struct slice first, second;

    if (stream->format != RECORD_FORMAT_JSON)
        return stream->format == RECORD_FORMAT_TEXT ? DECODE_TEXT : DECODE_BYTES;
    if (body.length == 0 || !memchr(body.data, '\n', body.length) ||
        decoder_start(&lines, DECODE_NDJSON, body, &intake->scratch) ||
        !decoder_next(&lines, &first, &intake->scratch) || !decoder_next(&lines, &second, &intake->scratch) ||
        json_scan_document(first, NULL, NULL, &intake->scratch))
        return DECODE_JSON;
    return DECODE_NDJSON;
}
