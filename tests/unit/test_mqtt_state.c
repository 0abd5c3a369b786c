/* The image of the sessions in the journal: its forms, its ceiling, its snapshots. */
#include "mqtt_session_harness.h"

#include <stdio.h>

#include "base/little.h"
#include "source/source.h"
#include "source/source_state.h"

static struct bytes body;

static void start(void)
{
    shelf_set_up();
    bytes_init(&body, 1 << 20);
}

static void end(void)
{
    bytes_free(&body);
    shelf_tear_down();
}

TestSuite(mqtt_state, .init = start, .fini = end, .timeout = 900);

/* ---- forms ------------------------------------------------------------------------------------------------------- */

static int apply(int row)
{
    return shelf.kinds[row].apply(shelf.kinds[row].state, body.data, body.length, 0, &shelf.error);
}

static void encode(uint64_t number, const char *client_id, uint32_t expiry, int64_t ended_at, bool gone)
{
    const struct mqtt_state_session session = {number, slice_of(client_id), expiry, ended_at};

    bytes_clear(&body);
    cr_assert_eq(mqtt_state_encode_session(&body, &session, gone, &shelf.error), 0);
}

static void put(uint64_t number, const char *client_id)
{
    encode(number, client_id, 60, 0, false);
    cr_assert_eq(apply(0), 0, "%s", shelf.error.text);
}

static void drop(uint64_t number)
{
    encode(number, "any", 60, 0, true);
    cr_assert_eq(apply(0), 0, "%s", shelf.error.text);
}

static void operate(uint64_t number, const uint32_t *operations, size_t count)
{
    bytes_clear(&body);
    cr_assert_eq(mqtt_state_encode_packets(&body, number, operations, count, &shelf.error), 0);
    cr_assert_eq(apply(1), 0, "%s", shelf.error.text);
}

static void operate_one(uint64_t number, uint32_t operation)
{
    operate(number, &operation, 1);
}

/* These bytes are in journals: they never change. */
Test(mqtt_state, forms_are_as_they_are_described)
{
    static const unsigned char session[] = {
        1, 0, 3, 0, 0x10, 0x0e, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 'c', 'i', 'd'};
    static const unsigned char gone[] = {
        1, 1, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const unsigned char packets[] = {
        1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1, 0, 5, 0, 0, 0};

    encode(7, "cid", 3600, 42, false);
    cr_assert_eq(body.length, sizeof session);
    cr_assert_arr_eq(body.data, session, sizeof session);
    cr_assert_eq(apply(0), 0);
    cr_assert_str_eq(shelf_image(), "cid/3600/-1799999999:");
    const uint32_t operations[] = {0x201 | MQTT_PACKET_TAKEN, 5};
    operate(7, operations, 2);
    cr_assert_eq(body.length, sizeof packets);
    cr_assert_arr_eq(body.data, packets, sizeof packets);
    cr_assert_str_eq(shelf_image(), "cid/3600/-1799999999:513");
    encode(7, "cid", 3600, 42, true);
    cr_assert_eq(body.length, sizeof gone);
    cr_assert_arr_eq(body.data, gone, sizeof gone);
    cr_assert_eq(apply(0), 0);
    cr_assert_str_eq(shelf_image(), "");
}

Test(mqtt_state, what_is_no_session_is_refused_and_changes_nothing)
{
    static const struct {
        size_t at;
        unsigned char is;
    } wrong[] = {{0, 0}, {0, 2}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {2, 4}, {2, 2}, {3, 1}, {15, 0x80}, {25, 0}};

    put(1, "one");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        encode(2, "two", 60, 0, false);
        body.data[wrong[i].at] = (char)wrong[i].is;
        cr_assert_eq(apply(0), -1, "%zu", i);
        cr_assert_eq(shelf.error.kind, ERROR_REJECT);
    }
    for (size_t length = 0; length < 27; length++) {
        encode(2, "two", 60, 0, false);
        body.length = length;
        cr_assert_eq(apply(0), -1, "%zu", length);
    }
    encode(0, "two", 60, 0, false);
    cr_assert_eq(apply(0), -1);
    encode(2, "two", 60, 0, false);
    cr_assert_eq(bytes_reserve(&body, 400, &shelf.error), 0);
    memset(body.data + 24, 'x', MQTT_SESSION_ID_MAX + 1);
    put_u16(body.data + 2, MQTT_SESSION_ID_MAX + 1);
    body.length = 24 + MQTT_SESSION_ID_MAX + 1;
    cr_assert_eq(apply(0), -1, "an id of 386 bytes");
    encode(1, "two", 60, 0, false);
    cr_assert_eq(apply(0), -1, "the same number for another client id");
    encode(2, "two", 60, 0, true);
    cr_assert_eq(bytes_add(&body, "two", 3, &shelf.error), 0);
    cr_assert_eq(apply(0), -1, "one that is gone needs no name");
    cr_assert_str_eq(shelf_image(), "one/60/-:");
}

