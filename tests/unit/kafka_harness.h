/* kafka_harness: librdkafka's mock cluster of three brokers, a client and a producer for it, and what was reported */
#ifndef PENSTOCK_TESTS_KAFKA_HARNESS_H
#define PENSTOCK_TESTS_KAFKA_HARNESS_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/clock.h"
#include "kafka/kafka.h"

#define REPORTS_MAX 2048
#define OUTCOMES (KAFKA_TOPIC_UNANSWERED + 1)
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Numbers of requests in Kafka's protocol. */
#define REQUEST_PRODUCE 0
#define REQUEST_INIT_PRODUCER_ID 22

struct reports {
    struct kafka_report items[REPORTS_MAX]; /* their texts are gone */
    size_t count;
    size_t outcomes[OUTCOMES];
    char reason[256]; /* of the first one that was not delivered */
    char topic[256]; /* of the last one */
};

extern rd_kafka_mock_cluster_t *cluster;
extern struct kafka_client *client;
extern struct kafka_producer *producer;
extern struct reports reports;

/* Around each test; topic t exists, with one partition. Nothing is opened. */
void kafka_harness_enter(void);
void kafka_harness_leave(void);

/* The producer and the client are closed and what was reported is forgotten: another client may be opened. */
void kafka_harness_close(void);

/* A client with the mock's addresses, a quick retry and these properties; then a producer. */
void open_client(const struct config_pair *more, size_t count);
void open_producer(enum kafka_role role, int64_t patience);
/* Both, for KAFKA_ROLE_MAIN. */
void open_main(const struct config_pair *more, size_t count);

struct kafka_topic *topic_of(const char *name);
enum kafka_sent send_to(const char *name, uint64_t tag, struct error *error);
/* Sends tags 0 to count - 1, polling where it has to wait; all have to be taken. */
void send_all(const char *name, size_t count);

void note_report(void *context, const struct kafka_report *report);
void poll_some(void);
/* Polls until so many reports came in all. */
void poll_until(size_t count);

/* Whether condition came true, polling. */
#define wait_for(condition)                                                                       \
    do {                                                                                          \
        int64_t end_ = clock_monotonic(&clock_system) + 120 * CLOCK_SECOND;                       \
        while (!(condition)) {                                                                    \
            cr_assert_lt(clock_monotonic(&clock_system), end_, "waited in vain for " #condition); \
            poll_some();                                                                          \
        }                                                                                         \
    } while (0)

/* Takes all brokers away or brings them back. */
void set_brokers(bool up);

#endif
