/* scan: all names that are there, and what became of the files that none leads to; see files_internal.h
 *
 * A file that is known and that no name leads to any more was rotated (it is found by its inode under another name), or is gone. What is to
 * be read has its order from here, too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "files/files_internal.h"

#define MISSES 2 /* scans in a row; a single one may miss what is renamed meanwhile */

/* ---- all names ---------------------------------------------------------------------------------------------------------- */

struct scan_context {
    struct source *source;
    struct file_look *look;
};

static void scan_file(void *argument, const struct walk_entry *entry)
{
    const struct scan_context *context = argument;
    struct source *source = context->source;
    struct file_look *look = context->look;
    const bool known = entry->inode == 0 || file_known_inode(source, entry->inode);

    if (known || source->cut || (entry->taken && !entry->regular))
        file_name_look(source, look, entry->path, entry->taken);
    else if (entry->taken)
        file_name_new(source, look, entry->path);
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
        if (!file->checked && file->look && !file->gone && !file_is_aside(file))
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
    source->freed = 0;
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
