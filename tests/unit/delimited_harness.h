/* delimited_harness: what the tests of delimited text share */
#ifndef PENSTOCK_TESTS_DELIMITED_HARNESS_H
#define PENSTOCK_TESTS_DELIMITED_HARNESS_H

#include "text_harness.h"

static const struct column_field two_strings[] = {
    {.name = "a", .type = COLUMN_STRING}, {.name = "b", .type = COLUMN_STRING}};

static void begin(struct text_table *table, const struct delimited_options *options,
    const struct column_field *fields, size_t fields_count)
{
    text_begin(table, &delimited_writer, fields, fields_count);
    table->options.delimited = options;
}

static void add_two(struct text_table *table, const char *a, const char *b)
{
    text_add(table, 0, a);
    text_add(table, 1, b);
    column_batch_end_row(table->batch);
}

#endif
