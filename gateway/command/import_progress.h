/* import_progress: how far an import is, on standard error. @thread main */
#ifndef PENSTOCK_COMMAND_IMPORT_PROGRESS_H
#define PENSTOCK_COMMAND_IMPORT_PROGRESS_H

#include <jansson.h>
#include <stdio.h>

#include "command/import_options.h"
#include "table/job.h"

struct import_teller {
    enum import_progress how; /* never IMPORT_PROGRESS_AUTO once it is opened */
    bool terminal; /* lines are written over */
    size_t shown; /* lines that stand there */
    int64_t next; /* elapsed time of the next line or event */
};

/* What has names or texts of a database in it, as base/shown.h has it. @thread any */
void import_say(FILE *to, const char *text);

/* The same for an event. NULL: no memory. @thread any */
json_t *import_shown(const char *text);

/* One line of --progress json, in ASCII. Takes the event, also NULL: there was no memory for it. */
void import_event(FILE *to, json_t *event);

void import_progress_open(struct import_teller *teller, enum import_progress how);
/* job_options.tell and .note; the context is the teller. */
void import_progress_tell(void *context, const struct job_progress *tables, size_t count, int64_t elapsed);
void import_progress_note(void *context, const char *text);
/* The last word. */
void import_progress_done(
    struct import_teller *teller, const struct job_summary *summary, const char *target);

#endif
