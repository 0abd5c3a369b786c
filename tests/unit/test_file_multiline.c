/* Which lines are one record: real stack traces, patterns of people's own, and what is too long. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/regex.h"
#include "files/multiline.h"

#define MOST 4096
static struct multiline *made(const char *preset, const char *start, const char *next, uint64_t lines)
{
    const struct multiline_options options = {preset, start, next, lines};
    struct multiline *multiline = NULL;
    struct error error;

    cr_assert_eq(multiline_new(&multiline, &options, &error), 0, "%s", error.text);
    return multiline;
}

/* The records of a text, with "|" behind each; before it "~" where that is a part of a line, and ">" where the record goes on behind a cut,
 * with "+" there. */
static void cuts_to(struct multiline *multiline, enum multiline_end end, const char *text, size_t length,
    size_t most, const char *expected)
{
    char *copy = malloc(length + (length == 0)), got[4096] = "";
    size_t at = 0, to = 0;
    uint8_t state = 0;

    cr_assert(copy);
    memcpy(copy, text, length); /* its memory ends where the text does */
    for (;;) {
        const struct multiline_cut cut =
            multiline_cut(multiline, state, end, CHARSET_UTF8, copy + at, length - at, most);
        const size_t size = cut.length ? cut.length : cut.part;
        if (!size)
            break;
        cr_assert(!cut.within || state);
        to += (size_t)snprintf(got + to, sizeof got - to, "%s%.*s%s|", cut.within ? "+" : "", (int)size,
            copy + at,
            cut.part    ? "~"
            : cut.state ? ">"
                        : "");
        at += size;
        state = cut.state;
    }
    to += (size_t)snprintf(got + to, sizeof got - to, "%.*s", (int)(length - at), copy + at);
    cr_assert_str_eq(got, expected);
    free(copy);
}

static void check(struct multiline *multiline, enum multiline_end end, const char *text, const char *expected)
{
    cuts_to(multiline, end, text, strlen(text), MOST, expected);
    multiline_free(&multiline);
    cr_assert_null(multiline);
}

/* ---- stack traces, with a line of "%%" between two records ---- */

static char *traces(const char *preset)
{
    char path[256], *text = calloc(1, 1 << 16);

    snprintf(path, sizeof path, PENSTOCK_GOLDEN "/traces/%s.txt", preset);
    FILE *file = fopen(path, "re");
    cr_assert(file && text, "%s", path);
    cr_assert_gt(fread(text, 1, (1 << 16) - 1, file), 0);
    fclose(file);
    return text;
}

struct corpus {
    char text[1 << 17];
    size_t length, ends[64], count;
};

static void corpus_add(struct corpus *corpus, enum charset charset, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        corpus->text[corpus->length++] = text[i];
        if (charset == CHARSET_UTF16LE)
            corpus->text[corpus->length++] = '\0';
    }
}

/* The records of such a file. UTF-16 of text that is ASCII: each byte and a NUL. */
static struct corpus *corpus_of(const char *preset, enum charset charset, const char *line_break)
{
    struct corpus *corpus = calloc(1, sizeof *corpus);
    char *marked = traces(preset);

    cr_assert(corpus);
    for (const char *from = marked; *from;) {
        const size_t line = strcspn(from, "\n");
        if (line == 2 && strncmp(from, "%%", 2) == 0)
            corpus->ends[corpus->count++] = corpus->length;
        else {
            corpus_add(corpus, charset, from, line);
            corpus_add(corpus, charset, line_break, strlen(line_break));
        }
        from += line + 1;
    }
    corpus->ends[corpus->count++] = corpus->length;
    free(marked);
    return corpus;
}

static void traces_are_records(const char *preset, enum charset charset, const char *line_break)
{
    struct multiline *multiline = made(preset, "", "", 500);
    struct corpus *corpus = corpus_of(preset, charset, line_break);
    size_t at = 0;

    for (size_t i = 0; i < corpus->count; i++) {
        const struct multiline_cut cut = multiline_cut(
            multiline, 0, MULTILINE_ENDS, charset, corpus->text + at, corpus->length - at, MOST);
        cr_assert_eq(at + cut.length, corpus->ends[i], "%s, record %zu: %zu bytes, %zu expected\n%.*s",
            preset, i, cut.length, corpus->ends[i] - at, (int)cut.length, corpus->text + at);
        cr_assert(!cut.state && !cut.within && !cut.given_up);
        at += cut.length;
    }
    cr_assert_eq(at, corpus->length);
    free(corpus);
    multiline_free(&multiline);
}

