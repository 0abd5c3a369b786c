/* kafka_pump: the Kafka outlet's role: from the journal into topics, without a thread.
 *
 * Reads in order, sends each record to its topics, and moves the cursor over what is confirmed for all of them, in order (the
 * watermark). It never gives up a record:
 *   - The producer is gapless: behind a batch that a broker refuses nothing is delivered. Then there is a new producer, and
 *     everything from the watermark that was not confirmed is sent again, so that order per key holds.
 *   - A message that is refused (too large, ...) is looked for with few messages under way: one, two, four ... at a time until
 *     the refused range is behind. The one that is refused alone is a dead letter.
 *   - A topic that is missing or forbidden is held: it gets a mark in the journal, the cursor passes its records, others go
 *     on. A second producer tries its first waiting record from time to time; when that gets through, a second lane
 *     brings the rest from the mark up to the cursor, and the topic is like any other again.
 *   - Everything else (brokers away, logins refused, fatal errors of the producer) is waited out.
 *
 * Exactly once: what is sent goes into transactions, each with the position behind it (outlet/kafka_position.h). The watermark moves when one is
 * committed, and the cursor behind it. What cannot be delivered takes its transaction along, which is then begun anew; a topic that is missing
 * or forbidden holds up all others.
 * Room-internal. @thread the outlet's
 */
#ifndef PENSTOCK_OUTLET_KAFKA_PUMP_H
#define PENSTOCK_OUTLET_KAFKA_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "dead_letter/dead_letter.h"
#include "journal/journal.h"
#include "kafka/kafka.h"
#include "record/record.h"

#define KAFKA_PUMP_NAME "kafka" /* of the cursor, too */
#define KAFKA_PUMP_BATCH 4096 /* records per step and lane */
#define KAFKA_PUMP_SILENCE (10 * CLOCK_SECOND) /* without a confirmation that is worth a word in /readyz */
#define KAFKA_PUMP_PROBE_PATIENCE (10 * CLOCK_SECOND)

struct kafka_pump_options {
    struct journal *journal;
    struct rendering_table *renderings;
    struct dead_letters *dead_letters;
    const struct kafka_client *client;
    const char *gateway_id;
    const struct clock *clock;
    uint64_t max_topics;
    uint64_t max_marks; /* that the journal can keep: at least max_topics */
    bool shut_unwritable; /* dead letters instead of holding */
    int64_t hold_retry;
    uint64_t create_partitions; /* 0: topics are not created */
    uint64_t create_replication;
    bool exactly_once;
    int64_t transaction_every; /* how long records are gathered in a transaction */
    struct kafka_patience patience; /* of exactly-once: its calls wait for brokers */
};

struct kafka_pump;

/* Reads the stored cursor and marks. */
int kafka_pump_open(
    struct kafka_pump **ret_pump, const struct kafka_pump_options *options, struct error *error);
/* What is under way is given up, and sent again after the next start. */
void kafka_pump_close(struct kafka_pump **pump);

/* 1: something was done; 0: nothing to do until kafka_pump_wait() says; -1: failed, it tries again. */
int kafka_pump_step(struct kafka_pump *pump, struct error *error);

/* Waits at most `timeout` for what a step could take up: reports, records beyond what is read, journal_wake(). */
void kafka_pump_wait(struct kafka_pump *pump, int64_t timeout, unsigned *seen);

/* Nothing durable is left that could be delivered now: all is read and confirmed, but for what is held. */
bool kafka_pump_is_done(const struct kafka_pump *pump);

struct kafka_pump_status {
    struct journal_cursor cursor;
    uint64_t in_flight; /* messages under way */
    uint64_t replays; /* producers replaced, since open */
    int64_t lag_since; /* wall clock: when the oldest record not delivered was received, nearly; 0: none */
    uint64_t topics_held;
    char held[ERROR_TEXT_SIZE]; /* the first few by name, and why the first is held; "": none */
    uint64_t topics; /* known */
    bool topics_full; /* further ones make dead letters */
    uint64_t retries; /* requests that librdkafka sent again, since open */
    char trouble[ERROR_TEXT_SIZE]; /* why nothing gets through at the moment; "" when it does */
    const struct kafka_statistics *statistics; /* NULL: there is no producer; until the next step */
};

void kafka_pump_status(const struct kafka_pump *pump, struct kafka_pump_status *ret_status);

#endif
