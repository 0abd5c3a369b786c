/* segment: the files of the journal's directory, and the writer that appends frames to one (internal.h, FORMAT.md). */
#include "journal/internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/file.h"
#include "base/little.h"

void segment_name(char name[SEGMENT_NAME_SIZE], uint64_t number)
{
    snprintf(name, SEGMENT_NAME_SIZE, "%020" PRIu64 ".segment", number);
}

int segment_open(const struct journal *journal, const struct segment *segment, int flags)
{
    char name[SEGMENT_NAME_SIZE];

    segment_name(name, segment->number);
    return openat(journal->directory, segment->file ? segment->file : name, flags | O_CLOEXEC);
}

void reserve_name(char name[SEGMENT_NAME_SIZE], const struct reserve *reserve)
{
    snprintf(name, SEGMENT_NAME_SIZE, "reserve.%" PRIu64 "%s", reserve->id, reserve->whole ? "" : ".part");
}

uint64_t journal_random(void)
{
    uint64_t value = 0;

    while (value == 0)
        if (getrandom(&value, sizeof value, 0) != sizeof value)
            value = 0; /* GCOVR_EXCL_LINE: the kernel always has some */
    return value;
}

uint64_t segment_room(uint64_t segment_size)
{
    return segment_size - SEGMENT_HEADER_SIZE - JOURNAL_STATE_ROOM(segment_size) - CONTROL_ROOM;
}

bool reserve_has_room(const struct journal *journal)
{
    const uint64_t share = journal->options.max_size / RESERVE_SHARE / journal->options.segment_size;
    const size_t count = journal->reserve_count;

    return count < RESERVE_LEAST || (count < RESERVE_MAX && count < share);
}

/* From an offset on, as far as stop() allows. Blocks that were written once cost less per sync than those that are only allocated, whose
 * extents are still to be converted. */
static int segment_zero(struct journal *journal, int fd, uint64_t from, bool (*stop)(struct journal *),
    bool *ret_whole, struct error *error)
{
    const struct journal_io *io = journal->io;
    const uint64_t size = journal->options.segment_size;
    char *zeros = calloc(1, ZERO_STEP);
    int result = zeros ? 0 : error_set(error, ERROR_RETRY, "zeros: out of memory");

    while (!result && from < size && !(stop && stop(journal))) {
        const uint64_t step = size - from < ZERO_STEP ? size - from : ZERO_STEP;
        if (io->write(io->context, fd, zeros, step, from) || io->sync(io->context, fd))
            result = error_set_errno(error, ERROR_RETRY, "zero-fill");
        from += step;
    }
    free(zeros);
    *ret_whole = from == size;
    return result;
}

int segment_make_whole(struct journal *journal, const struct segment *segment, struct error *error)
{
    bool whole;

    if (segment->whole)
        return 0;
    if (segment->size - segment->end > ZERO_STEP)
        return error_set(error, ERROR_REJECT, "most of it was never written");
    cleanup_fd int fd = segment_open(journal, segment, O_RDWR);
    if (fd < 0)
        return error_set_errno(error, ERROR_RETRY, "open"); /* GCOVR_EXCL_LINE: it was written a moment ago */
    return segment_zero(journal, fd, segment->end, NULL, &whole, error);
}

int reserve_make(struct journal *journal, uint64_t id, bool (*stop)(struct journal *),
    struct reserve *ret_reserve, struct error *error)
{
    const struct journal_io *io = journal->io;
    struct reserve reserve = {.id = id};
    char name[SEGMENT_NAME_SIZE];
    char fresh[SEGMENT_NAME_SIZE];

    snprintf(fresh, sizeof fresh, "reserve.%" PRIu64 ".new", id);
    cleanup_fd int fd = io->create(io->context, journal->directory, fresh);
    if (fd < 0)
        return error_set_errno(error, ERROR_RETRY, "%s: create", fresh);

