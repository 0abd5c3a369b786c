/* kafka_produce: what librdkafka itself gives to one producer, as its own rdkafka_performance -P measures it.
 *
 *     kafka_produce SERVERS TOPIC FILE MESSAGES RATE ID [NAME=VALUE...]
 *
 * Sends MESSAGES messages, the lines of FILE (KEY, tab, value) over and over, as fast as librdkafka takes them (RATE 0) or RATE
 * per second. Each has a header penstock-id of ID and the message's number, so that it is as long as what penstock sends; none
 * when ID is empty. Every message's report is waited for and counted; one that is not "delivered" ends the program. The figures run from the first report to the last one, so that connecting is not in them. The
 * properties are the ones that penstock sets; NAME=VALUE adds to them.
 *
 * With a transactional.id among them the messages go in transactions, one after the other, as those of exactly-once do: as many messages as are sent
 * within TRANSACTION_EVERY, TRANSACTION_MOST at most, and one more that stands for the position, in the topic TOPIC_POSITIONS of one partition.
 */
#include "bench/tool.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 100000
#define FILE_MAX ((size_t)64 << 20)
#define ID_MAX 128
#define ID_DIGITS 10
#define POLL_EVERY 256 /* messages between two looks for reports */
#define FULL_WAIT 1 /* ms, when the queue is full */
#define LATENCY_EVERY 64 /* messages: every such one is timed */
#define TRANSACTION_EVERY (TOOL_SECOND / 4)
#define TRANSACTION_MOST (1 << 17) /* messages */
#define TRANSACTION_PATIENCE 60000 /* ms, for the brokers' answer */
#define TOPIC_POSITIONS "bench-positions"

static const char *const properties[][2] = {
    {"enable.idempotence", "true"}, {"enable.gapless.guarantee", "true"}, {"acks", "all"},
    {"message.timeout.ms", "0"}, {"linger.ms", "20"}, {"compression.type", "lz4"},
    {"batch.num.messages", "10000"}, {"queue.buffering.max.messages", "50000"},
    {"queue.buffering.max.kbytes", "16384"}, {"partitioner", "murmur2_random"},
    {"log_level", "3"}, /* the gapless guarantee brings a warning at every start */
};

struct line {
    const char *key;
    size_t key_length;
    char *value;
    size_t value_length;
};

struct producer {
    rd_kafka_t *kafka;
    rd_kafka_topic_t *topic;
    struct line *lines;
    uint64_t lines_count;
    char id[ID_MAX + ID_DIGITS + 1];
    size_t id_length; /* 0: no header */
    rd_kafka_topic_t *positions; /* NULL: there are no transactions */
    int64_t begun; /* when the transaction's first message was sent; 0: it has none */
    uint64_t committed;
    uint64_t transactions;
    uint64_t messages;
    uint64_t sent;
    uint64_t reported;
    int64_t first; /* when the first report came */
    int64_t last;
    int64_t cpu; /* used until the first report */
    struct tool_latency *latency;
};

