/* Sessions come, stay and go; their packet ids; and what the journal knows of it. */
#include "mqtt_session_harness.h"

#include <stdio.h>
#include <stdlib.h>

TestSuite(mqtt_session, .init = shelf_set_up, .fini = shelf_tear_down, .timeout = 900);

static struct mqtt_connection here;
static struct mqtt_session *session;

static void connect_new(const char *client_id, uint32_t expiry)
{
    cr_assert_eq(shelf_connect(client_id, true, expiry, &here, &session), MQTT_SESSION_NEW);
    cr_assert_eq(session->connection, &here);
}

static void connect_again(const char *client_id, uint32_t expiry)
{
    cr_assert_eq(shelf_connect(client_id, false, expiry, &here, &session), MQTT_SESSION_PRESENT);
    cr_assert_eq(session->connection, &here);
}

static void end(void)
{
    mqtt_session_end(shelf.sessions, session);
}

static void take(uint16_t id)
{
    cr_assert_eq(mqtt_session_take(shelf.sessions, session, id), MQTT_PACKET_NEW);
}

static void release(uint16_t id)
{
    cr_assert(mqtt_session_release(shelf.sessions, session, id));
}

/* ---- coming and going ------------------------------------------------------------------------------------------ */

Test(mqtt_session, one_that_ends_with_its_connection_is_not_stored)
{
    connect_new("one", 0);
    cr_assert_not(session->durable);
    cr_assert_eq(shelf_find("one"), session);
    cr_assert_eq(mqtt_sessions_count(shelf.sessions), 1);
    cr_assert_eq(mqtt_sessions_durable(shelf.sessions), 0);
    take(1);
    cr_assert_eq(mqtt_session_take(shelf.sessions, session, 1), MQTT_PACKET_KNOWN);
    release(1);
    cr_assert_not(mqtt_session_release(shelf.sessions, session, 1));
    take(2);
    mqtt_session_set_expiry(shelf.sessions, session, 0);
    cr_assert_not(mqtt_sessions_dirty(shelf.sessions));
    end();
    cr_assert_null(shelf_find("one"));
    cr_assert_eq(mqtt_sessions_count(shelf.sessions), 0);
    cr_assert_not(mqtt_sessions_dirty(shelf.sessions));
    cr_assert_eq(shelf_connect("one", false, 0, &here, &session), MQTT_SESSION_NEW);
    take(2);
}

Test(mqtt_session, one_that_stays_is_taken_up_with_its_packet_ids)
{
    connect_new("one", 60);
    cr_assert(session->durable);
    take(5);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/60/-:5");
    shelf_pass(7 * CLOCK_SECOND);
    end();
    cr_assert_null(shelf_find("one")->connection);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/60/7:5");
    connect_again("one", 90);
    cr_assert_eq(session->ended_at, 0);
    cr_assert_eq(mqtt_session_take(shelf.sessions, session, 5), MQTT_PACKET_KNOWN);
    release(5);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/90/-:");
}

Test(mqtt_session, a_clean_start_drops_what_was_there)
{
    connect_new("one", 60);
    take(5);
    shelf_commit();
    const uint64_t number = session->number;
    const uint64_t reserved = shelf_reserved();
    end();
    connect_new("one", 70);
    cr_assert_neq(session->number, number);
    take(5);
    cr_assert_eq(mqtt_sessions_durable(shelf.sessions), 1);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/70/-:5");
    cr_assert_eq(shelf_reserved(), reserved);
    end();
    connect_new("one", 0);
    cr_assert(mqtt_sessions_dirty(shelf.sessions), "its CONNACK has to wait for that");
    cr_assert_eq(mqtt_sessions_durable(shelf.sessions), 0);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "");
    cr_assert_lt(shelf_reserved(), reserved);
}

/* 3.1.2.4: without clean start the session is resumed, whatever expiry it gets now. */
Test(mqtt_session, one_that_is_to_end_now_is_resumed_before)
{
    connect_new("one", 60);
    take(5);
    shelf_commit();
    end();
    connect_again("one", 0);
    cr_assert(session->durable);
    cr_assert_eq(mqtt_session_take(shelf.sessions, session, 5), MQTT_PACKET_KNOWN);
    take(6);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/0/-:5,6");
    shelf_crash();
    cr_assert_null(shelf_find("one"), "its connection has ended, and it with it");
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "");
    connect_new("two", 60);
    shelf_commit();
    mqtt_session_set_expiry(shelf.sessions, session, 0);
    end();
    cr_assert_null(shelf_find("two"));
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "");
}

