/* rendering_table: all renderings of a journal, sorted by id; see record.h
 *
 * Few (one for each stream and change of its configuration), so a superseded one keeps its memory until the table goes: that
 * is what makes its address safe to hold for an outlet while the committer writes a snapshot without it.
 */
#include "record/rendering_json.h"

#include <pthread.h>
#include <stdlib.h>

/* What one rendering may take in a snapshot; its parts' own limits keep it far below. */
#define RENDERING_JSON_MAX (64 * 1024)

struct rendering_entry {
    struct rendering *rendering; /* owned */
    uint64_t superseded_at; /* last record that may need it; RENDERING_NOT_SUPERSEDED: any may */
};

struct rendering_table {
    pthread_mutex_t lock;
    struct rendering_entry *entries; /* @holds lock, as all below */
    size_t count;
};

int rendering_table_new(struct rendering_table **ret_table, struct error *error)
{
    struct rendering_table *table = calloc(1, sizeof *table);

    if (!table) /* no unit test makes malloc fail */
        return error_set(error, ERROR_RETRY, "rendering table: out of memory"); /* GCOVR_EXCL_LINE */
    pthread_mutex_init(&table->lock, NULL);
    *ret_table = table;
    return 0;
}

void rendering_table_free(struct rendering_table **table)
{
    if (!*table)
        return;
    for (size_t i = 0; i < (*table)->count; i++)
        rendering_free(&(*table)->entries[i].rendering);
    free((*table)->entries);
    pthread_mutex_destroy(&(*table)->lock);
    free(*table);
    *table = NULL;
}

/* Where id stands or would stand. @holds table.lock */
static size_t rendering_place(const struct rendering_table *table, uint32_t id)
{
    size_t low = 0, high = table->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->entries[middle].rendering->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* @holds table.lock */
static const struct rendering *rendering_at(const struct rendering_table *table, size_t place, uint32_t id)
{
    return place < table->count && table->entries[place].rendering->id == id ? table->entries[place].rendering
                                                                             : NULL;
}

const struct rendering *rendering_find(struct rendering_table *table, uint32_t id)
{
    pthread_mutex_lock(&table->lock);
    const struct rendering *found = rendering_at(table, rendering_place(table, id), id);
    pthread_mutex_unlock(&table->lock);
    return found;
}

static bool rendering_texts_equal(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++) {
        if (strcmp(a[i], b[i]) != 0)
            return false;
    }
    return true;
}

static bool rendering_headers_equal(const struct rendering *a, const struct rendering *b)
{
    if (a->headers_count != b->headers_count)
        return false;
    for (size_t i = 0; i < a->headers_count; i++) {
        if (a->headers[i].label != b->headers[i].label || strcmp(a->headers[i].name, b->headers[i].name) != 0)
            return false;
    }
    return true;
}

static bool rendering_equal(const struct rendering *a, const struct rendering *b)
{
    return strcmp(a->stream, b->stream) == 0 && a->format == b->format &&
           strcmp(a->lake_path, b->lake_path) == 0 && a->value == b->value &&
           rendering_texts_equal(a->labels, a->labels_count, b->labels, b->labels_count) &&
           rendering_texts_equal(a->topics, a->topics_count, b->topics, b->topics_count) &&
           rendering_headers_equal(a, b) && form_equal(&a->form, &b->form);
}

uint32_t rendering_find_equal(struct rendering_table *table, const struct rendering *like)
{
    uint32_t id = 0;

    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->count; i++) {
        const struct rendering_entry *entry = &table->entries[i];
        if (entry->superseded_at == RENDERING_NOT_SUPERSEDED && rendering_equal(entry->rendering, like))
            id = entry->rendering->id;
    }
    pthread_mutex_unlock(&table->lock);
    return id;
}

uint32_t rendering_next_id(struct rendering_table *table)
{
    /* The highest id is never superseded, so every snapshot holds it. */
    pthread_mutex_lock(&table->lock);
    uint32_t id = table->count ? table->entries[table->count - 1].rendering->id + 1 : 1;
    pthread_mutex_unlock(&table->lock);
    return id;
}

/* @holds table.lock */
static int rendering_insert(
    struct rendering_table *table, size_t place, struct rendering_entry entry, struct error *error)
{
    struct rendering_entry *entries = reallocarray(table->entries, table->count + 1, sizeof *entries);

    if (!entries)
        return error_set(error, ERROR_RETRY, "rendering table: out of memory"); /* GCOVR_EXCL_LINE as above */
    memmove(entries + place + 1, entries + place, (table->count - place) * sizeof *entries);
    entries[place] = entry;
    table->entries = entries;
    table->count++;
    return 0;
}

/* Takes the rendering over when it is new: it is NULL then. @holds table.lock */
static int rendering_add(
    struct rendering_table *table, struct rendering **rendering, uint64_t superseded_at, struct error *error)
{
    uint32_t id = (*rendering)->id;
    size_t place = rendering_place(table, id);
    struct rendering_entry entry = {*rendering, superseded_at};

    if (rendering_at(table, place, id))
        return 0;
    if (rendering_insert(table, place, entry, error))
        return -1; /* GCOVR_EXCL_LINE as above */
    *rendering = NULL;
    return 0;
}

void rendering_supersede(struct rendering_table *table, const uint32_t *ids, size_t count, uint64_t last)
{
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i + 1 < table->count; i++) { /* the last one holds the highest id */
        struct rendering_entry *entry = &table->entries[i];
        bool needed = entry->superseded_at != RENDERING_NOT_SUPERSEDED;
        for (size_t j = 0; !needed && j < count; j++)
            needed = entry->rendering->id == ids[j];
        if (!needed)
            entry->superseded_at = last;
    }
    pthread_mutex_unlock(&table->lock);
}

int rendering_apply(void *state, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    struct rendering_table *table = state;
    __attribute__((cleanup(rendering_free))) struct rendering *rendering = NULL;
    uint64_t superseded_at;

    (void)sequence;
    if (rendering_json_read(body, length, &rendering, &superseded_at, error))
        return -1;
    pthread_mutex_lock(&table->lock);
    int result = rendering_add(table, &rendering, superseded_at, error);
    pthread_mutex_unlock(&table->lock);
    return result;
}

/* @holds table.lock */
static int rendering_dump_entries(const struct rendering_table *table, uint64_t keep_from,
    rendering_emit_fn *emit, void *context, struct error *error)
{
    cleanup_bytes struct bytes body;

    bytes_init(&body, RENDERING_JSON_MAX);
    for (size_t i = 0; i < table->count; i++) {
        const struct rendering_entry *entry = &table->entries[i];
        if (entry->superseded_at < keep_from)
            continue;
        bytes_clear(&body);
        if (rendering_json_write(entry->rendering, entry->superseded_at, &body, error) ||
            emit(context, body.data, body.length, error))
            return -1;
    }
    return 0;
}

int rendering_dump(
    void *state, uint64_t keep_from, rendering_emit_fn *emit, void *context, struct error *error)
{
    struct rendering_table *table = state;

    pthread_mutex_lock(&table->lock);
    int result = rendering_dump_entries(table, keep_from, emit, context, error);
    pthread_mutex_unlock(&table->lock);
    return result;
}
