/* merge_file: the rows of a file, whole, compressed or with a header, of text and of Avro, and everything that a file may be instead of what its manifest says */
#include "table/merge_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "folder.h"
#include "text_harness.h"

#define TEXT_MAX ((size_t)16 << 20)
#define ROWS 30000 /* more than is read at once */

static struct error error;
static const struct column_field field = {.name = "a", .type = COLUMN_STRING};

TestSuite(merge_file, .init = folder_begin, .fini = folder_end);

struct seen {
    struct bytes rows; /* each, or of Parquet its key */
    struct bytes copied; /* what was kept */
    uint64_t count, kept, fails; /* fails: at this row; 0: at none */
    bool stopped, full;
    int fd; /* is_stopped_late() */
};

/* Every third row is not kept. */
static int see(void *context, const struct table_row *row, bool *ret_keep, struct error *seen_error)
{
    struct seen *seen = context;

    if (++seen->count == seen->fails)
        return error_set(seen_error, ERROR_FATAL, "the disk is full");
    *ret_keep = seen->count % 3 != 0;
    const struct slice bytes = row->text.data ? row->text : row->fields[0];
    return bytes_add(&seen->rows, bytes.data, bytes.length, seen_error);
}

static int copy(void *context, const struct merge_piece *piece, struct error *seen_error)
{
    struct seen *seen = context;

    if (seen->full)
        return error_set(seen_error, ERROR_FATAL, "there is no room for it");
    if (!piece->batch) {
        seen->kept++;
        return bytes_add(&seen->copied, piece->text.data, piece->text.length, seen_error);
    }
    seen->kept += piece->batch->rows;
    const struct column *column = piece->batch->columns;
    return bytes_add(&seen->copied, column->values.data, column->values.length, seen_error);
}

static void seen_free(struct seen *seen)
{
    bytes_free(&seen->rows);
    bytes_free(&seen->copied);
}

static bool is_stopped(void *context)
{
    return ((const struct seen *)context)->stopped;
}

static const struct delimited_options csv = {
    .field = ',', .line = '\n', .quoting = DELIMITED_QUOTE_NEEDED, .enclosure = '"'};

static const struct table_file_options csv_file = {.format = TABLE_DELIMITED, .delimited = &csv, .name = "t"};
static const struct merge_rows csv_rows = {
    .options = &csv_file, .fields = &field, .fields_count = 1, .key_count = 1};

/* A file with these bytes, and what its manifest says. */
static struct merge_file make(const char *name, struct slice data, uint64_t rows)
{
    cleanup_fd int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    cr_assert_eq(file_write_at(fd, data.data, data.length, 0), 0);
    return (struct merge_file){.fd = open(in_folder(name), O_RDONLY | O_CLOEXEC),
        .path = name,
        .rows = &csv_rows,
        .file = {name, rows, data.length, crc32c(0, data.data, data.length)}};
}

static int run(struct merge_file *text, struct seen *seen)
{
    const struct merge_visit visit = {see, copy, is_stopped, seen};

    bytes_init(&seen->rows, TEXT_MAX);
    bytes_init(&seen->copied, TEXT_MAX);
    cr_assert_eq(merge_rows_check(text->rows, &error), 0);
    const int result = merge_file_read(text, &visit, &error);
    fd_close(&text->fd);
    return result;
}

static void write_text(enum table_codec codec, bool header, struct bytes *text)
{
    struct delimited_options options = csv;
    const struct table_file_options how = {
        .format = TABLE_DELIMITED, .codec = codec, .delimited = &options, .name = "t"};
    const struct table_sink sink = {text_take, text};
    struct table_file *file = NULL;
    char row[64];

    options.header = header;
    bytes_init(text, TEXT_MAX);
    cr_assert_eq(table_file_open(&file, &field, 1, &how, &sink, &error), 0);
    for (int i = 0; i < ROWS; i++) {
        snprintf(row, sizeof row, "\"row %d,\n and its second line\"\n", i);
        cr_assert_eq(table_file_copy(file, slice_of(row), &error), 0);
    }
    cr_assert_eq(table_file_finish(file, &error), 0);
    table_file_close(&file);
}

