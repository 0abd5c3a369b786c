/* lake: see lake.h; the files that are open, and the rules by which they are published */
#include "lake/lake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lake/file_name.h"
#include "lake/format.h"
#include "lake/listing.h"
#include "lake/places.h"
#include "lake/store.h"

#define LAKE_BUFFERS_MAX ((size_t)16 * 1024 * 1024) /* of all open files together, */
#define LAKE_BUFFER_SHARE 16 /* of which a file may have this part of what the others have left, */
#define LAKE_BUFFER_LEAST ((size_t)2 * 1024) /* but never less than this, */
#define LAKE_BUFFER_MOST ((size_t)128 * 1024) /* and not more */
#define LAKE_BLOCK 4096 /* of file systems: a write that ends within one is dearer */
#define LAKE_LARGE_ROW_MAX (384 * 1024 * 1024) /* beyond any record that a journal takes, also in base64 */
#define LAKE_LARGE_ROW_KEEP (1024 * 1024) /* larger memory is given back at once */

struct lake_file {
    struct lake_file *older, *newer;
    struct place *place;
    struct store_file *store; /* NULL until the buffer was full once: quiet paths need no descriptor */
    const struct format *format;
    uint32_t epoch;
    uint64_t first, last; /* positions */
    uint64_t records, bytes;
    int64_t received; /* of the first record */
    int64_t opened, touched; /* monotonic */
    struct bytes buffer; /* not written yet */
};

struct lake {
    struct lake_options options;
    const struct store_kind *kind;
    struct store *store;
    struct places places;
    struct lake_file *oldest, *newest; /* by first position, which is by age too */
    uint64_t open_files, published;
    uint64_t sequence; /* of the last row */
    int64_t due; /* nothing is due earlier; may be too early */
    bool listings; /* some place may have one */
    bool failed; /* to be closed */
    size_t buffers; /* ceilings of all open files' */
    struct bytes large_row; /* rows that no buffer holds */
};

/* ---- opening and closing ---------------------------------------------------------------------------------- */

static void lake_file_free(struct lake *lake, struct lake_file *file)
{
    *(file->older ? &file->older->newer : &lake->oldest) = file->newer;
    *(file->newer ? &file->newer->older : &lake->newest) = file->older;
    lake->open_files--;
    lake->buffers -= file->buffer.limit;
    places_closed(&lake->places, file->place);
    lake->kind->abort(&file->store);
    bytes_free(&file->buffer);
    free(file);
}

void lake_close(struct lake **lake)
{
    if (!*lake)
        return;
    while ((*lake)->oldest)
        lake_file_free(*lake, (*lake)->oldest);
    places_free(&(*lake)->places);
    (*lake)->kind->close(&(*lake)->store);
    bytes_free(&(*lake)->large_row);
    free(*lake);
    *lake = NULL;
}

int lake_open_store(struct lake **ret_lake, const struct lake_options *options, const struct store_kind *kind,
    struct error *error)
{
    if (file_name_check(slice_of(options->gateway_id), "gateway.id", error)) {
        error->kind = ERROR_FATAL;
        return -1;
    }
    __attribute__((cleanup(lake_close))) struct lake *lake = calloc(1, sizeof *lake);
    if (!lake)
        return error_set(error, ERROR_RETRY, "lake %s: out of memory", options->root);
    lake->options = *options;
    lake->kind = kind;
    lake->due = INT64_MAX;
    bytes_init(&lake->large_row, LAKE_LARGE_ROW_MAX);
    if (lake->options.max_open_files == 0)
        lake->options.max_open_files = 1;
    if (places_init(&lake->places, lake->options.max_open_files, error))
        return -1;
    if (kind->open(&lake->store, &lake->options, error))
        return -1;
    *ret_lake = lake;
    lake = NULL;
    return 0;
}

int lake_open(struct lake **ret_lake, const struct lake_options *options, struct error *error)
{
    const struct store_kind *kind = store_of(options->root);

    return kind ? lake_open_store(ret_lake, options, kind, error)
                : error_set(error, ERROR_FATAL, "lake %s: no such store", options->root);
}

/* ---- one file --------------------------------------------------------------------------------------------- */

