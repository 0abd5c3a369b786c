/* import_options: see import_options.h. */
#include "command/import_options.h"

#include <stdlib.h>

#include "base/option.h"
#include "base/shown.h"
#include "base/utf8.h"
#include "table/job.h"

#define IMPORT_WORKERS 2
#define IMPORT_LOCK_WAIT 30000 /* milliseconds */
#define IMPORT_ROWS_MAX 128

/* In the order of --format's choices. */
enum import_format {
    FORMAT_JSONL,
    FORMAT_CSV,
    FORMAT_AVRO,
    FORMAT_PARQUET,
    FORMAT_TEXT,
    FORMAT_SQOOP,
    FORMAT_SQOOP_DIRECT
};

static const struct import_row *import_row_find(const char *name, size_t length)
{
    for (size_t i = 0; i < import_rows_count; i++) {
        if (strlen(import_rows[i].name) == length && memcmp(import_rows[i].name, name, length) == 0)
            return &import_rows[i];
    }
    return NULL;
}

static int import_complain(const char *name, size_t length, struct error *error)
{
    struct slice names[IMPORT_ROWS_MAX];
    size_t count = 0;

    for (; count < import_rows_count && count < IMPORT_ROWS_MAX; count++)
        names[count] = slice_of(import_rows[count].name);
    struct slice nearest = option_nearest((struct slice){name, length}, names, count);
    return error_set(error, ERROR_REJECT, "unknown option \"--%.*s\"%s%.*s%s; see penstock import --help",
        (int)length, name, nearest.length ? "; did you mean \"--" : "", (int)nearest.length,
        nearest.length ? nearest.data : "", nearest.length ? "\"?" : "");
}

/* --NAME, --NAME VALUE or --NAME=VALUE. Moves *at past it. */
static int import_take_option(
    struct import_options *options, int argc, char **argv, int *at, struct error *error)
{
    const char *name = argv[*at] + 2, *value = strchr(name, '=');
    const size_t length = value ? (size_t)(value - name) : strlen(name);
    const struct import_row *row = import_row_find(name, length);

    if (!row)
        return import_complain(name, length, error);
    if (!row->value && value)
        return error_set(error, ERROR_REJECT, "--%s takes no value", row->name);
    if (value)
        value++;
    else if (row->value && !row->attached && ++*at == argc)
        return error_set(error, ERROR_REJECT, "--%s: %s is missing", row->name, row->value);
    else if (row->value && !row->attached)
        value = argv[*at];
    if (import_value_take(options, row, value, error))
        return error_wrap(error, "--%s", row->name);
    ++*at;
    return 0;
}

static void import_defaults(struct import_options *options)
{
    *options = (struct import_options){
        .format = IMPORT_UNSET,
        .codec = IMPORT_UNSET,
        .plan.workers = IMPORT_WORKERS,
        .snapshot.lock_wait = IMPORT_LOCK_WAIT,
        .keep_snapshot = JOB_KEEP_SNAPSHOT,
    };
}

static const struct delimited_options import_csv = {
    .field = ',', .line = '\n', .quoting = DELIMITED_QUOTE_NEEDED, .enclosure = '"'};
/* Hive's own reading of text: LazySimpleSerDe with escapes. */
static const struct delimited_options import_text = {.field = '\t',
    .line = '\n',
    .escape = '\\',
    .null_string = {"\\N", 2},
    .null_other = {"\\N", 2},
    .plain = true};
static const struct delimited_options import_sqoop = {.field = ',',
    .line = '\n',
    .null_string = {"null", 4},
    .null_other = {"null", 4},
    .style = DELIMITED_JAVA,
    .plain = true};

static const struct delimited_options import_sqoop_direct = {.field = ',',
    .line = '\n',
    .quoting = DELIMITED_QUOTE_NEEDED,
    .enclosure = '"',
    .style = DELIMITED_POSTGRES,
    .plain = true,
    .true_text = {"TRUE", 4},
    .false_text = {"FALSE", 5}};

