/* translate: a line of Sqoop's in the words of an import; see sqoop.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/option.h"
#include "sqoop/sqoop_internal.h"

#define TOOLS_MAX 32

/* ---- properties ------------------------------------------------------------------------------------------------------ */

static const char *property_value(const struct sqoop_line *line, const char *name)
{
    const size_t length = strlen(name);

    for (size_t i = line->properties.count; i-- > 0;) {
        const char *property = line->properties.words[i];
        if (strncmp(property, name, length) == 0 && property[length] == '=')
            return property + length + 1;
    }
    return NULL;
}

#define AVRO_DECIMAL "sqoop.avro.logical_types.decimal.enable"
#define PARQUET_DECIMAL "sqoop.parquet.logical_types.decimal.enable"
#define DECIMAL_PRECISION "sqoop.avro.logical_types.decimal.default.precision"
#define DECIMAL_SCALE "sqoop.avro.logical_types.decimal.default.scale"
#define DECIMAL_PLAIN "sqoop.bigdecimal.format.string"

bool translate_is_known(const char *property)
{
    static const char *const known[] = {AVRO_DECIMAL, PARQUET_DECIMAL, DECIMAL_PRECISION, DECIMAL_SCALE,
        DECIMAL_PLAIN, "org.apache.sqoop.splitter.allow_text_splitter"};
    const struct slice name = {property, strcspn(property, "=")};
    bool found = false;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        found |= slice_is(name, known[i]);
    return found;
}

static int property_check(const struct sqoop_line *line, struct error *error)
{
    for (size_t i = 0; i < line->properties.count; i++) {
        const char *property = line->properties.words[i];
        const size_t length = strcspn(property, "=");
        if (!length || !property[length])
            return error_set(error, ERROR_REJECT, "-D %.*s: allowed: NAME=VALUE",
                (int)(length < 100 ? length : 100), property);
        if (!translate_is_known(property) &&
            words_note(line->order, error, "-D %.*s changes nothing: nothing of Hadoop is used",
                (int)(length < 200 ? length : 200), property))
            return -1;
    }
    return 0;
}

/* numeric is a string in the files of Sqoop, unless somebody asked for decimals. */
static int property_translate(const struct sqoop_line *line, struct error *error)
{
    const bool avro = parse_value(line, "as-avrodatafile"), parquet = parse_value(line, "as-parquetfile");
    const char *decimal = property_value(line, avro ? AVRO_DECIMAL : PARQUET_DECIMAL);
    const char *precision = property_value(line, DECIMAL_PRECISION),
               *scale = property_value(line, DECIMAL_SCALE);
    const char *plain = property_value(line, DECIMAL_PLAIN);
    struct sqoop_words *words = &line->order->import;
    char both[64];

    if (property_check(line, error))
        return -1;
    if (plain && strcmp(plain, "true") != 0)
        return error_set(error, ERROR_REJECT,
            "-D " DECIMAL_PLAIN ": numbers are written in plain digits only: leave it out");
    if (!avro && !parquet)
        return 0;
    if (!decimal || strcmp(decimal, "true") != 0)
        return words_add_pair(words, "--numeric", "string", error);
    if (!precision)
        return 0;
    snprintf(both, sizeof both, "%.20s,%.20s", precision, scale ? scale : "0");
    const char *kept = words_keep(line->order, both, strlen(both), error);
    return kept ? words_add_pair(words, "--numeric-type", kept, error) : -1;
}

/* ---- what is read ---------------------------------------------------------------------------------------------------- */

/* An exact name is in quotes. */
static int quote_name(const char *name, struct bytes *text, struct error *error)
{
    if (bytes_add(text, "\"", 1, error))
        return -1;
    for (; *name; name++)
        if ((*name == '"' && bytes_add(text, "\"", 1, error)) || bytes_add(text, name, 1, error))
            return -1;
    return bytes_add(text, "\"", 1, error);
}

#define NAME_MAX_QUOTED ((size_t)64 * 1024)

