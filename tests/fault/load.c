/* load: keep-alive clients that post readings and note which of them were acknowledged.
 *
 * load PORT NOTES RUN CLIENTS [ACK]: runs until SIGTERM or until the gateway hangs up. Client c writes NOTES-c: "a N" when
 * the whole answer 200 for its post N was read, "r N" when it was refused (429, 503), "u N" for 504, and at the end
 * "i N": how many posts were begun. A post without a line is a "maybe". Posts are never repeated and RUN is new at
 * each call, so no id comes twice. Every fourth client sends BATCH records a post, as NDJSON.
 * ACK becomes the request's Penstock-Ack header. The payload follows from the id (see ledger.py, which builds it again).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define BATCH 5
#define PAD_LARGE 40000
#define BODY_MAX (BATCH * (PAD_LARGE + 200))

static atomic_bool stopping;
static struct sockaddr_in address;
static const char *notes, *run, *ack;

struct client {
    pthread_t thread;
    unsigned number;
    unsigned long posts;
    int fd;
    bool failed;
    FILE *notes;
    char body[BODY_MAX];
    char answer[8192];
};

static void stop(int signal)
{
    (void)signal;
    stopping = true;
}

/* Length and letters of the pad differ from post to post; one post of 97 is large. */
static size_t payload_write(char *out, size_t size, unsigned client, unsigned long post, unsigned index)
{
    size_t pad = post % 97 == 96 ? PAD_LARGE : (post * 7919 + client * 31 + index) % 700;
    int length =
        snprintf(out, size, "{\"id\":\"%s-%u-%lu-%u\",\"sensor_id\":\"s%u\",\"kind\":\"k%lu\",\"pad\":\"",
            run, client, post, index, client, post % 3);
    char *at = out + length;
    for (size_t i = 0; i < pad; i++)
        *at++ = (char)('a' + (post + client + index + i) % 26);
    memcpy(at, "\"}", 2);
    return (size_t)(at + 2 - out);
}

static size_t body_write(struct client *client)
{
    if (client->number % 4 != 3)
        return payload_write(client->body, sizeof client->body, client->number, client->posts, 0);
    size_t length = 0;
    for (unsigned i = 0; i < BATCH; i++) {
        length += payload_write(
            client->body + length, sizeof client->body - length, client->number, client->posts, i);
        client->body[length++] = '\n';
    }
    return length;
}

static int send_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return -1;
        data += sent;
        length -= (size_t)sent;
    }
    return 0;
}

/* The whole answer, head and body; its status or -1. */
static int answer_read(struct client *client)
{
    size_t have = 0;
    for (;;) {
        ssize_t got = recv(client->fd, client->answer + have, sizeof client->answer - 1 - have, 0);
        if (got <= 0)
            return -1;
        have += (size_t)got;
        client->answer[have] = 0;
        const char *end = strstr(client->answer, "\r\n\r\n");
        const char *length = strcasestr(client->answer, "\r\nContent-Length:");
        if (end && length && have >= (size_t)(end + 4 - client->answer) + strtoul(length + 17, NULL, 10))
            return (int)strtol(client->answer + 9, NULL, 10);
    }
}

static int client_connect(struct client *client)
{
    int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connect(client->fd, (struct sockaddr *)&address, sizeof address);
}

/* -1 when the gateway has hung up. */
static int client_post(struct client *client)
{
    char head[512];
    unsigned records = client->number % 4 == 3 ? BATCH : 1;
    size_t length = body_write(client);
    int head_length = snprintf(head, sizeof head,
        "POST /readings HTTP/1.1\r\nHost: load\r\nContent-Type: application/%s\r\nContent-Length: %zu\r\n%s%s%s\r\n",
        records == 1 ? "json" : "x-ndjson", length, ack ? "Penstock-Ack: " : "", ack ? ack : "",
        ack ? "\r\n" : "");
    unsigned long post = client->posts++;
    if (send_all(client->fd, head, (size_t)head_length) < 0 || send_all(client->fd, client->body, length) < 0)
        return -1;
    int status = answer_read(client);
    if (status < 0)
        return -1;
    char expected[32];
    snprintf(expected, sizeof expected, "{\"accepted\":%u}", records);
    if (status == 200 && strstr(client->answer, expected))
        fprintf(client->notes, "a %lu\n", post);
    else if (status == 429 || status == 503)
        fprintf(client->notes, "r %lu\n", post);
    else if (status == 504)
        fprintf(client->notes, "u %lu\n", post);
    else {
        fprintf(stderr, "unexpected answer: %s\n", client->answer);
        client->failed = true;
        return -1;
    }
    if (status != 200)
        usleep(20000);
    return strcasestr(client->answer, "\r\nConnection: close") ? 1 : 0;
}

static void *client_run(void *context)
{
    struct client *client = context;
    int state = client_connect(client);
    while (state >= 0 && !stopping) {
        state = client_post(client);
        if (state > 0) {
            close(client->fd);
            state = client_connect(client);
        }
    }
    fprintf(client->notes, "i %lu\n", client->posts);
    fclose(client->notes);
    return NULL;
}

static int client_start(struct client *client, unsigned number)
{
    char name[4096];
    client->number = number;
    snprintf(name, sizeof name, "%s-%u", notes, number);
    client->notes = fopen(name, "w");
    return client->notes ? pthread_create(&client->thread, NULL, client_run, client) : -1;
}

int main(int count, char **arguments)
{
    static struct client clients[CLIENTS_MAX];
    if (count < 5)
        return 2;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)strtoul(arguments[1], NULL, 10));
    notes = arguments[2];
    run = arguments[3];
    ack = count > 5 ? arguments[5] : NULL;
    unsigned long clients_count = strtoul(arguments[4], NULL, 10);
    if (clients_count > CLIENTS_MAX)
        return 2;
    signal(SIGTERM, stop);
    for (unsigned i = 0; i < clients_count; i++)
        if (client_start(&clients[i], i) != 0)
            return 2;
    bool failed = false;
    for (unsigned i = 0; i < clients_count; i++) {
        pthread_join(clients[i].thread, NULL);
        failed = failed || clients[i].failed;
    }
    return failed;
}
