/* http_type: content types and encodings. */
#include <criterion/criterion.h>

#include "source/http_type.h"

static int form_of(const char *type, enum record_format format)
{
    enum decode_form form;

    return http_type_form(slice_of(type), format, &form) ? -1 : (int)form;
}

Test(http_type, forms)
{
    static const struct {
        const char *type;
        int json, text; /* what it is for a stream of that format; -1: does not fit */
    } rows[] = {
        {"", DECODE_JSON, DECODE_TEXT},
        {" ; charset=utf-8", DECODE_JSON, DECODE_TEXT},
        {"application/octet-stream", DECODE_JSON, DECODE_TEXT},
        {"application/x-www-form-urlencoded", DECODE_JSON, DECODE_TEXT},
        {"application/json", DECODE_JSON, -1},
        {"Application/JSON ; charset=utf-8", DECODE_JSON, -1},
        {"\tapplication/json\t", DECODE_JSON, -1},
        {"application/senml+json", DECODE_JSON, -1},
        {"application/vnd.x+JSON;v=1", DECODE_JSON, -1},
        {"application/x-ndjson", DECODE_NDJSON, -1},
        {"application/ndjson", DECODE_NDJSON, -1},
        {"application/jsonl", DECODE_NDJSON, -1},
        {"application/x-jsonlines", DECODE_NDJSON, -1},
        {"text/plain", -1, DECODE_TEXT},
        {"text/plain; charset=us-ascii", -1, DECODE_TEXT},
        {"text/html", -1, -1},
        {"application/jsonx", -1, -1},
        {"json", -1, -1},
        {"application/json, text/plain", -1, -1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(form_of(rows[i].type, RECORD_FORMAT_JSON), rows[i].json, "%s", rows[i].type);
        cr_assert_eq(form_of(rows[i].type, RECORD_FORMAT_TEXT), rows[i].text, "%s", rows[i].type);
        cr_assert_eq(form_of(rows[i].type, RECORD_FORMAT_BYTES), DECODE_BYTES, "%s", rows[i].type);
    }
}

Test(http_type, the_names_that_are_told_fit)
{
    cr_assert_str_eq(http_type_names(RECORD_FORMAT_JSON), "application/json, application/x-ndjson");
    cr_assert_str_eq(http_type_names(RECORD_FORMAT_TEXT), "text/plain");
}

Test(http_type, codings)
{
    static const struct {
        const char *name;
        int coding; /* -1: not understood */
    } rows[] = {{"", HTTP_IDENTITY}, {"identity", HTTP_IDENTITY}, {"gzip", HTTP_GZIP}, {"x-gzip", HTTP_GZIP},
        {" GZip ", HTTP_GZIP}, {"zstd", HTTP_ZSTD}, {"br", -1}, {"deflate", -1}, {"gzip, gzip", -1},
        {"zstd;q=1", -1}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum http_coding coding;
        int result = http_type_coding(slice_of(rows[i].name), &coding);
        cr_assert_eq(result ? -1 : (int)coding, rows[i].coding, "%s", rows[i].name);
    }
}
