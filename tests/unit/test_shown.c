#include <criterion/criterion.h>

#include "base/shown.h"

typedef int add_fn(struct bytes *out, const char *text, struct error *error);

static void expect_by(add_fn *add, const char *text, const char *shown)
{
    cleanup_bytes struct bytes out;
    struct error error;

    bytes_init(&out, 1000);
    cr_assert_eq(add(&out, text, &error), 0);
    cr_assert_eq(bytes_add(&out, "", 1, &error), 0);
    cr_assert_str_eq(out.data, shown);
}

static void expect(const char *text, const char *shown)
{
    expect_by(shown_add, text, shown);
}

Test(shown, what_a_terminal_does_not_obey)
{
    expect("", "");
    expect("public.readings", "public.readings");
    expect("back\\slash \"quotes\"", "back\\slash \"quotes\"");
    expect("Ünïcode 日本語 😀 \u00a0", "Ünïcode 日本語 😀 \u00a0");
}

Test(shown, control_characters)
{
    expect("\033]0;x\a", "\\x1B]0;x\\x07");
    expect("a\tb\r\nc\x7f", "a\\x09b\\x0D\\x0Ac\\x7F");
    expect("\xc2\x80 \xc2\x9b"
           "31m",
        "\\xC2\\x80 \\xC2\\x9B31m");
}

Test(shown, bytes_that_are_no_characters)
{
    expect("caf\xe9", "caf\\xE9");
    expect("\xc0\x9b \x9b \xff", "\\xC0\\x9B \\x9B \\xFF");
    expect("\xf0\x9f\x98", "\\xF0\\x9F\\x98");
}

Test(shown, full)
{
    cleanup_bytes struct bytes out;
    struct error error;

    bytes_init(&out, 3);
    cr_assert_eq(shown_add(&out, "ab\n", &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
}

static void expect_word(const char *word, const char *quoted)
{
    expect_by(shown_add_word, word, quoted);
}

Test(shown, a_word_for_a_shell)
{
    cleanup_bytes struct bytes out;
    struct error error;

    expect_word("--target=/srv/lake/a_b-1,2:3@4+5%6.csv", "--target=/srv/lake/a_b-1,2:3@4+5%6.csv");
    expect_word("", "''");
    expect_word("a b", "'a b'");
    expect_word("$HOME;`x`\n", "'$HOME;`x`\n'");
    expect_word("it's", "'it'\\''s'");
    expect_word("caf\xe9\n", "'caf\xe9\n'");
    for (size_t room = 0; room < strlen("'it'\\''s'"); room++) {
        bytes_init(&out, room);
        cr_assert_eq(shown_add_word(&out, "it's", &error), -1, "%zu", room);
        bytes_free(&out);
    }
    bytes_init(&out, 2);
    cr_assert_eq(shown_add_word(&out, "abc", &error), -1);
}
