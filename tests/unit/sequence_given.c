/* See sequence_given.h. */
#include "sequence_given.h"

#include <unistd.h>

#include "base/little.h"
#include "journal_gate.h"

struct fixture fx;
struct given given[GIVEN];
static struct found found;

static void completed(struct handover *handover, enum handover_result result)
{
    struct given *one = handover->context;

    atomic_store(&one->result, (int)result);
}

void begin(struct given *one)
{
    handover_free(&one->handover);
    handover_init(&one->handover, 1 << 23, completed, one);
    atomic_store(&one->result, -1);
}

void add_once(struct given *one, unsigned key, uint64_t number, unsigned id)
{
    const struct once once = once_of(key, number);
    char head[8];

    put_u64(head, id);
    cr_assert_eq(handover_add_once(&one->handover, &once, (struct slice){head, 8}, 0, 0, &error), 0);
}

void add_plain(struct given *one, unsigned id)
{
    char head[8];

    put_u64(head, id);
    cr_assert_eq(handover_add(&one->handover, JOURNAL_KIND_DATA, (struct slice){head, 8}, 0, 0, &error), 0);
}

void hand_over(struct given *one)
{
    cr_assert_eq(journal_hand_over(fx.journal, &one->handover, &error), 0, "%s", error.text);
}

enum handover_result wait_for(struct given *one)
{
    for (int tries = 0; tries < 60000 && atomic_load(&one->result) < 0; tries++)
        usleep(1000);
    cr_assert_geq(atomic_load(&one->result), 0);
    return (enum handover_result)atomic_load(&one->result);
}

void expect(const struct given *one, uint64_t records, uint64_t duplicates, uint64_t old)
{
    cr_assert_eq(one->handover.records, records, "%llu", (unsigned long long)one->handover.records);
    cr_assert_eq(one->handover.duplicates, duplicates, "%llu", (unsigned long long)one->handover.duplicates);
    cr_assert_eq(one->handover.old, old);
}

void put(unsigned key, uint64_t number, unsigned id, bool stored)
{
    begin(&given[0]);
    add_once(&given[0], key, number, id);
    hand_over(&given[0]);
    cr_assert_eq(wait_for(&given[0]), HANDOVER_DURABLE);
    cr_assert_eq(given[0].handover.records, stored, "key %u, number %llu", key, (unsigned long long)number);
}

void expect_ids(const char *ids)
{
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, strlen(ids), "%llu records", (unsigned long long)found.count);
    for (size_t i = 0; ids[i]; i++) {
        cr_assert_eq(found.id[i], (uint64_t)(ids[i] - '0'), "record %zu", i);
        cr_assert_eq(found.sequence[i], i + 1);
    }
}

void open_journal(void)
{
    sequence_make(SEGMENT);
    fx.options.kinds = &kind;
    fx.options.kinds_count = 1;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

void reopen(void)
{
    fixture_close(&fx);
    open_journal();
}

void given_start(void)
{
    sequence_start();
    fixture_start(&fx);
    gate_install(&fx);
    open_journal();
    for (int i = 0; i < GIVEN; i++)
        handover_init(&given[i].handover, 1 << 20, completed, &given[i]);
}

void given_end(void)
{
    fixture_end(&fx);
    for (int i = 0; i < GIVEN; i++)
        handover_free(&given[i].handover);
    sequence_end();
}
