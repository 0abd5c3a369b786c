/* mqtt_packet_harness: tables of packets that are refused, and a look at one that is taken. */
#ifndef PENSTOCK_TESTS_MQTT_PACKET_HARNESS_H
#define PENSTOCK_TESTS_MQTT_PACKET_HARNESS_H

#include <criterion/criterion.h>

#include "mqtt_golden.h"

#define COUNT(array) (sizeof array / sizeof *array)

/* A packet that must be refused; its remaining length is filled in. */
struct mqtt_bad {
    enum mqtt_version version;
    uint8_t first; /* type and flags */
    const char *body; /* as in mqtt_golden.h */
    enum mqtt_reason reason;
    const char *said; /* what the error's text is to hold */
};

#define cr_all_refused(table) refuse_all(table, COUNT(table))
void refuse_all(const struct mqtt_bad *rows, size_t count);

/* One packet, header and body, which must be taken. What it says points into ret_packet, which the caller frees. */
void take(enum mqtt_version version, const char *notation, union mqtt_decoded *ret_decoded,
    struct slice *ret_packet);
void take_golden(const char *name, union mqtt_decoded *ret_decoded, struct slice *ret_packet);

/* Header and body of these bytes: 1 taken, 0 more are needed, -1 refused; results of refused packets are as they were. */
int judge(enum mqtt_version version, struct slice packet, union mqtt_decoded *ret_decoded,
    enum mqtt_reason *ret_reason, struct error *error);

/* The bytes of a body with a header in front: first byte, and how many. */
struct slice packet_of(uint8_t first, struct slice body);

#endif
