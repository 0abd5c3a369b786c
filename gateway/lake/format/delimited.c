/* delimited: a file of fields between terminators; see table_file.h for the options.
 *
 * Style ISO: RFC 4180 where it is asked for (comma, CR LF, enclosed where needed by "), and every row can be read back. Values look as
 * in JSON lines, without the quotes. NULL is written as it is given; with DELIMITED_QUOTE_NEEDED a value that looks like it is enclosed, with
 * DELIMITED_QUOTE_ALL every value is. Where LF, CR or CR LF end lines, both bytes count as terminators, because readers differ. A
 * terminator in a value that may be neither enclosed nor escaped is ERROR_REJECT, and names column and row. What no option of this style
 * can tell apart: NULL and a value that looks like it, where nothing is enclosed; a row of one column that is an empty NULL is an empty line.
 *
 * Style Java: byte for byte what Sqoop 1.4.7 writes with these options (org.apache.sqoop.lib.FieldFormatter and the toString() that it
 * generates), but for what value_text.h says about times. That is: every field, numbers and NULL's text too, gets the escape before the
 * escape and the enclosure; where no enclosure is set, before terminators as well; a field is enclosed if all are, or if it holds one of the two
 * terminators (not if it only holds the enclosure); without an escape nothing is done about an enclosure within, and nothing about
 * terminators where there is neither: such lines cannot be read back. NULL is `null_string` in columns of strings, JSON, UUIDs
 * and lists. Bytes are hexadecimal pairs with blanks between them. \n, \r and \01 are dropped or replaced in strings and JSON, in the text of NULL
 * there, too; both asked for, they are dropped.
 *
 * Style PostgreSQL: byte for byte what COPY writes with FORMAT csv (CopyAttributeOutCSV() of PostgreSQL's copyto.c), or its own text of a value; what column
 * types do not know (intervals, arrays) comes as that text. A field is enclosed if all are, if it looks like NULL, or if it holds the enclosure, a terminator of fields, CR or LF;
 * the escape is written within enclosed fields only. What is not COPY's: a terminator of lines that is neither CR nor LF is enclosed as well.
 *
 * All: an escape that is the enclosure as well doubles it.
 */
#include <stdlib.h>

#include "lake/format/delimited_rules.h"
#include "lake/format/delimited_value.h"
#include "lake/format/stream_codec.h"

#define DELIMITED_NULLS_MAX ((size_t)4 << 20)

enum delimited_way {
    DELIMITED_DIRECT, /* no value demands anything */
    DELIMITED_TEXT, /* the value is there as text */
    DELIMITED_COMPOSED, /* it is composed first to see what it demands, and again to be written */
};

struct delimited_column {
    enum delimited_way way;
    const struct delimited_rules *rules;
    struct slice null, null_written;
};

struct delimited {
    struct delimited_options options;
    const struct column_field *fields;
    size_t columns_count;
    struct delimited_column *columns;
    struct delimited_rules rules, text_rules;
    struct bytes nulls; /* style Java: what is written for NULL, of each column */
    uint64_t rows;
    struct stream_codec *codec;
    struct text_out out;
    /* A composed value passes here twice. */
    struct text_out composed;
    bool looking, raw; /* raw: written without prefixes */
    unsigned demands;
    uint64_t length;
    bool is_null_text;
    struct slice null;
};

static int delimited_enclosure(struct delimited *file, struct error *error)
{
    return text_out_add(&file->out, (struct slice){&file->options.enclosure, 1}, error);
}

/* ---- fields ---------------------------------------------------------------------------------------------------------------- */

static bool delimited_is_text(enum column_type type)
{
    return type == COLUMN_STRING || type == COLUMN_JSON;
}

static int delimited_refuse(const struct delimited *file, size_t column, size_t row, struct error *error)
{
    return error_set(error, ERROR_REJECT,
        "column %s, row %llu: the value holds a terminator of fields or lines, and nothing encloses or escapes it",
        file->fields[column].name, (unsigned long long)file->rows + row + 1);
}

/* Are values that look like NULL enclosed, and what looks like no line at all, or (to COPY of PostgreSQL) like the end? */
static bool delimited_tells_apart(const struct delimited *file)
{
    return file->options.style != DELIMITED_JAVA && file->options.quoting == DELIMITED_QUOTE_NEEDED;
}

