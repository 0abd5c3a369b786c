/* parquet_footer: what a file says about itself: the schema, where each row group's chunks are, the page index, all in Thrift.
 *
 * Row groups' metadata and indexes are kept as they will be written until the file ends. The indexes of all groups take at most
 * PARQUET_INDEX_MAX; groups behind that have none, which readers take. What the metadata takes grows with the groups: some 200 bytes for
 * a column of each. Source: parquet.thrift (FileMetaData, ColumnIndex, OffsetIndex) and PageIndex.md of Apache's parquet-format. @thread the writer's
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_FOOTER_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_FOOTER_H

#include "lake/format/parquet_column.h"

#define PARQUET_INDEX_MAX ((size_t)4 << 20)

struct parquet_chunk_record {
    uint32_t metadata_length; /* of parquet_footer.metadata */
    uint32_t column_index_length, offset_index_length; /* 0: there is none */
};

struct parquet_group_record {
    uint64_t rows, offset, length, uncompressed;
};

struct parquet_footer {
    size_t columns;
    struct parquet_chunk_record *chunks; /* `columns` of each group */
    struct parquet_group_record *groups;
    size_t groups_count, groups_room;
    struct bytes metadata; /* ColumnMetaData of each chunk */
    struct bytes column_indexes, offset_indexes;
};

void parquet_footer_open(struct parquet_footer *footer, size_t columns);
void parquet_footer_close(struct parquet_footer *footer);

/* A group's columns are added one by one behind its begin. */
int parquet_footer_begin_group(
    struct parquet_footer *footer, uint64_t rows, uint64_t offset, struct error *error);
/* A finished chunk whose first byte is at offset. codec: CompressionCodec of parquet.thrift. */
int parquet_footer_add_chunk(struct parquet_footer *footer, size_t index, const struct parquet_column *column,
    int codec, uint64_t offset, struct error *error);

/* Writes the indexes, the metadata, its length and the magic. offset: where the file ends so far. */
int parquet_footer_write(const struct parquet_footer *footer, const struct parquet_column *columns,
    const struct table_file_options *options, uint64_t offset, const struct table_sink *sink,
    struct error *error);

#endif
