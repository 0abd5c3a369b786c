/* job_explain: a plan for people; see job.h. */
#include <inttypes.h>

#include "base/shown.h"
#include "table/target.h"
#include "table/topic_value.h"

#define EXPLAIN_SPLITS 8 /* whose statements are shown; others are alike */
#define EXPLAIN_STATEMENT_MAX ((size_t)20 << 20)
#define EXPLAIN_NAME 24 /* bytes, and of types: */
#define EXPLAIN_TYPE 28

/* What stands in a column of the page. */
static int explain_padded(const char *what, size_t width, struct bytes *text, struct error *error)
{
    const size_t begin = text->length;

    if (shown_add(text, what, error))
        return -1;
    const size_t length = text->length - begin;
    return bytes_print(text, error, "%*s ", length < width ? (int)(width - length) : 0, "");
}

static int explain_columns(const struct table *table, struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < table->columns_count; i++) {
        const struct column_field *field = &table->fields[i];
        const bool list = field->type == COLUMN_LIST;
        const enum column_type type = list ? field->element : field->type;
        if (bytes_add_text(text, "    ", error) ||
            explain_padded(table->columns[i].name, EXPLAIN_NAME, text, error) ||
            explain_padded(table->columns[i].type, EXPLAIN_TYPE, text, error) ||
            bytes_print(text, error, "-> %s%s", list ? "list of " : "", column_type_name(type)) ||
            (type == COLUMN_DECIMAL && bytes_print(text, error, "(%d,%d)", field->precision, field->scale)) ||
            bytes_add_text(text, "\n", error))
            return -1;
    }
    return 0;
}

static int explain_split(struct job *job, const struct table *table, const struct split *split,
    struct bytes *text, struct error *error)
{
    cleanup_bytes struct bytes statement;

    bytes_init(&statement, EXPLAIN_STATEMENT_MAX);
    if (job->options->kind->explain(job->connection, table, split, &statement, error) ||
        bytes_add(&statement, "", 1, error) || bytes_add_text(text, "    ", error) ||
        shown_add(text, statement.data, error))
        return -1;
    return bytes_add_text(text, "\n", error);
}

static int explain_table(
    struct job *job, const struct job_table *table, struct bytes *text, struct error *error)
{
    uint64_t bytes = 0;
    double rows = 0;

    for (size_t i = 0; i < table->table->parts_count; i++) {
        bytes += table->table->parts[i].bytes;
        rows = rows < 0 || table->table->parts[i].rows < 0 ? -1 : rows + table->table->parts[i].rows;
    }
    if (shown_add(text, table->table->title, error) ||
        bytes_print(text, error, ": %zu columns, %zu parts, %" PRIu64 " bytes, ", table->table->columns_count,
            table->table->parts_count, bytes) ||
        (rows < 0 ? bytes_add_text(text, "rows unknown", error)
                  : bytes_print(text, error, "about %.0f rows", rows)) ||
        bytes_print(text, error, "\n%s",
            table->table->filtered ? "    row security: this user sees some of the rows only\n" : "") ||
        explain_columns(table->table, text, error) ||
        bytes_print(text, error, "  %zu splits: ", table->plan->count) ||
        shown_add(text, table->plan->reason, error) || bytes_add_text(text, "\n", error))
        return -1;
    for (size_t i = 0; i < table->plan->count && i < EXPLAIN_SPLITS; i++) {
        if (explain_split(job, table->table, &table->plan->splits[i], text, error))
            return -1;
    }
    if (table->plan->count > EXPLAIN_SPLITS &&
        bytes_print(text, error, "    ... and %zu more\n", table->plan->count - EXPLAIN_SPLITS))
        return -1;
    return job->options->hive ? job_hive_explain(job, table, text, error) : 0;
}

static int explain_topic(const struct job *job, struct bytes *text, struct error *error)
{
    const struct job_topic *topic = job->options->topic;
    const struct table *table = job->list->tables[0];
    size_t key[TARGET_KEY_MAX];
    const size_t count = target_topic_key(topic, table, key);

    if (bytes_print(text, error, "a record of topic %s for each row, %s%s", topic->name,
            topic->transactional ? "a transaction for each split, " : "", count ? "key:" : "without a key"))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (bytes_add_text(text, " ", error) || shown_add(text, table->columns[key[i]].name, error))
            return -1;
    }
    if (bytes_add_text(text, "\n", error))
        return -1;
    if (topic->value != JOB_VALUE_AVRO)
        return 0;
    return bytes_add_text(text, "schema of the values: ", error) || topic_value_schema(job, text, error) ||
                   bytes_add_text(text, "\n", error)
               ? -1
               : 0;
}

int job_explain(struct job *job, struct bytes *text, struct error *error)
{
    if (shown_add(text, job->server.where, error) ||
        bytes_print(text, error, ", version %" PRIu32 "%s\n%s\n", job->server.version,
            job->server.standby ? ", a standby" : "",
            job->options->snapshot.not_consistent
                ? "no snapshot: each statement sees the moment it begins"
                : "one snapshot for all tables, held with ACCESS SHARE locks while it is read"))
        return -1;
    if (job->options->topic && explain_topic(job, text, error))
        return -1;
    for (size_t i = 0; i < job->list->count; i++) {
        if (explain_table(job, &job->tables[i], text, error))
            return -1;
    }
    return 0;
}
