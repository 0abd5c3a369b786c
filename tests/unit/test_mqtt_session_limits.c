/* How long sessions stay, with clocks that are set and a gateway that is down; and how many there are at most, of them and of their packet
 * ids. */
#include "mqtt_session_harness.h"

#include <stdio.h>
#include <stdlib.h>

TestSuite(mqtt_session_limits, .init = shelf_set_up, .fini = shelf_tear_down, .timeout = 900);

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

/* ---- time ---------------------------------------------------------------------------------------------------------- */

Test(mqtt_session_limits, those_whose_time_is_over_are_dropped_in_its_order)
{
    char name[20];

    for (int i = 0; i < 15; i++) {
        snprintf(name, sizeof name, "sensor-%d", i);
        connect_new(name, (uint32_t)(1 + i * 7 % 15));
        end();
    }
    connect_new("never", MQTT_NEVER);
    end();
    connect_new("stands", 1);
    shelf_commit();
    for (unsigned second = 1; second <= 15; second++) {
        shelf_pass(CLOCK_SECOND - 1);
        mqtt_sessions_expire(shelf.sessions);
        cr_assert_eq(mqtt_sessions_count(shelf.sessions), 17 - second + 1);
        shelf_pass(1);
        mqtt_sessions_expire(shelf.sessions);
        cr_assert_eq(mqtt_sessions_count(shelf.sessions), 17 - second);
    }
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "never/4294967295/0: stands/1/-:");
}

Test(mqtt_session_limits, those_that_come_back_do_not_expire)
{
    connect_new("one", 10);
    end();
    connect_new("two", 20);
    end();
    connect_new("three", 5);
    end();
    shelf_pass(4 * CLOCK_SECOND);
    connect_again("one", 10);
    shelf_pass(10 * CLOCK_SECOND);
    mqtt_sessions_expire(shelf.sessions);
    cr_assert_not_null(shelf_find("one"));
    cr_assert_not_null(shelf_find("two"));
    cr_assert_null(shelf_find("three"));
}

Test(mqtt_session_limits, one_whose_time_is_over_is_not_taken_up)
{
    connect_new("one", 10);
    take(5);
    end();
    shelf_commit();
    shelf_pass(10 * CLOCK_SECOND);
    cr_assert_eq(shelf_connect("one", false, 10, &here, &session), MQTT_SESSION_NEW);
    take(5);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/10/-:5");
}

Test(mqtt_session_limits, a_crowd_expires_in_steps)
{
    const size_t most = MQTT_EXPIRE_STEP + 10;
    char name[20];

    shelf_close();
    shelf.most = 2 * most;
    shelf.journal.options.segment_size = 64 * SEGMENT;
    shelf.journal.options.max_size = 16 * 64 * SEGMENT;
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
    for (size_t i = 0; i < most; i++) {
        snprintf(name, sizeof name, "%zu", i);
        connect_new(name, 10);
        end();
    }
    shelf_commit();
    shelf_pass(10 * CLOCK_SECOND);
    mqtt_sessions_expire(shelf.sessions);
    cr_assert_eq(mqtt_sessions_count(shelf.sessions), 10);
    shelf_commit();
    mqtt_sessions_expire(shelf.sessions);
    cr_assert_eq(mqtt_sessions_count(shelf.sessions), 0);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "");
}

Test(mqtt_session_limits, time_goes_on_while_the_gateway_is_down)
{
    connect_new("short", 10);
    take(1);
    end();
    connect_new("long", 100);
    take(2);
    end();
    connect_new("never", MQTT_NEVER);
    end();
    shelf_commit();
    shelf_close();
    shelf_pass(60 * CLOCK_SECOND);
    shelf.monotonic = 7; /* another boot */
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
    cr_assert_null(shelf_find("short"));
    cr_assert_not_null(shelf_find("never"));
    cr_assert(mqtt_sessions_dirty(shelf.sessions));
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "long/100/0:2 never/4294967295/0:");
    shelf_pass(40 * CLOCK_SECOND - 1);
    mqtt_sessions_expire(shelf.sessions);
    cr_assert_not_null(shelf_find("long"));
    shelf_pass(1);
    mqtt_sessions_expire(shelf.sessions);
    cr_assert_null(shelf_find("long"));
}

