/* Records as rows of typed columns: what fits, what does not, and hostile documents. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>

#include "lake/row.h"

#define REST 7 /* the column _rest */
#define DEEP 62 /* arrays in an object: as deep as a document can be, but one */

static struct error error;
static struct form form;
static struct row_shape *shape;
static struct column_batch *batch;

static void begin(enum record_format format, bool misfits_rest)
{
    static const struct {
        const char *name;
        enum form_type type;
    } columns[] = {{"i", FORM_INTEGER}, {"n", FORM_NUMBER}, {"b", FORM_BOOLEAN}, {"s", FORM_STRING},
        {"t", FORM_TIME}, {"j", FORM_JSON}, {"v", FORM_SCALAR}};
    size_t count;

    form = (struct form){.file = FORM_PARQUET, .misfits_rest = misfits_rest};
    for (size_t i = 0; format == RECORD_FORMAT_JSON && i < sizeof columns / sizeof *columns; i++)
        cr_assert_eq(form_add_column(&form, slice_of(columns[i].name), columns[i].type), 0);
    cr_assert_eq(row_shape_new(&shape, "readings", format, &form, &error), 0);
    cr_assert_eq(row_shape_check(shape, &error), 0, "%s", error.text);
    const struct column_field *fields = row_shape_fields(shape, &count);
    cr_assert_eq(column_batch_new(&batch, fields, count, ROW_VALUES_MAX, &error), 0);
}

static void end(void)
{
    column_batch_free(&batch);
    row_shape_free(&shape);
    row_shape_free(&shape);
    form_clear(&form);
}

static int check(struct slice payload)
{
    struct slice kept;

    return row_check(shape, payload, &kept, &error);
}

/* Where it stood in the document, for json_scan() has found it valid. */
static void add(const char *payload)
{
    struct row row = {.key = slice_of("k"), .id = slice_of("gw/00000001/7"), .time = 5, .received = 6};

    column_batch_clear(batch);
    cr_assert_eq(row_check(shape, slice_of(payload), &row.kept, &error), 0, "%s: %s", payload, error.text);
    cr_assert_eq(row_add(shape, &row, batch, &error), 0, "%s", error.text);
    cr_assert_eq(batch->rows, 1);
}

static bool is_null(size_t column)
{
    return !batch->columns[column].valid[0];
}

static bool text_is(size_t column, const char *text)
{
    return !is_null(column) && slice_is(column_slice(&batch->columns[column], 0), text);
}

static int64_t integer(size_t column)
{
    int64_t value;

    cr_assert(!is_null(column));
    memcpy(&value, batch->columns[column].fixed, sizeof value);
    return value;
}

static double number(size_t column)
{
    double value;

    cr_assert(!is_null(column));
    memcpy(&value, batch->columns[column].fixed, sizeof value);
    return value;
}

Test(row, has_its_columns_and_those_of_every_record)
{
    static const char *const names[] = {
        "i", "n", "b", "s", "t", "j", "v", "_rest", "_key", "_time", "_received", "_id"};
    size_t count;

    begin(RECORD_FORMAT_JSON, false);
    const struct column_field *fields = row_shape_fields(shape, &count);
    cr_assert_eq(count, sizeof names / sizeof *names);
    for (size_t i = 0; i < count; i++)
        cr_assert_str_eq(fields[i].name, names[i]);
    cr_assert_str_eq(row_shape_extension(shape), "parquet");
    cr_assert_eq(row_shape_options(shape)->codec, TABLE_CODEC_NONE);
    add(" { \"i\" : -12, \"n\":1.25,\"b\":true,\"s\":\"x\",\"t\":\"1970-01-01T00:00:00.000007Z\",\"j\":[ 1, {\"a b\":\"\\n \" } ]}\n");
    cr_assert_eq(integer(0), -12);
    cr_assert_eq(number(1), 1.25);
    cr_assert_eq(batch->columns[2].fixed[0], 1);
    cr_assert(text_is(3, "x"));
    cr_assert_eq(integer(4), 7);
    cr_assert(text_is(5, "[1,{\"a b\":\"\\n \"}]"));
    cr_assert(is_null(6) && is_null(REST));
    cr_assert(text_is(REST + 1, "k"));
    cr_assert_eq(integer(REST + 2), 5);
    cr_assert_eq(integer(REST + 3), 6);
    cr_assert(text_is(REST + 4, "gw/00000001/7"));
    end();
}

