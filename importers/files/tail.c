/* tail: one file, from its position to its end; see files_internal.h
 *
 * Every read begins with the bytes of the marker: what follows them is a continuation only when they are still there, so a file that was cut,
 * or cut and written anew up to any length, shows with the very read that would have taken the wrong bytes. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/utf8.h"
#include "files/files_internal.h"
#include "files/lines.h"

#define NUMBER_ROOM 21 /* ":" and the offset */
#define CLOSE_CANDIDATES 16 /* files that are compared when one has to be closed */

/* ---- what identifies a file ---------------------------------------------------------------------------------------- */

int file_identify(int descriptor, struct file_identity *ret_identity, struct error *error)
{
    struct statx found;

    if (statx(descriptor, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &found))
        return error_set_errno(error, ERROR_RETRY, "statx");
    *ret_identity = (struct file_identity){
        .device = makedev(found.stx_dev_major, found.stx_dev_minor),
        .inode = found.stx_ino,
        .born = found.stx_mask & STATX_BTIME
                    ? found.stx_btime.tv_sec * INT64_C(1000000000) + found.stx_btime.tv_nsec
                    : 0,
    };
    return 0;
}

/* A device's number may change with a start of the machine, so where the birth is known it is what counts. */
bool file_is_same(const struct file *file, const struct file_identity *identity)
{
    if (file->identity.inode != identity->inode)
        return false;
    return file->identity.born && identity->born ? file->identity.born == identity->born
                                                 : file->identity.device == identity->device;
}

static bool tail_has(int descriptor, const struct file_hash *hash, uint64_t at)
{
    char bytes[FILE_HEAD_MAX];

    assert(hash->length <= sizeof bytes);
    return file_read_at(descriptor, bytes, hash->length, at) == (ssize_t)hash->length &&
           fnv_add(FNV_EMPTY, bytes, hash->length) == hash->value;
}

bool file_tail_begins(const struct file *file, int descriptor)
{
    return tail_has(descriptor, &file->head, 0);
}

bool file_tail_continues(const struct file *file, int descriptor)
{
    return file_tail_begins(file, descriptor) &&
           tail_has(descriptor, &file->marker, file->position - file->marker.length);
}

/* ---- open and closed ------------------------------------------------------------------------------------------------ */

void file_tail_close(struct file *file)
{
    if (file->descriptor >= 0)
        file->look->watch->open--;
    fd_close(&file->descriptor);
}

/* One that nothing has come to for long, of some: those that no name leads to any more must stay open. */
static void tail_make_room(struct source *source, const struct file_watch *watch)
{
    struct file *oldest = NULL;
    unsigned seen = 0;

    for (size_t i = 0; i < source->files_count && seen < CLOSE_CANDIDATES; i++) {
        struct file *file = source->hand ? source->hand : source->first;
        source->hand = file->behind;
        if (file->descriptor < 0 || file->look->watch != watch || file->life != FILE_LIVES)
            continue;
        seen++;
        if (!oldest || file->read_at < oldest->read_at)
            oldest = file;
    }
    if (oldest)
        file_tail_close(oldest);
}

struct slice file_path_below(const struct file *file)
{
    const size_t root = strlen(file->look->root) + (file->look->root[1] != '\0');

    return (struct slice){file->path + root, file->path_length - root};
}

/* A power cut took bytes that the journal has and the file's own writer had not synced: it ends before its position now, or in zeros. What
 * comes is new; without a start of the machine in between it would be another content. */
static bool tail_is_shortened(struct source *source, struct file *file)
{
    static const char zeros[FILE_MARKER_MAX];
    const struct file_hash lost = {file->marker.length, fnv_add(FNV_EMPTY, zeros, file->marker.length)};
    struct stat stat;

    if (!source->rebooted || !file_tail_begins(file, file->descriptor) || fstat(file->descriptor, &stat))
        return false;
    file->size = (uint64_t)stat.st_size;
    if (file->size < file->position) {
        file_tell_event(file, "files.shortened", file->position - file->size);
        return file_skip(source, file, file->descriptor) == 0;
    }
    if (!tail_has(file->descriptor, &lost, file->position - file->marker.length))
        return false;
    file->marker = lost;
    return true;
}

static void tail_failed(struct source *source, struct file *file)
{
    file_tell_trouble(source, "%s: %s", file->shown, strerror(errno));
    file->retry_at = files_now(source) + FILE_OPEN_PAUSE;
}

enum tail_result file_tail_open(struct source *source, struct file *file)
{
    struct file_watch *watch = file->look->watch;
    struct file_identity identity = {0};
    struct stat found;
    struct error error;

