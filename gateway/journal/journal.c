/* journal: opening, closing, handing over, waiting (journal.h). */
#include "journal/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "journal/internal.h"
#include "journal/once.h"
#include "journal/view.h"

void lock_take(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
}

void lock_release(struct journal *journal)
{
    pthread_mutex_unlock(&journal->lock);
}

void lock_wait(struct journal *journal, pthread_cond_t *condition, int64_t until)
{
    if (until == INT64_MAX) {
        pthread_cond_wait(condition, &journal->lock);
        return;
    }
    int64_t wait = until - clock_monotonic(journal->options.clock);
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    wait = wait < 0 ? 0 : wait;
    at.tv_sec += wait / CLOCK_SECOND;
    at.tv_nsec += wait % CLOCK_SECOND * 1000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    pthread_cond_clockwait(condition, &journal->lock, CLOCK_MONOTONIC, &at);
}

void journal_gateway_id(char ret_id[JOURNAL_GATEWAY_ID_MAX + 1], const char *configured)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char host[256] = "";
    const char *name = configured;

    if (!*name) {
        if (gethostname(host, sizeof host - 1) || !*host)
            snprintf(host, sizeof host, "penstock"); /* GCOVR_EXCL_LINE: every machine has a name */
        for (char *next = host; *next; next++)
            *next = strchr(allowed, *next) ? *next : '-';
        name = host;
    }
    snprintf(ret_id, JOURNAL_GATEWAY_ID_MAX + 1, "%.*s", JOURNAL_GATEWAY_ID_MAX, name);
}

/* ---- open and close ----------------------------------------------------------------------------------------- */

