/* notice: what the kernel tells of the directories of all watches (inotify(7)), so that nobody has to wait for the next scan.
 *
 * Only hints: events merge and get lost, and there are none of what happens on the server of a network filesystem. Whoever takes them scans now and then whatever
 * they say, and looks at a file before believing anything. Directories are watched, never files, and by their descriptors, so that what is watched is what was scanned.
 *
 * One directory may belong to several walks: each of them is told. A directory that is moved stays watched under its old path until file_notices_watch() is called with
 * the new one; file_notices_sweep() drops it if no scan finds it any more. What is kept is bounded by the kernel's watches (max_user_watches) for each walk.
 * @thread the owner's
 */
#ifndef PENSTOCK_FILES_NOTICE_H
#define PENSTOCK_FILES_NOTICE_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"

struct file_notices;

enum notice_kind {
    NOTICE_FILE, /* look at this file: it is longer */
    NOTICE_CLOSED, /* the same, and one who could write has closed it */
    NOTICE_MOVED, /* as NOTICE_NAME, and it was moved here */
    NOTICE_NAME, /* this name leads to a file, or to another one, or to none any more */
    NOTICE_DIRECTORY, /* look at the directories again: there is one more, or one less, in this one, or it is gone itself */
    NOTICE_ALL, /* events were lost: look at everything, of every walk */
};

/* path: relative to the walk's root, good during the call. NOTICE_ALL: walk is 0 and the path is empty. It calls nothing of this header. */
typedef void notice_fn(void *context, enum notice_kind kind, size_t walk, struct slice path);

/* ERROR_RETRY: there are no more instances (128 for a user by default) or descriptors; scans do it alone then. */
int file_notices_new(struct file_notices **ret_notices, struct error *error);

void file_notices_free(struct file_notices **notices);

#define cleanup_file_notices __attribute__((cleanup(file_notices_free)))

/* Readable when there is something to be read; for poll() only. */
int file_notices_descriptor(const struct file_notices *notices);

/* For every directory at every scan, before its entries are read. 1: it is watched from now on; 0: it was before, and its path is this one now; -1, ERROR_RETRY: it is
 * not, for there are no watches left (the user's, of max_user_watches) or no memory, or /proc is not there. */
int file_notices_watch(
    struct file_notices *notices, size_t walk, int directory, struct slice path, struct error *error);

/* After a scan that came to its end: forgets the walk's directories that it was not called for since the last time. */
void file_notices_sweep(struct file_notices *notices, size_t walk);

/* Tells everything that has come until now; never waits. ERROR_FATAL: it can say nothing any more. */
int file_notices_read(struct file_notices *notices, notice_fn *notice, void *context, struct error *error);

#endif