/* The format comes first, whatever the order on the command line: its delimiters are what others change. */
static int import_take_format(struct import_options *options, int argc, char **argv, struct error *error)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--format", 8) != 0 || (argv[i][8] && argv[i][8] != '='))
            continue;
        int at = i;
        if (import_take_option(options, argc, argv, &at, error))
            return -1;
    }
    static const enum table_format formats[] = {[FORMAT_JSONL] = TABLE_JSON_LINES,
        [FORMAT_CSV] = TABLE_DELIMITED,
        [FORMAT_AVRO] = TABLE_AVRO,
        [FORMAT_PARQUET] = TABLE_PARQUET,
        [FORMAT_TEXT] = TABLE_DELIMITED,
        [FORMAT_SQOOP] = TABLE_DELIMITED,
        [FORMAT_SQOOP_DIRECT] = TABLE_DELIMITED};
    const unsigned format = options->format == IMPORT_UNSET ? FORMAT_PARQUET : options->format;
    options->file.format = options->types.format = formats[format];
    options->delimited = format == FORMAT_TEXT           ? import_text
                         : format == FORMAT_SQOOP        ? import_sqoop
                         : format == FORMAT_SQOOP_DIRECT ? import_sqoop_direct
                                                         : import_csv;
    options->types.copied = options->delimited.style == DELIMITED_POSTGRES;
    return 0;
}

static int import_check_verify(const struct import_options *options, struct error *error)
{
    if (options->query || options->where || options->tables.count || options->columns.count ||
        options->target || options->explain)
        return error_set(error, ERROR_REJECT,
            "--verify stands alone: the manifest says which tables, columns and rows it is about");
    return 0;
}

/* Many of Avro's readers in Java are older than its codec zstandard (1.9). */
static enum table_codec import_default_codec(enum table_format format)
{
    if (format == TABLE_PARQUET)
        return TABLE_CODEC_ZSTD;
    return format == TABLE_AVRO ? TABLE_CODEC_SNAPPY : TABLE_CODEC_NONE;
}

static int import_check_increment(const struct import_options *options, struct error *error)
{
    const struct increment_options *increment = &options->increment;

    if (!increment->mode)
        return !increment->column && !increment->last && !increment->lag && !increment->job
                   ? 0
                   : error_set(error, ERROR_REJECT,
                         "--check-column, --last-value, --incremental-lag and --job are for --incremental append or lastmodified");
    if (!increment->column)
        return error_set(
            error, ERROR_REJECT, "--incremental: --check-column, which says what is new, is missing");
    if (options->replace)
        return error_set(error, ERROR_REJECT,
            "--replace deletes what earlier imports have read: it does not go with --incremental");
    return 0;
}

static int import_refuse_format(const struct import_options *options, struct error *error)
{
    const char *key = options->merge_key.names[0], *column = options->increment.column;

    return error_set(error, ERROR_REJECT,
        "--merge-key is for delimited text, Avro and Parquet (--format csv, text, sqoop, sqoop-direct, avro, parquet): read the whole table with --replace, without --incremental; or say --append, and read the newest row of each key: SELECT * FROM (SELECT t.*, row_number() OVER (PARTITION BY %.50s ORDER BY %.50s DESC) AS place FROM t) AS t WHERE place = 1",
        key, column);
}

/* Nothing here reads JSON lines again. */
static int import_check_merge(const struct import_options *options, struct error *error)
{
    if (!options->merge_key.count)
        return 0;
    if (options->increment.mode != INCREMENT_LASTMODIFIED)
        return error_set(error, ERROR_REJECT,
            "--merge-key is for --incremental lastmodified, which reads rows again that have changed");
    if (options->append)
        return error_set(error, ERROR_REJECT,
            "--append keeps the rows that --merge-key would replace: leave one of them out");
    if (options->to)
        return error_set(error, ERROR_REJECT, "--merge-key is about files: it does not go with --to");
    if (options->file.format == TABLE_JSON_LINES)
        return import_refuse_format(options, error);
    return 0;
}

