/* sqoop_harness: see sqoop_harness.h */
#include "sqoop_harness.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>

#define WORDS_MAX (SQOOP_WORDS_MAX + 8)
#define FILES_MAX 4

struct sqoop_order order;
struct error error;

static struct {
    const char *path, *text;
} files[FILES_MAX];
static size_t files_count;
static struct bytes line;

void put_file(const char *path, const char *text)
{
    cr_assert_lt(files_count, FILES_MAX);
    files[files_count].path = path;
    files[files_count++].text = text;
}

static int read_file(void *context, const char *path, struct bytes *text, struct error *why)
{
    (void)context;
    for (size_t i = 0; i < files_count; i++)
        if (strcmp(files[i].path, path) == 0)
            return bytes_add_text(text, files[i].text, why);
    return error_set(why, ERROR_REJECT, "No such file or directory");
}

void forget(void)
{
    sqoop_order_free(&order);
    bytes_free(&line);
}

int translate(const char *const *words)
{
    static char *argv[WORDS_MAX];
    const struct sqoop_reader reader = {read_file, NULL};
    int argc = 1;

    forget();
    error = (struct error){0};
    argv[0] = (char *)(uintptr_t) "sqoop";
    for (; words[argc - 1]; argc++) {
        cr_assert_lt(argc, WORDS_MAX);
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    }
    return sqoop_translate(&order, argc, argv, &reader, &error);
}

typedef int print_fn(const struct sqoop_order *order, struct bytes *text, struct error *error);

static const char *printed(print_fn *print)
{
    bytes_free(&line);
    bytes_init(&line, 1 << 20);
    cr_assert_eq(print(&order, &line, &error), 0);
    cr_assert_eq(bytes_add(&line, "", 1, &error), 0);
    return line.data;
}

const char *line_of_import(void)
{
    return printed(sqoop_print_import);
}

const char *plan_of_order(void)
{
    return printed(sqoop_print_plan);
}

bool noticed(const char *text)
{
    for (size_t i = 0; i < order.notices.count; i++)
        if (strstr(order.notices.words[i], text))
            return true;
    return false;
}

static int translate_more(const char *const *words)
{
    const char *all[64] = {"import", CONNECT};
    size_t count = 3;

    for (; *words; words++)
        all[count++] = *words;
    return translate(all);
}

void expect_has(const char *part, const char *const *words)
{
    cr_assert_eq(translate_more(words), 0, "%s", error.text);
    const char *made = line_of_import();
    cr_assert_not_null(strstr(made, part), "\"%s\" is not in: %s", part, made);
}

void expect_refused(const char *why, const char *const *words)
{
    cr_assert_eq(translate_more(words), -1, "%s", line_of_import());
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, why), "\"%s\" is not in: %s", why, error.text);
}
