/* file_name: see file_name.h */
#include "lake/file_name.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define FILE_NAME_PART_MAX 64
#define FILE_NAME_EXTENSION_MAX 16
#define FILE_NAME_DIGITS_LEAST 10

static bool file_name_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static bool file_name_is_part(struct slice text, size_t most)
{
    if (text.length == 0 || text.length > most || slice_is(text, ".") || slice_is(text, ".."))
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (!file_name_is_letter(text.data[i]))
            return false;
    }
    return true;
}

int file_name_check(struct slice text, const char *what, struct error *error)
{
    if (file_name_is_part(text, FILE_NAME_PART_MAX))
        return 0;
    return error_set(error, ERROR_REJECT,
        "%s of %zu bytes cannot be part of a file name; allowed: 1 to %d of A-Z a-z 0-9 . _ -", what,
        text.length, FILE_NAME_PART_MAX);
}

int file_name_check_topic(struct slice text, struct error *error)
{
    if (file_name_is_part(text, FILE_NAME_TOPIC_MAX))
        return 0;
    return error_set(error, ERROR_REJECT,
        "topic of %zu bytes cannot be part of a file name; allowed: 1 to %d of A-Z a-z 0-9 . _ -",
        text.length, FILE_NAME_TOPIC_MAX);
}

/* A number below 2^31 without leading zeros. */
static bool file_name_is_number(struct slice digits)
{
    uint64_t number = 0;

    if (digits.length == 0 || digits.length > 10 || (digits.length > 1 && digits.data[0] == '0'))
        return false;
    for (size_t i = 0; i < digits.length; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(digits.data[i] - '0');
    }
    return number <= INT32_MAX;
}

bool file_name_is_partition(struct slice text)
{
    const char *plus = text.length ? memrchr(text.data, '+', text.length) : NULL;
    const size_t length = plus ? (size_t)(plus - text.data) : 0;

    return plus && file_name_is_part((struct slice){text.data, length}, FILE_NAME_TOPIC_MAX) &&
           file_name_is_number((struct slice){plus + 1, text.length - length - 1});
}

void file_name_compose(const struct file_name *name, char ret_text[FILE_NAME_SIZE])
{
    assert(name->first >= 1 && name->first <= name->last);
    if (file_name_is_partition(name->gateway_id)) {
        const int made = snprintf(ret_text, FILE_NAME_SIZE, "%.*s+%010" PRIu64 "+%010" PRIu64 ".%.*s",
            (int)name->gateway_id.length, name->gateway_id.data, name->first - 1, name->last - 1,
            (int)name->extension.length, name->extension.data);
        assert(made > 0 && made < FILE_NAME_SIZE);
        return;
    }
    int length =
        snprintf(ret_text, FILE_NAME_SIZE, "%.*s+%.*s.%08" PRIx32 "+%010" PRIu64 "+%010" PRIu64 ".%.*s",
            (int)name->stream.length, name->stream.data, (int)name->gateway_id.length, name->gateway_id.data,
            name->epoch, name->first, name->last, (int)name->extension.length, name->extension.data);
    assert(length > 0 && length < FILE_NAME_SIZE);
}

/* Takes everything behind the last separator off the end of text. */
static int file_name_cut(struct slice *text, char separator, struct slice *ret_part)
{
    const char *at = text->length ? memrchr(text->data, separator, text->length) : NULL;

    if (!at)
        return -1;
    size_t length = (size_t)(at - text->data);
    *ret_part = (struct slice){at + 1, text->length - length - 1};
    text->length = length;
    return 0;
}

/* Ten digits, or more without a leading zero. */
static int file_name_position(struct slice digits, uint64_t *ret_position)
{
    uint64_t position = 0;

    if (digits.length < FILE_NAME_DIGITS_LEAST ||
        (digits.length > FILE_NAME_DIGITS_LEAST && digits.data[0] == '0'))
        return -1;
    for (size_t i = 0; i < digits.length; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return -1;
        if (__builtin_mul_overflow(position, 10, &position) ||
            __builtin_add_overflow(position, (uint64_t)(digits.data[i] - '0'), &position))
            return -1;
    }
    *ret_position = position;
    return 0;
}

static int file_name_epoch(struct slice digits, uint32_t *ret_epoch)
{
    uint32_t epoch = 0;

    if (digits.length != 8)
        return -1;
    for (size_t i = 0; i < digits.length; i++) {
        char c = digits.data[i];
        if (c >= '0' && c <= '9')
            epoch = epoch << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            epoch = epoch << 4 | (uint32_t)(c - 'a' + 10);
        else
            return -1;
    }
    *ret_epoch = epoch;
    return 0;
}

/* What stands before the positions: those of a partition are offsets. */
static int file_name_writer(struct slice text, struct file_name *name)
{
    struct slice epoch;

    if (file_name_is_partition(text)) {
        name->gateway_id = text;
        name->stream = (struct slice){
            text.data, (size_t)((const char *)memrchr(text.data, '+', text.length) - text.data)};
        name->epoch = 0;
        return name->last == UINT64_MAX ? -1 : (name->first++, name->last++, 0);
    }
    if (file_name_cut(&text, '+', &name->gateway_id) || file_name_cut(&name->gateway_id, '.', &epoch) ||
        file_name_epoch(epoch, &name->epoch) || name->first == 0)
        return -1;
    name->stream = text;
    return file_name_is_part(name->stream, FILE_NAME_PART_MAX) &&
                   file_name_is_part(name->gateway_id, FILE_NAME_PART_MAX)
               ? 0
               : -1;
}

int file_name_parse(struct slice text, struct file_name *ret_name)
{
    struct file_name name;
    struct slice last, first;

    /* An extension may hold dots (csv.gz), digits may not: its dot is the first one behind the last '+'. */
    if (file_name_cut(&text, '+', &last) || file_name_cut(&text, '+', &first))
        return -1;
    const char *dot = last.length ? memchr(last.data, '.', last.length) : NULL;
    if (!dot)
        return -1;
    name.extension = (struct slice){dot + 1, (size_t)(last.data + last.length - dot - 1)};
    last.length = (size_t)(dot - last.data);
    if (file_name_position(first, &name.first) || file_name_position(last, &name.last) ||
        name.first > name.last || !file_name_is_part(name.extension, FILE_NAME_EXTENSION_MAX) ||
        file_name_writer(text, &name))
        return -1;
    *ret_name = name;
    return 0;
}