/* When the file is due by its age or its silence. */
static int64_t lake_file_due(const struct lake *lake, const struct lake_file *file)
{
    int64_t every = INT64_MAX;
    int64_t idle = INT64_MAX;

    if (lake->options.roll_every > 0 &&
        __builtin_add_overflow(file->opened, lake->options.roll_every, &every))
        every = INT64_MAX;
    if (lake->options.roll_idle > 0 && __builtin_add_overflow(file->touched, lake->options.roll_idle, &idle))
        idle = INT64_MAX;
    return every < idle ? every : idle;
}

static size_t lake_buffer_size(const struct lake *lake)
{
    const size_t left = lake->buffers < LAKE_BUFFERS_MAX ? LAKE_BUFFERS_MAX - lake->buffers : 0;
    const size_t share = left / LAKE_BUFFER_SHARE;

    if (share > LAKE_BUFFER_MOST)
        return LAKE_BUFFER_MOST;
    return share < LAKE_BUFFER_LEAST ? LAKE_BUFFER_LEAST : share;
}

static int lake_file_open(
    struct lake *lake, struct place *place, const struct lake_row *row, struct error *error)
{
    struct lake_file *file = calloc(1, sizeof *file);

    if (!file)
        return error_set(error, ERROR_RETRY, "lake: open file: out of memory");
    *file = (struct lake_file){.older = lake->newest,
        .place = place,
        .format = format_of(row->format),
        .epoch = row->epoch,
        .first = row->sequence,
        .received = row->received};
    bytes_init(&file->buffer, lake_buffer_size(lake));
    lake->buffers += file->buffer.limit;
    file->opened = file->touched = clock_monotonic(lake->options.clock);
    *(lake->newest ? &lake->newest->newer : &lake->oldest) = file;
    lake->newest = file;
    lake->open_files++;
    places_opened(&lake->places, place, file);
    int64_t due = lake_file_due(lake, file);
    lake->due = due < lake->due ? due : lake->due;
    return 0;
}

static int lake_file_store(struct lake *lake, struct lake_file *file, struct slice data, struct error *error)
{
    if (data.length == 0)
        return 0;
    if (!file->store && lake->kind->create(lake->store, &file->store, error))
        return -1;
    return lake->kind->write(file->store, data.data, data.length, error);
}

static int lake_file_flush(struct lake *lake, struct lake_file *file, struct error *error)
{
    if (lake_file_store(lake, file, bytes_slice(&file->buffer), error))
        return -1;
    bytes_clear(&file->buffer);
    return 0;
}

/* Makes room for so many bytes: by whole blocks, where the rest leaves it. */
static int lake_file_make_room(struct lake *lake, struct lake_file *file, size_t most, struct error *error)
{
    struct bytes *buffer = &file->buffer;
    const size_t rest = file->bytes % LAKE_BLOCK;

    if (buffer->length + most <= buffer->limit)
        return 0;
    if (rest >= buffer->length || rest + most > buffer->limit)
        return lake_file_flush(lake, file, error);
    const struct slice blocks = {buffer->data, buffer->length - rest};
    if (lake_file_store(lake, file, blocks, error))
        return -1;
    memmove(buffer->data, buffer->data + blocks.length, rest);
    buffer->length = rest;
    return 0;
}

static int lake_file_write(
    struct lake *lake, struct lake_file *file, const struct lake_row *row, struct error *error)
{
    const struct format_row parts = {row->key, row->time, row->payload};
    size_t most = file->format->most(&parts);
    struct bytes *out = most > file->buffer.limit ? &lake->large_row : &file->buffer;

    if (lake_file_make_room(lake, file, most, error))
        return -1;
    size_t before = out->length;
    if (file->format->row(&parts, out, error))
        return -1;
    file->bytes += out->length - before;
    file->records++;
    file->last = row->sequence;
    if (lake->options.roll_idle > 0)
        file->touched = clock_monotonic(lake->options.clock);
    if (out != &lake->large_row)
        return 0;
    int result = lake_file_store(lake, file, bytes_slice(out), error);
    bytes_clear(out);
    if (out->capacity > LAKE_LARGE_ROW_KEEP)
        bytes_free(out);
    return result;
}

