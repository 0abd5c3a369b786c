/* increment: the bounds of an incremental import, and the condition that they are; room-internal. See table/increment.h. */
#ifndef PENSTOCK_TABLE_POSTGRES_INCREMENT_H
#define PENSTOCK_TABLE_POSTGRES_INCREMENT_H

#include "table/postgres/describe.h"

int pg_increment_bound(struct database_connection *connection, const struct table *table,
    const struct increment_options *options, unsigned wait, struct increment *ret_increment,
    struct error *error);
int pg_increment_narrow(struct database_connection *connection, struct table_list *list,
    const struct increment *increment, struct error *error);

#endif