/* option: "--" or one that is followed by the name of a table */
static int translate_name(struct sqoop_line *line, const char *option, const char *table, struct error *error)
{
    const char *schema = line->order->schema;
    cleanup_bytes struct bytes text;

    bytes_init(&text, NAME_MAX_QUOTED);
    if ((schema && (quote_name(schema, &text, error) || bytes_add(&text, ".", 1, error))) ||
        quote_name(table, &text, error))
        return error_wrap(error, "%s", strcmp(option, "--") == 0 ? "--table" : option);
    const char *kept = words_keep(line->order, text.data, text.length, error);
    return kept ? words_add_pair(&line->order->import, option, kept, error) : -1;
}

/* Sqoop's own word for the rows that a mapper is to read. */
static int translate_query(struct sqoop_line *line, const char *query, struct error *error)
{
    static const char token[] = "$CONDITIONS", all[] = "(1 = 1)";
    cleanup_bytes struct bytes text;

    bytes_init(&text, SQOOP_FILE_MAX);
    if (!strstr(query, token))
        return error_set(error, ERROR_REJECT,
            "--query: its WHERE clause must have $CONDITIONS in it, as Sqoop wants it; between double quotes the shell needs \\$CONDITIONS");
    for (const char *at = query; *at;) {
        const char *next = strstr(at, token), *end = next ? next : at + strlen(at);
        if (bytes_add(&text, at, (size_t)(end - at), error) || (next && bytes_add_text(&text, all, error)))
            return error_wrap(error, "--query");
        at = end + (next ? sizeof token - 1 : 0);
    }
    const char *kept = words_keep(line->order, text.data, text.length, error);
    return kept ? words_add_pair(&line->order->import, "--query", kept, error) : -1;
}

/* Blanks around a name do not belong to it. */
static int translate_columns(struct sqoop_line *line, struct error *error)
{
    const char *columns = parse_value(line, "columns");
    char *kept = columns ? words_keep(line->order, columns, strlen(columns), error) : NULL, *to = kept;

    if (!columns)
        return 0;
    for (const char *at = kept; at && *at;) {
        at += strspn(at, " \t\n");
        const size_t length = strcspn(at, ",");
        size_t used = length;
        while (used && strchr(" \t\n", at[used - 1]))
            used--;
        memmove(to, at, used);
        to += used;
        at += length;
        if (*at)
            *to++ = *at++;
    }
    if (kept)
        *to = '\0';
    return kept ? words_add_pair(&line->order->import, "--columns", kept, error) : -1;
}

/* ---- where it goes --------------------------------------------------------------------------------------------------- */

/* A path of this machine, of a URL too. NULL: of another place. */
const char *translate_local_path(const char *path)
{
    const size_t scheme = strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    if (path[scheme] != ':' || scheme == 0)
        return path;
    if (strncmp(path, "file:///", 8) == 0)
        return path + 7;
    if (strncmp(path, "file:/", 6) == 0 && path[6] != '/')
        return path + 5;
    return strncmp(path + scheme, ":/", 2) == 0 ? NULL : path;
}

static int refuse_place(const char *option, const char *path, struct error *error)
{
    return error_set(error, ERROR_REJECT,
        "--%s %.*s:...: files go to a directory of this machine, webhdfs://HOST:PORT/DIRECTORY, swebhdfs://... or s3://BUCKET/DIRECTORY",
        option, (int)strcspn(path, ":"), path);
}

static bool place_is(const char *path, const char *scheme)
{
    return strncmp(path, scheme, strlen(scheme)) == 0;
}

/* A directory of this machine, or of a store; a path may be either (command/import_place.h). NULL: of a place that files cannot go to. */
static const char *translate_place(struct sqoop_order *order, const char *path, struct error *error)
{
    static const char *const stores[] = {"hdfs://", "webhdfs://", "swebhdfs://", "s3://"};
    static const char *const others[] = {"s3a://", "s3n://"};
    const char *local = translate_local_path(path);
    cleanup_bytes struct bytes text;

    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++)
        if (place_is(path, stores[i]))
            return path;
    const char *bucket =
        place_is(path, others[0]) || place_is(path, others[1]) ? path + strlen(others[0]) : NULL;
    if (local || !bucket)
        return local;
    bytes_init(&text, NAME_MAX_QUOTED);
    return bytes_add_text(&text, "s3://", error) || bytes_add_text(&text, bucket, error)
               ? NULL
               : words_keep(order, text.data, text.length, error);
}

