/* The pure parts of the S3 store: where it is, what its answers mean, the parts of a file */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "lake/store/s3_address.h"
#include "lake/store/s3_error.h"
#include "lake/store/s3_part.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct error error;

/* ---- where ------------------------------------------------------------------------------------------------- */

static struct config_lake options(char *url, char *endpoint, char *style)
{
    static char region[] = "eu-central-1", none[] = "none", empty[] = "";

    return (struct config_lake){.url = url,
        .s3 = {.endpoint = endpoint,
            .region = region,
            .path_style = style,
            .encryption = none,
            .kms_key = empty}};
}

Test(s3_address, hosts_and_prefixes)
{
    static const struct {
        const char *url, *endpoint, *style;
        const char *bucket, *prefix, *host;
        bool tls, path_style;
    } samples[] = {
        {"s3://bucket", "", "auto", "bucket", "", "bucket.s3.eu-central-1.amazonaws.com", true, false},
        {"s3://bucket/", "", "auto", "bucket", "", "bucket.s3.eu-central-1.amazonaws.com", true, false},
        {"s3://bucket/a/b", "", "always", "bucket", "a/b/", "s3.eu-central-1.amazonaws.com", true, true},
        {"s3://my.bucket/a/", "", "auto", "my.bucket", "a/", "s3.eu-central-1.amazonaws.com", true, true},
        {"s3://bucket/a b=c", "http://127.0.0.1:9000", "auto", "bucket", "a b=c/", "127.0.0.1:9000", false,
            true},
        {"s3://bucket", "https://[::1]:9000/", "never", "bucket", "", "bucket.[::1]:9000", true, false},
        {"s3://bucket", "https://s3.example", "auto", "bucket", "", "s3.example", true, true},
    };

    for (size_t i = 0; i < COUNT(samples); i++) {
        struct s3_address address;
        const void *option;
        const struct config_lake config =
            options((char *)samples[i].url, (char *)samples[i].endpoint, (char *)samples[i].style);
        cr_assert_eq(s3_address_parse(&config, &address, &option, &error), 0, "%s", error.text);
        cr_assert_str_eq(address.bucket, samples[i].bucket);
        cr_assert_str_eq(address.prefix, samples[i].prefix);
        cr_assert_str_eq(address.host, samples[i].host);
        cr_assert_eq(address.tls, samples[i].tls);
        cr_assert_eq(address.path_style, samples[i].path_style);
    }
}

static void expect_blame(const struct config_lake *config, const void *field)
{
    struct s3_address address;
    const void *option;

    cr_assert_eq(
        s3_address_parse(config, &address, &option, &error), -1, "%s %s", config->url, config->s3.endpoint);
    cr_assert_eq(option, field, "%s", error.text);
    cr_assert_eq(error.kind, ERROR_FATAL);
}

Test(s3_address, what_is_wrong_is_blamed)
{
    static const char *const urls[] = {"s3://", "s3:///x", "s3://ab", "s3://b\303\274cket", "s3://buc ket",
        "s3://bucket//a", "s3://bucket/a//b", "s3://bucket/./b", "s3://bucket/a/..", "s3://bucket/a\tb"};
    static const char *const endpoints[] = {"127.0.0.1:9000", "ftp://host", "http://", "https:///",
        "http://host/path", "http://user@host", "http://ho st"};
    char text[200] = "s3://bucket/";

    for (size_t i = 0; i < COUNT(urls); i++) {
        const struct config_lake config = options((char *)urls[i], (char[]){""}, (char[]){"auto"});
        expect_blame(&config, &config.url);
    }
    for (size_t i = 0; i < COUNT(endpoints); i++) {
        const struct config_lake config =
            options((char[]){"s3://bucket"}, (char *)endpoints[i], (char[]){"auto"});
        expect_blame(&config, &config.s3.endpoint);
    }
    memset(text + 12, 'p', S3_PREFIX_MAX + 1);
    struct config_lake config = options(text, (char[]){""}, (char[]){"auto"});
    expect_blame(&config, &config.url);
    text[12 + S3_PREFIX_MAX] = '\0';
    config.s3.region = (char[]){"eu central"};
    expect_blame(&config, &config.s3.region);
    config.s3.region = (char[]){"eu"};
    config.s3.kms_key = (char[]){"key"};
    expect_blame(&config, &config.s3.kms_key);
}

