/* convert: see convert.h */
#include "lake/convert.h"

#include <stdio.h>
#include <string.h>

#include "lake/file_name.h"
#include "lake/format.h"

#define CONVERT_READ ((size_t)256 * 1024) /* at once, */
#define CONVERT_WRITE ((size_t)256 * 1024) /* as here */
#define CONVERT_BATCH ((size_t)1024 * 1024) /* bytes of payloads in a batch of columns */
#define CONVERT_ID_MAX \
    (FILE_NAME_TOPIC_MAX + 1 + 10 + 1 + 20) /* topic, partition, offset: more than RECORD_ID_MAX */
#define CONVERT_FRAME_MAX ((size_t)1 << 30) /* beyond any that there is */

struct conversion {
    const struct convert *convert;
    struct store_file *file;
    struct bytes out; /* of the file, not written yet */
    struct table_file *writer;
    struct column_batch *batch;
    size_t payloads; /* bytes in the batch */
    char id[CONVERT_ID_MAX + 1]; /* of the present row, */
    size_t id_prefix; /* which begins as all of the file's do, */
    uint64_t id_base; /* and ends with its position, less this */
    uint64_t read; /* of the frames */
    struct bytes window; /* frames of which the first is not complete */
};

static void conversion_end(struct conversion *conversion)
{
    table_file_close(&conversion->writer);
    column_batch_free(&conversion->batch);
    bytes_free(&conversion->out);
    bytes_free(&conversion->window);
    if (conversion->file)
        conversion->convert->kind->abort(&conversion->file);
}

/* ---- out -------------------------------------------------------------------------------------------------- */

static int convert_flush(struct conversion *conversion, struct error *error)
{
    struct bytes *out = &conversion->out;

    if (conversion->convert->kind->write(conversion->file, out->data, out->length, error))
        return -1;
    bytes_clear(out);
    return 0;
}

static int convert_sink(void *context, const void *data, size_t length, struct error *error)
{
    struct conversion *conversion = context;

    if (conversion->out.length + length > CONVERT_WRITE && convert_flush(conversion, error))
        return -1;
    if (length > CONVERT_WRITE)
        return conversion->convert->kind->write(conversion->file, data, length, error);
    return bytes_add(&conversion->out, data, length, error);
}

static int convert_open(struct conversion *conversion, struct error *error)
{
    const struct convert *convert = conversion->convert;
    const struct table_sink sink = {convert_sink, conversion};
    size_t count;
    const struct column_field *fields = row_shape_fields(convert->shape, &count);

    return convert->kind->create(convert->store, &conversion->file, error) ||
                   column_batch_new(&conversion->batch, fields, count, ROW_VALUES_MAX, error) ||
                   table_file_open(
                       &conversion->writer, fields, count, row_shape_options(convert->shape), &sink, error)
               ? -1
               : 0;
}

static int convert_batch(struct conversion *conversion, struct error *error)
{
    if (table_file_add(conversion->writer, conversion->batch, error))
        return -1;
    column_batch_clear(conversion->batch);
    conversion->payloads = 0;
    return 0;
}

static int convert_close(struct conversion *conversion, struct error *error)
{
    return convert_batch(conversion, error) || table_file_finish(conversion->writer, error) ||
                   convert_flush(conversion, error)
               ? -1
               : 0;
}

/* ---- in --------------------------------------------------------------------------------------------------- */

/* As other readers of the record know it: GATEWAY/EPOCH/SEQUENCE, or TOPIC+PARTITION+OFFSET. */
static void convert_start_id(struct conversion *conversion)
{
    const struct convert *convert = conversion->convert;
    const struct slice gateway_id = slice_of(convert->gateway_id);
    const struct record_id none = {convert->gateway_id, convert->epoch, 0};

    if (file_name_is_partition(gateway_id)) {
        conversion->id_prefix =
            (size_t)snprintf(conversion->id, sizeof conversion->id, "%s+", gateway_id.data);
        conversion->id_base = 1; /* inside a lake a position is an offset plus one */
    } else
        conversion->id_prefix = record_id_print(&none, conversion->id) - 1;
}

