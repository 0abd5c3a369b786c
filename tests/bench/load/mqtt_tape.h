/* mqtt_tape: messages of a file as the bytes of their PUBLISH packets, one behind another, made once and sent over and over.
 *
 * Packet ids are 1, 2, ... in the tape's order. Whoever has no more messages on their way than the tape holds never uses an id twice
 * at a time, and sends straight from here. The acknowledgements that are due, in the same order, lie ready to be compared with.
 */
#ifndef PENSTOCK_BENCH_MQTT_TAPE_H
#define PENSTOCK_BENCH_MQTT_TAPE_H

#include <stddef.h>
#include <stdint.h>

#define MQTT_TAPE_MAX 65535 /* messages: packet ids */

struct mqtt_tape {
    uint8_t *data;
    size_t *starts; /* of message i; starts[count] is the end */
    size_t count;
    uint32_t *first; /* four bytes each: PUBACK, with QoS 2 PUBREC */
    uint32_t *release; /* PUBREL */
    uint32_t *last; /* PUBCOMP */
};

/* Lines of file: topic, tab, payload. The tape holds all of them, or as many times all of them as give at least `least` messages. */
void mqtt_tape_make(struct mqtt_tape *tape, const char *file, unsigned version, unsigned qos, size_t least);

#endif
