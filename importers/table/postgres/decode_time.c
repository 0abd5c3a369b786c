/* decode_time: dates and times. PostgreSQL counts days and microseconds from 2000-01-01, columns from 1970-01-01. */
#include "lake/format/value_text.h"
#include "table/postgres/decode_internal.h"

#define EPOCH_DAYS 10957
#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define EPOCH (EPOCH_DAYS * DAY)
#define ZONE_MAX (16 * 3600) /* seconds; MAX_TZDISP_HOUR is 15 */
#define INTERVAL_SIZE 16
#define INTERVAL_TEXT_MAX (6 * 22) /* a number of 64 bits and its unit, six times */

bool pg_date_is_infinite(struct slice value)
{
    const uint32_t days = value.length == 4 ? pg_uint32(value.data) : 0;

    return days == (uint32_t)INT32_MAX || days == (uint32_t)INT32_MIN;
}

bool pg_timestamp_is_infinite(struct slice value)
{
    const uint64_t time = value.length == 8 ? pg_uint64(value.data) : 0;

    return time == (uint64_t)INT64_MAX || time == (uint64_t)INT64_MIN;
}

static inline int date_read(
    const struct pg_decoder *decoder, struct slice value, int32_t *ret_days, struct error *error)
{
    if (value.length != 4)
        return pg_decode_length(decoder, value, error);
    int32_t days = (int32_t)pg_uint32(value.data);
    if (days != INT32_MAX && days != INT32_MIN) {
        if (days >= INT32_MAX - EPOCH_DAYS)
            return error_set(error, ERROR_REJECT, "a date that PostgreSQL does not have: day %d", days);
        days += EPOCH_DAYS;
    }
    *ret_days = days;
    return 0;
}

int pg_date_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    char text[VALUE_TEXT_MAX];
    int32_t days = 0;

    if (date_read(decoder, value, &days, error))
        return -1;
    return bytes_add(out, text, (size_t)(value_text_date(text, days, DELIMITED_ISO) - text), error);
}

/* An infinity: NULL, an error, or the column's own. */
static int add_infinite(
    struct pg_decoder *decoder, struct column *column, const void *value, size_t width, struct error *error)
{
    int unbounded = pg_decode_unbounded(decoder, error);

    if (unbounded < 0)
        return -1;
    if (unbounded)
        column_add_null(column);
    else
        column_add_fixed(column, value, width);
    return 0;
}

int pg_date_decode(struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    int32_t days = 0;

    if (date_read(decoder, value, &days, error))
        return -1;
    if (days == INT32_MAX || days == INT32_MIN)
        return add_infinite(decoder, column, &days, sizeof days, error);
    column_add_fixed(column, &days, sizeof days);
    return 0;
}

static inline int timestamp_read(
    const struct pg_decoder *decoder, struct slice value, int64_t *ret_time, struct error *error)
{
    if (value.length != 8)
        return pg_decode_length(decoder, value, error);
    int64_t time = (int64_t)pg_uint64(value.data);
    if (time != INT64_MAX && time != INT64_MIN) {
        if (time >= INT64_MAX - EPOCH)
            return error_set(error, ERROR_REJECT,
                "a time after the year 294246, which 64 bits of microseconds since 1970 cannot hold: select it as text");
        time += EPOCH;
    }
    *ret_time = time;
    return 0;
}

static int timestamp_text(
    struct pg_decoder *decoder, struct bytes *out, struct slice value, bool utc, struct error *error)
{
    char text[VALUE_TEXT_MAX];
    int64_t time = 0;

    if (timestamp_read(decoder, value, &time, error))
        return -1;
    return bytes_add(out, text, (size_t)(value_text_timestamp(text, time, utc, DELIMITED_ISO) - text), error);
}

int pg_timestamp_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    return timestamp_text(decoder, out, value, false, error);
}

int pg_timestamptz_text(
    struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    return timestamp_text(decoder, out, value, true, error);
}

int pg_timestamp_decode(
    struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    int64_t time = 0;

    if (timestamp_read(decoder, value, &time, error))
        return -1;
    if (time == INT64_MAX || time == INT64_MIN)
        return add_infinite(decoder, column, &time, sizeof time, error);
    column_add_fixed(column, &time, sizeof time);
    return 0;
}

