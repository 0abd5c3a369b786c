/* job_restore: reading the log; see job_state.h. What it says is checked as if anybody had written it: a log that says what cannot be is no log. */
#include <stdlib.h>

#include "table/job_state.h"

/* ---- the lines ----------------------------------------------------------------------------------------------------- */

static bool restore_snapshot(struct job_state *state, const json_t *line)
{
    const json_t *said = json_object_get(line, "snapshot");
    const char *id = json_string_value(json_object_get(said, "id"));
    const char *position = json_string_value(json_object_get(said, "position"));
    const char *keeper = json_string_value(json_object_get(line, "keeper"));

    if (!id || !position || !keeper || strlen(id) >= SNAPSHOT_ID_MAX || strlen(position) >= SNAPSHOT_ID_MAX ||
        strlen(keeper) >= KEEPER_NAME_MAX || state->snapshots_count == JOB_SNAPSHOTS_MAX)
        return false;
    struct snapshot *snapshot = &state->snapshots[state->snapshots_count++];
    *snapshot = (struct snapshot){.taken = json_integer_value(json_object_get(said, "taken"))};
    memcpy(snapshot->id, id, strlen(id));
    memcpy(snapshot->position, position, strlen(position));
    memset(state->keeper, 0, sizeof state->keeper);
    memcpy(state->keeper, keeper, strlen(keeper));
    return true;
}

static const char *restore_prepared_key(unsigned split, char key[static 16])
{
    snprintf(key, 16, "%u", split);
    return key;
}

/* A later line of the same split is another try's. */
static bool restore_prepared(struct job_state *state, json_t *line)
{
    const json_int_t split = json_integer_value(json_object_get(line, "split"));
    char key[16];

    return split >= 0 && split <= PLAN_SPLITS_MAX &&
           json_object_set(state->prepared, restore_prepared_key((unsigned)split, key), line) == 0;
}

bool job_state_is_prepared(const struct job_state *state, unsigned split, unsigned connection)
{
    char key[16];
    const json_t *line = json_object_get(state->prepared, restore_prepared_key(split, key));

    return line && json_integer_value(json_object_get(line, "connection")) == connection;
}

bool job_state_commit(struct job_state *state, unsigned split)
{
    char key[16];
    json_t *line = json_object_get(state->prepared, restore_prepared_key(split, key));

    return line && json_array_append(state->splits, line) == 0 && json_object_del(state->prepared, key) == 0;
}

/* A split's, whole or prepared. */
static bool restore_said(struct job_state *state, json_t *line)
{
    if (json_object_set_new(line, "of_snapshot", json_integer((json_int_t)state->snapshots_count - 1)) != 0)
        return false;
    return json_object_get(line, "connection") ? restore_prepared(state, line)
                                               : json_array_append(state->splits, line) == 0;
}

/* False: the log ends here. */
static bool restore_line(struct job_state *state, const char *data, size_t length)
{
    json_t *line = json_loadb(data, length, JSON_REJECT_DUPLICATES, NULL);
    bool good = false;

    if (!line)
        return false;
    if (!state->begun) {
        good = json_integer_value(json_object_get(line, "import")) == STATE_VERSION;
        if (good)
            state->begun = json_incref(line);
    } else if (json_object_get(line, "snapshot")) {
        good = restore_snapshot(state, line);
    } else if (state->snapshots_count && json_object_get(line, "split")) {
        good = restore_said(state, line);
    } else if (json_object_get(line, "committed")) {
        good = job_state_commit(state, (unsigned)json_integer_value(json_object_get(line, "committed")));
    }
    json_decref(line);
    return good;
}

int job_state_open(struct job_state **ret_state, struct attempt *attempt, struct error *error)
{
    __attribute__((cleanup(job_state_close))) struct job_state *state = calloc(1, sizeof(*state));
    cleanup_bytes struct bytes text;

    bytes_init(&text, ATTEMPT_LOG_MAX);
    if (!state)
        return error_set(error, ERROR_RETRY, "log of the import: out of memory");
    pthread_mutex_init(&state->lock, NULL);
    state->attempt = attempt;
    state->splits = json_array();
    state->prepared = json_object();
    if (attempt_log_open(attempt, &text, error))
        return -1;
    for (;;) {
        const char *start = text.data + state->length;
        const char *end = memchr(start, '\n', text.length - state->length);
        if (!end || !restore_line(state, start, (size_t)(end - start)))
            break;
        state->length = (size_t)(end + 1 - text.data);
    }
    *ret_state = state;
    state = NULL;
    return 0;
}

