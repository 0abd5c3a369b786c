/* time_format: times as logs have them, read by a format of their own; see decode.h */
#include "decode/time_internal.h"

#include <stdlib.h>
#include <time.h>

/* What a format has, as bits of `parts`. */
enum part {
    PART_YEAR = 1,
    PART_MONTH = 2,
    PART_DAY = 4,
    PART_HOUR = 8,
    PART_MINUTE = 16,
    PART_ZONE = 32,
    PART_TWELVE = 64, /* an hour from 1 to 12 */
    PART_HALF = 128, /* AM or PM */
    PART_SECOND = 256,
    PART_FRACTION = 512,
};

#define PARTS_NEEDED (PART_MONTH | PART_DAY | PART_HOUR | PART_MINUTE)

static int refuse(struct error *error, const char *format, const char *why)
{
    return error_set(error, ERROR_REJECT, "time: not as in '%s': %s", format, why);
}

/* ---- one directive ------------------------------------------------------------------------------------------ */

static int take_month_name(struct slice *text, int *ret_month)
{
    static const char *const names[] = {"january", "february", "march", "april", "may", "june", "july",
        "august", "september", "october", "november", "december"};

    for (int month = 0; month < 12; month++) {
        const char *name = names[month];
        size_t length = 0;
        while (length < text->length && name[length] && (text->data[length] | 0x20) == name[length])
            length++;
        if (length < 3)
            continue;
        if (name[length])
            length = month == 8 && length == 4 ? 4 : 3; /* Sept */
        *text = (struct slice){text->data + length, text->length - length};
        *ret_month = month + 1;
        return 0;
    }
    return -1;
}

/* Two digits, or one that no other follows. */
static int take_short(struct slice *text, int first, int last, int *ret_number)
{
    const bool two = text->length > 1 && text->data[1] >= '0' && text->data[1] <= '9';

    return take_number(text, two ? 2 : 1, first, last, ret_number);
}

/* A blank may stand for the first digit. */
static int take_day(struct slice *text, int *ret_day)
{
    char blank;

    (void)take_one_of(text, " ", &blank);
    return take_short(text, 1, 31, ret_day);
}

/* POSIX: 69 to 99 are of the last century. */
static int take_short_year(struct slice *text, int *ret_year)
{
    if (take_number(text, 2, 0, 99, ret_year))
        return -1;
    *ret_year += *ret_year < 69 ? 2000 : 1900;
    return 0;
}

static int take_zone(struct slice *text, int *ret_offset)
{
    int hours, minutes = 0;
    char sign, colon;

    *ret_offset = 0;
    if (take_one_of(text, "Zz", &sign) == 0)
        return 0;
    if (text->length >= 3 && (memcmp(text->data, "UTC", 3) == 0 || memcmp(text->data, "GMT", 3) == 0)) {
        *text = (struct slice){text->data + 3, text->length - 3};
        return 0;
    }
    if (take_one_of(text, "+-", &sign) || take_number(text, 2, 0, 23, &hours))
        return -1;
    const bool more =
        take_one_of(text, ":", &colon) == 0 || (text->length && text->data[0] >= '0' && text->data[0] <= '9');
    if (more && take_number(text, 2, 0, 59, &minutes))
        return -1;
    *ret_offset = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
    return 0;
}

/* AM and PM behind an hour from 1 to 12. */
static int take_half(struct slice *text, int *hour)
{
    char half, m;

    if (take_one_of(text, "AaPp", &half) || take_one_of(text, "Mm", &m))
        return -1;
    *hour = *hour % 12 + (half == 'P' || half == 'p' ? 12 : 0);
    return 0;
}

static const struct {
    char letter;
    unsigned parts;
} directives[] = {{'Y', PART_YEAR}, {'y', PART_YEAR}, {'m', PART_MONTH}, {'b', PART_MONTH}, {'d', PART_DAY},
    {'e', PART_DAY}, {'H', PART_HOUR}, {'I', PART_HOUR | PART_TWELVE}, {'p', PART_HALF}, {'M', PART_MINUTE},
    {'S', PART_SECOND}, {'f', PART_FRACTION}, {'z', PART_ZONE}, {'%', 0}};

