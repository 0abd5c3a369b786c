/* tell: what people hear of the files: log, metrics, /readyz; see files_internal.h */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/health.h"
#include "base/log.h"
#include "files/files_internal.h"
#include "files/unpack.h"

#define TELL_CONDITION "files"

int file_tell_open(struct source *source, struct error *error)
{
    source->counts = intake_counts_new(source->context.routes, FILES_SOURCE_NAME);
    if (!source->counts)
        return error_set(error, ERROR_FATAL, "files: out of memory");
    source->payload_bytes = metric_series(METRIC_REQUEST_BYTES, FILES_SOURCE_NAME, NULL, NULL);
    for (size_t i = 0; i < source->watches_count; i++) {
        struct file_watch *watch = &source->watches[i];
        const char *name = watch->from->name;
        watch->files = metric_series(METRIC_FILES_KNOWN, name, NULL, NULL);
        watch->waiting = metric_series(METRIC_FILES_WAITING, name, NULL, NULL);
        watch->oldest_unread = metric_series(METRIC_FILES_OLDEST, name, NULL, NULL);
        watch->lag = metric_series(METRIC_FILES_LAG, name, NULL, NULL);
        watch->lines = metric_series(METRIC_FILES_LINES, name, NULL, NULL);
        watch->bytes = metric_series(METRIC_FILES_BYTES, name, NULL, NULL);
        watch->finished = metric_series(METRIC_FILES_FINISHED, name, NULL, NULL);
        watch->failed = metric_series(METRIC_FILES_FAILED, name, NULL, NULL);
        watch->gaps = metric_series(METRIC_FILES_GAPS, name, NULL, NULL);
        watch->truncated = metric_series(METRIC_FILES_TRUNCATED, name, NULL, NULL);
        watch->long_count = metric_series(METRIC_FILES_LONG_LINES, name, NULL, NULL);
        watch->given_up = metric_series(METRIC_FILES_PATTERNS_GIVEN_UP, name, NULL, NULL);
        watch->undecodable = metric_series(METRIC_FILES_UNDECODABLE, name, NULL, NULL);
    }
    return 0;
}

/* Another source may follow, which does not watch all of them. */
void file_tell_close(struct source *source)
{
    for (size_t i = 0; source->counts && i < source->watches_count; i++) {
        const struct file_watch *watch = &source->watches[i];
        struct metric_series *const gauges[] = {
            watch->files, watch->waiting, watch->oldest_unread, watch->lag};
        for (size_t j = 0; j < sizeof gauges / sizeof *gauges; j++)
            metric_set(gauges[j], 0);
    }
    if (*source->trouble)
        health_set(TELL_CONDITION, HEALTH_OK, NULL);
}

void file_tell_new(const struct file *file)
{
    log_event(LOG_INFO, "files.new", log_text("watch", file->look->watch->from->name),
        log_text("file", file->shown), log_number("from", (int64_t)file->position),
        log_number("size", (int64_t)file->size));
}

void file_tell_event(const struct file *file, const char *event, uint64_t bytes)
{
    log_event(LOG_WARN, event, log_text("watch", file->look ? file->look->watch->from->name : ""),
        log_text("file", file->shown), log_number("position", (int64_t)file->position),
        log_number("bytes", (int64_t)bytes));
}

/* Told once, until it is another one; of those that one scan meets the first. */
void file_tell_trouble(struct source *source, const char *format, ...)
{
    char text[sizeof source->trouble];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const bool told = source->troubled == source->scan && *source->trouble;
    source->troubled = source->scan;
    source->troubled_until = files_now(source) + 2 * FILE_OPEN_PAUSE;
    if (told || strcmp(text, source->trouble) == 0)
        return;
    memcpy(source->trouble, text, sizeof text);
    log_event(LOG_WARN, "files.trouble", log_text("reason", text));
    health_set(TELL_CONDITION, HEALTH_DEGRADED, text);
}

/* A whole scan later, and what came between scans; and when what is tried again after a pause had its turn. */
void file_tell_well(struct source *source)
{
    if (*source->trouble == '\0' || source->scan - source->troubled < 2 ||
        files_now(source) < source->troubled_until)
        return;
    *source->trouble = '\0';
    log_event(LOG_INFO, "files.well", log_number("files", (int64_t)source->files_count));
    health_set(TELL_CONDITION, HEALTH_OK, NULL);
}

static uint64_t tell_unread(const struct file *file)
{
    if (file->unpack)
        return file_unpack_left(file->unpack, file->position);
    return file->size > file->position ? file->size - file->position : 0;
}

static void tell_file(struct file *file, int64_t now)
{
    struct file_watch *watch = file->look->watch;
    const uint64_t unread = tell_unread(file);

    watch->known_files++;
    if (unread == 0) {
        file->unread_at = 0;
        return;
    }
    if (!file->unread_at)
        file->unread_at = now;
    watch->unread += unread;
    watch->oldest = file->unread_at < watch->oldest ? file->unread_at : watch->oldest;
}

void file_tell_gauges(struct source *source)
{
    const int64_t now = files_now(source);

    for (size_t i = 0; i < source->watches_count; i++) {
        source->watches[i].known_files = source->watches[i].unread = 0;
        source->watches[i].oldest = now;
    }
    for (struct file *file = source->first; file; file = file->behind) {
        if (file->look && !file->gone && file->life != FILE_LEFT_OUT)
            tell_file(file, now);
    }
    for (size_t i = 0; i < source->watches_count; i++) {
        metric_set(source->watches[i].files, (double)source->watches[i].known_files);
        metric_set(source->watches[i].lag, (double)source->watches[i].unread);
        metric_set(
            source->watches[i].oldest_unread, (double)(now - source->watches[i].oldest) / CLOCK_SECOND);
    }
}

void file_tell_batch(const struct source *source, const struct file_batch *batch)
{
    uint64_t bytes = 0;

    for (size_t i = 1; i <= source->context.routes->places; i++) {
        const struct file_stream_count *count = &batch->streams[i];
        const struct stream *stream = source->context.routes->kept[i - 1];
        intake_count_accepted(source->counts, stream, count->accepted, count->schema_invalid);
        intake_count_all_rejected(source->counts, stream, count->rejected);
    }
    for (size_t i = 0; i < source->watches_count; i++) {
        metric_add(source->watches[i].lines, batch->watches[i].lines);
        metric_add(source->watches[i].bytes, batch->watches[i].bytes);
        bytes += batch->watches[i].bytes;
    }
    metric_add(source->payload_bytes, bytes);
}
