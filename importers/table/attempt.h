/* attempt: the directory that an import fills, out of sight until it is whole.
 *
 * Files are written below a hidden directory beside the target, `.NAME.import-XXXXXXXX`, and each is fsynced when it is finished. At the end one
 * rename() gives that directory the target's name: readers see everything or nothing. What a killed import left is found by the next one with the same target; a
 * lock on the directory (flock()) says that somebody is still at it.
 *
 * `.log` in it says what is done; it is never published. For the moment of the rename it lies beside the directory, as `.NAME.import-XXXXXXXX-INODE.log`: whoever is
 * killed then has lost nothing. @thread one, but files each one of their own
 */
#ifndef PENSTOCK_TABLE_ATTEMPT_H
#define PENSTOCK_TABLE_ATTEMPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "lake/format/table_file.h"

#define ATTEMPT_PATH_MAX 3072
#define ATTEMPT_NAME_MAX 255

#define ATTEMPT_FIRST_MAX 99999999

/* What becomes of a directory that has the target's name. */
enum attempt_how {
    ATTEMPT_NEW, /* it has to be empty */
    ATTEMPT_REPLACE, /* whatever is in it: in the end the names are exchanged, so that readers see the old one or the new one, and then the old one is deleted */
    ATTEMPT_RENEW, /* it has to be empty, or Hive has its files (table/hive.h): then it is replaced */
    ATTEMPT_APPEND, /* it keeps its files and gets those of the attempt beside them, all of them at once: by an exchange, too, with links to its files. It has no directories in it; what Hive was told of its files is not kept */
};

struct attempt;

/* ERROR_REJECT: the target is there and may not; ERROR_FATAL: it cannot be written. */
int attempt_open(struct attempt **ret_attempt, const char *target, enum attempt_how how, struct error *error);
/* One that nobody is at any more, whose target is or was the same; *ret_attempt NULL: there is none. ret_busy: somebody is at one. It is kept, whatever becomes of it,
 * until attempt_keep() says something else. */
int attempt_find(struct attempt **ret_attempt, const char *target, bool *ret_busy, struct error *error);
/* One that was found. ERROR_REJECT: the target is there and not empty, or has a file that this one would add. */
int attempt_check(struct attempt *attempt, enum attempt_how how, struct error *error);
/* Of an attempt that adds: takes away what it has of the target's files, whose numbers are less than its own. attempt_publish() takes those that are there then: one that somebody has
 * deleted until then does not come back. */
void attempt_append_drop(struct attempt *attempt, unsigned first);
/* The number of the next file behind those that the target has, as part-00012 and part-m-00012. */
unsigned attempt_first(const struct attempt *attempt);
/* The number of a file that is called so; -1: it is no such name. */
long attempt_number(const char *name);
/* Whether attempt_close() leaves it for another time; else it deletes what was not published. */
void attempt_keep(struct attempt *attempt, bool keep);
void attempt_close(struct attempt **attempt);
/* "folder/.NAME.import-XXXXXXXX", for people. */
const char *attempt_where(const struct attempt *attempt);

/* Makes a directory in it, unless it is there, for a table of several; name as attempt_name() makes it. */
int attempt_make_directory(struct attempt *attempt, const char *name, struct error *error);
/* A small file, durable. directory: "" for the attempt itself. */
int attempt_write(struct attempt *attempt, const char *directory, const char *name, struct slice contents,
    struct error *error);
/* Makes the names of files in a directory durable. @thread any */
int attempt_sync(const struct attempt *attempt, const char *directory, struct error *error);
/* Is a file of this size there? */
bool attempt_has(const struct attempt *attempt, const char *directory, const char *name, uint64_t bytes);
/* To read a file of it, or (old) of the target that attempt_lock() has found. ERROR_REJECT: it is not there, or no file. */
int attempt_read(const struct attempt *attempt, bool old, const char *name, int *ret_fd, struct error *error);
/* Who may read the target that attempt_lock() has found may read what takes its place. */
int attempt_take_mode(struct attempt *attempt, struct error *error);
/* Before it is published: no other import publishes into the target until the attempt is closed. ret_busy: one does so now; it may be tried again. */
int attempt_lock(struct attempt *attempt, bool *ret_busy, struct error *error);
/* Everything is there: gives it the target's name, durably. ERROR_REJECT: somebody else has taken the name meanwhile. */
int attempt_publish(struct attempt *attempt, struct error *error);
/* Whether another import could go on with it and publish it. False, too: it has the target's name, even where attempt_publish() could not make that durable. */
bool attempt_can_go_on(const struct attempt *attempt);
/* From now on it cannot: what it has is in the target already. */
void attempt_give_up(struct attempt *attempt);

/* A name that a directory can have and Hive and Spark do not overlook: bytes other than letters, digits, `-`, `.` and `_` are
 * percent-encoded, a leading `.` or `_` too. Returns false when it is longer than a name may be. */
bool attempt_name(const char *text, char name[static ATTEMPT_NAME_MAX + 1]);

/* ---- its log ------------------------------------------------------------------------------------------------------ */

#define ATTEMPT_LOG_MAX ((size_t)1 << 30)

/* Opens the log, makes it when there is none, and reads what is in it. */
int attempt_log_open(struct attempt *attempt, struct bytes *text, struct error *error);
/* Forgets what is behind the first so many bytes. */
int attempt_log_cut(struct attempt *attempt, size_t length, struct error *error);
/* Durable when it returns. After a failure nothing more may be added. @thread one at a time */
int attempt_log_add(struct attempt *attempt, struct slice lines, struct error *error);

/* ---- one file of it ---------------------------------------------------------------------------------------------- */

struct attempt_file;

/* A file of a table; replaces one that was begun under this name. fields and options must outlive it. */
int attempt_file_open(struct attempt_file **ret_file, struct attempt *attempt, const char *directory,
    const char *name, const struct column_field *fields, size_t fields_count,
    const struct table_file_options *options, struct error *error);
int attempt_file_add(struct attempt_file *file, const struct column_batch *batch, struct error *error);
/* A row as such a file has it: table_file_copy(). */
int attempt_file_copy(struct attempt_file *file, struct slice row, struct error *error);
/* Writes its end and makes it durable. */
int attempt_file_finish(
    struct attempt_file *file, uint64_t *ret_bytes, uint32_t *ret_crc32c, struct error *error);
/* Deletes it when it was not finished. */
void attempt_file_close(struct attempt_file **file);
/* Deletes it, finished or not: it has no rows. */
void attempt_file_drop(struct attempt_file **file);

#endif