/* What the store is to be told. */
static int lake_file_present(
    struct lake *lake, struct lake_file *file, struct store_publication *publication, struct error *error)
{
    struct file_name name = {
        .stream = slice_of(file->place->stream),
        .gateway_id = slice_of(lake->options.gateway_id),
        .epoch = file->epoch,
        .first = file->first,
        .last = file->last,
        .extension = slice_of(file->format->extension),
    };

    if (lake_file_flush(lake, file, error))
        return -1;
    file_name_compose(&name, publication->name);
    publication->path = file->place->path;
    publication->file = file->store;
    file->store = NULL; /* the store's now, whatever comes of it */
    return 0;
}

/* Files of different places, at most STORE_PUBLISH_MOST. On failure they stay among the open ones, so that lake_oldest() goes
 * on to say what is not published. */
static int lake_publish(struct lake *lake, struct lake_file **files, size_t count, struct error *error)
{
    struct store_publication publications[STORE_PUBLISH_MOST];
    size_t ready = 0;

    while (ready < count && lake_file_present(lake, files[ready], &publications[ready], error) == 0)
        ready++;
    if (ready < count) {
        while (ready > 0)
            lake->kind->abort(&publications[--ready].file);
        return -1;
    }
    if (lake->kind->publish(lake->store, publications, count, error))
        return -1;
    for (size_t i = 0; i < count; i++)
        lake_file_free(lake, files[i]);
    lake->published += count;
    return 0;
}

static int lake_file_publish(struct lake *lake, struct lake_file *file, struct error *error)
{
    return lake_publish(lake, &file, 1, error);
}

/* ---- rows ------------------------------------------------------------------------------------------------- */

struct lake_list {
    struct lake *lake;
    struct place *place;
};

static int lake_list_name(void *context, const char *name, struct error *error)
{
    struct lake_list *list = context;

    return listing_add(&list->place->listing, slice_of(name), slice_of(list->place->stream),
        slice_of(list->lake->options.gateway_id), error);
}

/* Whether the row stands in a published file. The open file of the place ends before each listed range, so that no
 * two ranges of a path ever overlap. */
static int lake_replay(
    struct lake *lake, struct place *place, const struct lake_row *row, bool *ret_there, struct error *error)
{
    struct listing *listing = &place->listing;

    for (;;) {
        if (listing_is_stale(listing, row->epoch)) {
            struct lake_list list = {lake, place};
            lake->listings = true;
            listing_start(listing, row->epoch, row->sequence);
            if (lake->kind->list(lake->store, place->path, lake_list_name, &list, error))
                return -1;
        }
        const struct listing_range *range = listing_next(listing, row->sequence);
        if (!range)
            return 0;
        if (place->file && lake_file_publish(lake, place->file, error))
            return -1;
        if (row->sequence <= range->last) {
            *ret_there = true;
            return 0;
        }
        listing_pass(listing);
    }
}

static bool lake_file_is_full(const struct lake *lake, const struct lake_file *file)
{
    const struct lake_options *options = &lake->options;

    return (options->roll_size > 0 && file->bytes >= options->roll_size) ||
           (options->roll_records > 0 && file->records >= options->roll_records);
}

/* Where files wait in a room of their own, and that gets short, the oldest wait no longer. */
static int lake_relieve(struct lake *lake, struct error *error)
{
    while (lake->kind->tight && lake->oldest && lake->kind->tight(lake->store))
        if (lake_file_publish(lake, lake->oldest, error))
            return -1;
    return 0;
}

static int lake_place_row(
    struct lake *lake, struct place *place, const struct lake_row *row, struct error *error)
{
    if (place->file && place->file->buffer.length + row->payload.length > place->file->buffer.limit &&
        lake_relieve(lake, error))
        return -1;
    if (!place->file && lake->open_files >= lake->options.max_open_files &&
        lake_file_publish(lake, lake->oldest, error))
        return -1;
    if (!place->file && lake_file_open(lake, place, row, error))
        return -1;
    if (lake_file_write(lake, place->file, row, error))
        return -1;
    if (lake_file_is_full(lake, place->file))
        return lake_file_publish(lake, place->file, error);
    return 0;
}

