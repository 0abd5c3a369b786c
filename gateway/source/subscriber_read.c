/* subscriber_read: from the socket into the library, not more at a time than a batch; see subscriber_internal.h
 *
 * mosquitto_loop_read() reads one packet a call. Without TLS the window says how many whole ones there are. Over TLS one call may read more: all
 * that stands in the same record; a batch that is full is committed in the callback then.
 */
#include <errno.h>
#include <linux/tcp.h> /* the C library's struct tcp_info knows no numbers of bytes */
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "source/subscriber_internal.h"

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

/* One call, if there is room for what it brings. False: there is none, or the connection is over. */
static bool read_once(struct subscriber *subscriber)
{
    if (subscriber->link.ended || subscriber->batch.messages >= subscriber->settings.from->batch)
        return false;
    errno = 0;
    return subscriber_link_check(subscriber, mosquitto_loop_read(subscriber->link.handle, 1));
}

/* ---- in the clear ------------------------------------------------------------------------------------------------ */

short subscriber_read_events(const struct subscriber *subscriber)
{
    return subscriber->link.low_water > 1 ? POLLIN | POLLRDHUP : POLLIN;
}

/* The socket is readable when so many bytes are there. */
static void read_set_low_water(struct subscriber *subscriber, size_t bytes)
{
    const int wanted = (int)bytes;

    if (wanted == subscriber->link.low_water)
        return;
    subscriber->link.low_water = wanted;
    setsockopt(mosquitto_socket(subscriber->link.handle), SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof wanted);
}

/* Nothing whole is there: waits for the rest, or has the library read what is too large for the window. */
static void read_wait_for(struct subscriber *subscriber, const struct subscriber_window *window, short events)
{
    struct subscriber_link *link = &subscriber->link;

    if (window->piecemeal) {
        read_set_low_water(subscriber, 1);
        link->piecemeal = true;
        read_once(subscriber);
        return;
    }
    if (events & (POLLRDHUP | POLLHUP | POLLERR))
        subscriber_link_end(
            subscriber, SUBSCRIBER_CLOSED, "the broker closed the connection within a packet");
    /* The kernel wakes early when it is short of memory. */
    link->starved = link->low_water == (int)window->wanted;
    read_set_low_water(subscriber, window->wanted);
}

static void read_refuse(
    struct subscriber *subscriber, enum subscriber_window_wrong wrong, const struct error *error)
{
    subscriber_link_end(subscriber,
        wrong == SUBSCRIBER_WINDOW_TOO_LARGE ? SUBSCRIBER_TOO_LARGE : SUBSCRIBER_PROTOCOL,
        "the broker sends %.200s", error->text);
}

static void read_packets(struct subscriber *subscriber, struct slice bytes, short events)
{
    const struct subscriber_window_rules rules = {
        subscriber->settings.v5, subscriber->link.up, subscriber->source->context.config->mqtt.max_packet};
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
    else if (window.packets == 0)
        read_wait_for(subscriber, &window, events);
    else
        read_set_low_water(subscriber, 1);
}

static void read_plain(struct subscriber *subscriber, short events)
{
    const uint64_t before = subscriber->link.messages;
    const int fd = mosquitto_socket(subscriber->link.handle);

    if (subscriber->link.piecemeal) {
        read_once(subscriber);
        subscriber->link.piecemeal = subscriber->link.messages == before;
        return;
    }
    const ssize_t length = recv(fd, subscriber->window, SUBSCRIBER_WINDOW, MSG_PEEK | MSG_DONTWAIT);
    if (length > 0)
        read_packets(subscriber, (struct slice){subscriber->window, (size_t)length}, events);
    else if (length == 0)
        read_tell_end(subscriber, MOSQ_ERR_CONN_LOST, 0);
    else if (errno != EAGAIN && errno != EINTR)
        read_tell_end(subscriber, MOSQ_ERR_ERRNO, errno);
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
    const uint64_t received = read_received(mosquitto_socket(subscriber->link.handle));

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
        subscriber->link.quiet_from = read_received(mosquitto_socket(subscriber->link.handle));
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
    const int fd = mosquitto_socket(link->handle);
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

void subscriber_read(struct subscriber *subscriber, short events)
{
    if (subscriber->settings.url.tls)
        read_tls(subscriber);
    else
        read_plain(subscriber, events);
}
