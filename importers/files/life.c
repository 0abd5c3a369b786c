/* life: what becomes of a file that is known: it is cut, copied, rotated, deleted, or at rest; see files_internal.h */
#include <ctype.h>
#include <string.h>

#include "base/file.h"
#include "files/files_internal.h"
#include "files/unpack.h"

void file_set_life(struct source *source, struct file *file, enum file_life life)
{
    if (file->life == life)
        return;
    source->cut -= file->life == FILE_CUT;
    source->cut += life == FILE_CUT;
    file->life = life;
    file->life_at = files_now(source);
    file->ended = false;
}

void file_gone(struct source *source, struct file *file)
{
    if (file->size > file->position && file->life != FILE_LEFT_OUT) {
        metric_add(file->look->watch->gaps, 1);
        file_tell_event(file, "files.gap", file->size - file->position);
    }
    file_known_forget(source, file);
}

void file_replaced(struct source *source, struct file *file)
{
    file->size = file->position; /* what was seen last was the other one's */
    file_gone(source, file);
}

/* ---- what is cut ---------------------------------------------------------------------------------------------------------- */

/* The copy goes on where the file was that was cut. */
static void life_inherit(struct source *source, struct file *copy, struct file *cut)
{
    file_set_life(source, copy, FILE_RENAMED);
    copy->position = cut->position;
    copy->head = cut->head;
    copy->marker = cut->marker;
    copy->inside = cut->inside;
    copy->within = cut->within;
    file_batch_touch(source, copy);
    file_ready(source, copy);
    file_known_forget(source, cut);
}

int file_skip(struct source *source, struct file *file, int descriptor)
{
    char first[FILE_HEAD_MAX], last[FILE_MARKER_MAX];
    const size_t head = file->size < sizeof first ? file->size : sizeof first;
    const size_t marker = file->size < sizeof last ? file->size : sizeof last;

    if (file_read_at(descriptor, first, head, 0) != (ssize_t)head ||
        file_read_at(descriptor, last, marker, file->size - marker) != (ssize_t)marker)
        return -1;
    file->head = (struct file_hash){head, fnv_add(FNV_EMPTY, first, head)};
    file->marker = (struct file_hash){marker, fnv_add(FNV_EMPTY, last, marker)};
    file->position = file->size;
    file->within = 0;
    file_batch_touch(source, file);
    return 0;
}

static uint64_t life_size(int descriptor)
{
    struct stat stat;

    return descriptor >= 0 && fstat(descriptor, &stat) == 0 ? (uint64_t)stat.st_size : 0;
}

static bool life_same_bytes(int one, int other, uint64_t at, size_t length)
{
    char bytes[2][FILE_HEAD_MAX];

    return file_read_at(one, bytes[0], length, at) == (ssize_t)length &&
           file_read_at(other, bytes[1], length, at) == (ssize_t)length &&
           memcmp(bytes[0], bytes[1], length) == 0;
}

/* A copy that is being made, or one of a file of which nothing was read: as far as both go they are the same at both ends. How far that is. */
static uint64_t life_becomes_copy(struct source *source, struct file *of, const struct file *copy)
{
    const struct file_watch *watch = of->look->watch;

    if (of->descriptor < 0 && watch->open < watch->from->max_open)
        file_tail_open(source, of);
    const uint64_t had = life_size(of->descriptor), has = life_size(copy->descriptor);
    const uint64_t both = had < has ? had : has;
    const size_t head = both < FILE_HEAD_MAX ? both : FILE_HEAD_MAX;
    const size_t end = both < FILE_MARKER_MAX ? both : FILE_MARKER_MAX;
    return both && (of->position == 0 || has < of->position) &&
                   life_same_bytes(of->descriptor, copy->descriptor, 0, head) &&
                   life_same_bytes(of->descriptor, copy->descriptor, both - end, end)
               ? both
               : 0;
}

static bool life_is_older(const struct file *file, const struct file *than)
{
    const int64_t one = file->identity.born, other = than->identity.born;

    return one && other && one != other ? one < other : file->number < than->number;
}

/* 10.log is no copy of 1.log, nor apple.log of app.log; but app20260131.log may be one, as logrotate's dateformat allows. */
static bool life_goes_on(char last, char next)
{
    return (isdigit((unsigned char)last) && isdigit((unsigned char)next)) ||
           (isalpha((unsigned char)last) && isalpha((unsigned char)next));
}

