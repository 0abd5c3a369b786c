/* parquet_page: one page, from its body to the bytes that it is in the file, with what the indexes say about it.
 *
 * Data pages are of version 1, compressed whole, with a CRC. Source: README.md ("Data Pages", "Checksumming") and parquet.thrift
 * (PageHeader) of Apache's parquet-format. @thread the writer's
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_PAGE_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_PAGE_H

#include "lake/format/codec.h"
#include "lake/format/parquet_dictionary.h"
#include "lake/format/parquet_statistics.h"

/* As in parquet.thrift. */
enum parquet_page_type { PARQUET_DATA_PAGE = 0, PARQUET_DICTIONARY_PAGE = 2 };
enum parquet_encoding { PARQUET_PLAIN = 0, PARQUET_RLE = 3, PARQUET_RLE_DICTIONARY = 8 };

/* A page's sizes are numbers of 31 bits, its header included. */
#define PARQUET_PAGE_MAX ((size_t)INT32_MAX - 4096)
/* Buffers that one long value made larger than this are given back. */
#define PARQUET_BUFFER_KEPT ((size_t)2 << 20)

/* What the columns of a file share. */
struct parquet_encoder {
    struct codec *codec;
    enum table_codec kind;
    struct parquet_budget dictionaries;
    /* A page ends with the first row that reaches one of these. */
    size_t page_rows, page_bytes;
    /* Values of a chunk after which it is told whether a dictionary is worth its bytes. */
    size_t undecided_values;
    struct bytes body, packed, header; /* of the page that is being made */
    struct bytes scratch[2]; /* parquet_values_take() */
};

/* A data page before its body is made. */
struct parquet_page_counts {
    uint32_t rows;
    uint32_t levels; /* values and NULLs, what lists without values count as included */
    uint32_t values;
};

struct parquet_page {
    char *memory; /* min, max, then the page as it is in the file */
    uint32_t length; /* of that page, header included */
    uint32_t uncompressed; /* the same before compression */
    struct parquet_page_counts counts;
    uint32_t nans;
    bool bounded; /* there are min and max */
    bool indexed; /* RLE_DICTIONARY */
    uint8_t min_length, max_length;
};

int parquet_encoder_open(
    struct parquet_encoder *encoder, enum table_codec kind, int level, size_t columns, struct error *error);
void parquet_encoder_close(struct parquet_encoder *encoder);

/* statistics: of a page of data. ERROR_REJECT: too large for a page. */
int parquet_page_make(struct parquet_page *ret_page, struct parquet_encoder *encoder,
    const struct parquet_page_counts *counts, enum parquet_encoding encoding, const struct parquet_type *type,
    const struct parquet_statistics *statistics, struct slice body, struct error *error);
int parquet_page_make_dictionary(struct parquet_page *ret_page, struct parquet_encoder *encoder,
    const struct parquet_dictionary *dictionary, struct error *error);
void parquet_page_free(struct parquet_page *page);

static inline struct slice parquet_page_min(const struct parquet_page *page)
{
    return (struct slice){page->memory, page->min_length};
}

static inline struct slice parquet_page_max(const struct parquet_page *page)
{
    return (struct slice){page->memory + page->min_length, page->max_length};
}

static inline struct slice parquet_page_bytes(const struct parquet_page *page)
{
    return (struct slice){page->memory + page->min_length + page->max_length, page->length};
}

#endif
