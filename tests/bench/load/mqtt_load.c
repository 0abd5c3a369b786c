/* mqtt_load: publishes to an MQTT server as fast as its acknowledgements allow, or at an even pace; or holds connections, or drops them.
 *
 *     mqtt_load publish HOST PORT FILE [NAME=VALUE...]
 *     mqtt_load idle HOST PORT CONNECTIONS
 *     mqtt_load churn HOST PORT CONNECTIONS AT-ONCE
 *
 * publish: the lines of FILE (topic, tab, payload) over and over, on `connections`, with at most `window` messages of each that are not
 * acknowledged (PUBACK, PUBCOMP), for `seconds` or until there were `messages`. pace=0: as soon as the window allows it, from where a
 * latency runs. pace=n: n messages per second whatever the acknowledgements do; a latency runs from the moment when its message was
 * due. Acknowledgements must come in the order of the messages and say success; anything else ends the program. version=4 is MQTT 3.1.1,
 * 5 is 5.0; persistent=1 keeps the session over the connection's end, so that a server that is serious about QoS 2 has to store packet
 * ids. With QoS 0 nothing is acknowledged: what counts is what the server has read, as its answer to a PINGREQ behind it all says.
 *
 * One thread. Packets are made beforehand and sent from where they lie, so that two cores are left to the server.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "bench/load/mqtt_hold.h"
#include "bench/load/mqtt_tape.h"
#include "bench/load/mqtt_wire.h"
#include "bench/tool.h"

#define EVENTS 256
#define READ_SIZE ((size_t)256 << 10)
#define REST_MAX 256 /* of an acknowledgement that is not all there */
#define PIECES 5 /* rest of a PUBLISH; PUBRELs and PUBLISHes, each in two parts where the tape ends */
#define ACK_SIZE 4

/* Messages before `below` were allowed at `at`. */
struct mark {
    uint64_t below;
    int64_t at;
};

/* Messages of a connection are counted: the one numbered n is n % count of the tape. finished <= received <= written <= allowed. */
struct connection {
    int fd;
    uint64_t number;
    bool blocked; /* epoll watches for room in the socket too */
    uint64_t allowed; /* may be sent */
    uint64_t written; /* are with the kernel as a whole */
    size_t partial; /* bytes of the next one that are */
    uint64_t received; /* QoS 2: have their PUBREC */
    uint64_t released; /* bytes of PUBRELs that are with the kernel */
    uint64_t finished; /* have their last acknowledgement */
    struct mark *marks; /* a ring of `window` */
    uint64_t marks_first, marks_end;
    uint8_t rest[REST_MAX];
    size_t rest_length;
};

struct load {
    uint64_t connections_count, window, qos, version, seconds, limit, pace, persistent; /* options */
    struct mqtt_tape tape;
    int poll;
    struct connection *connections;
    uint8_t *input;
    uint64_t started; /* messages of all connections */
    int64_t now;
    int64_t start;
    int64_t end;
    struct tool_latency *latency;
};

struct option {
    const char *name;
    size_t offset;
    uint64_t least, most, initial;
};

static const struct option options[] = {
    {"connections", offsetof(struct load, connections_count), 1, 10000, 1},
    {"window", offsetof(struct load, window), 1, MQTT_TAPE_MAX, 1000},
    {"qos", offsetof(struct load, qos), 0, 2, 1},
    {"version", offsetof(struct load, version), MQTT_WIRE_311, MQTT_WIRE_5, MQTT_WIRE_311},
    {"seconds", offsetof(struct load, seconds), 1, 3600, 3},
    {"messages", offsetof(struct load, limit), 1, 1000000000000, 1000000000000},
    {"pace", offsetof(struct load, pace), 0, 10000000, 0},
    {"persistent", offsetof(struct load, persistent), 0, 1, 0},
};

#define OPTIONS (sizeof options / sizeof *options)

static void set_option(struct load *load, const char *text)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        size_t length = strlen(options[i].name);
        if (strncmp(text, options[i].name, length) || text[length] != '=')
            continue;
        uint64_t value = tool_number(text + length + 1, options[i].name, options[i].least, options[i].most);
        memcpy((char *)load + options[i].offset, &value, sizeof value);
        return;
    }
    fprintf(stderr, "%s is no option of publish\n", text);
    exit(2);
}

/* ---- what may be sent ------------------------------------------------------------------------------------ */

static int64_t due(const struct load *load, const struct connection *connection, uint64_t message)
{
    uint64_t number =
        message * load->connections_count + connection->number; /* of all connections' messages */

    return load->start + (int64_t)((double)number * 1e9 / (double)load->pace);
}

