/* files_internal: what the files of this room share.
 *
 *   pattern, state     pure: names that a watch takes; what the journal holds of a file
 *   charset, lines     pure: the text of a file as UTF-8; how much of a block is whole lines
 *   multiline          pure: which lines are one record
 *   walk, notice       directories, looked at and listened to
 *   settings, settings_records  the configuration, checked and compiled
 *   known              the files that are known, by inode and by path
 *   tail               one file: opened, held against what is known of it, read, ended
 *   take, records, rows  what was read of it, as records: lines, several lines, or rows of CSV
 *   name               a name that is there: of a file that is known, of a rotated or a new one, of a copy of a cut one
 *   scan               all names that are there, and the files that none leads to; in which order they are read
 *   life               what becomes of a file: cut, copied, rotated, deleted, at rest
 *   unpack             compressed files as plain ones
 *   spool, done        complete files: waited for, read to their end; then kept, moved, or deleted
 *   reset              files that people want to be read again
 *   batch              lines on their way to the journal
 *   tell               log, metrics, /readyz
 *   loop, source       the thread, and the source
 *
 * One thread owns everything; the committer touches only `result`, `back` and `wake`. It reads into one batch while another is in the
 * journal. A batch that the journal does not take goes again as it is, so nothing that was read is ever unread, and of two batches with
 * lines of one file the first is durable first. With the lines of a batch goes the state of every file that they are of.
 *
 * A record of several lines is read once more from its beginning whenever something has come behind it, until it is whole: its position
 * never lies within it, but for one that is too long.
 *
 * Memory: two batches (FILE_BATCH_BYTES, or twice the longest line; and CHARSET_GROWTH times the longest one that is converted, ROWS_GROWTH
 * times the longest row of CSV), the descriptions of their records, and of each file that is known some 300 bytes and its path.
 * Descriptors: watch.max_open of each watch; the least recently read one is closed for another.
 */
#ifndef PENSTOCK_FILES_INTERNAL_H
#define PENSTOCK_FILES_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/metric.h"
#include "base/option.h"
#include "base/regex.h"
#include "decode/decode.h"
#include "files/charset.h"
#include "files/files.h"
#include "files/lines.h"
#include "files/multiline.h"
#include "files/notice.h"
#include "files/pattern.h"
#include "files/state.h"
#include "files/walk.h"
#include "source/intake.h"
#include "source/source.h"

#define FILES_SOURCE_NAME "files"
#define FILE_BATCH_BYTES ((size_t)4 << 20)
#define ROWS_GROWTH 3 /* bytes of an object for one of the longest row of CSV, at most */
#define FILE_TURN ((size_t)1 << 20) /* bytes of one file before the next one has its turn */
#define FILE_TURN_TIME (CLOCK_SECOND / 10) /* the same, where patterns are looked for, which may take long, */
#define FILE_TURN_PIECE ((size_t)64 << 10) /* and bytes of lines between two looks at the clock */
#define FILE_RETRY_PAUSE (CLOCK_SECOND / 10) /* between two tries at a journal that takes nothing */
#define FILE_OPEN_PAUSE CLOCK_SECOND /* before a file that cannot be opened is tried again */
#define FILE_LOOK_PAUSE CLOCK_SECOND /* an open file's name is not looked at more often */

enum file_complete { FILE_COMPLETE_CLOSED, FILE_COMPLETE_QUIET, FILE_COMPLETE_MARKER };
enum file_done { FILE_DONE_KEEP, FILE_DONE_ARCHIVE, FILE_DONE_RENAME, FILE_DONE_DELETE };
enum file_long_lines { FILE_LONG_SPLIT, FILE_LONG_TRUNCATE, FILE_LONG_DEAD_LETTER };
enum file_invalid { FILE_INVALID_PASS, FILE_INVALID_REPLACE, FILE_INVALID_FAIL };

/* ---- what is watched ------------------------------------------------------------------------------------------ */

