/* journal_inspect: what `penstock journal inspect` prints, for people or as JSON. @thread main */
#ifndef PENSTOCK_COMMAND_JOURNAL_INSPECT_H
#define PENSTOCK_COMMAND_JOURNAL_INSPECT_H

#include "journal/view.h"

/* How much state there is. */
struct inspect_count {
    struct {
        char stream[RECORD_STREAM_NAME_MAX + 1];
        uint64_t count;
    } * streams; /* with renderings, owned */
    size_t streams_count;
    uint64_t sessions, packets, files, answers, sequences;
};

int journal_inspect_json(const struct journal_view *view, const char *directory,
    const struct inspect_count *count, struct error *error);

/* "2026-01-02T03:04:05Z" */
#define INSPECT_TIME_SIZE 32
void journal_inspect_time(int64_t time, char text[INSPECT_TIME_SIZE]);

#endif
