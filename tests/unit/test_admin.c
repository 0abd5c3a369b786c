/* admin: what a probe and Prometheus get, over a real socket. */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <ftw.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "admin/admin.h"
#include "base/file.h"
#include "base/health.h"
#include "base/metric.h"

static char test_directory[] = "/tmp/test_admin.XXXXXX";
static struct journal *test_journal;
static struct admin *test_admin;
static char test_answer[1 << 20];

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static int open_at(struct admin **ret_admin, const char *address, struct error *error)
{
    static char *addresses[1];
    static struct config config = {.admin.anonymous = true};

    addresses[0] = (char *)(uintptr_t)address;
    config.admin.listen = (struct config_list){.items = addresses, .count = 1};
    return admin_open(ret_admin, &(struct admin_context){&config, test_journal, NULL, NULL}, error);
}

static void setup(void)
{
    static const char *const outlets[] = {"lake"};
    struct error error;

    sigset_t hangup;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    cr_assert_eq(pthread_sigmask(SIG_BLOCK, &hangup, NULL),
        0); /* as the gateway's main thread does, before there are others */
    cr_assert(mkdtemp(test_directory));
    const struct journal_options options = {.directory = test_directory,
        .gateway_id = "test",
        .segment_size = 4 << 20,
        .max_size = 64 << 20,
        .outlets = outlets,
        .outlets_count = 1,
        .clock = &clock_system};
    cr_assert_eq(journal_open(&test_journal, &options, NULL, &error), 0, "%s", error.text);
    cr_assert_eq(open_at(&test_admin, "127.0.0.1:0", &error), 0, "%s", error.text);
}