Test(row, is_null_where_nothing_stands_and_where_null_does)
{
    begin(RECORD_FORMAT_JSON, false);
    add("{}");
    for (size_t i = 0; i <= REST; i++)
        cr_assert(is_null(i));
    add("{\"i\":null,\"n\":null,\"b\":null,\"s\":null,\"t\":null,\"j\":null,\"v\":null}");
    for (size_t i = 0; i <= REST; i++)
        cr_assert(is_null(i));
    struct row row = {0};
    column_batch_clear(batch);
    cr_assert_eq(row_check(shape, slice_of("{}"), &row.kept, &error), 0);
    cr_assert_eq(row_add(shape, &row, batch, &error), 0);
    cr_assert(is_null(REST + 1), "no key");
    end();
}

/* In a file of this machine, whose disk may be bad. */
Test(row, is_damaged_when_what_was_kept_ends_elsewhere)
{
    struct row row = {0};
    struct slice kept;
    char longer[256];

    begin(RECORD_FORMAT_JSON, false);
    cr_assert_eq(
        row_check(shape, slice_of("{\"i\":1,\"b\":true,\"s\":\"abc\",\"v\":2,\"else\":3}"), &kept, &error),
        0);
    cr_assert_lt(kept.length, sizeof longer);
    memcpy(longer, kept.data, kept.length);
    longer[kept.length] = 0;
    for (size_t length = 0; length <= kept.length + 1; length++) {
        column_batch_clear(batch);
        row.kept = (struct slice){longer, length};
        cr_assert_eq(row_add(shape, &row, batch, &error), length == kept.length ? 0 : -1, "%zu", length);
        cr_assert(length == kept.length || error.kind == ERROR_RETRY);
    }
    end();
}

Test(row, takes_the_last_of_members_that_come_twice_however_they_are_written)
{
    begin(RECORD_FORMAT_JSON, false);
    add("{\"i\":\"no\",\"s\":\"a\",\"\\u0069\":1,\"\\u0073\":\"\\u00e4\\\"\\ud83d\\ude00\\u0000\",\"I\":1,\"\":2,\"\\u0000i\":3,\"x\":4,\"x\": [5 ,6]}");
    cr_assert_eq(integer(0), 1);
    const struct slice s = column_slice(&batch->columns[3], 0);
    cr_assert(slice_equal(s, (struct slice){"\xc3\xa4\"\xf0\x9f\x98\x80\0", 8}));
    cr_assert(text_is(REST, "{\"I\":1,\"\":2,\"\\u0000i\":3,\"x\":4,\"x\":[5,6]}"));
    end();
}

/* A text, many times another, a text. */
static void repeat(struct bytes *text, const char *front, size_t count, const char *what, const char *behind)
{
    bytes_init(text, 64 * 1024);
    cr_assert_eq(bytes_add_text(text, front, &error), 0);
    while (count-- > 0)
        cr_assert_eq(bytes_add_text(text, what, &error), 0);
    cr_assert_eq(bytes_add(text, behind, strlen(behind) + 1, &error), 0);
}

Test(row, takes_a_name_of_any_length)
{
    cleanup_bytes struct bytes text;

    begin(RECORD_FORMAT_JSON, false);
    repeat(&text, "{\"", 4000, "\\u0069", "\":1,\"i\":2}");
    add(text.data);
    cr_assert_eq(integer(0), 2);
    cr_assert(!is_null(REST));
    end();
}

Test(row, takes_numbers_by_their_values)
{
    static const struct {
        const char *text;
        int64_t value;
    } integers[] = {{"0", 0}, {"-0", 0}, {"1.0", 1}, {"1e3", 1000}, {"-1.50e1", -15},
        {"0.0e99999999999999999999", 0}, {"100e-2", 1}, {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN}, {"9223372036854775807.000", INT64_MAX},
        {"922337203685477580.7e1", INT64_MAX}, {"999999999999999999", 999999999999999999},
        {"1000000000000000000", 1000000000000000000}};
    static const struct {
        const char *text;
        double value;
    } numbers[] = {{"0", 0}, {"0.1", 0.1}, {"-2.5", -2.5},
        {"123456789012345678901234567890", 123456789012345678901234567890.0},
        {"9007199254740993", 9007199254740993.0}, {"0.30000000000000004", 0.30000000000000004},
        {"1e23", 1e23}, {"5e-324", 5e-324}, {"1e-400", 0}, {"99999999.99999999", 99999999.99999999}};
    char text[100];

    begin(RECORD_FORMAT_JSON, false);
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        snprintf(text, sizeof text, "{\"i\":%s}", integers[i].text);
        add(text);
        cr_assert_eq(integer(0), integers[i].value, "%s", text);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(text, sizeof text, "{\"n\":%s}", numbers[i].text);
        add(text);
        cr_assert(number(1) == numbers[i].value, "%s", text);
    }
    add("{\"n\":-0}");
    cr_assert(signbit(number(1)));
    end();
}

