/* test_kafka_chaos: everything that can happen to the Kafka outlet at once, for many topics; judged as a consumer would that drops
 * what is not newer than the newest it has seen in a partition
 *
 * Brokers go down, become slow and lead other partitions, topics are forbidden and allowed, requests fail, dead letters and the
 * journal's marks fail for a while, restarts are clean or a copy of the journal's directory while it is open: what kill -9
 * leaves. SEED=n and ROUNDS=n choose another run. */
#include "pump_harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define TOPICS 12
#define PAIRS 20 /* from this rendering on: a topic and the next one */
#define TRIPLES 40 /* a topic, and those four and eight further */
#define RENDERING(n) (100 + (n))
#define MANY 100 /* topics, each with a key of its own */
#define QUIET (CLOCK_SECOND / 100) /* a file that was written later may be written now */

static unsigned long chaos_seed, chaos_state;
static uint8_t renderings[KAFKA_ROWS_MAX]; /* by row */
static bool late_marks, full_letters, failing_sync;

/* ---- what fails on request (ld --wrap) ----------------------------------------------------------------------- */

int __real_journal_cursor_move_marked(struct journal *journal, const char *outlet,
    const struct journal_cursor *cursor, const struct journal_mark *marks, size_t count, struct error *error);
int __wrap_journal_cursor_move_marked(struct journal *journal, const char *outlet,
    const struct journal_cursor *cursor, const struct journal_mark *marks, size_t count, struct error *error);
int __real_dead_letters_add(
    struct dead_letters *letters, const struct dead_letter *letter, struct error *error);
int __wrap_dead_letters_add(
    struct dead_letters *letters, const struct dead_letter *letter, struct error *error);
int __real_dead_letters_sync(struct dead_letters *letters, struct error *error);
int __wrap_dead_letters_sync(struct dead_letters *letters, struct error *error);

int __wrap_journal_cursor_move_marked(struct journal *journal, const char *outlet,
    const struct journal_cursor *cursor, const struct journal_mark *marks, size_t count, struct error *error)
{
    if (late_marks)
        return error_set(error, ERROR_RETRY, "too many marks wait");
    return __real_journal_cursor_move_marked(journal, outlet, cursor, marks, count, error);
}

int __wrap_dead_letters_add(
    struct dead_letters *letters, const struct dead_letter *letter, struct error *error)
{
    if (full_letters)
        return error_set(error, ERROR_RETRY, "No space left on device");
    return __real_dead_letters_add(letters, letter, error);
}

int __wrap_dead_letters_sync(struct dead_letters *letters, struct error *error)
{
    int result = __real_dead_letters_sync(letters, error);

    return failing_sync && !result ? error_set(error, ERROR_RETRY, "Input/output error") : result;
}

/* ---- set-up --------------------------------------------------------------------------------------------------- */

static unsigned chaos(unsigned below)
{
    chaos_state = chaos_state * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned)(chaos_state >> 33) % below;
}

static const char *topic_name(unsigned number)
{
    static char names[4][8];
    static unsigned next;
    char *name = names[next++ % 4];

    snprintf(name, sizeof names[0], "c%u", number % TOPICS);
    return name;
}

static int topic_partitions(unsigned number)
{
    return 1 + (int)(number % 4);
}

static void add_rendering(uint32_t id, const char *const *topics, size_t count)
{
    struct rendering rendering = {.id = id, .lake_path = "readings", .topics_count = count};
    cleanup_bytes struct bytes body;

    for (size_t i = 0; i < count; i++)
        rendering.topics[i] = (char *)(uintptr_t)topics[i];
    bytes_init(&body, 10000);
    snprintf(rendering.stream, sizeof rendering.stream, "stream%u", id);
    cr_assert_eq(rendering_encode(&rendering, &body, &kafka.error), 0);
    cr_assert_eq(rendering_apply(kafka.renderings, body.data, body.length, 0, &kafka.error), 0);
}

