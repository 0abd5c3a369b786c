/* address: where a PostgreSQL server is and how it is talked to, as libpq's keywords; what the user left open is chosen here.
 *
 * An address is a URL (postgresql://user@host:port/database?sslmode=...), libpq's keywords (host=... dbname=...), or the name of a
 * database; PostgreSQL's manual, "Connection Strings". What it leaves open comes from the service file, the environment (PGHOST, ...) and the
 * password file, by libpq's own rules. Errors never quote the address: it may hold a password. @thread any
 */
#ifndef PENSTOCK_TABLE_POSTGRES_ADDRESS_H
#define PENSTOCK_TABLE_POSTGRES_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "table/database.h"

#define PG_ADDRESS_MAX 64 /* keywords; libpq 15 knows 40 */
#define PG_NOTICE_MAX 320

struct pg_address {
    char *keywords[PG_ADDRESS_MAX + 1]; /* ended by NULL, as PQconnectStartParams() wants them */
    char *values[PG_ADDRESS_MAX + 1];
    size_t count;
    char notice[PG_NOTICE_MAX]; /* what was chosen, for people; "" */
};

/* ERROR_REJECT: it is none, or a part cannot be. ERROR_FATAL: the password's file. */
int pg_address_open(const struct database_login *login, struct pg_address **ret_address, struct error *error);
/* Clears the password, too. */
void pg_address_close(struct pg_address **address);

/* NULL: not said. */
const char *pg_address_get(const struct pg_address *address, const char *keyword);
int pg_address_set(struct pg_address *address, const char *keyword, const char *value, struct error *error);

/* Is every host of it on this machine? Unix sockets are; so are no hosts at all. */
bool pg_address_is_near(const char *host, const char *hostaddr);

/* Overwrites the passwords in an address with x, in place: for argv, which everybody may read in ps. False: there were none. What cannot be
 * understood is overwritten as a whole. */
bool pg_address_hide(char *text);

#endif
