/* sqoop_store: the directory that saved jobs are kept in: a file for each, NAME.job, that nobody else may read. It is written whole or not at all, and durable when a call
 * returns. Whoever executes a job holds a lock on its file; the lock goes over to the file that takes its place. @thread main
 */
#ifndef PENSTOCK_COMMAND_SQOOP_STORE_H
#define PENSTOCK_COMMAND_SQOOP_STORE_H

#include "base/bytes.h"
#include "base/error.h"

struct sqoop_store {
    char *path;
    int directory; /* -1: it is not there yet */
};

/* place NULL: ~/.penstock/jobs. make: the directory is made. */
int sqoop_store_open(struct sqoop_store *ret_store, const char *place, bool make, struct error *error);
void sqoop_store_close(struct sqoop_store *store);

/* ERROR_REJECT: there is one of this name. */
int sqoop_store_create(struct sqoop_store *store, const char *name, struct slice text, struct error *error);
/* Adds its text. ret_lock NULL: it is not locked; else the caller closes it. ERROR_REJECT: there is none, or somebody has the lock. */
int sqoop_store_read(
    struct sqoop_store *store, const char *name, struct bytes *text, int *ret_lock, struct error *error);
/* lock: of sqoop_store_read(); it is that of the new file afterwards. */
int sqoop_store_replace(
    struct sqoop_store *store, const char *name, struct slice text, int *lock, struct error *error);
/* ERROR_REJECT: there is none, or it is being executed. */
int sqoop_store_delete(struct sqoop_store *store, const char *name, struct error *error);
/* The names, in the order of their bytes, a line each behind two blanks. */
int sqoop_store_list(struct sqoop_store *store, struct bytes *text, struct error *error);

#endif
