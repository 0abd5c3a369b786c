/* How much of a block is whole lines. */
#include <criterion/criterion.h>

#include <string.h>

#include "files/lines.h"

static void check(const char *block, size_t most, size_t length, size_t part)
{
    const struct lines_cut cut = lines_cut(block, strlen(block), most);

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
    cr_assert_eq(lines_first("ab\ncd\n", 6), 3);
    cr_assert_eq(lines_first("ab", 2), 0);
    cr_assert_eq(lines_first("\n", 1), 1);
    cr_assert(lines_are_blank("", 0));
    cr_assert(lines_are_blank(" \t\r\n\n", 5));
    cr_assert_not(lines_are_blank(" \n{}\n", 5));
    cr_assert_not(lines_are_blank("\0", 1)); /* the zero that ends the blanks is none */
}
