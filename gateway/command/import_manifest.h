/* import_manifest: the manifest that --verify names, of a directory of this machine or of a store (import_place.h). @thread main */
#ifndef PENSTOCK_COMMAND_IMPORT_MANIFEST_H
#define PENSTOCK_COMMAND_IMPORT_MANIFEST_H

#include <limits.h>

#include "command/import_place.h"
#include "lake/deposit.h"
#include "table/verify.h"

struct import_manifest {
    struct manifest *manifest;
    struct verify_store store; /* where its files are, */
    struct deposit *deposit; /* unless this is NULL: then they are on this machine */
    struct import_place place; /* the manifest's directory */
    char *directory; /* as it was given */
    char name[NAME_MAX + 1]; /* the manifest's in it; "": the one that a directory means */
};

/* Zeroed before; to be closed whatever comes of it. ERROR_REJECT: it is not there, or it is none; ERROR_RETRY: the store is not there, or does not let us. */
int import_manifest_open(
    struct import_manifest *found, const struct import_options *options, struct error *error);
void import_manifest_close(struct import_manifest *found);

#endif
