/* intake: one body of one stream -> one hand-over; shared by all sources.
 *
 * Finds each record's key, labels and time by the stream's selectors, checks limits, and describes it to the hand-over. A bad record
 * does not spoil its neighbours: it is counted and listed. Pure but for the clock. One intake belongs to one
 * thread; its memory is reused from body to body.
 */
#ifndef PENSTOCK_SOURCE_INTAKE_H
#define PENSTOCK_SOURCE_INTAKE_H

#include "access/access.h"
#include "base/bytes.h"
#include "base/metric.h"
#include "decode/decode.h"
#include "journal/journal.h"
#include "route/route.h"

#define INTAKE_LISTED_MAX 100 /* rejected records named in an answer; all are counted */

enum intake_reason {
    INTAKE_SYNTAX, /* not the form it says: 400 */
    INTAKE_KEY, /* key missing or not allowed: 422 */
    INTAKE_SEQUENCE, /* sequence missing or no number: 422 */
    INTAKE_LABEL, /* label not allowed: 422 */
    INTAKE_TOPIC, /* key or label that a topic cannot carry: 400 */
    INTAKE_SCHEMA, /* not what the stream's schema allows: 422 */
    INTAKE_FORBIDDEN, /* a key that its sender may not write: 403 */
    INTAKE_RATE, /* its key has written as much as its rate allows: 429 */
    INTAKE_TOO_LARGE, /* record above max_record, or its message above what Kafka takes: 413 */
    INTAKE_REASONS,
};

struct intake_rejection {
    uint64_t index; /* of the record in the body, from 0 */
    enum intake_reason reason;
    char text[200]; /* may be cut, even inside a character */
};

/* What the request says besides its body. Values are looked up by selector, once per body; a missing one gives length 0 and
 * data NULL. find may be NULL: nothing is there. */
struct intake_facts {
    struct slice (*find)(void *context, enum selector_source source, const char *name);
    void *context;
    struct slice key; /* from the URL; wins over the stream's own; data NULL when there is none */
    struct slice origin;
    int64_t received;
    const struct grant *grant; /* which keys the sender may write; NULL: all */
    struct rates *rates; /* that keys are held to (stream->key_rate); NULL: none are */
    int64_t now; /* monotonic, for these */
    /* Not NULL: the sender gets no answer that could list rejected records, so each becomes a dead letter. Returns the origin that is to
     * stand there, at most RECORD_ORIGIN_MAX bytes; `origin` is for the others. */
    struct slice (*bury)(void *context, struct slice payload);
    /* Not NULL: the origin of the record with this payload, a part of the body, instead of `origin`. Until the next call. */
    struct slice (*locate)(void *context, struct slice payload);
    /* Not NULL: the record with this payload is next, and find() is asked for what is in its line (SELECTOR_LINE); without it nothing is. Only
     * for streams that have such selectors. What find() returns is a part of the payload, or lasts as long. */
    void (*look)(void *context, struct slice payload);
};

struct intake_limits {
    uint64_t max_record;
    uint64_t max_records; /* of one body */
    const char *max_record_option, *max_records_option; /* their names in answers: "http.max_record" */
};

struct intake_result {
    uint64_t accepted;
    uint64_t schema_invalid; /* of the accepted: RECORD_SCHEMA_INVALID is set */
    uint64_t rejected;
    uint64_t by_reason[INTAKE_REASONS]; /* all of the rejected */
    enum intake_reason
        refused; /* after -1 the body as a whole: INTAKE_SYNTAX, INTAKE_TOO_LARGE above a limit, or INTAKE_FORBIDDEN or INTAKE_RATE (with facts->bury) */
    int64_t
        wait; /* with INTAKE_RATE among the reasons, or refused for it: microseconds until one of these may come */
    size_t listed; /* none with facts->bury */
    struct intake_rejection list[INTAKE_LISTED_MAX];
};

struct intake;

/* places: the highest that a stream may have. What there is to know of a stream is compiled now of these, and of a later one with its first body. */
int intake_new(struct intake **ret_intake, const struct streams *streams, size_t places,
    const struct intake_limits *limits, struct error *error);
/* For bodies that come from now on. */
void intake_limit(struct intake *intake, const struct intake_limits *limits);
void intake_free(struct intake **intake);

/* The reason's name in answers and metrics: "syntax", "key", "sequence", "label", "topic", "schema", "forbidden", "rate", "too_large". */
const char *intake_reason_name(enum intake_reason reason);