static void use_client(const char *in_flight)
{
    static char servers[512];
    static struct config_pair pairs[] = {{"bootstrap.servers", servers}, {"retry.backoff.ms", "50"},
        {"reconnect.backoff.ms", "20"}, {"reconnect.backoff.max.ms", "100"}, {"linger.ms", "5"},
        {"topic.metadata.refresh.interval.ms", "500"}, {"topic.metadata.propagation.max.ms", "500"},
        {"max.in.flight.requests.per.connection", "1"}};

    pairs[sizeof pairs / sizeof *pairs - 1].value = (char *)(uintptr_t)in_flight;
    snprintf(servers, sizeof servers, "%s", rd_kafka_mock_cluster_bootstraps(kafka.cluster));
    kafka_client_free(&kafka.client);
    kafka.config->kafka.properties = (struct config_map){pairs, sizeof pairs / sizeof *pairs};
    cr_assert_eq(kafka_client_new(&kafka.client, kafka.config, &kafka.error), 0, "%s", kafka.error.text);
    kafka.options.client = kafka.client;
}

static void set_up(void)
{
    const char *seed = getenv("SEED");

    chaos_state = chaos_seed = seed ? strtoul(seed, NULL, 10) : 1;
    late_marks = full_letters = failing_sync = false;
    kafka_set_up();
    /* The mock's brokers do not mind a batch behind one that they refused, as real ones do for an idempotent producer. */
    use_client("1");
    kafka.options.max_topics = 1000;
    for (unsigned i = 0; i < TOPICS; i++) {
        const char *const names[] = {topic_name(i), topic_name(i + 1)};
        const char *const spread[] = {names[0], topic_name(i + 4), topic_name(i + 8)};
        cr_assert_eq(rd_kafka_mock_topic_create(kafka.cluster, names[0], topic_partitions(i), 3), 0);
        add_rendering(RENDERING(i), names, 1);
        add_rendering(RENDERING(PAIRS + i), names, 2);
        add_rendering(RENDERING(TRIPLES + i), spread, 3);
    }
}

TestSuite(kafka_chaos, .init = set_up, .fini = kafka_tear_down, .timeout = 900);

/* ---- records -------------------------------------------------------------------------------------------------- */

static void put_some(unsigned kind, unsigned count)
{
    const uint64_t before = kafka.rows;

    if (before + count >= KAFKA_ROWS_MAX)
        return;
    kafka_put_some(RENDERING(kind), count);
    memset(renderings + before + 1, (int)kind, count);
}

static void put_at_random(unsigned most)
{
    static const unsigned kinds[] = {0, 0, PAIRS, TRIPLES};

    put_some(kinds[chaos(4)] + chaos(TOPICS), 1 + chaos(most));
}

static bool is_expected(uint64_t row, unsigned topic)
{
    const unsigned kind = renderings[row];

    if (kind < PAIRS)
        return kind == topic;
    if (kind < TRIPLES)
        return kind - PAIRS == topic || (kind - PAIRS + 1) % TOPICS == topic;
    return (kind - TRIPLES) % 4 == topic % 4;
}

/* ---- kill -9 -------------------------------------------------------------------------------------------------- */

/* Changes with every write; 0: the last one was just now. */
static int64_t directory_state(const char *path)
{
    DIR *directory = opendir(path);
    int64_t newest = 0, state = 0;

    cr_assert(directory);
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        struct stat status;
        if (entry->d_name[0] == '.' || fstatat(dirfd(directory), entry->d_name, &status, 0))
            continue;
        const int64_t time = status.st_mtim.tv_sec * CLOCK_SECOND + status.st_mtim.tv_nsec / 1000;
        newest = time > newest ? time : newest;
        state = state * 31 + (int64_t)status.st_ino + time + status.st_size;
    }
    closedir(directory);
    return clock_wall(&clock_system) - newest < QUIET ? 0 : state;
}

static void copy_open_journal(const char *to)
{
    for (;;) {
        const int64_t before = directory_state(kafka.journal.directory);
        if (before == 0)
            continue;
        directory_delete(to);
        if (directory_copy_open(kafka.journal.directory, to) &&
            directory_state(kafka.journal.directory) == before)
            return;
    }
}

static void crash(void)
{
    char copy[80];

    snprintf(copy, sizeof copy, "%s.crash", kafka.journal.directory);
    copy_open_journal(copy);
    kafka_pump_close(&kafka.pump);
    fixture_close(&kafka.journal);
    directory_delete(kafka.journal.directory);
    cr_assert_eq(rename(copy, kafka.journal.directory), 0);
    cr_assert_eq(fixture_open(&kafka.journal), 0, "%s", kafka.journal.error.text);
    kafka.options.journal = kafka.journal.journal;
    kafka_open_pump();
}

/* ---- what a consumer keeps ------------------------------------------------------------------------------------- */

