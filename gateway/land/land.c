/* land: the member of the group: its thread, its partitions, its commits, what it tells the outside; see land.h */
#include "land/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/health.h"
#include "base/log.h"

#define LAND_ROOT_MAX 4096
#define LAND_WAIT (CLOCK_SECOND / 10) /* most for the next record */
#define LAND_BATCH 1000 /* records between two looks at the clock */
#define LAND_COMMIT (CLOCK_SECOND) /* between two commits, */
#define LAND_COMMIT_WAIT (5 * CLOCK_SECOND) /* and how long one may take that is waited for */
#define LAND_COMMIT_LEAST (CLOCK_SECOND / 10)
#define LAND_PUBLISH_WAIT \
    (10 * CLOCK_SECOND) /* most for what is open in a partition that goes to another member */
#define LAND_TELL CLOCK_SECOND
#define LAND_PARTITION_DESCRIPTORS 8 /* of its lake, besides those of open files */
#define LAND_COMMITS 256 /* partitions in one commit */

/* ---- the configuration ---------------------------------------------------------------------------------------- */

bool land_is_configured(const struct config *config)
{
    return config->land.topics_count > 0;
}

void land_check(struct config *config)
{
    struct land_topics topics;
    struct error ignored;

    if (!land_is_configured(config))
        return;
    land_topics_compile(&topics, config, &ignored);
    land_topics_free(&topics);
    kafka_consumer_check(config, &config->land.properties);
    if (!kafka_is_configured(config))
        config_report(
            config, &config->land.topics, "Kafka is missing: kafka.properties needs bootstrap.servers");
}

static int land_set_root(struct land *land, struct error *error)
{
    const char *url = land->config->lake.url;
    const bool file = strncmp(url, "file:///", 8) == 0;

    if (url[0] ? bytes_add_text(&land->root, file ? url + 7 : url, error)
               : bytes_print(&land->root, error, "%s/lake", land->config->gateway.data))
        return error_wrap(error, "lake.url");
    return bytes_add(&land->root, "", 1, error);
}

int land_open(struct land **ret_land, struct config *config, const struct clock *clock, struct error *error)
{
    __attribute__((cleanup(land_close))) struct land *land = calloc(1, sizeof *land);

    if (!land)
        return error_set(error, ERROR_RETRY, "land: out of memory");
    land->config = config;
    land->clock = clock;
    land->publish_by = INT64_MAX;
    bytes_init(&land->root, LAND_ROOT_MAX);
    land_memory_init(&land->memory);
    if (!land_is_configured(config))
        return error_set(error, ERROR_FATAL, "land.topics names no topic");
    if (land_set_root(land, error) || land_topics_compile(&land->topics, config, error) ||
        kafka_client_new(&land->client, config, error))
        return -1;
    *ret_land = land;
    land = NULL;
    return 0;
}

void land_close(struct land **land)
{
    struct land *old = *land;

    *land = NULL;
    if (!old)
        return;
    land_stop(old, INT64_MIN);
    kafka_client_free(&old->client);
    land_topics_free(&old->topics);
    land_memory_free(&old->memory);
    bytes_free(&old->root);
    free(old);
}

int land_describe(const struct land *land, struct bytes *text, struct error *error)
{
    return bytes_print(text, error, "Kafka  %s, group %s\nLake   %s\n", kafka_client_servers(land->client),
        land->config->land.group, land->root.data);
}

bool land_has_failed(const struct land *land)
{
    return atomic_load(&land->failed);
}

/* ---- partitions ----------------------------------------------------------------------------------------------- */

static struct land_partition **land_find(struct land *land, const char *topic, int32_t number)
{
    struct land_partition **link = &land->partitions;

    while (*link && ((*link)->number != number || strcmp((*link)->topic, topic) != 0))
        link = &(*link)->next;
    return link;
}

static struct land_partition *land_partition_of(struct land *land, const struct kafka_record *record)
{
    struct land_partition *last = land->last;

    if (!last || last->number != record->partition || strcmp(last->topic, record->topic) != 0)
        land->last = *land_find(land, record->topic, record->partition);
    return land->last;
}

static void land_on_assigned(void *context, const char *topic, int32_t number)
{
    struct land *land = context;
    struct land_partition **link = land_find(land, topic, number);
    struct error error;

    if (*link)
        return;
    if (land_partition_new(link, land, topic, number, &error)) {
        log_event(LOG_ERROR, "land.failed", log_text("reason", error.text));
        atomic_store(&land->failed, true);
        return;
    }
    land->partitions_count++;
    lake_raise_descriptors(LAND_PARTITION_DESCRIPTORS);
    log_event(LOG_INFO, "land.assigned", log_text("topic", topic), log_number("partition", number));
}

static void land_commit(struct land *land, struct land_partition *only, int64_t wait);

