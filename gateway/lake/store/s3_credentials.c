/* s3_credentials: see s3_credentials.h */
#include "lake/store/s3_credentials.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/file.h"

#define CREDENTIALS_FILE_MOST ((size_t)1 << 20)

static struct slice credentials_line(struct slice *rest)
{
    const char *end = rest->length ? memchr(rest->data, '\n', rest->length) : NULL;
    const struct slice line = {rest->data, end ? (size_t)(end - rest->data) : rest->length};
    const size_t used = line.length + (end != NULL);

    rest->data += used;
    rest->length -= used;
    return slice_trim(line, " \t\r");
}

/* What goes into a header, byte by byte. */
static bool credentials_printable(struct slice value)
{
    for (size_t i = 0; i < value.length; i++)
        if (value.data[i] <= ' ' || value.data[i] >= 0x7f)
            return false;
    return true;
}

static int credentials_set(
    struct slice value, const char *what, char *field, size_t most, struct error *error)
{
    if (value.length > most || !credentials_printable(value))
        return error_set(error, ERROR_RETRY,
            "%s: allowed: up to %zu printable characters of ASCII, without blanks", what, most);
    if (value.length)
        memcpy(field, value.data, value.length);
    field[value.length] = '\0';
    return 0;
}

static int credentials_take(
    struct s3_credentials *credentials, struct slice name, struct slice value, struct error *error)
{
    if (slice_is(name, "aws_access_key_id"))
        return credentials_set(value, "aws_access_key_id", credentials->id, S3_ID_MAX, error);
    if (slice_is(name, "aws_secret_access_key"))
        return credentials_set(value, "aws_secret_access_key", credentials->secret, S3_SECRET_MAX, error);
    if (slice_is(name, "aws_session_token"))
        return credentials_set(value, "aws_session_token", credentials->token, S3_TOKEN_MAX, error);
    return 0; /* others are for other programs */
}

static int credentials_section(
    struct slice line, const char *profile, bool *ret_ours, size_t number, struct error *error)
{
    if (line.data[line.length - 1] != ']')
        return error_set(error, ERROR_RETRY, "line %zu: a section without its \"]\"", number);
    *ret_ours = slice_is(slice_trim((struct slice){line.data + 1, line.length - 2}, " \t\r"), profile);
    return 0;
}

static int credentials_complete(
    const struct s3_credentials *credentials, const char *id, const char *secret, struct error *error)
{
    if (!credentials->id[0] || !credentials->secret[0])
        return error_set(error, ERROR_RETRY, "there is no %s", credentials->id[0] ? secret : id);
    return 0;
}

static int credentials_parse(
    struct slice text, const char *profile, struct s3_credentials *credentials, struct error *error)
{
    bool ours = false;
    bool found = false;

    for (size_t number = 1; text.length; number++) {
        const struct slice line = credentials_line(&text);
        const char *equals = line.length ? memchr(line.data, '=', line.length) : NULL;
        if (line.length == 0 || line.data[0] == '#' || line.data[0] == ';')
            continue;
        if (line.data[0] == '[') {
            if (credentials_section(line, profile, &ours, number, error))
                return -1;
            found |= ours;
            continue;
        }
        if (!equals)
            return error_set(error, ERROR_RETRY, "line %zu: neither [profile] nor \"name = value\"", number);
        const size_t name = (size_t)(equals - line.data);
        if (ours && credentials_take(credentials, slice_trim((struct slice){line.data, name}, " \t\r"),
                        slice_trim((struct slice){equals + 1, line.length - name - 1}, " \t\r"), error))
            return error_wrap(error, "line %zu", number);
    }
    if (!found)
        return error_set(error, ERROR_RETRY, "there is no profile [%s] in it", profile);
    if (credentials_complete(credentials, "aws_access_key_id", "aws_secret_access_key", error))
        return error_wrap(error, "profile [%s]", profile);
    return 0;
}

int s3_credentials_parse(
    struct slice text, const char *profile, struct s3_credentials *ret_credentials, struct error *error)
{
    *ret_credentials = (struct s3_credentials){0};
    if (credentials_parse(text, profile, ret_credentials, error) == 0)
        return 0;
    s3_credentials_forget(ret_credentials);
    return -1;
}

static int credentials_of_environment(struct s3_credentials *credentials, struct error *error)
{
    const char *id = getenv("AWS_ACCESS_KEY_ID");
    const char *secret = getenv("AWS_SECRET_ACCESS_KEY");
    const char *token = getenv("AWS_SESSION_TOKEN");

    if (credentials_set(slice_of(id ? id : ""), "AWS_ACCESS_KEY_ID", credentials->id, S3_ID_MAX, error) ||
        credentials_set(slice_of(secret ? secret : ""), "AWS_SECRET_ACCESS_KEY", credentials->secret,
            S3_SECRET_MAX, error) ||
        credentials_set(
            slice_of(token ? token : ""), "AWS_SESSION_TOKEN", credentials->token, S3_TOKEN_MAX, error) ||
        credentials_complete(credentials, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", error))
        return error_wrap(error, "credentials of the environment (lake.s3.credentials is empty)");
    return 0;
}

static int credentials_of_file(
    const char *file, const char *profile, struct s3_credentials *credentials, struct error *error)
{
    struct bytes text;

    bytes_init(&text, CREDENTIALS_FILE_MOST);
    int result = file_read_text(file, true, &text, error);
    if (result == 0 && s3_credentials_parse(bytes_slice(&text), profile, credentials, error))
        result = error_wrap(error, "%s", file);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
    bytes_free(&text);
    if (result)
        error->kind = ERROR_RETRY; /* it may be mended while we run */
    return result;
}

int s3_credentials_load(
    const char *file, const char *profile, struct s3_credentials *ret_credentials, struct error *error)
{
    *ret_credentials = (struct s3_credentials){0};
    const int result = file[0] ? credentials_of_file(file, profile, ret_credentials, error)
                               : credentials_of_environment(ret_credentials, error);
    if (result)
        s3_credentials_forget(ret_credentials);
    return result;
}

void s3_credentials_forget(struct s3_credentials *credentials)
{
    explicit_bzero(credentials, sizeof *credentials);
}
