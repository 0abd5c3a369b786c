/* manifest: what an import has made, as JSON; see manifest.h. Numbers above 2^53 do not occur but in keys and checksums, which are text for that
 * reason. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/timestamp.h"
#include "table/checksum.h"
#include "table/job_merge.h"
#include "table/job_state.h"
#include "table/manifest.h"
#include "table/postgres/type.h"
#include "table/target.h"
#include "table/topic_value.h"

static json_t *manifest_time(int64_t time)
{
    cleanup_bytes struct bytes text;
    struct error ignored; /* no memory: a member that is not there fails as a whole */

    bytes_init(&text, TIMESTAMP_MAX);
    return timestamp_print(time, &text, &ignored) ? NULL
                                                  : json_loadb(text.data, text.length, JSON_DECODE_ANY, NULL);
}

static json_t *manifest_key(int64_t key)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, key);
    return json_string(text);
}

static json_t *manifest_text(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *manifest_checksum(uint64_t checksum)
{
    char text[24];

    snprintf(text, sizeof text, "%016" PRIx64, checksum);
    return json_string(text);
}

static json_t *manifest_split(const struct job_table *table, const struct split *split)
{
    const struct table_part *part = &table->table->parts[split->part];
    static const char *const methods[] = {
        [SPLIT_WHOLE] = "whole", [SPLIT_PAGES] = "pages", [SPLIT_RANGE] = "range", [SPLIT_NULLS] = "nulls"};
    json_t *made = json_pack("{s:i, s:s}", "number", (int)split->number, "method", methods[split->method]);

    if (table->table->kind == TABLE_PARTITIONED)
        json_object_set_new(
            made, "partition", json_pack("{s:s, s:s}", "schema", part->schema, "name", part->name));
    if (split->method == SPLIT_PAGES) {
        json_object_set_new(made, "first_page", json_integer((json_int_t)split->first));
        json_object_set_new(
            made, "end_page", split->end == UINT64_MAX ? json_null() : json_integer((json_int_t)split->end));
    } else if (split->method != SPLIT_WHOLE) {
        json_object_set_new(made, "column", manifest_text(split->column));
    }
    if (split->method == SPLIT_RANGE) {
        json_object_set_new(made, "low", manifest_text(split->low));
        json_object_set_new(made, "high", manifest_text(split->high));
    }
    return made;
}

/* What the broker has not said is left out. */
static json_t *manifest_ranges(const struct job_result *result)
{
    json_t *made = json_array();

    for (size_t i = 0; i < result->ranges_count; i++) {
        const struct job_range *range = &result->ranges[i];
        json_t *one =
            json_pack("{s:i, s:I}", "partition", range->partition, "records", (json_int_t)range->records);
        if (range->first >= 0) {
            json_object_set_new(one, "first_offset", json_integer(range->first));
            json_object_set_new(one, "last_offset", json_integer(range->last));
        }
        json_array_append_new(made, one);
    }
    return made;
}

static json_t *manifest_file(const struct job_table *table, const struct split *split, bool topic)
{
    const struct job_result *result = &table->results[split->number];
    char name[JOB_FILE_NAME_MAX], crc[16];
    json_t *nulls = json_array();

    job_file_name(table, split, name);
    snprintf(crc, sizeof crc, "%08x", result->file_crc32c);
    for (size_t i = 0; i < table->table->columns_count; i++)
        json_array_append_new(nulls, json_integer((json_int_t)result->columns[i].nulls));
    json_t *made = json_pack("{s:o, s:I, s:I, s:s, s:o, s:o, s:o, s:i}", "name",
        result->file ? json_string(name) : json_null(), "rows", (json_int_t)result->rows, "bytes",
        (json_int_t)result->file_bytes, "crc32c", crc, "checksum", manifest_checksum(result->checksum),
        "nulls", nulls, "split", manifest_split(table, split), "tries", (int)result->tries);
    json_object_set_new(made, "snapshot", json_integer(result->snapshot));
    if (topic)
        json_object_set_new(made, "partitions", manifest_ranges(result));
    if (result->key_known && result->rows) {
        json_object_set_new(made, "key_min", manifest_key(result->key_least));
        json_object_set_new(made, "key_max", manifest_key(result->key_greatest));
    }
    return made;
}

/* What a column is in the files. */
json_t *job_manifest_type(const struct column_field *field)
{
    json_t *made = json_pack("{s:s}", "file_type", column_type_name(field->type));

    if (field->type == COLUMN_LIST)
        json_object_set_new(made, "element", json_string(column_type_name(field->element)));
    if (field->type == COLUMN_DECIMAL || (field->type == COLUMN_LIST && field->element == COLUMN_DECIMAL)) {
        json_object_set_new(made, "precision", json_integer(field->precision));
        json_object_set_new(made, "scale", json_integer(field->scale));
    }
    return made;
}

static json_t *manifest_column(const struct job_table *table, size_t at)
{
    const struct table_column *column = &table->table->columns[at];
    const struct column_field *field = &table->table->fields[at];
    struct read_column sum = {0};

    for (size_t i = 0; i < table->plan->count; i++) {
        sum.nulls += table->results[i].columns[at].nulls;
        sum.nulled += table->results[i].columns[at].nulled;
        sum.rounded += table->results[i].columns[at].rounded;
        sum.bounds += table->results[i].columns[at].bounds;
    }
    json_t *made = json_pack("{s:s, s:s, s:b, s:i, s:I}", "name", column->name, "type", column->type,
        "not_null", column->not_null, "primary_key", (int)column->key, "nulls", (json_int_t)sum.nulls);
    json_t *type = job_manifest_type(field);
    if (type)
        json_object_update(made, type);
    json_decref(type);
    /* What an option changed is said only where it did. */
    if (sum.nulled)
        json_object_set_new(made, "infinities_to_null", json_integer((json_int_t)sum.nulled));
    if (sum.rounded)
        json_object_set_new(made, "rounded_to_double", json_integer((json_int_t)sum.rounded));
    if (sum.bounds)
        json_object_set_new(made, "lower_bounds_dropped", json_integer((json_int_t)sum.bounds));
    return made;
}

/* Which rows are older than the increment is only the files' to say. */
static json_t *manifest_merged(const struct job *job, const struct table *table, uint64_t rows)
{
    const struct job_merge *merge = job->merge;
    json_t *key = json_array();

    for (size_t i = 0; i < merge->rows.key_count; i++)
        json_array_append_new(key, json_string(table->columns[merge->rows.key[i]].name));
    return json_pack("{s:o, s:I, s:I, s:I}", "key", key, "rows_read", (json_int_t)rows, "rows_kept",
        (json_int_t)merge->kept, "rows_replaced", (json_int_t)(merge->old_rows - merge->kept));
}

static json_t *manifest_merged_file(const struct job_table *table, const struct merged_file *file)
{
    char name[JOB_FILE_NAME_MAX], crc[16];

    job_file_name(table, &(const struct split){.number = file->number}, name);
    snprintf(crc, sizeof crc, "%08x", file->crc32c);
    return json_pack("{s:s, s:I, s:I, s:s, s:b}", "name", name, "rows", (json_int_t)file->rows, "bytes",
        (json_int_t)file->bytes, "crc32c", crc, "merged", true);
}

/* The checksum is of the rows that were read. */
static json_t *manifest_table(const struct job *job, const struct job_table *table)
{
    static const char *const kinds[] = {[TABLE_PLAIN] = "table",
        [TABLE_PARTITIONED] = "partitioned table",
        [TABLE_VIEW] = "view",
        [TABLE_MATERIALIZED] = "materialized view",
        [TABLE_FOREIGN] = "foreign table",
        [TABLE_QUERY] = "query"};
    json_t *columns = json_array(), *files = json_array();
    uint64_t rows = 0, bytes = 0, checksum = 0;

    for (size_t i = 0; i < table->table->columns_count; i++)
        json_array_append_new(columns, manifest_column(table, i));
    for (size_t i = 0; i < table->plan->count; i++) {
        json_array_append_new(
            files, manifest_file(table, &table->plan->splits[i], job->options->topic != NULL));
        rows += table->results[i].rows;
        bytes += table->results[i].file_bytes;
        checksum += table->results[i].checksum;
    }
    json_t *merged = job->merge ? manifest_merged(job, table->table, rows) : NULL;
    for (size_t i = 0; merged && i < job->merge->files_count; i++) {
        json_array_append_new(files, manifest_merged_file(table, &job->merge->files[i]));
        rows += job->merge->files[i].rows;
        bytes += job->merge->files[i].bytes;
    }
    json_t *made = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o}", "schema", table->table->schema,
        "name", table->table->name, "kind", kinds[table->table->kind], "directory", table->directory, "rows",
        (json_int_t)rows, "bytes", (json_int_t)bytes, "checksum", manifest_checksum(checksum), "columns",
        columns, "files", files);
    if (table->table->where)
        json_object_set_new(made, "where", json_string(table->table->where));
    json_object_set_new(made, "split_by", json_string(table->plan->reason));
    if (merged)
        json_object_set_new(made, "merged", merged);
    return made;
}

