/* kafka: librdkafka as the rest of the house sees it.
 *
 * A client is the checked configuration (house defaults, the user's properties on top). A producer is one instance of librdkafka's
 * producer with its topics: sends messages, gives their reports back in batches. It decides nothing: what a report means
 * for the journal or an import is their business, only the meaning of librdkafka's error codes is known here. One thread uses a
 * producer, an outlet's or an import's worker's; several may share a client. librdkafka's own threads only log. Figures and errors were measured with librdkafka 2.0.2.
 */
#ifndef PENSTOCK_KAFKA_KAFKA_H
#define PENSTOCK_KAFKA_KAFKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/config.h"
#include "base/error.h"

/* ---- the client's configuration ----------------------------------------------------------------------------- */

struct kafka_client;

/* Whether the configuration names a property at all: then there is a Kafka outlet. */
bool kafka_is_configured(const struct config *config);

/* Checks every property and reads the files; what is wrong is reported to the config at its place (all of it) and -1 returned. No
 * value of a secret is ever in a message. Needs bootstrap.servers. Contacts nobody. House defaults: enable.idempotence,
 * enable.gapless.guarantee (true unless idempotence was turned off, which is refused), acks=all, compression.type=lz4,
 * linger.ms=20, message.timeout.ms=0, partitioner=murmur2_random, queue.buffering.max.messages=50000,
 * queue.buffering.max.kbytes=16384, statistics.interval.ms=5000, topic.metadata.propagation.max.ms=5000, transaction.timeout.ms=900000, client.id=penstock.
 * Refused with the reason: properties that would break the promise (acks, enable.idempotence=false, message.timeout.ms other than
 * 0, ...), callbacks, and the consumer's.
 * @thread main */
int kafka_client_new(struct kafka_client **ret_client, struct config *config, struct error *error);
void kafka_client_free(struct kafka_client **client);

const char *kafka_client_servers(const struct kafka_client *client); /* bootstrap.servers, for the banner */
/* The largest message, key, value and headers together, that producers take (from message.max.bytes, batch overhead off). */
uint64_t kafka_client_max_message(const struct kafka_client *client);
/* What of the combination of properties and library is known not to work, as a sentence for the log; "" for nothing. SCRAM
 * with librdkafka before 2.6.1: Kafka 4 refuses its logins. */
const char *kafka_client_warning(const struct kafka_client *client);

/* Where librdkafka's log lines go; without it they are dropped. Called by kafka_producer_poll(), on its thread. Level: syslog's
 * (0 emergency to 7 debug). Set before the first producer is opened. */
typedef void kafka_log_fn(void *context, int level, const char *facility, const char *text);
void kafka_client_set_log(struct kafka_client *client, kafka_log_fn *log, void *context);

/* ---- producers ---------------------------------------------------------------------------------------------- */

enum kafka_role {
    KAFKA_ROLE_MAIN, /* gapless: behind a refused batch nothing is delivered, the producer is broken then */
    KAFKA_ROLE_CAREFUL, /* as main, with one request under way and a linger that makes one batch per partition of what is sent
                         * in one go */
    KAFKA_ROLE_PROBE, /* tries single messages to topics that did not work: no gapless guarantee, small queue, gives up after
                       * `patience` */
    KAFKA_ROLE_TRANSACTIONS, /* kafka_transactions_open()'s */
};

struct kafka_producer;
struct kafka_topic; /* of one producer, ends with it */

/* Starts librdkafka's threads; connects in the background. patience (microseconds) is for KAFKA_ROLE_PROBE only. */
int kafka_producer_open(struct kafka_producer **ret_producer, const struct kafka_client *client,
    enum kafka_role role, int64_t patience, struct error *error);
/* What is queued or under way is given up (it may be delivered all the same); its reports never come. Takes milliseconds; after
 * half a second (a name server that does not answer) a thread of its own ends the rest. */
void kafka_producer_close(struct kafka_producer **producer);
/* The same, and waits until none of its threads is left. */
void kafka_producer_end(struct kafka_producer **producer);

/* ERROR_REJECT: no topic's name. */
int kafka_topic_check(const char *name, struct error *error);
/* The handle of a topic; made once, kept. ERROR_REJECT: no topic's name. */
int kafka_producer_topic(
    struct kafka_producer *producer, const char *name, struct kafka_topic **ret_topic, struct error *error);