Test(mqtt_session_limits, whose_connection_stood_at_the_end_counts_from_the_start)
{
    connect_new("one", 10);
    take(1);
    shelf_commit();
    shelf_pass(3 * CLOCK_SECOND);
    shelf_kill();
    shelf_pass(1000 * CLOCK_SECOND);
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
    cr_assert_not_null(shelf_find("one"));
    cr_assert(mqtt_sessions_dirty(shelf.sessions));
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/10/1003:1");
    shelf_pass(9 * CLOCK_SECOND);
    shelf_crash();
    cr_assert_not_null(shelf_find("one"));
    shelf_pass(CLOCK_SECOND);
    mqtt_sessions_expire(shelf.sessions);
    cr_assert_null(shelf_find("one"));
}

Test(mqtt_session_limits, a_clock_that_is_set_ends_no_session_early_and_keeps_none_for_ever)
{
    static const int64_t steps[] = {400 * DAY, -400 * DAY, -30000 * DAY, 120 * CLOCK_SECOND};

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        connect_new("one", 100);
        end();
        connect_new("stands", 100);
        shelf_commit();
        shelf_pass(10 * CLOCK_SECOND);
        shelf.wall += steps[i];
        mqtt_sessions_expire(shelf.sessions);
        cr_assert_not_null(shelf_find("one"));
        shelf_commit();
        shelf_pass(80 * CLOCK_SECOND);
        mqtt_sessions_expire(shelf.sessions);
        shelf_commit();
        cr_assert_not_null(shelf_find("one"));
        shelf_reopen();
        cr_assert_not_null(shelf_find("one"), "the next start knows when it ended");
        shelf_pass(10 * CLOCK_SECOND);
        if (shelf.wall > 0) /* a clock before 1970 tells nothing: all of it once more from the start on */
            cr_assert_null((mqtt_sessions_expire(shelf.sessions), shelf_find("one")));
        shelf_pass(200 * CLOCK_SECOND);
        mqtt_sessions_expire(shelf.sessions);
        cr_assert_eq(mqtt_sessions_count(shelf.sessions), 0);
        shelf_commit();
        shelf.wall = SHELF_WALL;
        shelf_reopen();
    }
}

Test(mqtt_session_limits, a_clock_that_runs_a_little_wrong_is_no_news)
{
    connect_new("one", 100);
    end();
    shelf_commit();
    shelf.wall += 59 * CLOCK_SECOND;
    mqtt_sessions_expire(shelf.sessions);
    cr_assert_not(mqtt_sessions_dirty(shelf.sessions));
    shelf.wall -= 118 * CLOCK_SECOND;
    mqtt_sessions_expire(shelf.sessions);
    cr_assert_not(mqtt_sessions_dirty(shelf.sessions));
}

Test(mqtt_session_limits, what_ended_in_the_future_ended_now)
{
    connect_new("one", 100);
    end();
    shelf_commit();
    shelf_close();
    shelf.wall -= 50 * DAY;
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
    cr_assert_eq(shelf_find("one")->ended_at, shelf.wall);
    shelf_pass(99 * CLOCK_SECOND);
    mqtt_sessions_expire(shelf.sessions);
    cr_assert_not_null(shelf_find("one"));
    shelf_pass(CLOCK_SECOND);
    mqtt_sessions_expire(shelf.sessions);
    cr_assert_null(shelf_find("one"));
}

/* ---- ceilings ------------------------------------------------------------------------------------------------------ */

Test(mqtt_session_limits, no_more_durable_ones_than_allowed)
{
    struct mqtt_session *third = NULL;

    shelf_close();
    shelf.most = 2;
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
    connect_new("one", 60);
    connect_new("two", 60);
    cr_assert_eq(shelf_connect("three", true, 60, &here, &third), MQTT_SESSION_NO_ROOM);
    cr_assert_null(third);
    cr_assert_null(shelf_find("three"));
    cr_assert_eq(shelf_connect("three", true, 0, &here, &third), MQTT_SESSION_NEW);
    mqtt_session_end(shelf.sessions, third);
    end();
    connect_new("two", 70);
    mqtt_session_set_expiry(shelf.sessions, session, 0);
    end();
    connect_new("three", 60);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "one/60/-: three/60/-:");

    shelf_close();
    shelf.most = 1;
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
    cr_assert_eq(mqtt_sessions_durable(shelf.sessions), 2, "what is there stays");
    connect_again("one", 60);
    end();
    connect_new("three", 60);
    cr_assert_eq(shelf_connect("four", true, 60, &here, &third), MQTT_SESSION_NO_ROOM);
}

