/* log: see log.h. What a line looks like: log_line.c. */
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log_line.h"

#define LOG_NAMES_MAX 64 /* event names whose repetition is counted at a time */
#define LOG_NAME_MAX 48

/* One event name and its present window of LOG_BURST_SECONDS. */
struct log_name {
    char name[LOG_NAME_MAX];
    int64_t since; /* monotonic */
    uint64_t written;
    uint64_t held; /* back, and not yet told */
};

static struct {
    _Atomic(enum log_level) least;
    _Atomic(enum log_format) format;
    int fd;
    const struct clock *clock;
    pthread_mutex_t lock; /* guards names */
    struct log_name names[LOG_NAMES_MAX];
    size_t count;
} log_state = {
    .least = LOG_INFO,
    .fd = STDERR_FILENO,
    .clock = &clock_system,
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

struct log_field log_text(const char *key, const char *text)
{
    return log_bytes(key, text ? text : "", text ? strlen(text) : 0);
}

struct log_field log_bytes(const char *key, const char *data, size_t length)
{
    return (struct log_field){.key = key, .text = data ? data : "", .length = data ? length : 0};
}

struct log_field log_number(const char *key, int64_t number)
{
    return (struct log_field){.key = key, .number = number};
}

void log_change(enum log_level least, enum log_format format)
{
    atomic_store_explicit(&log_state.least, least, memory_order_relaxed);
    atomic_store_explicit(&log_state.format, format, memory_order_relaxed);
}

static bool log_tells(enum log_level level)
{
    return level >= atomic_load_explicit(&log_state.least, memory_order_relaxed);
}

void log_configure(enum log_level least, enum log_format format, int fd, const struct clock *clock)
{
    log_change(least, format);
    log_state.fd = fd;
    log_state.clock = clock;
    log_state.count = 0;
}

/* The name's row; a new name takes a free row, or the one whose window is the oldest. @holds log_state.lock */
static struct log_name *log_find(const char *event, int64_t now)
{
    struct log_name *oldest = log_state.names;

    for (size_t i = 0; i < log_state.count; i++) {
        struct log_name *name = &log_state.names[i];
        if (!strncmp(name->name, event, LOG_NAME_MAX - 1))
            return name;
        if (name->since < oldest->since)
            oldest = name;
    }
    struct log_name *name = log_state.count < LOG_NAMES_MAX ? &log_state.names[log_state.count++] : oldest;
    *name = (struct log_name){.since = now};
    snprintf(name->name, sizeof name->name, "%s", event);
    return name;
}

/* May this event be written now? ret_held: how many like it were held back before. */
static bool log_admit(const char *event, int64_t now, uint64_t *ret_held)
{
    pthread_mutex_lock(&log_state.lock);
    struct log_name *name = log_find(event, now);

    if (now - name->since >= LOG_BURST_SECONDS * CLOCK_SECOND) {
        name->since = now;
        name->written = 0;
    }
    const bool admitted = name->written < LOG_BURST;
    if (admitted) {
        name->written++;
        *ret_held = name->held;
        name->held = 0;
    } else
        name->held++;
    pthread_mutex_unlock(&log_state.lock);
    return admitted;
}

static void log_put(
    enum log_level level, const char *event, const struct log_field *fields, size_t count, uint64_t held)
{
    struct log_field all[LOG_FIELDS_MAX + 1];
    struct log_line line;

    if (count > LOG_FIELDS_MAX)
        count = LOG_FIELDS_MAX;
    if (count)
        memcpy(all, fields, count * sizeof *fields);
    if (held)
        all[count++] = log_number("repeated", (int64_t)held);
    log_line_render(&line, atomic_load_explicit(&log_state.format, memory_order_relaxed),
        clock_wall(log_state.clock), level, event, all, count);
    /* One write per line, so that lines of several threads do not mix. There is nobody to tell when it fails. */
    if (write(log_state.fd, line.data, line.length) < 0)
        return;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    uint64_t held;

    if (log_tells(level) && log_admit(event, clock_monotonic(log_state.clock), &held))
        log_put(level, event, fields, count, held);
}

void log_write_always(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    if (log_tells(level))
        log_put(level, event, fields, count, 0);
}