Test(merge_file, rows_of_all_codecs)
{
    static const struct {
        enum table_codec codec;
        const char *name;
        bool header;
    } files[] = {{TABLE_CODEC_NONE, "part-00000.csv", false}, {TABLE_CODEC_NONE, "part-m-00000", true},
        {TABLE_CODEC_GZIP, "part-m-00000.gz", false}, {TABLE_CODEC_ZSTD, "part-00000.csv.zst", true}};
    struct bytes plain;

    write_text(TABLE_CODEC_NONE, false, &plain);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct bytes text;
        struct seen seen = {.count = 0};
        write_text(files[i].codec, files[i].header, &text);
        struct merge_file read = make(files[i].name, bytes_slice(&text), ROWS);
        struct delimited_options options = csv;
        const struct table_file_options how = {.format = TABLE_DELIMITED, .delimited = &options, .name = "t"};
        struct merge_rows rows = csv_rows;
        options.header = files[i].header;
        rows.options = &how;
        read.rows = &rows;
        cr_assert_eq(run(&read, &seen), 0, "%s: %s", files[i].name, error.text);
        cr_assert_eq(seen.count, ROWS);
        cr_assert_eq(seen.kept, ROWS - ROWS / 3);
        cr_assert(slice_equal(bytes_slice(&seen.rows), bytes_slice(&plain)));
        seen_free(&seen);
        bytes_free(&text);
    }
    bytes_free(&plain);
}

static void expect_error(struct merge_file text, struct seen seen, enum error_kind kind, const char *why)
{
    cr_assert_eq(run(&text, &seen), -1);
    cr_assert_eq(error.kind, kind, "%s", error.text);
    cr_assert(strstr(error.text, why), "%s", error.text);
    seen_free(&seen);
}

Test(merge_file, what_the_manifest_does_not_say)
{
    const struct slice two = slice_of("one\ntwo\n");
    struct merge_file text = make("a", two, 2);

    text.file.crc32c++;
    expect_error(text, (struct seen){0}, ERROR_REJECT, "a: its bytes are not those that its manifest says");
    text = make("a", two, 2);
    text.file.bytes++;
    expect_error(text, (struct seen){0}, ERROR_REJECT, "a: its bytes are not those");
    expect_error(make("a", two, 1), (struct seen){0}, ERROR_REJECT, "a: it has 1 rows, and looks like 2");
    expect_error(make("a", slice_of("one\ntwo,three\n"), 2), (struct seen){0}, ERROR_REJECT,
        "a, row 2: it has 2 fields, and there are 1 columns");
    expect_error(
        make("a", slice_of("one\ntwo"), 2), (struct seen){0}, ERROR_REJECT, "a, row 2: the file ends");
    expect_error(make("a.gz", two, 2), (struct seen){0}, ERROR_REJECT, "a.gz: ");
    expect_error(make("a.zst", (struct slice){0}, 0), (struct seen){0}, ERROR_REJECT, "a.zst: ");
}

Test(merge_file, ended_by_others)
{
    const struct slice two = slice_of("one\ntwo\n");

    expect_error(make("a", two, 2), (struct seen){.stopped = true}, ERROR_RETRY, "stopped");
    expect_error(make("a", two, 2), (struct seen){.fails = 2}, ERROR_FATAL, "the disk is full");
    struct merge_file text = make("a", two, 2);
    close(text.fd);
    text.fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    expect_error(text, (struct seen){0}, ERROR_FATAL, "a: ");
}

/* ---- Avro -------------------------------------------------------------------------------------------------------------- */

static const struct table_file_options avro_file = {.format = TABLE_AVRO, .name = "t", .group_size = 100000};
static const struct merge_rows avro_rows = {
    .options = &avro_file, .fields = &field, .fields_count = 1, .key_count = 1};

static void write_avro(enum table_codec codec, struct bytes *data)
{
    struct table_file_options how = avro_file;
    const struct table_sink sink = {text_take, data};
    struct table_file *file = NULL;
    char row[64];

    how.codec = codec;
    bytes_init(data, TEXT_MAX);
    cr_assert_eq(table_file_open(&file, &field, 1, &how, &sink, &error), 0);
    for (int i = 0; i < ROWS; i++) {
        const int length = snprintf(row, sizeof row, "\x02\x18row %08d", i);
        cr_assert_eq(table_file_copy(file, (struct slice){row, (size_t)length}, &error), 0);
    }
    cr_assert_eq(table_file_finish(file, &error), 0);
    table_file_close(&file);
}

static struct merge_file make_avro(struct slice data)
{
    struct merge_file file = make("part-00000.avro", data, ROWS);