Test(mqtt_session_limits, the_share_of_the_journal_is_never_exceeded)
{
    struct mqtt_session *more = NULL;
    struct mqtt_state_usage usage;
    char name[20];
    size_t count = 0;
    uint16_t id = 1;

    for (;; count++) {
        snprintf(name, sizeof name, "sensor-%zu", count);
        if (shelf_connect(name, true, 60, &here, &more) != MQTT_SESSION_NEW)
            break;
        session = more;
    }
    cr_assert_gt(count, 10);
    cr_assert_lt(count, SHELF_MOST);
    while (mqtt_session_take(shelf.sessions, session, id) == MQTT_PACKET_NEW)
        id++;
    cr_assert_eq(session->ids.count, id - 1);
    shelf_commit();
    mqtt_state_usage(shelf.state, &usage);
    cr_assert_leq(usage.reserved, usage.limit);

    /* What is released has room again only once that is durable; what is dropped, too. */
    for (uint16_t i = 1; i < id; i++)
        release(i);
    cr_assert_eq(mqtt_session_take(shelf.sessions, session, id), MQTT_PACKET_NO_ROOM);
    shelf_commit();
    take(id);
    shelf_commit();
    mqtt_session_set_expiry(shelf.sessions, session, 0);
    end();
    cr_assert_eq(shelf_connect("another", true, 60, &here, &session), MQTT_SESSION_NO_ROOM);
    shelf_commit();
    connect_new("another", 60);

    /* A clean start needs no room. */
    end();
    while (mqtt_state_reserve_packets(shelf.state, 1))
        continue;
    connect_new("another", 60);
    shelf_commit();
}

Test(mqtt_session_limits, a_session_holds_so_many_packet_ids_and_no_more)
{
    shelf_close();
    shelf.journal.options.segment_size = 64 * SEGMENT;
    shelf.journal.options.max_size = 16 * 64 * SEGMENT;
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
    for (uint32_t expiry = 0; expiry < 2; expiry++) {
        connect_new("one", expiry);
        for (unsigned id = 1; id <= MQTT_SESSION_IDS_MAX; id++)
            take((uint16_t)(id * 15));
        cr_assert_eq(mqtt_session_take(shelf.sessions, session, 7), MQTT_PACKET_NO_ROOM);
        cr_assert_eq(mqtt_session_take(shelf.sessions, session, 15), MQTT_PACKET_KNOWN);
        release(15);
        take(7);
        end();
    }
    shelf_commit();
    shelf_reopen();
    cr_assert_eq(shelf_find("one")->ids.count, MQTT_SESSION_IDS_MAX);
}

Test(mqtt_session_limits, all_that_are_not_durable_hold_so_many_packet_ids_and_no_more)
{
    enum mqtt_packet_taken taken = MQTT_PACKET_NEW;
    struct mqtt_session *first = NULL;
    size_t count = 0;
    char name[20];

    for (unsigned i = 0; taken == MQTT_PACKET_NEW; i++) {
        snprintf(name, sizeof name, "%u", i);
        connect_new(name, 0);
        first = first ? first : session;
        for (uint16_t id = 1; id <= MQTT_SESSION_IDS_MAX && taken == MQTT_PACKET_NEW; id++) {
            taken = mqtt_session_take(shelf.sessions, session, id);
            count += taken == MQTT_PACKET_NEW;
        }
    }
    cr_assert_eq(taken, MQTT_PACKET_NO_ROOM);
    cr_assert_eq(count, MQTT_VOLATILE_IDS_MAX);
    mqtt_session_end(shelf.sessions, first);
    take(1);
}

Test(mqtt_session_limits, many_clients_are_found_again)
{
    char name[20];

    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "sensor-%d", i);
        connect_new(name, 0);
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "sensor-%d", i);
        session = shelf_find(name);
        cr_assert_not_null(session);
        cr_assert_str_eq(session->client_id, name);
        if (i % 2)
            end();
    }
    cr_assert_eq(mqtt_sessions_count(shelf.sessions), 2500);
}
