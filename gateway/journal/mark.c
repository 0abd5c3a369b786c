/* mark: names and positions that outlets keep beside their cursors (STATE_MARK); see journal.h. Body: u8 version = 1,
 * u8 length of the outlet's name, that name, u64 position, then the mark's name up to the end.
 *
 * Each cursor has a table of its marks, found by name through a hash with a random seed: names come from strangers' keys. */
#include "journal/internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/fnv.h"
#include "base/little.h"

#define MARK_VERSION 1
#define MARKS_FIRST 16 /* a table starts with this many; a power of two */

/* ---- the table ----------------------------------------------------------------------------------------------- */

static uint64_t mark_hash(const struct mark_table *table, const char *name)
{
    const uint64_t hash = fnv_add(table->seed ^ FNV_EMPTY, name, strlen(name));

    return hash ^ hash >> 32;
}

/* The slot that holds name, or the free one where it belongs. Half of the slots are free at least. */
static uint32_t *mark_slot(const struct mark_table *table, const char *name)
{
    const size_t mask = 2 * table->capacity - 1;
    size_t at = mark_hash(table, name) & mask;

    while (table->slots[at] && strcmp(table->items[table->slots[at] - 1].name, name) != 0)
        at = (at + 1) & mask;
    return &table->slots[at];
}

static struct mark *mark_find(const struct mark_table *table, const char *name)
{
    const uint32_t *slot = table->count ? mark_slot(table, name) : NULL;

    return slot && *slot ? &table->items[*slot - 1] : NULL;
}

