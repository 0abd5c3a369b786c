/* rows: what of a block is rows of CSV becomes records, an object each; see files_internal.h
 *
 * The header is the file's: its first row, taken with the first block, or read again from the file's head, which is held against what is known of
 * it. A row goes to where its quotes are closed, over as many lines as that takes; none is taken in parts. One whose quotes nobody closes
 * goes to the dead letters line by line, so that a quote too much costs no more than it has to. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "files/take.h"
#include "files/unpack.h"

#define CSV_HEADER_MAX ((size_t)64 << 10)

_Static_assert(CSV_HEADER_MAX < FILE_UNPACK_KEPT, "the header of a compressed file is read again, too");

enum row_end {
    ROW_WHOLE,
    ROW_OPEN, /* it goes on behind the data */
    ROW_LONG,
    ROW_FULL, /* there is no room to convert it */
};

struct row {
    size_t length; /* of the file's bytes */
    struct slice text; /* as UTF-8; where nothing is converted, the file's bytes */
    bool decodable;
};

struct rows {
    struct take take;
    const struct file_watch *watch;
    enum charset charset;
    const char *data; /* of the block: from the file's position on */
    size_t length;
    bool last; /* what has no line break ends with the data, */
    bool over; /* and nothing will ever follow */
};

/* ---- where a row ends ----------------------------------------------------------------------------------------------- */

/* A line of the row, behind what it has. */
static bool row_grow(const struct rows *rows, struct row *row, const char *line, size_t length, size_t room)
{
    const struct file_watch *watch = rows->watch;
    size_t got = length;

    if (watch->converts) {
        if (room < row->text.length + CHARSET_GROWTH * length)
            return false;
        /* The room, seen as the caller who may write there does. */
        char *to = (char *)row->text.data + row->text.length;
        row->decodable &=
            charset_convert(rows->charset, watch->invalid == FILE_INVALID_PASS, line, length, to, &got);
    }
    row->text.length += got;
    row->length += length;
    return true;
}

/* The first row of the data, of at most `most` bytes; `room` bytes are free at `to`. last: the data's end is a line's, too. */
static enum row_end row_find(const struct rows *rows, struct slice data, bool last, size_t most, char *to,
    size_t room, struct row *ret_row)
{
    struct row row = {.text = {rows->watch->converts ? to : data.data, 0}, .decodable = true};
    bool open = false;

    do {
        const char *from = data.data + row.length;
        const size_t rest = data.length - row.length;
        const size_t whole = lines_first(rows->charset, from, rest), line = whole ? whole : rest;
        if (row.length + lines_text(rows->charset, from, line) > most)
            return ROW_LONG;
        if (line == 0 || (!whole && !last))
            return ROW_OPEN;
        const size_t before = row.text.length;
        if (!row_grow(rows, &row, from, line, room))
            return ROW_FULL;
        open = csv_is_open(
            &rows->watch->csv, open, (struct slice){row.text.data + before, row.text.length - before});
    } while (open);
    *ret_row = row;
    return ROW_WHOLE;
}

/* ---- the header ----------------------------------------------------------------------------------------------------- */

/* Nothing of it can be taken as long as it begins so. */
static enum tail_result rows_refuse(struct rows *rows, const char *why)
{
    struct source *source = rows->take.source;
    struct file *file = rows->take.file;

    if (file_is_spooled(file))
        return file_spool_fail(source, file, why);
    file_tell_trouble(source, "%s: %s", file->shown, why);
    file->retry_at = files_now(source) + FILE_OPEN_PAUSE;
    return TAIL_DRY;
}

static size_t rows_header_most(const struct rows *rows)
{
    const size_t line = rows->watch->from->max_line;

    return line < CSV_HEADER_MAX ? line : CSV_HEADER_MAX;
}

/* The header, in data that begin with it or with blank rows. ret_end: behind it; where there are only blank rows, behind those. */
static enum tail_result rows_take_header(
    struct rows *rows, struct slice data, char *to, size_t room, size_t *ret_end)
{
    struct file *file = rows->take.file;
    enum row_end end;
    struct row row = {0};
    struct error error;
    char why[128];
    size_t at = 0;

