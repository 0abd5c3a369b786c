/* mqtt_golden: packets of every type and version, written by hand from the specifications, for the unit tests of mqtt_packet and as
 * seeds of its fuzzer.
 *
 * A packet is noted in hexadecimal digits, with 'text' between quotes; blanks do not count: "30 09 0003 'a/b' '21.5'".
 */
#ifndef PENSTOCK_TESTS_MQTT_GOLDEN_H
#define PENSTOCK_TESTS_MQTT_GOLDEN_H

#include "source/mqtt_packet.h"

#define MQTT_GOLDEN_CUTS 4

struct mqtt_golden {
    const char *name;
    enum mqtt_version version; /* of the connection: MQTT_NONE for a CONNECT */
    const char *notation;
    size_t
        open; /* 0, or the length from which on each shorter body is a packet, too: where a payload begins */
    size_t cuts[MQTT_GOLDEN_CUTS]; /* other lengths at which the body could end, each + 1; 0: none */
};

extern const struct mqtt_golden mqtt_goldens[];
extern const size_t mqtt_goldens_count;

/* The bytes, in memory of exactly their length (of 1 byte for none); free() takes it. */
struct slice mqtt_bytes_of(const char *notation);
struct slice mqtt_bytes_exactly(const void *data, size_t length);
void mqtt_bytes_free(struct slice bytes);

/* What a body says, by the type in its header. */
union mqtt_decoded {
    struct mqtt_connect connect;
    struct mqtt_publish publish;
    uint16_t id;
    struct mqtt_disconnect disconnect;
    struct mqtt_filters filters;
};

/* Calls what decodes a body of this type; 0 for PINGREQ and AUTH, of which there is nothing to decode. */
int mqtt_decode_body(enum mqtt_version version, const struct mqtt_header *header, struct slice body,
    union mqtt_decoded *ret_decoded, enum mqtt_reason *ret_reason, struct error *error);

#endif