/* For an answer of the brokers: of what is left of the time to stop, something in any case. */
static int64_t land_patience(const struct land *land)
{
    const int64_t left = atomic_load(&land->stopping)
                             ? atomic_load(&land->deadline) - clock_monotonic(land->clock)
                             : LAND_COMMIT_WAIT;

    return left > LAND_COMMIT_WAIT ? LAND_COMMIT_WAIT : left < LAND_COMMIT_LEAST ? LAND_COMMIT_LEAST : left;
}

/* Either is exact: what was published is there, what was not is read again by whoever comes next. */
static void land_on_revoked(void *context, const char *topic, int32_t number, bool lost)
{
    struct land *land = context;
    struct land_partition **link = land_find(land, topic, number);
    struct land_partition *partition = *link;
    struct error error;

    if (!partition)
        return;
    land->publish_by = clock_monotonic(land->clock) + LAND_PUBLISH_WAIT;
    if (!lost && land_partition_roll(partition, true, &error) == 0)
        land_commit(land, partition, land_patience(land));
    land->publish_by = INT64_MAX;
    log_event(LOG_INFO, "land.revoked", log_text("topic", topic), log_number("partition", number),
        log_text("lost", lost ? "yes" : "no"), log_number("offset", land_partition_cursor(partition)));
    *link = partition->next;
    land->last = NULL;
    land->partitions_count--;
    land_partition_free(&partition);
}

static void land_on_refused(void *context, const char *reason)
{
    struct land *land = context;

    land->recommit = true;
    log_event(LOG_WARN, "land.commit", log_text("reason", reason));
}

/* What a step of a partition has come to. */
static void land_judge(struct land_partition *partition, int result, const struct error *error)
{
    if (result == 0)
        return;
    if (error->kind == ERROR_FATAL)
        land_partition_stop(partition, error->text);
    else
        land_partition_fail(partition, error);
}

/* ---- steps ---------------------------------------------------------------------------------------------------- */

static bool land_is_worth(const struct land *land, const struct land_partition *partition)
{
    return partition->state == LAND_OPEN &&
           (land->recommit || land_partition_cursor(partition) != partition->committed);
}

/* Of one partition, or of all; wait 0: the answer is told later, if it is bad. */
static void land_commit(struct land *land, struct land_partition *only, int64_t wait)
{
    struct kafka_commit commits[LAND_COMMITS];
    struct error error;
    size_t count = 0;

    for (struct land_partition *next = only ? only : land->partitions; next;
         next = only ? NULL : next->next) {
        if (land_is_worth(land, next)) {
            struct kafka_commit *commit = &commits[count++];
            commit->topic = next->topic;
            commit->partition = next->number;
            commit->offset = next->committed = land_partition_cursor(next);
            land_witness_print(&next->witness, commit->note);
        }
        if (count && (count == LAND_COMMITS || only || !next->next)) {
            if (kafka_consumer_commit(land->consumer, commits, count, wait, &error))
                land_on_refused(land, error.text);
            count = 0;
        }
    }
}

static void land_commit_when_due(struct land *land, int64_t now)
{
    if (now < land->commit_at)
        return;
    const bool again = land->recommit;
    land_commit(land, NULL, 0);
    if (again)
        land->recommit = false;
    land->commit_at = now + LAND_COMMIT;
}

static void land_take(struct land *land, enum kafka_arrival arrival, const struct kafka_record *record)
{
    struct land_partition *partition = land_partition_of(land, record);
    struct error error;

    if (!partition || partition->state == LAND_STOPPED)
        return;
    if (arrival == KAFKA_RECORD)
        land_judge(partition, land_partition_record(partition, record, &error), &error);
    else if (arrival == KAFKA_END)
        land_judge(partition, land_partition_end(partition, record->offset, &error), &error);
    else if (partition->state != LAND_WAITS) {
        /* Opening it finds out what is wrong, and stops it if it is so. */
        error_set(&error, ERROR_RETRY, "offset %" PRId64 " is not in the log", partition->from);
        land_partition_fail(partition, &error);
    }
}

/* Records as far as they are there; waits for the first one only. */
static void land_read(struct land *land, int64_t wait)
{
    for (int i = 0; i < LAND_BATCH; i++) {
        struct kafka_record record;
        const enum kafka_arrival arrival = kafka_consumer_poll(land->consumer, i ? 0 : wait, &record);
        if (arrival == KAFKA_NOTHING)
            return;
        land_take(land, arrival, &record);
    }
}