    file.rows = &avro_rows;
    return file;
}

/* What they are compressed with, the file says. */
Test(merge_file, rows_of_avro)
{
    static const enum table_codec codecs[] = {
        TABLE_CODEC_NONE, TABLE_CODEC_DEFLATE, TABLE_CODEC_SNAPPY, TABLE_CODEC_ZSTD};

    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        struct bytes data;
        struct seen seen = {.count = 0};
        write_avro(codecs[i], &data);
        struct merge_file read = make_avro(bytes_slice(&data));
        cr_assert_eq(run(&read, &seen), 0, "%s", error.text);
        cr_assert_eq(seen.count, ROWS);
        for (size_t row = 0; row < ROWS; row++) {
            char text[16];
            snprintf(text, sizeof text, "\x02\x18row %08zu", row);
            cr_assert_arr_eq(seen.rows.data + row * 14, text, 14);
            if (row % 3 != 2)
                cr_assert_arr_eq(seen.copied.data + (row - row / 3) * 14, text, 14);
        }
        cr_assert_eq(seen.kept, ROWS - ROWS / 3);
        seen_free(&seen);
        bytes_free(&data);
    }
}

Test(merge_file, avro_that_cannot_be_read)
{
    struct bytes data;

    write_avro(TABLE_CODEC_SNAPPY, &data);
    const struct slice whole = bytes_slice(&data);
    struct merge_file file = make_avro(whole);
    file.file.rows--;
    expect_error(
        file, (struct seen){0}, ERROR_REJECT, "part-00000.avro: it has 29999 rows, and looks like 30000");
    file = make_avro(whole);
    file.file.crc32c++;
    expect_error(file, (struct seen){0}, ERROR_REJECT, "its bytes are not those");
    expect_error(make_avro(whole), (struct seen){.fails = 7}, ERROR_FATAL, "the disk is full");
    expect_error(make_avro((struct slice){whole.data, whole.length - 1}), (struct seen){0}, ERROR_REJECT,
        "part-00000.avro: the file ends in the middle");
    expect_error(make_avro((struct slice){0}), (struct seen){0}, ERROR_REJECT, "the file ends in the middle");
    expect_error(make_avro(slice_of("PAR1")), (struct seen){0}, ERROR_REJECT,
        "part-00000.avro, row 1: it is no file of Avro");
    bytes_free(&data);
    write_avro(TABLE_CODEC_NONE, &data);
    data.data[data.length - 17 - 13] = 7; /* the branch of the last but a few */
    data.data[data.length - 17 - 27] = 7;
    expect_error(make_avro(bytes_slice(&data)), (struct seen){0}, ERROR_REJECT, "it is damaged");
    bytes_free(&data);
}

/* ---- Parquet ----------------------------------------------------------------------------------------------------------- */

static const struct table_file_options parquet_file = {
    .format = TABLE_PARQUET, .name = "t", .group_size = 100000};
static const struct merge_rows parquet_rows = {
    .options = &parquet_file, .fields = &field, .fields_count = 1, .key_count = 1};

static void write_parquet(enum table_codec codec, struct bytes *data)
{
    struct table_file_options how = parquet_file;
    const struct table_sink sink = {text_take, data};
    struct column_batch *batch = NULL;
    struct table_file *file = NULL;
    char text[64];

    how.codec = codec;
    bytes_init(data, TEXT_MAX);
    cr_assert_eq(table_file_open(&file, &field, 1, &how, &sink, &error), 0);
    cr_assert_eq(column_batch_new(&batch, &field, 1, TEXT_MAX, &error), 0);
    for (int i = 0; i < ROWS; i++) {
        const int length = snprintf(text, sizeof text, "row %08d", i);
        cr_assert_eq(column_add_bytes(batch->columns, text, (size_t)length, &error), 0);
        column_batch_end_row(batch);
        if (batch->rows < 1000)
            continue;
        cr_assert_eq(table_file_add(file, batch, &error), 0);
        column_batch_clear(batch);
    }
    cr_assert_eq(table_file_finish(file, &error), 0);
    table_file_close(&file);
    column_batch_free(&batch);
}

static struct merge_file make_parquet(struct slice data)
{
    struct merge_file file = make("part-00000.parquet", data, ROWS);

    file.rows = &parquet_rows;
    return file;
}