void job_state_close(struct job_state **state)
{
    if (!*state)
        return;
    json_decref((*state)->begun);
    json_decref((*state)->splits);
    json_decref((*state)->prepared);
    pthread_mutex_destroy(&(*state)->lock);
    free(*state);
    *state = NULL;
}

/* ---- is it this import? ---------------------------------------------------------------------------------------------- */

static uint64_t restore_hex(const json_t *value)
{
    const char *text = json_string_value(value);

    return text ? strtoull(text, NULL, 16) : 0;
}

/* What is there on one side only is another word, too. */
static int restore_compare(
    const struct job_state *state, json_t *one, const json_t *other, struct error *error)
{
    const char *name;
    json_t *value;

    json_object_foreach(one, name, value)
    {
        if (!json_equal(value, json_object_get(other, name)))
            return error_set(error, ERROR_REJECT,
                "%s was begun with other words (%s): --resume goes on with the same ones; without it the import begins anew",
                attempt_where(state->attempt), name);
    }
    return 0;
}

int job_state_check(const struct job_state *state, const struct job_options *options, struct error *error)
{
    json_t *now = job_state_options(options), *then = json_object_get(state->begun, "options");
    int result = now ? 0 : error_set(error, ERROR_RETRY, "log of the import: out of memory");

    if (!result && (restore_compare(state, now, then, error) || restore_compare(state, then, now, error)))
        result = -1;
    json_decref(now);
    return result;
}

int job_state_check_server(const struct job_state *state, const struct job *job, struct error *error)
{
    const uint64_t system = restore_hex(json_object_get(state->begun, "system"));
    const char *where = json_string_value(json_object_get(state->begun, "where"));
    const bool other = system && job->server.system && system != job->server.system;

    /* A snapshot is known to its own database only; where none is shared, the address has to do. */
    if (!other && (*job->snapshot.id || !where || strcmp(where, job->server.where) == 0))
        return 0;
    return error_set(error, ERROR_REJECT, "%s is not the database that the import was begun with, %s",
        job->server.where, where ? where : "");
}

/* ---- the tables -------------------------------------------------------------------------------------------------------- */

static bool restore_is(const json_t *said, const char *text)
{
    json_t *value = job_state_text(text);
    const bool same = value && json_equal(said, value);

    json_decref(value);
    return same;
}

/* A text that the plan keeps; *ret_text NULL for null. */
static int restore_text(struct plan *plan, const json_t *said, const char **ret_text, struct error *error)
{
    const char *hex = json_string_value(json_object_get(said, "hex"));
    char *made = NULL;

    *ret_text = NULL;
    if (json_is_null(said))
        return 0;
    if (!hex && !json_is_string(said))
        return error_set(error, ERROR_REJECT, "the log of the import is damaged");
    if (hex && (made = calloc(1, strlen(hex) / 2 + 1)) == NULL)
        return error_set(error, ERROR_RETRY, "log of the import: out of memory");
    for (size_t i = 0; hex && hex[i] && hex[i + 1]; i += 2)
        made[i / 2] = (char)strtoul((const char[]){hex[i], hex[i + 1], 0}, NULL, 16);
    *ret_text = plan_keep(plan, hex ? made : json_string_value(said), error);
    free(made);
    return *ret_text ? 0 : -1;
}

static int restore_split(struct job_table *table, const json_t *said, struct error *error)
{
    json_int_t part, method, first, end, bytes;
    json_t *column, *type, *low, *high;
    double rows;
    struct split split;

    if (json_unpack((json_t *)(uintptr_t)said, "[I, I, I, I, o, o, o, o, I, F]", &part, &method, &first, &end,
            &column, &type, &low, &high, &bytes, &rows) != 0 ||
        part < 0 || (size_t)part >= table->table->parts_count || method < SPLIT_WHOLE || method > SPLIT_NULLS)
        return error_set(error, ERROR_REJECT, "the log of the import is damaged");
    split = (struct split){.part = (uint32_t)part,
        .method = (enum split_method)method,
        .first = (uint64_t)first,
        .end = end < 0 ? UINT64_MAX : (uint64_t)end,
        .bytes = (uint64_t)bytes,
        .rows = rows};
    if (restore_text(table->plan, column, &split.column, error) ||
        restore_text(table->plan, type, &split.type, error) ||
        restore_text(table->plan, low, &split.low, error) ||
        restore_text(table->plan, high, &split.high, error))
        return -1;
    return plan_add(table->plan, &split, error);
}

