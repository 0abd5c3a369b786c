/* merge_file: see merge_file.h. */
#include "table/merge_file.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "decode/decode.h"
#include "lake/format/avro_rows.h"
#include "lake/format/delimited_rows.h"

#define READ_STEP ((size_t)256 * 1024) /* of the file */

struct reading {
    const struct merge_file *file;
    const struct merge_visit *visit;
    const struct merge_form *form;
    struct delimited_rows text;
    struct avro_rows *avro;
    struct inflate *inflate; /* NULL: the file is not compressed as a whole */
    struct bytes packed, plain; /* what of it was read and is not looked at yet: from `begin` on */
    size_t begin;
    uint64_t bytes, rows_count;
    uint32_t crc;
    bool header, ended;
};

/* What the formats do differently. */
struct merge_form {
    int (*open)(struct reading *reading, struct error *error);
    int (*rows)(struct reading *reading, struct error *error); /* visits those that are there as a whole */
    const char *differs; /* why it has another number of rows than it should */
};

static int merge_complain(const struct reading *reading, struct error *error)
{
    return error_wrap(error, "%s, row %" PRIu64, reading->file->path, reading->rows_count + 1);
}

static struct slice merge_left(const struct reading *reading)
{
    return (struct slice){reading->plain.data + reading->begin, reading->plain.length - reading->begin};
}

static int merge_visit_row(struct reading *reading, const struct table_row *row, struct error *error)
{
    const struct merge_visit *visit = reading->visit;
    bool keep;

    reading->rows_count++;
    if (visit->row(visit->context, row, &keep, error))
        return -1;
    return keep ? visit->copy(visit->context, &(struct merge_piece){.text = row->text}, error) : 0;
}

/* ---- delimited text -------------------------------------------------------------------------------------------------------- */

/* By what comes last. */
static int text_open(struct reading *reading, struct error *error)
{
    const struct merge_rows *rows = reading->file->rows;
    const char *extension = strrchr(reading->file->file.name, '.');

    reading->header = rows->options->delimited->header;
    if (delimited_rows_open(
            &reading->text, rows->options->delimited, rows->fields_count, rows->key, rows->key_count, error))
        return -1; /* GCOVR_EXCL_LINE merge_rows_check() has */
    if (!extension || (strcmp(extension, ".gz") != 0 && strcmp(extension, ".zst") != 0))
        return 0;
    return inflate_new(&reading->inflate, strcmp(extension, ".gz") == 0 ? INFLATE_GZIP : INFLATE_ZSTD, error);
}

static int text_rows(struct reading *reading, struct error *error)
{
    struct table_row row;
    bool found;

    for (;;) {
        if (delimited_rows_next(&reading->text, merge_left(reading), reading->ended, &row, &found, error))
            return merge_complain(reading, error);
        if (!found)
            return 0;
        reading->begin += row.text.length;
        if (reading->header) {
            reading->header = false;
            continue;
        }
        if (merge_visit_row(reading, &row, error))
            return -1;
    }
}

/* ---- Avro -------------------------------------------------------------------------------------------------------------------- */

static int avro_open(struct reading *reading, struct error *error)
{
    const struct merge_rows *rows = reading->file->rows;

    return avro_rows_open(&reading->avro, rows->options->name, rows->fields, rows->fields_count, rows->key,
        rows->key_count, error);
}

static int avro_block(struct reading *reading, struct error *error)
{
    struct table_row row;
    bool found;

    do {
        if (avro_rows_next(reading->avro, &row, &found, error))
            return merge_complain(reading, error);
        if (found && merge_visit_row(reading, &row, error))
            return -1;
    } while (found);
    return 0;
}

static int avro_rows(struct reading *reading, struct error *error)
{
    size_t taken;

    do {
        if (avro_rows_take(reading->avro, merge_left(reading), &taken, error))
            return merge_complain(reading, error);
        reading->begin += taken;
        if (avro_block(reading, error))
            return -1;
    } while (taken);
    if (reading->ended && (merge_left(reading).length || !avro_rows_begun(reading->avro)))
        return error_set(error, ERROR_REJECT, "%s: the file ends in the middle", reading->file->path);
    return 0;
}

