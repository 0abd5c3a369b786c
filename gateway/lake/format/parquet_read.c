/* parquet_read: see parquet_read.h. */
#include "lake/format/parquet_read.h"

#include <stdlib.h>

#include "base/little.h"
#include "lake/format/parquet_compact.h"
#include "lake/format/parquet_cursor.h"
#include "lake/format/parquet_schema.h"

#define READ_MAGIC "PAR1"
#define READ_TAIL 8 /* the footer's length and the magic */
#define READ_FOOTER_MAX ((size_t)INT32_MAX)

struct parquet_read {
    const struct table_source *source;
    size_t columns_count;
    struct parquet_cursor *cursors;
    struct bytes packed, footer;
    struct parquet_compact groups; /* those that are not begun yet, in the footer */
    uint64_t groups_left, rows_left; /* rows: of the group */
};

void parquet_read_close(struct parquet_read **read)
{
    struct parquet_read *old = *read;

    if (!old)
        return;
    for (size_t i = 0; old->cursors && i < old->columns_count; i++)
        parquet_cursor_close(&old->cursors[i]);
    free(old->cursors);
    bytes_free(&old->packed);
    bytes_free(&old->footer);
    free(old);
    *read = NULL;
}

/* ---- the footer -------------------------------------------------------------------------------------------------------------- */

static int read_footer(struct parquet_read *read, struct error *error)
{
    const struct table_source *source = read->source;
    char head[sizeof READ_MAGIC - 1], tail[READ_TAIL];

    if (source->length < sizeof head + sizeof tail)
        return parquet_cursor_complain(error);
    const uint64_t end = source->length - sizeof tail;
    if (source->read(source->context, head, sizeof head, 0, error) ||
        source->read(source->context, tail, sizeof tail, end, error))
        return -1;
    const uint32_t length = get_u32(tail);
    if (memcmp(head, READ_MAGIC, sizeof head) != 0 || memcmp(tail + 4, READ_MAGIC, sizeof head) != 0 ||
        length > end)
        return parquet_cursor_complain(error);
    if (bytes_reserve(&read->footer, length + 1, error) ||
        source->read(source->context, read->footer.data, length, end - length, error))
        return -1;
    read->footer.length = length;
    return 0;
}

/* A footer begins with its version and the schema: here are the writer's. */
static int read_schema(
    const struct parquet_read *read, const char *name, struct bytes *schema, struct error *error)
{
    struct parquet_column *columns = calloc(read->columns_count + 1, sizeof *columns);
    struct parquet_thrift thrift;

    if (!columns)
        return error_set(error, ERROR_RETRY, "Parquet file: out of memory"); /* GCOVR_EXCL_LINE */
    for (size_t i = 0; i < read->columns_count; i++) {
        columns[i].field = read->cursors[i].field;
        columns[i].type = read->cursors[i].type;
    }
    parquet_thrift_begin(&thrift, schema, error);
    parquet_thrift_i32(&thrift, 1, 1);
    parquet_schema_put(&thrift, 2, name, columns, read->columns_count);
    free(columns);
    return parquet_thrift_finish(&thrift);
}

static int read_begin(struct parquet_read *read, const char *name, struct error *error)
{
    cleanup_bytes struct bytes schema;
    struct slice footer;
    unsigned type;

    bytes_init(&schema, READ_FOOTER_MAX);
    if (read_footer(read, error) || read_schema(read, name, &schema, error))
        return -1;
    footer = bytes_slice(&read->footer);
    if (footer.length < schema.length || memcmp(footer.data, schema.data, schema.length) != 0)
        return error_set(error, ERROR_REJECT, TABLE_FILE_OTHER_SCHEMA);
    read->groups.left = (struct slice){footer.data + schema.length, footer.length - schema.length};
    for (int id = 2; parquet_compact_field(&read->groups, &id, &type);) {
        if (id != 4) {
            parquet_compact_skip(&read->groups, type);
            continue;
        }
        read->groups_left = parquet_compact_list(&read->groups, &type);
        return read->groups.broken ? parquet_cursor_complain(error) : 0;
    }
    return parquet_cursor_complain(error);
}

