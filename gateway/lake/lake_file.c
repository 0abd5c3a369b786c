/* lake_file: one open file of the lake; see lake_internal.h */
#include "lake/lake_internal.h"

#include <stdlib.h>
#include <string.h>

#include "lake/convert.h"

#define LAKE_BUFFERS_MAX ((size_t)16 * 1024 * 1024) /* of all open files together, */
#define LAKE_BUFFER_SHARE 16 /* of which a file may have this part of what the others have left, */
#define LAKE_BUFFER_LEAST ((size_t)2 * 1024) /* but never less than this, */
#define LAKE_BUFFER_MOST ((size_t)128 * 1024) /* and not more */
#define LAKE_BLOCK 4096 /* of file systems: a write that ends within one is dearer */
#define LAKE_LARGE_ROW_KEEP (1024 * 1024) /* larger memory is given back at once */

void lake_file_free(struct lake *lake, struct lake_file *file)
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

/* When the file is due by its age or its silence. */
int64_t lake_file_due(const struct lake *lake, const struct lake_file *file)
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

int lake_file_open(struct lake *lake, struct place *place, const struct lake_row *row, struct error *error)
{
    struct lake_file *file = calloc(1, sizeof *file);

    if (!file)
        return error_set(error, ERROR_RETRY, "lake: open file: out of memory");
    *file = (struct lake_file){.older = lake->newest,
        .place = place,
        .form = lake->form,
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

struct format_row lake_parts(const struct lake *lake, const struct lake_row *row)
{
    return (struct format_row){row->key, row->time, lake->kept, row->sequence, row->received};
}

int lake_file_write(
    struct lake *lake, struct lake_file *file, const struct lake_row *row, struct error *error)
{
    const struct format_row parts = lake_parts(lake, row);
    size_t most = file->form.format->most(&parts);
    struct bytes *out = most > file->buffer.limit ? &lake->large_row : &file->buffer;

    if (lake_file_make_room(lake, file, most, error))
        return -1;
    size_t before = out->length;
    if (file->form.format->row(&parts, out, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
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

/* The file as the store is to have it, which is the store's then, whatever comes of it. */
static int lake_file_finish(
    struct lake *lake, struct lake_file *file, struct store_file **ret_store, struct error *error)
{
    const struct convert convert = {lake->kind, lake->store, file->form.shape, lake->options.gateway_id,
        file->epoch, file->store, bytes_slice(&file->buffer)};

    if (file->form.shape)
        return convert_frames(&convert, ret_store, error);
    if (lake_file_flush(lake, file, error))
        return -1;
    *ret_store = file->store;
    file->store = NULL;
    return 0;
}

static const char *lake_file_extension(const struct lake *lake, const struct lake_file *file)
{
    const char *own = lake->options.json_extension;

    if (file->form.shape)
        return row_shape_extension(file->form.shape);
    return own && file->form.format == format_of(RECORD_FORMAT_JSON) ? own : file->form.format->extension;
}

/* What the store is to be told. */
int lake_file_present(
    struct lake *lake, struct lake_file *file, struct store_publication *publication, struct error *error)
{
    struct file_name name = {
        .stream = slice_of(file->place->stream),
        .gateway_id = slice_of(lake->options.gateway_id),
        .epoch = file->epoch,
        .first = file->first,
        .last = file->last,
        .extension = slice_of(lake_file_extension(lake, file)),
    };

    file_name_compose(&name, publication->name);
    publication->path = file->place->path;
    return lake_file_finish(lake, file, &publication->file, error);
}
