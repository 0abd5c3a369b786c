/* The text of files as UTF-8: byte order marks, what is undecodable, and where a text may be cut. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "files/charset.h"

#define TEXT(literal) literal, sizeof(literal) - 1

/* Its memory ends where the text does, so that a sanitizer sees who reads behind it. */
static char *exact(const char *text, size_t length)
{
    char *copy = malloc(length + (length == 0));

    cr_assert(copy);
    memcpy(copy, text, length);
    return copy;
}

static void converts(enum charset charset, bool pass, const char *text, size_t length, const char *to,
    size_t to_length, bool good)
{
    char *copy = exact(text, length), *out = malloc(CHARSET_GROWTH * length + (length == 0));
    size_t got;

    cr_assert(out);
    cr_assert_eq(charset_convert(charset, pass, copy, length, out, &got), good, "%s", to);
    cr_assert_eq(got, to_length, "%s: %zu bytes", to, got);
    cr_assert_arr_eq(out, to, got, "%s", to);
    free(out);
    free(copy);
}

#define GOOD(charset, from, to) converts(charset, false, TEXT(from), TEXT(to), true)
/* What stands for it, and what it is passed on as. */
#define BROKEN(charset, from, to, passed)                         \
    do {                                                          \
        converts(charset, false, TEXT(from), TEXT(to), false);    \
        converts(charset, true, TEXT(from), TEXT(passed), false); \
    } while (0)
#define R "\xef\xbf\xbd"

