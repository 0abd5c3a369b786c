/* cursor: where each outlet stands; the journal's own kind of state (STATE_CURSOR). Body: u8 version = 1, u8 length of the
 * name, name, then position, base, delivered, dead_lettered, not_for_outlet, damaged as u64. */
#include "journal/internal.h"

#include <assert.h>

#include "base/little.h"

#define CURSOR_VERSION 1

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

    for (size_t i = 0; i < journal->cursors_count; i++)
        if (journal->cursors[i].stored.position < least)
            least = journal->cursors[i].stored.position;
    return least == UINT64_MAX ? atomic_load(&journal->durable) : least;
}

size_t cursor_encode(const char *outlet, const struct journal_cursor *cursor, char out[CURSOR_BODY_MAX])
{
    size_t length = strlen(outlet);
    const uint64_t values[6] = {cursor->position, cursor->base, cursor->delivered, cursor->dead_lettered,
        cursor->not_for_outlet, cursor->damaged};

    out[0] = CURSOR_VERSION;
    out[1] = (char)length;
    memcpy(out + 2, outlet, length);
    for (size_t i = 0; i < 6; i++)
        put_u64(out + 2 + length + i * 8, values[i]);
    return 2 + length + sizeof values;
}

/* A cursor that belongs to no outlet of this configuration is kept in the list all the same: journal_open() refuses to
 * start then, because its segments could never be freed rightly. */
static struct cursor *cursor_make(struct journal *journal, const char *name, size_t length)
{
    char outlet[JOURNAL_OUTLET_NAME_MAX + 1] = {0};

    memcpy(outlet, name, length);
    struct cursor *cursor = cursor_find(journal, outlet);
    if (cursor || journal->cursors_count == JOURNAL_OUTLETS_MAX)
        return cursor;
    cursor = &journal->cursors[journal->cursors_count++];
    memcpy(cursor->outlet, outlet, sizeof outlet);
    return cursor;
}

int cursor_apply(void *state, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    const char *in = body;
    size_t name = length >= 2 ? (unsigned char)in[1] : 0;

    (void)sequence;
    if (length < 2 || in[0] != CURSOR_VERSION || name == 0 || name > JOURNAL_OUTLET_NAME_MAX ||
        length != 2 + name + 6 * 8)
        return error_set(error, ERROR_REJECT, "cursor of %zu bytes: not a cursor of version 1", length);
    struct cursor *cursor = cursor_make(state, in + 2, name);
    if (!cursor)
        return error_set(
            error, ERROR_REJECT, "cursor %.*s: more than %d outlets", (int)name, in + 2, JOURNAL_OUTLETS_MAX);
    const char *at = in + 2 + name;
    struct journal_cursor stored = {
        get_u64(at), get_u64(at + 8), get_u64(at + 16), get_u64(at + 24), get_u64(at + 32), get_u64(at + 40)};
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
        if (emit(context, body, length, error))
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

void journal_cursor_move(struct journal *journal, const char *outlet, const struct journal_cursor *wanted)
{
    assert(wanted->position == wanted->base + wanted->delivered + wanted->dead_lettered +
                                   wanted->not_for_outlet + wanted->damaged);
    lock_take(journal);
    struct cursor *cursor = cursor_find(journal, outlet);
    assert(cursor && wanted->position >= cursor->wanted.position);
    assert(wanted->position <= atomic_load(&journal->durable));
    cursor->wanted = *wanted;
    cursor->dirty = true;
    if (journal->idle)
        pthread_cond_signal(&journal->work);
    lock_release(journal);
}