Test(mqtt_session, one_that_comes_and_goes_between_two_batches_leaves_nothing)
{
    const uint64_t reserved = shelf_reserved();

    connect_new("one", 60);
    take(1);
    take(2);
    mqtt_session_set_expiry(shelf.sessions, session, 0);
    end();
    cr_assert_not(mqtt_sessions_dirty(shelf.sessions));
    cr_assert_eq(mqtt_sessions_write_size(shelf.sessions), 0);
    cr_assert_eq(shelf_reserved(), reserved);
    connect_new("one", 60);
    end();
    connect_new("one", 60);
    end();
    connect_new("one", 70);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/70/-:");
}

/* What the old one has reserved goes to the new one only when both are handed over. */
Test(mqtt_session, one_that_comes_and_goes_in_the_place_of_another_takes_nothing_from_it)
{
    connect_new("one", 60);
    take(5);
    shelf_commit();
    const uint64_t reserved = shelf_reserved();
    for (int lives = 1; lives < 4; lives++) {
        for (int i = 0; i < lives; i++) {
            end();
            connect_new("one", 60);
            take(6);
        }
        mqtt_session_set_expiry(shelf.sessions, session, 0);
        end();
        cr_assert_eq(shelf_reserved(), reserved);
        shelf_commit();
        cr_assert_str_eq(shelf_image(), "");
        cr_assert_lt(shelf_reserved(), reserved);
        connect_new("one", 60);
        take(5);
        shelf_commit();
        cr_assert_eq(shelf_reserved(), reserved);
    }
    for (int i = 0; i < 3; i++) {
        end();
        connect_new("one", 60);
    }
    take(7);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/60/-:7");
    cr_assert_eq(shelf_reserved(), reserved);
}

Test(mqtt_session, an_expiry_that_is_the_same_is_no_news)
{
    connect_new("one", 60);
    shelf_commit();
    mqtt_session_set_expiry(shelf.sessions, session, 60);
    cr_assert_not(mqtt_sessions_dirty(shelf.sessions));
    mqtt_session_set_expiry(shelf.sessions, session, MQTT_NEVER);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/4294967295/-:");
}

Test(mqtt_session, every_client_id_belongs_to_one_thread)
{
    size_t of[8] = {0};
    char name[20];

    for (int i = 0; i < 8000; i++) {
        snprintf(name, sizeof name, "sensor-%d", i);
        const size_t owner = mqtt_session_owner(slice_of(name), 8);
        cr_assert_lt(owner, 8);
        cr_assert_eq(mqtt_session_owner(slice_of(name), 8), owner);
        cr_assert_eq(mqtt_session_owner(slice_of(name), 1), 0);
        of[owner]++;
    }
    for (int i = 0; i < 8; i++)
        cr_assert(of[i] > 700 && of[i] < 1300, "%zu", of[i]);
}

Test(mqtt_session, threads_share_what_was_found)
{
    struct mqtt_sessions *threads[3] = {0};
    size_t count = 0, durable = 0;
    char name[20];

    for (int i = 0; i < 15; i++) {
        snprintf(name, sizeof name, "sensor-%d", i);
        connect_new(name, 60);
    }
    shelf_commit();
    shelf_reopen();
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(mqtt_sessions_new(&threads[i], shelf.state, 10, i, 3, &shelf_clock, &shelf.error), 0);
        count += mqtt_sessions_count(threads[i]);
        durable += mqtt_sessions_durable(threads[i]);
        cr_assert_lt(mqtt_sessions_count(threads[i]), 15);
    }
    cr_assert_eq(count, 15);
    cr_assert_eq(durable, 15);
    for (int i = 0; i < 15; i++) {
        snprintf(name, sizeof name, "sensor-%d", i);
        cr_assert_not_null(mqtt_session_find(threads[mqtt_session_owner(slice_of(name), 3)], slice_of(name)));
    }
    for (size_t i = 0; i < 3; i++)
        mqtt_sessions_free(&threads[i]);
    mqtt_sessions_free(&threads[0]);
}

/* ---- packet ids ------------------------------------------------------------------------------------------------------ */

Test(mqtt_session, what_is_taken_and_given_back_at_once_leaves_no_trace)
{
    connect_new("one", 60);
    shelf_commit();
    const uint64_t reserved = shelf_reserved();
    take(1);
    release(1);
    cr_assert_not(mqtt_sessions_dirty(shelf.sessions));
    cr_assert_eq(shelf_reserved(), reserved);
    take(1);
    take(2);
    release(2);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/60/-:1");
    release(1);
    take(1);
    release(1);
    take(2);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/60/-:2");
    mqtt_session_set_expiry(shelf.sessions, session, 61);
    take(3);
    release(3);
    cr_assert(mqtt_sessions_dirty(shelf.sessions), "the expiry is news all the same");
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/61/-:2");
}

