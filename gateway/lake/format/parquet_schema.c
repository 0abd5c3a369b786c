/* parquet_schema: see parquet_schema.h. */
#include "lake/format/parquet_schema.h"

enum { REPETITION_OPTIONAL = 1, REPETITION_REPEATED = 2 };

/* A structure without fields, as a union's only member. */
static void schema_put_empty(struct parquet_thrift *thrift, int id)
{
    parquet_thrift_struct(thrift, id);
    parquet_thrift_end(thrift);
}

static void schema_put_micros(struct parquet_thrift *thrift, bool utc)
{
    parquet_thrift_bool(thrift, 1, utc);
    parquet_thrift_struct(thrift, 2);
    schema_put_empty(thrift, 2);
    parquet_thrift_end(thrift);
}

static void schema_put_logical(struct parquet_thrift *thrift, const struct parquet_type *type)
{
    if (type->logical == PARQUET_NO_LOGICAL)
        return;
    parquet_thrift_struct(thrift, 10);
    parquet_thrift_struct(thrift, (int)type->logical);
    if (type->logical == PARQUET_DECIMAL) {
        parquet_thrift_i32(thrift, 1, type->scale);
        parquet_thrift_i32(thrift, 2, type->precision);
    } else if (type->logical == PARQUET_TIME || type->logical == PARQUET_TIMESTAMP)
        schema_put_micros(thrift, type->utc);
    parquet_thrift_end(thrift);
    parquet_thrift_end(thrift);
}

static void schema_put_leaf(struct parquet_thrift *thrift, const struct parquet_type *type, const char *name)
{
    parquet_thrift_add_struct(thrift);
    parquet_thrift_i32(thrift, 1, (int32_t)type->physical);
    if (type->physical == PARQUET_FIXED)
        parquet_thrift_i32(thrift, 2, type->width);
    parquet_thrift_i32(thrift, 3, REPETITION_OPTIONAL);
    parquet_thrift_binary(thrift, 4, name, strlen(name));
    if (type->converted != PARQUET_CONVERTED_NONE)
        parquet_thrift_i32(thrift, 6, (int32_t)type->converted);
    if (type->logical == PARQUET_DECIMAL) {
        parquet_thrift_i32(thrift, 7, type->scale);
        parquet_thrift_i32(thrift, 8, type->precision);
    }
    schema_put_logical(thrift, type);
    parquet_thrift_end(thrift);
}

static void schema_put_list(struct parquet_thrift *thrift, const struct parquet_column *column)
{
    const char *name = column->field->name;

    parquet_thrift_add_struct(thrift);
    parquet_thrift_i32(thrift, 3, REPETITION_OPTIONAL);
    parquet_thrift_binary(thrift, 4, name, strlen(name));
    parquet_thrift_i32(thrift, 5, 1);
    parquet_thrift_i32(thrift, 6, PARQUET_CONVERTED_LIST);
    parquet_thrift_struct(thrift, 10);
    schema_put_empty(thrift, PARQUET_LIST);
    parquet_thrift_end(thrift);
    parquet_thrift_end(thrift);

    parquet_thrift_add_struct(thrift);
    parquet_thrift_i32(thrift, 3, REPETITION_REPEATED);
    parquet_thrift_binary(thrift, 4, "list", 4);
    parquet_thrift_i32(thrift, 5, 1);
    parquet_thrift_end(thrift);

    schema_put_leaf(thrift, &column->type, "element");
}

void parquet_schema_put(struct parquet_thrift *thrift, int id, const char *name,
    const struct parquet_column *columns, size_t count)
{
    size_t elements = 1;

    for (size_t i = 0; i < count; i++)
        elements += parquet_column_is_list(&columns[i]) ? 3 : 1;
    name = name ? name : "schema";
    parquet_thrift_list(thrift, id, PARQUET_THRIFT_STRUCT, elements);
    parquet_thrift_add_struct(thrift);
    parquet_thrift_binary(thrift, 4, name, strlen(name));
    parquet_thrift_i32(thrift, 5, (int32_t)count);
    parquet_thrift_end(thrift);
    for (size_t i = 0; i < count; i++) {
        if (parquet_column_is_list(&columns[i]))
            schema_put_list(thrift, &columns[i]);
        else
            schema_put_leaf(thrift, &columns[i].type, columns[i].field->name);
    }
}

void parquet_schema_put_orders(struct parquet_thrift *thrift, int id, size_t count)
{
    parquet_thrift_list(thrift, id, PARQUET_THRIFT_STRUCT, count);
    for (size_t i = 0; i < count; i++) {
        parquet_thrift_add_struct(thrift);
        schema_put_empty(thrift, 1);
        parquet_thrift_end(thrift);
    }
}
