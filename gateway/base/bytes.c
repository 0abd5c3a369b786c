/* bytes: see bytes.h */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BYTES_FIRST_CAPACITY 256

void bytes_init(struct bytes *bytes, size_t limit)
{
    *bytes = (struct bytes){.limit = limit};
}

static int bytes_grow(struct bytes *bytes, size_t capacity, struct error *error)
{
    char *data = realloc(bytes->data, capacity);

    if (!data)
        return error_set(error, ERROR_RETRY, "buffer of %zu bytes: out of memory", capacity);
    bytes->data = data;
    bytes->capacity = capacity;
    return 0;
}

static int bytes_check(const struct bytes *bytes, size_t extra, struct error *error)
{
    if (extra > bytes->limit || bytes->length > bytes->limit - extra)
        return error_set(error, ERROR_REJECT, "more than %zu bytes", bytes->limit);
    return 0;
}

int bytes_reserve_exact(struct bytes *bytes, size_t extra, struct error *error)
{
    if (bytes_check(bytes, extra, error))
        return -1;
    size_t need = bytes->length + extra;
    return need <= bytes->capacity ? 0 : bytes_grow(bytes, need, error);
}

int bytes_reserve(struct bytes *bytes, size_t extra, struct error *error)
{
    if (bytes_check(bytes, extra, error))
        return -1;
    size_t need = bytes->length + extra;
    if (need <= bytes->capacity)
        return 0;

    size_t capacity = bytes->capacity ? bytes->capacity : BYTES_FIRST_CAPACITY;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    return bytes_grow(bytes, capacity < bytes->limit ? capacity : bytes->limit, error);
}

int bytes_add(struct bytes *bytes, const void *data, size_t length, struct error *error)
{
    if (bytes_reserve(bytes, length, error))
        return -1;
    if (length)
        memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
    return 0;
}

int bytes_add_text(struct bytes *bytes, const char *text, struct error *error)
{
    return bytes_add(bytes, text, strlen(text), error);
}

int bytes_print(struct bytes *bytes, struct error *error, const char *format, ...)
{
    va_list arguments;
    va_list again;

    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);

    int result = -1;
    if (length < 0)
        error_set(error, ERROR_REJECT, "text cannot be formatted");
    else if (!bytes_reserve(bytes, (size_t)length + 1, error)) {
        vsnprintf(bytes->data + bytes->length, (size_t)length + 1, format, again);
        bytes->length += (size_t)length;
        result = 0;
    }
    va_end(again);
    return result;
}

void bytes_clear(struct bytes *bytes)
{
    bytes->length = 0;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    bytes_init(bytes, bytes->limit);
}
