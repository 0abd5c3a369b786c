/* Rows of comma-separated values as JSON objects. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/csv.h"
#include "decode/decode.h"

static const struct csv_form comma = {.delimiter = ','}, semicolon = {.delimiter = ';'};
static const struct csv_form tab = {.delimiter = '\t'}, numbers = {',', true};
static struct error error;

/* A block without a byte to spare. */
static struct slice exact(const char *text, size_t length)
{
    char *copy = malloc(length + (length == 0));

    cr_assert(copy);
    memcpy(copy, text, length);
    return (struct slice){copy, length};
}

/* NULL: the row is refused, and the error says why. What comes out is freed by the end of the test's process. */
static const char *object_of(const struct csv_form *form, const char *names, struct slice row)
{
    struct csv_header *header = NULL;
    const struct slice first = exact(names, strlen(names)), copy = exact(row.data, row.length);
    static char out[4096];
    size_t length = 0;

    cr_assert(csv_header_new(&header, form, first, &error) == 0, "%s: %s", names, error.text);
    const int failed = csv_object(header, form, copy, out, sizeof out - 1, &length, &error);
    for (size_t room = 0; room < length; room++) {
        char *small = malloc(room + (room == 0));
        size_t ignored;
        struct error full;
        cr_expect(csv_object(header, form, copy, small, room, &ignored, &full) == -1, "%zu bytes", room);
        cr_expect(full.kind == ERROR_RETRY);
        free(small);
    }
    out[length] = '\0';
    csv_header_free(&header);
    cr_expect_null(header);
    if (!failed)
        cr_expect(json_scan_document((struct slice){out, length}, NULL, NULL, &error) == 0, "%s", out);
    free((char *)first.data);
    free((char *)copy.data);
    return failed ? NULL : out;
}

#define GIVES(form, names, row, object) cr_expect_str_eq(object_of(&(form), names, slice_of(row)), object)

static void refuses(const char *names, const char *row, const char *why)
{
    cr_expect_null(object_of(&comma, names, slice_of(row)), "%s is taken", row);
    cr_expect(error.kind == ERROR_REJECT);
    cr_expect_str_eq(error.text, why);
}

static void refuses_header(const char *row, const char *why)
{
    struct csv_header *header = NULL;

    cr_expect(csv_header_new(&header, &comma, slice_of(row), &error) == -1, "%s is taken", row);
    cr_expect(error.kind == ERROR_REJECT);
    cr_expect_str_eq(error.text, why);
    cr_expect_null(header);
    csv_header_free(&header);
}

Test(csv, fields_are_strings)
{
    GIVES(comma, "a,b\n", "1,x\n", "{\"a\":\"1\",\"b\":\"x\"}");
    GIVES(comma, "a,b\r\n", "1,x\r\n", "{\"a\":\"1\",\"b\":\"x\"}");
    GIVES(comma, "a,b", "1,x", "{\"a\":\"1\",\"b\":\"x\"}");
    GIVES(comma, "a", " x \n", "{\"a\":\" x \"}");
    GIVES(comma, "a,b,c", ",,\n", "{\"a\":\"\",\"b\":\"\",\"c\":\"\"}");
    GIVES(comma, "a,b", "x\ry,\r\r\n", "{\"a\":\"x\\ry\",\"b\":\"\\r\"}");
    GIVES(semicolon, "a;b", "1,5;2\n", "{\"a\":\"1,5\",\"b\":\"2\"}");
    GIVES(tab, "a\tb", "1\t\"2\t3\"\n", "{\"a\":\"1\",\"b\":\"2\\t3\"}");
    GIVES(comma,
        "Gr\xc3\xb6\xc3\x9f"
        "e",
        "\xf0\x9f\x98\x80\xc2\x80",
        "{\"Gr\xc3\xb6\xc3\x9f"
        "e\":\"\xf0\x9f\x98\x80\xc2\x80\"}");
    cr_expect_str_eq(object_of(&comma, "a", (struct slice){"x\0y", 3}), "{\"a\":\"x\\u0000y\"}");
}

Test(csv, quoted_fields)
{
    GIVES(comma, "a,b", "\"1\",\"x\"\r\n", "{\"a\":\"1\",\"b\":\"x\"}");
    GIVES(comma, "a,b", "\"\",\"\"\n", "{\"a\":\"\",\"b\":\"\"}");
    GIVES(comma, "a,b", "\"x,y\",\"say \"\"no\"\"\"\n", "{\"a\":\"x,y\",\"b\":\"say \\\"no\\\"\"}");
    GIVES(comma, "a,b", "\"\"\"\",\"\"\"\"\"\"", "{\"a\":\"\\\"\",\"b\":\"\\\"\\\"\"}");
    GIVES(comma, "a,b", "\"one\r\ntwo\n\",\\\n", "{\"a\":\"one\\r\\ntwo\\n\",\"b\":\"\\\\\"}");
    GIVES(comma, "a,b", "5\" pipe,x\"\"y\n", "{\"a\":\"5\\\" pipe\",\"b\":\"x\\\"\\\"y\"}");
}