    if (file->descriptor >= 0)
        return TAIL_MORE;
    if (files_now(source) < file->retry_at)
        return TAIL_DRY;
    if (watch->open >= watch->from->max_open)
        tail_make_room(source, watch);
    file->retry_at = files_now(source) + FILE_OPEN_PAUSE;
    if (watch->open >= 2 * watch->from->max_open)
        return TAIL_DRY; /* of files that are about to end, which stay open, there may be as many again */
    if (file_walk_open_file(file->look->walk, file->where ? slice_of(file->where) : file_path_below(file),
            &file->descriptor, &found, &error)) {
        if (error.kind == ERROR_REJECT || errno != ENOENT)
            file_tell_trouble(source, "%s", error.text);
        return TAIL_DRY;
    }
    watch->open++;
    if (file_identify(file->descriptor, &identity, &error) || !file_is_same(file, &identity)) {
        file_tail_close(file);
        source->scan_wanted = true;
        return identity.inode == file->identity.inode ? TAIL_GONE : TAIL_DRY;
    }
    file->retry_at = 0;
    file->read_at = files_now(source);
    if (identity.device != file->identity.device)
        file_known_identify(source, file, &identity);
    const bool first = !file->checked;
    file->checked = true;
    errno = 0;
    if (file_tail_continues(file, file->descriptor) || (first && tail_is_shortened(source, file)))
        return TAIL_MORE;
    if (errno == 0)
        return TAIL_CUT;
    tail_failed(source, file); /* it could not be read: nobody knows */
    file_tail_close(file);
    return TAIL_DRY;
}

/* ---- a block as records ---------------------------------------------------------------------------------------------- */

struct tail_block {
    struct source *source;
    struct file *file;
    struct slice body; /* it begins at the file's position */
    struct file_match match;
    size_t prefix; /* of the origin: all but the offset */
};

static struct slice block_capture(const struct tail_block *block, const char *name)
{
    for (size_t i = 0; i < block->match.count; i++) {
        if (strcmp(block->match.captures[i].name, name) == 0)
            return block->match.captures[i].value;
    }
    return (struct slice){NULL, 0};
}

static struct slice block_find(void *context, enum selector_source from, const char *name)
{
    const struct tail_block *block = context;

    if (from != SELECTOR_FILE)
        return (struct slice){NULL, 0};
    if (strcmp(name, "path") == 0)
        return slice_of(block->file->shown);
    if (strcmp(name, "name") == 0)
        return slice_of(strrchr(block->file->shown, '/') + 1);
    if (strcmp(name, "host") == 0)
        return slice_of(block->source->host);
    return block_capture(block, name);
}

/* PATH:OFFSET of the record's first byte. */
static struct slice block_locate(void *context, struct slice payload)
{
    const struct tail_block *block = context;
    struct bytes *origin = &block->source->origin;
    const size_t behind = payload.data ? (size_t)(payload.data - block->body.data) : 0;
    uint64_t offset = block->file->position + behind;
    char digits[NUMBER_ROOM];
    size_t first = sizeof digits;

    /* Once per line: printf would take longer than all else that is done to it here. */
    do {
        digits[--first] = (char)('0' + offset % 10);
        offset /= 10;
    } while (offset);
    origin->length = block->prefix + (sizeof digits - first);
    memcpy(origin->data + block->prefix, digits + first, sizeof digits - first);
    return bytes_slice(origin);
}

static void block_prepare(struct tail_block *block)
{
    const struct file *file = block->file;
    const struct file_look *look = file->look;
    struct bytes *origin = &block->source->origin;
    const struct slice path = file_path_below(file);
    const size_t shown = strlen(file->shown), most = RECORD_ORIGIN_MAX - NUMBER_ROOM;
    struct error ignored;

    for (size_t i = 0; i < look->take_count; i++) {
        if (file_pattern_match(look->take[i], path, &block->match))
            break;
        block->match.count = 0;
    }
    bytes_clear(origin);
    bytes_add(origin, file->shown, shown <= most ? shown : utf8_whole(file->shown, most), &ignored);
    bytes_add(origin, ":", 1, &ignored);
    block->prefix = origin->length;
}

/* As with topics of MQTT: a part called "key", else one called like the key in the record. */
static struct slice block_key(const struct tail_block *block)
{
    const struct selector *key = &block->file->look->watch->stream->key;
    const struct slice named = block_capture(block, "key");

    if (key->source == SELECTOR_FILE || named.data)
        return key->source == SELECTOR_FILE ? (struct slice){NULL, 0} : named;
    return key->source == SELECTOR_POINTER ? block_capture(block, strrchr(key->name, '/') + 1)
                                           : (struct slice){NULL, 0};
}

