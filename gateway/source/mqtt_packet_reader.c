/* mqtt_packet_reader: what the reader needs off the short way: refusals, texts that are not plain, variable byte integers. */
#include "source/mqtt_packet_internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

int mqtt_refuse(const struct mqtt_reader *reader, enum mqtt_reason reason, const char *format, ...)
{
    char said[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(said, sizeof said, format, arguments);
    va_end(arguments);
    *reader->ret_reason = reason;
    return error_set(reader->error, ERROR_REJECT, "%s: %s", reader->packet, said);
}

int mqtt_refuse_end(const struct mqtt_reader *reader, const char *what)
{
    return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "%s goes beyond the end of the %s", what, reader->part);
}

int mqtt_read_end(const struct mqtt_reader *reader)
{
    if (reader->next == reader->end)
        return 0;
    return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "%zu bytes too many", mqtt_left(reader));
}

int mqtt_text_check(
    const struct mqtt_reader *reader, const char *what, struct slice text, enum mqtt_text kind)
{
    size_t length;

    for (size_t at = 0; at < text.length; at += length) {
        length = utf8_sequence(text.data + at, text.length - at);
        if (length == 0)
            return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "%s is not UTF-8 at byte %zu", what, at);
        if (text.data[at] == '\0')
            return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "%s holds U+0000 at byte %zu", what, at);
        if (kind == MQTT_TEXT_TOPIC && (text.data[at] == '+' || text.data[at] == '#'))
            return mqtt_refuse(reader, MQTT_REASON_TOPIC_NAME, "%s holds a wildcard at byte %zu", what, at);
    }
    return 0;
}

int mqtt_variable(const char *data, size_t length, uint32_t *ret_value)
{
    uint32_t value = 0;

    for (size_t i = 0; i < MQTT_VARIABLE_MAX; i++) {
        if (i == length)
            return 0;
        value |= (uint32_t)(data[i] & 0x7f) << 7 * i;
        if (!(data[i] & 0x80)) {
            *ret_value = value;
            return (int)i + 1;
        }
    }
    return -1;
}

int mqtt_read_variable(struct mqtt_reader *reader, const char *what, uint32_t *ret_value)
{
    int size = mqtt_variable(reader->next, mqtt_left(reader), ret_value);

    if (size == 0)
        return mqtt_refuse_end(reader, what);
    if (size < 0)
        return mqtt_refuse(
            reader, MQTT_REASON_MALFORMED, "%s has more than %d bytes", what, MQTT_VARIABLE_MAX);
    reader->next += size;
    if (size > 1 && reader->next[-1] == 0)
        return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "%s is longer than it needs to be", what);
    return 0;
}