/* A copy is called as what it is a copy of, with something behind it, or between the name and its extension. */
static bool life_is_called_like(const struct file *file, const struct file *copy)
{
    const char *name = strrchr(file->path, '/') + 1, *other = strrchr(copy->path, '/') + 1;
    const char *extension = strrchr(name, '.');

    const size_t length = extension && extension > name ? (size_t)(extension - name) : strlen(name);

    return strncmp(name, other, length) == 0 && !life_goes_on(name[length - 1], other[length]);
}

/* How many bytes of the copy are known to be this file's; 0: it is none of it. The copy may be finished, and its original cut, while both are
 * looked at: so whether it is being made is asked first, and then whether it is whole. */
static uint64_t life_has_of(struct source *source, struct file *file, const struct file *copy)
{
    const uint64_t both = file->life == FILE_LIVES ? life_becomes_copy(source, file, copy) : 0;

    return both || !file->position || !file_tail_continues(file, copy->descriptor) ? both : file->position;
}

/* Tables of one directory begin with the same names, and of a short one no more may have been read: what most is known of it counts, and then
 * the name. */
struct file *file_original(struct source *source, const struct file *copy)
{
    struct file *original = NULL;
    uint64_t most = 0;
    bool most_alike = false;

    for (struct file *file = source->first; file; file = file->behind) {
        if (file == copy || file->look != copy->look || file->gone ||
            (file->life != FILE_CUT && file->life != FILE_LIVES))
            continue;
        const bool alike = life_is_called_like(file, copy);
        if (file->life == FILE_LIVES && (!alike || !life_is_older(file, copy)))
            continue;
        const uint64_t has = life_has_of(source, file, copy);
        if (has > most || (has && has == most && alike && !most_alike)) {
            original = file;
            most = has;
            most_alike = alike;
        }
    }
    return original;
}

bool file_begin(struct source *source, struct file *file)
{
    if (file->own)
        return false;
    if (life_size(file->descriptor) == 0)
        return true; /* what comes next is looked at when it is there */
    if (file_is_compressed(file->descriptor)) {
        file_set_life(source, file, FILE_LEFT_OUT);
        file_tell_event(file, "files.compressed", file->size);
        file_tail_close(file);
        return true;
    }
    struct file *original = file_original(source, file);
    if (!original)
        return false;
    if (original->life == FILE_CUT) {
        life_inherit(source, file, original);
        return false;
    }
    file_set_life(source, file, FILE_COPY);
    file->copied = life_size(file->descriptor);
    return true;
}

/* A copy of what was cut goes on where that was. What was read since the copy was made is not in it: then all of it was read. */
static void life_give(struct source *source, struct file *cut, struct file *copy)
{
    copy->size = life_size(copy->descriptor);
    if (file_tail_continues(cut, copy->descriptor))
        life_inherit(source, copy, cut);
    else if (copy->size < cut->position && cut->head.length <= copy->size &&
             file_tail_begins(cut, copy->descriptor) && file_skip(source, copy, copy->descriptor) == 0)
        file_set_life(source, copy, FILE_RENAMED);
}

static void life_again(struct source *source, struct file *file)
{
    if (file_is_spooled(file))
        file_tail_close(file); /* it may be compressed now, or not any more */
    file->position = 0;
    file->head = file->marker = (struct file_hash){0, FNV_EMPTY};
    file->inside = file->done = false;
    file->within = 0;
    file_batch_touch(source, file);
    file_ready(source, file);
}

/* It begins anew under a number of its own; what it was may go on in a copy. */
void file_cut(struct source *source, struct file *file)
{
    const int64_t now = files_now(source);
    bool full;

    metric_add(file->look->watch->truncated, 1);
    file_tell_event(file, "files.truncated", file->position);
    if (file_is_spooled(file)) {
        life_again(source, file);
        return;
    }
    struct file *fresh =
        file_known_add(source, &file->identity, (struct slice){file->path, file->path_length}, &full);
    if (!fresh) { /* no room for both: what a copy holds is not looked for */
        file->was_cut = true;
        life_again(source, file);
        return;
    }
    fresh->look = file->look;
    fresh->root_device = file->root_device;
    fresh->scan = file->scan;
    fresh->descriptor = fd_take(&file->descriptor);
    fresh->checked = fresh->was_cut = fresh->own = true;
    fresh->read_at = now;
    fresh->where = file->where;
    file->where = NULL;
    if (file->life != FILE_CUT)
        fresh->life = file->life;
    fresh->life_at = now;
    file_set_life(source, file, FILE_CUT);
    file_ready(source, fresh);
    for (struct file *copy = source->first; copy && file->position && !file->gone; copy = copy->behind) {
        if (copy->life != FILE_COPY || copy->look != file->look || copy->descriptor < 0)
            continue;
        const struct file *original = file_original(source, copy);
        if (!original || original == file)
            life_give(source, file, copy);
    }
    source->scan_wanted |= !file->gone;
}

