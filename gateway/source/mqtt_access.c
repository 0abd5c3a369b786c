/* mqtt_access: who publishes; see mqtt_internal.h
 *
 * User name and password of the CONNECT (3.1.3.5, 3.1.3.6): a principal's name and its secret; without them the client certificate. Where credentials are asked for, each principal has client ids of its own, and so have
 * those without any: the id of a session is the principal's name, a blank (no name has one), and the client id. So nobody gets at the session or the will of another.
 */
#include <stdio.h>

#include "source/mqtt_internal.h"

static enum access_answer access_ask_connect(
    struct mqtt_connection *connection, const struct mqtt_connect *connect, bool *ret_shown)
{
    struct tls_names names;

    *ret_shown = true;
    if (!connect->has_user && !connect->has_password) {
        mqtt_tls_names(connection, &names);
        *ret_shown = names.shown;
        return access_ask_certificate(connection->thread->source->context.access, &names, &connection->grant);
    }
    const struct slice user = {connect->user.data ? connect->user.data : "", connect->user.length};

    return access_ask(connection->thread->source->context.access, user, connect->password, connection->fd,
        &connection->grant);
}

/* A stream that it may not write is told at once, not only when it is gone. */
static bool access_allows_will(struct mqtt_connection *connection, const struct mqtt_connect *connect)
{
    struct mqtt_thread *thread = connection->thread;

    if (!connect->has_will)
        return true;
    const bool mapped = topic_map_match(thread->source->context.topics, connect->will.topic, &thread->match);
    return grant_allows_stream(&connection->grant, mapped ? thread->match.stream->name : RECORD_NO_STREAM);
}

enum mqtt_reason mqtt_access_check(
    struct mqtt_connection *connection, const struct mqtt_connect *connect, const char **ret_text)
{
    const struct source *mqtt = connection->thread->source;

    grant_end(&connection->grant); /* the packet may have come before, and waited */
    if (!access_is_wanted(mqtt->context.access))
        return MQTT_REASON_SUCCESS;
    connection->access_version = access_version(mqtt->context.access);
    bool shown;
    switch (access_ask_connect(connection, connect, &shown)) {
    case ACCESS_GRANTED:
        break;
    case ACCESS_UNKNOWN:
        if (!shown && mqtt->context.config->mqtt.anonymous)
            return MQTT_REASON_SUCCESS;
        *ret_text = "credentials are needed: a user's name, and the secret as the password";
        return MQTT_REASON_CREDENTIALS;
    case ACCESS_GUESSING:
        *ret_text = "too many wrong credentials from this address";
        return MQTT_REASON_QUOTA;
    }
    if (access_allows_will(connection, connect))
        return MQTT_REASON_SUCCESS;
    *ret_text = "the will's stream is none that it may write";
    return MQTT_REASON_NOT_AUTHORIZED;
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
