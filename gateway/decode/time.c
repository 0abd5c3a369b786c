/* time: event times, in exact integer arithmetic; see decode.h
 *
 * Dates are of the proleptic Gregorian calendar, as RFC 3339 says.
 */
#include "decode/time_internal.h"

#define DAY (24 * 60 * 60 * SECOND)
#define DAYS_TO_1970 719162 /* from 0001-01-01 */
#define TIME_FIRST (-DAYS_TO_1970 * DAY) /* 0001-01-01T00:00:00Z */
#define TIME_END ((3652059 - DAYS_TO_1970) * DAY) /* 10000-01-01T00:00:00Z */
#define DIGITS_MAX 18 /* what every int64_t can hold; TIME_END has that many */
#define MILLISECONDS_FROM 12 /* digits before the point: 1e11 has twelve */
#define EXPONENT_MAX (INT64_C(1) << 60)

static int refuse(struct error *error, const char *why)
{
    return error_set(error, ERROR_REJECT, "time: %s", why);
}

static int keep_in_range(int64_t time, int64_t *ret_time, struct error *error)
{
    if (time < TIME_FIRST || time >= TIME_END)
        return refuse(error, "not between the years 0001 and 9999");
    *ret_time = time;
    return 0;
}

/* ---- numbers ---------------------------------------------------------------------------------------------- */

/* digits * 10^exponent; digits has count figures, the first is no zero. What did not fit was cut off behind. */
struct decimal {
    uint64_t digits;
    int count;
    int64_t exponent;
};

static int64_t read_exponent(const char *p, const char *end)
{
    bool negative = *p == '-';
    int64_t exponent = 0;

    for (p += *p == '-' || *p == '+'; p < end; p++)
        if (exponent < EXPONENT_MAX / 10)
            exponent = exponent * 10 + (*p - '0');
    return negative ? -exponent : exponent;
}

/* text: a JSON number without its sign. */
static struct decimal read_decimal(struct slice text)
{
    const char *end = text.data + text.length;
    struct decimal decimal = {0};
    bool fraction = false;

    for (const char *p = text.data; p < end; p++) {
        if (*p == 'e' || *p == 'E') {
            decimal.exponent += read_exponent(p + 1, end);
            break;
        }
        if (*p == '.') {
            fraction = true;
            continue;
        }
        bool take = decimal.count < DIGITS_MAX;
        if (take) {
            decimal.digits = decimal.digits * 10 + (uint64_t)(*p - '0');
            decimal.count += decimal.digits != 0;
        }
        decimal.exponent += !take - fraction;
    }
    return decimal;
}

static uint64_t shift(uint64_t digits, int64_t places)
{
    for (; places > 0; places--)
        digits *= 10;
    for (; places < 0 && digits; places++)
        digits /= 10;
    return digits;
}

static int number_time(struct slice text, int64_t *ret_time, struct error *error)
{
    bool negative = text.data[0] == '-';
    struct decimal decimal = read_decimal((struct slice){text.data + negative, text.length - negative});
    int64_t before_point = decimal.count + decimal.exponent;

    if (decimal.digits == 0)
        return keep_in_range(0, ret_time, error);
    if (before_point > DIGITS_MAX - 3)
        return keep_in_range(TIME_END, ret_time, error);
    int64_t places = decimal.exponent + (before_point >= MILLISECONDS_FROM ? 3 : 6);
    int64_t time = (int64_t)shift(decimal.digits, places);
    return keep_in_range(negative ? -time : time, ret_time, error);
}

/* ---- RFC 3339 --------------------------------------------------------------------------------------------- */

int take_number(struct slice *text, size_t count, int first, int last, int *ret_number)
{
    int number = 0;

    if (text->length < count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (text->data[i] < '0' || text->data[i] > '9')
            return -1;
        number = number * 10 + (text->data[i] - '0');
    }
    if (number < first || number > last)
        return -1;
    *text = (struct slice){text->data + count, text->length - count};
    *ret_number = number;
    return 0;
}

int take_one_of(struct slice *text, const char *allowed, char *ret_char)
{
    if (text->length == 0 || text->data[0] == '\0' || !strchr(allowed, text->data[0]))
        return -1;
    *ret_char = text->data[0];
    *text = (struct slice){text->data + 1, text->length - 1};
    return 0;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

static int take_date(struct slice *text, struct moment *moment)
{
    char dash;

    if (take_number(text, 4, 1, 9999, &moment->year) || take_one_of(text, "-", &dash) ||
        take_number(text, 2, 1, 12, &moment->month) || take_one_of(text, "-", &dash))
        return -1;
    return take_number(text, 2, 1, days_in_month(moment->year, moment->month), &moment->day);
}

int take_fraction(struct slice *text, int64_t *ret_fraction)
{
    int64_t unit = SECOND / 10;
    int digit;

    if (take_number(text, 1, 0, 9, &digit))
        return -1;
    do {
        *ret_fraction += digit * unit;
        unit /= 10;
    } while (take_number(text, 1, 0, 9, &digit) == 0);
    return 0;
}

static int take_clock(struct slice *text, struct moment *moment)
{
    char mark;

    if (take_number(text, 2, 0, 23, &moment->hour) || take_one_of(text, ":", &mark) ||
        take_number(text, 2, 0, 59, &moment->minute) || take_one_of(text, ":", &mark) ||
        take_number(text, 2, 0, 60, &moment->second))
        return -1;
    return take_one_of(text, ".", &mark) ? 0 : take_fraction(text, &moment->fraction);
}

static int take_offset(struct slice *text, struct moment *moment)
{
    int hours, minutes;
    char sign, colon;

    if (take_one_of(text, "Zz", &sign) == 0)
        return 0;
    if (take_one_of(text, "+-", &sign) || take_number(text, 2, 0, 23, &hours) ||
        take_one_of(text, ":", &colon) || take_number(text, 2, 0, 59, &minutes))
        return -1;
    moment->offset = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
    return 0;
}

static int64_t minutes_since_1970(const struct moment *moment)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t years = moment->year - 1;
    int64_t days = years * 365 + years / 4 - years / 100 + years / 400 - DAYS_TO_1970 + moment->day - 1;

    days += before[moment->month - 1] + (moment->month > 2 && is_leap(moment->year));
    return (days * 24 + moment->hour) * 60 + moment->minute - moment->offset;
}