Test(row, has_a_scalar_of_several_types_as_plain_text)
{
    static const struct {
        const char *value, *text;
    } values[] = {{"\"SENSOR_1\"", "SENSOR_1"}, {"\"\"", ""}, {"\"a\\u00e4\\\"\"", "a\xc3\xa4\""}, {"7", "7"},
        {"-1.50E+3", "-1.50E+3"}, {"12345678901234567890.0", "12345678901234567890.0"}, {"true", "true"},
        {"false", "false"}, {"\"null\"", "null"}};
    char text[100];

    begin(RECORD_FORMAT_JSON, false);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        snprintf(text, sizeof text, "{\"v\" : %s }", values[i].value);
        add(text);
        cr_assert(text_is(6, values[i].text), "%s", text);
    }
    end();
}

static const struct {
    const char *member, *reason;
} misfits[] = {
    {"\"i\":1.5", "column i: 1.5 is not an integer of 64 bits"},
    {"\"i\":0.1e0", "column i: 0.1e0 is not an integer of 64 bits"},
    {"\"i\":9223372036854775808", "column i: 9223372036854775808 is not an integer of 64 bits"},
    {"\"i\":-9223372036854775809", "column i: -9223372036854775809 is not an integer of 64 bits"},
    {"\"i\":99999999999999999999", "column i: 99999999999999999999 is not an integer of 64 bits"},
    {"\"i\":1e999999999999", "column i: 1e999999999999 is not an integer of 64 bits"},
    {"\"i\":true", "column i: true is not an integer of 64 bits"},
    {"\"n\":1e309", "column n: 1e309 is not a number that a double can hold"},
    {"\"n\":\"1\"", "column n: \"1\" is not a number that a double can hold"},
    {"\"b\":0", "column b: 0 is not true or false"},
    {"\"s\":[1,\n2]", "column s: [1, 2] is not a string"},
    {"\"t\":1", "column t: 1 is not a time as in 2026-01-31T12:00:00Z"},
    {"\"t\":\"2026-02-29T00:00:00Z\"",
        "column t: \"2026-02-29T00:00:00Z\" is not a time as in 2026-01-31T12:00:00Z"},
    {"\"t\":\"\\u0032026\"", "column t: \"\\u0032026\" is not a time as in 2026-01-31T12:00:00Z"},
    {"\"v\":[1]", "column v: [1] is not a string, a number, true or false"},
    {"\"v\":{}", "column v: {} is not a string, a number, true or false"},
};

Test(row, is_refused_where_a_value_does_not_fit)
{
    char text[200];

    begin(RECORD_FORMAT_JSON, false);
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        snprintf(text, sizeof text, "{\"s\":\"x\",%s}", misfits[i].member);
        cr_assert_eq(check(slice_of(text)), -1, "%s", text);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_str_eq(error.text, misfits[i].reason);
    }
    cr_assert_eq(batch->rows, 0);
    end();
}

Test(row, has_in_its_rest_what_does_not_fit_where_that_is_wanted)
{
    static const size_t columns[] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 4, 4, 6, 6};
    char text[200], rest[200];

    begin(RECORD_FORMAT_JSON, true);
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        snprintf(text, sizeof text, "{%s,\"x\":1}", misfits[i].member);
        add(text);
        cr_assert(is_null(columns[i]), "%s", text);
        snprintf(rest, sizeof rest, "{\"x\":1,%s}", i == 10 ? "\"s\":[1,2]" : misfits[i].member);
        cr_assert(text_is(REST, rest), "%s", text);
    }
    add("[1, {\"i\":2} ]");
    cr_assert(is_null(0) && text_is(REST, "[1,{\"i\":2}]"));
    add(" \"text\" ");
    cr_assert(text_is(REST, "\"text\""));
    cr_assert_eq(check(slice_of("{\"i\":1")), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    end();
}

Test(row, is_refused_where_it_is_no_object_or_no_json)
{
    cleanup_bytes struct bytes front, deep;

    begin(RECORD_FORMAT_JSON, false);
    cr_assert_eq(check(slice_of("[1]")), -1);
    cr_assert_str_eq(error.text, "no JSON object, so that it has no columns");
    cr_assert_eq(check(slice_of("{\"s\":\"\\ud800\"}")), -1);
    cr_assert_not_null(strstr(error.text, "not JSON: "));
    cr_assert_eq(check(slice_of("")), -1);
    repeat(&front, "{\"j\":", DEEP, "[", "");
    repeat(&deep, front.data, DEEP, "]", "}");
    add(deep.data);
    cr_assert(!is_null(5));
    end();
}

