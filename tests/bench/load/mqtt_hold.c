/* mqtt_hold: see mqtt_hold.h */
#include "bench/load/mqtt_hold.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/mqtt_wire.h"
#include "bench/tool.h"

#define EVENTS 256
#define ANSWER_MAX 256
#define CONNECTIONS_MAX 1000000
#define IDLE_AT_ONCE 128 /* connections without a CONNACK; below any server's backlog */
#define PATIENCE 30000 /* ms without any answer */
#define SPARE 64 /* descriptors for all else */

struct connection {
    int fd;
    uint64_t number;
    bool accepted;
    int64_t since;
    size_t have;
    uint8_t answer[ANSWER_MAX];
};

struct hold {
    struct sockaddr_in address;
    uint64_t total; /* connections to open */
    uint64_t at_once;
    bool drop;
    int poll;
    struct connection *connections;
    struct connection **unused; /* a stack of those that are not open */
    uint64_t unused_count;
    uint64_t opened;
    uint64_t accepted;
    uint64_t closed; /* by the server */
    struct tool_latency *latency;
};

void mqtt_hold_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        tool_fail("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        tool_fail("setrlimit");
}

static void open_one(struct hold *hold)
{
    struct connection *connection = hold->unused[--hold->unused_count];
    struct mqtt_wire_client client = {.version = MQTT_WIRE_311, .number = hold->opened};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    uint8_t packet[MQTT_WIRE_CONNECT_MAX];
    size_t length = mqtt_wire_connect(&client, packet);

    *connection = (struct connection){.number = hold->opened++, .since = tool_now()};
    connection->fd = mqtt_wire_socket(&hold->address);
    if (send(connection->fd, packet, length, MSG_NOSIGNAL) != (ssize_t)length ||
        epoll_ctl(hold->poll, EPOLL_CTL_ADD, connection->fd, &event))
        tool_fail("CONNECT");
}

static void drop_one(struct hold *hold, struct connection *connection)
{
    struct linger reset = {.l_onoff = 1};
    uint64_t way = connection->number % 3;

    if (way == 0 && send(connection->fd, "\xe0\0", 2, MSG_NOSIGNAL) != 2)
        tool_fail("DISCONNECT");
    if (way == 2 && setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset))
        tool_fail("SO_LINGER");
    close(connection->fd);
    hold->unused[hold->unused_count++] = connection;
}

static void receive_some(struct hold *hold, struct connection *connection)
{
    ssize_t done = recv(
        connection->fd, connection->answer + connection->have, ANSWER_MAX - connection->have, MSG_DONTWAIT);

    if (done < 0 && errno == EAGAIN)
        return;
    if (connection->accepted && done <= 0) {
        hold->closed++;
        close(connection->fd);
        return;
    }
    if (done <= 0)
        mqtt_wire_unexpected(connection->answer, 0);
    connection->have += (size_t)done;
    size_t size = mqtt_wire_size(connection->answer, connection->have);
    if (!size || size > connection->have)
        return;
    if (connection->accepted || connection->have > size)
        mqtt_wire_unexpected(connection->answer, connection->have);
    mqtt_wire_accepted(connection->answer, MQTT_WIRE_311);
    connection->accepted = true;
    connection->have = 0;
    hold->accepted++;
    tool_latency_add(hold->latency, tool_now() - connection->since);
    if (hold->drop)
        drop_one(hold, connection);
}

/* Returns false when nothing has come for `wait` ms. */
static bool turn(struct hold *hold, int wait)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(hold->poll, events, EVENTS, wait);

    for (int i = 0; i < ready; i++) {
        if (!events[i].data.ptr)
            return false;
        receive_some(hold, events[i].data.ptr);
    }
    return ready > 0;
}

static void open_all(struct hold *hold)
{
    while (hold->accepted < hold->total) {
        while (hold->opened < hold->total && hold->opened - hold->accepted < hold->at_once)
            open_one(hold);
        if (!turn(hold, PATIENCE)) {
            fprintf(stderr, "%" PRIu64 " of %" PRIu64 " connections have no CONNACK\n",
                hold->opened - hold->accepted, hold->opened);
            exit(1);
        }
    }
}

static void prepare(struct hold *hold, char **arguments, uint64_t open)
{
    struct rlimit limit;

    hold->address = mqtt_wire_address(arguments[0], arguments[1]);
    hold->poll = epoll_create1(EPOLL_CLOEXEC);
    hold->latency = tool_allocate(sizeof *hold->latency);
    hold->connections = tool_allocate(open * sizeof *hold->connections);
    hold->unused = tool_allocate(open * sizeof *hold->unused);
    while (hold->unused_count < open) {
        hold->unused[hold->unused_count] = &hold->connections[hold->unused_count];
        hold->unused_count++;
    }
    mqtt_hold_limits();
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < open + SPARE) {
        fprintf(stderr, "%" PRIu64 " connections need more descriptors than this process may have\n", open);
        exit(1);
    }
}

int mqtt_hold_idle(int count, char **arguments)
{
    struct hold hold = {.at_once = IDLE_AT_ONCE};
    struct epoll_event input = {.events = EPOLLIN};
    int64_t start = tool_now();
    char ignored[512];

    if (count != 3)
        return -1;
    hold.total = tool_number(arguments[2], "CONNECTIONS", 1, CONNECTIONS_MAX);
    prepare(&hold, arguments, hold.total);
    open_all(&hold);
    tool_report(0, 0, hold.accepted, tool_now() - start, tool_cpu(), hold.latency, NULL);
    fflush(stdout);

    int input_end = -1;
    if (epoll_ctl(hold.poll, EPOLL_CTL_ADD, STDIN_FILENO, &input))
        tool_fail("standard input");
    while (input_end != 0)
        if (!turn(&hold, -1))
            input_end = (int)read(STDIN_FILENO, ignored, sizeof ignored);
    printf("{\"closed\": %" PRIu64 "}\n", hold.closed);
    return 0;
}

int mqtt_hold_churn(int count, char **arguments)
{
    struct hold hold = {.drop = true};

    if (count != 4)
        return -1;
    hold.total = tool_number(arguments[2], "CONNECTIONS", 1, CONNECTIONS_MAX);
    hold.at_once = tool_number(arguments[3], "AT-ONCE", 1, 4096);
    prepare(&hold, arguments, hold.at_once);
    int64_t start = tool_now();
    int64_t cpu = tool_cpu();
    open_all(&hold);
    tool_report(0, 0, hold.accepted, tool_now() - start, tool_cpu() - cpu, hold.latency, NULL);
    return 0;
}
