/* test_kafka_producer: what a producer sends, what it takes, topics, statistics, logs, and how it ends */
#include "kafka_harness.h"

#include <criterion/criterion.h>

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdio.h>

TestSuite(kafka_producer, .init = kafka_harness_enter, .fini = kafka_harness_leave);

/* ---- messages ---------------------------------------------------------------------------------------------- */

Test(kafka_producer, delivers_and_reports_each_message_once_in_order)
{
    open_main(NULL, 0);
    send_all("t", 200);
    poll_until(200);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 200);
    for (size_t i = 0; i < 200; i++)
        cr_assert_eq(reports.items[i].tag, i);
    cr_assert_str_eq(reports.topic, "t");
    cr_assert_null(kafka_producer_broken(producer));
    cr_assert_null(kafka_producer_trouble(producer));
}

/* Reads partition 0 of t until `count` messages came; each is given to look. */
static void consume(size_t count, void (*look)(const rd_kafka_message_t *message, size_t number))
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    rd_kafka_conf_set(
        conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), reason, sizeof reason);
    rd_kafka_conf_set(conf, "group.id", "reader", reason, sizeof reason);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    cr_assert(consumer, "%s", reason);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "t", 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    cr_assert_eq(rd_kafka_assign(consumer, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 30000);
        cr_assert(message, "message %zu did not come", i);
        cr_assert_eq(message->err, 0, "%s", rd_kafka_err2str(message->err));
        look(message, i);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_destroy(consumer);
}

static void look_at_parts(const rd_kafka_message_t *message, size_t number)
{
    rd_kafka_headers_t *headers;
    rd_kafka_timestamp_type_t type;
    const char *name;
    const void *value;
    size_t size;

    cr_assert_eq(rd_kafka_message_timestamp(message, &type), number == 0 ? INT64_C(1700000000123) : 1);
    if (number == 0) {
        cr_assert(message->key_len == 3 && memcmp(message->key, "\xc3\xa4\n", 3) == 0);
        cr_assert(message->len == 3 && memcmp(message->payload, "a\0b", 3) == 0);
        cr_assert_eq(rd_kafka_message_headers(message, &headers), 0);
        cr_assert_eq(rd_kafka_header_cnt(headers), 2);
        cr_assert_eq(rd_kafka_header_get_all(headers, 0, &name, &value, &size), 0);
        cr_assert(strcmp(name, "one") == 0 && size == 2 && memcmp(value, "\0x", 2) == 0);
        cr_assert_eq(rd_kafka_header_get_all(headers, 1, &name, &value, &size), 0);
        cr_assert(strcmp(name, "two") == 0 && size == 0 && value != NULL);
    } else {
        cr_assert_null(message->key);
        cr_assert(message->payload && message->len == 0, "an empty value is no tombstone");
        cr_assert_neq(rd_kafka_message_headers(message, &headers), 0);
    }
}

Test(kafka_producer, key_value_headers_and_time_arrive_as_they_were)
{
    const struct kafka_header headers[] = {{{"one!", 3}, {"\0x", 2}}, {{"two", 3}, {NULL, 0}}};
    struct kafka_message full = {.key = {"\xc3\xa4\n", 3},
        .value = {"a\0b", 3},
        .time = INT64_C(1700000000123999),
        .headers = headers,
        .headers_count = 2};
    struct kafka_message empty = {.time = 0};
    struct error error;

    open_main(NULL, 0);
    cr_assert_eq(kafka_producer_send(producer, topic_of("t"), &full, &error), KAFKA_SENT);
    poll_until(1);
    cr_assert_eq(kafka_producer_send(producer, topic_of("t"), &empty, &error), KAFKA_SENT);
    poll_until(2);
    consume(2, look_at_parts);
}

Test(kafka_producer, every_bit_of_a_tag_comes_back)
{
    const uint64_t tags[] = {0, 1, UINT64_MAX, UINT64_C(0x8000000000000001)};
    struct error error;

    open_main(NULL, 0);
    for (size_t i = 0; i < COUNT(tags); i++)
        wait_for(send_to("t", tags[i], &error) == KAFKA_SENT);
    poll_until(COUNT(tags));
    for (size_t i = 0; i < COUNT(tags); i++)
        cr_assert_eq(reports.items[i].tag, tags[i]);
}

