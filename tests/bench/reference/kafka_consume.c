/* kafka_consume: the least that landing a topic can cost, with librdkafka.
 *
 *     kafka_consume SERVERS TOPIC DIRECTORY MESSAGES
 *
 * Reads MESSAGES messages of all partitions, no group, no offsets, and appends each value and a line feed to its partition's file, as it is: nothing is
 * looked at. A file of FILE_MAX bytes is fsynced, as all are at the end, and another one begun. The properties are the ones that penstock sets, but for the memory that may be taken: with less than all of it librdkafka
 * 2.0.2 waits for a second whenever that is used up. The figures run
 * from the first message to the last fsync, so that connecting is not in them.
 */
#include "bench/tool.h"

#include <fcntl.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARTITIONS_MAX 64
#define BUFFER ((size_t)128 << 10)
#define FILE_MAX ((off_t)128 << 20)
#define BATCH 1000
#define WAIT 1000 /* ms */
#define PATIENCE 10000 /* ms */

static const char *const properties[][2] = {
    {"group.id", "bench-consume"},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"isolation.level", "read_committed"},
    {"enable.partition.eof", "true"},
    {"queued.max.messages.kbytes", "2097151"},
    {"queued.min.messages", "10000000"},
    {"fetch.max.bytes", "8388608"},
    {"check.crcs", "true"},
    {"log_level", "3"},
};

struct output {
    int file, number;
    off_t size;
    size_t used;
    char buffer[BUFFER];
};

static const char *directory;
static struct output *outputs[PARTITIONS_MAX];

static void die(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static void flush(struct output *output)
{
    tool_write(output->file, output->buffer, output->used, output->size);
    output->size += (off_t)output->used;
    output->used = 0;
}

static void finish(struct output *output)
{
    flush(output);
    if (fsync(output->file) || close(output->file))
        tool_fail("fsync");
    output->file = -1;
}

static void append(int32_t partition, const void *data, size_t length)
{
    struct output *output = outputs[partition];
    char path[4096];

    if (!output)
        *(outputs[partition] = output = tool_allocate(sizeof *output)) = (struct output){.file = -1};
    if (length >= BUFFER)
        die("value", "larger than the buffer");
    if (output->file < 0) {
        snprintf(path, sizeof path, "%s/%" PRId32 "-%d", directory, partition, output->number++);
        output->file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        output->size = 0;
        if (output->file < 0)
            tool_fail(path);
    }
    if (output->used + length + 1 > BUFFER)
        flush(output);
    memcpy(output->buffer + output->used, data, length);
    output->buffer[output->used + length] = '\n';
    output->used += length + 1;
    if (output->size + (off_t)output->used >= FILE_MAX)
        finish(output);
}

static rd_kafka_t *open_consumer(const char *servers)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], text, sizeof text))
            die(properties[i][0], text);
    if (rd_kafka_conf_set(conf, "bootstrap.servers", servers, text, sizeof text))
        die("SERVERS", text);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!kafka)
        die("rd_kafka_new", text);
    rd_kafka_poll_set_consumer(kafka);
    return kafka;
}

static void assign_all(rd_kafka_t *kafka, const char *name)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka, name, NULL);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS_MAX);
    rd_kafka_resp_err_t code = rd_kafka_metadata(kafka, 0, topic, &metadata, PATIENCE);

    if (code || metadata->topics[0].partition_cnt > PARTITIONS_MAX)
        die(name, rd_kafka_err2str(code));
    for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
        rd_kafka_topic_partition_list_add(list, name, i)->offset = 0;
    if ((code = rd_kafka_assign(kafka, list)))
        die("rd_kafka_assign", rd_kafka_err2str(code));
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_topic_destroy(topic);
}

int main(int count, char **arguments)
{
    if (count != 5) {
        fputs("usage: kafka_consume SERVERS TOPIC DIRECTORY MESSAGES\n", stderr);
        return 2;
    }
    rd_kafka_t *kafka = open_consumer(arguments[1]);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(kafka);
    const uint64_t messages = tool_number(arguments[4], "MESSAGES", 1, UINT64_MAX);
    struct tool_latency *latency = tool_allocate(sizeof *latency);
    int64_t start = 0, cpu = 0;

    directory = arguments[3];
    assign_all(kafka, arguments[2]);
    for (uint64_t taken = 0; taken < messages;) {
        rd_kafka_message_t *batch[BATCH];
        const ssize_t got = rd_kafka_consume_batch_queue(queue, WAIT, batch, BATCH);
        if (got > 0 && !start) {
            start = tool_now();
            cpu = tool_cpu();
        }
        for (ssize_t i = 0; i < got; i++) {
            if (!batch[i]->err) {
                append(batch[i]->partition, batch[i]->payload, batch[i]->len);
                taken++;
            } else if (batch[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
                die("message", rd_kafka_message_errstr(batch[i]));
            rd_kafka_message_destroy(batch[i]);
        }
    }
    for (size_t i = 0; i < PARTITIONS_MAX; i++)
        if (outputs[i] && outputs[i]->file >= 0)
            finish(outputs[i]);
    tool_report(0, 0, messages, tool_now() - start, tool_cpu() - cpu, latency, NULL);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(kafka);
    rd_kafka_destroy(kafka);
    return 0;
}
