/* scan: what is there, held against what is known; see files_internal.h
 *
 * A name that is there leads to an inode, and that to a file that is known, or to none: then it is new. A file that is known and that no name
 * leads to any more was rotated (it is found by its inode under another name), or is gone. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "files/files_internal.h"

#define MISSES 2 /* scans in a row; a single one may miss what is renamed meanwhile */

/* A name that was found, open. */
struct scan_found {
    struct file_look *look;
    struct slice path; /* relative */
    char whole[PATH_MAX + FILE_PATTERN_MAX];
    struct slice absolute;
    struct stat stat;
    int descriptor;
    struct file_identity identity;
    bool taken;
};

static void scan_name(struct scan_found *found, struct file_look *look, struct slice path)
{
    const int length = snprintf(found->whole, sizeof found->whole, "%s%s%.*s", look->root,
        look->root[1] ? "/" : "", (int)path.length, path.data);

    found->look = look;
    found->path = path;
    found->absolute = (struct slice){found->whole, (size_t)length};
}

/* ---- a file that is known --------------------------------------------------------------------------------------------- */

/* Whether its own name still leads to it: another one is a further link, no new name. */
static bool scan_has_name(const struct file *file)
{
    struct stat stat;

    return file_walk_look(file->look->walk, file_path_below(file), &stat) == 0 &&
           stat.st_ino == file->identity.inode;
}

static void scan_change_look(struct source *source, struct file *file, struct file_look *look)
{
    const bool ready = file->ready;
    bool left_out = false;

    file_unready(source, file);
    file_done_drop(source, file);
    if (file_is_spooled(file) != file_watch_spools(look->watch)) {
        left_out = file->unpack != NULL;
        file->own &= file->position > 0;
        file_tail_close(file);
    }
    if (file->descriptor >= 0) {
        file->look->watch->open--;
        look->watch->open++;
    }
    file->look = look;
    if (left_out)
        file_set_life(source, file, FILE_LEFT_OUT);
    else if (!file_is_spooled(file) && (file->life == FILE_WAITS || file->life == FILE_DONE)) {
        file->done = false;
        file_set_life(source, file, FILE_LIVES);
    }
    if (ready)
        file_ready(source, file);
    file_batch_touch(source, file);
}

static void scan_see_name(struct source *source, struct file *file, const struct scan_found *found)
{
    const struct slice path = {file->path, file->path_length};

    if (slice_equal(path, found->absolute)) {
        if (file->where ||
            file->life ==
                FILE_UNLINKED) /* it is back; one that was renamed to this name goes on to its end */
            file_set_life(source, file, FILE_LIVES);
        free(file->where);
        file->where = NULL;
        return;
    }
    if (scan_has_name(file) || (!found->taken && file->look != found->look))
        return;
    if (found->taken) {
        free(file->where);
        file->where = NULL;
        if (file_known_rename(source, file, found->absolute) == 0)
            scan_change_look(source, file, found->look);
    } else if (!file->where || !slice_is(found->path, file->where)) {
        free(file->where);
        file->where = strndup(found->path.data, found->path.length);
    }
    if (file->life != FILE_UNLINKED && file->life != FILE_LEFT_OUT)
        file_set_life(source, file, FILE_RENAMED);
}

/* Nothing is read of it at the moment: who takes it away has it, and under another name that is taken it is the same. */
static void scan_see_spooled(struct source *source, struct file *file, const struct scan_found *found)
{
    if (slice_equal((struct slice){file->path, file->path_length}, found->absolute) || scan_has_name(file))
        return;
    if (!found->taken && file->done)
        file_done_forget(source, file);
    else if (!found->taken)
        file_known_forget(source, file);
    else if (file_known_rename(source, file, found->absolute) == 0)
        scan_change_look(source, file, found->look);
}

