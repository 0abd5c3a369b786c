/* test_kafka_errors: what brokers refuse and how they fail, and what comes back for it */
#include "kafka_harness.h"

#include <criterion/criterion.h>

#include "kafka/internal.h"

TestSuite(kafka_errors, .init = kafka_harness_enter, .fini = kafka_harness_leave);

static void push_errors(int16_t request, size_t count, rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < count; i++)
        rd_kafka_mock_push_request_errors(cluster, request, 1, code);
}

static const struct config_pair small_batches[] = {{"batch.num.messages", "20"}};

/* ---- what passes ------------------------------------------------------------------------------------------- */

static void expect_all_delivered(size_t count, rd_kafka_resp_err_t code)
{
    open_main(small_batches, 1);
    push_errors(REQUEST_PRODUCE, count, code);
    send_all("t", 200);
    poll_until(200);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 200);
    for (size_t i = 0; i < 200; i++)
        cr_assert_eq(reports.items[i].tag, i);
    cr_assert_null(kafka_producer_broken(producer));
}

Test(kafka_errors, leader_changes_pass)
{
    expect_all_delivered(5, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
}

Test(kafka_errors, time_outs_of_the_broker_pass)
{
    expect_all_delivered(3, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
}

Test(kafka_errors, missing_replicas_pass)
{
    expect_all_delivered(3, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
}

Test(kafka_errors, a_storage_error_passes)
{
    expect_all_delivered(2, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR);
}

Test(kafka_errors, brokers_that_are_down_at_the_start_are_a_trouble_until_they_come)
{
    set_brokers(false);
    open_main(NULL, 0);
    send_all("t", 1);
    wait_for(kafka_producer_trouble(producer) != NULL);
    cr_assert_eq(reports.count, 0);
    set_brokers(true);
    send_all("t", 200);
    poll_until(201);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 201);
    cr_assert_null(kafka_producer_trouble(producer));
}

Test(kafka_errors, brokers_that_go_and_come_back_lose_nothing)
{
    open_main(NULL, 0);
    send_all("t", 1);
    poll_until(1);
    set_brokers(false);
    send_all("t", 200);
    wait_for(kafka_producer_trouble(producer) != NULL);
    set_brokers(true);
    poll_until(201);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 201);
}

Test(kafka_errors, a_failed_tls_handshake_says_more_than_brokers_that_are_down)
{
    const struct config_pair tls[] = {{"security.protocol", "ssl"}};

    open_main(tls, 1);
    topic_of("t");
    wait_for(kafka_producer_trouble(producer) && strstr(kafka_producer_trouble(producer), "SSL"));
    for (int i = 0; i < 10; i++)
        poll_some();
    cr_assert(strstr(kafka_producer_trouble(producer), "SSL"), "%s", kafka_producer_trouble(producer));
}

/* ---- what breaks ------------------------------------------------------------------------------------------- */

/* The first of ten batches is refused; behind it nothing may be delivered. */
static void expect_refused(rd_kafka_resp_err_t code, enum kafka_outcome outcome)
{
    struct error error;

    open_client(small_batches, 1);
    rd_kafka_mock_partition_set_leader(cluster, "t", 0, 1);
    open_producer(KAFKA_ROLE_MAIN, 0);
    send_all("t", 1);
    poll_until(1);
    /* The first batch goes when all are taken: a broken producer would not take them any more. Its answer leaves time for
     * others to be under way. */
    set_brokers(false);
    send_all("t", 200);
    rd_kafka_mock_broker_push_request_error_rtts(cluster, 1, REQUEST_PRODUCE, 1, code, 300);
    set_brokers(true);
    poll_until(201);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 1);
    cr_assert_eq(
        reports.outcomes[outcome] + (outcome == KAFKA_RETURNED ? 0 : reports.outcomes[KAFKA_RETURNED]), 200);
    cr_assert_geq(reports.outcomes[outcome], 1);
    cr_assert_eq(reports.items[1].outcome, outcome);
    cr_assert_eq(reports.items[1].tag, 0);
    cr_assert_str_eq(reports.reason, rd_kafka_err2str(code));
    cr_assert(kafka_producer_broken(producer));
    cr_assert_str_not_empty(kafka_producer_broken(producer));
    cr_assert_eq(send_to("t", 1, &error), KAFKA_BROKEN);
    cr_assert_str_eq(error.text, "kafka: topic t: Local: Fatal error");
}

