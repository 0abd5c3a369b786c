/* delimited, style Java: Sqoop's text byte for byte against its own rules written down slowly; dropped delimiters in both styles */
#include "delimited_harness.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 10000

static const struct delimited_options sqoop = {.field = ',',
    .line = '\n',
    .style = DELIMITED_JAVA,
    .null_string = {"null", 4},
    .null_other = {"null", 4}};

/* ---- dropped delimiters --------------------------------------------------------------------------------------- */

Test(delimited_java, dropped_delimiters)
{
    static const struct column_field fields[] = {
        {.name = "s", .type = COLUMN_STRING}, {.name = "j", .type = COLUMN_JSON}};
    struct delimited_options options = sqoop;
    cleanup_text struct text_table table;

    options.drop_delimiters = true;
    options.field = '\1';
    begin(&table, &options, fields, 2);
    add_two(&table, "a\nb\r\1c", "{\1}");
    text_is(&table, "abc\1{}\n");
    options.drop_delimiters = false;
    options.delimiters_replacement = slice_of(" / ");
    text_is(&table, "a / b /  / c\1{ / }\n");
    options.drop_delimiters = true; /* both: dropped, as Sqoop does */
    text_is(&table, "abc\1{}\n");
    options.style = DELIMITED_ISO;
    text_is(&table, "abc\1{}\n");
    options.quoting = DELIMITED_QUOTE_NEEDED;
    options.enclosure = '"';
    text_is(&table, "\"abc\"\1\"{}\"\n");
    options.quoting = DELIMITED_QUOTE_ALL;
    text_is(&table, "\"abc\"\1\"{}\"\n");
}

Test(delimited_java, a_replacement_is_a_part_of_the_field)
{
    struct delimited_options options = sqoop;
    cleanup_text struct text_table table;

    options.delimiters_replacement = slice_of(",\\");
    options.quoting = DELIMITED_QUOTE_NEEDED;
    options.enclosure = '"';
    options.escape = '\\';
    begin(&table, &options, two_strings, 2);
    add_two(&table, "a\nb", "c");
    text_is(&table, "\"a,\\\\b\",c\n");
    options.quoting = DELIMITED_QUOTE_NONE;
    text_is(&table, "a\\,\\\\b,c\n");
    options.escape = '\0';
    text_is(&table, "a,\\b,c\n");
    options.style = DELIMITED_ISO;
    cr_assert_eq(text_write(&table, 1), -1);
    cr_assert_str_eq(table.error.text,
        "the replacement of delimiters holds a terminator, and nothing encloses or escapes it");
    options.delimiters_replacement = slice_of("thirty-three bytes, one too many!");
    cr_assert_eq(text_write(&table, 1), -1);
    cr_assert_str_eq(table.error.text, "the replacement of delimiters has more than 32 bytes");
}

/* ---- Java ------------------------------------------------------------------------------------------------------- */

Test(delimited_java, values_as_java_prints_them)
{
    static const struct column_field fields[] = {{.name = "ts", .type = COLUMN_TIMESTAMP},
        {.name = "f", .type = COLUMN_FLOAT64}, {.name = "b", .type = COLUMN_BYTES},
        {.name = "o", .type = COLUMN_BOOL}, {.name = "u", .type = COLUMN_UUID}};
    struct delimited_options options = sqoop;
    unsigned char uuid[16] = {0};
    cleanup_text struct text_table table;

    options.null_string = slice_of("\\N");
    options.null_other = slice_of("-");
    begin(&table, &options, fields, 5);
    text_add_fixed(&table, 0, &(int64_t){INT64_C(1704164645000000)});
    text_add_fixed(&table, 1, &(double){1e10});
    text_add(&table, 2, "\xde\xad\xbe\xef");
    text_add_fixed(&table, 3, &(uint8_t){1});
    text_add_fixed(&table, 4, uuid);
    column_batch_end_row(table.batch);
    for (size_t i = 0; i < 5; i++)
        column_add_null(&table.batch->columns[i]);
    column_batch_end_row(table.batch);
    text_is(&table,
        "2024-01-02 03:04:05.0,1.0E10,de ad be ef,true,00000000-0000-0000-0000-000000000000\n-,-,-,-,\\N\n");
    options.escape = '\\';
    text_is(&table,
        "2024-01-02 03:04:05.0,1.0E10,de ad be ef,true,00000000-0000-0000-0000-000000000000\n-,-,-,-,\\\\N\n");
    options.field = ' ';
    text_is(&table,
        "2024-01-02\\ 03:04:05.0 1.0E10 de\\ ad\\ be\\ ef true 00000000-0000-0000-0000-000000000000\n- - - - \\\\N\n");
    options.quoting = DELIMITED_QUOTE_ALL;
    options.enclosure = '-';
    options.header = true;
    text_is(&table, "-ts- -f- -b- -o- -u-\n-2024\\-01\\-02 03:04:05.0- -1.0E10- -de ad be ef- -true- "
                    "-00000000\\-0000\\-0000\\-0000\\-000000000000-\n-\\-- -\\-- -\\-- -\\-- -\\\\N-\n");
}

