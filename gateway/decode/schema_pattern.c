/* schema_pattern: PCRE2, for all threads; see schema_internal.h
 *
 * base/regex belongs to one thread and looks at the beginning of a long text only; here code is shared, and nothing may be left unseen. PCRE2
 * counts steps anew at each place where a match may begin: a pattern that can begin anywhere gets its share for each.
 */
#include <assert.h>
#include <stdlib.h>

#include "decode/schema_internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define PATTERN_DEPTH_MAX 20000
#define PATTERN_HEAP_KIB 8192
#define PATTERN_STACK_LEAST ((size_t)32 << 10) /* of compiled code */
#define PATTERN_STACK_MOST ((size_t)512 << 10)

struct schema_pattern {
    struct schema_pattern *before; /* chained, for their end */
    pcre2_code *code;
    struct slice text;
    bool anchored; /* a match can begin at one place only */
};

struct schema_matcher {
    pcre2_match_context *limits;
    pcre2_match_data *found;
    pcre2_jit_stack *stack;
};

void schema_free_patterns(struct schema_pattern *last)
{
    for (; last; last = last->before)
        pcre2_code_free(last->code);
}

struct slice schema_pattern_text(const struct schema_pattern *pattern)
{
    return pattern->text;
}

int schema_compile_pattern(
    struct schema_compiler *compiler, struct slice text, const struct schema_pattern **ret_pattern)
{
    struct schema_pattern *pattern = schema_allocate(compiler->schema, sizeof *pattern);
    uint32_t options = 0;
    char why[160];
    int number;
    size_t at;

    pattern->text = text;
    pattern->code = pcre2_compile((PCRE2_SPTR)text.data, text.length,
        PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY, &number, &at, NULL);
    if (!pattern->code) {
        pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
        return schema_wrong(compiler, "no pattern of PCRE2: byte %zu: %s", at, why);
    }
    pattern->before = compiler->schema->patterns;
    compiler->schema->patterns = pattern;
    pcre2_pattern_info(pattern->code, PCRE2_INFO_ALLOPTIONS, &options);
    pattern->anchored = options & PCRE2_ANCHORED;
    /* Where nobody may make code (systemd's MemoryDenyWriteExecute, other machines) the pattern is interpreted. */
    (void)pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
    *ret_pattern = pattern;
    return 0;
}

void schema_matcher_free(struct schema_matcher **matcher)
{
    if (!*matcher)
        return;
    pcre2_jit_stack_free((*matcher)->stack);
    pcre2_match_data_free((*matcher)->found);
    pcre2_match_context_free((*matcher)->limits);
    free(*matcher);
    *matcher = NULL;
}

int schema_matcher_new(struct schema_matcher **ret_matcher, struct error *error)
{
    __attribute__((cleanup(schema_matcher_free))) struct schema_matcher *matcher = calloc(1, sizeof *matcher);

    if (matcher) {
        matcher->limits = pcre2_match_context_create(NULL);
        matcher->found = pcre2_match_data_create(1, NULL);
        matcher->stack = pcre2_jit_stack_create(PATTERN_STACK_LEAST, PATTERN_STACK_MOST, NULL);
    }
    if (!matcher || !matcher->limits || !matcher->found)
        return error_set(error, ERROR_RETRY, "schema: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    pcre2_set_depth_limit(matcher->limits, PATTERN_DEPTH_MAX);
    pcre2_set_heap_limit(matcher->limits, PATTERN_HEAP_KIB);
    if (matcher->stack)
        pcre2_jit_stack_assign(matcher->limits, NULL, matcher->stack);
    *ret_matcher = matcher;
    matcher = NULL;
    return 0;
}

enum schema_match schema_pattern_match(
    const struct schema_pattern *pattern, struct schema_matcher *matcher, struct slice text)
{
    const size_t steps = SCHEMA_PATTERN_STEPS / (pattern->anchored ? 1 : text.length + 1);

    assert(text.length <= SCHEMA_PATTERN_TEXT_MAX);
    pcre2_set_match_limit(
        matcher->limits, steps > SCHEMA_PATTERN_STEPS_LEAST ? (uint32_t)steps : SCHEMA_PATTERN_STEPS_LEAST);
    const int found = pcre2_match(pattern->code, (PCRE2_SPTR)text.data, text.length, 0, PCRE2_NO_UTF_CHECK,
        matcher->found, matcher->limits);
    if (found >= 0)
        return SCHEMA_MATCH;
    return found == PCRE2_ERROR_NOMATCH ? SCHEMA_NO_MATCH : SCHEMA_GIVEN_UP;
}
