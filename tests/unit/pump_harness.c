/* pump_harness: see pump_harness.h */
#include "pump_harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

#define PATIENCE (120 * CLOCK_SECOND)

struct kafka_fixture kafka;

/* ---- time ------------------------------------------------------------------------------------------------- */

static int64_t passed;

static int64_t passing_monotonic(const struct clock *clock)
{
    (void)clock;
    return clock_monotonic(&clock_system) + passed;
}

static struct clock passing_clock;

void kafka_pass_time(int64_t microseconds)
{
    passed += microseconds;
}

/* ---- set-up ----------------------------------------------------------------------------------------------- */

static void add_rendering(uint32_t id, const char *first, const char *second)
{
    struct rendering rendering = {
        .id = id, .lake_path = "readings", .topics = {(char *)first, (char *)second}};
    cleanup_bytes struct bytes body;

    rendering.topics_count = (size_t)(first != NULL) + (second != NULL);
    bytes_init(&body, 10000);
    snprintf(rendering.stream, sizeof rendering.stream, "stream%u", id);
    cr_assert_eq(rendering_encode(&rendering, &body, &kafka.error), 0);
    cr_assert_eq(rendering_apply(kafka.renderings, body.data, body.length, 0, &kafka.error), 0);
}

static void open_cluster(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[256];

    rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
    kafka.handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    cr_assert(kafka.handle, "%s", reason);
    kafka.cluster = rd_kafka_mock_cluster_new(kafka.handle, 3);
    cr_assert(kafka.cluster);
    cr_assert_eq(rd_kafka_mock_topic_create(kafka.cluster, "t", 4, 3), 0);
    cr_assert_eq(rd_kafka_mock_topic_create(kafka.cluster, "u", 4, 3), 0);
    cr_assert_eq(rd_kafka_mock_topic_create(kafka.cluster, "x", 1, 3), 0);
}

static void open_client(void)
{
    static char servers[512];
    /* The mock checks no sequence numbers: of two batches under way it would take the second though it refused the first. */
    static struct config_pair pairs[] = {{"max.in.flight", "1"}, {"bootstrap.servers", servers},
        {"retry.backoff.ms", "50"}, {"reconnect.backoff.ms", "20"}, {"reconnect.backoff.max.ms", "100"}};

    snprintf(servers, sizeof servers, "%s", rd_kafka_mock_cluster_bootstraps(kafka.cluster));
    cr_assert_eq(config_load(&kafka.config, NULL, NULL, 0), 0);
    kafka.config->kafka.properties = (struct config_map){pairs, sizeof pairs / sizeof *pairs};
    cr_assert_eq(kafka_client_new(&kafka.client, kafka.config, &kafka.error), 0, "%s", kafka.error.text);
}

static void open_journal(void)
{
    static const char *const outlets[] = {"kafka"};

    kafka.journal.options.outlets = outlets;
    cr_assert_eq(fixture_open(&kafka.journal), 0, "%s", kafka.journal.error.text);
    kafka.options.journal = kafka.journal.journal;
}

void kafka_set_up(void)
{
    log_configure(LOG_ERROR, LOG_FORMAT_TEXT, open("/dev/null", O_WRONLY | O_CLOEXEC), &clock_system);
    kafka = (struct kafka_fixture){0};
    passing_clock = (struct clock){clock_system.wall, passing_monotonic};
    kafka_set_origin("");
    fixture_start(&kafka.journal);
    kafka.journal.options.segment_size = UINT64_C(1) << 20;
    kafka.journal.options.max_size = UINT64_C(64) << 20;
    snprintf(kafka.letters_directory, sizeof kafka.letters_directory, "%s.letters", kafka.journal.directory);
    open_cluster();
    open_client();
    cr_assert_eq(
        dead_letters_open(&kafka.letters, kafka.letters_directory, UINT64_C(1) << 30, &kafka.error), 0);
    cr_assert_eq(rendering_table_new(&kafka.renderings, &kafka.error), 0);
    add_rendering(1, "t", NULL);
    add_rendering(2, "t", "u");
    add_rendering(3, NULL, NULL);
    add_rendering(4, "SENSOR_{key}", NULL);
    add_rendering(5, "x", NULL);
    kafka.options = (struct kafka_pump_options){
        .renderings = kafka.renderings,
        .dead_letters = kafka.letters,
        .client = kafka.client,
        .gateway_id = "test-1",
        .clock = &passing_clock,
        .max_topics = 100,
        .max_marks = 200,
        .hold_retry = CLOCK_SECOND / 5,
    };
    open_journal();
}

void kafka_tear_down(void)
{
    kafka_pump_close(&kafka.pump);
    fixture_end(&kafka.journal);
    rendering_table_free(&kafka.renderings);
    dead_letters_close(&kafka.letters);
    directory_delete(kafka.letters_directory);
    kafka_client_free(&kafka.client);
    config_free(&kafka.config);
    rd_kafka_mock_cluster_destroy(kafka.cluster);
    rd_kafka_destroy(kafka.handle);
}

