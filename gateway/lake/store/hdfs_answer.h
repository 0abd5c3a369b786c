/* hdfs_answer: what a name node or data node says: exceptions, the state of files, lists. Pure. Room-internal. @thread any */
#ifndef PENSTOCK_LAKE_HDFS_ANSWER_H
#define PENSTOCK_LAKE_HDFS_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define HDFS_EXCEPTION_SIZE 64
#define HDFS_MESSAGE_SIZE 240

/* What became of a request. The status of an answer alone says little: 403 is no permission, safe mode, a name that is taken and no data node
 * alike. */
enum hdfs_outcome {
    HDFS_DONE,
    HDFS_REFUSED, /* nothing was done, and it would be the same again */
    HDFS_LATER, /* nothing was done, and it may go well in a moment */
    HDFS_STANDBY, /* as HDFS_LATER, but at another name node */
    HDFS_UNKNOWN, /* no answer, or one that does not say whether anything was done; it may go well in a moment */
};

struct hdfs_exception {
    char name[HDFS_EXCEPTION_SIZE]; /* "" when the answer names none */
    char message[HDFS_MESSAGE_SIZE]; /* one line of printable characters */
};

/* status 0: there was no answer. */
enum hdfs_outcome hdfs_answer_judge(long status, struct slice body, struct hdfs_exception *ret_exception);

/* {"boolean": true} and an empty body of RENAME: it was done. */
bool hdfs_answer_is_true(struct slice body);

/* Of GETFILESTATUS; -1: no such answer, or no file. */
int hdfs_answer_length(struct slice body, uint64_t *ret_length);

/* Of LISTSTATUS and LISTSTATUS_BATCH: calls each() for every entry in turn; ret_more is how many are left. ERROR_RETRY: no such answer. */
typedef int hdfs_answer_each_fn(void *context, const char *name, bool is_file, struct error *error);
int hdfs_answer_list(
    struct slice body, hdfs_answer_each_fn *each, void *context, uint64_t *ret_more, struct error *error);

#endif
