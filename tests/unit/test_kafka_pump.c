/* test_kafka_pump: the Kafka outlet against every error row: nothing is lost, order per key holds, the ledger adds up */
#include "pump_harness.h"

#include <stdio.h>
#include <stdlib.h>

static struct kafka_found found;

TestSuite(kafka_pump, .init = kafka_set_up, .fini = kafka_tear_down, .timeout = 900);

static void push_errors(rd_kafka_resp_err_t error, int count)
{
    for (int i = 0; i < count; i++)
        rd_kafka_mock_push_request_errors(kafka.cluster, KAFKA_PRODUCE, 1, error);
}

/* ---- without errors --------------------------------------------------------------------------------------- */

Test(kafka_pump, delivers_in_order_to_all_topics_once)
{
    kafka_put_some(1, 500);
    kafka_put_some(2, 500);
    kafka_put_some(3, 100);
    kafka_put(1, "k1", 0, RECORD_UNDECODABLE);
    kafka_put(RECORD_NO_RENDERING, "", 0, RECORD_UNDECODABLE);
    kafka_open_pump();
    kafka_run_until(kafka_all_done);
    cr_assert_eq(kafka_status().cursor.delivered, 1000);
    cr_assert_eq(kafka_status().cursor.not_for_outlet, 102);
    kafka_consume("t", &found);
    cr_assert_eq(found.messages, 1000);
    kafka_assert_rows(&found, 1, 1000, 0);
    kafka_consume("u", &found);
    cr_assert_eq(found.messages, 500);
    kafka_assert_rows(&found, 501, 1000, 0);
}

/* The partition follows from the position: sent again, the record goes where it went. */
Test(kafka_pump, records_without_a_key_keep_their_partition)
{
    static struct kafka_found before;

    for (int i = 0; i < 30; i++)
        kafka_put(1, "", 0, 0);
    kafka_put_some(3, 3000);
    for (int i = 0; i < 30; i++)
        kafka_put(1, "", 0, 0);
    kafka_open_pump();
    kafka_run_until(kafka_all_done);
    kafka_consume("t", &before);
    for (uint64_t row = 1; row <= 3060; row++) {
        if (before.seen[row])
            cr_assert_eq(before.partition[row], (int32_t)((row >> 10) % 4), "row %llu went to %d",
                (unsigned long long)row, before.partition[row]);
    }
    cr_assert_eq(before.distinct, 60);
}

Test(kafka_pump, goes_on_where_the_cursor_stands)
{
    kafka_put_some(1, 300);
    kafka_open_pump();
    kafka_run_until(kafka_all_done);
    kafka_restart();
    kafka_put_some(1, 300);
    kafka_run_until(kafka_all_done);
    kafka_consume("t", &found);
    kafka_assert_rows(&found, 1, 600, 0);
    cr_assert_eq(kafka_status().cursor.delivered, 600);
}

static bool some_delivered(void)
{
    return kafka_status().cursor.position > 1000;
}

Test(kafka_pump, a_restart_in_the_middle_loses_nothing)
{
    kafka_put_some(2, 20000);
    kafka_open_pump();
    kafka_run_until(some_delivered);
    kafka_restart();
    kafka_run_until(kafka_all_done);
    kafka_consume("t", &found);
    kafka_assert_rows(&found, 1, 20000, 20000);
    kafka_consume("u", &found);
    kafka_assert_rows(&found, 1, 20000, 20000);
}

Test(kafka_pump, a_replayed_letter_is_only_for_its_outlet)
{
    kafka_put(1, "k1", 0, RECORD_REPLAYED); /* its origin names no outlet */
    kafka_open_pump();
    kafka_run_until(kafka_all_done);
    cr_assert_eq(kafka_status().cursor.not_for_outlet, 1);
}

/* ---- errors that pass by themselves ------------------------------------------------------------------------ */

static void survive(rd_kafka_resp_err_t error, int count, uint64_t extra)
{
    kafka_put_some(1, 2000);
    kafka_open_pump();
    push_errors(error, count);
    kafka_run_until(kafka_all_done);
    kafka_put_some(1, 200);
    kafka_run_until(kafka_all_done);
    kafka_consume("t", &found);
    kafka_assert_rows(&found, 1, 2200, extra);
    cr_assert_eq(kafka_status().cursor.delivered, 2200);
    cr_assert_eq(kafka_letters(NULL, 0), 0);
    kafka_run_until(kafka_untroubled);
}

Test(kafka_pump, not_leader)
{
    survive(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 5, 0);
}

