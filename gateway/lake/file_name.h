/* file_name: the names of lake files, which say what the files hold.
 *
 *     {stream}+{gateway id}.{epoch, 8 hex digits}+{first}+{last}.{extension}
 * as in readings+site-7.3f9a1c22+0000000001+0000000042.jsonl. Positions are padded to ten digits and grow beyond. What comes from a partition
 * of Kafka is named as Kafka Connect's HDFS sink does it, by the partition's offsets:
 *     {topic}+{partition}+{first}+{last}.{extension}
 * as in SENSOR_ID_1+0+0000000000+0000000002.json. Its stream is TOPIC, its gateway id TOPIC+PARTITION, its epoch 0; a position is the offset plus one.
 * There is one way to write each name: file_name_parse() takes only what file_name_compose() can have made. Pure. @thread any
 */
#ifndef PENSTOCK_LAKE_FILE_NAME_H
#define PENSTOCK_LAKE_FILE_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define FILE_NAME_TOPIC_MAX 180 /* so that names keep to the 255 bytes of file systems */
/* Topic, partition of 10 digits, two positions of 20, extension 16, four separators, the end. Stream and gateway id of 64, with an epoch of 8, take less. */
#define FILE_NAME_SIZE (FILE_NAME_TOPIC_MAX + 10 + 20 + 20 + 16 + 4 + 1)

struct file_name {
    struct slice stream;
    struct slice gateway_id;
    uint32_t epoch;
    uint64_t first, last;
    struct slice extension;
};

/* Whether text may stand for a stream or a gateway id: [A-Za-z0-9._-]{1,64}, not "." or "..". ERROR_REJECT
 * names `what`. */
int file_name_check(struct slice text, const char *what, struct error *error);

/* The same for a topic, which may be longer. */
int file_name_check_topic(struct slice text, struct error *error);

/* Whether text is the TOPIC+PARTITION that stands for a gateway id. */
bool file_name_is_partition(struct slice text);

/* Stream, gateway id and extension have passed file_name_check(), or stream and gateway id are those of a partition; 1 <= first <= last (assert). */
void file_name_compose(const struct file_name *name, char ret_text[FILE_NAME_SIZE]);

/* 0 with slices into text; -1: not the name of a lake file. */
int file_name_parse(struct slice text, struct file_name *ret_name);

#endif
