/* source: files as a source; see source/source.h for the contract and files_internal.h for the parts. */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/listener.h"
#include "base/log.h"
#include "files/files_internal.h"

/* sign: 1, or -1 to give them back. */
static void files_reserve_descriptors(const struct source *source, int64_t sign)
{
    for (size_t i = 0; i < source->watches_count; i++)
        listener_reserve_descriptors(sign * (int64_t)source->watches[i].from->max_open);
}

static void files_close(struct source **source)
{
    struct source *old = *source;

    if (!old)
        return;
    assert(!old->running);
    *source = NULL;
    file_tell_close(old);
    if (old->by_inode && old->by_path)
        file_known_close(old);
    if (old->reserves)
        files_reserve_descriptors(old, -1);
    file_settings_free(old);
    file_notices_free(&old->notices);
    file_batch_close(old);
    intake_free(&old->intake);
    bytes_free(&old->origin);
    free(old->counts);
    fd_close(&old->wake);
    free(old);
}

/* Without events the scans find everything, later. */
static void files_open_notices(struct source *source)
{
    bool wanted = false;
    struct error error;

    for (size_t i = 0; i < source->watches_count; i++)
        wanted |= source->watches[i].from->events;
    if (wanted && file_notices_new(&source->notices, &error))
        log_event(LOG_WARN, "files.no_events", log_text("reason", error.text));
}

static int files_open_all(struct source *source, struct error *error)
{
    const struct config *config = source->context.config;
    const struct intake_limits limits = {
        config->journal.segment_size, UINT64_MAX, "files.*.max_line", "files.*.max_line"};

    if ((config->drop && file_make_directories(config->drop, error)) ||
        file_settings_compile(source, error) || file_tell_open(source, error) ||
        file_batch_open(source, error) || bytes_reserve_exact(&source->origin, RECORD_ORIGIN_MAX, error) ||
        intake_new(&source->intake, routes_now(source->context.routes)->streams, source->context.routes->most,
            &limits, error))
        return -1;
    files_open_notices(source);
    files_reserve_descriptors(source, 1);
    source->reserves = true;
    return file_known_open(source, error);
}

static int files_open(struct source **ret_source, const struct source_context *context, struct error *error)
{
    struct source *source __attribute__((cleanup(files_close))) = calloc(1, sizeof *source);

    if (!source)
        return error_set(error, ERROR_FATAL, "files: out of memory");
    source->context = *context;
    for (size_t i = 0; i < 2; i++)
        source->ready[i].last = &source->ready[i].first;
    source->done_last = &source->done_first;
    source->filled = 1;
    source->left = true;
    source->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bytes_init(&source->origin, RECORD_ORIGIN_MAX + 1);
    if (source->wake < 0)
        return error_set_errno(error, ERROR_FATAL, "files: eventfd");
    if (gethostname(source->host, sizeof source->host - 1))
        source->host[0] = '\0';
    if (context->config->files_count && files_open_all(source, error))
        return -1;
    *ret_source = source;
    source = NULL;
    return 0;
}

static int files_run(struct source *source, struct error *error)
{
    sigset_t all, before;

    if (source->watches_count == 0)
        return 0;
    atomic_store(&source->stopping, false);
    /* Signals are the main thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(&source->thread, NULL, file_loop_run, source);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errno)
        return error_set_errno(error, ERROR_FATAL, "files: thread");
    pthread_setname_np(source->thread, FILES_SOURCE_NAME);
    source->running = true;
    return 0;
}

/* Nobody finds it again who has not got it open: its name is gone, or that of another one. */
static bool files_is_lost(const struct file *file)
{
    struct stat named;

    return file->descriptor >= 0 && file->life != FILE_LEFT_OUT &&
           (stat(file->path, &named) || named.st_ino != file->identity.inode);
}

int files_rest(const struct source *source, struct error *error)
{
    if (source->running || source->in_journal || source->waits)
        return error_set(error, ERROR_RETRY, "the journal has not taken yet what was read of files");
    /* The committer has told what became of the last batch, and is about to leave. */
    while (!atomic_load_explicit(&source->left, memory_order_acquire))
        sched_yield();
    for (const struct file *file = source->first; file; file = file->behind) {
        if (files_is_lost(file))
            return error_set(error, ERROR_RETRY,
                "%s is read that has this name no more, until its rotate_wait is over", file->shown);
    }
    return 0;
}

static void files_stop(struct source *source, int64_t deadline)
{
    source->stop_deadline = deadline;
    atomic_store_explicit(&source->stopping, true, memory_order_release);
    file_loop_wake(source);
    if (source->running)
        pthread_join(source->thread, NULL);
    source->running = false;
}

static int files_describe(const struct source *source, struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < source->watches_count; i++) {
        const struct config_list *takes = source->watches[i].takes;
        const bool drop = source->context.config->drop && strcmp(source->watches[i].from->name, "drop") == 0;
        for (size_t j = 0; j < takes->count; j++) {
            if (bytes_print(text, error, "Files  %s (%s)\n",
                    drop ? source->context.config->drop : takes->items[j], source->watches[i].from->stream))
                return -1;
        }
    }
    return 0;
}

const struct source_kind source_files = {
    .name = FILES_SOURCE_NAME,
    .check = file_settings_check,
    .open = files_open,
    .run = files_run,
    .stop = files_stop,
    .close = files_close,
    .describe = files_describe,
};