/* What would be an empty line. COPY writes one, if NULL looks otherwise. */
static bool delimited_is_nothing(const struct delimited *file, size_t length)
{
    return !length && file->options.style == DELIMITED_ISO;
}

static bool delimited_misleads(const struct delimited *file, struct slice text, struct slice null)
{
    return delimited_tells_apart(file) &&
           (slice_equal(text, null) ||
               (file->columns_count == 1 &&
                   (delimited_is_nothing(file, text.length) || slice_is(text, "\\."))));
}

static bool delimited_encloses(const struct delimited *file, unsigned demands)
{
    return file->options.quoting == DELIMITED_QUOTE_ALL || (demands & DELIMITED_ENCLOSES);
}

/* COPY writes prefixes within enclosed fields only. */
static bool delimited_is_raw(const struct delimited *file, bool encloses)
{
    return !encloses && file->options.style == DELIMITED_POSTGRES;
}

static int delimited_put(struct delimited *file, const struct delimited_rules *rules, struct slice text,
    bool encloses, struct error *error)
{
    if (delimited_is_raw(file, encloses))
        return text_out_add(&file->out, text, error);
    if ((encloses && delimited_enclosure(file, error)) || delimited_write(&file->out, rules, text, error) ||
        (encloses && delimited_enclosure(file, error)))
        return -1;
    return 0;
}

static int delimited_text(
    struct delimited *file, const struct column *column, size_t index, size_t row, struct error *error)
{
    const struct delimited_rules *rules = file->columns[index].rules;
    const struct slice text = column_slice(column, row);
    const unsigned demands = delimited_demands(rules, text);
    const bool encloses =
        delimited_encloses(file, demands) || delimited_misleads(file, text, file->columns[index].null);

    if (!demands && !encloses)
        return text_out_add(&file->out, text, error);
    if (demands & DELIMITED_REFUSED)
        return delimited_refuse(file, index, row, error);
    return delimited_put(file, rules, text, encloses, error);
}

/* The sink of file->composed. */
static int delimited_take(void *context, const void *data, size_t length, struct error *error)
{
    struct delimited *file = context;
    const struct slice text = {data, length};

    if (!file->looking)
        return file->raw ? text_out_add(&file->out, text, error)
                         : delimited_write(&file->out, &file->rules, text, error);
    file->demands |= delimited_demands(&file->rules, text);
    file->is_null_text = !file->length && slice_equal(text, file->null);
    file->length += length;
    return 0;
}

static int delimited_pass(
    struct delimited *file, const struct column *column, size_t row, bool looking, struct error *error)
{
    file->looking = looking;
    return delimited_value_put(&file->composed, column, row, &file->options, error) ||
                   text_out_flush(&file->composed, error)
               ? -1
               : 0;
}

static int delimited_composed(
    struct delimited *file, const struct column *column, size_t index, size_t row, struct error *error)
{
    file->demands = 0;
    file->length = 0;
    file->null = file->columns[index].null;
    file->is_null_text = !file->null.length; /* until there are bytes */
    delimited_pass(file, column, row, true, error); /* cannot fail: nothing leaves */

    const bool encloses =
        delimited_encloses(file, file->demands) ||
        (delimited_tells_apart(file) && (file->is_null_text || delimited_is_nothing(file, file->length)));
    file->raw = delimited_is_raw(file, encloses);
    if (file->demands & DELIMITED_REFUSED)
        return delimited_refuse(file, index, row, error);
    if ((encloses && delimited_enclosure(file, error)) || delimited_pass(file, column, row, false, error) ||
        (encloses && delimited_enclosure(file, error)))
        return -1;
    return 0;
}

/* No bytes are an empty text: the only one that such a value can have, and \\x is none. */
static bool delimited_is_empty(const struct delimited *file, const struct column *column, size_t row)
{
    return column->field->type == COLUMN_BYTES &&
           delimited_is_nothing(file, column_slice(column, row).length);
}

static int delimited_direct(
    struct delimited *file, const struct column *column, size_t row, struct error *error)
{
    const bool encloses = file->options.quoting == DELIMITED_QUOTE_ALL ||
                          (delimited_tells_apart(file) && delimited_is_empty(file, column, row));

