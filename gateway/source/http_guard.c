/* http_guard: see http_guard.h */
#include "source/http_guard.h"

#include <strings.h>

/* 18 digits never overflow 64 bits. */
#define HTTP_LENGTH_DIGITS_MAX 18

static const char *const http_field_names[HTTP_FIELDS] = {
    [HTTP_CONTENT_LENGTH] = "Content-Length",
    [HTTP_TRANSFER_ENCODING] = "Transfer-Encoding",
    [HTTP_HOST] = "Host",
    [HTTP_CONTENT_TYPE] = "Content-Type",
    [HTTP_CONTENT_ENCODING] = "Content-Encoding",
    [HTTP_PENSTOCK_ACK] = "Penstock-Ack",
    [HTTP_IDEMPOTENCY_KEY] = "Idempotency-Key",
    [HTTP_AUTHORIZATION] = "Authorization",
};

static bool is_token(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        if (byte <= ' ' || byte >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", byte))
            return false;
    }
    return name.length > 0;
}

static bool is_field_value(struct slice value)
{
    for (size_t i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

static int http_guard_length(struct slice value, uint64_t *ret_length, struct error *error)
{
    uint64_t length = 0;

    if (value.length == 0 || value.length > HTTP_LENGTH_DIGITS_MAX)
        return error_set(error, ERROR_REJECT, "Content-Length is not a number of 1 to 18 digits");
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return error_set(error, ERROR_REJECT, "Content-Length is not a number of 1 to 18 digits");
        length = length * 10 + (uint64_t)(value.data[i] - '0');
    }
    *ret_length = length;
    return 0;
}

static enum http_field http_guard_find(struct slice name)
{
    enum http_field field = 0;

    while (field < HTTP_FIELDS && (strlen(http_field_names[field]) != name.length ||
                                      strncasecmp(http_field_names[field], name.data, name.length) != 0))
        field++;
    return field;
}

int http_guard_field(struct http_head *head, struct slice name, struct slice value, struct error *error)
{
    if (!is_token(name))
        return error_set(error, ERROR_REJECT, "a header name holds a byte that no name may hold");
    if (!is_field_value(value))
        return error_set(error, ERROR_REJECT, "a header value holds a control character");

    enum http_field field = http_guard_find(name);
    if (field == HTTP_FIELDS)
        return 0;
    if (head->present[field])
        return error_set(error, ERROR_REJECT, "more than one %s header", http_field_names[field]);
    head->present[field] = true;
    head->values[field] = value;
    if (field == HTTP_CONTENT_LENGTH)
        return http_guard_length(value, &head->content_length, error);
    if (field == HTTP_TRANSFER_ENCODING && (value.length != 7 || strncasecmp(value.data, "chunked", 7) != 0))
        return error_set(error, ERROR_REJECT, "the only Transfer-Encoding understood is chunked");
    return 0;
}

int http_guard_finish(const struct http_head *head, const char *version, struct error *error)
{
    bool old = strcmp(version, "HTTP/1.0") == 0;

    if (!old && strcmp(version, "HTTP/1.1") != 0)
        return error_set(error, ERROR_REJECT, "only HTTP/1.0 and HTTP/1.1 are understood");
    if (head->present[HTTP_CONTENT_LENGTH] && head->present[HTTP_TRANSFER_ENCODING])
        return error_set(error, ERROR_REJECT, "both Content-Length and Transfer-Encoding");
    if (old && head->present[HTTP_TRANSFER_ENCODING])
        return error_set(error, ERROR_REJECT, "HTTP/1.0 knows no Transfer-Encoding");
    if (!old && !head->present[HTTP_HOST])
        return error_set(error, ERROR_REJECT, "HTTP/1.1 needs a Host header");
    return 0;
}
