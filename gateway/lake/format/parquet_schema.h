/* parquet_schema: a file's columns as its footer describes them. Source: SchemaElement, LogicalType and ColumnOrder of parquet.thrift, and
 * LogicalTypes.md ("Lists") of Apache's parquet-format. @thread the writer's
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_SCHEMA_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_SCHEMA_H

#include "lake/format/parquet_column.h"
#include "lake/format/parquet_thrift.h"

/* The field `id` of the structure that is being written: the list of all elements. name: the root's, may be NULL. */
void parquet_schema_put(struct parquet_thrift *thrift, int id, const char *name,
    const struct parquet_column *columns, size_t count);
void parquet_schema_put_orders(struct parquet_thrift *thrift, int id, size_t count);

#endif