    if ((encloses && delimited_enclosure(file, error)) ||
        delimited_value_put(&file->out, column, row, &file->options, error) ||
        (encloses && delimited_enclosure(file, error)))
        return -1;
    return 0;
}

static int delimited_field(
    struct delimited *file, const struct column *column, size_t index, size_t row, struct error *error)
{
    if (!column->valid[row])
        return text_out_add(&file->out, file->columns[index].null_written, error);
    switch (file->columns[index].way) {
    case DELIMITED_DIRECT:
        return delimited_direct(file, column, row, error);
    case DELIMITED_TEXT:
        return delimited_text(file, column, index, row, error);
    default:
        return delimited_composed(file, column, index, row, error);
    }
}

/* ---- the file -------------------------------------------------------------------------------------------------------------- */

static void delimited_close(void *state)
{
    struct delimited *file = state;

    stream_codec_close(&file->codec);
    text_out_close(&file->out);
    text_out_close(&file->composed);
    bytes_free(&file->nulls);
    free(file->columns);
    free(file);
}

static void delimited_drop(struct delimited **file)
{
    if (*file)
        delimited_close(*file);
}

static bool delimited_in_alphabet(struct slice text, const char *alphabet)
{
    for (size_t i = 0; i < text.length; i++)
        if (!text.data[i] || !strchr(alphabet, text.data[i]))
            return false;
    return true;
}

static enum delimited_way delimited_way(
    const struct delimited *file, enum column_type type, struct slice null)
{
    if (delimited_is_text(type))
        return DELIMITED_TEXT;
    const char *alphabet = delimited_value_alphabet(type, &file->options);
    if (!alphabet || delimited_demands(&file->rules, slice_of(alphabet)) ||
        (delimited_tells_apart(file) && null.length && delimited_in_alphabet(null, alphabet)))
        return DELIMITED_COMPOSED;
    return DELIMITED_DIRECT;
}

static int delimited_check_null(const struct delimited *file, struct slice null, struct error *error)
{
    const struct delimited_options *options = &file->options;

    for (size_t i = 0; i < null.length; i++) {
        const char byte = null.data[i];
        const bool ends = options->line ? byte == options->line : byte == '\r' || byte == '\n';
        if (ends || byte == options->field ||
            (options->quoting != DELIMITED_QUOTE_NONE && byte == options->enclosure))
            return error_set(error, ERROR_REJECT,
                "the text of NULL holds a terminator or the enclosing character: it is neither enclosed nor escaped");
    }
    return 0;
}

static int delimited_keep(void *context, const void *data, size_t length, struct error *error)
{
    struct delimited *file = context;

    return bytes_add(&file->nulls, data, length, error) ? error_wrap(error, "the text of NULL") : 0;
}

/* Java: NULL's text is a field like all others. file->out collects it in file->nulls, before it gets the file's sink. */
static int delimited_write_null(struct delimited *file, size_t index, struct error *error)
{
    struct delimited_column *column = &file->columns[index];
    const bool encloses = delimited_encloses(file, delimited_demands(column->rules, column->null));

    if ((encloses && delimited_enclosure(file, error)) ||
        delimited_write(&file->out, column->rules, column->null, error) ||
        (encloses && delimited_enclosure(file, error)) || text_out_flush(&file->out, error))
        return -1;
    return 0;
}

static int delimited_columns(struct delimited *file, struct error *error)
{
    const struct delimited_options *options = &file->options;
    size_t begin = 0;

    for (size_t i = 0; i < file->columns_count; i++) {
        struct delimited_column *column = &file->columns[i];
        const enum column_type type = file->fields[i].type;
        const bool text = delimited_is_text(type) || type == COLUMN_UUID || type == COLUMN_LIST;
        column->null = column->null_written = text ? options->null_string : options->null_other;
        column->rules = delimited_is_text(type) ? &file->text_rules : &file->rules;
        column->way = delimited_way(file, type, column->null);
        if (options->style == DELIMITED_JAVA) {
            if (delimited_write_null(file, i, error))
                return -1;
            column->null_written.length = file->nulls.length - begin;
            begin = file->nulls.length;
        } else if (delimited_check_null(file, column->null, error))
            return -1;
    }
    for (size_t i = 0, at = 0; options->style == DELIMITED_JAVA && i < file->columns_count; i++) {
        struct slice *written = &file->columns[i].null_written;
        written->data = file->nulls.data + at;
        at += written->length;
    }
    return 0;
}