struct kafka_header {
    struct slice name;
    struct slice value;
};

#define KAFKA_HEADERS_MAX 20

struct kafka_message {
    struct slice key; /* length 0: no key */
    struct slice value;
    int64_t time; /* microseconds since 1970 */
    const struct kafka_header *headers;
    size_t headers_count;
    uint64_t
        tag; /* comes back with the report; without a key the partition follows from tag >> KAFKA_TAG_STRETCH, so that a
                   * message that is sent again goes where it went */
};

#define KAFKA_TAG_STRETCH 15

enum kafka_sent {
    KAFKA_SENT, /* copied and queued: exactly one report will come, unless the producer is closed */
    KAFKA_FULL, /* librdkafka's queue is full, or the first message to this partition is not confirmed: poll, then try again */
    KAFKA_TOO_LARGE, /* above message.max.bytes; error says so */
    KAFKA_NO_TOPIC, /* the producer knows already that the topic is missing or forbidden; error says which */
    KAFKA_BROKEN, /* the producer can do no more: close it and open another one; error says why */
};

/* Of all but a probe the first message to a partition goes alone: a broker would take what is behind it though it refused that.
 *
 * A refused topic takes messages again by itself, about a second after it is there or allowed: who wants its order stops sending to it
 * at the first KAFKA_TOPIC_REFUSED, and polls before it sends. */
enum kafka_sent kafka_producer_send(struct kafka_producer *producer, struct kafka_topic *topic,
    const struct kafka_message *message, struct error *error);

/* Asks for the topic to be made; the answer comes by poll, within 10 seconds. partitions >= 1; replication 0: the broker's default.
 * Where config->kafka.create_topics asks for it, brokers do not create topics on their own when a producer looks for them. */
int kafka_producer_create_topic(struct kafka_producer *producer, const char *name, uint64_t partitions,
    uint64_t replication, struct error *error);

enum kafka_outcome {
    KAFKA_DELIVERED, /* confirmed by the broker on the terms of acks=all */
    KAFKA_TOPIC_REFUSED, /* missing or forbidden topic: others may work */
    KAFKA_RECORD_REFUSED, /* this message or one of its batch will never be taken */
    KAFKA_RETURNED, /* not confirmed, may be delivered or not: purged, behind a refused one, the producer broke */
    KAFKA_TOPIC_CREATED, /* or was there already */
    KAFKA_TOPIC_NOT_CREATED, /* refused */
    KAFKA_TOPIC_UNANSWERED, /* nobody could be asked: ask again */
};

/* A topic's reason, whoever sends to it; what else may be done depends on who that is. */
#define KAFKA_TOPIC_MISSING \
    "the topic does not exist: make it, or let the brokers' auto.create.topics.enable do so"

struct kafka_report {
    enum kafka_outcome outcome;
    uint64_t tag; /* of the message */
    const char *topic; /* its name */
    int32_t partition; /* of a message that was delivered, */
    int64_t offset; /* and its place there; negative: the broker did not say */
    const char *reason; /* librdkafka's or the broker's words; "" when delivered */
};

typedef void kafka_report_fn(void *context, const struct kafka_report *report);

/* Takes what has come, waiting at most `timeout` microseconds for the first of it. Returns how many things were taken (0: nothing
 * was there). `report` must not close the producer. */
size_t kafka_producer_poll(
    struct kafka_producer *producer, int64_t timeout, kafka_report_fn *report, void *context);

/* Why the producer can do no more; NULL while it works. Valid until it is closed. */
const char *kafka_producer_broken(const struct kafka_producer *producer);
/* What keeps it from the brokers at the moment (all down, login refused, name not known, ...); NULL: nothing is known. Cleared by
 * the next confirmation. */
const char *kafka_producer_trouble(const struct kafka_producer *producer);

#define KAFKA_BROKERS_MAX 64
struct kafka_broker {
    char name[128]; /* HOST:PORT/ID */
    bool up;
};

struct kafka_statistics {
    uint64_t queue_messages, queue_bytes; /* in librdkafka's queues */
    uint64_t retries; /* requests sent again, since the producer was opened */
    struct kafka_broker brokers[KAFKA_BROKERS_MAX];
    size_t brokers_count;
    uint64_t version; /* counts; 0: none has come yet */
};

/* As of the last statistics event. Bootstrap entries are left out once a broker with an id is known. */
const struct kafka_statistics *kafka_producer_statistics(const struct kafka_producer *producer);

