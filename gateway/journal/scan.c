/* scan: see scan.h */
#include "journal/scan.h"

#include <errno.h>

#include "base/file.h"
#include "base/little.h"

#define SCAN_PAGE 4096
#define SCAN_MARK 16 /* bytes of a group's mark */

void scan_init(struct scan *scan)
{
    *scan = (struct scan){.fd = -1, .limit = UINT64_MAX};
    bytes_init(&scan->window, (size_t)FRAME_BODY_MAX + SCAN_WINDOW);
}

void scan_free(struct scan *scan)
{
    bytes_free(&scan->window);
}

/* A sector that cannot be read must not hide its neighbours: page by page then, zeros for what stays unreadable (the frames
 * there are found damaged). */
static ssize_t scan_read(struct scan *scan, char *data, size_t length, uint64_t offset)
{
    ssize_t got = file_read_at(scan->fd, data, length, offset);

    if (got >= 0 || errno != EIO)
        return got;
    /* GCOVR_EXCL_START: a bad sector */
    for (size_t at = 0; at < length; at += SCAN_PAGE) {
        size_t part = length - at < SCAN_PAGE ? length - at : SCAN_PAGE;
        memset(data + at, 0, part);
        if (file_read_at(scan->fd, data + at, part, offset + at) < 0)
            memset(data + at, 0, part);
    }
    return (ssize_t)length;
    /* GCOVR_EXCL_STOP */
}

/* The bytes offset..offset+length, which lie below end; NULL on an I/O error. */
static const char *scan_view(struct scan *scan, uint64_t offset, uint64_t length, struct error *error)
{
    if (offset >= scan->window_start && offset + length <= scan->window_start + scan->window.length)
        return scan->window.data + (offset - scan->window_start);

    uint64_t want = scan->end - offset;
    if (want > SCAN_WINDOW)
        want = length > SCAN_WINDOW ? length : SCAN_WINDOW;
    bytes_clear(&scan->window);
    if (bytes_reserve_exact(&scan->window, (size_t)want, error))
        return NULL;
    ssize_t got = scan_read(scan, scan->window.data, (size_t)want, offset);
    if (got < 0) {
        error_set_errno(error, ERROR_RETRY, "read at %llu", (unsigned long long)offset);
        return NULL;
    }
    /* A file cut short while it is read: what is gone reads as zeros and is found damaged. */
    memset(scan->window.data + got, 0, (size_t)want - (size_t)got);
    scan->window_start = offset;
    scan->window.length = (size_t)want;
    return scan->window.data;
}

/* Sequences are dense, so a hole hides no more records than fit into it. That spares the checksums of what only looks like a frame: the stale frames of a
 * recycled file, read from their middle, do, each with a length of megabytes. */
static bool scan_in_order(const struct scan *scan, const struct frame *frame, uint64_t offset)
{
    const uint64_t most = (offset - scan->offset) / frame_size(1) + (frame->kind == JOURNAL_KIND_DATA);

    if (frame->sequence > scan->limit || frame->sequence > scan->last + most)
        return false;
    return frame->kind == JOURNAL_KIND_DATA ? frame->sequence > scan->last : frame->sequence >= scan->last;
}

/* 1: a valid frame stands at offset, 0: none, -1: I/O error */
static int scan_at(struct scan *scan, uint64_t offset, struct scan_frame *ret_frame, struct error *error)
{
    struct frame frame;

    if (scan->end < offset || scan->end - offset < FRAME_HEADER_SIZE)
        return 0;
    const char *header = scan_view(scan, offset, FRAME_HEADER_SIZE, error);
    if (!header)
        return -1;
    if (!frame_decode(header, scan->end - offset, &frame) || !scan_in_order(scan, &frame, offset))
        return 0;
    header = scan_view(scan, offset, FRAME_HEADER_SIZE + frame.length, error);
    if (!header)
        return -1;
    if (!frame_valid(header, &frame, scan->seed, offset))
        return 0;
    *ret_frame = (struct scan_frame){frame, offset, header + FRAME_HEADER_SIZE, false};
    return 1;
}

int scan_next(struct scan *scan, struct scan_frame *ret_frame, struct error *error)
{
    for (uint64_t at = scan->offset;; at += FRAME_ALIGN) {
        int found = scan_at(scan, at, ret_frame, error);
        if (found < 0)
            return -1;
        if (found) {
            ret_frame->after_hole = at != scan->offset;
            scan->offset = at + frame_size(ret_frame->frame.length);
            scan->last = ret_frame->frame.sequence;
            return 1;
        }
        if (!scan->resync || scan->end < at || scan->end - at <= FRAME_HEADER_SIZE)
            return 0;
    }
}

bool scan_mark(const struct scan_frame *found, uint64_t *ret_last, uint64_t *ret_offset)
{
    const bool fits = found->frame.length == SCAN_MARK;

    *ret_last = fits ? get_u64(found->body) : 0;
    *ret_offset = fits ? get_u64(found->body + 8) : 0;
    return fits && *ret_last <= found->frame.sequence && *ret_offset <= found->offset &&
           *ret_offset % FRAME_ALIGN == 0;
}

bool scan_looks_torn(struct scan *scan)
{
    struct frame frame;
    struct error error;

    if (scan->end < scan->offset || scan->end - scan->offset < FRAME_HEADER_SIZE)
        return false;
    const char *header = scan_view(scan, scan->offset, FRAME_HEADER_SIZE, &error);
    if (!header || !frame_decode(header, scan->end - scan->offset, &frame))
        return false;
    return frame.sequence == scan->last + (frame.kind == JOURNAL_KIND_DATA);
}
