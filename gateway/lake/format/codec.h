/* codec: one block compressed at once, as Avro's blocks and Parquet's pages are. Room-internal. @thread one at a time per codec */
#ifndef PENSTOCK_LAKE_FORMAT_CODEC_H
#define PENSTOCK_LAKE_FORMAT_CODEC_H

#include "lake/format/table_file.h"

struct codec;

/* deflate: RFC 1951 without any frame; gzip: RFC 1952; snappy: its block format without any frame; zstd: RFC 8878. level 0: 1.
 * ERROR_REJECT: the codec has no such level (none and snappy have none at all). */
int codec_open(struct codec **ret_codec, enum table_codec kind, int level, struct error *error);
void codec_close(struct codec **codec);
/* Appends to out what data became; with TABLE_CODEC_NONE the same bytes. ERROR_REJECT: more than 2 GiB, or than the codec may come
 * to in out's limit; ERROR_RETRY: no memory. */
int codec_compress(struct codec *codec, struct slice data, struct bytes *out, struct error *error);
/* Appends what such a block was made of (codec_unpack.c). ERROR_REJECT: it is none that codec_compress() makes, or above out's limit; ERROR_RETRY: no memory. @thread any */
int codec_unpack(enum table_codec kind, struct slice data, struct bytes *out, struct error *error);

#endif
