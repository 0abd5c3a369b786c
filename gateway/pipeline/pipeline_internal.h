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
    struct config *
        fresh; /* that of the last reload, whose streams, topics and watches are in force; owned; NULL: the start's are */
    struct config *
        files_config; /* the start's with the watches of `fresh`, for the source of files; owned; NULL: the start's */
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
};

struct source_context pipeline_context(const struct pipeline *pipeline, const struct config *config);

#endif
