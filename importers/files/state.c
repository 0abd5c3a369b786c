/* state: see state.h
 *
 * The image belongs to whoever runs the journal's callbacks: main while it opens, then the committer. */
#include "files/state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/little.h"

#define STATE_VERSION 1
#define FLAG_GONE 1
#define FLAG_INSIDE 2
#define FLAG_WATCH 4
#define FLAG_RENAMED 8
#define FLAG_DONE 16
#define BUCKETS_FIRST 64
#define MIB (UINT64_C(1) << 20)

struct image_file {
    struct image_file *next; /* in its bucket */
    size_t length;
    char body[]; /* as it is stored */
};

struct file_state {
    struct image_file **buckets;
    size_t buckets_count; /* a power of two */
    size_t files;
    uint64_t limit, used; /* bytes of a snapshot */
};

uint64_t file_state_size(size_t path_length)
{
    return FILE_STATE_HEAD + STATE_FRAME_OVERHEAD + path_length;
}

uint64_t file_state_limit(const struct file_state *state)
{
    return state->limit;
}

/* ---- the stored form ------------------------------------------------------------------------------------------- */

int file_state_encode(struct bytes *out, const struct file_record *record, struct error *error)
{
    char head[FILE_STATE_HEAD] = {STATE_VERSION};
    const bool bare = record->gone && !record->watch;

    assert(record->path.length <= FILE_PATH_MAX && record->head.length <= FILE_HEAD_MAX &&
           record->marker.length <= FILE_MARKER_MAX);
    head[1] = (char)((record->gone ? FLAG_GONE : 0) | (record->inside ? FLAG_INSIDE : 0) |
                     (record->watch ? FLAG_WATCH : 0) | (record->renamed ? FLAG_RENAMED : 0) |
                     (record->done ? FLAG_DONE : 0));
    put_u16(head + 2, (uint16_t)(bare ? 0 : record->path.length));
    put_u16(head + 4, (uint16_t)record->head.length);
    head[6] = (char)record->marker.length;
    head[7] = (char)record->within;
    put_u64(head + 8, record->number);
    put_u64(head + 16, record->identity.device);
    put_u64(head + 24, record->identity.inode);
    put_u64(head + 32, (uint64_t)record->identity.born);
    put_u64(head + 40, record->position);
    put_u64(head + 48, record->head.value);
    put_u64(head + 56, record->marker.value);
    if (bytes_add(out, head, sizeof head, error))
        return -1;
    return bare ? 0 : bytes_add(out, record->path.data, record->path.length, error);
}

static int state_decode(const char *body, size_t length, struct file_record *ret_record, struct error *error)
{
    if (length < FILE_STATE_HEAD || body[0] != STATE_VERSION)
        return error_set(error, ERROR_REJECT, "file: not a known form");
    *ret_record = (struct file_record){
        .number = get_u64(body + 8),
        .gone = body[1] & FLAG_GONE,
        .inside = body[1] & FLAG_INSIDE,
        .watch = body[1] & FLAG_WATCH,
        .renamed = body[1] & FLAG_RENAMED,
        .done = body[1] & FLAG_DONE,
        .identity = {get_u64(body + 16), get_u64(body + 24), (int64_t)get_u64(body + 32)},
        .position = get_u64(body + 40),
        .within = (uint8_t)body[7],
        .head = {get_u16(body + 4), get_u64(body + 48)},
        .marker = {(unsigned char)body[6], get_u64(body + 56)},
        .path = {body + FILE_STATE_HEAD, get_u16(body + 2)},
    };
    if (ret_record->path.length != length - FILE_STATE_HEAD || ret_record->path.length > FILE_PATH_MAX ||
        ret_record->head.length > FILE_HEAD_MAX || ret_record->marker.length > FILE_MARKER_MAX ||
        (ret_record->number == 0) != ret_record->watch)
        return error_set(error, ERROR_REJECT, "file: its lengths do not fit");
    return 0;
}

/* ---- the image -------------------------------------------------------------------------------------------------- */

static uint64_t image_number(const struct image_file *file)
{
    return get_u64(file->body + 8);
}

static bool image_is_watch(const struct image_file *file)
{
    return file->body[1] & FLAG_WATCH;
}

static uint64_t image_size(const struct image_file *file)
{
    return file_state_size(file->length - FILE_STATE_HEAD);
}

/* Files by their number; watches, which have none, by their pattern. */
static struct image_file **image_place(const struct file_state *state, const struct file_record *record)
{
    const uint64_t hash =
        record->watch ? fnv_add(FNV_EMPTY, record->path.data, record->path.length) : record->number;
    struct image_file **at = &state->buckets[hash & (state->buckets_count - 1)];

    for (; *at; at = &(*at)->next) {
        if (image_is_watch(*at) != record->watch)
            continue;
        if (record->watch ? slice_equal(record->path, (struct slice){(*at)->body + FILE_STATE_HEAD,
                                                          (*at)->length - FILE_STATE_HEAD})
                          : image_number(*at) == record->number)
            break;
    }
    return at;
}