/* ---- transactions -------------------------------------------------------------------------------------------
 *
 * What a producer with an id sends between begin and commit is seen by readers of committed records all at once, or never. Whoever opens
 * a producer under an id ends what an earlier one has left open under it, and that one can do no more (it is fenced). Which transaction was
 * the last one, whatever became of the answer, is told by what was committed with it. An import notes a number, which the brokers keep under the id
 * (as the offset of a consumer group of that name, for the topic's partition 0) for a week or so; a gateway sends its position, which stays.
 */

/* Called about every second while brokers do not do what they were asked for, with the reason; false: no longer. */
struct kafka_patience {
    bool (*wait)(void *context, const char *why);
    void *context;
};

/* Behind it nothing is open under the id, and what there was is committed or aborted for good. ERROR_REJECT: it is forbidden, or brokers do
 * not allow transactions that last so long. Its first messages need not go alone: what is refused ends the transaction. */
int kafka_transactions_open(struct kafka_producer **ret_producer, const struct kafka_client *client,
    const char *id, const struct kafka_patience *patience, struct error *error);

int kafka_transaction_begin(struct kafka_producer *producer, struct error *error);
/* The number is committed with the rest. ERROR_REJECT as above. */
int kafka_transaction_note(struct kafka_producer *producer, const char *topic, uint64_t number,
    const struct kafka_patience *patience, struct error *error);
/* All messages but the last were reported as delivered; its report goes to what the last poll was given. After a failure it may have
 * been committed all the same: what a producer that was opened later finds tells. ERROR_REJECT as above. */
int kafka_transaction_commit(
    struct kafka_producer *producer, const struct kafka_patience *patience, struct error *error);
/* Why the transaction can only be aborted, in librdkafka's words; "": nothing is known. */
const char *kafka_transaction_failure(const struct kafka_producer *producer);
/* Another producer was opened under the id, or brokers have aborted what took too long: librdkafka does not tell these apart. */
bool kafka_transactions_fenced(const struct kafka_producer *producer);
/* A commit was asked for, and whether it was done is not known. */
bool kafka_transaction_is_undecided(const struct kafka_producer *producer);
/* As far as the brokers answer in time (microseconds), and unless a commit is under way; the producer is good for kafka_producer_close() only. */
void kafka_transaction_abort(struct kafka_producer *producer, int64_t timeout);

/* The number of the last transaction that was committed under the producer's id; *ret_known false: brokers know of none, or none any more. */
int kafka_transactions_last(struct kafka_producer *producer, const char *topic, uint64_t *ret_number,
    bool *ret_known, const struct kafka_patience *patience, struct error *error);

/* transaction.timeout.ms, in microseconds: brokers abort a transaction that lasts longer. */
int64_t kafka_client_transaction_timeout(const struct kafka_client *client);

/* ---- positions ----------------------------------------------------------------------------------------------
 *
 * How far each gateway is, in a topic that is compacted: of a key (the gateway's id) the newest value counts.
 */
#define KAFKA_POSITIONS "penstock-positions"
#define KAFKA_POSITION_MAX 1024

enum kafka_position_wait {
    KAFKA_POSITION_DECIDED, /* as far as no transaction is open in the topic now */
    KAFKA_POSITION_ALL, /* all that was sent before, by whoever: waits for the end of transactions */
};

enum kafka_position_state {
    KAFKA_POSITION_NONE,
    KAFKA_POSITION_DELETED, /* by somebody: its record has no value */
    KAFKA_POSITION_KNOWN,
};

/* The newest committed value under the key, appended to ret_value when there is one. Makes the topic when it is
 * not there. ERROR_REJECT, with what to do: it may not be made or read, is not compacted, or has more than one partition. Blocks, and asks patience
 * meanwhile. @thread any */
int kafka_position_read(const struct kafka_client *client, const char *key, enum kafka_position_wait wait,
    struct bytes *ret_value, enum kafka_position_state *ret_state, const struct kafka_patience *patience,
    struct error *error);

/* ---- consumers ----------------------------------------------------------------------------------------------
 *
 * A member of a consumer group that reads committed records, with cooperative rebalancing. Offsets are committed when its user says so, and only
 * then; where reading begins in a partition is said each time. One thread uses a consumer.
 */
struct kafka_consumer;

