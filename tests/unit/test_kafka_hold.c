/* test_kafka_hold: how the Kafka outlet comes back from what holds it up: held topics, refused records, dead letters' disks */
#include "pump_harness.h"

#include "outlet/kafka_render.h"

/* ld --wrap: the dead letters' disk is full. */
static bool full_letters;
/* Memory is short where a record's topics are made out. */
static bool short_memory;
static unsigned shortages;
static unsigned unknown; /* answers of a producer that knows already that the topic is missing */

int __real_dead_letters_add(
    struct dead_letters *letters, const struct dead_letter *letter, struct error *error);
int __wrap_dead_letters_add(
    struct dead_letters *letters, const struct dead_letter *letter, struct error *error);

int __wrap_dead_letters_add(
    struct dead_letters *letters, const struct dead_letter *letter, struct error *error)
{
    return full_letters ? error_set(error, ERROR_RETRY, "No space left on device")
                        : __real_dead_letters_add(letters, letter, error);
}

int __real_kafka_render_topics(struct kafka_renderer *renderer, const struct record *record,
    const struct rendered_topics **ret_topics, struct error *error);
int __wrap_kafka_render_topics(struct kafka_renderer *renderer, const struct record *record,
    const struct rendered_topics **ret_topics, struct error *error);

int __wrap_kafka_render_topics(struct kafka_renderer *renderer, const struct record *record,
    const struct rendered_topics **ret_topics, struct error *error)
{
    shortages += short_memory;
    return short_memory ? error_set(error, ERROR_RETRY, "out of memory")
                        : __real_kafka_render_topics(renderer, record, ret_topics, error);
}

enum kafka_sent __real_kafka_producer_send(struct kafka_producer *producer, struct kafka_topic *topic,
    const struct kafka_message *message, struct error *error);
enum kafka_sent __wrap_kafka_producer_send(struct kafka_producer *producer, struct kafka_topic *topic,
    const struct kafka_message *message, struct error *error);

enum kafka_sent __wrap_kafka_producer_send(struct kafka_producer *producer, struct kafka_topic *topic,
    const struct kafka_message *message, struct error *error)
{
    enum kafka_sent sent = __real_kafka_producer_send(producer, topic, message, error);

    unknown += sent == KAFKA_NO_TOPIC;
    return sent;
}

TestSuite(kafka_hold, .init = kafka_set_up, .fini = kafka_tear_down, .timeout = 900);

static bool something_held(void)
{
    return kafka_status().topics_held > 0 && kafka_all_done();
}