Test(mqtt_state, what_is_no_packet_id_is_refused_and_changes_nothing)
{
    static const uint32_t wrong[] = {0, MQTT_PACKET_TAKEN, 0x20001, UINT32_MAX};
    uint32_t operations[2] = {8 | MQTT_PACKET_TAKEN};

    put(1, "one");
    operate_one(1, 9 | MQTT_PACKET_TAKEN);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        operations[1] = wrong[i];
        bytes_clear(&body);
        cr_assert_eq(mqtt_state_encode_packets(&body, 1, operations, 2, &shelf.error), 0);
        cr_assert_eq(apply(1), -1, "%zu", i);
        cr_assert_eq(shelf.error.kind, ERROR_REJECT);
    }
    for (size_t length = 0; length < 24; length++) {
        bytes_clear(&body);
        cr_assert_eq(mqtt_state_encode_packets(&body, 1, operations, 1, &shelf.error), 0);
        body.length = length == 20 ? 21 : length;
        cr_assert_eq(apply(1), -1, "%zu", length);
    }
    for (size_t at = 0; at < 2; at++) {
        bytes_clear(&body);
        cr_assert_eq(mqtt_state_encode_packets(&body, 1, operations, 1, &shelf.error), 0);
        body.data[at] = 2;
        cr_assert_eq(apply(1), -1);
    }
    cr_assert_str_eq(shelf_image(), "one/60/-:9");
}

Test(mqtt_state, packet_ids_of_nobody_are_nothing)
{
    operate_one(5, 9 | MQTT_PACKET_TAKEN);
    drop(5);
    cr_assert_str_eq(shelf_image(), "");
}

Test(mqtt_state, what_is_not_there_is_freed_without_harm)
{
    struct mqtt_state *none = NULL;
    struct mqtt_sessions *no_sessions = NULL;

    mqtt_state_free(&none);
    mqtt_sessions_free(&no_sessions);
}

Test(mqtt_state, a_session_told_again_keeps_its_packet_ids)
{
    put(1, "one");
    put(2, "two");
    operate_one(1, 9 | MQTT_PACKET_TAKEN);
    operate_one(1, 9 | MQTT_PACKET_TAKEN);
    operate_one(1, 10);
    encode(1, "one", MQTT_NEVER, SHELF_WALL + 5 * CLOCK_SECOND, false);
    cr_assert_eq(apply(0), 0);
    cr_assert_str_eq(shelf_image(), "one/4294967295/5:9 two/60/-:");
    drop(1);
    put(3, "one");
    cr_assert_str_eq(shelf_image(), "one/60/-: two/60/-:");
}

Test(mqtt_state, a_body_that_does_not_fit_is_not_begun)
{
    const struct mqtt_state_session session = {1, slice_of("client"), 60, 0};
    const uint32_t operation = 1;
    struct bytes narrow;

    bytes_init(&narrow, 20);
    cr_assert_eq(bytes_add(&narrow, "x", 1, &shelf.error), 0);
    cr_assert_eq(mqtt_state_encode_session(&narrow, &session, false, &shelf.error), -1);
    cr_assert_eq(mqtt_state_encode_packets(&narrow, 1, &operation, 1, &shelf.error), -1);
    cr_assert_eq(narrow.length, 1);
    bytes_free(&narrow);
}

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