#define FILE_OWN_NAMES 2 /* that a spool leaves out: what it has renamed, its markers */

struct file_watch {
    const struct config_watch *from;
    const struct config_list *takes; /* of these: watch, or spool */
    const struct stream *stream;
    enum file_long_lines long_lines;
    enum charset charset; /* CHARSET_UTF16: as the file's byte order mark says */
    enum file_invalid invalid;
    bool converts; /* else its lines are passed on as they stand there */
    bool rows; /* of CSV: */
    struct csv_form csv;
    size_t beside; /* times the longest line: room in a batch for what becomes of it */
    struct multiline *multiline; /* NULL: a line is a record */
    struct regex *pattern; /* whose groups are line:NAME; NULL: none */
    enum file_complete complete;
    enum file_done done;
    bool whole, by_name, after_outlets;
    int64_t
        read_from; /* wall clock: what was written before, and is there at the first look, counts as read */
    char *text; /* its patterns, as the journal knows it by */
    bool known; /* looked through once, and that is in the journal, or will be */
    bool news; /* and it is to be told to the journal */
    struct file_pattern *patterns[OPTION_LIST_MAX];
    struct file_pattern *excluded[OPTION_LIST_MAX + FILE_OWN_NAMES];
    size_t excluded_count;
    size_t open; /* descriptors */
    int64_t next_at; /* with a rate: not before it is read on */
    uint64_t known_files, unread; /* as its gauges say */
    int64_t oldest; /* monotonic: since when something is unread */
    size_t refused; /* new files that found no room in the journal's state, in the scan under way */
    struct metric_series *files, *lines, *bytes, *gaps, *truncated, *long_count, *undecodable, *given_up,
        *lag, *waiting, *oldest_unread, *finished, *failed;
};

static inline bool file_watch_spools(const struct file_watch *watch)
{
    return watch->takes == &watch->from->spool;
}

/* A pattern that the journal knows, and the configuration does not any more. */
struct file_unwatched {
    struct file_unwatched *next;
    size_t length;
    char pattern[];
};

/* Its patterns that have one root. */
struct file_look {
    struct file_watch *watch;
    struct file_walk *walk;
    char *root; /* absolute */
    const struct file_pattern *take[OPTION_LIST_MAX];
    size_t take_count;
    bool scanned; /* by the scan under way, and its root is there */
    bool looked; /* the same, or there is none: what comes later is new */
    uint64_t device; /* of the root */
};

/* ---- a file ---------------------------------------------------------------------------------------------------- */

enum file_life {
    FILE_LIVES,
    FILE_RENAMED, /* by a rotation: it ends when nothing more has come for rotate_wait */
    FILE_UNLINKED, /* it is nowhere any more, and ends as above */
    FILE_CUT, /* its rest, if any, is in a copy that somebody makes (copytruncate) */
    FILE_LEFT_OUT, /* it is compressed: what it holds was in another file */
    FILE_COPY, /* it begins as another file does, which may be cut soon: it waits until that is clear, and it is whole */
    FILE_WAITS, /* in a spool, and perhaps not complete */
    FILE_DONE, /* in a spool, and read to its end */
};