Test(kafka_producer, a_full_queue_takes_again_when_reports_were_polled)
{
    const struct config_pair few[] = {{"queue.buffering.max.messages", "10"}};
    struct error error;

    open_main(few, 1);
    send_all("t", 1);
    poll_until(1);
    set_brokers(false);
    send_all("t", 10);
    cr_assert_eq(send_to("t", 10, &error), KAFKA_FULL);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_str_eq(error.text, "kafka: topic t: Local: Queue full");
    set_brokers(true);
    poll_until(11);
    cr_assert_eq(send_to("t", 11, &error), KAFKA_SENT);
    poll_until(12);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 12);
}

/* ---- first messages ---------------------------------------------------------------------------------------- */

/* Message n has no key and goes to partition n % 4 of f. */
static enum kafka_sent send_spread(uint64_t n, struct error *error)
{
    const struct kafka_message message = {
        .value = {"v", 1}, .time = CLOCK_SECOND, .tag = n << KAFKA_TAG_STRETCH};

    return kafka_producer_send(producer, topic_of("f"), &message, error);
}

/* A broker that refuses the first batch of a partition would take the second. */
Test(kafka_producer, the_first_message_of_a_partition_goes_alone)
{
    struct error error;

    open_main(NULL, 0);
    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "f", 4, 3), 0);
    /* The topic's partitions are not known: nobody can be asked. */
    set_brokers(false);
    cr_assert_eq(send_spread(0, &error), KAFKA_SENT);
    for (uint64_t n = 0; n < 4; n++)
        cr_assert_eq(send_spread(n, &error), KAFKA_FULL);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_str_eq(error.text, "kafka: topic f: the first message is not confirmed yet");
    set_brokers(true);
    poll_until(1);
    /* Now they are: 0 takes more, the others one each. */
    for (int32_t broker = 1; broker <= 3; broker++)
        rd_kafka_mock_broker_set_rtt(cluster, broker, 1000);
    for (uint64_t n = 0; n < 4; n++)
        cr_assert_eq(send_spread(n, &error), KAFKA_SENT);
    for (uint64_t n = 0; n < 4; n++)
        cr_assert_eq(send_spread(n, &error), n == 0 ? KAFKA_SENT : KAFKA_FULL);
    poll_until(6);
    for (uint64_t n = 0; n < 8; n++)
        cr_assert_eq(send_spread(n, &error), KAFKA_SENT);
    poll_until(14);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 14);
}

Test(kafka_producer, a_careful_producers_first_message_goes_alone_and_a_probes_need_not)
{
    struct error error;

    open_client(NULL, 0);
    open_producer(KAFKA_ROLE_CAREFUL, 0);
    cr_assert_eq(send_to("t", 0, &error), KAFKA_SENT);
    cr_assert_eq(send_to("t", 1, &error), KAFKA_FULL);
    poll_until(1);
    cr_assert_eq(send_to("t", 1, &error), KAFKA_SENT);
    poll_until(2);
    kafka_producer_close(&producer);
    open_producer(KAFKA_ROLE_PROBE, 10 * CLOCK_SECOND);
    cr_assert_eq(send_to("t", 0, &error), KAFKA_SENT);
    cr_assert_eq(send_to("t", 1, &error), KAFKA_SENT);
    poll_until(4);
}

Test(kafka_producer, behind_a_refused_first_message_nothing_is_sent)
{
    struct error error;

    open_main(NULL, 0);
    rd_kafka_mock_push_request_errors(cluster, REQUEST_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    cr_assert_eq(send_to("t", 0, &error), KAFKA_SENT);
    while (reports.count == 0) {
        cr_assert_eq(send_to("t", 1, &error), KAFKA_FULL);
        poll_some();
    }
    poll_until(1);
    cr_assert_eq(reports.outcomes[KAFKA_RECORD_REFUSED], 1);
    cr_assert_eq(send_to("t", 1, &error), KAFKA_BROKEN);
}

/* Each name that librdkafka knows: a key has one partition, and what has none is spread if the name says so. */
Test(kafka_producer, every_partitioner_delivers)
{
    static const char *const names[] = {
        "random", "consistent", "consistent_random", "murmur2", "murmur2_random", "fnv1a", "fnv1a_random"};
    struct error error;

    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "f", 4, 3), 0);
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct config_pair pair = {"partitioner", (char *)(uintptr_t)names[i]};
        open_main(&pair, 1);
        send_all("f", 20);
        poll_until(20);
        for (uint64_t n = 0; n < 8; n++)
            wait_for(send_spread(n, &error) == KAFKA_SENT);
        poll_until(28);
        cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 28, "%s", names[i]);
        kafka_harness_close();
    }
}

