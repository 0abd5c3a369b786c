/* What becomes of sessions when a batch is refused, or when nobody knows what became of it; with a crash behind it and without. */
#include "mqtt_session_harness.h"

#include <errno.h>
#include <stdio.h>

TestSuite(mqtt_session_unknown, .init = shelf_set_up, .fini = shelf_tear_down, .timeout = 900);

static struct mqtt_connection here, there;
static struct mqtt_session *session;

static void connect_new(const char *client_id, uint32_t expiry)
{
    cr_assert_eq(shelf_connect(client_id, true, expiry, &here, &session), MQTT_SESSION_NEW);
}

static void end(void)
{
    mqtt_session_end(shelf.sessions, session);
}

static enum mqtt_packet_taken take(uint16_t id)
{
    return mqtt_session_take(shelf.sessions, session, id);
}

static bool release(uint16_t id)
{
    return mqtt_session_release(shelf.sessions, session, id);
}

/* A durable session with these ids taken, settled. */
static void begin(const uint16_t *ids, size_t count)
{
    connect_new("one", 60);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(take(ids[i]), MQTT_PACKET_NEW);
    shelf_commit();
}

/* What is reserved follows from what is there: a start that finds the image reserves as much. */
static void check_account(void)
{
    shelf_commit();
    const uint64_t reserved = shelf_reserved();
    shelf_reopen();
    cr_assert_eq(shelf_reserved(), reserved);
}

static const uint16_t five[] = {5};

/* ---- one batch --------------------------------------------------------------------------------------------------- */

Test(mqtt_session_unknown, a_refused_batch_goes_again_as_it_is)
{
    begin(NULL, 0);
    take(5);
    shelf_write(1);
    disk_arm(&shelf.journal.disk, SHELF_CALLS, 1, true, EIO);
    fixture_put(&shelf.journal, 1, 1, 100);
    cr_assert_eq(shelf_hand_over(), HANDOVER_REFUSED);
    cr_assert_eq(take(5), MQTT_PACKET_KNOWN);
    take(6);
    shelf_heal();
    shelf_hand_over_at_last();
    mqtt_sessions_written(shelf.sessions);
    cr_assert_str_eq(shelf_image(), "one/60/-:5");
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/60/-:5,6");
    check_account();
}

/* Nobody was told that the message is stored: it comes again, and has to be taken. */
Test(mqtt_session_unknown, what_was_taken_is_free_again)
{
    for (int found = 0; found < 2; found++) {
        begin(NULL, 0);
        const uint64_t reserved = shelf_reserved();
        take(5);
        shelf_commit_unknown(found);
        cr_assert_eq(session->connection, &here);
        cr_assert_eq(here.lost, 1U + (unsigned)found);
        cr_assert_eq(shelf_reserved(), reserved);
        cr_assert_not(mqtt_sessions_dirty(shelf.sessions));
        cr_assert_not(release(5));
        cr_assert_eq(take(5), MQTT_PACKET_NEW);
        shelf_heal();
        shelf_commit();
        cr_assert_str_eq(shelf_image(), "one/60/-:5");
        check_account();
        session = shelf_find("one");
    }
}

Test(mqtt_session_unknown, and_a_crash_finds_message_and_id_or_none)
{
    for (int found = 0; found < 2; found++) {
        begin(NULL, 0);
        take(5);
        shelf_commit_unknown(found);
        cr_assert_str_eq(shelf_image(), "one/60/-:");
        shelf_crash();
        cr_assert_str_eq(shelf_image(), found ? "one/60/-:5" : "one/60/-:");
        session = shelf_find("one");
        cr_assert_eq(take(5), found ? MQTT_PACKET_KNOWN : MQTT_PACKET_NEW);
        check_account();
    }
}

/* Nobody was told that the id is free: PUBREL comes again, and its PUBCOMP has to wait for a commit. */
Test(mqtt_session_unknown, what_was_released_is_taken_again)
{
    for (int found = 0; found < 2; found++) {
        begin(five, 1);
        cr_assert(release(5));
        shelf_commit_unknown(found);
        cr_assert_eq(take(5), MQTT_PACKET_KNOWN);
        cr_assert(release(5));
        cr_assert(mqtt_sessions_dirty(shelf.sessions));
        shelf_heal();
        shelf_commit();
        cr_assert_str_eq(shelf_image(), "one/60/-:");
        check_account();
    }
}

