/* http_client: what goes out, what comes back, and what becomes of calls when the server is none. */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/http_client.h"

#define PEER_MAX 32
#define PEER_REQUEST (1 << 16)

/* A server: each connection has a thread, gets the requests that come in, and answers by the script: one text for each request, or none. */
static struct {
    int listener;
    unsigned port;
    const char *answer; /* of every request; NULL: nobody is answered */
    int answers; /* on a connection, the next request ends it; 0: any number */
    bool together; /* nobody is answered before `wanted` requests are there at once */
    int wanted;
    atomic_int waiting, most, requests;
    pthread_mutex_t lock;
    char request[PEER_REQUEST]; /* the last one that was answered */
} peer;

static struct http_client *client;
static struct http_client_options options;
static struct error error;

static int read_request(int fd, char text[static PEER_REQUEST])
{
    size_t length = 0;

    for (;;) {
        const ssize_t got = read(fd, text + length, PEER_REQUEST - 1 - length);
        if (got <= 0)
            return -1;
        length += (size_t)got;
        text[length] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *body = strstr(text, "Content-Length: ");
        if (end &&
            length >= (size_t)(end + 4 - text) + (body && body < end ? strtoul(body + 16, NULL, 10) : 0))
            return 0;
    }
}

/* Holds everybody until as many wait as are expected at once. */
static void meet(void)
{
    const int waiting = atomic_fetch_add(&peer.waiting, 1) + 1;
    int most = atomic_load(&peer.most);

    while (waiting > most && !atomic_compare_exchange_weak(&peer.most, &most, waiting))
        ;
    while (peer.together && atomic_load(&peer.most) < peer.wanted)
        sched_yield();
    atomic_fetch_sub(&peer.waiting, 1);
}

static void *serve(void *argument)
{
    cleanup_fd int fd = (int)(intptr_t)argument;
    char text[PEER_REQUEST];

    for (int count = 0; read_request(fd, text) == 0; count++) {
        if (peer.answers && count == peer.answers)
            break;
        meet();
        pthread_mutex_lock(&peer.lock);
        memcpy(peer.request, text, sizeof text);
        pthread_mutex_unlock(&peer.lock);
        atomic_fetch_add(&peer.requests, 1);
        if (peer.answer && write(fd, peer.answer, strlen(peer.answer)) < 0)
            break;
    }
    return NULL;
}

static void *accept_all(void *argument)
{
    for (int fd; (fd = accept(peer.listener, NULL, NULL)) >= 0;) {
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd), 0);
        pthread_detach(thread);
    }
    return argument;
}

static void setup(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    pthread_t thread;

    pthread_mutex_init(&peer.lock, NULL);
    peer.listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(peer.listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(peer.listener, PEER_MAX), 0);
    getsockname(peer.listener, (struct sockaddr *)&address, &length);
    peer.port = ntohs(address.sin_port);
    peer.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    cr_assert_eq(pthread_create(&thread, NULL, accept_all, NULL), 0);
    pthread_detach(thread);
    options = (struct http_client_options){.ca = "",
        .ca_option = "lake.ca",
        .connections = 4,
        .connect_timeout = 5 * CLOCK_SECOND,
        .stall_timeout = 60 * CLOCK_SECOND};
}

static void teardown(void)
{
    http_client_close(&client);
    http_client_close(&client);
}

TestSuite(http_client, .init = setup, .fini = teardown, .timeout = 900);

/* The client is made with the first call, when the test has said its options. */
static void run(struct http_call *calls, size_t count)
{
    if (!client)
        cr_assert_eq(http_client_open(&client, &options, &error), 0, "%s", error.text);
    cr_assert_eq(http_client_run(client, calls, count, &error), 0, "%s", error.text);
}

static struct http_call make(const char *method, const char *path)
{
    static char urls[PEER_MAX][256];
    static int next;
    struct http_call call = {.method = method, .url = urls[next], .fd = -1};

    snprintf(urls[next++ % PEER_MAX], sizeof urls[0], "http://127.0.0.1:%u%s", peer.port, path);
    bytes_init(&call.answer, 64);
    return call;
}

static void expect_answer(const struct http_call *call, long status, const char *body)
{
    cr_assert_eq(call->status, status, "%ld: %s", call->status, call->error.text);
    cr_assert_eq(call->error.kind, ERROR_NONE);
    cr_assert(slice_is(bytes_slice(&call->answer), body));
}

static void expect_no_answer(const struct http_call *call, const char *why)
{
    cr_assert_eq(call->status, 0);
    cr_assert_eq(call->error.kind, ERROR_RETRY);
    cr_assert(strstr(call->error.text, why), "%s", call->error.text);
    cr_assert_not(strstr(call->error.text, "SECRET"), "%s", call->error.text);
}

