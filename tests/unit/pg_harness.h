/* pg_harness: types, rows and options for the tests of importers/table/postgres. */
#ifndef PENSTOCK_TESTS_PG_HARNESS_H
#define PENSTOCK_TESTS_PG_HARNESS_H

#include "table/postgres/copy.h"

/* A case of tests/golden/postgres_types.txt. */
struct golden_value {
    struct slice sent; /* data NULL: NULL */
    char *said, *expected; /* PostgreSQL's text, and what the reader makes of it */
};

struct golden_case {
    const char *name, *before, *after;
    const struct pg_type *type;
    struct golden_value *values;
    size_t count;
};

struct golden {
    struct pg_type *types;
    size_t types_count;
    struct golden_case *cases;
    size_t cases_count;
};

/* All of the file; kept until the process ends. */
const struct golden *golden_load(void);

/* Types of their own. */
struct pg_type pg_builtin(uint32_t oid, const char *name);
struct pg_type pg_array_of(const struct pg_type *element);

/* One column of a type, read as COPY sends it. */
struct reader {
    struct pg_type_options options;
    struct pg_mapping mapping;
    struct pg_copy *copy;
    struct column_batch *batch;
    struct error error;
    size_t messages;
};

void reader_open(struct reader *reader, const struct pg_type *type, struct pg_type_options options);
void reader_close(struct reader *reader);
/* 0 and a row more, or -1 and an error. data NULL: NULL. */
int reader_add(struct reader *reader, struct slice value);
/* The last row's value as text: what a file of text would say, lists and JSON as JSON, bytes as \x and hexadecimal; NULL as (null).
 * Valid until the next call. */
const char *reader_text(struct reader *reader);

/* A value is refused, and the text says this among others. */
void check_error(
    const struct pg_type *type, struct pg_type_options options, const char *hex, const char *expected);
/* A value becomes this text. The caller closes the reader; check() does itself. */
struct reader check_taken(
    const struct pg_type *type, struct pg_type_options options, const char *hex, const char *expected);
void check(const struct pg_type *type, struct pg_type_options options, const char *hex, const char *expected);
struct pg_counts counts_of(const struct reader *reader);

/* A row as it is sent: their number, then lengths and bytes; all in memory that is as long as the message, so that ASan sees a byte too far. */
struct slice pg_row(const struct slice *values, size_t count, bool header);

/* "0001ff" in memory of its own. */
struct slice pg_hex(const char *digits);

#endif
