/* hive: what Hive is told, in the words of an import; see sqoop_internal.h. */
#include <stdio.h>

#include "sqoop/sqoop_internal.h"

#define HIVE_PARTITION_MAX ((size_t)64 * 1024)

bool hive_is_told(const struct sqoop_line *line)
{
    return line->tool->tool == SQOOP_CREATE_HIVE || parse_value(line, "hive-import");
}

/* Sqoop complains about them, too, and goes on. */
static int hive_note_unused(struct sqoop_line *line, struct error *error)
{
    static const char *const others[] = {"hive-overwrite", "create-hive-table", "hive-table", "hive-database",
        "hive-partition-key", "hive-partition-value", "external-table-dir", "map-column-hive", "hive-client"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (parse_value(line, others[i]) &&
            words_note(line->order, error, "--%s changes nothing without --hive-import", others[i]))
            return -1;
    return 0;
}

/* What Hive would have twice, or what would be gone. */
static int hive_check(const struct sqoop_line *line, struct error *error)
{
    const char *mode = parse_value(line, "incremental");

    if (mode && strcmp(mode, "lastmodified") == 0)
        return error_set(error, ERROR_REJECT,
            "--incremental lastmodified: Hive would have changed rows twice, and Sqoop refuses it with --hive-import, too: use append, or read the whole table with --hive-overwrite");
    if (parse_value(line, "append") && !mode)
        return error_set(error, ERROR_REJECT,
            "--append: Hive adds to its table in any case, and Sqoop refuses it with --hive-import, too: leave it out");
    if (mode && parse_value(line, "hive-overwrite") && !parse_value(line, "hive-partition-key"))
        return error_set(error, ERROR_REJECT,
            "--hive-overwrite deletes what earlier increments have brought: it goes with --incremental only for a --hive-partition-key");
    if (parse_value(line, "query") && !parse_value(line, "hive-table"))
        return error_set(error, ERROR_REJECT, "--hive-table: a query needs one");
    return 0;
}

/* "DATABASE.TABLE" is taken, too, as Hive took it from Sqoop. */
static int hive_table(struct sqoop_line *line, struct error *error)
{
    const char *table = parse_value(line, "hive-table"), *database = parse_value(line, "hive-database");
    const char *dot = table && !database ? strchr(table, '.') : NULL;

    if (dot) {
        database = words_keep(line->order, table, (size_t)(dot - table), error);
        table = dot + 1;
        if (!database)
            return -1;
    }
    return words_add_pair(&line->order->import, "--hive-table", table, error) ||
                   words_add_pair(&line->order->import, "--hive-database", database, error)
               ? -1
               : 0;
}

static int hive_partition(struct sqoop_line *line, struct error *error)
{
    const char *key = parse_value(line, "hive-partition-key"),
               *value = parse_value(line, "hive-partition-value");
    cleanup_bytes struct bytes text;

    if (!key && !value)
        return 0;
    if (!key || (!value && line->tool->tool != SQOOP_CREATE_HIVE))
        return error_set(error, ERROR_REJECT, "--hive-partition-key and --hive-partition-value go together");
    if (!*key || strchr(key, '='))
        return error_set(error, ERROR_REJECT, "--hive-partition-key: \"%.100s\" is no name", key);
    bytes_init(&text, HIVE_PARTITION_MAX);
    if (bytes_print(&text, error, "%s=%s", key, value ? value : ""))
        return error_wrap(error, "--hive-partition-value");
    const char *kept = words_keep(line->order, text.data, text.length, error);
    return kept ? words_add_pair(&line->order->import, "--hive-partition", kept, error) : -1;
}

/* What Hive and Spark do not read, or not as it is. */
static int hive_format(struct sqoop_line *line, struct error *error)
{
    struct sqoop_words *words = &line->order->import;

    if (parse_value(line, "as-avrodatafile") || parse_value(line, "as-parquetfile"))
        return words_add_pair(words, "--uuid", "string", error) ||
                       words_add_pair(words, "--time", "string", error)
                   ? -1
                   : 0;
    if ((parse_value(line, "enclosed-by") || parse_value(line, "optionally-enclosed-by") ||
            parse_value(line, "mysql-delimiters") || text_is_direct(line)) &&
        words_note(line->order, error,
            "Hive takes characters around a field for a part of it, unless its table is made by hand for them"))
        return -1;
    if (line->tool->tool == SQOOP_CREATE_HIVE || parse_value(line, "hive-drop-import-delims") ||
        parse_value(line, "hive-delims-replacement"))
        return 0;
    return words_note(line->order, error,
        "Hive takes a line break in a text for the end of the row: %s--hive-drop-import-delims leaves them out",
        text_is_direct(line) ? "without --direct " : "");
}

static int hive_words(struct sqoop_line *line, struct error *error)
{
    struct sqoop_words *words = &line->order->import;
    const char *place = parse_value(line, "external-table-dir");

    return hive_table(line, error) || hive_partition(line, error) ||
                   words_add_pair(words, "--hive-location", place, error) ||
                   (parse_value(line, "hive-overwrite") && words_add(words, "--hive-overwrite", error)) ||
                   (parse_value(line, "create-hive-table") && words_add(words, "--hive-new", error)) ||
                   types_translate_hive(line, error) || hive_format(line, error)
               ? -1
               : 0;
}

int hive_translate(struct sqoop_line *line, struct error *error)
{
    struct sqoop_order *order = line->order;

    if (!hive_is_told(line))
        return hive_note_unused(line, error);
    if (line->tool->tool == SQOOP_CREATE_HIVE)
        return words_add(&order->import, "--hive-ddl", error) || hive_words(line, error) ? -1 : 0;
    order->hive = true;
    order->hive_client = parse_value(line, "hive-client");
    return hive_check(line, error) || words_add(&order->import, "--hive", error) ||
                   words_add_pair(&order->import, "--hive-client", order->hive_client, error) ||
                   hive_words(line, error)
               ? -1
               : 0;
}
