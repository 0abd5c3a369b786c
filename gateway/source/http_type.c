/* http_type: see http_type.h */
#include "source/http_type.h"

#include <stdbool.h>
#include <strings.h>

static const struct {
    const char *type; /* "+json" stands for every type that ends so */
    enum record_format format;
    enum decode_form form;
} http_types[] = {
    {"application/json", RECORD_FORMAT_JSON, DECODE_JSON},
    {"+json", RECORD_FORMAT_JSON, DECODE_JSON},
    {"application/x-ndjson", RECORD_FORMAT_JSON, DECODE_NDJSON},
    {"application/ndjson", RECORD_FORMAT_JSON, DECODE_NDJSON},
    {"application/jsonl", RECORD_FORMAT_JSON, DECODE_NDJSON},
    {"application/x-jsonlines", RECORD_FORMAT_JSON, DECODE_NDJSON},
    {"text/plain", RECORD_FORMAT_TEXT, DECODE_TEXT},
};

/* Types that say nothing about the body; curl -d sends the last one. */
static const char *const http_neutral_types[] = {
    "", "application/octet-stream", "application/x-www-form-urlencoded"};

static const struct {
    const char *name;
    enum http_coding coding;
} http_codings[] = {
    {"", HTTP_IDENTITY},
    {"identity", HTTP_IDENTITY},
    {"gzip", HTTP_GZIP},
    {"x-gzip", HTTP_GZIP},
    {"zstd", HTTP_ZSTD},
};

#define COUNT_OF(table) (sizeof(table) / sizeof *(table))

static bool http_type_is(struct slice text, const char *name)
{
    size_t length = strlen(name);

    if (*name == '+' && text.length > length) {
        text.data += text.length - length;
        text.length = length;
    }
    return text.length == length && (length == 0 || strncasecmp(text.data, name, length) == 0);
}

int http_type_form(struct slice type, enum record_format format, enum decode_form *ret_form)
{
    const char *parameters = type.length ? memchr(type.data, ';', type.length) : NULL;

    if (format == RECORD_FORMAT_BYTES) {
        *ret_form = DECODE_BYTES;
        return 0;
    }
    if (parameters)
        type.length = (size_t)(parameters - type.data);
    type = slice_trim(type, " \t");
    for (size_t i = 0; i < COUNT_OF(http_neutral_types); i++) {
        if (http_type_is(type, http_neutral_types[i])) {
            *ret_form = format == RECORD_FORMAT_JSON ? DECODE_JSON : DECODE_TEXT;
            return 0;
        }
    }
    for (size_t i = 0; i < COUNT_OF(http_types); i++) {
        if (http_types[i].format == format && http_type_is(type, http_types[i].type)) {
            *ret_form = http_types[i].form;
            return 0;
        }
    }
    return -1;
}

const char *http_type_names(enum record_format format)
{
    return format == RECORD_FORMAT_JSON ? "application/json, application/x-ndjson" : "text/plain";
}

int http_type_coding(struct slice content_encoding, enum http_coding *ret_coding)
{
    struct slice name = slice_trim(content_encoding, " \t");

    for (size_t i = 0; i < COUNT_OF(http_codings); i++) {
        if (http_type_is(name, http_codings[i].name)) {
            *ret_coding = http_codings[i].coding;
            return 0;
        }
    }
    return -1;
}
