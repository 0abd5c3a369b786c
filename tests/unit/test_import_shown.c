/* import_options: what of a command line may be shown, and how to go on */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "command/import_options.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define WORDS_MAX 32

static struct error error;
static char *words[WORDS_MAX + 1];
static int words_count;

static void forget(void)
{
    for (int i = 0; i < words_count; i++)
        free(words[i]);
    words_count = 0;
}

/* The words of a command line, in memory of their own, as a process has them. */
static void say(const char *const *line, size_t count)
{
    words[words_count++] = strdup("import");
    for (size_t i = 0; i < count && line[i]; i++)
        words[words_count++] = strdup(line[i]);
    words[words_count] = NULL;
}

TestSuite(import_shown, .fini = forget);

/* ---- what may be shown ------------------------------------------------------------------------------------------- */

static const char *shown(const char *const *line, struct bytes *text)
{
    size_t count = 0;

    while (line[count])
        count++;
    forget();
    say(line, count);
    cr_assert_eq(import_options_shown(words_count, words, text, &error), 0);
    cr_assert_eq(bytes_add(text, "", 1, &error), 0);
    return text->data;
}

#define SHOWN(wanted, ...)                                                                     \
    do {                                                                                       \
        cleanup_bytes struct bytes shown_text;                                                 \
        bytes_init(&shown_text, 4096);                                                         \
        const char *shown_line = shown((const char *const[]){__VA_ARGS__, NULL}, &shown_text); \
        cr_assert_str_eq(shown_line, wanted);                                                  \
    } while (0)

Test(import_shown, secrets_are_not_shown)
{
    SHOWN(
        "import --connect ... --target x t", "--connect", "postgresql://u:geheim@h/d", "--target", "x", "t");
    SHOWN("import --connect=... t", "--connect=postgresql://u:geheim@h/d", "t");
    SHOWN("import --password ... t", "--password", "geheim", "t");
    SHOWN("import --password=... t", "--password=gehe=im", "t");
    SHOWN("import --password", "--password");
    SHOWN("import t -- --password geheim", "t", "--", "--password", "geheim"); /* two tables */
    SHOWN("import --nosuch a", "--nosuch", "a");
}

/* A value is a value, also when it looks like an option: what follows it may be a secret all the same. */
Test(import_shown, secrets_are_not_shown_behind_values_that_look_like_options)
{
    SHOWN("import --target --password --connect ... t", "--target", "--password", "--connect",
        "postgresql://u:geheim@h/d", "t");
    SHOWN("import --password ... --password ... t", "--password", "--target", "--password", "geheim", "t");
    SHOWN("import --resume --password ... t", "--resume", "--password", "geheim", "t");
    SHOWN("import --resume=mixed --password ... t", "--resume=mixed", "--password", "geheim", "t");
    SHOWN("import --where -- --password ... t", "--where", "--", "--password", "geheim", "t");
}

/* JSON takes no other bytes, and a path may have any. */
Test(import_shown, what_is_shown_is_utf8)
{
    SHOWN("import --target caf\\xE9/Gr\xc3\xbc\xc3\x9f"
          "e t\\xFF",
        "--target",
        "caf\xe9/Gr\xc3\xbc\xc3\x9f"
        "e",
        "t\xff");
    SHOWN("import a\nb\x01", "a\nb\x01");
}

Test(import_shown, what_is_shown_needs_room)
{
    static const char *const line[] = {"--connect=x", "--password", "x", "t\xff", "u"};

    say(line, COUNT(line));
    for (size_t limit = 0; limit < strlen("import --connect=... --password ... t\\xFF u"); limit++) {
        cleanup_bytes struct bytes text;
        bytes_init(&text, limit);
        cr_assert_eq(import_options_shown(words_count, words, &text, &error), -1, "%zu", limit);
    }
}

/* ---- how to go on ------------------------------------------------------------------------------------------------ */

#define AGAIN(wanted, ...)                                                              \
    do {                                                                                \
        cleanup_bytes struct bytes again_text;                                          \
        const char *const again_line[] = {__VA_ARGS__};                                 \
        bytes_init(&again_text, 4096);                                                  \
        forget();                                                                       \
        say(again_line, COUNT(again_line));                                             \
        cr_assert_eq(import_options_again(words_count, words, &again_text, &error), 0); \
        cr_assert_eq(bytes_add(&again_text, "", 1, &error), 0);                         \
        cr_assert_str_eq(again_text.data, "penstock import --resume" wanted);           \
    } while (0)

Test(import_shown, how_to_go_on)
{
    AGAIN(" --target x t", "--target", "x", "t");
    AGAIN(" --target=x t", "--resume", "--target=x", "t");
    AGAIN(" --target x t", "--target", "x", "--resume=mixed", "t");
    AGAIN(" --connect ... t", "--connect", "postgresql://u:geheim@h/d", "t");
    AGAIN(" --connect=... t", "--connect=postgresql://u:geheim@h/d", "t");
    AGAIN(" --resume-what t", "--resume-what", "t");
    AGAIN(" --password ... t", "--resume", "--password", "geheim", "t");
    AGAIN(" --target --password --password ... t", "--target", "--password", "--password", "geheim", "t");
    AGAIN(" --where 'a = '\\''b'\\''' '' -- --resume --password geheim", "--where", "a = 'b'", "", "--",
        "--resume", "--password", "geheim");
    AGAIN(" --exclude '\"X\"' --header '$HOME' 't;ls'", "--exclude", "\"X\"", "--header", "$HOME", "t;ls");
    AGAIN(" --target", "--target");
}

Test(import_shown, how_to_go_on_needs_room)
{
    static const char *const line[] = {"--connect=x", "--password", "x", "--where", "'", "u"};
    const size_t length = strlen("penstock import --resume --connect=... --password ... --where ''\\''' u");

    say(line, COUNT(line));
    for (size_t limit = 0; limit < length; limit++) {
        cleanup_bytes struct bytes text;
        bytes_init(&text, limit);
        cr_assert_eq(import_options_again(words_count, words, &text, &error), -1, "%zu", limit);
    }
}
