/* job_merge_old: what the target of a merge has; see job_merge.h. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "table/checksum.h"
#include "table/hive.h"
#include "table/job_merge.h"
#include "table/manifest.h"
#include "table/published.h"

struct looking {
    const struct job *job;
    struct job_merge *merge;
    json_t *text; /* the form of this import's files */
    int result;
    struct error *error;
};

static int old_refuse(const char *path, const char *what, struct error *error)
{
    return error_set(error, ERROR_REJECT,
        "%s: %s: rows cannot be merged with those; read the whole table, without --incremental and in place of what is there",
        path, what);
}

/* ---- manifests --------------------------------------------------------------------------------------------------------- */

static const struct table *old_table(const struct looking *at)
{
    return at->job->list->tables[0];
}

static bool old_has_columns(const struct looking *at, const struct manifest_table *then)
{
    const struct table *now = old_table(at);

    if (then->columns_count != now->columns_count)
        return false;
    for (size_t i = 0; i < now->columns_count; i++)
        if (strcmp(then->columns[i].name, now->columns[i].name) != 0 ||
            strcmp(then->columns[i].type, now->columns[i].type) != 0)
            return false;
    return true;
}

static bool old_has_casts(const struct looking *at, const struct manifest *manifest)
{
    const struct table_selection *selection = &at->job->options->selection;

    if (manifest->casts_count != selection->casts_count)
        return false;
    for (size_t i = 0; i < selection->casts_count; i++)
        if (strcmp(manifest->casts[i], selection->casts[i]) != 0)
            return false;
    return true;
}

/* Of a query there is no name. */
static bool old_is_table(const struct looking *at, const struct manifest_table *then)
{
    const struct table *now = old_table(at);

    return !*then->name || !*now->name ||
           (strcmp(then->schema, now->schema) == 0 && strcmp(then->name, now->name) == 0);
}

/* NULL is not equal to NULL, but may look like a value. */
static bool old_is_changed(const json_t *column)
{
    static const char *const counts[] = {
        "nulls", "infinities_to_null", "rounded_to_double", "lower_bounds_dropped"};
    bool changed = false;

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        changed = changed || json_integer_value(json_object_get(column, counts[i])) > 0;
    return changed;
}

/* A merged set was looked at when it was merged. */
static bool old_has_key(const struct looking *at, const struct manifest *manifest)
{
    const struct merge_rows *rows = &at->merge->rows;
    const json_t *table = json_array_get(json_object_get(manifest->json, "tables"), 0);
    const json_t *key = json_object_get(json_object_get(table, "merged"), "key");

    for (size_t i = 0; i < rows->key_count; i++) {
        const json_t *column = json_array_get(json_object_get(table, "columns"), rows->key[i]);
        const char *before = json_string_value(json_array_get(key, i));
        if (old_is_changed(column) ||
            (key && (!before || strcmp(before, old_table(at)->columns[rows->key[i]].name) != 0)))
            return false;
    }
    return !key || json_array_size(key) == rows->key_count;
}

static const char *old_text_objection(const struct looking *at, const struct manifest *manifest)
{
    const json_t *text = json_object_get(manifest->json, "text");

    if (!text)
        return "its files are no delimited text, or it was written by a version that did not say what they look like";
    return json_equal(text, at->text)
               ? NULL
               : "its files have another form (delimiters, what NULL looks like, a header)";
}

/* What the columns are in the files. */
static bool old_has_types(const struct looking *at, const struct manifest *manifest)
{
    const json_t *table = json_array_get(json_object_get(manifest->json, "tables"), 0);
    bool equal = true;

    for (size_t i = 0; equal && i < old_table(at)->columns_count; i++) {
        json_t *now = job_manifest_type(&old_table(at)->fields[i]);
        const json_t *then = json_array_get(json_object_get(table, "columns"), i);
        const char *name;
        json_t *value;
        json_object_foreach(now, name, value) equal = equal && json_equal(json_object_get(then, name), value);
        equal = equal && now;
        json_decref(now);
    }
    return equal;
}

/* Their names say it. */
static const char *old_typed_objection(const struct looking *at, const struct manifest *manifest)
{
    const struct manifest_table *table = manifest->tables;
    const char *format = table_file_extension(&at->merge->file);

    for (size_t i = 0; i < table->files_count; i++) {
        const char *extension = table->files[i].name ? strrchr(table->files[i].name, '.') : format;
        if (!extension || strcmp(extension, format) != 0)
            return "its files have another format";
    }
    return old_has_types(at, manifest)
               ? NULL
               : "its columns have other types in the files (--numeric, --uuid, --time, --arrays, --infinity)";
}