struct file {
    struct file *next_inode, *next_path; /* in known's buckets */
    struct file *before, *behind; /* all of them */
    struct file *next_ready;
    struct file *next_touched;
    struct file *next_done;
    struct file_look *look; /* NULL: no scan has found it yet */
    uint64_t number;
    struct file_identity identity;
    uint64_t position; /* as far as it is in a batch */
    struct file_hash head, marker; /* of the bytes before the position: the first ones, and the last ones */
    bool own; /* no copy of another one */
    bool inside; /* of a line that is too long */
    uint8_t within; /* not 0: of a record of several lines that is too long, in this state (multiline.h) */
    bool open_record; /* whole lines are behind the position, of a record that may go on */
    uint64_t seen; /* with records of several lines: the end of what was read when one was left open; */
    int64_t seen_at; /* monotonic: since when that is the end */
    bool stored; /* the journal knows it, or will */
    bool ready, touched, gone, ended;
    bool closed; /* in a spool, and waiting: a writer has closed it */
    bool done; /* that is in the journal, or will be */
    bool waits_done; /* something is left to do with it: */
    char *failed; /* not NULL: why it cannot be taken */
    uint64_t done_batch; /* when this one is durable, */
    uint64_t done_last; /* and outlets have passed this sequence; 0: to be seen */
    bool checked; /* since the start it was open, and was the one that is known */
    bool look_due; /* at look_at */
    bool was_cut; /* a writer that goes on at its old offset leaves zeros before */
    enum file_life life; /* of FILE_RENAMED and FILE_UNLINKED `ended` says that its last line was taken */
    int64_t life_at; /* monotonic: since when */
    int64_t read_at; /* when something was read last */
    int64_t unread_at; /* since when there is something unread, as its gauge is concerned; 0: there is not */
    int64_t look_at; /* not before its name is looked at again */
    int64_t retry_at; /* not before it is opened again */
    uint64_t size; /* as last seen */
    uint64_t copied; /* of FILE_COPY: its size at life_at */
    int64_t changed; /* as last seen: its ctime, in nanoseconds, */
    int64_t written; /* and its mtime */
    int descriptor; /* -1: closed; or of what comes out of: */
    struct file_unpack *unpack; /* NULL: it is not compressed */
    struct csv_header *header; /* NULL: it has none, or it is to be read again */
    uint64_t
        root_device; /* of its root, when it was found last: while another one is mounted there nobody knows whether it is gone */
    unsigned scan; /* that found it last */
    unsigned missed; /* scans in a row */
    char *path; /* absolute; when a rotation has given it a name that no pattern takes, the one before */
    char *where; /* that other name; NULL: none */
    size_t path_length;
    char *shown; /* the path as people and records see it */
};

/* It is kept, and at the moment has a name that no pattern takes: nothing is done with it. */
static inline bool file_is_aside(const struct file *file)
{
    return file->done && file->where;
}

/* ---- the source ------------------------------------------------------------------------------------------------- */

/* What metrics say of a batch once it is durable. */
struct file_watch_count {
    uint64_t lines, bytes;
};

struct file_stream_count {
    uint64_t accepted, schema_invalid, rejected[INTAKE_REASONS];
};

struct file_batch {
    struct handover handover;
    struct file_watch_count *watches;
    struct file_stream_count *streams; /* by place */
    char *payloads;
    size_t used;
    struct file *touched;
};

struct file_queue {
    struct file *first, **last;
};

struct source {
    struct source_context context;
    struct file_watch *watches;
    size_t watches_count;
    struct file_unwatched *unwatched;
    uint64_t boot; /* hash of the id of this start of the machine */
    bool rebooted; /* there was another one since the journal was written */
    struct file_look *looks;
    size_t looks_count;
    struct file_notices *notices; /* NULL: there are none to be had */

    struct file **by_inode, **by_path;
    size_t buckets; /* of each; a power of two */
    struct file *first; /* of all */
    struct file *hand; /* goes round them */
    size_t files_count;
    uint64_t numbers; /* given */
    uint64_t reserved; /* bytes of the journal's state, */
    uint64_t freed; /* and those of files that were forgotten since the last scan */

    struct file_queue ready[2]; /* what grows, and what is in spools */
    bool spool_next; /* of these two */
    bool sort_wanted; /* of what has got ready in a tick */
    struct file *done_first, **done_last;
    uint64_t filled, durable; /* numbers of batches: the one that is being filled, the last durable one */
    struct intake *intake;
    struct intake_result taken;
    struct bytes origin; /* of the record at hand */
    char host[256];
    size_t batch_capacity;
    size_t parts_max; /* bytes that describe lines in a hand-over */
    uint64_t handover_max; /* bytes of lines in the journal; the files' state has room besides */
    struct file_batch batches[2];
    struct file_batch *filling, *sent;
    bool in_journal, waits; /* sent: under way; refused, and goes again at retry_at */
    int64_t retry_at;
    enum handover_result result; /* set before `back` */
    atomic_bool back, left; /* left: the committer has nothing to do with the source any more */

