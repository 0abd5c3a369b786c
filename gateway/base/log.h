/* log: one line per event on standard error, as text (key=value) or JSON.
 *
 * Only the edges log: main, the pipeline and a thread's body. Values are escaped (no CR, LF, ESC or other control
 * character from input reaches the terminal or splits a line). The same event name is written at most
 * LOG_BURST times in LOG_BURST_SECONDS; what was held back is counted in the next line's `repeated` field.
 * @thread any
 *
 *     log_event(LOG_WARN, "journal.damage", log_text("segment", name), log_number("first", first));
 */
#ifndef PENSTOCK_BASE_LOG_H
#define PENSTOCK_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define LOG_BURST 10
#define LOG_BURST_SECONDS 10
#define LOG_FIELDS_MAX 16 /* of one line; further ones are left out */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* One key=value pair; make it with the functions below. The text is not copied. */
struct log_field {
    const char *key;
    const char *text; /* NULL: number is the value */
    size_t length;
    int64_t number;
};

struct log_field log_text(const char *key, const char *text);
struct log_field log_bytes(const char *key, const char *data, size_t length);
struct log_field log_number(const char *key, int64_t number);

/* Call once before the first thread; without it: LOG_INFO, text, standard error, the system clock. */
void log_configure(enum log_level least, enum log_format format, int fd, const struct clock *clock);

/* What is logged from now on, and how; whoever is about to log may still do it as before. */
void log_change(enum log_level least, enum log_format format);

/* The event is named `room.what`; it is also the key of the repetition limit. */
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);

/* log_write() without the limit: for findings that must be told one by one, and are bounded otherwise. */
void log_write_always(enum log_level level, const char *event, const struct log_field *fields, size_t count);

#define log_event(level, event, ...) log_event_by_(log_write, level, event, __VA_ARGS__)
#define log_event_always(level, event, ...) log_event_by_(log_write_always, level, event, __VA_ARGS__)

#define log_event_by_(write_, level, event, ...)                                     \
    do {                                                                             \
        const struct log_field log_fields_[] = {__VA_ARGS__};                        \
        write_(level, event, log_fields_, sizeof log_fields_ / sizeof *log_fields_); \
    } while (0)

#endif