Test(kafka_pump, request_timed_out)
{
    survive(RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, 3, 0);
}

Test(kafka_pump, not_enough_replicas)
{
    survive(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 3, 0);
}

static bool in_trouble(void)
{
    return !kafka_untroubled();
}

Test(kafka_pump, all_brokers_down_then_up)
{
    kafka_put_some(1, 1000);
    for (int i = 1; i <= 3; i++)
        rd_kafka_mock_broker_set_down(kafka.cluster, i);
    kafka_open_pump();
    kafka_run_until(in_trouble);
    cr_assert_eq(kafka_status().cursor.position, 0);
    for (int i = 1; i <= 3; i++)
        rd_kafka_mock_broker_set_up(kafka.cluster, i);
    kafka_run_until(kafka_all_done);
    kafka_run_until(kafka_untroubled);
    kafka_consume("t", &found);
    kafka_assert_rows(&found, 1, 1000, 0);
}

/* ---- errors that end a producer ---------------------------------------------------------------------------- */

Test(kafka_pump, invalid_producer_epoch)
{
    survive(RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 1, 2000);
}

Test(kafka_pump, out_of_order_sequence)
{
    survive(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1, 2000);
}

Test(kafka_pump, unknown_producer_id)
{
    survive(RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, 1, 2000);
}

/* ---- a message that is refused ----------------------------------------------------------------------------- */

Test(kafka_pump, a_batch_refused_once_loses_nothing)
{
    survive(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1, 2000);
}

/* The second refusal hits the first message alone. */
Test(kafka_pump, what_is_refused_alone_is_a_dead_letter)
{
    char reason[200];

    kafka_put_some(5, 500);
    kafka_open_pump();
    push_errors(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 2);
    kafka_run_until(kafka_all_done);
    cr_assert_eq(kafka_letters(reason, sizeof reason), 1);
    cr_assert(strstr(reason, "too large"), "%s", reason);
    cr_assert_eq(kafka_status().cursor.dead_lettered, 1);
    cr_assert_eq(kafka_status().cursor.delivered, 499);
    kafka_consume("x", &found);
    kafka_assert_rows(&found, 2, 500, 0);
    cr_assert_eq(found.seen[1], 0);
}

Test(kafka_pump, what_librdkafka_refuses_itself_is_a_dead_letter)
{
    /* The client's limit is the default 1,000,000 bytes; a segment of 1 MiB takes no record of that size, so the topic is
     * what is wrong here: a key that it cannot carry. */
    kafka_put(4, "a:b", 0, 0);
    kafka_put(4, "ab", 0, 0);
    kafka_open_pump();
    kafka_run_until(kafka_all_done);
    cr_assert_eq(kafka_letters(NULL, 0), 1);
    cr_assert_eq(kafka_status().cursor.dead_lettered, 1);
    cr_assert_eq(kafka_status().cursor.delivered, 1);
}

Test(kafka_pump, a_lost_rendering_makes_dead_letters)
{
    kafka_put(99, "k", 0, 0);
    kafka_put(1, "k", 0, 0);
    kafka_open_pump();
    kafka_run_until(kafka_all_done);
    cr_assert_eq(kafka_letters(NULL, 0), 1);
    cr_assert_eq(kafka_status().cursor.dead_lettered, 1);
}

/* ---- topics ------------------------------------------------------------------------------------------------ */

Test(kafka_pump, above_max_topics_are_dead_letters_also_behind_a_restart)
{
    char reason[200];

    kafka.options.max_topics = 2;
    kafka_put(4, "a", 0, 0);
    kafka_put(4, "b", 0, 0);
    kafka_put(4, "c", 0, 0);
    kafka_open_pump();
    kafka_run_until(kafka_all_done);
    cr_assert_eq(kafka_letters(reason, sizeof reason), 1);
    cr_assert(strstr(reason, "kafka.max_topics"), "%s", reason);
    kafka_restart();
    kafka_put(4, "d", 0, 0);
    kafka_put(4, "a", 0, 0);
    kafka_run_until(kafka_all_done);
    cr_assert_eq(kafka_letters(NULL, 0), 2);
    cr_assert_eq(kafka_status().cursor.delivered, 3);
}

