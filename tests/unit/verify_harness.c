/* verify_harness: see verify_harness.h */
#include "verify_harness.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table/postgres/type.h"

struct connection {
    struct database_connection database; /* first: the one is the other */
    bool stopped; /* @holds lock */
};

struct script script;

static struct database *const opened = (struct database *)&script;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned readers; /* that have come so far. @holds lock */

/* Is this the call that fails? connection: that has the trouble then; NULL: none. */
static bool fails(const char *call, struct database_connection *connection, struct error *error)
{
    struct script_fault *fault = &script.fault;

    if (!fault->call || strcmp(fault->call, call) != 0 || !fault->times)
        return false;
    if (fault->at) {
        fault->at--;
        return false;
    }
    fault->times--;
    if (connection)
        connection->trouble = fault->trouble;
    error_set(error, fault->kind, "%s fails", call);
    return true;
}

static int script_open(
    const struct database_login *login, struct database **ret_database, struct error *error)
{
    script.login = *login;
    if (fails("open", NULL, error))
        return -1;
    script.opened++;
    *ret_database = opened;
    return 0;
}

static const char *script_notice(const struct database *database)
{
    cr_assert_eq(database, opened);
    return script.notice;
}

static void script_close(struct database **database)
{
    cr_assert_eq(*database, opened);
    script.opened--;
    *database = NULL;
}

static int script_connect(
    struct database *database, struct database_connection **ret_connection, struct error *error)
{
    cr_assert_eq(database, opened);
    if (fails("connect", NULL, error))
        return -1;
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return error_set(error, ERROR_RETRY, "out of memory");
    connection->database.kind = &scripted;
    script.connects++;
    script.connected++;
    *ret_connection = &connection->database;
    return 0;
}

static void script_disconnect(struct database_connection **connection)
{
    script.connected--;
    free(*connection);
    *connection = NULL;
}

static void script_stop(struct database_connection *connection)
{
    pthread_mutex_lock(&lock);
    ((struct connection *)connection)->stopped = true;
    script.stops++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static struct script_table *script_find(const char *name)
{
    for (size_t i = 0; i < SCRIPT_TABLES_MAX; i++)
        if (script.tables[i].table.title && strcmp(script.tables[i].table.title, name) == 0)
            return &script.tables[i];
    return NULL;
}

/* Each once, and in the order of the database's, whatever was asked for first. */
static int script_fill(struct table_list *list, const struct table_selection *selection, struct error *error)
{
    list->tables = calloc(SCRIPT_TABLES_MAX, sizeof *list->tables);
    if (!list->tables)
        return error_set(error, ERROR_RETRY, "out of memory");
    for (size_t i = 0; i < selection->names_count; i++)
        if (!script_find(selection->names[i]))
            return error_set(error, ERROR_REJECT, "there is no %s", selection->names[i]);
    if (script.refuses_several && selection->names_count > 1)
        return error_set(error, ERROR_REJECT, "not all of them");
    for (size_t i = 0; i < SCRIPT_TABLES_MAX; i++) {
        bool wanted = selection->query != NULL && i == 0;
        for (size_t name = 0; name < selection->names_count; name++)
            wanted = wanted || script_find(selection->names[name]) == &script.tables[i];
        if (wanted)
            list->tables[list->count++] = &script.tables[i].table;
    }
    return 0;
}

static void script_list_free(struct table_list **list)
{
    script.lists--;
    free((*list)->tables);
    free(*list);
    *list = NULL;
}

static int script_describe(struct database_connection *connection, const struct table_selection *selection,
    struct table_list **ret_list, struct error *error)
{
    const size_t used = strlen(script.asked);
    FILE *asked = fmemopen(script.asked + used, sizeof script.asked - used, "w");

    cr_assert_not_null(asked);
    for (size_t i = 0; i < selection->names_count; i++)
        fprintf(asked, "%s ", selection->names[i]);
    fputc('\n', asked);
    cr_assert_eq(fclose(asked), 0);
    script.selection = *selection;
    script.arrays_as_text = selection->types->arrays == PG_ARRAYS_TEXT;
    cr_assert_eq(selection->types->format, TABLE_JSON_LINES);
    if (fails("describe", connection, error))
        return -1;
    struct table_list *list = calloc(1, sizeof *list);
    if (!list)
        return error_set(error, ERROR_RETRY, "out of memory");
    script.lists++;
    if (script_fill(list, selection, error)) {
        script_list_free(&list);
        return -1;
    }
    *ret_list = list;
    return 0;
}

static int script_hold(struct database_connection *connection, const struct table_list *list,
    const struct snapshot_options *options, struct snapshot *ret_snapshot, struct error *error)
{
    cr_assert_gt(list->count, 0);
    script.snapshot = *options;
    script.holds++;
    if (fails("hold", connection, error))
        return -1;
    snprintf(ret_snapshot->id, sizeof ret_snapshot->id, "snapshot %u", script.holds);
    return 0;
}

static int script_adopt(struct database_connection *connection, const struct table_list *list,
    const struct snapshot *snapshot, const struct snapshot_options *options, struct error *error)
{
    char held[SNAPSHOT_ID_MAX];

    snprintf(held, sizeof held, "snapshot %u", script.holds);
    cr_assert_str_eq(snapshot->id, held);
    cr_assert(list->count > 0 && options->lock_wait == script.snapshot.lock_wait);
    return fails("adopt", connection, error) ? -1 : 0;
}

static int script_plan(struct database_connection *connection, const struct table *table,
    const struct plan_options *options, struct plan **ret_plan, struct error *error)
{
    (void)table;
    script.workers = options->workers;
    if (fails("plan", connection, error) || plan_new(ret_plan, error))
        return -1;
    for (uint32_t i = 0; i < SCRIPT_SPLITS; i++)
        if (plan_add_whole(*ret_plan, i, 0, 0, error))
            return -1;
    return 0;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool script_read_fails(struct connection *connection, struct error *error)
{
    pthread_mutex_lock(&lock);
    const bool first = readers++ == 0;
    bool failed = false;
    if (first && script.first_reader_waits) {
        while (!connection->stopped)
            pthread_cond_wait(&changed, &lock);
        error_set(error, ERROR_RETRY, "stopped");
        failed = true;
    }
    failed = failed || fails("read", &connection->database, error);
    pthread_mutex_unlock(&lock);
    return failed;
}

static int script_read(struct database_connection *connection, const struct table *table,
    const struct split *split, const struct read_options *options, const struct table_sink_batch *sink,
    struct read_result *ret_result, struct error *error)
{
    struct script_table *found = script_find(table->title);

    if (script_read_fails((struct connection *)connection, error))
        return -1;
    pthread_mutex_lock(&lock);
    script.read = *options;
    pthread_mutex_unlock(&lock);
    cr_assert_eq(sink->take(sink->context, NULL, error), 0);
    atomic_fetch_add(&found->reads[split->part], 1);
    *ret_result = (struct read_result){.rows = found->rows, .checksum = found->checksum};
    return 0;
}

const struct database_kind scripted = {.name = "scripted",
    .open = script_open,
    .notice = script_notice,
    .close = script_close,
    .connect = script_connect,
    .disconnect = script_disconnect,
    .stop = script_stop,
    .describe = script_describe,
    .list_free = script_list_free,
    .plan = script_plan,
    .hold = script_hold,
    .adopt = script_adopt,
    .read = script_read};
