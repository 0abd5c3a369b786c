/* log_line: renders one event as one line, as text or JSON. Pure; used by log.c.
 *
 *     2026-11-21T03:30:00.123Z info journal.open directory=/x segments=3
 *     {"time":"2026-11-21T03:30:00.123Z","level":"info","event":"journal.open","directory":"/x","segments":3}
 *
 * Text values are quoted when they are empty or hold a blank, a quote, '=' or anything that must be escaped. Control
 * characters become \n, \t, \r or \xNN per byte (JSON: \n, \t, \r or \u00NN), bytes that are not UTF-8 \xNN (JSON: \\xNN,
 * so that the line stays JSON). A value is cut behind LOG_VALUE_MAX bytes and then ends in "...". A field that does not fit
 * into the line is left out, and `cut` counts such fields. @thread any
 */
#ifndef PENSTOCK_BASE_LOG_LINE_H
#define PENSTOCK_BASE_LOG_LINE_H

#include "base/log.h"

#define LOG_LINE_MAX 8192
#define LOG_VALUE_MAX 1024

struct log_line {
    size_t length;
    char data[LOG_LINE_MAX]; /* ends in a line feed; not terminated */
};

/* The name of the level: "debug", "info", "warn", "error". */
const char *log_level_name(enum log_level level);

void log_line_render(struct log_line *line, enum log_format format, int64_t wall, enum log_level level,
    const char *event, const struct log_field *fields, size_t count);

#endif