/* Brings the table of this name to its place in the list. */
static const struct table *restore_find(struct job *job, size_t place, const json_t *said)
{
    for (size_t i = place; i < job->list->count; i++) {
        struct table *found = job->list->tables[i];
        if (!restore_is(json_object_get(said, "schema"), found->schema) ||
            !restore_is(json_object_get(said, "name"), found->name))
            continue;
        job->list->tables[i] = job->list->tables[place];
        return job->list->tables[place] = found;
    }
    return NULL;
}

static int restore_table(struct job *job, size_t place, const json_t *said, struct error *error)
{
    struct job_table *table = &job->tables[place];
    const char *reason = json_string_value(json_object_get(said, "reason"));
    const json_t *splits = json_object_get(said, "splits");

    table->table = restore_find(job, place, said);
    if (!table->table || table->table->fingerprint != restore_hex(json_object_get(said, "fingerprint")))
        return error_set(error, ERROR_REJECT,
            "table %s: it is not what it was when the import was begun (dropped, renamed, other columns or partitions); without --resume the import begins anew",
            table->table ? table->table->title : json_string_value(json_object_get(said, "name")));
    const json_int_t first = json_integer_value(json_object_get(said, "first"));
    if (first < 0 || first > ATTEMPT_FIRST_MAX)
        return error_set(error, ERROR_REJECT, "the log of the import is damaged");
    table->first = (unsigned)first;
    if (plan_new(&table->plan, error))
        return -1;
    snprintf(table->plan->reason, sizeof table->plan->reason, "%s", reason ? reason : "");
    for (size_t i = 0; i < json_array_size(splits); i++) {
        if (restore_split(table, json_array_get(splits, i), error))
            return -1;
    }
    table->results = calloc(table->plan->count + 1, sizeof(*table->results));
    return table->results ? 0 : error_set(error, ERROR_RETRY, "log of the import: out of memory");
}

/* ---- the splits that are done ------------------------------------------------------------------------------------------ */

/* In one snapshot everything fits together. Else ranges of pages do only while no row has moved as a whole. */
static bool restore_is_sound(
    const struct job *job, const struct job_table *table, const struct split *split, const json_t *begun)
{
    const json_t *storage = json_object_get(begun, "storage");

    return (*job->snapshot.id && !job->mixed) || split->method != SPLIT_PAGES ||
           restore_hex(json_array_get(storage, split->part)) == table->table->parts[split->part].storage;
}

static bool restore_columns(const struct job_table *table, const json_t *said, struct job_result *result)
{
    const size_t count = table->table->columns_count;

    result->columns = calloc(count + 1, sizeof(*result->columns));
    bool good = result->columns && json_array_size(said) == count;
    for (size_t i = 0; good && i < count; i++) {
        json_int_t nulls, nulled, rounded, bounds;
        good = json_unpack(json_array_get(said, i), "[I, I, I, I]", &nulls, &nulled, &rounded, &bounds) == 0;
        if (good)
            result->columns[i] = (struct read_column){.nulls = (uint64_t)nulls,
                .nulled = (uint64_t)nulled,
                .rounded = (uint64_t)rounded,
                .bounds = (uint64_t)bounds};
    }
    return good;
}

/* A log of files has none. */
static bool restore_ranges(const json_t *said, struct job_result *result)
{
    const size_t count = json_array_size(said);

    result->ranges = calloc(count + 1, sizeof(*result->ranges));
    bool good = result->ranges != NULL;
    for (size_t i = 0; good && i < count; i++) {
        json_int_t partition, first, last, records;
        good = json_unpack(json_array_get(said, i), "[I, I, I, I]", &partition, &first, &last, &records) == 0;
        if (good)
            result->ranges[result->ranges_count++] = (struct job_range){
                .partition = (int32_t)partition, .first = first, .last = last, .records = (uint64_t)records};
    }
    return good;
}