static const char *const preset_names[] = {"java", "python", "go"};
#define PRESETS (sizeof preset_names / sizeof *preset_names)

Test(file_multiline, stack_traces_are_records)
{
    for (size_t i = 0; i < PRESETS; i++) {
        traces_are_records(preset_names[i], CHARSET_UTF8, "\n");
        traces_are_records(preset_names[i], CHARSET_UTF8, "\r\n");
        traces_are_records(preset_names[i], CHARSET_LATIN1, "\n");
        traces_are_records(preset_names[i], CHARSET_UTF16LE, "\n");
        traces_are_records(preset_names[i], CHARSET_UTF16LE, "\r\n");
    }
}

/* Wherever what was read so far ends, in a line or between two, records that are known there are those of the whole text. */
Test(file_multiline, no_end_of_a_block_splits_a_record)
{
    for (size_t i = 0; i < PRESETS; i++) {
        struct multiline *multiline = made(preset_names[i], "", "", 500);
        struct corpus *corpus = corpus_of(preset_names[i], CHARSET_UTF8, "\n");
        for (size_t length = 0; length <= corpus->length; length++) {
            size_t at = 0, record = 0;
            for (;;) {
                const struct multiline_cut cut = multiline_cut(
                    multiline, 0, MULTILINE_WAITS, CHARSET_UTF8, corpus->text + at, length - at, MOST);
                if (!cut.length) {
                    cr_assert_leq(at + cut.open, length);
                    break;
                }
                at += cut.length;
                cr_assert_eq(at, corpus->ends[record++], "%s, %zu bytes of it", preset_names[i], length);
            }
        }
        free(corpus);
        multiline_free(&multiline);
    }
}

Test(file_multiline, what_only_looks_like_a_trace)
{
    check(made("java", "", "", 500), MULTILINE_ENDS,
        "Errors: 5\n at home\nSomeException: x\nplain\n\tat a.b(C.java:1)\n",
        "Errors: 5\n| at home\n|SomeException: x\n|plain\n|\tat a.b(C.java:1)\n|");
    check(made("java", "", "", 500), MULTILINE_ENDS,
        "x.Exception: a\nb\n c\n\tat T.f(T.java:1)\n\tat T.g(T.java:2)\nCaused by: x.Error: y\n\tat T.h(T.java:3)\nplain\n",
        "x.Exception: a\n|b\n| c\n|\tat T.f(T.java:1)\n\tat T.g(T.java:2)\nCaused by: x.Error: y\n\tat T.h(T.java:3)\n|plain\n|");
    check(made("java", "", "", 500), MULTILINE_ENDS, "java.rmi.RemoteException: a; nested exception is:\nx\n",
        "java.rmi.RemoteException: a; nested exception is:\n|x\n|");
    check(made("java", "", "", 500), MULTILINE_ENDS,
        "a.BException: x\n nested exception is:\n c.DError: y\n\tat e\nend\n",
        "a.BException: x\n nested exception is:\n c.DError: y\n\tat e\n|end\n|");
    check(made("python", "", "", 500), MULTILINE_ENDS,
        "Traceback (most recent call last):\n  File\n\n  b\nTraceback (most recent call last):\n12:00 x\nTraceback (most recent call last):\n",
        "Traceback (most recent call last):\n  File\n|\n|  b\n|Traceback (most recent call last):\n|12:00 x\n|Traceback (most recent call last):\n|");
    check(made("go", "", "", 500), MULTILINE_ENDS,
        "panic: a\n\nwhat(now)\ngoroutine 7 [running]:\nmain.f(0x1)\n\tx.go:1\nsaved (all)\nhttp: panic serving 1:2: x\ngoroutine 1 [running]:\na.b()\n",
        "panic: a\n\n|what(now)\n|goroutine 7 [running]:\nmain.f(0x1)\n\tx.go:1\n|saved (all)\n|http: panic serving 1:2: x\ngoroutine 1 [running]:\na.b()\n|");
    check(made("go", "", "", 500), MULTILINE_ENDS,
        "SIGQUIT: quit\nPC=0x1 m=0\n\nruntime stack:\nruntime.f(...)\n\tp.go:1\n\nx\n",
        "SIGQUIT: quit\nPC=0x1 m=0\n\nruntime stack:\nruntime.f(...)\n\tp.go:1\n\n|x\n|");
}

