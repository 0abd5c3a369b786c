/* import_options: the options of an incremental import */
#include <criterion/criterion.h>
#include <string.h>

#include "command/import_options.h"

#define WORDS_MAX 32

static struct import_options options;
static struct error error;

static void forget(void)
{
    import_options_free(&options);
    memset(&options, 0, sizeof options);
}

TestSuite(import_increment, .fini = forget);

static int parse(const char *const *line)
{
    static char command[] = "import";
    char *words[WORDS_MAX + 1] = {command};
    int count = 1;

    for (; line[count - 1]; count++) {
        cr_assert_lt(count, WORDS_MAX);
        words[count] = (char *)(uintptr_t)line[count - 1];
    }
    forget();
    return import_options_parse(&options, count, words, &error);
}

#define TAKEN(...) cr_assert_eq(parse((const char *const[]){__VA_ARGS__, NULL}), 0, "%s", error.text)

#define REFUSED(why, ...)                                                                     \
    do {                                                                                      \
        cr_assert_eq(parse((const char *const[]){__VA_ARGS__, NULL}), -1);                    \
        cr_assert_eq(error.kind, ERROR_REJECT);                                               \
        cr_assert_not_null(strstr(error.text, why), "\"%s\" is not in: %s", why, error.text); \
    } while (0)

Test(import_increment, belongs_together)
{
    TAKEN("--target", "x", "t", "--incremental", "append", "--check-column", "id", "--last-value", "7",
        "--incremental-lag", "60");
    cr_assert_eq(options.increment.mode, INCREMENT_APPEND);
    cr_assert_str_eq(options.increment.column, "id");
    cr_assert_str_eq(options.increment.last, "7");
    cr_assert_eq(options.increment.lag, 60);
    TAKEN(
        "--target", "x", "--query", "select 1 as a", "--incremental", "lastmodified", "--check-column", "a");
    cr_assert_eq(options.increment.mode, INCREMENT_LASTMODIFIED);
    cr_assert_null(options.increment.last);
    REFUSED("is none of append|lastmodified", "--target", "x", "t", "--incremental", "");
    REFUSED("--check-column, which says what is new, is missing", "--target", "x", "t", "--incremental",
        "append", "--last-value", "7");
    REFUSED("are for --incremental", "--target", "x", "t", "--check-column", "id");
    REFUSED("are for --incremental", "--target", "x", "t", "--last-value", "7");
    REFUSED("are for --incremental", "--target", "x", "t", "--incremental-lag", "7");
    REFUSED("exclude each other", "--target", "x", "t", "--append", "--replace");
    TAKEN("--target", "x", "t", "--append");
    cr_assert(options.append);
    REFUSED("it does not go with --incremental", "--target", "x", "t", "--incremental", "append",
        "--check-column", "id", "--replace");
}
