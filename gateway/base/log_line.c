/* log_line: see log_line.h */
#include "base/log_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

/* Always kept free: `,"cut":N}` and the line feed. */
#define LOG_LINE_RESERVE 32

static const char *const log_level_names[] = {"debug", "info", "warn", "error"};

const char *log_level_name(enum log_level level)
{
    return log_level_names[level];
}

/* All writers return false, and write nothing, when the line is full. */
static bool log_line_add(struct log_line *line, const char *data, size_t length, size_t reserve)
{
    if (length > sizeof line->data - reserve - line->length)
        return false;
    memcpy(line->data + line->length, data, length);
    line->length += length;
    return true;
}

__attribute__((format(printf, 3, 4))) static bool log_line_print(
    struct log_line *line, size_t reserve, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return (size_t)length < sizeof text && log_line_add(line, text, (size_t)length, reserve);
}

/* One well-formed character, or one byte that is none, in its escaped form; returns the bytes of input used. */
static size_t log_line_escape(
    const char *data, size_t length, enum log_format format, char out[24], size_t *ret_length)
{
    const bool json = format == LOG_FORMAT_JSON;
    size_t used = utf8_sequence(data, length);
    const unsigned char first = (unsigned char)*data;
    int written;

    if (used == 0) {
        used = 1;
        written = snprintf(out, 24, json ? "\\\\x%02x" : "\\x%02x", first);
    } else if (*data == '"' || *data == '\\')
        written = snprintf(out, 24, "\\%c", *data);
    else if (*data == '\n' || *data == '\r' || *data == '\t')
        written = snprintf(out, 24, "\\%c", *data == '\n' ? 'n' : *data == '\r' ? 'r' : 't');
    else if (utf8_is_control(data) && json)
        written = snprintf(out, 24, "\\u00%02x", used == 2 ? (unsigned char)data[1] : first);
    else if (utf8_is_control(data))
        written = used == 2 ? snprintf(out, 24, "\\x%02x\\x%02x", first, (unsigned char)data[1])
                            : snprintf(out, 24, "\\x%02x", first);
    else {
        memcpy(out, data, used);
        written = (int)used;
    }
    *ret_length = (size_t)written;
    return used;
}

static bool log_line_add_escaped(
    struct log_line *line, enum log_format format, const char *data, size_t length)
{
    const size_t shown = length > LOG_VALUE_MAX ? LOG_VALUE_MAX : length;

    for (size_t i = 0; i < shown;) {
        char out[24];
        size_t out_length;
        i += log_line_escape(data + i, length - i, format, out, &out_length);
        if (!log_line_add(line, out, out_length, LOG_LINE_RESERVE))
            return false;
    }
    return shown == length || log_line_print(line, LOG_LINE_RESERVE, "...");
}

static bool log_line_is_plain(const char *data, size_t length)
{
    if (length == 0 || length > LOG_VALUE_MAX)
        return false;
    for (size_t i = 0; i < length;) {
        size_t used = utf8_sequence(data + i, length - i);
        if (used == 0 || utf8_is_control(data + i) || memchr(" \"\\=", data[i], 4))
            return false;
        i += used;
    }
    return true;
}

static bool log_line_add_value(struct log_line *line, enum log_format format, const struct log_field *field)
{
    if (!field->text)
        return log_line_print(line, LOG_LINE_RESERVE, "%" PRId64, field->number);
    if (format == LOG_FORMAT_TEXT && log_line_is_plain(field->text, field->length))
        return log_line_add(line, field->text, field->length, LOG_LINE_RESERVE);
    return log_line_add(line, "\"", 1, LOG_LINE_RESERVE) &&
           log_line_add_escaped(line, format, field->text, field->length) &&
           log_line_add(line, "\"", 1, LOG_LINE_RESERVE);
}

static bool log_line_add_field(struct log_line *line, enum log_format format, const struct log_field *field)
{
    const char *key = format == LOG_FORMAT_JSON ? ",\"%s\":" : " %s=";
    const size_t before = line->length;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (log_line_print(line, LOG_LINE_RESERVE, key, field->key) && log_line_add_value(line, format, field))
        return true;
#pragma GCC diagnostic pop
    line->length = before;
    return false;
}

static void log_line_add_head(
    struct log_line *line, enum log_format format, int64_t wall, const char *level, const char *event)
{
    const time_t seconds = (time_t)(wall / CLOCK_SECOND);
    struct tm when;
    char time[32];

    gmtime_r(&seconds, &when);
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &when);
    log_line_print(line, LOG_LINE_RESERVE,
        format == LOG_FORMAT_JSON ? "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"event\":\"%s\""
                                  : "%s.%03dZ %s %s",
        time, (int)(wall % CLOCK_SECOND / 1000), level, event);
}

void log_line_render(struct log_line *line, enum log_format format, int64_t wall, enum log_level level,
    const char *event, const struct log_field *fields, size_t count)
{
    size_t cut = 0;

    line->length = 0;
    log_line_add_head(line, format, wall, log_level_names[level], event);
    for (size_t i = 0; i < count; i++)
        cut += !log_line_add_field(line, format, &fields[i]);
    if (cut)
        log_line_print(line, 0, format == LOG_FORMAT_JSON ? ",\"cut\":%zu" : " cut=%zu", cut);
    if (format == LOG_FORMAT_JSON)
        log_line_add(line, "}", 1, 0);
    log_line_add(line, "\n", 1, 0);
}
