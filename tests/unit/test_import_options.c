/* import_options: the command line of penstock import */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import_options_harness.h"
#include "table/job.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

TestSuite(import_options, .fini = forget);

/* ---- every row of the table ------------------------------------------------------------------------------------ */

static const char *good_value(const struct import_row *row, char *room, size_t size)
{
    switch (row->kind) {
    case TAKE_TEXT:
    case TAKE_LIST:
    case TAKE_NAMES:
    case TAKE_SCHEMA:
    case TAKE_SLICE:
        return "something";
    case TAKE_FLAG:
    case TAKE_ALL:
        return NULL;
    case TAKE_CHARACTER:
    case TAKE_ENCLOSED:
        return ";";
    case TAKE_NUMBER:
        snprintf(room, size, "%u", row->most);
        return room;
    case TAKE_SIZE:
        return "3KiB";
    case TAKE_RESUME:
    case TAKE_CHOICE:
        snprintf(room, size, "%s", strrchr(row->choices, '|') + 1);
        return room;
    case TAKE_DECIMAL:
        return "38,7";
    }
    return NULL;
}

static unsigned choices_of(const char *choices)
{
    unsigned count = 1;

    for (; *choices; choices++)
        count += *choices == '|';
    return count;
}

static const char *first_of(const struct import_list *list)
{
    return list->count == 1 ? list->names[0] : "";
}

/* What a good value left where the row says. */
static bool is_kept(const struct import_row *row)
{
    const void *at = (const char *)&options + row->offset;

    switch (row->kind) {
    case TAKE_TEXT:
        return strcmp(*(const char *const *)at, "something") == 0;
    case TAKE_FLAG:
        return *(const bool *)at;
    case TAKE_LIST:
    case TAKE_NAMES:
        return strcmp(first_of(at), "something") == 0;
    case TAKE_SCHEMA:
        return strcmp(first_of(at), "\"something\".*") == 0;
    case TAKE_ALL:
        return strcmp(first_of(at), row->choices) == 0;
    case TAKE_CHARACTER:
        return *(const char *)at == ';';
    case TAKE_SLICE:
        return slice_is(*(const struct slice *)at, "something");
    case TAKE_NUMBER:
        return *(const unsigned *)at == row->most;
    case TAKE_SIZE:
        return *(const size_t *)at == 3072;
    case TAKE_CHOICE:
        return *(const unsigned *)at + 1 == choices_of(row->choices);
    case TAKE_RESUME:
        return *(const unsigned *)at == choices_of(row->choices);
    case TAKE_ENCLOSED:
        return ((const struct delimited_options *)at)->enclosure == ';' &&
               ((const struct delimited_options *)at)->quoting == (enum delimited_quoting)row->least;
    case TAKE_DECIMAL:
        return ((const struct pg_type_options *)at)->numeric_precision == 38 &&
               ((const struct pg_type_options *)at)->numeric_scale == 7;
    }
    return false;
}

/* The words that make a command line complete, for a row that is to be looked at. --help keeps the rest from being looked at. */
static int parse_row(const struct import_row *row, const char *value, bool joined)
{
    char name[128];

    snprintf(name, sizeof name, "--%s%s%s", row->name, joined ? "=" : "", joined ? value : "");
    return joined || !value ? PARSE("--help", name) : PARSE("--help", name, value);
}

Test(import_options, every_row_takes_what_is_good)
{
    char room[64];

    for (size_t i = 0; i < import_rows_count; i++) {
        const struct import_row *row = &import_rows[i];
        const char *value = good_value(row, room, sizeof room);
        if (!row->attached) {
            cr_assert_eq(parse_row(row, value, false), 0, "--%s: %s", row->name, error.text);
            cr_assert(is_kept(row), "--%s", row->name);
            cr_assert_eq(options.delimiters_given, row->delimiter, "--%s", row->name);
        }
        if (!value)
            continue;
        cr_assert_eq(parse_row(row, value, true), 0, "--%s=: %s", row->name, error.text);
        cr_assert(is_kept(row), "--%s=", row->name);
    }
}