static const struct merge_form merge_forms[] = {
    [TABLE_DELIMITED] = {text_open, text_rows,
        ": values hold terminators, and nothing encloses or escapes them"},
    [TABLE_AVRO] = {avro_open, avro_rows, ""},
};

/* ---- the file --------------------------------------------------------------------------------------------------------------- */

static void merge_close(struct reading *reading)
{
    avro_rows_close(&reading->avro);
    inflate_free(&reading->inflate);
    bytes_free(&reading->packed);
    bytes_free(&reading->plain);
}

static int merge_unpack(struct reading *reading, struct error *error)
{
    if (reading->ended
            ? inflate_finish(reading->inflate, error)
            : inflate_feed(reading->inflate, bytes_slice(&reading->packed), &reading->plain, error))
        return error_wrap(error, "%s", reading->file->path);
    return 0;
}

/* What is left of the last step moves to the front. */
static int merge_more(struct reading *reading, struct error *error)
{
    struct bytes *plain = &reading->plain, *to = reading->inflate ? &reading->packed : plain;

    if (reading->begin)
        memmove(plain->data, plain->data + reading->begin, plain->length - reading->begin);
    plain->length -= reading->begin;
    reading->begin = 0;
    bytes_clear(&reading->packed);
    if (bytes_reserve(to, READ_STEP, error))
        return merge_complain(reading, error); /* GCOVR_EXCL_LINE a row of 2 GiB */
    const ssize_t got = file_read_at(reading->file->fd, to->data + to->length, READ_STEP, reading->bytes);
    if (got < 0)
        return error_set_errno(error, ERROR_FATAL, "%s", reading->file->path);
    reading->crc = crc32c(reading->crc, to->data + to->length, (size_t)got);
    reading->bytes += (uint64_t)got;
    reading->ended = got == 0;
    to->length += (size_t)got;
    return reading->inflate ? merge_unpack(reading, error) : 0;
}

int merge_bytes_complain(const struct merge_file *file, struct error *error)
{
    return error_set(error, ERROR_REJECT, "%s: its bytes are not those that its manifest says", file->path);
}

int merge_rows_complain(const struct merge_file *file, uint64_t rows, const char *why, struct error *error)
{
    return error_set(error, ERROR_REJECT, "%s: it has %" PRIu64 " rows, and looks like %" PRIu64 "%s",
        file->path, file->file.rows, rows, why);
}

static int merge_check(const struct reading *reading, struct error *error)
{
    const struct manifest_file *file = &reading->file->file;

    if (reading->bytes != file->bytes || reading->crc != file->crc32c)
        return merge_bytes_complain(reading->file, error);
    return reading->rows_count == file->rows
               ? 0
               : merge_rows_complain(reading->file, reading->rows_count, reading->form->differs, error);
}

int merge_file_read(const struct merge_file *file, const struct merge_visit *visit, struct error *error)
{
    if (file->rows->options->format == TABLE_PARQUET)
        return merge_parquet_read(file, visit, error);
    __attribute__((cleanup(merge_close))) struct reading reading = {
        .file = file, .visit = visit, .form = &merge_forms[file->rows->options->format]};

    bytes_init(&reading.packed, READ_STEP);
    bytes_init(&reading.plain, MERGE_ROW_MAX);
    if (reading.form->open(&reading, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    while (!reading.ended) {
        if (visit->stop(visit->context))
            return error_set(error, ERROR_RETRY, "stopped");
        if (merge_more(&reading, error) || reading.form->rows(&reading, error))
            return -1;
    }
    return merge_check(&reading, error);
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------- */

int merge_rows_check(const struct merge_rows *rows, struct error *error)
{
    struct delimited_rows text;

    return rows->options->format != TABLE_DELIMITED
               ? 0
               : delimited_rows_open(
                     &text, rows->options->delimited, rows->fields_count, rows->key, rows->key_count, error);
}

struct slice merge_rows_show(
    const struct merge_rows *rows, size_t key, struct slice value, char number[static MERGE_SHOWN])
{
    _Static_assert(MERGE_SHOWN >= AVRO_ROWS_SHOWN, "room of avro_rows_show()");
    return rows->options->format == TABLE_DELIMITED
               ? value
               : avro_rows_show(&rows->fields[rows->key[key]], value, number);
}