Test(mqtt_state, numbers_are_never_given_twice)
{
    struct mqtt_connection connection = {0};
    struct mqtt_session *session;

    cr_assert_eq(mqtt_state_next_number(shelf.state), 1);
    cr_assert_eq(shelf_connect("one", true, 60, &connection, &session), MQTT_SESSION_NEW);
    cr_assert_eq(session->number, 2);
    shelf_commit();
    mqtt_session_set_expiry(shelf.sessions, session, 0);
    mqtt_session_end(shelf.sessions, session);
    shelf_commit();
    cr_assert_str_eq(shelf_image(), "");
    shelf_reopen();
    cr_assert_eq(mqtt_state_next_number(shelf.state), 3, "the record that dropped it tells its number");
    shelf_reopen();
    cr_assert_eq(mqtt_state_next_number(shelf.state), 3, "and now only the snapshot");
}

/* ---- the ceiling -------------------------------------------------------------------------------------------------- */

Test(mqtt_state, no_more_is_reserved_than_there_is)
{
    struct mqtt_state_usage usage, filled;
    size_t sessions = 0, packets = 0;

    mqtt_state_usage(shelf.state, &usage);
    cr_assert_eq(usage.limit, SEGMENT / JOURNAL_STATE_SHARE / MQTT_STATE_SHARE);
    while (mqtt_state_reserve_session(shelf.state, 16))
        sessions++;
    while (mqtt_state_reserve_packets(shelf.state, 1))
        packets++;
    mqtt_state_usage(shelf.state, &filled);
    cr_assert_leq(filled.reserved, filled.limit);
    cr_assert_gt(filled.reserved, filled.limit - 4);
    cr_assert_gt(sessions, 10);
    cr_assert_geq(4 * packets, usage.limit / MQTT_STATE_PACKETS_SHARE, "sessions leave them their share");
    cr_assert_not(mqtt_state_reserve_session(shelf.state, 1));
    cr_assert_not(mqtt_state_reserve_packets(shelf.state, SIZE_MAX / 8));
    for (size_t i = 0; i < sessions; i++)
        mqtt_state_give_session(shelf.state, 16);
    mqtt_state_give_packets(shelf.state, packets);
    cr_assert_eq(shelf_reserved(), usage.reserved);
}

/* The longest ids, the shortest, with as many packet ids as fit: what a snapshot takes is never more than what is reserved. */
Test(mqtt_state, a_snapshot_takes_no_more_than_is_reserved)
{
    for (size_t length = 1; length <= MQTT_CLIENT_ID_MAX; length += 17) {
        char name[MQTT_CLIENT_ID_MAX + 1] = {0};
        struct mqtt_connection connection = {0};
        struct mqtt_session *session;
        memset(name, 'n', length);
        if (shelf_connect(name, true, 60, &connection, &session) != MQTT_SESSION_NEW)
            break;
        for (uint16_t id = 1; id < length; id = (uint16_t)(id + 9))
            mqtt_session_take(shelf.sessions, session, id);
        shelf_commit(); /* asserts it */
    }
    cr_assert_gt(mqtt_sessions_durable(shelf.sessions), 3);
    const uint64_t before = shelf_reserved();
    shelf_reopen();
    cr_assert_eq(shelf_reserved(), before);
    cr_assert_leq(shelf_image_bytes(), before);
}

static size_t fill(uint32_t expiry)
{
    struct mqtt_connection connection = {0};
    struct mqtt_session *session;
    size_t count = 0;
    char name[20];

    do
        snprintf(name, sizeof name, "sensor-%05zu", count);
    while (shelf_connect(name, true, expiry, &connection, &session) == MQTT_SESSION_NEW && ++count < 1000);
    shelf_commit();
    return count;
}

