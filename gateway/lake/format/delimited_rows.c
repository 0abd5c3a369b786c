/* delimited_rows: see delimited_rows.h. */
#include "lake/format/delimited_rows.h"

#include <assert.h>

enum rows_meaning { ROWS_NOTHING, ROWS_FIELD, ROWS_LINE, ROWS_ESCAPE, ROWS_ENCLOSURE };

/* What would be read as an escape of what follows it. NULL's text is written as it is in the ISO style. */
static bool rows_ends_in_escape(const struct delimited_options *options, struct slice null)
{
    size_t escapes = 0;

    while (escapes < null.length && null.data[null.length - escapes - 1] == options->escape)
        escapes++;
    return options->style == DELIMITED_ISO && escapes % 2 == 1;
}

int delimited_rows_open(struct delimited_rows *ret_rows, const struct delimited_options *options,
    size_t columns, const size_t *wanted, size_t wanted_count, struct error *error)
{
    const bool encloses = options->quoting != DELIMITED_QUOTE_NONE;
    const bool escapes = options->escape && !(encloses && options->escape == options->enclosure);
    const bool doubles = options->style != DELIMITED_JAVA || options->escape;
    struct delimited_rows rows = {.pair = !options->line, .columns = columns, .wanted_count = wanted_count};

    assert(wanted_count <= TABLE_ROW_WANTED_MAX);
    if (options->quoting == DELIMITED_QUOTE_NEEDED && !escapes && !doubles)
        return error_set(error, ERROR_REJECT,
            "with --optionally-enclosed-by and no --escaped-by nobody can tell where a value ends that holds the enclosing character: say --escaped-by, too, or --enclosed-by");
    if (escapes && (rows_ends_in_escape(options, options->null_string) ||
                       rows_ends_in_escape(options, options->null_other)))
        return error_set(error, ERROR_REJECT,
            "the text of NULL ends in the escape character: what follows it looks like a part of it");
    rows.meanings[(unsigned char)options->field] = ROWS_FIELD;
    rows.meanings[(unsigned char)(options->line ? options->line : '\n')] = ROWS_LINE;
    if (escapes)
        rows.meanings[(unsigned char)options->escape] = ROWS_ESCAPE;
    rows.escapes_within = options->style == DELIMITED_POSTGRES;
    rows.around = encloses && !escapes && !doubles;
    rows.enclosure = options->enclosure;
    if (encloses && !rows.around)
        rows.meanings[(unsigned char)options->enclosure] = ROWS_ENCLOSURE;
    memcpy(rows.wanted, wanted, wanted_count * sizeof *wanted);
    *ret_rows = rows;
    return 0;
}

static void rows_end_field(struct delimited_rows *rows, size_t end)
{
    for (size_t i = 0; i < rows->wanted_count; i++) {
        if (rows->wanted[i] != rows->column)
            continue;
        rows->starts[i] = rows->field;
        rows->lengths[i] = end - rows->field;
    }
    rows->column++;
    rows->field = rows->at + 1;
}

static int rows_end(struct delimited_rows *rows, struct slice text, struct table_row *ret_row,
    bool *ret_found, struct error *error)
{
    const bool pair = rows->pair && rows->at > rows->field && text.data[rows->at - 1] == '\r';

    rows_end_field(rows, rows->at - pair);
    if (rows->column != rows->columns)
        return error_set(error, ERROR_REJECT,
            "it has %zu fields, and there are %zu columns: a value holds a terminator of fields or lines, and nothing encloses or escapes it",
            rows->column, rows->columns);
    ret_row->text = (struct slice){text.data, rows->at + 1};
    for (size_t i = 0; i < rows->wanted_count; i++)
        ret_row->fields[i] = (struct slice){text.data + rows->starts[i], rows->lengths[i]};
    rows->at = rows->column = rows->field = 0;
    *ret_found = true;
    return 0;
}

/* Between the enclosures of two fields, or behind the last one of a text. There is a byte behind it, or none will be. */
static bool rows_is_around(const struct delimited_rows *rows, struct slice text)
{
    const size_t behind = rows->at + 1;

    return rows->at > 0 && text.data[rows->at - 1] == rows->enclosure &&
           (behind == text.length || text.data[behind] == rows->enclosure);
}

int delimited_rows_next(struct delimited_rows *rows, struct slice text, bool last, struct table_row *ret_row,
    bool *ret_found, struct error *error)
{
    *ret_found = false;
    for (; rows->at < text.length; rows->at++) {
        const enum rows_meaning meaning = rows->meanings[(unsigned char)text.data[rows->at]];
        if (meaning == ROWS_NOTHING || (meaning == ROWS_ESCAPE && rows->escapes_within && !rows->enclosed))
            continue;
        const bool at_end = rows->at + 1 == text.length;
        if (meaning == ROWS_ENCLOSURE) {
            rows->enclosed = !rows->enclosed;
        } else if (meaning == ROWS_ESCAPE) {
            if (at_end)
                break;
            rows->at++;
        } else if (!rows->enclosed) {
            if (rows->around && at_end && !last)
                return 0;
            if (rows->around && !rows_is_around(rows, text))
                continue;
            if (meaning == ROWS_LINE)
                return rows_end(rows, text, ret_row, ret_found, error);
            rows_end_field(rows, rows->at);
        }
    }
    return last && text.length ? error_set(error, ERROR_REJECT, "the file ends in the middle of it") : 0;
}
