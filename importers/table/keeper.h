/* keeper: a small process of its own that holds the snapshot, so that an import that was killed can go on in the same one.
 *
 * keeper_start() forks it, before the import has any thread or any connection: it logs in for itself, in a session of its own, with its standard files closed.
 * The import talks to it over a socket. Later imports find it by a name among Linux' abstract sockets, which the attempt's log says; it answers only those of its
 * own user, one at a time. It ends when it is told to, when its connection to the database is lost (it says so), when the import that it was begun for ends before
 * keeper_stay(), and when nobody has been connected to it for the time that keeper_stay() said: a snapshot that is held for long holds back VACUUM.
 * @thread main
 */
#ifndef PENSTOCK_TABLE_KEEPER_H
#define PENSTOCK_TABLE_KEEPER_H

#include "table/job.h"

#define KEEPER_NAME_MAX 64

struct keeper;

/* Options must outlive it. ERROR_RETRY: no process could be made. */
int keeper_start(struct keeper **ret_keeper, const struct job_options *options, struct error *error);
/* One that is there, whose snapshot is held at this moment. *ret_held false: it is not, as the error says. */
int keeper_attach(struct keeper **ret_keeper, const char *name, bool *ret_held, struct error *error);

/* Of all that must be the same on both sides: names, columns, parts and where the rows are. Pure. */
uint64_t keeper_digest(const struct table_list *list);
/* Logs in and takes the snapshot of what is selected; again, if it has done so before. Errors are the database's; DATABASE_CHANGED in ret_trouble: the tables are
 * not those of the digest. `stop` is looked at meanwhile. */
int keeper_hold(struct keeper *keeper, uint64_t digest, struct snapshot *ret_snapshot,
    enum database_trouble *ret_trouble, struct error *error);
/* From now on it outlives the import, for so many seconds. */
int keeper_stay(struct keeper *keeper, unsigned seconds, struct error *error);
/* Has it said that it cannot go on, or is it gone? Does not wait. */
int keeper_check(struct keeper *keeper, struct error *error);

/* Asks it, and the database: is the snapshot there? */
bool keeper_holds(struct keeper *keeper);

const char *keeper_name(const struct keeper *keeper);
int keeper_process(const struct keeper *keeper);

/* Leaves it alone, for as long as it was told to stay. */
void keeper_leave(struct keeper **keeper);
/* Ends it: its transaction has ended, or is about to, afterwards. */
void keeper_end(struct keeper **keeper);

#endif
