/* avro_schema: the schema of a file of Avro, as JSON (specification 1.11, "Schema Declaration", "Logical Types"). Room-internal. Pure.
 *
 * A record whose fields are unions of null and a type, null by default. Names have to be made of [A-Za-z0-9_] and not to begin with a digit:
 * any run of other characters becomes one _, a digit at the front gets a _ before it, and a name that is taken then gets its
 * column's number behind it. The names as they were stand beside them as "tableName" and "columnName", as Sqoop writes them. @thread any
 */
#ifndef PENSTOCK_LAKE_FORMAT_AVRO_SCHEMA_H
#define PENSTOCK_LAKE_FORMAT_AVRO_SCHEMA_H

#include "base/bytes.h"
#include "lake/column.h"

/* Appends the schema. ERROR_REJECT: it comes above out's limit, or a decimal has no such precision and scale. */
int avro_schema(struct bytes *out, const char *name, const struct column_field *fields, size_t fields_count,
    struct error *error);

#endif
