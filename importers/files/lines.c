/* lines: see lines.h */
#include "files/lines.h"

#include <string.h>

/* Whether the LF at `at` is one: in UTF-16 it is half of many another character, too. */
static bool lines_breaks(enum charset charset, const char *block, size_t length, size_t at)
{
    if (charset_unit(charset) == 1)
        return true;
    const size_t end = at - at % 2 + 2;
    return end <= length && charset_ends(charset, block, end, '\n');
}

size_t lines_first(enum charset charset, const char *block, size_t length)
{
    const size_t unit = charset_unit(charset);

    for (size_t at = 0;; at++) {
        const char *feed = length > at ? memchr(block + at, '\n', length - at) : NULL;
        if (!feed)
            return 0;
        at = (size_t)(feed - block);
        if (lines_breaks(charset, block, length, at))
            return at - at % unit + unit;
    }
}

size_t lines_last(enum charset charset, const char *block, size_t length)
{
    const size_t unit = charset_unit(charset);

    for (size_t end = length;;) {
        const char *feed = end ? memrchr(block, '\n', end) : NULL;
        if (!feed)
            return 0;
        end = (size_t)(feed - block);
        if (lines_breaks(charset, block, length, end))
            return end - end % unit + unit;
    }
}

size_t lines_text(enum charset charset, const char *line, size_t length)
{
    const size_t unit = charset_unit(charset);

    length -= charset_ends(charset, line, length, '\n') ? unit : 0;
    return length - (charset_ends(charset, line, length, '\r') ? unit : 0);
}

/* Of whole lines those before the first one that is too long. */
static size_t cut_before_long(enum charset charset, const char *block, size_t length, size_t most)
{
    size_t at = 0;

    while (length - at > most) {
        const size_t line = lines_first(charset, block + at, length - at);
        if (lines_text(charset, block + at, line) > most)
            break;
        at += line;
    }
    return length - at > most ? at : length;
}

struct lines_cut lines_cut(enum charset charset, const char *block, size_t length, size_t most)
{
    length -= length % charset_unit(charset);
    const size_t whole = lines_last(charset, block, length);
    const size_t good = cut_before_long(charset, block, whole, most);

    if (good || (whole == 0 && lines_text(charset, block, length) <= most))
        return (struct lines_cut){.length = good};
    const size_t part = charset_whole(charset, block, most);
    return (struct lines_cut){.part = part ? part : most};
}

bool lines_are_blank(const char *block, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!memchr(" \t\r\n", block[i], 4))
            return false;
    }
    return true;
}