static bool restore_result(const struct job_table *table, json_t *said, struct job_result *result)
{
    json_int_t rows, bytes, file_bytes, crc, least, greatest, tries, snapshot;
    json_t *checksum, *columns;
    int file, key;

    if (json_unpack(said, "{s:I, s:I, s:o, s:b, s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:o}", "rows", &rows,
            "bytes", &bytes, "checksum", &checksum, "file", &file, "file_bytes", &file_bytes, "crc32c", &crc,
            "key", &key, "key_min", &least, "key_max", &greatest, "tries", &tries, "of_snapshot", &snapshot,
            "columns", &columns) != 0)
        return false;
    *result = (struct job_result){.done = true,
        .kept = true,
        .snapshot = (unsigned)snapshot,
        .rows = (uint64_t)rows,
        .bytes = (uint64_t)bytes,
        .checksum = restore_hex(checksum),
        .file = file != 0,
        .file_bytes = (uint64_t)file_bytes,
        .file_crc32c = (uint32_t)crc,
        .key_known = key != 0,
        .key_least = least,
        .key_greatest = greatest,
        .tries = (unsigned)tries};
    return restore_columns(table, columns, result) && restore_ranges(json_object_get(said, "ranges"), result);
}

/* A line that is not good, or whose file is not there, is a split that is read again. */
static void restore_done(struct job *job, json_t *said)
{
    const json_int_t at = json_integer_value(json_object_get(said, "table"));
    const json_int_t number = json_integer_value(json_object_get(said, "split"));
    const json_t *begun = json_array_get(json_object_get(job->state->begun, "tables"), (size_t)at);
    struct job_result result = {.columns = NULL};
    char name[JOB_FILE_NAME_MAX];

    if (at < 0 || (size_t)at >= job->list->count || number < 0 ||
        (size_t)number >= job->tables[at].plan->count || job->tables[at].results[number].done)
        return;
    struct job_table *table = &job->tables[at];
    const struct split *split = &table->plan->splits[number];
    job_file_name(table, split, name);
    if (!restore_is_sound(job, table, split, begun) || !restore_result(table, said, &result) ||
        (result.file && !attempt_has(job->attempt, table->directory, name, result.file_bytes))) {
        job_result_free(&result);
        return;
    }
    table->results[number] = result;
    table->rows_kept += result.rows;
    atomic_fetch_add(&table->rows, result.rows);
    atomic_fetch_add(&table->begun, 1);
    atomic_fetch_add(&table->done, 1);
}

static bool restore_value(const json_t *said, const char *name, char *value, size_t size)
{
    const char *text = json_string_value(json_object_get(said, name));

    if (!text || strlen(text) >= size)
        return false;
    memcpy(value, text, strlen(text) + 1);
    return true;
}

int job_state_increment(const struct job_state *state, struct increment *ret_increment, struct error *error)
{
    const json_t *said = json_object_get(state->begun, "increment");
    struct increment increment = {.timed = json_is_true(json_object_get(said, "timed")),
        .nulls = restore_hex(json_object_get(said, "nulls"))};

    if (!restore_value(said, "column", increment.column, sizeof increment.column) ||
        !restore_value(said, "type", increment.type, sizeof increment.type) ||
        !restore_value(said, "low", increment.low, sizeof increment.low) ||
        !restore_value(said, "high", increment.high, sizeof increment.high))
        return error_set(error, ERROR_REJECT, "the log of the import is damaged");
    *ret_increment = increment;
    return 0;
}

uint64_t job_state_base(const struct job_state *state)
{
    return restore_hex(json_object_get(state->begun, "base"));
}

int job_state_restore(struct job *job, struct error *error)
{
    const json_t *tables = json_object_get(job->state->begun, "tables");
    const char *id = json_string_value(json_object_get(job->state->begun, "id"));
    const size_t count = json_array_size(tables);

    if (id)
        snprintf(job->id, sizeof job->id, "%s", id);
    if (count == 0 || job_make_tables(job, count, error))
        return count ? -1 : error_set(error, ERROR_REJECT, "the log of the import is damaged");
    for (size_t i = 0; i < count; i++) {
        if (restore_table(job, i, json_array_get(tables, i), error))
            return -1;
    }
    /* Tables that have come since are not of this import. */
    job->list->count = count;
    for (size_t i = 0; i < count; i++) {
        if (job_name_table(job, &job->tables[i], error))
            return -1;
    }
    for (size_t i = 0; i < json_array_size(job->state->splits); i++)
        restore_done(job, json_array_get(job->state->splits, i));
    return 0;
}
