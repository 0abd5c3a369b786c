/* json_internal: what the JSON files of this room share; nobody else includes it. */
#ifndef PENSTOCK_DECODE_JSON_INTERNAL_H
#define PENSTOCK_DECODE_JSON_INTERNAL_H

#include <endian.h>

#include "decode/decode.h"

/* Where a document stops being JSON, and what should have stood there. */
struct json_fault {
    const char *at;
    const char *expected;
};

/* Functions that move over text return the place behind what they took, or NULL with the fault filled in: */
static inline const char *json_fail(struct json_fault *fault, const char *at, const char *expected)
{
    *fault = (struct json_fault){at, expected};
    return NULL;
}

/* What decoder.c expects as well. */
#define JSON_ARRAY_GOES_ON "',' or ']'"
#define JSON_NOTHING_MORE "nothing more behind the value"

/* -1 with ERROR_REJECT: what stands there, at which byte of the text, and what was expected. */
int json_report(struct slice text, const struct json_fault *fault, struct error *error);

/* json_scan() from an offset; ret_end and the bytes of errors count from the text's beginning. */
int json_scan_at(struct slice text, size_t at, const struct json_pointers *pointers,
    struct json_value *values, size_t *ret_end, struct error *error);

static inline const char *json_skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* Behind a value that is a member's, and the blanks there; NULL: it is none, or one that is too deep. */
const char *json_member_end(const char *value, const char *end);

/* ---- numbers ------------------------------------------------------------------------------------------ */

static inline const char *json_digits_end(const char *p, const char *end, struct json_fault *fault)
{
    if (p == end || *p < '0' || *p > '9')
        return json_fail(fault, p, "a digit");
    do
        p++;
    while (p < end && *p >= '0' && *p <= '9');
    return p;
}

/* from: a digit or a minus. */
static inline const char *json_number_end(const char *from, const char *end, struct json_fault *fault)
{
    const char *p = from + (*from == '-');

    if (p < end && *p == '0')
        p++;
    else if (!(p = json_digits_end(p, end, fault)))
        return NULL;
    if (p < end && *p == '.' && !(p = json_digits_end(p + 1, end, fault)))
        return NULL;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        if (!(p = json_digits_end(p, end, fault)))
            return NULL;
    }
    return p;
}

/* ---- strings ------------------------------------------------------------------------------------------ */

/* The first byte at or behind p that is not plain string text: a quote, a backslash, a control character or
 * the first byte of a character beyond ASCII; end when there is none. Looks at eight bytes at a time: a
 * subtraction per byte sets the high bit where the byte was too small. It can also borrow into the byte
 * above, but only from a byte that is a hit itself, so the lowest hit is exact. */
static inline const char *json_string_plain(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101;

    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        word = le64toh(word);
        uint64_t hits =
            word | (word - ones * 0x20) | ((word ^ ones * '"') - ones) | ((word ^ ones * '\\') - ones);
        hits &= ones * 0x80;
        if (hits)
            return p + __builtin_ctzll(hits) / 8;
        p += 8;
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80)
        p++;
    return p;
}

/* From inside a string to its closing quote, checking everything on the way; sets *escaped at a backslash. */
const char *json_string_end_slow(const char *p, const char *end, bool *escaped, struct json_fault *fault);

static inline const char *json_string_end(
    const char *p, const char *end, bool *escaped, struct json_fault *fault)
{
    p = json_string_plain(p, end);
    return p < end && *p == '"' ? p : json_string_end_slow(p, end, escaped, fault);
}

/* Whether a validated string with escapes means exactly these bytes. */
bool json_string_means(struct slice raw, struct slice plain);

/* Whether two validated strings, with escapes or without, mean the same. */
bool json_strings_equal(struct slice a, struct slice b);

/* ---- pointers ----------------------------------------------------------------------------------------- */

struct json_token {
    struct slice name;
    size_t index; /* SIZE_MAX when the name is no array index */
};

/* A set of pointers is a mask with one bit each. */
struct json_pointers {
    size_t count;
    uint32_t all;
    uint32_t ends[JSON_POINTER_TOKENS_MAX + 1]; /* by number of tokens: the pointers that have just so many */
    struct json_token tokens[JSON_POINTER_TOKENS_MAX][JSON_POINTERS_MAX];
    char text[]; /* the names */
};

_Static_assert(JSON_POINTERS_MAX <= 32, "a set of pointers is a mask of 32 bits");

/* Which of inside, whose first `level` tokens have led to an object (array), go on with this name (index). */
uint32_t json_pointers_name(
    const struct json_pointers *pointers, uint32_t inside, unsigned level, struct slice name, bool escaped);
uint32_t json_pointers_index(
    const struct json_pointers *pointers, uint32_t inside, unsigned level, size_t index);

#endif