void kafka_open_pump(void)
{
    cr_assert_eq(kafka_pump_open(&kafka.pump, &kafka.options, &kafka.error), 0, "%s", kafka.error.text);
}

void kafka_restart(void)
{
    const struct journal_cursor told = kafka_status().cursor;

    kafka_pump_close(&kafka.pump);
    fixture_close(&kafka.journal);
    open_journal();
    kafka_open_pump();
    /* The journal was closed in good order: what it was told is what it has. */
    const struct journal_cursor stored = kafka_status().cursor;
    cr_assert_eq(memcmp(&told, &stored, sizeof told), 0);
}

/* ---- records ---------------------------------------------------------------------------------------------- */

static const char *record_origin = "";

void kafka_set_origin(const char *origin)
{
    record_origin = origin;
}

static void add_record(struct handover *handover, uint32_t rendering, const char *key, struct slice payload,
    size_t offset, uint8_t flags)
{
    cleanup_bytes struct bytes head;
    const struct record record = {.rendering = rendering,
        .flags = flags,
        .received = clock_wall(&clock_system),
        .key = slice_of(key),
        .origin = slice_of(record_origin),
        .payload = payload};

    bytes_init(&head, RECORD_HEAD_MAX);
    cr_assert_eq(record_encode_head(&record, &head, &kafka.error), 0);
    cr_assert_eq(
        handover_add(handover, JOURNAL_KIND_DATA, bytes_slice(&head), offset, payload.length, &kafka.error),
        0);
}

static void hand_over(struct handover *handover)
{
    cr_assert_eq(
        journal_hand_over_and_wait(kafka.journal.journal, handover, &kafka.error), 0, "%s", kafka.error.text);
    handover_free(handover);
}

void kafka_put(uint32_t rendering, const char *key, size_t size, uint8_t flags)
{
    static char text[200000];
    struct handover handover;
    int length = snprintf(text, sizeof text, "{\"n\":%llu}", (unsigned long long)++kafka.rows);

    if (size > (size_t)length)
        memset(text + length, ' ', size - (size_t)length);
    handover_init(&handover, 100000, NULL, NULL);
    handover.payloads = text;
    add_record(&handover, rendering, key, (struct slice){text, size > (size_t)length ? size : (size_t)length},
        0, flags);
    hand_over(&handover);
}

void kafka_put_some(uint32_t rendering, uint64_t count)
{
    static char text[100 * 32];

    while (count) {
        struct handover handover;
        size_t used = 0;
        handover_init(&handover, 1000000, NULL, NULL);
        handover.payloads = text;
        for (uint64_t i = 0; i < 100 && count; i++, count--) {
            char key[8];
            int length =
                snprintf(text + used, sizeof text - used, "{\"n\":%llu}", (unsigned long long)++kafka.rows);
            snprintf(key, sizeof key, "k%u", (unsigned)(kafka.rows % 7));
            add_record(&handover, rendering, key, (struct slice){text + used, (size_t)length}, used, 0);
            used += (size_t)length;
        }
        hand_over(&handover);
    }
}

/* ---- running ---------------------------------------------------------------------------------------------- */

static void step(unsigned *seen)
{
    int worked = kafka_pump_step(kafka.pump, &kafka.error);

    if (worked <= 0)
        kafka_pump_wait(kafka.pump, CLOCK_SECOND / 200, seen);
}

void kafka_run_until(bool (*condition)(void))
{
    const int64_t deadline = clock_monotonic(&clock_system) + PATIENCE;
    unsigned seen = 0;

    while (!condition()) {
        step(&seen);
        if (clock_monotonic(&clock_system) > deadline) {
            struct kafka_pump_status status = kafka_status();
            cr_assert_fail(
                "still at %llu of %llu, replays %llu, in flight %llu, held %llu, topics %llu (%s), trouble: %s",
                (unsigned long long)status.cursor.position,
                (unsigned long long)journal_durable(kafka.journal.journal),
                (unsigned long long)status.replays, (unsigned long long)status.in_flight,
                (unsigned long long)status.cursor.held, (unsigned long long)status.topics_held, status.held,
                status.trouble);
        }
    }
}

void kafka_steps(int64_t microseconds)
{
    const int64_t until = clock_monotonic(&clock_system) + microseconds;
    unsigned seen = 0;

    while (clock_monotonic(&clock_system) < until)
        step(&seen);
}

struct kafka_pump_status kafka_status(void)
{
    struct kafka_pump_status status;

    kafka_pump_status(kafka.pump, &status);
    const struct journal_cursor *at = &status.cursor;
    cr_assert_eq(at->position,
        at->base + at->delivered + at->dead_lettered + at->not_for_outlet + at->damaged + at->held);
    return status;
}

