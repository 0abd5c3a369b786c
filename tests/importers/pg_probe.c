/* pg_probe: does with a PostgreSQL server what an import does, step by step, for tests: takes a JSON document in the first line of stdin, prints JSON
 * lines.
 *
 *   {"address": "host=...", "password_file": "", "tls_mode": "", "tls_ca": "", "command": "connect" | "describe" | "plan" | "read",
 *    "names": ["s.t"], "excluded": [], "query": "SELECT ...", "columns": ["a"], "where": "a > 1", "views": false, "format": 0,
 *    "workers": 2, "column": "a", "split_pages": 16, "whole": false, "not_consistent": false, "lock_wait": 1000,
 *    "row_max": 0, "batch_bytes": 0, "out": "FILE", "pause": ["described", "held", "adopted", "split"], "snapshot": "ID"}
 *
 * At each step that "pause" names it prints {"stage": ...} and waits for a line on stdin; the line "stop" stops the worker's connection. Rows go to "out" as
 * JSON lines. Failures are {"error": ..., "kind": ..., "trouble": ...} and status 1.
 */
#include <err.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lake/format/table_file.h"
#include "table/database.h"
#include "table/postgres/type.h"

#define TEXTS_MAX 2048
#define OUT_MAX ((size_t)2 << 30)
#define WORKERS_MAX 16

static json_t *asked;
static const struct database_kind *const kind = &database_postgres;
static struct database *database;
static struct database_connection *keeper;
static struct table_list *list;
static struct snapshot snapshot;
static struct snapshot_options snapshot_options;
static struct pg_type_options types;
static const struct table *table;
static struct plan *plan;
static uint32_t next_split;
static FILE *out;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *text_of(const char *name)
{
    return json_string_value(json_object_get(asked, name));
}

static unsigned number_of(const char *name)
{
    return (unsigned)json_integer_value(json_object_get(asked, name));
}

static bool flag_of(const char *name)
{
    return json_is_true(json_object_get(asked, name));
}

static size_t texts_of(const char *name, const char **texts)
{
    const json_t *array = json_object_get(asked, name);
    const size_t count = json_array_size(array);

    if (count > TEXTS_MAX)
        errx(2, "%s: too many", name);
    for (size_t i = 0; i < count; i++)
        texts[i] = json_string_value(json_array_get(array, i));
    return count;
}