/* What is committed cannot be taken back, and is each row once only beside what was read in the same snapshot. */
static int import_check_transactions(const struct import_options *options, struct error *error)
{
    if (options->resume > RESUME_SAME)
        return error_set(error, ERROR_REJECT,
            "--transactional: what is committed stays in the topic, and is each row once only together with the rest of its snapshot: --resume=restart and =mixed do not go with it");
    if (options->snapshot.not_consistent)
        return error_set(error, ERROR_REJECT,
            "--transactional sends each row once, which it is only in one snapshot: --not-consistent does not go with it");
    return 0;
}

/* Records of a topic are rows of JSON or Avro. */
static int import_check_topic(struct import_options *options, struct error *error)
{
    const char *const prefix = "kafka:";

    if (!options->to)
        return !options->key.count && !options->properties.count && !options->property_files.count &&
                       !options->transactional && !options->value
                   ? 0
                   : error_set(error, ERROR_REJECT,
                         "--key, --value, --transactional, --kafka-property and --kafka-property-file are for --to kafka:TOPIC");
    if (strncmp(options->to, prefix, strlen(prefix)) != 0)
        return error_set(error, ERROR_REJECT, "--to: \"%s\" is not kafka:TOPIC", options->to);
    options->topic = options->to + strlen(prefix);
    if (options->format != IMPORT_UNSET && options->format != FORMAT_JSONL && options->format != FORMAT_AVRO)
        return error_set(
            error, ERROR_REJECT, "--format: records of a topic are JSON, which jsonl is, too, or avro");
    const bool avro = options->format == FORMAT_AVRO;
    if (avro && options->value)
        return error_set(error, ERROR_REJECT, "--value envelope is JSON around JSON: not around avro");
    if (options->codec != IMPORT_UNSET || options->file.level)
        return error_set(error, ERROR_REJECT,
            "--compression is for files; that of records is --kafka-property compression.type=CODEC");
    if (options->append)
        return error_set(error, ERROR_REJECT,
            "--append is for files: each import into a topic has a directory of its own for its manifest");
    options->file.format = options->types.format = avro ? TABLE_AVRO : TABLE_JSON_LINES;
    return options->transactional ? import_check_transactions(options, error) : 0;
}

/* "KEY=VALUE" */
static int import_take_partition(struct import_options *options, struct error *error)
{
    const char *value = options->hive_partition ? strchr(options->hive_partition, '=') : NULL;

    if (!options->hive_partition)
        return 0;
    if (!value || value == options->hive_partition || (!value[1] && !options->prints_hive))
        return error_set(
            error, ERROR_REJECT, "--hive-partition: \"%.200s\" is not KEY=VALUE", options->hive_partition);
    char *key = strndup(options->hive_partition, (size_t)(value - options->hive_partition));
    if (!key || import_list_add(&options->kept, key, error)) {
        free(key); /* GCOVR_EXCL_LINE out of memory */
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE out of memory */
    }
    options->hive.partition_key = key;
    options->hive.partition_value = value + 1;
    return 0;
}

static int import_check_hive_files(const struct import_options *options, struct error *error)
{
    if (options->to)
        return error_set(error, ERROR_REJECT, "--hive is about files: it does not go with --to");
    if (options->delimited.header)
        return error_set(error, ERROR_REJECT, "--header: Hive would take the names for a row: leave it out");
    if (options->append)
        return error_set(error, ERROR_REJECT,
            "--append keeps files that Hive has already: leave it out; Hive adds to the table in any case");
    if (options->increment.mode == INCREMENT_LASTMODIFIED)
        return error_set(error, ERROR_REJECT,
            "--incremental lastmodified reads rows again that have changed, and Hive would have them twice: use append, or read the whole table with --hive-overwrite");
    if (options->increment.mode && options->hive.overwrite && !options->hive_partition)
        return error_set(error, ERROR_REJECT,
            "--hive-overwrite deletes what earlier increments have brought: it goes with --incremental only for a --hive-partition");
    return 0;
}

static int import_check_hive(struct import_options *options, struct error *error)
{
    const struct job_hive *hive = &options->hive;

    options->hive.types = options->hive_types.names;
    options->hive.types_count = options->hive_types.count;
    if (options->tells_hive || options->prints_hive)
        return import_check_hive_files(options, error) || import_take_partition(options, error) ? -1 : 0;
    return hive->table || hive->database || hive->location || hive->overwrite || hive->must_be_new ||
                   hive->types_count || options->hive_partition || options->hive_client
               ? error_set(error, ERROR_REJECT,
                     "--hive-table, --hive-database and the others are for --hive and --hive-ddl")
               : 0;
}

