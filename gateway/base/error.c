/* error: see error.h */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* What does not fit is cut off, between two characters. */
__attribute__((format(printf, 3, 0))) static void error_print(
    char *text, size_t size, const char *format, va_list arguments)
{
    const int length = vsnprintf(text, size, format, arguments);

    if (length >= 0 && (size_t)length >= size)
        text[utf8_whole(text, size - 1)] = '\0';
}

__attribute__((format(printf, 2, 3))) static void error_append(struct error *error, const char *format, ...)
{
    const size_t length = strlen(error->text);
    va_list arguments;

    va_start(arguments, format);
    error_print(error->text + length, sizeof error->text - length, format, arguments);
    va_end(arguments);
}

int error_set(struct error *error, enum error_kind kind, const char *format, ...)
{
    va_list arguments;

    error->kind = kind;
    va_start(arguments, format);
    error_print(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return -1;
}

int error_set_errno(struct error *error, enum error_kind kind, const char *format, ...)
{
    int cause = errno;
    va_list arguments;

    error->kind = kind;
    va_start(arguments, format);
    error_print(error->text, sizeof error->text, format, arguments);
    va_end(arguments);

    char reason[128];
    error_append(error, ": %s", strerror_r(cause, reason, sizeof reason));
    return -1;
}

int error_wrap(struct error *error, const char *format, ...)
{
    char inner[ERROR_TEXT_SIZE];
    va_list arguments;

    memcpy(inner, error->text, sizeof inner);
    va_start(arguments, format);
    error_print(error->text, sizeof error->text, format, arguments);
    va_end(arguments);

    error_append(error, ": %s", inner);
    return -1;
}
