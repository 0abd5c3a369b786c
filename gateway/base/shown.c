/* shown: see shown.h */
#include "base/shown.h"

#include <stdio.h>

#include "base/utf8.h"

size_t shown_take(const char *text, size_t length, char shown[static SHOWN_MAX])
{
    const size_t sequence = utf8_sequence(text, length);
    const size_t step = sequence ? sequence : 1;

    if (sequence && !utf8_is_control(text)) {
        memcpy(shown, text, step);
        shown[step] = '\0';
        return step;
    }
    for (size_t i = 0; i < step; i++)
        snprintf(shown + 4 * i, SHOWN_MAX - 4 * i, "\\x%02X", (unsigned)(unsigned char)text[i]);
    return step;
}

int shown_add(struct bytes *out, const char *text, struct error *error)
{
    char shown[SHOWN_MAX];

    for (size_t left = strlen(text), step; left > 0; text += step, left -= step) {
        step = shown_take(text, left, shown);
        if (bytes_add_text(out, shown, error))
            return -1;
    }
    return 0;
}

int shown_add_word(struct bytes *out, const char *word, struct error *error)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:,+@%";

    if (*word && word[strspn(word, plain)] == '\0')
        return bytes_add_text(out, word, error);
    if (bytes_add_text(out, "'", error))
        return -1;
    for (; *word; word++)
        if (*word == '\'' ? bytes_add_text(out, "'\\''", error) : bytes_add(out, word, 1, error))
            return -1;
    return bytes_add_text(out, "'", error);
}
