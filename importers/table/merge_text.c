/* merge_text: see merge_text.h. */
#include "table/merge_text.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "decode/decode.h"

#define TEXT_STEP ((size_t)256 * 1024) /* of the file */

struct reading {
    const struct merge_text *text;
    const struct merge_visit *visit;
    struct delimited_rows rows;
    struct inflate *inflate; /* NULL: the file is not compressed */
    struct bytes packed, plain; /* what of it was read and is not looked at yet: from `begin` on */
    size_t begin;
    uint64_t bytes, rows_count;
    uint32_t crc;
    bool header, ended;
};

static int text_complain(const struct reading *reading, struct error *error)
{
    return error_wrap(error, "%s, row %" PRIu64, reading->text->path, reading->rows_count + 1);
}

/* By what comes last. */
static int text_open(struct reading *reading, struct error *error)
{
    const char *extension = strrchr(reading->text->file.name, '.');

    bytes_init(&reading->packed, TEXT_STEP);
    bytes_init(&reading->plain, MERGE_ROW_MAX);
    if (!extension || (strcmp(extension, ".gz") != 0 && strcmp(extension, ".zst") != 0))
        return 0;
    return inflate_new(&reading->inflate, strcmp(extension, ".gz") == 0 ? INFLATE_GZIP : INFLATE_ZSTD, error);
}

static void text_close(struct reading *reading)
{
    inflate_free(&reading->inflate);
    bytes_free(&reading->packed);
    bytes_free(&reading->plain);
}

static int text_unpack(struct reading *reading, struct error *error)
{
    if (reading->ended
            ? inflate_finish(reading->inflate, error)
            : inflate_feed(reading->inflate, bytes_slice(&reading->packed), &reading->plain, error))
        return error_wrap(error, "%s", reading->text->path);
    return 0;
}

/* What is left of the last step moves to the front. */
static int text_more(struct reading *reading, struct error *error)
{
    struct bytes *plain = &reading->plain, *to = reading->inflate ? &reading->packed : plain;

    if (reading->begin)
        memmove(plain->data, plain->data + reading->begin, plain->length - reading->begin);
    plain->length -= reading->begin;
    reading->begin = 0;
    bytes_clear(&reading->packed);
    if (bytes_reserve(to, TEXT_STEP, error))
        return text_complain(reading, error); /* GCOVR_EXCL_LINE a row of 2 GiB */
    const ssize_t got = file_read_at(reading->text->fd, to->data + to->length, TEXT_STEP, reading->bytes);
    if (got < 0)
        return error_set_errno(error, ERROR_FATAL, "%s", reading->text->path);
    reading->crc = crc32c(reading->crc, to->data + to->length, (size_t)got);
    reading->bytes += (uint64_t)got;
    reading->ended = got == 0;
    to->length += (size_t)got;
    return reading->inflate ? text_unpack(reading, error) : 0;
}

/* The rows that are there as a whole. */
static int text_rows(struct reading *reading, struct error *error)
{
    struct delimited_row row;
    bool found;

    for (;;) {
        const struct slice left = {
            reading->plain.data + reading->begin, reading->plain.length - reading->begin};
        if (delimited_rows_next(&reading->rows, left, reading->ended, &row, &found, error))
            return text_complain(reading, error);
        if (!found)
            return 0;
        reading->begin += row.text.length;
        if (reading->header) {
            reading->header = false;
            continue;
        }
        reading->rows_count++;
        if (reading->visit->row(reading->visit->context, &row, error))
            return -1;
    }
}

static int text_check(const struct reading *reading, struct error *error)
{
    const struct manifest_file *file = &reading->text->file;

    if (reading->bytes != file->bytes || reading->crc != file->crc32c)
        return error_set(
            error, ERROR_REJECT, "%s: its bytes are not those that its manifest says", reading->text->path);
    if (reading->rows_count != file->rows)
        return error_set(error, ERROR_REJECT,
            "%s: it has %" PRIu64 " rows, and looks like %" PRIu64
            ": values hold terminators, and nothing encloses or escapes them",
            reading->text->path, file->rows, reading->rows_count);
    return 0;
}

int merge_text_read(const struct merge_text *text, struct delimited_rows rows,
    const struct merge_visit *visit, struct error *error)
{
    __attribute__((cleanup(text_close))) struct reading reading = {
        .text = text, .visit = visit, .rows = rows, .header = text->header};

    if (text_open(&reading, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    while (!reading.ended) {
        if (visit->stop(visit->context))
            return error_set(error, ERROR_RETRY, "stopped");
        if (text_more(&reading, error) || text_rows(&reading, error))
            return -1;
    }
    return text_check(&reading, error);
}
