/* mqtt_session_model: see mqtt_session_model.h */
#include "mqtt_session_model.h"

#include <inttypes.h>

struct model model;

/* ---- clients --------------------------------------------------------------------------------------------------------- */

void client_forget(struct client *client)
{
    for (int id = 1; id <= IDS; id++) {
        model.messages[client->slots[id].message].abandoned = true;
        client->slots[id] = (struct slot){0};
    }
    client->has_session = false;
}

void client_expire(struct client *client)
{
    if (client->expiry != MQTT_NEVER && client->lost_at + client->expiry * CLOCK_SECOND <= shelf.wall)
        client_forget(client);
}

/* Until it is answered it may count on no more than what it had, and from when it had it. */
void client_connects(struct client *client, struct mqtt_connection *link, uint32_t expiry)
{
    client->link = link;
    client->greeted = false;
    client->wanted = expiry;
    client->expiry = expiry < client->expiry || client->clean ? expiry : client->expiry;
    client->lost_at = client->clean ? shelf.wall : client->lost_at;
    for (int id = 1; id <= IDS; id++)
        client->slots[id].sent = false;
}

void client_disconnected(struct client *client)
{
    if (client->link && client->greeted)
        client->lost_at = shelf.wall;
    client->link = NULL;
}

/* A session that it has not, or not any more, is not to be gone on with (3.2.2.1.1): it has to start clean. */
bool client_answered(struct client *client, enum mqtt_session_opened opened)
{
    client->must_clean = opened == MQTT_SESSION_PRESENT && !client->has_session;
    if (client->must_clean)
        return false;
    if (opened != MQTT_SESSION_PRESENT && !client->clean)
        client_forget(client);
    client->has_session = client->greeted = true;
    client->expiry = client->wanted;
    return true;
}

void client_received(struct slot *slot)
{
    if (!slot->message || slot->received)
        return;
    model.messages[slot->message].acknowledged = true;
    slot->received = true;
    slot->sent = false;
}

void client_completed(struct slot *slot)
{
    if (slot->received)
        *slot = (struct slot){0};
}

/* ---- sessions --------------------------------------------------------------------------------------------------------- */

bool life_is_over(const struct life *life)
{
    return life->ended_at && life->expiry != MQTT_NEVER &&
           life->ended_at + life->expiry * CLOCK_SECOND <= shelf.wall;
}

void live_expire(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (!life_is_over(&model.live.of[i]))
            continue;
        model.live.of[i] = (struct life){0};
        model.expired++;
    }
}

void live_end(struct life *life)
{
    if (life->expiry == 0)
        *life = (struct life){0};
    else
        life->ended_at = shelf.wall;
}

void live_operate(unsigned client, unsigned id, bool take)
{
    struct life *life = &model.live.of[client];

    life->ids[id] = take;
    cr_assert_lt(model.operations_count, OPERATIONS_MAX);
    model.operations[model.operations_count++] = (struct operation){client, life->number, id, take};
}

void model_write(void)
{
    model.live.serial = ++model.serials;
    model.under_way = model.live;
    model.operations_count = 0;
}

void model_written(void)
{
    model.durable = model.under_way;
    model.unknown_count = 0;
}

/* The packet ids as they were, and what was noted since on top. */
void model_unknown(void)
{
    cr_assert_lt(model.unknown_count, UNKNOWN_MAX);
    model.unknown[model.unknown_count++] = model.under_way;
    for (int i = 0; i < CLIENTS; i++) {
        struct life *life = &model.live.of[i];
        if (!life->durable)
            continue;
        memset(life->ids, 0, sizeof life->ids);
        if (model.durable.of[i].number == life->number)
            memcpy(life->ids, model.durable.of[i].ids, sizeof life->ids);
    }
    for (size_t i = 0; i < model.operations_count; i++) {
        const struct operation *operation = &model.operations[i];
        struct life *life = &model.live.of[operation->client];
        if (life->durable && life->number == operation->life)
            life->ids[operation->id] = operation->take;
    }
}

const struct image *model_recover(uint64_t serial)
{
    const struct image *left = serial == model.durable.serial ? &model.durable : NULL;

    for (size_t i = 0; !left && i < model.unknown_count; i++)
        left = model.unknown[i].serial == serial ? &model.unknown[i] : NULL;
    if (!left)
        return NULL;
    model.live = model.durable = *left;
    model.unknown_count = model.operations_count = 0;
    for (int i = 0; i < CLIENTS; i++) {
        struct life *life = &model.live.of[i];
        if (!life->durable || !life->expiry)
            *life = (struct life){0};
        else if (!life->ended_at)
            life->ended_at = shelf.wall;
    }
    live_expire();
    return &model.durable;
}

const char *image_text(const struct image *image)
{
    static char room[CLIENTS * 100];
    struct bytes text = {.data = room, .capacity = sizeof room, .limit = sizeof room};

    for (int i = 0; i < CLIENTS; i++) {
        const struct life *life = &image->of[i];
        const char *between = "";
        if (!life->durable)
            continue;
        bytes_print(&text, &shelf.error, "%s%s/%" PRIu32 "/", text.length ? " " : "", model.clients[i].name,
            life->expiry);
        if (life->ended_at)
            bytes_print(&text, &shelf.error, "%" PRId64 ":", (life->ended_at - SHELF_WALL) / CLOCK_SECOND);
        else
            bytes_print(&text, &shelf.error, "-:");
        for (int id = 1; id <= IDS; id++) {
            if (life->ids[id])
                bytes_print(&text, &shelf.error, "%s%d", between, id), between = ",";
        }
    }
    room[text.length] = '\0';
    return room;
}

void check_live(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct life *life = &model.live.of[i];
        const struct mqtt_session *session = shelf_find(model.clients[i].name);
        cr_assert_eq(session != NULL, life->number != 0, "%s", model.clients[i].name);
        for (uint16_t id = 1; session && id <= IDS; id++)
            cr_assert_eq(
                mqtt_ids_has(&session->ids, id), life->ids[id], "%s packet id %u", model.clients[i].name, id);
    }
}