static int journal_lock_directory(struct journal *journal, struct error *error)
{
    const char *path = journal->options.directory;

    if (!journal->options.forget && file_make_directories(path, error))
        return error_wrap(error, "journal");
    journal->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->directory < 0)
        return error_set_errno(error, ERROR_FATAL, "journal %s: open", path);
    if (flock(journal->directory, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return error_set(error, ERROR_FATAL,
            "journal %s: another penstock is running on this data directory; stop it, or choose another "
            "gateway.data",
            path);
    /* GCOVR_EXCL_START: a filesystem without locks */
    return error_set_errno(error, ERROR_FATAL, "journal %s: flock", path);
    /* GCOVR_EXCL_STOP */
}

static void journal_init(struct journal *journal, const struct journal_options *options)
{
    journal->options = *options;
    journal->io = options->io ? options->io : &journal_io_system;
    journal->directory = -1;
    journal->writer.fd = -1;
    journal->writer.io = journal->io;
    journal->handover_max = segment_room(options->segment_size) - CONTROL_ROOM;
    account_init(journal);
    journal->once = once_kind(options->kinds, options->kinds_count);
    journal->queue_tail = &journal->queue;
    journal->awaited = UINT64_MAX;
    bytes_init(&journal->damage, DAMAGE_LISTED);
    journal->commit_seconds = metric_series(METRIC_COMMIT_SECONDS, NULL, NULL, NULL);
    journal->commit_records = metric_series(METRIC_COMMIT_RECORDS, NULL, NULL, NULL);
    journal->retired = metric_series(METRIC_JOURNAL_SEGMENTS_RETIRED, NULL, NULL, NULL);
    snprintf(journal->gateway_id, sizeof journal->gateway_id, "%s", options->gateway_id);
    pthread_mutex_init(&journal->lock, NULL);
    pthread_cond_init(&journal->work, NULL);
    pthread_cond_init(&journal->prepare, NULL);
    pthread_cond_init(&journal->room, NULL);
    pthread_cond_init(&journal->durable_moved, NULL);
}

int journal_new(struct journal **ret_journal, const struct journal_options *options, struct error *error)
{
    struct journal *journal = calloc(1, sizeof *journal);

    if (!journal)
        return error_set(error, ERROR_RETRY, "journal: out of memory"); /* GCOVR_EXCL_LINE: memory is gone */
    journal_init(journal, options);
    *ret_journal = journal;
    return 0;
}

void journal_free(struct journal *journal)
{
    writer_close(&journal->writer);
    fd_close(&journal->directory);
    pthread_mutex_destroy(&journal->lock);
    pthread_cond_destroy(&journal->work);
    pthread_cond_destroy(&journal->prepare);
    pthread_cond_destroy(&journal->room);
    pthread_cond_destroy(&journal->durable_moved);
    for (size_t i = 0; i < journal->cursors_count; i++)
        mark_table_free(journal, &journal->cursors[i].marks);
    account_free(journal);
    bytes_free(&journal->damage);
    free(journal->writer.buffer);
    free(journal->segments);
    free(journal);
}

static int journal_start_threads(struct journal *journal, struct error *error)
{
    lock_take(journal);
    journal->threads = true;
    lock_release(journal);
    int result = pthread_create(&journal->committer_thread, NULL, committer_run, journal);
    if (!result && (result = pthread_create(&journal->preparer_thread, NULL, preparer_run, journal))) {
        /* GCOVR_EXCL_START: no thread is to be had */
        lock_take(journal);
        journal->closing = true;
        pthread_cond_broadcast(&journal->work);
        lock_release(journal);
        pthread_join(journal->committer_thread, NULL);
        /* GCOVR_EXCL_STOP */
    }
    if (!result) {
        pthread_setname_np(journal->committer_thread, "committer");
        pthread_setname_np(journal->preparer_thread, "preparer");
    }
    errno = result;
    return result ? error_set_errno(error, ERROR_FATAL, "journal: start threads") : 0;
}

int journal_open(struct journal **ret_journal, const struct journal_options *options,
    struct journal_report *ret_report, struct error *error)
{
    struct journal_report unwanted;
    struct journal_report *report = ret_report ? ret_report : &unwanted;
    struct journal *journal;

    *report = (struct journal_report){0};
    bytes_init(&report->notes, 1 << 20);
    if (journal_new(&journal, options, error))
        return -1; /* GCOVR_EXCL_LINE: memory is gone */
    journal->writer.buffer = malloc(WRITER_BUFFER);
    if (!journal->writer.buffer) { /* GCOVR_EXCL_START: memory is gone */
        journal_free(journal);
        return error_set(error, ERROR_RETRY, "journal: out of memory");
    } /* GCOVR_EXCL_STOP */
    int result = journal_lock_directory(journal, error) || recovery_run(journal, report, error) ||
                 journal_start_threads(journal, error);
    if (!ret_report)
        bytes_free(&unwanted.notes);
    if (result) {
        journal_free(journal);
        return -1;
    }
    *ret_journal = journal;
    return 0;
}

void journal_close(struct journal **journal)
{
    struct journal *old = *journal;

    *journal = NULL;
    if (!old)
        return;
    assert(!old->readers);
    lock_take(old);
    old->closing = true;
    pthread_cond_broadcast(&old->work);
    lock_release(old);
    pthread_join(old->committer_thread, NULL);
    lock_take(old);
    old->preparer_stop = true;
    pthread_cond_broadcast(&old->prepare);
    lock_release(old);
    pthread_join(old->preparer_thread, NULL);
    arrival_end(old);
    journal_free(old);
}

/* ---- looking ------------------------------------------------------------------------------------------------ */

int journal_peek(
    const char *directory, const struct state_kind *kinds, size_t kinds_count, struct error *error)
{
    cleanup_journal_view struct journal_view *view = NULL;

    if (journal_view_open(&view, directory, error))
        return -1;
    return journal_view_recover(view, kinds, kinds_count, error);
}

/* ---- handing over ------------------------------------------------------------------------------------------- */

int journal_hand_over(struct journal *journal, struct handover *handover, struct error *error)
{
    int result = 0;

    if (handover->size == 0)
        return error_set(error, ERROR_REJECT, "journal: an empty hand-over");
    if (handover->size > journal->handover_max)
        return error_set(error, ERROR_REJECT,
            "%" PRIu64 " bytes in one request: the journal takes %" PRIu64
            " (segment size): send smaller batches",
            handover->size, journal->handover_max);
    lock_take(journal);
    if (journal->full) {
        result = error_set(error, ERROR_RETRY, "%s", journal->full_reason);
    } else {
        handover->next = NULL;
        *journal->queue_tail = handover;
        journal->queue_tail = &handover->next;
        if (journal->idle)
            pthread_cond_signal(&journal->work);
    }
    lock_release(journal);
    return result;
}

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool complete;
    enum handover_result result;
};

