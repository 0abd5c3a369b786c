/* value_text: see value_text.h. */
#include "lake/format/value_text.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "lake/format/value_shortest.h"

#define DAY_MICROSECONDS INT64_C(86400000000)
#define SECOND_MICROSECONDS 1000000
#define UINT64_DIGITS 20
#define VALUE_YEAR_ONE (-719162) /* days since 1970 of 0001-01-01 */
#define TEN_TO_19 UINT64_C(10000000000000000000)

static const char value_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static char *value_put(char *to, const char *text, size_t length)
{
    memcpy(to, text, length);
    return to + length;
}

static char *value_put_two(char *to, unsigned number)
{
    return value_put(to, value_pairs + 2 * (size_t)number, 2);
}

/* Ends at end; returns where it begins. */
static char *value_put_before(char *end, uint64_t number)
{
    while (number >= 100) {
        end -= 2;
        value_put_two(end, (unsigned)(number % 100));
        number /= 100;
    }
    if (number >= 10) {
        end -= 2;
        value_put_two(end, (unsigned)number);
    } else
        *--end = (char)('0' + number);
    return end;
}

static char *value_put_uint(char *to, uint64_t number)
{
    char digits[UINT64_DIGITS];
    const char *begin = value_put_before(digits + sizeof(digits), number);

    return value_put(to, begin, (size_t)(digits + sizeof(digits) - begin));
}

char *value_text_int(char *to, int64_t value)
{
    if (value >= 0)
        return value_put_uint(to, (uint64_t)value);
    *to++ = '-';
    return value_put_uint(to, -(uint64_t)value);
}

/* ---- floats ---------------------------------------------------------------------------------------------------------------- */

/* Where numbers are printed without an exponent: from 10^first to below 10^end. */
struct value_range {
    int first, end;
};

static const struct value_range value_range64 = {-4, 15}, value_range32 = {-4, 6}, value_range_java = {-3, 7};

static char *value_put_zeros(char *to, int count)
{
    memset(to, '0', (size_t)count);
    return to + count;
}

/* count digits, and where the point stands among them: behind the first `point` of them, which may be none or fewer. */
static char *value_put_fixed(char *to, const char *digits, int count, int point, enum delimited_style style)
{
    if (point <= 0) {
        to = value_put_zeros(value_put(to, "0.", 2), -point);
        return value_put(to, digits, (size_t)count);
    }
    if (point < count) {
        to = value_put(to, digits, (size_t)point);
        *to++ = '.';
        return value_put(to, digits + point, (size_t)(count - point));
    }
    to = value_put_zeros(value_put(to, digits, (size_t)count), point - count);
    return style == DELIMITED_JAVA ? value_put(to, ".0", 2) : to;
}

static char *value_put_scientific(
    char *to, const char *digits, int count, int exponent, enum delimited_style style)
{
    const unsigned magnitude = (unsigned)abs(exponent);

    *to++ = digits[0];
    if (count > 1) {
        *to++ = '.';
        to = value_put(to, digits + 1, (size_t)count - 1);
    } else if (style == DELIMITED_JAVA)
        to = value_put(to, ".0", 2);
    *to++ = style == DELIMITED_JAVA ? 'E' : 'e';
    if (exponent < 0 || style != DELIMITED_JAVA)
        *to++ = exponent < 0 ? '-' : '+';
    if (magnitude < 10 && style != DELIMITED_JAVA)
        *to++ = '0';
    return value_put_uint(to, magnitude);
}

static char *value_put_decimal(
    char *to, struct value_decimal decimal, struct value_range range, enum delimited_style style)
{
    char text[UINT64_DIGITS];
    const char *digits = value_put_before(text + sizeof(text), decimal.digits);
    const int count = (int)(text + sizeof(text) - digits), point = count + decimal.exponent;

    if (point > range.first && point <= range.end)
        return value_put_fixed(to, digits, count, point, style);
    return value_put_scientific(to, digits, count, point - 1, style);
}

/* Java prints two digits at least, and of those the closest to the number. Only the smallest numbers have so few bits that one
 * digit, or one digit and a zero, is not that. */
static struct value_decimal value_two_digits(double value)
{
    char text[16];

    snprintf(text, sizeof(text), "%.1e", value);
    const unsigned digits = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[2] - '0');
    const int exponent = (int)strtol(text + 4, NULL, 10) - 1;
    return digits % 10 ? (struct value_decimal){digits, exponent}
                       : (struct value_decimal){digits / 10, exponent + 1};
}

