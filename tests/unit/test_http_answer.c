/* http_answer: every text is JSON, and says what it should. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "source/http_answer.h"

#define LIMIT 65536

static struct bytes out;
static struct error error;

static void setup(void)
{
    bytes_init(&out, LIMIT);
}

static void teardown(void)
{
    bytes_free(&out);
}

TestSuite(http_answer, .init = setup, .fini = teardown);

/* The text must be this, and JSON. */
static void expect(const char *text)
{
    cr_assert(slice_is(bytes_slice(&out), text), "%.*s", (int)out.length, out.data);
    cr_assert_eq(json_scan_document(bytes_slice(&out), NULL, NULL, &error), 0, "%s", error.text);
}

static void terminate(void)
{
    cr_assert_eq(bytes_add(&out, "", 1, &error), 0);
}

static struct intake_result *result_of(uint64_t accepted, size_t rejected, enum intake_reason reason)
{
    static struct intake_result result;

    result = (struct intake_result){.accepted = accepted, .rejected = rejected};
    result.by_reason[reason] = rejected;
    result.listed = rejected < INTAKE_LISTED_MAX ? rejected : INTAKE_LISTED_MAX;
    for (size_t i = 0; i < result.listed; i++) {
        result.list[i].index = i * 2;
        result.list[i].reason = reason;
        snprintf(result.list[i].text, sizeof result.list[i].text, "reason %zu", i);
    }
    return &result;
}

Test(http_answer, accepted)
{
    cr_assert_eq(http_answer_accepted(&out, UINT64_MAX, &error), 0);
    expect("{\"accepted\":18446744073709551615}\n");
}

Test(http_answer, partial_within_a_limit)
{
    static const char all[] = "{\"accepted\":5,\"rejected\":[{\"index\":0,\"reason\":\"reason 0\"},"
                              "{\"index\":2,\"reason\":\"reason 1\"}],\"rejected_total\":2}\n";
    static const char one[] =
        "{\"accepted\":5,\"rejected\":[{\"index\":0,\"reason\":\"reason 0\"}],\"rejected_total\":2}\n";
    static const char none[] = "{\"accepted\":5,\"rejected\":[],\"rejected_total\":2}\n";

    for (size_t limit = sizeof none + 19; limit < sizeof all + 100; limit++) {
        bytes_clear(&out);
        cr_assert_eq(bytes_add(&out, "x", 1, &error), 0);
        cr_assert_eq(http_answer_partial_within(&out, result_of(5, 2, INTAKE_KEY), limit, &error), 0);
        cr_assert_leq(out.length - 1, limit);
        const struct slice text = {out.data + 1, out.length - 1};
        cr_assert(slice_is(text, limit < sizeof one + 19   ? none
                                 : limit < sizeof all + 19 ? one
                                                           : all),
            "%zu: %.*s", limit, (int)text.length, text.data);
    }
}

Test(http_answer, partial)
{
    cr_assert_eq(http_answer_partial(&out, result_of(5, 2, INTAKE_KEY), &error), 0);
    expect("{\"accepted\":5,\"rejected\":[{\"index\":0,\"reason\":\"reason 0\"},"
           "{\"index\":2,\"reason\":\"reason 1\"}],\"rejected_total\":2}\n");
}

Test(http_answer, partial_of_many_fits_in_the_limit_of_answers)
{
    struct intake_result *result = result_of(1, 100000, INTAKE_KEY);
    size_t listed = 0;

    for (size_t i = 0; i < result->listed; i++)
        memset(result->list[i].text, 1, sizeof result->list[i].text - 1);
    bytes_free(&out);
    bytes_init(&out, 256 << 10);
    cr_assert_eq(http_answer_partial(&out, result, &error), 0);
    cr_assert_eq(json_scan_document(bytes_slice(&out), NULL, NULL, &error), 0, "%s", error.text);
    terminate();
    for (const char *at = out.data; (at = strstr(at, "\"index\"")); at++)
        listed++;
    cr_assert_eq(listed, INTAKE_LISTED_MAX);
    cr_assert_not_null(strstr(out.data, "],\"rejected_total\":100000}"));
}

