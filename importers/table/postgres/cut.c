/* cut: a table into splits; see split.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table/postgres/split.h"

#define CUT_WHAT "looking for a way to the increment"
#define CUT_TEXT ((size_t)20 << 20)

struct cut {
    struct pg_connection *connection;
    const struct table *table;
    const struct plan_options *options;
    struct plan *plan;
    uint64_t pages; /* of all parts */
    double rows; /* negative: unknown */
    const char *how; /* the part that was cut last */
};

/* Of a part that was never analyzed nobody knows the rows, and so of the whole. */
static void cut_count(struct cut *cut, const struct table_part *part)
{
    cut->pages += part->pages;
    cut->rows = cut->rows < 0 || (part->pages && part->rows <= 0) ? -1 : cut->rows + part->rows;
}

/* Splits of one size whatever the partitions' sizes are. */
static uint64_t cut_pages(const struct cut *cut)
{
    return plan_split_pages(cut->pages, cut->rows, cut->options);
}

/* Of what has no pages nobody knows the size. */
static size_t cut_ranges(const struct cut *cut, const struct table_part *part)
{
    const struct plan_options options = {.workers = cut->options->workers, .split_pages = cut_pages(cut)};

    if (part->pages)
        return plan_ranges(part->pages, &options);
    return (size_t)(cut->options->workers ? cut->options->workers : 1) * PLAN_PER_WORKER;
}

static int cut_at(
    struct cut *cut, uint32_t part, const struct pg_key *key, const PGresult *found, struct error *error)
{
    const struct table_part *which = &cut->table->parts[part];
    const struct plan_key plan_key = {.column = key->name, .type = key->type->name, .nulls = key->nulls};
    const size_t count = (size_t)PQntuples(found);
    const char **bounds = calloc(count + 1, sizeof *bounds);

    if (!bounds)
        return error_set(error, ERROR_RETRY, "plan: out of memory");
    for (size_t i = 0; i < count; i++)
        bounds[i] = PQgetvalue(found, (int)i, 0);
    const int result = plan_add_bounds(
        cut->plan, part, &plan_key, bounds, count, cut_ranges(cut, which), which->bytes, which->rows, error);
    free(bounds);
    return result;
}

/* The ends of a histogram are the least and the greatest value: nothing is beyond them. */
static int cut_by_key(
    struct cut *cut, uint32_t part, const struct pg_key *key, bool measure, struct error *error)
{
    const struct table_part *which = &cut->table->parts[part];
    cleanup_result PGresult *bounds = NULL;
    const bool stored = cut->table->kind != TABLE_QUERY && cut->table->kind != TABLE_VIEW;
    const size_t ranges = cut_ranges(cut, which);

    cut->how = "ranges of a key, by its statistics";
    if (stored && pg_bounds_histogram(cut->connection, which, key, &bounds, error))
        return -1;
    if (!bounds || PQntuples(bounds) < 3) {
        pg_result_free(&bounds);
        if (!measure)
            return 1;
        cut->how = key->type->distance == PG_NO_DISTANCE ? "ranges of a column, by its quantiles"
                                                         : "ranges of a column, equally wide";
        if (pg_bounds_measure(cut->connection, cut->table, part, key, ranges - 1, &bounds, error))
            return -1;
    }
    return cut_at(cut, part, key, bounds, error);
}

static int cut_whole(struct cut *cut, uint32_t part, const char *why, struct error *error)
{
    const struct table_part *which = &cut->table->parts[part];

    cut->how = why;
    return plan_add_whole(cut->plan, part, which->bytes, which->rows, error);
}

/* By a column that the user named: looked at whatever it takes. */
static int cut_named(struct cut *cut, uint32_t part, struct error *error)
{
    __attribute__((cleanup(pg_key_free))) struct pg_key key = {0};
    bool found;

    if (pg_key_find(cut->connection, cut->table, part, cut->options->column, &key, &found, error))
        return -1;
    if (!found)
        return error_set(error, ERROR_REJECT, "table %s: it has no column %s to be cut by", cut->table->title,
            cut->options->column);
    if (!key.type)
        return error_set(error, ERROR_REJECT,
            "table %s: it cannot be cut by column %s, as of its type; allowed: numbers, dates, timestamps, time, text, uuid",
            cut->table->title, cut->options->column);
    return cut_by_key(cut, part, &key, true, error);
}

/* By a key that leads an index, so that a range of it reads its own rows only. */
static int cut_indexed(struct cut *cut, uint32_t part, struct error *error)
{
    __attribute__((cleanup(pg_key_free))) struct pg_key key = {0};
    bool found;

    if (pg_key_find(cut->connection, cut->table, part, cut->table->parts[part].key, &key, &found, error))
        return -1;
    if (!found || !key.type)
        return cut_whole(
            cut, part, "one split: no index begins with a column that it could be cut by", error);
    const int result = cut_by_key(cut, part, &key, key.type->distance != PG_NO_DISTANCE, error);
    return result > 0 ? cut_whole(cut, part,
                            "one split: there are no statistics of its key; ANALYZE makes them", error)
                      : result;
}

/* ---- an increment ------------------------------------------------------------------------------------------------ */

