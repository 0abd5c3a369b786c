/* frame: the stored form of one record and of a segment's header; pure (FORMAT.md, version 1).
 *
 * A frame is header, body, padding to FRAME_ALIGN. Its CRC32C covers the segment's seed and the frame's own offset too, so
 * that neither a stale frame of a recycled file nor one that stands in the wrong place is ever accepted.
 */
#ifndef PENSTOCK_JOURNAL_FRAME_H
#define PENSTOCK_JOURNAL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "journal/journal.h"

#define FRAME_HEADER_SIZE 20
#define FRAME_ALIGN 8
#define FRAME_BODY_MAX (UINT32_C(1) << 30)

#define SEGMENT_HEADER_SIZE 4096 /* the frames start here */
#define SEGMENT_HEADER_USED 256 /* of it, stored at 0 and again at SEGMENT_HEADER_COPY */
#define SEGMENT_HEADER_COPY 2048
#define SEGMENT_VERSION 1
#define SEGMENT_NUMBER_MAX (UINT64_MAX / 2) /* of segments and of records: more than can ever be written */

enum frame_flag {
    FRAME_END = 1, /* the last frame of its hand-over; a tail is cut back to one of these */
};

struct frame {
    uint32_t length; /* of the body; never 0 */
    uint16_t kind; /* enum journal_kind */
    uint16_t flags;
    uint64_t sequence; /* of the record; other kinds: of the last record before them */
};

static inline uint64_t frame_size(uint64_t body_length)
{
    return (FRAME_HEADER_SIZE + body_length + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

/* Writes the header of a frame that will stand at offset and whose body is head followed by payload. */
void frame_encode(char out[FRAME_HEADER_SIZE], const struct frame *frame, uint64_t seed, uint64_t offset,
    struct slice head, struct slice payload);

/* Reads the header alone and says whether it could be one: kind known, length within room (header included). */
bool frame_decode(const char header[FRAME_HEADER_SIZE], uint64_t room, struct frame *ret_frame);

/* Whether header and the body behind it belong together at this offset of the segment with this seed. */
bool frame_valid(const char *header, const struct frame *frame, uint64_t seed, uint64_t offset);

struct segment_header {
    uint64_t number; /* 1, 2, ...; also the file's name */
    uint64_t base; /* sequence of the last record before this segment */
    uint64_t seed; /* random per incarnation of the file (the segment epoch) */
    uint64_t log; /* random per data directory: a segment of another journal is foreign */
    uint64_t snapshot_end; /* offset behind the snapshot of the live state */
    uint64_t previous; /* number of the segment before, 0: none */
    uint64_t previous_end; /* where that one ends: what lies beyond is void */
    uint64_t size; /* bytes of this file */
    int64_t created; /* wall clock, for people */
    uint32_t epoch; /* of the start of the gateway that made it */
    bool whole; /* all blocks of the file were written before it was begun */
    char gateway_id[JOURNAL_GATEWAY_ID_MAX + 1];
};

void segment_header_encode(char out[SEGMENT_HEADER_SIZE], const struct segment_header *header);

/* Takes either copy. ERROR_REJECT: neither is a header, or it says what cannot be; ERROR_FATAL: a newer version. */
int segment_header_decode(
    const char in[SEGMENT_HEADER_SIZE], struct segment_header *ret_header, struct error *error);

#endif
