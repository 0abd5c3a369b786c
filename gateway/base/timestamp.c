/* timestamp: see timestamp.h */
#include "base/timestamp.h"

#include <time.h>

#include "base/clock.h"

#define TIME_FIRST (INT64_C(-62135596800) * CLOCK_SECOND) /* 0001-01-01T00:00:00Z */
#define TIME_END (INT64_C(253402300800) * CLOCK_SECOND) /* 10000-01-01T00:00:00Z */

/* The digits of number and what stands behind them. */
static char *timestamp_put(char *to, int64_t number, int digits, char behind)
{
    for (int i = digits; i-- > 0; number /= 10)
        to[i] = (char)('0' + number % 10);
    to[digits] = behind;
    return to + digits + 1;
}

int timestamp_print(int64_t time, struct bytes *out, struct error *error)
{
    int64_t fraction = (time % CLOCK_SECOND + CLOCK_SECOND) % CLOCK_SECOND;
    time_t seconds = (time_t)(time / CLOCK_SECOND - (time % CLOCK_SECOND < 0));
    char text[TIMESTAMP_MAX];
    char *to = text;
    struct tm tm;

    if (time < TIME_FIRST || time >= TIME_END || !gmtime_r(&seconds, &tm))
        return bytes_print(out, error, "%lld", (long long)time);
    *to++ = '"';
    to = timestamp_put(to, tm.tm_year + 1900, 4, '-');
    to = timestamp_put(to, tm.tm_mon + 1, 2, '-');
    to = timestamp_put(to, tm.tm_mday, 2, 'T');
    to = timestamp_put(to, tm.tm_hour, 2, ':');
    to = timestamp_put(to, tm.tm_min, 2, ':');
    to = timestamp_put(to, tm.tm_sec, 2, '.');
    to = timestamp_put(to, fraction, 6, 'Z');
    *to++ = '"';
    return bytes_add(out, text, (size_t)(to - text), error);
}