/* Does the server go by an index? Of nothing at all it makes a Result. "Index Scan using i on t  (cost=0.29..8.31 rows=1 width=36)" */
static bool cut_goes_by_index(const char *line)
{
    static const char *const ways[] = {"Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Result"};
    bool found = false;

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        found |= strncmp(line, ways[i], strlen(ways[i])) == 0;
    return found;
}

/* The server's own estimate; negative: it reads all of the part. The condition is the operator's, too: in the user's search_path. */
static int cut_ask(struct cut *cut, uint32_t part, double *ret_rows, struct error *error)
{
    cleanup_bytes struct bytes sql;
    cleanup_result PGresult *ignored = NULL, *found = NULL;

    bytes_init(&sql, CUT_TEXT);
    if (bytes_print(&sql, error, "EXPLAIN SELECT FROM %s WHERE (\n%s\n)", cut->table->detail->parts[part],
            cut->table->where) ||
        bytes_add(&sql, "", 1, error) ||
        pg_query(cut->connection, CUT_WHAT, "SELECT pg_catalog.set_config('search_path', $1, true)", 1,
            (const char *const[]){cut->connection->search_path}, PG_ROW(1), &ignored, error) ||
        pg_query(cut->connection, CUT_WHAT, sql.data, 0, NULL, PG_ROWS(1), &found, error))
        return -1;
    const char *line = PQntuples(found) > 0 ? PQgetvalue(found, 0, 0) : "";
    const char *rows = cut_goes_by_index(line) ? strstr(line, " rows=") : NULL;
    *ret_rows = rows ? strtod(rows + strlen(" rows="), NULL) : -1;
    return 0;
}

/* Ranges of pages are all pages of the table. What fits into one split, and has an index that leads there, is read by that. */
static int cut_increment(struct cut *cut, uint32_t part, bool *ret_cut, struct error *error)
{
    const struct table_part *which = &cut->table->parts[part];
    double rows;
    struct error later;

    if (!cut->table->narrowed || which->pages == 0 || which->rows <= 0)
        return 0;
    if (pg_run(cut->connection, CUT_WHAT, "BEGIN READ ONLY", error))
        return -1;
    const int result = cut_ask(cut, part, &rows, error);
    if (pg_run(cut->connection, CUT_WHAT, "ROLLBACK", result ? &later : error) || result)
        return -1;
    const double share = rows / which->rows;
    if (rows < 0 || share * (double)which->pages > (double)cut_pages(cut))
        return 0;
    *ret_cut = true;
    cut->how = "one split: an index leads to its few rows";
    return plan_add_whole(cut->plan, part, (uint64_t)(share * (double)which->bytes), rows, error);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int cut_part(struct cut *cut, uint32_t part, struct error *error)
{
    const struct table_part *which = &cut->table->parts[part];
    bool is_cut = false;

    if (cut->options->whole)
        return cut_whole(cut, part, "one split, as asked for", error);
    if (cut->options->column)
        return cut_named(cut, part, error);
    if (cut->table->kind == TABLE_QUERY || cut->table->kind == TABLE_VIEW ||
        cut->table->kind == TABLE_FOREIGN)
        return cut_whole(cut, part, "one split: it has no pages; name a column to cut it by", error);
    if (cut_increment(cut, part, &is_cut, error) || is_cut)
        return is_cut ? 0 : -1;
    if (which->paged) {
        cut->how = "ranges of pages";
        return plan_add_pages(
            cut->plan, part, which->pages, which->bytes, which->rows, cut_pages(cut), error);
    }
    if (cut_ranges(cut, which) == 1)
        return cut_whole(cut, part, "one split: it is small", error);
    if (which->key)
        return cut_indexed(cut, part, error);
    return cut_whole(cut, part, "one split: neither pages nor an index to cut it by; name a column", error);
}

/* A query is looked at in the user's own search_path. */
static int cut_set_path(struct cut *cut, const char *path, struct error *error)
{
    cleanup_result PGresult *ignored = NULL;

    if (cut->table->kind != TABLE_QUERY)
        return 0;
    return pg_query(cut->connection, "looking for bounds",
        "SELECT pg_catalog.set_config('search_path', $1, false)", 1, &path, PG_ROW(1), &ignored, error);
}

int pg_plan(struct database_connection *connection, const struct table *table,
    const struct plan_options *options, struct plan **ret_plan, struct error *error)
{
    __attribute__((cleanup(plan_free))) struct plan *plan = NULL;

    connection->trouble = DATABASE_FINE;
    if (plan_new(&plan, error))
        return -1;
    struct cut cut = {.connection = pg_connection_of(connection),
        .table = table,
        .options = options,
        .plan = plan,
        .how = "it has no parts"};
    for (size_t i = 0; i < table->parts_count; i++)
        cut_count(&cut, &table->parts[i]);
    if (cut_set_path(&cut, cut.connection->search_path, error))
        return -1;
    for (size_t i = 0; i < table->parts_count; i++)
        if (cut_part(&cut, (uint32_t)i, error))
            return -1;
    if (cut_set_path(&cut, "", error))
        return -1;
    snprintf(plan->reason, sizeof plan->reason, "%s%s",
        table->parts_count > 1 ? "partition by partition, " : "", cut.how);
    *ret_plan = plan;
    plan = NULL;
    return 0;
}
