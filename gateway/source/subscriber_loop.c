/* subscriber_loop: the thread of one broker; see subscriber_internal.h
 *
 *     pause ── dial ── link: read a burst, commit it, acknowledge ── end ── pause ── ...
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "source/subscriber_internal.h"

#define LOOP_WAIT CLOCK_SECOND

void subscriber_loop_wake(struct subscriber *subscriber)
{
    ssize_t written = write(subscriber->wake, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* fails only when the counter is full: it is readable then */
}

/* ---- pauses ----------------------------------------------------------------------------------------------------- */

/* xorshift; it only has to differ from gateway to gateway. */
static uint64_t loop_random(struct subscriber *subscriber)
{
    subscriber->random ^= subscriber->random << 13;
    subscriber->random ^= subscriber->random >> 7;
    subscriber->random ^= subscriber->random << 17;
    return subscriber->random;
}

/* Doubles with each failure; at most half of it is left out. Who took our client id would take it again at once. */
static int64_t loop_pause(struct subscriber *subscriber)
{
    const struct config_subscription *from = subscriber->settings.from;
    int64_t pause = from->reconnect.least;

    for (unsigned i = 1; i < subscriber->failures && pause < from->reconnect.most; i++)
        pause *= 2;
    if (pause > from->reconnect.most || subscriber->link.ended == SUBSCRIBER_TAKEN_OVER)
        pause = from->reconnect.most;
    return pause - (int64_t)(loop_random(subscriber) % (uint64_t)(pause / 2 + 1));
}

/* MQTT 3.1.1 does not say that somebody else has come with our client id, but it shows. */
static void loop_count_end(struct subscriber *subscriber)
{
    struct subscriber_link *link = &subscriber->link;
    const bool young = subscriber_now(subscriber) - link->since < SUBSCRIBER_YOUNG;

    subscriber->failures = link->up && !young ? 1 : subscriber->failures + 1;
    subscriber->young_ends =
        link->up && young && link->ended == SUBSCRIBER_CLOSED ? subscriber->young_ends + 1 : 0;
    if (subscriber->young_ends < SUBSCRIBER_YOUNG_ENDS)
        return;
    link->ended = SUBSCRIBER_TAKEN_OVER;
    snprintf(link->text, sizeof link->text,
        "the broker closes each connection soon after it was made, as when another client comes with the id %.80s",
        subscriber->settings.client_id);
}

/* ---- the end of a connection --------------------------------------------------------------------------------------- */

/* Of what was not acknowledged the broker sends all again but messages of QoS 0. */
static void loop_end(struct subscriber *subscriber)
{
    size_t discarded = subscriber->batch.messages;

    if (subscriber->batch.unguarded && subscriber_batch_commit(subscriber))
        discarded = 0;
    if (!subscriber->in_journal && !subscriber->held)
        subscriber_batch_clear(subscriber);
    loop_count_end(subscriber);
    const int64_t pause = loop_pause(subscriber);
    subscriber->dial_at = subscriber_now(subscriber) + pause;
    subscriber_link_close(subscriber);
    subscriber_tell_end(subscriber, discarded, pause);
}

/* ---- steps ------------------------------------------------------------------------------------------------------------ */

static void loop_wait_for_dial(struct subscriber *subscriber)
{
    struct pollfd waits[] = {
        {subscriber->wake, POLLIN, 0},
        {subscriber_dial_descriptor(subscriber->dial), POLLIN, 0},
    };
    uint64_t value;

    if (poll(waits, 2, (int)(LOOP_WAIT / 1000)) <= 0)
        return;
    if (waits[0].revents) {
        ssize_t got = read(subscriber->wake, &value, sizeof value);
        (void)got; /* as in subscriber_link_wait() */
    }
    if (!waits[1].revents)
        return;
    if (subscriber_dial_finish(subscriber))
        loop_end(subscriber);
    else
        subscriber_link_open(subscriber);
}

/* As long as the journal takes nothing a connection is of no use. */
static bool loop_may_dial(struct subscriber *subscriber)
{
    struct journal_status status;

    if (!subscriber->held)
        return true;
    journal_status(subscriber->source->context.journal, &status);
    if (!status.accepting || !subscriber_batch_may_go(subscriber))
        return false;
    subscriber->held = false;
    subscriber_batch_clear(subscriber);
    return true;
}

static void loop_step_down(struct subscriber *subscriber)
{
    const int64_t left = subscriber->dial_at - subscriber_now(subscriber);

    if (subscriber->dial)
        loop_wait_for_dial(subscriber);
    else if (left > 0)
        subscriber_link_wait(subscriber, 0, left < LOOP_WAIT ? left : LOOP_WAIT);
    else if (!loop_may_dial(subscriber))
        subscriber_link_wait(subscriber, 0, LOOP_WAIT);
    else if (subscriber_dial_start(subscriber))
        loop_end(subscriber);
}

static void loop_step_up(struct subscriber *subscriber)
{
    subscriber_link_step(subscriber, subscriber_now(subscriber) + LOOP_WAIT);
    /* Only what is durable is acknowledged: the write stands behind the commit. */
    if (!subscriber->link.ended && subscriber_batch_commit(subscriber))
        subscriber_link_write(subscriber);
    else if (!subscriber->link.ended && !subscriber->in_journal)
        subscriber_link_end(subscriber, SUBSCRIBER_HELD, "the journal takes nothing");
    if (subscriber->link.ended)
        loop_end(subscriber);
}

/* A batch that is still in the journal is not acknowledged. */
static void loop_leave(struct subscriber *subscriber)
{
    subscriber_dial_leave(subscriber, subscriber->source->stop_deadline);
    if (!subscriber->in_journal)
        subscriber_link_say_goodbye(subscriber, subscriber->source->stop_deadline);
    subscriber_link_close(subscriber);
    subscriber_tell_close(subscriber);
}

void *subscriber_loop_run(void *argument)
{
    struct subscriber *subscriber = argument;

    while (!subscriber_is_stopping(subscriber)) {
        if (subscriber->link.handle)
            loop_step_up(subscriber);
        else
            loop_step_down(subscriber);
        subscriber_tell_time(subscriber);
    }
    loop_leave(subscriber);
    return NULL;
}