int parquet_read_open(struct parquet_read **ret_read, const char *name, const struct column_field *fields,
    size_t fields_count, const struct table_source *source, struct error *error)
{
    __attribute__((cleanup(parquet_read_close))) struct parquet_read *read = calloc(1, sizeof *read);

    if (!read)
        return error_set(error, ERROR_RETRY, "Parquet file: out of memory"); /* GCOVR_EXCL_LINE */
    read->source = source;
    bytes_init(&read->packed, UINT32_MAX);
    bytes_init(&read->footer, READ_FOOTER_MAX);
    read->cursors = calloc(fields_count + 1, sizeof *read->cursors);
    if (!read->cursors)
        return error_set(error, ERROR_RETRY, "Parquet file: out of memory"); /* GCOVR_EXCL_LINE */
    for (; read->columns_count < fields_count; read->columns_count++)
        if (parquet_cursor_open(&read->cursors[read->columns_count], &fields[read->columns_count], source,
                &read->packed, error))
            return -1;
    if (read_begin(read, name, error))
        return -1;
    *ret_read = read;
    read = NULL;
    return 0;
}

/* ---- row groups -------------------------------------------------------------------------------------------------------------- */

/* By CompressionCodec of parquet.thrift. */
static bool read_codec(int64_t codec, enum table_codec *ret_codec)
{
    switch (codec) {
    case 0:
        *ret_codec = TABLE_CODEC_NONE;
        return true;
    case 1:
        *ret_codec = TABLE_CODEC_SNAPPY;
        return true;
    case 2:
        *ret_codec = TABLE_CODEC_GZIP;
        return true;
    case 6:
        *ret_codec = TABLE_CODEC_ZSTD;
        return true;
    default:
        return false;
    }
}

/* ColumnMetaData: codec, length, and where the first page is: the dictionary's, if there is one. */
static bool read_extent(struct parquet_compact *compact, struct parquet_extent *ret_extent)
{
    int64_t codec = -1, length = -1, data = -1, dictionary = -1;
    unsigned type;

    for (int id = 0; parquet_compact_field(compact, &id, &type);) {
        if (id == 4)
            codec = parquet_compact_integer(compact);
        else if (id == 7)
            length = parquet_compact_integer(compact);
        else if (id == 9)
            data = parquet_compact_integer(compact);
        else if (id == 11)
            dictionary = parquet_compact_integer(compact);
        else
            parquet_compact_skip(compact, type);
    }
    ret_extent->offset = (uint64_t)(dictionary >= 0 ? dictionary : data);
    ret_extent->length = (uint64_t)length;
    return !compact->broken && data >= 0 && length >= 0 && read_codec(codec, &ret_extent->codec);
}

static int read_chunk(struct parquet_read *read, size_t index, struct error *error)
{
    struct parquet_compact *compact = &read->groups;
    struct parquet_extent extent = {0};
    bool found = false;
    unsigned type;

    for (int id = 0; parquet_compact_field(compact, &id, &type);) {
        if (id == 3)
            found = read_extent(compact, &extent);
        else
            parquet_compact_skip(compact, type);
    }
    if (!found || extent.offset > read->source->length ||
        extent.length > read->source->length - extent.offset)
        return parquet_cursor_complain(error);
    parquet_cursor_begin(&read->cursors[index], &extent);
    return 0;
}

static int read_group(struct parquet_read *read, struct error *error)
{
    struct parquet_compact *compact = &read->groups;
    int64_t rows = -1;
    uint64_t chunks = 0;
    unsigned type;

    for (int id = 0; parquet_compact_field(compact, &id, &type);) {
        if (id == 3) {
            rows = parquet_compact_integer(compact);
        } else if (id == 1) {
            chunks = parquet_compact_list(compact, &type);
            for (size_t i = 0; chunks == read->columns_count && i < chunks; i++)
                if (read_chunk(read, i, error))
                    return -1;
        } else {
            parquet_compact_skip(compact, type);
        }
    }
    if (compact->broken || rows < 0 || chunks != read->columns_count)
        return parquet_cursor_complain(error);
    read->rows_left = (uint64_t)rows;
    read->groups_left--;
    return 0;
}

int parquet_read_rows(
    struct parquet_read *read, struct column_batch *batch, size_t bytes_max, struct error *error)
{
    while (!read->rows_left && read->groups_left)
        if (read_group(read, error))
            return -1;
    while (read->rows_left && batch->rows < batch->rows_max && column_batch_bytes(batch) < bytes_max) {
        for (size_t i = 0; i < read->columns_count; i++)
            if (parquet_cursor_take(&read->cursors[i], &batch->columns[i], error))
                return -1;
        column_batch_end_row(batch);
        read->rows_left--;
    }
    return 0;
}
