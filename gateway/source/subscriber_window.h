/* subscriber_window: may the library see what the broker has sent?
 *
 * The bytes that wait in a socket are looked at before libmosquitto reads them. That says how many whole packets there are, so that it
 * is called once for each, and keeps away from it what it is not to be trusted with: a packet of any size is allocated as it is announced,
 * messages of QoS 2 pile up in its memory, an unknown property ends the process (an assert in 2.0). Sections are those of MQTT 5.0. What is
 * right here may still be refused by the library. Over TLS nobody can look: the certificate is what the broker is trusted for. Pure.
 * @thread any
 */
#ifndef PENSTOCK_SOURCE_SUBSCRIBER_WINDOW_H
#define PENSTOCK_SOURCE_SUBSCRIBER_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define SUBSCRIBER_WINDOW \
    (128 << 10) /* bytes that are looked at, and most that a packet has that is no message */

struct subscriber_window_rules {
    bool v5;
    bool connected; /* its CONNACK was there */
    uint64_t max_packet; /* of a message */
};

struct subscriber_window {
    size_t packets; /* whole and right ones at the front */
    size_t bytes; /* that they take */
    size_t
        wanted; /* bytes of the packet behind them that have to be there before more can be said of it; 0: there is none */
};

enum subscriber_window_wrong { SUBSCRIBER_WINDOW_MALFORMED, SUBSCRIBER_WINDOW_TOO_LARGE };

/* -1: what comes behind ret_window->packets is wrong, *ret_wrong and the error say how; what stands before it is right. All of
 * ret_window is set in any case. A packet that is too large is known by its header. */
int subscriber_window_judge(struct slice bytes, const struct subscriber_window_rules *rules,
    struct subscriber_window *ret_window, enum subscriber_window_wrong *ret_wrong, struct error *error);

#endif
