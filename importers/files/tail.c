/* tail: one file, from its position to its end; see files_internal.h
 *
 * Every read begins with the bytes of the marker, and the file's head is looked at before: what follows is a continuation only when both are
 * still there, so a file that was cut, or cut and written anew up to any length, shows with the very read that would have taken the wrong
 * bytes. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "files/files_internal.h"
#include "files/unpack.h"
#include "files/lines.h"

#define CLOSE_CANDIDATES 16 /* files that are compared when one has to be closed */

/* ---- what identifies a file ---------------------------------------------------------------------------------------- */

struct file_identity file_identity_of(const struct statx *found)
{
    return (struct file_identity){
        .device = makedev(found->stx_dev_major, found->stx_dev_minor),
        .inode = found->stx_ino,
        .born = found->stx_mask & STATX_BTIME
                    ? found->stx_btime.tv_sec * INT64_C(1000000000) + found->stx_btime.tv_nsec
                    : 0,
    };
}

int file_identify(int descriptor, struct file_identity *ret_identity, struct error *error)
{
    struct statx found;

    if (statx(descriptor, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &found))
        return error_set_errno(error, ERROR_RETRY, "statx");
    *ret_identity = file_identity_of(&found);
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
    file_unpack_close(&file->unpack);
    csv_header_free(&file->header);
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

static int64_t tail_machine_started(void)
{
    struct timespec now, since;

    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &since);
    return file_time(now) - file_time(since);
}

/* A power cut took bytes that the journal has and the file's own writer had not synced: it ends before its position now, or in zeros. What
 * comes is new; without a start of the machine in between it would be another content. So it is when it ends before its position and was
 * written since the start: nobody knows from where on. */
