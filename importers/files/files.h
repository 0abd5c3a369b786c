/* files: files that grow in watched directories, as a source; see source/source.h for the contract.
 *
 * Lines are read as they are written, and become records of the watch's stream. Each hand-over holds lines and, of each file that they are
 * of, how far it is read: so each line is in the journal exactly once, whatever is killed. What is read again is known by its identity
 * (state.h), so names may change: a file that is rotated, renamed or rotated ten times while nobody looks is read on from where it was.
 */
#ifndef PENSTOCK_FILES_FILES_H
#define PENSTOCK_FILES_FILES_H

#include <stdint.h>

#include "base/error.h"
#include "journal/state.h"

struct file_state;

/* Made before the journal is opened, freed behind its end. segment_size: what its ceiling follows from. */
int file_state_new(struct file_state **ret_state, uint64_t segment_size, struct error *error);
void file_state_free(struct file_state **state);

/* The row of the journal's table of state; registered whatever sources run, as source_state_kinds() says. */
struct state_kind file_state_kind(struct file_state *state);

uint64_t file_state_count(const struct file_state *state); /* files, without watches */

/* Behind journal_open(). ERROR_FATAL: there is more than fits; the text says what to do. @thread main */
int file_state_check(const struct file_state *state, struct error *error);

struct source;
extern const struct source_kind source_files;

/* Whether one that was stopped may be closed while the journal is open, and another one may go on with its files: nothing of it is on its way to the journal, and nothing is read that no other one
 * would find. ERROR_RETRY says what is in the way. @thread main */
int files_rest(const struct source *source, struct error *error);

#endif