/* Smaller segments than those that the sessions were reserved in. */
Test(mqtt_state, more_than_fits_stops_the_start_and_says_what_helps)
{
    const uint64_t large = 16 * SEGMENT;

    shelf_close();
    shelf.most = 1000;
    shelf.journal.options.segment_size = large;
    shelf.journal.options.max_size = 16 * large;
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
    const size_t count = fill(60);
    cr_assert_gt(count, 200);
    shelf_reopen();
    cr_assert_eq(mqtt_sessions_count(shelf.sessions), count);
    shelf_close();

    /* The snapshot has room for all state together, not for this part of it. */
    shelf.journal.options.segment_size = large / 2;
    cr_assert_eq(shelf_open(), -1);
    cr_assert_eq(shelf.error.kind, ERROR_FATAL);
    cr_assert(strstr(shelf.error.text, "set it to 1MiB at least"), "%s", shelf.error.text);
    shelf_close();

    /* Not even the snapshot. */
    shelf.journal.options.segment_size = SEGMENT;
    cr_assert_eq(shelf_open(), -1);
    cr_assert_eq(shelf.error.kind, ERROR_FATAL);
    cr_assert(
        strstr(shelf.error.text, "snapshot of session: live state above 14848 bytes of a segment: raise "
                                 "journal.segment_size"),
        "%s", shelf.error.text);
    shelf_close();

    shelf.journal.options.segment_size = large;
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
    cr_assert_eq(mqtt_sessions_count(shelf.sessions), count, "nothing was lost on the way");
}

/* ---- segments ------------------------------------------------------------------------------------------------------ */

static void put_records(uint64_t bytes)
{
    struct journal_status status;
    static uint64_t id = 1;

    for (uint64_t done = 0; done < bytes; done += 10 * 1000, id += 10) {
        cr_assert_eq(fixture_put(&shelf.journal, id, 10, 1000), 0, "%s", shelf.journal.error.text);
        journal_status(shelf.journal.journal, &status);
        fixture_move(&shelf.journal, status.durable);
    }
}

static uint64_t newest_segment(void)
{
    char path[256];

    directory_name(shelf.journal.directory, ".segment", -1, path);
    return strtoull(strrchr(path, '/') + 1, NULL, 10);
}

Test(mqtt_state, sessions_and_ids_outlive_their_segments)
{
    struct mqtt_connection connections[3] = {0};
    struct mqtt_session *session;

    cr_assert_eq(shelf_connect("never", true, MQTT_NEVER, &connections[0], &session), MQTT_SESSION_NEW);
    mqtt_session_take(shelf.sessions, session, 65535);
    mqtt_session_take(shelf.sessions, session, 1);
    mqtt_session_end(shelf.sessions, session);
    cr_assert_eq(shelf_connect("stays", true, 3600, &connections[1], &session), MQTT_SESSION_NEW);
    for (uint16_t id = 1; id < 40; id++)
        mqtt_session_take(shelf.sessions, session, id);
    shelf_commit();
    for (uint16_t id = 1; id < 38; id++)
        mqtt_session_release(shelf.sessions, session, id);
    shelf_commit();
    for (int round = 0; round < 4; round++) {
        const uint64_t before = newest_segment();
        put_records(5 * SEGMENT);
        cr_assert_geq(newest_segment(), before + 4);
        cr_assert_str_eq(shelf_image(), "never/4294967295/0:1,65535 stays/3600/-:38,39");
        shelf_crash();
        cr_assert_str_eq(shelf_image(), "never/4294967295/0:1,65535 stays/3600/-:38,39");
        cr_assert_eq(shelf_find("stays")->ids.count, 2);
        cr_assert(mqtt_ids_has(&shelf_find("never")->ids, 65535));
    }
}

/* Who forgets an outlet writes the snapshot anew: what the rows of the sources do not name there would be gone. */
Test(mqtt_state, forgetting_an_outlet_keeps_the_sessions)
{
    static const char *const other[] = {"other"};
    const struct config config = {.journal.segment_size = SEGMENT};
    struct source_state *state;
    struct state_kind rows[SOURCE_STATE_KINDS];
    struct mqtt_connection connection = {0};
    struct mqtt_session *session;

    cr_assert_eq(shelf_connect("one", true, 3600, &connection, &session), MQTT_SESSION_NEW);
    mqtt_session_take(shelf.sessions, session, 7);
    shelf_commit();
    shelf_close();
    cr_assert_eq(source_state_new(&state, &config, &shelf.error), 0);
    source_state_kinds(state, rows);
    shelf.journal.options.outlets_count = 0;
    shelf.journal.options.forget = "one";
    shelf.journal.options.kinds_count = 0;
    cr_assert_eq(fixture_open(&shelf.journal), -1);
    cr_assert(strstr(shelf.journal.error.text, "holds state of kind 20"), "%s", shelf.journal.error.text);
    shelf.journal.options.kinds = rows;
    shelf.journal.options.kinds_count = SOURCE_STATE_KINDS;
    cr_assert_eq(fixture_open(&shelf.journal), 0, "%s", shelf.journal.error.text);
    cr_assert_eq(source_state_check(state, &shelf.error), 0);
    cr_assert_not_null(state->mqtt);
    struct source_usage usage;
    cr_assert_eq(source_state_usage(state, &usage, &shelf.error), 0);
    cr_assert_eq(usage.sessions, 1);
    cr_assert_eq(usage.packets, 1);
    cr_assert_eq(usage.answers + usage.sequences, 0);
    fixture_close(&shelf.journal);
    source_state_free(&state);
    source_state_free(&state);
    shelf.journal.options.forget = NULL;
    shelf.journal.options.kinds = shelf.kinds;
    shelf.journal.options.kinds_count = MQTT_STATE_KINDS;
    shelf.journal.options.outlets = other;
    shelf.journal.options.outlets_count = 1;
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
    cr_assert_str_eq(shelf_image(), "one/3600/-:7");
}

