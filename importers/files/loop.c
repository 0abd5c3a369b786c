/* loop: the thread; see files_internal.h
 *
 *     events ── scan, when it is due ── read, file by file ── hand over ── wait
 */
#include <poll.h>
#include <unistd.h>

#include "base/log.h"
#include "files/files_internal.h"

#define LOOP_TICK CLOCK_SECOND
#define LOOP_TICK_SOON (CLOCK_SECOND / 10) /* while files end */
#define LOOP_HELD_PAUSE \
    (CLOCK_SECOND / 10) /* between two looks at a stream whose dead letters have used up their quota */
#define LOOP_SCAN_PAUSE (CLOCK_SECOND / 5) /* whatever is done to the directories */
#define LOOP_ROUND 64 /* files, until the journal and the events have their turn */

void file_loop_wake(struct source *source)
{
    ssize_t written = write(source->wake, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* fails only when the counter is full: it is readable then */
}

static bool loop_is_stopping(const struct source *source)
{
    return atomic_load_explicit(&source->stopping, memory_order_acquire);
}

/* ---- files that have something ------------------------------------------------------------------------------------- */

static void loop_push(struct source *source, struct file *file)
{
    file->next_ready = NULL;
    *source->ready_last = file;
    source->ready_last = &file->next_ready;
}

void file_ready(struct source *source, struct file *file)
{
    if (file->ready || file->gone || file->life == FILE_COPY || file->life == FILE_CUT ||
        file->life == FILE_LEFT_OUT)
        return;
    file->ready = true;
    loop_push(source, file);
}

void file_unready(struct source *source, struct file *file)
{
    struct file **at = &source->ready_first;

    if (!file->ready)
        return;
    while (*at != file)
        at = &(*at)->next_ready;
    *at = file->next_ready;
    if (!*at)
        source->ready_last = at;
    file->ready = false;
}

static struct file *loop_pop(struct source *source)
{
    struct file *file = source->ready_first;

    source->ready_first = file->next_ready;
    if (!source->ready_first)
        source->ready_last = &source->ready_first;
    return file;
}

static bool loop_is_held(const struct file *file)
{
    return atomic_load_explicit(&file->look->watch->stream->suspended, memory_order_relaxed);
}

static enum tail_result loop_read_file(struct source *source, struct file *file)
{
    const enum tail_result opened = file_tail_open(source, file);
    if (opened != TAIL_MORE)
        return opened;
    return file->position == 0 && file_begin(source, file) ? TAIL_DRY : file_tail_read(source, file);
}

/* True: the batch takes no more. */
static bool loop_serve(struct source *source, struct file *file)
{
    const enum tail_result result = loop_read_file(source, file);

    file->ready = false;
    switch (result) {
    case TAIL_MORE:
        file_ready(source, file);
        break;
    case TAIL_FULL:
        file->ready = true; /* its turn is not over */
        file->next_ready = source->ready_first;
        source->ready_first = file;
        if (!file->next_ready)
            source->ready_last = &file->next_ready;
        return true;
    case TAIL_CUT:
        file_cut(source, file);
        break;
    case TAIL_GONE:
        file_replaced(source, file);
        break;
    case TAIL_DRY:
        break;
    }
    return false;
}

/* Returns whether somebody would have more at once. */
static bool loop_read(struct source *source)
{
    for (unsigned served = 0, held = 0; source->ready_first && served < LOOP_ROUND; served++) {
        struct file *file = loop_pop(source);
        if (loop_is_held(file)) {
            loop_push(source, file);
            if (++held == LOOP_ROUND || file == source->ready_first)
                return false;
        } else if (loop_serve(source, file)) {
            return !source->in_journal && !source->waits;
        }
    }
    return source->ready_first && !loop_is_held(source->ready_first);
}

/* ---- events -------------------------------------------------------------------------------------------------------------- */

static void loop_notice(void *context, enum notice_kind kind, size_t walk, struct slice path)
{
    struct source *source = context;

    if (kind == NOTICE_FILE || kind == NOTICE_NAME)
        file_scan_look(source, &source->looks[walk], path, kind == NOTICE_NAME);
    else
        source->scan_wanted = true;
}

static void loop_take_events(struct source *source)
{
    struct error error;

    if (source->notices && file_notices_read(source->notices, loop_notice, source, &error))
        file_tell_trouble(source, "%s", error.text);
}

static void loop_wait(struct source *source, int64_t timeout)
{
    struct pollfd waits[] = {
        {source->wake, POLLIN, 0},
        {source->notices ? file_notices_descriptor(source->notices) : -1, POLLIN, 0},
    };
    uint64_t value;

    if (poll(waits, 2, (int)((timeout + 999) / 1000)) > 0 && waits[0].revents) {
        ssize_t got = read(source->wake, &value, sizeof value);
        (void)got; /* whatever it counted: everything is looked at */
    }
}

/* Whatever is done to the directories, half of the time is for lines. */
static int64_t loop_scan_at(const struct source *source)
{
    if (!source->scan_wanted)
        return source->scan_at;
    return source->scanned_at + (source->scan_took > LOOP_SCAN_PAUSE ? source->scan_took : LOOP_SCAN_PAUSE);
}

static int64_t loop_timeout(const struct source *source, bool more)
{
    const int64_t now = files_now(source);
    int64_t until = source->tick_at;

    if (more)
        return 0;
    if (loop_scan_at(source) < until)
        until = loop_scan_at(source);
    if (source->waits && source->retry_at < until)
        until = source->retry_at;
    if (source->ready_first && !source->in_journal && now + LOOP_HELD_PAUSE < until)
        until = now + LOOP_HELD_PAUSE;
    return until > now ? until - now : 0;
}

/* ---- the thread ------------------------------------------------------------------------------------------------------------- */

static void loop_step(struct source *source)
{
    const int64_t now = files_now(source);

    loop_take_events(source);
    if (now >= loop_scan_at(source))
        file_scan_all(source);
    if (now >= source->tick_at) {
        source->tick_at = now + (file_life_tick(source) ? LOOP_TICK_SOON : LOOP_TICK);
        file_tell_gauges(source);
    }
    file_batch_take_back(source);
    const bool more = loop_read(source);
    file_batch_submit(source);
    loop_wait(source, loop_timeout(source, more));
}

/* What is read is handed over, and what is handed over becomes durable, if there is time. */
static void loop_leave(struct source *source)
{
    while (files_now(source) < source->stop_deadline) {
        file_batch_take_back(source);
        file_batch_submit(source);
        if (!source->in_journal && !source->waits)
            break;
        loop_wait(source, LOOP_HELD_PAUSE);
    }
}

void *file_loop_run(void *argument)
{
    struct source *source = argument;

    while (!loop_is_stopping(source))
        loop_step(source);
    loop_leave(source);
    return NULL;
}
