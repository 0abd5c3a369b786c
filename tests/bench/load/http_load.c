/* http_load: POSTs one body over and over, bounded in number and time, where wrk does not do.
 *
 *     http_load PORT PATH TYPE BODY-FILE CONNECTIONS REQUESTS SECONDS RATE [CONTENT-ENCODING]
 *
 * RATE 0: every connection sends as soon as it has its answer. RATE n: n requests per second at an even pace whatever the
 * answers do (an open loop): a request that is due while all connections are busy goes out late, and its latency runs from the
 * moment it was due. Stops after REQUESTS or SECONDS. Every answer must be 200; anything else ends the program. Where the body has @@@@@@@@@@@@@@@, each request has its
 * number: fifteen digits that go on from one run to the next.
 */
#include "bench/stall.h"
#include "bench/tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define ANSWER_SIZE 4096
#define BODY_MAX ((size_t)16 << 20)
#define CONNECTIONS_MAX 4096
#define NUMBER "@@@@@@@@@@@@@@@"
#define NUMBER_DIGITS (sizeof NUMBER - 1)
#define NUMBERS_MAX 100000 /* in a body */

struct connection {
    int fd;
    bool writing; /* epoll watches for room in the socket too */
    int64_t due;
    const char *request; /* the load's; its own where that has numbers */
    size_t sent;
    size_t received;
    char answer[ANSWER_SIZE + 1];
};

struct load {
    int poll;
    char *request;
    size_t length;
    size_t *numbers; /* where they stand in it */
    size_t numbers_count;
    int64_t number; /* of the first request: microseconds, and no load has a request in each */
    struct connection *connections;
    uint64_t connections_count;
    struct connection *
        *idle; /* a ring: each has its turn, or some would say nothing until the server hangs up */
    uint64_t idle_first, idle_count;
    uint64_t limit; /* requests */
    int64_t start; /* of the schedule */
    int64_t end;
    int64_t period; /* 0: no pace */
    uint64_t started;
    uint64_t finished;
    struct tool_latency *latency;
};

static void die(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static void make_request(
    struct load *load, const char *path, const char *type, const char *file, const char *encoding)
{
    FILE *stream = fopen(file, "rb");
    char *body = tool_allocate(BODY_MAX);

    if (!stream)
        tool_fail(file);
    size_t length = fread(body, 1, BODY_MAX, stream);
    fclose(stream);
    load->request = tool_allocate(length + 1024);
    int head = snprintf(load->request, 1024,
        "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n%s%s%sContent-Length: %zu\r\n\r\n", path,
        type, encoding ? "Content-Encoding: " : "", encoding ? encoding : "", encoding ? "\r\n" : "", length);
    if (head < 0 || head >= 1024)
        die(path, "too long");
    memcpy(load->request + head, body, length);
    load->length = (size_t)head + length;
    free(body);
}

static void find_numbers(struct load *load)
{
    const char *end = load->request + load->length;
    const char *at = load->request;

    load->numbers = tool_allocate(NUMBERS_MAX * sizeof *load->numbers);
    while ((at = memmem(at, (size_t)(end - at), NUMBER, NUMBER_DIGITS))) {
        if (load->numbers_count == NUMBERS_MAX)
            die("numbers", "too many");
        load->numbers[load->numbers_count++] = (size_t)(at - load->request);
        at += NUMBER_DIGITS;
    }
}

/* Others may still be sending the one before. */
static const char *number_request(const struct load *load, struct connection *connection)
{
    char digits[NUMBER_DIGITS + 1];
    char *request = (char *)connection->request;

    if (!load->numbers_count)
        return load->request;
    if (!request) {
        request = tool_allocate(load->length);
        memcpy(request, load->request, load->length);
    }
    snprintf(digits, sizeof digits, "%0*llu", (int)NUMBER_DIGITS,
        (unsigned long long)load->number + load->started);
    for (size_t i = 0; i < load->numbers_count; i++)
        memcpy(request + load->numbers[i], digits, NUMBER_DIGITS);
    return request;
}

static void add_idle(struct load *load, struct connection *connection)
{
    load->idle[(load->idle_first + load->idle_count++) % load->connections_count] = connection;
}

static struct connection *take_idle(struct load *load)
{
    struct connection *connection = load->idle[load->idle_first];

    load->idle_first = (load->idle_first + 1) % load->connections_count;
    load->idle_count--;
    return connection;
}

static void open_connections(struct load *load, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;

    load->poll = epoll_create1(EPOLL_CLOEXEC);
    load->connections = tool_allocate(load->connections_count * sizeof *load->connections);
    load->idle = tool_allocate(load->connections_count * sizeof *load->idle);
    for (uint64_t i = 0; i < load->connections_count; i++) {
        struct connection *connection = &load->connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        add_idle(load, connection);
        connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) ||
            setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) ||
            epoll_ctl(load->poll, EPOLL_CTL_ADD, connection->fd, &event))
            tool_fail("connect");
    }
}

