/* delimited_rows: rows of delimited text, whose writer is delimited.c, found again without reading their values: where each of them ends, and the bytes of some of its fields.
 *
 * What ends a field is told from what is part of a value exactly as far as the writer leaves it to be told. Escapes and doubled enclosures leave no doubt. Where a value
 * is neither enclosed nor escaped, or all are enclosed without escapes (style Java), a value that holds a terminator looks like several: rows and fields that are found
 * are never fewer than there were, and whoever knows how many rows there are knows whether they were found right. Where not even that is so, options are refused.
 * Fields are the bytes as they were written: the same value is always written in the same way. Pure. @thread one at a time
 */
#ifndef PENSTOCK_LAKE_FORMAT_DELIMITED_ROWS_H
#define PENSTOCK_LAKE_FORMAT_DELIMITED_ROWS_H

#include "lake/format/table_file.h"

struct delimited_rows {
    unsigned char meanings[256]; /* of bytes; 0: none */
    bool escapes_within; /* ... enclosed fields only */
    bool around; /* a terminator counts only between two enclosures */
    bool pair; /* CR LF ends lines */
    char enclosure;
    size_t columns, wanted_count;
    size_t wanted[TABLE_ROW_WANTED_MAX]; /* columns */
    /* Of the row that is looked at, from its first byte on. */
    size_t at, column, field;
    bool enclosed;
    size_t starts[TABLE_ROW_WANTED_MAX], lengths[TABLE_ROW_WANTED_MAX];
};

/* wanted: at most TABLE_ROW_WANTED_MAX, each below columns. ERROR_REJECT: rows of this form cannot be found again. */
int delimited_rows_open(struct delimited_rows *ret_rows, const struct delimited_options *options,
    size_t columns, const size_t *wanted, size_t wanted_count, struct error *error);
/* The first row of the text. *ret_found false: its end is not there yet; the next call has to begin with the same bytes. last: nothing comes behind the text.
 * ERROR_REJECT: it has more or fewer fields than there are columns, or the text ends in it. */
int delimited_rows_next(struct delimited_rows *rows, struct slice text, bool last, struct table_row *ret_row,
    bool *ret_found, struct error *error);

#endif