static int translate_target(struct sqoop_line *line, const char *table, struct error *error)
{
    const char *target = parse_value(line, "target-dir"), *folder = parse_value(line, "warehouse-dir");
    struct sqoop_order *order = line->order;

    if (target && folder)
        return error_set(error, ERROR_REJECT, "--target-dir and --warehouse-dir exclude each other");
    if (!target && !table)
        return error_set(error, ERROR_REJECT, "--target-dir: a query needs one");
    const char *place = translate_place(order, target ? target : folder ? folder : ".", error);
    if (!place)
        return refuse_place(target ? "target-dir" : "warehouse-dir", target ? target : folder, error);
    order->target = place;
    if (!target) {
        cleanup_bytes struct bytes text;
        bytes_init(&text, NAME_MAX_QUOTED);
        if ((folder && (bytes_add_text(&text, place, error) || bytes_add_text(&text, "/", error))) ||
            bytes_add_text(&text, table, error))
            return error_wrap(error, "--warehouse-dir");
        order->target = words_keep(order, text.data, text.length, error);
    }
    return !order->target || words_add_pair(&order->import, "--target", order->target, error) ||
                   (parse_value(line, "delete-target-dir") && words_add(&order->import, "--replace", error))
               ? -1
               : 0;
}

/* As in Sqoop, where no other import merges. */
static int translate_merge(struct sqoop_line *line, bool merges, struct error *error)
{
    const char *key = parse_value(line, "merge-key");

    if (!key)
        return 0;
    return merges
               ? words_add_pair(&line->order->import, "--merge-key", key, error)
               : words_note(line->order, error,
                     "--merge-key changes nothing: only --incremental lastmodified without --append merges rows");
}

/* Sqoop adds to the directory in any case when rows are only added. */
static int translate_increment(struct sqoop_line *line, struct error *error)
{
    const char *mode = parse_value(line, "incremental");
    const bool append = parse_value(line, "append") || (mode && strcmp(mode, "append") == 0);
    struct sqoop_words *words = &line->order->import;

    if (mode && strcmp(mode, "append") != 0 && strcmp(mode, "lastmodified") != 0)
        return error_set(
            error, ERROR_REJECT, "--incremental: \"%.40s\" is neither append nor lastmodified", mode);
    if ((mode || append) && parse_value(line, "delete-target-dir"))
        return error_set(error, ERROR_REJECT,
            "--delete-target-dir deletes what --%s is to add to: leave one of them out",
            mode ? "incremental" : "append");
    line->order->check_column = mode ? parse_value(line, "check-column") : NULL;
    return words_add_pair(words, "--incremental", mode, error) ||
                   words_add_pair(words, "--check-column", parse_value(line, "check-column"), error) ||
                   words_add_pair(words, "--last-value", parse_value(line, "last-value"), error) ||
                   words_add_pair(words, "--job", mode ? line->job : NULL, error) ||
                   translate_merge(line, mode && !append, error) ||
                   (append && !hive_is_told(line) && words_add(words, "--append", error))
               ? -1
               : 0;
}

static int translate_password(struct sqoop_line *line, struct error *error)
{
    const char *file = parse_value(line, "password-file");
    const int places = !!file + !!parse_value(line, "password") + !!parse_value(line, "P");

    if (places > 1)
        return error_set(
            error, ERROR_REJECT, "the password comes from one place: --password-file, -P or --password");
    if (file && !translate_local_path(file))
        return refuse_place("password-file", file, error);
    if (parse_value(line, "P") && words_add(&line->order->import, "--ask-password", error))
        return -1;
    return file ? words_add_pair(&line->order->import, "--password-file", translate_local_path(file), error)
                : 0;
}

/* ---- the tools ------------------------------------------------------------------------------------------------------- */

