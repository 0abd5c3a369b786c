/* avro_container: what writer and reader of Avro's object container files share (specification 1.11, "Object Container Files"). Room-internal. */
#ifndef PENSTOCK_LAKE_FORMAT_AVRO_CONTAINER_H
#define PENSTOCK_LAKE_FORMAT_AVRO_CONTAINER_H

#include "lake/format/table_file.h"

#define AVRO_MAGIC "Obj\1"
#define AVRO_KEY_SCHEMA "avro.schema"
#define AVRO_KEY_CODEC "avro.codec"
#define AVRO_SYNC 16
#define AVRO_SCHEMA_MAX ((size_t)16 << 20)
#define AVRO_HEADER_MAX (2 * AVRO_SCHEMA_MAX)

/* By table_codec, TABLE_CODEC_ZSTD the last; NULL: Avro has no such codec. */
extern const char *const avro_codecs[];

#endif
