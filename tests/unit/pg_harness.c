/* pg_harness: see pg_harness.h. What it allocates stays until the test's process ends. */
#include <criterion/criterion.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "lake/format/value_text.h"
#include "pg_harness.h"

#define LINE_FIELDS 10
#define VALUES_MAX (64u << 20)

struct slice pg_hex(const char *digits)
{
    const size_t length = strlen(digits) / 2;
    char *data = malloc(length + !length);

    for (size_t i = 0; i < length; i++) {
        const char two[3] = {digits[2 * i], digits[2 * i + 1], 0};
        data[i] = (char)strtoul(two, NULL, 16);
    }
    return (struct slice){data, length};
}

/* ---- the golden file ---------------------------------------------------------------------------------------------------------- */

/* As COPY's text escapes. */
static char *unescape(const char *text)
{
    static const char letters[] = {
        ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t', ['v'] = '\v'};
    char *out = malloc(strlen(text) + 1), *to = out;

    for (; *text; text++) {
        if (*text != '\\') {
            *to++ = *text;
            continue;
        }
        const unsigned char letter = (unsigned char)*++text;
        *to++ = letter < sizeof letters && letters[letter] ? letters[letter] : (char)letter;
    }
    *to = '\0';
    return out;
}

static const struct pg_type *type_of(const struct golden *golden, const char *id)
{
    return *id == '-' ? NULL : &golden->types[strtoul(id, NULL, 10)];
}

static void load_type(struct golden *golden, char *const *fields)
{
    golden->types[golden->types_count++] = (struct pg_type){
        .oid = (uint32_t)strtoul(fields[2], NULL, 10),
        .typmod = (int32_t)strtol(fields[3], NULL, 10),
        .kind = *fields[4],
        .category = *fields[5],
        .has_send = *fields[6] == '1',
        .base = type_of(golden, fields[7]),
        .element = type_of(golden, fields[8]),
        .schema = "",
        .name = unescape(fields[9]),
        .text = unescape(fields[9]),
    };
}

static void load_attribute(struct golden *golden, char *const *fields)
{
    struct pg_type *type = &golden->types[strtoul(fields[1], NULL, 10)];
    struct pg_attribute *attributes =
        realloc((void *)type->attributes, (type->attributes_count + 1) * sizeof *attributes);

    attributes[type->attributes_count++] = (struct pg_attribute){
        .name = unescape(fields[2]), .type = type_of(golden, fields[3]), .dropped = *fields[4] == '1'};
    type->attributes = attributes;
}

static void load_case(struct golden *golden, char *const *fields)
{
    golden->cases = realloc(golden->cases, (golden->cases_count + 1) * sizeof *golden->cases);
    golden->cases[golden->cases_count++] = (struct golden_case){.type = type_of(golden, fields[1]),
        .before = unescape(fields[2]),
        .after = unescape(fields[3]),
        .name = unescape(fields[4])};
}

static void load_value(struct golden *golden, char *const *fields)
{
    struct golden_case *to = &golden->cases[golden->cases_count - 1];
    struct golden_value value = {.said = unescape(fields[2])};

    value.sent = *fields[1] == '-' ? (struct slice){0} : pg_hex(fields[1]);
    value.expected = *fields[3] ? unescape(fields[3]) : value.said;
    to->values = realloc(to->values, (to->count + 1) * sizeof *to->values);
    to->values[to->count++] = value;
}

const struct golden *golden_load(void)
{
    static struct golden golden;
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(PENSTOCK_GOLDEN "/postgres_types.txt", "r");

    cr_assert_not_null(file);
    golden.types = calloc(1000, sizeof *golden.types);
    while (getline(&line, &size, file) > 0) {
        char *fields[LINE_FIELDS + 1] = {0}, *rest = line;
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < LINE_FIELDS && rest; i++)
            fields[i] = strsep(&rest, "\t");
        (*line == 'T'      ? load_type
            : *line == 'A' ? load_attribute
            : *line == 'C' ? load_case
                           : load_value)(&golden, fields);
        cr_assert_lt(golden.types_count, 1000);
    }
    free(line);
    fclose(file);
    return &golden;
}

