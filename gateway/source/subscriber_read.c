/* subscriber_read: from the socket into the library, not more at a time than a batch; see subscriber_internal.h
 *
 * mosquitto_loop_read() reads one packet a call. Without TLS the window says how many whole ones there are. Over TLS one call may read more: all
 * that stands in the same record; a batch that is full is committed in the callback then.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h> /* the C library's struct tcp_info knows no numbers of bytes */
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "source/subscriber_internal.h"

#define READ_TAKE_MAX ((size_t)64 << 10) /* bytes of a packet that are taken at once */
#define READ_QUIET_SLACK (1 << 20) /* bytes over TLS besides a message's that may come without any message */

/* What the library says of the end of a connection. */
static void read_tell_end(struct subscriber *subscriber, int code, int number)
{
    struct subscriber_link *link = &subscriber->link;
    const char *text = code == MOSQ_ERR_ERRNO && number ? strerror(number) : mosquitto_strerror(code);

    if (subscriber->settings.url.tls && (*link->log || number == EPROTO || code == MOSQ_ERR_TLS))
        subscriber_link_end(subscriber, SUBSCRIBER_TLS, "%s", *link->log ? link->log : "TLS broke off");
    else if (code == MOSQ_ERR_KEEPALIVE)
        subscriber_link_end(subscriber, SUBSCRIBER_SILENT, "the broker has not answered within keep_alive");
    else if (code == MOSQ_ERR_SUCCESS || code == MOSQ_ERR_CONN_LOST || code == MOSQ_ERR_NO_CONN)
        subscriber_link_end(subscriber, SUBSCRIBER_CLOSED, "the broker closed the connection%s",
            link->up ? "" : " instead of an answer to CONNECT");
    else if (code == MOSQ_ERR_ERRNO)
        subscriber_link_end(subscriber, SUBSCRIBER_CLOSED, "%s", text);
    else
        subscriber_link_end(subscriber, SUBSCRIBER_PROTOCOL, "the broker breaks the protocol: %s", text);
}

bool subscriber_link_check(struct subscriber *subscriber, int code)
{
    const int number = errno;

    if (code != MOSQ_ERR_SUCCESS || mosquitto_socket(subscriber->link.handle) < 0)
        read_tell_end(subscriber, code, number);
    return subscriber->link.ended == SUBSCRIBER_FINE;
}

static bool read_call(struct subscriber *subscriber)
{
    errno = 0;
    return subscriber_link_check(subscriber, mosquitto_loop_read(subscriber->link.handle, 1));
}

/* If there is room for what it brings. False: there is none, or the connection is over. */
static bool read_once(struct subscriber *subscriber)
{
    if (subscriber->link.ended || subscriber->batch.messages >= subscriber->settings.from->batch)
        return false;
    return read_call(subscriber);
}

/* ---- in the clear ------------------------------------------------------------------------------------------------
 *
 * Whole packets stay in the socket for the library. One that is not whole is taken out, put together, judged, and given to the library through
 * a pair of sockets that takes the connection's place meanwhile. (Left in the socket it could keep the kernel from taking the rest: what a
 * few bytes are left of counts as a whole in the receive buffer.)
 */

static void read_refuse(
    struct subscriber *subscriber, enum subscriber_window_wrong wrong, const struct error *error)
{
    subscriber_link_end(subscriber,
        wrong == SUBSCRIBER_WINDOW_TOO_LARGE ? SUBSCRIBER_TOO_LARGE : SUBSCRIBER_PROTOCOL,
        "the broker sends %.200s", error->text);
}

/* The socket's error, or its end. */
static void read_fail(struct subscriber *subscriber, ssize_t got)
{
    if (got == 0)
        read_tell_end(subscriber, MOSQ_ERR_CONN_LOST, 0);
    else if (errno != EAGAIN && errno != EINTR)
        read_tell_end(subscriber, MOSQ_ERR_ERRNO, errno);
}

static bool read_open_pair(struct subscriber *subscriber)
{
    struct subscriber_link *link = &subscriber->link;

    if (link->pair[0] >= 0)
        return true;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, link->pair) == 0)
        return true;
    read_tell_end(subscriber, MOSQ_ERR_ERRNO, errno);
    return false;
}

/* Has the library read the packet that was put together. */
static void read_give(struct subscriber *subscriber)
{
    struct subscriber_link *link = &subscriber->link;
    const int fd = mosquitto_socket(link->handle);
    size_t given = 0;

    if (!read_open_pair(subscriber))
        return;
    if (dup3(link->pair[1], fd, O_CLOEXEC) < 0)
        read_tell_end(subscriber, MOSQ_ERR_ERRNO, errno);
    while (!link->ended && given < link->rest.length) {
        const ssize_t sent =
            send(link->pair[0], link->rest.data + given, link->rest.length - given, MSG_NOSIGNAL);
        if (sent > 0)
            given += (size_t)sent;
        else
            read_tell_end(subscriber, MOSQ_ERR_ERRNO, errno);
        read_call(subscriber); /* takes all that is there */
    }
    if (mosquitto_socket(link->handle) == fd && dup3(link->socket, fd, O_CLOEXEC) < 0)
        read_tell_end(subscriber, MOSQ_ERR_ERRNO, errno);
    bytes_clear(&link->rest);
    if (link->rest.capacity > SUBSCRIBER_WINDOW)
        bytes_free(&link->rest);
}

