/* job_ship: the files of an import go to a store elsewhere; see shipment.h. */
#include <stdio.h>
#include <stdlib.h>

#include "table/job_internal.h"

#define SHIP_READY ".ready" /* of the attempt: all its files are written, and stay as they are */

static void ship_add(
    struct shipment_file *files, size_t *count, const char *directory, const char *name, bool last)
{
    struct shipment_file *file = &files[(*count)++];

    file->directory = directory;
    file->last = last;
    snprintf(file->name, sizeof file->name, "%s", name);
}

/* Rows, what says that a table is whole, and as the last one the manifest. */
static size_t ship_gather(const struct job *job, const char *manifest, struct shipment_file *files)
{
    char name[JOB_FILE_NAME_MAX];
    size_t count = 0;

    for (size_t i = 0; i < job->list->count; i++) {
        const struct job_table *table = &job->tables[i];
        for (size_t k = 0; k < table->plan->count; k++) {
            if (!table->results[k].file)
                continue;
            job_file_name(table, &table->plan->splits[k], name);
            ship_add(files, &count, table->directory, name, false);
        }
    }
    for (size_t i = 0; i < job->list->count; i++)
        ship_add(files, &count, job->tables[i].directory, "_SUCCESS", i == 0);
    ship_add(files, &count, "", manifest, true);
    return count;
}

bool job_is_ready(const struct job *job)
{
    return job->workers_count == 0 && attempt_has(job->attempt, "", SHIP_READY, 0);
}

/* The names of all files, too, before anything of them is elsewhere. */
static int ship_make_ready(struct job *job, struct error *error)
{
    for (size_t i = 0; i < job->list->count; i++)
        if (*job->tables[i].directory && attempt_sync(job->attempt, job->tables[i].directory, error))
            return -1;
    return attempt_sync(job->attempt, "", error) ||
                   attempt_write(job->attempt, "", SHIP_READY, (struct slice){NULL, 0}, error) ||
                   attempt_sync(job->attempt, "", error)
               ? -1
               : 0;
}

int job_ship(struct job *job, const char *manifest, struct error *error)
{
    const bool again = attempt_has(job->attempt, "", SHIP_READY, 0);
    size_t most = 1;

    for (size_t i = 0; i < job->list->count; i++)
        most += job->tables[i].plan->count + 1;
    struct shipment_file *files = calloc(most, sizeof *files);
    if (!files)
        return error_set(error, ERROR_RETRY, "import: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    const size_t count = ship_gather(job, manifest, files);
    int result = again ? 0 : ship_make_ready(job, error);
    if (!result)
        result = shipment_put(job->options->shipment, job->attempt, files, count, again, error);
    free(files);
    if (!result)
        attempt_give_up(job->attempt); /* it is there: nobody needs what is here */
    return result;
}