static json_t *manifest_database(const struct job *job)
{
    const struct database_connection *server = &job->server;
    char version[24], system[24];

    snprintf(version, sizeof version, "%" PRIu32, server->version);
    snprintf(system, sizeof system, "%" PRIu64, server->system);
    return json_pack("{s:s, s:s, s:s, s:s, s:b}", "kind", job->options->kind->name, "where", server->where,
        "version", version, "system", system, "standby", server->standby);
}

static json_t *manifest_moment(const struct snapshot *snapshot, bool consistent)
{
    return json_pack("{s:b, s:s, s:s, s:o}", "consistent", consistent, "id", snapshot->id, "position",
        snapshot->position, "taken", manifest_time(snapshot->taken));
}

/* The last one; of several, which an import has that went on without its first one, each file says its own. */
static json_t *manifest_snapshot(const struct job *job)
{
    json_t *made = manifest_moment(&job->snapshot, *job->snapshot.id != '\0' && job->snapshots_count == 1);
    json_t *all = json_array();

    for (size_t i = 0; i < job->snapshots_count; i++)
        json_array_append_new(all, manifest_moment(&job->snapshots[i], *job->snapshots[i].id != '\0'));
    if (job->snapshots_count > 1)
        json_object_set(made, "all", all);
    json_decref(all);
    return made;
}

