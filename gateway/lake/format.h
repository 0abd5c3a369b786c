/* format: how rows stand in a file, one row of a table per format. Pure. @thread any */
#ifndef PENSTOCK_LAKE_FORMAT_H
#define PENSTOCK_LAKE_FORMAT_H

#include "base/bytes.h"
#include "base/error.h"
#include "record/record.h"

/* What a row is made of. */
struct format_row {
    struct slice key;
    int64_t time; /* microseconds since 1970, UTC */
    struct slice payload;
    uint64_t sequence; /* for frames, as the next */
    int64_t received;
};

/* Bytes that the row has at most. */
typedef size_t format_most_fn(const struct format_row *row);
/* Appends one row to out. Fails only where bytes_reserve() does, and always when there is no room for the most. */
typedef int format_row_fn(const struct format_row *row, struct bytes *out, struct error *error);

struct format {
    const char *extension;
    format_most_fn *most;
    format_row_fn *row;
};

format_most_fn format_line_most; /* the payload, and LF */
format_most_fn format_bytes_most;
format_row_fn format_json_lines_row;
format_row_fn format_text_row;
format_row_fn format_bytes_row;

/* Rows that become those of a table when their file is published (convert.h). */
format_most_fn format_frame_most;
format_row_fn format_frame_row;
/* Bytes of the first one; 0: it is not there as a whole. */
size_t format_frame_read(struct slice in, struct format_row *ret_row);
extern const struct format format_frames;

const struct format *format_of(enum record_format format);

#endif
