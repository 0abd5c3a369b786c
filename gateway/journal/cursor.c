/* cursor: where each outlet stands; the journal's own kind of state (STATE_CURSOR). Body: u8 version, u8 length of the name,
 * name, then as u64 position, base, delivered, dead_lettered, not_for_outlet, damaged and, from version 2 on, held. */
#include "journal/internal.h"

#include <assert.h>
#include <inttypes.h>

#include "base/little.h"

#define CURSOR_VERSION 2 /* is written */

static const size_t cursor_values[CURSOR_VERSION + 1] = {[1] = 6, [2] = CURSOR_VALUES}; /* by version */

struct cursor *cursor_find(struct journal *journal, const char *outlet)
{
    for (size_t i = 0; i < journal->cursors_count; i++)
        if (strcmp(journal->cursors[i].outlet, outlet) == 0)
            return &journal->cursors[i];
    return NULL;
}

uint64_t cursor_least(const struct journal *journal)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < journal->cursors_count; i++) {
        const struct cursor *cursor = &journal->cursors[i];
        if (cursor->stored.position < least)
            least = cursor->stored.position;
        if (cursor->marks.least < least)
            least = cursor->marks.least;
    }
    if (least != UINT64_MAX)
        return least;
    /* Where the last cursor was forgotten, the outlet that comes next takes what is there. */
    return journal->options.forget ? 0 : atomic_load(&journal->durable);
}

size_t cursor_encode(const char *outlet, const struct journal_cursor *cursor, char out[CURSOR_BODY_MAX])
{
    size_t length = strlen(outlet);
    const uint64_t values[CURSOR_VALUES] = {cursor->position, cursor->base, cursor->delivered,
        cursor->dead_lettered, cursor->not_for_outlet, cursor->damaged, cursor->held};

    out[0] = CURSOR_VERSION;
    out[1] = (char)length;
    memcpy(out + 2, outlet, length);
    for (size_t i = 0; i < CURSOR_VALUES; i++)
        put_u64(out + 2 + length + i * 8, values[i]);
    return 2 + length + sizeof values;
}

/* A cursor that belongs to no outlet of this configuration is kept in the list all the same: journal_open() refuses to
 * start then, because its segments could never be freed rightly. */
struct cursor *cursor_make(struct journal *journal, const char *name, size_t length)
{
    char outlet[JOURNAL_OUTLET_NAME_MAX + 1] = {0};

    memcpy(outlet, name, length);
    struct cursor *cursor = cursor_find(journal, outlet);
    if (cursor || journal->cursors_count == JOURNAL_OUTLETS_MAX)
        return cursor;
    cursor = &journal->cursors[journal->cursors_count++];
    memcpy(cursor->outlet, outlet, sizeof outlet);
    mark_table_settle(&cursor->marks);
    return cursor;
}

void cursor_drop(struct journal *journal, struct cursor *cursor)
{
    const size_t behind = (size_t)(journal->cursors + journal->cursors_count - cursor) - 1;

    mark_table_free(journal, &cursor->marks);
    memmove(cursor, cursor + 1, behind * sizeof *cursor);
    journal->cursors[--journal->cursors_count] = (struct cursor){0};
}

int cursor_decode(const void *body, size_t length, struct slice *ret_outlet,
    struct journal_cursor *ret_cursor, struct error *error)
{
    const char *in = body;
    const size_t version = length >= 2 ? (unsigned char)in[0] : 0;
    const size_t name = length >= 2 ? (unsigned char)in[1] : 0;
    uint64_t values[CURSOR_VALUES] = {0};

    if (version == 0 || version > CURSOR_VERSION || name == 0 || name > JOURNAL_OUTLET_NAME_MAX ||
        length != 2 + name + cursor_values[version] * 8)
        return error_set(error, ERROR_REJECT, "cursor of %zu bytes: not a cursor of version 1 or %d", length,
            CURSOR_VERSION);
    for (size_t i = 0; i < cursor_values[version]; i++)
        values[i] = get_u64(in + 2 + name + i * 8);
    *ret_outlet = (struct slice){in + 2, name};
    *ret_cursor =
        (struct journal_cursor){values[0], values[1], values[2], values[3], values[4], values[5], values[6]};
    return 0;
}

int cursor_apply(void *state, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    struct journal_cursor stored;
    struct slice outlet;

    if (cursor_decode(body, length, &outlet, &stored, error))
        return -1;
    if (stored.position > sequence) /* what is accepted next would be passed unread */
        return error_set(error, ERROR_REJECT, "cursor %.*s: at %" PRIu64 ", beyond the log's end",
            (int)outlet.length, outlet.data, stored.position);
    struct cursor *cursor = cursor_make(state, outlet.data, outlet.length);
    if (!cursor)
        return error_set(error, ERROR_REJECT, "cursor %.*s: more than %d outlets", (int)outlet.length,
            outlet.data, JOURNAL_OUTLETS_MAX);
    if (!cursor->known || stored.position >= cursor->stored.position)
        cursor->stored = stored;
    cursor->known = true;
    return 0;
}

int cursor_dump(void *state, uint64_t keep_from, state_emit_fn *emit, void *context, struct error *error)
{
    struct journal *journal = state;
    char body[CURSOR_BODY_MAX];

    (void)keep_from;
    for (size_t i = 0; i < journal->cursors_count; i++) {
        const struct cursor *cursor = &journal->cursors[i];
        size_t length = cursor_encode(cursor->outlet, &cursor->stored, body);
        /* Not known: only marks of it were found, and the journal is open to forget an outlet. */
        if (cursor->known && emit(context, body, length, error))
            return -1;
    }
    return 0;
}

int journal_cursor(
    struct journal *journal, const char *outlet, struct journal_cursor *ret_cursor, struct error *error)
{
    lock_take(journal);
    const struct cursor *cursor = cursor_find(journal, outlet);
    if (cursor)
        *ret_cursor = cursor->stored;
    lock_release(journal);
    return cursor ? 0 : error_set(error, ERROR_FATAL, "journal: outlet %s has no cursor here", outlet);
}

uint64_t journal_outlets_passed(struct journal *journal)
{
    lock_take(journal);
    const uint64_t least = cursor_least(journal);
    lock_release(journal);
    return least;
}

void cursor_want(struct journal *journal, struct cursor *cursor, const struct journal_cursor *wanted)
{
    assert(wanted->position == wanted->base + wanted->delivered + wanted->dead_lettered +
                                   wanted->not_for_outlet + wanted->damaged + wanted->held);
    assert(wanted->position >= cursor->wanted.position);
    assert(wanted->position <= atomic_load(&journal->durable));
    cursor->wanted = *wanted;
    cursor->dirty = true;
    if (journal->idle)
        pthread_cond_signal(&journal->work);
}

void journal_cursor_move(struct journal *journal, const char *outlet, const struct journal_cursor *wanted)
{
    lock_take(journal);
    struct cursor *cursor = cursor_find(journal, outlet);
    assert(cursor);
    cursor_want(journal, cursor, wanted);
    lock_release(journal);
}
