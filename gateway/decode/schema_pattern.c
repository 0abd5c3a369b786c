/* schema_pattern: PCRE2, for all threads; see schema_internal.h
 *
 * base/regex belongs to one thread and looks at the beginning of a long text only; here code is shared, and nothing may be left unseen. PCRE2
 * has a limit of steps, too, but does not say how many a match has taken, counts them anew at each place where one may begin, and as compiled code not those within a
 * repeated character or a lookahead. So each pattern is compiled twice. The quick one is for short texts and has a few steps; a pattern of which PCRE2's own count says too
 * little has none. Whatever needs more is matched by the other one, which calls us before each of its items, and again for each character that a repeated one gives back (pcre2callout(3)): these are the steps that are counted.
 * What is done between two of them is some runs of characters: those that ended well are seen by where the next step is, and one that did not was not longer
 * than the item has to be repeated. PATTERN_RUN characters of both count as a step.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/regex_found.h"
#include "decode/schema_internal.h"

/* For the ways back: what a group in a group takes that is repeated over SCHEMA_PATTERN_TEXT_MAX. A thread keeps the stack alone that compiled code has taken. */
#define PATTERN_HEAP_KIB (32 << 10)
#define PATTERN_STACK_LEAST ((size_t)32 << 10) /* of compiled code */
#define PATTERN_STACK_MOST ((size_t)8 << 20)
/* Without a count of steps that is little work at the worst: some 15 us. */
#define PATTERN_QUICK_TEXT ((size_t)256) /* bytes */
#define PATTERN_QUICK_NEEDED 16 /* of a pattern that is not anchored */
#define PATTERN_RUN 8
#define PATTERN_QUICK_STEPS 512 /* divided by the places where a match may begin or by what a step costs, */
#define PATTERN_QUICK_STEPS_LEAST 8 /* but no fewer at each */

struct schema_pattern {
    struct schema_pattern *before; /* chained, for their end */
    pcre2_code *quick; /* NULL: every match is counted */
    pcre2_code *counted;
    struct slice text;
    bool anchored; /* a match can begin at one place only */
    uint64_t step; /* what one costs */
};

struct schema_matcher {
    pcre2_match_context *limits, *counting;
    struct regex_found *found;
    pcre2_jit_stack *stack;
    uint64_t left; /* steps */
    /* Of the match that is counted: */
    uint64_t steps; /* so many left */
    uint64_t step;
    size_t at; /* where the last one was */
};

void schema_free_patterns(struct schema_pattern *last)
{
    for (; last; last = last->before) {
        pcre2_code_free(last->quick);
        pcre2_code_free(last->counted);
    }
}

struct slice schema_pattern_text(const struct schema_pattern *pattern)
{
    return pattern->text;
}

/* part: "(?=" or the like; no character is written so in a translated pattern. */
static bool pattern_has(struct slice text, const char *part)
{
    return memmem(text.data, text.length, part, strlen(part));
}

/* A lookahead of PCRE2 (10.42) may take the character that it looks at for one more than those behind it: (?=a)b?a would not be found in "a". */
static uint32_t pattern_options(struct slice text)
{
    return PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | (pattern_has(text, "(?=") ? PCRE2_NO_START_OPTIMIZE : 0);
}

static int pattern_compile_code(
    struct schema_compiler *compiler, struct slice text, uint32_t options, pcre2_code **ret_code)
{
    char why[160];
    int number;
    size_t at;

    *ret_code = pcre2_compile(
        (PCRE2_SPTR)text.data, text.length, options | pattern_options(text), &number, &at, NULL);
    if (!*ret_code) {
        pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
        return schema_wrong(compiler, "a pattern that PCRE2 does not take: %s", why);
    }
    /* Where nobody may make code (systemd's MemoryDenyWriteExecute, other machines) the pattern is interpreted. */
    (void)pcre2_jit_compile(*ret_code, PCRE2_JIT_COMPLETE);
    return 0;
}

/* The most times that a character or a class has to be there, {2,} or {2,3} behind it: in a translated pattern other braces belong to \x, \p, \P or a group. */
static uint64_t pattern_most_needed(struct slice text)
{
    uint64_t most = 0;

    for (size_t i = 1; i < text.length; i++) {
        if (text.data[i] != '{' || strchr("xpP)", text.data[i - 1]))
            continue;
        const uint64_t needed = strtoul(text.data + i + 1, NULL, 10);
        most = needed > most ? needed : most;
    }
    return most;
}

int schema_compile_pattern(
    struct schema_compiler *compiler, struct slice text, const struct schema_pattern **ret_pattern)
{
    struct schema_pattern *pattern = schema_allocate(compiler->schema, sizeof *pattern);
    struct bytes cleanup_bytes translated = {0};
    uint32_t options = 0;

    if (schema_translate_pattern(compiler, text, &translated))
        return -1;
    const struct slice code = translated.length ? bytes_slice(&translated) : slice_of("");
    pattern->text = text;
    pattern->before = compiler->schema->patterns;
    compiler->schema->patterns = pattern;
    if (pattern_compile_code(compiler, code, PCRE2_AUTO_CALLOUT | PCRE2_NO_AUTO_POSSESS, &pattern->counted))
        return -1;
    pcre2_pattern_info(pattern->counted, PCRE2_INFO_ALLOPTIONS, &options);
    pattern->anchored = options & PCRE2_ANCHORED;
    const uint64_t needed = pattern_most_needed(code);
    pattern->step = 1 + needed / PATTERN_RUN;
    if (!pattern_has(code, "(?=") && !pattern_has(code, "(?!") &&
        (pattern->anchored || needed <= PATTERN_QUICK_NEEDED) &&
        pattern_compile_code(compiler, code, 0, &pattern->quick))
        return -1; /* GCOVR_EXCL_LINE it has taken it once */
    *ret_pattern = pattern;
    return 0;
}