static int take_directive(struct slice *text, char letter, struct moment *moment)
{
    char percent;

    switch (letter) {
    case 'Y':
        return take_number(text, 4, 1, 9999, &moment->year);
    case 'y':
        return take_short_year(text, &moment->year);
    case 'm':
        return take_short(text, 1, 12, &moment->month);
    case 'b':
        return take_month_name(text, &moment->month);
    case 'd':
    case 'e':
        return take_day(text, &moment->day);
    case 'H':
        return take_short(text, 0, 23, &moment->hour);
    case 'I':
        return take_short(text, 1, 12, &moment->hour);
    case 'p':
        return take_half(text, &moment->hour);
    case 'M':
        return take_short(text, 0, 59, &moment->minute);
    case 'S':
        return take_short(text, 0, 60, &moment->second);
    case 'f':
        return take_fraction(text, &moment->fraction);
    case 'z':
        return take_zone(text, &moment->offset);
    default:
        return take_one_of(text, "%", &percent);
    }
}

static void skip_blanks(struct slice *text)
{
    while (text->length && (text->data[0] == ' ' || text->data[0] == '\t'))
        *text = (struct slice){text->data + 1, text->length - 1};
}

/* ---- a format ----------------------------------------------------------------------------------------------- */

static int format_parts(const char *format, unsigned *ret_parts, struct error *error)
{
    unsigned parts = 0;

    for (const char *p = format; *p; p++) {
        size_t i = 0;
        if (*p != '%')
            continue;
        p++;
        while (i < sizeof directives / sizeof *directives && directives[i].letter != *p)
            i++;
        if (i == sizeof directives / sizeof *directives)
            return error_set(error, ERROR_REJECT,
                "'%s': %%%c is not known; there are %%Y %%y %%m %%b %%d %%e %%H %%I %%p %%M %%S %%f %%z and %%%%",
                format, *p > ' ' && *p < 0x7f ? *p : '?');
        if (parts & directives[i].parts)
            return error_set(
                error, ERROR_REJECT, "'%s': %%%c says again what stands there already", format, *p);
        if (*p == 'f' && p[1] == '%' && p[2] && strchr("YymdeHIMSf", p[2]))
            return error_set(error, ERROR_REJECT,
                "'%s': behind %%f, which takes all digits, no other number can stand", format);
        if (directives[i].parts == PART_HALF && !(parts & PART_TWELVE))
            return error_set(error, ERROR_REJECT, "'%s': %%p belongs behind an hour of %%I", format);
        parts |= directives[i].parts;
    }
    *ret_parts = parts;
    return 0;
}

int time_format_compile(struct time_format *ret_format, const char *format, struct error *error)
{
    unsigned parts;

    if (strlen(format) > TIME_FORMAT_MAX)
        return error_set(error, ERROR_REJECT, "a format has at most %d bytes", TIME_FORMAT_MAX);
    if (format_parts(format, &parts, error))
        return -1;
    if ((parts & PARTS_NEEDED) != PARTS_NEEDED)
        return error_set(error, ERROR_REJECT, "'%s': month, day, hour and minute have to be in it", format);
    if ((parts & PART_TWELVE) && !(parts & PART_HALF))
        return error_set(error, ERROR_REJECT, "'%s': an hour of %%I needs %%p behind it", format);
    *ret_format = (struct time_format){.has_year = parts & PART_YEAR, .has_zone = parts & PART_ZONE};
    memcpy(ret_format->text, format, strlen(format) + 1);
    return 0;
}

int time_format_set_zone(struct time_format *format, const char *zone, struct error *error)
{
    struct slice text = slice_of(zone);
    const bool local = strcmp(zone, "local") == 0;
    int offset = 0;

    if (!local && strcmp(zone, "UTC") != 0 && (take_zone(&text, &offset) || text.length))
        return error_set(
            error, ERROR_REJECT, "'%s' is no zone: UTC, local, or an offset such as +01:00", zone);
    format->local = local && !format->has_zone;
    format->offset = offset;
    return 0;
}