Test(mqtt_session, the_same_ids_over_and_over_cost_nothing)
{
    connect_new("one", 60);
    shelf_commit();
    const uint64_t reserved = shelf_reserved();
    for (unsigned round = 0; round < 200; round++) {
        for (uint16_t i = 0; i < 10; i++)
            take((uint16_t)(1 + round * 10 + i));
        shelf_commit();
        for (uint16_t i = 0; i < 10; i++)
            release((uint16_t)(1 + round * 10 + i));
        shelf_commit();
    }
    cr_assert_eq(shelf_reserved(), reserved);
    cr_assert_leq(session->ids.capacity, 128);
    cr_assert_leq(session->operations_capacity, 64);
    take(7);
    shelf_commit();
    release(7);
    end();
    cr_assert_neq(session->ids.capacity, 0, "that may have to be undone");
    shelf_commit();
    connect_again("one", 60);
    end();
    cr_assert_eq(session->ids.capacity, 0);
    cr_assert_null(session->operations);
    connect_again("one", 60);
    take(7);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/60/-:7");
}

Test(mqtt_session, what_does_not_fit_a_hand_over_stays_noted)
{
    struct handover narrow;
    const size_t limits[] = {10, 60, 100, 160};
    char byte = 'r';

    connect_new("one", 60);
    for (uint16_t id = 1; id <= 30; id++)
        take(id);
    const size_t size = mqtt_sessions_write_size(shelf.sessions);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        handover_init(&narrow, limits[i], NULL, NULL);
        if (i)
            cr_assert_eq(
                handover_add(&narrow, JOURNAL_KIND_DATA, (struct slice){&byte, 1}, 0, 0, &shelf.error), 0);
        const struct handover_mark before = handover_mark(&narrow);
        cr_assert_eq(mqtt_sessions_write(shelf.sessions, &narrow, &shelf.error), -1);
        cr_assert_eq(narrow.parts.length, before.parts_length);
        cr_assert_eq(narrow.size, before.size);
        cr_assert_not(narrow.has_state);
        handover_free(&narrow);
        cr_assert(mqtt_sessions_dirty(shelf.sessions));
        cr_assert_not(mqtt_sessions_flying(shelf.sessions));
        cr_assert_eq(mqtt_sessions_write_size(shelf.sessions), size);
    }
    shelf_commit();
    shelf_reopen();
    session = shelf_find("one");
    cr_assert_eq(session->ids.count, 30);
    connect_again("one", 60);
    shelf_commit();
    mqtt_session_set_expiry(shelf.sessions, session, 0);
    end();
    handover_init(&narrow, 10, NULL, NULL);
    cr_assert_eq(mqtt_sessions_write(shelf.sessions, &narrow, &shelf.error), -1);
    handover_free(&narrow);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "");
}

Test(mqtt_session, with_nothing_noted_nothing_is_written)
{
    shelf_write(0);
    cr_assert_eq(shelf.handover.size, 0);
    mqtt_sessions_written(shelf.sessions);
    mqtt_sessions_unknown(shelf.sessions, NULL, NULL);
}

/* ---- damage ------------------------------------------------------------------------------------------------------------ */

static void apply_session(uint64_t number, const char *client_id, uint16_t packet)
{
    const struct mqtt_state_session stored = {number, slice_of(client_id), 60, SHELF_WALL};
    const uint32_t taken = packet | MQTT_PACKET_TAKEN;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 1000);
    cr_assert_eq(mqtt_state_encode_session(&body, &stored, false, &shelf.error), 0);
    cr_assert_eq(shelf.kinds[0].apply(shelf.state, body.data, body.length, 0, &shelf.error), 0);
    bytes_clear(&body);
    cr_assert_eq(mqtt_state_encode_packets(&body, number, &taken, 1, &shelf.error), 0);
    cr_assert_eq(shelf.kinds[1].apply(shelf.state, body.data, body.length, 0, &shelf.error), 0);
}

/* The record that dropped the older one is damaged. Which one is visited first follows from the numbers. */
Test(mqtt_session, of_two_with_one_client_id_the_newer_one_stays)
{
    static const uint64_t pairs[][2] = {{1, 2}, {63, 64}};

    for (size_t i = 0; i < 2; i++) {
        mqtt_sessions_free(&shelf.sessions);
        apply_session(pairs[i][0], "one", 1);
        apply_session(pairs[i][1], "one", 2);
        cr_assert_eq(
            mqtt_sessions_new(&shelf.sessions, shelf.state, 10, 0, 1, &shelf_clock, &shelf.error), 0);
        cr_assert_eq(mqtt_sessions_count(shelf.sessions), 1);
        cr_assert_eq(shelf_find("one")->number, pairs[i][1]);
        const uint64_t reserved = shelf_reserved();
        shelf_commit();
        cr_assert_str_eq(shelf_image(), "one/60/0:2");
        cr_assert_lt(shelf_reserved(), reserved);
        connect_new("one", 0);
        end();
        shelf_commit();
        cr_assert_str_eq(shelf_image(), "");
    }
}
