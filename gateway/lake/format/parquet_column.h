/* parquet_column: one column chunk of a row group: rows in, pages out.
 *
 * Values are collected for a page, either as they are (PLAIN), or as indexes of a dictionary. Which of both is better is not known
 * from the first values: a column that repeats 50,000 names in turn looks like one of distinct names at first. So indexes are kept
 * undecided over several pages, until the dictionary and the indexes are half of the values as they are or some
 * ten thousand values are there; then the smaller form is taken for all of them; where a codec follows, a dictionary only if the last
 * page has brought it few new values. Nothing is lost by waiting, since the dictionary can give the values back. When a dictionary is full, the chunk goes on as PLAIN. A column whose last chunk had no use of a dictionary
 * decides with its first page. @thread the writer's
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_COLUMN_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_COLUMN_H

#include "lake/format/parquet_page.h"

enum parquet_mode { PARQUET_UNDECIDED, PARQUET_INDEXED, PARQUET_DIRECT };

/* A page whose body is not made yet. */
struct parquet_pending {
    struct parquet_page_counts counts;
    size_t plain; /* bytes that its values take as PLAIN */
    size_t levels; /* bytes of parquet_column.levels */
    size_t dictionary; /* bytes of it before the page's first value */
    struct parquet_statistics statistics;
};

struct parquet_column {
    const struct column_field *field;
    struct parquet_type type;
    struct parquet_encoder *encoder;
    enum parquet_mode mode;
    bool hopeless; /* the last chunk, or that of another file of the table, was all PLAIN */
    struct parquet_dictionary dictionary;

    /* Pages of which nothing is made yet: whole ones, undecided, and behind them the open one that is being filled. */
    struct parquet_pending *pending;
    bool open;
    size_t pending_count, pending_room;
    struct bytes levels; /* of whole ones, encoded */
    struct bytes indexes; /* uint32_t; of all of them */
    struct bytes
        plain; /* PARQUET_DIRECT: the values of the open one, behind PARQUET_LEVELS_GAP; BOOLEAN: a byte each */
    /* A byte per level of the open one; no definition levels: it has no NULL so far, and is no list's. */
    struct bytes definitions, repetitions;

    /* What is made. */
    struct parquet_page dictionary_page; /* memory NULL: there is none */
    struct parquet_page *pages;
    size_t pages_count, pages_room;
    size_t length, uncompressed; /* of all these pages */
    uint64_t levels_count, values_count;
    struct parquet_statistics statistics;
};

/* ERROR_REJECT as in parquet_type_of(). encoder must outlive the column. */
int parquet_column_open(struct parquet_column *column, const struct column_field *field,
    struct parquet_encoder *encoder, struct error *error);
void parquet_column_close(struct parquet_column *column);

/* Rows [from, to) of source. row: what row 0 of source is called in an error. */
int parquet_column_add(struct parquet_column *column, const struct column *source, size_t from, size_t to,
    uint64_t row, struct error *error);
/* Bytes before compression of what is in no page yet, the dictionary included. */
size_t parquet_column_open_size(const struct parquet_column *column);

/* Makes what is left into pages, the dictionary's too. Then parquet_column_clear() begins the next chunk. */
int parquet_column_finish(struct parquet_column *column, struct error *error);
void parquet_column_clear(struct parquet_column *column);

/* Levels of a column: 1 and 0, of a list 3 and 1. */
static inline bool parquet_column_is_list(const struct parquet_column *column)
{
    return column->field->type == COLUMN_LIST;
}

#endif
