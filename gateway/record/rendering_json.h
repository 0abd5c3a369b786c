/* rendering_json: how a rendering stands in the journal; only for this room.
 *
 * One compact JSON object, its members in this order (topics, value, headers and lake came later):
 *   id             integer, 1 to 2^32 - 1
 *   stream         string
 *   format         "json" or "text"
 *   labels         array of strings
 *   lake_path      string
 *   topics         array of strings, at most 16; not there: none
 *   value          "payload" or "envelope"; not there: "payload"
 *   headers        array of {"name": string, "label": index among labels}, at most 16; not there: none
 *   lake           {"format": "parquet", "avro" or "csv", "compression": "none", "gzip", "snappy" or "zstd",
 *                  "misfit": "dead-letter" or "rest", "columns": [NAME, TYPE, NAME, TYPE, ...]}, at most 500
 *                  columns of "integer", "number", "boolean", "string", "time" or "json"; not there: lines as
 *                  the source had them
 *   superseded_at  integer, only where no record is accepted under it any more: the last
 *                  sequence that one may have
 */
#ifndef PENSTOCK_RECORD_RENDERING_JSON_H
#define PENSTOCK_RECORD_RENDERING_JSON_H

#include <jansson.h>

#include "record/record.h"

#define RENDERING_NOT_SUPERSEDED UINT64_MAX

int rendering_json_write(
    const struct rendering *rendering, uint64_t superseded_at, struct bytes *out, struct error *error);
int rendering_json_read(const void *body, size_t length, struct rendering **ret_rendering,
    uint64_t *ret_superseded_at, struct error *error);

/* The member lake (form.c): NULL when a text is not UTF-8 or memory is gone; ERROR_REJECT, and whatever is in the form is to be cleared. */
json_t *form_to_json(const struct form *form);
int form_read(const json_t *json, struct form *form, struct error *error);

#endif
