/* base64: see base64.h */
#include "base/base64.h"

#include <stdint.h>

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint32_t base64_byte(struct slice data, size_t at)
{
    return at < data.length ? (unsigned char)data.data[at] : 0;
}

int base64_encode(struct slice data, struct bytes *out, struct error *error)
{
    if (bytes_reserve(out, (data.length + 2) / 3 * 4, error))
        return -1;
    for (size_t i = 0; i < data.length; i += 3) {
        uint32_t group =
            base64_byte(data, i) << 16 | base64_byte(data, i + 1) << 8 | base64_byte(data, i + 2);
        char *to = out->data + out->length;
        to[0] = base64_alphabet[group >> 18];
        to[1] = base64_alphabet[group >> 12 & 63];
        to[2] = '=';
        to[3] = '=';
        if (i + 1 < data.length)
            to[2] = base64_alphabet[group >> 6 & 63];
        if (i + 2 < data.length)
            to[3] = base64_alphabet[group & 63];
        out->length += 4;
    }
    return 0;
}

/* The six bits of a character, or -1. */
static int base64_value(char character)
{
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    return character == '+' ? 62 : character == '/' ? 63 : -1;
}

/* One group of four that stands for `count` bytes; false when it does not. */
static bool base64_decode_group(const char *text, size_t count, char *out)
{
    uint32_t group = 0;

    for (size_t i = 0; i < 4; i++) {
        int value = i <= count ? base64_value(text[i]) : 0;
        if (value < 0)
            return false;
        group = group << 6 | (uint32_t)value;
    }
    if (group & ((UINT32_C(1) << (24 - 8 * count)) - 1))
        return false;
    for (size_t i = 0; i < count; i++)
        out[i] = (char)(group >> (16 - 8 * i) & 0xff);
    return true;
}

int base64_decode(struct slice text, char *out, size_t *ret_length, struct error *error)
{
    size_t length = 0;

    if (text.length % 4)
        return error_set(
            error, ERROR_REJECT, "base64 of %zu characters: not whole groups of four", text.length);
    for (size_t i = 0; i < text.length; i += 4) {
        const char *group = text.data + i;
        bool last = i + 4 == text.length;
        size_t count = !last || group[3] != '=' ? 3 : group[2] != '=' ? 2 : 1;
        if (!base64_decode_group(group, count, out + length))
            return error_set(error, ERROR_REJECT, "base64: characters %zu to %zu are none", i, i + 3);
        length += count;
    }
    *ret_length = length;
    return 0;
}
