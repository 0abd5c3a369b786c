/* attempt_internal: what the files of an attempt share. */
#ifndef PENSTOCK_TABLE_ATTEMPT_INTERNAL_H
#define PENSTOCK_TABLE_ATTEMPT_INTERNAL_H

#include <dirent.h>
#include <sys/types.h>

#include "table/attempt.h"

#define ATTEMPT_FILE_PATH_MAX (2 * ATTEMPT_NAME_MAX + 2)

struct attempt {
    char target[ATTEMPT_PATH_MAX]; /* as it is named, without slashes at its end */
    const char *name; /* its last part */
    char folder[ATTEMPT_PATH_MAX]; /* where it lies */
    char hidden[ATTEMPT_NAME_MAX + 1]; /* what it is called until then */
    int parent, directory;
    ino_t inode; /* of the directory */
    bool made; /* and not published yet */
    bool keep;
    bool late; /* somebody else has added what it would add: it cannot be published any more */
    enum attempt_how how;
    int old; /* the target that is there when this one is published, locked; -1: none */
    int log;
    size_t log_length;
    char where[2 * ATTEMPT_PATH_MAX];
};

#define ATTEMPT_LOG ".log"
#define ATTEMPT_INODE_MAX 17 /* "-INODE" */

/* The log leaves the directory before that is published, comes back when that has failed, and is deleted when the new names are durable. Outside its name has the directory's inode:
 * when two directories exchange their names, what was the target is called as the attempt was, and is not taken for it. */
int attempt_log_move_out(struct attempt *attempt, struct error *error);
void attempt_log_move_in(struct attempt *attempt);
void attempt_log_delete(struct attempt *attempt);

/* Whether what is in the target may go, or may stay. ERROR_REJECT */
int attempt_check_inside(const struct attempt *attempt, DIR *target, struct error *error);

/* The target's files get a name in the attempt, those that have none yet. ERROR_REJECT: one of another file is taken. */
int attempt_append_take(struct attempt *attempt, struct error *error);
/* What has come into the old directory behind the links moves over. */
void attempt_append_sweep(struct attempt *attempt);

/* Makes the names in a directory durable. */
int attempt_sync_directory(
    const struct attempt *attempt, int directory, const char *name, struct error *error);
/* The same of the directories in the attempt, and of its own. */
int attempt_sync_inside(const struct attempt *attempt, struct error *error);
/* A directory with all that is in it. What is left over is left to the next import. */
void attempt_delete(int parent, const char *name);

/* "DIRECTORY/NAME" or "NAME", below the attempt. */
int attempt_path(char path[static ATTEMPT_FILE_PATH_MAX], const char *directory, const char *name);

#endif