static const char *old_objection(const struct looking *at, const struct manifest *manifest)
{
    const struct manifest_table *table = manifest->tables;
    const char *objection;

    if (manifest->tables_count != 1 || *table->directory || manifest->topic)
        return "it is not about the files of one table";
    if (!old_is_table(at, table))
        return "it is about another table";
    if (!old_has_columns(at, table) || !old_has_casts(at, manifest))
        return "its files have other columns";
    objection = at->merge->file.format == TABLE_DELIMITED ? old_text_objection(at, manifest)
                                                          : old_typed_objection(at, manifest);
    if (objection)
        return objection;
    if (!old_has_key(at, manifest))
        return "it has NULL in a column of the merge key, or values that an option has changed, or was merged by another key";
    return NULL;
}

static int old_take_file(struct job_merge *merge, const struct manifest_file *file, struct error *error)
{
    struct manifest_file *files =
        file->name ? realloc(merge->old, (merge->old_count + 1) * sizeof *files) : merge->old;
    char *name = file->name ? strdup(file->name) : NULL;

    if (!file->name)
        return 0;
    merge->old = files ? files : merge->old;
    if (!files || !name) {
        free(name);
        return error_set(error, ERROR_RETRY, "import: out of memory");
    }
    files[merge->old_count] = *file;
    files[merge->old_count++].name = name;
    merge->old_rows += file->rows;
    return 0;
}

static void old_visit(void *context, const struct manifest *manifest)
{
    struct looking *at = context;
    const char *objection = at->result ? NULL : old_objection(at, manifest);

    if (objection)
        at->result = old_refuse(manifest->path, objection, at->error);
    for (size_t i = 0; !at->result && i < manifest->tables->files_count; i++)
        at->result = old_take_file(at->merge, &manifest->tables->files[i], at->error);
    if (at->result)
        return;
    at->merge->base += checksum_row(manifest->began, strlen(manifest->began)) ^ manifest->tables->checksum;
}

/* ---- the directory ------------------------------------------------------------------------------------------------------- */

static bool old_is_known(const struct job_merge *merge, const char *name)
{
    bool known =
        !strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "_SUCCESS") || published_is_manifest(name);

    for (size_t i = 0; !known && i < merge->old_count; i++)
        known = strcmp(name, merge->old[i].name) == 0;
    return known;
}

/* What is not merged would be lost. A directory that is not there has nothing. */
static int old_list(const struct job_merge *merge, const char *path, struct error *error)
{
    DIR *list = opendir(path);
    int result = 0;

    if (!list)
        return errno == ENOENT ? 0 : error_set_errno(error, ERROR_REJECT, "target directory %s", path);
    for (struct dirent *entry; !result && (entry = readdir(list));) {
        if (strncmp(entry->d_name, HIVE_MARK, strlen(HIVE_MARK)) == 0)
            result = old_refuse(path, "its files are given to Hive", error);
        else if (!old_is_known(merge, entry->d_name))
            result = error_set(error, ERROR_REJECT,
                "target directory %s: no manifest that can be read says what %s in it is: rows cannot be merged with it",
                path, entry->d_name);
    }
    closedir(list);
    return result;
}

static void old_forget(struct job_merge *merge)
{
    for (size_t i = 0; i < merge->old_count; i++)
        free((void *)(uintptr_t)merge->old[i].name);
    free(merge->old);
    merge->old = NULL;
    merge->old_count = 0;
    merge->old_rows = merge->base = 0;
}

int job_merge_look(const struct job *job, struct job_merge *merge, struct error *error)
{
    struct looking at = {.job = job, .merge = merge, .error = error};

    old_forget(merge);
    if (!job->options->target)
        return 0;
    at.text = job_manifest_text(job);
    published_each(job->options->target, old_visit, &at);
    json_decref(at.text);
    return at.result ? -1 : old_list(merge, job->options->target, error);
}

void job_merge_close(struct job_merge **merge)
{
    if (!*merge)
        return;
    old_forget(*merge);
    free((*merge)->files);
    free(*merge);
    *merge = NULL;
}