Test(mqtt_session_unknown, a_session_that_came_is_written_again)
{
    for (int found = 0; found < 2; found++) {
        connect_new("one", 60);
        take(5);
        shelf_commit_unknown(found);
        cr_assert_eq(here.lost, 1U + (unsigned)found);
        cr_assert_eq(mqtt_session_find(shelf.sessions, slice_of("one")), session);
        end();
        shelf_heal();
        shelf_commit();
        cr_assert_str_eq(shelf_image(), "one/60/0:");
        connect_new("one", 0);
        end();
        shelf_commit();
        cr_assert_str_eq(shelf_image(), "");
    }
}

Test(mqtt_session_unknown, a_session_that_went_goes_again)
{
    for (int found = 0; found < 2; found++) {
        begin(five, 1);
        const uint64_t reserved = shelf_reserved();
        mqtt_session_set_expiry(shelf.sessions, session, 0);
        end();
        shelf_commit_unknown(found);
        cr_assert_null(shelf_find("one"));
        cr_assert(mqtt_sessions_dirty(shelf.sessions));
        cr_assert_eq(shelf_reserved(), reserved);
        shelf_heal();
        shelf_commit();
        cr_assert_str_eq(shelf_image(), "");
        cr_assert_lt(shelf_reserved(), reserved);
        check_account();
    }
}

/* The client was not told that it may use all ids anew. */
Test(mqtt_session_unknown, a_clean_start_that_is_lost_is_told_to_the_new_session)
{
    begin(five, 1);
    end();
    cr_assert_eq(shelf_connect("one", true, 0, &there, &session), MQTT_SESSION_NEW);
    shelf_commit_unknown(true);
    cr_assert_eq(there.lost, 1);
    cr_assert(mqtt_sessions_dirty(shelf.sessions));
    shelf_crash();
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "");

    begin(five, 1);
    end();
    cr_assert_eq(shelf_connect("one", true, 70, &there, &session), MQTT_SESSION_NEW);
    shelf_commit_unknown(false);
    cr_assert_eq(there.lost, 2, "it stands in the batch itself");
    shelf_crash();
    cr_assert_str_eq(shelf_image(), "one/60/-:5");
    check_account();
}

/* ---- with another one on top ------------------------------------------------------------------------------------------ */

static void lose(void *context, struct mqtt_session *lost)
{
    (void)context;
    lost->connection->lost++;
}

/* As shelf_commit_unknown(), with what comes in between. */
static void give_up(void)
{
    mqtt_sessions_unknown(shelf.sessions, lose, NULL);
}

Test(mqtt_session_unknown, what_came_later_stands_on_what_is_left)
{
    static const uint16_t before[] = {1, 2, 3};

    begin(before, 3);
    take(5); /* under way */
    take(6);
    release(1);
    shelf_write(1);
    cr_assert(release(6)); /* noted: on ids that will not have been taken */
    take(6);
    cr_assert(release(5));
    take(7);
    cr_assert_not(release(1));
    cr_assert_eq(take(1), MQTT_PACKET_NEW); /* and on one that will be taken again */
    cr_assert(release(2));
    give_up();
    cr_assert_eq(session->ids.count, 4);
    cr_assert_eq(take(6), MQTT_PACKET_KNOWN);
    cr_assert_eq(take(7), MQTT_PACKET_KNOWN);
    cr_assert_eq(take(1), MQTT_PACKET_KNOWN);
    cr_assert_eq(take(3), MQTT_PACKET_KNOWN);
    cr_assert_not(release(5));
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/60/-:1,3,6,7");
    check_account();
}

Test(mqtt_session_unknown, what_later_undid_it_has_nothing_left_to_do)
{
    begin(five, 1);
    const uint64_t reserved = shelf_reserved();
    take(6);
    cr_assert(release(5));
    shelf_write(1);
    take(5);
    cr_assert(release(6));
    cr_assert(mqtt_sessions_dirty(shelf.sessions));
    give_up();
    cr_assert_not(mqtt_sessions_dirty(shelf.sessions));
    cr_assert_eq(mqtt_sessions_write_size(shelf.sessions), 0);
    cr_assert_eq(shelf_reserved(), reserved);
    cr_assert_eq(take(5), MQTT_PACKET_KNOWN);
    check_account();
}

