/* test_kafka_transactions: what becomes of a transaction when brokers refuse, fail or are away; that readers see it whole or not at all only a real broker shows */
#include "kafka_harness.h"

#include <criterion/criterion.h>

TestSuite(kafka_transactions, .init = kafka_harness_enter, .fini = kafka_harness_leave);

#define REQUEST_TXN_OFFSET_COMMIT 28
#define REQUEST_END_TXN 26
#define REQUEST_OFFSET_FETCH 9
#define ID "penstock-import-1-0"

static struct error error;
static char why[256];
static int waits, waits_most;

static bool wait_note(void *context, const char *text)
{
    (void)context;
    snprintf(why, sizeof why, "%s", text);
    return ++waits < waits_most;
}

static const struct kafka_patience patience = {wait_note, NULL};

static int open_transactions(const struct config_pair *more, size_t count)
{
    waits = 0;
    waits_most = 120;
    open_client(more, count);
    return kafka_transactions_open(&producer, client, ID, &patience, &error);
}

static void send_one_transaction(void)
{
    cr_assert_eq(kafka_transaction_begin(producer, &error), 0, "%s", error.text);
    send_all("t", 100);
    poll_until(100);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 100);
}

static int commit(void)
{
    return kafka_transaction_note(producer, "t", 7, &patience, &error) == 0
               ? kafka_transaction_commit(producer, &patience, &error)
               : -1;
}

static void push(int16_t request, rd_kafka_resp_err_t code)
{
    rd_kafka_mock_push_request_errors(cluster, request, 1, code);
}

Test(kafka_transactions, one_after_the_other)
{
    cr_assert_eq(open_transactions(NULL, 0), 0, "%s", error.text);
    for (int i = 0; i < 2; i++) {
        send_one_transaction();
        cr_assert_eq(commit(), 0, "%s", error.text);
        reports = (struct reports){0};
    }
}

Test(kafka_transactions, a_coordinator_that_moves_is_found_again)
{
    cr_assert_eq(open_transactions(NULL, 0), 0, "%s", error.text);
    send_one_transaction();
    push(REQUEST_END_TXN, RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    push(REQUEST_END_TXN, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS);
    cr_assert_eq(commit(), 0, "%s", error.text);
}

Test(kafka_transactions, a_commit_that_fails_may_be_tried_by_another_producer)
{
    cr_assert_eq(open_transactions(NULL, 0), 0, "%s", error.text);
    send_one_transaction();
    push(REQUEST_END_TXN, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
    cr_assert_eq(commit(), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    kafka_transaction_abort(producer, CLOCK_SECOND);
    kafka_producer_end(&producer);
    cr_assert_null(producer);
    reports = (struct reports){0};
    cr_assert_eq(kafka_transactions_open(&producer, client, ID, &patience, &error), 0, "%s", error.text);
    send_one_transaction();
    cr_assert_eq(commit(), 0, "%s", error.text);
}

Test(kafka_transactions, an_abort_takes_what_is_under_way)
{
    cr_assert_eq(open_transactions(NULL, 0), 0, "%s", error.text);
    cr_assert_eq(kafka_transaction_begin(producer, &error), 0);
    send_all("t", 100);
    kafka_transaction_abort(producer, 10 * CLOCK_SECOND);
    cr_assert_eq(kafka_transaction_begin(producer, &error), 0, "it was aborted: %s", error.text);
    cr_assert_eq(kafka_transaction_begin(producer, &error), -1, "one at a time");
}

/* Each says which right or setting is missing. */
Test(kafka_transactions, what_is_refused_for_good)
{
    static const struct {
        rd_kafka_resp_err_t code;
        const char *wanted;
    } at_the_start[] = {
        {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "the right Write on this transactional id is missing"},
        {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT,
            "transaction.timeout.ms is above the brokers' transaction.max.timeout.ms"},
    };
    static const struct {
        rd_kafka_resp_err_t code;
        const char *wanted;
    } at_the_end[] = {
        {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "the right Read on the consumer group of this name"},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "the right Read on the topic"},
    };

    for (size_t i = 0; i < COUNT(at_the_start); i++) {
        push(REQUEST_INIT_PRODUCER_ID, at_the_start[i].code);
        cr_assert_eq(open_transactions(NULL, 0), -1);
        cr_assert_null(producer);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert(strstr(error.text, at_the_start[i].wanted) && strstr(error.text, ID), "%s", error.text);
        kafka_harness_close();
    }
    for (size_t i = 0; i < COUNT(at_the_end); i++) {
        cr_assert_eq(open_transactions(NULL, 0), 0, "%s", error.text);
        send_one_transaction();
        push(REQUEST_TXN_OFFSET_COMMIT, at_the_end[i].code);
        cr_assert_eq(commit(), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert(strstr(error.text, at_the_end[i].wanted), "%s", error.text);
        kafka_harness_close();
    }
}

Test(kafka_transactions, who_waits_for_brokers_learns_why_and_may_give_up)
{
    set_brokers(false);
    waits = 0;
    waits_most = 3;
    open_client(NULL, 0);
    cr_assert_eq(kafka_transactions_open(&producer, client, ID, &patience, &error), -1);
    cr_assert_eq(waits, 3);
    cr_assert(*why);
    set_brokers(true);
    cr_assert_eq(kafka_transactions_open(&producer, client, ID, &patience, &error), 0, "%s", error.text);
}

Test(kafka_transactions, the_last_one_is_asked_for_until_brokers_say)
{
    uint64_t number = 1;
    bool known = true;

    cr_assert_eq(open_transactions(NULL, 0), 0, "%s", error.text);
    push(REQUEST_OFFSET_FETCH, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT);
    push(REQUEST_OFFSET_FETCH, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    cr_assert_eq(
        kafka_transactions_last(producer, "t", &number, &known, &patience, &error), 0, "%s", error.text);
    cr_assert_not(known);
    cr_assert_eq(number, 0);
    cr_assert_gt(waits, 0);
    push(REQUEST_OFFSET_FETCH, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    cr_assert_eq(kafka_transactions_last(producer, "t", &number, &known, &patience, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT, "%s", error.text);
}

/* librdkafka takes no answer's time-out above it. */
Test(kafka_transactions, a_short_time_out)
{
    static const struct config_pair soon[] = {{"transaction.timeout.ms", "5000"}};

    cr_assert_eq(open_transactions(soon, 1), 0, "%s", error.text);
    cr_assert_eq(kafka_client_transaction_timeout(client), 5 * CLOCK_SECOND);
    kafka_harness_close();
    cr_assert_eq(open_transactions(NULL, 0), 0, "%s", error.text);
    cr_assert_eq(kafka_client_transaction_timeout(client), 900 * CLOCK_SECOND);
}
