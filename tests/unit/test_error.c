/* error: texts, and where they are cut when they are too long */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

#define ROOM (ERROR_TEXT_SIZE - 1)

static struct error error;

/* So many letters, and characters behind them. */
static const char *filled(size_t letters, const char *characters)
{
    static char text[2 * ERROR_TEXT_SIZE];

    memset(text, 'a', letters);
    snprintf(text + letters, sizeof text - letters, "%s", characters);
    return text;
}

static void is_cut_to(size_t length)
{
    cr_assert_eq(strlen(error.text), length, "%zu", strlen(error.text));
    for (size_t at = 0, step; at < length; at += step) {
        step = utf8_sequence(error.text + at, length - at);
        cr_assert(step, "byte %zu", at);
    }
}

Test(error, texts)
{
    cr_assert_eq(error_set(&error, ERROR_REJECT, "row %d", 7), -1);
    cr_assert_eq(error_wrap(&error, "table %s", "t"), -1);
    cr_assert_str_eq(error.text, "table t: row 7");
    cr_assert_eq(error.kind, ERROR_REJECT);
    errno = ENOENT;
    cr_assert_eq(error_set_errno(&error, ERROR_FATAL, "file %s", "f"), -1);
    cr_assert_str_eq(error.text, "file f: No such file or directory");
    cr_assert_eq(error.kind, ERROR_FATAL);
}

Test(error, cut_between_two_characters)
{
    static const char *const characters[] = {"\u00e9", "\u65e5", "\U0001f600"};

    for (size_t i = 0; i < 3; i++) {
        const size_t length = strlen(characters[i]);
        for (size_t fits = 0; fits <= length; fits++) {
            const size_t letters = ROOM - fits, left = fits == length ? ROOM : letters;
            error_set(&error, ERROR_REJECT, "%s", filled(letters, characters[i]));
            is_cut_to(left);
            error_set(&error, ERROR_REJECT, "%s", filled(letters - 3, characters[i]));
            error_wrap(&error, "b");
            is_cut_to(left);
        }
    }
    errno = ENOENT;
    error_set_errno(&error, ERROR_FATAL, "%s", filled(ROOM, "too long"));
    is_cut_to(ROOM);
}

/* What is no UTF-8 stays as it is. */
Test(error, cut_behind_other_bytes)
{
    error_set(&error, ERROR_REJECT, "%s", filled(ROOM - 4, "\x80\x80\x80\x80\x80"));
    cr_assert_eq(strlen(error.text), ROOM);
    cr_assert_eq(utf8_whole("\x80\x80", 2), 2);
    cr_assert_eq(utf8_whole("", 0), 0);
    cr_assert_eq(utf8_whole("\xe6\x97", 2), 0);
}