/* What is neither 0 nor finite; NULL else. */
static char *value_put_special(char *to, double value, enum delimited_style style)
{
    const bool negative = __builtin_signbit(value);

    if (__builtin_isnan(value))
        return value_put(to, "NaN", 3);
    if (__builtin_isinf(value))
        return negative ? value_put(to, "-Infinity", 9) : value_put(to, "Infinity", 8);
    if (value != 0)
        return NULL;
    if (negative)
        return value_put(to, "-0.0", style == DELIMITED_POSTGRES ? 2 : 4);
    return value_put(to, "0.0", style == DELIMITED_JAVA ? 3 : 1);
}

/* least: the exponent up to which one digit is not enough for Java. */
static char *value_put_float(char *to, double value, struct value_decimal decimal, int least,
    struct value_range range, enum delimited_style style)
{
    if (value < 0)
        *to++ = '-';
    if (style != DELIMITED_JAVA)
        return value_put_decimal(to, decimal, range, style);
    if (decimal.digits < 10 && decimal.exponent <= least)
        decimal = value_two_digits(__builtin_fabs(value));
    return value_put_decimal(to, decimal, value_range_java, style);
}

char *value_text_float64(char *to, double value, enum delimited_style style)
{
    char *end = value_put_special(to, value, style);

    return end ? end : value_put_float(to, value, value_shortest64(value), -321, value_range64, style);
}

char *value_text_float32(char *to, float value, enum delimited_style style)
{
    char *end = value_put_special(to, (double)value, style);

    return end ? end : value_put_float(to, (double)value, value_shortest32(value), -43, value_range32, style);
}

/* ---- decimals -------------------------------------------------------------------------------------------------------------- */

char *value_text_decimal(char *to, const void *value, unsigned scale)
{
    char text[2 * UINT64_DIGITS];
    char *const end = text + sizeof(text);
    uint64_t high, low;

    memcpy(&high, value, sizeof(high));
    memcpy(&low, (const char *)value + sizeof(high), sizeof(low));
    unsigned __int128 magnitude = (unsigned __int128)be64toh(high) << 64 | be64toh(low);
    if (magnitude >> 127) {
        *to++ = '-';
        magnitude = -magnitude;
    }

    char *begin = value_put_before(end, (uint64_t)(magnitude % TEN_TO_19));
    if (magnitude >= TEN_TO_19) {
        memset(end - 19, '0', (size_t)(begin - (end - 19)));
        begin = value_put_before(end - 19, (uint64_t)(magnitude / TEN_TO_19));
    }
    const unsigned count = (unsigned)(end - begin);
    if (!scale)
        return value_put(to, begin, count);
    if (scale < count) {
        to = value_put(to, begin, count - scale);
        *to++ = '.';
        return value_put(to, end - scale, scale);
    }
    to = value_put_zeros(value_put(to, "0.", 2), (int)(scale - count));
    return value_put(to, begin, count);
}

/* ---- dates and times ------------------------------------------------------------------------------------------------------- */

static char *value_put_infinity(char *to, bool negative)
{
    return negative ? value_put(to, "-infinity", 9) : value_put(to, "infinity", 8);
}

static char *value_put_year(char *to, int64_t year, enum delimited_style style)
{
    if (year <= 0 && style == DELIMITED_POSTGRES)
        year = 1 - year; /* value_put_era() */
    else if (year < 0) {
        *to++ = '-';
        year = -year;
    } else if (year > 9999 && style == DELIMITED_ISO)
        *to++ = '+';
    if (year > 9999)
        return value_put_uint(to, (uint64_t)year);
    return value_put_two(value_put_two(to, (unsigned)(year / 100)), (unsigned)(year % 100));
}

/* Days since 1970-01-01. The algorithm is civil_from_days() of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in
 * March, so that leap days end them, and come in eras of 400. */
static char *value_put_date(char *to, int64_t days, enum delimited_style style)
{
    const int64_t shifted = days + 719468;
    const int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    const unsigned day_of_era = (unsigned)(shifted - era * 146097);
    const unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned shifted_month = (5 * day_of_year + 2) / 153;
    const unsigned day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    const unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;

    to = value_put_year(to, era * 400 + year_of_era + (month <= 2), style);
    *to++ = '-';
    to = value_put_two(to, month);
    *to++ = '-';
    return value_put_two(to, day);
}

