/* Fuzzes the packets of MQTT (libFuzzer); the golden packets of the unit tests are its seeds:
 *   CC=clang cmake -S . -B build-fuzz -DPENSTOCK_TESTS=ON -DPENSTOCK_FUZZ=ON -DPENSTOCK_SANITIZE=ON
 *   cmake --build build-fuzz --target fuzz_mqtt_packet fuzz_mqtt_seeds
 *   build-fuzz/fuzz_mqtt_seeds build-fuzz/seeds && build-fuzz/fuzz_mqtt_packet -max_total_time=300 build-fuzz/seeds
 * The first byte says what the others are (fuzz_mqtt_packet.h): what a client sends on a connection, packet by packet, or one body. */
#include <assert.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "fuzz_mqtt_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct error error;
static enum mqtt_reason reason;

static void check_within(struct slice slice, struct slice body)
{
    if (!slice.data) {
        assert(slice.length == 0);
        return;
    }
    assert(slice.data >= body.data && slice.length <= body.length);
    assert(slice.data + slice.length <= body.data + body.length);
}

static void check_text(struct slice text, struct slice body, bool topic)
{
    size_t length;

    check_within(text, body);
    for (size_t at = 0; at < text.length; at += length) {
        length = utf8_sequence(text.data + at, text.length - at);
        assert(length > 0);
        assert(text.data[at] != '\0');
        assert(!topic || (text.data[at] != '+' && text.data[at] != '#'));
    }
}

static void check_message(const struct mqtt_publish *message, struct slice body, bool will)
{
    const struct mqtt_properties *properties = &message->properties;

    assert(message->qos <= 2);
    assert((message->id != 0) == (message->qos > 0 && !will));
    check_text(message->topic, body, true);
    assert(message->topic.length > 0 || (properties->alias && !will));
    check_within(message->payload, body);
    assert(properties->has_expiry || properties->expiry == 0);
    assert(will ? properties->alias == 0 : properties->delay == 0);
    check_text(properties->content_type, body, false);
    check_text(properties->response_topic, body, true);
    assert(!properties->response_topic.data || properties->response_topic.length > 0);
    check_within(properties->correlation, body);
    assert(properties->pairs_count <= MQTT_USER_PROPERTIES_MAX);
    for (size_t i = 0; i < properties->pairs_count; i++) {
        check_text(properties->pairs[i].name, body, false);
        check_text(properties->pairs[i].value, body, false);
    }
}

static void check_connect(const struct mqtt_connect *connect, struct slice body)
{
    assert(connect->version == mqtt_packet_version(body));
    assert(connect->receive_maximum > 0 && connect->packet_maximum > 0);
    check_text(connect->client_id, body, false);
    check_text(connect->user, body, false);
    check_within(connect->password, body);
    assert(connect->has_user == (connect->user.data != NULL));
    assert(connect->has_password == (connect->password.data != NULL));
    if (connect->has_will)
        check_message(&connect->will, body, true);
}

/* Their answer can be written, and is as long as it should be. */
static void check_filters(enum mqtt_version version, enum mqtt_type type, const struct mqtt_filters *filters)
{
    static struct bytes out = {.limit = 2 * MQTT_FILTERS_MAX};
    bool is_5 = version == MQTT_5;
    size_t codes = is_5 || type == MQTT_SUBSCRIBE ? filters->count : 0;

    assert(filters->id != 0);
    assert(filters->count > 0 && filters->count <= MQTT_FILTERS_MAX);
    for (size_t i = 0; i < filters->count; i++)
        assert(filters->codes[i] >= 0x80 || (type == MQTT_UNSUBSCRIBE && filters->codes[i] == 0x11));
    bytes_clear(&out);
    assert(mqtt_write_filters(&out, version, type + 1, filters, &error) == 0);
    assert(out.length == 1 + (2 + is_5 + codes < 128 ? 1U : 2U) + 2 + is_5 + codes);
}

static void check_refusal(void)
{
    assert(error.kind == ERROR_REJECT);
    assert(reason >= MQTT_REASON_UNSPECIFIED);
    assert(error.text[0]);
}

/* 0: taken. The body lies in memory of just its length, and the result is never what the packet before has left. */
static int fuzz_body(enum mqtt_version version, const struct mqtt_header *header, const char *data,
    union mqtt_decoded *decoded)
{
    struct slice body = mqtt_bytes_exactly(data, header->length);

    memset(decoded, 0xa5, sizeof *decoded);
    reason = MQTT_REASON_SUCCESS;
    int result = mqtt_decode_body(version, header, body, decoded, &reason, &error);
    if (result)
        check_refusal();
    else if (header->type == MQTT_CONNECT)
        check_connect(&decoded->connect, body);
    else if (header->type == MQTT_PUBLISH)
        check_message(&decoded->publish, body, false);
    else if (header->type == MQTT_SUBSCRIBE || header->type == MQTT_UNSUBSCRIBE)
        check_filters(version, header->type, &decoded->filters);
    else if (header->type == MQTT_DISCONNECT)
        assert(strcmp(mqtt_reason_name(decoded->disconnect.reason), "unknown") != 0);
    else if (header->type >= MQTT_PUBACK && header->type <= MQTT_PUBCOMP)
        assert(decoded->id != 0);
    mqtt_bytes_free(body);
    return result;
}

/* As a connection does it; a CONNECT says which version the packets behind it are of. */
static void fuzz_connection(enum mqtt_version version, const char *data, size_t size)
{
    static union mqtt_decoded decoded;
    struct mqtt_header header;
    int got;

    while ((got = mqtt_packet_header(version, data, size, &header, &reason, &error)) > 0) {
        assert(header.size >= 2 && header.size <= MQTT_HEADER_MAX && header.size <= size);
        assert(header.length <= MQTT_LENGTH_MAX);
        if (header.length > size - header.size)
            return;
        if (fuzz_body(version, &header, data + header.size, &decoded))
            return;
        if (header.type == MQTT_CONNECT)
            version = decoded.connect.version;
        data += header.size + header.length;
        size -= header.size + header.length;
    }
    if (got < 0)
        check_refusal();
    else /* nothing that could be one is left waiting for ever */
        assert(size < MQTT_HEADER_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum mqtt_version versions[] = {MQTT_NONE, MQTT_31, MQTT_311, MQTT_5};
    static union mqtt_decoded decoded;

    if (size == 0)
        return 0;
    enum mqtt_version version = versions[data[0] & CHOICE_VERSION];
    const char *rest = (const char *)data + 1;
    struct mqtt_header header = {.type = data[0] >> 4,
        .flags = (uint8_t)((data[0] & CHOICE_QOS_1) ? 2 : 0),
        .length = (uint32_t)(size - 1)};
    if (header.type == CHOICE_CONNECTION)
        fuzz_connection(version, rest, size - 1);
    else if (header.type == MQTT_CONNECT || (header.type >= MQTT_PUBLISH && header.type <= MQTT_SUBSCRIBE) ||
             header.type == MQTT_UNSUBSCRIBE || header.type == MQTT_DISCONNECT)
        fuzz_body(version, &header, rest, &decoded);
    return 0;
}