    do {
        at += row.length;
        end = row_find(rows, (struct slice){data.data + at, data.length - at}, rows->over,
            rows_header_most(rows), to, room, &row);
    } while (end == ROW_WHOLE && csv_is_blank(row.text));
    if (end == ROW_LONG) {
        snprintf(why, sizeof why, "its header has more than %zu bytes, or a quote that is not closed",
            rows_header_most(rows));
        return rows_refuse(rows, why);
    }
    if (end == ROW_FULL)
        return TAIL_FULL;
    if (end == ROW_OPEN) {
        if (rows->over && at < data.length)
            return rows_refuse(rows, "its header has a quote that is not closed");
        *ret_end = at;
        return rows->over ? TAIL_MORE : TAIL_DRY;
    }
    if (!row.decodable && rows->watch->invalid == FILE_INVALID_FAIL)
        return rows_refuse(rows, "its header has undecodable bytes");
    if (csv_header_new(&file->header, &rows->watch->csv, row.text, &error))
        return rows_refuse(rows, error.text);
    *ret_end = at + row.length;
    return TAIL_MORE;
}

/* Nothing but a byte order mark stands before the block. */
static bool rows_are_first(const struct rows *rows)
{
    const struct file *file = rows->take.file;
    enum charset charset = rows->charset;
    const char *before = rows->data - file->marker.length;

    return charset_mark(&charset, before, file->marker.length) == file->position;
}

/* Of a file that is read on. */
static enum tail_result rows_read_header(struct rows *rows, size_t *ret_end)
{
    const struct file *file = rows->take.file;
    const size_t most = rows_header_most(rows) + LINES_BREAK_MAX + CHARSET_MARK_MAX;
    enum charset charset = rows->charset;
    size_t room;
    char *to = take_room(&rows->take, &room);

    if (room < most)
        return TAIL_FULL;
    const ssize_t got = file_read_at(file->descriptor, to, most, 0);
    if (got < 0)
        return rows_refuse(rows, strerror(errno));
    if ((size_t)got < file->head.length || fnv_add(FNV_EMPTY, to, file->head.length) != file->head.value)
        return TAIL_CUT; /* since the block was read */
    const size_t mark = charset_mark(&charset, to, (size_t)got);
    const enum tail_result result = rows_take_header(
        rows, (struct slice){to + mark, (size_t)got - mark}, to + got, room - (size_t)got, ret_end);
    *ret_end += mark;
    return result;
}

/* TAIL_MORE: there is one, and the position behind it; or none, and nothing to be taken at the moment. */
static enum tail_result rows_find_header(struct rows *rows)
{
    struct file *file = rows->take.file;
    size_t end = 0, room;
    enum tail_result result;

    if (rows_are_first(rows)) {
        char *to = take_room(&rows->take, &room);
        csv_header_free(&file->header);
        result = rows_take_header(rows, (struct slice){rows->data, rows->length}, to, room, &end);
        end += file->position;
    } else if (file->header)
        return TAIL_MORE;
    else
        result = rows_read_header(rows, &end);
    if (result != TAIL_MORE || end <= file->position)
        return result;
    if (end - file->position <= rows->length)
        file_take_skip(rows->take.source, file, rows->data, end - file->position);
    else /* it has grown since the block was read, which ends within it */
        csv_header_free(&file->header);
    return TAIL_MORE;
}

/* ---- rows ----------------------------------------------------------------------------------------------------------- */

static enum tail_result rows_add(
    struct rows *rows, const char *data, const struct row *row, struct slice text, const char *reason)
{
    struct take *take = &rows->take;

    take->text = text;
    if (take_add(take, reason))
        return TAIL_FULL;
    take->source->taken.by_reason[INTAKE_SYNTAX] += reason != NULL;
    if (!row->decodable)
        metric_add(rows->watch->undecodable, 1);
    take_done(take, data, row->length);
    return TAIL_MORE;
}

static enum tail_result rows_bury(
    struct rows *rows, const char *data, const struct row *row, const char *reason)
{
    const size_t length = lines_text(CHARSET_UTF8, row->text.data, row->text.length);

    return rows_add(rows, data, row, (struct slice){row->text.data, length}, reason);
}