static bool tail_is_shortened(struct source *source, struct file *file)
{
    static const char zeros[FILE_MARKER_MAX];
    const struct file_hash lost = {file->marker.length, fnv_add(FNV_EMPTY, zeros, file->marker.length)};
    struct stat stat;

    if (!source->rebooted || !file_tail_begins(file, file->descriptor) || fstat(file->descriptor, &stat))
        return false;
    file->size = (uint64_t)stat.st_size;
    if (file->size < file->position) {
        if (file_time(stat.st_mtim) >= tail_machine_started())
            return false;
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
    if (file_is_spooled(file) && file_spool_open(source, file) != TAIL_MORE)
        return TAIL_DRY;
    errno = 0;
    if (file_tail_continues(file, file->descriptor) || (first && tail_is_shortened(source, file)))
        return TAIL_MORE;
    if (errno == 0)
        return TAIL_CUT;
    tail_failed(source, file); /* it could not be read: nobody knows */
    file_tail_close(file);
    return TAIL_DRY;
}

/* ---- on through the file ----------------------------------------------------------------------------------------------- */

static size_t tail_zeros(const struct file *file, const struct file_block *block)
{
    size_t zeros = 0;

    while (file->was_cut && zeros < block->length && block->data[zeros] == '\0')
        zeros++;
    return zeros - zeros % charset_unit(block->charset);
}

/* What stands before the next line and belongs to none. */
static size_t tail_skip(const struct file *file, const struct file_block *block)
{
    enum charset charset = block->charset;
    const size_t mark = file->position == 0 ? charset_mark(&charset, block->data, block->length) : 0;

    if (mark)
        return mark;
    /* The other half of a code unit of which the first was read as something else, under another encoding or at the end of a life. */
    if (file->position % charset_unit(charset))
        return 1;
    return tail_zeros(file, block);
}

/* Without a byte order mark nobody knows what it says. It may still be written. */
static enum tail_result tail_unordered(struct source *source, struct file *file, size_t length)
{
    if (length == 1 && file->position == 0 && !file_is_spooled(file))
        return TAIL_DRY;
    file_tell_trouble(source,
        "%s: no byte order mark: files.%s.encoding would have to be utf-16le or utf-16be", file->shown,
        file->look->watch->from->name);
    file->retry_at = files_now(source) + FILE_OPEN_PAUSE;
    if (file_is_spooled(file)) /* once its name is gone, so is the file: nothing would end it */
        file_tail_close(file);
    return TAIL_DRY;
}

/* Reads behind the position; the block's data lie behind the marker's bytes. */
static enum tail_result tail_fetch(struct source *source, struct file *file, struct file_block *ret_block)
{
    const struct file_watch *watch = file->look->watch;
    struct file_batch *batch = source->filling;
    const size_t before = file->marker.length, line = watch->from->max_line + LINES_BREAK_MAX;
    const size_t taken = before + watch->beside * line;
    /* Where a record of several lines ends shows the line behind it. */
    const size_t least = watch->multiline ? 2 * line : line;
    const size_t turn = FILE_TURN > least ? FILE_TURN : least;
    const size_t room = source->batch_capacity - batch->used;
    char *at = batch->payloads + batch->used, start[2];
    struct file_block block = {.data = at + before, .charset = watch->charset};

    if (room < taken + least)
        return TAIL_FULL;
    errno = 0;
    if (file->position > before && !file_tail_begins(file, file->descriptor)) {
        if (errno == 0)
            return TAIL_CUT; /* other lines of one kind may end as the last one did */
        tail_failed(source, file);
        return TAIL_DRY;
    }
    block.most = room - taken < turn ? room - taken : turn;
    if (charset_unit(block.charset) == 2) {
        /* Before the rest, which shows whether they are still those of the file that is known. */
        const ssize_t first = file_read_at(file->descriptor, start, sizeof start, 0);
        charset_mark(&block.charset, start, first > 0 ? (size_t)first : 0);
    }
    const bool unordered = block.charset == CHARSET_UTF16;
    const ssize_t got = file_read_at(
        file->descriptor, at, before + (unordered ? sizeof start : block.most), file->position - before);
    if (got < 0) {
        tail_failed(source, file);
        return TAIL_DRY;
    }
    if ((size_t)got < before || fnv_add(FNV_EMPTY, at, before) != file->marker.value)
        return TAIL_CUT;
    file->retry_at = 0;
    block.length = (size_t)got - before;
    if (unordered && block.length)
        return tail_unordered(source, file, block.length);
    *ret_block = block;
    return block.length ? TAIL_MORE : TAIL_DRY;
}

enum tail_result file_tail_read(struct source *source, struct file *file)
{
    struct file_block block;
    enum tail_result result = tail_fetch(source, file, &block);

    if (result != TAIL_MORE)
        return result;
    if (file->size < file->position + block.length) {
        file->size = file->position + block.length;
        file->read_at = files_now(source);
        if (file->life != FILE_LIVES)
            file->life_at = file->read_at;
    }
    const size_t skip = tail_skip(file, &block);
    if (skip) {
        file_take_skip(source, file, block.data, skip);
        return TAIL_MORE;
    }
    file->was_cut = false;
    const uint64_t from = file->position;
    result = file->look->watch->rows ? file_take_rows(source, file, &block, false)
                                     : file_take(source, file, &block);
    return result == TAIL_MORE && block.length < block.most && file->position == from + block.length
               ? TAIL_DRY
               : result;
}

/* There is more than file_tail_read() has left. */
static bool tail_has_grown(const struct file *file, const struct file_block *block)
{
    if (file->look->watch->multiline)
        return file->position + block->length != file->seen;
    const struct lines_cut cut =
        lines_cut(block->charset, block->data, block->length, file->look->watch->from->max_line);
    return cut.length || cut.part || tail_skip(file, block);
}

enum tail_result file_tail_finish(struct source *source, struct file *file)
{
    struct file_block block;
    const enum tail_result result = tail_fetch(source, file, &block);

    if (result != TAIL_MORE)
        return result;
    if (file->look->watch->rows && !tail_skip(file, &block))
        return file_take_rows(source, file, &block, block.length < block.most);
    if (!file->inside && tail_has_grown(file, &block)) {
        file_ready(source, file);
        return TAIL_MORE;
    }
    return file_take_rest(source, file, &block);
}

enum tail_result file_tail_end_record(struct source *source, struct file *file)
{
    struct file_block block;
    const enum tail_result result = tail_fetch(source, file, &block);

    if (result != TAIL_MORE)
        return result;
    if (file->inside || tail_has_grown(file, &block)) {
        file_ready(source, file);
        return TAIL_MORE;
    }
    return file_take_open(source, file, &block);
}

enum tail_result file_tail_take_whole(struct source *source, struct file *file, size_t size)
{
    struct file_batch *batch = source->filling;
    char *at = batch->payloads + batch->used;

    if (source->batch_capacity - batch->used <= size)
        return TAIL_FULL;
    const ssize_t got = file_read_at(file->descriptor, at, size + 1, 0);
    if (got < 0) {
        tail_failed(source, file);
        return TAIL_DRY;
    }
    if ((size_t)got != size)
        return TAIL_CUT;
    return file_take_whole(source, file, &(struct file_block){.data = at, .length = size});
}
