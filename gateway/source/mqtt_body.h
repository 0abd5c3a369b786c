/* mqtt_body: what an MQTT message says of its payload; for listener and subscriber. Pure. @thread any */
#ifndef PENSTOCK_SOURCE_MQTT_BODY_H
#define PENSTOCK_SOURCE_MQTT_BODY_H

#include "source/intake.h"
#include "source/mqtt_packet.h"

/* By its content type, else by what it looks like. false: a type that does not fit the stream's format. */
bool mqtt_body_form(struct intake *intake, const struct stream *stream, const struct mqtt_publish *publish,
    struct slice body, enum decode_form *ret_form);

/* Whether it is what payload format 1 says. */
bool mqtt_body_is_utf8(struct slice body);

#endif