Test(kafka_errors, a_message_too_large_for_the_broker_refuses_its_batch_alone)
{
    expect_refused(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, KAFKA_RECORD_REFUSED);
    cr_assert(
        strstr(kafka_producer_broken(producer), "_GAPLESS_GUARANTEE"), "%s", kafka_producer_broken(producer));
    cr_assert_eq(reports.outcomes[KAFKA_RECORD_REFUSED], 20);
}

Test(kafka_errors, a_record_that_the_broker_finds_invalid_refuses_its_batch_alone)
{
    expect_refused(RD_KAFKA_RESP_ERR_INVALID_RECORD, KAFKA_RECORD_REFUSED);
    cr_assert_eq(reports.outcomes[KAFKA_RECORD_REFUSED], 20);
}

Test(kafka_errors, a_forbidden_topic_is_refused)
{
    expect_refused(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, KAFKA_TOPIC_REFUSED);
}

Test(kafka_errors, an_old_epoch_returns_everything)
{
    expect_refused(RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, KAFKA_RETURNED);
}

Test(kafka_errors, a_lost_sequence_returns_everything)
{
    expect_refused(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, KAFKA_RETURNED);
    cr_assert(strstr(kafka_producer_broken(producer), "OUT_OF_ORDER_SEQUENCE_NUMBER"));
}

Test(kafka_errors, an_error_that_nobody_knows_returns_everything)
{
    expect_refused(RD_KAFKA_RESP_ERR_UNKNOWN, KAFKA_RETURNED);
}

Test(kafka_errors, other_topics_reports_still_come_from_a_broken_producer)
{
    open_client(small_batches, 1);
    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "u", 1, 3), 0);
    rd_kafka_mock_partition_set_leader(cluster, "t", 0, 1);
    rd_kafka_mock_partition_set_leader(cluster, "u", 0, 2);
    open_producer(KAFKA_ROLE_MAIN, 0);
    send_all("t", 1);
    send_all("u", 1);
    poll_until(2);
    /* Time for all to be sent, and for broker 2 to take some, before the refusal comes; its own answers come behind that. */
    rd_kafka_mock_broker_push_request_error_rtts(
        cluster, 1, REQUEST_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 3000);
    rd_kafka_mock_broker_set_rtt(cluster, 2, 6000);
    send_all("u", 40);
    send_all("t", 40);
    poll_until(82);
    cr_assert_eq(reports.outcomes[KAFKA_RECORD_REFUSED], 20);
    cr_assert(kafka_producer_broken(producer));
    cr_assert_geq(reports.outcomes[KAFKA_DELIVERED], 2 + 20, "what broker 2 had taken");
}

Test(kafka_errors, a_producer_that_gets_no_id_is_broken)
{
    struct error error;

    open_client(NULL, 0);
    push_errors(REQUEST_INIT_PRODUCER_ID, 1, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    open_producer(KAFKA_ROLE_MAIN, 0);
    /* It may be broken before the last one. */
    for (size_t i = 0; i < 3 && send_to("t", i, &error) == KAFKA_SENT; i++)
        ;
    wait_for(kafka_producer_broken(producer) != NULL);
    cr_assert(strstr(kafka_producer_broken(producer), "CLUSTER_AUTHORIZATION_FAILED"), "%s",
        kafka_producer_broken(producer));
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 0);
}

/* ---- topics that are not there ------------------------------------------------------------------------------ */

Test(kafka_errors, a_missing_topic_is_refused_while_others_go_on_and_comes_back_by_itself)
{
    const struct config_pair soon[] = {{"topic.metadata.propagation.max.ms", "1000"}};
    struct error error;

    rd_kafka_mock_topic_set_error(cluster, "later", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    open_main(soon, 1);
    send_all("later", 1);
    send_all("t", 50);
    poll_until(51);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 50);
    cr_assert_eq(reports.outcomes[KAFKA_TOPIC_REFUSED], 1);
    cr_assert_eq(send_to("later", 1, &error), KAFKA_NO_TOPIC);
    cr_assert(strstr(error.text, "kafka: topic later: the topic does not exist"), "%s", error.text);
    cr_assert_null(kafka_producer_broken(producer));
    send_all("t", 10);
    poll_until(61);

    rd_kafka_mock_topic_set_error(cluster, "later", RD_KAFKA_RESP_ERR_NO_ERROR);
    wait_for(send_to("later", 2, &error) == KAFKA_SENT);
    poll_until(62);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 61);
}

