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

/* ---- a file that is being written, one at a time ---- */

extern struct image file_image;
extern struct column_batch *file_batch;
extern void *file_writer;
extern struct table_file_options file_options; /* as the test sets them; file_end() forgets them */

void file_begin(const struct column_field *fields, size_t count);
void file_text(size_t index, const char *text);
void file_int(size_t index, int32_t value);
void file_end_row(void);
void file_flush(void);
/* Returns the footer. */
struct slice file_finish(void);
void file_end(void);

/* The body of the page at an offset, whose CRC is right, not compressed; its header's fields are in ret_header. */
struct slice file_page(int64_t offset, struct slice *ret_header);
/* The encodings of a chunk's pages of data; how many there are. */
size_t file_encodings(struct slice footer, int group, int column, int64_t *list);

/* The hybrid of run lengths and bit packing; returns how many bytes count values took. */
size_t hybrid_decode(struct slice text, unsigned width, size_t count, uint32_t *values);

#endif
