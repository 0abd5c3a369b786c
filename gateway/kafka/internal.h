/* internal: what the files of this room share. Only they include it. */
#ifndef PENSTOCK_KAFKA_INTERNAL_H
#define PENSTOCK_KAFKA_INTERNAL_H

#include <librdkafka/rdkafka.h>

#include "base/clock.h"
#include "decode/decode.h"
#include "kafka/kafka.h"

#define KAFKA_TOPIC_NAME_MAX 249
#define MILLISECOND (CLOCK_SECOND / 1000) /* what librdkafka counts in */

struct partitioner;

struct kafka_client {
    rd_kafka_conf_t *conf; /* each producer takes a copy */
    const struct partitioner *partitioner;
    char *servers;
    uint64_t max_message;
    const char *warning;
    kafka_log_fn *log;
    void *log_context;
};

struct kafka_topic {
    struct kafka_topic *next;
    rd_kafka_topic_t *handle;
    const struct partitioner *partitioner; /* librdkafka's threads read it, too */
    bool gated; /* partition.c's rule for first messages holds; the rest is its own */
    bool waits; /* what is handed over has to wait for the first message of its partition, */
    int32_t partition; /* which is this one; -1: not known */
    bool unplaced; /* one is under way that was sent when the partitions were not known: */
    uint64_t unplaced_tag;
    uint8_t *states; /* by partition: enum partition_state */
    int32_t states_count;
    char name[KAFKA_TOPIC_NAME_MAX + 1];
};

/* ---- partition.c ------------------------------------------------------------------------------------------- */

/* The name of our own way to choose a partition: that of librdkafka's that it agrees with where there is a key. */
#define PARTITION_HOUSE "murmur2_random"

/* The one of this name; NULL: it is not known. */
const struct partitioner *partitioner_find(const char *name);

/* The configuration of a producer's topic; owned by whoever asks, until rd_kafka_topic_new() takes it. The topic has to last as
 * long as the producer's threads. */
rd_kafka_topic_conf_t *partition_topic_conf(rd_kafka_t *handle, struct kafka_topic *topic);

/* Around each call that hands a message to librdkafka. False: it has to wait for a first message; it was not taken. */
bool partition_begin(struct kafka_topic *topic);
bool partition_end(struct kafka_topic *topic, uint64_t tag, rd_kafka_resp_err_t code);
/* What became of a message. */
void partition_reported(struct kafka_topic *topic, int32_t partition, uint64_t tag, bool delivered);

/* A topic that was asked for; the answer carries its address. */
struct creation {
    struct creation *next;
    char name[KAFKA_TOPIC_NAME_MAX + 1];
};

/* The most telling thing that keeps a producer from the brokers: a higher rank is not replaced by a lower one. */
enum trouble_rank { TROUBLE_NONE, TROUBLE_ALL_DOWN, TROUBLE_DOWN, TROUBLE_ADDRESS, TROUBLE_REFUSED };

struct statistics_pointers {
    struct json_pointers *whole;
    struct json_pointers *broker;
};

struct kafka_producer {
    const struct kafka_client *client;
    rd_kafka_t *handle;
    rd_kafka_queue_t *events; /* log lines, answers about topics */
    struct kafka_topic *topics;
    struct creation *creations;
    kafka_report_fn *report; /* of the poll that is under way */
    void *report_context;
    size_t taken; /* by it */
    bool gated; /* its topics are: not a probe's, of whose messages each stands for itself */
    bool is_broken;
    char broken[ERROR_TEXT_SIZE];
    enum trouble_rank trouble_rank;
    int64_t trouble_time; /* of the last event that told of it */
    char trouble[ERROR_TEXT_SIZE];
    struct kafka_statistics statistics;
    struct statistics_pointers pointers;
    char *transactions; /* the id under which it has them; owned; NULL: none */
    char failure[ERROR_TEXT_SIZE]; /* of the transaction */
    bool ending; /* a commit was asked for, and whether it was done is not known */
};

/* ---- producer.c -------------------------------------------------------------------------------------------- */

/* kafka_producer_open(), or with an id kafka_transactions_open() before anybody was asked. */
int producer_open(struct kafka_producer **ret_producer, const struct kafka_client *client,
    enum kafka_role role, int64_t patience, const char *transactions, struct error *error);

typedef void *end_fn(void *argument);

/* Ends one of librdkafka's instances. It takes some milliseconds. But when a name server does not answer, a thread of librdkafka's stands in the resolver,
 * for ten seconds and more, and librdkafka waits for it: then it may do so alone. */
void end_soon(end_fn *end, void *argument);

/* ---- role.c ------------------------------------------------------------------------------------------------ */

/* patience: a probe's; id: that of transactions. */
int role_configure(
    rd_kafka_conf_t *conf, enum kafka_role role, int64_t patience, const char *id, struct error *error);

/* ---- client.c ---------------------------------------------------------------------------------------------- */

/* A property that is a number. */
uint64_t client_number(const rd_kafka_conf_t *conf, const char *name);

/* ---- property.c -------------------------------------------------------------------------------------------- */

#define KAFKA_PROPERTIES_MAX 512 /* librdkafka 2.0.2 has 170 */
#define KAFKA_REASON_SIZE 512

struct properties {
    char *text; /* the table that librdkafka prints; the names are slices of it */
    size_t length;
    size_t count;
    struct slice names[KAFKA_PROPERTIES_MAX];
    bool of_consumer[KAFKA_PROPERTIES_MAX];
};

struct property_build {
    struct config *config; /* gets what is wrong */
    struct properties properties;
    rd_kafka_conf_t *conf; /* gets what is right */
};

int property_list(struct properties *properties, struct error *error);
/* place: the field of the config that is to blame. */
void property_set(struct property_build *build, const char *name, const char *value, const void *place);
/* The pair's value is the name of the file. */
void property_set_from_file(struct property_build *build, const struct config_pair *pair);

/* ---- report.c ---------------------------------------------------------------------------------------------- */

/* What an error code in a delivery report means. */
enum kafka_outcome report_outcome(rd_kafka_resp_err_t code);

/* What an error code of produce() means. */
enum kafka_sent report_sent(rd_kafka_resp_err_t code);

/* No broker, or not the right one, has answered. */
bool report_is_silence(rd_kafka_resp_err_t code);

/* In words that say what to do. */
const char *report_reason(rd_kafka_resp_err_t code);

/* How much an error event says about why brokers are out of reach; TROUBLE_NONE: it says nothing about that. */
enum trouble_rank report_trouble(rd_kafka_resp_err_t code, const char *text);

/* ---- statistics.c ------------------------------------------------------------------------------------------ */

/* What statistics_take() needs; statistics_free() takes a half-made one. */
int statistics_compile(struct statistics_pointers *pointers, struct error *error);
void statistics_free(struct statistics_pointers *pointers);

/* Reads librdkafka's statistics (JSON); what is not JSON leaves the statistics as they were. */
void statistics_take(
    struct kafka_statistics *statistics, const struct statistics_pointers *pointers, struct slice json);

#endif
