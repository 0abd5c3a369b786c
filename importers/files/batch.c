/* batch: lines on their way to the journal; see files_internal.h */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "files/files_internal.h"

#define STATES 2 /* times what a snapshot of them takes: what a hand-over needs to describe them */
#define DESCRIPTIONS 4 /* times its bytes: heads of records are larger than short lines */

/* @thread committer */
static void batch_complete(struct handover *handover, enum handover_result result)
{
    struct source *source = handover->context;

    source->result = result;
    atomic_store_explicit(&source->back, true, memory_order_release);
    file_loop_wake(source);
    atomic_store_explicit(
        &source->left, true, memory_order_release); /* the last that it does with the source */
}

static void batch_clear(const struct source *source, struct file_batch *batch)
{
    handover_clear(&batch->handover);
    batch->handover.payloads = batch->payloads;
    batch->used = 0;
    memset(batch->watches, 0, source->watches_count * sizeof *batch->watches);
    memset(batch->streams, 0, (source->context.routes->places + 1) * sizeof *batch->streams);
}

int file_batch_open(struct source *source, struct error *error)
{
    const uint64_t segment = source->context.config->journal.segment_size;
    /* Whatever lines leave of it, the states of all files that are known must fit. */
    const size_t states = STATES * file_state_limit(source->context.files) + FILE_STATE_BODY_MAX;
    size_t line = 0, beside = 0;

    source->handover_max = segment / 2;
    for (size_t i = 0; i < source->watches_count; i++) {
        const size_t most = source->watches[i].from->max_line + LINES_BREAK_MAX;
        const size_t room = source->watches[i].beside * most;
        line = most > line ? most : line;
        beside = room > beside ? room : beside;
    }
    source->batch_capacity = FILE_BATCH_BYTES < segment / 4 ? FILE_BATCH_BYTES : segment / 4;
    if (source->batch_capacity < 2 * line)
        source->batch_capacity = 2 * line;
    source->batch_capacity += FILE_MARKER_MAX + beside;
    source->parts_max = DESCRIPTIONS * source->batch_capacity;
    for (size_t i = 0; i < 2; i++) {
        struct file_batch *batch = &source->batches[i];
        handover_init(&batch->handover, source->parts_max + RECORD_HEAD_MAX + states, batch_complete, source);
        batch->payloads = malloc(source->batch_capacity);
        batch->watches = calloc(source->watches_count, sizeof *batch->watches);
        batch->streams = calloc(source->context.routes->most + 1, sizeof *batch->streams);
        if (!batch->payloads || !batch->watches || !batch->streams)
            return error_set(error, ERROR_FATAL, "files: out of memory");
        batch_clear(source, batch);
    }
    source->filling = &source->batches[0];
    source->sent = &source->batches[1];
    return 0;
}

void file_batch_close(struct source *source)
{
    for (size_t i = 0; i < 2; i++) {
        handover_free(&source->batches[i].handover);
        free(source->batches[i].payloads);
        free(source->batches[i].watches);
        free(source->batches[i].streams);
    }
}

void file_batch_touch(struct source *source, struct file *file)
{
    if (file->touched)
        return;
    file->touched = true;
    file->next_touched = source->filling->touched;
    source->filling->touched = file;
}

/* ---- closing it: what is known of its files goes with the lines --------------------------------------------------------- */

static int batch_add(struct file_batch *batch, const struct file_record *record, struct error *error)
{
    cleanup_bytes struct bytes body;

    bytes_init(&body, FILE_STATE_BODY_MAX);
    if (file_state_encode(&body, record, error))
        return -1;
    return handover_add(&batch->handover, (enum journal_kind)STATE_FILE, bytes_slice(&body), 0, 0, error);
}

static int batch_add_file(struct file_batch *batch, const struct file *file, struct error *error)
{
    const struct file_record record = {.number = file->number,
        .gone = file->gone,
        .inside = file->inside,
        .renamed = file->life == FILE_RENAMED && !file->where,
        .done = file->done,
        .identity = file->identity,
        .position = file->position,
        .within = file->within,
        .head = file->head,
        .marker = file->marker,
        .path = {file->path, file->path_length}};

    return batch_add(batch, &record, error);
}

