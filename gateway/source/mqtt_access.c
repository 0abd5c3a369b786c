/* mqtt_access: who publishes; see mqtt_internal.h
 *
 * User name and password of the CONNECT (3.1.3.5, 3.1.3.6): a principal's name and its secret.
 */
#include <sys/socket.h>

#include "base/peers.h"
#include "source/mqtt_internal.h"

static enum access_answer access_ask_connect(
    struct mqtt_connection *connection, const struct mqtt_connect *connect)
{
    struct access *access = connection->thread->source->context.access;
    const struct slice user = {connect->user.data ? connect->user.data : "", connect->user.length};
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    unsigned char address[ACCESS_ADDRESS];
    const bool known = getpeername(connection->fd, (struct sockaddr *)&from, &length) == 0 &&
                       peers_address((struct sockaddr *)&from, address);

    return access_ask(access, user, connect->password, known ? address : NULL, &connection->grant);
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
    if (!connect->has_user && !connect->has_password && mqtt->context.config->mqtt.anonymous)
        return MQTT_REASON_SUCCESS;
    switch (access_ask_connect(connection, connect)) {
    case ACCESS_GRANTED:
        break;
    case ACCESS_UNKNOWN:
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

bool mqtt_access_stands(struct mqtt_connection *connection)
{
    struct access *access = connection->thread->source->context.access;

    if (!connection->grant.principal || connection->access_version == access_version(access))
        return true;
    connection->access_version = access_version(access);
    return access_renew(access, &connection->grant);
}