/* What PostgreSQL prints behind all of a date or timestamp. */
static char *value_put_era(char *to, int64_t days, enum delimited_style style)
{
    return style == DELIMITED_POSTGRES && days < VALUE_YEAR_ONE ? value_put(to, " BC", 3) : to;
}

/* microseconds since midnight; fraction: at least so many digits of the second's. */
static char *value_put_time(char *to, uint64_t microseconds, bool fraction)
{
    const unsigned seconds = (unsigned)(microseconds / SECOND_MICROSECONDS);
    unsigned rest = (unsigned)(microseconds % SECOND_MICROSECONDS);

    to = value_put_two(to, seconds / 3600);
    *to++ = ':';
    to = value_put_two(to, seconds / 60 % 60);
    *to++ = ':';
    to = value_put_two(to, seconds % 60);
    if (!rest)
        return fraction ? value_put(to, ".0", 2) : to;
    *to++ = '.';
    to = value_put_two(to, rest / 10000);
    to = value_put_two(to, rest / 100 % 100);
    to = value_put_two(to, rest % 100);
    while (to[-1] == '0')
        to--;
    return to;
}

char *value_text_date(char *to, int32_t days, enum delimited_style style)
{
    if (days == INT32_MIN || days == INT32_MAX)
        return value_put_infinity(to, days < 0);
    return value_put_era(value_put_date(to, days, style), days, style);
}

char *value_text_time(char *to, int64_t microseconds)
{
    return value_put_time(to, (uint64_t)microseconds, false);
}

char *value_text_timestamp(char *to, int64_t microseconds, bool utc, enum delimited_style style)
{
    if (microseconds == INT64_MIN || microseconds == INT64_MAX)
        return value_put_infinity(to, microseconds < 0);

    int64_t days = microseconds / DAY_MICROSECONDS, rest = microseconds % DAY_MICROSECONDS;
    if (rest < 0) {
        rest += DAY_MICROSECONDS;
        days--;
    }
    to = value_put_date(to, days, style);
    *to++ = style == DELIMITED_ISO ? 'T' : ' ';
    to = value_put_time(to, (uint64_t)rest, style == DELIMITED_JAVA);
    if (utc && style == DELIMITED_ISO)
        *to++ = 'Z';
    if (utc && style == DELIMITED_POSTGRES)
        to = value_put(to, "+00", 3);
    return value_put_era(to, days, style);
}

/* ---- the rest -------------------------------------------------------------------------------------------------------------- */

char *value_text_uuid(char *to, const void *value)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *bytes = value;

    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = hex[bytes[i] >> 4];
        *to++ = hex[bytes[i] & 15];
    }
    return to;
}

/* Fixed parts are aligned for their type. */
#define VALUE_OF(type, column, row) (((const type *)(const void *)(column)->fixed)[row])

char *value_text(char *to, const struct column *column, size_t row, enum delimited_style style)
{
    switch (column->field->type) {
    case COLUMN_BOOL:
        if (style == DELIMITED_POSTGRES)
            return value_put(to, VALUE_OF(uint8_t, column, row) ? "t" : "f", 1);
        return VALUE_OF(uint8_t, column, row) ? value_put(to, "true", 4) : value_put(to, "false", 5);
    case COLUMN_INT32:
        return value_text_int(to, VALUE_OF(int32_t, column, row));
    case COLUMN_INT64:
        return value_text_int(to, VALUE_OF(int64_t, column, row));
    case COLUMN_FLOAT32:
        return value_text_float32(to, VALUE_OF(float, column, row), style);
    case COLUMN_FLOAT64:
        return value_text_float64(to, VALUE_OF(double, column, row), style);
    case COLUMN_DECIMAL:
        return value_text_decimal(to, column->fixed + 16 * row, column->field->scale);
    case COLUMN_DATE:
        return value_text_date(to, VALUE_OF(int32_t, column, row), style);
    case COLUMN_TIME:
        return value_text_time(to, VALUE_OF(int64_t, column, row));
    case COLUMN_TIMESTAMP:
        return value_text_timestamp(to, VALUE_OF(int64_t, column, row), false, style);
    case COLUMN_TIMESTAMP_UTC:
        return value_text_timestamp(to, VALUE_OF(int64_t, column, row), true, style);
    default:
        assert(column->field->type == COLUMN_UUID);
        return value_text_uuid(to, column->fixed + 16 * row);
    }
}
