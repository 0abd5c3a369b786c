/* target_files: splits as files of an attempt; see target.h. */
#include <stdlib.h>

#include "table/target.h"

struct files {
    struct job *job;
    const struct job_table *table;
    const struct split *split;
    struct attempt_file *file;
};

static int files_check(const struct job *job, struct error *error)
{
    (void)job;
    (void)error;
    return 0;
}

static int files_open(void **ret_state, struct job *job, unsigned number, struct error *error)
{
    struct files *files = calloc(1, sizeof(*files));

    (void)number;
    if (!files)
        return error_set(error, ERROR_RETRY, "file: out of memory");
    files->job = job;
    *ret_state = files;
    return 0;
}

static int files_begin(void *state, struct job_table *table, const struct split *split, struct error *error)
{
    struct files *files = state;
    char name[JOB_FILE_NAME_MAX];

    files->table = table;
    files->split = split;
    job_file_name(table, split, name);
    return attempt_file_open(&files->file, files->job->attempt, table->directory, name, table->table->fields,
        table->table->columns_count, &table->file, error);
}

static int files_add(void *state, const struct column_batch *batch, struct error *error)
{
    struct files *files = state;

    return attempt_file_add(files->file, batch, error);
}

static int files_finish(void *state, struct job_result *result, struct error *error)
{
    struct files *files = state;

    if (attempt_file_finish(files->file, &result->file_bytes, &result->file_crc32c, error))
        return -1;
    result->file = result->rows > 0 || files->table->first + files->split->number == 0;
    if (result->file)
        return attempt_sync(files->job->attempt, files->table->directory, error);
    result->file_bytes = 0;
    attempt_file_drop(&files->file);
    return 0;
}

static void files_end(void *state)
{
    struct files *files = state;

    attempt_file_close(&files->file);
}

const struct target target_files = {
    files_check, NULL, NULL, files_open, files_begin, files_add, files_finish, files_end, free};
