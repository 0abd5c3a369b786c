/* drop: puts a file into a watched directory so that whoever takes files there sees it whole or not at all.
 *
 * A copy is written under a name that no watch takes (".penstock-drop-", 16 digits, ".tmp", in the same directory), fsynced, renamed without ever
 * replacing anything, and the directory is fsynced. A file that is moved within a file system keeps its inode and is only renamed; across file systems it is
 * copied, and deleted when the copy is durable. A copy is a new file: the caller's, of this moment, with the rights of its source as umask leaves them.
 * Extents are shared where the file system can.
 *
 * After any error, and after drop_abandon(), the temporary name is gone; after a kill it may be left, and nobody takes it: whoever wonders may delete it. Where a file
 * system cannot rename without replacing (NFS) the file has both names for a moment.
 */
#ifndef PENSTOCK_FILES_DROP_H
#define PENSTOCK_FILES_DROP_H

#include <stdbool.h>

#include "base/error.h"

/* ERROR_REJECT: it is not the name of a file in a directory, or one that watches leave out. Pure. @thread any */
int drop_check_name(const char *name, struct error *error);

/* source: a path, or NULL for standard input. name: in the directory, and checked. The text of an error is what has to stand behind the name of the source; it says
 * so when the file is in its place all the same. One at a time. @thread main */
int drop_put(int directory, const char *source, const char *name, bool move, struct error *error);

/* Deletes the temporary file if there is one: for signal handlers that end the process. */
void drop_abandon(void);

#endif