static int delimited_end_line(struct delimited *file, struct error *error)
{
    const struct slice line = file->options.line ? (struct slice){&file->options.line, 1} : slice_of("\r\n");

    return text_out_add(&file->out, line, error);
}

static int delimited_separate(struct delimited *file, size_t index, struct error *error)
{
    return index ? text_out_add(&file->out, (struct slice){&file->options.field, 1}, error) : 0;
}

/* Names obey the rules of fields; nothing is dropped from them. */
static int delimited_header(struct delimited *file, struct error *error)
{
    for (size_t i = 0; i < file->columns_count; i++) {
        const struct slice name = slice_of(file->fields[i].name);
        const unsigned demands = delimited_demands(&file->rules, name);
        const bool encloses =
            delimited_encloses(file, demands) || delimited_misleads(file, name, slice_of(""));
        if (demands & DELIMITED_REFUSED)
            return error_set(error, ERROR_REJECT,
                "column %s: the name holds a terminator of fields or lines, and nothing encloses or escapes it",
                file->fields[i].name);
        if (delimited_separate(file, i, error) || delimited_put(file, &file->rules, name, encloses, error))
            return -1;
    }
    return delimited_end_line(file, error);
}

static int delimited_start(struct delimited *file, const struct table_file_options *options,
    const struct table_sink *sink, struct error *error)
{
    const struct table_sink nulls = {delimited_keep, file}, composed = {delimited_take, file};

    bytes_init(&file->nulls, DELIMITED_NULLS_MAX);
    if (delimited_rules_make(&file->rules, &file->options, error) ||
        delimited_rules_dropping(&file->text_rules, &file->rules, &file->options, error) ||
        text_out_open(&file->out, &nulls, error) || text_out_open(&file->composed, &composed, error) ||
        delimited_columns(file, error) ||
        stream_codec_open(&file->codec, options->codec, options->level, sink, error))
        return -1;
    file->out.sink = stream_codec_sink(file->codec);
    return file->options.header ? delimited_header(file, error) : 0;
}

static int delimited_open(void **ret_state, const struct column_field *fields, size_t fields_count,
    const struct table_file_options *options, const struct table_sink *sink, struct error *error)
{
    __attribute__((cleanup(delimited_drop))) struct delimited *file = calloc(1, sizeof(*file));

    if (file) {
        file->options = *options->delimited;
        file->fields = fields;
        file->columns_count = fields_count;
        file->columns = calloc(fields_count + 1, sizeof(*file->columns));
    }
    if (!file || !file->columns)
        return error_set(error, ERROR_RETRY, "file of text: out of memory"); /* GCOVR_EXCL_LINE */
    if (delimited_start(file, options, sink, error))
        return -1;
    *ret_state = file;
    file = NULL;
    return 0;
}

static int delimited_row(
    struct delimited *file, const struct column_batch *batch, size_t row, struct error *error)
{
    bool failed = false;

    for (size_t i = 0; i < file->columns_count && !failed; i++)
        failed =
            delimited_separate(file, i, error) || delimited_field(file, &batch->columns[i], i, row, error);
    return failed ? -1 : delimited_end_line(file, error);
}

static int delimited_add(void *state, const struct column_batch *batch, struct error *error)
{
    struct delimited *file = state;

    for (size_t row = 0; row < batch->rows; row++)
        if (delimited_row(file, batch, row, error))
            return -1;
    file->rows += batch->rows;
    return 0;
}

static int delimited_finish(void *state, struct error *error)
{
    struct delimited *file = state;

    return text_out_flush(&file->out, error) ? -1 : stream_codec_finish(file->codec, error);
}

static int delimited_copy(void *state, struct slice row, struct error *error)
{
    struct delimited *file = state;

    return text_out_add(&file->out, row, error);
}

const struct table_writer delimited_writer = {
    delimited_open, delimited_add, delimited_finish, delimited_close, delimited_copy};