/* ---- probes ------------------------------------------------------------------------------------------------ */

Test(kafka_errors, a_probe_outlives_what_is_refused)
{
    open_client(NULL, 0);
    open_producer(KAFKA_ROLE_PROBE, 10 * CLOCK_SECOND);
    push_errors(REQUEST_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    send_all("t", 1);
    poll_until(1);
    cr_assert_eq(reports.outcomes[KAFKA_RECORD_REFUSED], 1);
    cr_assert_null(kafka_producer_broken(producer));
    send_all("t", 1);
    poll_until(2);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 1);
}

Test(kafka_errors, a_probe_gives_up_after_its_patience)
{
    int64_t start;

    set_brokers(false);
    open_client(NULL, 0);
    open_producer(KAFKA_ROLE_PROBE, CLOCK_SECOND);
    start = clock_monotonic(&clock_system);
    send_all("t", 2);
    poll_until(2);
    cr_assert_geq(clock_monotonic(&clock_system) - start, CLOCK_SECOND);
    cr_assert_eq(reports.outcomes[KAFKA_RETURNED], 2);
    cr_assert_str_eq(reports.reason, "Local: Message timed out");
}

/* ---- troubles ---------------------------------------------------------------------------------------------- */

Test(kafka_errors, troubles_are_ranked_by_what_they_tell)
{
    const struct {
        rd_kafka_resp_err_t code;
        const char *text;
        enum trouble_rank rank;
    } rows[] = {
        {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "3/3 brokers are down", TROUBLE_ALL_DOWN},
        {RD_KAFKA_RESP_ERR__TRANSPORT, "Connect to ipv4#127.0.0.1:1 failed: Connection refused",
            TROUBLE_DOWN},
        {RD_KAFKA_RESP_ERR__TIMED_OUT, "1 request(s) timed out: disconnect", TROUBLE_DOWN},
        {RD_KAFKA_RESP_ERR__RESOLVE, "Failed to resolve 'x:9092'", TROUBLE_ADDRESS},
        {RD_KAFKA_RESP_ERR__TRANSPORT, "SSL handshake failed: Disconnected", TROUBLE_REFUSED},
        {RD_KAFKA_RESP_ERR__TRANSPORT, "Disconnected: verify that security.protocol is correctly configured",
            TROUBLE_REFUSED},
        {RD_KAFKA_RESP_ERR__SSL, "certificate verify failed", TROUBLE_REFUSED},
        {RD_KAFKA_RESP_ERR__AUTHENTICATION, "Invalid username or password", TROUBLE_REFUSED},
        {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, "", TROUBLE_REFUSED},
        {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, "", TROUBLE_REFUSED},
        {RD_KAFKA_RESP_ERR__STATE, "", TROUBLE_NONE},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        cr_assert_eq(report_trouble(rows[i].code, rows[i].text), rows[i].rank, "%s", rows[i].text);
}

/* ---- the table --------------------------------------------------------------------------------------------- */

Test(kafka_errors, only_what_speaks_of_the_record_alone_makes_a_dead_letter)
{
    const struct rd_kafka_err_desc *all;
    size_t count, outcomes[OUTCOMES] = {0};

    rd_kafka_get_err_descs(&all, &count);
    for (size_t i = 0; i < count; i++)
        outcomes[report_outcome(all[i].code)] += all[i].desc != NULL;
    cr_assert_eq(outcomes[KAFKA_DELIVERED], 1);
    cr_assert_eq(outcomes[KAFKA_RECORD_REFUSED], 4);
    cr_assert_eq(outcomes[KAFKA_TOPIC_REFUSED], 7);
    cr_assert_gt(outcomes[KAFKA_RETURNED], 100);
    cr_assert_eq(report_outcome(RD_KAFKA_RESP_ERR__PURGE_QUEUE), KAFKA_RETURNED);
    cr_assert_eq(report_outcome(RD_KAFKA_RESP_ERR__PURGE_INFLIGHT), KAFKA_RETURNED);
    cr_assert_eq(report_outcome(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT), KAFKA_RETURNED);
    cr_assert_eq(report_outcome(RD_KAFKA_RESP_ERR_INVALID_MSG), KAFKA_RETURNED);
    cr_assert_eq(report_outcome(RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE), KAFKA_RETURNED);
    cr_assert_eq(report_outcome(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED), KAFKA_RETURNED);
}