/* ---- sizes ------------------------------------------------------------------------------------------------- */

/* A message of this size, spread over key, value and as many headers as there may be. */
static enum kafka_sent send_size(uint64_t size, size_t headers_count, struct error *error)
{
    static char space[1 << 20];
    struct kafka_header headers[KAFKA_HEADERS_MAX];
    struct kafka_message message = {.time = CLOCK_SECOND, .headers = headers, .headers_count = headers_count};

    memset(space, 'x', sizeof space);
    for (size_t i = 0; i < headers_count; i++)
        headers[i] = (struct kafka_header){{space, 1000}, {space, 2000}};
    message.key = (struct slice){space, 256};
    message.value = (struct slice){space, size - 256 - headers_count * 3000};
    return kafka_producer_send(producer, topic_of("t"), &message, error);
}

Test(kafka_producer, what_the_client_calls_the_largest_message_is_taken_and_delivered)
{
    struct error error;

    open_main(NULL, 0);
    cr_assert_eq(kafka_client_max_message(client), 999703);
    cr_assert_eq(
        send_size(kafka_client_max_message(client), KAFKA_HEADERS_MAX, &error), KAFKA_SENT, "%s", error.text);
    poll_until(1);
    cr_assert_eq(send_size(kafka_client_max_message(client), 0, &error), KAFKA_SENT, "%s", error.text);
    cr_assert_eq(send_size(1000000 - 36, 0, &error), KAFKA_SENT);
    cr_assert_eq(send_size(1000001 - 36, 0, &error), KAFKA_TOO_LARGE);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "kafka: topic t: Broker: Message size too large");
    poll_until(3);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 3);
    cr_assert_null(kafka_producer_broken(producer));
}

/* ---- topics ------------------------------------------------------------------------------------------------ */

