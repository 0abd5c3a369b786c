/* job_hive: what Hive is told about the tables of an import; see job.h and lake/ddl.h. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/shown.h"
#include "lake/ddl.h"
#include "table/hive.h"
#include "table/job_internal.h"
#include "table/manifest.h"

#define HIVE_TEXT_MAX ((size_t)16 << 20)

/* The length of the column's name in "COLUMN=TYPE"; 0: it is none. A type has no = in it. */
static size_t hive_type_column(const char *said)
{
    const char *equal = strrchr(said, '=');

    return equal && equal[1] ? (size_t)(equal - said) : 0;
}

static bool hive_type_is_of(const char *said, const char *column)
{
    const size_t length = hive_type_column(said);

    return length > 0 && strlen(column) == length && memcmp(column, said, length) == 0;
}

/* Hive's words for a column; NULL: none. */
static const char *hive_type(const struct job_hive *hive, const char *column)
{
    for (size_t i = 0; i < hive->types_count; i++)
        if (hive_type_is_of(hive->types[i], column))
            return hive->types[i] + hive_type_column(hive->types[i]) + 1;
    return NULL;
}

/* The columns are the caller's to free. */
static struct ddl_table hive_table(
    const struct job *job, const struct job_table *table, struct ddl_column *columns)
{
    const struct job_hive *hive = job->options->hive;

    for (size_t i = 0; i < table->table->columns_count; i++)
        columns[i] =
            (struct ddl_column){table->table->fields[i], hive_type(hive, table->table->fields[i].name)};
    return (struct ddl_table){.database = hive->database,
        .name = hive->table ? hive->table : table->table->name,
        .record = table->file.name,
        .columns = columns,
        .columns_count = table->table->columns_count,
        .format = table->file.format,
        .delimited = table->file.delimited,
        .partition_key = hive->partition_key,
        .partition_value = hive->partition_value,
        .location = hive->location,
        .must_be_new = hive->must_be_new};
}

/* rows: that the files of the table have; without any there is no file, and Hive wants one. */
static int hive_load(const struct job *job, const struct job_table *table, const struct ddl_table *ddl,
    bool rows, struct bytes *text, struct error *error)
{
    const struct job_hive *hive = job->options->hive;
    char *directory = NULL;

    if (!rows)
        return hive->overwrite ? ddl_hive_empty(ddl, text, error) : 0;
    if (asprintf(&directory, "%s%s%s", hive->directory, *table->directory ? "/" : "", table->directory) < 0)
        return error_set(error, ERROR_RETRY, "Hive: out of memory");
    const int result = ddl_hive_load(ddl, directory, hive->overwrite, text, error);
    free(directory);
    return result;
}

enum hive_extent { HIVE_TABLE_ONLY, HIVE_WITH_ROWS, HIVE_WITHOUT_ROWS };

static int hive_print(const struct job *job, const struct job_table *table, enum hive_extent extent,
    struct bytes *text, struct error *error)
{
    struct ddl_column *columns = calloc(table->table->columns_count + 1, sizeof *columns);

    if (!columns)
        return error_set(error, ERROR_RETRY, "Hive: out of memory");
    const struct ddl_table ddl = hive_table(job, table, columns);
    const int result =
        ddl_hive_create(&ddl, text, error) ||
        (extent != HIVE_TABLE_ONLY && hive_load(job, table, &ddl, extent == HIVE_WITH_ROWS, text, error));
    free(columns);
    return result ? error_wrap(error, "Hive: %s", table->table->title) : 0;
}

/* ---- before anything is read ----------------------------------------------------------------------------------------- */

/* Tables of two schemas may have one name, and Hive knows no capitals. */
static int hive_check_names(const struct job *job, struct error *error)
{
    const struct table_list *list = job->list;

    if (job->options->hive->table)
        return list->count == 1
                   ? 0
                   : error_set(error, ERROR_REJECT,
                         "--hive-table: it is the name of one table, and %zu are selected", list->count);
    for (size_t i = 0; i < list->count; i++) {
        if (!*list->tables[i]->name)
            return error_set(error, ERROR_REJECT, "--hive-table: a query needs one");
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(list->tables[k]->name, list->tables[i]->name) == 0)
                return error_set(error, ERROR_REJECT,
                    "%s and %s would be one table in Hive: import one of them alone, with --hive-table",
                    list->tables[k]->title, list->tables[i]->title);
    }
    return 0;
}

