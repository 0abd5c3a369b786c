/* raw_post: the ceiling for durable single POSTs.
 *
 * One thread, one epoll loop. All requests of one round are read, their bodies go out in one pwrite and one fdatasync,
 * then all are answered: a group commit with nothing around it. One recv is taken for one request and its last
 * BODY bytes for the body, nothing is parsed. The file is zero-filled and written round and round, as a
 * journal's recycled segments are.
 *
 *     raw_post PORT FILE BODY
 */
#include "bench/tool.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 1024
#define REQUEST_SIZE 65536
#define FILE_SIZE ((off_t)256 << 20)

static const char answer[] =
    "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n"
    "Penstock-Ack: fsync\r\nContent-Length: 14\r\n\r\n{\"accepted\":1}";

/* Bodies and connections of one round. */
struct round {
    char *data;
    size_t length;
    int waiting[EVENTS];
    size_t count;
};

static void accept_all(int listener, int poll)
{
    int yes = 1;

    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event))
            tool_fail("epoll_ctl");
    }
}

static void take_request(struct round *round, int fd, size_t body)
{
    static char request[REQUEST_SIZE];
    ssize_t length = recv(fd, request, sizeof request, 0);

    if (length <= 0) {
        close(fd);
        return;
    }
    size_t take = (size_t)length < body ? (size_t)length : body;
    memcpy(round->data + round->length, request + (size_t)length - take, take);
    round->length += take;
    round->waiting[round->count++] = fd;
}

static void commit(struct round *round, int file, off_t *offset)
{
    if (*offset + (off_t)round->length > FILE_SIZE)
        *offset = 0;
    tool_write(file, round->data, round->length, *offset);
    if (fdatasync(file))
        tool_fail("fdatasync");
    *offset += (off_t)round->length;
}

static void answer_all(struct round *round)
{
    for (size_t i = 0; i < round->count; i++) {
        if (send(round->waiting[i], answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
            perror("send");
    }
    round->count = 0;
    round->length = 0;
}

int main(int count, char **arguments)
{
    if (count != 4) {
        fputs("usage: raw_post PORT FILE BODY\n", stderr);
        return 2;
    }
    int listener = tool_listen((uint16_t)tool_number(arguments[1], "PORT", 1, 65535));
    int file = tool_zeroed_file(arguments[2], FILE_SIZE);
    size_t body = tool_number(arguments[3], "BODY", 1, REQUEST_SIZE);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN, .data.fd = listener}};
    struct round round = {.data = tool_allocate(EVENTS * body)};
    off_t offset = 0;

    if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &events[0]))
        tool_fail("epoll");
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                accept_all(listener, poll);
            else
                take_request(&round, events[i].data.fd, body);
        }
        if (round.count) {
            commit(&round, file, &offset);
            answer_all(&round);
        }
    }
}
