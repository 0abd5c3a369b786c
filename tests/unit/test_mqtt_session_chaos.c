/* Clients that publish with QoS 2, and everything that can happen to them at once: connections break, are taken over, start clean, sessions
 * expire, answers get lost, the disk fails, the gateway is killed. Held against two plain models: what each client knows
 * (its message is in the journal once when it was acknowledged, and never twice), and what the image of the sessions has to be
 * after each batch, of which a crash finds one. SEED=n is the first seed, SEEDS=n how many. */
#include "mqtt_session_model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/little.h"

#define STEPS 400
#define ANSWERS_MAX 2000
#define SERIAL (UINT64_C(1) << 63) /* marks the record that names its batch */
#define ALL_CALLS ((1u << DISK_CALLS) - 1)

/* ---- chance ------------------------------------------------------------------------------------------------------- */

static uint64_t seed, chance_state;

static unsigned chance(unsigned below)
{
    chance_state = chance_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(chance_state >> 33) % below;
}

static bool one_in(unsigned n)
{
    return chance(n) == 0;
}

/* Whether the chaos is any: how often each of these came about. */
enum event {
    TAKEN_UP,
    KNOWN,
    UNKNOWN_ID,
    NO_ROOM,
    REFUSED,
    UNKNOWN,
    FOUND,
    NOT_FOUND,
    HEALED,
    KILLED,
    EXPIRED,
    EVENTS
};
static unsigned happened[EVENTS];

/* ---- the gateway: batches and answers ---------------------------------------------------------------------------------- */

enum answer_type { CONNACK, PUBREC, PUBCOMP };

struct answer {
    struct mqtt_connection *link;
    enum answer_type type;
    enum mqtt_session_opened opened;
    uint16_t id;
};

struct batch {
    struct handover handover;
    struct answer answers[ANSWERS_MAX];
    size_t count;
};

static struct batch batches[2], *filling = &batches[0], *sent = &batches[1];
static bool is_sent;
static struct mqtt_connection
    links[ANSWERS_MAX]; /* none is used twice, so that nobody takes another's answer */
static size_t links_count;
static size_t hog; /* packet ids that others have reserved */

static void add_record(struct batch *batch, uint64_t number)
{
    char body[8];

    put_u64(body, number);
    cr_assert_eq(handover_add(&batch->handover, JOURNAL_KIND_DATA, (struct slice){body, sizeof body}, 0, 0,
                     &shelf.error),
        0);
}

static void add_answer(struct client *client, enum answer_type type, uint16_t id)
{
    filling->answers[filling->count++] = (struct answer){.link = client->link, .type = type, .id = id};
    cr_assert_lt(filling->count, ANSWERS_MAX);
}

/* The gateway's end of a connection, and the client's. */
static void close_link(struct mqtt_connection *link)
{
    struct client *client = &model.clients[link->client];

    if (link->closed)
        return;
    link->closed = true;
    client_disconnected(client);
    mqtt_session_end(shelf.sessions, shelf_find(client->name));
    live_end(&model.live.of[link->client]);
}

static void lose_link(void *context, struct mqtt_session *session)
{
    (void)context;
    close_link(session->connection);
}

static void deliver(const struct answer *answer)
{
    struct client *client = &model.clients[answer->link->client];

    if (one_in(20))
        close_link(answer->link);
    if (answer->link->closed)
        return;
    if (answer->type == CONNACK && !client_answered(client, answer->opened))
        close_link(answer->link);
    if (answer->type == PUBREC)
        client_received(&client->slots[answer->id]);
    if (answer->type == PUBCOMP)
        client_completed(&client->slots[answer->id]);
}

static void submit(void)
{
    struct batch *batch = filling;

    if (is_sent || (!batch->count && !mqtt_sessions_dirty(shelf.sessions)))
        return;
    filling = sent;
    sent = batch;
    model_write();
    add_record(sent, SERIAL | model.serials);
    cr_assert_eq(
        mqtt_sessions_write(shelf.sessions, &sent->handover, &shelf.error), 0, "%s", shelf.error.text);
    is_sent = true;
}

