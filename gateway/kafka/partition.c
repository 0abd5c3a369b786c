/* partition: where a message goes, and when the first one of a partition may be followed
 *
 * With a key: as the property `partitioner` says; the house's choice is murmur2, as Java clients, Kafka Streams and ksqlDB compute
 * it. Without one librdkafka's choice is a random partition, another one each time, so that a message that is sent again could
 * stand behind newer ones of a partition that never had it, where a reader that drops ids below the highest seen would drop it.
 * Ours follows from the tag: stretches of tags share a partition, which makes whole batches, and a message that is sent again
 * goes where it went.
 *
 * A broker takes any sequence number from a producer that is new to a partition. Were its first batch refused, or come to a
 * broker that leads no more, with a second one under way, that would be taken, and order per key would be lost. So the first
 * message goes alone: what follows waits until it is confirmed. While a topic's partitions are not known any of them may be
 * meant: then it is the topic's first message that goes alone.
 */
#include "kafka/internal.h"

#include <stdlib.h>
#include <string.h>

#define PARTITION_UNKNOWN (-1)
#define PARTITION_NONE INT32_MAX /* above what any topic has: librdkafka does not take the message */

typedef int32_t partition_fn(const rd_kafka_topic_t *topic, const void *key, size_t length, int32_t count,
    void *topic_opaque, void *message_opaque);

struct partitioner {
    const char *name;
    partition_fn *choose;
    bool spreads; /* what has no key; others leave that to `choose` */
};

/* librdkafka's CONFIGURATION.md, `partitioner` */
static const struct partitioner partitioners[] = {
    {"murmur2_random", rd_kafka_msg_partitioner_murmur2, true},
    {"murmur2", rd_kafka_msg_partitioner_murmur2, false},
    {"consistent_random", rd_kafka_msg_partitioner_consistent, true},
    {"consistent", rd_kafka_msg_partitioner_consistent, false},
    {"fnv1a_random", rd_kafka_msg_partitioner_fnv1a, true},
    {"fnv1a", rd_kafka_msg_partitioner_fnv1a, false},
    {"random", rd_kafka_msg_partitioner_random, false},
};

enum partition_state { PARTITION_NEW, PARTITION_FIRST_UNDER_WAY, PARTITION_OPEN };

/* The topic of the message that this thread is handing over. Other threads, which choose for what was queued while the partitions
 * were not known, have none. */
static _Thread_local struct kafka_topic *handing_over;

const struct partitioner *partitioner_find(const char *name)
{
    for (size_t i = 0; i < sizeof partitioners / sizeof *partitioners; i++) {
        if (strcmp(partitioners[i].name, name) == 0)
            return &partitioners[i];
    }
    return NULL;
}

/* ---- first messages ---------------------------------------------------------------------------------------- */

/* False: there is no memory for so many. */
static bool partition_count(struct kafka_topic *topic, int32_t count)
{
    if (count <= topic->states_count)
        return true;

    uint8_t *states = realloc(topic->states, (size_t)count);
    if (!states)
        return false;
    memset(states + topic->states_count, PARTITION_NEW, (size_t)(count - topic->states_count));
    topic->states = states;
    topic->states_count = count;
    return true;
}

/* The partition, or PARTITION_NONE if it does not take a message now. */
static int32_t partition_enter(struct kafka_topic *topic, int32_t partition, int32_t count)
{
    topic->waits = !partition_count(topic, count) || topic->states[partition] == PARTITION_FIRST_UNDER_WAY;
    topic->partition = partition;
    return topic->waits ? PARTITION_NONE : partition;
}

bool partition_begin(struct kafka_topic *topic)
{
    if (topic->unplaced)
        return false;
    topic->waits = false;
    topic->partition = PARTITION_UNKNOWN;
    handing_over = topic->gated ? topic : NULL;
    return true;
}

bool partition_end(struct kafka_topic *topic, uint64_t tag, rd_kafka_resp_err_t code)
{
    handing_over = NULL;
    if (topic->waits)
        return false;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR || !topic->gated)
        return true;
    if (topic->partition == PARTITION_UNKNOWN) {
        topic->unplaced = true;
        topic->unplaced_tag = tag;
    } else if (topic->states[topic->partition] == PARTITION_NEW) {
        topic->states[topic->partition] = PARTITION_FIRST_UNDER_WAY;
    }
    return true;
}

void partition_reported(struct kafka_topic *topic, int32_t partition, uint64_t tag, bool delivered)
{
    if (!topic->gated)
        return;
    if (topic->unplaced && topic->unplaced_tag == tag)
        topic->unplaced = false;
    if (delivered && partition_count(topic, partition + 1))
        topic->states[partition] = PARTITION_OPEN;
}

/* ---- the choice -------------------------------------------------------------------------------------------- */

static int32_t partition_choose(const rd_kafka_topic_t *handle, const void *key, size_t length, int32_t count,
    void *topic_opaque, void *message_opaque)
{
    const struct kafka_topic *topic = topic_opaque;
    const struct partitioner *partitioner = topic->partitioner;
    int32_t partition;

    if (length > 0 || !partitioner->spreads)
        partition = partitioner->choose(handle, key, length, count, topic_opaque, message_opaque);
    else
        partition = (int32_t)(((uint64_t)(uintptr_t)message_opaque >> KAFKA_TAG_STRETCH) % (uint64_t)count);
    return handing_over ? partition_enter(handing_over, partition, count) : partition;
}

rd_kafka_topic_conf_t *partition_topic_conf(rd_kafka_t *handle, struct kafka_topic *topic)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(handle);

    rd_kafka_topic_conf_set_partitioner_cb(conf, partition_choose);
    rd_kafka_topic_conf_set_opaque(conf, topic);
    return conf;
}
