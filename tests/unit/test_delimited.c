/* delimited, style ISO: RFC 4180, values that look like NULL, long values, and what is refused */
#include "delimited_harness.h"

#include <stdlib.h>

#include "lake/format/text_out.h"

static const struct delimited_options csv = {
    .field = ',', .quoting = DELIMITED_QUOTE_NEEDED, .enclosure = '"', .header = true};
static const struct column_field one_string[] = {{.name = "s", .type = COLUMN_STRING}};

/* ---- ISO ---------------------------------------------------------------------------------------------------- */

Test(delimited, csv_by_the_rfc)
{
    cleanup_text struct text_table table;

    begin(&table, &csv, two_strings, 2);
    add_two(&table, "plain", "with blank");
    add_two(&table, "a,b", "say \"x\"");
    add_two(&table, "line\nfeed", "carriage\rreturn");
    add_two(&table, "", NULL);
    add_two(&table, NULL, "a longer text, with a comma in its second word");
    text_is(&table,
        "a,b\r\nplain,with blank\r\n\"a,b\",\"say \"\"x\"\"\"\r\n\"line\nfeed\",\"carriage\rreturn\"\r\n\"\",\r\n"
        ",\"a longer text, with a comma in its second word\"\r\n");
}

Test(delimited, null_is_told_from_values_that_look_like_it)
{
    static const struct column_field fields[] = {{.name = "s", .type = COLUMN_STRING},
        {.name = "j", .type = COLUMN_JSON}, {.name = "i", .type = COLUMN_INT32},
        {.name = "b", .type = COLUMN_BYTES}, {.name = "l", .type = COLUMN_LIST, .element = COLUMN_INT32}};
    struct delimited_options options = csv;
    cleanup_text struct text_table table;

    options.header = false;
    options.line = '\n';
    options.null_string = slice_of("null");
    options.null_other = slice_of("0000");
    begin(&table, &options, fields, 5);
    text_add(&table, 0, "null");
    text_add(&table, 1, "null");
    text_add_fixed(&table, 2, &(int32_t){0});
    text_add(&table, 3, "\xd3\x4d\x34"); /* "0000" in base64 */
    column_end_list(&table.batch->columns[4]);
    column_batch_end_row(table.batch);
    text_add(&table, 0, "nul");
    text_add(&table, 1, "1");
    text_add_fixed(&table, 2, &(int32_t){10000});
    text_add(&table, 3, "");
    column_add_null(&table.batch->columns[4]);
    column_batch_end_row(table.batch);
    for (size_t i = 0; i < 5; i++)
        column_add_null(&table.batch->columns[i]);
    column_batch_end_row(table.batch);
    text_is(&table, "\"null\",\"null\",0,\"0000\",[]\nnul,1,10000,\"\",null\nnull,null,0000,0000,null\n");
    options.null_other = slice_of("NULL");
    text_is(&table, "\"null\",\"null\",0,0000,[]\nnul,1,10000,\"\",null\nnull,null,NULL,NULL,null\n");
    options.null_string = slice_of("[]");
    options.null_other = slice_of("10000");
    text_is(&table, "null,null,0,0000,\"[]\"\nnul,1,\"10000\",\"\",[]\n[],[],10000,10000,[]\n");
}

Test(delimited, no_bytes_are_not_null)
{
    static const struct column_field fields[] = {
        {.name = "b", .type = COLUMN_BYTES}, {.name = "c", .type = COLUMN_BYTES}};
    struct delimited_options options = csv;
    cleanup_text struct text_table table;

    begin(&table, &options, fields, 2);
    add_two(&table, "", "xyz");
    add_two(&table, NULL, NULL);
    text_is(&table, "b,c\r\n\"\",eHl6\r\n,\r\n");
    options.quoting = DELIMITED_QUOTE_ALL;
    text_is(&table, "\"b\",\"c\"\r\n\"\",\"eHl6\"\r\n,\r\n");
}

/* An empty line is no row to many readers, and \. is the end to PostgreSQL. */
Test(delimited, one_column)
{
    static const char *const values[] = {"", "\\.", "x", "\\.x"};
    struct delimited_options options = csv;
    cleanup_text struct text_table table;

    options.null_string = slice_of("\\N");
    begin(&table, &options, one_string, 1);
    for (size_t i = 0; i < 4; i++) {
        text_add(&table, 0, values[i]);
        column_batch_end_row(table.batch);
    }
    text_is(&table, "s\r\n\"\"\r\n\"\\.\"\r\nx\r\n\\.x\r\n");
}