static void sent_clear(void)
{
    handover_clear(&sent->handover);
    sent->count = 0;
    is_sent = false;
}

static void sent_durable(void)
{
    happened[HEALED] += model.unknown_count > 0;
    model_written();
    mqtt_sessions_written(shelf.sessions);
    for (size_t i = 0; i < sent->count; i++)
        deliver(&sent->answers[i]);
    sent_clear();
    cr_assert_leq(shelf_image_bytes(), shelf_reserved());
    cr_assert_str_eq(shelf_image(), image_text(&model.durable), "seed %" PRIu64, seed);
}

static void sent_unknown(void)
{
    happened[UNKNOWN]++;
    model_unknown();
    mqtt_sessions_unknown(shelf.sessions, lose_link, NULL);
    for (size_t i = 0; i < sent->count; i++)
        close_link(sent->answers[i].link);
    sent_clear();
    check_live();
}

static void complete(void)
{
    if (!is_sent)
        return;
    const enum handover_result result = shelf_give(&sent->handover);
    if (result == HANDOVER_DURABLE)
        sent_durable();
    else if (result == HANDOVER_UNKNOWN)
        sent_unknown();
    else
        happened[REFUSED]++;
}

/* ---- the gateway: packets ------------------------------------------------------------------------------------------------ */

static void connect_client(unsigned index)
{
    static const uint32_t expiries[] = {0, 30, 2000, MQTT_NEVER, MQTT_NEVER};
    struct client *client = &model.clients[index];
    struct life *life = &model.live.of[index];
    const uint32_t expiry = expiries[chance(sizeof expiries / sizeof *expiries)];
    struct mqtt_connection *link = &links[links_count++];
    struct mqtt_session *session;

    cr_assert_lt(links_count, ANSWERS_MAX);
    if (client->link)
        close_link(client->link);
    client_expire(client);
    client->clean = client->must_clean = client->must_clean || one_in(8);
    if (client->clean)
        client_forget(client);
    *link = (struct mqtt_connection){.client = index};
    const bool there = life->number && !life_is_over(life);
    const enum mqtt_session_opened opened =
        mqtt_session_open(shelf.sessions, slice_of(client->name), client->clean, expiry, link, &session);
    if (opened == MQTT_SESSION_NO_ROOM) {
        cr_assert(hog);
        happened[NO_ROOM]++;
        return;
    }
    happened[TAKEN_UP] += opened == MQTT_SESSION_PRESENT;
    cr_assert_eq(
        opened, there && !client->clean ? MQTT_SESSION_PRESENT : MQTT_SESSION_NEW, "seed %" PRIu64, seed);
    if (opened == MQTT_SESSION_NEW)
        *life = (struct life){.number = ++model.lives, .durable = expiry != 0};
    life->expiry = expiry;
    life->ended_at = 0;
    client_connects(client, link, expiry);
    add_answer(client, CONNACK, 0);
    filling->answers[filling->count - 1].opened = opened;
}

static void publish(unsigned index, uint16_t id)
{
    struct client *client = &model.clients[index];
    struct slot *slot = &client->slots[id];
    struct mqtt_session *session = shelf_find(client->name);

    slot->sent = true;
    const enum mqtt_packet_taken taken = mqtt_session_take(shelf.sessions, session, id);
    if (taken == MQTT_PACKET_NO_ROOM) {
        cr_assert(hog);
        happened[NO_ROOM]++;
        close_link(client->link);
        return;
    }
    cr_assert_eq(taken == MQTT_PACKET_KNOWN, model.live.of[index].ids[id], "seed %" PRIu64, seed);
    happened[KNOWN] += taken == MQTT_PACKET_KNOWN;
    if (taken == MQTT_PACKET_NEW) {
        live_operate(index, id, true);
        add_record(filling, slot->message);
    }
    add_answer(client, PUBREC, id);
}

