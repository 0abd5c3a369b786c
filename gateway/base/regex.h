/* regex: Perl-compatible patterns (PCRE2) in text that anybody may have written.
 *
 * A match is bounded, whatever the pattern and the text: only the first REGEX_TEXT_MAX bytes are looked at, and the steps, the depth and the
 * memory of a match have limits. What reaches one is given up, and the caller is told. The limits count steps, not time: the same text has the
 * same answer on a busy machine, and after a crash.
 *
 * Text is UTF-8; bytes that are not match nothing, and what is before and behind them may match all the same. $ stands for the end of the text
 * alone, and . for no line break, as usual in PCRE2; \C is refused.
 *
 * A regex holds what its last match has found: it belongs to one thread. @thread one
 */
#ifndef PENSTOCK_BASE_REGEX_H
#define PENSTOCK_BASE_REGEX_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"

#define REGEX_PATTERN_MAX 4096 /* bytes */
#define REGEX_TEXT_MAX ((size_t)4096) /* bytes that are looked at; behind them is no $ */

struct regex;

enum regex_result {
    REGEX_NO,
    REGEX_YES,
    REGEX_GIVEN_UP, /* a limit was reached: nobody knows */
};

/* ERROR_REJECT says what is wrong with the pattern, and at which byte, counted from 0. */
int regex_compile(struct regex **ret_regex, const char *pattern, struct error *error);
void regex_free(struct regex **regex);

/* Whether it is found anywhere in the text. */
enum regex_result regex_match(struct regex *regex, struct slice text);

/* The number of the group (?<NAME>...); 0: there is none, or there are several. */
unsigned regex_group(const struct regex *regex, const char *name);

/* What a group stands for in the last match, a part of its text, 0 being all of it; data NULL: nothing. */
struct slice regex_value(const struct regex *regex, unsigned group);

#endif