Test(http_client, headers_that_are_wanted)
{
    char etag[16] = "left over", place[8] = "", none[8] = "";
    struct http_call call = make("GET", "/a?b=c");

    peer.answer =
        "HTTP/1.1 100 Continue\r\nETag: of no answer\r\n\r\n"
        "HTTP/1.1 503 Slow\r\nretry-AFTER: 17\r\neTag:  \"1 2\" \r\nLocation: too long for it\r\nContent-Length: 4\r\n\r\nslow";
    call.wanted = (struct http_wanted[]){
        {"ETag", etag, sizeof etag}, {"Location", place, sizeof place}, {"X-None", none, sizeof none}};
    call.wanted_count = 3;
    call.fields = (const char *const[]){"X-One: 1", "X-Two: 2"};
    call.fields_count = 2;
    run(&call, 1);
    expect_answer(&call, 503, "slow");
    cr_assert_str_eq(etag, "\"1 2\"");
    cr_assert_str_eq(place, "");
    cr_assert_str_eq(none, "");
    cr_assert_eq(call.retry_after, 17 * CLOCK_SECOND);
    cr_assert(strstr(peer.request, "GET /a?b=c HTTP/1.1\r\n"));
    cr_assert(strstr(peer.request, "X-One: 1\r\nX-Two: 2\r\n"));
    bytes_free(&call.answer);
}

/* And no older answer shines through. */
Test(http_client, what_was_said_before_is_forgotten)
{
    char etag[16];
    struct http_call call = make("GET", "/");

    call.wanted = &(struct http_wanted){"ETag", etag, sizeof etag};
    call.wanted_count = 1;
    peer.answer = "HTTP/1.1 200 OK\r\nETag: one\r\nRetry-After: soon\r\nContent-Length: 1\r\n\r\n1";
    run(&call, 1);
    expect_answer(&call, 200, "1");
    cr_assert_eq(call.retry_after, 0);
    peer.answer = "HTTP/1.1 200 OK\r\nRetry-After: 99999999999\r\nContent-Length: 1\r\n\r\n2";
    run(&call, 1);
    expect_answer(&call, 200, "2");
    cr_assert_str_eq(etag, "");
    cr_assert_eq(call.retry_after, 3600 * CLOCK_SECOND);
    bytes_free(&call.answer);
}

Test(http_client, the_path_goes_out_as_it_is)
{
    struct http_call call = make("DELETE", "/a/../b%2f=%7e//c");

    run(&call, 1);
    expect_answer(&call, 200, "ok");
    cr_assert(strstr(peer.request, "DELETE /a/../b%2f=%7e//c HTTP/1.1\r\n"), "%s", peer.request);
    bytes_free(&call.answer);
}

Test(http_client, a_redirect_is_an_answer)
{
    char place[64];
    struct http_call call = make("GET", "/");

    peer.answer = "HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    call.wanted = &(struct http_wanted){"location", place, sizeof place};
    call.wanted_count = 1;
    run(&call, 1);
    expect_answer(&call, 307, "");
    cr_assert_str_eq(place, "http://127.0.0.1:1/");
}

Test(http_client, only_the_head)
{
    struct http_call call = make("HEAD", "/");

    peer.answer = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    run(&call, 1);
    expect_answer(&call, 200, "");
}

Test(http_client, bodies_of_memory_and_of_files)
{
    FILE *file = tmpfile();
    struct http_call calls[] = {make("PUT", "/file"), make("POST", "/memory"), make("POST", "/none")};

    fputs("0123456789", file);
    fflush(file);
    calls[0].from_file = true;
    calls[0].fd = fileno(file);
    calls[0].offset = 2;
    calls[0].length = 5;
    run(&calls[0], 1);
    cr_assert(strstr(peer.request, "PUT /file ") && strstr(peer.request, "Content-Length: 5\r\n"));
    cr_assert(strstr(peer.request, "\r\n\r\n23456"), "%s", peer.request);
    calls[1].body = slice_of("a body");
    run(&calls[1], 1);
    cr_assert(
        strstr(peer.request, "POST /memory ") && strstr(peer.request, "\r\n\r\na body"), "%s", peer.request);
    run(&calls[2], 1);
    cr_assert(strstr(peer.request, "POST /none ") && strstr(peer.request, "Content-Length: 0\r\n"), "%s",
        peer.request);
    for (size_t i = 0; i < 3; i++) {
        expect_answer(&calls[i], 200, "ok");
        bytes_free(&calls[i].answer);
    }
    fclose(file);
}

