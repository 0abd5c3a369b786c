/* mqtt_session_harness: see mqtt_session_harness.h */
#include "mqtt_session_harness.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ALL_CALLS ((1u << DISK_CALLS) - 1)
#define PARTS_MAX (1 << 20)

struct shelf shelf;

/* ---- clocks ---------------------------------------------------------------------------------------------------- */

static int64_t shelf_wall(const struct clock *clock)
{
    (void)clock;
    return shelf.wall;
}

static int64_t shelf_monotonic(const struct clock *clock)
{
    (void)clock;
    return shelf.monotonic;
}

const struct clock shelf_clock = {shelf_wall, shelf_monotonic};

void shelf_pass(int64_t time)
{
    shelf.wall += time;
    shelf.monotonic += time;
}

/* The journal's own clock goes on, and may be moved forward, so that nobody waits for its pause behind a failure. */
static _Atomic int64_t journal_ahead;

static int64_t journal_monotonic(const struct clock *clock)
{
    (void)clock;
    return clock_monotonic(&clock_system) + atomic_load(&journal_ahead);
}

static int64_t journal_wall(const struct clock *clock)
{
    (void)clock;
    return clock_wall(&clock_system);
}

static const struct clock journal_clock = {journal_wall, journal_monotonic};

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static pthread_mutex_t result_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t result_known = PTHREAD_COND_INITIALIZER;
static bool result_there;
static enum handover_result result_is;

static void shelf_complete(struct handover *handover, enum handover_result result)
{
    (void)handover;
    pthread_mutex_lock(&result_lock);
    result_there = true;
    result_is = result;
    pthread_cond_signal(&result_known);
    pthread_mutex_unlock(&result_lock);
}

void shelf_handover_init(struct handover *handover)
{
    handover_init(handover, PARTS_MAX, shelf_complete, NULL);
}

void shelf_set_up(void)
{
    memset(&shelf, 0, sizeof shelf);
    fixture_start(&shelf.journal);
    shelf.journal.options.clock = &journal_clock;
    shelf.journal.options.kinds = shelf.kinds;
    shelf.journal.options.kinds_count = MQTT_STATE_KINDS;
    shelf.most = SHELF_MOST;
    shelf.wall = SHELF_WALL;
    shelf.monotonic = SHELF_MONOTONIC;
    shelf_handover_init(&shelf.handover);
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
}

void shelf_tear_down(void)
{
    shelf_close();
    handover_free(&shelf.handover);
    disk_arm(&shelf.journal.disk, 0, 0, false, 0);
    fixture_end(&shelf.journal);
}

int shelf_open(void)
{
    if (mqtt_state_new(&shelf.state, shelf.journal.options.segment_size, &shelf.error))
        return -1;
    mqtt_state_kinds(shelf.state, shelf.kinds);
    if (fixture_open(&shelf.journal)) {
        shelf.error = shelf.journal.error;
        return -1;
    }
    return mqtt_state_check(shelf.state, &shelf.error) || mqtt_sessions_new(&shelf.sessions, shelf.state,
                                                              shelf.most, 0, 1, &shelf_clock, &shelf.error)
               ? -1
               : 0;
}

void shelf_close(void)
{
    mqtt_sessions_free(&shelf.sessions);
    fixture_close(&shelf.journal);
    mqtt_state_free(&shelf.state);
    handover_clear(&shelf.handover);
}

void shelf_reopen(void)
{
    shelf_close();
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
}

void shelf_kill(void)
{
    disk_arm(&shelf.journal.disk, ALL_CALLS, 1, true, EIO);
    shelf_close();
    disk_arm(&shelf.journal.disk, 0, 0, false, 0);
}

void shelf_crash(void)
{
    shelf_kill();
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
}

void shelf_move(uint64_t position)
{
    struct journal_cursor cursor;

    cr_assert_eq(journal_cursor(shelf.journal.journal, "one", &cursor, &shelf.error), 0);
    if (position > shelf.moved)
        shelf.moved = position;
    if (cursor.position < shelf.moved)
        cursor.position = shelf.moved;
    cursor.delivered = cursor.position - cursor.base;
    journal_cursor_move(shelf.journal.journal, "one", &cursor);
}

