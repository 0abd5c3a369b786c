/* Who we are to an S3 store: the shared file, and the environment */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lake/store/s3_credentials.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct s3_credentials found;
static struct error error;

Test(s3_credentials, profiles_of_a_file)
{
    static const char text[] =
        "# a comment\n; another\n\n[default]\naws_access_key_id=AKIA1\n"
        "aws_secret_access_key = s3cr/et+=\nregion = nowhere\r\n\n [ other ] \n"
        "aws_access_key_id = AKIA2\r\naws_secret_access_key=two\naws_session_token = t==";

    cr_assert_eq(s3_credentials_parse(slice_of(text), "default", &found, &error), 0, "%s", error.text);
    cr_assert_str_eq(found.id, "AKIA1");
    cr_assert_str_eq(found.secret, "s3cr/et+=");
    cr_assert_str_eq(found.token, "");
    cr_assert_eq(s3_credentials_parse(slice_of(text), "other", &found, &error), 0, "%s", error.text);
    cr_assert_str_eq(found.id, "AKIA2");
    cr_assert_str_eq(found.secret, "two");
    cr_assert_str_eq(found.token, "t==");
}

Test(s3_credentials, what_is_wrong_is_named_without_its_value)
{
    static const struct {
        const char *text, *expected;
    } samples[] = {
        {"", "there is no profile [default]"},
        {"[other]\naws_access_key_id=a\naws_secret_access_key=b\n", "there is no profile [default]"},
        {"[default]\n", "profile [default]: there is no aws_access_key_id"},
        {"[default]\naws_access_key_id=hidden\n", "profile [default]: there is no aws_secret_access_key"},
        {"[default\n", "line 1: a section"},
        {"[default]\nhidden\n", "line 2: neither"},
        {"[default]\naws_secret_access_key=hid den\n", "line 2: aws_secret_access_key: allowed"},
        {"[default]\n\naws_access_key_id=hidden\xc3\xbc\n", "line 3: aws_access_key_id: allowed"},
        {"[default]\naws_session_token=hidden\x01\n", "line 2: aws_session_token: allowed"},
    };

    for (size_t i = 0; i < COUNT(samples); i++) {
        cr_assert_eq(s3_credentials_parse(slice_of(samples[i].text), "default", &found, &error), -1);
        cr_assert_not_null(strstr(error.text, samples[i].expected), "%s", error.text);
        cr_assert_null(strstr(error.text, "hid"), "%s", error.text);
        cr_assert_eq(error.kind, ERROR_RETRY);
        cr_assert_str_eq(found.id, "");
        cr_assert_str_eq(found.secret, "");
    }
}

Test(s3_credentials, long_values_are_refused)
{
    char text[1000];

    snprintf(text, sizeof text, "[default]\naws_secret_access_key=%0*d\n", S3_SECRET_MAX + 1, 0);
    cr_assert_eq(s3_credentials_parse(slice_of(text), "default", &found, &error), -1);
    cr_assert_not_null(strstr(error.text, "256"), "%s", error.text);
}

Test(s3_credentials, environment)
{
    unsetenv("AWS_ACCESS_KEY_ID");
    cr_assert_eq(s3_credentials_load("", "default", &found, &error), -1);
    cr_assert_not_null(strstr(error.text, "AWS_ACCESS_KEY_ID"), "%s", error.text);
    setenv("AWS_ACCESS_KEY_ID", "id", 1);
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("AWS_SESSION_TOKEN");
    cr_assert_eq(s3_credentials_load("", "default", &found, &error), -1);
    cr_assert_not_null(strstr(error.text, "AWS_SECRET_ACCESS_KEY"), "%s", error.text);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_SESSION_TOKEN", "token", 1);
    cr_assert_eq(s3_credentials_load("", "default", &found, &error), 0, "%s", error.text);
    cr_assert_str_eq(found.id, "id");
    cr_assert_str_eq(found.secret, "secret");
    cr_assert_str_eq(found.token, "token");
    s3_credentials_forget(&found);
    cr_assert_str_eq(found.secret, "");
}

Test(s3_credentials, file_that_everybody_may_read_is_refused)
{
    char name[] = "/tmp/s3-credentials-XXXXXX";
    static const char text[] = "[default]\naws_access_key_id=a\naws_secret_access_key=b\n";
    const int fd = mkstemp(name);

    cr_assert_eq(write(fd, text, sizeof text - 1), sizeof text - 1);
    cr_assert_eq(s3_credentials_load(name, "default", &found, &error), 0, "%s", error.text);
    cr_assert_str_eq(found.secret, "b");
    cr_assert_eq(s3_credentials_load(name, "none", &found, &error), -1);
    cr_assert_not_null(strstr(error.text, name), "%s", error.text);
    cr_assert_eq(fchmod(fd, 0644), 0);
    cr_assert_eq(s3_credentials_load(name, "default", &found, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    close(fd);
    unlink(name);
    cr_assert_eq(s3_credentials_load(name, "default", &found, &error), -1);
    cr_assert_not_null(strstr(error.text, name), "%s", error.text);
}