/* With summer time or without: is there such a time of day, and which? */
static bool local_try(struct tm wanted, int summer, time_t *ret_seconds)
{
    struct tm made = wanted, again;

    made.tm_isdst = summer;
    *ret_seconds = mktime(&made);
    return localtime_r(ret_seconds, &again) && again.tm_min == wanted.tm_min &&
           again.tm_hour == wanted.tm_hour && again.tm_mday == wanted.tm_mday;
}

/* By the machine's time zone. Where the clock was set back there are two such times: the one nearer to `received` counts, whatever mktime() was
 * asked before; where it was set forward and there is none, the clock that was not yet set. */
static int local_time(const struct moment *moment, int64_t received, int64_t *ret_time, struct error *error)
{
    struct tm broken = {.tm_year = moment->year - 1900,
        .tm_mon = moment->month - 1,
        .tm_mday = moment->day,
        .tm_hour = moment->hour,
        .tm_min = moment->minute,
        .tm_sec = moment->second < 60 ? moment->second : 59};
    struct moment utc = *moment;
    time_t seconds, summer;
    const bool winter = local_try(broken, 0, &seconds);

    if (local_try(broken, 1, &summer) &&
        (!winter || llabs(summer - received / SECOND) < llabs(seconds - received / SECOND)))
        seconds = summer;
    if (!gmtime_r(&seconds, &broken))
        return error_set(error, ERROR_REJECT, "time: %s",
            "not known to the machine's time zone"); /* GCOVR_EXCL_LINE years have four digits */
    utc.year = broken.tm_year + 1900;
    utc.month = broken.tm_mon + 1;
    utc.day = broken.tm_mday;
    utc.hour = broken.tm_hour;
    utc.minute = broken.tm_min;
    utc.second = moment->second < 60 ? broken.tm_sec : 60;
    return moment_time(&utc, ret_time, error);
}

static int time_of(const struct time_format *format, const struct moment *moment, int64_t received,
    int64_t *ret_time, struct error *error)
{
    if (moment->day > days_in_month(moment->year, moment->month))
        return refuse(error, format->text, "the month has no such day");
    return format->local ? local_time(moment, received, ret_time, error)
                         : moment_time(moment, ret_time, error);
}

/* Without a year: the one that brings it nearest to when it was received. */
static int time_in_some_year(const struct time_format *format, struct moment *moment, int64_t received,
    int64_t *ret_time, struct error *error)
{
    const time_t seconds = (time_t)(received / SECOND);
    int64_t nearest = INT64_MAX;
    struct tm now;
    int result = -1;

    if (!gmtime_r(&seconds, &now))
        return refuse(error, format->text, "it has no year"); /* GCOVR_EXCL_LINE: no clock is that wrong */
    for (int year = now.tm_year + 1899; year <= now.tm_year + 1901; year++) {
        int64_t time;
        moment->year = year;
        if (time_of(format, moment, received, &time, error) || llabs(time - received) >= nearest)
            continue;
        nearest = llabs(time - received);
        *ret_time = time;
        result = 0;
    }
    return result;
}

int decode_time_as(const struct time_format *format, struct slice text, int64_t received, int64_t *ret_time,
    struct error *error)
{
    struct moment moment = {.offset = format->offset};

    for (const char *p = format->text; *p; p++) {
        int result = 0;
        if (*p == '%')
            result = take_directive(&text, *++p, &moment);
        else if (*p == ' ')
            skip_blanks(&text);
        else if ((result = text.length == 0 || text.data[0] != *p ? -1 : 0) == 0)
            text = (struct slice){text.data + 1, text.length - 1};
        if (result)
            return refuse(error, format->text, "it differs from it");
    }
    if (text.length)
        return refuse(error, format->text, "something stands behind it");
    return format->has_year ? time_of(format, &moment, received, ret_time, error)
                            : time_in_some_year(format, &moment, received, ret_time, error);
}
