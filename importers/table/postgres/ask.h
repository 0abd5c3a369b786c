/* ask: what people ask a PostgreSQL server apart from an import; database_kind has the contract. @thread one at a time per connection */
#ifndef PENSTOCK_TABLE_POSTGRES_ASK_H
#define PENSTOCK_TABLE_POSTGRES_ASK_H

#include "table/postgres/connection.h"

int pg_list_names(struct database_connection *connection, enum database_names which, const char *schema,
    const struct database_name_taker *taker, struct error *error);
int pg_evaluate(struct database_connection *connection, const char *sql,
    const struct database_answer_taker *taker, struct error *error);

#endif
