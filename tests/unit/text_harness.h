/* text_harness: a table of a few values, and the text that a writer makes of it */
#ifndef PENSTOCK_TESTS_TEXT_HARNESS_H
#define PENSTOCK_TESTS_TEXT_HARNESS_H

#include <criterion/criterion.h>

#include "lake/format/table_file.h"

struct text_table {
    const struct column_field *fields;
    size_t fields_count;
    struct column_batch *batch;
    const struct table_writer *writer;
    struct table_file_options options;
    struct bytes text; /* what the sink got; it refuses what goes above text.limit */
    struct error error;
};

/* rows are added to table->batch then. */
void text_begin(struct text_table *table, const struct table_writer *writer,
    const struct column_field *fields, size_t fields_count);
void text_end(struct text_table *table);
#define cleanup_text __attribute__((cleanup(text_end)))

/* Writes the batch `times` times and finishes; -1 with table->error at the first failure. */
int text_write(struct text_table *table, size_t times);
/* Asserts that it can be written, and what it becomes. */
void text_is(struct text_table *table, const char *expected);

void text_add(struct text_table *table, size_t column, const char *value); /* NULL: NULL */
void text_add_fixed(struct text_table *table, size_t column, const void *value);

/* The sink, for those who write without a table: context is a struct bytes. */
int text_take(void *context, const void *data, size_t length, struct error *error);

#endif