static void publish_new(unsigned index)
{
    struct client *client = &model.clients[index];
    const uint16_t id = (uint16_t)(1 + chance(IDS));

    if (!client->link || (!client->greeted && !client->clean) || client->slots[id].message)
        return;
    cr_assert_lt(++model.messages_count, MESSAGES_MAX);
    client->slots[id].message = model.messages_count;
    publish(index, id);
}

/* What has not been sent on this connection; now and then also what has. */
static void go_on(unsigned index)
{
    struct client *client = &model.clients[index];
    const uint16_t id = (uint16_t)(1 + chance(IDS));
    struct slot *slot = &client->slots[id];

    if (!client->link || !client->greeted || !slot->message || (slot->sent && !one_in(10)))
        return;
    if (!slot->received) {
        publish(index, id);
        return;
    }
    slot->sent = true;
    cr_assert_eq(mqtt_session_release(shelf.sessions, shelf_find(client->name), id),
        model.live.of[index].ids[id], "seed %" PRIu64, seed);
    if (model.live.of[index].ids[id])
        live_operate(index, id, false);
    else
        happened[UNKNOWN_ID]++;
    add_answer(client, PUBCOMP, id);
}

static void disconnect(unsigned index)
{
    struct client *client = &model.clients[index];
    struct life *life = &model.live.of[index];

    if (!client->link)
        return;
    if (one_in(3) && life->expiry) {
        life->expiry = client->expiry = one_in(4) ? 0 : 30;
        mqtt_session_set_expiry(shelf.sessions, shelf_find(client->name), life->expiry);
    }
    close_link(client->link);
}

/* ---- the journal ------------------------------------------------------------------------------------------------------------ */

static uint64_t read_up_to, serial_found;

/* Everything new is counted, and given free. */
static void read_journal(void)
{
    struct journal_reader *reader;
    struct journal_entry entry;

    cr_assert_eq(journal_reader_open(&reader, shelf.journal.journal, read_up_to, &shelf.error), 0);
    while (journal_read(reader, &entry, &shelf.error) == 1) {
        cr_assert_eq(entry.type, JOURNAL_ENTRY_RECORD);
        const uint64_t number = get_u64(entry.body.data);
        read_up_to = entry.sequence;
        if (number & SERIAL)
            serial_found = number & ~SERIAL;
        else
            model.messages[number].found++;
    }
    journal_reader_close(&reader);
    for (uint64_t i = 1; i <= model.messages_count; i++) {
        cr_assert_leq(
            model.messages[i].found, 1, "seed %" PRIu64 ": message %" PRIu64 " is there twice", seed, i);
        cr_assert(model.messages[i].found || !model.messages[i].acknowledged,
            "seed %" PRIu64 ": message %" PRIu64 " was acknowledged and is lost", seed, i);
    }
    shelf_move(read_up_to);
}

static void recover(void)
{
    const bool doubt = model.unknown_count > 0;
    const uint64_t told = model.durable.serial;
    const struct image *left = model_recover(serial_found);

    cr_assert(
        left, "seed %" PRIu64 ": batch %" PRIu64 " is found, %" PRIu64 " was told", seed, serial_found, told);
    cr_assert_str_eq(shelf_image(), image_text(left), "seed %" PRIu64, seed);
    happened[doubt ? (serial_found == told ? NOT_FOUND : FOUND) : KILLED]++;
    check_live();
}

static void kill_gateway(void)
{
    if (is_sent && shelf.journal.disk.fail_at == 0)
        disk_arm(&shelf.journal.disk, ALL_CALLS, 1 + chance(6), true, EIO);
    complete();
    shelf_kill();
    for (size_t i = 0; i < links_count; i++)
        links[i].closed = true;
    for (int i = 0; i < CLIENTS; i++)
        client_disconnected(&model.clients[i]);
    links_count = hog = 0;
    sent_clear();
    handover_clear(&filling->handover);
    filling->count = 0;
    if (one_in(3))
        shelf_pass(chance(60) * CLOCK_SECOND);
    cr_assert_eq(shelf_open(), 0, "seed %" PRIu64 ": %s", seed, shelf.error.text);
    read_journal();
    recover();
}

/* ---- what happens -------------------------------------------------------------------------------------------------------------- */

