/* raw_sink: the ceiling for large bodies.
 *
 * One thread, one epoll loop that reads each request to its end (Content-Length) and answers; the body is not looked at
 * and nothing is stored.
 *
 *     raw_sink PORT
 */
#include "bench/tool.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define READ_SIZE ((size_t)256 << 10)

static const char answer[] =
    "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n"
    "Penstock-Ack: fsync\r\nContent-Length: 17\r\n\r\n{\"accepted\":1000}";

struct connection {
    int fd;
    long left; /* of the body; 0: a request's head comes next */
};

static void accept_all(int listener, int poll)
{
    int yes = 1;

    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct connection *connection = tool_allocate(sizeof *connection);
        connection->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event))
            tool_fail("epoll_ctl");
    }
}

/* The body's length less what came with the head. The head comes in one piece from the load generator. */
static long body_left(const char *data, ssize_t length)
{
    const char *end = strstr(data, "\r\n\r\n");
    const char *field = strcasestr(data, "content-length:");

    if (!end || !field || field > end) {
        fputs("request without a whole head or without Content-Length\n", stderr);
        exit(1);
    }
    return strtol(field + strlen("content-length:"), NULL, 10) - (length - (end + 4 - data));
}

static void take(struct connection *connection, char *data)
{
    ssize_t length = recv(connection->fd, data, READ_SIZE, 0);

    if (length <= 0) {
        close(connection->fd);
        free(connection);
        return;
    }
    data[length] = 0;
    connection->left = connection->left ? connection->left - length : body_left(data, length);
    if (connection->left <= 0) {
        connection->left = 0;
        if (send(connection->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
            perror("send");
    }
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fputs("usage: raw_sink PORT\n", stderr);
        return 2;
    }
    int listener = tool_listen((uint16_t)tool_number(arguments[1], "PORT", 1, 65535));
    char *data = tool_allocate(READ_SIZE + 1);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN, .data.ptr = NULL}};

    if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &events[0]))
        tool_fail("epoll");
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (!events[i].data.ptr)
                accept_all(listener, poll);
            else
                take(events[i].data.ptr, data);
        }
    }
}