/* Each of these is told as the scanner of whole documents tells it. */
Test(row, is_no_json_wherever_it_ends_or_goes_wrong)
{
    static const char whole[] =
        " { \"i\" : -1.5e+1 , \"s\":\"\\u00e4\", \"j\" : [ {\"x\":[1,2 ] } , null ] , \"b\":true ,\"t\":null , \"z\" : 0 } ";
    static const char *const wrong[] = {"{} x", "{\"i\":01}", "{\"i\":1,}", "{\"i\":1 \"n\":2}", "{\"i\" 1}",
        "{\"i\":}", "{\"i\":-}", "{\"i\":1.}", "{\"i\":1e}", "{\"s\":\"\x01\"}", "{\"s\":\"\xff\"}", "{i:1}",
        "{\"\xff\":1}", "{,}", "{\"j\":[1,]}", "{\"j\":nul}", "{\"x\":1}}", "{\"x\":1]", "{\"b\":True}"};
    struct error scanned;

    begin(RECORD_FORMAT_JSON, false);
    cr_assert_eq(check(slice_of(whole)), 0, "%s", error.text);
    for (size_t length = 0; length < sizeof whole - 2; length++) {
        const struct slice part = {whole, length};
        cr_assert_eq(check(part), -1, "%zu", length);
        cr_assert_eq(json_scan_document(part, NULL, NULL, &scanned), -1);
        cr_assert_str_eq(error.text + strlen("not JSON: "), scanned.text);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(check(slice_of(wrong[i])), -1, "%s", wrong[i]);
        cr_assert_eq(json_scan_document(slice_of(wrong[i]), NULL, NULL, &scanned), -1);
        cr_assert_str_eq(error.text + strlen("not JSON: "), scanned.text, "%s", wrong[i]);
    }
    end();
}

/* A row between two others, which it does not disturb. */
Test(row, gives_the_memory_of_a_large_one_back)
{
    cleanup_bytes struct bytes large;
    struct slice kept;

    bytes_init(&large, 16 * 1024 * 1024);
    begin(RECORD_FORMAT_JSON, false);
    cr_assert_eq(bytes_reserve(&large, 4 * 1024 * 1024, &error), 0);
    memset(large.data, 'x', 4 * 1024 * 1024);
    memcpy(large.data, "{\"s\":\"", 6);
    memcpy(large.data + 4 * 1024 * 1024 - 2, "\"}", 2);
    large.length = 4 * 1024 * 1024;
    cr_assert_eq(row_check(shape, bytes_slice(&large), &kept, &error), 0, "%s", error.text);
    cr_assert_gt(kept.length, large.length - 10);
    add("{\"s\":\"y\"}");
    cr_assert(text_is(3, "y"));
    end();
}

Test(row, shows_little_of_a_long_value)
{
    cleanup_bytes struct bytes text, time;

    begin(RECORD_FORMAT_JSON, false);
    repeat(&text, "{\"i\":\"a", 100, "\xe2\x82\xac", "\"}");
    cr_assert_eq(check(slice_of(text.data)), -1);
    cr_assert_not_null(strstr(error.text, "\xe2\x82\xac... is not an integer"), "%s", error.text);
    repeat(&time, "{\"t\":\"", 300, "2", "\"}");
    cr_assert_eq(check(slice_of(time.data)), -1);
    end();
}

Test(row, of_text_and_of_bytes_has_one_column)
{
    begin(RECORD_FORMAT_TEXT, false);
    add("\xc3\xa4");
    cr_assert(text_is(0, "\xc3\xa4") && text_is(1, "k"));
    cr_assert_eq(check(slice_of("\xff")), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    end();
    begin(RECORD_FORMAT_BYTES, false);
    add("\xff");
    cr_assert(text_is(0, "\xff"));
    cr_assert_eq(batch->fields_count, 5);
    end();
}

Test(row, finds_each_of_many_columns_in_any_order)
{
    char name[16], text[64];
    size_t count;

    form = (struct form){.file = FORM_CSV, .codec = FORM_GZIP};
    for (int i = 0; i < FORM_COLUMNS_MAX; i++) {
        snprintf(name, sizeof name, "p%d", i);
        cr_assert_eq(form_add_column(&form, slice_of(name), FORM_INTEGER), 0);
    }
    cr_assert_eq(row_shape_new(&shape, "readings", RECORD_FORMAT_JSON, &form, &error), 0);
    cr_assert_str_eq(row_shape_extension(shape), "csv.gz");
    const struct column_field *fields = row_shape_fields(shape, &count);
    cr_assert_eq(column_batch_new(&batch, fields, count, ROW_VALUES_MAX, &error), 0);
    for (int i = FORM_COLUMNS_MAX - 1; i > 0; i--) {
        snprintf(text, sizeof text, "{\"p%d\":%d,\"p%d\":7,\"q%d\":8}", i, i, i - 1, i);
        add(text);
        cr_assert_eq(integer((size_t)i), i);
        cr_assert_eq(integer((size_t)i - 1), 7);
        cr_assert_eq(batch->columns[0].nulls + (i == 1), 1);
    }
    end();
}
