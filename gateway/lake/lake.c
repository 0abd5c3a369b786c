/* lake: see lake.h; the files that are open, and the rules by which they are published */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lake/lake_internal.h"

int lake_check_form(
    const char *stream, enum record_format format, const struct form *form, struct error *error)
{
    __attribute__((cleanup(row_shape_free))) struct row_shape *shape = NULL;

    return row_shape_new(&shape, stream, format, form, error) || row_shape_check(shape, error) ? -1 : 0;
}

void lake_raise_descriptors(uint64_t files)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max - limit.rlim_cur < files ? limit.rlim_max : limit.rlim_cur + files;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- opening and closing ---------------------------------------------------------------------------------- */

void lake_close(struct lake **lake)
{
    if (!*lake)
        return;
    while ((*lake)->oldest)
        lake_file_free(*lake, (*lake)->oldest);
    places_free(&(*lake)->places);
    shapes_free(&(*lake)->shapes);
    (*lake)->kind->close(&(*lake)->store);
    bytes_free(&(*lake)->large_row);
    free(*lake);
    *lake = NULL;
}

int lake_open_store(struct lake **ret_lake, const struct lake_options *options, const struct store_kind *kind,
    struct error *error)
{
    const bool partition = file_name_is_partition(slice_of(options->gateway_id));

    if (!partition && file_name_check(slice_of(options->gateway_id), "gateway.id", error)) {
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
    lake->places.topics = partition;
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

    if (place->file &&
        (place->file->epoch != row->epoch || place->file->form.format != lake->form.format ||
            place->file->form.shape != lake->form.shape) &&
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

/* Whether it can be stored at all. */
static int lake_check_row(struct lake *lake, const struct lake_row *row, struct error *error)
{
    struct lake_form form = {format_of(row->format), NULL};

    if (row->rendering) {
        form.format = &format_frames;
        if (shapes_get(&lake->shapes, row->rendering, &form.shape, error))
            return -1; /* GCOVR_EXCL_LINE out of memory */
    }
    lake->form = form;
    lake->kept = row->payload;
    if (form.shape && row->payload.length <= LAKE_LARGE_ROW_MAX &&
        row_check(form.shape, row->payload, &lake->kept, error))
        return -1;
    const struct format_row parts = lake_parts(lake, row);
    if (form.format->most(&parts) > LAKE_LARGE_ROW_MAX)
        return error_set(error, ERROR_REJECT, "row of a payload of %zu bytes: more than %d bytes",
            row->payload.length, LAKE_LARGE_ROW_MAX);
    if (lake->kind->path_most && row->path.length > lake->kind->path_most)
        return error_set(error, ERROR_REJECT, "path of %zu bytes: the store takes %zu", row->path.length,
            lake->kind->path_most);
    return 0;
}

int lake_append(struct lake *lake, const struct lake_row *row, uint64_t replay_until, bool *ret_there,
    struct error *error)
{
    struct place *place;

    assert(row->sequence > lake->sequence);
    if (lake_check_open(lake, error))
        return -1;
    if (lake_check_row(lake, row, error))
        return error->kind == ERROR_REJECT ? -1 : lake_result(lake, -1);
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
