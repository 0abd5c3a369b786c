/* import_hive: gives the files of an import to Hive, by its own client (table/hive.h says what lies beside them). @thread main */
#ifndef PENSTOCK_COMMAND_IMPORT_HIVE_H
#define PENSTOCK_COMMAND_IMPORT_HIVE_H

#include <stdbool.h>

#include "base/error.h"

/* What Hive has of a directory. */
enum import_hive_state {
    IMPORT_HIVE_NOTHING, /* it is not there, or Hive was never to have it */
    IMPORT_HIVE_WAITS, /* its files, or some of its tables, were not given to Hive yet */
    IMPORT_HIVE_UNKNOWN, /* they were, but nobody knows how it ended */
    IMPORT_HIVE_LOADED,
};

enum import_hive_state import_hive_look(const char *directory);

/* Gives what waits to the client, one table after the other; without a client the command is printed. client: of --hive-client, or NULL. ret_loaded: Hive has all of it. ERROR_REJECT: nobody
 * knows whether Hive has the files; ERROR_FATAL: the client has failed, or what was done could not be noted. In all these cases the files stay, and people are told how to go on.
 * Signals are caught from then on, and end it (ERROR_RETRY). */
int import_hive_load(const char *directory, const char *client, bool *ret_loaded, struct error *error);

/* Before the directory gets other files: what waits is given to Hive. ERROR_REJECT, too: there is no client. */
int import_hive_settle(const char *directory, const char *client, struct error *error);

/* ERROR_REJECT: the directory has files that Hive does not have, or may not have. */
int import_hive_refuse(const char *directory, const char *client, struct error *error);

#endif
