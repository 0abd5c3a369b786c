/* lines: see lines.h */
#include "files/lines.h"

#include <string.h>

#include "base/utf8.h"

size_t lines_first(const char *block, size_t length)
{
    const char *feed = memchr(block, '\n', length);

    return feed ? (size_t)(feed - block) + 1 : 0;
}

/* Without its line break, if it has one. */
static size_t cut_text(const char *line, size_t length)
{
    length -= length > 0 && line[length - 1] == '\n';
    return length - (length > 0 && line[length - 1] == '\r');
}

/* Of whole lines those before the first one that is too long. */
static size_t cut_before_long(const char *block, size_t length, size_t most)
{
    size_t at = 0;

    while (length - at > most) {
        const size_t line = lines_first(block + at, length - at);
        if (cut_text(block + at, line) > most)
            break;
        at += line;
    }
    return length - at > most ? at : length;
}

struct lines_cut lines_cut(const char *block, size_t length, size_t most)
{
    const char *feed = length ? memrchr(block, '\n', length) : NULL;
    const size_t whole = feed ? (size_t)(feed - block) + 1 : 0;
    const size_t good = cut_before_long(block, whole, most);

    if (good || (whole == 0 && cut_text(block, length) <= most))
        return (struct lines_cut){.length = good};
    const size_t part = utf8_whole(block, most);
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
