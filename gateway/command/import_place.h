/* import_place: where the target of an import is: a directory of this machine, or of a store (table/shipment.h). A path is of the store that lake.url of the
 * configuration names, if one is named: from its root on when it begins with /, else below lake.url. @thread main
 */
#ifndef PENSTOCK_COMMAND_IMPORT_PLACE_H
#define PENSTOCK_COMMAND_IMPORT_PLACE_H

#include "base/config.h"
#include "command/import_options.h"

#define IMPORT_ID_SIZE 24

struct import_place {
    const char *local; /* a directory of this machine; NULL: */
    char *url; /* the target's, without slashes at its end */
    const char *name; /* its last part, */
    char *folder; /* and on this machine what belongs to it: DATA/import/ID */
    char id[IMPORT_ID_SIZE];
    struct config_lake lake; /* its url is of the directory that the target lies in, which is owned */
    struct config *config; /* owned; NULL: none was needed */
};

/* Contacts nobody. ERROR_REJECT: there is no such place, or the configuration is wrong. target: as it was given, which it outlives. */
int import_place_open(struct import_place *ret_place, const struct import_options *options,
    const char *target, struct error *error);
/* ERROR_REJECT: the target is of a store, and `what` needs a directory of this machine. */
int import_place_demand_local(const char *config, const char *target, const char *what, struct error *error);
void import_place_close(struct import_place *place);

#endif
