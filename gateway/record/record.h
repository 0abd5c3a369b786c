/* record: one accepted piece of data, and how the journal's body holds it.
 *
 * A record is made by a source, once, before the journal, and never changed. Everything that needs parsing is in its
 * fields; the payload is the bytes exactly as they came in. Its body in the journal is head, then payload:
 * record_encode_head() writes the head, record_decode() reads both. All slices point into memory of somebody else.
 * @thread any
 *
 * Body, version 1 (little endian):
 *   u8  version = 1          u8 flags           u16 labels count
 *   u32 rendering            i64 received       i64 event
 *   u16 key length, key      then per label u16 length, bytes      u16 origin length, origin
 *   with RECORD_UNDECODABLE: u16 reason length, reason             payload: the rest
 */
#ifndef PENSTOCK_RECORD_RECORD_H
#define PENSTOCK_RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/little.h"

#define RECORD_KEY_MAX 256 /* bytes of a key or a label */
#define RECORD_LABELS_MAX 16 /* per stream */
#define RECORD_TOPICS_MAX 16 /* per stream */
#define RECORD_ORIGIN_MAX 4096
#define RECORD_REASON_MAX 512
#define RECORD_NO_RENDERING 0 /* an undecodable record that belongs to no stream */
#define RECORD_NO_STREAM "unmapped" /* the stream's name in its dead letter */
#define RECORD_STREAM_NAME_MAX 64
/* The largest head that record_encode_head() can write. */
#define RECORD_HEAD_MAX                                                                               \
    (24 + 2 + RECORD_KEY_MAX + RECORD_LABELS_MAX * (2 + RECORD_KEY_MAX) + 2 + RECORD_ORIGIN_MAX + 2 + \
        RECORD_REASON_MAX)

enum record_flag {
    RECORD_EVENT_TIME = 1, /* event holds the time that the record itself names */
    RECORD_TIME_OUTSIDE = 2, /* it named one outside the stream's window: not used */
    RECORD_UNDECODABLE = 4, /* for the dead letters only */
    RECORD_ENVELOPED =
        8, /* the payload came in the envelope: passed on unchanged where the envelope is wanted */
    RECORD_REPLAYED =
        16, /* a dead letter given back: only for the outlet that origin names, "OUTLET GATEWAY/EPOCH/SEQUENCE[ TOPIC]" */
    RECORD_SCHEMA_INVALID = 32, /* its stream's schema does not allow it, and it was let pass */
};

struct record {
    uint32_t rendering; /* id of the rendering it was accepted under */
    uint8_t flags;
    int64_t received; /* microseconds since 1970, UTC */
    int64_t event;
    struct slice key;
    struct slice labels[RECORD_LABELS_MAX]; /* values in the order of the rendering's label names */
    size_t labels_count;
    struct slice origin;
    struct slice reason; /* why it is RECORD_UNDECODABLE; of others empty */
    struct slice payload;
};

/* Appends the head to out. Key, labels, origin and reason must keep their limits (assert). */
int record_encode_head(const struct record *record, struct bytes *out, struct error *error);

/* Slices into body; labels behind labels_count are left as they were. ERROR_REJECT names the field when body is not a record of a
 * known version. */
int record_decode(const void *body, size_t length, struct record *ret_record, struct error *error);

/* Whether the record with this head is RECORD_UNDECODABLE; what is no head counts as one that is. */
static inline bool record_head_is_undecodable(struct slice head)
{
    return head.length < 2 || head.data[1] & RECORD_UNDECODABLE;
}

/* The rendering of the record with this head; what is no head counts as one of RECORD_NO_RENDERING. */
static inline uint32_t record_head_rendering(struct slice head)
{
    return head.length < 8 ? RECORD_NO_RENDERING : get_u32(head.data + 4);
}

/* The time that paths and timestamps use: the event's inside its window, else the received. */
static inline int64_t record_time(const struct record *record)
{
    return record->flags & RECORD_EVENT_TIME ? record->event : record->received;
}

/* A key or label: UTF-8 without control characters (C0, DEL, C1), at most RECORD_KEY_MAX bytes. what names it in the
 * error, e.g. "key" or "label host". Empty is allowed here. */
int record_check_name(struct slice value, const char *what, struct error *error);

/* ---- the id of a record ------------------------------------------------------------------------------------
 * Unique for ever: gateway id, epoch of the start that accepted it (8 hex digits), its sequence: "site-7/3f9a1c22/42". */

#define RECORD_GATEWAY_MAX 64
#define RECORD_ID_MAX (RECORD_GATEWAY_MAX + 1 + 8 + 1 + 20)

struct record_id {
    const char *gateway;
    uint32_t epoch;
    uint64_t sequence;
};

/* Returns its length; terminated. */
size_t record_id_print(const struct record_id *id, char out[RECORD_ID_MAX + 1]);

/* ---- the envelope ------------------------------------------------------------------------------------------
 * {"payload":"<the payload as a JSON string>","correlation_id":"<uuid>","created_at":1700000000.123456,"schema_version":1}
 * created_at is record_time() in seconds. correlation_id is a UUID of version 8 (RFC 9562 section 5.8) made from the record's id
 * alone, so that a record that is sent again has the same one. The payload must be UTF-8. */

