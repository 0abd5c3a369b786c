/* credentials_password: see credentials_password.h */
#include "command/credentials_password.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "command/import_login.h"

#define PASSWORD_SHORT 8 /* NIST SP 800-63B, 5.1.1.1 */

/* All of it, without the line break at its end. */
static int password_read_input(struct bytes *text, struct error *error)
{
    ssize_t got = 1;

    while (got > 0) {
        if (bytes_reserve(text, 1, error))
            return error_set(
                error, ERROR_REJECT, "standard input: a password has 1 to %d bytes", PASSWORD_MAX);
        got = read(STDIN_FILENO, text->data + text->length, text->capacity - text->length);
        text->length += got > 0 ? (size_t)got : 0;
    }
    if (got < 0)
        return error_set_errno(error, ERROR_FATAL, "standard input");
    if (text->length && text->data[text->length - 1] == '\n')
        text->length--;
    return 0;
}

static int password_ask_twice(struct bytes *text, struct error *error)
{
    char once[IMPORT_PASSWORD_MAX] = "", again[IMPORT_PASSWORD_MAX] = "";
    int result = -1;

    if (!import_login_ask(once, error) && !import_login_ask(again, error)) {
        if (strcmp(once, again) != 0)
            error_set(error, ERROR_REJECT, "the second was another one");
        else
            result = bytes_add_text(text, once, error);
    }
    explicit_bzero(once, sizeof once);
    explicit_bzero(again, sizeof again);
    return result;
}

int credentials_password_take(struct password *ret_password, const char *file, struct error *error)
{
    struct bytes text;
    int result;

    bytes_init(&text, FILE_VALUE_BUFFER);
    if (!file || (strcmp(file, "-") == 0 && isatty(STDIN_FILENO)))
        result = password_ask_twice(&text, error);
    else if (strcmp(file, "-") == 0)
        result = password_read_input(&text, error);
    else
        result = file_read_value(file, true, &text, error);
    if (!result)
        result = password_make(ret_password, bytes_slice(&text), PASSWORD_ITERATIONS, error);
    if (!result && text.length < PASSWORD_SHORT)
        fprintf(stderr, "penstock credentials: a password of less than %d characters can be guessed.\n",
            PASSWORD_SHORT);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
    bytes_free(&text);
    return result;
}

/* ---- mosquitto's ------------------------------------------------------------------------------------------------ */

static int mosquitto_take(char *line, credentials_mosquitto_fn *take, void *context, struct error *error)
{
    struct password password;
    char *hash = strchr(line, ':');

    if (!hash || password_parse_mosquitto(slice_of(hash + 1), &password))
        return error_set(error, ERROR_REJECT,
            "allowed: USER:$7$..., as mosquitto_passwd writes it (2.0 and later); set this user's password anew, or take the line out");
    *hash = '\0';
    return take(context, line, &password, error);
}

int credentials_mosquitto_each(
    const char *file, credentials_mosquitto_fn *take, void *context, struct error *error)
{
    cleanup_bytes struct bytes text;
    size_t number = 1;

    bytes_init(&text, CREDENTIALS_BYTES_MAX);
    if (file_read_text(file, true, &text, error) || bytes_add(&text, "", 1, error))
        return -1;
    for (char *rest = text.data, *line; (line = strsep(&rest, "\n")) != NULL; number++) {
        line[strcspn(line, "\r")] = '\0';
        if (*line && *line != '#' && mosquitto_take(line, take, context, error))
            return error_wrap(error, "%s:%zu", file, number);
    }
    return 0;
}
