/* job_merge: see job_merge.h. */
#include "table/job_merge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/shown.h"
#include "table/merge_keys.h"
#include "table/published.h"

#define MERGE_FIELD_SHOWN 80 /* bytes of a field, for people */

struct merging {
    struct job *job;
    struct job_table *table;
    struct job_merge *merge;
    struct merge_keys *keys;
    struct attempt_file *file; /* that older rows are copied to; NULL: none is open */
    size_t text; /* that it has */
};

/* ---- before anything is read --------------------------------------------------------------------------------------------- */

static int merge_find_column(
    const struct table *table, const char *asked, size_t *ret_column, struct error *error)
{
    for (size_t i = 0; i < 2 * table->columns_count; i++) {
        const size_t column = i % table->columns_count;
        const char *name = table->columns[column].name;
        if (i < table->columns_count ? strcmp(name, asked) != 0 : !published_is_column(name, asked))
            continue;
        *ret_column = column;
        return 0;
    }
    return error_set(error, ERROR_REJECT, "--merge-key: column %.100s is none of those that are read of %s",
        asked, table->title);
}

int job_merge_open(struct job *job, struct error *error)
{
    const struct job_options *options = job->options;
    const struct table *table = job->list->tables[0];

    job_merge_close(&job->merge);
    if (!options->merge_key_count)
        return 0;
    if (options->merge_key_count > TABLE_ROW_WANTED_MAX)
        return error_set(error, ERROR_REJECT, "--merge-key: more than %d columns", TABLE_ROW_WANTED_MAX);
    struct job_merge *merge = calloc(1, sizeof *merge);
    job->merge = merge;
    if (!merge)
        return error_set(error, ERROR_RETRY, "import: out of memory");
    merge->file = job_table_file(job, table);
    merge->rows = (struct merge_rows){.options = &merge->file,
        .fields = table->fields,
        .fields_count = table->columns_count,
        .key_count = options->merge_key_count};
    for (size_t i = 0; i < options->merge_key_count; i++)
        if (merge_find_column(table, options->merge_key[i], &merge->rows.key[i], error))
            return -1;
    if (merge_rows_check(&merge->rows, error))
        return error_wrap(error, "--merge-key");
    return job_merge_look(job, job->merge, error);
}

/* ---- the increment's keys ------------------------------------------------------------------------------------------------ */

static bool merge_is_stopped(void *context)
{
    const struct merging *merging = context;

    return job_stopped(merging->job);
}

static int merge_complain_twice(
    const struct merging *merging, const struct table_row *row, struct error *error)
{
    const struct merge_rows *rows = &merging->merge->rows;
    cleanup_bytes struct bytes text;
    struct error ignored;
    bool made = true;

    bytes_init(&text, TABLE_ROW_WANTED_MAX * 8 * MERGE_FIELD_SHOWN);
    for (size_t i = 0; made && i < rows->key_count; i++) {
        char number[MERGE_SHOWN], piece[MERGE_FIELD_SHOWN + 1];
        const struct slice field = merge_rows_show(rows, i, row->fields[i], number);
        snprintf(piece, sizeof piece, "%.*s",
            (int)(field.length < MERGE_FIELD_SHOWN ? field.length : MERGE_FIELD_SHOWN),
            field.length ? field.data : "");
        made = !(i && bytes_add_text(&text, ", ", &ignored)) && !shown_add(&text, piece, &ignored);
    }
    return error_set(error, ERROR_REJECT,
        "--merge-key: it is no key of %s: two of the rows that have changed have the same one, %.*s",
        merging->table->table->title, (int)(text.length < 200 ? text.length : 200),
        text.length ? text.data : "");
}

static int merge_take_key(void *context, const struct table_row *row, bool *ret_keep, struct error *error)
{
    struct merging *merging = context;
    bool new;

    *ret_keep = false;
    if (merge_keys_add(merging->keys, row->fields, merging->merge->rows.key_count, &new, error))
        return error->kind != ERROR_REJECT
                   ? -1
                   : error_wrap(error,
                         "so large an increment is not merged: read the whole table, without --incremental and in place of what is there");
    return new ? 0 : merge_complain_twice(merging, row, error);
}

/* What is not in the files as it is in the table cannot be compared there. */
static int merge_check_column(const struct merging *merging, size_t column, struct error *error)
{
    const char *name = merging->table->table->columns[column].name;

    for (size_t i = 0; i < merging->table->plan->count; i++) {
        const struct read_column *seen = &merging->table->results[i].columns[column];
        if (seen->nulls)
            return error_set(error, ERROR_REJECT,
                "--merge-key: column %s is NULL in a row that has changed, and NULL is not equal to anything: take a key that is NOT NULL",
                name);
        if (seen->nulled || seen->rounded || seen->bounds)
            return error_set(error, ERROR_REJECT,
                "--merge-key: values of column %s are changed by --infinity, --numeric or --arrays, and different ones may be the same in the files: leave the option out, or take another key",
                name);
    }
    return 0;
}

static int merge_check_key(const struct merging *merging, struct error *error)
{
    const struct merge_rows *rows = &merging->merge->rows;
    int result = 0;

    for (size_t k = 0; !result && k < rows->key_count; k++)
        result = merge_check_column(merging, rows->key[k], error);
    return result;
}

/* ---- the older rows ------------------------------------------------------------------------------------------------------ */

