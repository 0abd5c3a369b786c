/* timestamp: a moment as a value of JSON */
#include <criterion/criterion.h>

#include "base/timestamp.h"

static const struct {
    int64_t time;
    const char *text;
} moments[] = {
    {0, "\"1970-01-01T00:00:00.000000Z\""},
    {1, "\"1970-01-01T00:00:00.000001Z\""},
    {-1, "\"1969-12-31T23:59:59.999999Z\""},
    {-1000000, "\"1969-12-31T23:59:59.000000Z\""},
    {INT64_C(1767323045678901), "\"2026-01-02T03:04:05.678901Z\""},
    {INT64_C(1709251199999999), "\"2024-02-29T23:59:59.999999Z\""},
    {INT64_C(-62135596800000000), "\"0001-01-01T00:00:00.000000Z\""},
    {INT64_C(-62135596800000001), "-62135596800000001"},
    {INT64_C(253402300799999999), "\"9999-12-31T23:59:59.999999Z\""},
    {INT64_C(253402300800000000), "253402300800000000"},
    {INT64_MIN, "-9223372036854775808"},
    {INT64_MAX, "9223372036854775807"},
};

Test(timestamp, every_moment_has_a_text)
{
    struct error error;
    cleanup_bytes struct bytes out;

    bytes_init(&out, 100);
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        bytes_clear(&out);
        cr_assert_eq(timestamp_print(moments[i].time, &out, &error), 0);
        cr_assert(slice_is(bytes_slice(&out), moments[i].text), "%.*s", (int)out.length, out.data);
        cr_assert_leq(out.length, TIMESTAMP_MAX);
    }
}

Test(timestamp, a_full_buffer_is_left_alone)
{
    struct error error;
    cleanup_bytes struct bytes out;

    bytes_init(&out, TIMESTAMP_MAX - 1);
    cr_assert_eq(timestamp_print(0, &out, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_eq(out.length, 0);
}