Test(delimited, no_columns)
{
    cleanup_text struct text_table table;

    begin(&table, &csv, NULL, 0);
    column_batch_end_row(table.batch);
    text_is(&table, "\r\n\r\n");
}

Test(delimited, names_in_the_header)
{
    static const struct column_field fields[] = {{.name = "a,b", .type = COLUMN_BOOL},
        {.name = "", .type = COLUMN_BOOL}, {.name = "q\"", .type = COLUMN_BOOL}};
    struct delimited_options options = csv;
    cleanup_text struct text_table table;

    begin(&table, &options, fields, 3);
    text_is(&table, "\"a,b\",\"\",\"q\"\"\"\r\n");
    options.quoting = DELIMITED_QUOTE_NONE;
    cr_assert_eq(text_write(&table, 1), -1);
    cr_assert_eq(table.error.kind, ERROR_REJECT);
    cr_assert_str_eq(table.error.text,
        "column a,b: the name holds a terminator of fields or lines, and nothing encloses or escapes it");
    options.escape = '\\';
    text_is(&table, "a\\,b,,q\"\r\n");
}

Test(delimited, every_field_enclosed)
{
    static const struct column_field fields[] = {{.name = "i", .type = COLUMN_INT64},
        {.name = "s", .type = COLUMN_STRING}, {.name = "d", .type = COLUMN_DATE},
        {.name = "l", .type = COLUMN_LIST, .element = COLUMN_STRING}};
    struct delimited_options options = csv;
    cleanup_text struct text_table table;

    options.quoting = DELIMITED_QUOTE_ALL;
    options.line = '\n';
    begin(&table, &options, fields, 4);
    text_add_fixed(&table, 0, &(int64_t){-5});
    text_add(&table, 1, "x");
    text_add_fixed(&table, 2, &(int32_t){0});
    cr_assert_eq(column_add_bytes(table.batch->columns[3].element, "y", 1, &table.error), 0);
    column_end_list(&table.batch->columns[3]);
    column_batch_end_row(table.batch);
    for (size_t i = 0; i < 4; i++)
        column_add_null(&table.batch->columns[i]);
    column_batch_end_row(table.batch);
    text_is(&table, "\"i\",\"s\",\"d\",\"l\"\n\"-5\",\"x\",\"1970-01-01\",\"[\"\"y\"\"]\"\n,,,\n");
    options.escape = '\\';
    text_is(&table, "\"i\",\"s\",\"d\",\"l\"\n\"-5\",\"x\",\"1970-01-01\",\"[\\\"y\\\"]\"\n,,,\n");
}

Test(delimited, escapes_where_nothing_is_enclosed)
{
    static const struct delimited_options options = {
        .field = '\t', .line = '\n', .escape = '\\', .null_string = {"\\N", 2}};
    cleanup_text struct text_table table;

    begin(&table, &options, two_strings, 2);
    add_two(&table, "a\tb\nc\rd\\e", "\\N");
    add_two(&table, NULL, "");
    text_is(&table, "a\\\tb\\\nc\\\rd\\\\e\t\\\\N\n\\N\t\n");
}

/* Terminators among the characters of numbers. */
Test(delimited, terminators_that_values_are_made_of)
{
    static const struct column_field fields[] = {{.name = "f", .type = COLUMN_FLOAT64},
        {.name = "t", .type = COLUMN_TIMESTAMP}, {.name = "n", .type = COLUMN_NUMBER},
        {.name = "u", .type = COLUMN_UUID}};
    struct delimited_options options = {
        .field = '.', .line = ':', .quoting = DELIMITED_QUOTE_NEEDED, .enclosure = '-'};
    unsigned char uuid[16] = {0};
    cleanup_text struct text_table table;

    begin(&table, &options, fields, 4);
    text_add_fixed(&table, 0, &(double){-1.5});
    text_add_fixed(&table, 1, &(int64_t){0});
    text_add(&table, 2, "7");
    text_add_fixed(&table, 3, uuid);
    column_batch_end_row(table.batch);
    text_is(&table, "---1.5-.-1970--01--01T00:00:00-.7.-00000000--0000--0000--0000--000000000000-:");
    options.quoting = DELIMITED_QUOTE_NONE;
    cr_assert_eq(text_write(&table, 1), -1);
    cr_assert_str_eq(table.error.text,
        "column f, row 1: the value holds a terminator of fields or lines, and nothing "
        "encloses or escapes it");
    options.escape = '0';
    text_is(&table,
        "-10.5.19700-001-001T00000:00000:0000.7.0000000000000000-00000000-00000000-00000000-000000000000000000000000:");
}

