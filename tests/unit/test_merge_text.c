/* merge_text: the rows of a file, whole, compressed or with a header, and everything that a file may be instead of what its manifest says */
#include "table/merge_text.h"

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
static const size_t wanted[] = {0};

TestSuite(merge_text, .init = folder_begin, .fini = folder_end);

struct seen {
    struct bytes rows;
    uint64_t count, fails; /* fails: at this row; 0: at none */
    bool stopped;
};

static int see(void *context, const struct delimited_row *row, struct error *seen_error)
{
    struct seen *seen = context;

    if (++seen->count == seen->fails)
        return error_set(seen_error, ERROR_FATAL, "the disk is full");
    return bytes_add(&seen->rows, row->text.data, row->text.length, seen_error);
}

static bool is_stopped(void *context)
{
    return ((const struct seen *)context)->stopped;
}

static const struct delimited_options csv = {
    .field = ',', .line = '\n', .quoting = DELIMITED_QUOTE_NEEDED, .enclosure = '"'};

/* A file with these bytes, and what its manifest says. */
static struct merge_text make(const char *name, struct slice data, uint64_t rows)
{
    cleanup_fd int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    cr_assert_eq(file_write_at(fd, data.data, data.length, 0), 0);
    return (struct merge_text){.fd = open(in_folder(name), O_RDONLY | O_CLOEXEC),
        .path = name,
        .file = {name, rows, data.length, crc32c(0, data.data, data.length)}};
}

static int run(struct merge_text *text, struct seen *seen)
{
    const struct merge_visit visit = {see, is_stopped, seen};
    struct delimited_rows rows;

    bytes_init(&seen->rows, TEXT_MAX);
    cr_assert_eq(delimited_rows_open(&rows, &csv, 1, wanted, 1, &error), 0);
    const int result = merge_text_read(text, rows, &visit, &error);
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

Test(merge_text, rows_of_all_codecs)
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
        struct merge_text read = make(files[i].name, bytes_slice(&text), ROWS);
        read.header = files[i].header;
        cr_assert_eq(run(&read, &seen), 0, "%s: %s", files[i].name, error.text);
        cr_assert_eq(seen.count, ROWS);
        cr_assert(slice_equal(bytes_slice(&seen.rows), bytes_slice(&plain)));
        bytes_free(&seen.rows);
        bytes_free(&text);
    }
    bytes_free(&plain);
}

static void expect_error(struct merge_text text, struct seen seen, enum error_kind kind, const char *why)
{
    cr_assert_eq(run(&text, &seen), -1);
    cr_assert_eq(error.kind, kind, "%s", error.text);
    cr_assert(strstr(error.text, why), "%s", error.text);
    bytes_free(&seen.rows);
}

Test(merge_text, what_the_manifest_does_not_say)
{
    const struct slice two = slice_of("one\ntwo\n");
    struct merge_text text = make("a", two, 2);

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

Test(merge_text, ended_by_others)
{
    const struct slice two = slice_of("one\ntwo\n");

    expect_error(make("a", two, 2), (struct seen){.stopped = true}, ERROR_RETRY, "stopped");
    expect_error(make("a", two, 2), (struct seen){.fails = 2}, ERROR_FATAL, "the disk is full");
    struct merge_text text = make("a", two, 2);
    close(text.fd);
    text.fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    expect_error(text, (struct seen){0}, ERROR_FATAL, "a: ");
}
