/* test_kafka_hold: how a held topic of the Kafka outlet comes back when that is not easy */
#include "pump_harness.h"

TestSuite(kafka_hold, .init = kafka_set_up, .fini = kafka_tear_down, .timeout = 180);

static bool something_held(void)
{
    return kafka_status().topics_held > 0 && kafka_all_done();
}

/* Answers take longer than the main lane's first pause, and there is always something under way. */
Test(kafka_hold, a_drain_ends_beside_a_busy_main_lane_on_slow_brokers)
{
    const int64_t deadline = clock_monotonic(&clock_system) + 60 * CLOCK_SECOND;

    kafka_put_some(5, 10);
    kafka_open_pump();
    rd_kafka_mock_push_request_errors(
        kafka.cluster, KAFKA_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    kafka_run_until(something_held);
    rd_kafka_mock_broker_set_rtt(kafka.cluster, -1, 700);
    while (kafka_status().topics_held) {
        cr_assert(clock_monotonic(&clock_system) < deadline);
        kafka_put_some(1, 5);
        kafka_steps(CLOCK_SECOND / 50);
    }
    rd_kafka_mock_broker_set_rtt(kafka.cluster, -1, 0);
    kafka_run_until(kafka_nothing_held);
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