struct kafka_consumer_options {
    const char *group;
    const struct config_map *properties; /* the user's; checked */
    const char *const
        *topics; /* names, or patterns that begin with ^ (librdkafka's: POSIX extended regular expressions) */
    size_t topics_count;
    /* Called by poll and close: a partition is ours from now on, and nothing of it comes before kafka_consumer_start(); or it is ours no longer once this
     * returns (lost: it is no longer already, and may be somebody else's by now). */
    void (*assigned)(void *context, const char *topic, int32_t partition);
    void (*revoked)(void *context, const char *topic, int32_t partition, bool lost);
    /* What was committed without waiting was refused. */
    void (*refused)(void *context, const char *reason);
    void *context;
};

/* Reports properties that cannot be set, at their places. House defaults: isolation.level=read_committed,
 * partition.assignment.strategy=cooperative-sticky, no automatic commits, auto.offset.reset=error (these cannot be set otherwise); queued.max.messages.kbytes=16384,
 * queued.min.messages=10000, fetch.max.bytes=8388608, topic.metadata.refresh.interval.ms=10000, check.crcs=true. @thread main */
void kafka_consumer_check(struct config *config, const struct config_map *properties);

/* Joins the group in the background. */
int kafka_consumer_open(struct kafka_consumer **ret_consumer, const struct kafka_client *client,
    const struct kafka_consumer_options *options, struct error *error);
/* Gives its partitions back (revoked) and leaves the group. */
void kafka_consumer_close(struct kafka_consumer **consumer);

enum kafka_arrival {
    KAFKA_NOTHING,
    KAFKA_RECORD,
    KAFKA_END, /* all that is committed below `offset` has come */
    KAFKA_OUTSIDE, /* the log does not have what was to be read next */
};

/* Until the next poll. */
struct kafka_record {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t time; /* microseconds since 1970; 0: it has none */
    struct slice key;
    struct slice value; /* data NULL: none, a tombstone */
    const void *headers; /* for kafka_record_header() */
};

/* Waits at most `timeout` microseconds. */
enum kafka_arrival kafka_consumer_poll(
    struct kafka_consumer *consumer, int64_t timeout, struct kafka_record *ret_record);
/* The last header of that name; length 0: there is none. */
struct slice kafka_record_header(const struct kafka_record *record, const char *name);

/* What was wrong last (no broker, a topic that is missing or forbidden); "": nothing since the last record. */
const char *kafka_consumer_trouble(const struct kafka_consumer *consumer);

/* Nothing comes of the partition until it is started. */
void kafka_consumer_pause(struct kafka_consumer *consumer, const char *topic, int32_t partition);
/* Records at and behind offset come. ERROR_RETRY: not yet; what comes until it was called again means nothing. */
int kafka_consumer_start(struct kafka_consumer *consumer, const char *topic, int32_t partition,
    int64_t offset, struct error *error);

#define KAFKA_NOTE_MAX 128

/* What the brokers say, ERROR_RETRY where they do not within seconds: what the group has committed last (negative: nothing) with its note, */
int kafka_consumer_committed(struct kafka_consumer *consumer, const char *topic, int32_t partition,
    int64_t *ret_offset, char ret_note[KAFKA_NOTE_MAX], struct error *error);
/* the first offset of the log and the one behind its last that readers of committed records see, */
int kafka_consumer_ends(struct kafka_consumer *consumer, const char *topic, int32_t partition,
    int64_t *ret_first, int64_t *ret_end, struct error *error);
/* and the first offset of a record of that time (microseconds since 1970) or later; negative: there is none. */
int kafka_consumer_find_time(struct kafka_consumer *consumer, const char *topic, int32_t partition,
    int64_t time, int64_t *ret_offset, struct error *error);
/* The same end as far as it is known without asking; negative: it is not. */
int64_t kafka_consumer_known_end(struct kafka_consumer *consumer, const char *topic, int32_t partition);

struct kafka_commit {
    const char *topic;
    int32_t partition;
    int64_t offset; /* that the group reads next */
    char note[KAFKA_NOTE_MAX];
};

/* timeout 0: does not wait; else (microseconds) ERROR_RETRY says that it was refused or not answered, ERROR_REJECT that this member is none of the group any more. */
int kafka_consumer_commit(struct kafka_consumer *consumer, const struct kafka_commit *commits, size_t count,
    int64_t timeout, struct error *error);

#endif
