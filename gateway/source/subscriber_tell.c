/* subscriber_tell: what people hear of a broker: log, metrics, /readyz; see subscriber_internal.h
 *
 * What goes on is told once: the same trouble with the same words is not logged again until it is over or another one comes.
 */
#include <stdio.h>
#include <string.h>

#include "base/health.h"
#include "base/log.h"
#include "source/subscriber_internal.h"

static const struct {
    const char *word;
    const char *advice;
} troubles[SUBSCRIBER_TROUBLES] = {
#define SUBSCRIBER_TROUBLE_ROW(id, word, advice) [SUBSCRIBER_##id] = {word, advice},
    SUBSCRIBER_TROUBLE_TABLE(SUBSCRIBER_TROUBLE_ROW)
#undef SUBSCRIBER_TROUBLE_ROW
};

#define TELL_GAP                                                                                               \
    "the broker had lost its session: what was published before, and was not taken, is gone; is the broker's " \
    "persistence on?"

void subscriber_tell_open(struct subscriber *subscriber)
{
    const char *name = subscriber->settings.from->name;

    snprintf(subscriber->condition, sizeof subscriber->condition, "mqtt.subscribe.%s", name);
    subscriber->connected = metric_series(METRIC_SUBSCRIBER_CONNECTED, name, NULL, NULL);
    subscriber->reconnects = metric_series(METRIC_SUBSCRIBER_RECONNECTS, name, NULL, NULL);
    subscriber->sessions_lost = metric_series(METRIC_SUBSCRIBER_SESSIONS_LOST, name, NULL, NULL);
    subscriber->batch_messages = metric_series(METRIC_SUBSCRIBER_BATCH_MESSAGES, name, NULL, NULL);
    for (size_t i = SUBSCRIBER_FINE + 1; i < SUBSCRIBER_TROUBLES; i++)
        subscriber->troubles[i] = metric_series(METRIC_SUBSCRIBER_TROUBLES, name, troubles[i].word, NULL);
}

/* ---- /readyz -------------------------------------------------------------------------------------------------- */

static void tell_health(const struct subscriber *subscriber)
{
    char text[sizeof((struct health_condition *)0)->text];

    if (subscriber->trouble)
        snprintf(text, sizeof text, "%.60s: %.140s; %s", subscriber->settings.address,
            subscriber->trouble_text, troubles[subscriber->trouble].advice);
    else
        snprintf(text, sizeof text, "%.60s: " TELL_GAP, subscriber->settings.address);
    health_set(subscriber->condition,
        subscriber->trouble || subscriber->gap_until ? HEALTH_DEGRADED : HEALTH_OK, text);
}

void subscriber_tell_time(struct subscriber *subscriber)
{
    const struct subscriber_link *link = &subscriber->link;
    const int64_t now = subscriber_now(subscriber);

    /* Who was thrown out is not all right because he is in again. */
    if (subscriber->trouble == SUBSCRIBER_TAKEN_OVER && link->handle && link->up &&
        now >= link->since + SUBSCRIBER_YOUNG)
        subscriber_tell_trouble(subscriber, SUBSCRIBER_FINE, "");
    if (subscriber->gap_until && now >= subscriber->gap_until) {
        subscriber->gap_until = 0;
        tell_health(subscriber);
    }
}

void subscriber_tell_close(struct subscriber *subscriber)
{
    metric_set(subscriber->connected, 0);
    health_set(subscriber->condition, HEALTH_OK, NULL);
}

/* ---- events ---------------------------------------------------------------------------------------------------- */

static bool tell_is_news(
    const struct subscriber *subscriber, enum subscriber_trouble trouble, const char *text)
{
    return subscriber->trouble != trouble || strcmp(subscriber->trouble_text, text) != 0;
}

static void tell_note(struct subscriber *subscriber, enum subscriber_trouble trouble, const char *text)
{
    subscriber->trouble = trouble;
    snprintf(subscriber->trouble_text, sizeof subscriber->trouble_text, "%s", text);
    tell_health(subscriber);
}

void subscriber_tell_trouble(struct subscriber *subscriber, enum subscriber_trouble trouble, const char *text)
{
    if (!tell_is_news(subscriber, trouble, text))
        return;
    tell_note(subscriber, trouble, text);
    if (trouble == SUBSCRIBER_FINE) {
        log_event(LOG_INFO, "subscriber.fine", log_text("broker", subscriber->settings.from->name));
        return;
    }
    metric_add(subscriber->troubles[trouble], 1);
    log_event(LOG_WARN, "subscriber.trouble", log_text("broker", subscriber->settings.from->name),
        log_text("url", subscriber->settings.address), log_text("reason", text),
        log_text("advice", troubles[trouble].advice));
}

static void tell_gap(struct subscriber *subscriber)
{
    metric_add(subscriber->sessions_lost, 1);
    subscriber->gap_until = subscriber_now(subscriber) + SUBSCRIBER_GAP_TOLD;
    log_event(LOG_WARN, "subscriber.session_lost", log_text("broker", subscriber->settings.from->name),
        log_text("url", subscriber->settings.address), log_text("reason", TELL_GAP));
}

/* With the first connection nobody knows whether there was a session before. */
void subscriber_tell_up(struct subscriber *subscriber, bool present, int64_t expiry)
{
    metric_set(subscriber->connected, 1);
    if (subscriber->known) {
        metric_add(subscriber->reconnects, 1);
        if (!present)
            tell_gap(subscriber);
    }
    if (subscriber->trouble != SUBSCRIBER_TAKEN_OVER)
        tell_note(subscriber, SUBSCRIBER_FINE, "");
    log_event(LOG_INFO, "subscriber.connected", log_text("broker", subscriber->settings.from->name),
        log_text("url", subscriber->settings.address), log_text("client", subscriber->settings.client_id),
        log_text("session", present ? "present" : "new"), log_number("session_expiry", expiry));
}

void subscriber_tell_end(struct subscriber *subscriber, size_t discarded, int64_t pause)
{
    const struct subscriber_link *link = &subscriber->link;

    metric_set(subscriber->connected, 0);
    metric_add(subscriber->troubles[link->ended], 1);
    if (link->up || tell_is_news(subscriber, link->ended, link->text))
        log_event(LOG_WARN, link->up ? "subscriber.lost" : "subscriber.not_connected",
            log_text("broker", subscriber->settings.from->name),
            log_text("url", subscriber->settings.address), log_text("reason", link->text),
            log_text("advice", troubles[link->ended].advice),
            log_number("unacknowledged", (int64_t)discarded), log_number("again_in_ms", pause / 1000));
    tell_note(subscriber, link->ended, link->text);
}