static void image_drop(struct file_state *state, struct image_file **at)
{
    struct image_file *file = *at;

    if (!file)
        return;
    *at = file->next;
    state->files--;
    state->used -= image_size(file);
    free(file);
}

static void image_link(struct file_state *state, struct image_file *file)
{
    struct file_record record;
    struct error ignored;

    state_decode(file->body, file->length, &record, &ignored); /* it was, before */
    struct image_file **at = image_place(state, &record);
    file->next = NULL;
    *at = file;
}

/* Without memory for more buckets the lists are only longer. */
static void image_grow(struct file_state *state)
{
    const struct file_state old = *state;
    struct image_file **buckets = calloc(2 * old.buckets_count, sizeof *buckets);

    if (!buckets)
        return; /* GCOVR_EXCL_LINE: out of memory */
    state->buckets = buckets;
    state->buckets_count = 2 * old.buckets_count;
    for (size_t i = 0; i < old.buckets_count; i++) {
        struct image_file *file = old.buckets[i];
        while (file) {
            struct image_file *next = file->next;
            image_link(state, file);
            file = next;
        }
    }
    free(old.buckets);
}

static int state_apply(void *context, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    struct file_state *state = context;
    struct file_record record;

    (void)sequence;
    if (state_decode(body, length, &record, error))
        return -1;
    struct image_file *file = record.gone ? NULL : malloc(sizeof *file + length);
    if (!file && !record.gone)
        return error_set(error, ERROR_RETRY, "file: out of memory"); /* GCOVR_EXCL_LINE */
    image_drop(state, image_place(state, &record));
    if (!file)
        return 0;
    file->length = length;
    memcpy(file->body, body, length);
    image_link(state, file);
    state->used += image_size(file);
    if (++state->files > 2 * state->buckets_count)
        image_grow(state);
    return 0;
}

static int state_dump(
    void *context, uint64_t keep_from, state_emit_fn *emit, void *emit_context, struct error *error)
{
    const struct file_state *state = context;

    (void)keep_from;
    for (size_t i = 0; i < state->buckets_count; i++) {
        for (const struct image_file *file = state->buckets[i]; file; file = file->next) {
            if (emit(emit_context, file->body, file->length, error))
                return -1;
        }
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

int file_state_new(struct file_state **ret_state, uint64_t segment_size, struct error *error)
{
    struct file_state *state = calloc(1, sizeof *state);

    if (state)
        state->buckets = calloc(BUCKETS_FIRST, sizeof *state->buckets);
    if (!state || !state->buckets) {
        free(state); /* GCOVR_EXCL_LINE: out of memory */
        return error_set(error, ERROR_RETRY, "state of the files: out of memory"); /* GCOVR_EXCL_LINE */
    }
    state->buckets_count = BUCKETS_FIRST;
    state->limit = segment_size / JOURNAL_STATE_SHARE / FILE_STATE_SHARE;
    *ret_state = state;
    return 0;
}

void file_state_free(struct file_state **state)
{
    if (!*state)
        return;
    for (size_t i = 0; i < (*state)->buckets_count; i++) {
        while ((*state)->buckets[i])
            image_drop(*state, &(*state)->buckets[i]);
    }
    free((*state)->buckets);
    free(*state);
    *state = NULL;
}

struct state_kind file_state_kind(struct file_state *state)
{
    return (struct state_kind){
        .kind = STATE_FILE, .name = "file", .apply = state_apply, .dump = state_dump, .state = state};
}

int file_state_check(const struct file_state *state, struct error *error)
{
    if (state->used <= state->limit)
        return 0;
    const uint64_t least = state->used * JOURNAL_STATE_SHARE * FILE_STATE_SHARE;
    return error_set(error, ERROR_FATAL,
        "%zu files are known, more than segments of this size can hold: set journal.segment_size to at least %" PRIu64
        "MiB",
        state->files, (least + MIB - 1) / MIB);
}

int file_state_visit(
    const struct file_state *state, file_state_visit_fn *visit, void *context, struct error *error)
{
    struct file_record record;

    for (size_t i = 0; i < state->buckets_count; i++) {
        for (const struct image_file *file = state->buckets[i]; file; file = file->next) {
            if (state_decode(file->body, file->length, &record, error) || visit(context, &record, error))
                return -1;
        }
    }
    return 0;
}

static int count_file(void *context, const struct file_record *record, struct error *error)
{
    uint64_t *count = context;

    (void)error;
    *count += !record->watch;
    return 0;
}

uint64_t file_state_count(const struct file_state *state)
{
    uint64_t count = 0;
    struct error ignored;

    (void)file_state_visit(state, count_file, &count, &ignored); /* what is kept was decoded before */
    return count;
}