static int fail_emit(void *context, const void *data, size_t length, struct error *error)
{
    size_t *left = context;

    (void)data, (void)length;
    return (*left)-- ? 0 : error_set(error, ERROR_FATAL, "no room");
}

Test(mqtt_state, a_snapshot_that_has_no_room_says_so)
{
    put(1, "one");
    operate_one(1, 9 | MQTT_PACKET_TAKEN);
    for (size_t room = 0; room < 3; room++) {
        size_t left = room;
        const int sessions = shelf.kinds[0].dump(shelf.kinds[0].state, 0, fail_emit, &left, &shelf.error);
        left = 0;
        cr_assert_eq(sessions, room < 2 ? -1 : 0);
        cr_assert_eq(shelf.kinds[1].dump(shelf.kinds[1].state, 0, fail_emit, &left, &shelf.error), -1);
    }
}

static int refuse_visit(void *context, const struct mqtt_state_session *session, const uint16_t *packets,
    size_t packets_count, struct error *error)
{
    int *calls = context;

    (void)session, (void)packets, (void)packets_count;
    ++*calls;
    return error_set(error, ERROR_RETRY, "enough");
}

Test(mqtt_state, a_visit_ends_when_it_fails)
{
    int calls = 0;

    put(1, "one");
    put(2, "two");
    cr_assert_eq(mqtt_state_visit(shelf.state, refuse_visit, &calls, &shelf.error), -1);
    cr_assert_eq(calls, 1);
}

Test(mqtt_state, thousands_are_found_again)
{
    char name[20];

    for (uint64_t number = 1; number <= 5000; number++) {
        snprintf(name, sizeof name, "n%llu", (unsigned long long)number);
        put(number, name);
        operate_one(number, (uint32_t)number | MQTT_PACKET_TAKEN);
    }
    for (uint64_t number = 1; number <= 5000; number++)
        if (number % 500)
            drop(number);
    cr_assert_str_eq(shelf_image(),
        "n1000/60/-:1000 n1500/60/-:1500 n2000/60/-:2000 n2500/60/-:2500 n3000/60/-:3000 n3500/60/-:3500 "
        "n4000/60/-:4000 n4500/60/-:4500 n500/60/-:500 n5000/60/-:5000");
}

/* ---- the golden journal: what this version wrote must stay readable ---- */

/* Its last segment has a snapshot with sessions, and behind it one that is dropped, one that comes and one that is taken up. */
Test(mqtt_state, the_golden_journal_with_sessions_is_read)
{
    shelf_close();
    directory_delete(shelf.journal.directory);
    directory_copy(PENSTOCK_GOLDEN "/journal-v1-sessions", shelf.journal.directory);
    shelf.journal.options.gateway_id = "golden";
    cr_assert_eq(shelf_open(), 0, "%s", shelf.error.text);
    cr_assert_eq(shelf.journal.report.notes.length, 0);
    cr_assert_str_eq(shelf_image(), "meter-1/7200/-:65533,65535 meter-2 \xc3\xa4/4294967295/-:8");
    cr_assert_eq(mqtt_state_next_number(shelf.state), 4);
}
