/* import_verify: `penstock import --verify MANIFEST`: holds what an import made against its manifest, and against the tables where a database is named. @thread main */
#ifndef PENSTOCK_COMMAND_IMPORT_VERIFY_H
#define PENSTOCK_COMMAND_IMPORT_VERIFY_H

#include "command/import_options.h"

/* Tells on standard output what differs, and what does not. Returns 0 only when all is equal that was asked about. */
int import_verify(const struct import_options *options, struct error *error);

#endif