    int result = io->allocate(io->context, fd, journal->options.segment_size);
    if (result)
        error_set_errno(
            error, ERROR_RETRY, "%s: allocate %" PRIu64 " bytes", fresh, journal->options.segment_size);
    else
        result = segment_zero(journal, fd, 0, stop, &reserve.whole, error);
    reserve_name(name, &reserve);
    if (!result) {
        result = io->sync(io->context, fd) || io->rename(io->context, journal->directory, fresh, name) ||
                 io->sync_directory(io->context, journal->directory);
        if (result)
            error_set_errno(error, ERROR_RETRY, "%s: sync and rename", fresh);
    }
    if (result) {
        io->unlink(io->context, journal->directory, fresh);
        io->unlink(io->context, journal->directory, name);
        return -1;
    }
    *ret_reserve = reserve;
    return 0;
}

/* ---- writer ---- */

int writer_flush(struct writer *writer)
{
    int result = writer->io->write(
        writer->io->context, writer->fd, writer->buffer, writer->used, writer->offset - writer->used);
    writer->used = 0;
    return result;
}

int writer_sync(struct writer *writer)
{
    const struct journal_io *io = writer->io;

    return io->sync(io->context, writer->fd) || (!writer->whole && io->confirm(io->context, writer->fd)) ? -1
                                                                                                         : 0;
}

static int writer_put(struct writer *writer, const char *data, size_t length)
{
    while (length) {
        if (writer->used == WRITER_BUFFER && writer_flush(writer))
            return -1;
        size_t room = WRITER_BUFFER - writer->used;
        size_t part = length < room ? length : room;
        memcpy(writer->buffer + writer->used, data, part);
        writer->used += part;
        writer->offset += part;
        data += part;
        length -= part;
    }
    return 0;
}

int writer_frame(struct writer *writer, const struct frame *frame, struct slice head, struct slice payload)
{
    static const char zeros[FRAME_ALIGN] = {0};
    char header[FRAME_HEADER_SIZE];
    size_t padding = (size_t)(frame_size(frame->length) - FRAME_HEADER_SIZE - frame->length);

    assert(frame->length == head.length + payload.length);
    frame_encode(header, frame, writer->seed, writer->offset, head, payload);
    if (writer_put(writer, header, sizeof header) || writer_put(writer, head.data, head.length) ||
        writer_put(writer, payload.data, payload.length))
        return -1;
    return writer_put(writer, zeros, padding);
}

void writer_close(struct writer *writer)
{
    fd_close(&writer->fd);
    writer->used = 0;
}

/* ---- begin ---- */

_Static_assert(STATE_FRAME_OVERHEAD == FRAME_HEADER_SIZE + FRAME_ALIGN - 1, "state.h tells what frames take");

struct snapshot {
    struct writer *writer;
    uint64_t sequence;
    uint64_t end; /* the share of the segment that the snapshot must keep */
    uint16_t kind;
    uint32_t count;
};

static int snapshot_emit(void *context, const void *body, size_t length, struct error *error)
{
    struct snapshot *snapshot = context;
    struct frame frame = {(uint32_t)length, snapshot->kind, FRAME_END, snapshot->sequence};

    if (snapshot->writer->offset + frame_size(length) > snapshot->end)
        return error_set(error, ERROR_FATAL,
            "live state above %" PRIu64 " bytes of a segment: raise journal.segment_size",
            snapshot->end - SEGMENT_HEADER_SIZE);
    if (writer_frame(snapshot->writer, &frame, (struct slice){body, length}, (struct slice){NULL, 0}))
        return error_set_errno(error, ERROR_RETRY, "write snapshot"); /* GCOVR_EXCL_LINE: never so large */
    snapshot->count++;
    return 0;
}

static int snapshot_write(
    struct journal *journal, struct writer *writer, uint64_t sequence, struct error *error)
{
    struct snapshot snapshot = {.writer = writer,
        .sequence = sequence,
        .end = SEGMENT_HEADER_SIZE + JOURNAL_STATE_ROOM(journal->options.segment_size)};
    uint64_t keep_from = cursor_least(journal) + 1;