/* What the configuration names as it is does not depend on what strangers have used up. */
Test(kafka_pump, literal_topics_do_not_fall_under_max_topics)
{
    kafka.options.max_topics = 1;
    kafka_put(4, "a", 0, 0);
    kafka_put(4, "b", 0, 0);
    kafka_put(2, "k", 0, 0);
    kafka_open_pump();
    kafka_run_until(kafka_all_done);
    cr_assert_eq(kafka_letters(NULL, 0), 1);
    cr_assert_eq(kafka_status().cursor.delivered, 2);
    cr_assert(kafka_status().topics_full);
}

/* A letter that is given back goes to the topic that it is about, and to no other one again. */
Test(kafka_pump, a_replayed_letter_goes_to_its_topic_only)
{
    kafka_set_origin("kafka test-1/00000001/7 u");
    kafka_put(2, "k1", 0, RECORD_REPLAYED);
    kafka_set_origin("kafka test-1/00000001/7 gone"); /* none of its topics any more: all of them */
    kafka_put(2, "k1", 0, RECORD_REPLAYED);
    kafka_set_origin("lake test-1/00000001/7");
    kafka_put(2, "k1", 0, RECORD_REPLAYED);
    kafka_open_pump();
    kafka_run_until(kafka_all_done);
    kafka_consume("t", &found);
    cr_assert_eq(found.messages, 1);
    cr_assert_eq(found.seen[2], 1);
    kafka_consume("u", &found);
    cr_assert_eq(found.messages, 2);
    kafka_assert_rows(&found, 1, 2, 0);
    cr_assert_eq(kafka_status().cursor.not_for_outlet, 1);
}

static bool something_held(void)
{
    return kafka_status().topics_held > 0 && kafka_all_done();
}

