/* name: names of tables as people write them. Pure. @thread any
 *
 * NAME or SCHEMA.NAME. What stands in double quotes is meant exactly so ("" is one quote within); what does not is looked for exactly so at first, then
 * in small letters, as SQL takes it. * outside of quotes stands for any characters: s.*, *, s.log_*. No schema before
 * the dot is the one that comes first in the search path, for wildcards only: .*
 */
#ifndef PENSTOCK_TABLE_POSTGRES_NAME_H
#define PENSTOCK_TABLE_POSTGRES_NAME_H

#include <stdbool.h>

#include "base/error.h"

#define PG_NAME_MAX 255 /* bytes; servers are built with 63 */

struct pg_name {
    char schema[PG_NAME_MAX * 2 + 1], name[PG_NAME_MAX * 2 + 1]; /* of a wildcard: patterns for LIKE */
    bool has_schema; /* "" is the current one */
    bool wild; /* either of them */
    bool folds; /* some letter would be another in small letters */
    char schema_folded[PG_NAME_MAX * 2 + 1], name_folded[PG_NAME_MAX * 2 + 1];
};

/* ERROR_REJECT: it is none. */
int pg_name_parse(const char *text, struct pg_name *ret_name, struct error *error);

#endif