/* Where the database is, and who asks. */
static int translate_login(struct sqoop_line *line, struct error *error)
{
    line->order->dry_run = parse_value(line, "dry-run") != NULL;
    line->order->schema = parse_value(line, "schema");
    return words_add(&line->order->import, "import", error) || jdbc_translate(line, error) ||
                   translate_password(line, error)
               ? -1
               : 0;
}

static int translate_eval(struct sqoop_line *line, struct error *error)
{
    const char *statement = parse_value(line, "query");

    if (!statement || !*statement)
        return error_set(error, ERROR_REJECT, "--query: the statement is missing");
    line->order->statement = statement;
    return translate_login(line, error);
}

/* What every import has. */
static int translate_how(struct sqoop_line *line, struct error *error)
{
    struct sqoop_words *words = &line->order->import;
    const char *target = parse_value(line, "target-dir") ? parse_value(line, "target-dir")
                                                         : parse_value(line, "warehouse-dir");

    /* A URL of this machine has become a path, which is of nowhere else. */
    if (!target || translate_local_path(target) == target || !translate_local_path(target))
        line->order->config = parse_value(line, "config");
    return text_translate(line, error) || property_translate(line, error) || types_translate(line, error) ||
                   hive_translate(line, error) || splits_translate(line, error) ||
                   words_add_pair(words, "--config", line->order->config, error) ||
                   (parse_value(line, "verbose") && words_add_pair(words, "--progress", "lines", error)) ||
                   (line->order->dry_run && words_add(words, "--explain", error))
               ? -1
               : 0;
}

/* Names are separated by commas; blanks around one do not belong to it. */
static int translate_excluded(struct sqoop_line *line, struct error *error)
{
    const char *at = parse_value(line, "exclude-tables");

    while (at && *at) {
        at += strspn(at, " \t\n,");
        const size_t length = strcspn(at, ",");
        size_t used = length;
        while (used && strchr(" \t\n", at[used - 1]))
            used--;
        const char *name = used ? words_keep(line->order, at, used, error) : "";
        if (!name || (used && translate_name(line, "--exclude", name, error)))
            return -1;
        at += length;
    }
    return 0;
}

static int translate_all(struct sqoop_line *line, struct error *error)
{
    const char *folder = parse_value(line, "warehouse-dir"),
               *place = folder ? translate_place(line->order, folder, error) : NULL;
    struct sqoop_words *words = &line->order->import;

    if (!folder)
        return error_set(error, ERROR_REJECT,
            "--warehouse-dir: the directory is missing that is made when all tables are read, with one for each table in it");
    if (!place)
        return refuse_place("warehouse-dir", folder, error);
    line->order->target = place;
    if (translate_login(line, error) || words_add_pair(words, "--target", place, error) ||
        words_add_pair(words, "--names", "warehouse", error) || translate_how(line, error) ||
        translate_excluded(line, error))
        return -1;
    return line->order->schema ? words_add_pair(words, "--schema", line->order->schema, error)
                               : words_add(words, "--current-schema", error);
}

/* That no row is missing is the only threshold that Sqoop has. */
static int translate_validation(struct sqoop_line *line, struct error *error)
{
    static const char only[] = "org.apache.sqoop.validation.AbsoluteValidationThreshold";
    const char *threshold = parse_value(line, "validation-threshold");

    line->order->validate = parse_value(line, "validate") != NULL;
    if (threshold && strcmp(threshold, only) != 0)
        return error_set(error, ERROR_REJECT,
            "--validation-threshold: no Java is loaded, and no row may be missing, as %s has it: leave it out",
            only);
    return 0;
}

static int translate_import(struct sqoop_line *line, struct error *error)
{
    const char *table = parse_value(line, "table"), *query = parse_value(line, "query");
    struct sqoop_words *words = &line->order->import;

    if (!table == !query)
        return error_set(error, ERROR_REJECT,
            table ? "--table and --query exclude each other"
                  : "--table or --query: what is to be imported is missing");
    if (query && (parse_value(line, "columns") || parse_value(line, "where")))
        return error_set(error, ERROR_REJECT, "--columns and --where belong into the --query");
    if (translate_login(line, error) || translate_target(line, table, error) ||
        translate_increment(line, error) || words_add_pair(words, "--names", "sqoop", error) ||
        translate_how(line, error) || translate_columns(line, error) ||
        words_add_pair(words, "--where", parse_value(line, "where"), error) ||
        translate_validation(line, error))
        return -1;
    line->order->table = table;
    return query ? translate_query(line, query, error) : translate_name(line, "--", table, error);
}