/* reason: NULL, or why it goes to the dead letters. -1: the hand-over takes no more, and is as it was. */
static int block_add(struct tail_block *block, enum decode_form form, const char *reason)
{
    struct source *source = block->source;
    const struct stream *stream = block->file->look->watch->stream;
    struct handover *handover = &source->filling->handover;
    const struct handover_mark mark = handover_mark(handover);
    struct intake_facts facts = {.find = block_find,
        .context = block,
        .received = clock_wall(source->context.clock),
        .bury = block_locate,
        .locate = block_locate};
    struct error error;

    block_prepare(block);
    facts.key = block_key(block);
    if (!reason && form == DECODE_NDJSON && lines_are_blank(block->body.data, block->body.length))
        return 0;
    const int failed =
        reason
            ? intake_bury(source->intake, stream, block->body, &facts, reason, handover, &error)
            : intake_add(source->intake, stream, form, block->body, &facts, handover, &source->taken, &error);
    if (failed || (handover->size <= source->handover_max && handover->parts.length <= source->parts_max))
        return failed;
    handover_rewind(handover, &mark);
    return -1;
}

/* ---- on through the file ----------------------------------------------------------------------------------------------- */

/* `length` bytes behind the position are done with; `data` has the marker's bytes before it. */
static void tail_advance(struct source *source, struct file *file, const char *data, size_t length)
{
    const size_t before = file->marker.length;
    const size_t head =
        FILE_HEAD_MAX - file->head.length < length ? FILE_HEAD_MAX - file->head.length : length;

    /* Of a file that was begun elsewhere the head is whole, or all that there was. */
    if (file->head.length == file->position) {
        file->head.value = fnv_add(file->head.value, data, head);
        file->head.length += head;
    }
    file->position += length;
    file->done = false;
    file->marker.length = before + length < FILE_MARKER_MAX ? before + length : FILE_MARKER_MAX;
    file->marker.value = fnv_add(FNV_EMPTY, data + length - file->marker.length, file->marker.length);
    file->size = file->size > file->position ? file->size : file->position;
    file_batch_touch(source, file);
}

static void tail_count(struct source *source, const struct file *file, size_t bytes)
{
    const struct file_watch *watch = file->look->watch;
    struct file_batch *batch = source->filling;
    struct file_watch_count *lines = &batch->watches[watch - source->watches];
    struct file_stream_count *records = &batch->streams[watch->stream - source->context.streams->items];

    records->accepted += source->taken.accepted;
    lines->lines += source->taken.accepted;
    for (size_t i = 0; i < INTAKE_REASONS; i++) {
        records->rejected[i] += source->taken.by_reason[i];
        lines->lines += source->taken.by_reason[i];
    }
    lines->bytes += bytes;
}

/* All of it, or what the hand-over takes. */
static enum tail_result tail_add(
    struct source *source, struct file *file, const char *data, size_t length, const char *reason)
{
    const struct stream *stream = file->look->watch->stream;
    struct tail_block block = {.source = source, .file = file, .body = {data, length}};
    const enum decode_form form = stream->format == RECORD_FORMAT_TEXT ? DECODE_LINES : DECODE_NDJSON;

    memset(&source->taken, 0, offsetof(struct intake_result, list));
    while (block_add(&block, form, reason)) {
        if (source->filling->handover.records)
            return TAIL_FULL;
        const char *feed = memrchr(data, '\n', block.body.length / 2);
        if (!feed)
            feed = memchr(data, '\n', block.body.length - 1);
        if (!feed) /* one line; there is none that no hand-over takes */
            return TAIL_FULL;
        block.body.length = (size_t)(feed - data) + 1;
    }
    tail_count(source, file, block.body.length);
    source->filling->used = (size_t)(data - source->filling->payloads) + block.body.length;
    tail_advance(source, file, data, block.body.length);
    return TAIL_MORE;
}

/* A part of a line that is too long. */
static enum tail_result tail_add_part(
    struct source *source, struct file *file, const char *data, size_t length, bool last)
{
    const struct file_watch *watch = file->look->watch;
    char reason[128];

    if (file->position == 0 || data[-1] == '\n')
        metric_add(watch->long_count, 1);
    if (watch->long_lines == FILE_LONG_TRUNCATE && file->inside) {
        tail_advance(source, file, data, length);
        file->inside = !last;
        return TAIL_MORE;
    }
    snprintf(reason, sizeof reason, "part of a line of more than %" PRIu64 " bytes (files.%.32s.max_line)",
        watch->from->max_line, watch->from->name);
    const enum tail_result added =
        tail_add(source, file, data, length, watch->long_lines == FILE_LONG_DEAD_LETTER ? reason : NULL);
    if (added == TAIL_MORE)
        file->inside = watch->long_lines != FILE_LONG_SPLIT && !last;
    return added;
}

