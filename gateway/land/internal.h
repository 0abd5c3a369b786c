/* internal: what the files of this room share. Only they include it. */
#ifndef PENSTOCK_LAND_INTERNAL_H
#define PENSTOCK_LAND_INTERNAL_H

#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>

#include "base/metric.h"
#include "base/option.h"
#include "kafka/kafka.h"
#include "lake/lake.h"
#include "land/land.h"
#include "route/route.h"

/* ---- topic.c: the entries of land.topics, compiled ------------------------------------------------------------ */

#define LAND_OWN_LABELS 2 /* topic and partition, in front of the user's */

struct land_topic {
    enum record_format format;
    struct form form; /* of its files */
    struct template *path;
    bool keyed; /* the path has {key} */
    struct json_pointers *pointers; /* of key, time and labels, as far as they are any; NULL: none */
    size_t pointers_count;
    int key, time; /* which of them; negative: the message's own */
    const char *headers[RECORD_LABELS_MAX]; /* of each label; NULL: it is a pointer */
    int labels[RECORD_LABELS_MAX]; /* which pointer */
    size_t labels_count; /* with the own ones */
    const struct config_land_topic *config;
    regex_t patterns[OPTION_LIST_MAX];
    size_t patterns_count;
};

struct land_topics {
    struct land_topic *items;
    size_t count;
    struct template *dead_letters;
    const char **names; /* all names and patterns */
    size_t names_count;
};

/* What is wrong is reported to the config (-1). */
int land_topics_compile(struct land_topics *topics, struct config *config, struct error *error);
void land_topics_free(struct land_topics *topics);
/* The first entry that names the topic; NULL: none. */
const struct land_topic *land_topics_find(const struct land_topics *topics, const char *name);

/* ---- row.c: a record as a row of the lake. Pure but for memory ------------------------------------------------- */

struct land_place {
    const char *topic;
    struct slice partition; /* in digits */
    const struct rendering *table; /* of a file of a table; NULL: lines */
};

struct land_memory {
    struct bytes path, key, letter;
};

void land_memory_init(struct land_memory *memory);
void land_memory_free(struct land_memory *memory);

/* ERROR_REJECT: it cannot be stored so, and why. The row points into the record and the memory. */
int land_row_make(const struct land_topic *topic, const struct land_place *place,
    const struct kafka_record *record, struct land_memory *memory, struct lake_row *ret_row,
    struct error *error);
/* The same record as a dead letter. */
int land_row_bury(const struct template *path, const struct land_place *place,
    const struct kafka_record *record, const char *why, struct land_memory *memory, struct lake_row *ret_row,
    struct error *error);

/* ---- witness.c: how a log is known again. Pure ------------------------------------------------------------------ */

/* The last record that was read when something was committed: in another log there is another one at its offset, or none. */
struct land_witness {
    int64_t offset; /* negative: none */
    int64_t time;
    uint32_t checksum; /* of key and value */
};

void land_witness_take(struct land_witness *witness, const struct kafka_record *record);
void land_witness_print(const struct land_witness *witness, char ret_note[KAFKA_NOTE_MAX]);
#define LAND_NOTE_STOPPED "penstock stopped" /* instead, for whoever opens the partition next */
/* What is no note of ours has none. */
void land_witness_parse(const char *note, struct land_witness *ret_witness);
bool land_witness_equal(const struct land_witness *one, const struct land_witness *other);

/* ---- partition.c: one partition and its lake --------------------------------------------------------------------- */

enum land_state {
    LAND_WAITS, /* to be opened */
    LAND_CHECKS, /* reads the witness */
    LAND_OPEN,
    LAND_STOPPED, /* for people to decide */
};

struct land_partition {
    struct land_partition *next;
    struct land *land;
    const struct land_topic *entry; /* NULL: a pattern of librdkafka's that is none of ours */
    enum land_state state;
    char *topic, *owner, *spool; /* owner: TOPIC+PARTITION; topic and digits point to memory of it, too */
    int32_t number;
    struct slice digits;
    struct rendering table; /* the entry's form under the topic's name; owns nothing */
    struct lake *lake; /* NULL: closed */
    int64_t retry_at; /* monotonic */
    unsigned tries; /* to start it */
    uint64_t failures, doubts; /* in a row; doubts: times that the log seemed to be another one */
    int64_t start; /* offset, where it is to begin */
    int64_t from; /* offset that is read next */
    bool begun; /* something has come since it was started there */
    int64_t gap; /* where it seemed to begin instead; negative: nowhere */
    int64_t committed; /* asked for last; negative: nothing */
    bool unproven; /* nothing was committed when it was opened */
    uint64_t replay_until; /* position */
    uint64_t files; /* published by the present lake, counted already */
    struct land_witness witness, expected;
    struct metric_series *records, *letters, *lag;
};

struct land {
    struct config *config;
    const struct clock *clock;
    struct kafka_client *client;
    struct kafka_consumer *consumer; /* NULL: closed */
    struct land_topics topics;
    struct bytes root; /* terminated */
    struct land_partition *partitions, *last; /* last: of the record before */
    size_t partitions_count;
    struct land_memory memory;
    int64_t publish_by; /* monotonic: a store is waited for no longer; INT64_MAX: as long as it takes */
    int64_t commit_at, tell_at;
    bool recommit; /* a commit was refused */
    char trouble[ERROR_TEXT_SIZE]; /* told */
    pthread_t thread;
    bool running;
    atomic_bool stopping;
    _Atomic int64_t deadline;
    atomic_bool failed;
};

int land_partition_new(struct land_partition **ret_partition, struct land *land, const char *topic,
    int32_t number, struct error *error);
/* Drops what is open. */
void land_partition_free(struct land_partition **partition);

/* Fences, asks, and starts reading. */
int land_partition_open(struct land_partition *partition, struct error *error);
/* ERROR_RETRY: to be opened again. ERROR_FATAL: it has to be stopped. */
int land_partition_record(
    struct land_partition *partition, const struct kafka_record *record, struct error *error);
int land_partition_end(struct land_partition *partition, int64_t offset, struct error *error);
/* What is due, or all. */
int land_partition_roll(struct land_partition *partition, bool all, struct error *error);
/* What the group would read next. */
int64_t land_partition_cursor(const struct land_partition *partition);
void land_partition_fail(struct land_partition *partition, const struct error *error);
void land_partition_stop(struct land_partition *partition, const char *reason);

#endif
