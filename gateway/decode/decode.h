/* decode: bytes in, records out; pure functions, no I/O, no globals.
 *
 * The JSON scanner validates a whole document (RFC 8259) in one pass without allocating and reports the
 * values at wanted places (RFC 6901 pointers). Policy where the RFC leaves room:
 *   depth      more than JSON_DEPTH_MAX nested arrays and objects: refused
 *   duplicate  keys are allowed; of a wanted one the last counts, and what was below an earlier one is forgotten
 *   numbers    any length and size is valid and kept as text; nothing is computed from them
 *   \u0000     allowed in strings; a key or label that holds it is refused later as a control character
 *   BOM        refused (RFC 8259 section 8.1 lets a parser do so)
 *   UTF-8      checked; lone surrogates in \u escapes are refused
 * Names are compared after unescaping, byte by byte. Slices point into the caller's text. @thread any
 */
#ifndef PENSTOCK_DECODE_DECODE_H
#define PENSTOCK_DECODE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "decode/csv.h" /* rows as objects */
#include "decode/schema.h" /* what a JSON record has to be */

#define JSON_DEPTH_MAX 64
#define JSON_POINTERS_MAX 32
#define JSON_POINTER_TOKENS_MAX 16

enum json_type {
    JSON_ABSENT, /* nothing stands at the wanted place */
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/* A value as it stands in the document: a string without its quotes, still escaped when `escaped`. */
struct json_value {
    enum json_type type;
    bool escaped;
    struct slice text;
};

struct json_pointers; /* compiled, constant, shared by all threads */

/* "" (the whole document) and "/a/b~1c/0" are pointers; ERROR_REJECT says what is wrong with anything else. */
int json_pointers_compile(
    struct json_pointers **ret_pointers, const char *const *pointers, size_t count, struct error *error);
void json_pointers_free(struct json_pointers **pointers);

/* Scans exactly one value at the start of text (blanks around it allowed). pointers may be NULL. values has
 * one item per pointer, in the order of compiling; JSON_ABSENT where nothing was found. ret_end: offset
 * behind the value and the blanks that follow it. ERROR_REJECT says what was found at which byte, counted
 * from 0 ("byte 17: expected ':' behind a name, found '}'"); values mean nothing then. */
int json_scan(struct slice text, const struct json_pointers *pointers, struct json_value *values,
    size_t *ret_end, struct error *error);

/* json_scan() that also demands that nothing follows. */
int json_scan_document(
    struct slice text, const struct json_pointers *pointers, struct json_value *values, struct error *error);

/* Writes the unescaped UTF-8 of a string value to out, at most value->text.length bytes; returns its length. */
size_t json_unescape(const struct json_value *value, char *out);

/* ---- members of an object ----------------------------------------------------------------------------- */

/* Of a document that stays where it is, and that is found valid on the way. */
struct json_members {
    struct slice document;
    const char *at; /* the next member, or what stands instead; NULL: the object has ended */
};

struct json_member {
    struct slice name; /* without its quotes, still escaped when `name_escaped` */
    bool name_escaped;
    struct json_value value;
    struct slice text; /* the value as it stands there, quotes included */
};

/* ERROR_REJECT: the document is not JSON, as json_scan_document() says it. If it is no object, it is all looked at. */
int json_members_start(
    struct json_members *members, struct slice document, bool *ret_object, struct error *error);
/* 1 with the next one in their order, also those that come twice; 0 behind the last one of a document that is valid; -1 with ERROR_REJECT
 * where it is not: then the members that came before count no more. */
int json_members_next(struct json_members *members, struct json_member *ret_member, struct error *error);

/* Appends a value of a valid document without the blanks between its tokens. */
int json_add_compact(struct bytes *out, struct slice text, struct error *error);

/* A number of such a document. False where an int64_t is not just that (1.0 and 1e3 are integers, as for a schema), or the double that is
 * nearest is not finite. What json_float64() gets is within an object or array. */
bool json_int64(struct slice number, int64_t *ret_number);
bool json_float64(struct slice number, double *ret_number);

/* ---- one body, many records --------------------------------------------------------------------------- */

enum decode_form {
    DECODE_JSON, /* one object, or an array whose elements are the records */
    DECODE_NDJSON, /* one JSON document per line; blank lines are skipped */
    DECODE_TEXT, /* one record per line (LF or CRLF, which are not part of it); empty lines are skipped */
    DECODE_LINES, /* the same for files, whose empty lines count */
    DECODE_BLOCK, /* one record of several lines: the whole body but the line break at its end */
    DECODE_BYTES, /* one record: the whole body, whatever it is */
};

/* An iterator over a body in memory. The elements of an array are scanned on the way, for the pointers if there are any: an array
 * that is found to be broken behind some of them has no records at all. */
struct decoder {
    enum decode_form form;
    struct slice body;
    size_t position;
    bool in_array;
    bool scanned; /* the record that came last is valid JSON, and its values are found */
    const struct json_pointers *pointers; /* both NULL behind decoder_start(); as for json_scan() */
    struct json_value *values;
};

/* ERROR_REJECT: the body as a whole is not what the form says: it holds no record (empty, blank). "[]" is a body with no records
 * and no error. */
int decoder_start(struct decoder *decoder, enum decode_form form, struct slice body, struct error *error);

/* 1 with the bytes of the next record (an array element without the blanks around it, a line without its end;
 * JSON not yet scanned but for arrays), 0 at the end, -1 with ERROR_REJECT where an array is broken: then the records that came before
 * count no more. A JSON body that is no array is one record: the whole without the blanks around it. */
int decoder_next(struct decoder *decoder, struct slice *ret_payload, struct error *error);

/* ---- time --------------------------------------------------------------------------------------------- */

/* A JSON number (seconds, or milliseconds when it is 1e11 or more or -1e11 or less) or an RFC 3339 string
 * with any offset -> microseconds since 1970 UTC; further digits of a fraction are cut off. Years 0001 to
 * 9999, in UTC. A blank may stand for the T (RFC 3339 section 5.6). A leap second is taken where one can be,
 * at 23:59:60 UTC, and counts as the last microsecond of its day. ERROR_REJECT otherwise; the text never
 * quotes the value. */
int decode_time(const struct json_value *value, int64_t *ret_time, struct error *error);
int decode_rfc3339(struct slice text, int64_t *ret_time, struct error *error);

/* Times as logs have them. Of the directives of strptime(3) a format may have %Y %y %m %b (English, short or whole) %d %e %H %I %p %M %S %z (+0100,
 * +01:00, Z) and %%, and %f, the digits of a fraction behind a point or comma; a blank stands for any blanks and tabs, also for none, anything else for
 * itself. Of two digits the first may be missing where no digit follows. Without %z the zone's offset counts: UTC, +01:00, or local, which is the machine's (TZ). Without a year it is the one
 * that brings the time nearest to `received`. */
#define TIME_FORMAT_MAX 63

struct time_format {
    char text[TIME_FORMAT_MAX + 1];
    bool has_year, has_zone, local;
    int offset; /* minutes east of Greenwich */
};

/* ERROR_REJECT: the text says what is wrong. A compiled format is of UTC until a zone is set. */
int time_format_compile(struct time_format *ret_format, const char *format, struct error *error);
int time_format_set_zone(struct time_format *format, const char *zone, struct error *error);
/* ERROR_REJECT as decode_time(). */
int decode_time_as(const struct time_format *format, struct slice text, int64_t received, int64_t *ret_time,
    struct error *error);

/* ---- content encodings -------------------------------------------------------------------------------- */

enum inflate_coding { INFLATE_GZIP, INFLATE_ZSTD };

struct inflate; /* a stream decompressor with caps */

/* Output is capped by the `out` buffer's limit, by INFLATE_RATIO_MAX times the input once it is over 1 MiB,
 * and (zstd) by a window of 8 MiB. */
#define INFLATE_RATIO_MAX 200
/* Bytes that one of this coding takes at most for what begins so; zstd: its window, the largest one where the beginning is too short to say. A later frame may have a larger one. */
uint64_t inflate_need(enum inflate_coding coding, struct slice begin);
/* Bytes that it takes by now, its window as large as it was announced. */
uint64_t inflate_memory(const struct inflate *inflate);
int inflate_new(struct inflate **ret_inflate, enum inflate_coding coding, struct error *error);
void inflate_free(struct inflate **inflate);
/* Feeds compressed bytes and appends what comes out. Gzip members and zstd frames may follow each other.
 * ERROR_REJECT: broken, or a cap is reached (the text says which); ERROR_RETRY: out of memory. After an error
 * only inflate_free() is left. */
int inflate_feed(struct inflate *inflate, struct slice in, struct bytes *out, struct error *error);
/* Without caps but that of the window: takes some of *in, and writes at most room bytes. It moves nothing only when it has neither input nor
 * anything left to write; behind a piece that is complete it wants input. */
int inflate_step(struct inflate *inflate, struct slice *in, char *out, size_t room, size_t *ret_written,
    struct error *error);
/* At the end of a member or frame, and nothing has come since. */
bool inflate_is_complete(const struct inflate *inflate);
/* ERROR_REJECT when the compressed data ended early (nothing at all did, too). */
int inflate_finish(struct inflate *inflate, struct error *error);

#endif