static enum tail_result tail_take_inside(
    struct source *source, struct file *file, const char *data, size_t length)
{
    const size_t most = file->look->watch->from->max_line;
    const size_t line = lines_first(data, length);
    const size_t part = line ? line : length;

    if (part <= most)
        return tail_add_part(source, file, data, part, line != 0);
    return tail_add_part(source, file, data, most, false);
}

static enum tail_result tail_take(struct source *source, struct file *file, const char *data, size_t length)
{
    if (file->inside)
        return tail_take_inside(source, file, data, length);
    const struct lines_cut cut = lines_cut(data, length, file->look->watch->from->max_line);
    if (cut.length)
        return tail_add(source, file, data, cut.length, NULL);
    return cut.part ? tail_add_part(source, file, data, cut.part, false) : TAIL_DRY;
}

enum tail_result file_tail_take_whole(struct source *source, struct file *file, size_t size)
{
    const struct stream *stream = file->look->watch->stream;
    struct file_batch *batch = source->filling;
    char *at = batch->payloads + batch->used;
    struct tail_block block = {.source = source, .file = file, .body = {at, size}};

    if (source->batch_capacity - batch->used <= size)
        return TAIL_FULL;
    const ssize_t got = file_read_at(file->descriptor, at, size + 1, 0);
    if (got < 0) {
        tail_failed(source, file);
        return TAIL_DRY;
    }
    if ((size_t)got != size)
        return TAIL_CUT;
    memset(&source->taken, 0, offsetof(struct intake_result, list));
    if (block_add(&block, stream->format == RECORD_FORMAT_JSON ? DECODE_JSON : DECODE_BYTES, NULL))
        return TAIL_FULL;
    tail_count(source, file, size);
    batch->used += size;
    tail_advance(source, file, at, size);
    return TAIL_MORE;
}

static size_t tail_zeros(const struct file *file, const char *data, size_t length)
{
    size_t zeros = 0;

    while (file->was_cut && zeros < length && data[zeros] == '\0')
        zeros++;
    return zeros;
}

/* Reads behind the position; *ret_data is where that lies, behind the marker's bytes. */
static enum tail_result tail_fetch(
    struct source *source, struct file *file, const char **ret_data, size_t *ret_length, size_t *ret_most)
{
    struct file_batch *batch = source->filling;
    const size_t before = file->marker.length, line = file->look->watch->from->max_line + 2; /* CR, LF */
    const size_t turn = FILE_TURN > line ? FILE_TURN : line;
    char *at = batch->payloads + batch->used;
    size_t room = source->batch_capacity - batch->used;

    if (room < before + line)
        return TAIL_FULL;
    *ret_most = room - before < turn ? room - before : turn;
    const ssize_t got = file_read_at(file->descriptor, at, before + *ret_most, file->position - before);
    if (got < 0) {
        tail_failed(source, file);
        return TAIL_DRY;
    }
    if ((size_t)got < before || fnv_add(FNV_EMPTY, at, before) != file->marker.value)
        return TAIL_CUT;
    file->retry_at = 0;
    *ret_data = at + before;
    *ret_length = (size_t)got - before;
    return TAIL_MORE;
}

enum tail_result file_tail_read(struct source *source, struct file *file)
{
    const char *data;
    size_t length, most;
    enum tail_result result = tail_fetch(source, file, &data, &length, &most);

    if (result != TAIL_MORE || length == 0)
        return result == TAIL_MORE ? TAIL_DRY : result;
    if (file->size < file->position + length) {
        file->size = file->position + length;
        file->read_at = files_now(source);
        if (file->life != FILE_LIVES)
            file->life_at = file->read_at;
    }
    const size_t zeros = tail_zeros(file, data, length);
    if (zeros) {
        tail_advance(source, file, data, zeros);
        return TAIL_MORE;
    }
    file->was_cut = false;
    const uint64_t from = file->position;
    result = tail_take(source, file, data, length);
    return result == TAIL_MORE && length < most && file->position == from + length ? TAIL_DRY : result;
}

enum tail_result file_tail_finish(struct source *source, struct file *file)
{
    const char *data;
    size_t length, most;
    const enum tail_result result = tail_fetch(source, file, &data, &length, &most);

    if (result != TAIL_MORE || length == 0)
        return result == TAIL_MORE ? TAIL_DRY : result;
    if (file->inside)
        return tail_add_part(source, file, data, length, true);
    const struct lines_cut cut = lines_cut(data, length, file->look->watch->from->max_line);
    if (cut.length || cut.part) { /* it has grown: that is for file_tail_read() */
        file_ready(source, file);
        return TAIL_MORE;
    }
    return tail_add(source, file, data, length, NULL);
}
