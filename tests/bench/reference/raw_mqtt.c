/* raw_mqtt: the ceiling for durable PUBLISHes.
 *
 * One thread reads sockets and looks at no more of a packet than it needs to answer it; another commits everything that was read meanwhile
 * with one pwrite and one fdatasync; then the first one answers, in the order of the packets: PUBACK, PUBREC, PUBCOMP, four bytes
 * each. CONNECT and PINGREQ are answered at once. There are no sessions, and nobody looks at topics and payloads. The file is
 * zero-filled and written round and round, as a journal's recycled segments are.
 *
 *     raw_mqtt PORT FILE
 */
#include "bench/tool.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define READ_SIZE ((size_t)256 << 10)
#define PACKET_MAX ((size_t)64 << 10)
#define BATCH_SIZE ((size_t)16 << 20)
#define ANSWERS_MAX (BATCH_SIZE / 4 + 4) /* no packet with an answer is shorter than four bytes */
#define FILE_SIZE ((off_t)256 << 20)

struct connection {
    int fd; /* -1: closed. The memory stays, for answers that still name it */
    uint8_t *rest; /* of a packet that is not all there */
    size_t rest_length;
};

/* Answers to one connection that stand one behind another. */
struct run {
    struct connection *connection;
    size_t count;
};

struct batch {
    uint8_t *data;
    size_t length;
    uint32_t *answers;
    size_t answers_count;
    struct run *runs;
    size_t runs_count;
};

struct server {
    int listener;
    int poll;
    int committed; /* eventfd: the writer is done */
    int file;
    off_t offset;
    struct batch *reading;
    struct batch *writing; /* empty again when it is answered */
    bool busy; /* the writer has it */
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

/* ---- the writer ------------------------------------------------------------------------------------------ */

static void *write_batches(void *argument)
{
    struct server *server = argument;

    for (;;) {
        pthread_mutex_lock(&server->lock);
        while (!server->busy)
            pthread_cond_wait(&server->wake, &server->lock);
        pthread_mutex_unlock(&server->lock);

        const struct batch *batch = server->writing;
        if (server->offset + (off_t)batch->length > FILE_SIZE)
            server->offset = 0;
        tool_write(server->file, batch->data, batch->length, server->offset);
        if (fdatasync(server->file))
            tool_fail("fdatasync");
        server->offset += (off_t)batch->length;

        pthread_mutex_lock(&server->lock);
        server->busy = false;
        pthread_mutex_unlock(&server->lock);
        if (eventfd_write(server->committed, 1))
            tool_fail("eventfd");
    }
    return NULL;
}

static void start_write(struct server *server)
{
    struct batch *batch = server->reading;

    server->reading = server->writing;
    server->writing = batch;
    pthread_mutex_lock(&server->lock);
    server->busy = true;
    pthread_cond_signal(&server->wake);
    pthread_mutex_unlock(&server->lock);
}

/* ---- packets --------------------------------------------------------------------------------------------- */

static void close_connection(struct connection *connection)
{
    close(connection->fd);
    connection->fd = -1;
    free(connection->rest);
    connection->rest = NULL;
}

static void send_bytes(struct connection *connection, const void *data, size_t length)
{
    if (connection->fd < 0)
        return;
    ssize_t done = send(connection->fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done != (ssize_t)length && (done >= 0 || (errno != EPIPE && errno != ECONNRESET)))
        tool_fail("send");
}

static void add_answer(struct batch *batch, struct connection *connection, uint8_t type, const uint8_t *id)
{
    uint8_t answer[4] = {type, 2, id[0], id[1]};

    if (!batch->runs_count || batch->runs[batch->runs_count - 1].connection != connection)
        batch->runs[batch->runs_count++] = (struct run){connection, 0};
    batch->runs[batch->runs_count - 1].count++;
    memcpy(&batch->answers[batch->answers_count++], answer, sizeof answer);
}

/* body: what stands behind the header. */
static void take_packet(
    struct batch *batch, struct connection *connection, const uint8_t *packet, const uint8_t *body)
{
    unsigned qos = packet[0] >> 1 & 3;
    switch (packet[0] >> 4) {
    case 1:
        if (body[6] == 5)
            send_bytes(connection, "\x20\3\0\0\0", 5);
        else
            send_bytes(connection, "\x20\2\0\0", 4);
        break;
    case 3:
        if (qos)
            add_answer(batch, connection, qos == 1 ? 0x40 : 0x50, body + 2 + (body[0] << 8 | body[1]));
        break;
    case 6:
        add_answer(batch, connection, 0x70, body);
        break;
    case 12:
        send_bytes(connection, "\xd0\0", 2);
        break;
    default:
        break;
    }
}

/* Takes the packets at data that are all there; returns their bytes. */
static size_t take_packets(
    struct batch *batch, struct connection *connection, const uint8_t *data, size_t length)
{
    size_t at = 0;