static enum tail_result rows_take_row(struct rows *rows, const char *data, const struct row *row)
{
    const struct file_watch *watch = rows->watch;
    const size_t most = ROWS_GROWTH * watch->from->max_line;
    size_t room, length;
    char *to = take_room(&rows->take, &room);
    struct error error;

    if (!row->decodable && watch->invalid == FILE_INVALID_FAIL)
        return rows_add(rows, data, row, (struct slice){data, lines_text(rows->charset, data, row->length)},
            "undecodable bytes");
    if (watch->converts) {
        to += row->text.length;
        room -= row->text.length;
    }
    if (csv_object(rows->take.file->header, &watch->csv, row->text, to, room < most ? room : most, &length,
            &error) == 0)
        return rows_add(rows, data, row, (struct slice){to, length}, NULL);
    if (error.kind == ERROR_RETRY && room < most)
        return TAIL_FULL;
    return rows_bury(rows, data, row,
        error.kind == ERROR_RETRY ? "its object is larger than three times max_line" : error.text);
}

/* Its first line: the next one begins a row. */
static enum tail_result rows_take_broken(struct rows *rows, const char *data, size_t length, const char *why)
{
    const size_t most = rows->watch->from->max_line;
    const size_t whole = lines_first(rows->charset, data, length);
    size_t room;
    char *to = take_room(&rows->take, &room);
    struct row row = {.text = {rows->watch->converts ? to : data, 0}, .decodable = true};

    if (lines_text(rows->charset, data, whole ? whole : length) > most) {
        if (data != rows->take.block->data)
            return TAIL_MORE; /* once the block begins with it */
        const size_t part = charset_whole(rows->charset, data, most);
        return take_part(&rows->take, part ? part : most, false);
    }
    if (!row_grow(rows, &row, data, whole ? whole : length, room))
        return TAIL_FULL;
    return rows_bury(rows, data, &row, why);
}

static enum tail_result rows_take_next(struct rows *rows, const char *data, size_t length)
{
    const uint64_t most = rows->watch->from->max_line;
    size_t room;
    char *to = take_room(&rows->take, &room);
    struct row row;
    char why[128];

    switch (row_find(rows, (struct slice){data, length}, rows->last, most, to, room, &row)) {
    case ROW_FULL:
        return TAIL_FULL;
    case ROW_OPEN:
        return rows->over
                   ? rows_take_broken(rows, data, length, "a quoted field is not closed until the file's end")
                   : TAIL_DRY;
    case ROW_LONG:
        snprintf(why, sizeof why,
            "a row of more than %" PRIu64 " bytes (max_line), or a quote that is not closed", most);
        return rows_take_broken(rows, data, length, why);
    case ROW_WHOLE:
        break;
    }
    if (!csv_is_blank(row.text))
        return rows_take_row(rows, data, &row);
    file_take_skip(rows->take.source, rows->take.file, data, row.length);
    return TAIL_MORE;
}

/* Of a line that is too long. */
static enum tail_result rows_take_inside(struct rows *rows)
{
    const enum tail_result result = take_inside(&rows->take);

    return result == TAIL_DRY && rows->last ? take_part(&rows->take, rows->length, true) : result;
}

enum tail_result file_take_rows(
    struct source *source, struct file *file, const struct file_block *block, bool last)
{
    const bool over = last && (file->life != FILE_LIVES || file_is_spooled(file));
    struct rows rows = {.take = take_begin(source, file, block),
        .watch = file->look->watch,
        .charset = block->charset,
        .data = block->data,
        /* While it lives the rest of its last character may follow. */
        .length = over ? block->length : charset_whole(block->charset, block->data, block->length),
        .last = last,
        .over = over};
    const uint64_t from = file->position;
    enum tail_result result;

    rows.take.form = DECODE_JSON;
    if (file->inside)
        return rows_take_inside(&rows);
    result = rows_find_header(&rows);
    for (uint64_t at = file->position - from; result == TAIL_MORE && file->header && at < rows.length;
         at = file->position - from) {
        result = rows_take_next(&rows, rows.data + at, rows.length - at);
        if (file->position == from + at)
            break;
    }
    return result == TAIL_DRY && file->position > from ? TAIL_MORE : result;
}
