/* spool: complete files, each taken once: it waits until it is whole, is read to its end, and what is left to do with it is done.c's; see
 * files_internal.h
 *
 * A program says that a file is whole by closing it, by moving it in, or with a marker beside it; of one that says nothing (it was there
 * before, or there are no events) the time tells in which nothing more comes. If more comes after all, it is read on. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/log.h"
#include "files/files_internal.h"
#include "files/unpack.h"

#define SPOOL_MARKER_PAUSE CLOCK_SECOND /* between two looks for a marker */

/* What was left to do with it is for when its end has been reached again. */
static void spool_begin(struct source *source, struct file *file, enum file_life life)
{
    file_done_drop(source, file);
    free(file->failed);
    file->failed = NULL;
    file->closed = false;
    file_set_life(source, file, life);
}

void file_spool_take(struct source *source, struct file *file)
{
    spool_begin(source, file, FILE_LIVES);
    file_ready(source, file);
}

/* ---- is it whole? ------------------------------------------------------------------------------------------------------- */

static void spool_wait(struct source *source, struct file *file)
{
    spool_begin(source, file, FILE_WAITS);
    file->life_at = files_now(source);
}

static bool spool_has_marker(const struct file *file)
{
    const struct slice path = file_path_below(file);
    char marker[FILE_PATH_MAX + NAME_MAX + 1];
    struct stat stat;
    const int length = snprintf(
        marker, sizeof marker, "%.*s%s", (int)path.length, path.data, file->look->watch->from->marker);

    return file_walk_look(file->look->walk, (struct slice){marker, (size_t)length}, &stat) == 0;
}

/* As it was when it was seen last. */
static bool spool_is_unchanged(struct source *source, struct file *file)
{
    struct stat stat;

    if (file_walk_look(file->look->walk, file_path_below(file), &stat) ||
        stat.st_ino != file->identity.inode) {
        source->scan_wanted = true;
        return false;
    }
    const bool same = (uint64_t)stat.st_size == file->size && file_time(stat.st_ctim) == file->changed;
    file->size = (uint64_t)stat.st_size;
    file->changed = file_time(stat.st_ctim);
    return same;
}

/* Whoever has it open for writing keeps others from a lease (fcntl(2)). Where there are none to be had, or only for the owner, nobody knows;
 * nor on network filesystems, which say the same when it is the server that gives none. */
bool file_is_written(int descriptor)
{
    struct statfs system;

    if (fstatfs(descriptor, &system) || system.f_type == NFS_SUPER_MAGIC ||
        system.f_type == SMB_SUPER_MAGIC || system.f_type == SMB2_SUPER_MAGIC ||
        system.f_type == CIFS_SUPER_MAGIC)
        return false;
    /* Who opens it meanwhile has a signal sent to us, whose default must not be our end. */
    if (fcntl(descriptor, F_SETSIG, SIGURG) || fcntl(descriptor, F_SETLEASE, F_RDLCK))
        return errno == EAGAIN;
    fcntl(descriptor, F_SETLEASE, F_UNLCK);
    return false;
}

static bool spool_is_written(const struct file *file)
{
    cleanup_fd int descriptor = -1;
    struct error ignored;
    struct stat stat;

    return file_walk_open_file(file->look->walk, file_path_below(file), &descriptor, &stat, &ignored) == 0 &&
           file_is_written(descriptor);
}

/* What was written last long ago need not wait any longer; should a clock have been set, it is read on. */
void file_spool_new(struct source *source, struct file *file, int descriptor)
{
    const struct file_watch *watch = file->look->watch;
    const int64_t age = clock_wall(source->context.clock) - file->changed / 1000;

    file->own = true;
    spool_wait(source, file);
    if (watch->complete != FILE_COMPLETE_MARKER && age >= watch->from->quiet && !file_is_written(descriptor))
        file_spool_take(source, file);
}

