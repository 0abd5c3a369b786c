/* record: see record.h */
#include "record/record.h"

#include <assert.h>

#include "base/little.h"
#include "base/utf8.h"

#define RECORD_VERSION 1
#define RECORD_FLAGS \
    (RECORD_EVENT_TIME | RECORD_TIME_OUTSIDE | RECORD_UNDECODABLE | RECORD_ENVELOPED | RECORD_REPLAYED)
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

/* Takes a length and that many bytes from the front of rest. */
static int record_get_slice(
    struct slice *rest, size_t most, const char *what, struct slice *ret_slice, struct error *error)
{
    if (rest->length < 2)
        return error_set(error, ERROR_REJECT, "record: %s is cut off", what);

    size_t length = get_u16(rest->data);
    if (length > most)
        return error_set(error, ERROR_REJECT, "record: %s of %zu bytes, at most %zu", what, length, most);
    if (rest->length - 2 < length)
        return error_set(error, ERROR_REJECT, "record: %s is cut off", what);
    *ret_slice = (struct slice){rest->data + 2, length};
    *rest = (struct slice){rest->data + 2 + length, rest->length - 2 - length};
    return 0;
}

static int record_get_fixed(const char *from, struct record *record, struct error *error)
{
    *record = (struct record){
        .flags = (uint8_t)from[1],
        .labels_count = get_u16(from + 2),
        .rendering = get_u32(from + 4),
        .received = (int64_t)get_u64(from + 8),
        .event = (int64_t)get_u64(from + 16),
    };
    if (record->flags & ~RECORD_FLAGS)
        return error_set(error, ERROR_REJECT, "record: flags 0x%02x are not known", record->flags);
    if (record->labels_count > RECORD_LABELS_MAX)
        return error_set(
            error, ERROR_REJECT, "record: %zu labels, at most %d", record->labels_count, RECORD_LABELS_MAX);
    return 0;
}

int record_decode(const void *body, size_t length, struct record *ret_record, struct error *error)
{
    const char *from = body;
    struct record record;

    if (length == 0)
        return error_set(error, ERROR_REJECT, "record: empty");
    if (from[0] != RECORD_VERSION)
        return error_set(error, ERROR_REJECT,
            "record: version %d is not known, this program reads version %d", (unsigned char)from[0],
            RECORD_VERSION);
    if (length < RECORD_FIXED_SIZE)
        return error_set(error, ERROR_REJECT, "record: head of %zu bytes is cut off", length);
    if (record_get_fixed(from, &record, error))
        return -1;

    struct slice rest = {from + RECORD_FIXED_SIZE, length - RECORD_FIXED_SIZE};
    if (record_get_slice(&rest, RECORD_KEY_MAX, "key", &record.key, error))
        return -1;
    for (size_t i = 0; i < record.labels_count; i++) {
        if (record_get_slice(&rest, RECORD_KEY_MAX, "label", &record.labels[i], error))
            return -1;
    }
    if (record_get_slice(&rest, RECORD_ORIGIN_MAX, "origin", &record.origin, error))
        return -1;
    if (record.flags & RECORD_UNDECODABLE &&
        record_get_slice(&rest, RECORD_REASON_MAX, "reason", &record.reason, error))
        return -1;
    record.payload = rest;
    *ret_record = record;
    return 0;
}

/* ---- names ------------------------------------------------------------------------------------------------ */

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