static void fail_disk(void)
{
    const bool syncs = one_in(2);

    disk_arm(&shelf.journal.disk, syncs ? 1u << DISK_SYNC : SHELF_CALLS, 1 + chance(3), one_in(2), EIO);
}

static void pass(void)
{
    shelf_pass((1 + chance(15)) * CLOCK_SECOND);
    mqtt_sessions_expire(shelf.sessions);
    live_expire();
}

static void take_all_room(void)
{
    while (mqtt_state_reserve_packets(shelf.state, 1))
        hog++;
}

static void give_room(void)
{
    if (hog)
        mqtt_state_give_packets(shelf.state, hog);
    hog = 0;
}

static void step(void)
{
    const unsigned client = chance(CLIENTS);
    const unsigned what = chance(1000);

    if (what < 70)
        connect_client(client);
    else if (what < 300)
        publish_new(client);
    else if (what < 700)
        go_on(client);
    else if (what < 720)
        disconnect(client);
    else if (what < 820)
        submit();
    else if (what < 930)
        complete();
    else if (what < 950)
        pass();
    else if (what < 957)
        fail_disk();
    else if (what < 975)
        shelf_heal();
    else if (what < 978)
        take_all_room();
    else if (what < 984)
        give_room();
    else if (what < 988)
        kill_gateway();
    else if (what < 993)
        read_journal();
}

static bool all_done(void)
{
    for (int i = 0; i < CLIENTS; i++)
        for (int id = 1; id <= IDS; id++)
            if (model.clients[i].slots[id].message)
                return false;
    return true;
}

/* Everybody comes back and finishes what was begun. */
static void finish(void)
{
    shelf_heal();
    give_room();
    for (int rounds = 0; !all_done(); rounds++) {
        cr_assert_lt(rounds, 100000, "seed %" PRIu64 ": somebody waits for ever", seed);
        const unsigned client = chance(CLIENTS);
        if (!model.clients[client].link)
            connect_client(client);
        go_on(client);
        if (one_in(20)) {
            submit();
            complete();
        }
        if (is_sent) /* it was refused */
            shelf_heal();
    }
    do {
        submit();
        complete();
    } while (is_sent || filling->count || mqtt_sessions_dirty(shelf.sessions));
    read_journal();
    for (uint64_t i = 1; i <= model.messages_count; i++)
        cr_assert_eq(model.messages[i].found + model.messages[i].abandoned > 0, true, "seed %" PRIu64, seed);
    const uint64_t reserved = shelf_reserved();
    shelf_reopen();
    cr_assert_eq(shelf_reserved(), reserved, "seed %" PRIu64 ": what is reserved is not what is there", seed);
}

static void run(uint64_t number)
{
    seed = chance_state = number;
    chance(1);
    memset(&model, 0, sizeof model);
    read_up_to = serial_found = 0;
    links_count = hog = 0;
    is_sent = false;
    for (int i = 0; i < CLIENTS; i++)
        snprintf(model.clients[i].name, sizeof model.clients[i].name, "c%d", i);
    shelf_set_up();
    for (int i = 0; i < 2; i++) {
        shelf_handover_init(&batches[i].handover);
        batches[i].count = 0;
    }
    for (int i = 0; i < STEPS; i++)
        step();
    finish();
    happened[EXPIRED] += model.expired;
    for (int i = 0; i < 2; i++)
        handover_free(&batches[i].handover);
    shelf_tear_down();
}

/* As long as it takes, for whoever asks for more; else the time of ctest counts. */
Test(mqtt_session_chaos, each_message_arrives_once)
{
    const char *first = getenv("SEED");
    const char *count = getenv("SEEDS");
    const uint64_t from = first ? strtoull(first, NULL, 10) : 1;
    const uint64_t many = count ? strtoull(count, NULL, 10) : 150;

    for (uint64_t i = 0; i < many; i++)
        run(from + i);
    for (int i = 0; i < EVENTS && many >= 100; i++)
        cr_assert_gt(happened[i], many / 20, "event %d came about %u times", i, happened[i]);
}