/* ---- types ------------------------------------------------------------------------------------------------------------------------ */

struct pg_type pg_builtin(uint32_t oid, const char *name)
{
    return (struct pg_type){.oid = oid,
        .typmod = -1,
        .kind = 'b',
        .schema = "pg_catalog",
        .name = name,
        .text = name,
        .category = 'U',
        .has_send = true};
}

struct pg_type pg_array_of(const struct pg_type *element)
{
    struct pg_type array = pg_builtin(element->oid + 100000, "_array");

    array.category = 'A';
    array.element = element;
    return array;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------------- */

static void put32(char **to, uint32_t number)
{
    number = htobe32(number);
    memcpy(*to, &number, sizeof number);
    *to += sizeof number;
}

struct slice pg_row(const struct slice *values, size_t count, bool header)
{
    static const char head[19] = "PGCOPY\n\377\r\n";
    const uint16_t fields = htobe16((uint16_t)count);
    size_t length = (header ? sizeof head : 0) + sizeof fields;

    for (size_t i = 0; i < count; i++)
        length += 4 + values[i].length;
    char *data = malloc(length), *to = data;
    if (header)
        to = mempcpy(to, head, sizeof head);
    to = mempcpy(to, &fields, sizeof fields);
    for (size_t i = 0; i < count; i++) {
        put32(&to, values[i].data ? (uint32_t)values[i].length : UINT32_MAX);
        if (values[i].length)
            to = mempcpy(to, values[i].data, values[i].length);
    }
    return (struct slice){data, length};
}

void reader_open(struct reader *reader, const struct pg_type *type, struct pg_type_options options)
{
    *reader = (struct reader){.options = options};
    pg_type_map(type, &reader->options, &reader->mapping);
    reader->mapping.field.name = "v";
    const struct pg_copy_options copy = {.mappings = &reader->mapping,
        .columns = 1,
        .types = &reader->options,
        .row_max = 16u << 20,
        .key = 0};
    cr_assert_eq(pg_copy_new(&reader->copy, &copy, &reader->error), 0);
    cr_assert_eq(column_batch_new(&reader->batch, &reader->mapping.field, 1, VALUES_MAX, &reader->error), 0);
}

void reader_close(struct reader *reader)
{
    pg_copy_free(&reader->copy);
    column_batch_free(&reader->batch);
}

int reader_add(struct reader *reader, struct slice value)
{
    enum pg_copy_result result;
    struct slice message = pg_row(&value, 1, !reader->messages);

    column_batch_clear(reader->batch);
    int failed = pg_copy_add(reader->copy, message, reader->batch, &result, &reader->error);
    free((void *)message.data);
    cr_assert_eq(reader->batch->rows, !failed);
    reader->messages += !failed;
    return failed;
}

/* ---- what a file would say ---------------------------------------------------------------------------------------------------- */

/* Numbers and JSON stand without quotes, though an option may have made strings of them. */
static bool is_bare(enum pg_form form, enum column_type type, const char *text)
{
    const bool number = form == PG_FORM_FLOAT4 || form == PG_FORM_FLOAT8 || form == PG_FORM_NUMERIC;

    return type <= COLUMN_INT64 || form == PG_FORM_JSON || form == PG_FORM_VERSIONED_JSON ||
           form == PG_FORM_COMPOSITE || form == PG_FORM_ARRAY || (number && text[strlen(text) - 1] <= '9');
}

static void put_base64(FILE *out, struct slice data)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < data.length; i += 3) {
        uint32_t three = 0;
        for (size_t j = 0; j < 3; j++)
            three = three << 8 | (i + j < data.length ? (unsigned char)data.data[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            fputc(i + j > data.length ? '=' : letters[three >> (18 - 6 * j) & 63], out);
    }
}

static void put_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        static const char unsafe[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";
        const char *found = strchr(unsafe, *text);
        if (found)
            fprintf(out, "\\%c", letters[found - unsafe]);
        else if ((unsigned char)*text < 0x20)
            fprintf(out, "\\u%04x", *text);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

static char *single(const struct column *column, size_t row)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!column->valid[row]) {
        fputs("(null)", out);
    } else if (column->field->type == COLUMN_BYTES) {
        struct slice bytes = column_slice(column, row);
        fputs("\\x", out);
        for (size_t i = 0; i < bytes.length; i++)
            fprintf(out, "%02x", (unsigned char)bytes.data[i]);
    } else if (column_width(column->field->type)) {
        char buffer[VALUE_TEXT_MAX];
        fwrite(buffer, 1, (size_t)(value_text(buffer, column, row, DELIMITED_ISO) - buffer), out);
    } else {
        struct slice bytes = column_slice(column, row);
        if (bytes.length)
            fwrite(bytes.data, 1, bytes.length, out);
    }
    fclose(out);
    return text;
}

