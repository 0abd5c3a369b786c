/* intake_internal: what the files of the intake share; nobody else includes it.
 *
 *   intake.c            the body, record by record
 *   intake_value.c      a record's key, labels and time
 *   intake_once.c       its sequence: a record that is to be stored once
 *   intake_rate.c       whether its key is ahead of its rate
 *   intake_envelope.c   a payload that came in the envelope: what its selectors find there
 *   intake_schema.c     whether the stream's schema allows it
 *   intake_message.c    what Kafka would refuse: topics, size, an envelope around what is no UTF-8
 *   intake_bury.c       what cannot be accepted and has nobody to be told: records for the dead letters
 */
#ifndef PENSTOCK_SOURCE_INTAKE_INTERNAL_H
#define PENSTOCK_SOURCE_INTAKE_INTERNAL_H

#include "source/intake.h"
#include "source/sequence_state.h"

/* An escape is at most six bytes per byte of meaning (\u0041): a longer string cannot be a key or label. */
#define INTAKE_ESCAPED_MAX (6 * RECORD_KEY_MAX)
/* A topic that is too long is refused by its template; this holds one until it is. */
#define INTAKE_TOPIC_SCRATCH (4 << 10)

/* What is known of a stream before any body comes. */
struct intake_stream {
    bool whole; /* all of it is known */
    struct json_pointers *own; /* the stream's */
    struct json_pointers *enveloped; /* and the envelope's behind them; NULL: the stream knows no envelope */
    bool topics_vary;
    bool in_line; /* something is found in the line (SELECTOR_LINE) */
    bool once; /* its records have a sequence */
    struct sequence_stream sequences;
    uint64_t scope; /* of its keys (rate_key()) */
    uint64_t around; /* bytes of a message that are the same for all records */
};

/* One body on its way through. Every member is set for every body, but for the labels that the stream does not have. */
struct intake_run {
    struct intake *intake;
    const struct stream *stream;
    const struct intake_stream *known;
    enum decode_form form;
    const struct intake_facts *facts;
    struct slice key; /* found once for all records, as the next */
    struct slice labels[RECORD_LABELS_MAX];
    struct slice time; /* of the record, where it stands in its line */
    struct slice sequence; /* of the record, or of the body */
    bool scanned; /* the decoder has found the record's values */
    bool forbidden; /* a record was rejected for its key */
    bool ahead; /* or because that is ahead of its rate */
    bool rated; /* keys have a rate here; then: */
    uint64_t who; /* the record's (rate_key()) */
    struct handover *handover;
    struct handover_mark mark; /* before the body */
    struct intake_result *result;
};

/* What is large and needed for each body or record stands here: a local one would be zeroed every time. */
struct intake {
    struct intake_limits limits;
    struct intake_stream *known; /* of each stream that has come, by its place */
    size_t places; /* of them */
    struct intake_run run;
    struct record record;
    struct bytes head; /* reused */
    struct bytes inner; /* the unescaped payload of an envelope; reused */
    struct bytes topic; /* reused */
    struct schema_scratch *schema; /* NULL: no stream has one */
    struct error scratch; /* what is wrong with a record */
    char why[RECORD_REASON_MAX +
             8]; /* of a record that is to be buried; what is too long is cut between characters */
    struct json_value values[JSON_POINTERS_MAX];
    struct json_value inner_values[JSON_POINTERS_MAX];
    char unescaped[1 + RECORD_LABELS_MAX][INTAKE_ESCAPED_MAX]; /* of the key, of each label */
    struct once once; /* of the record; its tag is that of: */
    const struct stream *tagged; /* NULL: of none */
    size_t tagged_length;
    char tagged_key[RECORD_KEY_MAX];
};

/* JSON pointers find nothing in it, and nobody has looked yet whether it is UTF-8. */
static inline bool intake_is_opaque(const struct intake_run *run)
{
    return run->form == DECODE_TEXT || run->form == DECODE_LINES || run->form == DECODE_BLOCK ||
           run->form == DECODE_BYTES;
}

/* Counts the record, and lists it or keeps the reason in intake->why. Always returns -1. */
int intake_reject(struct intake_run *run, uint64_t index, enum intake_reason reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- intake_value.c: from the values that were found; -1: rejected ----------------------------------------- */

/* The meaning of a string; NULL data when it is longer than any name may be. */
struct slice intake_value_string(const struct json_value *value, char scratch[INTAKE_ESCAPED_MAX]);
/* What selectors of this source begin with. */
const char *intake_value_selector_prefix(const struct selector *selector);
bool intake_value_is_integer(struct slice number);
int intake_value_key(struct intake_run *run, uint64_t index, struct slice *ret_key);
int intake_value_labels(struct intake_run *run, uint64_t index, struct record *record);
void intake_value_time(struct intake_run *run, struct record *record);

/* ---- intake_once.c ------------------------------------------------------------------------------------------ */

/* Behind the key. Leaves the record's tag and number in intake->once. -1: rejected. */
int intake_once_find(struct intake_run *run, uint64_t index, struct slice key);

/* ---- intake_rate.c ------------------------------------------------------------------------------------------ */

uint64_t intake_rate_scope(const struct stream *stream);
/* Behind everything else. -1: rejected. */
int intake_rate_check(struct intake_run *run, uint64_t index, struct slice key);

/* ---- intake_envelope.c -------------------------------------------------------------------------------------- */

/* Compiles the stream's pointers with the envelope's behind them. */
int intake_envelope_compile(
    struct json_pointers **ret_pointers, const struct stream *stream, struct error *error);
/* After a scan with these pointers: is the document an envelope? Then sets RECORD_ENVELOPED and looks inside for the stream's
 * values that the document lacks. -1 only when memory is gone. */
int intake_envelope_open(struct intake_run *run, uint8_t *flags, struct error *error);

/* The document inside the envelope that was found; stays until the next call. -1 only when memory is gone. */
int intake_envelope_inside(struct intake_run *run, struct slice *ret_text, struct error *error);

/* ---- intake_schema.c ---------------------------------------------------------------------------------------- */

int intake_schema_know(struct intake *intake, const struct stream *stream, struct error *error);
/* 1: rejected; -1 only when memory is gone. Sets RECORD_SCHEMA_INVALID where that is let pass. */
int intake_schema_check(struct intake_run *run, uint64_t index, struct record *record, struct error *error);

/* ---- intake_message.c --------------------------------------------------------------------------------------- */

/* What is the same for all records of a stream. */
void intake_message_know(struct intake_stream *known, const struct stream *stream);
/* Of a record that has everything, its payload too. -1: rejected. */
int intake_message_check(struct intake_run *run, uint64_t index, const struct record *record);

/* ---- intake_bury.c ------------------------------------------------------------------------------------------ */

/* Encodes the head of intake->record and adds it with its payload; once NULL: however often it comes. */
int intake_store(
    struct intake *intake, const struct once *once, struct handover *handover, struct error *error);

#endif