static void spool_tick_waiting(struct source *source, struct file *file)
{
    const struct file_watch *watch = file->look->watch;
    const int64_t now = files_now(source);

    if (watch->complete == FILE_COMPLETE_MARKER) {
        if (now - file->life_at < SPOOL_MARKER_PAUSE)
            return;
        file->life_at = now;
        if (!spool_has_marker(file))
            return;
    } else if (!file->closed || spool_is_written(file)) {
        if (now - file->life_at < watch->from->quiet)
            return;
        if (!spool_is_unchanged(source, file) || spool_is_written(file)) {
            file->life_at = now;
            return;
        }
    }
    source->sort_wanted = true;
    file_spool_take(source, file);
}

void file_spool_tick(struct source *source, struct file *file)
{
    switch (file->life) {
    case FILE_WAITS:
        spool_tick_waiting(source, file);
        break;
    case FILE_DONE:
        break;
    default: /* it could not be opened, or has lost its name */
        if (file->life == FILE_UNLINKED && file->descriptor < 0)
            file_gone(source, file);
        else if (file->look_due && files_now(source) >= file->look_at)
            file_name_again(source, file);
        else if (files_now(source) >= file->retry_at && !file_is_aside(file))
            file_ready(source, file);
        break;
    }
}

void file_spool_closed(struct source *source, struct file *file)
{
    if (file->look->watch->complete != FILE_COMPLETE_CLOSED)
        return;
    file->closed = spool_is_written(file); /* perhaps by the one who is closing it: it is asked once more */
    if (!file->closed)
        file_spool_take(source, file);
}

static void spool_wait_again(struct source *source, struct file *file)
{
    file_tell_event(file, "files.changed", file->size > file->position ? file->size - file->position : 0);
    spool_wait(source, file);
}

void file_spool_changed(struct source *source, struct file *file)
{
    switch (file->life) {
    case FILE_WAITS:
        file->life_at = files_now(source);
        break;
    case FILE_DONE:
        if (file->size == file->position) {
            file_spool_take(
                source, file); /* as long as before; whether it is the same it shows when it is opened */
            break;
        }
        spool_wait_again(source, file);
        break;
    default:
        if (file->done && !file->checked && file->size != file->position)
            spool_wait_again(source, file); /* it has changed while we were not there */
        else
            file_ready(source, file);
        break;
    }
}

/* ---- to its end ----------------------------------------------------------------------------------------------------------- */

/* The journal hears nothing of it: behind a crash it fails again. */
enum tail_result file_spool_fail(struct source *source, struct file *file, const char *why)
{
    free(file->failed);
    file->failed = strdup(why);
    file_tail_close(file);
    if (!file->failed) { /* out of memory: it is tried again */
        file->retry_at = files_now(source) + FILE_OPEN_PAUSE;
        return TAIL_DRY;
    }
    file_set_life(source, file, FILE_DONE);
    log_event(LOG_WARN, "files.failed", log_text("watch", file->look->watch->from->name),
        log_text("file", file->shown), log_text("reason", why));
    metric_add(file->look->watch->failed, 1);
    file_done_add(source, file);
    return TAIL_DRY;
}

static void spool_end(struct source *source, struct file *file)
{
    struct stat stat;

    const int descriptor = file->unpack ? file_unpack_packed(file->unpack) : file->descriptor;

    if (file->unpack && !file_unpack_is_unchanged(file->unpack)) {
        file_spool_fail(source, file, "it is compressed, and has changed while it was read");
        return;
    }
    /* What is changed from here on is looked at once more before it is moved. */
    if (fstat(descriptor, &stat)) {
        file->retry_at = files_now(source) + FILE_OPEN_PAUSE;
        return;
    }
    file->changed = file_time(stat.st_ctim);
    file->written = file_time(stat.st_mtim);
    if (file->unpack) {
        file->size = (uint64_t)stat.st_size;
        if (file_skip(source, file, descriptor))
            return;
    }
    file_tail_close(file);
    file_set_life(source, file, FILE_DONE);
    if (!file->done) {
        file->done = true;
        file_batch_touch(source, file);
        metric_add(file->look->watch->finished, 1);
    }
    file_done_add(source, file);
}