#define RECORD_ENVELOPE_OVERHEAD 160 /* what it adds at most, besides the escapes in the payload */

/* The length of the payload as a JSON string without its quotes; -1 and ERROR_REJECT when it is not UTF-8. */
int record_envelope_length(struct slice payload, uint64_t *ret_length, struct error *error);

/* Appends the envelope of the record. ERROR_REJECT: not UTF-8, or more than out may hold. */
int record_envelope_render(
    const struct record *record, const struct record_id *id, struct bytes *out, struct error *error);

/* A rendering: how the records of one stream leave again. It is stored in the journal (a kind of state), so that a
 * record is rendered by the one it was accepted under even when the configuration has changed since. */
enum record_format { RECORD_FORMAT_JSON, RECORD_FORMAT_TEXT, RECORD_FORMAT_BYTES };
/* "json", "text", "bytes" of a checked configuration. */
enum record_format record_format_of(const char *word);
enum record_value { RECORD_VALUE_PAYLOAD, RECORD_VALUE_ENVELOPE };

/* A message header that gets a label's value. */
struct rendering_header {
    char *name; /* owned */
    size_t label; /* index among the rendering's labels */
};

/* What the files of a lake are, and their columns besides those that every record has. */
enum form_file { FORM_SOURCE, FORM_PARQUET, FORM_AVRO, FORM_CSV };
enum form_codec { FORM_PLAIN, FORM_GZIP, FORM_SNAPPY, FORM_ZSTD };
enum form_type { FORM_INTEGER, FORM_NUMBER, FORM_BOOLEAN, FORM_STRING, FORM_TIME, FORM_SCALAR, FORM_JSON };

#define FORM_COLUMNS_MAX 500
#define FORM_SIZE_MAX (40 * 1024) /* form_size(): what is stored of a rendering stays below 64 KiB */

struct form_column {
    char *name; /* owned; without control characters */
    enum form_type type;
};

/* All zero: lines, as the source had them. */
struct form {
    enum form_file file;
    enum form_codec codec;
    bool
        misfits_rest; /* what does not fit its column goes into the column of the rest; else the record is a dead letter */
    struct form_column *columns; /* owned */
    size_t columns_count;
};

void form_clear(struct form *form);
/* Both: -1 out of memory, and nothing was added. */
int form_add_column(struct form *form, struct slice name, enum form_type type);
int form_copy(const struct form *from, struct form *ret_form);
bool form_equal(const struct form *a, const struct form *b);
/* Bytes that its columns take in a stored rendering, at most. */
size_t form_size(const struct form *form);

struct rendering {
    uint32_t id;
    char stream[RECORD_STREAM_NAME_MAX + 1];
    enum record_format format;
    char *labels[RECORD_LABELS_MAX]; /* label names, owned */
    size_t labels_count;
    char *lake_path; /* template, owned */
    char *topics[RECORD_TOPICS_MAX]; /* templates, owned; none: not for Kafka */
    size_t topics_count;
    enum record_value value;
    struct rendering_header headers[RECORD_LABELS_MAX];
    size_t headers_count;
    struct form form;
};

void rendering_free(struct rendering **rendering);

/* Stored as compact JSON, so that later fields (topics, value) need no new version; unknown members are ignored. */
int rendering_encode(const struct rendering *rendering, struct bytes *out, struct error *error);
int rendering_decode(const void *body, size_t length, struct rendering **ret_rendering, struct error *error);

/* All live renderings. Written by the committer (apply, drop), read by any thread; a rendering's address stays
 * valid until the table is freed. */
struct rendering_table;

int rendering_table_new(struct rendering_table **ret_table, struct error *error);
void rendering_table_free(struct rendering_table **table);

/* NULL when the id is unknown. @thread any */
const struct rendering *rendering_find(struct rendering_table *table, uint32_t id);

/* The id of a rendering that is equal to this one but for the id, else 0. (Superseded ones do not count: they may be gone from the next
 * snapshot.) @thread any */
uint32_t rendering_find_equal(struct rendering_table *table, const struct rendering *like);

/* The smallest id above all that a record may still need. @thread any */
uint32_t rendering_next_id(struct rendering_table *table);

/* All but these, and but the one of the highest id: no record behind `last` needs them. @thread any */
void rendering_supersede(struct rendering_table *table, const uint32_t *ids, size_t count, uint64_t last);

/* Journal state functions (journal/state.h): kind STATE_RENDERING; state is the struct rendering_table.
 * An id that is already there is left as it is. */
int rendering_apply(void *state, const void *body, size_t length, uint64_t sequence, struct error *error);
typedef int rendering_emit_fn(void *context, const void *body, size_t length, struct error *error);
/* Emits those that a record at or behind keep_from may still need: a superseded one until keep_from is beyond the last record that may have been accepted under it
 * (stored with it as "superseded_at"). The table stays
 * locked meanwhile: emit must not call it. */
int rendering_dump(
    void *state, uint64_t keep_from, rendering_emit_fn *emit, void *context, struct error *error);

#endif
