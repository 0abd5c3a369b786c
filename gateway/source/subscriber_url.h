/* subscriber_url: the texts of a subscription that have a form of their own: where the broker is, and topic filters.
 *
 * A URL is mqtt://HOST[:PORT] or mqtts://HOST[:PORT] (TLS); HOST is a name, an IPv4 address or an IPv6 address in brackets. Filters: MQTT
 * 5.0 sections 4.7 and 4.8. Pure. No error quotes the text: somebody may have put a password into it. @thread any
 */
#ifndef PENSTOCK_SOURCE_SUBSCRIBER_URL_H
#define PENSTOCK_SOURCE_SUBSCRIBER_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define SUBSCRIBER_HOST_MAX 253
#define SUBSCRIBER_PORT 1883
#define SUBSCRIBER_PORT_TLS 8883

struct subscriber_url {
    bool tls;
    uint16_t port;
    char host[SUBSCRIBER_HOST_MAX + 1]; /* of an IPv6 address without the brackets */
};

/* ERROR_REJECT: "found X; allowed: Y" */
int subscriber_url_parse(struct slice text, struct subscriber_url *ret_url, struct error *error);

/* Appends it as it is written: "mqtt://[::1]:1883". */
int subscriber_url_print(const struct subscriber_url *url, struct bytes *text, struct error *error);

/* Whether it is a topic filter; with $share/GROUP/ in front, too. The text is UTF-8 without control characters. */
int subscriber_filter_check(struct slice filter, struct error *error);

#endif
