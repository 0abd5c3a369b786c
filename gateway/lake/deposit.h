/* deposit: files that lie whole on this machine, put into a store of the lake under names that the caller has.
 *
 * For imports, whose files are none of the lake's (file_name.h). A file appears whole under its name, never in the place of another one, and is durable when
 * deposit_put() has said so. Who opens a deposit with the same id and URL takes it over: what the one before has not put yet cannot come any more. Where the
 * store can rename a directory, a whole set of files appears at once. Every failure is ERROR_RETRY but where said otherwise. @thread one at a time
 */
#ifndef PENSTOCK_LAKE_DEPOSIT_H
#define PENSTOCK_LAKE_DEPOSIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

#define DEPOSIT_MOST 64 /* files of one call */
#define DEPOSIT_STAGE_SIZE 192

struct config_lake;
struct deposit;

struct deposit_options {
    const struct config_lake *config; /* its url is where directories lie; passes lake_check() */
    const char *id; /* of whoever puts; NULL: nobody does, the store is only looked at */
    const char *spool; /* a directory of this machine, made when missing, that is this id's alone */
    const struct clock *clock;
    bool (*give_up)(void *context); /* asked several times a second; NULL: never */
    void *context;
};

/* Whether such a URL, or path, is of a store that takes deposits: all but directories of this machine. */
bool deposit_takes(const char *url);

int deposit_open(struct deposit **ret_deposit, const struct deposit_options *options, struct error *error);
void deposit_close(struct deposit **deposit);

/* Whether anything is in a directory, one of those below the URL. */
int deposit_any(struct deposit *deposit, const char *path, bool *ret_any, struct error *error);
/* Calls each() with the names of the files in it. each() may not call the deposit. */
typedef int deposit_each_fn(void *context, const char *name, struct error *error);
int deposit_list(
    struct deposit *deposit, const char *path, deposit_each_fn *each, void *context, struct error *error);
/* As many bytes of a file as there are from there on, at most length. ERROR_REJECT: it is not there. */
int deposit_read(struct deposit *deposit, const char *path, const char *name, uint64_t from, void *data,
    size_t length, size_t *ret_read, struct error *error);

struct deposit_file {
    const char *path; /* of its directory, made when missing */
    const char *name; /* at most 192 bytes */
    int fd; /* the file; it is closed, whatever comes of it */
    uint64_t length;
};
/* At most DEPOSIT_MOST. On failure any of them may be there, or not. */
int deposit_put(struct deposit *deposit, const struct deposit_file *files, size_t count, struct error *error);
/* Deletes a directory with all that is in it. */
int deposit_clear(struct deposit *deposit, const char *path, struct error *error);

/* A directory that nobody sees, to put files into or below it; false: the store cannot rename it. */
bool deposit_stage(const struct deposit *deposit, char ret_path[static DEPOSIT_STAGE_SIZE]);
/* It appears as this directory, in the place of none or an empty one. ERROR_REJECT: that is not empty. */
int deposit_appear(struct deposit *deposit, const char *path, struct error *error);

/* All is done: what says who puts is deleted, as far as that can be. */
void deposit_leave(struct deposit *deposit);

#endif