static int translate_create_hive(struct sqoop_line *line, struct error *error)
{
    const char *table = parse_value(line, "table");

    if (!table)
        return error_set(error, ERROR_REJECT, "--table: whose definition Hive is to have is missing");
    return translate_login(line, error) || text_translate(line, error) || property_translate(line, error) ||
                   hive_translate(line, error) ||
                   (line->order->dry_run && words_add(&line->order->import, "--explain", error)) ||
                   translate_name(line, "--", table, error)
               ? -1
               : 0;
}

const struct sqoop_tool_row *translate_find_tool(const char *name, struct error *error)
{
    struct slice names[TOOLS_MAX];

    for (size_t i = 0; i < sqoop_tools_count; i++) {
        if (strcmp(sqoop_tools[i].name, name) == 0)
            return &sqoop_tools[i];
        names[i] = slice_of(sqoop_tools[i].name);
    }
    const struct slice nearest = option_nearest(slice_of(name), names, sqoop_tools_count);
    error_set(error, ERROR_REJECT, "no such tool: \"%.100s\"%s%.*s%s; see penstock sqoop help", name,
        nearest.length ? "; did you mean \"" : "", (int)nearest.length, nearest.length ? nearest.data : "",
        nearest.length ? "\"?" : "");
    return NULL;
}

int translate_line(struct sqoop_line *line, struct error *error)
{
    if (parse_value(line, "help")) {
        line->order->tool = SQOOP_HELP;
        line->order->topic = line->tool->name;
        return 0;
    }
    switch (line->tool->tool) {
    case SQOOP_IMPORT:
        return translate_import(line, error);
    case SQOOP_IMPORT_ALL:
        return translate_all(line, error);
    case SQOOP_EVAL:
        return translate_eval(line, error);
    case SQOOP_CREATE_HIVE:
        return translate_create_hive(line, error);
    default:
        return translate_login(line, error);
    }
}

static int translate_tool(struct sqoop_line *line, struct sqoop_words *words, struct error *error)
{
    struct sqoop_order *order = line->order;

    if (words->count == 0)
        return error_set(error, ERROR_REJECT, "a tool is missing; see penstock sqoop help");
    const char *name = words->words[0];
    name +=
        strncmp(name, "--", 2) == 0 && (!strcmp(name + 2, "help") || !strcmp(name + 2, "version")) ? 2 : 0;
    const struct sqoop_tool_row *tool = translate_find_tool(name, error);
    if (!tool)
        return -1;
    line->tool = tool;
    order->tool = tool->tool;
    if (tool->tool == SQOOP_HELP)
        order->topic = words->count > 1 ? words->words[1] : NULL;
    if (tool->tool == SQOOP_OTHER)
        return error_set(error, ERROR_REJECT, "the tool %s is not taken: %s", tool->name, tool->what);
    if (tool->tool == SQOOP_HELP || tool->tool == SQOOP_VERSION)
        return 0;
    const struct sqoop_words rest = {words->words + 1, words->count - 1};
    if (tool->tool == SQOOP_JOB)
        return saved_translate(line, &rest, error);
    return parse_words(line, &rest, error) || translate_line(line, error) ? -1 : 0;
}

int sqoop_translate(struct sqoop_order *ret_order, int argc, char **argv, const struct sqoop_reader *reader,
    struct error *error)
{
    struct sqoop_line line = {.order = ret_order, .reader = reader};
    struct sqoop_words words = {0};

    *ret_order = (struct sqoop_order){.tool = SQOOP_HELP};
    const int result = options_file_expand(ret_order, argc, argv, reader, &words, error) ||
                       translate_tool(&line, &words, error);
    words_free(&words);
    words_free(&line.properties);
    if (result)
        sqoop_order_free(ret_order);
    return result ? -1 : 0;
}