Test(merge_file, rows_of_parquet)
{
    static const enum table_codec codecs[] = {
        TABLE_CODEC_NONE, TABLE_CODEC_GZIP, TABLE_CODEC_SNAPPY, TABLE_CODEC_ZSTD};

    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        struct bytes data;
        struct seen seen = {.count = 0};
        write_parquet(codecs[i], &data);
        struct merge_file read = make_parquet(bytes_slice(&data));
        cr_assert_eq(run(&read, &seen), 0, "%s", error.text);
        cr_assert_eq(seen.count, ROWS);
        cr_assert_eq(seen.kept, ROWS - ROWS / 3);
        for (size_t row = 0; row < ROWS; row++) {
            char text[16];
            snprintf(text, sizeof text, "\x02\x18row %08zu", row);
            cr_assert_arr_eq(seen.rows.data + row * 14, text, 14);
            if (row % 3 != 2)
                cr_assert_arr_eq(seen.copied.data + (row - row / 3) * 12, text + 2, 12);
        }
        seen_free(&seen);
        bytes_free(&data);
    }
}

/* Its bytes are right, and it is none all the same. */
Test(merge_file, parquet_that_cannot_be_read)
{
    struct bytes data;

    write_parquet(TABLE_CODEC_SNAPPY, &data);
    const struct slice whole = bytes_slice(&data);
    struct merge_file file = make_parquet(whole);
    file.file.rows--;
    expect_error(
        file, (struct seen){0}, ERROR_REJECT, "part-00000.parquet: it has 29999 rows, and looks like 30000");
    file = make_parquet(whole);
    file.file.crc32c++;
    expect_error(file, (struct seen){0}, ERROR_REJECT, "its bytes are not those");
    file = make_parquet(whole);
    file.file.bytes--;
    expect_error(file, (struct seen){0}, ERROR_REJECT, "its bytes are not those");
    expect_error(make_parquet(whole), (struct seen){.fails = 7}, ERROR_FATAL, "the disk is full");
    expect_error(make_parquet(whole), (struct seen){.full = true}, ERROR_FATAL, "there is no room for it");
    expect_error(make_parquet(whole), (struct seen){.stopped = true}, ERROR_RETRY, "stopped");
    expect_error(make_parquet(slice_of("PAR1")), (struct seen){0}, ERROR_REJECT,
        "part-00000.parquet: it is damaged, or no file of Parquet as it is written here");
    data.data[100] ^= 1;
    expect_error(make_parquet(whole), (struct seen){0}, ERROR_REJECT, "part-00000.parquet: it is damaged");
    file = make_parquet(whole);
    close(file.fd);
    file.fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    expect_error(file, (struct seen){0}, ERROR_FATAL, "part-00000.parquet: ");
    bytes_free(&data);
}

/* Behind the first batch it is a directory (fd), or the import is stopped. */
static bool is_stopped_late(void *context)
{
    const struct seen *seen = context;

    if (!seen->count || seen->fd < 0)
        return seen->count > 0;
    cleanup_fd int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(dup2(fd, seen->fd), seen->fd);
    return false;
}

Test(merge_file, parquet_that_ends_while_it_is_read)
{
    struct bytes data;

    write_parquet(TABLE_CODEC_SNAPPY, &data);
    for (int stopped = 0; stopped < 2; stopped++) {
        struct merge_file file = make_parquet(bytes_slice(&data));
        struct seen seen = {.fd = stopped ? -1 : file.fd};
        const struct merge_visit visit = {see, copy, is_stopped_late, &seen};
        bytes_init(&seen.rows, TEXT_MAX);
        bytes_init(&seen.copied, TEXT_MAX);
        cr_assert_eq(merge_file_read(&file, &visit, &error), -1);
        cr_assert_eq(error.kind, stopped ? ERROR_RETRY : ERROR_FATAL, "%s", error.text);
        cr_assert(seen.count && seen.count < ROWS);
        fd_close(&file.fd);
        seen_free(&seen);
    }
    bytes_free(&data);
}

/* ---- a key for people -------------------------------------------------------------------------------------------------- */

Test(merge_file, keys_as_they_are_shown)
{
    char number[MERGE_SHOWN];

    cr_assert(slice_is(merge_rows_show(&csv_rows, 0, slice_of("a b"), number), "a b"));
    cr_assert(slice_is(merge_rows_show(&avro_rows, 0,
                           slice_of("\x02\x06"
                                    "a b"),
                           number),
        "a b"));
}