    unsigned scan; /* number of the last one */
    int64_t scan_at, scanned_at; /* the next one, the last one */
    int64_t scan_took;
    int64_t tick_at;
    int64_t reset_at; /* not before it is looked for what is to be read again */
    bool scan_wanted;
    size_t cut; /* files that are FILE_CUT */
    char trouble[256]; /* as it is told; "": none */
    unsigned troubled; /* scan in which it was met last */
    int64_t troubled_until; /* monotonic: whatever it was has been tried again by then */

    pthread_t thread;
    bool running, reserves; /* reserves: descriptors */
    int wake; /* eventfd */
    atomic_bool stopping;
    int64_t stop_deadline; /* set before `stopping` */
    struct intake_counts *counts;
    struct metric_series *payload_bytes;
};

static inline int64_t files_now(const struct source *source)
{
    return clock_monotonic(source->context.clock);
}

/* ---- settings.c -------------------------------------------------------------------------------------------------- */

/* Reports everything that is wrong. @thread main */
void file_settings_check(struct config *config);
/* Of a configuration that was checked: watches and looks, which file_settings_free() frees. */
int file_settings_compile(struct source *source, struct error *error);
void file_settings_free(struct source *source);

/* ---- settings_records.c ------------------------------------------------------------------------------------------ */

/* Whether records have several lines. */
bool file_settings_are_multiline(const struct config_watch *from);
void file_settings_check_records(struct config *config, struct config_watch *from);
/* Its key may stand in the records. */
void file_settings_check_line_key(
    struct config *config, struct config_watch *from, const struct config_stream *stream);
int file_settings_compile_records(struct file_watch *watch, struct error *error);
void file_settings_free_records(struct file_watch *watch);

/* ---- known.c ------------------------------------------------------------------------------------------------------ */

int file_known_open(struct source *source, struct error *error);
void file_known_close(struct source *source);
/* A new one; path: absolute. NULL: no memory, or (*ret_full) no room in the journal's state. */
struct file *file_known_add(
    struct source *source, const struct file_identity *identity, struct slice path, bool *ret_full);
/* There is none for one more, with an absolute path of this length. */
bool file_known_is_full(const struct source *source, size_t path_length);
/* Of this inode, whose device or birth do not speak against it; FILE_CUT ones are not found. */
struct file *file_known_find(const struct source *source, uint64_t device, uint64_t inode);
/* Whether any has this inode, whatever its device. */
bool file_known_inode(const struct source *source, uint64_t inode);
struct file *file_known_path(const struct source *source, struct slice path);
/* It has another identity; or another path, -1: no memory, or no room in the journal's state, and it
 * keeps the old one. */
void file_known_identify(struct source *source, struct file *file, const struct file_identity *identity);
int file_known_rename(struct source *source, struct file *file, struct slice path);
/* It is forgotten, and freed with the batch that says so in the journal. */
void file_known_forget(struct source *source, struct file *file);
void file_known_free(struct source *source, struct file *file);
void file_known_forget_unwatched(struct source *source);

/* ---- tail.c -------------------------------------------------------------------------------------------------------- */

enum tail_result {
    TAIL_MORE, /* there may be more: it has had its turn */
    TAIL_DRY, /* nothing more at the moment */
    TAIL_FULL, /* the batch takes no more */
    TAIL_GONE, /* its inode is another file's now */
    TAIL_CUT, /* it was cut, or is another one: what it holds now is no continuation */
};