static int mark_table_reserve(struct mark_table *table, size_t more, struct error *error)
{
    size_t capacity = table->capacity ? table->capacity : MARKS_FIRST;

    while (capacity < table->count + more)
        capacity *= 2;
    if (capacity == table->capacity)
        return 0;
    struct mark *items = realloc(table->items, capacity * sizeof *items);
    table->items = items ? items : table->items;
    uint32_t *slots = calloc(2 * capacity, sizeof *slots);
    if (!items || !slots) { /* GCOVR_EXCL_START: memory is gone */
        free(slots);
        return error_set(error, ERROR_RETRY, "marks: out of memory");
    } /* GCOVR_EXCL_STOP */
    free(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    table->seed = table->seed ? table->seed : journal_random();
    for (uint32_t i = 0; i < table->count; i++)
        *mark_slot(table, table->items[i].name) = i + 1;
    return 0;
}

/* Found or added; there is room for it. */
static struct mark *mark_make(struct journal *journal, struct mark_table *table, const char *name)
{
    struct mark *mark = mark_find(table, name);

    if (mark)
        return mark;
    assert(table->count < table->capacity);
    mark = &table->items[table->count];
    *mark = (struct mark){.stored = JOURNAL_MARK_FREE, .wanted = JOURNAL_MARK_FREE};
    memcpy(mark->name, name, strlen(name) + 1);
    *mark_slot(table, name) = (uint32_t)++table->count;
    journal->marks_count++;
    return mark;
}

void mark_table_settle(struct mark_table *table)
{
    table->least = JOURNAL_MARK_FREE;
    for (size_t i = 0; i < table->count; i++)
        if (table->items[i].stored < table->least)
            table->least = table->items[i].stored;
}

void mark_table_free(struct journal *journal, struct mark_table *table)
{
    journal->marks_count -= table->count;
    free(table->items);
    free(table->slots);
    *table = (struct mark_table){0};
}

/* ---- the stored form ----------------------------------------------------------------------------------------- */

size_t mark_encode(const char *outlet, const struct journal_mark *mark, char out[MARK_BODY_MAX])
{
    const size_t outlet_length = strlen(outlet);
    const size_t name_length = strlen(mark->name);

    out[0] = MARK_VERSION;
    out[1] = (char)outlet_length;
    memcpy(out + 2, outlet, outlet_length);
    put_u64(out + 2 + outlet_length, mark->position);
    memcpy(out + 2 + outlet_length + 8, mark->name, name_length);
    return 2 + outlet_length + 8 + name_length;
}

/* The newest frame of a name counts, in the order of the log: positions may go back (from free to held). */
int mark_apply(struct journal *journal, const void *body, size_t length, struct error *error)
{
    const char *in = body;
    const size_t outlet = length >= 2 ? (unsigned char)in[1] : 0;
    const size_t before = 2 + outlet + 8;
    char name[JOURNAL_MARK_NAME_MAX + 1] = {0};

    if (length < 2 || in[0] != MARK_VERSION || outlet == 0 || outlet > JOURNAL_OUTLET_NAME_MAX ||
        length <= before || length - before > JOURNAL_MARK_NAME_MAX ||
        memchr(in + before, '\0', length - before))
        return error_set(error, ERROR_REJECT, "mark of %zu bytes: not a mark of version 1", length);
    struct cursor *cursor = cursor_make(journal, in + 2, outlet);
    if (!cursor)
        return error_set(error, ERROR_REJECT, "mark of %.*s: more than %d outlets", (int)outlet, in + 2,
            JOURNAL_OUTLETS_MAX);
    if (mark_table_reserve(&cursor->marks, 1, error))
        return -1; /* GCOVR_EXCL_LINE: memory is gone */
    memcpy(name, in + before, length - before);
    struct mark *mark = mark_make(journal, &cursor->marks, name);
    mark->stored = mark->wanted = get_u64(in + 2 + outlet);
    mark->known = true;
    return 0;
}

/* A copy: outlets add marks meanwhile, and the table moves. */
static bool mark_copy(struct journal *journal, size_t cursor, size_t index, struct journal_mark *ret_mark)
{
    lock_take(journal);
    const struct mark *mark = &journal->cursors[cursor].marks.items[index];
    const bool known = mark->known;
    memcpy(ret_mark->name, mark->name, sizeof ret_mark->name);
    ret_mark->position = mark->stored;
    lock_release(journal);
    return known;
}

static size_t mark_count(struct journal *journal, size_t cursor)
{
    lock_take(journal);
    size_t count = journal->cursors[cursor].marks.count;
    lock_release(journal);
    return count;
}

int mark_dump(struct journal *journal, state_emit_fn *emit, void *context, struct error *error)
{
    char body[MARK_BODY_MAX];
    struct journal_mark mark;

    for (size_t i = 0; i < journal->cursors_count; i++) {
        const size_t count = mark_count(journal, i);
        for (size_t k = 0; k < count; k++) {
            if (mark_copy(journal, i, k, &mark) &&
                emit(context, body, mark_encode(journal->cursors[i].outlet, &mark, body), error))
                return -1;
        }
    }
    return 0;
}

/* ---- what outlets call --------------------------------------------------------------------------------------- */

size_t journal_marks_max(uint64_t segment_size)
{
    return (size_t)(segment_size / JOURNAL_STATE_SHARE * 3 / 8 / frame_size(MARK_BODY_MAX));
}

void journal_marks(struct journal *journal, const char *outlet, journal_mark_fn *visit, void *context)
{
    lock_take(journal);
    const struct cursor *cursor = cursor_find(journal, outlet);
    assert(cursor);
    lock_release(journal);
    const size_t index = (size_t)(cursor - journal->cursors);
    const size_t count = mark_count(journal, index);
    for (size_t i = 0; i < count; i++) {
        struct journal_mark mark;
        if (mark_copy(journal, index, i, &mark))
            visit(context, &mark);
    }
}

/* Whether these may wait for the next group too; makes room for new names. @holds lock */
static int mark_reserve(struct journal *journal, struct cursor *cursor, const struct journal_mark *marks,
    size_t count, struct error *error)
{
    size_t unwritten = journal->marks_waiting + journal->marks_flying;
    size_t all = journal->marks_count;

    for (size_t i = 0; i < count; i++) {
        const size_t length = strnlen(marks[i].name, sizeof marks[i].name);
        assert(length > 0 && length <= JOURNAL_MARK_NAME_MAX);
        const struct mark *mark = mark_find(&cursor->marks, marks[i].name);
        all += !mark;
        unwritten += !mark || !mark->waiting;
    }
    if (all > journal_marks_max(journal->options.segment_size))
        return error_set(error, ERROR_REJECT,
            "journal: outlet %s wants more than %zu names (journal.segment_size %llu): raise it, or use fewer",
            cursor->outlet, journal_marks_max(journal->options.segment_size),
            (unsigned long long)journal->options.segment_size);
    if (unwritten > JOURNAL_MARKS_UNWRITTEN)
        return error_set(error, ERROR_RETRY, "journal: outlet %s: %d marks wait for their group",
            cursor->outlet, JOURNAL_MARKS_UNWRITTEN);
    return mark_table_reserve(&cursor->marks, count, error);
}

/* @holds lock */
static void mark_want(struct journal *journal, struct cursor *cursor, const struct journal_mark *wanted)
{
    struct mark *mark = mark_make(journal, &cursor->marks, wanted->name);

    assert(mark->wanted == JOURNAL_MARK_FREE || wanted->position >= mark->wanted);
    assert(wanted->position >= JOURNAL_MARK_ELSEWHERE || wanted->position <= atomic_load(&journal->durable));
    mark->wanted = wanted->position;
    if (mark->waiting)
        return;
    mark->waiting = true;
    journal->waiting_marks[journal->marks_waiting++] =
        (struct mark_place){(size_t)(cursor - journal->cursors), (size_t)(mark - cursor->marks.items)};
}

int journal_cursor_move_marked(struct journal *journal, const char *outlet,
    const struct journal_cursor *wanted, const struct journal_mark *marks, size_t count, struct error *error)
{
    assert(count <= JOURNAL_MARKS_UNWRITTEN);
    lock_take(journal);
    struct cursor *cursor = cursor_find(journal, outlet);
    assert(cursor);
    int result = mark_reserve(journal, cursor, marks, count, error);
    if (!result) {
        for (size_t i = 0; i < count; i++)
            mark_want(journal, cursor, &marks[i]);
        cursor_want(journal, cursor, wanted);
    }
    lock_release(journal);
    return result;
}
