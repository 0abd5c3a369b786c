/* avro_rows: rows of a file of Avro, whose writer is avro.c, found again without decoding their values: where each of them ends, and the bytes of some of its fields.
 *
 * The file has to have the schema that its writer gives to these fields, so that nobody need parse it; any codec of the writer's is read. Fields are the bytes as they were written, the union's
 * branch before the value: the same value is always written in the same way. Memory: one block, unpacked. Pure. @thread one at a time
 */
#ifndef PENSTOCK_LAKE_FORMAT_AVRO_ROWS_H
#define PENSTOCK_LAKE_FORMAT_AVRO_ROWS_H

#include "lake/format/table_file.h"

struct avro_rows;

/* name: of the record. fields: the caller's, must outlive it. wanted: at most TABLE_ROW_WANTED_MAX, each below fields_count. ERROR_REJECT: there is no such schema; ERROR_RETRY: no memory. */
int avro_rows_open(struct avro_rows **ret_rows, const char *name, const struct column_field *fields,
    size_t fields_count, const size_t *wanted, size_t wanted_count, struct error *error);
void avro_rows_close(struct avro_rows **rows);
/* The header, or a block, whose rows are taken next: what of the file is not taken yet begins with it. *ret_taken 0: its end is not there yet. The text is needed until its rows are
 * taken. ERROR_REJECT: it is no such file, has another schema, or is damaged; ERROR_RETRY: no memory. */
int avro_rows_take(struct avro_rows *rows, struct slice text, size_t *ret_taken, struct error *error);
/* Whether the header has been taken. */
bool avro_rows_begun(const struct avro_rows *rows);
/* The next row of the block. *ret_found false: there are no more. ERROR_REJECT: damaged. */
int avro_rows_next(struct avro_rows *rows, struct table_row *ret_row, bool *ret_found, struct error *error);

#define AVRO_ROWS_SHOWN 24

/* A field of avro_rows_next() for people: a text is there as it is, a whole number in `number`; nothing of others. */
struct slice avro_rows_show(
    const struct column_field *field, struct slice value, char number[static AVRO_ROWS_SHOWN]);

#endif