/* Its path below the root of its look. */
struct slice file_path_below(const struct file *file);
bool file_is_same(const struct file *file, const struct file_identity *identity);
/* What identifies a file, of STATX_INO and STATX_BTIME; the open one. */
struct file_identity file_identity_of(const struct statx *found);
int file_identify(int descriptor, struct file_identity *ret_identity, struct error *error);
/* Opens it if it is not; 0: it is open and the one that is known. TAIL_CUT or TAIL_DRY (later) otherwise. */
enum tail_result file_tail_open(struct source *source, struct file *file);
void file_tail_close(struct file *file);
enum tail_result file_tail_read(struct source *source, struct file *file);
/* Its life has ended: what stands behind the last line break is a line. */
enum tail_result file_tail_finish(struct source *source, struct file *file);
/* Nothing has come for long behind whole lines that were left open: they are a record. */
enum tail_result file_tail_end_record(struct source *source, struct file *file);
/* All of it, of `size` bytes, as one body. TAIL_FULL: a batch that holds nothing else takes it, or none does; TAIL_CUT: it has another size. */
enum tail_result file_tail_take_whole(struct source *source, struct file *file, size_t size);
/* Whether the file behind the descriptor has what is known of this one: its head; and its marker at its position. */
bool file_tail_begins(const struct file *file, int descriptor);
bool file_tail_continues(const struct file *file, int descriptor);

/* ---- take.c, rows.c -------------------------------------------------------------------------------------------------------- */

/* What was read of a file from its position on; in the batch's payloads, behind the bytes of its marker. */
struct file_block {
    const char *data;
    size_t length, most; /* most: it would be longer if the file were */
    enum charset charset; /* its order is known */
};

/* The whole lines of the block become records, or a part of a line that is too long, and the position moves behind them. TAIL_DRY: it has
 * neither, or whole lines only of a record of which more may come. */
enum tail_result file_take(struct source *source, struct file *file, const struct file_block *block);
/* Nothing more has come of that: its lines are a record. */
enum tail_result file_take_open(struct source *source, struct file *file, const struct file_block *block);
/* All of it does: its line will have no end. */
enum tail_result file_take_rest(struct source *source, struct file *file, const struct file_block *block);
/* All of it is one body. TAIL_FULL: the batch does not take it. */
enum tail_result file_take_whole(struct source *source, struct file *file, const struct file_block *block);
/* The same for rows of CSV. last: what has no line break at its end has none in the file either. */
enum tail_result file_take_rows(
    struct source *source, struct file *file, const struct file_block *block, bool last);
/* Bytes behind the position that are of no line are done with. */
void file_take_skip(struct source *source, struct file *file, const char *data, size_t length);

/* ---- batch.c ------------------------------------------------------------------------------------------------------- */

int file_batch_open(struct source *source, struct error *error);
void file_batch_close(struct source *source);
/* The state of the file goes with the batch that is being filled. */
void file_batch_touch(struct source *source, struct file *file);
/* Hands over what is there, if nothing is under way. */
void file_batch_submit(struct source *source);
/* What is back from the journal, or goes again. */
void file_batch_take_back(struct source *source);

