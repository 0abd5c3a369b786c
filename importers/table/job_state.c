/* job_state: writing the log; see job_state.h. */
#include "table/job_state.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "table/job_merge.h"
#include "table/postgres/type.h"

#define STATE_LINE_MAX ATTEMPT_LOG_MAX

/* ---- options ------------------------------------------------------------------------------------------------------- */

static json_t *state_names(const char *const *names, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(names[i]));
    return list;
}

/* Delimiters are bytes, and what stands for NULL may be of any. */
static json_t *state_delimited(const struct delimited_options *options)
{
    if (!options)
        return json_null();
    return json_pack("[i, i, i, i, i, b, b, b, i, i, i, i, i, i, i, i, i, i, i]", options->field,
        options->line, (int)options->quoting, options->enclosure, options->escape, options->header,
        options->drop_delimiters, options->plain, (int)options->style, (int)options->null_string.length,
        (int)crc32c(0, options->null_string.data, options->null_string.length),
        (int)options->null_other.length, (int)crc32c(0, options->null_other.data, options->null_other.length),
        (int)options->delimiters_replacement.length,
        (int)crc32c(0, options->delimiters_replacement.data, options->delimiters_replacement.length),
        (int)options->true_text.length, (int)crc32c(0, options->true_text.data, options->true_text.length),
        (int)options->false_text.length,
        (int)crc32c(0, options->false_text.data, options->false_text.length));
}

static json_t *state_topic(const struct job_topic *topic)
{
    return topic ? json_pack("[s, s, o, i]", topic->name, kafka_client_servers(topic->client),
                       state_names(topic->key, topic->key_count), (int)topic->value)
                 : json_null();
}

/* Each connection has transactions of its own, which whoever goes on has to find. */
static int state_connections(const struct job_options *options)
{
    return options->topic && options->topic->transactional ? (int)options->plan.workers : 0;
}

/* Each is said in any case: an import without it is another one. */
json_t *job_state_options(const struct job_options *options)
{
    const struct table_selection *selection = &options->selection;
    const struct pg_type_options *types = selection->types;
    const struct table_file_options *file = &options->file;

    const struct increment_options *increment = &options->increment;

    return json_pack(
        "{s:o, s:o, s:s?, s:o, s:s?, s:b, s:i, s:i, s:i, s:[i,i,i], s:i, s:i, s:i, s:i, s:b, s:b, s:o, s:s?, s:b, s:i, s:b, s:[i,s?,s?,i], s:o, s:o, s:s?, s:b, s:i, s:o}",
        "tables", state_names(selection->names, selection->names_count), "exclude",
        state_names(selection->excluded, selection->excluded_count), "query", selection->query, "columns",
        state_names(selection->columns, selection->columns_count), "where", selection->where, "views",
        selection->views, "format", (int)file->format, "compression", (int)file->codec, "level", file->level,
        "numeric", (int)types->numeric, types->numeric_precision, types->numeric_scale, "infinity",
        (int)types->infinity, "arrays", (int)types->arrays, "uuid", (int)types->uuid, "time",
        (int)types->time, "json-type", types->json_type, "bytea-hex", types->bytea_hex, "delimiters",
        state_delimited(file->delimited), "split-by", options->plan.column, "not-consistent",
        options->snapshot.not_consistent, "names", (int)options->names, "append",
        options->how == ATTEMPT_APPEND, "incremental", (int)increment->mode, increment->column,
        increment->last, (int)increment->lag, "topic", state_topic(options->topic), "column-type",
        state_names(selection->casts, selection->casts_count), "bounds-query", selection->bounds,
        "transactional", state_connections(options) > 0, "connections", state_connections(options),
        "merge-key", state_names(options->merge_key, options->merge_key_count));
}

/* ---- lines ---------------------------------------------------------------------------------------------------------- */

json_t *job_state_text(const char *text)
{
    static const char digits[] = "0123456789abcdef";
    json_t *made = text ? json_string(text) : json_null();
    const size_t length = text ? strlen(text) : 0;

    if (made)
        return made;
    char *hex = malloc(2 * length + 1);
    for (size_t i = 0; hex && i < length; i++) {
        hex[2 * i] = digits[(unsigned char)text[i] >> 4];
        hex[2 * i + 1] = digits[text[i] & 15];
    }
    made = hex ? json_pack("{s:s#}", "hex", hex, (int)(2 * length)) : NULL;
    free(hex);
    return made;
}

static json_t *state_split(const struct split *split)
{
    return json_pack("[i, i, I, I, o, o, o, o, I, f]", (int)split->part, (int)split->method,
        (json_int_t)split->first, split->end == UINT64_MAX ? (json_int_t)-1 : (json_int_t)split->end,
        job_state_text(split->column), job_state_text(split->type), job_state_text(split->low),
        job_state_text(split->high), (json_int_t)split->bytes, split->rows);
}

static json_t *state_table(const struct job_table *table)
{
    json_t *storage = json_array(), *splits = json_array();

    for (size_t i = 0; i < table->table->parts_count; i++)
        json_array_append_new(
            storage, json_sprintf("%llx", (unsigned long long)table->table->parts[i].storage));
    for (size_t i = 0; i < table->plan->count; i++)
        json_array_append_new(splits, state_split(&table->plan->splits[i]));
    return json_pack("{s:o, s:o, s:o, s:i, s:o, s:o, s:o}", "schema", job_state_text(table->table->schema),
        "name", job_state_text(table->table->name), "fingerprint",
        json_sprintf("%llx", (unsigned long long)table->table->fingerprint), "first", (int)table->first,
        "storage", storage, "reason", job_state_text(table->plan->reason), "splits", splits);
}

