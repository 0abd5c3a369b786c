/* subscriber_link: one connection: the library and its callbacks; see subscriber_internal.h
 *
 * The library calls back from within mosquitto_loop_read(), on the broker's own thread. It has queued the PUBACK of a message by then.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqtt_protocol.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "source/subscriber_internal.h"

#define LINK_MISC_PERIOD CLOCK_SECOND
#define LINK_SESSION_PRESENT 1
#define LINK_GOODBYE_MOST (2 * CLOCK_SECOND)

/* Return codes of a CONNACK before MQTT 5 (3.1.1, 3.2.2.3). */
enum link_code { CODE_VERSION = 1, CODE_CLIENT_ID, CODE_UNAVAILABLE, CODE_CREDENTIALS, CODE_NOT_AUTHORIZED };

void subscriber_link_end(
    struct subscriber *subscriber, enum subscriber_trouble trouble, const char *format, ...)
{
    struct subscriber_link *link = &subscriber->link;
    va_list arguments;

    if (link->ended)
        return;
    link->ended = trouble;
    va_start(arguments, format);
    vsnprintf(link->text, sizeof link->text, format, arguments);
    va_end(arguments);
}

/* ---- callbacks -------------------------------------------------------------------------------------------------- */

static enum subscriber_trouble link_trouble_of(const struct subscriber *subscriber, int code)
{
    switch (code) {
    case MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION:
    case CODE_VERSION:
        return SUBSCRIBER_VERSION;
    case MQTT_RC_CLIENTID_NOT_VALID:
    case CODE_CLIENT_ID:
        return SUBSCRIBER_CLIENT_ID;
    case MQTT_RC_BAD_USERNAME_OR_PASSWORD:
    case MQTT_RC_NOT_AUTHORIZED:
    case CODE_CREDENTIALS:
    case CODE_NOT_AUTHORIZED:
        return SUBSCRIBER_CREDENTIALS;
    case MQTT_RC_SESSION_TAKEN_OVER:
        return SUBSCRIBER_TAKEN_OVER;
    default:
        return subscriber->link.up ? SUBSCRIBER_CLOSED : SUBSCRIBER_REFUSED;
    }
}

/* The subscription is made anew whenever it may not stand, not with every connection: brokers send all retained messages with it. */
static void link_subscribe(struct subscriber *subscriber)
{
    const struct config_list *filters = &subscriber->settings.from->filters;
    struct subscriber_link *link = &subscriber->link;
    int code = mosquitto_subscribe_multiple(link->handle, &link->subscribing, (int)filters->count,
        filters->items, 1, subscriber->settings.v5 ? MQTT_SUB_OPT_SEND_RETAIN_NEW : 0, NULL);

    link->subscribe_at = 0;
    if (code)
        subscriber_link_end(subscriber, SUBSCRIBER_FILTERS, "SUBSCRIBE: %s", mosquitto_strerror(code));
}

static void link_on_connect(
    struct mosquitto *handle, void *context, int code, int flags, const mosquitto_property *properties)
{
    struct subscriber *subscriber = context;
    struct subscriber_link *link = &subscriber->link;
    const bool present = flags & LINK_SESSION_PRESENT;
    uint32_t expiry = subscriber->settings.session_expiry;

    (void)handle;
    if (code) {
        subscriber_link_end(subscriber, link_trouble_of(subscriber, code),
            "the broker refuses the connection: %s",
            subscriber->settings.v5 ? mosquitto_reason_string(code) : mosquitto_connack_string(code));
        return;
    }
    link->up = true;
    link->since = subscriber_now(subscriber);
    mosquitto_log_callback_set(link->handle, NULL); /* it costs something with every packet */
    mosquitto_property_read_int32(properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, &expiry, false);
    subscriber->subscribed = subscriber->subscribed && present;
    subscriber_tell_up(subscriber, present, subscriber->settings.v5 ? (int64_t)expiry : -1);
    subscriber->known = true;
    if (!subscriber->subscribed)
        link_subscribe(subscriber);
}

static const char *link_granted(int code)
{
    if (code == 1)
        return NULL;
    return code == 0 ? "granted at QoS 0 only, which is never acknowledged" : "refused";
}