Test(import_options, every_row_refuses_what_is_bad)
{
    static const char *const bad[] = {[TAKE_CHARACTER] = ";;",
        [TAKE_RESUME] = "nosuch",
        [TAKE_NUMBER] = "7x",
        [TAKE_SIZE] = "2TiB",
        [TAKE_CHOICE] = "nosuch",
        [TAKE_ENCLOSED] = "",
        [TAKE_DECIMAL] = "39,1",
        [TAKE_NAMES] = "a,,b"};
    char name[128];

    for (size_t i = 0; i < import_rows_count; i++) {
        const struct import_row *row = &import_rows[i];
        snprintf(name, sizeof name, "--%s", row->name);
        if (!row->value) {
            cr_assert_eq(parse_row(row, "yes", true), -1);
            cr_assert_not_null(strstr(error.text, "takes no value"), "%s", error.text);
            continue;
        }
        if (!row->attached) {
            cr_assert_eq(PARSE("--help", name), -1, "%s", name);
            cr_assert_not_null(strstr(error.text, "is missing"), "%s", error.text);
        }
        if (row->kind >= COUNT(bad) || !bad[row->kind])
            continue;
        cr_assert_eq(parse_row(row, bad[row->kind], true), -1, "%s", name);
        cr_assert_eq(strncmp(error.text, name, strlen(name)), 0, "%s", error.text);
        cr_assert_not_null(strstr(error.text, bad[row->kind]), "%s", error.text);
    }
}

