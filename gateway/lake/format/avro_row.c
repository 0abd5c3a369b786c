/* avro_row: see avro_row.h. */
#include "lake/format/avro_row.h"

#include <stdlib.h>

#include "lake/format/avro_schema.h"
#include "lake/format/avro_value.h"

#define ROWS_ROOM ((size_t)1 << 20) /* there is room for several rows at once */

struct avro_row {
    struct bytes datum;
    size_t length_max;
    size_t room; /* of a row, but for values of any length */
    size_t end; /* of the rows of the batch that there is room for */
    uint64_t rows; /* of the batches so far */
};

int avro_row_open(struct avro_row **ret_row, const struct column_field *fields, size_t fields_count,
    size_t length_max, struct error *error)
{
    struct avro_row *avro = calloc(1, sizeof(*avro));

    if (!avro)
        return error_set(error, ERROR_RETRY, "data of Avro: out of memory"); /* GCOVR_EXCL_LINE */
    avro->room = avro_row_room(fields, fields_count);
    avro->length_max = length_max;
    bytes_init(&avro->datum, length_max + avro->room + ROWS_ROOM);
    *ret_row = avro;
    return 0;
}

void avro_row_close(struct avro_row **row)
{
    if (!*row)
        return;
    bytes_free(&(*row)->datum);
    free(*row);
    *row = NULL;
}

int avro_row_begin(struct avro_row *avro, const struct column_batch *batch, struct error *error)
{
    if (avro_check(batch, avro->rows, error))
        return -1;
    avro->rows += batch->rows;
    avro->end = 0;
    return 0;
}

int avro_row_take(struct avro_row *avro, const struct column_batch *batch, size_t row,
    struct slice *ret_datum, struct error *error)
{
    bytes_clear(&avro->datum);
    if (row >= avro->end && avro_make_room(&avro->datum, batch, row, avro->room, &avro->end, error))
        return -1;
    avro_put_row(&avro->datum, batch, row);
    if (avro->datum.length > avro->length_max)
        return error_set(error, ERROR_REJECT, "a row of %zu bytes in Avro", avro->datum.length);
    *ret_datum = bytes_slice(&avro->datum);
    return 0;
}

int avro_row_schema(struct bytes *out, const char *name, const struct column_field *fields,
    size_t fields_count, struct error *error)
{
    return avro_schema(out, name, fields, fields_count, error);
}