static int hive_check_types(const struct job *job, struct error *error)
{
    const struct job_hive *hive = job->options->hive;

    for (size_t i = 0; i < hive->types_count; i++) {
        const size_t length = hive_type_column(hive->types[i]);
        bool found = false;
        if (!length)
            return error_set(
                error, ERROR_REJECT, "--hive-type: \"%.200s\" is not COLUMN=TYPE", hive->types[i]);
        for (size_t t = 0; t < job->list->count; t++)
            for (size_t c = 0; c < job->list->tables[t]->columns_count; c++)
                found |= hive_type_is_of(hive->types[i], job->list->tables[t]->fields[c].name);
        if (!found)
            return error_set(error, ERROR_REJECT, "--hive-type: there is no column \"%.*s\"",
                (int)(length < 200 ? length : 200), hive->types[i]);
    }
    return 0;
}

/* What the last value of a saved job is taken from is not replaced by anybody else, though Hive has the rows. */
static int hive_check_target(const struct job *job, struct error *error)
{
    __attribute__((cleanup(manifest_free))) struct manifest *manifest = NULL;
    const char *own = job->options->increment.job;
    struct error ignored;

    if (job->options->how != ATTEMPT_RENEW || !job->options->target ||
        manifest_read(&manifest, job->options->target, &ignored) || !manifest->job ||
        (own && strcmp(own, manifest->job) == 0))
        return 0;
    return error_set(error, ERROR_REJECT,
        "target directory %s: it says how far the job %s has come; name another one, or remove it once the job has gone on",
        job->options->target, manifest->job);
}

int job_hive_check(const struct job *job, struct error *error)
{
    cleanup_bytes struct bytes text;

    if (!job->options->hive)
        return 0;
    if (hive_check_target(job, error) || hive_check_names(job, error) || hive_check_types(job, error))
        return -1;
    bytes_init(&text, HIVE_TEXT_MAX);
    for (size_t i = 0; i < job->list->count; i++) {
        bytes_clear(&text);
        if (hive_print(job, &job->tables[i], job->options->hive->directory ? HIVE_WITH_ROWS : HIVE_TABLE_ONLY,
                &text, error))
            return -1;
    }
    return 0;
}

/* ---- what is said ---------------------------------------------------------------------------------------------------- */

int job_hive_print(struct job *job, struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < job->list->count; i++)
        if (hive_print(job, &job->tables[i], HIVE_TABLE_ONLY, text, error))
            return -1;
    return 0;
}

int job_hive_explain(
    const struct job *job, const struct job_table *table, struct bytes *text, struct error *error)
{
    cleanup_bytes struct bytes script;
    int result = 0;

    bytes_init(&script, HIVE_TEXT_MAX);
    if (bytes_add_text(text, "  Hive:\n", error) ||
        hive_print(
            job, table, job->options->hive->directory ? HIVE_WITH_ROWS : HIVE_TABLE_ONLY, &script, error) ||
        bytes_add(&script, "", 1, error))
        return -1;
    for (char *line = script.data, *end; !result && *line; line = end) {
        end = strchr(line, '\n');
        *end++ = '\0';
        result = bytes_add_text(text, "    ", error) || shown_add(text, line, error) ||
                 bytes_add(text, "\n", 1, error);
    }
    return result ? -1 : 0;
}

int job_hive_write(struct job *job, struct error *error)
{
    cleanup_bytes struct bytes text;

    if (!job->options->hive)
        return 0;
    bytes_init(&text, HIVE_TEXT_MAX);
    for (size_t i = 0; i < job->list->count; i++) {
        const struct job_table *table = &job->tables[i];
        bool rows = false;
        for (size_t k = 0; k < table->plan->count; k++)
            rows |= table->results[k].file;
        bytes_clear(&text);
        if (hive_print(job, table, rows ? HIVE_WITH_ROWS : HIVE_WITHOUT_ROWS, &text, error) ||
            attempt_write(job->attempt, table->directory, HIVE_SCRIPT, bytes_slice(&text), error))
            return -1;
    }
    return 0;
}