Test(kafka_producer, a_topic_has_one_handle_and_an_allowed_name)
{
    char longest[251];
    const char *refused[] = {"", ".", "..", "a b", "a/b", "\xc3\xa4", "a:b", longest};
    struct kafka_topic *topic;
    struct error error;

    open_main(NULL, 0);
    memset(longest, 'a', sizeof longest - 1);
    longest[249] = '\0';
    cr_assert_eq(topic_of(longest), topic_of(longest));
    cr_assert_eq(topic_of("SENSOR_ID_1.x-y"), topic_of("SENSOR_ID_1.x-y"));
    cr_assert_neq(topic_of("t"), topic_of("u"));
    longest[249] = 'a';
    longest[250] = '\0';
    for (size_t i = 0; i < COUNT(refused); i++) {
        cr_assert_eq(kafka_producer_topic(producer, refused[i], &topic, &error), -1, "%s", refused[i]);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_eq(kafka_producer_create_topic(producer, refused[i], 1, 1, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
    }
}

/* The mock knows no CreateTopics: it is never answered. Success and refusal are tested on a real broker. */
Test(kafka_producer, a_topic_that_nobody_answers_about_is_reported_by_name)
{
    struct error error;

    open_main(NULL, 0);
    cr_assert_eq(kafka_producer_create_topic(producer, "new", 3, 0, &error), 0);
    poll_until(1);
    cr_assert_eq(reports.outcomes[KAFKA_TOPIC_UNANSWERED], 1);
    cr_assert_str_eq(reports.topic, "new");
    cr_assert_null(kafka_producer_broken(producer));
}

/* ---- statistics and logs ----------------------------------------------------------------------------------- */

static bool all_are_up(void)
{
    const struct kafka_statistics *statistics = kafka_producer_statistics(producer);
    size_t up = 0;

    for (size_t i = 0; i < statistics->brokers_count; i++)
        up += statistics->brokers[i].up && strstr(statistics->brokers[i].name, "/bootstrap") == NULL;
    return up == 3 && statistics->brokers_count == 3;
}

Test(kafka_producer, statistics_know_the_brokers_and_the_queue)
{
    const struct config_pair often[] = {
        {"statistics.interval.ms", "50"}, {"enable.sparse.connections", "false"}};
    const struct kafka_statistics *statistics;

    open_main(often, COUNT(often));
    statistics = kafka_producer_statistics(producer);
    cr_assert_eq(statistics->version, 0);
    wait_for(all_are_up());
    send_all("t", 1);
    poll_until(1);
    uint64_t version = statistics->version;
    set_brokers(false);
    wait_for(statistics->brokers_count == 3 && !statistics->brokers[0].up && !statistics->brokers[1].up);
    send_all("t", 20);
    wait_for(statistics->queue_messages == 20 && statistics->queue_bytes == 20 * strlen("value"));
    cr_assert_gt(statistics->version, version);
    set_brokers(true);
    wait_for(reports.count == 21 && statistics->queue_messages == 0);
}

static size_t lines;
static bool has_warned;

static void note_line(void *context, int level, const char *facility, const char *text)
{
    cr_assert_eq(context, &lines);
    cr_assert(level >= 0 && level <= 7);
    cr_assert_str_not_empty(facility);
    has_warned |= strstr(text, "gapless") != NULL;
    lines++;
}

Test(kafka_producer, librdkafkas_lines_come_by_poll_without_what_we_chose_ourselves)
{
    open_client(NULL, 0);
    kafka_client_set_log(client, note_line, &lines);
    set_brokers(false);
    open_producer(KAFKA_ROLE_MAIN, 0);
    topic_of("t");
    wait_for(lines > 0);
    cr_assert_not(has_warned);
}

/* ---- the end ----------------------------------------------------------------------------------------------- */

/* Whatever it could wait for (an answer about a topic, a slow broker, a name server) takes ten seconds or more; what it takes
 * itself, half a second at most, a busy machine may make longer. */
static void close_at_once(void)
{
    int64_t start = clock_monotonic(&clock_system);

    kafka_producer_close(&producer);
    cr_assert_lt(clock_monotonic(&clock_system) - start, 8 * CLOCK_SECOND);
}

Test(kafka_producer, closing_gives_up_a_full_queue_at_once)
{
    struct error error;

    open_main(NULL, 0);
    send_all("t", 1);
    poll_until(1);
    set_brokers(false);
    cr_assert_eq(kafka_producer_create_topic(producer, "new", 1, 1, &error), 0);
    for (uint64_t i = 0; send_to("t", i, &error) == KAFKA_SENT; i++)
        ;
    close_at_once();
}

Test(kafka_producer, closing_gives_up_what_slow_brokers_have)
{
    open_main(NULL, 0);
    send_all("t", 1);
    poll_until(1);
    for (int32_t broker = 1; broker <= 3; broker++)
        rd_kafka_mock_broker_set_rtt(cluster, broker, 20000);
    send_all("t", 1000);
    kafka_producer_poll(producer, CLOCK_SECOND / 10, note_report, &reports);
    close_at_once();
}

static sem_t asked, answered;

/* In the place of the C library's, for librdkafka, too: a name server that does not answer. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    typedef int getaddrinfo_fn(
        const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);
    getaddrinfo_fn *next = (getaddrinfo_fn *)dlsym(RTLD_NEXT, "getaddrinfo");

    if (!node || strcmp(node, "slow.test") != 0)
        return next(node, service, hints, result);
    sem_post(&asked);
    while (sem_wait(&answered) != 0)
        ;
    return EAI_AGAIN;
}

Test(kafka_producer, closing_does_not_wait_for_a_name_server)
{
    const struct config_pair slow[] = {{"bootstrap.servers", "slow.test:9092"}};

    sem_init(&asked, 0, 0);
    sem_init(&answered, 0, 0);
    open_main(slow, 1);
    topic_of("t");
    while (sem_wait(&asked) != 0)
        ;
    close_at_once();
    for (int i = 0; i < 100; i++)
        sem_post(&answered);
}

static bool stop_waiting(void *context, const char *why)
{
    (void)context;
    (void)why;
    return false;
}

/* Where it waits it never comes back: there is no answer before. */
Test(kafka_producer, who_looks_for_a_position_does_not_wait_for_a_name_server, .timeout = 60)
{
    const struct config_pair slow[] = {{"bootstrap.servers", "slow.test:9092"}};
    const struct kafka_patience patience = {stop_waiting, NULL};
    enum kafka_position_state state;
    cleanup_bytes struct bytes value;
    struct error error;

    sem_init(&asked, 0, 0);
    sem_init(&answered, 0, 0);
    bytes_init(&value, KAFKA_POSITION_MAX);
    open_client(slow, 1);
    cr_assert_eq(
        kafka_position_read(client, "g", KAFKA_POSITION_DECIDED, &value, &state, &patience, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    for (int i = 0; i < 100; i++)
        sem_post(&answered);
}