static bool over(const struct load *load)
{
    return load->started >= load->limit || load->now >= load->end;
}

/* Lets the connection send what its window and the end of it all allow; with a pace, what is due. */
static void allow(struct load *load, struct connection *connection)
{
    uint64_t before = connection->allowed;
    uint64_t room = load->window - (before - connection->finished);

    if (over(load))
        return;
    if (load->pace) {
        while (room && due(load, connection, connection->allowed) <= load->now) {
            connection->allowed++;
            room--;
        }
    } else {
        uint64_t left = load->limit - load->started;
        connection->allowed += room < left ? room : left;
        if (connection->allowed > before)
            connection->marks[connection->marks_end++ % load->window] =
                (struct mark){connection->allowed, load->now};
    }
    load->started += connection->allowed - before;
}

/* ---- sending --------------------------------------------------------------------------------------------- */

/* Adds bytes from..to of data, which goes round after size bytes. Fewer than size are asked for, or exactly size. */
static size_t add_pieces(
    struct iovec *pieces, size_t count, void *data, uint64_t from, uint64_t to, uint64_t size)
{
    uint64_t at = from % size;
    uint64_t length = to - from;
    uint64_t straight = length < size - at ? length : size - at;

    if (straight)
        pieces[count++] = (struct iovec){(uint8_t *)data + at, straight};
    if (length > straight)
        pieces[count++] = (struct iovec){data, length - straight};
    return count;
}

/* Where message n stands in an endless tape. */
static uint64_t position(const struct mqtt_tape *tape, uint64_t message)
{
    return message / tape->count * tape->starts[tape->count] + tape->starts[message % tape->count];
}

/* A PUBLISH that has begun is ended first, then come PUBRELs, which let the server forget, then more PUBLISHes. */
static size_t collect(const struct load *load, const struct connection *connection, struct iovec *pieces)
{
    const struct mqtt_tape *tape = &load->tape;
    uint64_t size = tape->starts[tape->count];
    uint64_t next = connection->written;
    size_t count = 0;

    if (connection->partial) {
        uint64_t begun = position(tape, next++);
        count =
            add_pieces(pieces, count, tape->data, begun + connection->partial, position(tape, next), size);
    }
    count = add_pieces(pieces, count, tape->release, connection->released, connection->received * ACK_SIZE,
        tape->count * ACK_SIZE);
    return add_pieces(
        pieces, count, tape->data, position(tape, next), position(tape, connection->allowed), size);
}

static size_t message_size(const struct mqtt_tape *tape, uint64_t message)
{
    size_t at = message % tape->count;

    return tape->starts[at + 1] - tape->starts[at];
}

/* The kernel took this many bytes of what was collected. */
static void sent(const struct load *load, struct connection *connection, size_t bytes)
{
    if (connection->partial) {
        size_t left = message_size(&load->tape, connection->written) - connection->partial;
        size_t part = bytes < left ? bytes : left;
        bytes -= part;
        connection->partial += part;
        if (part < left)
            return;
        connection->partial = 0;
        connection->written++;
    }
    uint64_t releases = connection->received * ACK_SIZE - connection->released;
    size_t part = bytes < releases ? bytes : releases;
    connection->released += part;
    bytes -= part;
    for (size_t size; bytes && bytes >= (size = message_size(&load->tape, connection->written));) {
        bytes -= size;
        connection->written++;
    }
    connection->partial = bytes;
}

static void watch(const struct load *load, struct connection *connection, bool blocked)
{
    struct epoll_event event = {.events = EPOLLIN | (blocked ? EPOLLOUT : 0), .data.ptr = connection};

    if (blocked != connection->blocked && epoll_ctl(load->poll, EPOLL_CTL_MOD, connection->fd, &event))
        tool_fail("epoll_ctl");
    connection->blocked = blocked;
}

static void send_some(struct load *load, struct connection *connection)
{
    struct iovec pieces[PIECES];
    struct msghdr message = {.msg_iov = pieces};
    bool blocked = false;

    while (!blocked && (message.msg_iovlen = collect(load, connection, pieces)) > 0) {
        ssize_t done = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && errno != EAGAIN)
            tool_fail("send");
        blocked = done < 0;
        sent(load, connection, blocked ? 0 : (size_t)done);
        if (!load->qos)
            connection->finished = connection->written;
    }
    /* With QoS 0 no acknowledgement comes that would bring it back here: room in the socket does. */
    watch(load, connection, blocked || (!load->qos && !load->pace && !over(load)));
}

