/* tables: what query engines are told about the files of a stream; see pipeline.h and lake/ddl.h. */
#include <stdlib.h>
#include <unistd.h>

#include "lake/ddl.h"
#include "lake/forms.h"
#include "pipeline/pipeline.h"
#include "pipeline/schemas.h"

#define TABLES_PATH_MAX ((size_t)16 * 1024)

/* ---- where ---------------------------------------------------------------------------------------------------- */

static int tables_add_directory(const char *path, struct bytes *url, struct error *error)
{
    __attribute__((cleanup(bytes_free))) struct bytes here;

    bytes_init(&here, TABLES_PATH_MAX);
    if (bytes_add_text(url, "file://", error) || bytes_reserve(&here, TABLES_PATH_MAX, error))
        return -1;
    if (*path != '/') {
        if (!getcwd(here.data, TABLES_PATH_MAX))
            return error_set_errno(error, ERROR_REJECT, "the directory");
        if (bytes_add_text(url, here.data, error) || bytes_add(url, "/", 1, error))
            return -1;
        path += strncmp(path, "./", 2) == 0 ? 2 : 0;
    }
    return bytes_add_text(url, path, error);
}

/* The lake's root in the engine's words: Hadoop calls its client of S3 s3a. */
static int tables_add_root(
    const struct config *config, enum ddl_engine engine, struct bytes *url, struct error *error)
{
    const char *lake = config->lake.url;

    if (strncmp(lake, "s3://", 5) == 0)
        return bytes_print(url, error, "%s://%s", engine == DDL_TRINO ? "s3" : "s3a", lake + 5);
    if (strncmp(lake, "file://", 7) == 0)
        return bytes_add_text(url, lake, error);
    if (strstr(lake, "://"))
        return error_set(error, ERROR_REJECT,
            "lake.url %s is for HTTP; engines know the same directory by the name node's own address: say it, as in --location hdfs://namenode:8020/lake",
            lake);
    if (*lake)
        return tables_add_directory(lake, url, error);
    cleanup_bytes struct bytes path;
    bytes_init(&path, TABLES_PATH_MAX);
    return bytes_print(&path, error, "%s/lake", config->gateway.data) || bytes_add(&path, "", 1, error) ||
                   tables_add_directory(path.data, url, error)
               ? -1
               : 0;
}

static int tables_locate(const struct config *config, const struct pipeline_table *how, struct slice below,
    struct bytes *url, struct error *error)
{
    if (how->location ? bytes_add_text(url, how->location, error)
                      : tables_add_root(config, how->engine, url, error))
        return -1;
    const bool ends = url->length && url->data[url->length - 1] == '/';
    return (below.length && ((!ends && bytes_add(url, "/", 1, error)) ||
                                bytes_add(url, below.data, below.length, error))) ||
                   bytes_add(url, "", 1, error)
               ? -1
               : 0;
}

/* ---- what ----------------------------------------------------------------------------------------------------- */

/* Lines of JSON have the columns that they would have as a table. */
static int tables_form(
    const struct config_stream *from, const struct stream *stream, struct form *form, struct error *error)
{
    static char parquet[] = "parquet", codec[] = "default";
    const struct config_files table = {parquet, codec, from->lake.files.misfit};
    const void *ignored;

    if (stream->form.file != FORM_SOURCE || !stream->schema)
        return form_copy(&stream->form, form) ? error_set(error, ERROR_RETRY, "out of memory") : 0;
    if (form_compile(&table, from->name, stream->format, stream->schema, form, &ignored, error))
        return -1;
    form->file = FORM_SOURCE;
    return 0;
}

/* A stream's name as one that engines take. */
static void tables_name(const char *stream, char name[RECORD_STREAM_NAME_MAX + 1])
{
    size_t length = 0;

    for (; stream[length]; length++) {
        const char byte = stream[length];
        const bool plain =
            (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
        name[length] = plain ? byte : '_';
    }
    name[length] = '\0';
}

static int tables_print(const struct config *config, const struct config_stream *from, struct stream *stream,
    const struct pipeline_table *how, struct bytes *text, struct error *error)
{
    __attribute__((cleanup(template_free))) struct template *template = NULL;
    __attribute__((cleanup(form_clear))) struct form form = {0};
    struct template_partition found[TEMPLATE_COMPONENTS_MAX];
    struct ddl_partition partitions[TEMPLATE_COMPONENTS_MAX];
    char name[RECORD_STREAM_NAME_MAX + 1];
    cleanup_bytes struct bytes directory, url;
    struct ddl_files files = {.engine = how->engine, .table = how->table, .partitions = partitions};

    bytes_init(&directory, TABLES_PATH_MAX);
    bytes_init(&url, 2 * TABLES_PATH_MAX);
    tables_name(stream->name, name);
    if (!files.table)
        files.table = name;
    if (tables_form(from, stream, &form, error) ||
        template_compile(&template, stream->lake_path, (const char *const *)stream->label_names,
            stream->labels_count, error) ||
        template_partitions(template, stream->name, &directory, found, &files.partitions_count, error) ||
        tables_locate(config, how, bytes_slice(&directory), &url, error))
        return -1;
    for (size_t i = 0; i < files.partitions_count; i++)
        partitions[i] = (struct ddl_partition){found[i].name, found[i].is_date};
    files.location = url.data;
    return ddl_stream_create(&files, stream->name, stream->format, &form, text, error);
}

int pipeline_print_table(struct config *config, const char *name, const struct pipeline_table *how,
    struct bytes *text, struct error *error)
{
    __attribute__((cleanup(streams_free))) struct streams *streams = NULL;
    const struct config_stream *from = config->streams;

    if (streams_compile(&streams, config, error) || schemas_compile(config, streams, error))
        return -1;
    for (size_t i = 0; i < config->streams_count; i++, from++)
        if (strcmp(from->name, name) == 0)
            break;
    struct stream *stream = streams_find(streams, slice_of(name));
    if (!stream)
        return error_set(error, ERROR_REJECT, "there is no stream \"%.200s\" in the configuration", name);
    return tables_print(config, from, stream, how, text, error) ? error_wrap(error, "stream %s", name) : 0;
}
