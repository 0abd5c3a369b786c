/* intake_internal: what the files of the intake share; nobody else includes it.
 *
 *   intake.c            the body, record by record
 *   intake_value.c      a record's key, labels and time
 *   intake_envelope.c   a payload that came in the envelope: what its selectors find there
 *   intake_message.c    what Kafka would refuse: topics, size, an envelope around what is no UTF-8
 */
#ifndef PENSTOCK_SOURCE_INTAKE_INTERNAL_H
#define PENSTOCK_SOURCE_INTAKE_INTERNAL_H

#include "source/intake.h"

/* An escape is at most six bytes per byte of meaning (\u0041): a longer string cannot be a key or label. */
#define INTAKE_ESCAPED_MAX (6 * RECORD_KEY_MAX)
/* A topic that is too long is refused by its template; this holds one until it is. */
#define INTAKE_TOPIC_SCRATCH (4 << 10)

struct intake_pointers {
    struct json_pointers *own; /* the stream's */
    struct json_pointers *enveloped; /* and the envelope's behind them; NULL: the stream knows no envelope */
};

struct intake {
    const struct streams *streams;
    struct intake_limits limits;
    struct intake_pointers *pointers; /* of each stream */
    struct bytes head; /* reused */
    struct bytes inner; /* the unescaped payload of an envelope; reused */
    struct bytes topic; /* reused */
    struct error
        scratch; /* what is wrong with a record; here, because a local one would be zeroed for every record */
    struct json_value values[JSON_POINTERS_MAX];
    struct json_value inner_values[JSON_POINTERS_MAX];
    char unescaped[1 + RECORD_LABELS_MAX][INTAKE_ESCAPED_MAX]; /* of the key, of each label */
};

/* One body on its way through. */
struct intake_run {
    struct intake *intake;
    const struct stream *stream;
    const struct intake_pointers *pointers;
    enum decode_form form;
    const struct intake_facts *facts;
    struct slice key; /* found once for all records, as the next */
    struct slice labels[RECORD_LABELS_MAX];
    bool topics_vary;
    bool wrapped; /* the stream's messages are put into the envelope */
    uint64_t around; /* bytes of a message that are the same for all records */
    struct handover *handover;
    struct intake_result *result;
};

/* Counts and lists the record. Always returns -1. */
int intake_reject(struct intake_run *run, uint64_t index, enum intake_reason reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- intake_value.c: from the values that were found; -1: rejected ----------------------------------------- */

bool intake_value_is_integer(struct slice number);
int intake_value_key(struct intake_run *run, uint64_t index, struct slice *ret_key);
int intake_value_labels(struct intake_run *run, uint64_t index, struct record *record);
void intake_value_time(struct intake_run *run, struct record *record);

/* ---- intake_envelope.c -------------------------------------------------------------------------------------- */

/* Compiles the stream's pointers with the envelope's behind them. */
int intake_envelope_compile(
    struct json_pointers **ret_pointers, const struct stream *stream, struct error *error);
/* After a scan with these pointers: is the document an envelope? Then sets RECORD_ENVELOPED and looks inside for the stream's
 * values that the document lacks. -1 only when memory is gone. */
int intake_envelope_open(struct intake_run *run, uint8_t *flags, struct error *error);

/* ---- intake_message.c --------------------------------------------------------------------------------------- */

/* What is the same for all records of a body. */
void intake_message_begin(struct intake_run *run);
/* Of a record that has everything, its payload too. -1: rejected. */
int intake_message_check(struct intake_run *run, uint64_t index, const struct record *record);

#endif
