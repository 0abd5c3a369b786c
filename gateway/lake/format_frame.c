/* format_frame: rows as they wait for the file of a table that they will stand in.
 *
 *     u32 payload's length   u32 key's length   u64 sequence   i64 time   i64 received   key   payload
 *
 * No reader ever sees them.
 */
#include "lake/format.h"

#include "base/little.h"

#define FRAME_HEAD 32

size_t format_frame_most(const struct format_row *row)
{
    return FRAME_HEAD + row->key.length + row->payload.length;
}

int format_frame_row(const struct format_row *row, struct bytes *out, struct error *error)
{
    if (bytes_reserve(out, format_frame_most(row), error))
        return -1;
    char *to = out->data + out->length;
    put_u32(to, (uint32_t)row->payload.length);
    put_u32(to + 4, (uint32_t)row->key.length);
    put_u64(to + 8, row->sequence);
    put_u64(to + 16, (uint64_t)row->time);
    put_u64(to + 24, (uint64_t)row->received);
    to += FRAME_HEAD;
    if (row->key.length)
        memcpy(to, row->key.data, row->key.length);
    if (row->payload.length)
        memcpy(to + row->key.length, row->payload.data, row->payload.length);
    out->length += format_frame_most(row);
    return 0;
}

size_t format_frame_read(struct slice in, struct format_row *ret_row)
{
    if (in.length < FRAME_HEAD)
        return 0;
    const size_t payload = get_u32(in.data), key = get_u32(in.data + 4);
    if (in.length - FRAME_HEAD < key + payload)
        return 0;
    *ret_row = (struct format_row){
        .key = {in.data + FRAME_HEAD, key},
        .sequence = get_u64(in.data + 8),
        .time = (int64_t)get_u64(in.data + 16),
        .received = (int64_t)get_u64(in.data + 24),
        .payload = {in.data + FRAME_HEAD + key, payload},
    };
    return FRAME_HEAD + key + payload;
}
