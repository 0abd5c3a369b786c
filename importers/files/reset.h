/* reset: a file is read again, from its beginning: `penstock files reset`.
 *
 * The thread of the files alone changes what is known of them. So the command asks: it leaves an empty file in DATA/files-reset whose name says which one (number in the
 * journal, inode, birth), and the thread looks there once a second; when no gateway runs, the next one does. The thread forgets the file, durably, and finds it as a new one.
 * The request is deleted when that is durable: a number is never given twice, so a request that a crash has left asks for nothing more.
 */
#ifndef PENSTOCK_FILES_RESET_H
#define PENSTOCK_FILES_RESET_H

#include "base/error.h"
#include "files/files.h"

/* Asks for the file that path leads to. data: gateway.data; state: what its journal knows (file_list_read()). ERROR_REJECT: it is not known, or has a name that no pattern
 * takes, and could not be found as a new one. The text is what has to stand behind the path. @thread main */
int file_reset_ask(const char *data, const struct file_state *state, const char *path, struct error *error);

#endif