static int lake_add(struct lake *lake, struct place *place, const struct lake_row *row, uint64_t replay_until,
    bool *ret_there, struct error *error)
{
    bool there = false;

    if (place->file && (place->file->epoch != row->epoch || place->file->format != format_of(row->format)) &&
        lake_file_publish(lake, place->file, error))
        return -1;
    if (row->sequence <= replay_until && lake_replay(lake, place, row, &there, error))
        return -1;
    if (!there && lake_place_row(lake, place, row, error))
        return -1;
    *ret_there = there;
    return 0;
}

/* After a failure nobody knows what the store has: everything open is given up. */
static int lake_result(struct lake *lake, int result)
{
    if (result)
        lake->failed = true;
    return result;
}

static int lake_check_open(const struct lake *lake, struct error *error)
{
    return lake->failed ? error_set(error, ERROR_RETRY, "lake %s: failed before; to be opened again",
                              lake->options.root)
                        : 0;
}

int lake_append(struct lake *lake, const struct lake_row *row, uint64_t replay_until, bool *ret_there,
    struct error *error)
{
    struct place *place;

    assert(row->sequence > lake->sequence);
    if (lake_check_open(lake, error))
        return -1;
    if (format_of(row->format)->most(&(struct format_row){row->key, row->time, row->payload}) >
        LAKE_LARGE_ROW_MAX)
        return error_set(error, ERROR_REJECT, "row of a payload of %zu bytes: more than %d bytes",
            row->payload.length, LAKE_LARGE_ROW_MAX);
    if (lake->kind->path_most && row->path.length > lake->kind->path_most)
        return error_set(error, ERROR_REJECT, "path of %zu bytes: the store takes %zu", row->path.length,
            lake->kind->path_most);
    if (row->sequence > replay_until && lake->listings) {
        places_forget_listings(&lake->places);
        lake->listings = false;
    }
    if (places_get(&lake->places, row->path, row->stream, &place, error))
        return error->kind == ERROR_REJECT ? -1 : lake_result(lake, -1);
    lake->sequence = row->sequence;
    return lake_result(lake, lake_add(lake, place, row, replay_until, ret_there, error));
}

/* ---- rolling ---------------------------------------------------------------------------------------------- */

/* The next ones that are due, from *next on, which is moved. */
static size_t lake_roll_pick(struct lake *lake, bool all, int64_t now, struct lake_file **next,
    struct lake_file *files[static STORE_PUBLISH_MOST])
{
    size_t count = 0;

    for (; *next && count < lake->kind->publish_most; *next = (*next)->newer) {
        const int64_t due = lake_file_due(lake, *next);
        if (all || due <= now)
            files[count++] = *next;
        else if (due < lake->due)
            lake->due = due;
    }
    return count;
}

int lake_roll(struct lake *lake, bool all, struct error *error)
{
    struct lake_file *files[STORE_PUBLISH_MOST];
    struct lake_file *next = lake->oldest;
    int64_t now = clock_monotonic(lake->options.clock);

    if (lake_check_open(lake, error))
        return -1;
    if (!all && now < lake->due)
        return 0;
    lake->due = INT64_MAX;
    for (size_t count; (count = lake_roll_pick(lake, all, now, &next, files)) > 0;)
        if (lake_publish(lake, files, count, error))
            return lake_result(lake, -1);
    return 0;
}

int lake_roll_oldest(struct lake *lake, bool several, struct error *error)
{
    struct lake_file *files[STORE_PUBLISH_MOST];
    const size_t most = several ? lake->kind->publish_most : 1;
    size_t count = 0;

    if (lake_check_open(lake, error))
        return -1;
    for (struct lake_file *file = lake->oldest; file && count < most; file = file->newer)
        files[count++] = file;
    return count ? lake_result(lake, lake_publish(lake, files, count, error)) : 0;
}

/* ---- state ------------------------------------------------------------------------------------------------ */

uint64_t lake_oldest(const struct lake *lake)
{
    return lake->oldest ? lake->oldest->first : 0;
}

int64_t lake_oldest_received(const struct lake *lake)
{
    return lake->oldest ? lake->oldest->received : 0;
}

int64_t lake_due(const struct lake *lake)
{
    return lake->due;
}

uint64_t lake_open_files(const struct lake *lake)
{
    return lake->open_files;
}

uint64_t lake_published(const struct lake *lake)
{
    return lake->published;
}