static void link_on_subscribe(struct mosquitto *handle, void *context, int id, int count, const int *codes,
    const mosquitto_property *properties)
{
    struct subscriber *subscriber = context;
    const struct config_list *filters = &subscriber->settings.from->filters;
    struct subscriber_link *link = &subscriber->link;
    char text[SUBSCRIBER_TEXT] = "";

    (void)handle;
    (void)properties;
    if (id != link->subscribing)
        return;
    link->subscribing = 0;
    for (size_t i = 0; i < filters->count && *text == '\0'; i++) {
        const char *wrong = (int)i < count ? link_granted(codes[i]) : "not answered";
        if (wrong)
            snprintf(text, sizeof text, "filter %.80s: %s", filters->items[i], wrong);
    }
    subscriber->subscribed = *text == '\0';
    if (*text)
        link->subscribe_at = subscriber_now(subscriber) + SUBSCRIBER_RESUBSCRIBE;
    if (*text)
        subscriber_tell_trouble(subscriber, SUBSCRIBER_FILTERS, text);
    else if (subscriber->trouble == SUBSCRIBER_FILTERS)
        subscriber_tell_trouble(subscriber, SUBSCRIBER_FINE, "");
}

/* The library calls it with codes of its own, too; those come back from its functions. */
static void link_on_disconnect(
    struct mosquitto *handle, void *context, int code, const mosquitto_property *properties)
{
    struct subscriber *subscriber = context;

    (void)handle;
    (void)properties;
    if (code >= MQTT_RC_UNSPECIFIED)
        subscriber_link_end(subscriber, link_trouble_of(subscriber, code),
            "the broker ends the connection: %s", mosquitto_reason_string(code));
}

static void link_on_message(struct mosquitto *handle, void *context, const struct mosquitto_message *message,
    const mosquitto_property *properties)
{
    struct subscriber *subscriber = context;

    (void)handle;
    subscriber->link.messages++;
    if (!subscriber->link.ended)
        subscriber_message_take(subscriber, message, properties);
}

static void link_on_log(struct mosquitto *handle, void *context, int level, const char *text)
{
    struct subscriber_link *link = &((struct subscriber *)context)->link;

    (void)handle;
    if ((level & (MOSQ_LOG_ERR | MOSQ_LOG_WARNING)) && *link->log == '\0')
        snprintf(link->log, sizeof link->log, "%s", text);
}

void subscriber_link_open(struct subscriber *subscriber)
{
    struct subscriber_link *link = &subscriber->link;
    struct mosquitto *handle = link->handle;
    const uint64_t most = subscriber->source->context.config->mqtt.max_packet;

    bytes_init(&link->rest, (most > SUBSCRIBER_WINDOW ? most : SUBSCRIBER_WINDOW) + 1);
    link->socket = fcntl(mosquitto_socket(handle), F_DUPFD_CLOEXEC, 0);
    if (link->socket < 0)
        subscriber_link_end(subscriber, SUBSCRIBER_UNREACHABLE, "%s", strerror(errno));
    subscriber->link.since = subscriber_now(subscriber);
    subscriber->link.misc_at = subscriber->link.since + LINK_MISC_PERIOD;
    mosquitto_user_data_set(handle, subscriber);
    mosquitto_log_callback_set(handle, link_on_log);
    mosquitto_connect_v5_callback_set(handle, link_on_connect);
    mosquitto_subscribe_v5_callback_set(handle, link_on_subscribe);
    mosquitto_disconnect_v5_callback_set(handle, link_on_disconnect);
    mosquitto_message_v5_callback_set(handle, link_on_message);
}

void subscriber_link_close(struct subscriber *subscriber)
{
    struct subscriber_link *link = &subscriber->link;

    if (!link->handle)
        return;
    mosquitto_destroy(link->handle);
    link->handle = NULL;
    fd_close(&link->socket);
    fd_close(&link->pair[0]);
    fd_close(&link->pair[1]);
    bytes_free(&link->rest);
}

/* ---- waiting, reading, writing ------------------------------------------------------------------------------------ */

