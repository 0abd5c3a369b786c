/* words: lists of words; see sqoop_internal.h. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "sqoop/sqoop_internal.h"

int words_add(struct sqoop_words *words, const char *word, struct error *error)
{
    if (words->count == SQOOP_WORDS_MAX)
        return error_set(error, ERROR_REJECT, "the line has more than %d words", SQOOP_WORDS_MAX);
    char **more = realloc(words->words, (words->count + 2) * sizeof *more);
    if (!more)
        return error_set(error, ERROR_RETRY, "out of memory");
    words->words = more;
    words->words[words->count++] = (char *)(uintptr_t)word;
    words->words[words->count] = NULL;
    return 0;
}

int words_add_pair(struct sqoop_words *words, const char *name, const char *value, struct error *error)
{
    return value && (words_add(words, name, error) || words_add(words, value, error)) ? -1 : 0;
}

char *words_keep(struct sqoop_order *order, const char *text, size_t length, struct error *error)
{
    char *kept = strndup(text, length);

    if (kept && words_add(&order->kept, kept, error) == 0)
        return kept;
    if (!kept)
        error_set(error, ERROR_RETRY, "out of memory");
    free(kept);
    return NULL;
}

void words_free(struct sqoop_words *words)
{
    free(words->words);
    *words = (struct sqoop_words){0};
}

int words_note(struct sqoop_order *order, struct error *error, const char *format, ...)
{
    char text[SQOOP_NOTICE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *kept = words_keep(order, text, strlen(text), error);
    return kept ? words_add(&order->notices, kept, error) : -1;
}

void sqoop_order_free(struct sqoop_order *order)
{
    for (size_t i = 0; i < order->kept.count; i++) {
        explicit_bzero(order->kept.words[i], strlen(order->kept.words[i]));
        free(order->kept.words[i]);
    }
    words_free(&order->kept);
    words_free(&order->import);
    words_free(&order->notices);
    words_free(&order->job.words);
}
