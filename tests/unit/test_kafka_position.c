/* test_kafka_position: the form of a position in Kafka, and the window whose deliveries are taken back */
#include <criterion/criterion.h>

#include "outlet/kafka_position.h"
#include "outlet/kafka_window.h"

static struct error error;

static const struct kafka_position position = {.log = UINT64_C(0x0f9a1c22d1e80b57),
    .epoch = UINT32_MAX,
    .cursor = {.position = 1042,
        .base = 100,
        .delivered = 900,
        .dead_lettered = 2,
        .not_for_outlet = 39,
        .damaged = 1}};

#define VALUE(log, epoch, sequence, rest)                                           \
    "{\"version\":1,\"log\":\"" log "\",\"epoch\":" epoch ",\"sequence\":" sequence \
    ",\"base\":100,\"delivered\":900," rest "}"
#define REST "\"dead_lettered\":2,\"not_for_outlet\":39,\"damaged\":1"
#define LOG "0f9a1c22d1e80b57"

Test(kafka_position, is_read_as_it_was_written)
{
    cleanup_bytes struct bytes value;
    struct kafka_position found;

    bytes_init(&value, 1024);
    cr_assert_eq(kafka_position_encode(&position, &value, &error), 0);
    cr_assert_eq(
        kafka_position_decode((struct slice){value.data, value.length}, &found, &error), 0, "%s", error.text);
    cr_assert_eq(memcmp(&found, &position, sizeof found), 0);
    cr_assert_eq(kafka_position_decode(
                     slice_of(VALUE(LOG, "4294967295", "1042", REST ",\"more\":{}")), &found, &error),
        0);
    cr_assert_eq(memcmp(&found, &position, sizeof found), 0);
}

Test(kafka_position, what_is_none_is_refused)
{
    static const char *const wrong[] = {"", "{}", "null", "1042", "{\"version\":1}",
        VALUE(LOG, "4294967296", "1042", REST), VALUE(LOG, "1", "1043", REST), VALUE(LOG, "1", "-1042", REST),
        VALUE(LOG, "1", "1042.0", REST), VALUE(LOG, "1", "\"1042\"", REST),
        VALUE("f9a1c22d1e80b57", "1", "1042", REST), VALUE("0F9A1C22D1E80B57", "1", "1042", REST),
        VALUE(LOG, "1", "1042", "\"dead_lettered\":2,\"not_for_outlet\":40"),
        VALUE(LOG, "1", "1042", REST ",\"base\":100"), VALUE(LOG, "1", "1042", REST) " x",
        "{\"version\":2,\"log\":\"" LOG
        "\",\"epoch\":1,\"sequence\":0,\"base\":0,\"delivered\":0,\"dead_lettered\":0,"
        "\"not_for_outlet\":0,\"damaged\":0}"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct kafka_position found = {.epoch = 7};
        error.text[0] = '\0';
        cr_assert_eq(kafka_position_decode(slice_of(wrong[i]), &found, &error), -1, "%s", wrong[i]);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_eq(found.epoch, 7);
    }
}

/* ---- what is taken back --------------------------------------------------------------------------------------------- */

static void take(struct window *window, uint16_t topics)
{
    window_take(window, topics, WINDOW_DELIVERED);
    for (unsigned topic = 0; topic < 2; topic++) {
        if (window_unsent(window, window->read) & 1U << topic)
            window_sent(window, window->read, topic);
    }
}

static void deliver(struct window *window, uint64_t position_of, unsigned topic)
{
    window_reported(window, position_of, topic, true);
}

Test(kafka_position, what_was_delivered_is_sent_again_and_what_was_buried_is_not)
{
    struct window window;
    uint64_t counts[WINDOW_OUTCOMES] = {0};

    cr_assert_eq(window_open(&window, &error), 0);
    window_start(&window, 10);
    take(&window, 3);
    take(&window, 3);
    window_take(&window, 0, WINDOW_NOT_FOR_OUTLET);
    deliver(&window, 11, 0);
    deliver(&window, 11, 1);
    deliver(&window, 12, 1);
    window_reported(&window, 12, 0, false);
    window_finish(&window, 12, 0, WINDOW_DEAD_LETTERED);
    for (int again = 0; again < 2; again++) {
        window_revoke(&window);
        cr_assert_eq(window.read, 10);
        take(&window, 3);
        cr_assert_eq(window.in_flight, 2);
        take(&window, 3);
        cr_assert_eq(window.in_flight, 3, "the second topic of the second record alone");
        window_take(&window, 0, WINDOW_NOT_FOR_OUTLET);
    }
    deliver(&window, 11, 0);
    deliver(&window, 11, 1);
    deliver(&window, 12, 1);
    take(&window, 1);
    deliver(&window, 14, 0);
    struct window ahead = window;
    window_advance(&ahead, counts);
    cr_assert_eq(ahead.done, 14);
    cr_assert_eq(counts[WINDOW_DELIVERED], 2);
    cr_assert_eq(counts[WINDOW_DEAD_LETTERED], 1);
    cr_assert_eq(counts[WINDOW_NOT_FOR_OUTLET], 1);
    cr_assert_eq(window.done, 10);
    memset(counts, 0, sizeof counts);
    window_advance(&window, counts);
    cr_assert_eq(window.done, 14);
    cr_assert_eq(counts[WINDOW_DELIVERED], 2);
    window_close(&window);
}

Test(kafka_position, what_is_damaged_when_it_is_read_again_is_no_dead_letter)
{
    struct window window;
    uint64_t counts[WINDOW_OUTCOMES] = {0};

    cr_assert_eq(window_open(&window, &error), 0);
    window_start(&window, 0);
    window_take(&window, 1, WINDOW_DELIVERED);
    window_finish(&window, 1, 0, WINDOW_DEAD_LETTERED);
    window_revoke(&window);
    window_take(&window, 0, WINDOW_DAMAGED);
    window_advance(&window, counts);
    cr_assert_eq(counts[WINDOW_DAMAGED], 1);
    window_close(&window);
}
