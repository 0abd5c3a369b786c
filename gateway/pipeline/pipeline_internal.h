/* pipeline_internal: what the files of the pipeline share; nobody else includes it. @thread main */
#ifndef PENSTOCK_PIPELINE_PIPELINE_INTERNAL_H
#define PENSTOCK_PIPELINE_PIPELINE_INTERNAL_H

#include "access/access.h"
#include "admin/admin.h"
#include "files/files.h"
#include "journal/journal.h"
#include "outlet/outlet.h"
#include "pipeline/certificates.h"
#include "pipeline/pipeline.h"
#include "pipeline/shares.h"
#include "pipeline/states.h"
#include "record/record.h"
#include "route/route.h"
#include "source/source.h"

#define SOURCES 4
#define SOURCE_OF_FILES 3
#define OUTLETS 3

extern const struct source_kind *const pipeline_sources[SOURCES];
extern const struct outlet_kind *const pipeline_outlets[OUTLETS];

struct pipeline {
    struct config *config; /* the start's */
    /* Of a reload; NULL: the start's are. They may be the same. Owned by reload.c. */
    struct config *fresh; /* whose streams and topics are in force */
    struct config *watches; /* whose watches are, which the source of files points into, */
    struct config *files_config; /* and the start's with them in their place */
    const struct clock *clock;
    char gateway_id[JOURNAL_GATEWAY_ID_MAX + 1];
    char *journal_directory;
    char *dead_letters_directory;
    const struct outlet_kind *wanted[OUTLETS]; /* of the table, those that the configuration asks for */
    const char *outlet_names[OUTLETS];
    size_t wanted_count;
    uint64_t max_message; /* largest that an outlet takes of streams with topics; 0: no limit */

    struct access *access;
    struct routes *routes;
    struct states states;
    struct journal *journal;
    struct shares *shares;
    struct dead_letters *dead_letters;
    struct outlet *outlets[OUTLETS]; /* as wanted[] */
    struct source *sources[SOURCES];
    struct certificates certificates;
    struct admin *admin;
    bool outlets_run[OUTLETS], sources_run[SOURCES];
    bool refusing; /* as last logged */
    size_t suspended; /* streams, as last told */
    bool files_off; /* those of a reload could not be run */
};

/* Behind the sources. */
void reload_free(struct pipeline *pipeline);

struct source_context pipeline_context(const struct pipeline *pipeline, const struct config *config);

#endif