static void die(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

/* Splits the file in place. */
static void read_lines(struct producer *producer, const char *file)
{
    FILE *stream = fopen(file, "rb");
    char *text = tool_allocate(FILE_MAX + 1);

    if (!stream)
        tool_fail(file);
    size_t length = fread(text, 1, FILE_MAX, stream);
    fclose(stream);
    producer->lines = tool_allocate(LINES_MAX * sizeof *producer->lines);
    for (char *at = text, *end; at < text + length; at = end + 1) {
        end = memchr(at, '\n', (size_t)(text + length - at));
        char *tab = end ? memchr(at, '\t', (size_t)(end - at)) : NULL;
        if (!tab || producer->lines_count == LINES_MAX)
            die(file, "not at most 100000 lines of KEY, tab, value");
        producer->lines[producer->lines_count++] =
            (struct line){at, (size_t)(tab - at), tab + 1, (size_t)(end - tab - 1)};
    }
    if (!producer->lines_count)
        die(file, "empty");
}

static void reported(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
    struct producer *producer = opaque;
    int64_t sent = (int64_t)(intptr_t)message->_private;

    (void)kafka;
    if (message->err)
        die("a message was not delivered", rd_kafka_err2str(message->err));
    if (message->rkt == producer->positions)
        return;
    if (producer->reported++ == 0) {
        producer->first = tool_now();
        producer->cpu = tool_cpu();
    }
    if (sent)
        tool_latency_add(producer->latency, tool_now() - sent);
    if (producer->reported == producer->messages)
        producer->last = tool_now();
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[512];

    if (rd_kafka_conf_set(conf, name, value, text, sizeof text))
        die(name, text);
}

static void open_producer(struct producer *producer, const char *servers, const char *topic, char **more)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    set(conf, "bootstrap.servers", servers);
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        set(conf, properties[i][0], properties[i][1]);
    for (; *more; more++) {
        char *equals = strchr(*more, '=');
        if (!equals)
            die(*more, "not NAME=VALUE");
        *equals = 0;
        set(conf, *more, equals + 1);
    }
    rd_kafka_conf_set_dr_msg_cb(conf, reported);
    rd_kafka_conf_set_opaque(conf, producer);
    producer->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!producer->kafka)
        die("rd_kafka_new", text);
    producer->topic = rd_kafka_topic_new(producer->kafka, topic, NULL);
    if (!producer->topic)
        die(topic, rd_kafka_err2str(rd_kafka_last_error()));
}

static bool names_transactions(char **properties_more)
{
    static const char name[] = "transactional.id=";

    while (*properties_more && strncmp(*properties_more, name, strlen(name)) != 0)
        properties_more++;
    return *properties_more;
}

/* ---- transactions ---------------------------------------------------------------------------------------------- */

static void must(const char *what, rd_kafka_error_t *failure)
{
    if (failure)
        die(what, rd_kafka_error_string(failure));
}

static void begin_transactions(struct producer *producer)
{
    producer->positions = rd_kafka_topic_new(producer->kafka, TOPIC_POSITIONS, NULL);
    if (!producer->positions)
        die(TOPIC_POSITIONS, rd_kafka_err2str(rd_kafka_last_error()));
    must("init", rd_kafka_init_transactions(producer->kafka, TRANSACTION_PATIENCE));
    must("begin", rd_kafka_begin_transaction(producer->kafka));
}

static void wait_for_reports(struct producer *producer)
{
    while (producer->reported < producer->sent)
        rd_kafka_poll(producer->kafka, 100);
}

static void commit(struct producer *producer)
{
    char position[256];
    const int length = snprintf(position, sizeof position,
        "{\"version\":1,\"log\":\"0123456789abcdef\",\"epoch\":1,\"sequence\":%" PRIu64
        ",\"base\":0,\"delivered\":%" PRIu64 ",\"dead_lettered\":0,\"not_for_outlet\":0,\"damaged\":0}",
        producer->sent, producer->sent);

    wait_for_reports(producer);
    if (rd_kafka_produce(producer->positions, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, position,
            (size_t)length, "bench", strlen("bench"), NULL))
        die(TOPIC_POSITIONS, rd_kafka_err2str(rd_kafka_last_error()));
    must("commit", rd_kafka_commit_transaction(producer->kafka, TRANSACTION_PATIENCE));
    producer->committed = producer->sent;
    producer->transactions++;
    producer->begun = 0;
    must("begin", rd_kafka_begin_transaction(producer->kafka));
}

/* Looked at every POLL_EVERY messages. */
static void commit_what_is_due(struct producer *producer)
{
    if (!producer->positions)
        return;
    if (!producer->begun)
        producer->begun = tool_now();
    else if (tool_now() - producer->begun >= TRANSACTION_EVERY ||
             producer->sent - producer->committed >= TRANSACTION_MOST)
        commit(producer);
}

