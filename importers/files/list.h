/* list: the files that a journal knows, for people: `penstock files list`.
 *
 * Positions are in the journal alone, so it is read there (journal_peek()), the same way whether a gateway runs or not: its lock is not taken, nobody has to be asked, and
 * what is shown is what a start would go on from. What is being read at this moment is shown a little later. Then each file is looked at where the journal says it
 * is, and in that directory under any other name.
 */
#ifndef PENSTOCK_FILES_LIST_H
#define PENSTOCK_FILES_LIST_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "files/files.h"

/* Appends a table, by path: state, device:inode (as stat -c %d:%i says them), position, size, lag, path.
 *
 *   lives     its name leads to it            cut       another begins where it was, or it is shorter than what was read of it
 *   renamed   it has another name, shown      gone      no name in its directory leads to it
 *   done      in a spool, read to its end
 *   watch     no file: patterns whose directories were looked through
 *
 * @thread main */
int file_list(struct bytes *text, const struct file_state *state, struct error *error);

/* What the journal in this directory knows of files; to be freed by file_state_free(). segment_size: as for file_state_new(). @thread main */
int file_list_read(
    struct file_state **ret_state, const char *directory, uint64_t segment_size, struct error *error);

#endif
