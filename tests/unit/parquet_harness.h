/* parquet_harness: a Parquet file in memory, and a reader of what its parts say, made by the specification alone. */
#ifndef PENSTOCK_TESTS_PARQUET_HARNESS_H
#define PENSTOCK_TESTS_PARQUET_HARNESS_H

#include "lake/format/table_file.h"

/* A sink. Its write number fail_at (from 1; 0: none) fails. */
struct image {
    struct bytes data;
    size_t writes, fail_at;
};

int image_write(void *context, const void *data, size_t length, struct error *error);
/* Asserts both magics and the footer's length. */
struct slice image_footer(const struct image *image);
struct slice image_from(const struct image *image, int64_t offset);

/* What is at a path of Thrift: in a structure a number is a field's id, in a list an element's place. PATH_END ends it. */
#define PATH_END -1
#define PATH(...)             \
    (const int[])             \
    {                         \
        __VA_ARGS__, PATH_END \
    }

struct found {
    bool there;
    int64_t integer; /* or a boolean; of a list its length */
    struct slice bytes;
    size_t end; /* where it ends in the text */
};

struct found thrift_find(struct slice text, const int *path);
/* Asserts that it is there. */
int64_t thrift_integer(struct slice text, const int *path);
struct slice thrift_bytes(struct slice text, const int *path);
/* How long the structure at the beginning of text is. */
size_t thrift_length(struct slice text);

/* The hybrid of run lengths and bit packing; returns how many bytes count values took. */
size_t hybrid_decode(struct slice text, unsigned width, size_t count, uint32_t *values);

#endif