static void scan_see(struct source *source, struct file *file, const struct scan_found *found)
{
    const int64_t changed = file_time(found->stat.st_ctim);

    if (!file->look && !found->taken) /* a pattern took it once */
        return;
    if (!file->look)
        file->look = found->look;
    file->root_device = found->look->device;
    file->scan = source->scan;
    file->look_due = false;
    file->missed = 0;
    file->look_at = files_now(source) + FILE_LOOK_PAUSE;
    if (file->life == FILE_LEFT_OUT &&
        ((uint64_t)found->stat.st_size != file->size || changed != file->changed)) {
        file_known_forget(source, file); /* it may be another one by now: the next scan looks at it anew */
        source->scan_wanted = true;
        return;
    }
    if (file_is_spooled(file) && (file->life == FILE_WAITS || file->life == FILE_DONE || file->done))
        scan_see_spooled(source, file, found);
    else
        scan_see_name(source, file, found);
    if (file->gone)
        return;
    if (file->life == FILE_DONE && file->checked)
        file_done_add(source, file); /* where its name was not found, it may be now */
    if ((file->checked || file->life == FILE_WAITS) && (uint64_t)found->stat.st_size == file->size &&
        changed == file->changed)
        return;
    file->changed = changed;
    file->written = file_time(found->stat.st_mtim);
    file->size = (uint64_t)found->stat.st_size;
    if (file_is_spooled(file))
        file_spool_changed(source, file);
    else
        file_ready(source, file);
}

/* ---- a file that is new ----------------------------------------------------------------------------------------------- */

/* What is left of a file that was cut is read from its copy. */
static void scan_adopt(struct source *source, struct file *cut, struct scan_found *found)
{
    file_known_identify(source, cut, &found->identity);
    file_set_life(source, cut, FILE_RENAMED);
    cut->look = found->look;
    cut->root_device = found->look->device;
    cut->scan = source->scan;
    cut->size = (uint64_t)found->stat.st_size;
    cut->descriptor = fd_take(&found->descriptor);
    cut->look->watch->open++;
    if (found->taken)
        file_known_rename(source, cut, found->absolute);
    else
        cut->where = strndup(found->path.data, found->path.length);
    file_batch_touch(source, cut);
    file_ready(source, cut);
}

static struct file *scan_cut_of(struct source *source, const struct scan_found *found)
{
    for (struct file *file = source->cut ? source->first : NULL; file; file = file->behind) {
        if (file->life == FILE_CUT && file->look == found->look && file->position &&
            file_tail_continues(file, found->descriptor))
            return file;
    }
    return NULL;
}

static void scan_add(struct source *source, struct scan_found *found)
{
    struct file_watch *watch = found->look->watch;
    bool full;
    struct file *file = file_known_add(source, &found->identity, found->absolute, &full);

    if (!file) {
        watch->refused += full;
        return;
    }
    file->look = found->look;
    file->root_device = found->look->device;
    file->scan = source->scan;
    file->checked = true;
    file->size = (uint64_t)found->stat.st_size;
    file->changed = file_time(found->stat.st_ctim);
    file->written = file_time(found->stat.st_mtim);
    file->read_at = files_now(source);
    const bool old = !watch->known && file->size && file->written / 1000 < watch->read_from &&
                     file_skip(source, file, found->descriptor) == 0;
    file_tell_new(file);
    if (file_is_spooled(file)) {
        file_spool_new(source, file);
        return;
    }
    if (watch->open < watch->from->max_open) {
        file->descriptor = fd_take(&found->descriptor);
        watch->open++;
    }
    if (!old)
        file_ready(source, file);
}

static int scan_open(struct source *source, struct scan_found *found)
{
    struct error error;

    if (file_walk_open_file(found->look->walk, found->path, &found->descriptor, &found->stat, &error) ||
        file_identify(found->descriptor, &found->identity, &error)) {
        if (found->taken && (error.kind == ERROR_REJECT || errno != ENOENT))
            file_tell_trouble(source, "%s", error.text);
        return -1;
    }
    return 0;
}

/* An inode that is used again: of a file that grows its next read shows it, but here the event counts that says that the new one is whole. */
static bool scan_may_be_another(const struct file *file, const struct scan_found *found)
{
    return found->taken && file->look && file_is_spooled(file) && (file->life == FILE_WAITS || file->done) &&
           ((uint64_t)found->stat.st_size != file->size || file_time(found->stat.st_ctim) != file->changed);
}

static void scan_new(struct source *source, struct scan_found *found)
{
    if (scan_open(source, found))
        return;
    struct file *known = file_known_find(source, found->identity.device, found->identity.inode);
    if (known && !file_is_same(known, &found->identity) && known->identity.device != found->identity.device)
        known = NULL;
    if (known && !file_is_same(known, &found->identity) && scan_may_be_another(known, found)) {
        file_replaced(source, known);
        known = NULL;
    }
    struct file *cut = known ? NULL : scan_cut_of(source, found);
    if (known)
        scan_see(source, known, found); /* the name has changed hands since it was looked at */
    else if (cut)
        scan_adopt(source, cut, found);
    else if (found->taken)
        scan_add(source, found);
    fd_close(&found->descriptor);
}