/* A cursor that moves wakes the committer, and its group the preparer: both see that their pause is over. */
void shelf_heal(void)
{
    struct journal_status status;

    disk_arm(&shelf.journal.disk, 0, 0, false, 0);
    for (int tries = 0; tries < 60000; tries++) {
        journal_status(shelf.journal.journal, &status);
        if (status.accepting)
            return;
        atomic_fetch_add(&journal_ahead, 2 * CLOCK_SECOND);
        shelf_move(0);
        usleep(1000);
    }
    cr_assert_fail("the journal does not recover: %s", status.reason);
}

/* ---- batches ------------------------------------------------------------------------------------------------------ */

void shelf_write(uint64_t record)
{
    const size_t most = mqtt_sessions_write_size(shelf.sessions);

    handover_clear(&shelf.handover);
    if (record)
        cr_assert_eq(handover_add(&shelf.handover, JOURNAL_KIND_DATA,
                         (struct slice){(const char *)&record, sizeof record}, 0, 0, &shelf.error),
            0);
    const struct handover_mark before = handover_mark(&shelf.handover);
    const bool dirty = mqtt_sessions_dirty(shelf.sessions);
    cr_assert_eq(dirty, most > 0);
    cr_assert_eq(
        mqtt_sessions_write(shelf.sessions, &shelf.handover, &shelf.error), 0, "%s", shelf.error.text);
    cr_assert_leq(shelf.handover.parts.length - before.parts_length, most);
    cr_assert_leq(shelf.handover.size - before.size, most);
    cr_assert_eq(mqtt_sessions_flying(shelf.sessions), dirty);
    cr_assert_not(mqtt_sessions_dirty(shelf.sessions));
    cr_assert_eq(mqtt_sessions_write_size(shelf.sessions), 0);
}

enum handover_result shelf_give(struct handover *handover)
{
    result_there = false;
    if (journal_hand_over(shelf.journal.journal, handover, &shelf.error))
        return HANDOVER_REFUSED;
    pthread_mutex_lock(&result_lock);
    while (!result_there)
        pthread_cond_wait(&result_known, &result_lock);
    pthread_mutex_unlock(&result_lock);
    return result_is;
}

enum handover_result shelf_hand_over(void)
{
    return shelf_give(&shelf.handover);
}

void shelf_hand_over_at_last(void)
{
    enum handover_result result;

    while ((result = shelf_hand_over()) == HANDOVER_REFUSED)
        shelf_heal();
    cr_assert_eq(result, HANDOVER_DURABLE);
}

void shelf_commit(void)
{
    if (!mqtt_sessions_dirty(shelf.sessions))
        return;
    shelf_write(0);
    shelf_hand_over_at_last();
    mqtt_sessions_written(shelf.sessions);
    cr_assert_leq(shelf_image_bytes(), shelf_reserved());
}

static void shelf_lost(void *context, struct mqtt_session *session)
{
    (void)context;
    session->connection->lost++;
}

/* Where all calls fail, nothing of the group is on the disk. Where only the syncs fail, it is: in the old segment, and the new one that it
 * would be written to again cannot be made. When a mark of silence is what fails first, the hand-over is refused: once more then. */
void shelf_commit_unknown(bool there)
{
    enum handover_result result;

    shelf_write(0);
    do {
        shelf_heal();
        fixture_settle(&shelf.journal);
        disk_arm(&shelf.journal.disk, there ? 1u << DISK_SYNC : SHELF_CALLS, 1, true, EIO);
        result = shelf_hand_over();
        cr_assert_neq(result, HANDOVER_DURABLE);
    } while (result == HANDOVER_REFUSED);
    mqtt_sessions_unknown(shelf.sessions, shelf_lost, NULL);
}

/* ---- looking ------------------------------------------------------------------------------------------------------ */