struct kept {
    bool rows[KAFKA_ROWS_MAX];
    uint64_t messages;
};

static rd_kafka_t *open_consumer(const char *topic, int partitions)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    char reason[256];

    rd_kafka_conf_set(
        conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(kafka.cluster), reason, sizeof reason);
    rd_kafka_conf_set(conf, "group.id", "test", reason, sizeof reason);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", reason, sizeof reason);
    rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    cr_assert(consumer, "%s", reason);
    rd_kafka_poll_set_consumer(consumer);
    for (int i = 0; i < partitions; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = 0;
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return consumer;
}

static void keep(struct kept *kept, const rd_kafka_message_t *message, uint64_t *highest)
{
    unsigned long long row;

    cr_assert(message->len < 30 && memcmp(message->payload, "{\"n\":", 5) == 0);
    row = strtoull((const char *)message->payload + 5, NULL, 10);
    cr_assert(row > 0 && row <= kafka.rows);
    kept->messages++;
    if (row <= *highest)
        return;
    *highest = row;
    kept->rows[row] = true;
}

static void consume(const char *topic, int partitions, struct kept *kept)
{
    rd_kafka_t *consumer = open_consumer(topic, partitions);
    const int64_t deadline = clock_monotonic(&clock_system) + 30 * CLOCK_SECOND;
    uint64_t highest[4] = {0};
    bool ended[4] = {false}; /* a partition may end twice: once more where its broker was lost */

    memset(kept, 0, sizeof *kept);
    for (int left = partitions; left;) {
        cr_assert(clock_monotonic(&clock_system) < deadline, "topic %s cannot be read to its end", topic);
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (!message)
            continue;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            left -= !ended[message->partition];
            ended[message->partition] = true;
        } else if (!message->err)
            keep(kept, message, &highest[message->partition]);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_destroy(consumer);
}

static void assert_nothing_lost(void)
{
    static struct kept kept;
    static bool buried[KAFKA_ROWS_MAX];

    for (unsigned topic = 0; topic < TOPICS; topic++) {
        const char *name = topic_name(topic);
        consume(name, topic_partitions(topic), &kept);
        kafka_buried(name, buried);
        for (uint64_t row = 1; row <= kafka.rows; row++) {
            if (is_expected(row, topic))
                cr_assert(kept.rows[row] || buried[row], "seed %lu: row %llu of %llu is not in %s",
                    chaos_seed, (unsigned long long)row, (unsigned long long)kafka.rows, name);
            else
                cr_assert_not(
                    kept.rows[row], "seed %lu: row %llu is in %s", chaos_seed, (unsigned long long)row, name);
        }
    }
    cr_assert_eq(kafka_status().cursor.damaged, 0, "seed %lu: %llu records written off", chaos_seed,
        (unsigned long long)kafka_status().cursor.damaged);
}

/* ---- faults --------------------------------------------------------------------------------------------------- */

static void fail_requests(void)
{
    static const rd_kafka_resp_err_t errors[] = {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
        RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT};
    const rd_kafka_resp_err_t error = errors[chaos(sizeof errors / sizeof *errors)];

    for (unsigned count = 1 + chaos(4); count; count--)
        rd_kafka_mock_push_request_errors(kafka.cluster, KAFKA_PRODUCE, 1, error);
}

static void change_topic(void)
{
    static const rd_kafka_resp_err_t errors[] = {RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_NO_ERROR,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART};

    rd_kafka_mock_topic_set_error(kafka.cluster, topic_name(chaos(TOPICS)), errors[chaos(4)]);
}

static void change_broker(void)
{
    const int broker = 1 + (int)chaos(3);
    const unsigned topic = chaos(TOPICS);

    switch (chaos(5)) {
    case 0:
        rd_kafka_mock_broker_set_down(kafka.cluster, broker);
        break;
    case 1:
        rd_kafka_mock_broker_set_rtt(kafka.cluster, broker, (int)chaos(150));
        break;
    case 2:
        rd_kafka_mock_partition_set_leader(
            kafka.cluster, topic_name(topic), (int)chaos((unsigned)topic_partitions(topic)), broker);
        break;
    default:
        rd_kafka_mock_broker_set_up(kafka.cluster, -1);
    }
}

static void change_disk(void)
{
    late_marks = chaos(4) == 0;
    full_letters = chaos(4) == 0;
    failing_sync = chaos(4) == 0;
}