/* A message is known to the one who came in between, for it is under way; then it is not. */
Test(mqtt_session_unknown, who_took_the_session_over_meanwhile_is_told)
{
    begin(NULL, 0);
    take(5);
    shelf_write(1);
    cr_assert_eq(shelf_connect("one", false, 60, &there, &session), MQTT_SESSION_PRESENT);
    cr_assert_eq(take(5), MQTT_PACKET_KNOWN);
    give_up();
    cr_assert_eq(here.lost, 0);
    cr_assert_eq(there.lost, 1);
    cr_assert_eq(take(5), MQTT_PACKET_NEW);
}

static void lose_and_end(void *context, struct mqtt_session *lost)
{
    unsigned *calls = context;

    ++*calls;
    mqtt_session_end(shelf.sessions, lost);
}

Test(mqtt_session_unknown, those_that_are_lost_may_be_ended_at_once)
{
    unsigned calls = 0;
    struct mqtt_session *ended;
    char name[20];

    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "s%d", i);
        cr_assert_eq(
            shelf_connect(name, true, (uint32_t)(i % 2 ? 60 : 70), &here, &session), MQTT_SESSION_NEW);
    }
    begin(five, 1);
    cr_assert_eq(shelf_connect("gone", true, 60, &here, &ended), MQTT_SESSION_NEW);
    shelf_commit();
    mqtt_session_end(shelf.sessions, ended);
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "s%d", i);
        session = shelf_find(name);
        mqtt_session_set_expiry(shelf.sessions, session, i % 2 ? 0 : 5);
        take((uint16_t)(i + 1));
    }
    cr_assert_eq(shelf_connect("gone", true, 0, &there, &ended), MQTT_SESSION_NEW);
    shelf_write(1);
    mqtt_sessions_unknown(shelf.sessions, lose_and_end, &calls);
    cr_assert_eq(calls, 9);
    cr_assert_null(shelf_find("gone"));
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/60/-:5 s0/5/0: s2/5/0: s4/5/0: s6/5/0:");
    check_account();
}

Test(mqtt_session_unknown, one_that_goes_while_it_is_under_way_goes_with_the_next_batch)
{
    for (int unknown = 0; unknown < 2; unknown++) {
        connect_new("one", 60);
        const uint64_t number = session->number;
        take(5);
        shelf_write(1);
        take(6);
        mqtt_session_set_expiry(shelf.sessions, session, 0);
        end();
        connect_new("one", 70);
        cr_assert_neq(session->number, number);
        take(6);
        if (unknown) {
            give_up();
        } else {
            cr_assert_eq(shelf_hand_over(), HANDOVER_DURABLE);
            mqtt_sessions_written(shelf.sessions);
            cr_assert_str_eq(shelf_image(), "one/60/-:5");
        }
        shelf_commit();
        cr_assert_str_eq(shelf_image(), "one/70/-:6");
        check_account();
        connect_new("one", 0);
        end();
        shelf_commit();
        cr_assert_str_eq(shelf_image(), "");
    }
}

/* Three lives of one client id, of which the first is in the journal and the second may be. */
Test(mqtt_session_unknown, lives_that_follow_each_other_never_stand_side_by_side)
{
    begin(five, 1);
    end();
    connect_new("one", 70);
    take(6);
    shelf_write(1);
    end();
    connect_new("one", 80);
    take(7);
    give_up();
    const uint64_t reserved = shelf_reserved();
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/80/-:7");
    cr_assert_lt(shelf_reserved(), reserved);
    check_account();
}

/* Whatever stands where when it ends is freed; the sanitizer looks. */
Test(mqtt_session_unknown, all_may_be_freed_at_any_time)
{
    connect_new("gone under way", 60);
    connect_new("gone twice", 60);
    connect_new("stays", 60);
    shelf_commit();
    for (int i = 0; i < 2; i++) {
        session = shelf_find(i ? "gone under way" : "stays");
        mqtt_session_set_expiry(shelf.sessions, session, i ? 0 : 90);
        end();
    }
    session = shelf_find("gone twice");
    take(1);
    shelf_write(0);
    mqtt_session_set_expiry(shelf.sessions, session, 0);
    end();
    session = shelf_find("stays");
    mqtt_session_set_expiry(shelf.sessions, session, 80);
    connect_new("new", 60);
    take(2);
    shelf_crash();
    cr_assert_eq(mqtt_sessions_count(shelf.sessions), 3);
}