    for (;;) {
        size_t size = 0;
        size_t head = 1;
        bool more = true;
        for (; more && head < 5 && at + head < length; head++) {
            size |= (size_t)(data[at + head] & 0x7f) << 7 * (head - 1);
            more = data[at + head] & 0x80;
        }
        if (more || at + head + size > length)
            return at;
        take_packet(batch, connection, data + at, data + at + head);
        at += head + size;
    }
}

/* Reads straight behind what the batch has; what is not a whole packet is kept until its rest is there. */
static void receive_some(struct batch *batch, struct connection *connection)
{
    uint8_t *data = batch->data + batch->length;
    size_t length = connection->rest_length;

    if (connection->fd < 0)
        return;
    if (length)
        memcpy(data, connection->rest, length);
    ssize_t done = recv(connection->fd, data + length, READ_SIZE - length, MSG_DONTWAIT);
    if (done < 0 && errno == EAGAIN)
        return;
    if (done <= 0) {
        close_connection(connection);
        return;
    }
    length += (size_t)done;
    size_t taken = take_packets(batch, connection, data, length);
    batch->length += taken;
    connection->rest_length = length - taken;
    if (connection->rest_length > PACKET_MAX)
        close_connection(connection);
    else if (connection->rest_length) {
        if (!connection->rest)
            connection->rest = tool_allocate(PACKET_MAX);
        memcpy(connection->rest, data + taken, connection->rest_length);
    }
}

/* ---- the loop -------------------------------------------------------------------------------------------- */

static void accept_all(struct server *server)
{
    int yes = 1;

    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct connection *connection = tool_allocate(sizeof *connection);
        connection->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (epoll_ctl(server->poll, EPOLL_CTL_ADD, fd, &event))
            tool_fail("epoll_ctl");
    }
}

/* What the writer made durable is answered. */
static void answer_batch(struct server *server)
{
    struct batch *batch = server->writing;
    size_t at = 0;
    eventfd_t ignored;

    if (eventfd_read(server->committed, &ignored))
        return;
    for (size_t i = 0; i < batch->runs_count; i++) {
        send_bytes(
            batch->runs[i].connection, batch->answers + at, batch->runs[i].count * sizeof *batch->answers);
        at += batch->runs[i].count;
    }
    batch->length = batch->answers_count = batch->runs_count = 0;
}

static void turn(struct server *server)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(server->poll, events, EVENTS, -1);

    for (int i = 0; i < ready; i++) {
        void *what = events[i].data.ptr;
        if (what == &server->listener)
            accept_all(server);
        else if (what == &server->committed)
            answer_batch(server);
        else if (server->reading->length + READ_SIZE <= BATCH_SIZE)
            receive_some(server->reading, what);
    }
    if (server->reading->length && !server->writing->length)
        start_write(server);
}

static struct batch *new_batch(void)
{
    struct batch *batch = tool_allocate(sizeof *batch);

    batch->data = tool_allocate(BATCH_SIZE);
    batch->answers = tool_allocate(ANSWERS_MAX * sizeof *batch->answers);
    batch->runs = tool_allocate(ANSWERS_MAX * sizeof *batch->runs);
    return batch;
}

static void watch(const struct server *server, int fd, const void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = (void *)what};

    if (epoll_ctl(server->poll, EPOLL_CTL_ADD, fd, &event))
        tool_fail("epoll_ctl");
}

int main(int count, char **arguments)
{
    struct server server = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
    pthread_t writer;

    if (count != 3) {
        fputs("usage: raw_mqtt PORT FILE\n", stderr);
        return 2;
    }
    server.file = tool_zeroed_file(arguments[2], FILE_SIZE);
    server.listener = tool_listen((uint16_t)tool_number(arguments[1], "PORT", 1, 65535));
    server.poll = epoll_create1(EPOLL_CLOEXEC);
    server.committed = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    server.reading = new_batch();
    server.writing = new_batch();
    if (server.poll < 0 || server.committed < 0)
        tool_fail("epoll");
    watch(&server, server.listener, &server.listener);
    watch(&server, server.committed, &server.committed);
    errno = pthread_create(&writer, NULL, write_batches, &server);
    if (errno || pthread_setname_np(writer, "writer"))
        tool_fail("writer");
    for (;;)
        turn(&server);
}
