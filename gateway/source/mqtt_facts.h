/* mqtt_facts: what a stream's selectors find in an MQTT message besides its payload.
 *
 *   topic:NAME     the level that the pattern calls NAME; nothing when it has no such level
 *   header:NAME    MQTT 5: the first user property of that name; header:Content-Type the content type (case as in HTTP does not matter
 *                  for that one; for user properties it does)
 *   mqtt:NAME      client_id, user, topic, qos ("0" "1" "2"), retain, dup, will ("true", "false"), and of MQTT 5 content_type,
 *                  response_topic, correlation_data (as it is when it can be a label, else in base64), expiry (seconds),
 *                  payload_format ("bytes", "utf-8"); what is not there is empty
 * Values of query: and path: are empty. Pure. @thread the connection's
 */
#ifndef PENSTOCK_SOURCE_MQTT_FACTS_H
#define PENSTOCK_SOURCE_MQTT_FACTS_H

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
    char number[16]; /* scratch of the expiry */
    char correlation[MQTT_FACTS_SCRATCH];
    char origin[RECORD_ORIGIN_MAX];
};

/* For struct intake_facts: context is a struct mqtt_facts. */
struct slice mqtt_facts_find(void *context, enum selector_source source, const char *name);

/* The same for `bury`: "mqtt CLIENT_ID TOPIC", cut to what an origin may hold. */
struct slice mqtt_facts_origin(void *context);

#endif
