/* import_options: the command line of `penstock import`, one row of a table per option. @thread main */
#ifndef PENSTOCK_COMMAND_IMPORT_OPTIONS_H
#define PENSTOCK_COMMAND_IMPORT_OPTIONS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"
#include "table/database.h"
#include "table/job.h"
#include "table/postgres/type.h"

#define IMPORT_UNSET UINT32_MAX
#define IMPORT_NAMES_MAX 4096 /* of tables, columns, exclusions each */

enum import_progress {
    IMPORT_PROGRESS_AUTO,
    IMPORT_PROGRESS_LINES,
    IMPORT_PROGRESS_JSON,
    IMPORT_PROGRESS_NONE
};

struct import_list {
    const char **names; /* owned; the texts are argv's or `kept`'s */
    size_t count;
};

struct import_options {
    struct database_login login;
    bool ask_password;
    const char *password_given; /* --password: argv's, wiped once it is copied */
    struct import_list tables, excluded, columns, casts;
    unsigned format, codec; /* numbers of their names among the choices; the codec's are enum table_codec's */
    struct import_list kept; /* texts that had to be made; these are owned, too */
    const char *query, *where, *bounds, *target;
    const char *config; /* file; NULL: none */
    struct import_list sets; /* NAME=VALUE, of its options */
    const char *to; /* kafka:TOPIC; NULL: files in the target */
    const char *topic; /* of `to` */
    struct import_list key; /* columns of records' keys */
    bool transactional; /* each split is a transaction */
    unsigned value; /* of records: payload, envelope */
    struct import_list properties, property_files; /* NAME=VALUE and NAME=FILE, of librdkafka */
    struct increment_options increment;
    struct import_list merge_key; /* columns */
    bool replace, append; /* not both */
    struct job_hive hive; /* its directory is the import's to say */
    bool tells_hive, prints_hive; /* --hive, --hive-ddl */
    const char *hive_client, *hive_partition;
    struct import_list hive_types;
    enum job_names names;
    const char *verify; /* instead of an import: the manifest of one that is there */
    bool views;
    struct pg_type_options types;
    struct table_file_options file;
    struct delimited_options delimited;
    bool delimiters_given; /* one of them: the format has to be csv or text */
    struct plan_options plan;
    struct snapshot_options snapshot;
    struct read_options read;
    size_t max_rate;
    unsigned max_lag, max_snapshot_age;
    enum import_progress progress;
    unsigned resume; /* 0, or one more than the number of --resume's choice */
    unsigned keep_snapshot;
    bool explain, print_types, help;
};

/* How a value is taken. */
enum import_kind {
    TAKE_TEXT, /* const char * */
    TAKE_FLAG, /* bool */
    TAKE_LIST, /* struct import_list: one more of it */
    TAKE_NAMES, /* struct import_list: several, separated by commas */
    TAKE_SCHEMA, /* struct import_list: all tables of a schema */
    TAKE_ALL, /* struct import_list: all tables that `choices` stands for */
    TAKE_CHARACTER, /* char */
    TAKE_SLICE, /* struct slice */
    TAKE_NUMBER, /* unsigned, least to most */
    TAKE_SIZE, /* size_t, with KiB, MiB, GiB */
    TAKE_CHOICE, /* an enum's number, by name */
    TAKE_RESUME, /* the same and one more, as 0 is none of them; 1 without a value */
    TAKE_ENCLOSED, /* char, and how it encloses */
    TAKE_DECIMAL, /* "P,S" */
};

struct import_row {
    const char *name, *value, *help;
    enum import_kind kind;
    size_t offset; /* in struct import_options */
    unsigned least, most;
    const char *choices; /* "a|b|c" for 0, 1, 2 */
    bool delimiter;
    bool attached; /* the value may be left out: it stands behind = only */
    bool secret; /* never shown again; an address may hold a password */
};

extern const struct import_row import_rows[];
extern const size_t import_rows_count;

int import_list_add(struct import_list *list, const char *text, struct error *error);
/* Puts a value where its row says. value: NULL of flags. ERROR_REJECT. */
int import_value_take(
    struct import_options *options, const struct import_row *row, const char *value, struct error *error);

/* argv[0] is the command's name. ERROR_REJECT says which option is wrong and what it takes. What ret_options points to may be argv's. */
int import_options_parse(struct import_options *ret_options, int argc, char **argv, struct error *error);
/* The same words, but nothing has to be there: for what a database is asked apart from an import. */
int import_options_parse_login(
    struct import_options *ret_options, int argc, char **argv, struct error *error);
void import_options_free(struct import_options *options);

int import_options_help(struct bytes *text, struct error *error);
/* The command line, quoted for a shell, that goes on with an import: with --resume, without the values of secrets. */
int import_options_again(int argc, char **argv, struct bytes *text, struct error *error);
/* The command line as JSON may show it: without the values of secrets. */
int import_options_shown(int argc, char **argv, struct bytes *text, struct error *error);

#endif
