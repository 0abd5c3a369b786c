/* table_file: batches of typed columns in, the bytes of one file out, from its first byte to its last (so that it can go to an append-only
 * store). One row of functions per format. No I/O of its own: bytes leave through the caller's sink. @thread one at a time per file
 */
#ifndef PENSTOCK_LAKE_FORMAT_TABLE_FILE_H
#define PENSTOCK_LAKE_FORMAT_TABLE_FILE_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "base/error.h"
#include "lake/column.h"

enum table_format { TABLE_JSON_LINES, TABLE_DELIMITED, TABLE_AVRO, TABLE_PARQUET };

/* JSON lines and delimited text are compressed as one stream (gzip: RFC 1952, zstd: RFC 8878; snappy and deflate are refused), Avro per
 * block (deflate, snappy, zstd; gzip is refused), Parquet per page (snappy, gzip, zstd; deflate is refused). */
enum table_codec {
    TABLE_CODEC_NONE,
    TABLE_CODEC_DEFLATE,
    TABLE_CODEC_GZIP,
    TABLE_CODEC_SNAPPY,
    TABLE_CODEC_ZSTD
};

enum delimited_quoting {
    DELIMITED_QUOTE_NONE, /* Sqoop's default: nothing is enclosed */
    DELIMITED_QUOTE_NEEDED, /* RFC 4180; Sqoop's --optionally-enclosed-by */
    DELIMITED_QUOTE_ALL, /* Sqoop's --enclosed-by */
};

/* How values look. */
enum delimited_style {
    DELIMITED_ISO, /* as in JSON lines, without quotes */
    DELIMITED_JAVA, /* as Sqoop writes them: java.sql.Timestamp.toString() and its kin */
    DELIMITED_POSTGRES, /* as PostgreSQL's COPY writes them with FORMAT csv, and Sqoop with --direct; fields are enclosed somehow */
};

struct delimited_options {
    char field, line; /* terminators; line 0: CR LF, as RFC 4180 says */
    enum delimited_quoting quoting;
    char enclosure;
    char
        escape; /* before enclosure, escape and, where nothing is enclosed, terminators; 0: none, an enclosure is doubled then */
    struct slice null_string,
        null_other; /* for NULL in columns of text, and in others; never enclosed or escaped */
    bool header; /* names first */
    bool drop_delimiters; /* --hive-drop-import-delims: \n, \r and \01 leave strings ... */
    struct slice delimiters_replacement; /* ... or are replaced: --hive-delims-replacement */
    struct slice true_text, false_text; /* data NULL: the style's own */
    enum delimited_style style;
    bool plain; /* files are called .txt, not .csv */
};

struct table_metadata {
    const char *key, *value; /* UTF-8 */
};

struct table_file_options {
    enum table_format format;
    enum table_codec codec;
    int level; /* 0: the format's default (zstd 1, deflate and gzip 1) */
    const struct delimited_options *delimited; /* TABLE_DELIMITED only */
    const char *
        name; /* what the rows are called (Avro's record, Parquet's root); made a legal name where the format wants one */
    const struct table_metadata *metadata; /* Avro's and Parquet's files carry it */
    size_t metadata_count;
    /* Parquet; NULL, or the caller's, one per field, false at first, for all files of the same table, also those that are written at the same time:
     * a file leaves here which columns had no use of a dictionary, and the next one need not find that out anew. */
    atomic_bool *plain;
    size_t
        group_size; /* Parquet: compressed bytes of a row group, 0: 16 MiB; Avro: bytes of a block before compression, 0: 256 KiB */
};

/* Returns -1 with its own error when bytes cannot be taken. */
struct table_sink {
    int (*write)(void *context, const void *data, size_t length, struct error *error);
    void *context;
};

struct table_file;

#define TABLE_ROW_WANTED_MAX 32

/* A row found again in a file that was written here (delimited_rows.h, avro_rows.h). */
struct table_row {
    struct slice text; /* as the file has it: of delimited text with its terminator, of Avro a datum */
    struct slice fields[TABLE_ROW_WANTED_MAX]; /* those that are wanted, as the file has them */
};

/* fields and what options point to must outlive the file. ERROR_REJECT: the format cannot hold such fields, or not with this codec (the text says
 * which column and what to choose instead). After a failure of any call only table_file_close() is left. */
int table_file_open(struct table_file **ret_file, const struct column_field *fields, size_t fields_count,
    const struct table_file_options *options, const struct table_sink *sink, struct error *error);
/* All rows of the batch, whose fields are the file's. ERROR_REJECT: a value that the format cannot hold (names column and row). */
int table_file_add(struct table_file *file, const struct column_batch *batch, struct error *error);
/* A row that another file of this form has (table_row.text): TABLE_DELIMITED and TABLE_AVRO only. */
int table_file_copy(struct table_file *file, struct slice row, struct error *error);
/* Writes what is left and the footer. */
int table_file_finish(struct table_file *file, struct error *error);
void table_file_close(struct table_file **file);

/* ".jsonl.gz", ".avro", ".parquet", ".csv.zst", ".txt". */
const char *table_file_extension(const struct table_file_options *options);

/* What a reader of rows says of a file whose schema is not the writer's own. */
#define TABLE_FILE_OTHER_SCHEMA \
    "its schema is not the one that files of these rows get here now: another version or somebody else wrote it; read the whole table, without --incremental and in place of what is there"

/* ---- one row per format; room-internal ------------------------------------------------------------------------------------ */

struct table_writer {
    int (*open)(void **ret_state, const struct column_field *fields, size_t fields_count,
        const struct table_file_options *options, const struct table_sink *sink, struct error *error);
    int (*add)(void *state, const struct column_batch *batch, struct error *error);
    int (*finish)(void *state, struct error *error);
    void (*close)(void *state);
    int (*copy)(void *state, struct slice row, struct error *error); /* NULL: its rows do not stand alone */
};

extern const struct table_writer json_lines_writer, delimited_writer, avro_writer, parquet_writer;

#endif