/* ---- a name ------------------------------------------------------------------------------------------------------------ */

static void scan_entry(struct source *source, struct file_look *look, struct slice path, bool taken)
{
    struct scan_found found = {.descriptor = -1, .taken = taken};

    scan_name(&found, look, path);
    if (found.absolute.length > FILE_PATH_MAX || file_walk_look(look->walk, path, &found.stat) ||
        !(S_ISREG(found.stat.st_mode) || taken))
        return;
    struct file *file = file_known_find(source, found.stat.st_dev, found.stat.st_ino);
    if (file && file->identity.device == found.stat.st_dev && !scan_may_be_another(file, &found))
        scan_see(source, file, &found);
    else if (taken || source->cut)
        scan_new(source, &found);
}

void file_scan_look(struct source *source, struct file_look *look, struct slice path, bool name, bool closed)
{
    struct scan_found found;

    scan_name(&found, look, path);
    if (found.absolute.length > FILE_PATH_MAX)
        return;
    struct file *file = file_known_path(source, found.absolute);
    if (!name && file && file->descriptor >= 0 && files_now(source) < file->look_at &&
        file->life == FILE_LIVES) {
        file->look_due = true;
        file_ready(source, file);
        return;
    }
    if (file_walk_takes(look->walk, path))
        scan_entry(source, look, path, true);
    source->scan_wanted |= source->cut > 0 || (name && file); /* where is it now? */
    if (!closed || !file_watch_spools(look->watch))
        return;
    file = file_known_path(source, found.absolute);
    if (file && file->look == look && file->life == FILE_WAITS)
        file_spool_closed(source, file);
}

void file_scan_known(struct source *source, struct file *file)
{
    file->look_due = false;
    scan_entry(source, file->look, file_path_below(file), true);
}

/* ---- all names ---------------------------------------------------------------------------------------------------------- */

struct scan_context {
    struct source *source;
    struct file_look *look;
};

static void scan_file(void *argument, const struct walk_entry *entry)
{
    const struct scan_context *context = argument;
    struct source *source = context->source;

    if (entry->taken || source->cut || entry->inode == 0 || file_known_inode(source, entry->inode))
        scan_entry(source, context->look, entry->path, entry->taken);
}

static void scan_directory(void *argument, int directory, struct slice path)
{
    const struct scan_context *context = argument;
    struct source *source = context->source;
    struct file_look *look = context->look;
    struct error error;
    struct stat stat;

    if (path.length == 0 && fstat(directory, &stat) == 0) {
        look->scanned = true;
        look->device = stat.st_dev;
    }
    if (source->notices && look->watch->from->events &&
        file_notices_watch(source->notices, (size_t)(look - source->looks), directory, path, &error) < 0)
        file_tell_trouble(source, "%s", error.text);
}

/* A directory that may not be read at the moment, or a file that came back while this was going on. */
static bool scan_may_be_there(const struct file *file)
{
    struct stat stat;

    if (file_walk_look(file->look->walk, file_path_below(file), &stat) == 0)
        return stat.st_ino == file->identity.inode;
    return errno != ENOENT && errno != ENOTDIR;
}

/* No name leads to it. While its root is away, or lies on another device, nobody knows whether it is gone. */
static void scan_miss(struct source *source, struct file *file)
{
    struct stat stat;

    if (file->life == FILE_UNLINKED || file->life == FILE_CUT || !file->look->scanned ||
        file->look->device != file->root_device || scan_may_be_there(file) || ++file->missed < MISSES)
        return;
    if (file->done)
        file_done_forget(source, file);
    else if (file->descriptor < 0)
        file_gone(source, file);
    else if (fstat(file->descriptor, &stat) == 0) {
        file->size = (uint64_t)stat.st_size;
        file_set_life(source, file, FILE_UNLINKED);
        file_ready(source, file);
    }
}

static void scan_look(struct source *source, struct file_look *look)
{
    struct scan_context context = {source, look};
    struct error error;

    look->scanned = look->looked = false;
    if (file_walk_scan(look->walk, scan_file, scan_directory, &context, &error)) {
        look->scanned = false;
        file_tell_trouble(source, "%s", error.text);
        return;
    }
    if (source->notices)
        file_notices_sweep(source->notices, (size_t)(look - source->looks));
    const struct file_walk_trouble *trouble = file_walk_trouble(look->walk);
    look->looked = look->scanned || (trouble->count == 1 && trouble->number == ENOENT); /* nothing is there */
    if (trouble->count)
        file_tell_trouble(
            source, "files.%s: %s: %s", look->watch->from->name, trouble->path, strerror(trouble->number));
}