/* ---- patterns ---- */

Test(file_multiline, a_record_begins_where_start_matches)
{
    check(made("none", "^\\d", "", 500), MULTILINE_WAITS, "head\n1 a\n b\n\n2 c\n3",
        "head\n|1 a\n b\n\n|2 c\n3");
    check(made("none", "^\\d", "", 500), MULTILINE_LINES, "1 a\n b\nhalf", "1 a\n b\n|half");
    check(made("none", "^\\d", "", 500), MULTILINE_ENDS, "1 a\n b\nhalf", "1 a\n b\nhalf|");
    check(made("none", "^\\d", "", 500), MULTILINE_ENDS, "", "");
    check(made("none", "^\\d", "", 500), MULTILINE_WAITS, "1\r\n b\r\n2\r\n", "1\r\n b\r\n|2\r\n");
    check(made("none", "^\\d$", "", 500), MULTILINE_WAITS, "1\r\n2 \r\n3\r\n", "1\r\n2 \r\n|3\r\n");
}

Test(file_multiline, a_record_goes_on_while_continue_matches)
{
    check(made("none", "", "^\\s", 500), MULTILINE_WAITS, " a\n b\nc\n d\ne\n", " a\n b\n|c\n d\n|e\n");
    check(made("none", "", "^\\s", 500), MULTILINE_LINES, "a\n b\n", "a\n b\n|");
}

Test(file_multiline, with_both_what_matches_neither_is_a_record_by_itself)
{
    check(made("none", "^BEGIN", "^\\s", 500), MULTILINE_WAITS, " a\nb\nBEGIN\n c\nBEGIN\n d\ne\n f\n",
        " a\n|b\n|BEGIN\n c\n|BEGIN\n d\n|e\n| f\n|");
    check(
        made("none", "^ B", "^\\s", 500), MULTILINE_LINES, " B\n B\n x\n", " B\n| B\n x\n|"); /* start wins */
}

Test(file_multiline, what_is_there_of_an_open_record_is_told)
{
    struct multiline *multiline = made("none", "^\\d", "", 500);
    const struct multiline_cut cut =
        multiline_cut(multiline, 0, MULTILINE_WAITS, CHARSET_UTF8, "1\n a\nhalf", 9, MOST);

    cr_assert(!cut.length && !cut.part && !cut.state && !cut.within);
    cr_assert_eq(cut.open, 5);
    multiline_free(&multiline);
}

Test(file_multiline, what_makes_it_several_lines)
{
    cr_assert_not(multiline_is_wanted(&(struct multiline_options){"none", "", "", 500}));
    cr_assert(multiline_is_wanted(&(struct multiline_options){"go", "", "", 500}));
    cr_assert(multiline_is_wanted(&(struct multiline_options){"none", "a", "", 500}));
    cr_assert(multiline_is_wanted(&(struct multiline_options){"none", "", "a", 500}));
}

