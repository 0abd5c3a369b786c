/* ddl_stream: the files of a stream as a table; see ddl.h. */
#include "lake/ddl.h"
#include "lake/row.h"

/* A line of JSON as format_bytes.c writes it. */
static const struct column_field stream_bytes[] = {{.name = "key", .type = COLUMN_STRING},
    {.name = "time", .type = COLUMN_TIMESTAMP_UTC}, {.name = "payload", .type = COLUMN_BYTES}};
static const struct column_field stream_line[] = {{.name = "line", .type = COLUMN_STRING}};

static const enum ddl_kind stream_kinds[] = {
    [FORM_PARQUET] = DDL_PARQUET, [FORM_AVRO] = DDL_AVRO, [FORM_CSV] = DDL_CSV};

static void stream_lines(struct ddl_files *files, enum record_format format)
{
    const bool bytes = format == RECORD_FORMAT_BYTES;

    files->kind = bytes ? DDL_JSON : DDL_LINES;
    files->fields = bytes ? stream_bytes : stream_line;
    files->fields_count = bytes ? sizeof stream_bytes / sizeof *stream_bytes : 1;
}

int ddl_stream_create(const struct ddl_files *how, const char *stream, enum record_format format,
    const struct form *form, struct bytes *text, struct error *error)
{
    __attribute__((cleanup(row_shape_free))) struct row_shape *shape = NULL;
    struct ddl_files files = *how;

    if (form->file == FORM_SOURCE && (format != RECORD_FORMAT_JSON || !form->columns_count)) {
        stream_lines(&files, format);
        return ddl_files_create(&files, text, error);
    }
    if (row_shape_new(&shape, stream, format, form, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    files.fields = row_shape_fields(shape, &files.fields_count);
    files.record = stream;
    files.kind = form->file == FORM_SOURCE ? DDL_JSON : stream_kinds[form->file];
    if (form->file == FORM_SOURCE) /* the source's own lines have only what it wrote */
        files.fields_count = form->columns_count;
    return ddl_files_create(&files, text, error);
}
