#include "import_options_harness.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct import_options options;
struct error error;
char *words[WORDS_MAX + 1];
int words_count;

void forget(void)
{
    import_options_free(&options);
    memset(&options, 0, sizeof options);
    for (int i = 0; i < words_count; i++)
        free(words[i]);
    words_count = 0;
}

void say(const char *const *line)
{
    forget();
    words[words_count++] = strdup("import");
    for (; *line; line++) {
        cr_assert_lt(words_count, WORDS_MAX);
        words[words_count++] = strdup(*line);
    }
    words[words_count] = NULL;
}

int parse(const char *const *line)
{
    say(line);
    error = (struct error){0};
    return import_options_parse(&options, words_count, words, &error);
}

void expect_taken(const char *const *line)
{
    const int result = parse(line);
    cr_assert_eq(result, 0, "%s", error.text);
}

void expect_refused(const char *why, const char *const *line)
{
    const int result = parse(line);
    cr_assert_eq(result, -1, "taken, though %s", why);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, why), "\"%s\" is not in: %s", why, error.text);
}