/* ---- what answers mean ------------------------------------------------------------------------------------- */

Test(s3_error, bodies_are_read)
{
    struct s3_failure failure = {.status = 400};

    cr_assert(
        s3_failure_read(slice_of("<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code>"
                                 "<Message>bad\n\xc3\xbc</Message><Region>eu-west-1</Region></Error>"),
            &failure));
    cr_assert_str_eq(failure.code, "AuthorizationHeaderMalformed");
    cr_assert_str_eq(failure.message, "bad???");
    cr_assert_str_eq(failure.region, "eu-west-1");
    failure = (struct s3_failure){.region = "said before"};
    cr_assert(s3_failure_read(slice_of("<Error><Region>eu</Region></Error>"), &failure));
    cr_assert_str_eq(failure.region, "said before");
    cr_assert_not(s3_failure_read(slice_of("<html><body>502</body></html>"), &failure));
    cr_assert_not(s3_failure_read(slice_of("Bad gateway"), &failure));
    cr_assert_not(s3_failure_read(slice_of("<CompleteMultipartUploadResult/>"), &failure));
}

Test(s3_error, what_passes)
{
    static const struct {
        long status;
        const char *code;
        bool passes, once;
    } samples[] = {
        {503, "SlowDown", true, true},
        {503, "", true, true},
        {429, "", true, true},
        {200, "SlowDown", true, true},
        {200, "InternalError", true, false},
        {500, "InternalError", true, false},
        {0, "", true, false},
        {502, "", true, false},
        {504, "", true, false},
        {400, "RequestTimeout", true, false},
        {403, "AccessDenied", false, false},
        {404, "NoSuchBucket", false, false},
        {412, "PreconditionFailed", false, false},
        {501, "NotImplemented", false, false},
        {301, "PermanentRedirect", false, false},
    };

    for (size_t i = 0; i < COUNT(samples); i++) {
        struct s3_failure failure = {.status = samples[i].status};
        snprintf(failure.code, sizeof failure.code, "%s", samples[i].code);
        cr_assert_eq(s3_failure_passes(&failure, false, 0), samples[i].passes, "%ld", samples[i].status);
        cr_assert_eq(s3_failure_passes(&failure, true, 0), samples[i].once, "%ld", samples[i].status);
    }
}

/* A request that waited long is signed anew; a clock that is off helps nobody. */
Test(s3_error, clocks)
{
    const struct s3_failure failure = {.status = 403, .code = "RequestTimeTooSkewed"};
    const int64_t wall = INT64_C(1440938160) * CLOCK_SECOND;

    cr_assert_eq(s3_skew("Sun, 30 Aug 2015 12:36:00 GMT", wall), 0);
    cr_assert_eq(s3_skew("Sun, 30 Aug 2015 12:56:00 GMT", wall), -20 * 60 * CLOCK_SECOND);
    cr_assert_eq(s3_skew("", wall), 0);
    cr_assert(s3_failure_passes(&failure, true, 60 * CLOCK_SECOND));
    cr_assert_not(s3_failure_passes(&failure, false, -20 * 60 * CLOCK_SECOND));
    s3_failure_tell(&failure, "b", -20 * 60 * CLOCK_SECOND, &error);
    cr_assert_not_null(strstr(error.text, "20 minutes behind"), "%s", error.text);
    s3_failure_tell(&failure, "b", 20 * 60 * CLOCK_SECOND, &error);
    cr_assert_not_null(strstr(error.text, "20 minutes ahead of"), "%s", error.text);
}

