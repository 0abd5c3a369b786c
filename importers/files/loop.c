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
/* Between two looks at what is held: by a rate, or by dead letters that have used up their quota. */
#define LOOP_HELD_PAUSE (CLOCK_SECOND / 10)
#define LOOP_SCAN_PAUSE (CLOCK_SECOND / 5) /* whatever is done to the directories */
#define LOOP_ROOM_SHARE 2 /* of the journal's state: as much is free, that others may be known */
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

static struct file_queue *loop_queue(struct source *source, const struct file *file)
{
    return &source->ready[file_is_spooled(file)];
}

static void loop_push(struct source *source, struct file *file)
{
    struct file_queue *queue = loop_queue(source, file);

    file->next_ready = NULL;
    *queue->last = file;
    queue->last = &file->next_ready;
}

/* Its turn is not over. */
static void loop_push_front(struct source *source, struct file *file)
{
    struct file_queue *queue = loop_queue(source, file);

    file->ready = true;
    file->next_ready = queue->first;
    queue->first = file;
    if (!file->next_ready)
        queue->last = &file->next_ready;
}

void file_ready(struct source *source, struct file *file)
{
    if (file->ready || file->gone || file->life == FILE_COPY || file->life == FILE_CUT ||
        file->life == FILE_LEFT_OUT || file->life == FILE_WAITS || file->life == FILE_DONE)
        return;
    file->ready = true;
    loop_push(source, file);
}

void file_unready(struct source *source, struct file *file)
{
    if (!file->ready)
        return;
    struct file_queue *queue = loop_queue(source, file);
    struct file **at = &queue->first;
    while (*at != file)
        at = &(*at)->next_ready;
    *at = file->next_ready;
    if (!*at)
        queue->last = at;
    file->ready = false;
}

/* The two take turns, so that a large file in a spool stops no log; NULL: nothing is ready. */
static struct file *loop_pop(struct source *source)
{
    struct file_queue *queue = &source->ready[source->spool_next];

    if (!queue->first)
        queue = &source->ready[!source->spool_next];
    source->spool_next = queue == &source->ready[false];
    struct file *file = queue->first;
    if (file) {
        queue->first = file->next_ready;
        if (!queue->first)
            queue->last = &queue->first;
    }
    return file;
}

static bool loop_is_held(const struct source *source, const struct file *file)
{
    const struct file_watch *watch = file->look->watch;

    if (watch->from->rate && files_now(source) < watch->next_at)
        return true;
    return stream_is_suspended(watch->stream);
}

static enum tail_result loop_read_file(struct source *source, struct file *file)
{
    const enum tail_result opened = file_tail_open(source, file);
    if (opened != TAIL_MORE)
        return opened;
    if (file_is_spooled(file))
        return file_spool_read(source, file);
    return file->position == 0 && file_begin(source, file) ? TAIL_DRY : file_tail_read(source, file);
}

/* What was read is paid for with time. */
static void loop_pay(const struct source *source, struct file_watch *watch, uint64_t bytes)
{
    const int64_t now = files_now(source);

    if (watch->next_at < now)
        watch->next_at = now;
    watch->next_at += (int64_t)((double)bytes * CLOCK_SECOND / (double)watch->from->rate);
}

/* True: the batch takes no more. */
static bool loop_serve(struct source *source, struct file *file)
{
    struct file_watch *watch = file->look->watch;
    const uint64_t *bytes = &source->filling->watches[watch - source->watches].bytes, before = *bytes;
    const enum tail_result result = loop_read_file(source, file);

    if (watch->from->rate)
        loop_pay(source, watch, *bytes - before);
    file->ready = false;
    switch (result) {
    case TAIL_MORE:
        if (file_is_spooled(file)) /* one after the other */
            loop_push_front(source, file);
        else
            file_ready(source, file);
        break;
    case TAIL_FULL:
        loop_push_front(source, file);
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

static bool loop_is_waited_for(const struct source *source)
{
    for (size_t i = 0; i < 2; i++) {
        if (source->ready[i].first && !loop_is_held(source, source->ready[i].first))
            return true;
    }
    return false;
}

/* True: the batch takes no more. Those of spools that are held are put aside, and keep their places. */
static bool loop_serve_round(struct source *source, struct file_queue *aside, unsigned *ret_held)
{
    const int64_t until = files_now(source) + FILE_TURN_TIME;
    struct file *file;

    for (unsigned served = 0; served < LOOP_ROUND && (file = loop_pop(source));) {
        if (served && files_now(source) >= until) {
            loop_push_front(source, file);
            return false;
        }
        if (!loop_is_held(source, file)) {
            served++;
            if (loop_serve(source, file))
                return true;
            continue;
        }
        if (file_is_spooled(file)) {
            *aside->last = file;
            aside->last = &file->next_ready;
        } else {
            served++;
            ++*ret_held;
            loop_push(source, file);
        }
    }
    return false;
}

/* Returns whether somebody would have more at once. */
static bool loop_read(struct source *source)
{
    struct file_queue *spooled = &source->ready[true], aside = {NULL, &aside.first};
    unsigned held = 0;
    const bool full = loop_serve_round(source, &aside, &held);

    *aside.last = spooled->first;
    if (!spooled->first && aside.first)
        spooled->last = aside.last;
    spooled->first = aside.first;
    if (full)
        return !source->in_journal && !source->waits;
    return held < LOOP_ROUND && loop_is_waited_for(source);
}

/* ---- events -------------------------------------------------------------------------------------------------------------- */

static void loop_notice(void *context, enum notice_kind kind, size_t walk, struct slice path)
{
    struct source *source = context;

    if (kind == NOTICE_DIRECTORY || kind == NOTICE_ALL)
        source->scan_wanted = true;
    else
        file_name_event(source, &source->looks[walk], path, kind == NOTICE_NAME || kind == NOTICE_MOVED,
            kind == NOTICE_CLOSED || kind == NOTICE_MOVED);
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
    if ((source->ready[0].first || source->ready[1].first) && !source->in_journal &&
        now + LOOP_HELD_PAUSE < until)
        until = now + LOOP_HELD_PAUSE;
    return until > now ? until - now : 0;
}

/* New files that found no room would find some. That is looked at once much of it is free, or nothing else is left to be done: among all
 * names. */
static bool loop_has_room(const struct source *source)
{
    const bool rests = !source->ready[true].first && !source->done_first;
    bool refused = false;

    for (size_t i = 0; i < source->watches_count; i++)
        refused |= source->watches[i].refused > 0;
    return refused && source->freed &&
           (rests || source->freed >= file_state_limit(source->context.files) / LOOP_ROOM_SHARE);
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
    if (now >= source->reset_at && !source->in_journal && !source->waits) {
        source->reset_at = now + LOOP_TICK;
        file_reset_take(source);
    }
    const bool rest = file_done_settle(source);
    const bool more = loop_read(source) || rest;
    file_batch_submit(source);
    source->scan_wanted |= loop_has_room(source);
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