/* file:///DIRECTORY is of this machine, whatever the configuration says. */
static void import_take_local(struct import_options *options, const char **path)
{
    if (!*path || strncmp(*path, "file:///", strlen("file:///")) != 0)
        return;
    *path += strlen("file://");
    options->config = NULL; /* it is for other places */
    options->sets.count = 0;
}

static int import_check(struct import_options *options, struct error *error)
{
    const bool delimited = options->file.format == TABLE_DELIMITED;

    if (options->help || options->print_types)
        return 0;
    import_take_local(options, &options->target);
    import_take_local(options, &options->verify);
    if (options->verify)
        return import_check_verify(options, error);
    if (options->query && (options->tables.count || options->columns.count || options->where))
        return error_set(
            error, ERROR_REJECT, "--query stands alone: tables, --columns and --where belong into it");
    if (!options->query && options->tables.count == 0)
        return error_set(error, ERROR_REJECT,
            "what is to be imported? Name tables, or say --schema, --all-tables or --query");
    if (import_check_increment(options, error) || import_check_merge(options, error))
        return -1;
    if (import_check_topic(options, error) || import_check_hive(options, error))
        return -1;
    if (options->replace && options->append)
        return error_set(error, ERROR_REJECT, "--replace and --append exclude each other");
    if (!options->target && !options->explain && !options->prints_hive)
        return error_set(error, ERROR_REJECT, "--target: the directory that is to be made is missing%s",
            options->to ? "; an import into a topic has its manifest there" : "");
    if (options->delimiters_given && !delimited)
        return error_set(error, ERROR_REJECT,
            "delimiters, --header and what NULL looks like are for --format csv, text, sqoop and sqoop-direct");
    if (options->password_given && (options->ask_password || options->login.password_file))
        return error_set(error, ERROR_REJECT,
            "the password comes from one place: --password-file, --ask-password or --password");
    options->file.codec = options->codec == IMPORT_UNSET ? import_default_codec(options->file.format)
                                                         : (enum table_codec)options->codec;
    if (delimited)
        options->file.delimited = &options->delimited;
    return 0;
}

int import_options_parse_login(struct import_options *ret_options, int argc, char **argv, struct error *error)
{
    bool only_names = false;

    import_defaults(ret_options);
    if (import_take_format(ret_options, argc, argv, error))
        return -1;
    for (int at = 1; at < argc;) {
        const char *word = argv[at];
        if (!only_names && !strcmp(word, "--")) {
            only_names = true;
            at++;
        } else if (!only_names && !strcmp(word, "-h")) {
            ret_options->help = true;
            at++;
        } else if (!only_names && !strcmp(word, "-c") && at + 1 < argc) {
            ret_options->config = argv[at + 1];
            at += 2;
        } else if (!only_names && word[0] == '-' && word[1] == '-') {
            if (import_take_option(ret_options, argc, argv, &at, error))
                return -1;
        } else if (!only_names && word[0] == '-') {
            return error_set(error, ERROR_REJECT, "unknown option \"%s\"; see penstock import --help", word);
        } else if (import_list_add(&ret_options->tables, word, error)) {
            return -1;
        } else {
            at++;
        }
    }
    return 0;
}

int import_options_parse(struct import_options *ret_options, int argc, char **argv, struct error *error)
{
    return import_options_parse_login(ret_options, argc, argv, error) || import_check(ret_options, error) ? -1
                                                                                                          : 0;
}

void import_options_free(struct import_options *options)
{
    for (size_t i = 0; i < options->kept.count; i++)
        free((void *)(uintptr_t)options->kept.names[i]);
    free(options->kept.names);
    free(options->tables.names);
    free(options->excluded.names);
    free(options->columns.names);
    free(options->key.names);
    free(options->sets.names);
    free(options->properties.names);
    free(options->property_files.names);
    free(options->casts.names);
    free(options->hive_types.names);
    free(options->merge_key.names);
}