bool kafka_all_done(void)
{
    return kafka_pump_is_done(kafka.pump) &&
           kafka_status().cursor.position == journal_durable(kafka.journal.journal);
}

bool kafka_nothing_held(void)
{
    struct kafka_pump_status status = kafka_status();

    return kafka_all_done() && status.cursor.held == 0 && status.topics_held == 0;
}

bool kafka_untroubled(void)
{
    return kafka_status().trouble[0] == '\0';
}

/* ---- what came out ---------------------------------------------------------------------------------------- */

static int partitions(const char *topic)
{
    return strcmp(topic, "t") && strcmp(topic, "u") ? 1 : 4;
}

static rd_kafka_t *open_consumer(const char *topic)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    char reason[256];

    rd_kafka_conf_set(
        conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(kafka.cluster), reason, 256);
    rd_kafka_conf_set(conf, "group.id", "test", reason, sizeof reason);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", reason, sizeof reason);
    rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    cr_assert(consumer, "%s", reason);
    rd_kafka_poll_set_consumer(consumer);
    for (int i = 0; i < partitions(topic); i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return consumer;
}

static unsigned long long row_of(const void *payload, size_t length)
{
    char text[64] = ""; /* the rest is blanks */
    unsigned long long row;

    memcpy(text, payload, length < sizeof text ? length : sizeof text - 1);
    cr_assert_eq(sscanf(text, "{\"n\":%llu}", &row), 1);
    cr_assert(row < KAFKA_ROWS_MAX);
    return row;
}

static void take_message(const rd_kafka_message_t *message, struct kafka_found *found, uint64_t *highest)
{
    rd_kafka_headers_t *headers;
    const unsigned long long row = row_of(message->payload, message->len);
    const void *id;
    size_t size;

    cr_assert_eq(rd_kafka_message_headers(message, &headers), 0);
    cr_assert_eq(rd_kafka_header_get_last(headers, "penstock-id", &id, &size), 0);
    cr_assert_eq(memcmp(id, "test-1/", 7), 0);
    uint64_t *last =
        &highest[message->key_len ? ((const char *)message->key)[message->key_len - 1] & 127 : 0];
    found->messages++;
    found->partition[row] = message->partition;
    if (found->seen[row]++)
        return;
    found->distinct++;
    found->disordered += row < *last;
    found->late[row] = row < *last;
    *last = row > *last ? row : *last;
}

void kafka_consume(const char *topic, struct kafka_found *ret_found)
{
    rd_kafka_t *consumer = open_consumer(topic);
    uint64_t highest[128] = {0};
    bool ended[4] = {false}; /* a partition may end twice: once more where its broker was lost */
    int left = partitions(topic);
    const int64_t deadline = clock_monotonic(&clock_system) + PATIENCE;

    memset(ret_found, 0, sizeof *ret_found);
    while (left) {
        cr_assert(clock_monotonic(&clock_system) < deadline, "topic %s cannot be read to its end", topic);
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (!message)
            continue;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            left -= !ended[message->partition];
            ended[message->partition] = true;
        } else if (!message->err)
            take_message(message, ret_found, highest);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_destroy(consumer);
}

void kafka_assert_rows(const struct kafka_found *found, uint64_t first, uint64_t last, uint64_t extra)
{
    for (uint64_t row = first; row <= last; row++)
        cr_assert(found->seen[row], "row %llu is missing", (unsigned long long)row);
    cr_assert_eq(found->disordered, 0, "%llu out of order", (unsigned long long)found->disordered);
    cr_assert_leq(found->messages - found->distinct, extra, "%llu copies",
        (unsigned long long)(found->messages - found->distinct));
}

struct letters {
    size_t count;
    char *reason;
    size_t size;
    const char *topic;
    bool *rows;
};

static int count_letter(
    void *context, struct slice line, const struct dead_letter_parsed *parsed, struct error *error)
{
    struct letters *letters = context;

    (void)line;
    (void)error;
    cr_assert(parsed);
    const struct dead_letter *letter = dead_letter_parsed_letter(parsed);
    letters->count++;
    if (letters->size)
        snprintf(letters->reason, letters->size, "%s", letter->reason);
    if (letters->rows && strcmp(letter->topic, letters->topic) == 0)
        letters->rows[row_of(letter->record->payload.data, letter->record->payload.length)] = true;
    return 0;
}

size_t kafka_letters(char *reason, size_t size)
{
    struct letters letters = {.reason = reason, .size = size};

    cr_assert_eq(dead_letters_visit(kafka.letters_directory, NULL, count_letter, &letters, &kafka.error), 0);
    return letters.count;
}

void kafka_buried(const char *topic, bool rows[KAFKA_ROWS_MAX])
{
    struct letters letters = {.topic = topic, .rows = rows};

    memset(rows, 0, KAFKA_ROWS_MAX * sizeof *rows);
    cr_assert_eq(dead_letters_visit(kafka.letters_directory, NULL, count_letter, &letters, &kafka.error), 0);
}