short subscriber_link_wait(struct subscriber *subscriber, short events, int64_t timeout)
{
    struct pollfd waits[] = {
        {subscriber->wake, POLLIN, 0},
        {events ? subscriber->link.socket : -1, events, 0},
    };
    uint64_t value;

    if (poll(waits, 2, timeout <= 0 ? 0 : (int)((timeout + 999) / 1000)) <= 0)
        return 0;
    if (waits[0].revents) {
        ssize_t got = read(subscriber->wake, &value, sizeof value);
        (void)got; /* nothing to read: somebody else's wake-up was taken with an earlier one */
    }
    return waits[1].revents;
}

/* An acknowledgement is a write of four bytes: corked, those of a batch leave in few segments, and the last ones at once. */
static void link_cork(const struct subscriber *subscriber, int on)
{
    setsockopt(subscriber->link.socket, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

void subscriber_link_write(struct subscriber *subscriber)
{
    struct subscriber_link *link = &subscriber->link;

    if (!link->handle || link->ended || !mosquitto_want_write(link->handle))
        return;
    link_cork(subscriber, 1);
    const int code = mosquitto_loop_write(link->handle, 1);
    if (subscriber_link_check(subscriber, code))
        link_cork(subscriber, 0);
}

/* What is due at a certain time; returns when something is due next. */
static int64_t link_keep_time(struct subscriber *subscriber)
{
    struct subscriber_link *link = &subscriber->link;
    const int64_t now = subscriber_now(subscriber);

    if (!link->up && now >= link->since + SUBSCRIBER_CONNECT_PATIENCE)
        subscriber_link_end(subscriber, SUBSCRIBER_UNREACHABLE, "%s",
            *link->log ? link->log : "the broker does not answer the connection");
    if (link->up && link->subscribe_at && now >= link->subscribe_at)
        link_subscribe(subscriber);
    if (!link->ended && now >= link->misc_at) {
        subscriber_link_check(subscriber, mosquitto_loop_misc(link->handle));
        link->misc_at = now + LINK_MISC_PERIOD;
    }
    return link->misc_at;
}

void subscriber_link_step(struct subscriber *subscriber, int64_t deadline)
{
    struct subscriber_link *link = &subscriber->link;
    const int64_t due = link_keep_time(subscriber);

    if (link->ended)
        return;
    subscriber_link_write(subscriber);
    if (link->ended)
        return;
    /* Before all is written nothing more is read: what is queued stays bounded. */
    const short wanted = mosquitto_want_write(link->handle) ? POLLOUT : POLLIN;
    const short came = subscriber_link_wait(
        subscriber, wanted, (due < deadline ? due : deadline) - subscriber_now(subscriber));
    if (came & POLLOUT)
        subscriber_link_write(subscriber);
    else if (came)
        subscriber_read(subscriber);
    else
        subscriber_read_nothing(subscriber);
}

/* Until the broker has hung up: a socket that is closed with something unread in it is reset, and with it goes what the broker has not read yet,
 * acknowledgements most of all. */
static void link_linger(struct subscriber *subscriber, int64_t deadline)
{
    const int fd = subscriber->link.socket;
    ssize_t got = 1;

    shutdown(fd, SHUT_WR);
    while (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) {
        const int64_t left = deadline - subscriber_now(subscriber);
        if (left <= 0)
            return;
        subscriber_link_wait(subscriber, POLLIN, left);
        got = recv(fd, subscriber->window, SUBSCRIBER_WINDOW, MSG_DONTWAIT);
    }
}

void subscriber_link_say_goodbye(struct subscriber *subscriber, int64_t deadline)
{
    struct subscriber_link *link = &subscriber->link;
    const int64_t most = subscriber_now(subscriber) + LINK_GOODBYE_MOST;
    const int64_t until = deadline < most ? deadline : most;

    if (!link->handle || link->ended || !link->up || mosquitto_disconnect(link->handle))
        return;
    subscriber_link_write(subscriber);
    while (!link->ended && mosquitto_want_write(link->handle)) {
        const int64_t left = until - subscriber_now(subscriber);
        if (left <= 0)
            return;
        if (subscriber_link_wait(subscriber, POLLOUT, left))
            subscriber_link_write(subscriber);
    }
    link_linger(subscriber, until);
}