Test(import_options, help_has_every_row)
{
    cleanup_bytes struct bytes text;
    char name[128];

    bytes_init(&text, 1 << 20);
    cr_assert_eq(import_options_help(&text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    for (size_t i = 0; i < import_rows_count; i++) {
        snprintf(name, sizeof name, "\n  --%s%s", import_rows[i].name,
            import_rows[i].attached ? "[="
            : import_rows[i].value  ? " "
                                    : "\n");
        cr_assert_not_null(strstr(text.data, name), "%s", name);
        cr_assert_not_null(strstr(text.data, import_rows[i].help));
    }
    for (size_t limit = 0; limit < text.length - 1; limit += text.length / 2 - 1) {
        cleanup_bytes struct bytes little;
        bytes_init(&little, limit);
        cr_assert_eq(import_options_help(&little, &error), -1);
    }
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

Test(import_options, characters)
{
    static const struct {
        const char *text;
        int character; /* -1: refused */
    } cases[] = {{";", ';'}, {"\\t", '\t'}, {"\\n", '\n'}, {"\\r", '\r'}, {"\\b", '\b'}, {"\\\"", '"'},
        {"\\'", '\''}, {"\\\\", '\\'}, {"\\", '\\'}, {"\\0", 0}, {"\\0001", 1}, {"\\054", ','}, {"\\0x1", 1},
        {"\\0xfe", 0xfe}, {"\\0377", 0xff}, {"0", '0'}, {"", -1}, {"ab", -1}, {"\\q", -1}, {"\\tt", -1},
        {"\\0x", -1}, {"\\0x100", -1}, {"\\0400", -1}, {"\\09", -1}, {"\\0x-1", -1}, {"\\0x+1", -1},
        {"ä", -1}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        const int result =
            PARSE("--format", "csv", "--target", "x", "t", "--fields-terminated-by", cases[i].text);
        cr_assert_eq(result, cases[i].character < 0 ? -1 : 0, "%s: %s", cases[i].text, error.text);
        if (result == 0)
            cr_assert_eq((unsigned char)options.delimited.field, cases[i].character, "%s", cases[i].text);
    }
}

Test(import_options, a_place_of_a_configuration_and_one_of_this_machine)
{
    TAKEN("-c", "penstock.yaml", "--set", "lake.url=s3://bucket", "--target", "/old", "t");
    cr_assert_str_eq(options.config, "penstock.yaml");
    cr_assert_eq(options.sets.count, 1);
    cr_assert_str_eq(options.target, "/old");
    TAKEN("-c", "penstock.yaml", "--set", "lake.url=s3://bucket", "--target", "file:///old", "t");
    cr_assert_null(options.config);
    cr_assert_eq(options.sets.count, 0);
    cr_assert_str_eq(options.target, "/old");
    TAKEN("-c", "penstock.yaml", "--verify", "file:///old/manifest.json");
    cr_assert_null(options.config);
    cr_assert_str_eq(options.verify, "/old/manifest.json");
}

Test(import_options, numbers)
{
    static const struct {
        const char *text;
        unsigned number; /* 0: refused */
    } cases[] = {{"1", 1}, {"64", 64}, {"007", 7}, {"0", 0}, {"65", 0}, {"", 0}, {" 1", 0}, {"+1", 0},
        {"-1", 0}, {"1 ", 0}, {"0x1", 0}, {"4294967297", 0}, {"18446744073709551617", 0}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        const int result = PARSE("--target", "x", "t", "--connections", cases[i].text);
        cr_assert_eq(result, cases[i].number ? 0 : -1, "%s", cases[i].text);
        if (result == 0)
            cr_assert_eq(options.plan.workers, cases[i].number);
        else
            cr_assert_not_null(strstr(error.text, "is not a number from 1 to 64"), "%s", error.text);
    }
    TAKEN("--target", "x", "t", "--lock-wait", "0");
    cr_assert_eq(options.snapshot.lock_wait, 0);
}

Test(import_options, sizes)
{
    static const struct {
        const char *text;
        size_t size; /* 0: refused */
    } cases[] = {{"1", 1}, {"1GiB", (size_t)1 << 30}, {"1024MiB", (size_t)1 << 30}, {"5KiB", 5120},
        {"1073741824", (size_t)1 << 30}, {"1073741825", 0}, {"2GiB", 0}, {"1025MiB", 0}, {"0", 0}, {"", 0},
        {"KiB", 0}, {"1kib", 0}, {"1 KiB", 0}, {"-1", 0}, {" -1", 0}, {"18446744073709551615KiB", 0},
        {"99999999999999999999", 0}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        const int result = PARSE("--target", "x", "t", "--max-row", cases[i].text);
        cr_assert_eq(result, cases[i].size ? 0 : -1, "%s", cases[i].text);
        if (result == 0)
            cr_assert_eq(options.read.row_max, cases[i].size);
    }
}

Test(import_options, decimals)
{
    static const struct {
        const char *text;
        int precision, scale; /* 0: refused */
    } cases[] = {{"38,38", 38, 38}, {"1,0", 1, 0}, {"20,4", 20, 4}, {"0,0", 0, 0}, {"39,0", 0, 0},
        {"5,6", 0, 0}, {"5", 0, 0}, {"5,", 0, 0}, {",5", 0, 0}, {"5,1x", 0, 0}, {"", 0, 0}, {"-5,1", 0, 0},
        {"5,-1", 0, 0}, {"5;1", 0, 0}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        const int result = PARSE("--target", "x", "t", "--numeric-type", cases[i].text);
        cr_assert_eq(result, cases[i].precision ? 0 : -1, "%s", cases[i].text);
        if (result == 0) {
            cr_assert_eq(options.types.numeric_precision, cases[i].precision);
            cr_assert_eq(options.types.numeric_scale, cases[i].scale);
        }
    }
}

Test(import_options, choices_by_their_whole_names)
{
    TAKEN("--target", "x", "t", "--progress", "lines");
    cr_assert_eq(options.progress, IMPORT_PROGRESS_LINES);
    REFUSED("\"line\" is none of auto|lines|json|none", "--target", "x", "t", "--progress", "line");
    REFUSED("\"\" is none of", "--target", "x", "t", "--progress", "");
    REFUSED("is none of", "--target", "x", "t", "--progress", "auto|lines");
}

Test(import_options, names_of_columns_and_tables)
{
    TAKEN("--target", "x", "--columns", "a,b c,D", "--columns", "e", "--exclude", "s.x", "--exclude", "y",
        "--schema", "a\"b", "--all-tables", "t", "--", "--u");
    cr_assert_eq(options.columns.count, 4);
    cr_assert_str_eq(options.columns.names[0], "a");
    cr_assert_str_eq(options.columns.names[1], "b c");
    cr_assert_str_eq(options.columns.names[2], "D");
    cr_assert_str_eq(options.columns.names[3], "e");
    cr_assert_eq(options.excluded.count, 2);
    cr_assert_eq(options.tables.count, 4);
    cr_assert_str_eq(options.tables.names[0], "\"a\"\"b\".*");
    cr_assert_str_eq(options.tables.names[1], "*");
    cr_assert_str_eq(options.tables.names[2], "t");
    cr_assert_str_eq(options.tables.names[3], "--u");
    REFUSED("has an empty name in it", "--target", "x", "t", "--columns", "a,");
    REFUSED("has an empty name in it", "--target", "x", "t", "--columns", "");
    REFUSED("has an empty name in it", "--target", "x", "t", "--columns", ",a");
}

Test(import_options, lists_have_an_end)
{
    const struct import_row row = {.kind = TAKE_NAMES, .offset = offsetof(struct import_options, columns)};
    const struct import_row one = {.kind = TAKE_LIST, .offset = offsetof(struct import_options, columns)};
    const struct import_row unknown = {.kind = (enum import_kind)99};

    for (int i = 0; i < IMPORT_NAMES_MAX; i++)
        cr_assert_eq(import_value_take(&options, &row, "a", &error), 0);
    cr_assert_eq(import_value_take(&options, &row, "a", &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, "more than 4096 names"));
    cr_assert_eq(import_value_take(&options, &one, "a", &error), -1);
    cr_assert_eq(options.columns.count, IMPORT_NAMES_MAX);
    cr_assert_eq(import_value_take(&options, &unknown, "a", &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
}

Test(import_options, tables_have_an_end)
{
    char *many[IMPORT_NAMES_MAX + 3] = {NULL};
    char name[] = "t", command[] = "import";

    many[0] = command;
    for (int i = 1; i < IMPORT_NAMES_MAX + 2; i++)
        many[i] = name;
    cr_assert_eq(import_options_parse(&options, IMPORT_NAMES_MAX + 2, many, &error), -1);
    cr_assert_not_null(strstr(error.text, "more than 4096 names"));
}

/* ---- what belongs together --------------------------------------------------------------------------------------- */

Test(import_options, defaults)
{
    TAKEN("--target", "x", "t");
    cr_assert_eq(options.file.format, TABLE_PARQUET);
    cr_assert_eq(options.types.format, TABLE_PARQUET);
    cr_assert_eq(options.file.codec, TABLE_CODEC_ZSTD);
    cr_assert_eq(options.plan.workers, 2);
    cr_assert_eq(options.snapshot.lock_wait, 30000);
    cr_assert_not(options.snapshot.not_consistent);
    cr_assert_null(options.file.delimited);
    cr_assert_str_eq(options.target, "x");
    TAKEN("-h");
    cr_assert(options.help);
    TAKEN("--types");
    cr_assert(options.print_types);
    TAKEN("--explain", "t");
    cr_assert(options.explain);
    cr_assert_null(options.target);
}

Test(import_options, formats)
{
    static const struct {
        const char *name;
        enum table_format format;
        enum table_codec codec;
    } cases[] = {{"jsonl", TABLE_JSON_LINES, TABLE_CODEC_NONE}, {"csv", TABLE_DELIMITED, TABLE_CODEC_NONE},
        {"text", TABLE_DELIMITED, TABLE_CODEC_NONE}, {"avro", TABLE_AVRO, TABLE_CODEC_SNAPPY},
        {"parquet", TABLE_PARQUET, TABLE_CODEC_ZSTD}, {"sqoop", TABLE_DELIMITED, TABLE_CODEC_NONE},
        {"sqoop-direct", TABLE_DELIMITED, TABLE_CODEC_NONE}};
    static const char *const codecs[] = {[TABLE_CODEC_NONE] = "none",
        [TABLE_CODEC_DEFLATE] = "deflate",
        [TABLE_CODEC_GZIP] = "gzip",
        [TABLE_CODEC_SNAPPY] = "snappy",
        [TABLE_CODEC_ZSTD] = "zstd"};

    for (size_t i = 0; i < COUNT(cases); i++) {
        TAKEN("--target", "x", "t", "--format", cases[i].name);
        cr_assert_eq(options.file.format, cases[i].format);
        cr_assert_eq(options.types.format, cases[i].format);
        cr_assert_eq(options.types.copied, strcmp(cases[i].name, "sqoop-direct") == 0);
        cr_assert_eq(options.file.codec, cases[i].codec);
    }
    for (unsigned i = 0; i < COUNT(codecs); i++) {
        TAKEN("--target", "x", "t", "--compression", codecs[i]);
        cr_assert_eq(options.file.codec, (enum table_codec)i);
    }
}

Test(import_options, delimiters_start_from_the_formats_wherever_it_stands)
{
    TAKEN("--fields-terminated-by", ";", "--target", "x", "t", "--format=csv");
    cr_assert_eq(options.file.delimited, &options.delimited);
    cr_assert_eq(options.delimited.field, ';');
    cr_assert_eq(options.delimited.line, '\n');
    cr_assert_eq(options.delimited.quoting, DELIMITED_QUOTE_NEEDED);
    cr_assert_eq(options.delimited.enclosure, '"');
    cr_assert_str_eq(table_file_extension(&options.file), ".csv");
    TAKEN("--null-string", "-", "--target", "x", "t", "--format", "text", "--enclosed-by", "'");
    cr_assert_eq(options.delimited.field, '\t');
    cr_assert_eq(options.delimited.escape, '\\');
    cr_assert(slice_is(options.delimited.null_string, "-"));
    cr_assert(slice_is(options.delimited.null_other, "\\N"));
    cr_assert_eq(options.delimited.quoting, DELIMITED_QUOTE_ALL);
    cr_assert_eq(options.delimited.enclosure, '\'');
    cr_assert_str_eq(table_file_extension(&options.file), ".txt");
    TAKEN("--target", "x", "t", "--format", "sqoop", "--null-string", "");
    cr_assert_eq(options.delimited.field, ',');
    cr_assert_eq(options.delimited.escape, '\0');
    cr_assert_eq(options.delimited.style, DELIMITED_JAVA);
    cr_assert_eq(options.delimited.quoting, DELIMITED_QUOTE_NONE);
    cr_assert(slice_is(options.delimited.null_string, ""));
    cr_assert(slice_is(options.delimited.null_other, "null"));
    TAKEN("--false-string", "no", "--target", "x", "t", "--format", "sqoop-direct");
    cr_assert_eq(options.delimited.style, DELIMITED_POSTGRES);
    cr_assert_eq(options.delimited.quoting, DELIMITED_QUOTE_NEEDED);
    cr_assert_eq(options.delimited.null_string.length + options.delimited.null_other.length, 0);
    cr_assert(slice_is(options.delimited.true_text, "TRUE"));
    cr_assert(slice_is(options.delimited.false_text, "no"));
    TAKEN("--format", "csv", "--target", "x", "t", "--optionally-enclosed-by", "'");
    cr_assert_eq(options.delimited.quoting, DELIMITED_QUOTE_NEEDED);
    /* Behind -- are tables, whatever they are called; and other names begin alike. */
    TAKEN("--target", "x", "--", "--format");
    cr_assert_eq(options.file.format, TABLE_PARQUET);
    REFUSED("unknown option \"--formatted\"", "--formatted", "csv", "--target", "x", "t");
    REFUSED("--format: FORMAT is missing", "--target", "x", "t", "--format");
    REFUSED("is none of", "--target", "x", "t", "--format=orc");
}

Test(import_options, what_does_not_go_together)
{
    REFUSED("what is to be imported?", "--target", "x");
    REFUSED("--target: the directory", "t");
    REFUSED("--query stands alone", "--target", "x", "--query", "select 1", "t");
    REFUSED("--query stands alone", "--target", "x", "--query", "select 1", "--columns", "a");
    REFUSED("--query stands alone", "--target", "x", "--query", "select 1", "--where", "true");
    TAKEN("--target", "x", "--query", "select 1");
    REFUSED("are for --format csv, text, sqoop and sqoop-direct", "--target", "x", "t", "--header");
    REFUSED("the password comes from one place", "--target", "x", "t", "--password", "p", "--ask-password");
    REFUSED(
        "the password comes from one place", "--target", "x", "t", "--password", "p", "--password-file", "f");
    REFUSED("unknown option \"-m\"", "--target", "x", "-m", "4", "t");
    REFUSED("unknown option \"-\"", "--target", "x", "-", "t");
    REFUSED("did you mean \"--target\"?", "--tagret", "x", "t");
    REFUSED("unknown option \"--qqqqqqqqqqqqqqqqqqqqqqq\"; see", "--qqqqqqqqqqqqqqqqqqqqqqq=1", "t");
}

Test(import_options, verify_stands_alone)
{
    TAKEN("--verify", "made/manifest.json");
    cr_assert_str_eq(options.verify, "made/manifest.json");
    REFUSED("--verify stands alone", "--verify", "m", "t");
    REFUSED("--verify stands alone", "--verify", "m", "--query", "select 1");
    REFUSED("--verify stands alone", "--verify", "m", "--where", "true");
    REFUSED("--verify stands alone", "--verify", "m", "--columns", "a");
    REFUSED("--verify stands alone", "--verify", "m", "--target", "x");
    REFUSED("--verify stands alone", "--verify", "m", "--explain");
}

Test(import_options, what_is_gone_on_with)
{
    TAKEN("--target", "x", "t");
    cr_assert_eq(options.resume, RESUME_NOT);
    TAKEN("--target", "x", "--resume", "t");
    cr_assert_eq(options.resume, RESUME_SAME);
    cr_assert_eq(options.tables.count, 1);
    TAKEN("--target", "x", "--resume=restart", "t");
    cr_assert_eq(options.resume, RESUME_RESTART);
    TAKEN("--target", "x", "--resume=mixed", "t");
    cr_assert_eq(options.resume, RESUME_MIXED);
    REFUSED("\"maybe\" is none of", "--target", "x", "--resume=maybe", "t");
}

Test(import_options, a_login_alone)
{
    say((const char *const[]){"--connect", "host=h", "--ask-password", NULL});
    cr_assert_eq(import_options_parse_login(&options, words_count, words, &error), 0, "%s", error.text);
    cr_assert(strcmp(options.login.address, "host=h") == 0 && options.ask_password);
}