/* What is there from now on is new. */
static void scan_know_watch(struct source *source, struct file_watch *watch)
{
    bool scanned = !watch->known;

    for (size_t i = 0; i < source->looks_count; i++)
        scanned &= source->looks[i].watch != watch || source->looks[i].looked;
    watch->known |= scanned;
    watch->news |= scanned;
    metric_set(watch->waiting, (double)watch->refused);
    if (watch->refused)
        file_tell_trouble(source,
            "files.%s: %zu new files wait: more files than journal.segment_size has room for are known",
            watch->from->name, watch->refused);
}

/* All files were opened since the machine was started: from now on a file that is shorter than it was has been cut. */
static void scan_end_reboot(struct source *source)
{
    for (const struct file *file = source->rebooted ? source->first : NULL; file; file = file->behind) {
        if (!file->checked && file->look && !file->gone)
            return;
    }
    for (size_t i = 0; i < source->watches_count; i++)
        source->watches[i].news |= source->rebooted && source->watches[i].known;
    source->rebooted = false;
}

static int scan_before(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Of a watch those that were written last come last, for what was rotated comes before what followed it. */
static int scan_older(const void *left, const void *right)
{
    const struct file *a = *(struct file *const *)left, *b = *(struct file *const *)right;
    const struct file_watch *watch = a->look->watch;

    if (!file_is_spooled(a)) /* within one tick of the clock the older one was rotated */
        return a->changed != b->changed ? scan_before(a->changed, b->changed)
                                        : scan_before(a->identity.born, b->identity.born);
    if (watch != b->look->watch)
        return watch < b->look->watch ? -1 : 1;
    const int order = watch->by_name ? 0 : scan_before(a->written, b->written);
    return order ? order : strcmp(a->path, b->path);
}

void file_scan_sort(struct file_queue *queue)
{
    size_t count = 0;

    for (const struct file *file = queue->first; file; file = file->next_ready)
        count++;
    struct file **files = count > 1 ? malloc(count * sizeof(*files)) : NULL;
    if (!files)
        return;
    count = 0;
    for (struct file *file = queue->first; file; file = file->next_ready)
        files[count++] = file;
    qsort(files, count, sizeof(*files), scan_older);
    queue->last = &queue->first;
    for (size_t i = 0; i < count; i++) {
        *queue->last = files[i];
        queue->last = &files[i]->next_ready;
    }
    *queue->last = NULL;
    free(files);
}

void file_scan_all(struct source *source)
{
    int64_t pause = INT64_MAX;

    const int64_t began = files_now(source);
    const uint64_t known = source->numbers;

    source->scan_wanted = false;
    source->scan++;
    for (size_t i = 0; i < source->watches_count; i++) {
        source->watches[i].refused = 0;
        pause = source->watches[i].from->scan < pause ? source->watches[i].from->scan : pause;
    }
    for (size_t i = 0; i < source->looks_count; i++)
        scan_look(source, &source->looks[i]);
    for (struct file *file = source->first, *behind; file; file = behind) {
        behind = file->behind;
        if (file->look && file->scan != source->scan && !file->gone)
            scan_miss(source, file);
        else if (!file->look && !file->gone &&
                 (file->life == FILE_CUT || (access(file->path, F_OK) && errno == ENOENT)))
            file_known_forget(source, file); /* of a watch that there is no more */
        source->scan_wanted |= file->missed == 1;
    }
    for (size_t i = 0; i < source->watches_count; i++)
        scan_know_watch(source, &source->watches[i]);
    scan_end_reboot(source);
    file_scan_sort(&source->ready[true]);
    /* Not with every scan: where turns take longer, one file would have all of them. */
    if (source->scan == 1 || source->numbers != known)
        file_scan_sort(&source->ready[false]);
    file_tell_well(source);
    source->scanned_at = files_now(source);
    source->scan_took = source->scanned_at - began;
    source->scan_at =
        source->scanned_at + (source->scan_wanted && pause > CLOCK_SECOND ? CLOCK_SECOND : pause);
    source->scan_wanted = false;
}
