/* multiline: see multiline.h */
#include "files/multiline.h"

#include <stdlib.h>
#include <string.h>

#include "base/regex.h"
#include "files/lines.h"

#define RULES_MAX 8
/* Of what is converted for the patterns: enough for more than they look at, in any encoding. */
#define TEXT_MAX (2 * REGEX_TEXT_MAX + 4)
#define STATES_MAX 8

#define IN(state) (1U << (state))
#define FIRST IN(0)

/* In these states a line with this pattern leads to that one; 0: it begins a record. NULL: any line. */
struct rule {
    unsigned from;
    const char *pattern;
    bool unless; /* one without it */
    uint8_t to;
};

/* ---- what is known of stack traces ----------------------------------------------------------------------------------
 * What they have in common with the rules of other collectors is what the run-times print: java.lang.Throwable.printStackTrace(),
 * CPython's traceback.c and traceback.py, Go's runtime/panic.go and runtime/traceback.go. */

enum { JAVA_EXCEPTION = 1, JAVA_FRAMES, JAVA_NESTED };

#define JAVA_NAME "(?:Exception|Error|Throwable)(?::|$)|^Exception in thread "

static const struct rule java_rules[] = {
    {FIRST | IN(JAVA_NESTED), JAVA_NAME, false, JAVA_EXCEPTION},
    {FIRST, "^[\\t ]+at [^\\s(]+\\(", false, JAVA_FRAMES}, /* behind a message of several lines */
    {IN(JAVA_EXCEPTION) | IN(JAVA_FRAMES), "^[\\t ]+at ", false, JAVA_FRAMES},
    {IN(JAVA_EXCEPTION) | IN(JAVA_FRAMES), "^[\\t ]*(?:Caused by|Suppressed): ", false, JAVA_EXCEPTION},
    {IN(JAVA_EXCEPTION) | IN(JAVA_FRAMES), "^[\\t ]*nested exception is:", false, JAVA_NESTED},
    {IN(JAVA_EXCEPTION) | IN(JAVA_FRAMES),
        "^[\\t ]+(?:\\.\\.\\. \\d+ (?:more|common frames omitted)|\\[CIRCULAR REFERENCE:)", false,
        JAVA_FRAMES},
};

enum { PYTHON_FRAMES = 1, PYTHON_GROUP, PYTHON_END };

static const struct rule python_rules[] = {
    {FIRST, "^Traceback \\(most recent call last\\):$", false, PYTHON_FRAMES},
    {FIRST, "^ +\\+ Exception Group Traceback \\(most recent call last\\):$", false, PYTHON_GROUP},
    {IN(PYTHON_FRAMES), "^[\\t ]", false, PYTHON_FRAMES},
    {IN(PYTHON_GROUP), "^[\\t ]", false, PYTHON_GROUP},
    {IN(PYTHON_FRAMES), "^(?!\\d)(?:[^\\s.():]+\\.)*[^\\s.():]+(?::|$)", false, PYTHON_END},
};

enum { GO_PANIC = 1, GO_BLANK, GO_FRAMES };

static const struct rule go_rules[] = {
    {FIRST, "\\bpanic: |^fatal error: |http: panic serving |^SIG[A-Z]+: ", false, GO_PANIC},
    {FIRST | IN(GO_PANIC) | IN(GO_BLANK), "^goroutine \\d+ .*\\[.*\\]:$", false, GO_FRAMES},
    {IN(GO_PANIC), "^\\[signal |^PC=|^\\s+\\S", false, GO_PANIC},
    {IN(GO_BLANK), "^runtime stack:$", false, GO_FRAMES},
    {IN(GO_PANIC) | IN(GO_FRAMES), "^$", false, GO_BLANK},
    {IN(GO_FRAMES), "^\\s+\\S|^created by |^[^\\s:]+\\(.*\\)$|^\\.\\.\\.", false, GO_FRAMES},
};

static const struct preset {
    const char *name;
    const struct rule *rules;
    size_t count;
} presets[] = {
    {"none", NULL, 0},
    {"java", java_rules, sizeof java_rules / sizeof *java_rules},
    {"python", python_rules, sizeof python_rules / sizeof *python_rules},
    {"go", go_rules, sizeof go_rules / sizeof *go_rules},
};

/* ---- compiling ------------------------------------------------------------------------------------------------------- */

struct compiled {
    struct rule rule;
    struct regex *regex;
};

struct multiline {
    struct compiled rules[RULES_MAX];
    size_t count;
    unsigned open; /* states that have rules */
    uint64_t lines;
    unsigned given_up; /* since the cut began */
    char text[CHARSET_GROWTH * TEXT_MAX];
};

bool multiline_is_wanted(const struct multiline_options *options)
{
    return *options->start || *options->next || strcmp(options->preset, "none") != 0;
}

void multiline_free(struct multiline **multiline)
{
    if (!*multiline)
        return;
    for (size_t i = 0; i < (*multiline)->count; i++)
        regex_free(&(*multiline)->rules[i].regex);
    free(*multiline);
    *multiline = NULL;
}

static int multiline_add(struct multiline *multiline, const struct rule *rule, struct error *error)
{
    struct compiled *compiled = &multiline->rules[multiline->count];

    if (rule->pattern && regex_compile(&compiled->regex, rule->pattern, error))
        return -1;
    compiled->rule = *rule;
    multiline->open |= rule->from;
    multiline->count++;
    return 0;
}