/* Sends what the socket takes and lets epoll tell when it takes more. */
static void send_some(struct load *load, struct connection *connection)
{
    while (connection->sent < load->length) {
        ssize_t done = send(connection->fd, connection->request + connection->sent,
            load->length - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && errno == EAGAIN)
            break;
        if (done < 0)
            tool_fail("send");
        connection->sent += (size_t)done;
    }
    bool writing = connection->sent < load->length;
    if (writing != connection->writing) {
        struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = connection};
        if (epoll_ctl(load->poll, EPOLL_CTL_MOD, connection->fd, &event))
            tool_fail("epoll_ctl");
        connection->writing = writing;
    }
}

/* When the next request is due; INT64_MAX when there is none. */
static int64_t next_due(const struct load *load)
{
    int64_t due = load->period ? load->start + (int64_t)load->started * load->period : tool_now();

    return load->started < load->limit && due < load->end ? due : INT64_MAX;
}

static void start_request(struct load *load, struct connection *connection, int64_t due)
{
    connection->due = due;
    connection->request = number_request(load, connection);
    connection->sent = 0;
    connection->received = 0;
    load->started++;
    send_some(load, connection);
}

static void start_due(struct load *load)
{
    int64_t now = tool_now();

    while (load->idle_count) {
        int64_t due = next_due(load);
        if (due == INT64_MAX || (load->period && due > now))
            return;
        start_request(load, take_idle(load), due);
    }
}

static bool answer_whole(const struct connection *connection)
{
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *field = strcasestr(connection->answer, "content-length:");

    if (!end)
        return false;
    if (!field || field > end)
        die("answer without Content-Length", connection->answer);
    size_t body = strtoul(field + strlen("content-length:"), NULL, 10);
    return connection->received >= (size_t)(end + 4 - connection->answer) + body;
}

static void receive_some(struct load *load, struct connection *connection)
{
    ssize_t done = recv(connection->fd, connection->answer + connection->received,
        ANSWER_SIZE - connection->received, MSG_DONTWAIT);

    if (done < 0 && errno == EAGAIN)
        return;
    if (done <= 0)
        die("the server closed a connection", connection->answer);
    connection->received += (size_t)done;
    connection->answer[connection->received] = 0;
    if (!answer_whole(connection)) {
        if (connection->received == ANSWER_SIZE)
            die("answer too long", connection->answer);
        return;
    }
    if (strncmp(connection->answer, "HTTP/1.1 200", 12) != 0)
        die("not 200", connection->answer);
    const int64_t now = tool_now();
    tool_latency_add(load->latency, now - connection->due);
    stall_sample(connection->due, now);
    add_idle(load, connection);
    load->finished++;
}

static void wait_for_events(struct load *load)
{
    struct epoll_event events[EVENTS];
    int64_t due = load->idle_count ? next_due(load) : INT64_MAX;
    int64_t wait = due == INT64_MAX ? TOOL_SECOND : due - tool_now();
    struct timespec timeout = {0, 0};

    if (wait > 0) {
        timeout.tv_sec = wait / TOOL_SECOND;
        timeout.tv_nsec = wait % TOOL_SECOND;
    }
    int ready = epoll_pwait2(load->poll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < ready; i++) {
        struct connection *connection = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            send_some(load, connection);
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            receive_some(load, connection);
    }
}

int main(int count, char **arguments)
{
    struct load load = {0};

    if (count != 9 && count != 10) {
        fputs(
            "usage: http_load PORT PATH TYPE BODY-FILE CONNECTIONS REQUESTS SECONDS RATE [CONTENT-ENCODING]\n",
            stderr);
        return 2;
    }
    load.connections_count = tool_number(arguments[5], "CONNECTIONS", 1, CONNECTIONS_MAX);
    load.limit = tool_number(arguments[6], "REQUESTS", 1, 1000000000);
    int64_t duration = (int64_t)tool_number(arguments[7], "SECONDS", 1, 120) * TOOL_SECOND;
    int64_t rate = (int64_t)tool_number(arguments[8], "RATE", 0, 1000000);
    load.period = rate ? TOOL_SECOND / rate : 0;
    load.latency = tool_allocate(sizeof *load.latency);
    make_request(&load, arguments[2], arguments[3], arguments[4], arguments[9]);
    find_numbers(&load);
    load.number = tool_now() / (TOOL_SECOND / 1000000);
    open_connections(&load, (uint16_t)tool_number(arguments[1], "PORT", 1, 65535));

    prctl(PR_SET_TIMERSLACK, 1UL);
    if (load.period)
        stall_begin();
    load.start = tool_now();
    load.end = load.start + duration;
    while (load.idle_count < load.connections_count || next_due(&load) != INT64_MAX) {
        start_due(&load);
        wait_for_events(&load);
    }
    tool_report(
        load.finished, 0, load.finished, tool_now() - load.start, tool_cpu(), load.latency, stall_end());
    return 0;
}
