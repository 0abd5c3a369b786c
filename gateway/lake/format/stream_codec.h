/* stream_codec: a file of text compressed as one stream, between its writer and the sink of the file. Room-internal. @thread one at a time
 *
 * gzip: one member (RFC 1952); zstd: one frame with a checksum (RFC 8878); none: bytes go through as they come.
 */
#ifndef PENSTOCK_LAKE_FORMAT_STREAM_CODEC_H
#define PENSTOCK_LAKE_FORMAT_STREAM_CODEC_H

#include "lake/format/table_file.h"

struct stream_codec;

/* sink's context must outlive the codec. level 0: 1. ERROR_REJECT: snappy or deflate, or a level that there is not; ERROR_RETRY: no memory. */
int stream_codec_open(struct stream_codec **ret_codec, enum table_codec kind, int level,
    const struct table_sink *sink, struct error *error);
void stream_codec_close(struct stream_codec **codec);

/* What to write to. After a failure, the sink's own among them, only stream_codec_close() is left. */
struct table_sink stream_codec_sink(struct stream_codec *codec);
/* Writes what is left, and the end of the stream. */
int stream_codec_finish(struct stream_codec *codec, struct error *error);

#endif
