/* record: see record.h */
#include "record/record.h"

#include <assert.h>

#include "base/little.h"
#include "base/utf8.h"

#define RECORD_VERSION 1
#define RECORD_FLAGS                                                                                     \
    (RECORD_EVENT_TIME | RECORD_TIME_OUTSIDE | RECORD_UNDECODABLE | RECORD_ENVELOPED | RECORD_REPLAYED | \
        RECORD_SCHEMA_INVALID)
#define RECORD_FIXED_SIZE 24 /* what stands before the key */

/* ---- writing ---------------------------------------------------------------------------------------------- */

static void record_put_fixed(char *to, const struct record *record)
{
    to[0] = RECORD_VERSION;
    to[1] = (char)record->flags;
    put_u16(to + 2, (uint16_t)record->labels_count);
    put_u32(to + 4, record->rendering);
    put_u64(to + 8, (uint64_t)record->received);
    put_u64(to + 16, (uint64_t)record->event);
}

static char *record_put_slice(char *to, struct slice slice)
{
    put_u16(to, (uint16_t)slice.length);
    if (slice.length)
        memcpy(to + 2, slice.data, slice.length);
    return to + 2 + slice.length;
}

static size_t record_head_size(const struct record *record)
{
    assert(!(record->flags & ~RECORD_FLAGS));
    assert(record->key.length <= RECORD_KEY_MAX);
    assert(record->labels_count <= RECORD_LABELS_MAX);
    assert(record->origin.length <= RECORD_ORIGIN_MAX);
    assert(record->reason.length <= (record->flags & RECORD_UNDECODABLE ? RECORD_REASON_MAX : 0));

    size_t size = RECORD_FIXED_SIZE + 2 + record->key.length + 2 + record->origin.length;
    if (record->flags & RECORD_UNDECODABLE)
        size += 2 + record->reason.length;
    for (size_t i = 0; i < record->labels_count; i++) {
        assert(record->labels[i].length <= RECORD_KEY_MAX);
        size += 2 + record->labels[i].length;
    }
    return size;
}

int record_encode_head(const struct record *record, struct bytes *out, struct error *error)
{
    size_t size = record_head_size(record);

    if (bytes_reserve(out, size, error))
        return error_wrap(error, "record head");

    char *to = out->data + out->length;
    record_put_fixed(to, record);
    to = record_put_slice(to + RECORD_FIXED_SIZE, record->key);
    for (size_t i = 0; i < record->labels_count; i++)
        to = record_put_slice(to, record->labels[i]);
    to = record_put_slice(to, record->origin);
    if (record->flags & RECORD_UNDECODABLE)
        to = record_put_slice(to, record->reason);

    out->length += size;
    assert(to == out->data + out->length);
    return 0;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* Takes a length and that many bytes from *at on; false: they are not there, or more than `most`. */
static inline bool record_get_slice(const char **at, const char *end, size_t most, struct slice *ret_slice)
{
    if (end - *at < 2)
        return false;

    size_t length = get_u16(*at);
    if (length > most || (size_t)(end - *at) - 2 < length)
        return false;
    *ret_slice = (struct slice){*at + 2, length};
    *at += 2 + length;
    return true;
}

/* What record_get_slice() did not take. */
static int record_refuse_slice(
    const char *at, const char *end, size_t most, const char *what, struct error *error)
{
    if (end - at >= 2 && get_u16(at) > most)
        return error_set(
            error, ERROR_REJECT, "record: %s of %zu bytes, at most %zu", what, (size_t)get_u16(at), most);
    return error_set(error, ERROR_REJECT, "record: %s is cut off", what);
}

static int record_check_fixed(const char *from, size_t length, struct error *error)
{
    if (length == 0)
        return error_set(error, ERROR_REJECT, "record: empty");
    if (from[0] != RECORD_VERSION)
        return error_set(error, ERROR_REJECT,
            "record: version %d is not known, this program reads version %d", (unsigned char)from[0],
            RECORD_VERSION);
    if (length < RECORD_FIXED_SIZE)
        return error_set(error, ERROR_REJECT, "record: head of %zu bytes is cut off", length);
    if ((unsigned char)from[1] & ~RECORD_FLAGS)
        return error_set(error, ERROR_REJECT, "record: flags 0x%02x are not known", (unsigned char)from[1]);
    if (get_u16(from + 2) > RECORD_LABELS_MAX)
        return error_set(
            error, ERROR_REJECT, "record: %d labels, at most %d", get_u16(from + 2), RECORD_LABELS_MAX);
    return 0;
}

/* Room for labels that are not there is most of a record, and outlets decode a million records per second: it is neither
 * cleared nor copied. So the labels are looked at first, and taken when all is known to be right. */
int record_decode(const void *body, size_t length, struct record *ret_record, struct error *error)
{
    const char *from = body;
    struct slice key, label, origin, reason = {NULL, 0};

    if (record_check_fixed(from, length, error))
        return -1;
    const char *at = from + RECORD_FIXED_SIZE, *end = from + length;
    const uint8_t flags = (uint8_t)from[1];
    const size_t count = get_u16(from + 2);
    if (!record_get_slice(&at, end, RECORD_KEY_MAX, &key))
        return record_refuse_slice(at, end, RECORD_KEY_MAX, "key", error);
    const char *labels = at;
    for (size_t i = 0; i < count; i++) {
        if (!record_get_slice(&at, end, RECORD_KEY_MAX, &label))
            return record_refuse_slice(at, end, RECORD_KEY_MAX, "label", error);
    }
    if (!record_get_slice(&at, end, RECORD_ORIGIN_MAX, &origin))
        return record_refuse_slice(at, end, RECORD_ORIGIN_MAX, "origin", error);
    if (flags & RECORD_UNDECODABLE && !record_get_slice(&at, end, RECORD_REASON_MAX, &reason))
        return record_refuse_slice(at, end, RECORD_REASON_MAX, "reason", error);

    ret_record->flags = flags;
    ret_record->rendering = get_u32(from + 4);
    ret_record->received = (int64_t)get_u64(from + 8);
    ret_record->event = (int64_t)get_u64(from + 16);
    ret_record->key = key;
    ret_record->labels_count = count;
    for (size_t i = 0; i < count; i++)
        record_get_slice(&labels, end, RECORD_KEY_MAX, &ret_record->labels[i]);
    ret_record->origin = origin;
    ret_record->reason = reason;
    ret_record->payload = (struct slice){at, (size_t)(end - at)};
    return 0;
}

/* ---- names ------------------------------------------------------------------------------------------------ */

enum record_format record_format_of(const char *word)
{
    return strcmp(word, "text") == 0    ? RECORD_FORMAT_TEXT
           : strcmp(word, "bytes") == 0 ? RECORD_FORMAT_BYTES
                                        : RECORD_FORMAT_JSON;
}

int record_check_name(struct slice value, const char *what, struct error *error)
{
    size_t i = 0;

    if (value.length > RECORD_KEY_MAX)
        return error_set(
            error, ERROR_REJECT, "%s: %zu bytes, at most %d are allowed", what, value.length, RECORD_KEY_MAX);
    while (i < value.length) {
        if (value.data[i] >= ' ' && value.data[i] < 0x7f) { /* most of all bytes */
            i++;
            continue;
        }
        size_t length = utf8_sequence(value.data + i, value.length - i);
        if (length == 0)
            return error_set(error, ERROR_REJECT, "%s: byte %zu is not UTF-8", what, i);
        if (utf8_is_control(value.data + i))
            return error_set(error, ERROR_REJECT, "%s: control character at byte %zu", what, i);
        i += length;
    }
    return 0;
}
