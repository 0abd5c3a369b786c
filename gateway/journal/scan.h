/* scan: walks the frames of one segment file, resynchronising behind damage.
 *
 * Reads through a window of its own (never mmap: a bad sector must be an error, not a signal) and never beyond `end`.
 * @thread the owner's
 */
#ifndef PENSTOCK_JOURNAL_SCAN_H
#define PENSTOCK_JOURNAL_SCAN_H

#include "journal/frame.h"

#define SCAN_WINDOW (UINT32_C(256) << 10)

struct scan {
    int fd; /* borrowed */
    uint64_t seed;
    uint64_t offset; /* of the next frame */
    uint64_t end; /* the owner may move it forward */
    uint64_t last; /* sequence of the last record seen, or of the one before the segment */
    uint64_t limit; /* no record of this segment has a sequence above it */
    bool resync; /* look for further frames behind a hole; otherwise a hole is the end */
    struct bytes window;
    uint64_t window_start;
};

struct scan_frame {
    struct frame frame;
    uint64_t offset;
    const char *body; /* until the next call */
    bool after_hole; /* bytes were skipped in front of it */
};

/* fd, seed, offset, end, last and limit are set by the caller afterwards. */
void scan_init(struct scan *scan);
void scan_free(struct scan *scan);

/* 1 with the next valid frame in sequence, 0 at the end or in front of a hole without resync, -1 on an I/O error. */
int scan_next(struct scan *scan, struct scan_frame *ret_frame, struct error *error);

/* What a group's mark says was durable before it; false: it tells of what is not before it. */
bool scan_mark(const struct scan_frame *found, uint64_t *ret_last, uint64_t *ret_offset);

/* Whether the bytes at offset look like a frame that would have come next but is torn (its header names the sequence
 * behind `last`). */
bool scan_looks_torn(struct scan *scan);

#endif