int moment_time(const struct moment *moment, int64_t *ret_time, struct error *error)
{
    int64_t minutes = minutes_since_1970(moment);
    int64_t second = moment->second, fraction = moment->fraction;

    if (second == 60) {
        if ((minutes + 1) % (24 * 60) != 0)
            return refuse(error, "second 60 exists only at 23:59 UTC");
        second = 59;
        fraction = SECOND - 1;
    }
    return keep_in_range((minutes * 60 + second) * SECOND + fraction, ret_time, error);
}

/* Two digits as a number; -1: they are none. */
static inline int two_digits(const char *p)
{
    const unsigned first = (unsigned)p[0] - '0', second = (unsigned)p[1] - '0';

    return first <= 9 && second <= 9 ? (int)(first * 10 + second) : -1;
}

/* Up to six digits behind the point. */
static inline bool plain_fraction(const char *p, const char *end, int64_t *ret_fraction)
{
    int64_t fraction = 0, unit = SECOND;

    if (p == end || end - p > 6)
        return false;
    for (; p < end; p++, unit /= 10) {
        if (*p < '0' || *p > '9')
            return false;
        fraction = fraction * 10 + (*p - '0');
    }
    *ret_fraction = fraction * unit;
    return true;
}

/* Nearly all are YYYY-MM-DDThh:mm:ssZ, or with a fraction. False: this one is another, or none. */
static bool plain_moment(struct slice text, struct moment *moment)
{
    const char *const p = text.data;
    const size_t last = text.length - 1;

    if (text.length < sizeof "YYYY-MM-DDThh:mm:ssZ" - 1 || p[4] != '-' || p[7] != '-' || p[10] != 'T' ||
        p[13] != ':' || p[16] != ':' || p[last] != 'Z')
        return false;
    const int century = two_digits(p), year = two_digits(p + 2);
    *moment = (struct moment){.year = century * 100 + year,
        .month = two_digits(p + 5),
        .day = two_digits(p + 8),
        .hour = two_digits(p + 11),
        .minute = two_digits(p + 14),
        .second = two_digits(p + 17)};
    if (century < 0 || year < 0 || moment->year < 1 || moment->month < 1 || moment->month > 12 ||
        moment->day < 1 || moment->day > days_in_month(moment->year, moment->month) || moment->hour < 0 ||
        moment->hour > 23 || moment->minute < 0 || moment->minute > 59 || moment->second < 0 ||
        moment->second > 59)
        return false;
    return last == 19 || (p[19] == '.' && plain_fraction(p + 20, p + last, &moment->fraction));
}

int decode_rfc3339(struct slice text, int64_t *ret_time, struct error *error)
{
    struct moment moment = {0};
    char separator;

    if (plain_moment(text, &moment))
        return moment_time(&moment, ret_time, error);
    moment = (struct moment){0};
    if (take_date(&text, &moment))
        return refuse(error, "expected a date as in 2026-01-31T12:00:00Z");
    if (take_one_of(&text, "Tt ", &separator) || take_clock(&text, &moment))
        return refuse(error, "expected 'T' and a time of day behind the date, as in 2026-01-31T12:00:00Z");
    if (take_offset(&text, &moment) || text.length)
        return refuse(
            error, "expected Z or an offset such as +01:00, and nothing more, behind the time of day");

    return moment_time(&moment, ret_time, error);
}

/* ----------------------------------------------------------------------------------------------------------- */

int decode_time(const struct json_value *value, int64_t *ret_time, struct error *error)
{
    char plain[256];

    if (value->type == JSON_NUMBER)
        return number_time(value->text, ret_time, error);
    if (value->type != JSON_STRING || (value->escaped && value->text.length > sizeof plain))
        return refuse(
            error, "expected a number of seconds or milliseconds, or a text as in 2026-01-31T12:00:00Z");
    if (value->escaped)
        return decode_rfc3339((struct slice){plain, json_unescape(value, plain)}, ret_time, error);
    return decode_rfc3339(value->text, ret_time, error);
}
