/* mqtt_facts: what a stream's selectors find in an MQTT message besides its payload.
 *
 *   topic:NAME     the level that the pattern calls NAME; nothing when it has no such level
 *   header:NAME    MQTT 5: header:Content-Type is the content type, in any case of letters as in HTTP; else the first user property of
 *                  that name, where case matters
 *   mqtt:NAME      client_id, user, topic, qos ("0" "1" "2"), retain, dup, will ("true", "false"), payload_format ("utf-8", else "bytes"),
 *                  and of MQTT 5 content_type, response_topic, correlation_data (as it is when it can be a label, else in base64),
 *                  expiry (seconds); what is not there is empty. The names are SELECTOR_MQTT_TABLE of route.h
 * Values of query: and path: are empty. Pure. @thread the connection's
 */
#ifndef PENSTOCK_SOURCE_MQTT_FACTS_H
#define PENSTOCK_SOURCE_MQTT_FACTS_H

#include "access/access.h"
#include "route/route.h"
#include "source/mqtt_packet.h"

#define MQTT_FACTS_SCRATCH 512

struct mqtt_facts {
    const struct mqtt_publish *publish;
    const struct topic_match *match; /* NULL: the topic is not mapped */
    struct slice topic; /* also where an alias stands for it */
    struct slice client_id;
    struct slice user;
    bool will;
    const struct grant *grant; /* of who sent it */
    char number[16]; /* scratch of the expiry */
    char correlation[MQTT_FACTS_SCRATCH];
    char origin[RECORD_ORIGIN_MAX];
};

/* For struct intake_facts: context is a struct mqtt_facts. What it returns stands until the next message. */
struct slice mqtt_facts_find(void *context, enum selector_source source, const char *name);

/* The same for `bury`: "mqtt CLIENT_ID TOPIC", cut behind the last whole character that an origin may hold. */
struct slice mqtt_facts_origin(void *context, struct slice payload);

#endif
