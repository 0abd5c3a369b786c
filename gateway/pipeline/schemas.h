/* schemas: the schemas that streams name, from penstock itself or from files. @thread main */
#ifndef PENSTOCK_PIPELINE_SCHEMAS_H
#define PENSTOCK_PIPELINE_SCHEMAS_H

#include "route/route.h"

/* Compiles the schema of each stream of the configuration, and the form of its files, and gives them to the one of streams at the same place; streams NULL: they are only
 * judged. What is wrong is reported to the config at its place (all of it), and -1 returned. */
int schemas_compile(struct config *config, struct streams *streams, struct error *error);

#endif
