/* verify_tables: the tables of a manifest as they are now; see verify.h.
 *
 * Tables are described as they were for the import; what is not the same table any more is left out. The others are held in one snapshot, and every connection has
 * adopted it, with its locks, before the first of them reads: see postgres/snapshot.h for why. What becomes of values does not matter here, so columns are those of JSON
 * lines, which hold every value; only what the server is asked to make of them is as it was.
 */
#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table/postgres/type.h"
#include "table/verify.h"

#define VERIFY_DESCRIBE_TRIES 3 /* while tables change under the eyes of it */

struct reading_table {
    const struct table *table;
    const struct manifest_table *then;
    struct verify_table *result;
    struct plan *plan; /* owned */
    uint64_t rows, checksum; /* @holds lock */
};

struct comparison {
    const struct manifest *manifest;
    const struct verify_options *options;
    struct verify_table *results;
    struct pg_type_options types;
    struct database *database;
    struct database_connection *keeper;
    struct snapshot snapshot;
    char **names; /* owned, quoted, per table of the manifest; NULL: cannot be compared */
    struct table_list *list; /* of those that can */
    struct reading_table *tables;
    size_t tables_count;
    struct database_connection *connections[VERIFY_CONNECTIONS_MAX];
    size_t connections_count;

    pthread_mutex_t lock; /* of what follows */
    size_t next_table, next_split;
    bool failed;
    struct error error; /* the first one */
};

struct verify_reader {
    struct comparison *comparison;
    struct database_connection *connection;
    pthread_t thread;
    bool running;
};

/* ---- which tables ------------------------------------------------------------------------------------------------ */

/* "s"."t", whatever the characters. */
static char *verify_quote(const struct manifest_table *table)
{
    const char *const parts[] = {table->schema, table->name};
    char *text = malloc(2 * (strlen(table->schema) + strlen(table->name)) + 6), *to = text;

    for (int i = 0; text && i < 2; i++) {
        if (i)
            *to++ = '.';
        *to++ = '"';
        for (const char *from = parts[i]; *from; from++) {
            if (*from == '"')
                *to++ = '"';
            *to++ = *from;
        }
        *to++ = '"';
    }
    if (text)
        *to = '\0';
    return text;
}

static struct table_selection verify_selection(
    const struct comparison *comparison, const char **names, size_t count)
{
    const struct manifest *manifest = comparison->manifest;

    return (struct table_selection){.names = names,
        .names_count = manifest->query ? 0 : count,
        .query = manifest->query,
        .columns = manifest->columns_count ? manifest->columns : NULL,
        .columns_count = manifest->columns_count,
        .casts = manifest->casts,
        .casts_count = manifest->casts_count,
        .where = manifest->where,
        .lock_wait = comparison->options->snapshot.lock_wait,
        .types = &comparison->types};
}

__attribute__((format(printf, 2, 3))) static void verify_leave_out(
    struct verify_table *result, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(result->text, sizeof result->text, format, arguments);
    va_end(arguments);
    result->verdict = VERIFY_OTHER;
}

static void verify_forget_name(struct comparison *comparison, size_t at)
{
    free(comparison->names[at]);
    comparison->names[at] = NULL;
}

/* Describes those that are left, or the one that is asked for. */
static int verify_describe(
    struct comparison *comparison, size_t only, struct table_list **ret_list, struct error *error)
{
    const char **names = calloc(comparison->manifest->tables_count + 1, sizeof *names);
    size_t count = 0;

    if (!names)
        return error_set(error, ERROR_RETRY, "verifying: out of memory");
    for (size_t i = 0; i < comparison->manifest->tables_count; i++)
        if (comparison->names[i] && (only == SIZE_MAX || only == i))
            names[count++] = comparison->names[i];
    const struct table_selection selection = verify_selection(comparison, names, count);
    const int result = comparison->options->kind->describe(comparison->keeper, &selection, ret_list, error);
    free(names);
    return result;
}