Test(csv, numbers_by_form)
{
    GIVES(numbers, "a,b,c,d", "1,-2.5e+10,\"3\",\n", "{\"a\":1,\"b\":-2.5e+10,\"c\":\"3\",\"d\":\"\"}");
    GIVES(numbers, "a,b,c,d", "007,+1,1.,.5\n", "{\"a\":\"007\",\"b\":\"+1\",\"c\":\"1.\",\"d\":\".5\"}");
    GIVES(numbers, "a,b,c,d", "1 , 1,-,1-2\n", "{\"a\":\"1 \",\"b\":\" 1\",\"c\":\"-\",\"d\":\"1-2\"}");
    GIVES(numbers, "a,b,c,d", "NaN,true,0x10,123456789012345678901234567890.0123456789\n",
        "{\"a\":\"NaN\",\"b\":\"true\",\"c\":\"0x10\",\"d\":123456789012345678901234567890.0123456789}");
}

Test(csv, rows_that_are_refused)
{
    refuses("a,b", "1\n", "it has 1 fields, and the header has 2 names");
    refuses("a,b", "1,2,3\n", "it has 3 fields, and the header has 2 names");
    refuses("a", "1,\n", "it has 2 fields, and the header has 1 names");
    refuses("a,b", "\"x\" ,y\n", "a quoted field has text behind its closing quote");
    refuses("a,b", "x,\"y\n", "a quoted field has no closing quote");
    refuses("a", "\"x\"\"\n", "a quoted field has no closing quote");
    refuses("a", "\xff\n", "its text is not valid UTF-8");
    refuses("a", "\xed\xa0\x80\n", "its text is not valid UTF-8");
    refuses("a", "\"\xe2\x82\"\n", "its text is not valid UTF-8");
}

Test(csv, names)
{
    GIVES(comma, "\"a,1\",\"b\"\"\nc\",\"\"\n", "1,2,3", "{\"a,1\":\"1\",\"b\\\"\\nc\":\"2\",\"\":\"3\"}");
    GIVES(comma, ",a", "1,2", "{\"\":\"1\",\"a\":\"2\"}");
    GIVES(comma, "ab,a,abc", "1,2,3", "{\"ab\":\"1\",\"a\":\"2\",\"abc\":\"3\"}");
    refuses_header("a,b,\"a\"\n", "the header has the name \"a\" twice");
    refuses_header("a,,\n", "the header has the name \"\" twice");
    refuses_header("a,\"b\n", "the header: a quoted field has no closing quote");
    refuses_header("a,\xff\n", "the header: its text is not valid UTF-8");
    struct csv_header *header = NULL;
    cr_expect(csv_header_new(&header, &comma, (struct slice){"a\0,b", 4}, &error) == -1);
    cr_expect_str_eq(error.text, "the header has a NUL in a name");
    csv_header_free(&header);
}

Test(csv, blank_rows)
{
    cr_expect(csv_is_blank(slice_of("\n")));
    cr_expect(csv_is_blank(slice_of("\r\n")));
    cr_expect(csv_is_blank(slice_of("")));
    cr_expect_not(csv_is_blank(slice_of(" \n")));
    cr_expect_not(csv_is_blank(slice_of("\"\"\n")));
    cr_expect_not(csv_is_blank(slice_of(",\n")));
}

static void opens(bool open, const char *line, bool opened)
{
    const struct slice copy = exact(line, strlen(line));

    cr_expect_eq(csv_is_open(&comma, open, copy), opened, "%d %s", open, line);
    free((char *)copy.data);
}

Test(csv, where_a_row_ends)
{
    opens(false, "a,b\n", false);
    opens(false, "", false);
    opens(false, "\"a\",\"b\"\n", false);
    opens(false, "a,\"b\n", true);
    opens(false, "\"a\n", true);
    opens(false, "a,\"\n", true);
    opens(false, "\"a\"\"\n", true);
    opens(false, "\"\"\"\"\n", false);
    opens(false, "\"\"\"\n", true);
    opens(false, "5\",\"x\"\n", false);
    opens(false, "a\"b\n", false);
    opens(false, "\"a\" \"b,c\n", false); /* no row that is taken */
    opens(true, "b\n", true);
    opens(true, "b\",c\n", false);
    opens(true, "b\",\"c\n", true);
    opens(true, "\"\"\n", true);
    opens(true, "\"\n", false);
}
