/* partition: where a message goes, unless the user's own `partitioner` rules
 *
 * With a key: murmur2, as Java clients, Kafka Streams and ksqlDB compute it. Without one librdkafka's choice is a random
 * partition, another one each time, so that a message that is sent again could stand behind newer ones of a partition that never
 * had it, where a reader that drops ids below the highest seen would drop it. Ours follows from the tag: stretches of tags
 * share a partition, which makes whole batches, and a message that is sent again goes where it went.
 */
#include "kafka/internal.h"

#include <string.h>

static int32_t partition_choose(const rd_kafka_topic_t *topic, const void *key, size_t length, int32_t count,
    void *topic_opaque, void *message_opaque)
{
    if (length > 0)
        return rd_kafka_msg_partitioner_murmur2(topic, key, length, count, topic_opaque, message_opaque);
    return (int32_t)(((uint64_t)(uintptr_t)message_opaque >> KAFKA_TAG_STRETCH) % (uint64_t)count);
}

rd_kafka_topic_conf_t *partition_topic_conf(const struct kafka_client *client, rd_kafka_t *handle)
{
    char name[64] = "";
    size_t size = sizeof name;
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(handle);

    if (rd_kafka_conf_get(client->conf, "partitioner", name, &size) == RD_KAFKA_CONF_OK &&
        strcmp(name, PARTITION_HOUSE) == 0)
        rd_kafka_topic_conf_set_partitioner_cb(conf, partition_choose);
    return conf;
}