Test(file_multiline, what_is_no_pattern_is_refused)
{
    const struct multiline_options options = {"none", "", "(", 500};
    struct multiline *multiline = NULL;
    struct error error;

    cr_assert_eq(multiline_new(&multiline, &options, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert(strstr(error.text, "missing closing parenthesis"), "%s", error.text);
    cr_assert_null(multiline);
}

/* ---- what is too long ---- */

static void check_most(struct multiline *multiline, const char *text, size_t most, const char *expected)
{
    cuts_to(multiline, MULTILINE_ENDS, text, strlen(text), most, expected);
    multiline_free(&multiline);
}

Test(file_multiline, a_record_that_is_too_long_goes_on_behind_a_cut)
{
    check(made("none", "^\\d", "", 2), MULTILINE_ENDS, "1\n a\n b\n c\n d\n2\n",
        "1\n a\n>|+ b\n c\n>|+ d\n|2\n|");
    check(made("none", "^\\d", "", 2), MULTILINE_WAITS, "1\n a\n b\n", "1\n a\n>| b\n");
    check(
        made("none", "^\\d", "", 2), MULTILINE_ENDS, "1\n a\n2\n b\n", "1\n a\n|2\n b\n|"); /* just so long */
    check_most(made("none", "^\\d", "", 500), "1\n234\n 56\n 7\n8\n", 8, "1\n|234\n 56\n>|+ 7\n|8\n|");
    check_most(made("none", "^\\d", "", 500), "1234\n 56\n8\n", 8,
        "1234\n 56\n|8\n|"); /* 8 bytes, and a line break */
    check_most(made("python", "", "", 2), "Traceback (most recent call last):\n a\n b\nE: x\nF: y\n", MOST,
        "Traceback (most recent call last):\n a\n>|+ b\nE: x\n|F: y\n|");
}

Test(file_multiline, behind_a_cut_another_record_may_begin)
{
    struct multiline *multiline = made("none", "^\\d", "", 500);
    struct multiline_cut cut = multiline_cut(multiline, 1, MULTILINE_ENDS, CHARSET_UTF8, "1\n a\n", 5, MOST);

    cr_assert(cut.length == 5 && !cut.within);
    cut = multiline_cut(
        multiline, 7, MULTILINE_ENDS, CHARSET_UTF8, " a\n", 3, MOST); /* of other rules than these */
    cr_assert(cut.length == 3 && !cut.within);
    cut = multiline_cut(multiline, 200, MULTILINE_ENDS, CHARSET_UTF8, " a\n", 3, MOST);
    cr_assert(cut.length == 3 && !cut.within);
    multiline_free(&multiline);
}

Test(file_multiline, a_line_that_is_too_long_is_a_record_by_itself)
{
    check_most(made("none", "^\\d", "", 500), "1\n a\n 3456789\n b\n2\n", 6, "1\n a\n| 34567~|89\n b\n|2\n|");
    check_most(made("none", "", "^ ", 500), "1\n 3456789", 6, "1\n| 34567~|89|");
    check_most(made("none", "", "^ ", 500), "\u20ac\u20ac\n", 2, "\xe2\x82~|\xac~|\xe2\x82~|\xac\n|");
}

Test(file_multiline, a_pattern_that_takes_too_long_counts_as_no_match)
{
    struct multiline *multiline = made("none", "^(a+)+$", "", 500);
    const char text[] = "1\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\naa\n";
    const struct multiline_cut cut =
        multiline_cut(multiline, 0, MULTILINE_ENDS, CHARSET_UTF8, text, sizeof text - 1, MOST);

    cr_assert_eq(cut.length, sizeof text - 1 - 3);
    cr_assert_eq(cut.given_up, 1);
    multiline_free(&multiline);
}

/* As much as a pattern looks at is converted for it, and no more. */
Test(file_multiline, long_lines_of_other_encodings)
{
    static char text[2 * (3 * REGEX_TEXT_MAX) + 2];
    struct multiline *multiline = made("none", "^x*$", "", 500);

    for (size_t i = 0; i < sizeof text; i += 2)
        text[i] = 'x';
    text[sizeof text - 2] = '\n';
    struct multiline_cut cut =
        multiline_cut(multiline, 0, MULTILINE_ENDS, CHARSET_UTF16LE, text, sizeof text, sizeof text);
    cr_assert_eq(cut.length, sizeof text);
    cut = multiline_cut(multiline, 1, MULTILINE_ENDS, CHARSET_UTF16LE, text, sizeof text, sizeof text);
    cr_assert(cut.within); /* its end is not seen, so the pattern has not matched */
    multiline_free(&multiline);
}

/* A block that ends within the line break of a line that has just as many bytes as it may: it is not too long, and says nothing about the record in front of it. */
Test(file_multiline, half_a_line_break)
{
    static const char text[] = {0, 'a', 0, '\n', 0, 'b', 0, 'c', 0, '\n'}; /* UTF-16BE */
    const struct multiline_options options = {"none", "^\\d", "", 500};
    struct multiline *multiline;
    struct error error;

    cr_assert_eq(multiline_new(&multiline, &options, &error), 0, "%s", error.text);
    for (size_t length = 4; length < sizeof text; length++) {
        const struct multiline_cut cut =
            multiline_cut(multiline, 0, MULTILINE_WAITS, CHARSET_UTF16BE, text + 4, length - 4, 4);
        cr_assert(cut.length == 0 && cut.part == 0, "%zu bytes", length - 4);
        cr_assert_eq(
            multiline_cut(multiline, 0, MULTILINE_WAITS, CHARSET_UTF16BE, text, length, 4).length, 0);
    }
    cr_assert_eq(multiline_cut(multiline, 0, MULTILINE_ENDS, CHARSET_UTF16BE, text, 9, 4).length, 4);
    multiline_free(&multiline);
}