/* ---- matching --------------------------------------------------------------------------------------------- */

static int pattern_count_step(pcre2_callout_block *block, void *context)
{
    struct schema_matcher *matcher = context;
    const size_t run = block->current_position > matcher->at ? block->current_position - matcher->at : 0;
    const uint64_t cost = matcher->step + run / PATTERN_RUN;

    matcher->at = block->current_position;
    matcher->steps -= cost < matcher->steps ? cost : matcher->steps;
    return matcher->steps ? 0 : PCRE2_ERROR_MATCHLIMIT;
}

void schema_matcher_free(struct schema_matcher **matcher)
{
    if (!*matcher)
        return;
    pcre2_jit_stack_free((*matcher)->stack);
    regex_found_free((*matcher)->found);
    pcre2_match_context_free((*matcher)->counting);
    pcre2_match_context_free((*matcher)->limits);
    free(*matcher);
    *matcher = NULL;
}

static void pattern_set_limits(const struct schema_matcher *matcher, pcre2_match_context *limits)
{
    pcre2_set_heap_limit(limits, PATTERN_HEAP_KIB);
    if (matcher->stack)
        pcre2_jit_stack_assign(limits, NULL, matcher->stack);
}

int schema_matcher_new(struct schema_matcher **ret_matcher, struct error *error)
{
    __attribute__((cleanup(schema_matcher_free))) struct schema_matcher *matcher = calloc(1, sizeof *matcher);

    if (matcher) {
        matcher->limits = pcre2_match_context_create(NULL);
        matcher->counting = pcre2_match_context_create(NULL);
        matcher->found = regex_found_new(1);
        matcher->stack = pcre2_jit_stack_create(PATTERN_STACK_LEAST, PATTERN_STACK_MOST, NULL);
    }
    if (!matcher || !matcher->limits || !matcher->counting || !matcher->found)
        return error_set(error, ERROR_RETRY, "schema: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    pattern_set_limits(matcher, matcher->limits);
    pattern_set_limits(matcher, matcher->counting);
    pcre2_set_callout(matcher->counting, pattern_count_step, matcher);
    schema_matcher_renew(matcher, SCHEMA_STEPS_BODY);
    *ret_matcher = matcher;
    matcher = NULL;
    return 0;
}

void schema_matcher_renew(struct schema_matcher *matcher, uint64_t steps)
{
    matcher->left = steps;
}

static int pattern_match(const pcre2_code *code, struct schema_matcher *matcher, pcre2_match_context *limits,
    struct slice text, uint32_t options)
{
    matcher->at = 0;
    return regex_found_match(matcher->found, code, text, PCRE2_NO_UTF_CHECK | options, limits);
}

/* least: so many steps it has when none are left. */
static enum schema_match pattern_match_counted(
    const struct schema_pattern *pattern, struct schema_matcher *matcher, struct slice text, uint64_t least)
{
    uint64_t steps = matcher->left < SCHEMA_PATTERN_STEPS ? matcher->left : (uint64_t)SCHEMA_PATTERN_STEPS;
    int found = PCRE2_ERROR_MATCHLIMIT;

    steps = steps > least ? steps : least;
    matcher->steps = steps;
    matcher->step = pattern->step;
    if (steps)
        found = pattern_match(pattern->counted, matcher, matcher->counting, text, 0);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pattern_match(pattern->counted, matcher, matcher->counting, text, PCRE2_NO_JIT);
    steps -= matcher->steps;
    matcher->left -= steps < matcher->left ? steps : matcher->left;
    if (found >= 0)
        return SCHEMA_MATCH;
    if (found == PCRE2_ERROR_NOMATCH)
        return SCHEMA_NO_MATCH;
    if (found != PCRE2_ERROR_MATCHLIMIT)
        return SCHEMA_NO_ROOM;
    return matcher->left ? SCHEMA_GIVEN_UP : SCHEMA_EXHAUSTED;
}

enum schema_match schema_pattern_match(
    const struct schema_pattern *pattern, struct schema_matcher *matcher, struct slice text)
{
    const size_t steps = PATTERN_QUICK_STEPS / (pattern->anchored ? pattern->step : text.length + 1);

    assert(text.length <= SCHEMA_PATTERN_TEXT_MAX);
    if (!pattern->quick || text.length > PATTERN_QUICK_TEXT)
        return pattern_match_counted(pattern, matcher, text, PATTERN_QUICK_STEPS);
    pcre2_set_match_limit(
        matcher->limits, steps > PATTERN_QUICK_STEPS_LEAST ? (uint32_t)steps : PATTERN_QUICK_STEPS_LEAST);
    const int found = pattern_match(pattern->quick, matcher, matcher->limits, text, 0);
    if (found >= 0)
        return SCHEMA_MATCH;
    return found == PCRE2_ERROR_NOMATCH ? SCHEMA_NO_MATCH : pattern_match_counted(pattern, matcher, text, 0);
}
