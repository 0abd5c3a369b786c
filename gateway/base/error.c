/* error: see error.h */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *error, enum error_kind kind, const char *format, ...)
{
    va_list arguments;

    error->kind = kind;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return -1;
}

int error_set_errno(struct error *error, enum error_kind kind, const char *format, ...)
{
    int cause = errno;
    va_list arguments;

    error->kind = kind;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);

    size_t length = strlen(error->text);
    char reason[128];
    snprintf(
        error->text + length, sizeof error->text - length, ": %s", strerror_r(cause, reason, sizeof reason));
    return -1;
}

int error_wrap(struct error *error, const char *format, ...)
{
    char inner[ERROR_TEXT_SIZE];
    va_list arguments;

    memcpy(inner, error->text, sizeof inner);
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);

    size_t length = strlen(error->text);
    snprintf(error->text + length, sizeof error->text - length, ": %s", inner);
    return -1;
}