struct mqtt_session *shelf_find(const char *client_id)
{
    return mqtt_session_find(shelf.sessions, slice_of(client_id));
}

enum mqtt_session_opened shelf_connect(const char *client_id, bool clean, uint32_t expiry,
    struct mqtt_connection *connection, struct mqtt_session **ret_session)
{
    struct mqtt_session *before = shelf_find(client_id);

    if (before && before->connection)
        mqtt_session_end(shelf.sessions, before);
    return mqtt_session_open(shelf.sessions, slice_of(client_id), clean, expiry, connection, ret_session);
}

static int count_bytes(void *context, const void *body, size_t length, struct error *error)
{
    uint64_t *bytes = context;

    (void)body, (void)error;
    *bytes += length + STATE_FRAME_OVERHEAD;
    return 0;
}

uint64_t shelf_image_bytes(void)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < MQTT_STATE_KINDS; i++)
        cr_assert_eq(shelf.kinds[i].dump(shelf.kinds[i].state, 0, count_bytes, &bytes, &shelf.error), 0);
    return bytes;
}

uint64_t shelf_reserved(void)
{
    struct mqtt_state_usage usage;

    mqtt_state_usage(shelf.state, &usage);
    return usage.reserved;
}

#define LINES_MAX 1000
#define LINE_MAX_BYTES 400

static char lines[LINES_MAX][LINE_MAX_BYTES];
static size_t lines_count;

static int compare_ids(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int collect(void *context, const struct mqtt_state_session *session, const uint16_t *packets,
    size_t packets_count, struct error *error)
{
    char *line = lines[lines_count++];
    uint16_t sorted[4096];
    int length;

    (void)context, (void)error;
    cr_assert_lt(lines_count, LINES_MAX);
    if (packets_count)
        memcpy(sorted, packets, packets_count * sizeof *packets);
    qsort(sorted, packets_count, sizeof *sorted, compare_ids);
    length = snprintf(line, LINE_MAX_BYTES, "%.*s/%" PRIu32 "/", (int)session->client_id.length,
        session->client_id.data, session->expiry);
    if (session->ended_at)
        length += snprintf(line + length, LINE_MAX_BYTES - (size_t)length, "%" PRId64 ":",
            (session->ended_at - SHELF_WALL) / CLOCK_SECOND);
    else
        length += snprintf(line + length, LINE_MAX_BYTES - (size_t)length, "-:");
    for (size_t i = 0; i < packets_count && length < LINE_MAX_BYTES; i++)
        length += snprintf(
            line + length, LINE_MAX_BYTES - (size_t)length, "%s%u", i ? "," : "", (unsigned)sorted[i]);
    return 0;
}

/* mqtt_state_visit() would count anew what is reserved: a second state is filled with what this one dumps. */
struct copying {
    const struct state_kind *row;
};

static int copy_state(void *context, const void *body, size_t length, struct error *error)
{
    const struct copying *copying = context;

    return copying->row->apply(copying->row->state, body, length, 0, error);
}

const char *shelf_image(void)
{
    static char text[LINES_MAX * 20];
    struct state_kind rows[MQTT_STATE_KINDS];
    struct mqtt_state *copy;
    size_t length = 0;

    cr_assert_eq(mqtt_state_new(&copy, 1 << 30, &shelf.error), 0);
    mqtt_state_kinds(copy, rows);
    for (size_t i = 0; i < MQTT_STATE_KINDS; i++) {
        struct copying copying = {&rows[i]};
        cr_assert_eq(shelf.kinds[i].dump(shelf.kinds[i].state, 0, copy_state, &copying, &shelf.error), 0);
    }
    lines_count = 0;
    cr_assert_eq(mqtt_state_visit(copy, collect, NULL, &shelf.error), 0);
    mqtt_state_free(&copy);
    qsort(lines, lines_count, sizeof *lines, compare_lines);
    text[0] = '\0';
    for (size_t i = 0; i < lines_count && length < sizeof text; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", i ? " " : "", lines[i]);
    return text;
}