static int merge_end_file(struct merging *merging, struct error *error)
{
    struct job_merge *merge = merging->merge;
    struct merged_file *made = &merge->files[merge->files_count];

    if (!merging->file)
        return 0;
    if (attempt_file_finish(merging->file, &made->bytes, &made->crc32c, error))
        return -1;
    attempt_file_close(&merging->file);
    merge->files_count++;
    return 0;
}

static int merge_begin_file(struct merging *merging, struct error *error)
{
    struct job_merge *merge = merging->merge;
    struct merged_file *files = realloc(merge->files, (merge->files_count + 1) * sizeof *files);
    char name[JOB_FILE_NAME_MAX];

    if (!files)
        return error_set(error, ERROR_RETRY, "import: out of memory");
    merge->files = files;
    struct merged_file *file = &files[merge->files_count];
    *file = (struct merged_file){.number = (unsigned)(merging->table->plan->count + merge->files_count)};
    job_file_name(merging->table, &(const struct split){.number = file->number}, name);
    merging->text = 0;
    return attempt_file_open(&merging->file, merging->job->attempt, "", name, merging->table->table->fields,
        merging->table->table->columns_count, &merging->table->file, error);
}

static int merge_look_up(void *context, const struct table_row *row, bool *ret_keep, struct error *error)
{
    struct merging *merging = context;
    bool there;

    if (merge_keys_find(merging->keys, row->fields, merging->merge->rows.key_count, &there, error))
        return -1;
    *ret_keep = !there;
    return 0;
}

static int merge_take_piece(void *context, const struct merge_piece *piece, struct error *error)
{
    struct merging *merging = context;
    struct job_merge *merge = merging->merge;
    const size_t rows = piece->batch ? piece->batch->rows : 1;

    if (merging->file && merging->text >= JOB_MERGE_FILE && merge_end_file(merging, error))
        return -1;
    if ((!merging->file && merge_begin_file(merging, error)) ||
        (piece->batch ? attempt_file_add(merging->file, piece->batch, error)
                      : attempt_file_copy(merging->file, piece->text, error)))
        return -1;
    merging->text += piece->batch ? column_batch_bytes(piece->batch) : piece->text.length;
    merge->files[merge->files_count].rows += rows;
    merge->kept += rows;
    return 0;
}

/* ---- files --------------------------------------------------------------------------------------------------------------- */

static int merge_read(struct merging *merging, bool old, const struct manifest_file *file, merge_row_fn *row,
    struct error *error)
{
    char path[ATTEMPT_PATH_MAX + ATTEMPT_NAME_MAX];
    cleanup_fd int fd = -1;
    const struct merge_visit visit = {row, merge_take_piece, merge_is_stopped, merging};

    snprintf(path, sizeof path, "%s/%s", merging->job->options->target, file->name);
    if (attempt_read(merging->job->attempt, old, file->name, &fd, error))
        return -1;
    const struct merge_file read = {.fd = fd, .path = path, .file = *file, .rows = &merging->merge->rows};
    return merge_file_read(&read, &visit, error);
}

static int merge_read_keys(struct merging *merging, struct error *error)
{
    const struct plan *plan = merging->table->plan;

    for (size_t i = 0; i < plan->count; i++) {
        const struct job_result *result = &merging->table->results[i];
        char name[JOB_FILE_NAME_MAX];
        if (!result->file)
            continue;
        job_file_name(merging->table, &plan->splits[i], name);
        const struct manifest_file file = {name, result->rows, result->file_bytes, result->file_crc32c};
        if (merge_read(merging, false, &file, merge_take_key, error))
            return -1;
    }
    return 0;
}

static int merge_copy(struct merging *merging, struct error *error)
{
    const struct job_merge *merge = merging->merge;

    for (size_t i = 0; i < merge->old_count; i++)
        if (merge_read(merging, true, &merge->old[i], merge_look_up, error))
            return -1;
    return merge_end_file(merging, error);
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------- */

static int merge_all(struct merging *merging, struct error *error)
{
    struct job *job = merging->job;
    struct job_merge *merge = merging->merge;
    const uint64_t base = merge->base;

    merge->files_count = 0;
    merge->kept = 0;
    if (merge_check_key(merging, error) || job_merge_look(job, merge, error))
        return -1;
    if (merge->base != base)
        return error_set(error, ERROR_REJECT,
            "target directory %s: it is another one since this import began, and may have newer rows: nothing of what was read is kept; begin again",
            job->options->target);
    return merge_read_keys(merging, error) || merge_copy(merging, error) ||
                   attempt_take_mode(job->attempt, error)
               ? -1
               : 0;
}

int job_merge_run(struct job *job, struct error *error)
{
    struct merging merging = {.job = job, .table = &job->tables[0], .merge = job->merge};

    if (merge_keys_open(&merging.keys, JOB_MERGE_KEYS_MAX, error))
        return -1;
    const int result = merge_all(&merging, error);
    attempt_file_close(&merging.file);
    merge_keys_close(&merging.keys);
    /* It would be the same the next time. */
    if (result && error->kind == ERROR_REJECT)
        attempt_give_up(job->attempt);
    if (!result)
        job_note(job, "%" PRIu64 " of the %" PRIu64 " rows that were there are replaced, the others stay",
            job->merge->old_rows - job->merge->kept, job->merge->old_rows);
    return result;
}
