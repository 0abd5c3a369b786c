/* parquet_thrift: Thrift's compact protocol, written: what Parquet's headers, indexes and footer are made of.
 *
 * A failure is kept: calls after it do nothing, and parquet_thrift_finish() returns it, so that a structure is written without a
 * branch per field. Source: thrift-compact-protocol.md of Apache Thrift. @thread the writer's
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_THRIFT_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_THRIFT_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define PARQUET_THRIFT_DEPTH_MAX 8

/* Of a list's elements. For booleans the protocol's text says 2, and every implementation writes and reads 1. */
enum parquet_thrift_type {
    PARQUET_THRIFT_BOOL = 1,
    PARQUET_THRIFT_I32 = 5,
    PARQUET_THRIFT_I64 = 6,
    PARQUET_THRIFT_BINARY = 8,
    PARQUET_THRIFT_STRUCT = 12
};

struct parquet_thrift {
    struct bytes *out;
    struct error *error;
    bool failed;
    unsigned depth;
    int last[PARQUET_THRIFT_DEPTH_MAX]; /* field ids are written as differences */
};

/* Appends to out, in a structure already; parquet_thrift_end() ends it. */
void parquet_thrift_begin(struct parquet_thrift *thrift, struct bytes *out, struct error *error);
int parquet_thrift_finish(const struct parquet_thrift *thrift);

void parquet_thrift_i16(struct parquet_thrift *thrift, int id, int16_t value);
void parquet_thrift_i32(struct parquet_thrift *thrift, int id, int32_t value);
void parquet_thrift_i64(struct parquet_thrift *thrift, int id, int64_t value);
void parquet_thrift_bool(struct parquet_thrift *thrift, int id, bool value);
void parquet_thrift_binary(struct parquet_thrift *thrift, int id, const void *data, size_t length);
void parquet_thrift_struct(struct parquet_thrift *thrift, int id);
void parquet_thrift_end(struct parquet_thrift *thrift);

/* A list's head; count elements follow. */
void parquet_thrift_list(struct parquet_thrift *thrift, int id, enum parquet_thrift_type type, size_t count);
void parquet_thrift_add_bool(struct parquet_thrift *thrift, bool value);
void parquet_thrift_add_integer(struct parquet_thrift *thrift, int64_t value);
void parquet_thrift_add_binary(struct parquet_thrift *thrift, const void *data, size_t length);
void parquet_thrift_add_struct(struct parquet_thrift *thrift);
/* Elements, or fields of the structure, that are serialized already. */
void parquet_thrift_add_raw(struct parquet_thrift *thrift, const void *data, size_t length);

#endif
