/* sqoop: Apache Sqoop's command line (1.4.7), said again in the words of `penstock import`.
 *
 * Nothing is read or written here: what a line of Sqoop's asks for becomes the argv of an import (command/import.h), and that is what runs. So both
 * faces do the same, an import that was interrupted goes on with --resume, and --dry-run can say what is done. Words are taken apart as Sqoop does it (the GnuParser of
 * commons-cli 1.2, and Hadoop's GenericOptionsParser before it). Pure: files that a line names are read by the caller's function. @thread one at a time per order
 */
#ifndef PENSTOCK_SQOOP_SQOOP_H
#define PENSTOCK_SQOOP_SQOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define SQOOP_WORDS_MAX 4096 /* of a line, with the words of its files */
#define SQOOP_FILE_MAX ((size_t)1 << 20)
#define SQOOP_NOTICE_MAX 400

/* ---- the options ------------------------------------------------------------------------------------------------- */

enum sqoop_take {
    SQOOP_TAKEN, /* `what` says what becomes of it */
    SQOOP_IGNORED, /* it may be there; `what` says why it changes nothing */
    SQOOP_REFUSED, /* `what` says what to do instead */
};

struct sqoop_option {
    const char *name; /* without dashes */
    char letter; /* the other name; 0: none */
    const char *argument; /* what the value is; NULL: a flag */
    char class; /* M must, S should, A accepted without effect, N will never be taken */
    enum sqoop_take take;
    const char *help; /* what Sqoop says that it is */
    const char *what;
    unsigned tools; /* SQOOP_FOR() of those that take it */
};

extern const struct sqoop_option sqoop_options[];
extern const size_t sqoop_options_count;

/* ---- the tools --------------------------------------------------------------------------------------------------- */

enum sqoop_tool {
    SQOOP_IMPORT,
    SQOOP_IMPORT_ALL,
    SQOOP_LIST_TABLES,
    SQOOP_LIST_DATABASES,
    SQOOP_EVAL,
    SQOOP_CREATE_HIVE,
    SQOOP_JOB,
    SQOOP_HELP,
    SQOOP_VERSION,
    SQOOP_OTHER
};

#define SQOOP_FOR(tool) (1U << (tool))

struct sqoop_tool_row {
    const char *name;
    enum sqoop_tool tool; /* SQOOP_OTHER: not taken, and `what` says what to do instead */
    const char *what;
};

extern const struct sqoop_tool_row sqoop_tools[];
extern const size_t sqoop_tools_count;

/* ---- a line ------------------------------------------------------------------------------------------------------ */

/* Words that end in NULL, as argv does. Some are the caller's argv: --password can be wiped there. */
struct sqoop_words {
    char **words;
    size_t count;
};

enum sqoop_job_verb { SQOOP_JOB_LIST, SQOOP_JOB_CREATE, SQOOP_JOB_SHOW, SQOOP_JOB_EXEC, SQOOP_JOB_DELETE };

struct sqoop_order {
    enum sqoop_tool tool;
    const char *topic; /* of SQOOP_HELP: a tool's name; NULL: all of them */
    bool dry_run; /* say what would be done */
    bool validate; /* hold the files against their manifest afterwards */
    struct sqoop_words
        import; /* "import" and its words; of tools that only ask the database: those of the log-in */
    const char *schema; /* of SQOOP_LIST_TABLES; NULL: the current one */
    const char *statement; /* of SQOOP_EVAL */
    struct sqoop_words notices; /* sentences for people */
    const char *target; /* the directory that appears */
    const char *config; /* that says where it is; NULL: it is of this machine, or a URL */
    const char *table; /* that is imported; NULL: a query, or all */
    const char *check_column; /* of an incremental import; else NULL */
    bool hive; /* Hive gets the files */
    const char *hive_client; /* by this one; NULL: whatever is there */
    struct { /* of SQOOP_JOB; `import` is what one that is created would be */
        enum sqoop_job_verb verb;
        const char *name; /* NULL of SQOOP_JOB_LIST */
        const char *place; /* the directory that jobs are kept in; NULL: the user's own */
        struct sqoop_words words; /* behind the --; of SQOOP_JOB_CREATE what is kept: no password */
        const char *password; /* of SQOOP_JOB_CREATE, for the caller to write over; NULL: none */
    } job;
    struct sqoop_words kept; /* texts that had to be made */
};

/* Reads a file that the line names, at most SQOOP_FILE_MAX. */
struct sqoop_reader {
    int (*read)(void *context, const char *path, struct bytes *text, struct error *error);
    void *context;
};

/* argv[0] is "sqoop", argv[1] the tool. ERROR_REJECT says what is wrong with the line, and what to write instead. What ret_order points to may be argv's. */
int sqoop_translate(struct sqoop_order *ret_order, int argc, char **argv, const struct sqoop_reader *reader,
    struct error *error);
void sqoop_order_free(struct sqoop_order *order);

/* The line of the import for people, quoted for a shell, without the password. */
int sqoop_print_import(const struct sqoop_order *order, struct bytes *text, struct error *error);

/* What a tool that only asks the database would do, for people. */
int sqoop_print_plan(const struct sqoop_order *order, struct bytes *text, struct error *error);

/* What the tool takes (NULL: which tools there are). ERROR_REJECT: there is no such tool. */
int sqoop_print_help(const char *topic, struct bytes *text, struct error *error);

/* ---- saved jobs -------------------------------------------------------------------------------------------------- */

#define SQOOP_JOB_NAME_MAX 128
#define SQOOP_JOB_MAX ((size_t)4 << 20) /* bytes of one */

/* A job as it is kept. Of an incremental one where its last value is: what has come into the directory `target` since `mark` is newer than `last`. */
struct sqoop_job {
    struct sqoop_words
        words; /* the tool, and its options, each one with its value; the texts are the job's own */
    char *target; /* NULL: it was never executed */
    char *mark; /* of the increment that was the newest there (table/published.h); NULL: there was none */
    char *last; /* NULL: none is known but the one among the words */
};

/* The form of its file: a line of the version, then one of a key and a value each. Backslashes and line breaks in values are \\ and \n. */
int sqoop_job_write(const struct sqoop_job *job, struct bytes *text, struct error *error);
/* ERROR_REJECT: this is no saved job, or not the whole of one. */
int sqoop_job_read(struct sqoop_job *ret_job, struct slice text, struct error *error);
void sqoop_job_free(struct sqoop_job *job);

/* Sets one of its texts; text NULL or "": none. */
int sqoop_job_set(char **at, const char *text, struct error *error);

/* The order that it stands for. What `more` says counts more than what the job says; the last value is that of `more`, of the job's `last`, or of its words. As sqoop_translate(). */
int sqoop_translate_job(struct sqoop_order *ret_order, const char *name, const struct sqoop_job *job,
    const struct sqoop_words *more, const struct sqoop_reader *reader, struct error *error);

/* What it is, for people; `last` as in the job. */
int sqoop_print_job(const char *name, const struct sqoop_job *job, struct bytes *text, struct error *error);

/* ---- what eval prints -------------------------------------------------------------------------------------------- */

/* How wide a column of this type is, by PostgreSQL's OID and modifier; wider values are printed all the same. */
size_t sqoop_frame_width(uint32_t type, int32_t modifier);
int sqoop_frame_rule(const size_t *widths, size_t count, struct bytes *text, struct error *error);
/* Names or values; NULL: (null). What a terminal would obey is shown as base/shown.h has it. */
int sqoop_frame_row(
    const char *const *values, const size_t *widths, size_t count, struct bytes *text, struct error *error);

#endif
