/* hand-over: its parts, and what is taken back of them */
#include <criterion/criterion.h>

#include "journal/handover.h"

/* The hand-over's heads, one behind the other, each with a blank behind it. */
static void expect_heads(const struct handover *handover, const char *heads)
{
    struct handover_piece piece;
    size_t position = 0;
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 4096);
    while (handover_next(handover, &position, &piece)) {
        cr_assert_eq(bytes_add(&text, piece.head.data, piece.head.length, &error), 0);
        cr_assert_eq(bytes_add_text(&text, " ", &error), 0);
        cr_assert_eq(piece.last, position == handover->parts.length);
    }
    cr_assert(slice_is(bytes_slice(&text), heads), "%.*s", (int)text.length, text.data);
}

static void add(struct handover *handover, int kind, const char *head)
{
    struct error error;

    cr_assert_eq(handover_add(handover, (enum journal_kind)kind, slice_of(head), 0, 0, &error), 0);
}

Test(handover, what_was_added_since_a_mark_is_taken_back)
{
    struct handover handover;

    handover_init(&handover, 4096, NULL, NULL);
    add(&handover, JOURNAL_KIND_DATA, "one");
    const struct handover_mark mark = handover_mark(&handover);
    const uint64_t size = handover.size;
    add(&handover, JOURNAL_KIND_DATA, "two");
    add(&handover, STATE_SESSION, "session");
    cr_assert_eq(handover.records, 2);
    cr_assert(handover.has_state);
    handover_rewind(&handover, &mark);
    cr_assert_eq(handover.records, 1);
    cr_assert_eq(handover.size, size);
    cr_assert_not(handover.has_state);
    expect_heads(&handover, "one ");
    add(&handover, JOURNAL_KIND_DATA, "three");
    expect_heads(&handover, "one three ");
    handover_free(&handover);
}

Test(handover, heads_of_its_records)
{
    struct handover handover;
    struct slice head;
    size_t position = 0;
    bool dropped;

    handover_init(&handover, 4096, NULL, NULL);
    cr_assert(!handover_head(&handover, &position, &head, &dropped));
    add(&handover, JOURNAL_KIND_DATA, "one");
    const struct handover_mark mark = handover_mark(&handover);
    add(&handover, STATE_SESSION, "session");
    add(&handover, JOURNAL_KIND_DATA, "two");
    cr_assert(handover_head(&handover, &position, &head, &dropped) && slice_is(head, "one") && !dropped);
    cr_assert(handover_head(&handover, &position, &head, &dropped) && slice_is(head, "two"));
    cr_assert(!handover_head(&handover, &position, &head, &dropped));
    position = mark.parts_length;
    cr_assert(handover_head(&handover, &position, &head, &dropped) && slice_is(head, "two"));
    position = 0;
    handover_part_next(&handover, &position)->dropped = true;
    position = 0;
    cr_assert(handover_head(&handover, &position, &head, &dropped) && slice_is(head, "one") && dropped);
    handover_free(&handover);
}

Test(handover, knows_whether_a_record_is_for_the_dead_letters)
{
    struct handover handover;

    handover_init(&handover, 4096, NULL, NULL);
    add(&handover, STATE_SESSION, "?\4");
    add(&handover, JOURNAL_KIND_DATA, "\1\1");
    cr_assert_not(handover.has_letter);
    const struct handover_mark mark = handover_mark(&handover);
    add(&handover, JOURNAL_KIND_DATA, "\1\5");
    cr_assert(handover.has_letter);
    add(&handover, JOURNAL_KIND_DATA, "\1\1");
    cr_assert(handover.has_letter);
    handover_rewind(&handover, &mark);
    cr_assert_not(handover.has_letter);
    add(&handover, JOURNAL_KIND_DATA, "?");
    cr_assert(handover.has_letter, "no record's head");
    handover_clear(&handover);
    cr_assert_not(handover.has_letter);
    handover_free(&handover);
}

Test(handover, state_before_a_mark_stays)
{
    struct handover handover;

    handover_init(&handover, 4096, NULL, NULL);
    const struct handover_mark empty = handover_mark(&handover);
    add(&handover, STATE_SESSION, "session");
    const struct handover_mark mark = handover_mark(&handover);
    handover_rewind(&handover, &mark); /* nothing to take back */
    cr_assert(handover.has_state);
    cr_assert_eq(handover.records, 0);
    expect_heads(&handover, "session ");
    handover_rewind(&handover, &empty);
    cr_assert_not(handover.has_state);
    cr_assert_eq(handover.size, 0);
    expect_heads(&handover, "");
    handover_free(&handover);
}

/* Its size is what the record takes, and its note. */
Test(handover, records_that_are_stored_once)
{
    const struct once once = {.sequence = 7};
    struct handover handover;
    struct error error;

    handover_init(&handover, 200, NULL, NULL);
    add(&handover, JOURNAL_KIND_DATA, "one");
    const struct handover_mark mark = handover_mark(&handover);
    const uint64_t before = handover.size;
    cr_assert_eq(handover_add_once(&handover, &once, slice_of("222"), 0, 0, &error), 0);
    cr_assert_eq(handover.once, 1);
    cr_assert_eq(handover.records, 2);
    cr_assert_eq(handover.size - before, 24 + 56, "its frame, and one of 20 + 8 + 24 bytes, padded");
    expect_heads(&handover, "one 222 ");
    cr_assert_eq(handover_add_once(&handover, &once, slice_of("33333"), 0, 0, &error), 0);
    cr_assert_eq(handover.size - before, 2 * 24 + 8 + 56 + 24, "the first note brings the frame");
    cr_assert_eq(handover_add_once(&handover, &once, slice_of("0000"), 0, 0, &error), 0);
    cr_assert_eq(handover_add_once(&handover, &once, slice_of("1111"), 0, 0, &error), -1);
    cr_assert_eq(handover.once, 3);
    handover_rewind(&handover, &mark);
    cr_assert_eq(handover.once, 0);
    cr_assert_eq(handover.size, before);
    expect_heads(&handover, "one ");
    handover_free(&handover);
}
