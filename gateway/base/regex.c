/* regex: see regex.h */
#include "base/regex.h"

#include <stdlib.h>
#include <string.h>

#include "base/regex_found.h"

/* Of each place where a match may begin. A pattern that needs more for a line is one that would need 2^n for a longer one. */
#define REGEX_STEPS_MAX 100000
#define REGEX_DEPTH_MAX 20000
#define REGEX_HEAP_KIB 8192
#define REGEX_STACK_LEAST ((size_t)32 << 10) /* of compiled code */
#define REGEX_STACK_MOST ((size_t)512 << 10)

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_jit_stack *stack;
    struct regex_found *found;
    uint32_t places;
    const char *text; /* of the last match; NULL: there is none */
};

void regex_free(struct regex **regex)
{
    if (!*regex)
        return;
    regex_found_free((*regex)->found);
    pcre2_jit_stack_free((*regex)->stack);
    pcre2_match_context_free((*regex)->limits);
    pcre2_code_free((*regex)->code);
    free(*regex);
    *regex = NULL;
}

static int regex_compile_code(struct regex *regex, const char *pattern, struct error *error)
{
    const size_t length = strlen(pattern);
    char text[160];
    size_t at;
    int number;

    if (length > REGEX_PATTERN_MAX)
        return error_set(
            error, ERROR_REJECT, "a pattern of %zu bytes; allowed: %d", length, REGEX_PATTERN_MAX);
    regex->code = pcre2_compile((PCRE2_SPTR)pattern, length,
        PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY, &number, &at,
        NULL);
    if (regex->code)
        return 0;
    pcre2_get_error_message(number, (PCRE2_UCHAR *)text, sizeof text);
    return error_set(error, ERROR_REJECT, "'%s' is no pattern: byte %zu: %s", pattern, at, text);
}

int regex_compile(struct regex **ret_regex, const char *pattern, struct error *error)
{
    __attribute__((cleanup(regex_free))) struct regex *regex = calloc(1, sizeof *regex);

    if (!regex)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE malloc does not fail here */
    if (regex_compile_code(regex, pattern, error))
        return -1;
    pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &regex->places);
    regex->found = regex_found_new(++regex->places);
    regex->limits = pcre2_match_context_create(NULL);
    regex->stack = pcre2_jit_stack_create(REGEX_STACK_LEAST, REGEX_STACK_MOST, NULL);
    if (!regex->found || !regex->limits)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE as above */
    pcre2_set_match_limit(regex->limits, REGEX_STEPS_MAX);
    pcre2_set_depth_limit(regex->limits, REGEX_DEPTH_MAX);
    pcre2_set_heap_limit(regex->limits, REGEX_HEAP_KIB);
    /* Where nobody may make code (systemd's MemoryDenyWriteExecute, other machines) the pattern is interpreted. */
    if (regex->stack && pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0)
        pcre2_jit_stack_assign(regex->limits, NULL, regex->stack);
    *ret_regex = regex;
    regex = NULL;
    return 0;
}

enum regex_result regex_match(struct regex *regex, struct slice text)
{
    const bool cut = text.length > REGEX_TEXT_MAX;
    const char *data = text.data ? text.data : "";
    const struct slice seen = {data, cut ? REGEX_TEXT_MAX : text.length};
    const int found =
        regex_found_match(regex->found, regex->code, seen, cut ? PCRE2_NOTEOL : 0, regex->limits);

    regex->text = found > 0 ? data : NULL;
    if (found > 0)
        return REGEX_YES;
    return found == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_GIVEN_UP;
}

unsigned regex_group(const struct regex *regex, const char *name)
{
    const int number = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)name);

    return number > 0 ? (unsigned)number : 0;
}

struct slice regex_value(const struct regex *regex, unsigned group)
{
    const size_t *places = regex_found_places(regex->found);

    if (!regex->text || group >= regex->places || places[2 * group] == PCRE2_UNSET)
        return (struct slice){NULL, 0};
    return (struct slice){regex->text + places[2 * group], places[2 * group + 1] - places[2 * group]};
}