/* What is needed to select the same rows again, and to have them sent in the same form. */
static json_t *manifest_selection(const struct job *job)
{
    const struct table_selection *selection = &job->options->selection;
    json_t *columns = selection->columns_count ? json_array() : json_null();
    json_t *casts = json_array();

    for (size_t i = 0; i < selection->casts_count; i++)
        json_array_append_new(casts, json_string(selection->casts[i]));
    for (size_t i = 0; i < selection->columns_count; i++)
        json_array_append_new(columns, json_string(selection->columns[i]));
    /* Of an increment, and of one with bounds, it is what was read. */
    const bool made = job->options->increment.mode || selection->bounds;
    const char *where = made ? job->list->tables[0]->where : selection->where;
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:b}", "columns", columns, "casts", casts, "where",
        manifest_text(where), "query", manifest_text(selection->query), "arrays_as_text",
        selection->types->arrays == PG_ARRAYS_TEXT, "copied", selection->types->copied);
}

/* Which range was read, and what the next import is told as its last value. */
static json_t *manifest_increment(const struct job *job)
{
    static const char *const modes[] = {
        [INCREMENT_APPEND] = "append", [INCREMENT_LASTMODIFIED] = "lastmodified"};
    const struct increment *increment = &job->increment;
    const char *low = *increment->low ? increment->low : NULL;
    const char *high = *increment->high ? increment->high : NULL;

    json_t *made = json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:I, s:i}", "mode", modes[increment->mode],
        "check_column", increment->column, "where", job->options->selection.where,
        increment->timed ? "from" : "above", low, increment->timed ? "before" : "up_to", high, "last_value",
        high, "nulls", (json_int_t)increment->nulls, "lag", (int)job->options->increment.lag);
    if (job->options->increment.job)
        json_object_set_new(made, "job", json_string(job->options->increment.job));
    return made;
}

/* Without which nobody can read values of Avro; NULL: they are not. */
static json_t *manifest_schema(const struct job *job)
{
    cleanup_bytes struct bytes text;
    struct error ignored; /* as in manifest_time() */

    bytes_init(&text, MANIFEST_SIZE_MAX);
    return job->options->topic->value != JOB_VALUE_AVRO || topic_value_schema(job, &text, &ignored)
               ? NULL
               : json_loadb(text.data, text.length, 0, NULL);
}

