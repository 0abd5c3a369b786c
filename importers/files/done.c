/* done: what is done with a file of a spool directory that was read to its end; see files_internal.h
 *
 * First the journal has its lines, and that it is done (or, by option, all outlets have confirmed them); then it is moved, or deleted, and the
 * directories are fsynced; then it is forgotten. A crash in between leaves a file that is known as done, and is moved then; or one that is
 * moved, and is forgotten then. Whoever writes in the directory may put another file under the name at any moment: so it is moved first,
 * and looked at then, and what is not ours goes back. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "files/files_internal.h"

#define DONE_ROUND 256 /* files, until lines have their turn */
#define DONE_NAMES 100 /* that are tried for one file before its name gets the time */
#define DONE_PAUSE CLOCK_SECOND /* before what did not work is tried again */

enum done_result {
    DONE_MOVED,
    DONE_GONE, /* another file has its name, or none: a scan says where it is */
    DONE_CHANGED, /* there is more in it than was read */
    DONE_FAILED, /* later: it was told why */
};

/* ---- the queue ---------------------------------------------------------------------------------------------------------- */

void file_done_add(struct source *source, struct file *file)
{
    if ((file->look->watch->done == FILE_DONE_KEEP && !file->failed) || file->waits_done)
        return;
    file->done_batch = source->filled - !file->touched;
    file->done_last = 0;
    file->waits_done = true;
    file->next_done = NULL;
    *source->done_last = file;
    source->done_last = &file->next_done;
}

void file_done_drop(struct source *source, struct file *file)
{
    struct file **at = &source->done_first;

    if (!file->waits_done)
        return;
    while (*at != file)
        at = &(*at)->next_done;
    *at = file->next_done;
    if (!*at)
        source->done_last = at;
    file->waits_done = false;
}

/* Whether the journal has what was read of it; by option, whether all outlets are behind that: what came meanwhile they wait for, too. */
static bool done_is_due(const struct source *source, struct file *file, uint64_t passed)
{
    if (file->done_batch > source->durable)
        return false;
    if (!file->look->watch->after_outlets)
        return true;
    if (!file->done_last)
        file->done_last = journal_durable(source->context.journal);
    return passed >= file->done_last;
}

/* ---- names -------------------------------------------------------------------------------------------------------------- */

/* Directories that names were moved in, and that are not fsynced yet. */
struct done_place {
    int directory; /* -1: none */
    char path[FILE_PATH_MAX + 1]; /* below the root */
};

struct done_round {
    struct source *source;
    struct file_walk *walk; /* of both */
    struct done_place from, to;
    int file; /* the one at hand, open */
    struct file *moved; /* in next_done: forgotten when both are fsynced */
    bool failed; /* an fsync did: they are looked at again */
};

static void place_sync(struct done_round *round, struct done_place *place)
{
    if (place->directory >= 0 && fsync(place->directory)) {
        file_tell_trouble(round->source, "spool: fsync of directory %s: %s", place->path, strerror(errno));
        round->failed = true;
    }
    fd_close(&place->directory);
}

static int place_open(struct done_round *round, struct done_place *place, struct slice path, bool make)
{
    struct error error;

    if (place->directory >= 0 && slice_is(path, place->path))
        return 0;
    place_sync(round, place);
    place->directory = file_walk_open_directory(round->walk, path, make, &error);
    if (place->directory < 0) {
        if (errno == EXDEV)
            file_tell_trouble(round->source,
                "%s: it is on another filesystem than the spool, and files are moved within one", error.text);
        else if (make || (errno != ENOENT && errno != ENOTDIR))
            file_tell_trouble(round->source, "%s", error.text);
        return -1;
    }
    memcpy(place->path, path.data, path.length);
    place->path[path.length] = '\0';
    return 0;
}

static struct slice done_directory(struct slice path)
{
    const char *slash = memrchr(path.data, '/', path.length);

    return (struct slice){path.data, slash ? (size_t)(slash - path.data) : 0};
}

/* A new name changes the ctime; behind a crash its times are not known any more. */
enum look { LOOK_FIRST, LOOK_MOVED, LOOK_LEFT };