/* ---- sending --------------------------------------------------------------------------------------------------- */

/* Counts the digits at the end of the id up by one. */
static void next_id(struct producer *producer)
{
    char *digit = producer->id + producer->id_length - 1;

    for (; *digit == '9'; digit--)
        *digit = '0';
    ++*digit;
}

static rd_kafka_resp_err_t send_with_id(struct producer *producer, const struct line *line, void *opaque)
{
    return rd_kafka_producev(producer->kafka, RD_KAFKA_V_RKT(producer->topic),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(line->key, line->key_length),
        RD_KAFKA_V_VALUE(line->value, line->value_length),
        RD_KAFKA_V_HEADER("penstock-id", producer->id, (ssize_t)producer->id_length),
        RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
}

/* The cheaper call, which takes no headers. */
static rd_kafka_resp_err_t send_plain(struct producer *producer, const struct line *line, void *opaque)
{
    if (rd_kafka_produce(producer->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, line->value,
            line->value_length, line->key, line->key_length, opaque))
        return rd_kafka_last_error();
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* false: the queue is full. */
static bool send_one(struct producer *producer)
{
    const struct line *line = &producer->lines[producer->sent % producer->lines_count];
    void *opaque = producer->sent % LATENCY_EVERY ? NULL : (void *)(intptr_t)tool_now();
    rd_kafka_resp_err_t failed =
        producer->id_length ? send_with_id(producer, line, opaque) : send_plain(producer, line, opaque);

    if (failed == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return false;
    if (failed)
        die("produce", rd_kafka_err2str(failed));
    producer->sent++;
    if (producer->id_length)
        next_id(producer);
    return true;
}

static void send_all(struct producer *producer, uint64_t rate)
{
    int64_t start = tool_now();

    while (producer->sent < producer->messages) {
        if (!send_one(producer))
            rd_kafka_poll(producer->kafka, FULL_WAIT);
        else if (producer->sent % POLL_EVERY == 0) {
            rd_kafka_poll(producer->kafka, 0);
            commit_what_is_due(producer);
            if (rate)
                tool_sleep_until(start + (int64_t)(producer->sent * (uint64_t)TOOL_SECOND / rate));
        }
    }
    wait_for_reports(producer);
    if (producer->positions && producer->committed < producer->sent)
        commit(producer);
}

int main(int count, char **arguments)
{
    struct producer producer = {0};

    if (count < 7) {
        fputs("usage: kafka_produce SERVERS TOPIC FILE MESSAGES RATE ID [NAME=VALUE...]\n", stderr);
        return 2;
    }
    producer.messages = tool_number(arguments[4], "MESSAGES", 2, 1000000000);
    uint64_t rate = tool_number(arguments[5], "RATE", 0, 10000000);
    if (strlen(arguments[6]) > ID_MAX)
        die(arguments[6], "longer than 128 bytes");
    if (*arguments[6])
        producer.id_length =
            (size_t)snprintf(producer.id, sizeof producer.id, "%s%0*d", arguments[6], ID_DIGITS, 0);
    producer.latency = tool_allocate(sizeof *producer.latency);
    read_lines(&producer, arguments[3]);
    const bool transactional = names_transactions(arguments + 7);
    open_producer(&producer, arguments[1], arguments[2], arguments + 7);
    if (transactional)
        begin_transactions(&producer);
    send_all(&producer, rate);
    tool_report(producer.reported, 0, producer.reported, producer.last - producer.first,
        tool_cpu() - producer.cpu, producer.latency, NULL);
    if (transactional) {
        fprintf(stderr, "%" PRIu64 " transactions\n", producer.transactions);
        rd_kafka_topic_destroy(producer.positions);
    }
    rd_kafka_topic_destroy(producer.topic);
    rd_kafka_destroy(producer.kafka);
    return 0;
}