static void put_element(FILE *out, enum pg_form form, const struct column *element, size_t row)
{
    char *text = single(element, row);

    if (!element->valid[row]) {
        fputs("null", out);
    } else if (element->field->type == COLUMN_BYTES) {
        fputc('"', out);
        put_base64(out, column_slice(element, row));
        fputc('"', out);
    } else if (is_bare(form, element->field->type, text)) {
        fputs(text, out);
    } else {
        put_quoted(out, text);
    }
    free(text);
}

const char *reader_text(struct reader *reader)
{
    static char *text;
    const struct column *column = &reader->batch->columns[0];
    size_t size;

    free(text);
    if (column->field->type != COLUMN_LIST || !column->valid[0])
        return text = single(column, 0);
    const enum pg_form form =
        reader->mapping.cast == PG_CAST_TEXTS ? PG_FORM_TEXT : pg_type_form(reader->mapping.type->element);
    FILE *out = open_memstream(&text, &size);
    fputc('[', out);
    for (uint32_t i = 0; i < column->ends[0]; i++) {
        if (i)
            fputc(',', out);
        put_element(out, form, column->element, i);
    }
    fputc(']', out);
    fclose(out);
    return text;
}

/* ---- checks ---------------------------------------------------------------------------------------------------- */

void check_error(
    const struct pg_type *type, struct pg_type_options options, const char *hex, const char *expected)
{
    struct reader reader;
    struct slice value = pg_hex(hex);

    reader_open(&reader, type, options);
    cr_assert_eq(reader_add(&reader, value), -1, "%s: '%s' was taken", type->name, hex);
    cr_assert_eq(reader.error.kind, ERROR_REJECT);
    cr_assert(strstr(reader.error.text, "row 1: column v: "), "%s", reader.error.text);
    cr_assert(strstr(reader.error.text, expected), "%s: '%s' instead of '%s'", type->name, reader.error.text,
        expected);
    reader_close(&reader);
    free((void *)value.data);
}

struct reader check_taken(
    const struct pg_type *type, struct pg_type_options options, const char *hex, const char *expected)
{
    struct reader reader;
    struct slice value = pg_hex(hex);

    reader_open(&reader, type, options);
    cr_assert_eq(reader_add(&reader, value), 0, "%s: %s", type->name, reader.error.text);
    cr_assert_str_eq(reader_text(&reader), expected);
    free((void *)value.data);
    return reader;
}

void check(const struct pg_type *type, struct pg_type_options options, const char *hex, const char *expected)
{
    struct reader reader = check_taken(type, options, hex, expected);

    reader_close(&reader);
}

struct pg_counts counts_of(const struct reader *reader)
{
    return pg_copy_columns(reader->copy)[0].counts;
}
