/* shipment: an import's way into a store elsewhere (HDFS, S3: lake/deposit.h).
 *
 * The attempt (attempt.h) lies on this machine, in a folder of the target's own, until its files are all there: rows, `_SUCCESS`, manifest, durable, and its log says so. Then they
 * are put into the store, and only when they are all there the attempt is deleted. So whoever is killed has lost nothing: what is in the store is held against what was read, byte by
 * byte, and what is missing is put.
 *
 * HDFS: all of them into a directory that nobody sees; one rename gives it the target's name. S3 has no rename, and so it is when files are added to some
 * that are there: each appears whole, the manifest as the last one.
 *
 * One import at a time has the folder. Of those on other machines with the same target the one that came last puts its files, and the others fail: nobody's are mixed. @thread main
 */
#ifndef PENSTOCK_TABLE_SHIPMENT_H
#define PENSTOCK_TABLE_SHIPMENT_H

#include <stdatomic.h>

#include "base/clock.h"
#include "lake/deposit.h"
#include "table/attempt.h"

/* Strings outlive the shipment. */
struct shipment_options {
    const struct config_lake
        *config; /* its url is of the directory that the target lies in; passes lake_check() */
    const char *name; /* the target's in it */
    const char *url; /* the target's, for people */
    const char *id; /* the target's, the same on all machines: passes as a gateway's */
    const char *folder; /* of this machine and this target alone; made when missing */
    enum attempt_how how;
    bool goes_on; /* with what another import has left */
    const struct clock *clock;
    const atomic_bool *stop; /* ends what waits for the store */
};

struct shipment;

/* Looks at the target, and whether it can be written to. ERROR_REJECT: it is there and may not, or another import is at it; ERROR_RETRY: the store is not there, or does not
 * let us. */
int shipment_open(
    struct shipment **ret_shipment, const struct shipment_options *options, struct error *error);
void shipment_close(struct shipment **shipment);

/* The directory that the attempt lies beside; it never comes into being. */
const char *shipment_place(const struct shipment *shipment);
/* A directory with the manifests that the target had, of one that adds to it. */
const char *shipment_seen(const struct shipment *shipment);
/* The number of the next file behind those that the target had. */
unsigned shipment_first(const struct shipment *shipment);
/* Of an import that begins: ERROR_REJECT: something is in the target. */
int shipment_begin(const struct shipment *shipment, struct error *error);

struct shipment_file {
    const char *directory; /* of the attempt, "" for itself */
    char name[64];
    bool last; /* not before all others are there */
};

/* Those of the attempt, in their order. again: another import may have begun with it. ERROR_REJECT: other files have these names. */
int shipment_put(struct shipment *shipment, struct attempt *attempt, const struct shipment_file *files,
    size_t count, bool again, struct error *error);

#endif