Test(s3_error, texts_say_what_to_do)
{
    static const struct {
        struct s3_failure failure;
        const char *expected;
    } samples[] = {
        {{403, "SignatureDoesNotMatch", "", ""}, "secret key"},
        {{403, "InvalidAccessKeyId", "", ""}, "key id"},
        {{400, "ExpiredToken", "", ""}, "has expired"},
        {{403, "AccessDenied", "", ""}, "s3:PutObject"},
        {{404, "NoSuchBucket", "", ""}, "mend lake.url"},
        {{404, "NoSuchUpload", "", ""}, "gateway.id"},
        {{301, "PermanentRedirect", "", "eu-west-1"}, "region eu-west-1: set lake.s3.region"},
        {{400, "AuthorizationHeaderMalformed", "", "eu-west-1"}, "region eu-west-1"},
        {{307, "", "", ""}, "lake.s3.endpoint"},
        {{418, "Teapot", "short and stout", ""}, "the store answered 418 Teapot: short and stout"},
        {{500, "", "", ""}, "the store answered 500"},
    };

    for (size_t i = 0; i < COUNT(samples); i++) {
        cr_assert_eq(s3_failure_tell(&samples[i].failure, "bucket", 0, &error), -1);
        cr_assert_eq(error.kind, ERROR_RETRY);
        cr_assert_not_null(strstr(error.text, samples[i].expected), "%s", error.text);
    }
}

/* ---- parts ------------------------------------------------------------------------------------------------- */

Test(s3_part, sizes)
{
    cr_assert_eq(s3_part_size(0, 8), 8);
    cr_assert_eq(s3_part_size(80000, 8), 8);
    cr_assert_eq(s3_part_size(80001, 8), 9);
    cr_assert_eq(s3_part_size(UINT64_C(1) << 40, UINT64_C(8) << 20), UINT64_C(109951163));
}

Test(s3_part, hashes_are_of_the_part_alone)
{
    char name[] = "/tmp/s3-part-XXXXXX";
    const int fd = mkstemp(name);
    struct s3_call call = {.from_file = true, .fd = fd, .offset = 1, .length = 3};

    cr_assert_eq(write(fd, "xabcx", 5), 5);
    cr_assert_eq(s3_part_hash(&call, false, &error), 0, "%s", error.text);
    cr_assert_str_eq(call.md5, "kAFQmDzST7DWlj99KOF/cg==");
    cr_assert_str_eq(call.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    call.length = 5;
    cr_assert_eq(s3_part_hash(&call, true, &error), -1);
    cr_assert_not_null(strstr(error.text, "lost its end"), "%s", error.text);
    call.fd = -1;
    cr_assert_eq(s3_part_hash(&call, true, &error), -1);
    close(fd);
    unlink(name);
}

Test(s3_part, other_bytes_are_seen)
{
    static const struct {
        const char *etag, *encryption;
        bool kept;
    } samples[] = {
        {"\"900150983cd24fb0d6963f7d28e17f72\"", "", true},
        {"\"900150983cd24fb0d6963f7d28e17f73\"", "", false},
        {"\"900150983cd24fb0d6963f7d28e17f73\"", "AES256", false},
        {"\"900150983cd24fb0d6963f7d28e17f73\"", "aws:kms", true},
        {"\"900150983cd24fb0d6963f7d28e17f73-1\"", "", true},
        {"\"not-a-sum\"", "", true},
    };

    for (size_t i = 0; i < COUNT(samples); i++) {
        struct s3_call call = {.md5 = "kAFQmDzST7DWlj99KOF/cg=="};
        snprintf(call.etag, sizeof call.etag, "%s", samples[i].etag);
        snprintf(call.encryption, sizeof call.encryption, "%s", samples[i].encryption);
        cr_assert_eq(s3_part_is_kept(&call), samples[i].kept, "%s", samples[i].etag);
    }
}