Test(file_charset, utf8_that_is_well_formed_stays_as_it_is)
{
    GOOD(CHARSET_UTF8, "", "");
    GOOD(CHARSET_UTF8, "a\0b\n", "a\0b\n");
    GOOD(CHARSET_UTF8, "12345678\x7f", "12345678\x7f");
    GOOD(CHARSET_UTF8, "\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf");
    GOOD(CHARSET_UTF8, "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
        "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
    GOOD(CHARSET_UTF8, "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    GOOD(CHARSET_UTF8, R, R); /* one that somebody else put there */
}

/* Unicode 16, chapter 3.9: tables 3-8 to 3-11. */
Test(file_charset, one_replacement_for_each_maximal_subpart)
{
    BROKEN(CHARSET_UTF8, "\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64", "a" R R R "b" R "c" R R "d",
        "\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64");
    BROKEN(CHARSET_UTF8, "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", R R R R R R R R "A",
        "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41");
    BROKEN(CHARSET_UTF8, "\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", R R R R R R R R "A",
        "\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41");
    BROKEN(CHARSET_UTF8, "\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", R R R R R "A" R R "B",
        "\xf4\x91\x92\x93\xff\x41\x80\xbf\x42");
    BROKEN(CHARSET_UTF8, "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", R R R R "A",
        "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41");
}

Test(file_charset, utf8_whose_end_was_cut_off)
{
    BROKEN(CHARSET_UTF8, "a\xc3", "a" R, "a\xc3");
    BROKEN(CHARSET_UTF8, "a\xe2\x82", "a" R, "a\xe2\x82");
    BROKEN(CHARSET_UTF8, "a\xf0\x9f\x98", "a" R, "a\xf0\x9f\x98");
    BROKEN(CHARSET_UTF8, "\xf5", R, "\xf5");
}

Test(file_charset, latin_1_is_the_code_points_of_its_bytes)
{
    GOOD(CHARSET_LATIN1, "", "");
    GOOD(CHARSET_LATIN1,
        "Gr\xf6\xdf"
        "e\0\r\n",
        "Gr\xc3\xb6\xc3\x9f"
        "e\0\r\n");
    GOOD(CHARSET_LATIN1, "\x7f\x80\x9f\xa0\xff", "\x7f\xc2\x80\xc2\x9f\xc2\xa0\xc3\xbf");
}

Test(file_charset, utf16_in_both_orders)
{
    GOOD(CHARSET_UTF16LE, "", "");
    GOOD(CHARSET_UTF16LE, "a\0\0\0\n\0", "a\0\n");
    GOOD(CHARSET_UTF16BE, "\0a\0\0\0\n", "a\0\n");
    GOOD(CHARSET_UTF16LE, "\x7f\0\x80\0\xff\x07\0\x08\xff\xd7\0\xe0\xff\xff",
        "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
    GOOD(CHARSET_UTF16BE, "\0\x7f\0\x80\x07\xff\x08\0\xd7\xff\xe0\0\xff\xff",
        "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
    GOOD(CHARSET_UTF16LE, "\0\xd8\0\xdc\xff\xdb\xff\xdf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    GOOD(CHARSET_UTF16BE, "\xd8\0\xdc\0\xdb\xff\xdf\xff", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    GOOD(CHARSET_UTF16LE, "a\0\xff\xfe", "a\xef\xbb\xbf"); /* further on it is no mark */
}

Test(file_charset, surrogates_without_their_other_half)
{
    BROKEN(CHARSET_UTF16LE, "a\0\x3d\xd8", "a" R, "a\xed\xa0\xbd");
    BROKEN(CHARSET_UTF16LE,
        "\x3d\xd8"
        "a\0",
        R "a",
        "\xed\xa0\xbd"
        "a");
    BROKEN(CHARSET_UTF16LE,
        "\0\xde"
        "a\0",
        R "a",
        "\xed\xb8\x80"
        "a");
    BROKEN(CHARSET_UTF16BE, "\xd8\x3d\xd8\x3d\xde\0", R "\xf0\x9f\x98\x80", "\xed\xa0\xbd\xf0\x9f\x98\x80");
    BROKEN(CHARSET_UTF16BE, "\xdf\xff\xd8\0", R R, "\xed\xbf\xbf\xed\xa0\x80");
}

Test(file_charset, half_a_code_unit_at_the_end)
{
    BROKEN(CHARSET_UTF16LE, "a\0b", "a" R, "ab");
    BROKEN(CHARSET_UTF16LE, "\x3d\xd8\0", R R, "\xed\xa0\xbd\0");
    BROKEN(CHARSET_UTF16BE, "\n", R, "\n");
}

static void marks(enum charset charset, const char *text, size_t length, size_t mark, enum charset is)
{
    char *copy = exact(text, length);

    cr_assert_eq(charset_mark(&charset, copy, length), mark);
    cr_assert_eq(charset, is);
    free(copy);
}

Test(file_charset, byte_order_marks)
{
    marks(CHARSET_UTF8, TEXT("\xef\xbb\xbf"), 3, CHARSET_UTF8);
    marks(CHARSET_UTF8, TEXT("\xef\xbb\xbf\xef\xbb\xbf"), 3, CHARSET_UTF8);
    marks(CHARSET_UTF8, TEXT("\xef\xbb"), 0, CHARSET_UTF8);
    marks(CHARSET_UTF8, TEXT("\xff\xfe"), 0, CHARSET_UTF8);
    marks(CHARSET_UTF8, TEXT(""), 0, CHARSET_UTF8);
    marks(CHARSET_LATIN1, TEXT("\xef\xbb\xbf"), 0, CHARSET_LATIN1);
    marks(CHARSET_LATIN1, TEXT("\xff\xfe"), 0, CHARSET_LATIN1);
    marks(CHARSET_UTF16, TEXT("\xff\xfe"), 2, CHARSET_UTF16LE);
    marks(CHARSET_UTF16, TEXT("\xfe\xff\xfe"), 2, CHARSET_UTF16BE);
    marks(CHARSET_UTF16, TEXT("\xff"), 0, CHARSET_UTF16);
    marks(CHARSET_UTF16, TEXT("a\0"), 0, CHARSET_UTF16);
    marks(CHARSET_UTF16LE, TEXT("a\0"), 0, CHARSET_UTF16LE);
    marks(CHARSET_UTF16LE, TEXT("\xfe\xff"), 2, CHARSET_UTF16BE);
    marks(CHARSET_UTF16BE, TEXT("\xff\xfe"), 2, CHARSET_UTF16LE);
}

Test(file_charset, units_and_the_last_one)
{
    cr_assert_eq(charset_unit(CHARSET_UTF8), 1);
    cr_assert_eq(charset_unit(CHARSET_LATIN1), 1);
    cr_assert_eq(charset_unit(CHARSET_UTF16), 2);
    cr_assert_eq(charset_unit(CHARSET_UTF16LE), 2);
    cr_assert_eq(charset_unit(CHARSET_UTF16BE), 2);
    cr_assert(charset_ends(CHARSET_UTF8, TEXT("\n"), '\n'));
    cr_assert_not(charset_ends(CHARSET_LATIN1, TEXT("\r"), '\n'));
    cr_assert_not(charset_ends(CHARSET_UTF8, "", 0, '\0'));
    cr_assert(charset_ends(CHARSET_UTF16LE, TEXT("\n\0"), '\n'));
    cr_assert_not(charset_ends(CHARSET_UTF16LE, TEXT("\0\n"), '\n'));
    cr_assert_not(charset_ends(CHARSET_UTF16LE, TEXT("\n\n"), '\n'));
    cr_assert(charset_ends(CHARSET_UTF16BE, TEXT("\0\n"), '\n'));
    cr_assert_not(charset_ends(CHARSET_UTF16BE, TEXT("\n"), '\n'));
}

Test(file_charset, a_text_is_cut_between_characters)
{
    cr_assert_eq(charset_whole(CHARSET_UTF8, TEXT("a\xe2\x82")), 1);
    cr_assert_eq(charset_whole(CHARSET_LATIN1, TEXT("a\xe2")), 2);
    cr_assert_eq(charset_whole(CHARSET_UTF16LE, TEXT("a\0b")), 2);
    cr_assert_eq(charset_whole(CHARSET_UTF16LE, TEXT("a\0\x3d\xd8")), 2);
    cr_assert_eq(charset_whole(CHARSET_UTF16LE, TEXT("\x3d\xd8\0\xde")), 4);
    cr_assert_eq(charset_whole(CHARSET_UTF16BE, TEXT("\xd8\x3d\xde")), 0);
    cr_assert_eq(charset_whole(CHARSET_UTF16BE, TEXT("a")), 0);
    cr_assert_eq(charset_whole(CHARSET_UTF16BE, "", 0), 0);
}

Test(file_charset, what_needs_no_conversion)
{
    char text[40];

    cr_assert_eq(charset_same(CHARSET_UTF8, TEXT("\xc3\xb6 12345678 \xe2\x82\xac\xff")), 15);
    cr_assert_eq(charset_same(CHARSET_UTF8, TEXT("a\xc3")), 1);
    cr_assert_eq(charset_same(CHARSET_UTF8, TEXT("\x80")), 0);
    cr_assert_eq(charset_same(CHARSET_LATIN1, TEXT("a\xc3\xb6")), 1);
    cr_assert_eq(charset_same(CHARSET_UTF16LE, TEXT("a\0")), 0);
    cr_assert_eq(charset_same(CHARSET_UTF16BE, "", 0), 0);
    for (size_t length = 0; length <= sizeof text; length++) { /* wherever it is in eight bytes */
        memset(text, 'x', sizeof text);
        cr_assert_eq(charset_same(CHARSET_UTF8, text, length), length);
        if (length < sizeof text)
            text[length] = '\x80';
        cr_assert_eq(charset_same(CHARSET_LATIN1, text, sizeof text), length);
    }
}

/* Every text of UTF-16 of all code points, cut into two at any byte: what is not whole goes to the second half. */
Test(file_charset, all_code_points_whatever_is_cut)
{
    char from[4], one[12], both[12];

    for (unsigned point = 0; point < 0x110000; point += point < 0x3000 || point % 0x400 > 0x3f0 ? 1 : 7) {
        if (point >= 0xd800 && point < 0xe000)
            continue;
        const unsigned high = point < 0x10000 ? point : 0xd7c0 + (point >> 10);
        const unsigned low = 0xdc00 + (point & 0x3ff);
        const size_t length = point < 0x10000 ? 2 : 4;
        size_t whole, first, second;
        from[0] = (char)(high >> 8);
        from[1] = (char)high;
        from[2] = (char)(low >> 8);
        from[3] = (char)low;
        cr_assert(charset_convert(CHARSET_UTF16BE, false, from, length, both, &whole));
        cr_assert_eq(charset_same(CHARSET_UTF8, both, whole), whole, "%x", point);
        for (size_t cut = 0; cut <= length; cut++) {
            const size_t kept = charset_whole(CHARSET_UTF16BE, from, cut);
            cr_assert(charset_convert(CHARSET_UTF16BE, false, from, kept, one, &first));
            cr_assert(
                charset_convert(CHARSET_UTF16BE, false, from + kept, length - kept, one + first, &second));
            cr_assert_eq(first + second, whole);
            cr_assert_arr_eq(one, both, whole, "%x", point);
        }
    }
}
