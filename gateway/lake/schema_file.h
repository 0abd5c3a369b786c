/* schema_file: the schemas that a configuration names: those that come with penstock, and files. @thread main */
#ifndef PENSTOCK_LAKE_SCHEMA_FILE_H
#define PENSTOCK_LAKE_SCHEMA_FILE_H

#include "decode/decode.h"

/* Those that come with penstock: schemas/NAME.json, put into the program when it is built. */
struct own_schema {
    const char *name;
    struct slice text;
};

extern const struct own_schema own_schemas[];
extern const size_t own_schemas_count;

/* name: reading.v1, or a file that ends in .json; ret_hash: of its text. ERROR_REJECT says what is wrong with it. */
int schema_load(const char *name, struct schema **ret_schema, uint64_t *ret_hash, struct error *error);

#endif