/* They are refused, as the error says: leaves out those that are refused alone, too. -1: none is, or the database fails. */
static int verify_sort_out(struct comparison *comparison, struct error *error)
{
    bool found = false;

    for (size_t i = 0; i < comparison->manifest->tables_count; i++) {
        struct table_list *list = NULL;
        struct error alone;
        if (!comparison->names[i])
            continue;
        if (verify_describe(comparison, i, &list, &alone) == 0) {
            comparison->options->kind->list_free(&list);
            continue;
        }
        if (alone.kind != ERROR_REJECT) {
            *error = alone;
            return -1;
        }
        verify_leave_out(&comparison->results[i], "%s", alone.text);
        verify_forget_name(comparison, i);
        found = true;
    }
    return found ? 0 : -1;
}

/* The same columns, types and order? Else the first difference is in the result. */
static bool verify_same_columns(
    const struct manifest_table *then, const struct table *now, struct verify_table *result)
{
    for (size_t i = 0; i < then->columns_count || i < now->columns_count; i++) {
        const struct manifest_column *old = i < then->columns_count ? &then->columns[i] : NULL;
        const struct table_column *new = i < now->columns_count ? &now->columns[i] : NULL;
        if (!old)
            verify_leave_out(result, "column %s is new", new->name);
        else if (!new || strcmp(old->name, new->name) != 0)
            verify_leave_out(result, "where column %s was is %s now", old->name, new ? new->name : "none");
        else if (strcmp(old->type, new->type) != 0)
            verify_leave_out(result, "column %s is %s now, and was %s", old->name, new->type, old->type);
        else
            continue;
        return false;
    }
    return true;
}

/* Lists come in the order that manifests have, too: the search goes on where it was. */
static size_t verify_find(const struct manifest *manifest, const struct table *table, size_t from)
{
    if (manifest->query)
        return 0;
    for (size_t i = 0; i < manifest->tables_count; i++) {
        const size_t at = (from + i) % manifest->tables_count;
        if (strcmp(manifest->tables[at].schema, table->schema) == 0 &&
            strcmp(manifest->tables[at].name, table->name) == 0)
            return at;
    }
    return SIZE_MAX; /* GCOVR_EXCL_LINE a database lists only what it was asked for */
}

/* Leaves out those whose columns are others: how many. */
static size_t verify_compare_columns(struct comparison *comparison)
{
    size_t others = 0, at = 0;

    comparison->tables_count = 0;
    for (size_t i = 0; i < comparison->list->count; i++) {
        const struct table *table = comparison->list->tables[i];
        const size_t found = verify_find(comparison->manifest, table, at);
        assert(found != SIZE_MAX);
        at = found + 1;
        if (!verify_same_columns(&comparison->manifest->tables[found], table, &comparison->results[found])) {
            verify_forget_name(comparison, found);
            others++;
            continue;
        }
        comparison->tables[comparison->tables_count++] = (struct reading_table){.table = table,
            .then = &comparison->manifest->tables[found],
            .result = &comparison->results[found]};
    }
    return others;
}

static bool verify_has_names(const struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->manifest->tables_count; i++)
        if (comparison->names[i])
            return true;
    return false;
}

/* The list of those that can be compared; none: no list. */
static int verify_list(struct comparison *comparison, struct error *error)
{
    while (verify_has_names(comparison)) {
        if (verify_describe(comparison, SIZE_MAX, &comparison->list, error)) {
            if (error->kind != ERROR_REJECT || verify_sort_out(comparison, error))
                return -1;
            continue;
        }
        if (verify_compare_columns(comparison) == 0)
            return 0;
        comparison->options->kind->list_free(&comparison->list);
    }
    return 0;
}