/* The topic takes nothing for a while; others go on, and it comes back by itself. */
Test(kafka_pump, a_forbidden_topic_is_held_and_resumes)
{
    kafka.options.hold_retry = KAFKA_LATER;
    kafka_put_some(5, 300);
    kafka_open_pump();
    kafka_run_until(kafka_all_done);
    push_errors(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    kafka_put_some(5, 300);
    kafka_run_until(something_held);
    cr_assert_eq(kafka_status().cursor.held, 300);
    cr_assert_eq(strncmp(kafka_status().held, "x: ", 3), 0, "%s", kafka_status().held);
    kafka_put_some(1, 300);
    kafka_put_some(5, 300);
    kafka_pass_time(KAFKA_LATER);
    kafka_run_until(kafka_nothing_held);
    cr_assert_eq(kafka_status().cursor.delivered, 1200);
    kafka_consume("x", &found);
    kafka_assert_rows(&found, 1, 600, 0);
    kafka_assert_rows(&found, 901, 1200, 0);
    kafka_consume("t", &found);
    kafka_assert_rows(&found, 601, 900, 0);
}

Test(kafka_pump, a_held_topic_waits_over_a_restart)
{
    const int64_t retry = kafka.options.hold_retry;

    kafka.options.hold_retry = KAFKA_LATER;
    kafka_put_some(5, 100);
    kafka_open_pump();
    push_errors(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 4);
    kafka_run_until(something_held);
    kafka_put_some(5, 100);
    kafka_run_until(something_held);
    cr_assert_eq(kafka_status().cursor.held, 200);
    kafka.options.hold_retry = retry;
    kafka_restart();
    cr_assert_eq(kafka_status().cursor.held, 200);
    cr_assert_eq(kafka_status().topics_held, 1);
    kafka_put_some(5, 100);
    kafka_run_until(kafka_nothing_held);
    kafka_consume("x", &found);
    kafka_assert_rows(&found, 1, 300, 0);
    cr_assert_eq(kafka_status().cursor.delivered, 300);
}

/* Of a record's two topics one is held: it counts as held until that one has it, and is sent to the other once. */
Test(kafka_pump, a_record_with_one_topic_held_counts_once)
{
    kafka.options.hold_retry = KAFKA_LATER;
    kafka_put_some(2, 200);
    kafka_open_pump();
    push_errors(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    kafka_run_until(something_held);
    cr_assert_eq(kafka_status().cursor.held, 200);
    kafka_pass_time(KAFKA_LATER);
    kafka_run_until(kafka_nothing_held);
    cr_assert_eq(kafka_status().cursor.delivered, 200);
    kafka_consume("t", &found);
    kafka_assert_rows(&found, 1, 200, 200);
    kafka_consume("u", &found);
    kafka_assert_rows(&found, 1, 200, 200);
}

/* Held before dead letters were asked for: what waits becomes dead letters, and nothing is held any more. */
Test(kafka_pump, what_was_held_becomes_dead_letters_when_asked_to_later)
{
    kafka.options.hold_retry = KAFKA_LATER;
    kafka_put_some(5, 100);
    kafka_open_pump();
    push_errors(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    kafka_run_until(something_held);
    push_errors(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    kafka.options.shut_unwritable = true;
    kafka_restart();
    kafka_run_until(kafka_nothing_held);
    cr_assert_eq(kafka_letters(NULL, 0), 100, "%zu letters", kafka_letters(NULL, 0));
    cr_assert_eq(kafka_status().cursor.dead_lettered, 100);
    kafka_put_some(5, 100);
    kafka_run_until(kafka_nothing_held);
    cr_assert_eq(kafka_status().cursor.delivered, 100);
}

Test(kafka_pump, a_forbidden_topic_makes_dead_letters_when_asked_to)
{
    kafka.options.shut_unwritable = true;
    kafka.options.hold_retry = KAFKA_LATER;
    kafka_put_some(5, 100);
    kafka_open_pump();
    push_errors(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    kafka_run_until(kafka_all_done);
    cr_assert_eq(kafka_letters(NULL, 0), 100, "%zu letters", kafka_letters(NULL, 0));
    cr_assert_eq(kafka_status().cursor.dead_lettered, 100);
    kafka_pass_time(KAFKA_LATER);
    kafka_run_until(kafka_nothing_held);
    kafka_put_some(5, 100);
    kafka_run_until(kafka_all_done);
    cr_assert_eq(kafka_status().cursor.delivered, 100);
}

/* ---- everything at once ------------------------------------------------------------------------------------ */

static unsigned long chaos_state;

static unsigned chaos(unsigned below)
{
    chaos_state = chaos_state * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned)(chaos_state >> 33) % below;
}

static bool nothing_under_way(void)
{
    return kafka_status().in_flight == 0;
}

static void chaos_round(uint8_t renderings[KAFKA_ROWS_MAX])
{
    static const rd_kafka_resp_err_t errors[] = {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS};
    static const uint32_t used[] = {1, 2, 5, 3};
    uint32_t rendering = used[chaos(4)];
    uint64_t before = kafka.rows;

    kafka_put_some(rendering, 1 + chaos(300));
    memset(renderings + before + 1, (int)rendering, kafka.rows - before);
    if (chaos(3) == 0)
        push_errors(errors[chaos(sizeof errors / sizeof *errors)], 1 + (int)chaos(3));
    kafka_steps(chaos(60) * 1000);
    if (chaos(8) == 0) {
        /* A batch that is to be sent again must not be given up here: a broker would refuse the one behind it for its sequence
         * number, the mock knows none. */
        rd_kafka_mock_clear_request_errors(kafka.cluster, KAFKA_PRODUCE);
        kafka_run_until(nothing_under_way);
        kafka_restart();
    }
}

static void assert_topic(const char *topic, const uint8_t *renderings, uint8_t one, uint8_t other)
{
    static bool buried[KAFKA_ROWS_MAX];

    kafka_consume(topic, &found);
    kafka_buried(topic, buried);
    for (uint64_t row = 1; row <= kafka.rows; row++) {
        if (renderings[row] == one || renderings[row] == other)
            cr_assert(found.seen[row] || buried[row], "seed %lu: row %llu is not in %s", chaos_state,
                (unsigned long long)row, topic);
        else
            cr_assert_not(found.seen[row]);
        /* What became a dead letter just before a restart may be tried again, and delivered then. */
        cr_assert(!found.late[row] || buried[row], "seed %lu: row %llu is late in %s", chaos_state,
            (unsigned long long)row, topic);
    }
}

static void run_chaos(unsigned long seed)
{
    static uint8_t renderings[KAFKA_ROWS_MAX];

    chaos_state = seed;
    kafka_open_pump();
    for (int round = 0; round < 60; round++)
        chaos_round(renderings);
    rd_kafka_mock_clear_request_errors(kafka.cluster, KAFKA_PRODUCE);
    kafka_run_until(kafka_nothing_held);
    cr_assert_eq(kafka_status().cursor.damaged, 0, "%lld", (long long)kafka_status().cursor.damaged);
    assert_topic("t", renderings, 1, 2);
    assert_topic("u", renderings, 2, 2);
    assert_topic("x", renderings, 5, 5);
}

Test(kafka_pump, errors_and_restarts_at_random)
{
    const char *seed = getenv("SEED");

    run_chaos(seed ? strtoul(seed, NULL, 10) : 1);
}

Test(kafka_pump, errors_and_restarts_at_random_again)
{
    run_chaos(2);
}