static int multiline_add_all(
    struct multiline *multiline, const struct rule *rules, size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (multiline_add(multiline, &rules[i], error))
            return -1;
    }
    return 0;
}

static int multiline_add_own(
    struct multiline *multiline, const struct multiline_options *options, struct error *error)
{
    const char *start = options->start, *next = options->next;
    const struct rule begun[] = {{FIRST, NULL, false, 1}, {IN(1), start, true, 1}};
    const struct rule continued[] = {{FIRST, NULL, false, 1}, {IN(1), next, false, 1}};
    const struct rule both[] = {{FIRST, start, false, 1}, {IN(1), start, false, 0}, {IN(1), next, false, 1}};

    if (*start && *next)
        return multiline_add_all(multiline, both, 3, error);
    return multiline_add_all(multiline, *start ? begun : continued, 2, error);
}

static int multiline_add_preset(struct multiline *multiline, const char *name, struct error *error)
{
    const struct preset *preset = presets;

    while (strcmp(preset->name, name) != 0)
        preset++;
    return multiline_add_all(multiline, preset->rules, preset->count, error);
}

int multiline_new(
    struct multiline **ret_multiline, const struct multiline_options *options, struct error *error)
{
    __attribute__((cleanup(multiline_free))) struct multiline *multiline = calloc(1, sizeof *multiline);

    if (!multiline)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE malloc does not fail here */
    multiline->lines = options->lines;
    if (*options->start || *options->next ? multiline_add_own(multiline, options, error)
                                          : multiline_add_preset(multiline, options->preset, error))
        return -1;
    *ret_multiline = multiline;
    multiline = NULL;
    return 0;
}

/* ---- line by line ---------------------------------------------------------------------------------------------------- */

/* As the patterns see it. */
static struct slice multiline_text(
    struct multiline *multiline, enum charset charset, const char *line, size_t length)
{
    struct slice text = {line, lines_text(charset, line, length)};

    if (charset == CHARSET_UTF8)
        return text;
    if (text.length > TEXT_MAX)
        text.length = TEXT_MAX;
    charset_convert(charset, true, line, text.length, multiline->text, &text.length);
    text.data = multiline->text;
    return text;
}

/* 0: no rule takes it. */
static uint8_t multiline_next(struct multiline *multiline, uint8_t state, struct slice text)
{
    for (size_t i = 0; i < multiline->count; i++) {
        const struct compiled *compiled = &multiline->rules[i];
        const struct rule *rule = &compiled->rule;
        if (!(rule->from & IN(state)))
            continue;
        const enum regex_result result = compiled->regex ? regex_match(compiled->regex, text) : REGEX_YES;
        multiline->given_up += result == REGEX_GIVEN_UP;
        if ((result == REGEX_YES) != rule->unless)
            return rule->to;
    }
    return 0;
}

/* A record's lines as far as they are known. */
struct gathered {
    size_t length;
    uint64_t lines;
    uint8_t state; /* behind them */
    bool within;
};

/* The record's first line. */
static void multiline_begin(
    struct multiline *multiline, uint8_t state, struct slice text, struct gathered *gathered)
{
    gathered->state = state ? multiline_next(multiline, state, text) : 0;
    gathered->within = gathered->state != 0;
    if (!gathered->within)
        gathered->state = multiline_next(multiline, 0, text);
}

static struct multiline_cut multiline_known(
    const struct multiline *multiline, const struct gathered *gathered)
{
    return (struct multiline_cut){
        .length = gathered->length, .within = gathered->within, .given_up = multiline->given_up};
}

/* Behind the last line that is there. */
static struct multiline_cut multiline_stop(
    const struct multiline *multiline, const struct gathered *gathered, enum multiline_end end)
{
    if (gathered->length && end != MULTILINE_WAITS)
        return multiline_known(multiline, gathered);
    return (struct multiline_cut){.open = gathered->length};
}

struct multiline_cut multiline_cut(struct multiline *multiline, uint8_t state, enum multiline_end end,
    enum charset charset, const char *block, size_t length, size_t most)
{
    struct gathered gathered = {0};

    multiline->given_up = 0;
    if (end != MULTILINE_ENDS)
        length -= length % charset_unit(charset); /* half of a line break is not more than `most` */
    if (state >= STATES_MAX || !(multiline->open & IN(state)))
        state = 0;
    for (;;) {
        const char *line = block + gathered.length;
        const size_t rest = length - gathered.length, whole = lines_first(charset, line, rest);
        const size_t size = whole ? whole : rest, text = lines_text(charset, line, size);
        if (text > most && gathered.length == 0) {
            const size_t part = charset_whole(charset, block, most);
            return (struct multiline_cut){.part = part ? part : most};
        }
        if (text > most)
            return multiline_known(multiline, &gathered);
        if (rest == 0 || (!whole && end != MULTILINE_ENDS))
            return multiline_stop(multiline, &gathered, end);
        const struct slice seen = multiline_text(multiline, charset, line, size);
        if (gathered.length == 0)
            multiline_begin(multiline, state, seen, &gathered);
        else {
            const uint8_t next = multiline_next(multiline, gathered.state, seen);
            struct multiline_cut cut = multiline_known(multiline, &gathered);
            if (next && (gathered.length + text > most || gathered.lines == multiline->lines))
                cut.state = gathered.state;
            if (!next || cut.state)
                return cut;
            gathered.state = next;
        }
        gathered.length += size;
        gathered.lines++;
        if (!(multiline->open & IN(gathered.state)) || gathered.state == 0)
            return multiline_known(multiline, &gathered);
    }
}