static struct subscriber_window_rules read_rules(const struct subscriber *subscriber)
{
    return (struct subscriber_window_rules){
        subscriber->settings.v5, subscriber->link.up, subscriber->source->context.config->mqtt.max_packet};
}

/* Takes `wanted` bytes of a packet, as far as they are there, to those that were taken before. */
static bool read_take(struct subscriber *subscriber, size_t wanted)
{
    struct bytes *rest = &subscriber->link.rest;
    const size_t most = wanted - rest->length < READ_TAKE_MAX ? wanted - rest->length : READ_TAKE_MAX;
    struct error error;

    if (bytes_reserve(rest, most, &error)) {
        subscriber_link_end(subscriber, SUBSCRIBER_PROTOCOL, "%.200s", error.text);
        return false;
    }
    const ssize_t got = recv(subscriber->link.socket, rest->data + rest->length, most, MSG_DONTWAIT);
    if (got <= 0) {
        read_fail(subscriber, got);
        return false;
    }
    rest->length += (size_t)got;
    return true;
}

/* The packet that stands in `rest`, until it is whole or no more is there. */
static void read_rest(struct subscriber *subscriber)
{
    const struct subscriber_window_rules rules = read_rules(subscriber);
    struct subscriber_window window;
    enum subscriber_window_wrong wrong;
    struct error error;

    do {
        if (subscriber_window_judge(bytes_slice(&subscriber->link.rest), &rules, &window, &wrong, &error)) {
            read_refuse(subscriber, wrong, &error);
            return;
        }
        if (window.packets) {
            read_give(subscriber);
            return;
        }
    } while (read_take(subscriber, window.wanted));
}

static void read_packets(struct subscriber *subscriber, struct slice bytes)
{
    const struct subscriber_window_rules rules = read_rules(subscriber);
    struct subscriber_window window;
    enum subscriber_window_wrong wrong;
    struct error error;
    size_t read = 0;

    const int right = subscriber_window_judge(bytes, &rules, &window, &wrong, &error);
    while (read < window.packets && read_once(subscriber))
        read++;
    if (read < window.packets || subscriber->link.ended)
        return;
    if (right != 0)
        read_refuse(subscriber, wrong, &error);
    else if (window.packets == 0 && read_take(subscriber, window.wanted))
        read_rest(subscriber);
}

static void read_plain(struct subscriber *subscriber)
{
    if (subscriber->link.rest.length) {
        read_rest(subscriber);
        return;
    }
    const ssize_t length =
        recv(subscriber->link.socket, subscriber->window, SUBSCRIBER_WINDOW, MSG_PEEK | MSG_DONTWAIT);
    if (length > 0)
        read_packets(subscriber, (struct slice){subscriber->window, (size_t)length});
    else
        read_fail(subscriber, length);
}

/* ---- over TLS ----------------------------------------------------------------------------------------------------- */

/* All bytes that have come on this connection. */
static uint64_t read_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) ? 0 : info.tcpi_bytes_received;
}

/* What comes without any message fills the library's memory: a message too large, or ones of QoS 2. */
static void read_watch_quiet(struct subscriber *subscriber, bool message)
{
    const uint64_t most = subscriber->source->context.config->mqtt.max_packet + READ_QUIET_SLACK;
    const uint64_t received = read_received(subscriber->link.socket);

    if (message)
        subscriber->link.quiet_from = received;
    else if (received > subscriber->link.quiet_from + most)
        subscriber_link_end(subscriber, SUBSCRIBER_TOO_LARGE,
            "the broker sends more than mqtt.max_packet (%llu bytes) without a whole message",
            (unsigned long long)subscriber->source->context.config->mqtt.max_packet);
}

void subscriber_read_nothing(struct subscriber *subscriber)
{
    if (subscriber->settings.url.tls)
        subscriber->link.quiet_from = read_received(subscriber->link.socket);
}

/* The library takes the end of a handshake that broke off for a pause. */
static bool read_is_at_end(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void read_tls(struct subscriber *subscriber)
{
    struct subscriber_link *link = &subscriber->link;
    const int fd = link->socket;
    const uint64_t before = link->messages;
    int left = 1;

    if (!link->up && read_is_at_end(fd)) {
        read_tell_end(subscriber, MOSQ_ERR_CONN_LOST, 0);
        return;
    }
    while (left > 0 && read_once(subscriber)) {
        if (ioctl(fd, FIONREAD, &left) != 0)
            left = 0;
    }
    if (!link->ended)
        read_watch_quiet(subscriber, link->messages != before);
}

void subscriber_read(struct subscriber *subscriber)
{
    if (subscriber->settings.url.tls)
        read_tls(subscriber);
    else
        read_plain(subscriber);
}