Test(http_client, a_file_that_is_shorter_than_was_said)
{
    FILE *file = tmpfile();
    struct http_call call = make("PUT", "/?token=SECRET");

    call.from_file = true;
    call.fd = fileno(file);
    call.length = 5;
    run(&call, 1);
    expect_no_answer(&call, "PUT http://127.0.0.1:");
    cr_assert_eq(atomic_load(&peer.requests), 0);
    fclose(file);
}

/* The server has ended the connection that was kept: it says so only when the next body is on its way. */
Test(http_client, a_connection_that_has_ended_is_made_anew)
{
    peer.answers = 1;
    for (int i = 0; i < 5; i++) {
        struct http_call call = make("PUT", "/again");
        call.body = slice_of("all of it");
        run(&call, 1);
        expect_answer(&call, 200, "ok");
        cr_assert(strstr(peer.request, "\r\n\r\nall of it"), "%s", peer.request);
        bytes_free(&call.answer);
    }
    cr_assert_eq(atomic_load(&peer.requests), 5);
}

Test(http_client, an_answer_that_is_too_long)
{
    char text[256];
    struct http_call call = make("GET", "/?token=SECRET");

    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n%065d", 0);
    peer.answer = text;
    run(&call, 1);
    expect_no_answer(&call, "longer");
    cr_assert_eq(call.answer.length, 0);
    bytes_free(&call.answer);
}

Test(http_client, nobody_is_there)
{
    struct http_call call = {.method = "GET", .url = "http://127.0.0.1:1/where?token=SECRET", .fd = -1};

    run(&call, 1);
    expect_no_answer(&call, "GET http://127.0.0.1:1/where: ");
}

Test(http_client, other_schemes_are_refused)
{
    struct http_call call = {.method = "GET", .url = "file:///etc/hostname", .fd = -1};

    bytes_init(&call.answer, 4096);
    run(&call, 1);
    expect_no_answer(&call, "GET file:///etc/hostname: ");
}

/* As many at once as are allowed, and not one more: the peer answers nobody before they are there. */
Test(http_client, many_at_once)
{
    struct http_call calls[PEER_MAX];

    peer.together = true;
    peer.wanted = 4;
    for (size_t i = 0; i < PEER_MAX; i++)
        calls[i] = make("GET", "/");
    calls[7].url = "http://127.0.0.1:1/";
    run(calls, PEER_MAX);
    for (size_t i = 0; i < PEER_MAX; i++) {
        if (i == 7)
            expect_no_answer(&calls[i], "127.0.0.1:1/");
        else
            expect_answer(&calls[i], 200, "ok");
        bytes_free(&calls[i].answer);
    }
    cr_assert_eq(atomic_load(&peer.most), 4);
    cr_assert_eq(atomic_load(&peer.requests), PEER_MAX - 1);
    run(calls, 0);
}

Test(http_client, a_server_that_says_nothing)
{
    struct http_call call = make("GET", "/?token=SECRET");

    peer.answer = NULL;
    options.stall_timeout = CLOCK_SECOND;
    run(&call, 1);
    expect_no_answer(&call, "GET http://127.0.0.1:");
    cr_assert_eq(atomic_load(&peer.requests), 1);
}

static bool asked(void *context)
{
    int *times = context;

    return ++*times > 3;
}

Test(http_client, who_gives_up_waits_no_longer)
{
    struct http_call call = make("GET", "/?token=SECRET");
    int times = 0;

    peer.answer = NULL;
    options.give_up = asked;
    options.context = &times;
    cr_assert_eq(http_client_open(&client, &options, &error), 0);
    cr_assert_eq(http_client_run(client, &call, 1, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert(strstr(error.text, "given up") && !strstr(error.text, "SECRET"), "%s", error.text);
    cr_assert_eq(call.status, 0);
    /* And it goes on to be of use. */
    peer.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    times = -1000000;
    run(&call, 1);
    expect_answer(&call, 200, "ok");
    bytes_free(&call.answer);
}

static bool nobody(const struct sockaddr *address)
{
    cr_assert_eq(address->sa_family, AF_INET);
    cr_assert_eq(((const struct sockaddr_in *)address)->sin_port, htons((uint16_t)peer.port));
    return false;
}

static bool everybody(const struct sockaddr *address)
{
    return address->sa_family == AF_INET;
}

Test(http_client, whom_a_name_stands_for)
{
    struct http_call call = make("GET", "/?token=SECRET");

    call.peer = nobody;
    run(&call, 1);
    cr_assert_eq(call.status, 0);
    cr_assert_eq(call.error.kind, ERROR_REJECT);
    cr_assert(
        strstr(call.error.text, "local one") && !strstr(call.error.text, "SECRET"), "%s", call.error.text);
    cr_assert_eq(atomic_load(&peer.requests), 0);
    call.peer = everybody;
    run(&call, 1);
    expect_answer(&call, 200, "ok");
    bytes_free(&call.answer);
}
