/* pump_harness: a journal, the Kafka outlet's pump on librdkafka's mock cluster, and what a consumer finds there */
#ifndef PENSTOCK_TESTS_PUMP_HARNESS_H
#define PENSTOCK_TESTS_PUMP_HARNESS_H

#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "journal_harness.h"
#include "outlet/kafka_pump.h"

#define KAFKA_ROWS_MAX 60000
#define KAFKA_PRODUCE 0 /* the request's number in Kafka's protocol */

struct kafka_fixture {
    struct fixture journal;
    char letters_directory[80];
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    struct config *config;
    struct kafka_client *client;
    struct dead_letters *letters;
    struct rendering_table *renderings;
    struct kafka_pump_options options;
    struct kafka_pump *pump;
    struct error error;
    uint64_t rows; /* put so far */
};

/* What a consumer found in a topic. */
struct kafka_found {
    unsigned seen[KAFKA_ROWS_MAX]; /* by row */
    uint64_t messages, distinct;
    uint64_t disordered; /* first copies behind a higher row of their key, */
    int32_t partition[KAFKA_ROWS_MAX]; /* by row, of the last copy */
    bool late[KAFKA_ROWS_MAX]; /* and which rows */
};

/* Topics t, u (4 partitions) and x (1) are there; renderings: 1 to t, 2 to t and u, 3 nowhere, 4 to "SENSOR_{key}", 5 to x. */
void kafka_set_up(void);
void kafka_tear_down(void);
extern struct kafka_fixture kafka;

void kafka_open_pump(void);
/* As a crash does: what is under way is lost, the journal keeps what it has stored. */
void kafka_restart(void);

/* The origin of the records that are put from now on. */
void kafka_set_origin(const char *origin);
/* One record {"n":ROW} of at least `size` bytes. */
void kafka_put(uint32_t rendering, const char *key, size_t size, uint8_t flags);
/* Many, with keys k0..k6. */
void kafka_put_some(uint32_t rendering, uint64_t count);

/* Steps until the condition holds; fails after two minutes. */
void kafka_run_until(bool (*condition)(void));
bool kafka_all_done(void); /* everything read and confirmed, cursor written */
bool kafka_nothing_held(void); /* and nothing held */
bool kafka_untroubled(void); /* no trouble is told any more */
void kafka_steps(int64_t microseconds);

/* The pump's clock goes on by that much at once. */
void kafka_pass_time(int64_t microseconds);
/* As hold_retry: what is held stays so until the test lets this time pass, however slow the machine is. */
#define KAFKA_LATER (3600 * CLOCK_SECOND)

struct kafka_pump_status kafka_status(void); /* asserts that the ledger adds up */
void kafka_consume(const char *topic, struct kafka_found *ret_found);
/* Rows first..last are in found; at most `extra` messages are copies; order per key holds. */
void kafka_assert_rows(const struct kafka_found *found, uint64_t first, uint64_t last, uint64_t extra);
size_t kafka_letters(char *reason, size_t size); /* how many there are; the reason of the last */
void kafka_buried(
    const char *topic, bool rows[KAFKA_ROWS_MAX]); /* marks the rows with a letter about this topic */

#endif
