/* decode: one value in PostgreSQL's binary send form into a typed column. Pure: bytes in, values out. Nothing in the bytes is trusted: every
 * length and count is checked, and what is impossible is ERROR_REJECT (the text says what was wrong; the reader of rows adds column and row).
 * After a failure of pg_decode_value() the row has to be dropped.
 *
 * Send forms: the functions *_send() of PostgreSQL's src/backend/utils/adt. @thread one at a time per decoder
 */
#ifndef PENSTOCK_TABLE_POSTGRES_DECODE_H
#define PENSTOCK_TABLE_POSTGRES_DECODE_H

#include "table/postgres/type.h"

struct pg_decoder;

/* What was not taken as it is, because an option says so. */
struct pg_counts {
    uint64_t nulled; /* infinities and NaN that became NULL */
    uint64_t rounded; /* numerics of more than 15 digits that became doubles */
    uint64_t bounds; /* arrays whose lower bounds were dropped */
};

typedef int pg_decode(
    struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error);

/* Of one column. What mapping points to must outlive it. ERROR_RETRY: no memory. */
int pg_decoder_new(struct pg_decoder **ret_decoder, const struct pg_mapping *mapping,
    const struct pg_type_options *options, struct error *error);
void pg_decoder_free(struct pg_decoder **decoder);

/* The function chosen once for the column, to call without a detour: adds one value that is not NULL to a column of mapping->field's type. */
pg_decode *pg_decoder_function(const struct pg_decoder *decoder);

/* What was counted since the last call, and forgets it: a row's counts are added up when it has ended, and thrown away when it is dropped. */
struct pg_counts pg_decoder_take_counts(struct pg_decoder *decoder);

#endif