static inline int time_read(
    const struct pg_decoder *decoder, const char *data, int64_t *ret_time, struct error *error)
{
    const int64_t time = (int64_t)pg_uint64(data);

    if (time < 0 || time > DAY)
        return error_set(
            error, ERROR_REJECT, "a value of %s outside of the day: %lld", decoder->name, (long long)time);
    *ret_time = time;
    return 0;
}

int pg_time_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    char text[VALUE_TEXT_MAX];
    int64_t time = 0;

    if (value.length != 8)
        return pg_decode_length(decoder, value, error);
    if (time_read(decoder, value.data, &time, error))
        return -1;
    return bytes_add(out, text, (size_t)(value_text_time(text, time) - text), error);
}

int pg_time_decode(struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    int64_t time = 0;

    if (value.length != 8)
        return pg_decode_length(decoder, value, error);
    if (time_read(decoder, value.data, &time, error))
        return -1;
    column_add_fixed(column, &time, sizeof time);
    return 0;
}

static char *put_two(char *to, unsigned number)
{
    to[0] = (char)('0' + number / 10);
    to[1] = (char)('0' + number % 10);
    return to + 2;
}

/* The zone is sent as seconds west of Greenwich and shown as hours east of it. */
int pg_timetz_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    char text[VALUE_TEXT_MAX];
    int64_t time = 0;

    if (value.length != 12)
        return pg_decode_length(decoder, value, error);
    if (time_read(decoder, value.data, &time, error))
        return -1;
    const int32_t west = (int32_t)pg_uint32(value.data + 8);
    if (west <= -ZONE_MAX || west >= ZONE_MAX)
        return error_set(error, ERROR_REJECT, "a time zone of %d seconds", west);
    const unsigned zone = (unsigned)(west < 0 ? -west : west);
    char *end = value_text_time(text, time);
    *end++ = west > 0 ? '-' : '+';
    end = put_two(end, zone / 3600);
    if (zone % 3600) {
        *end++ = ':';
        end = put_two(end, zone / 60 % 60);
    }
    if (zone % 60) {
        *end++ = ':';
        end = put_two(end, zone % 60);
    }
    return bytes_add(out, text, (size_t)(end - text), error);
}

static char *put_part(char *to, int64_t number, char unit)
{
    if (!number)
        return to;
    to = value_text_int(to, number);
    *to++ = unit;
    return to;
}

/* Seconds have their own sign and as many decimals as they need. */
static char *put_seconds(char *to, int64_t microseconds)
{
    const int64_t magnitude = microseconds < 0 ? -microseconds : microseconds;
    int64_t fraction = magnitude % SECOND;

    if (!microseconds)
        return to;
    if (microseconds < 0)
        *to++ = '-';
    to = value_text_int(to, magnitude / SECOND);
    if (fraction)
        *to++ = '.';
    for (int64_t unit = SECOND / 10; fraction; unit /= 10) {
        *to++ = (char)('0' + fraction / unit);
        fraction %= unit;
    }
    *to++ = 'S';
    return to;
}

/* As IntervalStyle iso_8601 has it: EncodeInterval() of datetime.c. PostgreSQL 17 has infinite ones. */
int pg_interval_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length != INTERVAL_SIZE)
        return pg_decode_length(decoder, value, error);
    const int64_t time = (int64_t)pg_uint64(value.data);
    const int32_t days = (int32_t)pg_uint32(value.data + 8), months = (int32_t)pg_uint32(value.data + 12);

    if (time == INT64_MAX && days == INT32_MAX && months == INT32_MAX)
        return bytes_add_text(out, "infinity", error);
    if (time == INT64_MIN && days == INT32_MIN && months == INT32_MIN)
        return bytes_add_text(out, "-infinity", error);
    if (!time && !days && !months)
        return bytes_add_text(out, "PT0S", error);
    if (bytes_reserve(out, INTERVAL_TEXT_MAX, error))
        return -1;
    char *to = out->data + out->length;
    *to++ = 'P';
    to = put_part(to, months / 12, 'Y');
    to = put_part(to, months % 12, 'M');
    to = put_part(to, days, 'D');
    if (time) {
        *to++ = 'T';
        to = put_part(to, time / HOUR, 'H');
        to = put_part(to, time % HOUR / MINUTE, 'M');
        to = put_seconds(to, time % MINUTE);
    }
    out->length = (size_t)(to - out->data);
    return 0;
}
