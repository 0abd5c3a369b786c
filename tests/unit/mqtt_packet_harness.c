/* mqtt_packet_harness: see mqtt_packet_harness.h */
#include "mqtt_packet_harness.h"

#include <stdlib.h>

#define UNTOUCHED 0xa5

static bool is_untouched(const void *memory, size_t length)
{
    const unsigned char *bytes = memory;

    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != UNTOUCHED)
            return false;
    }
    return true;
}

int judge(enum mqtt_version version, struct slice packet, union mqtt_decoded *ret_decoded,
    enum mqtt_reason *ret_reason, struct error *error)
{
    struct mqtt_header header;

    memset(&header, UNTOUCHED, sizeof header);
    memset(ret_decoded, UNTOUCHED, sizeof *ret_decoded);
    int got = mqtt_packet_header(version, packet.data, packet.length, &header, ret_reason, error);
    if (got <= 0) {
        cr_assert(is_untouched(&header, sizeof header));
        return got;
    }
    cr_assert_leq(header.size, packet.length);
    if (packet.length - header.size < header.length)
        return 0;

    struct slice body = mqtt_bytes_exactly(packet.data + header.size, header.length);
    int result = mqtt_decode_body(version, &header, body, ret_decoded, ret_reason, error);
    if (result)
        cr_assert(is_untouched(ret_decoded, sizeof *ret_decoded), "a refused packet leaves its result alone");
    mqtt_bytes_free(body);
    if (result)
        return -1;
    /* Once more where it stands, so that what it says points into the caller's bytes. */
    cr_assert_eq(mqtt_decode_body(version, &header, (struct slice){packet.data + header.size, header.length},
                     ret_decoded, ret_reason, error),
        0);
    return 1;
}

struct slice packet_of(uint8_t first, struct slice body)
{
    char *packet = malloc(MQTT_HEADER_MAX + body.length);
    size_t size = 0, left = body.length;

    cr_assert_not_null(packet);
    packet[size++] = (char)first;
    do {
        packet[size++] = (char)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
        left >>= 7;
    } while (left);
    if (body.length)
        memcpy(packet + size, body.data, body.length);

    struct slice exact = mqtt_bytes_exactly(packet, size + body.length);
    free(packet);
    return exact;
}

void refuse_all(const struct mqtt_bad *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct mqtt_bad *row = &rows[i];
        struct slice body = mqtt_bytes_of(row->body);
        struct slice packet = packet_of(row->first, body);
        union mqtt_decoded decoded;
        enum mqtt_reason reason = MQTT_REASON_SUCCESS;
        struct error error = {0};

        int got = judge(row->version, packet, &decoded, &reason, &error);
        cr_expect_eq(got, -1, "%zu: %02x %s: taken", i, row->first, row->body);
        if (got == -1) {
            cr_expect_eq(
                reason, row->reason, "%zu: %s: %s: %s", i, row->body, mqtt_reason_name(reason), error.text);
            cr_expect_not_null(
                strstr(error.text, row->said), "%zu: %s: %s: %s", i, row->body, row->said, error.text);
            cr_expect_eq(error.kind, ERROR_REJECT);
        }
        mqtt_bytes_free(packet);
        mqtt_bytes_free(body);
    }
}

void take(enum mqtt_version version, const char *notation, union mqtt_decoded *ret_decoded,
    struct slice *ret_packet)
{
    enum mqtt_reason reason;
    struct error error = {0};

    *ret_packet = mqtt_bytes_of(notation);
    cr_assert_eq(
        judge(version, *ret_packet, ret_decoded, &reason, &error), 1, "%s: %s", notation, error.text);
}

void take_golden(const char *name, union mqtt_decoded *ret_decoded, struct slice *ret_packet)
{
    for (size_t i = 0; i < mqtt_goldens_count; i++) {
        if (strcmp(mqtt_goldens[i].name, name) == 0) {
            take(mqtt_goldens[i].version, mqtt_goldens[i].notation, ret_decoded, ret_packet);
            return;
        }
    }
    cr_assert_fail("there is no golden packet %s", name);
}