    snapshot.kind = STATE_CURSOR;
    if (cursor_dump(journal, keep_from, snapshot_emit, &snapshot, error))
        return -1;
    snapshot.kind = STATE_MARK;
    if (mark_dump(journal, snapshot_emit, &snapshot, error))
        return -1;
    snapshot.kind = STATE_ACCOUNTS;
    if (account_dump(journal, snapshot_emit, &snapshot, error))
        return -1; /* GCOVR_EXCL_LINE: what comes before and they keep to their shares */
    for (size_t i = 0; i < journal->options.kinds_count; i++) {
        const struct state_kind *kind = &journal->options.kinds[i];
        snapshot.kind = kind->kind;
        if (kind->dump(kind->state, keep_from, snapshot_emit, &snapshot, error))
            return error_wrap(error, "snapshot of %s", kind->name);
    }
    char count[4];
    put_u32(count, snapshot.count);
    snapshot.kind = JOURNAL_KIND_SNAPSHOT;
    return snapshot_emit(&snapshot, count, sizeof count, error);
}

/* The header is written last of all, once the snapshot's end is known; one sync covers both. */
static int segment_fill(
    struct journal *journal, struct segment_header *header, struct writer *writer, struct error *error)
{
    const struct journal_io *io = journal->io;
    char stored[SEGMENT_HEADER_SIZE];

    if (snapshot_write(journal, writer, header->base, error))
        return -1;
    header->snapshot_end = writer->offset;
    if (journal->carry && journal->carry(journal->carry_context, writer, error))
        return -1; /* GCOVR_EXCL_LINE: a bad disk under a bad tail */
    segment_header_encode(stored, header);
    if (writer_flush(writer) || io->write(io->context, writer->fd, stored, sizeof stored, 0) ||
        io->sync(io->context, writer->fd))
        return error_set_errno(error, ERROR_RETRY, "write and sync header");
    return 0;
}

int segment_begin(struct journal *journal, const struct reserve *reserve, struct segment_header *header,
    struct writer *writer, struct error *error)
{
    const struct journal_io *io = journal->io;
    char from[SEGMENT_NAME_SIZE];
    char name[SEGMENT_NAME_SIZE];

    reserve_name(from, reserve);
    segment_name(name, header->number);
    header->seed = journal_random();
    header->whole = writer->whole = reserve->whole;
    writer->io = io;
    writer->seed = header->seed;
    writer->offset = SEGMENT_HEADER_SIZE;
    writer->used = 0;
    writer->fd = openat(journal->directory, from, O_RDWR | O_CLOEXEC);
    int result = writer->fd < 0 ? error_set_errno(error, ERROR_RETRY, "open") : 0;
    if (!result)
        result = segment_fill(journal, header, writer, error);
    if (!result &&
        (io->rename(io->context, journal->directory, from, name) ||
            io->sync_directory(io->context, journal->directory) || io->confirm(io->context, writer->fd)))
        result = error_set_errno(error, ERROR_RETRY, "rename to %s", name);
    if (!result)
        return 0;
    writer_close(writer);
    io->unlink(io->context, journal->directory, from);
    io->unlink(io->context, journal->directory, name);
    return error_wrap(error, "journal %s: %s", journal->options.directory, from);
}

int segment_list_add(struct journal *journal, const struct segment_header *header, struct error *error)
{
    if (journal->segments_count == journal->segments_capacity) {
        size_t capacity = journal->segments_capacity ? journal->segments_capacity * 2 : 16;
        struct segment *segments = realloc(journal->segments, capacity * sizeof *segments);
        if (!segments)
            return error_set(
                error, ERROR_RETRY, "list of segments: out of memory"); /* GCOVR_EXCL_LINE: memory is gone */
        journal->segments = segments;
        journal->segments_capacity = capacity;
    }
    journal->segments[journal->segments_count++] = (struct segment){
        .number = header->number,
        .base = header->base,
        .last = header->base,
        .seed = header->seed,
        .snapshot_end = header->snapshot_end,
        .end = header->snapshot_end,
        .size = header->size,
        .epoch = header->epoch,
        .whole = header->whole,
    };
    return 0;
}

struct segment *segment_current(struct journal *journal)
{
    return &journal->segments[journal->segments_count - 1];
}
