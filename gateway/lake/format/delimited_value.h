/* delimited_value: what a value of delimited text looks like, in each style, before it is enclosed or escaped. Room-internal. @thread any */
#ifndef PENSTOCK_LAKE_FORMAT_DELIMITED_VALUE_H
#define PENSTOCK_LAKE_FORMAT_DELIMITED_VALUE_H

#include "lake/column.h"
#include "lake/format/text_out.h"

/* The value is not NULL, and neither a string nor JSON: those are there as text. */
int delimited_value_put(struct text_out *out, const struct column *column, size_t row,
    const struct delimited_options *options, struct error *error);
/* The characters that values of a type are made of; NULL: any. */
const char *delimited_value_alphabet(enum column_type type, const struct delimited_options *options);

#endif
