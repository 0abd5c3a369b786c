/* frame: see frame.h */
#include "journal/frame.h"

#include "base/crc32c.h"
#include "base/little.h"

#define MAGIC "PENSTOCK"
#define MAGIC_SIZE 8
#define FLAG_WHOLE 1u

/* Offsets in a stored frame header. */
enum { AT_LENGTH = 0, AT_CRC = 4, AT_SEQUENCE = 8, AT_KIND = 16, AT_FLAGS = 18 };

/* Offsets in a stored segment header. */
enum {
    AT_VERSION = 8,
    AT_HEADER_CRC = 12,
    AT_NUMBER = 16,
    AT_BASE = 24,
    AT_SEED = 32,
    AT_LOG = 40,
    AT_EPOCH = 48,
    AT_SNAPSHOT_END = 56,
    AT_PREVIOUS = 64,
    AT_PREVIOUS_END = 72,
    AT_SIZE = 80,
    AT_CREATED = 88,
    AT_GATEWAY_ID = 96,
    AT_SEGMENT_FLAGS = 160,
};

static uint32_t frame_crc(
    const struct frame *frame, uint64_t seed, uint64_t offset, struct slice head, struct slice payload)
{
    char context[32];

    put_u64(context, seed);
    put_u64(context + 8, offset);
    put_u64(context + 16, frame->sequence);
    put_u32(context + 24, frame->length);
    put_u16(context + 28, frame->kind);
    put_u16(context + 30, frame->flags);
    uint32_t crc = crc32c(0, context, sizeof context);
    crc = crc32c(crc, head.data, head.length);
    return crc32c(crc, payload.data, payload.length);
}

void frame_encode(char out[FRAME_HEADER_SIZE], const struct frame *frame, uint64_t seed, uint64_t offset,
    struct slice head, struct slice payload)
{
    put_u32(out + AT_LENGTH, frame->length);
    put_u32(out + AT_CRC, frame_crc(frame, seed, offset, head, payload));
    put_u64(out + AT_SEQUENCE, frame->sequence);
    put_u16(out + AT_KIND, frame->kind);
    put_u16(out + AT_FLAGS, frame->flags);
}

bool frame_decode(const char header[FRAME_HEADER_SIZE], uint64_t room, struct frame *ret_frame)
{
    struct frame frame = {
        .length = get_u32(header + AT_LENGTH),
        .sequence = get_u64(header + AT_SEQUENCE),
        .kind = get_u16(header + AT_KIND),
        .flags = get_u16(header + AT_FLAGS),
    };

    /* Kinds below 16 are the journal's own; all others are left to the table of state kinds. */
    if (frame.length == 0 || frame.length > FRAME_BODY_MAX || frame_size(frame.length) > room)
        return false;
    if (frame.kind == 0 || frame.kind > 255 || (frame.kind > JOURNAL_KIND_SNAPSHOT && frame.kind < 16))
        return false;
    if (frame.flags & ~FRAME_END)
        return false;
    *ret_frame = frame;
    return true;
}

bool frame_valid(const char *header, const struct frame *frame, uint64_t seed, uint64_t offset)
{
    struct slice body = {header + FRAME_HEADER_SIZE, frame->length};

    return get_u32(header + AT_CRC) == frame_crc(frame, seed, offset, body, (struct slice){NULL, 0});
}

static uint32_t header_crc(const char *in)
{
    char copy[SEGMENT_HEADER_USED];

    memcpy(copy, in, sizeof copy);
    put_u32(copy + AT_HEADER_CRC, 0);
    return crc32c(0, copy, sizeof copy);
}

void segment_header_encode(char out[SEGMENT_HEADER_SIZE], const struct segment_header *header)
{
    memset(out, 0, SEGMENT_HEADER_SIZE);
    memcpy(out, MAGIC, MAGIC_SIZE);
    put_u32(out + AT_VERSION, SEGMENT_VERSION);
    put_u64(out + AT_NUMBER, header->number);
    put_u64(out + AT_BASE, header->base);
    put_u64(out + AT_SEED, header->seed);
    put_u64(out + AT_LOG, header->log);
    put_u32(out + AT_EPOCH, header->epoch);
    put_u64(out + AT_SNAPSHOT_END, header->snapshot_end);
    put_u64(out + AT_PREVIOUS, header->previous);
    put_u64(out + AT_PREVIOUS_END, header->previous_end);
    put_u64(out + AT_SIZE, header->size);
    put_u64(out + AT_CREATED, (uint64_t)header->created);
    memcpy(out + AT_GATEWAY_ID, header->gateway_id, strnlen(header->gateway_id, JOURNAL_GATEWAY_ID_MAX));
    put_u32(out + AT_SEGMENT_FLAGS, header->whole ? FLAG_WHOLE : 0);
    put_u32(out + AT_HEADER_CRC, header_crc(out));
    memcpy(out + SEGMENT_HEADER_COPY, out, SEGMENT_HEADER_USED);
}

static bool header_is_sound(const char *in)
{
    return memcmp(in, MAGIC, MAGIC_SIZE) == 0 && get_u32(in + AT_HEADER_CRC) == header_crc(in);
}

int segment_header_decode(
    const char in[SEGMENT_HEADER_SIZE], struct segment_header *ret_header, struct error *error)
{
    const char *at = header_is_sound(in) ? in : in + SEGMENT_HEADER_COPY;

    if (!header_is_sound(at))
        return error_set(error, ERROR_REJECT, "no valid segment header");
    uint32_t version = get_u32(at + AT_VERSION);
    if (version != SEGMENT_VERSION)
        return error_set(error, ERROR_FATAL,
            "format version %u, this penstock reads version %d: start the version that wrote it", version,
            SEGMENT_VERSION);

    struct segment_header header = {
        .number = get_u64(at + AT_NUMBER),
        .base = get_u64(at + AT_BASE),
        .seed = get_u64(at + AT_SEED),
        .log = get_u64(at + AT_LOG),
        .epoch = get_u32(at + AT_EPOCH),
        .snapshot_end = get_u64(at + AT_SNAPSHOT_END),
        .previous = get_u64(at + AT_PREVIOUS),
        .previous_end = get_u64(at + AT_PREVIOUS_END),
        .size = get_u64(at + AT_SIZE),
        .created = (int64_t)get_u64(at + AT_CREATED),
        .whole = get_u32(at + AT_SEGMENT_FLAGS) & FLAG_WHOLE,
    };
    if (header.number == 0 || header.number > SEGMENT_NUMBER_MAX || header.base > SEGMENT_NUMBER_MAX)
        return error_set(error, ERROR_REJECT, "a segment header that nobody can have written");
    memcpy(header.gateway_id, at + AT_GATEWAY_ID, JOURNAL_GATEWAY_ID_MAX);
    *ret_header = header;
    return 0;
}