static void waiting_complete(struct handover *handover, enum handover_result result)
{
    struct waiting *waiting = handover->context;

    pthread_mutex_lock(&waiting->lock);
    waiting->result = result;
    waiting->complete = true;
    pthread_cond_signal(&waiting->done);
    pthread_mutex_unlock(&waiting->lock);
}

int journal_hand_over_and_wait(struct journal *journal, struct handover *handover, struct error *error)
{
    struct waiting waiting = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

    handover->complete = waiting_complete;
    handover->context = &waiting;
    if (journal_hand_over(journal, handover, error))
        return -1;
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.complete)
        pthread_cond_wait(&waiting.done, &waiting.lock);
    pthread_mutex_unlock(&waiting.lock);
    if (waiting.result == HANDOVER_DURABLE)
        return 0;
    struct journal_status status;
    journal_status(journal, &status);
    return error_set(error, ERROR_RETRY, "journal: not written: %s", status.reason);
}

/* ---- waiting and state -------------------------------------------------------------------------------------- */

void journal_wait(struct journal *journal, uint64_t after, int64_t timeout, unsigned *seen)
{
    int64_t now = clock_monotonic(journal->options.clock);
    int64_t until = timeout > INT64_MAX - now ? INT64_MAX : now + timeout;

    lock_take(journal);
    journal->waiters++;
    if (after < journal->awaited - 1)
        journal->awaited = after + 1;
    while (atomic_load(&journal->durable) <= after && *seen == journal->wakes &&
           clock_monotonic(journal->options.clock) < until)
        lock_wait(journal, &journal->durable_moved, until);
    if (--journal->waiters == 0)
        journal->awaited = UINT64_MAX;
    *seen = journal->wakes;
    lock_release(journal);
}

void journal_wake(struct journal *journal)
{
    lock_take(journal);
    journal->wakes++;
    pthread_cond_broadcast(&journal->durable_moved);
    lock_release(journal);
}

uint64_t journal_durable(const struct journal *journal)
{
    return atomic_load(&journal->durable);
}

uint32_t journal_epoch(const struct journal *journal)
{
    return journal->epoch;
}

uint64_t journal_log(const struct journal *journal)
{
    return journal->log;
}

/* What the disk would refuse is not free. */
static uint64_t disk_free(const struct journal *journal)
{
    struct statvfs disk;

    return fstatvfs(journal->directory, &disk) ? UINT64_MAX : (uint64_t)disk.f_bavail * disk.f_frsize;
}

void journal_status(struct journal *journal, struct journal_status *ret_status)
{
    uint64_t disk = disk_free(journal);
    uint64_t size = journal->options.segment_size;

    lock_take(journal);
    const struct segment *current = segment_current(journal);
    uint64_t unmade =
        journal->bytes < journal->options.max_size ? journal->options.max_size - journal->bytes : 0;
    uint64_t ready = journal->reserve_count > RESERVE_KEPT ? journal->reserve_count - RESERVE_KEPT : 0;
    *ret_status = (struct journal_status){
        .bytes = journal->bytes,
        .max_size = journal->options.max_size,
        .segments = journal->segments_count,
        .durable = atomic_load(&journal->durable),
        .oldest = journal->segments[0].base + 1,
        .accepting = !journal->full,
        .busy = journal->busy_since ? clock_monotonic(journal->options.clock) - journal->busy_since : 0,
        .free_bytes =
            (current->size - current->end) + ready * size + (unmade < disk ? unmade : disk) / size * size,
    };
    if (!ret_status->accepting)
        memcpy(ret_status->reason, journal->full_reason, sizeof ret_status->reason);
    lock_release(journal);
}
