/* How much of a block is whole lines. */
#include <criterion/criterion.h>

#include <string.h>

#include "files/lines.h"

static void check(const char *block, size_t most, size_t length, size_t part)
{
    const struct lines_cut cut = lines_cut(CHARSET_UTF8, block, strlen(block), most);

    cr_assert_eq(cut.length, length, "%s: length %zu", block, cut.length);
    cr_assert_eq(cut.part, part, "%s: part %zu", block, cut.part);
}

Test(file_lines, whole_lines_and_the_rest)
{
    check("", 10, 0, 0);
    check("abc", 10, 0, 0);
    check("abc\n", 10, 4, 0);
    check("\n", 10, 1, 0);
    check("abc\nde", 10, 4, 0);
    check("abc\n\nde\n", 10, 8, 0);
}

Test(file_lines, a_line_may_have_just_so_many_bytes)
{
    check("1234567890", 10, 0, 0); /* its line break may follow */
    check("1234567890\n", 10, 11, 0);
    check("1234567890\n1234567890\n", 10, 22, 0);
    check("12345678901", 10, 0, 10);
    check("12345678901\n", 10, 0, 10);
    check("1234567890\r", 10, 0, 0);
    check("1234567890\r\n", 10, 12, 0);
    check("1234567890\r\r\n", 10, 0, 10);
    check("12345678901\r\n", 10, 0, 10);
}

Test(file_lines, a_long_one_waits_for_those_before_it)
{
    check("a\nb\n12345678901\nc\n", 10, 4, 0);
    check("a\nb\n12345678901", 10, 4, 0); /* not yet known to be too long: it is looked at again */
    check("12345678901\nc\n", 10, 0, 10);
}

Test(file_lines, parts_are_cut_between_characters)
{
    check("12345678\u00e9\u00e9\n", 10, 0, 10);
    check("123456789\u00e9\n", 10, 0, 9);
    check("1234567\u20ac\u20ac\n", 10, 0, 10);
    check("\xf0\x9f\x98\x80\n", 2, 0, 2); /* not one character fits */
    check("\x80\x80\x80\x80\x80\n", 3, 0, 3); /* no characters at all */
}

Test(file_lines, first_and_blank)
{
    cr_assert_eq(lines_first(CHARSET_UTF8, "ab\ncd\n", 6), 3);
    cr_assert_eq(lines_first(CHARSET_LATIN1, "ab", 2), 0);
    cr_assert_eq(lines_first(CHARSET_UTF8, "\n", 1), 1);
    cr_assert_eq(lines_last(CHARSET_UTF8, "ab\ncd\ne", 7), 6);
    cr_assert_eq(lines_last(CHARSET_LATIN1, "ab", 2), 0);
    cr_assert_eq(lines_last(CHARSET_UTF8, "", 0), 0);
    cr_assert(lines_are_blank("", 0));
    cr_assert(lines_are_blank(" \t\r\n\n", 5));
    cr_assert_not(lines_are_blank(" \n{}\n", 5));
    cr_assert_not(lines_are_blank("\0", 1)); /* the zero that ends the blanks is none */
}

Test(file_lines, texts)
{
    cr_assert_eq(lines_text(CHARSET_UTF8, "ab\r\n", 4), 2);
    cr_assert_eq(lines_text(CHARSET_UTF8, "ab\n\r", 4), 3);
    cr_assert_eq(lines_text(CHARSET_UTF8, "", 0), 0);
    cr_assert_eq(lines_text(CHARSET_UTF16LE, "a\0\r\0\n\0", 6), 2);
    cr_assert_eq(lines_text(CHARSET_UTF16BE, "\0a\0\r\0\n", 6), 2);
    cr_assert_eq(lines_text(CHARSET_UTF16BE, "\0a\0\n\0\r", 6), 4);
    cr_assert_eq(lines_text(CHARSET_UTF16BE, "\n", 1), 1);
}

/* ---- UTF-16 ---- */

static void check_16(
    enum charset charset, const char *block, size_t blocks, size_t most, size_t length, size_t part)
{
    const struct lines_cut cut = lines_cut(charset, block, blocks, most);

    cr_assert_eq(cut.length, length, "length %zu", cut.length);
    cr_assert_eq(cut.part, part, "part %zu", cut.part);
}

#define CHECK_LE(block, most, length, part) \
    check_16(CHARSET_UTF16LE, block, sizeof(block) - 1, most, length, part)
#define CHECK_BE(block, most, length, part) \
    check_16(CHARSET_UTF16BE, block, sizeof(block) - 1, most, length, part)

/* U+0A0A, U+0A00, U+010A: a byte of LF is no LF, and neither are the halves of two characters. */
Test(file_lines, line_breaks_in_code_units)
{
    CHECK_LE("", 10, 0, 0);
    CHECK_LE("a\0\n\0b\0", 10, 4, 0);
    CHECK_BE("\0a\0\n\0b", 10, 4, 0);
    CHECK_LE("\n\n\0\n\n\1", 10, 0, 0);
    CHECK_LE("\n\n\0\n\n\0\n\1", 10, 6, 0);
    CHECK_BE("\n\n\n\0\0\n\1\n", 10, 6, 0);
    CHECK_BE("\1\0\n\0", 10, 0, 0);
    CHECK_LE("a\n\0\1", 10, 0, 0);
    CHECK_LE("a\0\r\0\n\0\n\0\r\0", 10, 8, 0);
}

Test(file_lines, half_a_code_unit_is_left)
{
    CHECK_LE("a\0\n", 10, 0, 0);
    CHECK_LE("a\0\n\0\n", 10, 4, 0);
    CHECK_BE("\0a\0", 10, 0, 0);
    CHECK_BE("\0a\0\n\0", 10, 4, 0);
}

Test(file_lines, bytes_of_utf_16_are_counted)
{
    CHECK_LE("1\0002\0\n\0", 4, 6, 0);
    CHECK_LE("1\0002\0\r\0\n\0", 4, 8, 0);
    CHECK_LE("1\0002\0\r\0\n", 4, 0, 0); /* the other half of its line break may follow */
    CHECK_LE("1\0002\0\r", 4, 0, 0);
    CHECK_LE("1\0002\0003\0", 4, 0, 4);
    CHECK_LE("1\0002\0003\0\n\0", 5, 0, 4);
    CHECK_LE("1\0\n\0002\0003\0004\0\n\0", 4, 4, 0);
    CHECK_LE("1\0\x3d\xd8\0\xde\n\0", 4, 0, 2); /* not between the halves of a pair */
    CHECK_BE("\0001\xd8\x3d\xde\0\0\n", 4, 0, 2);
}

Test(file_lines, first_and_last_of_utf_16)
{
    cr_assert_eq(lines_first(CHARSET_UTF16LE, "\0\n\n\0\n\0", 6), 4);
    cr_assert_eq(lines_first(CHARSET_UTF16BE, "\n\0\0\n", 4), 4);
    cr_assert_eq(lines_first(CHARSET_UTF16BE, "\n\0\0", 3), 0);
    cr_assert_eq(lines_first(CHARSET_UTF16LE, "\n", 1), 0);
    cr_assert_eq(lines_last(CHARSET_UTF16LE, "\n\0\n\0\0\n", 6), 4);
    cr_assert_eq(lines_last(CHARSET_UTF16BE, "\0\n\n\0", 4), 2);
    cr_assert_eq(lines_last(CHARSET_UTF16LE, "\n", 1), 0);
}
