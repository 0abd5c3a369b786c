/* report: what librdkafka's error codes mean for a message, a topic, a producer; see kafka.h
 *
 * One rule decides the rows: a message is refused only by a code that speaks of this message alone. A code that one wrong setting
 * of a broker can bring for every message means "returned": it is sent again until somebody repairs that, because otherwise the
 * setting would turn everything into dead letters. So does every code that is not here.
 */
#include "kafka/internal.h"

struct meaning {
    rd_kafka_resp_err_t code;
    enum kafka_outcome outcome;
};

static const struct meaning meanings[] = {
    {RD_KAFKA_RESP_ERR_NO_ERROR, KAFKA_DELIVERED},

    /* The topic is not there. librdkafka says so after topic.metadata.propagation.max.ms. */
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, KAFKA_TOPIC_REFUSED},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, KAFKA_TOPIC_REFUSED},
    /* The partition is not there any more: the topic was made again with fewer. */
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, KAFKA_TOPIC_REFUSED},
    /* No permission to write to it. */
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, KAFKA_TOPIC_REFUSED},
    /* Invalid name, or an internal topic of Kafka's. */
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, KAFKA_TOPIC_REFUSED},
    /* The topic's min.insync.replicas above its replicas are no row here: retried by librdkafka until there are enough. */

    /* Above the topic's max.message.bytes, this one or the batch that it was in. */
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, KAFKA_RECORD_REFUSED},
    /* The broker's own validation of single records (KIP-467): no key for a compacted topic, a time out of the topic's range. */
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, KAFKA_RECORD_REFUSED},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, KAFKA_RECORD_REFUSED},
};

enum kafka_outcome report_outcome(rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (meanings[i].code == code)
            return meanings[i].outcome;
    }
    return KAFKA_RETURNED;
}

enum kafka_sent report_sent(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return KAFKA_SENT;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return KAFKA_FULL;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return KAFKA_TOO_LARGE;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return KAFKA_NO_TOPIC;
    default:
        /* _FATAL, and whatever else produce() has never said: a new producer finds out. */
        return KAFKA_BROKEN;
    }
}

enum trouble_rank report_trouble(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return TROUBLE_REFUSED;
    case RD_KAFKA_RESP_ERR__RESOLVE:
        return TROUBLE_ADDRESS;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        return TROUBLE_DOWN;
    default:
        return TROUBLE_NONE;
    }
}
