/* config_harness: see config_harness.h */
#include "config_harness.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[] = "/tmp/penstock-config-XXXXXX";

void config_harness_enter(void)
{
    cr_assert(mkdtemp(directory));
    cr_assert_eq(chdir(directory), 0);
}

void config_harness_leave(void)
{
    unlink(FILE_NAME);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(rmdir(directory), 0);
}

void config_harness_write(const char *text, size_t length)
{
    FILE *file = fopen(FILE_NAME, "we");

    cr_assert(file);
    cr_assert_eq(fwrite(text, 1, length, file), length);
    cr_assert_eq(fclose(file), 0);
}

struct config *config_harness_load(const char *text)
{
    struct config *config;

    config_harness_write(text, strlen(text));
    config_load(&config, FILE_NAME, NULL, 0);
    return config;
}

struct config *config_harness_load_set(const char *set)
{
    struct config *config;

    config_load(&config, NULL, &set, 1);
    return config;
}

/* All errors as one string; also that none is reported twice or lost. */
void config_harness_expect_errors(struct config *config, const char *expected)
{
    struct error error;
    cleanup_bytes struct bytes text;
    size_t lines = 0;

    bytes_init(&text, 1 << 20);
    cr_assert_eq(config_print_errors(config, &text, &error), 0);
    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n';
    cr_assert(slice_is(bytes_slice(&text), expected), "%.*s\ninstead of\n%s", (int)text.length, text.data,
        expected);
    cr_assert_eq(config_errors(config), lines);
    config_free(&config);
    cr_assert_null(config);
}

void config_harness_expect_none(struct config *config)
{
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 1 << 20);
    cr_assert_eq(config_print_errors(config, &text, &error), 0);
    cr_assert_eq(config_errors(config), 0, "%.*s", (int)text.length, text.data);
}