/* String.replace(): every occurrence of one character by two. */
static void replace(struct bytes *text, char what, char before)
{
    struct bytes out;
    struct error error;

    bytes_init(&out, 100000);
    for (size_t i = 0; i < text->length; i++) {
        if (text->data[i] == what)
            cr_assert_eq(bytes_add(&out, &before, 1, &error), 0);
        cr_assert_eq(bytes_add(&out, &text->data[i], 1, &error), 0);
    }
    bytes_free(text);
    *text = out;
}

/* FieldFormatter.escapeAndEnclose(), statement for statement, appended to `line`. */
static void escape_and_enclose(struct slice str, const struct delimited_options *options, struct bytes *line)
{
    const char enclose = options->quoting == DELIMITED_QUOTE_NONE ? '\0' : options->enclosure;
    bool actually = options->quoting == DELIMITED_QUOTE_ALL;
    struct bytes text;
    struct error error;

    bytes_init(&text, 100000);
    cr_assert_eq(bytes_add(&text, str.data, str.length, &error), 0);
    if (options->escape)
        replace(&text, options->escape, options->escape);
    if (!enclose) {
        if (options->escape) {
            replace(&text, options->field, options->escape);
            replace(&text, options->line, options->escape);
        }
        cr_assert_eq(bytes_add(line, text.data, text.length, &error), 0);
        bytes_free(&text);
        return;
    }
    if (options->escape)
        replace(&text, enclose, options->escape);
    for (size_t i = 0; i < str.length; i++)
        if (str.data[i] == options->field || str.data[i] == options->line)
            actually = true;
    if (actually)
        cr_assert_eq(bytes_add(line, &enclose, 1, &error), 0);
    cr_assert_eq(bytes_add(line, text.data, text.length, &error), 0);
    if (actually)
        cr_assert_eq(bytes_add(line, &enclose, 1, &error), 0);
    bytes_free(&text);
}

/* hiveStringReplaceDelims() before it, where it is asked for. */
static void hive(const char *str, const struct delimited_options *options, struct bytes *line)
{
    cleanup_bytes struct bytes replaced;
    struct error error;

    bytes_init(&replaced, 10000);
    for (; *str; str++) {
        const bool dropped =
            (options->drop_delimiters || options->delimiters_replacement.length) && strchr("\n\r\1", *str);
        if (!dropped)
            cr_assert_eq(bytes_add(&replaced, str, 1, &error), 0);
        else if (!options->drop_delimiters)
            cr_assert_eq(bytes_add(&replaced, options->delimiters_replacement.data,
                             options->delimiters_replacement.length, &error),
                0);
    }
    escape_and_enclose(bytes_slice(&replaced), options, line);
}

static char pick(const char *from)
{
    return from[(size_t)rand() % strlen(from)];
}

static void random_text(char text[32])
{
    const size_t length = (size_t)rand() % 31;

    for (size_t i = 0; i < length; i++)
        text[i] = rand() % 2 ? pick("abc") : pick(",;\t\1\n\r\"'\\^");
    text[length] = '\0';
}

static struct delimited_options random_options(void)
{
    struct delimited_options options = {.style = DELIMITED_JAVA,
        .field = pick(",;\t\1"),
        .line = pick("\n\n\r|"),
        .quoting = (enum delimited_quoting)(rand() % 3),
        .enclosure = pick("\"'"),
        .null_string = slice_of(rand() % 2 ? "null" : "\\N,\n"),
        .drop_delimiters = rand() % 4 == 0};

    if (rand() % 2)
        options.escape = pick("\\^");
    if (rand() % 4 == 0)
        options.delimiters_replacement = slice_of(rand() % 2 ? " " : ",\"\\\n");
    return options;
}

Test(delimited_java, sqoop_s_own_rules)
{
    srand(2);
    for (int round = 0; round < ROUNDS; round++) {
        const struct delimited_options options = random_options();
        cleanup_bytes struct bytes expected;
        cleanup_text struct text_table table;
        char texts[2][32];

        bytes_init(&expected, 10000);
        begin(&table, &options, two_strings, 2);
        for (size_t i = 0; i < 2; i++) {
            const bool null = rand() % 8 == 0;
            random_text(texts[i]);
            text_add(&table, i, null ? NULL : texts[i]);
            char null_text[8];
            snprintf(null_text, sizeof null_text, "%.*s", (int)options.null_string.length,
                options.null_string.data);
            hive(null ? null_text : texts[i], &options, &expected);
            cr_assert_eq(bytes_add(&expected, i ? &options.line : &options.field, 1, &table.error), 0);
        }
        column_batch_end_row(table.batch);
        cr_assert_eq(text_write(&table, 1), 0, "%s", table.error.text);
        cr_assert(slice_equal(bytes_slice(&table.text), bytes_slice(&expected)), "%.*s\nnot\n%.*s",
            (int)table.text.length, table.text.data, (int)expected.length, expected.data);
    }
}

Test(delimited_java, the_text_of_null_has_a_ceiling)
{
    const size_t length = 5u << 20;
    struct delimited_options options = sqoop;
    char *null = malloc(length);
    cleanup_text struct text_table table;

    memset(null, 'x', length);
    options.null_string = (struct slice){null, length};
    begin(&table, &options, two_strings, 2);
    cr_assert_eq(text_write(&table, 0), -1);
    cr_assert_eq(strncmp(table.error.text, "the text of NULL: ", 18), 0);
    free(null);
}
