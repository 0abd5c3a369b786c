/* known: the files that are known, by inode and by path; see files_internal.h
 *
 * By inode alone, since a device may have another number after a start of the machine: what else is known of the file decides. */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/shown.h"
#include "files/files_internal.h"

#define BUCKETS_FIRST 256

static struct file **known_by_inode(const struct source *source, uint64_t inode)
{
    return &source->by_inode[(inode * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (source->buckets - 1)];
}

static struct file **known_by_path(const struct source *source, struct slice path)
{
    return &source->by_path[fnv_add(FNV_EMPTY, path.data, path.length) & (source->buckets - 1)];
}

static struct slice known_path_of(const struct file *file)
{
    return (struct slice){file->path, file->path_length};
}

static void known_link(struct source *source, struct file *file)
{
    struct file **inode = known_by_inode(source, file->identity.inode);
    struct file **path = known_by_path(source, known_path_of(file));

    file->next_inode = *inode;
    *inode = file;
    file->next_path = *path;
    *path = file;
}

static void known_unlink(struct source *source, struct file *file)
{
    struct file **at = known_by_inode(source, file->identity.inode);

    while (*at != file)
        at = &(*at)->next_inode;
    *at = file->next_inode;
    at = known_by_path(source, known_path_of(file));
    while (*at != file)
        at = &(*at)->next_path;
    *at = file->next_path;
}

/* Without memory for more buckets the lists are only longer. */
static void known_grow(struct source *source)
{
    struct file **inodes = calloc(2 * source->buckets, sizeof *inodes);
    struct file **paths = calloc(2 * source->buckets, sizeof *paths);

    if (!inodes || !paths) {
        free(inodes);
        free(paths);
        return;
    }
    free(source->by_inode);
    free(source->by_path);
    source->by_inode = inodes;
    source->by_path = paths;
    source->buckets *= 2;
    for (struct file *file = source->first; file; file = file->behind)
        known_link(source, file);
}

/* As log lines and records show it: control characters and what is no UTF-8 as \xHH. */
static int known_show(const char *path, char **ret_shown, struct error *error)
{
    struct bytes shown;

    bytes_init(&shown, 4 * FILE_PATH_MAX + 1);
    if (shown_add(&shown, path, error) || bytes_add(&shown, "", 1, error)) {
        bytes_free(&shown);
        return -1;
    }
    *ret_shown = shown.data;
    return 0;
}

/* ---- one of them -------------------------------------------------------------------------------------------------- */

static struct file *known_add(struct source *source, const struct file_identity *identity, struct slice path)
{
    struct file *file = calloc(1, sizeof *file);
    struct error ignored;

    if (!file)
        return NULL;
    file->path = strndup(path.data, path.length);
    if (!file->path || known_show(file->path, &file->shown, &ignored)) {
        free(file->path);
        free(file);
        return NULL;
    }
    file->path_length = path.length;
    file->number = ++source->numbers;
    file->identity = *identity;
    file->root_device = identity->device; /* until a scan has found it */
    file->head.value = file->marker.value = FNV_EMPTY;
    file->descriptor = -1;
    source->reserved += file_state_size(path.length);
    if (source->files_count++ >= source->buckets)
        known_grow(source);
    file->behind = source->first;
    if (source->first)
        source->first->before = file;
    source->first = file;
    known_link(source, file);
    return file;
}

bool file_known_is_full(const struct source *source, size_t path_length)
{
    return source->reserved + file_state_size(path_length) > file_state_limit(source->context.files);
}

struct file *file_known_add(
    struct source *source, const struct file_identity *identity, struct slice path, bool *ret_full)
{
    *ret_full = file_known_is_full(source, path.length);
    return *ret_full ? NULL : known_add(source, identity, path);
}

struct file *file_known_find(const struct source *source, uint64_t device, uint64_t inode)
{
    struct file *other = NULL;