static enum tail_result spool_broken(struct source *source, struct file *file, const struct error *error)
{
    char why[ERROR_TEXT_SIZE + 64];

    if (error->kind == ERROR_REJECT) {
        snprintf(why, sizeof why, "%s; %" PRIu64 " bytes of what came out were taken", error->text,
            file->position);
        return file_spool_fail(source, file, why);
    }
    file_tell_trouble(source, "%s: %s", file->shown, error->text);
    file->retry_at = files_now(source) + FILE_OPEN_PAUSE;
    file_tail_close(file);
    return TAIL_DRY;
}

enum tail_result file_spool_open(struct source *source, struct file *file)
{
    const struct file_watch *watch = file->look->watch;
    struct error error;

    /* One that is done is known by what it is, not by what came out of it. */
    if (watch->whole || file->done || !file_is_compressed(file->descriptor))
        return TAIL_MORE;
    if (file_unpack_open(&file->unpack, &file->descriptor, &error))
        return spool_broken(source, file, &error);
    for (uint64_t to = 0; to < file->position;) {
        to = file->position - to < FILE_TURN ? file->position : to + FILE_TURN;
        if (file_unpack_to(file->unpack, file->descriptor, to, &error))
            return spool_broken(source, file, &error);
        file_unpack_forget(file->unpack, file->descriptor, to - file->marker.length);
    }
    return TAIL_MORE;
}

/* One that has grown since holds all of it once more. */
static bool spool_has_grown(const struct file *file)
{
    struct stat stat;

    return file->done && file_is_compressed(file->descriptor) && fstat(file->descriptor, &stat) == 0 &&
           (uint64_t)stat.st_size > file->position;
}

static enum tail_result spool_read_lines(struct source *source, struct file *file)
{
    struct error error;

    if (!file->unpack && spool_has_grown(file))
        return file_spool_fail(source, file, "it is compressed, and has grown after it was read");
    if (file->unpack) {
        const uint64_t ahead =
            2 * (FILE_TURN + file->look->watch->from->max_line); /* more than is read in a turn */
        file_unpack_forget(file->unpack, file->descriptor, file->position - file->marker.length);
        if (file_unpack_to(file->unpack, file->descriptor, file->position + ahead, &error))
            return spool_broken(source, file, &error);
    }
    const enum tail_result result = file_tail_read(source, file);
    if (result != TAIL_DRY || file->retry_at || file->life == FILE_DONE)
        return result;
    return file->unpack && !file_unpack_ended(file->unpack) ? TAIL_MORE : file_tail_finish(source, file);
}

/* One that has changed since is taken once more. */
static enum tail_result spool_read_whole(struct source *source, struct file *file)
{
    const bool empty = source->filling->used == 0;
    struct stat stat;

    if (fstat(file->descriptor, &stat) || (file->position && (uint64_t)stat.st_size != file->position))
        return TAIL_CUT;
    const uint64_t size = (uint64_t)stat.st_size;
    if (size == file->position) {
        if (!file_tail_continues(file, file->descriptor))
            return TAIL_CUT;
        file->retry_at = 0;
        return TAIL_DRY;
    }
    if (size > file->look->watch->from->max_line)
        return file_spool_fail(
            source, file, "it is larger than max_line, and records: file makes it one record");
    const enum tail_result result = file_tail_take_whole(source, file, size);
    return result == TAIL_FULL && empty
               ? file_spool_fail(source, file, "it has more records than the journal takes at once")
               : result;
}

enum tail_result file_spool_read(struct source *source, struct file *file)
{
    const enum tail_result result =
        file->look->watch->whole ? spool_read_whole(source, file) : spool_read_lines(source, file);

    if (file->life != FILE_DONE && result == TAIL_DRY && !file->retry_at)
        spool_end(source, file);
    return result;
}