/* ---- acknowledgements ------------------------------------------------------------------------------------ */

/* Messages up to finished are acknowledged: their latencies. */
static void finish(struct load *load, struct connection *connection, uint64_t finished)
{
    if (load->pace) {
        for (uint64_t i = connection->finished; i < finished; i++)
            tool_latency_add(load->latency, load->now - due(load, connection, i));
        connection->finished = finished;
        return;
    }
    while (connection->finished < finished) {
        const struct mark *mark = &connection->marks[connection->marks_first % load->window];
        uint64_t to = mark->below < finished ? mark->below : finished;
        tool_latency_add_many(load->latency, load->now - mark->at, to - connection->finished);
        connection->finished = to;
        if (to == mark->below)
            connection->marks_first++;
    }
}

/* How many packets at data are the acknowledgements expected[at], [at + 1], ..., which go round. */
static size_t as_expected(
    const uint8_t *data, size_t length, const uint32_t *expected, uint64_t at, size_t count)
{
    size_t next = at % count;
    size_t found = 0;

    for (uint32_t word; length - found * ACK_SIZE >= ACK_SIZE; found++) {
        memcpy(&word, data + found * ACK_SIZE, ACK_SIZE);
        if (word != expected[next])
            break;
        next = next + 1 == count ? 0 : next + 1;
    }
    return found;
}

/* The packet in the short form when it is one with a reason that says success (MQTT 5.0). */
static bool shorten(const uint8_t *packet, size_t size, uint8_t ret_packet[ACK_SIZE])
{
    if (size <= ACK_SIZE || packet[1] >= 0x80 || packet[4] >= 0x80)
        return false;
    memcpy(ret_packet, packet, ACK_SIZE);
    ret_packet[1] = 2;
    return true;
}

/* Takes acknowledgements at data; returns the bytes taken, 0 when the next packet is not all there. */
static size_t take(struct load *load, struct connection *connection, const uint8_t *data, size_t length)
{
    const struct mqtt_tape *tape = &load->tape;
    bool twice = load->qos == 2;
    uint64_t *counted = twice ? &connection->received : NULL;
    size_t found = as_expected(
        data, length, tape->first, twice ? connection->received : connection->finished, tape->count);
    uint64_t finished = connection->finished;

    if (found && counted)
        *counted += found;
    else if (found)
        finished += found;
    else if (twice && (found = as_expected(data, length, tape->last, finished, tape->count)))
        finished += found;
    uint64_t most = twice ? connection->released / ACK_SIZE : connection->written;
    if (finished > most || connection->received > connection->written)
        mqtt_wire_unexpected(data, length);
    finish(load, connection, finished);
    return found * ACK_SIZE;
}

static size_t take_long(struct load *load, struct connection *connection, const uint8_t *data, size_t length)
{
    uint8_t packet[ACK_SIZE];
    size_t size = mqtt_wire_size(data, length);

    if (!size || size > length)
        return 0;
    if (!shorten(data, size, packet) || take(load, connection, packet, ACK_SIZE) != ACK_SIZE)
        mqtt_wire_unexpected(data, size);
    return size;
}

static void receive_some(struct load *load, struct connection *connection)
{
    uint8_t *data = load->input;
    size_t length = connection->rest_length;

    memcpy(data, connection->rest, length);
    ssize_t done = recv(connection->fd, data + length, READ_SIZE - length, MSG_DONTWAIT);
    if (done < 0 && errno == EAGAIN)
        return;
    if (done <= 0)
        mqtt_wire_unexpected(data, 0);
    length += (size_t)done;

    size_t at = 0;
    for (size_t taken = 1; taken && at < length; at += taken) {
        taken = take(load, connection, data + at, length - at);
        if (!taken)
            taken = take_long(load, connection, data + at, length - at);
    }
    connection->rest_length = length - at;
    if (connection->rest_length > REST_MAX)
        mqtt_wire_unexpected(data + at, length - at);
    memcpy(connection->rest, data + at, connection->rest_length);
}

/* ---- the run --------------------------------------------------------------------------------------------- */

static void open_connections(struct load *load, const struct sockaddr_in *address)
{
    load->poll = epoll_create1(EPOLL_CLOEXEC);
    load->connections = tool_allocate(load->connections_count * sizeof *load->connections);
    for (uint64_t i = 0; i < load->connections_count; i++) {
        struct connection *connection = &load->connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        struct mqtt_wire_client client = {(unsigned)load->version, load->persistent, i};
        connection->number = i;
        connection->marks = tool_allocate(load->window * sizeof *connection->marks);
        connection->fd = mqtt_wire_open(address, &client);
        if (epoll_ctl(load->poll, EPOLL_CTL_ADD, connection->fd, &event))
            tool_fail("epoll_ctl");
    }
}

