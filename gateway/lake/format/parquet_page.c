/* parquet_page: see parquet_page.h. */
#include "lake/format/parquet_page.h"

#include <stdlib.h>
#include <zlib.h>

#include "lake/format/parquet_thrift.h"

/* Rows and bytes of a page where there are few columns, and what the pages under way of all columns take where there are many. */
#define PAGE_ROWS_MAX 20000
#define PAGE_BYTES_MAX ((size_t)1 << 20)
#define PAGE_BYTES_LEAST ((size_t)4 << 10)
#define PAGE_BYTES_TOGETHER ((size_t)4 << 20)
#define PAGE_UNDECIDED_MAX 65536
#define PAGE_DICTIONARIES ((size_t)4 << 20)
#define PAGE_DICTIONARIES_SHARED ((size_t)2 << 20)

/* ---- what columns share ----------------------------------------------------------------------------------------------------- */

static size_t page_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

int parquet_encoder_open(
    struct parquet_encoder *encoder, enum table_codec kind, int level, size_t columns, struct error *error)
{
    const size_t share = PAGE_BYTES_TOGETHER / (columns ? columns : 1);

    *encoder = (struct parquet_encoder){.kind = kind};
    encoder->page_bytes = page_least(share < PAGE_BYTES_LEAST ? PAGE_BYTES_LEAST : share, PAGE_BYTES_MAX);
    encoder->page_rows = page_least(encoder->page_bytes / sizeof(uint32_t), PAGE_ROWS_MAX);
    encoder->undecided_values = page_least(encoder->page_bytes / sizeof(uint32_t), PAGE_UNDECIDED_MAX);
    encoder->dictionaries.max = PAGE_DICTIONARIES;
    encoder->dictionaries.share = PAGE_DICTIONARIES_SHARED / (columns ? columns : 1);
    bytes_init(&encoder->body, PARQUET_PAGE_MAX);
    bytes_init(&encoder->packed, UINT32_MAX);
    bytes_init(&encoder->header, PAGE_BYTES_LEAST);
    bytes_init(&encoder->scratch[0], UINT32_MAX);
    bytes_init(&encoder->scratch[1], UINT32_MAX);
    return codec_open(&encoder->codec, kind, level, error);
}

void parquet_encoder_close(struct parquet_encoder *encoder)
{
    codec_close(&encoder->codec);
    bytes_free(&encoder->body);
    bytes_free(&encoder->packed);
    bytes_free(&encoder->header);
    bytes_free(&encoder->scratch[0]);
    bytes_free(&encoder->scratch[1]);
}

/* ---- pages ------------------------------------------------------------------------------------------------------------------ */

static uint32_t page_crc(struct slice data)
{
    return (uint32_t)crc32_z(0, (const unsigned char *)data.data, data.length);
}

static int page_head(struct bytes *out, enum parquet_page_type type, uint32_t count,
    enum parquet_encoding encoding, size_t plain_length, struct slice packed, struct error *error)
{
    struct parquet_thrift thrift;

    bytes_clear(out);
    parquet_thrift_begin(&thrift, out, error);
    parquet_thrift_i32(&thrift, 1, (int32_t)type);
    parquet_thrift_i32(&thrift, 2, (int32_t)plain_length);
    parquet_thrift_i32(&thrift, 3, (int32_t)packed.length);
    parquet_thrift_i32(&thrift, 4, (int32_t)page_crc(packed));
    parquet_thrift_struct(&thrift, type == PARQUET_DATA_PAGE ? 5 : 7);
    parquet_thrift_i32(&thrift, 1, (int32_t)count);
    parquet_thrift_i32(&thrift, 2, (int32_t)encoding);
    if (type == PARQUET_DATA_PAGE) {
        parquet_thrift_i32(&thrift, 3, PARQUET_RLE);
        parquet_thrift_i32(&thrift, 4, PARQUET_RLE);
    }
    parquet_thrift_end(&thrift);
    parquet_thrift_end(&thrift);
    return parquet_thrift_finish(&thrift);
}

static char *page_copy(char *at, const void *data, size_t length)
{
    if (length)
        memcpy(at, data, length);
    return at + length;
}

/* Compresses, and puts all of the page into memory of its own, that has no byte too many: pages wait for the row group's end. */
static int page_seal(struct parquet_page *page, struct parquet_encoder *encoder, enum parquet_page_type type,
    uint32_t count, enum parquet_encoding encoding, struct slice body, const struct parquet_bound bounds[2],
    struct error *error)
{
    struct slice packed = body;

    if (encoder->kind != TABLE_CODEC_NONE) {
        bytes_clear(&encoder->packed);
        if (codec_compress(encoder->codec, body, &encoder->packed, error))
            return -1;
        packed = bytes_slice(&encoder->packed);
    }
    if (body.length > PARQUET_PAGE_MAX || packed.length > PARQUET_PAGE_MAX)
        return error_set(error, ERROR_REJECT, /* GCOVR_EXCL_LINE: takes two GiB of noise */
            "a page of %zu bytes", body.length);
    if (page_head(&encoder->header, type, count, encoding, body.length, packed, error))
        return -1;
    const size_t bounds_length = page->bounded ? (size_t)bounds[0].length + bounds[1].length : 0;
    const size_t header_length = encoder->header.length;
    char *at = malloc(bounds_length + header_length + packed.length);
    if (!at)
        return error_set(error, ERROR_RETRY, "page of %zu bytes: out of memory", packed.length);
    page->memory = at;
    page->length = (uint32_t)(header_length + packed.length);
    page->uncompressed = (uint32_t)(header_length + body.length);
    if (page->bounded) {
        page->min_length = bounds[0].length;
        page->max_length = bounds[1].length;
        at = page_copy(at, bounds[0].data, bounds[0].length);
        at = page_copy(at, bounds[1].data, bounds[1].length);
    }
    at = page_copy(at, encoder->header.data, header_length);
    page_copy(at, packed.data, packed.length);
    if (encoder->packed.capacity > PARQUET_BUFFER_KEPT)
        bytes_free(&encoder->packed);
    return 0;
}

int parquet_page_make(struct parquet_page *ret_page, struct parquet_encoder *encoder,
    const struct parquet_page_counts *counts, enum parquet_encoding encoding, const struct parquet_type *type,
    const struct parquet_statistics *statistics, struct slice body, struct error *error)
{
    struct parquet_bound bounds[2];
    struct parquet_page page = {
        .counts = *counts, .nans = (uint32_t)statistics->nans, .indexed = encoding == PARQUET_RLE_DICTIONARY};

    page.bounded = parquet_statistics_bounds(&bounds[0], &bounds[1], statistics, type);
    if (page_seal(&page, encoder, PARQUET_DATA_PAGE, counts->levels, encoding, body, bounds, error))
        return -1;
    *ret_page = page;
    return 0;
}

int parquet_page_make_dictionary(struct parquet_page *ret_page, struct parquet_encoder *encoder,
    const struct parquet_dictionary *dictionary, struct error *error)
{
    struct parquet_page page = {0};

    if (page_seal(&page, encoder, PARQUET_DICTIONARY_PAGE, dictionary->count, PARQUET_PLAIN,
            bytes_slice(&dictionary->data), NULL, error))
        return -1;
    *ret_page = page;
    return 0;
}

void parquet_page_free(struct parquet_page *page)
{
    free(page->memory);
    *page = (struct parquet_page){0};
}