static int verify_hold(struct comparison *comparison, struct error *error)
{
    const struct verify_options *options = comparison->options;

    for (int tries = 1;; tries++) {
        if (options->kind->connect(comparison->database, &comparison->keeper, error) ||
            verify_list(comparison, error))
            return -1;
        if (!comparison->list || options->kind->hold(comparison->keeper, comparison->list, &options->snapshot,
                                     &comparison->snapshot, error) == 0)
            return 0;
        if (comparison->keeper->trouble != DATABASE_CHANGED || tries == VERIFY_DESCRIBE_TRIES)
            return -1;
        options->kind->list_free(&comparison->list);
        options->kind->disconnect(&comparison->keeper);
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int verify_plan(struct comparison *comparison, struct error *error)
{
    const struct plan_options options = {.workers = comparison->options->connections};

    for (size_t i = 0; i < comparison->tables_count; i++)
        if (comparison->options->kind->plan(comparison->keeper, comparison->tables[i].table, &options,
                &comparison->tables[i].plan, error))
            return -1;
    return 0;
}

/* Fewer are enough where a lock is not to be had any more. */
static int verify_connect(struct comparison *comparison, struct error *error)
{
    const struct verify_options *options = comparison->options;

    while (comparison->connections_count < options->connections) {
        struct database_connection *connection = NULL;
        int result = options->kind->connect(comparison->database, &connection, error);
        if (!result && options->kind->adopt(
                           connection, comparison->list, &comparison->snapshot, &options->snapshot, error)) {
            options->kind->disconnect(&connection);
            result = -1;
        }
        if (result && comparison->connections_count == 0)
            return -1;
        if (result) {
            options->note(options->context, error->text);
            return 0;
        }
        comparison->connections[comparison->connections_count++] = connection;
    }
    return 0;
}

static bool verify_next(
    struct comparison *comparison, struct reading_table **ret_table, const struct split **ret_split)
{
    bool found = false;

    pthread_mutex_lock(&comparison->lock);
    while (comparison->next_table < comparison->tables_count &&
           comparison->next_split == comparison->tables[comparison->next_table].plan->count) {
        comparison->next_table++;
        comparison->next_split = 0;
    }
    if (comparison->next_table < comparison->tables_count && !comparison->failed) {
        *ret_table = &comparison->tables[comparison->next_table];
        *ret_split = &(*ret_table)->plan->splits[comparison->next_split++];
        found = true;
    }
    pthread_mutex_unlock(&comparison->lock);
    return found;
}

static int verify_take(void *context, struct column_batch *batch, struct error *error)
{
    (void)context;
    (void)batch;
    (void)error;
    return 0;
}

/* Keeps the first error, and ends the others. @holds comparison.lock */
static void verify_fail(struct comparison *comparison, const struct error *error)
{
    if (!comparison->failed)
        comparison->error = *error;
    comparison->failed = true;
    for (size_t i = 0; i < comparison->connections_count; i++)
        comparison->options->kind->stop(comparison->connections[i]);
}

static void *verify_read(void *context)
{
    const struct verify_reader *reader = context;
    struct comparison *comparison = reader->comparison;
    const struct verify_options *options = comparison->options;
    const struct table_sink_batch sink = {verify_take, NULL};
    struct reading_table *table;
    const struct split *split;
    struct read_result read;
    struct error error;
    bool failed = false;

    while (!failed && verify_next(comparison, &table, &split)) {
        failed = options->kind->read(
                     reader->connection, table->table, split, &options->read, &sink, &read, &error) != 0;
        pthread_mutex_lock(&comparison->lock);
        if (failed) {
            verify_fail(comparison, &error);
        } else {
            table->rows += read.rows;
            table->checksum += read.checksum;
        }
        pthread_mutex_unlock(&comparison->lock);
    }
    return NULL;
}

static int verify_read_all(struct comparison *comparison, struct error *error)
{
    struct verify_reader readers[VERIFY_CONNECTIONS_MAX];

    for (size_t i = 0; i < comparison->connections_count; i++) {
        readers[i] =
            (struct verify_reader){.comparison = comparison, .connection = comparison->connections[i]};
        /* The last one is this thread: it reads whatever the others leave. */
        readers[i].running = i + 1 < comparison->connections_count &&
                             pthread_create(&readers[i].thread, NULL, verify_read, &readers[i]) == 0;
    }
    verify_read(&readers[comparison->connections_count - 1]);
    for (size_t i = 0; i < comparison->connections_count; i++)
        if (readers[i].running)
            pthread_join(readers[i].thread, NULL);
    if (comparison->failed)
        *error = comparison->error;
    return comparison->failed ? -1 : 0;
}

static void verify_judge(const struct reading_table *table)
{
    const bool equal = table->rows == table->then->rows_read && table->checksum == table->then->checksum;

    table->result->rows = table->rows;
    table->result->verdict = equal ? VERIFY_EQUAL : VERIFY_CHANGED;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int verify_begin(struct comparison *comparison, struct error *error)
{
    const struct manifest *manifest = comparison->manifest;
    const struct verify_options *options = comparison->options;

    comparison->names = calloc(manifest->tables_count + 1, sizeof *comparison->names);
    comparison->tables = calloc(manifest->tables_count + 1, sizeof *comparison->tables);
    if (!comparison->names || !comparison->tables)
        return error_set(error, ERROR_RETRY, "verifying: out of memory");
    for (size_t i = 0; i < manifest->tables_count; i++) {
        comparison->names[i] = verify_quote(&manifest->tables[i]);
        if (!comparison->names[i])
            return error_set(error, ERROR_RETRY, "verifying: out of memory");
    }
    if (options->kind->open(&options->login, &comparison->database, error))
        return -1;
    const char *notice = options->kind->notice(comparison->database);
    if (notice && *notice)
        options->note(options->context, notice);
    return 0;
}

static int verify_compare(struct comparison *comparison, struct error *error)
{
    if (verify_begin(comparison, error) || verify_hold(comparison, error))
        return -1;
    if (!comparison->list)
        return 0;
    if (verify_plan(comparison, error) || verify_connect(comparison, error) ||
        verify_read_all(comparison, error))
        return -1;
    for (size_t i = 0; i < comparison->tables_count; i++)
        verify_judge(&comparison->tables[i]);
    return 0;
}

static void verify_end(struct comparison *comparison)
{
    const struct database_kind *kind = comparison->options->kind;

    for (size_t i = 0; i < comparison->connections_count; i++)
        kind->disconnect(&comparison->connections[i]);
    for (size_t i = 0; comparison->tables && i < comparison->tables_count; i++)
        plan_free(&comparison->tables[i].plan);
    for (size_t i = 0; comparison->names && i < comparison->manifest->tables_count; i++)
        free(comparison->names[i]);
    free(comparison->tables);
    free(comparison->names);
    if (comparison->keeper)
        kind->disconnect(&comparison->keeper);
    if (comparison->list)
        kind->list_free(&comparison->list);
    if (comparison->database)
        kind->close(&comparison->database);
    pthread_mutex_destroy(&comparison->lock);
}

int verify_tables(const struct manifest *manifest, const struct verify_options *options,
    struct verify_table *ret_tables, struct error *error)
{
    struct comparison comparison = {.manifest = manifest,
        .options = options,
        .results = ret_tables,
        .types = {.format = TABLE_JSON_LINES,
            .arrays = manifest->arrays_as_text ? PG_ARRAYS_TEXT : PG_ARRAYS_JSON,
            .copied = manifest->copied}};

    assert(options->connections >= 1 && options->connections <= VERIFY_CONNECTIONS_MAX);
    for (size_t i = 0; i < manifest->tables_count; i++)
        verify_leave_out(&ret_tables[i], "the manifest names it more than once");
    pthread_mutex_init(&comparison.lock, NULL);
    const int result = verify_compare(&comparison, error);
    verify_end(&comparison);
    return result;
}
