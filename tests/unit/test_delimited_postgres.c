/* delimited, style PostgreSQL: COPY's CSV byte for byte against its own rules written down slowly */
#include "delimited_harness.h"

#include <stdlib.h>

#include "lake/format/value_text.h"

#define ROUNDS 10000

static const struct delimited_options direct = {.field = ',',
    .line = '\n',
    .style = DELIMITED_POSTGRES,
    .quoting = DELIMITED_QUOTE_NEEDED,
    .enclosure = '"'};

Test(delimited_postgres, values_as_postgresql_prints_them)
{
    static const struct column_field fields[] = {{.name = "ts", .type = COLUMN_TIMESTAMP_UTC},
        {.name = "f", .type = COLUMN_FLOAT64}, {.name = "b", .type = COLUMN_BYTES},
        {.name = "o", .type = COLUMN_BOOL}, {.name = "n", .type = COLUMN_NUMBER}};
    struct delimited_options options = direct;
    cleanup_text struct text_table table;

    begin(&table, &options, fields, 5);
    text_add_fixed(&table, 0, &(int64_t){INT64_C(1704164645500000)});
    text_add_fixed(&table, 1, &(double){-0.0});
    text_add(&table, 2, "\xde\xad");
    text_add_fixed(&table, 3, &(uint8_t){1});
    text_add(&table, 4, "1.50");
    column_batch_end_row(table.batch);
    for (size_t i = 0; i < 5; i++)
        if (i != 2)
            column_add_null(&table.batch->columns[i]);
    text_add(&table, 2, "");
    column_batch_end_row(table.batch);
    text_is(&table, "2024-01-02 03:04:05.5+00,-0,\\xdead,t,1.50\n,,\\x,,\n");
    options.null_string = options.null_other = slice_of("t");
    options.escape = '\\'; /* which stands in no field that is enclosed */
    text_is(&table, "2024-01-02 03:04:05.5+00,-0,\\xdead,\"t\",1.50\nt,t,\\x,t,t\n");
    options.null_string = options.null_other = slice_of("\\x");
    text_is(&table, "2024-01-02 03:04:05.5+00,-0,\\xdead,t,1.50\n\\x,\\x,\"\\\\x\",\\x,\\x\n");
    options.null_string = options.null_other = slice_of("");
    options.field = ' ';
    text_is(&table, "\"2024-01-02 03:04:05.5+00\" -0 \\xdead t 1.50\n  \\x  \n");
    options.quoting = DELIMITED_QUOTE_ALL;
    text_is(&table, "\"2024-01-02 03:04:05.5+00\" \"-0\" \"\\\\xdead\" \"t\" \"1.50\"\n  \"\\\\x\"  \n");
}

static char text[VALUE_TEXT_MAX + 1];

static const char *ended(char *end)
{
    *end = '\0';
    return text;
}

/* As PostgreSQL itself said them in a session of UTC. */
Test(delimited_postgres, moments_as_postgresql_prints_them)
{
    static const struct {
        int64_t value;
        const char *without, *with;
    } moments[] = {
        {0, "1970-01-01 00:00:00", "1970-01-01 00:00:00+00"},
        {-1, "1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999+00"},
        {INT64_C(1704164645120000), "2024-01-02 03:04:05.12", "2024-01-02 03:04:05.12+00"},
        {INT64_C(253402300800000000), "10000-01-01 00:00:00", "10000-01-01 00:00:00+00"},
        {INT64_C(-62135596800000000), "0001-01-01 00:00:00", "0001-01-01 00:00:00+00"},
        {INT64_C(-62135596800000001), "0001-12-31 23:59:59.999999 BC", "0001-12-31 23:59:59.999999+00 BC"},
        {INT64_C(-210866803200000000), "4714-11-24 00:00:00 BC", "4714-11-24 00:00:00+00 BC"},
        {INT64_MAX, "infinity", "infinity"},
        {INT64_MIN, "-infinity", "-infinity"},
    };

    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        const int64_t value = moments[i].value;
        cr_assert_str_eq(
            ended(value_text_timestamp(text, value, false, DELIMITED_POSTGRES)), moments[i].without);
        cr_assert_str_eq(ended(value_text_timestamp(text, value, true, DELIMITED_POSTGRES)), moments[i].with);
    }
    cr_assert_str_eq(ended(value_text_date(text, 2932897, DELIMITED_POSTGRES)), "10000-01-01");
    cr_assert_str_eq(ended(value_text_date(text, -719162, DELIMITED_POSTGRES)), "0001-01-01");
    cr_assert_str_eq(ended(value_text_date(text, -719163, DELIMITED_POSTGRES)), "0001-12-31 BC");
    cr_assert_str_eq(ended(value_text_date(text, -2440588, DELIMITED_POSTGRES)), "4714-11-24 BC");
    cr_assert_str_eq(ended(value_text_date(text, INT32_MIN, DELIMITED_POSTGRES)), "-infinity");
    cr_assert_str_eq(ended(value_text_float64(text, -0.0, DELIMITED_POSTGRES)), "-0");
    cr_assert_str_eq(ended(value_text_float32(text, 0, DELIMITED_POSTGRES)), "0");
}