static int64_t done_time(struct statx_timestamp time)
{
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* DONE_MOVED: it is the file, as it was read. name: "" is the file at hand. */
static enum done_result done_look(const struct file *file, int at, const char *name, enum look when)
{
    struct statx found;

    if (statx(at, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &found))
        return errno == ENOENT ? DONE_GONE : DONE_FAILED;
    const struct file_identity identity = file_identity_of(&found);
    if (!file_is_same(file, &identity))
        return DONE_GONE;
    if (file->failed)
        return DONE_MOVED;
    const bool same = when == LOOK_LEFT || (when == LOOK_MOVED ? done_time(found.stx_mtime) == file->written
                                                               : done_time(found.stx_ctime) == file->changed);
    return same && found.stx_size == file->position ? DONE_MOVED : DONE_CHANGED;
}

/* NAME, NAME.2, NAME.3 and so on, with the suffix behind; then one that fits, and that nobody else has: if somebody has, the next try is at another time. */
static void done_name(
    int64_t now, const char *name, unsigned number, const char *suffix, char ret_name[NAME_MAX + 1])
{
    const bool last = number > DONE_NAMES || strlen(name) + strlen(suffix) + sizeof ".100" > NAME_MAX;
    char counted[sizeof ".n-9223372036854775808"] = "";

    if (last)
        snprintf(counted, sizeof counted, ".n%" PRId64, now);
    else if (number > 1)
        snprintf(counted, sizeof counted, ".%u", number);
    const size_t room = NAME_MAX - strlen(counted) - strlen(suffix);
    const size_t length = strlen(name) < room ? strlen(name) : room;
    char *at = mempcpy(ret_name, name, length);
    at = mempcpy(at, counted, strlen(counted));
    memcpy(at, suffix, strlen(suffix) + 1);
}

/* It goes before the file: left alone, it would be taken for the next file's of this name. */
static void done_remove_marker(const struct done_round *round, const struct file *file, const char *name)
{
    const struct file_watch *watch = file->look->watch;
    char marker[2 * NAME_MAX + 1];

    if (watch->complete != FILE_COMPLETE_MARKER)
        return;
    snprintf(marker, sizeof marker, "%s%s", name, watch->from->marker);
    if (unlinkat(round->from.directory, marker, 0) && errno != ENOENT)
        file_tell_trouble(
            round->source, "spool: the marker of %s could not be deleted: %s", file->shown, strerror(errno));
}

/* What may not be read any more is moved all the same; who writes it nobody knows then. */
static int done_open(int directory, const char *name)
{
    const int file = openat(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);

    return file >= 0 || errno == ENOENT ? file : openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* Under the first of these names that is free. */
static enum done_result done_move(struct done_round *round, const struct file *file, const char *name, int to,
    const char *target, const char *suffix, char ret_name[NAME_MAX + 1])
{
    const int from = round->from.directory;
    int failed = -1;

    done_remove_marker(round, file, name);
    errno = EEXIST;
    for (unsigned number = 1; failed && errno == EEXIST && number <= DONE_NAMES + 1; number++) {
        done_name(clock_wall(round->source->context.clock), target, number, suffix, ret_name);
        failed = file_rename_new(from, name, to, ret_name);
    }
    if (failed) {
        file_tell_trouble(round->source, "spool: %s could not become %s%s: %s", file->shown, target, suffix,
            strerror(errno));
        return DONE_FAILED;
    }
    /* Who opened it before it was moved has it open now; later nobody does by its name. */
    const enum done_result result =
        file_is_written(round->file) ? DONE_FAILED : done_look(file, to, ret_name, LOOK_MOVED);
    if (result != DONE_MOVED && file_rename_new(to, ret_name, from, name))
        file_tell_trouble(round->source, "spool: %s became %s, is another file, and could not go back: %s",
            file->shown, ret_name, strerror(errno));
    return result;
}

/* ---- one file ------------------------------------------------------------------------------------------------------------ */

/* archive/2026-11-22/PATH */
static enum done_result done_archive(struct done_round *round, const struct file *file, const char *name)
{
    const time_t now = clock_wall(round->source->context.clock) / CLOCK_SECOND;
    const struct slice below = done_directory(file_path_below(file));
    char path[FILE_PATH_MAX + 1], date[sizeof "2026-11-22"], moved[NAME_MAX + 1];
    struct tm day;

    gmtime_r(&now, &day);
    strftime(date, sizeof date, "%F", &day);
    const size_t length = (size_t)snprintf(path, sizeof path, "%s/%s%s%.*s", file->look->watch->from->archive,
        date, below.length ? "/" : "", (int)below.length, below.data);
    if (length >= sizeof path) {
        file_tell_trouble(round->source, "spool: %s: its path in the archive would be too long", file->shown);
        return DONE_FAILED;
    }
    if (place_open(round, &round->to, (struct slice){path, length}, true))
        return DONE_FAILED;
    return done_move(round, file, name, round->to.directory, name, "", moved);
}

/* With the reason beside it; should there be a crash in between, the log has it. */
static enum done_result done_fail(struct done_round *round, const struct file *file, const char *name)
{
    const struct slice failed = slice_of(file->look->watch->from->failed);
    char moved[NAME_MAX + 1], reason[NAME_MAX + sizeof ".reason"];

    if (place_open(round, &round->to, failed, true))
        return DONE_FAILED;
    const enum done_result result = done_move(round, file, name, round->to.directory, name, "", moved);
    if (result != DONE_MOVED)
        return result;
    snprintf(reason, sizeof reason, "%s.reason", moved);
    cleanup_fd int why =
        openat(round->to.directory, reason, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (why < 0 || dprintf(why, "%s: %s\n", file->shown, file->failed) < 0 || fsync(why))
        file_tell_trouble(
            round->source, "spool: why %s failed could not be written: %s", file->shown, strerror(errno));
    return result;
}

static enum done_result done_rename_here(struct done_round *round, const struct file *file, const char *name)
{
    char moved[NAME_MAX + 1];

    return done_move(round, file, name, round->from.directory, name, file->look->watch->from->suffix, moved);
}

/* Of a crash between the two steps this name is left, also where files are not deleted any more. */
static void done_own_name(const struct file *file, char own[NAME_MAX + 1])
{
    snprintf(own, NAME_MAX + 1, ".penstock-%" PRIu64 "~", file->number);
}

bool file_done_is_own_name(const struct file *file, struct slice path)
{
    const struct slice directory = done_directory(path);
    const size_t before = directory.length + (directory.length > 0);
    char own[NAME_MAX + 1];

    done_own_name(file, own);
    return slice_is((struct slice){path.data + before, path.length - before}, own);
}

static enum done_result done_delete(struct done_round *round, const struct file *file, const char *name)
{
    const int directory = round->from.directory;
    char own[NAME_MAX + 1], moved[NAME_MAX + 1];

    done_own_name(file, own);
    const enum done_result result = done_move(round, file, name, directory, own, "", moved);
    if (result == DONE_MOVED && unlinkat(directory, moved, 0) && errno != ENOENT) {
        file_tell_trouble(round->source, "spool: %s could not be deleted: %s", file->shown, strerror(errno));
        return DONE_FAILED;
    }
    return result;
}

void file_done_forget(struct source *source, struct file *file)
{
    struct done_round round = {.source = source, .walk = file->look->walk, .from.directory = -1};
    char own[NAME_MAX + 1];

    done_own_name(file, own);
    if (place_open(&round, &round.from, done_directory(file_path_below(file)), false) == 0 &&
        done_look(file, round.from.directory, own, LOOK_LEFT) == DONE_MOVED)
        unlinkat(round.from.directory, own, 0);
    place_sync(&round, &round.from);
    file_gone(source, file);
}

static enum done_result done_file(struct done_round *round, const struct file *file)
{
    const struct slice path = file_path_below(file), directory = done_directory(path);
    char name[NAME_MAX + 1];

    if (round->walk != file->look->walk) {
        place_sync(round, &round->from);
        place_sync(round, &round->to);
        round->walk = file->look->walk;
    }
    snprintf(name, sizeof name, "%s", path.data + directory.length + (directory.length > 0));
    if (place_open(round, &round->from, directory, false))
        return errno == ENOENT || errno == ENOTDIR ? DONE_GONE : DONE_FAILED;
    cleanup_fd int descriptor = done_open(round->from.directory, name);
    if (descriptor < 0)
        return errno == ENOENT ? DONE_GONE : DONE_FAILED;
    const enum done_result result = done_look(file, descriptor, "", LOOK_FIRST);
    if (result != DONE_MOVED)
        return result;
    if (file_is_written(descriptor))
        return DONE_FAILED;
    round->file = descriptor;
    if (file->failed)
        return done_fail(round, file, name);
    switch (file->look->watch->done) {
    case FILE_DONE_ARCHIVE:
        return done_archive(round, file, name);
    case FILE_DONE_RENAME:
        return done_rename_here(round, file, name);
    case FILE_DONE_DELETE:
        return done_delete(round, file, name);
    case FILE_DONE_KEEP:
        break;
    }
    return DONE_GONE;
}

/* ---- a round --------------------------------------------------------------------------------------------------------------- */

static void done_later(struct source *source, struct file *file)
{
    file_done_add(source, file);
    file->retry_at = files_now(source) + DONE_PAUSE;
}

static void round_take(struct done_round *round, struct file *file)
{
    file_done_drop(round->source, file);
    switch (done_file(round, file)) {
    case DONE_MOVED:
        file->next_done = round->moved;
        round->moved = file;
        break;
    case DONE_GONE:
        round->source->scan_wanted = true;
        break;
    case DONE_CHANGED:
        file_tell_event(file, "files.changed", 0);
        file_spool_take(round->source, file);
        break;
    case DONE_FAILED:
        done_later(round->source, file);
        break;
    }
}

static void round_end(struct done_round *round)
{
    struct source *source = round->source;

    place_sync(round, &round->from);
    place_sync(round, &round->to);
    while (round->moved) {
        struct file *file = round->moved;
        round->moved = file->next_done;
        if (round->failed)
            done_later(source, file);
        else
            file_known_forget(source, file);
    }
}

bool file_done_settle(struct source *source)
{
    struct done_round round = {.source = source, .from.directory = -1, .to.directory = -1};
    const uint64_t passed = source->done_first ? journal_outlets_passed(source->context.journal) : 0;
    const int64_t now = files_now(source);
    unsigned taken = 0;

    for (struct file *file = source->done_first, *next; file && taken < DONE_ROUND; file = next) {
        next = file->next_done;
        if (now < file->retry_at || !done_is_due(source, file, passed))
            continue;
        taken++;
        round_take(&round, file);
    }
    round_end(&round);
    return taken == DONE_ROUND;
}