int import_options_help(struct bytes *text, struct error *error)
{
    if (bytes_add_text(text,
            "Usage: penstock import [OPTION]... --target DIRECTORY TABLE...\n"
            "       penstock import [OPTION]... --to kafka:TOPIC --target DIRECTORY TABLE\n\n"
            "Reads tables of PostgreSQL and writes them as files into a new directory, which appears when all of it is there.\n"
            "TABLE: name or schema.name, in quotes where SQL wants them; \"schema.*\" and \"*\" are all tables.\n\n",
            error))
        return -1;
    for (size_t i = 0; i < import_rows_count; i++) {
        const struct import_row *row = &import_rows[i];
        if (bytes_print(text, error, "  --%s%s%s\n        %s\n", row->name,
                row->value && !row->attached ? " " : "", row->value ? row->value : "", row->help))
            return -1;
    }
    return 0;
}

/* Bytes that are not UTF-8, which a path may have and JSON may not, as "\\xE9". */
static int import_show(const char *from, size_t length, struct bytes *text, struct error *error)
{
    for (size_t step; length > 0; from += step, length -= step) {
        const size_t sequence = utf8_sequence(from, length);
        step = sequence ? sequence : 1;
        if (sequence ? bytes_add(text, from, step, error)
                     : bytes_print(text, error, "\\x%02X", (unsigned)(unsigned char)*from))
            return -1;
    }
    return 0;
}

/* An option with its value, as import_take_option() takes them: moves *at past both. */
static int import_show_option(
    const struct import_row *row, int argc, char **argv, int *at, struct bytes *text, struct error *error)
{
    const char *word = argv[(*at)++];
    const size_t length = strcspn(word, "=");
    const bool joined = word[length] == '=';

    if (import_show(word, row->secret && joined ? length + 1 : strlen(word), text, error) ||
        (row->secret && joined && bytes_add_text(text, "...", error)))
        return -1;
    if (!row->value || row->attached || joined || *at == argc)
        return 0;
    const char *value = row->secret ? "..." : argv[*at];
    ++*at;
    return bytes_add_text(text, " ", error) || import_show(value, strlen(value), text, error) ? -1 : 0;
}

int import_options_shown(int argc, char **argv, struct bytes *text, struct error *error)
{
    bool only_names = false;

    for (int at = 0; at < argc;) {
        const char *word = argv[at];
        const struct import_row *row = at > 0 && !only_names && strncmp(word, "--", 2) == 0
                                           ? import_row_find(word + 2, strcspn(word, "=") - 2)
                                           : NULL;
        only_names |= at > 0 && strcmp(word, "--") == 0;
        if (at > 0 && bytes_add_text(text, " ", error))
            return -1;
        if (row ? import_show_option(row, argc, argv, &at, text, error)
                : import_show(word, strlen(word), text, error))
            return -1;
        at += !row;
    }
    return 0;
}

int import_options_again(int argc, char **argv, struct bytes *text, struct error *error)
{
    bool only_names = false, hide = false;

    if (bytes_add_text(text, "penstock import --resume", error))
        return -1;
    for (int i = 1; i < argc; i++) {
        const bool option = !hide && !only_names && !strncmp(argv[i], "--", 2);
        const size_t length = strcspn(argv[i], "=");
        const struct import_row *row = option ? import_row_find(argv[i] + 2, length - 2) : NULL;
        const bool secret = row && row->secret, whole = argv[i][length] == '\0';
        only_names |= option && length == 2 && whole;
        if (row && strcmp(row->name, "resume") == 0)
            continue;
        if (bytes_add_text(text, " ", error) ||
            (hide                  ? bytes_add_text(text, "...", error)
                : secret && !whole ? bytes_print(text, error, "%.*s=...", (int)length, argv[i])
                                   : shown_add_word(text, argv[i], error)))
            return -1;
        hide = secret && whole;
        /* What is this one's value is no option. */
        if (row && row->value && !row->attached && whole && !secret && i + 1 < argc &&
            (bytes_add_text(text, " ", error) || shown_add_word(text, argv[++i], error)))
            return -1;
    }
    return 0;
}