Test(http_answer, problem_quotes_anything)
{
    cr_assert_eq(http_answer_problem(&out, HTTP_STATUS_400, "a \"b\\\n\x01 \xc3\xbc \xff\xc3", &error), 0);
    expect("{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
           "\"detail\":\"a \\\"b\\\\\\u000a\\u0001 \xc3\xbc ??\"}\n");
}

Test(http_answer, refused_lists_the_records)
{
    cr_assert_eq(http_answer_refused(&out, result_of(0, 1, INTAKE_SYNTAX), &error), 0);
    expect("{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"reason 0\","
           "\"accepted\":0,\"rejected\":[{\"index\":0,\"reason\":\"reason 0\"}],\"rejected_total\":1}\n");
    bytes_clear(&out);
    cr_assert_eq(http_answer_refused(&out, result_of(0, 2, INTAKE_KEY), &error), 0);
    expect(
        "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,"
        "\"detail\":\"none of the records can be accepted\",\"accepted\":0,\"rejected\":["
        "{\"index\":0,\"reason\":\"reason 0\"},{\"index\":2,\"reason\":\"reason 1\"}],\"rejected_total\":2}\n");
}

Test(http_answer, status_of_none_accepted)
{
    struct intake_result *result;

    cr_assert_eq(http_answer_status(result_of(0, 3, INTAKE_SYNTAX)), HTTP_STATUS_400);
    cr_assert_eq(http_answer_status(result_of(0, 3, INTAKE_TOO_LARGE)), HTTP_STATUS_413);
    cr_assert_eq(http_answer_status(result_of(0, 3, INTAKE_KEY)), HTTP_STATUS_422);
    cr_assert_eq(http_answer_status(result_of(0, 3, INTAKE_LABEL)), HTTP_STATUS_422);
    cr_assert_eq(http_answer_status(result_of(0, 3, INTAKE_TOPIC)), HTTP_STATUS_400);
    cr_assert_eq(http_answer_status(result_of(0, 3, INTAKE_FORBIDDEN)), HTTP_STATUS_403);
    cr_assert_eq(http_answer_status(result_of(0, 3, INTAKE_RATE)), HTTP_STATUS_429);
    result = result_of(0, 2, INTAKE_SYNTAX);
    result->rejected++;
    result->by_reason[INTAKE_TOPIC]++;
    cr_assert_eq(http_answer_status(result), HTTP_STATUS_400, "none of either can go to Kafka as it is");
    result->rejected++;
    result->by_reason[INTAKE_KEY]++;
    cr_assert_eq(http_answer_status(result), HTTP_STATUS_422, "some could be parsed");
    result = result_of(0, 2, INTAKE_TOPIC);
    result->rejected++;
    result->by_reason[INTAKE_TOO_LARGE]++;
    cr_assert_eq(http_answer_status(result), HTTP_STATUS_422, "not all are too large");
}

Test(http_answer, raw_is_a_whole_response)
{
    cr_assert_eq(http_answer_raw(&out, HTTP_STATUS_503, "later", &error), 0);
    terminate();
    char *body = strstr(out.data, "\r\n\r\n");
    size_t length;
    cr_assert_not_null(body);
    cr_assert(strstr(out.data, "HTTP/1.1 503 Service Unavailable\r\n") == out.data);
    cr_assert_not_null(strstr(out.data, "\r\nConnection: close\r\n"));
    cr_assert_not_null(strstr(out.data, "\r\nRetry-After: 1\r\n"));
    cr_assert_eq(sscanf(strstr(out.data, "Content-Length: "), "Content-Length: %zu", &length), 1);
    cr_assert_eq(strlen(body + 4), length);

    bytes_clear(&out);
    cr_assert_eq(http_answer_raw(&out, HTTP_STATUS_408, "slow", &error), 0);
    terminate();
    cr_assert_null(strstr(out.data, "Retry-After"));
}

Test(http_answer, codes_and_titles)
{
    cr_assert_eq(http_status_code(HTTP_STATUS_422), 422);
    cr_assert_str_eq(http_status_title(HTTP_STATUS_413), "Content Too Large");
}

