/* format_bytes: one JSON object per line around payloads that are any bytes.
 *
 * {"key":"SENSOR_1","time":"2026-01-02T03:04:05.678901Z","payload":"<base64, RFC 4648 section 4>"}
 * key is null when the record has none, and in base64 in key_base64 when it is no UTF-8, which Kafka's may be; time is the record's own inside its stream's window, else when it was received (record_time()).
 */
#include "lake/format.h"

#include "base/base64.h"
#include "base/json_escape.h"
#include "base/timestamp.h"
#include "base/utf8.h"

/* What the object has besides key, time and payload. */
#define FORMAT_BYTES_FRAME (sizeof "{\"key_base64\":\"\",\"time\":,\"payload\":\"\"}\n" - 1)

size_t format_bytes_most(const struct format_row *row)
{
    return FORMAT_BYTES_FRAME + JSON_ESCAPE_MAX * row->key.length + sizeof "null" + TIMESTAMP_MAX +
           (row->payload.length + 2) / 3 * 4;
}

/* There is room. */
static void format_bytes_add_key(struct slice key, struct bytes *out)
{
    char *to = out->data + out->length;

    for (size_t i = 0; i < key.length; i++) {
        if (json_escape_is_needed(key.data[i]))
            to = json_escape(to, key.data[i]);
        else
            *to++ = key.data[i];
    }
    out->length = (size_t)(to - out->data);
}

int format_bytes_row(const struct format_row *row, struct bytes *out, struct error *error)
{
    if (bytes_reserve(out, format_bytes_most(row), error))
        return -1;
    /* From here on there is room for all of it. */
    if (!row->key.length)
        bytes_add_text(out, "{\"key\":null,\"time\":", error);
    else {
        if (utf8_is_text(row->key.data, row->key.length)) {
            bytes_add_text(out, "{\"key\":\"", error);
            format_bytes_add_key(row->key, out);
        } else {
            bytes_add_text(out, "{\"key_base64\":\"", error);
            base64_encode(row->key, out, error);
        }
        bytes_add_text(out, "\",\"time\":", error);
    }
    timestamp_print(row->time, out, error);
    bytes_add_text(out, ",\"payload\":\"", error);
    base64_encode(row->payload, out, error);
    bytes_add_text(out, "\"}\n", error);
    return 0;
}