static struct slice convert_id(struct conversion *conversion, uint64_t sequence)
{
    char digits[20];
    size_t at = sizeof digits;

    for (uint64_t left = sequence - conversion->id_base; at == sizeof digits || left > 0; left /= 10)
        digits[--at] = (char)('0' + left % 10);
    memcpy(conversion->id + conversion->id_prefix, digits + at, sizeof digits - at);
    return (struct slice){conversion->id, conversion->id_prefix + sizeof digits - at};
}

static int convert_row(struct conversion *conversion, const struct format_row *frame, struct error *error)
{
    const struct convert *convert = conversion->convert;
    const struct row row = {.key = frame->key,
        .id = convert_id(conversion, frame->sequence),
        .time = frame->time,
        .received = frame->received,
        .kept = frame->payload};

    if (row_add(convert->shape, &row, conversion->batch, error))
        return -1;
    conversion->payloads += frame->payload.length;
    return conversion->batch->rows == conversion->batch->rows_max || conversion->payloads >= CONVERT_BATCH
               ? convert_batch(conversion, error)
               : 0;
}

/* All whole frames; ret_left: what is behind them. */
static int convert_rows(struct conversion *conversion, struct slice in, size_t *ret_left, struct error *error)
{
    struct format_row frame;

    for (size_t length; (length = format_frame_read(in, &frame)) > 0;) {
        if (convert_row(conversion, &frame, error))
            return -1;
        in = (struct slice){in.data + length, in.length - length};
    }
    *ret_left = in.length;
    return 0;
}

/* The whole frames of the window; what is left moves to its front. */
static int convert_window(struct conversion *conversion, struct error *error)
{
    struct bytes *window = &conversion->window;
    size_t left;

    if (convert_rows(conversion, bytes_slice(window), &left, error))
        return -1;
    memmove(window->data, window->data + window->length - left, left);
    window->length = left;
    return 0;
}

static int convert_stored(struct conversion *conversion, struct error *error)
{
    const struct convert *convert = conversion->convert;
    struct bytes *window = &conversion->window;

    for (size_t count = CONVERT_READ; count == CONVERT_READ;) {
        if (bytes_reserve(window, CONVERT_READ, error) ||
            convert->kind->read(convert->frames, conversion->read, window->data + window->length,
                CONVERT_READ, &count, error))
            return -1;
        conversion->read += count;
        window->length += count;
        if (convert_window(conversion, error))
            return -1;
    }
    /* A frame may have been torn by the buffer. */
    if (bytes_add(window, convert->rest.data, convert->rest.length, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    return convert_window(conversion, error);
}

static int convert_all(struct conversion *conversion, struct error *error)
{
    const struct convert *convert = conversion->convert;
    size_t left;

    convert_start_id(conversion);
    if (convert_open(conversion, error))
        return -1;
    if (convert->frames ? convert_stored(conversion, error)
                        : convert_rows(conversion, convert->rest, &left, error))
        return -1;
    if (convert->frames ? conversion->window.length : left)
        return error_set(error, ERROR_RETRY, "lake: %zu bytes of a temporary file are no row",
            convert->frames ? conversion->window.length : left);
    return convert_close(conversion, error);
}

int convert_frames(const struct convert *convert, struct store_file **ret_file, struct error *error)
{
    __attribute__((cleanup(conversion_end))) struct conversion conversion = {.convert = convert};

    bytes_init(&conversion.out, CONVERT_WRITE);
    bytes_init(&conversion.window, CONVERT_FRAME_MAX);
    if (convert_all(&conversion, error)) {
        error->kind = ERROR_RETRY; /* no row of these is to blame: each was looked at before it was taken */
        return -1;
    }
    *ret_file = conversion.file;
    conversion.file = NULL;
    return 0;
}
