/* lag: how far standbys are behind; room-internal. */
#ifndef PENSTOCK_TABLE_POSTGRES_LAG_H
#define PENSTOCK_TABLE_POSTGRES_LAG_H

#include "table/postgres/connection.h"

int pg_lag(struct database_connection *connection, struct database_lag *ret_lag, struct error *error);

#endif
