/* mosq_drain: the least that a subscriber on libmosquitto can do that acknowledges only what is durable.
 *
 *     mosq_drain PORT CLIENT-ID FILTER FILE MESSAGES CAP
 *
 * Takes MESSAGES messages out of the session CLIENT-ID of the broker on PORT; with 0 it only makes the session, subscribed to FILTER with
 * QoS 1, and leaves. The library queues a PUBACK before it calls on_message, but in its threaded mode it sends what is queued in
 * mosquitto_loop_write() alone: so a burst is read (at most CAP messages), its payloads and topics are committed with one pwrite and one
 * fdatasync, and only then that function is called. The file is zero-filled and written round and round. The figures run from
 * the first message to the commit of the last one.
 */
#include "bench/tool.h"

#include <mosquitto.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FILE_SIZE ((off_t)256 << 20)
#define BATCH_SIZE ((size_t)16 << 20)
#define KEEP_ALIVE 600
#define PATIENCE 30000 /* ms without a message */

struct drain {
    const char *filter;
    bool connected;
    bool subscribed;
    int file;
    off_t offset;
    char *batch;
    size_t length;
    uint64_t waiting; /* messages of the batch */
    uint64_t messages;
    uint64_t commits;
    int64_t first;
    int64_t cpu; /* used until the first message */
};

static void check(const char *what, int code)
{
    if (code == MOSQ_ERR_SUCCESS)
        return;
    fprintf(stderr, "%s: %s\n", what, mosquitto_strerror(code));
    exit(1);
}

static void on_connect(struct mosquitto *client, void *context, int code)
{
    struct drain *drain = context;

    if (code)
        check("CONNACK", MOSQ_ERR_CONN_REFUSED);
    check("subscribe", mosquitto_subscribe(client, NULL, drain->filter, 1));
    drain->connected = true;
}

static void on_subscribe(struct mosquitto *client, void *context, int id, int count, const int *granted)
{
    (void)client;
    (void)id;
    if (count != 1 || granted[0] != 1)
        check("SUBACK", MOSQ_ERR_ACL_DENIED);
    ((struct drain *)context)->subscribed = true;
}

static void append(struct drain *drain, const void *data, size_t length)
{
    if (length > BATCH_SIZE - drain->length)
        check("batch", MOSQ_ERR_OVERSIZE_PACKET);
    memcpy(drain->batch + drain->length, data, length);
    drain->length += length;
}

static void on_message(struct mosquitto *client, void *context, const struct mosquitto_message *message)
{
    struct drain *drain = context;

    (void)client;
    if (!drain->messages++) {
        drain->first = tool_now();
        drain->cpu = tool_cpu();
    }
    append(drain, message->topic, strlen(message->topic));
    append(drain, message->payload, (size_t)message->payloadlen);
    drain->waiting++;
}

static void commit(struct drain *drain)
{
    if (!drain->waiting)
        return;
    if (drain->offset + (off_t)drain->length > FILE_SIZE)
        drain->offset = 0;
    tool_write(drain->file, drain->batch, drain->length, drain->offset);
    if (fdatasync(drain->file))
        tool_fail("fdatasync");
    drain->offset += (off_t)drain->length;
    drain->length = 0;
    drain->waiting = 0;
    drain->commits++;
}

/* mosquitto_loop_read() takes one message at a time, and errno does not tell whether there is another: the socket does. */
static void read_burst(struct mosquitto *client, struct drain *drain, uint64_t cap)
{
    int left = 1;

    while (left > 0 && drain->waiting < cap) {
        check("read", mosquitto_loop_read(client, 1));
        if (ioctl(mosquitto_socket(client), FIONREAD, &left))
            tool_fail("FIONREAD");
    }
}

static void turn(struct mosquitto *client, struct drain *drain, uint64_t cap)
{
    struct pollfd socket = {.fd = mosquitto_socket(client), .events = POLLIN};

    if (mosquitto_want_write(client))
        socket.events |= POLLOUT;
    if (poll(&socket, 1, PATIENCE) <= 0) {
        fputs("the broker sends nothing more\n", stderr);
        exit(1);
    }
    if (socket.revents & (POLLIN | POLLHUP | POLLERR))
        read_burst(client, drain, cap);
    commit(drain);
    if (mosquitto_want_write(client))
        check("write", mosquitto_loop_write(client, 1));
}

static struct mosquitto *open_client(struct drain *drain, const char *id, int port)
{
    check("library", mosquitto_lib_init());
    struct mosquitto *client = mosquitto_new(id, false, drain);
    if (!client)
        tool_fail("mosquitto_new");
    check("threaded", mosquitto_threaded_set(client, true));
    mosquitto_connect_callback_set(client, on_connect);
    mosquitto_subscribe_callback_set(client, on_subscribe);
    mosquitto_message_callback_set(client, on_message);
    check("connect", mosquitto_connect(client, "127.0.0.1", port, KEEP_ALIVE));
    return client;
}

int main(int count, char **arguments)
{
    struct drain drain = {.batch = tool_allocate(BATCH_SIZE)};
    struct tool_latency *none = tool_allocate(sizeof *none);

    if (count != 7) {
        fputs("usage: mosq_drain PORT CLIENT-ID FILTER FILE MESSAGES CAP\n", stderr);
        return 2;
    }
    int port = (int)tool_number(arguments[1], "PORT", 1, 65535);
    drain.filter = arguments[3];
    uint64_t messages = tool_number(arguments[5], "MESSAGES", 0, 1000000000);
    uint64_t cap = tool_number(arguments[6], "CAP", 1, 100000);
    if (messages)
        drain.file = tool_zeroed_file(arguments[4], FILE_SIZE);

    struct mosquitto *client = open_client(&drain, arguments[2], port);
    while (!drain.subscribed || drain.messages < messages || mosquitto_want_write(client))
        turn(client, &drain, cap);
    int64_t elapsed = tool_now() - drain.first;
    int64_t cpu = tool_cpu() - drain.cpu;
    check("disconnect", mosquitto_disconnect(client));
    mosquitto_loop_write(client, 1); /* the connection is over, which it tells as an error */
    if (messages)
        tool_report(drain.commits, 0, drain.messages, elapsed, cpu, none, NULL);
    mosquitto_destroy(client);
    return 0;
}