/* Sends what is due; returns when more will be, or -1 when all is done. */
static int64_t advance(struct load *load)
{
    int64_t next = load->end;
    bool done = over(load);

    for (uint64_t i = 0; i < load->connections_count; i++) {
        struct connection *connection = &load->connections[i];
        allow(load, connection);
        send_some(load, connection);
        done = done && connection->finished == connection->allowed;
        if (load->pace && connection->allowed - connection->finished < load->window) {
            int64_t then = due(load, connection, connection->allowed);
            next = then < next ? then : next;
        }
    }
    return done ? -1 : next;
}

static void wait_for_events(struct load *load, int64_t until)
{
    struct epoll_event events[EVENTS];
    int64_t wait = over(load) ? TOOL_SECOND : until - load->now;
    struct timespec timeout = {0, 0};

    if (wait > 0) {
        timeout.tv_sec = wait / TOOL_SECOND;
        timeout.tv_nsec = wait % TOOL_SECOND;
    }
    int ready = epoll_pwait2(load->poll, events, EVENTS, &timeout, NULL);
    load->now = tool_now();
    for (int i = 0; i < ready; i++) {
        struct connection *connection = events[i].data.ptr;
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            receive_some(load, connection);
        if (!load->pace) {
            allow(load, connection);
            send_some(load, connection);
        }
    }
}

/* With QoS 0: waits until the server has read it all. Then takes leave. */
static void close_connection(const struct load *load, struct connection *connection)
{
    uint8_t answer[2];

    if (!load->qos && (send(connection->fd, "\xc0\0", 2, MSG_NOSIGNAL) != 2 ||
                          recv(connection->fd, answer, 2, MSG_WAITALL) != 2 || answer[0] != 0xd0))
        mqtt_wire_unexpected(answer, 0);
    if (send(connection->fd, "\xe0\0", 2, MSG_NOSIGNAL) != 2)
        tool_fail("DISCONNECT");
    close(connection->fd);
}

static int publish(int count, char **arguments)
{
    struct load load = {.latency = tool_allocate(sizeof *load.latency), .input = tool_allocate(READ_SIZE)};
    uint64_t finished = 0;

    if (count < 3)
        return -1;
    for (size_t i = 0; i < OPTIONS; i++)
        memcpy((char *)&load + options[i].offset, &options[i].initial, sizeof options[i].initial);
    for (int i = 3; i < count; i++)
        set_option(&load, arguments[i]);
    struct sockaddr_in address = mqtt_wire_address(arguments[0], arguments[1]);
    mqtt_tape_make(&load.tape, arguments[2], (unsigned)load.version, (unsigned)load.qos, load.window);
    mqtt_hold_limits();
    open_connections(&load, &address);

    prctl(PR_SET_TIMERSLACK, 1UL);
    int64_t cpu = tool_cpu();
    load.now = load.start = tool_now();
    load.end = load.start + (int64_t)load.seconds * TOOL_SECOND;
    for (int64_t next; (next = advance(&load)) >= 0;) {
        wait_for_events(&load, next);
        while (!load.pace && !over(&load))
            wait_for_events(&load, next);
    }
    for (uint64_t i = 0; i < load.connections_count; i++) {
        close_connection(&load, &load.connections[i]);
        finished += load.connections[i].finished;
    }
    tool_report(finished, 0, finished, tool_now() - load.start, tool_cpu() - cpu, load.latency, NULL);
    return 0;
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        int (*run)(int count, char **arguments);
    } modes[] = {{"publish", publish}, {"idle", mqtt_hold_idle}, {"churn", mqtt_hold_churn}};

    for (size_t i = 0; count > 1 && i < sizeof modes / sizeof *modes; i++) {
        int status = strcmp(arguments[1], modes[i].name) ? -1 : modes[i].run(count - 2, arguments + 2);
        if (status >= 0)
            return status;
    }
    fputs("usage: mqtt_load publish HOST PORT FILE [NAME=VALUE...]\n"
          "       mqtt_load idle HOST PORT CONNECTIONS\n"
          "       mqtt_load churn HOST PORT CONNECTIONS AT-ONCE\n"
          "publish has:",
        stderr);
    for (size_t i = 0; i < OPTIONS; i++)
        fprintf(stderr, " %s", options[i].name);
    fputs("\n", stderr);
    return 2;
}
