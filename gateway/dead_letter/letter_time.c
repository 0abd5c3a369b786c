/* letter_time: times in a dead letter's line; apart from letter_parse.c, for jansson and decode/ use the same names. */
#include "dead_letter/letter.h"

#include <time.h>

#include "base/clock.h"
#include "decode/decode.h"

#define TIME_FIRST (INT64_C(-62135596800) * CLOCK_SECOND) /* 0001-01-01T00:00:00Z */
#define TIME_END (INT64_C(253402300800) * CLOCK_SECOND) /* 10000-01-01T00:00:00Z */

int letter_print_time(int64_t time, struct bytes *out, struct error *error)
{
    int64_t fraction = (time % CLOCK_SECOND + CLOCK_SECOND) % CLOCK_SECOND;
    time_t seconds = (time_t)(time / CLOCK_SECOND - (time % CLOCK_SECOND < 0));
    struct tm tm;

    if (time < TIME_FIRST || time >= TIME_END || !gmtime_r(&seconds, &tm))
        return bytes_print(out, error, "%lld", (long long)time);
    return bytes_print(out, error, "\"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\"", tm.tm_year + 1900,
        tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)fraction);
}

int letter_read_time(struct slice text, int64_t *ret_time, struct error *error)
{
    return decode_rfc3339(text, ret_time, error);
}
