/* Signature Version 4: Amazon's own examples, and names that are encoded */
#include <criterion/criterion.h>
#include <stdio.h>

#include "lake/store/s3_sign.h"

#define EMPTY S3_EMPTY_PAYLOAD
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* "Authenticating Requests: Using the Authorization Header", examples, of the S3 API reference. */
static const struct s3_credentials documented = {
    .id = "AKIAIOSFODNN7EXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};

static void expect(
    const struct s3_request *request, const struct s3_credentials *credentials, const char *expected)
{
    cleanup_bytes struct bytes text;
    struct error error;

    bytes_init(&text, 4096);
    cr_assert_eq(s3_authorize(request, credentials, &text, &error), 0, "%s", error.text);
    cr_assert(slice_is(bytes_slice(&text), expected), "%.*s", (int)text.length, text.data);
}

static struct s3_request documented_request(const char *method, const char *path, const char *query,
    const struct s3_header *headers, size_t count, const char *payload)
{
    return (struct s3_request){.method = method,
        .path = path,
        .query = query,
        .headers = headers,
        .headers_count = count,
        .payload = payload,
        .region = "us-east-1",
        .service = "s3",
        .time = "20130524T000000Z"};
}

#define SCOPE \
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="

Test(s3_sign, get_of_the_documentation)
{
    const struct s3_header headers[] = {{"host", "examplebucket.s3.amazonaws.com"}, {"range", "bytes=0-9"},
        {"x-amz-content-sha256", EMPTY}, {"x-amz-date", "20130524T000000Z"}};
    const struct s3_request request =
        documented_request("GET", "/test.txt", "", headers, COUNT(headers), EMPTY);

    expect(&request, &documented,
        SCOPE "host;range;x-amz-content-sha256;x-amz-date,"
              "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

Test(s3_sign, put_of_the_documentation)
{
    char payload[S3_HEX];
    s3_sha256(slice_of("Welcome to Amazon S3."), payload);
    cr_assert_str_eq(payload, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
    const struct s3_header headers[] = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
        {"host", "examplebucket.s3.amazonaws.com"}, {"x-amz-content-sha256", payload},
        {"x-amz-date", "20130524T000000Z"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
    const struct s3_request request =
        documented_request("PUT", "/test%24file.text", "", headers, COUNT(headers), payload);

    expect(&request, &documented,
        SCOPE "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
              "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

Test(s3_sign, queries_of_the_documentation)
{
    const struct s3_header headers[] = {{"host", "examplebucket.s3.amazonaws.com"},
        {"x-amz-content-sha256", EMPTY}, {"x-amz-date", "20130524T000000Z"}};
    const struct s3_request lifecycle =
        documented_request("GET", "/", "lifecycle=", headers, COUNT(headers), EMPTY);
    const struct s3_request list =
        documented_request("GET", "/", "max-keys=2&prefix=J", headers, COUNT(headers), EMPTY);

    expect(&lifecycle, &documented,
        SCOPE "host;x-amz-content-sha256;x-amz-date,"
              "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    expect(&list, &documented,
        SCOPE "host;x-amz-content-sha256;x-amz-date,"
              "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* "get-vanilla" and "post-sts-header-before" of the test suite for Signature Version 4. */
#define TOKEN                                                                                                                                              \
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/"                            \
    "qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+" \
    "scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

Test(s3_sign, session_token_is_signed)
{
    static const struct s3_credentials suite = {
        .id = "AKIDEXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
    const struct s3_header headers[] = {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"},
        {"x-amz-security-token", TOKEN}};
    struct s3_request request = {.method = "GET",
        .path = "/",
        .query = "",
        .headers = headers,
        .headers_count = 2,
        .payload = EMPTY,
        .region = "us-east-1",
        .service = "service",
        .time = "20150830T123600Z"};
    const char scope[] = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,"
                         "SignedHeaders=host;x-amz-date";
    char expected[512];

    snprintf(expected, sizeof expected, "%s,Signature=%s", scope,
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    expect(&request, &suite, expected);
    request.method = "POST";
    request.headers_count = 3;
    snprintf(expected, sizeof expected, "%s;x-amz-security-token,Signature=%s", scope,
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
    expect(&request, &suite, expected);
}

Test(s3_sign, what_does_not_fit_is_an_error)
{
    struct error error;
    cleanup_bytes struct bytes out;
    char region[300];

    bytes_init(&out, 2);
    memset(region, 'r', sizeof region - 1);
    region[sizeof region - 1] = '\0';
    struct s3_request request = documented_request("GET", "/", "", NULL, 0, EMPTY);
    cr_assert_eq(s3_authorize(&request, &documented, &out, &error), -1);
    request.region = region;
    cr_assert_eq(s3_authorize(&request, &documented, &out, &error), -1);
    cr_assert_not_null(strstr(error.text, "region"));
}

Test(s3_sign, time_is_utc)
{
    char text[S3_TIME];

    s3_time(INT64_C(1369353600000000), text);
    cr_assert_str_eq(text, "20130524T000000Z");
    s3_time(INT64_C(1440938160999999), text);
    cr_assert_str_eq(text, "20150830T123600Z");
}