/* Where the rows are, if not in files. */
static json_t *manifest_topic(const struct job *job)
{
    static const char *const values[] = {
        [JOB_VALUE_JSON] = "json", [JOB_VALUE_ENVELOPE] = "envelope", [JOB_VALUE_AVRO] = "avro"};
    const struct job_topic *topic = job->options->topic;
    const struct table *table = job->list->tables[0];
    size_t columns[TARGET_KEY_MAX];
    const size_t count = target_topic_key(topic, table, columns);
    json_t *key = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(key, json_string(table->columns[columns[i]].name));
    return json_pack("{s:s, s:s, s:s, s:o, s:b, s:s, s:o*}", "name", topic->name, "servers",
        kafka_client_servers(topic->client), "import", job->id, "key", key, "transactional",
        topic->transactional, "value", values[topic->value], "schema", manifest_schema(job));
}

static json_t *manifest_character(char one)
{
    return one ? json_stringn(&one, 1) : json_null();
}

static json_t *manifest_slice(struct slice text)
{
    return job_state_text(text.length ? text.data : "");
}

/* Two imports whose texts are equal write the same value in the same way. */
json_t *job_manifest_text(const struct job *job)
{
    static const char *const enclosed[] = {
        [DELIMITED_QUOTE_NONE] = "none", [DELIMITED_QUOTE_NEEDED] = "needed", [DELIMITED_QUOTE_ALL] = "all"};
    static const char *const styles[] = {
        [DELIMITED_ISO] = "iso", [DELIMITED_JAVA] = "sqoop", [DELIMITED_POSTGRES] = "postgresql"};
    const struct delimited_options *options = job->options->file.delimited;
    const struct pg_type_options *types = job->options->selection.types;

    if (!options)
        return NULL;
    const char enclosure = options->quoting == DELIMITED_QUOTE_NONE ? '\0' : options->enclosure;
    return json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:i, s:i}", "style",
        styles[options->style], "fields_terminated_by", manifest_character(options->field),
        "lines_terminated_by", options->line ? manifest_character(options->line) : json_string("\r\n"),
        "enclosed", enclosed[options->quoting], "enclosed_by", manifest_character(enclosure), "escaped_by",
        manifest_character(options->escape), "null_string", manifest_slice(options->null_string),
        "null_non_string", manifest_slice(options->null_other), "true", manifest_slice(options->true_text),
        "false", manifest_slice(options->false_text), "header", options->header, "delimiters_dropped",
        options->drop_delimiters, "delimiters_replacement", manifest_slice(options->delimiters_replacement),
        "arrays", (int)types->arrays, "infinity", (int)types->infinity);
}

int job_manifest(const struct job *job, struct bytes *text, struct error *error)
{
    json_t *tables = json_array();

    for (size_t i = 0; i < job->list->count; i++)
        json_array_append_new(tables, manifest_table(job, &job->tables[i]));
    json_t *made = json_pack("{s:i, s:s, s:s, s:o, s:f, s:o, s:o, s:o, s:s, s:o}", "manifest",
        MANIFEST_VERSION, "penstock", PENSTOCK_VERSION, "options", job->options->tool, "began",
        manifest_time(job->began_wall), "seconds", (double)(job->ended - job->began) / (double)CLOCK_SECOND,
        "database", manifest_database(job), "snapshot", manifest_snapshot(job), "selection",
        manifest_selection(job), "checksums", CHECKSUM_METHOD, "tables", tables);
    if (job->options->topic)
        json_object_set_new(made, "topic", manifest_topic(job));
    if (job->options->file.format == TABLE_DELIMITED)
        json_object_set_new(made, "text", job_manifest_text(job));
    if (job->options->increment.mode)
        json_object_set_new(made, "incremental", manifest_increment(job));
    char *dumped = made ? json_dumps(made, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;
    json_decref(made);
    if (!dumped)
        return error_set(error, ERROR_RETRY, MANIFEST_NAME ": out of memory");
    int result = bytes_add_text(text, dumped, error) || bytes_add_text(text, "\n", error) ? -1 : 0;
    free(dumped);
    return result;
}