static void repair(void)
{
    late_marks = full_letters = failing_sync = false;
    rd_kafka_mock_clear_request_errors(kafka.cluster, KAFKA_PRODUCE);
    rd_kafka_mock_broker_set_up(kafka.cluster, -1);
    rd_kafka_mock_broker_set_rtt(kafka.cluster, -1, 0);
    for (unsigned i = 0; i < TOPICS; i++)
        rd_kafka_mock_topic_set_error(kafka.cluster, topic_name(i), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* ---- all at once ---------------------------------------------------------------------------------------------- */

static void round_of_chaos(void)
{
    put_at_random(chaos(10) ? 100 : 1500);
    if (chaos(3) == 0)
        fail_requests();
    if (chaos(3) == 0)
        change_topic();
    if (chaos(5) == 0)
        change_broker();
    if (chaos(6) == 0)
        change_disk();
    if (chaos(12) == 0)
        repair();
    for (unsigned left = chaos(4); left; left--) {
        kafka_steps(chaos(40) * 1000);
        put_at_random(30);
    }
    if (chaos(12))
        return;
    late_marks = false; /* what is asked for at a clean stop is written */
    kafka.options.shut_unwritable = chaos(4) == 0;
    crash();
}

static void run(unsigned rounds)
{
    const char *wanted = getenv("ROUNDS");

    rounds = wanted ? (unsigned)strtoul(wanted, NULL, 10) : rounds;
    kafka_open_pump();
    while (rounds--)
        round_of_chaos();
    repair();
    kafka_run_until(kafka_nothing_held);
    assert_nothing_lost();
}

Test(kafka_chaos, twelve_topics)
{
    run(50);
}

/* ---- more marks than one group of the journal takes -------------------------------------------------------------- */

static void put_many(void)
{
    char key[16];

    for (unsigned i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "%u", i);
        kafka_put(4, key, 0, 0);
    }
}

static void await_stored(const struct journal_cursor *wanted)
{
    struct journal_cursor stored;

    do {
        cr_assert_eq(journal_cursor(kafka.journal.journal, "kafka", &stored, &kafka.error), 0);
    } while (memcmp(&stored, wanted, sizeof stored) != 0);
}

/* As an outlet leaves it whose topics were all missing. */
static void hold_many(void)
{
    struct journal_cursor cursor = {0};
    struct journal_mark marks[MANY / 2] = {0};

    put_many();
    put_many();
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(marks[i % (MANY / 2)].name, sizeof marks[0].name, "SENSOR_%u", i);
        if (i % (MANY / 2) != MANY / 2 - 1)
            continue;
        if (i == MANY - 1)
            cursor.position = cursor.held = kafka.rows;
        while (__real_journal_cursor_move_marked(
            kafka.journal.journal, "kafka", &cursor, marks, MANY / 2, &kafka.error))
            cr_assert_eq(kafka.error.kind, ERROR_RETRY);
        await_stored(&cursor);
    }
    kafka_open_pump();
    cr_assert_eq(kafka_status().topics_held, MANY);
}

static bool half_wait(void)
{
    return kafka_status().topics_held <= MANY / 2;
}

/* One group with what fits into it, then the end. */
static void crash_behind_one_group(void)
{
    late_marks = false;
    kafka_pump_step(kafka.pump, &kafka.error);
    const struct journal_cursor told = kafka_status().cursor;
    await_stored(&told);
    crash();
}

static void assert_many_delivered(uint64_t rows)
{
    kafka_run_until(kafka_nothing_held);
    cr_assert_eq(kafka_status().cursor.damaged, 0, "%llu records written off",
        (unsigned long long)kafka_status().cursor.damaged);
    cr_assert_eq(kafka_status().cursor.delivered, rows);
}

static bool none_held(void)
{
    return kafka_status().topics_held == 0;
}

static void many_come_back(bool (*until)(void))
{
    hold_many();
    const int64_t deadline = clock_monotonic(&clock_system) + 5 * CLOCK_SECOND;
    late_marks = true;
    while (!until() && clock_monotonic(&clock_system) < deadline)
        kafka_steps(CLOCK_SECOND / 50);
    crash_behind_one_group();
    assert_many_delivered(2 * MANY);
}

Test(kafka_chaos, many_topics_come_back_before_a_mark_is_written)
{
    many_come_back(none_held);
}

Test(kafka_chaos, many_topics_come_back_and_others_have_not_yet)
{
    many_come_back(half_wait);
}