Test(delimited, values_that_would_break_the_line_are_refused)
{
    static const struct delimited_options options = {.field = '\t', .line = '\n'};
    static const char *const bad[] = {"a\tb", "a\nb", "a\rb", "\n"};
    struct error error = {0};

    for (size_t i = 0; i < 4; i++) {
        cleanup_text struct text_table table;
        begin(&table, &options, two_strings, 2);
        add_two(&table, "good", "good");
        add_two(&table, "good", bad[i]);
        cr_assert_eq(text_write(&table, 1), -1);
        error = table.error;
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_str_eq(error.text,
            "column b, row 2: the value holds a terminator of fields or lines, and nothing encloses "
            "or escapes it");
    }
}

/* Rows are counted over batches. */
Test(delimited, the_row_of_a_refusal)
{
    static const struct delimited_options options = {.field = '\t', .line = '\n'};
    const struct table_sink sink = {text_take, &(struct bytes){.limit = 100000}};
    const struct table_file_options file = {.format = TABLE_DELIMITED, .delimited = &options};
    cleanup_text struct text_table table;
    void *state = NULL;

    begin(&table, &options, one_string, 1);
    text_add(&table, 0, "good");
    column_batch_end_row(table.batch);
    cr_assert_eq(delimited_writer.open(&state, one_string, 1, &file, &sink, &table.error), 0);
    cr_assert_eq(delimited_writer.add(state, table.batch, &table.error), 0);
    column_batch_clear(table.batch);
    text_add(&table, 0, "bad\t");
    column_batch_end_row(table.batch);
    cr_assert_eq(delimited_writer.add(state, table.batch, &table.error), -1);
    cr_assert_eq(strncmp(table.error.text, "column s, row 2:", 16), 0);
    delimited_writer.close(state);
}

Test(delimited, other_terminators_leave_line_breaks_alone)
{
    static const struct delimited_options options = {.field = '\1', .line = '\2'};
    cleanup_text struct text_table table;

    begin(&table, &options, two_strings, 2);
    add_two(&table, "a\nb", "c\r\n,\"d");
    text_is(&table, "a\nb\1c\r\n,\"d\2");
}

/* ---- options -------------------------------------------------------------------------------------------------------- */

static void refuses(struct delimited_options options, const char *text)
{
    cleanup_text struct text_table table;

    begin(&table, &options, two_strings, 2);
    cr_assert_eq(text_write(&table, 1), -1);
    cr_assert_eq(table.error.kind, ERROR_REJECT);
    cr_assert_str_eq(table.error.text, text);
}

Test(delimited, options_that_contradict_each_other)
{
    struct delimited_options options = csv;

    options.enclosure = '\0';
    refuses(options, "fields are to be enclosed, but by no character");
    options.enclosure = ',';
    refuses(options, "the enclosing character (byte 0x2c) has another meaning already");
    options = csv;
    options.field = '\n';
    refuses(options, "the field terminator (byte 0x0a) has another meaning already");
    options.field = (char)0xe9;
    refuses(options, "the field terminator (byte 0xe9) is no character of ASCII");
    options = csv;
    options.line = (char)0xfe;
    refuses(options, "the line terminator (byte 0xfe) is no character of ASCII");
    options = csv;
    options.escape = ',';
    refuses(options, "the escape character (byte 0x2c) has another meaning already");
    options = csv;
    options.null_string = slice_of("a,b");
    refuses(options,
        "the text of NULL holds a terminator or the enclosing character: it is neither enclosed nor escaped");
    options.null_string = slice_of("\"\"");
    refuses(options,
        "the text of NULL holds a terminator or the enclosing character: it is neither enclosed nor escaped");
    options.null_string = slice_of("\n");
    refuses(options,
        "the text of NULL holds a terminator or the enclosing character: it is neither enclosed nor escaped");
    options.line = '|';
    options.null_string = slice_of("|");
    refuses(options,
        "the text of NULL holds a terminator or the enclosing character: it is neither enclosed nor escaped");
}

