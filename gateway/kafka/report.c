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
    /* A rule that somebody set up for the topic, or its old message format (no headers): all of it waits until that is changed. */
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, KAFKA_TOPIC_REFUSED},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, KAFKA_TOPIC_REFUSED},
    /* Too few replicas for min.insync.replicas is no row: librdkafka asks again until there are enough. */

    /* Above the topic's max.message.bytes, or its segment.bytes: this one, or the batch that it was in. */
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, KAFKA_RECORD_REFUSED},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, KAFKA_RECORD_REFUSED},
    /* The broker's validation of single records (KIP-467): no key in a compacted topic, a time too far off for the topic. */
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, KAFKA_RECORD_REFUSED},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, KAFKA_RECORD_REFUSED},
    /* INVALID_MSG (a checksum) and UNSUPPORTED_COMPRESSION_TYPE are no rows: a link or a broker that is too old, not the record. */
};

enum kafka_outcome report_outcome(rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (meanings[i].code == code)
            return meanings[i].outcome;
    }
    return KAFKA_RETURNED;
}

bool report_is_silence(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
        return true;
    default:
        return false;
    }
}

const char *report_reason(rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return KAFKA_TOPIC_MISSING;
    return rd_kafka_err2str(code);
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
    default:
        /* What is left is _FATAL, or has never been seen: a new producer finds out. */
        return report_outcome(code) == KAFKA_TOPIC_REFUSED ? KAFKA_NO_TOPIC : KAFKA_BROKEN;
    }
}

enum trouble_rank report_trouble(rd_kafka_resp_err_t code, const char *text)
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
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        /* A broker that does not expect TLS, or expects it or a login, only closes the connection; librdkafka guesses why. */
        return strstr(text, "SSL handshake") || strstr(text, "security.protocol") ? TROUBLE_REFUSED
                                                                                  : TROUBLE_DOWN;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return TROUBLE_ALL_DOWN;
    default:
        return TROUBLE_NONE;
    }
}