/* Fills the hand-over (cleared first; its payloads set to the body). ERROR_REJECT: the body as a whole is refused
 * (broken array, no record in it, more than max_records; the result's `refused` says why then) and the hand-over is empty;
 * ERROR_RETRY: memory is gone; otherwise 0 and the result says what became of each record. After -1 nothing of the body is counted.
 *   key     the URL's, else by the stream's selector: a string, or an integer as its digits stand there. A stream with a
 *           selector wants one that is not empty.
 *   sequence  the stream's selector finds an integer from 0 to 2^64 - 1, as a number or a string of digits. The record is added to be stored once, under this number of its
 *           key (sequence_state.h). Undecodable records have none.
 *   label   a string, or the text of a number, true or false; missing or null is empty; arrays and objects are refused.
 *   line    what a line holds is looked up once per record, its time as a number or as RFC 3339 has it.
 *   time    missing or null: the received time counts. Unreadable or outside the stream's window: the received
 *           time counts, RECORD_TIME_OUTSIDE is set.
 *   text    a line is any bytes but LF; JSON pointers find nothing there. JSON documents may go into a stream of text lines as long as
 *           no line break stands in them.
 *   bytes   in a stream of bytes every body is one record, whatever its form; JSON pointers find nothing there.
 *   envelope  a stream with value: envelope knows a JSON document that is one already ({"payload": string, "correlation_id": string,
 *           "created_at": number, "schema_version": integer, ...}): RECORD_ENVELOPED is set. JSON pointers are looked up in it
 *           first, and where it lacks them in the JSON document inside its payload. Other payloads must be UTF-8.
 *   schema  in a stream with one every record is held against it, of an envelope the document inside. What it does not allow is rejected, or
 *           RECORD_SCHEMA_INVALID is set (schema_invalid: pass).
 *   rate    last of all, so that what is refused for another reason is not charged: one record of the key, which is rejected when that is ahead. With facts->bury the body is refused as a whole
 *           when one of its keys was ahead before it, and nobody is charged: that is for intake_charge().
 *   Kafka   topics that vary are rendered, and the size of the message is held against the stream's max_message: what Kafka would
 *           refuse is refused here. */
int intake_take(struct intake *intake, const struct stream *stream, enum decode_form form, struct slice body,
    const struct intake_facts *facts, struct handover *handover, struct intake_result *ret_result,
    struct error *error);

/* The same for one of several bodies of one hand-over: nothing is cleared, and the body stands within the hand-over's payloads. When it is
 * refused as a whole, what was added of it is taken back, and of the others nothing.
 * With facts->bury, a rejected record is added as RECORD_UNDECODABLE with its reason, and a body that is refused as a whole (also for
 * more than max_records) as one such record: the only errors are then those of the hand-over (ERROR_REJECT: it takes no more), memory, a key that is ahead of its rate (ERROR_REJECT, INTAKE_RATE), and one
 * that the sender may not write (ERROR_REJECT, INTAKE_FORBIDDEN): whoever may not write a stream's records must not fill its dead letters. */
int intake_add(struct intake *intake, const struct stream *stream, enum decode_form form, struct slice body,
    const struct intake_facts *facts, struct handover *handover, struct intake_result *ret_result,
    struct error *error);

/* The form that a message without a content type has in this stream: its format; but in a stream of JSON, several lines of which the first
 * is a JSON document by itself are NDJSON (blank lines do not count). */
enum decode_form intake_guess(struct intake *intake, const struct stream *stream, struct slice body);

/* One undecodable record; stream NULL: it belongs to none (RECORD_NO_RENDERING). The payload stands within the hand-over's payloads, or is
 * empty; its origin is what facts->bury says, if that is set. reason is cut at RECORD_REASON_MAX. On failure nothing is added. */
int intake_bury(struct intake *intake, const struct stream *stream, struct slice payload,
    const struct intake_facts *facts, const char *reason, struct handover *handover, struct error *error);

/* ---- rates of keys (intake_rate.c) ------------------------------------------------------------------------------ */

/* Charges the keys of what stands in the hand-over, of these streams, from the mark on. Undecodable records have none. */
void intake_charge(struct stream *const *streams, size_t count, const struct handover *handover,
    const struct handover_mark *mark, struct rates *rates, int64_t now);

/* What it was charged for is not stored: all of it from the mark on (NULL: from its beginning), or of one that is complete what the journal had already. */
enum intake_refund { INTAKE_REFUND_ALL, INTAKE_REFUND_DUPLICATES };
void intake_refund(struct stream *const *streams, size_t count, const struct handover *handover,
    const struct handover_mark *mark, struct rates *rates, enum intake_refund what);

/* ---- counted (intake_series.c) -------------------------------------------------------------------------------- */

/* The metrics of what one source took of one stream. A series comes into being with its first record: those of all reasons, streams and sources
 * together would be more than a metric has room for (METRIC_SERIES_MAX). @thread any */
struct intake_series {
    struct metric_series *_Atomic accepted;
    struct metric_series *_Atomic schema_invalid; /* of all sources together */
    struct metric_series *_Atomic rejected[INTAKE_REASONS];
    struct metric_series *_Atomic over_share;
};

/* Those of a source: one for each place that a stream may have, and in front of them one for what belongs to none. To be made by intake_counts_new(). */
struct intake_counts {
    const char *source; /* not copied */
    struct intake_series series[];
};

/* NULL: memory is gone. To be given to free(). */
struct intake_counts *intake_counts_new(const struct routes *routes, const char *source);
/* stream NULL: of none. */
void intake_count_accepted(
    struct intake_counts *counts, const struct stream *stream, uint64_t count, uint64_t schema_invalid);
void intake_count_rejected(
    struct intake_counts *counts, const struct stream *stream, enum intake_reason reason, uint64_t count);
void intake_count_all_rejected(
    struct intake_counts *counts, const struct stream *stream, const uint64_t by_reason[INTAKE_REASONS]);
void intake_count_over_share(
    struct intake_counts *counts, const struct stream *stream); /* a request that was refused for that */

#endif
