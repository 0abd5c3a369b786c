/* The rates of keys, as records come in. */
#include "intake_harness.h"
#include "source/intake_internal.h"

#define NOW_HERE (1000 * CLOCK_SECOND)

static struct rates *rates;

static struct slice origin(void *context, struct slice payload)
{
    (void)context;
    (void)payload;
    return SLICE("here");
}

/* Two records a second of each key of two streams. */
static void set_up_rates(struct fixture *f)
{
    static struct config config;

    set_up(f);
    cr_assert_eq(rates_new(&rates, &config, &f->error), 0, "%s", f->error.text);
    f->streams->items[READINGS]->key_rate = f->streams->items[BY_HEADER]->key_rate = 2;
    f->facts.rates = rates;
    f->facts.now = NOW_HERE;
}

static void tear_down_rates(struct fixture *f)
{
    rates_free(&rates);
    tear_down(f);
}

#define A "{\"sensor_id\":\"a\"}\n"
#define B "{\"sensor_id\":\"b\"}\n"

static int take_lines(struct fixture *f, struct slice body)
{
    return take(f, READINGS, DECODE_NDJSON, body);
}

Test(intake_rate, what_is_over_is_rejected_by_its_index)
{
    struct fixture f;

    set_up_rates(&f);
    cr_assert_eq(take_lines(&f, SLICE(A A A B A)), 0);
    expect_counts(&f, 4, 1);
    cr_assert_eq(f.result.list[0].index, 4);
    cr_assert_eq(f.result.list[0].reason, INTAKE_RATE);
    cr_assert_str_eq(
        f.result.list[0].text, "the key 'a' has written as much as streams.readings.key_rate allows");
    cr_assert_str_eq(intake_reason_name(INTAKE_RATE), "rate");
    cr_assert_eq(f.result.wait, CLOCK_SECOND / 2);
    f.facts.now += CLOCK_SECOND / 2;
    cr_assert_eq(take_lines(&f, SLICE(A A B)), 0);
    expect_counts(&f, 2, 1);
    cr_assert_eq(f.result.list[0].index, 1);
    tear_down_rates(&f);
}

Test(intake_rate, without_one_all_come_in)
{
    struct fixture f;

    set_up_rates(&f);
    f.facts.rates = NULL;
    cr_assert_eq(take_lines(&f, SLICE(A A A A A)), 0);
    expect_counts(&f, 5, 0);
    f.facts.rates = rates;
    f.streams->items[READINGS]->key_rate = 0;
    cr_assert_eq(take_lines(&f, SLICE(A A A A A)), 0);
    expect_counts(&f, 5, 0);
    tear_down_rates(&f);
}

/* Only what would be stored is charged. */
Test(intake_rate, what_is_refused_for_another_reason_is_not_charged)
{
    struct fixture f;

    set_up_rates(&f);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(
            take(&f, READINGS, DECODE_NDJSON, SLICE("{\"sensor_id\":\"a\",\"x\":}\n{\"sensor_id\":[]}\n")),
            0);
        expect_counts(&f, 0, 2);
        cr_assert_eq(
            take(&f, READINGS, DECODE_JSON, SLICE("[{\"sensor_id\":\"a\"},{\"sensor_id\":\"a\"},")), -1);
        cr_assert_eq(
            f.result.refused, INTAKE_SYNTAX, "a broken array stores nothing, and nobody pays for it");
    }
    cr_assert_eq(take_lines(&f, SLICE(A A A)), 0);
    expect_counts(&f, 3, 0);
    tear_down_rates(&f);
}

Test(intake_rate, a_body_with_too_many_is_not_charged_and_says_so)
{
    struct fixture f;
    char body[151 * sizeof A + 1];
    size_t length = 0;

    set_up_rates(&f);
    for (size_t i = 0; i < 151; i++, length += sizeof A - 1)
        memcpy(body + length, A, sizeof A - 1);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(take_lines(&f, (struct slice){body, length}), -1);
        cr_assert_eq(f.result.refused, INTAKE_TOO_LARGE);
    }
    cr_assert_eq(take_lines(&f, SLICE(A A A)), 0);
    expect_counts(&f, 3, 0);
    tear_down_rates(&f);
}

