/* mqtt_packet_property: the properties of MQTT 5 (2.2.2), one at a time, by the table of mqtt_packet_internal.h. */
#include "source/mqtt_packet_internal.h"

enum mqtt_property_type {
    MQTT_PROPERTY_IS_BOOLEAN = 1,
    MQTT_PROPERTY_IS_SHORT,
    MQTT_PROPERTY_IS_LONG,
    MQTT_PROPERTY_IS_VARIABLE,
    MQTT_PROPERTY_IS_STRING,
    MQTT_PROPERTY_IS_TOPIC,
    MQTT_PROPERTY_IS_BINARY,
    MQTT_PROPERTY_IS_PAIR,
};

struct mqtt_property_row {
    const char *name; /* NULL: there is no such property */
    enum mqtt_property_type type;
    enum mqtt_reason zero;
    uint8_t places;
};

static const struct mqtt_property_row mqtt_property_rows[] = {
#define MQTT_PROPERTY_ROW(id, code, type, zero, places, name) \
    [code] = {name, MQTT_PROPERTY_IS_##type, MQTT_REASON_##zero, places},
    MQTT_PROPERTY_TABLE(MQTT_PROPERTY_ROW)
#undef MQTT_PROPERTY_ROW
};

#define MQTT_PROPERTY_ROWS (sizeof mqtt_property_rows / sizeof *mqtt_property_rows)

_Static_assert(MQTT_PROPERTY_ROWS <= 64, "struct mqtt_property_reader.seen has a bit for each identifier");

int mqtt_property_open(
    struct mqtt_reader *reader, enum mqtt_place place, struct mqtt_property_reader *ret_properties)
{
    uint32_t length;

    if (mqtt_read_variable(reader, "length of the properties", &length))
        return -1;
    if (length > mqtt_left(reader))
        return mqtt_refuse_end(reader, "block of properties");
    *ret_properties = (struct mqtt_property_reader){*reader, place, 0};
    reader->next += length;
    ret_properties->reader.end = reader->next;
    ret_properties->reader.part = "properties";
    return 0;
}

static int mqtt_property_long(struct mqtt_reader *reader, const char *name, uint32_t *ret_number)
{
    uint16_t high, low;

    if (mqtt_read_u16(reader, name, &high) || mqtt_read_u16(reader, name, &low))
        return -1;
    *ret_number = (uint32_t)high << 16 | low;
    return 0;
}

static int mqtt_property_number(
    struct mqtt_reader *reader, const struct mqtt_property_row *row, uint32_t *ret_number)
{
    uint8_t byte;
    uint16_t number;

    switch (row->type) {
    case MQTT_PROPERTY_IS_BOOLEAN:
        if (mqtt_read_u8(reader, row->name, &byte))
            return -1;
        if (byte > 1)
            return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "%s is neither 0 nor 1", row->name);
        *ret_number = byte;
        break;
    case MQTT_PROPERTY_IS_SHORT:
        if (mqtt_read_u16(reader, row->name, &number))
            return -1;
        *ret_number = number;
        break;
    case MQTT_PROPERTY_IS_LONG:
        if (mqtt_property_long(reader, row->name, ret_number))
            return -1;
        break;
    default:
        if (mqtt_read_variable(reader, row->name, ret_number))
            return -1;
    }
    if (*ret_number == 0 && row->zero != MQTT_REASON_SUCCESS)
        return mqtt_refuse(reader, row->zero, "%s is 0", row->name);
    return 0;
}

static int mqtt_property_value(
    struct mqtt_reader *reader, const struct mqtt_property_row *row, struct mqtt_property *ret_property)
{
    switch (row->type) {
    case MQTT_PROPERTY_IS_STRING:
        return mqtt_read_text(reader, row->name, MQTT_TEXT_STRING, &ret_property->text);
    case MQTT_PROPERTY_IS_TOPIC:
        if (mqtt_read_text(reader, row->name, MQTT_TEXT_TOPIC, &ret_property->text))
            return -1;
        if (ret_property->text.length == 0)
            return mqtt_refuse(reader, MQTT_REASON_TOPIC_NAME, "%s is empty", row->name);
        return 0;
    case MQTT_PROPERTY_IS_BINARY:
        return mqtt_read_binary(reader, row->name, &ret_property->text);
    case MQTT_PROPERTY_IS_PAIR:
        if (mqtt_read_text(reader, row->name, MQTT_TEXT_STRING, &ret_property->pair.name))
            return -1;
        return mqtt_read_text(reader, row->name, MQTT_TEXT_STRING, &ret_property->pair.value);
    default:
        return mqtt_property_number(reader, row, &ret_property->number);
    }
}

int mqtt_property_next(struct mqtt_property_reader *properties, struct mqtt_property *ret_property)
{
    struct mqtt_reader *reader = &properties->reader;

    if (reader->next == reader->end)
        return 0;

    /* Identifiers are variable byte integers; all that there are have one byte. */
    uint8_t id = (uint8_t)*reader->next++;
    if (id >= MQTT_PROPERTY_ROWS || !mqtt_property_rows[id].name)
        return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "there is no property 0x%02x", id);

    const struct mqtt_property_row *row = &mqtt_property_rows[id];
    if (!(row->places & properties->place))
        return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "a %s does not belong here", row->name);
    if (properties->seen >> id & 1 && row->type != MQTT_PROPERTY_IS_PAIR)
        return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "more than one %s", row->name);
    properties->seen |= UINT64_C(1) << id;
    ret_property->id = id;
    return mqtt_property_value(reader, row, ret_property) ? -1 : 1;
}

int mqtt_property_skip(struct mqtt_reader *reader, enum mqtt_place place)
{
    struct mqtt_property_reader properties;
    struct mqtt_property property;
    int got;

    if (mqtt_property_open(reader, place, &properties))
        return -1;
    do
        got = mqtt_property_next(&properties, &property);
    while (got > 0);
    return got;
}