/* ---- what time does ------------------------------------------------------------------------------------------------------ */

static int64_t life_quiet(const struct source *source, const struct file *file)
{
    return files_now(source) - (file->life_at > file->read_at ? file->life_at : file->read_at);
}

/* What stands behind its last line break is a line. True: it is at its end. */
static bool life_finish(struct source *source, struct file *file)
{
    enum tail_result result = file_tail_open(source, file);

    if (result == TAIL_MORE)
        result = file_tail_finish(source, file);
    else if (result == TAIL_DRY)
        return false;
    if (result == TAIL_CUT)
        file_cut(source, file);
    else if (result == TAIL_GONE)
        file_replaced(source, file);
    return result == TAIL_DRY;
}

/* Behind the lines of a record there may have been more, but for too long nothing came. */
static void life_end_record(struct source *source, struct file *file)
{
    if (!file->open_record || files_now(source) - file->seen_at < file->look->watch->from->multiline.timeout)
        return;
    enum tail_result result = file_tail_open(source, file);
    if (result == TAIL_MORE)
        result = file_tail_end_record(source, file);
    if (result == TAIL_CUT)
        file_cut(source, file);
    else if (result == TAIL_GONE)
        file_replaced(source, file);
}

static void life_end(struct source *source, struct file *file)
{
    life_end_record(source, file);
    if (file->gone || file->life == FILE_CUT)
        return;
    if (file->ended || life_quiet(source, file) < file->look->watch->from->rotate_wait ||
        !life_finish(source, file))
        return;
    file->ended = true;
    if (file->life == FILE_UNLINKED || file->where)
        file_gone(source, file);
    else {
        file->life = FILE_LIVES;
        file_batch_touch(source, file);
    }
}

static void life_live(struct source *source, struct file *file)
{
    const struct config_watch *from = file->look->watch->from;
    const int64_t quiet = life_quiet(source, file);

    life_end_record(source, file);
    if (file->gone || file->life == FILE_CUT)
        return;
    if (from->idle && quiet >= from->idle && file->size > file->position)
        life_finish(source, file);
    else if (file->descriptor >= 0 && quiet >= from->close_after)
        file_tail_close(file);
    if (file->retry_at && files_now(source) >= file->retry_at)
        file_ready(source, file);
    if (file->look_due && files_now(source) >= file->look_at)
        file_name_again(source, file);
}

/* It was no copy, or its original was left as it is. */
static void life_end_copy(struct source *source, struct file *file)
{
    const uint64_t size = life_size(file->descriptor);

    if (size != file->copied && file_original(source, file)) { /* it is still being made */
        file->copied = size;
        file->life_at = files_now(source);
        return;
    }
    file->own = true;
    file->life = FILE_LIVES;
    file_ready(source, file);
}

static void life_file(struct source *source, struct file *file)
{
    const int64_t wait = file->look->watch->from->rotate_wait;

    if (file_is_spooled(file) && file->life != FILE_CUT) {
        file_spool_tick(source, file);
        return;
    }
    switch (file->life) {
    case FILE_LIVES:
        life_live(source, file);
        break;
    case FILE_RENAMED:
    case FILE_UNLINKED:
        life_end(source, file);
        break;
    case FILE_LEFT_OUT:
    case FILE_WAITS:
    case FILE_DONE:
        break;
    case FILE_COPY:
        if (files_now(source) - file->life_at >= wait)
            life_end_copy(source, file);
        break;
    case FILE_CUT:
        if (files_now(source) - file->life_at >= wait + file->look->watch->from->scan)
            file_known_forget(source, file);
        break;
    }
}

bool file_life_tick(struct source *source)
{
    bool soon = false;

    source->sort_wanted = false;
    for (struct file *file = source->first, *behind; file; file = behind) {
        behind = file->behind;
        if (file->look && !file->gone && !file->ready)
            life_file(source, file);
        soon |= !file->gone &&
                ((file->life != FILE_LIVES && file->life != FILE_LEFT_OUT && file->life != FILE_DONE) ||
                    file->look_due);
    }
    if (source->sort_wanted)
        file_scan_sort(&source->ready[true]);
    return soon;
}