static void teardown(void)
{
    admin_close(&test_admin);
    cr_assert_null(test_admin);
    admin_close(&test_admin);
    journal_close(&test_journal);
    cr_assert_eq(nftw(test_directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

TestSuite(admin, .init = setup, .fini = teardown, .timeout = 900);

static uint16_t port(void)
{
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 128);
    cr_assert_eq(admin_describe(test_admin, &text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    cr_assert_eq(strncmp(text.data, "Admin  http://127.0.0.1:", 24), 0, "%s", text.data);
    return (uint16_t)strtoul(text.data + 24, NULL, 10);
}

/* Sends the request and returns the whole answer, head and body. */
static const char *ask(const char *request)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port())};
    cleanup_fd int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t length = 0;
    ssize_t got;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    while ((got = recv(fd, test_answer + length, sizeof test_answer - 1 - length, 0)) > 0)
        length += (size_t)got;
    test_answer[length] = '\0';
    return test_answer;
}

static const char *get(const char *path)
{
    char request[256];

    snprintf(
        request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    return ask(request);
}

static void check_status(const char *answer, const char *status, const char *type)
{
    cr_assert_eq(strncmp(answer, status, strlen(status)), 0, "%s", answer);
    cr_assert(strstr(answer, type), "%s", answer);
}

static json_t *body_json(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");

    cr_assert(body);
    json_t *json = json_loads(body + 4, 0, NULL);
    cr_assert(json, "%s", answer);
    return json;
}

Test(admin, the_process_lives)
{
    check_status(get("/healthz"), "HTTP/1.1 200 ", "text/plain");
    cr_assert(strstr(test_answer, "\r\n\r\nok\n"));
}

Test(admin, ready_while_records_are_accepted)
{
    check_status(get("/readyz"), "HTTP/1.1 200 ", "application/json");
    cr_assert(strstr(test_answer, "\r\n\r\n{\"ready\":true,\"conditions\":[]}\n"), "%s", test_answer);
}

Test(admin, degraded_is_ready_and_says_why)
{
    health_set("lake", HEALTH_DEGRADED, "disk \"x\" \xff is gone");
    check_status(get("/readyz"), "HTTP/1.1 200 ", "application/json");
    json_t *json = body_json(test_answer);
    json_t *condition = json_array_get(json_object_get(json, "conditions"), 0);
    cr_assert(json_is_true(json_object_get(json, "ready")));
    cr_assert_str_eq(json_string_value(json_object_get(condition, "name")), "lake");
    cr_assert_str_eq(json_string_value(json_object_get(condition, "level")), "degraded");
    cr_assert_str_eq(json_string_value(json_object_get(condition, "text")), "disk \"x\" ? is gone");
    json_decref(json);
}

Test(admin, refusing_is_not_ready)
{
    health_set("gateway", HEALTH_REFUSING, "it stops");
    check_status(get("/readyz"), "HTTP/1.1 503 ", "application/json");
    json_t *json = body_json(test_answer);
    cr_assert(json_is_false(json_object_get(json, "ready")));
    cr_assert_eq(json_array_size(json_object_get(json, "conditions")), 1);
    json_decref(json);
    health_set("gateway", HEALTH_OK, NULL);
    check_status(get("/readyz"), "HTTP/1.1 200 ", "application/json");
}

Test(admin, metrics_show_the_journal_of_now)
{
    struct journal_status status;
    char line[128];

    metric_set(metric_series(METRIC_JOURNAL_BYTES, NULL, NULL, NULL), 1);
    check_status(get("/metrics"), "HTTP/1.1 200 ", "text/plain; version=0.0.4");
    cr_assert_null(strstr(test_answer, "\npenstock_journal_bytes 1\n"));
    cr_assert(strstr(test_answer, "\nprocess_resident_memory_bytes "));
    journal_status(test_journal, &status);
    snprintf(line, sizeof line, "\npenstock_journal_sequence %llu\n", (unsigned long long)status.durable);
    cr_assert(strstr(test_answer, line), "%s", test_answer);
}

Test(admin, what_is_not_there_is_a_problem)
{
    check_status(get("/nothing"), "HTTP/1.1 404 ", "application/problem+json");
    json_t *json = body_json(test_answer);
    cr_assert_eq(json_integer_value(json_object_get(json, "status")), 404);
    cr_assert_str_eq(
        json_string_value(json_object_get(json, "detail")), "there are /healthz, /readyz, /metrics, /reload");
    json_decref(json);
}

Test(admin, only_reading_is_allowed)
{
    check_status(ask("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"),
        "HTTP/1.1 405 ", "application/problem+json");
    cr_assert(strstr(test_answer, "\r\nAllow: GET, HEAD\r\n"));
}

Test(admin, reload_is_a_signal)
{
    const struct timespec at_once = {0, 0};
    sigset_t hangup;

    /* As the main thread has it; threads that are made later inherit it, so the admin's own has to be as well: see setup(). */
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    check_status(get("/reload"), "HTTP/1.1 405 ", "\r\nAllow: POST\r\n");
    check_status(
        ask("POST /reload HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n"),
        "HTTP/1.1 403 ", "application/problem+json");
    cr_assert_eq(sigtimedwait(&hangup, NULL, &at_once), -1);
    check_status(ask("POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"),
        "HTTP/1.1 202 ", "application/json");
    cr_assert_eq(sigtimedwait(&hangup, NULL, &at_once), SIGHUP);
}

Test(admin, a_page_by_another_name)
{
    static const struct {
        const char *host, *status;
    } rows[] = {
        {"localhost", "200"},
        {"LocalHost:8081", "200"},
        {"127.0.0.1", "200"},
        {"127.0.0.1:1", "200"},
        {"10.1.2.3:8081", "200"},
        {"[::1]", "200"},
        {"[::1]:8081", "200"},
        {"evil.example", "421"},
        {"evil.example:8081", "421"},
        {"localhost.evil.example", "421"},
        {"127.0.0.1.evil.example", "421"},
        {"localhost:8081.evil.example", "421"},
        {"[::1].evil.example", "421"},
        {"[evil.example]", "421"},
        {"[::1", "421"},
        {"::1", "421"},
        {"", "421"},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "421"},
    };
    static const char *const paths[] = {"/healthz", "/readyz", "/metrics"};
    char request[256];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t path = 0; path < 3; path++) {
            snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                paths[path], rows[i].host);
            cr_assert_eq(
                strncmp(ask(request) + 9, rows[i].status, 3), 0, "%s: %s", rows[i].host, test_answer);
        }
    }
    check_status(ask("GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "HTTP/1.1 421 ",
        "application/problem+json");
    check_status(ask("POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1 421 ",
        "asks by address or as localhost");
    check_status(ask("GET /healthz HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 ", "ok");
}

Test(admin, head_is_get_without_a_body)
{
    check_status(ask("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        "HTTP/1.1 200 ", "Content-Length: 3\r\n");
    cr_assert(strstr(test_answer, "\r\n\r\n"));
    cr_assert_eq(strlen(strstr(test_answer, "\r\n\r\n")), 4);
}

Test(admin, a_connection_serves_many_requests)
{
    ask("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    cr_assert(strstr(test_answer, "\r\n\r\nok\nHTTP/1.1 200 OK\r\n"), "%s", test_answer);
    cr_assert(strstr(test_answer, "{\"ready\":true"));
}

Test(admin, a_taken_port_is_one_clear_error)
{
    struct error error;
    struct admin *second = NULL;
    char address[32];

    snprintf(address, sizeof address, "127.0.0.1:%u", port());
    cr_assert_eq(open_at(&second, address, &error), -1);
    cr_assert(strstr(error.text, "admin.listen: cannot listen on 127.0.0.1:"), "%s", error.text);
    cr_assert_null(second);
}

Test(admin, beyond_loopback_somebody_has_to_be_asked)
{
    struct error error;
    struct admin *second = NULL;

    cr_assert_eq(open_at(&second, "0.0.0.0:0", &error), -1);
    cr_assert(
        strstr(error.text, "admin.listen: 0.0.0.0:0 can be reached from other machines"), "%s", error.text);
    cr_assert_null(second);
}
