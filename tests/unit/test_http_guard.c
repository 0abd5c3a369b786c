/* http_guard: heads that are refused, and those that look odd and are not. */
#include <criterion/criterion.h>

#include "source/http_guard.h"

struct field {
    const char *name;
    const char *value;
};

/* Feeds the fields; NULL when the head is fine, else what is said about it. */
static const char *judge(const struct field *fields, const char *version, struct http_head *head)
{
    static struct error error;

    *head = (struct http_head){0};
    for (; fields->name; fields++) {
        if (http_guard_field(head, slice_of(fields->name), slice_of(fields->value), &error))
            return error.text;
    }
    return http_guard_finish(head, version, &error) ? error.text : NULL;
}

#define FIELDS(...) ((const struct field[]){__VA_ARGS__, {NULL, NULL}})
#define HOST        \
    {               \
        "Host", "x" \
    }

#define cr_refused(said, ...)                                                     \
    do {                                                                          \
        struct http_head head_;                                                   \
        const char *text_ = judge(FIELDS(__VA_ARGS__), "HTTP/1.1", &head_);       \
        cr_assert(text_ &&strstr(text_, said), "%s", text_ ? text_ : "accepted"); \
    } while (0)

#define cr_fine(...)                                                    \
    do {                                                                \
        struct http_head head_;                                         \
        cr_assert_null(judge(FIELDS(__VA_ARGS__), "HTTP/1.1", &head_)); \
    } while (0)

Test(http_guard, collects_what_a_request_is_judged_by)
{
    struct http_head head;

    cr_assert_null(judge(FIELDS(HOST, {"content-LENGTH", "00123"}, {"Content-Type", "text/plain"},
                             {"X-Other", "1"}, {"Content-Encoding", "gzip"}, {"Penstock-Ack", "memory"}),
        "HTTP/1.1", &head));
    cr_assert_eq(head.content_length, 123);
    cr_assert(slice_is(head.values[HTTP_CONTENT_TYPE], "text/plain"));
    cr_assert(slice_is(head.values[HTTP_CONTENT_ENCODING], "gzip"));
    cr_assert(slice_is(head.values[HTTP_PENSTOCK_ACK], "memory"));
    cr_assert_not(head.present[HTTP_TRANSFER_ENCODING]);
}

Test(http_guard, a_field_stands_once)
{
    cr_refused("more than one Content-Length", HOST, {"Content-Length", "7"}, {"Content-Length", "7"});
    cr_refused("more than one Transfer-Encoding", HOST, {"Transfer-Encoding", "chunked"},
        {"transfer-encoding", "chunked"});
    cr_refused("more than one Host", HOST, HOST);
    cr_refused("more than one Content-Type", HOST, {"Content-Type", "a/b"}, {"Content-Type", "a/b"});
    cr_fine(HOST, {"X-A", "1"}, {"X-A", "1"});
}

Test(http_guard, length_is_plain_digits)
{
    static const char *const bad[] = {
        "", "+7", "-7", "0x7", "7abc", "7, 7", "7 ", " 7", "1234567890123456789", "\xd9\xa7"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_refused("Content-Length", HOST, {"Content-Length", bad[i]});
    cr_fine(HOST, {"Content-Length", "999999999999999999"});
    cr_fine(HOST, {"Content-Length", "0"});
}

Test(http_guard, transfer_encoding_is_chunked)
{
    static const char *const bad[] = {
        "", "identity", "xchunked", "chunkedx", "gzip, chunked", "chunked, identity", "chunked "};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_refused("Transfer-Encoding", HOST, {"Transfer-Encoding", bad[i]});
    cr_fine(HOST, {"Transfer-Encoding", "CHUNKED"});
    cr_refused("both", HOST, {"Transfer-Encoding", "chunked"}, {"Content-Length", "7"});
    cr_refused("both", HOST, {"Content-Length", "7"}, {"Transfer-Encoding", "chunked"});
}

Test(http_guard, names_are_tokens)
{
    const char *delimiters = "()<>@,;:\\\"/[]?={} \t\r\x01\x7f\x80";
    char name[] = "X?A";

    for (const char *byte = delimiters; *byte; byte++) {
        name[1] = *byte;
        cr_refused("header name", HOST, {name, "b"});
    }
    cr_refused("header name", HOST, {"Content-Length ", "7"});
    cr_refused("header name", HOST, {"", "b"});
    cr_fine(HOST, {"!#$%&'*+-.^_`|~09azAZ", "b"});
}

Test(http_guard, values_hold_no_control_bytes)
{
    struct http_head head = {0};
    struct error error;

    cr_refused("header value", HOST, {"X-A", "b\rY: c"});
    cr_refused("header value", HOST, {"X-A", "\x7f"});
    cr_assert_eq(http_guard_field(&head, slice_of("X-A"), (struct slice){"a\0b", 3}, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_fine(HOST, {"X-A", "b\tc \xc3\xbc\xff"}, {"X-B", ""});
}

Test(http_guard, versions)
{
    static const char *const bad[] = {
        "", "HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/1.10"};
    struct http_head head;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not_null(judge(FIELDS(HOST), bad[i], &head), "%s", bad[i]);
    cr_assert_null(judge(FIELDS({"X-A", "1"}), "HTTP/1.0", &head));
    cr_assert_not_null(judge(FIELDS({"Transfer-Encoding", "chunked"}), "HTTP/1.0", &head));
    cr_assert_not_null(judge(FIELDS({"X-A", "1"}), "HTTP/1.1", &head), "no host");
}
