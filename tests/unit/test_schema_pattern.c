/* What patterns may take: texts of any length that is allowed, as compiled code and where nobody may make code, and the steps of many. */
#include <criterion/criterion.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/decode.h"
#include "counted_malloc.h"
#include "decode/schema_internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define COUNT(array) (sizeof array / sizeof *array)
#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static bool interpreted; /* nobody may make code, */
static bool stackless; /* or there is no memory for its stack */

int pcre2_jit_compile_8(pcre2_code_8 *code, uint32_t options)
{
    return interpreted ? PCRE2_ERROR_JIT_BADOPTION : NEXT(pcre2_jit_compile_8)(code, options);
}

pcre2_jit_stack_8 *pcre2_jit_stack_create_8(size_t least, size_t most, pcre2_general_context_8 *general)
{
    return stackless ? NULL : NEXT(pcre2_jit_stack_create_8)(least, most, general);
}

static struct error error;

struct fixture {
    struct schema *schema;
    struct schema_scratch *scratch;
    struct slice text; /* a document: what is to be matched in its quotes */
};

/* pattern: as it stands in JSON. */
static void set_up(struct fixture *f, const char *pattern, const char *part, size_t times, const char *tail)
{
    const size_t length = strlen(part), size = length * times + strlen(tail) + 3;
    char schema[2000], *text = malloc(size);

    snprintf(schema, sizeof schema, "{\"pattern\":\"%s\"}", pattern);
    cr_assert_eq(schema_compile(&f->schema, slice_of(schema), &error), 0, "%s", error.text);
    cr_assert_eq(schema_scratch_new(&f->scratch, &error), 0);
    text[0] = '"';
    for (size_t i = 0; i < times; i++)
        memcpy(text + 1 + i * length, part, length);
    snprintf(text + 1 + times * length, size - 1 - times * length, "%s\"", tail);
    f->text = (struct slice){text, size - 1};
}

static void tear_down(struct fixture *f)
{
    schema_free(&f->schema);
    schema_scratch_free(&f->scratch);
    free((void *)f->text.data);
}

/* NULL: valid. */
static const char *verdict(struct fixture *f)
{
    error.text[0] = '\0';
    return schema_check(f->schema, f->scratch, f->text, &error) ? error.text : NULL;
}

/* All of SCHEMA_PATTERN_TEXT_MAX bytes; two bytes of JSON's text for each of `escaped`. */
static const struct {
    const char *pattern, *part;
} linear[] = {
    {"^(?:[a-z]|[0-9])*$", "a"},
    {"^(?:[^\\\"\\\\\\\\]|\\\\\\\\.)*$", "a"},
    {"^(\\\\d+,)*\\\\d*$", "1,"},
    {"^(\\\\d+,)*\\\\d*$", "123456789012345,"},
    {"^(?:(?:a|b)c?d?e?)*$", "b"},
};

static void expect_linear_ones_are_taken(void)
{
    struct fixture f;

    for (size_t i = 0; i < COUNT(linear); i++) {
        set_up(&f, linear[i].pattern, linear[i].part, SCHEMA_PATTERN_TEXT_MAX / strlen(linear[i].part), "");
        cr_expect_null(verdict(&f), "%s: %s", linear[i].pattern, error.text);
        tear_down(&f);
    }
}

Test(schema_pattern, what_goes_over_a_text_once_is_taken)
{
    expect_linear_ones_are_taken();
}

Test(schema_pattern, also_where_nobody_may_make_code)
{
    interpreted = true;
    expect_linear_ones_are_taken();
}

Test(schema_pattern, also_without_a_stack_for_the_code)
{
    stackless = true;
    expect_linear_ones_are_taken();
}

/* The memory for ways back is bounded, and not the steps are blamed for it. */
Test(schema_pattern, too_much_memory_is_called_so)
{
    struct fixture f;

    interpreted = true;
    set_up(&f, "^(?:(?:(?:a|b)|c)|d)*$", "a", SCHEMA_PATTERN_TEXT_MAX, "");
    cr_assert_not_null(verdict(&f));
    cr_assert_str_eq(error.text,
        "the record: takes more memory than is allowed to be held against the pattern ^(?:(?:(?:a|b)|c)|d)*$");
    tear_down(&f);
}

/* Nor is it kept. */
Test(schema_pattern, a_thread_gives_back_what_a_large_match_has_taken)
{
    struct fixture f, small;

    interpreted = true;
    set_up(&f, "^(?:[a-z]|[0-9])*$", "a", SCHEMA_PATTERN_TEXT_MAX, "");
    set_up(&small, "^a", "a", 10, "");
    cr_assert_eq(schema_check(small.schema, f.scratch, small.text, &error), 0, "%s", error.text);
    const size_t before = held;
    highest = held;
    cr_assert_null(verdict(&f), "%s", error.text);
    cr_assert_gt(highest, before + ((size_t)4 << 20), "%zu bytes: not a large one", highest - before);
    cr_assert_lt(held, before + ((size_t)300 << 10));
    tear_down(&f);
    tear_down(&small);
}

static void wear_out(struct fixture *f)
{
    for (int i = 0; i < 1000 && !(verdict(f) && strstr(error.text, "together")); i++)
        continue;
    cr_assert(strstr(error.text, "together"), "%s", error.text);
}

/* Compiled code counts neither what a lookahead looks at nor how often an item has to be there. */
Test(schema_pattern, short_texts_wear_them_out_as_well)
{
    static const char *const weak[] = {"(?=.*x)[cd]", "^(?:(?!.*x)[cd]|.)*$", "a(?=.*x)[cd]",
        "(?:[ab]{128}[xy]|[ab]{127}[xy]|[ab]{126}[xy]|[ab]{125}[xy]|[ab]{124}[xy])[cd]"};
    struct fixture f;

    for (size_t i = 0; i < COUNT(weak); i++) {
        set_up(&f, weak[i], "a", 255, "b");
        for (int times = 0; times < 10000 && !(verdict(&f) && strstr(error.text, "together")); times++)
            continue;
        cr_expect(strstr(error.text, "together"), "%s", weak[i]);
        tear_down(&f);
    }
}

/* When all are taken every text still has a few, whatever its length. */
Test(schema_pattern, few_steps_are_there_always)
{
    static const size_t lengths[] = {1, 256, 257, 60000};
    struct fixture f, one;

    set_up(&f, "^(a+)+$", "a", 40, "b");
    wear_out(&f);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        for (int ahead = 0; ahead < 2; ahead++) {
            set_up(&one, ahead ? "^(?=a)." : "^a", "a", lengths[i], "");
            cr_expect_eq(
                schema_check(one.schema, f.scratch, one.text, &error), 0, "%zu: %s", lengths[i], error.text);
            tear_down(&one);
        }
    }
    cr_assert(verdict(&f) && strstr(error.text, "together"));
    tear_down(&f);
}
