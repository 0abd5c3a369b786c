/* Fuzzes the encodings of watched files (libFuzzer): a byte that says which, then the text. What comes out is UTF-8; taken in the lines and
 * parts that a file is read in, it is the same as taken at once. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "files/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *reserve(size_t length)
{
    char *memory = malloc(CHARSET_GROWTH * length + 1);

    assert(memory);
    return memory;
}

/* Line by line, a line of more than `most` bytes in parts. */
static size_t convert_lines(
    enum charset charset, bool pass, const char *text, size_t length, size_t most, char *out, bool *ret_good)
{
    size_t at = 0, to = 0, got;

    *ret_good = true;
    while (at < length) {
        const struct lines_cut cut = lines_cut(charset, text + at, length - at, most);
        const size_t rest = length - at;
        assert(cut.length <= rest && cut.part <= rest && (!cut.length || !cut.part));
        assert(cut.part <= most);
        size_t step = cut.length ? lines_first(charset, text + at, cut.length) : cut.part;
        if (cut.length) {
            assert(step && lines_text(charset, text + at, step) <= most);
            assert(lines_last(charset, text + at, cut.length) == cut.length);
        }
        step = step ? step : rest;
        *ret_good &= charset_convert(charset, pass, text + at, step, out + to, &got);
        at += step;
        to += got;
    }
    return to;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum charset charsets[] = {CHARSET_UTF8, CHARSET_UTF16LE, CHARSET_UTF16BE, CHARSET_LATIN1};

    if (size < 2)
        return 0;
    enum charset charset = charsets[data[0] % 4];
    const bool pass = data[0] & 4;
    const size_t length = size - 2, most = 4 + data[1];
    char *text = malloc(length + (length == 0)), *whole = reserve(length), *parts = reserve(length);
    size_t had, has;
    bool parts_good;

    assert(text);
    memcpy(text, data + 2, length);
    assert(charset_mark(&charset, text, length) <= length);
    assert(charset_whole(charset, text, length) <= length);
    const bool good = charset_convert(charset, pass, text, length, whole, &had);
    assert(had <= CHARSET_GROWTH * length);
    if (good || !pass)
        assert(charset_same(CHARSET_UTF8, whole, had) == had);
    const size_t same = charset_same(charset, text, length);
    assert(same <= length && memcmp(text, whole, same) == 0);
    has = convert_lines(charset, pass, text, length, most, parts, &parts_good);
    /* A part may end within a sequence that is broken anyway. */
    if (good || pass)
        assert(parts_good == good && has == had && memcmp(parts, whole, had) == 0);
    free(parts);
    free(whole);
    free(text);
    return 0;
}
