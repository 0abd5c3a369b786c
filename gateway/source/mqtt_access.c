/* mqtt_access: who publishes; see mqtt_internal.h
 *
 * User name and password of the CONNECT (3.1.3.5, 3.1.3.6): a principal's name and its secret; without them the client certificate. Where credentials are asked for, each principal has client ids of its own, and so have
 * those without any: the id of a session is the principal's name, a blank (no name has one), and the client id. So nobody gets at the session or the will of another.
 */
#include <stdio.h>

#include "source/mqtt_internal.h"

/* Those that are paused are tried again. @thread verifier */
static void access_told(void *context)
{
    struct mqtt_thread *thread = context;

    atomic_store_explicit(&thread->verified, true, memory_order_release);
    mqtt_loop_wake(thread);
}

static enum access_answer access_ask_connect(
    struct mqtt_connection *connection, const struct mqtt_connect *connect, bool *ret_shown)
{
    struct access *access = connection->thread->source->context.access;
    struct access_origin origin;
    struct tls_names names;

    *ret_shown = true;
    access_origin_of(access, connection->fd, &origin);
    if (connection->verification)
        return access_end(access, &connection->verification, &origin, &connection->grant);
    if (!connect->has_user && !connect->has_password) {
        mqtt_tls_names(connection, &names);
        *ret_shown = names.shown;
        return access_ask_certificate(access, &names, &connection->grant);
    }
    const struct access_question question = {
        .user = {connect->user.data ? connect->user.data : "", connect->user.length},
        .secret = connect->password,
        .origin = &origin,
        .told = access_told,
        .context = connection->thread,
    };
    return access_begin(access, &question, &connection->verification, &connection->grant);
}

/* A stream that it may not write is told at once, not only when it is gone. */
static bool access_allows_will(struct mqtt_connection *connection, const struct mqtt_connect *connect)
{
    struct mqtt_thread *thread = connection->thread;

    if (!connect->has_will)
        return true;
    const bool mapped = topic_map_match(
        routes_now(thread->source->context.routes)->topics, connect->will.topic, &thread->match);
    return grant_allows_stream(&connection->grant, mapped ? thread->match.stream->name : RECORD_NO_STREAM);
}

/* Nobody needs it any more: who is known stays so, also when the packet comes again. */
static void access_wipe(const struct mqtt_connect *connect)
{
    if (connect->password.length)
        explicit_bzero((void *)(uintptr_t)connect->password.data, connect->password.length);
}

static enum mqtt_reason access_refuse(
    const struct mqtt_connection *connection, enum access_answer answer, bool shown, const char **ret_text)
{
    switch (answer) {
    case ACCESS_GRANTED:
    case ACCESS_WAITS:
        break;
    case ACCESS_UNKNOWN:
        if (!shown && connection->thread->source->context.config->mqtt.anonymous)
            break;
        *ret_text = "credentials are needed: a user's name, and the secret as the password";
        return MQTT_REASON_CREDENTIALS;
    case ACCESS_GUESSING:
        *ret_text = ACCESS_SAYS_GUESSING;
        return MQTT_REASON_QUOTA;
    case ACCESS_BUSY:
        *ret_text = ACCESS_SAYS_BUSY;
        return MQTT_REASON_QUOTA;
    }
    return MQTT_REASON_SUCCESS;
}

/* The packet may have come before, and waited: then its password is wiped, and cannot be asked for again. */
static enum mqtt_reason access_know(
    struct mqtt_connection *connection, const struct mqtt_connect *connect, const char **ret_text)
{
    struct access *access = connection->thread->source->context.access;
    bool shown;

    if (connection->grant.principal && mqtt_access_stands(connection))
        return MQTT_REASON_SUCCESS;
    if (connection->grant.principal && connect->has_password) {
        *ret_text = "its credentials are not in force any more";
        return MQTT_REASON_NOT_AUTHORIZED;
    }
    grant_end(&connection->grant);
    connection->access_version = access_version(access);
    const enum access_answer answer = access_ask_connect(connection, connect, &shown);
    if (answer != ACCESS_WAITS)
        access_wipe(connect);
    return access_refuse(connection, answer, shown, ret_text);
}

enum mqtt_reason mqtt_access_check(
    struct mqtt_connection *connection, const struct mqtt_connect *connect, const char **ret_text)
{
    if (!access_is_wanted(connection->thread->source->context.access))
        return MQTT_REASON_SUCCESS;
    const enum mqtt_reason reason = access_know(connection, connect, ret_text);
    if (reason != MQTT_REASON_SUCCESS || !connection->grant.principal)
        return reason;
    if (access_allows_will(connection, connect))
        return MQTT_REASON_SUCCESS;
    *ret_text = "the will's stream is none that it may write";
    return MQTT_REASON_NOT_AUTHORIZED;
}

void mqtt_access_forget(struct mqtt_connection *connection)
{
    struct access *access = connection->thread->source->context.access;

    if (access)
        access_forget(access, &connection->verification);
}

struct slice mqtt_access_session(
    struct mqtt_connection *connection, struct slice client_id, char text[static MQTT_SESSION_ID_MAX])
{
    connection->scope = 0;
    if (access_is_wanted(connection->thread->source->context.access))
        connection->scope =
            (size_t)snprintf(text, MQTT_SESSION_ID_MAX, "%s ", grant_name(&connection->grant));
    memcpy(text + connection->scope, client_id.data, client_id.length);
    return (struct slice){text, connection->scope + client_id.length};
}

bool mqtt_access_stands(struct mqtt_connection *connection)
{
    struct access *access = connection->thread->source->context.access;

    if (!connection->grant.principal || connection->access_version == access_version(access))
        return true;
    connection->access_version = access_version(access);
    return access_renew(access, &connection->grant);
}