/* Ten rows wait for x, which is tried again when so much time has passed. */
static void hold_ten(void)
{
    kafka.options.hold_retry = KAFKA_LATER;
    kafka_put_some(5, 10);
    kafka_open_pump();
    rd_kafka_mock_push_request_errors(
        kafka.cluster, KAFKA_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    kafka_run_until(something_held);
}

/* Answers take longer than the main lane's first pause, and there is always something under way. */
Test(kafka_hold, a_drain_ends_beside_a_busy_main_lane_on_slow_brokers)
{
    const int64_t deadline = clock_monotonic(&clock_system) + 150 * CLOCK_SECOND;

    hold_ten();
    rd_kafka_mock_broker_set_rtt(kafka.cluster, -1, 700);
    kafka_pass_time(KAFKA_LATER);
    while (kafka_status().topics_held) {
        cr_assert(clock_monotonic(&clock_system) < deadline);
        kafka_put_some(1, 5);
        kafka_steps(CLOCK_SECOND / 50);
    }
    rd_kafka_mock_broker_set_rtt(kafka.cluster, -1, 0);
    kafka_run_until(kafka_nothing_held);
}

static struct kafka_found found;

static void assert_held_rows_arrive(uint64_t last)
{
    kafka_run_until(kafka_nothing_held);
    cr_assert_eq(kafka_status().cursor.delivered, last);
    kafka_consume("x", &found);
    kafka_assert_rows(&found, 1, last, 0);
}

static bool often_unknown(void)
{
    return unknown >= 20;
}

/* As when the thread does not run, between a probe that fails and the look at the clock, until the next is due. */
Test(kafka_hold, a_probe_that_cannot_be_sent_passes_no_record)
{
    kafka.options.hold_retry = 0;
    rd_kafka_mock_topic_set_error(kafka.cluster, "x", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    kafka_put_some(5, 10);
    kafka_open_pump();
    kafka_run_until(something_held);
    cr_assert(strstr(kafka_status().held,
        "does not exist: make it, or let the brokers' auto.create.topics.enable do so, or kafka.create_topics"));
    kafka_run_until(often_unknown);
    cr_assert(strstr(kafka_status().held, "do so, or kafka.create_topics"), "%s", kafka_status().held);
    rd_kafka_mock_topic_set_error(kafka.cluster, "x", RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_held_rows_arrive(10);
}

static bool often_short(void)
{
    return shortages >= 5;
}

static void be_short_of_memory(void)
{
    shortages = 0;
    short_memory = true;
    kafka_run_until(often_short);
    short_memory = false;
}

Test(kafka_hold, a_probe_without_memory_passes_no_record)
{
    hold_ten();
    kafka_pass_time(KAFKA_LATER);
    be_short_of_memory();
    assert_held_rows_arrive(10);
}

static bool probe_confirmed(void)
{
    return kafka_status().cursor.held < 10;
}

Test(kafka_hold, a_drain_without_memory_passes_no_record)
{
    hold_ten();
    kafka_pass_time(KAFKA_LATER);
    kafka_run_until(probe_confirmed);
    be_short_of_memory();
    assert_held_rows_arrive(10);
}

/* kill -9 between a probe that got the last record through and the drain behind it. */
Test(kafka_hold, a_topic_with_nothing_left_opens_without_a_record)
{
    const struct journal_mark mark = {.name = "x", .position = 1};
    const struct journal_cursor cursor = {.position = 1, .delivered = 1};
    struct journal_cursor stored;

    kafka_put_some(5, 1);
    cr_assert_eq(
        journal_cursor_move_marked(kafka.journal.journal, "kafka", &cursor, &mark, 1, &kafka.error), 0);
    do {
        cr_assert_eq(journal_cursor(kafka.journal.journal, "kafka", &stored, &kafka.error), 0);
    } while (stored.position != cursor.position);
    kafka_open_pump();
    cr_assert_eq(kafka_status().topics_held, 1);
    kafka_run_until(kafka_nothing_held);
}

static void refuse(int count)
{
    while (count--)
        rd_kafka_mock_push_request_errors(
            kafka.cluster, KAFKA_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
}

Test(kafka_hold, trouble_ends_with_the_last_record_that_was_refused)
{
    kafka_put_some(5, 1);
    kafka_open_pump();
    refuse(2);
    kafka_run_until(kafka_all_done);
    cr_assert_eq(kafka_letters(NULL, 0), 1);
    kafka_run_until(kafka_untroubled);
}

/* One producer after the other without a pause would be two hundred a second. */
Test(kafka_hold, a_refused_record_that_finds_no_room_is_not_hurried)
{
    kafka_put_some(5, 3);
    kafka_open_pump();
    full_letters = true;
    refuse(2000);
    kafka_steps(4 * CLOCK_SECOND);
    cr_assert_leq(kafka_status().replays, 20, "%llu", (unsigned long long)kafka_status().replays);
    full_letters = false;
    rd_kafka_mock_clear_request_errors(kafka.cluster, KAFKA_PRODUCE);
    kafka_run_until(kafka_all_done);
}

Test(kafka_hold, what_fails_stays_told_until_it_works)
{
    unsigned seen = 0;

    kafka_put(4, "a:b", 0, 0);
    kafka_open_pump();
    full_letters = true;
    while (kafka_pump_step(kafka.pump, &kafka.error) >= 0)
        kafka_pump_wait(kafka.pump, CLOCK_SECOND / 200, &seen);
    for (const int64_t until = clock_monotonic(&clock_system) + CLOCK_SECOND;
         clock_monotonic(&clock_system) < until;) {
        if (kafka_pump_step(kafka.pump, &kafka.error) >= 0)
            cr_assert(strstr(kafka_status().trouble, "No space left"), "%s", kafka_status().trouble);
        kafka_pump_wait(kafka.pump, CLOCK_SECOND / 200, &seen);
    }
    full_letters = false;
    kafka_run_until(kafka_all_done);
    kafka_run_until(kafka_untroubled);
}