static int batch_add_watch(const struct source *source, struct file_batch *batch, struct slice pattern,
    bool gone, struct error *error)
{
    const struct file_record record = {
        .watch = true, .gone = gone, .head.value = source->boot, .marker.value = FNV_EMPTY, .path = pattern};

    return batch_add(batch, &record, error);
}

static int batch_add_watches(const struct source *source, struct file_batch *batch, struct error *error)
{
    for (size_t i = 0; i < source->watches_count; i++) {
        if (source->watches[i].news &&
            batch_add_watch(source, batch, slice_of(source->watches[i].text), false, error))
            return -1;
    }
    for (const struct file_unwatched *old = source->unwatched; old; old = old->next) {
        if (batch_add_watch(source, batch, (struct slice){old->pattern, old->length}, true, error))
            return -1;
    }
    return 0;
}

/* What the journal never knew needs no word that it is gone. Those that are done with are freed. */
static int batch_add_files(struct source *source, struct file_batch *batch, struct error *error)
{
    for (const struct file *file = batch->touched; file; file = file->next_touched) {
        if ((file->stored || !file->gone) && batch_add_file(batch, file, error))
            return -1;
    }
    return batch_add_watches(source, batch, error);
}

static void batch_release_files(struct source *source, struct file_batch *batch)
{
    while (batch->touched) {
        struct file *file = batch->touched;
        batch->touched = file->next_touched;
        file->touched = false;
        file->stored = true;
        if (file->gone)
            file_known_free(source, file);
    }
    for (size_t i = 0; i < source->watches_count; i++)
        source->watches[i].news = false;
    file_known_forget_unwatched(source);
}

static bool batch_is_empty(const struct source *source)
{
    bool news = source->filling->touched || source->filling->handover.parts.length || source->unwatched;

    for (size_t i = 0; i < source->watches_count; i++)
        news |= source->watches[i].news;
    return !news;
}

static void batch_hand_over(struct source *source)
{
    struct error error;

    source->in_journal = true;
    source->waits = false;
    atomic_store_explicit(&source->left, false, memory_order_relaxed);
    if (journal_hand_over(source->context.journal, &source->sent->handover, &error) == 0)
        return;
    source->in_journal = false;
    source->waits = true;
    atomic_store_explicit(&source->left, true, memory_order_relaxed);
    source->retry_at = files_now(source) + FILE_RETRY_PAUSE;
    if (error.kind != ERROR_RETRY)
        log_event(LOG_ERROR, "files.batch", log_text("error", error.text));
}

void file_batch_submit(struct source *source)
{
    struct file_batch *batch = source->filling;
    const struct handover_mark mark = handover_mark(&batch->handover);
    struct error error;

    if (source->in_journal || source->waits || batch_is_empty(source))
        return;
    if (batch_add_files(source, batch, &error)) {
        log_event(LOG_ERROR, "files.state", log_text("error", error.text));
        handover_rewind(&batch->handover, &mark); /* it is tried again with the next round */
        return;
    }
    batch_release_files(source, batch);
    source->filling = source->sent;
    source->sent = batch;
    if (batch->handover.parts.length)
        batch_hand_over(source);
    else
        source->durable = source->filled;
    source->filled++;
}

void file_batch_take_back(struct source *source)
{
    if (source->waits && files_now(source) >= source->retry_at)
        batch_hand_over(source);
    if (!source->in_journal || !atomic_load_explicit(&source->back, memory_order_acquire))
        return;
    atomic_store_explicit(&source->back, false, memory_order_relaxed);
    source->in_journal = false;
    if (source->result == HANDOVER_DURABLE) {
        source->durable = source->filled - 1;
        file_tell_batch(source, source->sent);
        batch_clear(source, source->sent);
        return;
    }
    /* What may be there is void as soon as the journal goes on, and after a crash its positions are there with it. */
    source->waits = true;
    source->retry_at = files_now(source) + FILE_RETRY_PAUSE;
}