/* Its descriptions do not fit: what was over its rate has nothing to do with it. */
Test(intake_rate, a_hand_over_that_is_full_is_too_large)
{
    struct fixture f;

    set_up_rates(&f);
    f.handover.parts.limit = 3 * 80;
    cr_assert_eq(take_lines(&f, SLICE(A A A A B B B)), -1);
    cr_assert_eq(f.result.refused, INTAKE_TOO_LARGE);
    tear_down_rates(&f);
}

Test(intake_rate, a_hand_over_that_comes_to_nothing_is_given_back)
{
    struct fixture f;

    set_up_rates(&f);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(take_lines(&f, SLICE(A A A)), 0);
        expect_counts(&f, 3, 0);
        intake_refund(f.streams->items, f.streams->count, &f.handover, NULL, rates, INTAKE_REFUND_ALL);
    }
    tear_down_rates(&f);
}

/* As the committer says it. */
Test(intake_rate, duplicates_are_given_back)
{
    struct fixture f;
    size_t position = 0;

    set_up_rates(&f);
    cr_assert_eq(take_lines(&f, SLICE(A A A)), 0);
    intake_refund(f.streams->items, f.streams->count, &f.handover, NULL, rates, INTAKE_REFUND_DUPLICATES);
    cr_assert_neq(rate_wait(rates, rate_key(rates, intake_rate_scope(f.streams->items[READINGS]), SLICE("a")),
                      NOW_HERE),
        0);
    handover_part_next(&f.handover, &position)->dropped = true;
    intake_refund(f.streams->items, f.streams->count, &f.handover, NULL, rates, INTAKE_REFUND_DUPLICATES);
    cr_assert_eq(take_lines(&f, SLICE(A A)), 0);
    expect_counts(&f, 1, 1);
    tear_down_rates(&f);
}

Test(intake_rate, streams_do_not_share_and_records_without_a_key_do_not_wait)
{
    struct fixture f;

    set_up_rates(&f);
    f.request.header = SLICE("a");
    cr_assert_eq(take_lines(&f, SLICE(A A A)), 0);
    expect_counts(&f, 3, 0);
    cr_assert_eq(take(&f, BY_HEADER, DECODE_TEXT, SLICE("1\n2\n3\n4\n")), 0);
    expect_counts(&f, 3, 1);
    f.streams->items[LINES]->key_rate = 2;
    cr_assert_eq(take(&f, LINES, DECODE_TEXT, SLICE("1\n2\n3\n4\n5\n")), 0);
    expect_counts(&f, 5, 0);
    tear_down_rates(&f);
}

/* ---- without an answer that lists them: a message of MQTT ------------------------------------------------------ */

static int add_lines(struct fixture *f, const char *text, struct handover_mark *ret_mark)
{
    *ret_mark = handover_mark(&f->handover);
    f->handover.payloads = text;
    const int result = add(f, READINGS, DECODE_NDJSON, slice_of(text));
    if (result == 0)
        intake_charge(f->streams->items, f->streams->count, &f->handover, ret_mark, rates, f->facts.now);
    return result;
}

Test(intake_rate, a_message_is_taken_whole_and_paid_for_afterwards)
{
    struct handover_mark mark;
    struct fixture f;

    set_up_rates(&f);
    f.facts.bury = origin;
    cr_assert_eq(add_lines(&f, A A A A A A "{}\n" B, &mark), 0);
    cr_assert_eq(f.result.accepted, 7);
    cr_assert_eq(f.result.rejected, 1, "it has no key, and is a dead letter");
    cr_assert_eq(f.handover.records, 8);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(add_lines(&f, B A "{no json\n", &mark), -1);
        cr_assert_eq(f.error.kind, ERROR_REJECT);
        cr_assert_eq(f.result.refused, INTAKE_RATE);
        cr_assert_eq(f.result.wait, 2 * CLOCK_SECOND);
        cr_assert_eq(f.handover.records, 8, "nothing of it is stored, buried or charged");
    }
    cr_assert_eq(add_lines(&f, B B, &mark), 0);
    f.facts.now += 2 * CLOCK_SECOND;
    cr_assert_eq(add_lines(&f, A, &mark), 0);
    intake_refund(f.streams->items, f.streams->count, &f.handover, &mark, rates, INTAKE_REFUND_ALL);
    cr_assert_eq(add_lines(&f, A, &mark), 0);
    cr_assert_eq(add_lines(&f, A, &mark), -1);
    tear_down_rates(&f);
}