static void say(json_t *line)
{
    if (!line)
        errx(2, "a line that cannot be said");
    json_dumpf(line, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    putchar('\n');
    fflush(stdout);
    json_decref(line);
}

/* Text of an error may be cut within a character. */
__attribute__((noreturn)) static void fail(
    const struct error *error, const struct database_connection *connection)
{
    static const char *const kinds[] = {"none", "retry", "reject", "fatal"};
    static const char *const troubles[] = {
        "fine", "lost", "cancelled", "stopped", "busy", "gone", "changed", "refused"};
    size_t length = strlen(error->text);
    json_t *line = json_object(), *text = NULL;

    pthread_mutex_lock(&lock);
    while (!(text = json_stringn(error->text, length)))
        length--;
    json_object_set_new(line, "error", text);
    json_object_set_new(line, "kind", json_string(kinds[error->kind]));
    json_object_set_new(line, "trouble", json_string(connection ? troubles[connection->trouble] : "fine"));
    say(line);
    exit(1);
}

/* Waits where the test wants to do something; true: it says "stop". */
static bool pause_at(const char *stage)
{
    const json_t *stages = json_object_get(asked, "pause");
    char line[64];

    for (size_t i = 0; i < json_array_size(stages); i++) {
        if (strcmp(json_string_value(json_array_get(stages, i)), stage) != 0)
            continue;
        say(json_pack("{ss}", "stage", stage));
        if (!fgets(line, sizeof line, stdin))
            errx(2, "nobody answers");
        return strncmp(line, "stop", 4) == 0;
    }
    return false;
}

/* ---- what was found ---------------------------------------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static void say_connection(const struct database_connection *connection)
{
    say(json_pack("{sssssbsisI}", "connected", connection->where, "notice", kind->notice(database), "standby",
        connection->standby, "version", (int)connection->version, "system", (json_int_t)connection->system));
}

static void say_table(const struct table *one)
{
    json_t *columns = json_array(), *parts = json_array();

    for (size_t i = 0; i < one->columns_count; i++) {
        const struct table_column *column = &one->columns[i];
        json_array_append_new(
            columns, json_pack("{sssssssbsbsi}", "name", column->name, "type", column->type, "column",
                         column_type_name(one->fields[i].type), "not_null", column->not_null, "generated",
                         column->generated, "key", (int)column->key));
    }
    for (size_t i = 0; i < one->parts_count; i++) {
        const struct table_part *part = &one->parts[i];
        json_array_append_new(
            parts, json_pack("{sssssIsIsfsbso}", "schema", part->schema, "name", part->name, "pages",
                       (json_int_t)part->pages, "storage", (json_int_t)part->storage, "rows", part->rows,
                       "paged", part->paged, "key", text_or_null(part->key)));
    }
    say(json_pack("{sssisosososb}", "table", one->title, "kind", (int)one->kind, "columns", columns, "parts",
        parts, "fingerprint", json_integer((json_int_t)one->fingerprint), "filtered", one->filtered));
}

static void say_split(const struct split *split)
{
    static const char *const methods[] = {"whole", "pages", "range", "nulls"};
    struct bytes sql;
    struct error error;

    bytes_init(&sql, OUT_MAX);
    if (kind->explain(keeper, table, split, &sql, &error))
        fail(&error, keeper);
    say(json_pack("{sisissss%sosososf}", "split", (int)split->number, "part", (int)split->part, "method",
        methods[split->method], "sql", sql.data, sql.length, "column", text_or_null(split->column), "low",
        text_or_null(split->low), "high", text_or_null(split->high), "rows", split->rows));
    bytes_free(&sql);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* The rows of one split as JSON lines; they go out when it is complete. */
struct lines {
    void *state;
    struct bytes text;
};

static int lines_write(void *context, const void *data, size_t length, struct error *error)
{
    return bytes_add(context, data, length, error);
}

static int lines_take(void *context, struct column_batch *batch, struct error *error)
{
    return json_lines_writer.add(((struct lines *)context)->state, batch, error);
}

static void read_one(struct database_connection *connection, const struct split *split)
{
    const struct read_options options = {
        .row_max = number_of("row_max"), .batch_bytes = number_of("batch_bytes")};
    const struct table_file_options file = {.format = TABLE_JSON_LINES, .name = "t"};
    struct lines lines = {0};
    const struct table_sink sink = {lines_write, &lines.text};
    const struct table_sink_batch batches = {lines_take, &lines};
    struct read_result result;
    struct error error;

    bytes_init(&lines.text, OUT_MAX);
    if (json_lines_writer.open(&lines.state, table->fields, table->columns_count, &file, &sink, &error))
        fail(&error, connection);
    if (kind->read(connection, table, split, &options, &batches, &result, &error) ||
        json_lines_writer.finish(lines.state, &error))
        fail(&error, connection);
    json_lines_writer.close(lines.state);
    json_t *nulls = json_array();
    for (size_t i = 0; i < table->columns_count; i++)
        json_array_append_new(nulls, json_integer((json_int_t)result.columns[i].nulls));
    pthread_mutex_lock(&lock);
    if (out && lines.text.length)
        fwrite(lines.text.data, 1, lines.text.length, out);
    say(json_pack("{sisIsIsosbsIsI}", "read", (int)split->number, "rows", (json_int_t)result.rows, "bytes",
        (json_int_t)result.bytes, "nulls", nulls, "key", result.key_known, "least",
        (json_int_t)result.key_least, "greatest", (json_int_t)result.key_greatest));
    if (pause_at("split"))
        kind->stop(connection);
    pthread_mutex_unlock(&lock);
    bytes_free(&lines.text);
}

static void *read_worker(void *argument)
{
    struct database_connection *connection = argument;
    uint32_t number;

    while ((number = __atomic_fetch_add(&next_split, 1, __ATOMIC_RELAXED)) < plan->count)
        read_one(connection, &plan->splits[number]);
    return NULL;
}

static void *stop_worker(void *argument)
{
    if (pause_at("reading"))
        kind->stop(argument);
    return NULL;
}

static void read_table(void)
{
    struct database_connection *connections[WORKERS_MAX];
    pthread_t threads[WORKERS_MAX], stopper;
    const unsigned workers = number_of("workers") ? number_of("workers") : 1;
    struct error error;

    if (workers > WORKERS_MAX)
        errx(2, "too many workers");
    for (unsigned i = 0; i < workers; i++) {
        if (kind->connect(database, &connections[i], &error))
            fail(&error, NULL);
        if (kind->adopt(connections[i], list, &snapshot, &snapshot_options, &error))
            fail(&error, connections[i]);
    }
    pause_at("adopted");
    next_split = 0;
    for (unsigned i = 0; i < workers; i++)
        pthread_create(&threads[i], NULL, read_worker, connections[i]);
    pthread_create(&stopper, NULL, stop_worker, connections[0]);
    for (unsigned i = 0; i < workers; i++)
        pthread_join(threads[i], NULL);
    pthread_join(stopper, NULL);
    for (unsigned i = 0; i < workers; i++)
        kind->disconnect(&connections[i]);
    if (keeper && !snapshot_options.not_consistent && kind->check(keeper, &error))
        fail(&error, keeper);
}

/* ---- the steps --------------------------------------------------------------------------------------------------- */

static void open_database(void)
{
    const struct database_login login = {.address = text_of("address"),
        .host = text_of("host"),
        .port = text_of("port"),
        .name = text_of("name"),
        .user = text_of("user"),
        .password = text_of("password"),
        .password_file = text_of("password_file"),
        .tls_mode = text_of("tls_mode"),
        .tls_ca = text_of("tls_ca"),
        .connect_timeout = number_of("connect_timeout")};
    struct error error;

    if (kind->open(&login, &database, &error) || kind->connect(database, &keeper, &error))
        fail(&error, NULL);
}

static void describe(void)
{
    static const char *names[TEXTS_MAX], *excluded[TEXTS_MAX], *columns[TEXTS_MAX];
    const struct table_selection selection = {.names = names,
        .names_count = texts_of("names", names),
        .excluded = excluded,
        .excluded_count = texts_of("excluded", excluded),
        .query = text_of("query"),
        .columns = columns,
        .columns_count = texts_of("columns", columns),
        .where = text_of("where"),
        .views = flag_of("views"),
        .lock_wait = number_of("lock_wait"),
        .types = &types};
    struct error error;

    types.format = (enum table_format)number_of("format");
    if (kind->describe(keeper, &selection, &list, &error))
        fail(&error, keeper);
    pause_at("described");
}

static void hold(void)
{
    struct error error;

    snapshot_options = (struct snapshot_options){
        .lock_wait = number_of("lock_wait"), .not_consistent = flag_of("not_consistent")};
    if (text_of("snapshot")) {
        snprintf(snapshot.id, sizeof snapshot.id, "%s", text_of("snapshot"));
        return;
    }
    if (kind->hold(keeper, list, &snapshot_options, &snapshot, &error))
        fail(&error, keeper);
    say(json_pack("{sssssI}", "snapshot", snapshot.id, "position", snapshot.position, "taken",
        (json_int_t)snapshot.taken));
    pause_at("held");
}

static void plan_and_read(bool read)
{
    const struct plan_options options = {.workers = number_of("workers"),
        .column = text_of("column"),
        .split_pages = number_of("split_pages"),
        .whole = flag_of("whole")};
    struct error error;

    for (size_t i = 0; i < list->count; i++) {
        table = list->tables[i];
        if (kind->plan(keeper, table, &options, &plan, &error))
            fail(&error, keeper);
        say(json_pack("{sssisb}", "plan", plan->reason, "splits", (int)plan->count, "consistent",
            *snapshot.id != '\0'));
        for (size_t j = 0; j < plan->count && !read; j++)
            say_split(&plan->splits[j]);
        if (read)
            read_table();
        plan_free(&plan);
    }
}

int main(void)
{
    json_error_t why;
    char *line = NULL;
    size_t size = 0;

    if (getline(&line, &size, stdin) < 0)
        errx(2, "no document");
    asked = json_loads(line, JSON_ALLOW_NUL, &why);
    free(line);
    if (!asked)
        errx(2, "the document: %s", why.text);
    const char *command = text_of("command");
    open_database();
    say_connection(keeper);
    if (strcmp(command, "connect") != 0)
        describe();
    if (strcmp(command, "describe") == 0)
        for (size_t i = 0; i < list->count; i++)
            say_table(list->tables[i]);
    if (strcmp(command, "read") == 0) {
        out = text_of("out") ? fopen(text_of("out"), "w") : NULL;
        hold();
    }
    if (strcmp(command, "plan") == 0 || strcmp(command, "read") == 0)
        plan_and_read(strcmp(command, "read") == 0);
    if (out)
        fclose(out);
    kind->list_free(&list);
    kind->disconnect(&keeper);
    kind->close(&database);
    json_decref(asked);
    say(json_pack("{sb}", "done", 1));
    return 0;
}