static json_t *state_increment(const struct increment *increment)
{
    return json_pack("{s:o, s:s, s:b, s:s, s:s, s:o}", "column", job_state_text(increment->column), "type",
        increment->type, "timed", increment->timed, "low", increment->low, "high", increment->high, "nulls",
        json_sprintf("%llx", (unsigned long long)increment->nulls));
}

static json_t *state_begun(const struct job *job)
{
    json_t *tables = json_array();

    for (size_t i = 0; i < job->list->count; i++)
        json_array_append_new(tables, state_table(&job->tables[i]));
    json_t *made = json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:o}", "import", STATE_VERSION, "penstock",
        PENSTOCK_VERSION, "id", job->id, "options", job_state_options(job->options), "where",
        job_state_text(job->server.where), "system",
        json_sprintf("%llx", (unsigned long long)job->server.system), "tables", tables);
    if (made && job->options->increment.mode &&
        json_object_set_new(made, "increment", state_increment(&job->increment)) != 0) {
        json_decref(made);
        made = NULL;
    }
    if (made && job->merge)
        json_object_set_new(made, "base", json_sprintf("%llx", (unsigned long long)job->merge->base));
    return made;
}

static json_t *state_snapshot(const struct job *job)
{
    return json_pack("{s:{s:s, s:s, s:I}, s:s, s:i}", "snapshot", "id", job->snapshot.id, "position",
        job->snapshot.position, "taken", (json_int_t)job->snapshot.taken, "keeper",
        job->keeper ? keeper_name(job->keeper) : "", "process",
        job->keeper ? keeper_process(job->keeper) : 0);
}

static json_t *state_result(const struct job *job, const struct job_table *table, const struct split *split)
{
    const struct job_result *result = &table->results[split->number];
    json_t *columns = json_array();

    for (size_t i = 0; i < table->table->columns_count; i++)
        json_array_append_new(
            columns, json_pack("[I, I, I, I]", (json_int_t)result->columns[i].nulls,
                         (json_int_t)result->columns[i].nulled, (json_int_t)result->columns[i].rounded,
                         (json_int_t)result->columns[i].bounds));
    json_t *ranges = json_array();
    for (size_t i = 0; i < result->ranges_count; i++) {
        const struct job_range *range = &result->ranges[i];
        json_array_append_new(ranges, json_pack("[i, I, I, I]", range->partition, (json_int_t)range->first,
                                          (json_int_t)range->last, (json_int_t)range->records));
    }
    return json_pack("{s:i, s:i, s:I, s:I, s:o, s:b, s:I, s:I, s:b, s:I, s:I, s:i, s:o, s:o}", "table",
        (int)(table - job->tables), "split", (int)split->number, "rows", (json_int_t)result->rows, "bytes",
        (json_int_t)result->bytes, "checksum", json_sprintf("%llx", (unsigned long long)result->checksum),
        "file", result->file, "file_bytes", (json_int_t)result->file_bytes, "crc32c",
        (json_int_t)result->file_crc32c, "key", result->key_known, "key_min", (json_int_t)result->key_least,
        "key_max", (json_int_t)result->key_greatest, "tries", (int)result->tries, "columns", columns,
        "ranges", ranges);
}

/* Takes the reference. */
static int state_print(json_t *line, struct bytes *text, struct error *error)
{
    char *dumped = line ? json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    int result = dumped ? 0 : error_set(error, ERROR_RETRY, "log of the import: out of memory");

    json_decref(line);
    if (!result && (bytes_add_text(text, dumped, error) || bytes_add_text(text, "\n", error)))
        result = -1;
    free(dumped);
    return result;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

int job_state_begin(struct job *job, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, STATE_LINE_MAX);
    if (job_state_open(&job->state, job->attempt, error) || state_print(state_begun(job), &text, error) ||
        state_print(state_snapshot(job), &text, error))
        return -1;
    return attempt_log_add(job->attempt, bytes_slice(&text), error);
}

int job_state_go_on(struct job *job, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, STATE_LINE_MAX);
    if (attempt_log_cut(job->attempt, job->state->length, error))
        return -1;
    if (!job->mixed)
        return 0;
    if (state_print(state_snapshot(job), &text, error))
        return -1;
    return attempt_log_add(job->attempt, bytes_slice(&text), error);
}

/* Takes the reference. */
static int state_add(struct job *job, json_t *line, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, STATE_LINE_MAX);
    if (state_print(line, &text, error))
        return -1;
    pthread_mutex_lock(&job->state->lock);
    const int result = attempt_log_add(job->attempt, bytes_slice(&text), error);
    pthread_mutex_unlock(&job->state->lock);
    return result;
}

static json_t *state_committed(unsigned split)
{
    return json_pack("{s:i}", "committed", (int)split);
}

int job_state_add(
    struct job *job, const struct job_table *table, const struct split *split, struct error *error)
{
    const bool prepared = table->results[split->number].prepared;

    return state_add(job, prepared ? state_committed(split->number) : state_result(job, table, split), error);
}

int job_state_prepare(struct job *job, const struct job_table *table, const struct split *split,
    unsigned connection, struct error *error)
{
    json_t *line = state_result(job, table, split);

    json_object_set_new(line, "connection", json_integer(connection));
    json_object_set_new(line, "prepared", json_integer(clock_wall(job->options->clock)));
    return state_add(job, line, error);
}

int job_state_settle(struct job_state *state, unsigned split, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, STATE_LINE_MAX);
    if (state_print(state_committed(split), &text, error) ||
        attempt_log_cut(state->attempt, state->length, error) ||
        attempt_log_add(state->attempt, bytes_slice(&text), error))
        return -1;
    state->length += text.length;
    return job_state_commit(state, split) ? 0
                                          : error_set(error, ERROR_RETRY, "log of the import: out of memory");
}