Test(delimited_postgres, booleans_of_ones_own)
{
    static const struct column_field fields[] = {
        {.name = "o", .type = COLUMN_BOOL}, {.name = "back\\slash", .type = COLUMN_BOOL}};
    struct delimited_options options = direct;
    cleanup_text struct text_table table;

    begin(&table, &options, fields, 2);
    text_add_fixed(&table, 0, &(uint8_t){1});
    text_add_fixed(&table, 1, &(uint8_t){0});
    column_batch_end_row(table.batch);
    options.true_text = slice_of("TRUE");
    text_is(&table, "TRUE,f\n");
    options.false_text = slice_of("");
    text_is(&table, "TRUE,\"\"\n"); /* not NULL */
    options.true_text = slice_of("yes, \"it\" is");
    options.null_string = options.null_other = slice_of("-");
    text_is(&table, "\"yes, \"\"it\"\" is\",\n");
    options.header = true;
    options.escape = '\\';
    text_is(&table, "o,back\\slash\n\"yes, \\\"it\\\" is\",\n");
    options.style = DELIMITED_JAVA;
    options.quoting = DELIMITED_QUOTE_NONE;
    options.header = false;
    text_is(&table, "yes\\, \"it\" is,\n");
}

Test(delimited_postgres, one_column)
{
    static const struct column_field fields[] = {{.name = "a", .type = COLUMN_STRING}};
    static const char *const values[] = {"", NULL, "\\.", "\\", "x"};
    struct delimited_options options = direct;
    cleanup_text struct text_table table;

    begin(&table, &options, fields, 1);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        text_add(&table, 0, values[i]);
        column_batch_end_row(table.batch);
    }
    text_is(&table, "\"\"\n\n\"\\.\"\n\\\nx\n");
    options.null_string = options.null_other = slice_of("x");
    text_is(&table, "\nx\n\"\\.\"\n\\\n\"x\"\n");
}

Test(delimited_postgres, dropped_delimiters)
{
    struct delimited_options options = direct;
    cleanup_text struct text_table table;

    options.drop_delimiters = true;
    begin(&table, &options, two_strings, 2);
    add_two(&table, "a\nb\r\1c", "\n");
    text_is(&table, "\"abc\",\"\"\n"); /* not NULL */
}

/* ---- CopyAttributeOutCSV(), statement for statement -------------------------------------------------------------------- */

static void add(struct bytes *line, char byte)
{
    struct error error;

    cr_assert_eq(bytes_add(line, &byte, 1, &error), 0);
}

static void copy_attribute_out(
    const char *string, const struct delimited_options *options, struct bytes *line)
{
    const char quote = options->enclosure, escape = options->escape ? options->escape : quote;
    bool use_quote = options->quoting == DELIMITED_QUOTE_ALL || slice_is(options->null_string, string);

    for (const char *at = string; *at; at++)
        if (*at == options->field || *at == quote || *at == '\n' || *at == '\r' || *at == options->line)
            use_quote = true;
    if (use_quote)
        add(line, quote);
    for (const char *at = string; *at; at++) {
        if (use_quote && (*at == quote || *at == escape))
            add(line, escape);
        add(line, *at);
    }
    if (use_quote)
        add(line, quote);
}

static char pick(const char *from)
{
    return from[(size_t)rand() % strlen(from)];
}

static const char *random_text(char to[32])
{
    const size_t length = (size_t)rand() % 31 / (rand() % 3 ? 1 : 8);

    for (size_t i = 0; i < length; i++)
        to[i] = rand() % 4 ? pick("abcN") : pick(",;\t\1\n\r\"'\\^|");
    to[length] = '\0';
    return to;
}

static struct delimited_options random_options(void)
{
    static const char *const nulls[] = {"", "N", "null", "\\N"};
    struct delimited_options options = {.style = DELIMITED_POSTGRES,
        .field = pick(",;\t\1"),
        .line = pick("\n\n\n\r|"),
        .quoting = rand() % 4 ? DELIMITED_QUOTE_NEEDED : DELIMITED_QUOTE_ALL,
        .enclosure = pick("\"'")};

    options.escape = rand() % 2 ? pick("\\^") : '\0';
    if (rand() % 8 == 0)
        options.escape = options.enclosure;
    options.null_string = options.null_other = slice_of(nulls[rand() % 4]);
    return options;
}

Test(delimited_postgres, strings_as_copy_writes_them)
{
    char a[32], b[32];
    struct error error;

    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        const struct delimited_options options = random_options();
        cleanup_text struct text_table table;
        cleanup_bytes struct bytes expected;
        bytes_init(&expected, 1000);
        begin(&table, &options, two_strings, 2);
        add_two(&table, random_text(a), rand() % 8 ? random_text(b) : NULL);
        copy_attribute_out(a, &options, &expected);
        add(&expected, options.field);
        if (table.batch->columns[1].valid[0])
            copy_attribute_out(b, &options, &expected);
        else
            cr_assert_eq(
                bytes_add(&expected, options.null_string.data, options.null_string.length, &error), 0);
        add(&expected, options.line);
        add(&expected, '\0');
        text_is(&table, expected.data);
    }
}
