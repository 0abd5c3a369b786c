/* kafka_window: see kafka_window.h */
#include "outlet/kafka_window.h"

#include <assert.h>
#include <stdlib.h>

int window_open(struct window *window, struct error *error)
{
    *window = (struct window){.slots = calloc(WINDOW_POSITIONS, sizeof *window->slots)};
    return window->slots ? 0 : error_set(error, ERROR_RETRY, "kafka outlet: out of memory");
}

void window_close(struct window *window)
{
    free(window->slots);
    *window = (struct window){0};
}

void window_start(struct window *window, uint64_t position)
{
    window->done = window->read = window->known = window->revoked = position;
    window->in_flight = 0;
}

static struct window_slot *window_slot(const struct window *window, uint64_t position)
{
    assert(position > window->done && position <= window->read);
    return &window->slots[position % WINDOW_POSITIONS];
}

void window_rewind(struct window *window)
{
    window->read = window->done;
    window->in_flight = 0;
}

void window_revoke(struct window *window)
{
    window_rewind(window);
    window->revoked = window->known;
}

uint64_t window_room(const struct window *window)
{
    return WINDOW_POSITIONS - (window->read - window->done);
}

void window_take(struct window *window, uint16_t topics, enum window_outcome outcome)
{
    assert(window_room(window) > 0);
    window->read++;

    struct window_slot *slot = window_slot(window, window->read);
    slot->sent = 0;
    if (window->read <= window->known && window->read > window->revoked && outcome != WINDOW_DAMAGED) {
        slot->pending |= slot->held;
        slot->held = 0;
        return;
    }
    if (window->read > window->known || outcome == WINDOW_DAMAGED)
        slot->buried = 0;
    slot->pending = topics & (uint16_t)~slot->buried;
    slot->held = 0;
    slot->outcome = (uint8_t)(slot->buried ? WINDOW_DEAD_LETTERED : outcome);
    if (window->known < window->read)
        window->known = window->read;
}

uint16_t window_unsent(const struct window *window, uint64_t position)
{
    const struct window_slot *slot = window_slot(window, position);

    return slot->pending & (uint16_t)~slot->sent;
}

void window_sent(struct window *window, uint64_t position, unsigned topic)
{
    struct window_slot *slot = window_slot(window, position);

    assert(window_unsent(window, position) & 1U << topic);
    slot->sent |= (uint16_t)(1U << topic);
    window->in_flight++;
}

void window_reported(struct window *window, uint64_t position, unsigned topic, bool delivered)
{
    struct window_slot *slot = window_slot(window, position);

    assert(slot->sent & 1U << topic && window->in_flight > 0);
    slot->sent &= (uint16_t) ~(1U << topic);
    if (delivered)
        slot->pending &= (uint16_t) ~(1U << topic);
    window->in_flight--;
}

void window_finish(struct window *window, uint64_t position, unsigned topic, enum window_outcome outcome)
{
    struct window_slot *slot = window_slot(window, position);

    assert(!(slot->sent & 1U << topic));
    slot->pending &= (uint16_t) ~(1U << topic);
    if (slot->outcome < outcome)
        slot->outcome = (uint8_t)outcome;
    if (outcome == WINDOW_DEAD_LETTERED)
        slot->buried |= (uint16_t)(1U << topic);
}

void window_hold(struct window *window, uint64_t position, unsigned topic)
{
    struct window_slot *slot = window_slot(window, position);

    assert(!(slot->sent & 1U << topic));
    slot->pending &= (uint16_t) ~(1U << topic);
    slot->held |= (uint16_t)(1U << topic);
}

void window_unhold(struct window *window, uint64_t position)
{
    window_slot(window, position)->held = 0;
}

void window_advance(struct window *window, uint64_t counts[WINDOW_OUTCOMES])
{
    while (window->done < window->read) {
        const struct window_slot *slot = window_slot(window, window->done + 1);
        if (slot->pending)
            return;
        counts[slot->held ? WINDOW_HELD : slot->outcome]++;
        window->done++;
    }
}