static inline int64_t file_time(struct timespec time)
{
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* ---- name.c -------------------------------------------------------------------------------------------------------- */

/* Looks at what this name leads to now. taken: by a pattern; else it counts only if it leads to a file that is known. */
void file_name_look(struct source *source, struct file_look *look, struct slice path, bool taken);
/* The same for one that a pattern takes, and that leads to no file that is known as far as readdir says: it is opened at once, if there is room for it. */
void file_name_new(struct source *source, struct file_look *look, struct slice path);
/* An event: the same when nobody knows whether a pattern takes it. name: it may lead to another file now; closed: by its writer, or moved here. */
void file_name_event(
    struct source *source, struct file_look *look, struct slice path, bool name, bool closed);
/* The same for a file that is known: does its name still lead to it? */
void file_name_again(struct source *source, struct file *file);

/* ---- scan.c -------------------------------------------------------------------------------------------------------- */

void file_scan_all(struct source *source);
/* Puts what is ready into the order in which it is to be read. */
void file_scan_sort(struct file_queue *queue);

/* ---- life.c -------------------------------------------------------------------------------------------------------- */

void file_set_life(struct source *source, struct file *file, enum file_life life);
/* Of which file it is, or is becoming, a copy; NULL: of none. Its look, path, identity, number and descriptor count. */
struct file *file_original(struct source *source, const struct file *copy);
/* Before its first line is read. True: it waits, for it may be a copy, perhaps still being made, of a file that is cut then. */
bool file_begin(struct source *source, struct file *file);
/* All that is there counts as read. */
int file_skip(struct source *source, struct file *file, int descriptor);
/* It begins anew, under a number of its own; what it was may go on in a copy. */
void file_cut(struct source *source, struct file *file);
/* It is not there any more; what was not read of it is told. */
void file_gone(struct source *source, struct file *file);
/* The same, and its inode is another one's now. */
void file_replaced(struct source *source, struct file *file);
/* Now and then: what ends, what is closed, what waits no longer. Whether something of that will be soon. */
bool file_life_tick(struct source *source);

/* ---- spool.c ------------------------------------------------------------------------------------------------------ */

static inline bool file_is_spooled(const struct file *file)
{
    return file_watch_spools(file->look->watch);
}

/* A new one, or one that has come from elsewhere; open. */
void file_spool_new(struct source *source, struct file *file, int descriptor);
/* Whether somebody has it open for writing, as far as that can be known. */
bool file_is_written(int descriptor);
/* It is read from now on. */
void file_spool_take(struct source *source, struct file *file);
/* An event: its writer is done with this one, which waits. */
void file_spool_closed(struct source *source, struct file *file);
/* It is not as it was when it was looked at before. */
void file_spool_changed(struct source *source, struct file *file);
/* It is open: what it holds is not what its descriptor says when it is compressed. TAIL_MORE: it can be read. */
enum tail_result file_spool_open(struct source *source, struct file *file);
/* It cannot be taken, for this reason. TAIL_DRY. */
enum tail_result file_spool_fail(struct source *source, struct file *file, const char *why);
/* TAIL_DRY: it is read to its end, or cannot be read at the moment. */
enum tail_result file_spool_read(struct source *source, struct file *file);
void file_spool_tick(struct source *source, struct file *file);

/* ---- done.c ------------------------------------------------------------------------------------------------------- */

/* It was read to its end, which is in the journal with the batches that are under way. */
void file_done_add(struct source *source, struct file *file);
void file_done_drop(struct source *source, struct file *file);
/* Whether this is the name that it gets before it is deleted. */
bool file_done_is_own_name(const struct file *file, struct slice path);
/* It is not there any more, and neither is what a crash may have left of it. */
void file_done_forget(struct source *source, struct file *file);
/* Moves or deletes what is due. True: there may be more. */
bool file_done_settle(struct source *source);

/* ---- loop.c -------------------------------------------------------------------------------------------------------- */

/* There is something to read, or there may be. */
void file_ready(struct source *source, struct file *file);
void file_unready(struct source *source, struct file *file);
void *file_loop_run(void *source);
void file_loop_wake(struct source *source); /* @thread any */

/* ---- reset.c ------------------------------------------------------------------------------------------------------- */

/* What people have asked to be read again. Only while nothing is on its way to the journal. */
void file_reset_take(struct source *source);

/* ---- tell.c -------------------------------------------------------------------------------------------------------- */

int file_tell_open(struct source *source, struct error *error);
void file_tell_close(struct source *source);
void file_tell_new(const struct file *file);
void file_tell_event(const struct file *file, const char *event, uint64_t bytes);
/* What of a watch does not work at the moment; NULL: all is well. */
void file_tell_trouble(struct source *source, const char *format, ...) __attribute__((format(printf, 2, 3)));
void file_tell_well(struct source *source);
void file_tell_gauges(struct source *source);
/* The batch is durable. */
void file_tell_batch(const struct source *source, const struct file_batch *batch);

#endif