static int with_letters(uint64_t letters)
{
    static const struct record_id id = {"site-7", 0x3f9a1c22, 0};
    static struct journal_arrival arrival = {
        .first = 40, .list = {{42, "kafka", "\"too\" large"}, {UINT64_MAX, "lake", "no path"}}};

    for (size_t i = 2; i < JOURNAL_ARRIVAL_LETTERS; i++)
        arrival.list[i].outlet = "lake";
    arrival.letters = letters;
    return http_answer_accepted(&out, 17, &error) ? -1 : http_answer_letters(&out, &arrival, &id, &error);
}

Test(http_answer, dead_letters)
{
    size_t listed = 0;

    cr_assert_eq(with_letters(2), 0);
    expect(
        "{\"accepted\":17,\"dead_lettered\":["
        "{\"id\":\"site-7/3f9a1c22/42\",\"accepted_index\":2,\"outlet\":\"kafka\",\"reason\":\"\\\"too\\\" large\"},"
        "{\"id\":\"site-7/3f9a1c22/18446744073709551615\",\"accepted_index\":18446744073709551575,\"outlet\":\"lake\",\"reason\":\"no path\"}],"
        "\"dead_lettered_total\":2}\n");
    bytes_clear(&out);
    cr_assert_eq(with_letters(1000), 0);
    terminate();
    for (const char *at = out.data; (at = strstr(at, "\"id\"")); at++)
        listed++;
    cr_assert_eq(listed, JOURNAL_ARRIVAL_LETTERS);
    cr_assert_not_null(strstr(out.data, "\"dead_lettered_total\":1000}"));
}

static int stored_of(const char *before, struct once_counts counts)
{
    bytes_clear(&out);
    return bytes_add_text(&out, before, &error) ? -1 : http_answer_stored(&out, &counts, &error);
}

Test(http_answer, stored)
{
    cr_assert_eq(stored_of("", (struct once_counts){3, 2, 0}), 0);
    expect("{\"accepted\":3,\"duplicates\":2}\n");
    cr_assert_eq(stored_of("", (struct once_counts){0, 2, 5}), 0);
    expect("{\"accepted\":0,\"duplicates\":7,\"old\":5}\n");
    cr_assert_eq(http_answer_partial(&out, result_of(9, 1, INTAKE_SEQUENCE), &error), 0);
    bytes_clear(&out);
    cr_assert_eq(http_answer_partial(&out, result_of(9, 1, INTAKE_SEQUENCE), &error), 0);
    cr_assert_eq(http_answer_stored(&out, &(struct once_counts){4, 5, 0}, &error), 0);
    expect(
        "{\"accepted\":4,\"duplicates\":5,\"rejected\":[{\"index\":0,\"reason\":\"reason 0\"}],\"rejected_total\":1}\n");
}

/* Every answer below its length is refused, at each of its writes. */
#define cr_every_ceiling(call)                                                      \
    do {                                                                            \
        cr_assert_eq(call, 0);                                                      \
        for (size_t limit_ = 0, length_ = out.length; limit_ < length_; limit_++) { \
            bytes_free(&out);                                                       \
            bytes_init(&out, limit_);                                               \
            cr_assert_eq(call, -1, "%zu of %zu", limit_, length_);                  \
        }                                                                           \
        bytes_free(&out);                                                           \
        bytes_init(&out, LIMIT);                                                    \
    } while (0)

Test(http_answer, every_ceiling)
{
    cr_every_ceiling(http_answer_accepted(&out, 17, &error));
    cr_every_ceiling(stored_of("", (struct once_counts){1, 2, 3}));
    cr_every_ceiling(http_answer_partial(&out, result_of(1, 2, INTAKE_KEY), &error));
    cr_every_ceiling(http_answer_refused(&out, result_of(0, 2, INTAKE_KEY), &error));
    cr_every_ceiling(with_letters(2));
    cr_every_ceiling(http_answer_problem(&out, HTTP_STATUS_400, "\"\x01\xff", &error));
    cr_every_ceiling(http_answer_raw(&out, HTTP_STATUS_408, "slow", &error));
}