Test(delimited, an_escape_that_is_the_enclosure_doubles_it)
{
    struct delimited_options options = csv;
    cleanup_text struct text_table table;

    options.header = false;
    options.escape = '"';
    begin(&table, &options, two_strings, 2);
    add_two(&table, "a\"b", "c");
    text_is(&table, "\"a\"\"b\",c\r\n");
    options.style = DELIMITED_JAVA;
    text_is(&table, "a\"\"b,c\r\n");
}

/* ---- long values, and sinks that fail ----------------------------------------------------------------------------------- */

static const struct column_field long_fields[] = {{.name = "s", .type = COLUMN_STRING},
    {.name = "b", .type = COLUMN_BYTES}, {.name = "l", .type = COLUMN_LIST, .element = COLUMN_STRING},
    {.name = "i", .type = COLUMN_INT32}};

static void long_row(struct text_table *table, size_t length)
{
    char *text = malloc(length + 1);

    memset(text, '"', length);
    text[length] = '\0';
    text_add(table, 0, text);
    text_add(table, 1, text);
    struct column *list = &table->batch->columns[2];
    cr_assert_eq(column_add_bytes(list->element, text, length, &table->error), 0);
    column_end_list(list);
    text_add_fixed(table, 3, &(int32_t){5});
    column_batch_end_row(table->batch);
    free(text);
}

Test(delimited, long_values)
{
    const size_t length = 600000;
    struct delimited_options options = csv;
    cleanup_text struct text_table table;

    begin(&table, &options, long_fields, 4);
    long_row(&table, length);
    cr_assert_eq(text_write(&table, 1), 0);
    /* In the list: \" for each, and its " twice; around them "[""  and ""]". */
    cr_assert_eq(table.text.length, strlen("s,b,l,i\r\n") + (2 * length + 2) + 1 + length / 3 * 4 + 1 +
                                        (3 * length + 8) + strlen(",5\r\n"));
    options.style = DELIMITED_JAVA;
    cr_assert_eq(text_write(&table, 1), 0);
    cr_assert_eq(table.text.length,
        strlen("s,b,l,i\r\n") + length + 1 + (3 * length - 1) + 1 + (2 * length + 4) + strlen(",5\r\n"));
}

static void full_sinks(const struct delimited_options *options, size_t length, size_t times, size_t step)
{
    cleanup_text struct text_table table;

    begin(&table, options, long_fields, 4);
    for (size_t i = 0; i < 8; i++)
        long_row(&table, length);
    for (size_t i = 0; i < 4; i++)
        column_add_null(&table.batch->columns[i]);
    column_batch_end_row(table.batch);
    cr_assert_eq(text_write(&table, times), 0);
    const size_t whole = table.text.length;
    for (size_t limit = 0; limit < whole; limit += step) {
        table.text.limit = limit;
        cr_assert_eq(text_write(&table, times), -1);
        cr_assert_eq(table.error.kind, ERROR_REJECT);
        cr_assert_leq(table.text.length, limit);
    }
}

Test(delimited, a_sink_that_is_full_at_any_byte)
{
    struct delimited_options options = csv;

    full_sinks(&options, 70000, 1, 100003);
    full_sinks(&options, 40, 500, 100003);
    options.quoting = DELIMITED_QUOTE_ALL;
    full_sinks(&options, 70000, 1, 100003);
    options.style = DELIMITED_JAVA;
    full_sinks(&options, 70000, 1, 100003);
    options.field = ' ';
    full_sinks(&options, 70000, 1, 100003);
}

Test(delimited, a_header_that_does_not_fit)
{
    const size_t length = 2 * TEXT_OUT_SIZE;
    char *name = malloc(length + 1);
    cleanup_text struct text_table table;

    memset(name, 'x', length);
    name[length] = '\0';
    const struct column_field fields[] = {{.name = name, .type = COLUMN_BOOL}};
    begin(&table, &csv, fields, 1);
    cr_assert_eq(text_write(&table, 0), 0);
    cr_assert_eq(table.text.length, length + 2);
    table.text.limit = 100;
    cr_assert_eq(text_write(&table, 0), -1);
    free(name);
}

Test(delimited, compressed)
{
    cleanup_text struct text_table table;

    begin(&table, &csv, one_string, 1);
    table.options.codec = TABLE_CODEC_ZSTD;
    cr_assert_eq(text_write(&table, 0), 0);
    cr_assert_eq(memcmp(table.text.data, "\x28\xb5\x2f\xfd", 4), 0);
    table.options.codec = TABLE_CODEC_DEFLATE;
    cr_assert_eq(text_write(&table, 0), -1);
}