/* What is due in each; returns when something is due next. */
static int64_t land_look(struct land *land, int64_t now)
{
    int64_t due = now + LAND_WAIT;

    for (struct land_partition *next = land->partitions; next; next = next->next) {
        struct error error;
        if (next->state == LAND_WAITS && next->retry_at <= now)
            land_judge(next, land_partition_open(next, &error), &error);
        if (next->state == LAND_OPEN && lake_due(next->lake) <= now)
            land_judge(next, land_partition_roll(next, false, &error), &error);
        if (next->state == LAND_WAITS && next->retry_at < due)
            due = next->retry_at;
        if (next->state == LAND_OPEN && lake_due(next->lake) < due)
            due = lake_due(next->lake);
    }
    return due;
}

/* ---- what it tells -------------------------------------------------------------------------------------------- */

static void land_tell_partition(struct land *land, struct land_partition *partition, uint64_t *open_files)
{
    const int64_t end = kafka_consumer_known_end(land->consumer, partition->topic, partition->number);

    if (end >= partition->from)
        metric_set(partition->lag, (double)(end - partition->from));
    if (!partition->lake)
        return;
    *open_files += lake_open_files(partition->lake);
    metric_add(metric_series(METRIC_LAND_FILES, NULL, NULL, NULL),
        lake_published(partition->lake) - partition->files);
    partition->files = lake_published(partition->lake);
}

static void land_tell_trouble(struct land *land)
{
    const char *trouble = kafka_consumer_trouble(land->consumer);

    if (strcmp(trouble, land->trouble) == 0)
        return;
    snprintf(land->trouble, sizeof land->trouble, "%s", trouble);
    health_set("kafka", trouble[0] ? HEALTH_DEGRADED : HEALTH_OK, trouble);
    if (trouble[0])
        log_event(LOG_WARN, "land.kafka", log_text("reason", trouble));
}

static void land_tell(struct land *land, int64_t now)
{
    static const char *const states[] = {"waiting", "open", "stopped"};
    static const size_t state_of[] = {
        [LAND_WAITS] = 0, [LAND_CHECKS] = 0, [LAND_OPEN] = 1, [LAND_STOPPED] = 2};
    uint64_t open_files = 0;
    uint64_t counts[3] = {0};

    if (now < land->tell_at)
        return;
    land->tell_at = now + LAND_TELL;
    for (struct land_partition *next = land->partitions; next; next = next->next) {
        land_tell_partition(land, next, &open_files);
        counts[state_of[next->state]]++;
    }
    for (size_t i = 0; i < 3; i++)
        metric_set(metric_series(METRIC_LAND_PARTITIONS, states[i], NULL, NULL), (double)counts[i]);
    metric_set(metric_series(METRIC_LAND_OPEN_FILES, NULL, NULL, NULL), (double)open_files);
    if (counts[0] == 0)
        health_set("land.waiting", HEALTH_OK, NULL);
    if (counts[2] == 0)
        health_set("land.stopped", HEALTH_OK, NULL);
    land_tell_trouble(land);
}

/* ---- the thread ----------------------------------------------------------------------------------------------- */

static void *land_thread(void *argument)
{
    struct land *land = argument;

    while (!atomic_load(&land->stopping)) {
        int64_t now = clock_monotonic(land->clock);
        const int64_t due = land_look(land, now);
        now = clock_monotonic(land->clock);
        land_read(land, due > now ? due - now : 0);
        now = clock_monotonic(land->clock);
        land_commit_when_due(land, now);
        land_tell(land, now);
    }
    kafka_consumer_close(&land->consumer);
    /* Those that nobody took back: the group was left without an answer. */
    while (land->partitions)
        land_on_revoked(land, land->partitions->topic, land->partitions->number, true);
    log_event(LOG_INFO, "land.stop", log_text("group", land->config->land.group));
    return NULL;
}

int land_run(struct land *land, struct error *error)
{
    const struct kafka_consumer_options options = {
        .group = land->config->land.group,
        .properties = &land->config->land.properties,
        .topics = land->topics.names,
        .topics_count = land->topics.names_count,
        .assigned = land_on_assigned,
        .revoked = land_on_revoked,
        .refused = land_on_refused,
        .context = land,
    };

    lake_raise_descriptors(land->config->lake.max_open_files);
    if (kafka_consumer_open(&land->consumer, land->client, &options, error))
        return -1;
    log_event(LOG_INFO, "land.start", log_text("group", land->config->land.group),
        log_text("root", land->root.data));
    const int failure = pthread_create(&land->thread, NULL, land_thread, land);
    if (failure) {
        kafka_consumer_close(&land->consumer);
        return error_set(error, ERROR_FATAL, "land: thread: %s", strerror(failure));
    }
    pthread_setname_np(land->thread, "land");
    land->running = true;
    return 0;
}

void land_stop(struct land *land, int64_t deadline)
{
    if (!land->running)
        return;
    atomic_store(&land->deadline, deadline);
    atomic_store(&land->stopping, true);
    pthread_join(land->thread, NULL);
    land->running = false;
}