    for (struct file *file = *known_by_inode(source, inode); file; file = file->next_inode) {
        if (file->identity.inode != inode || file->life == FILE_CUT || file->gone)
            continue;
        if (file->identity.device == device)
            return file;
        if (!file->checked)
            other = file; /* known from before the start: the device may have got another number */
    }
    return other;
}

bool file_known_inode(const struct source *source, uint64_t inode)
{
    for (const struct file *file = *known_by_inode(source, inode); file; file = file->next_inode) {
        if (file->identity.inode == inode && !file->gone)
            return true;
    }
    return false;
}

struct file *file_known_path(const struct source *source, struct slice path)
{
    for (struct file *file = *known_by_path(source, path); file; file = file->next_path) {
        if (slice_equal(known_path_of(file), path) && !file->gone && !file_is_aside(file) &&
            (file->life == FILE_LIVES || file->life == FILE_COPY || file->life == FILE_WAITS ||
                file->life == FILE_DONE))
            return file;
    }
    return NULL;
}

void file_known_identify(struct source *source, struct file *file, const struct file_identity *identity)
{
    known_unlink(source, file);
    file->identity = *identity;
    known_link(source, file);
}

int file_known_rename(struct source *source, struct file *file, struct slice path)
{
    struct error ignored;
    if (path.length > file->path_length &&
        source->reserved + path.length - file->path_length > file_state_limit(source->context.files))
        return -1;
    char *copy = strndup(path.data, path.length), *shown;

    if (!copy || known_show(copy, &shown, &ignored)) {
        free(copy);
        return -1;
    }
    known_unlink(source, file);
    source->reserved += path.length;
    source->reserved -= file->path_length;
    free(file->path);
    free(file->shown);
    file->path = copy;
    file->path_length = path.length;
    file->shown = shown;
    known_link(source, file);
    return 0;
}

void file_known_free(struct source *source, struct file *file)
{
    assert(!file->ready && !file->touched && !file->waits_done);
    file_tail_close(file);
    known_unlink(source, file);
    if (source->hand == file)
        source->hand = file->behind;
    if (file->behind)
        file->behind->before = file->before;
    *(file->before ? &file->before->behind : &source->first) = file->behind;
    source->files_count--;
    source->reserved -= file_state_size(file->path_length);
    source->freed += file_state_size(file->path_length);
    source->cut -= file->life == FILE_CUT;
    free(file->path);
    free(file->where);
    free(file->shown);
    free(file->failed);
    free(file);
}

void file_known_forget(struct source *source, struct file *file)
{
    file_tail_close(file);
    file_unready(source, file);
    file_done_drop(source, file);
    file->gone = true;
    file_batch_touch(source, file);
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

/* Of patterns that nobody watches any more the journal hears that they are gone. */
static int known_watch(struct source *source, const struct file_record *record, struct error *error)
{
    const struct slice pattern = record->path;
    bool known = false;

    for (size_t i = 0; i < source->watches_count; i++) {
        const bool same = slice_is(pattern, source->watches[i].text);
        source->watches[i].known |= same;
        source->rebooted |= same && record->head.value != source->boot;
        known |= same;
    }
    if (known)
        return 0;
    struct file_unwatched *unwatched = malloc(sizeof *unwatched + pattern.length);
    if (!unwatched)
        return error_set(error, ERROR_FATAL, "files: out of memory");
    unwatched->next = source->unwatched;
    unwatched->length = pattern.length;
    memcpy(unwatched->pattern, pattern.data, pattern.length);
    source->unwatched = unwatched;
    return 0;
}

/* Its name is one that the patterns take. */
static void known_look(struct file *file, struct file_look *look)
{
    const size_t root = strlen(look->root);

    if (strncmp(file->path, look->root, root) != 0 || (root > 1 && file->path[root] != '/'))
        return;
    file->look = look;
    if (!file_walk_takes(look->walk, file_path_below(file)))
        file->look = NULL;
}

/* What the journal knows. Of two files with one identity the older is what was in it before it was cut. */
static int known_restore(void *context, const struct file_record *record, struct error *error)
{
    struct source *source = context;

    if (record->watch)
        return known_watch(source, record, error);
    const uint64_t numbers = source->numbers;
    struct file *file = known_add(source, &record->identity, record->path);
    if (!file)
        return error_set(error, ERROR_FATAL, "files: out of memory");
    file->number = record->number;
    source->numbers = numbers > record->number ? numbers : record->number;
    file->position = record->position;
    file->head = record->head;
    file->marker = record->marker;
    file->inside = record->inside;
    file->within = record->within;
    file->done = record->done;
    file->life = record->renamed ? FILE_RENAMED : FILE_LIVES;
    file->life_at = files_now(source);
    file->stored = true;
    file->size = record->position;
    for (size_t i = 0; i < source->looks_count && !file->look; i++)
        known_look(file, &source->looks[i]);
    for (struct file *other = *known_by_inode(source, file->identity.inode); other;
         other = other->next_inode) {
        if (other == file || other->life == FILE_CUT || other->identity.inode != file->identity.inode ||
            other->identity.device != file->identity.device || other->identity.born != file->identity.born)
            continue;
        struct file *older = other->number < file->number ? other : file;
        older->life = FILE_CUT;
        older->life_at = files_now(source);
        source->cut++;
        break;
    }
    return 0;
}

/* proc(5): random for each start of the machine. */
static uint64_t known_boot(void)
{
    cleanup_fd int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    char id[64];
    const ssize_t length = file < 0 ? -1 : read(file, id, sizeof id);

    return fnv_add(FNV_EMPTY, id, length > 0 ? (size_t)length : 0);
}

int file_known_open(struct source *source, struct error *error)
{
    source->by_inode = calloc(BUCKETS_FIRST, sizeof *source->by_inode);
    source->by_path = calloc(BUCKETS_FIRST, sizeof *source->by_path);
    if (!source->by_inode || !source->by_path)
        return error_set(error, ERROR_FATAL, "files: out of memory");
    source->buckets = BUCKETS_FIRST;
    source->boot = known_boot();
    for (size_t i = 0; i < source->watches_count; i++)
        source->reserved += file_state_size(strlen(source->watches[i].text));
    return file_state_visit(source->context.files, known_restore, source, error);
}

void file_known_forget_unwatched(struct source *source)
{
    while (source->unwatched) {
        struct file_unwatched *old = source->unwatched;
        source->unwatched = old->next;
        free(old);
    }
}

void file_known_close(struct source *source)
{
    file_known_forget_unwatched(source);
    while (source->first) {
        /* Taking each out of its queue would take as long as there are files before it. */
        source->first->ready = source->first->waits_done = source->first->touched = false;
        file_known_free(source, source->first);
    }
    free(source->by_inode);
    free(source->by_path);
}
