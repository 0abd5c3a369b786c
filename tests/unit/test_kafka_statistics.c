/* test_kafka_statistics: librdkafka's statistics as JSON in, what the metrics need out */
#include "kafka/internal.h"

#include <criterion/criterion.h>

#include <stdio.h>

static struct statistics_pointers pointers;
static struct kafka_statistics statistics;

static void enter(void)
{
    struct error error;

    cr_assert_eq(statistics_compile(&pointers, &error), 0, "%s", error.text);
    memset(&statistics, 0, sizeof statistics);
}

static void leave(void)
{
    statistics_free(&pointers);
}

TestSuite(kafka_statistics, .init = enter, .fini = leave);

static void take(const char *json)
{
    statistics_take(&statistics, &pointers, slice_of(json));
}

#define BROKER(name, id, state, source, retries)                                                             \
    "\"" name "\": {\"name\":\"" name "\", \"nodeid\":" id ", \"state\":\"" state "\", \"source\":\"" source \
    "\", \"txretries\":" retries ", \"toppars\":{\"t-0\":{\"topic\":\"t\"}}}"

Test(kafka_statistics, numbered_brokers_replace_the_bootstrap_entries)
{
    take("{\"name\":\"penstock\", \"msg_cnt\": 17,\"msg_size\":123456789012, \"brokers\":{ " BROKER(
        "a:1/bootstrap", "-1", "UP", "configured", "1") " , " BROKER(":0/internal", "-1", "INIT", "internal",
        "2") "," BROKER("b:1/7", "7", "UP", "learned", "3") "," BROKER("c:1/bootstrap", "-1", "DOWN",
        "configured", "4") "," BROKER("d:1/0", "0", "CONNECT", "configured", "5") "," BROKER("TxnCoordinator",
        "-1", "INIT", "logical", "6") "}, \"topics\":{}}");
    cr_assert_eq(statistics.queue_messages, 17);
    cr_assert_eq(statistics.queue_bytes, UINT64_C(123456789012));
    cr_assert_eq(statistics.retries, 21);
    cr_assert_eq(statistics.version, 1);
    cr_assert_eq(statistics.brokers_count, 2);
    cr_assert_str_eq(statistics.brokers[0].name, "b:1/7");
    cr_assert(statistics.brokers[0].up);
    cr_assert_str_eq(statistics.brokers[1].name, "d:1/0");
    cr_assert_not(statistics.brokers[1].up);
}

Test(kafka_statistics, bootstrap_entries_count_while_nobody_has_a_number)
{
    take("{\"msg_cnt\":0,\"msg_size\":0,\"brokers\":{" BROKER("a:1/bootstrap", "-1", "DOWN", "configured",
        "0") "," BROKER("GroupCoordinator", "-1", "INIT", "logical", "0") "}}");
    cr_assert_eq(statistics.brokers_count, 1);
    cr_assert_str_eq(statistics.brokers[0].name, "a:1/bootstrap");
    cr_assert_not(statistics.brokers[0].up);
}

Test(kafka_statistics, what_is_not_understood_changes_nothing)
{
    take("{\"msg_cnt\":5,\"brokers\":{" BROKER("a:1/1", "1", "UP", "learned", "2") "}}");
    take("{\"msg_cnt\":6,\"brokers\":{");
    take("");
    cr_assert_eq(statistics.version, 1);
    cr_assert_eq(statistics.queue_messages, 5);
    cr_assert_eq(statistics.brokers_count, 1);
}

Test(kafka_statistics, odd_values_count_as_none)
{
    take("{\"msg_cnt\":-1,\"msg_size\":\"7\",\"brokers\":{}}");
    cr_assert_eq(statistics.queue_messages, 0);
    cr_assert_eq(statistics.queue_bytes, 0);
    take("{\"msg_cnt\":1e3,\"msg_size\":1234567890123456789012,\"brokers\":[1]}");
    cr_assert_eq(statistics.queue_messages, 0);
    cr_assert_eq(statistics.queue_bytes, 0);
    cr_assert_eq(statistics.brokers_count, 0);
    take("{}");
    take("{\"brokers\":{\"x\":1,\"y\":{}}}");
    cr_assert_eq(statistics.brokers_count, 0);
    cr_assert_eq(statistics.version, 4);
}

Test(kafka_statistics, more_brokers_than_there_is_room_for_and_long_names)
{
    struct error error;
    cleanup_bytes struct bytes json;
    char name[300];

    memset(name, 'h', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    bytes_init(&json, 1 << 20);
    bytes_add_text(&json, "{\"brokers\":{", &error);
    for (int i = 0; i < KAFKA_BROKERS_MAX + 5; i++)
        bytes_print(&json, &error,
            "%s\"%s%d\":{\"name\":\"%s\",\"nodeid\":%d,\"state\":\"UP\",\"source\":\"learned\"}",
            i ? "," : "", name, i, name, i);
    cr_assert_eq(bytes_add_text(&json, "}}", &error), 0);
    statistics_take(&statistics, &pointers, bytes_slice(&json));
    cr_assert_eq(statistics.brokers_count, KAFKA_BROKERS_MAX);
    cr_assert_eq(strlen(statistics.brokers[0].name), sizeof statistics.brokers[0].name - 1);
}
