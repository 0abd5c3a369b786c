/* kafka_position: how far a gateway is, as it stands in Kafka (`delivery: exactly-once`), and whether its journal knows that place.
 *
 * The value of a record in the topic of positions, whose key is the gateway's id: a JSON object
 *     {"version": 1, "log": "3f9a1c22d1e80b57", "epoch": 7, "sequence": 1042, "base": 0, "delivered": 1030, "dead_lettered": 2, "not_for_outlet": 10, "damaged": 0}
 * log: the journal's, as 16 hexadecimal digits; epoch: of the start that accepted record `sequence`; the rest is the outlet's ledger, so that it is
 * exact behind a crash: sequence = base + the other four. Members that are not known are left alone.
 * Room-internal, pure. @thread any
 */
#ifndef PENSTOCK_OUTLET_KAFKA_POSITION_H
#define PENSTOCK_OUTLET_KAFKA_POSITION_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "journal/journal.h"

struct kafka_position {
    uint64_t log;
    uint32_t epoch; /* 0: none was known: before the first record */
    struct journal_cursor cursor; /* held = 0 */
};

/* Appends the value. */
int kafka_position_encode(const struct kafka_position *position, struct bytes *value, struct error *error);
/* ERROR_REJECT: it is none. */
int kafka_position_decode(struct slice value, struct kafka_position *ret_position, struct error *error);

#endif
