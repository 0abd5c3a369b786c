/* format: how rows stand in a file, one row of a table per format. Pure. @thread any */
#ifndef PENSTOCK_LAKE_FORMAT_H
#define PENSTOCK_LAKE_FORMAT_H

#include "base/bytes.h"
#include "base/error.h"
#include "record/record.h"

/* A row is never more than this longer than its payload. */
#define FORMAT_ROW_EXTRA 1

/* Appends one row to out. Fails only where bytes_reserve() does. */
typedef int format_row_fn(struct slice payload, struct bytes *out, struct error *error);

struct format {
    const char *extension;
    format_row_fn *row;
};

format_row_fn format_json_lines_row;
format_row_fn format_text_row;

const struct format *format_of(enum record_format format);

#endif
