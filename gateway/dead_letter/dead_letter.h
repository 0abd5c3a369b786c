/* dead_letter: records that some outlet can never deliver, kept in files that people read and give back.
 *
 * A directory per gateway (DATA/dead-letters): per stream files STREAM+NUMBER.jsonl of at most DEAD_LETTER_FILE_MAX bytes (a
 * letter that is larger has a file of its own), one JSON object per line (its members: dead_letter_print()). Letters are
 * appended and fsynced by the gateway and taken away by people with `penstock dead-letters`, possibly at the same time: both sides hold the directory's lock file (flock) for
 * each operation, and the gateway opens a file again when its name is gone. A torn last line (kill, power cut) is cut away
 * before the file is appended to: whoever wrote it was never told that it is durable, and writes it again.
 *
 * The quota does not refuse a letter, for its record is accepted already: it closes the stream's sources
 * (dead_letters_is_full()), so that what is kept is bounded by the quota and what the journal held at that moment.
 */
#ifndef PENSTOCK_DEAD_LETTER_DEAD_LETTER_H
#define PENSTOCK_DEAD_LETTER_DEAD_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "record/record.h"

#define DEAD_LETTER_DIRECTORY "dead-letters" /* in gateway.data */
#define DEAD_LETTER_FILE_MAX (UINT64_C(8) << 20)

struct dead_letter {
    struct record_id id;
    const char *outlet; /* that gave up */
    const char *stream;
    const char *topic; /* "" where it is about no topic */
    const char *reason;
    int64_t time; /* of giving up; wall clock, microseconds */
    const struct record *record;
    const char *const *labels; /* names of the record's labels; NULL when the rendering is lost */
};

/* Appends one line with its LF: {"id":"site-7/3f9a1c22/42","outlet":"kafka","stream":"readings","topic":"...","reason":"...",
 * "time":"2026-01-02T03:04:05.678901Z","received":"...","event":"..." (only where the record names one),"key":"...","labels":{...},
 * "origin":"...","enveloped":true (only then; so are "time_outside", "schema_invalid", "undecodable", "replayed"),"payload":"..."}. What is not
 * UTF-8 stands as base64 under "payload_base64", "key_base64", "origin_base64" or in "labels_base64". Parsed, key, labels, origin,
 * times, flags and payload are what they were; the rendering is not kept: a record is given back under its stream's present one. */
int dead_letter_print(const struct dead_letter *letter, struct bytes *out, struct error *error);

/* A record that is no dead letter, as such a line: without outlet, topic and time, and with a reason only where it is undecodable. labels: names, or NULL. */
int dead_letter_print_record(const struct record_id *id, const char *stream, const struct record *record,
    const char *const *labels, struct bytes *out, struct error *error);

/* What a line holds; slices and strings are owned by the parsed letter. The line is without its LF. ERROR_REJECT: no letter. */
struct dead_letter_parsed;
int dead_letter_parse(struct slice line, struct dead_letter_parsed **ret_parsed, struct error *error);
const struct dead_letter *dead_letter_parsed_letter(const struct dead_letter_parsed *parsed);
size_t dead_letter_parsed_labels(const struct dead_letter_parsed *parsed); /* how many */
void dead_letter_parsed_free(struct dead_letter_parsed **parsed);

/* ---- the gateway's side ------------------------------------------------------------------------------------ */

struct dead_letters;

/* Makes the directory. @thread main */
int dead_letters_open(
    struct dead_letters **ret_letters, const char *directory, uint64_t quota, struct error *error);
void dead_letters_close(struct dead_letters **letters);

/* Appends. Durable with dead_letters_sync() only. ERROR_RETRY: disk full, I/O; what was appended before stays. @thread any */
int dead_letters_add(struct dead_letters *letters, const struct dead_letter *letter, struct error *error);

/* Everything appended so far is on disk, files, lengths and names. After a failed fsync what was not synced is given up, and
 * the caller adds all of it again: each thread that has added since its last sync is told so by its own next one. @thread any */
int dead_letters_sync(struct dead_letters *letters, struct error *error);

/* Looks at the directory again: people may have taken letters away. Call it about once a second. @thread main */
void dead_letters_refresh(struct dead_letters *letters);

/* Whether the stream has used up its quota. @thread any */
bool dead_letters_is_full(struct dead_letters *letters, const char *stream);

struct dead_letters_status {
    uint64_t letters_bytes; /* all streams */
    uint64_t streams_full;
};
void dead_letters_status(struct dead_letters *letters, struct dead_letters_status *ret_status);

/* ---- what people asked to be given back --------------------------------------------------------------------- */

/* The next file that `penstock dead-letters replay` has put aside, oldest first: its name (for dead_letters_replayed()) and
 * its content. 0: there is none. 1: name and content are set. @thread the dead-letter outlet's */
int dead_letters_replay_next(
    struct dead_letters *letters, struct bytes *ret_name, struct bytes *ret_content, struct error *error);
/* All of it is in the journal now: the file is deleted. */
int dead_letters_replayed(struct dead_letters *letters, const char *name, struct error *error);

/* ---- the command's side: a directory that a gateway may be using --------------------------------------------- */

/* Calls visit for each letter that is not put aside, in the order of streams and files. stream NULL: all streams. A line
 * that is no letter is passed with parsed NULL. visit returning -1 ends it. */
typedef int dead_letter_visit_fn(
    void *context, struct slice line, const struct dead_letter_parsed *parsed, struct error *error);
int dead_letters_visit(const char *directory, const char *stream, dead_letter_visit_fn *visit, void *context,
    struct error *error);

struct dead_letters_taken {
    uint64_t letters;
    uint64_t files;
};

/* Puts the letters of a stream (NULL: of all) aside to be given back, or deletes them. */
int dead_letters_put_aside(
    const char *directory, const char *stream, struct dead_letters_taken *ret_taken, struct error *error);
int dead_letters_drop(
    const char *directory, const char *stream, struct dead_letters_taken *ret_taken, struct error *error);

#endif
