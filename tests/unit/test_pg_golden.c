/* What the decoders make of thousands of values against PostgreSQL's own text of them (tests/golden/postgres_types.txt). */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "pg_harness.h"

static bool is_infinite(const char *said)
{
    return !strcmp(said, "infinity") || !strcmp(said, "-infinity") || !strcmp(said, "NaN") ||
           !strcmp(said, "Infinity") || !strcmp(said, "-Infinity");
}

/* A value that the column cannot hold, so that an option has to be chosen. */
static bool is_refused(const struct reader *reader, const char *said)
{
    const enum column_type type = reader->mapping.field.type, element = reader->mapping.field.element;
    const char *brackets = strstr(said, "[[");

    if (type == COLUMN_LIST)
        return (brackets && element != COLUMN_JSON) ||
               (element == COLUMN_DECIMAL && (strstr(said, "NaN") || strstr(said, "Infinity")));
    return reader->options.format >= TABLE_AVRO && reader->options.infinity == PG_INFINITY_KEEP &&
           is_infinite(said) &&
           (type == COLUMN_DECIMAL || type == COLUMN_DATE || type == COLUMN_TIMESTAMP ||
               type == COLUMN_TIMESTAMP_UTC);
}

/* PostgreSQL prints no decimal that lies exactly between two floats, though it is read back as the right one. */
static bool is_same(const struct reader *reader, const char *text, const char *expected)
{
    const enum column_type type = reader->mapping.field.type;

    if (!strcmp(text, expected))
        return true;
    if (strlen(text) >= strlen(expected))
        return false;
    return (type == COLUMN_FLOAT32 && strtof(text, NULL) == strtof(expected, NULL)) ||
           (type == COLUMN_FLOAT64 && strtod(text, NULL) == strtod(expected, NULL));
}

/* Values of the composites' arrays have brackets within strings; no n-dimensional one is among them. */
static void check_value(struct reader *reader, const struct golden_case *of, const struct golden_value *value)
{
    if (!value->sent.data) {
        cr_assert_eq(reader_add(reader, value->sent), 0);
        cr_assert_eq(reader->batch->columns[0].nulls, 1);
        return;
    }
    if (is_refused(reader, value->said)) {
        cr_assert_eq(reader_add(reader, value->sent), -1, "%s: %s", of->name, value->said);
        cr_assert_eq(reader->error.kind, ERROR_REJECT);
        cr_assert(strstr(reader->error.text, "column v: "), "%s", reader->error.text);
        cr_assert(strstr(reader->error.text, "--infinity=") || strstr(reader->error.text, "--arrays="), "%s",
            reader->error.text);
        return;
    }
    cr_assert_eq(reader_add(reader, value->sent), 0, "%s: %s: %s", of->name, value->said, reader->error.text);
    cr_assert(is_same(reader, reader_text(reader), value->expected), "%s: '%s' instead of '%s' (%s)",
        of->name, reader_text(reader), value->expected, column_type_name(reader->mapping.field.type));
}

static size_t check_all(struct pg_type_options options)
{
    const struct golden *golden = golden_load();
    size_t values = 0;

    for (size_t i = 0; i < golden->cases_count; i++) {
        const struct golden_case *of = &golden->cases[i];
        struct reader reader;
        reader_open(&reader, of->type, options);
        cr_assert_str_eq(reader.mapping.before, of->before, "%s", of->name);
        cr_assert_str_eq(reader.mapping.after, of->after, "%s", of->name);
        for (size_t j = 0; j < of->count; j++)
            check_value(&reader, of, &of->values[j]);
        values += of->count;
        reader_close(&reader);
    }
    return values;
}

Test(pg_golden, json_lines)
{
    cr_assert_gt(check_all((struct pg_type_options){.format = TABLE_JSON_LINES}), 3000);
}

Test(pg_golden, delimited)
{
    check_all((struct pg_type_options){.format = TABLE_DELIMITED});
}

Test(pg_golden, avro)
{
    check_all((struct pg_type_options){.format = TABLE_AVRO});
}

Test(pg_golden, parquet_with_json_of_its_own_type)
{
    check_all((struct pg_type_options){.format = TABLE_PARQUET, .json_type = true});
}

Test(pg_golden, infinities_as_strings_and_arrays_as_json)
{
    check_all((struct pg_type_options){.format = TABLE_PARQUET,
        .infinity = PG_INFINITY_STRING,
        .arrays = PG_ARRAYS_JSON,
        .json_type = true});
}

Test(pg_golden, numbers_as_strings)
{
    check_all((struct pg_type_options){
        .format = TABLE_AVRO, .numeric = PG_NUMERIC_STRING, .infinity = PG_INFINITY_STRING});
}

/* With the check for what a SQL_ASCII database may hold: all of this is UTF-8. */
Test(pg_golden, checked_text)
{
    check_all((struct pg_type_options){.format = TABLE_JSON_LINES, .sql_ascii = true});
}
