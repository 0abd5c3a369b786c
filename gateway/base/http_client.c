/* http_client: see http_client.h */
#include "base/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define CLIENT_LOOK 100 /* milliseconds between two looks at give_up() */
#define CLIENT_RETRY_AFTER_MOST (CLOCK_SECOND * 3600)

struct http_client {
    struct http_client_options options;
    CURLM *multi;
};

/* A call under way. */
struct flight {
    struct http_call *call;
    CURL *easy;
    struct curl_slist *fields;
    uint64_t sent; /* of the body */
    bool too_long;
    bool forbidden;
    char reason[CURL_ERROR_SIZE];
};

static pthread_once_t client_once = PTHREAD_ONCE_INIT;
static bool client_usable;

static void client_begin(void)
{
    client_usable = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

int http_client_open(
    struct http_client **ret_client, const struct http_client_options *options, struct error *error)
{
    pthread_once(&client_once, client_begin);
    __attribute__((cleanup(http_client_close))) struct http_client *client = calloc(1, sizeof *client);

    if (!client || !client_usable || !(client->multi = curl_multi_init()))
        return error_set(error, ERROR_FATAL,
            "libcurl cannot be used: it does not start"); /* GCOVR_EXCL_LINE out of memory */
    client->options = *options;
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)(2 * options->connections));
    *ret_client = client;
    client = NULL;
    return 0;
}

void http_client_close(struct http_client **client)
{
    if (!*client)
        return;
    curl_multi_cleanup((*client)->multi);
    free(*client);
    *client = NULL;
}

/* ---- what goes out, what comes back ------------------------------------------------------------------------ */

static uint64_t flight_length(const struct flight *flight)
{
    return flight->call->from_file ? flight->call->length : flight->call->body.length;
}

static size_t flight_read(char *to, size_t size, size_t count, void *context)
{
    struct flight *flight = context;
    const struct http_call *call = flight->call;
    const uint64_t left = flight_length(flight) - flight->sent;
    size_t length = size * count < left ? size * count : (size_t)left;

    if (call->from_file) {
        const ssize_t got = length ? pread(call->fd, to, length, (off_t)(call->offset + flight->sent)) : 0;
        if (got < 0 || (size_t)got > length || (length && got == 0))
            return CURL_READFUNC_ABORT; /* fewer bytes than it was said to have */
        length = (size_t)got;
    } else if (length) {
        memcpy(to, call->body.data + flight->sent, length);
    }
    flight->sent += length;
    return length;
}

/* A connection that was kept and has gone: the body is sent once more, from its start. */
static int flight_seek(void *context, curl_off_t offset, int origin)
{
    struct flight *flight = context;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > flight_length(flight))
        return CURL_SEEKFUNC_FAIL;
    flight->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t flight_write(char *data, size_t size, size_t count, void *context)
{
    struct flight *flight = context;
    struct error error;

    if (bytes_add(&flight->call->answer, data, size * count, &error) == 0)
        return size * count;
    flight->too_long = true;
    return 0;
}

static void flight_take(struct http_call *call, struct slice name, struct slice value)
{
    for (size_t i = 0; i < call->wanted_count; i++) {
        struct http_wanted *wanted = &call->wanted[i];
        if (strlen(wanted->name) == name.length && strncasecmp(wanted->name, name.data, name.length) == 0)
            snprintf(wanted->value, wanted->size, "%.*s", value.length < wanted->size ? (int)value.length : 0,
                value.data);
    }
    if (name.length == 11 && strncasecmp(name.data, "retry-after", 11) == 0) {
        int64_t seconds = 0;
        for (size_t i = 0; i < value.length && value.data[i] >= '0' && value.data[i] <= '9' && seconds < 3600;
             i++)
            seconds = seconds * 10 + (value.data[i] - '0');
        seconds *= CLOCK_SECOND;
        call->retry_after = seconds < CLIENT_RETRY_AFTER_MOST ? seconds : CLIENT_RETRY_AFTER_MOST;
    }
}

static void flight_forget(struct http_call *call)
{
    call->retry_after = 0;
    bytes_clear(&call->answer);
    for (size_t i = 0; i < call->wanted_count; i++)
        call->wanted[i].value[0] = '\0';
}

/* A status line comes before the headers of each answer, of `100 Continue` too: what counts is the last one. */
static size_t flight_header(char *data, size_t size, size_t count, void *context)
{
    struct flight *flight = context;
    const size_t length = size * count;
    const char *colon = memchr(data, ':', length);

    if (length >= 5 && memcmp(data, "HTTP/", 5) == 0)
        flight_forget(flight->call);
    else if (colon)
        flight_take(flight->call, (struct slice){data, (size_t)(colon - data)},
            slice_trim((struct slice){colon + 1, length - (size_t)(colon + 1 - data)}, " \t\r\n"));
    return length;
}

/* Each address that the name has is tried in turn. */
static curl_socket_t flight_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct flight *flight = context;

    (void)purpose;
    flight->forbidden = flight->call->peer && !flight->call->peer(&address->addr);
    return flight->forbidden ? CURL_SOCKET_BAD
                             : socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- one call ---------------------------------------------------------------------------------------------- */

static void flight_fail(const struct flight *flight, const char *reason)
{
    const struct http_call *call = flight->call;

    error_set(&flight->call->error, ERROR_RETRY, "%s %.*s: %s", call->method, (int)strcspn(call->url, "?"),
        call->url, reason);
}

static void flight_end(struct http_client *client, struct flight *flight)
{
    if (flight->easy) {
        curl_multi_remove_handle(client->multi, flight->easy);
        curl_easy_cleanup(flight->easy);
    }
    curl_slist_free_all(flight->fields);
    *flight = (struct flight){0};
}

/* libcurl's own words for it differ with who does its TLS, and say seldom what to do. */
static void flight_distrust(const struct flight *flight, const struct http_client_options *options)
{
    char reason[CURL_ERROR_SIZE];

    snprintf(reason, sizeof reason, "its certificate is not trusted: check %s, its host and its date",
        options->ca_option);
    flight_fail(flight, reason);
}

static void flight_done(struct flight *flight, const struct http_client_options *options, CURLcode result)
{
    struct http_call *call = flight->call;

    if (result == CURLE_OK) {
        curl_easy_getinfo(flight->easy, CURLINFO_RESPONSE_CODE, &call->status);
        return;
    }
    flight_forget(call);
    if (flight->too_long)
        flight_fail(flight, "its answer is longer than any that is expected");
    else if (flight->forbidden) {
        flight_fail(flight, "its host's address is a local one, where nothing may be sent to");
        call->error.kind = ERROR_REJECT;
    } else if (result == CURLE_PEER_FAILED_VERIFICATION)
        flight_distrust(flight, options);
    else
        flight_fail(flight, flight->reason[0] ? flight->reason : curl_easy_strerror(result));
}

static bool flight_fields(struct flight *flight)
{
    for (size_t i = 0; i < flight->call->fields_count; i++) {
        struct curl_slist *longer = curl_slist_append(flight->fields, flight->call->fields[i]);
        if (!longer)
            return false; /* GCOVR_EXCL_LINE out of memory */
        flight->fields = longer;
    }
    return true;
}

/* What is sent, and how its body is read. */
static void flight_ask(struct flight *flight)
{
    const char *method = flight->call->method;
    CURL *easy = flight->easy;

    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)flight_length(flight));
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, flight_read);
        curl_easy_setopt(easy, CURLOPT_READDATA, flight);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, flight_seek);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, flight);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    } else {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
}

static void flight_options(struct flight *flight, const struct http_client_options *options)
{
    CURL *easy = flight->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, flight);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, flight->reason);
    curl_easy_setopt(easy, CURLOPT_URL, flight->call->url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "penstock");
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (options->ca[0])
        curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(options->connect_timeout / 1000));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(options->stall_timeout / CLOCK_SECOND));
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, flight_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, flight);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, flight->fields);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, flight_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, flight);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, flight_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, flight);
}

static int flight_start(
    struct http_client *client, struct flight *flight, struct http_call *call, struct error *error)
{
    *flight = (struct flight){.call = call};
    flight->easy = curl_easy_init();
    if (!flight->easy || !flight_fields(flight))
        return error_set(error, ERROR_RETRY, "libcurl: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    flight_options(flight, &client->options);
    flight_ask(flight);
    const CURLMcode code = curl_multi_add_handle(client->multi, flight->easy);
    return code == CURLM_OK ? 0 : error_set(error, ERROR_RETRY, "libcurl: %s", curl_multi_strerror(code));
}

/* ---- all of them ------------------------------------------------------------------------------------------- */

static void client_collect(struct http_client *client, size_t *under_way)
{
    int left;

    for (const CURLMsg *message; (message = curl_multi_info_read(client->multi, &left));) {
        struct flight *flight;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&flight);
        flight_done(flight, &client->options, message->data.result);
        flight_end(client, flight);
        (*under_way)--;
    }
}

static int client_turn(struct http_client *client, size_t *under_way, struct error *error)
{
    int running;
    CURLMcode code = curl_multi_perform(client->multi, &running);

    client_collect(client, under_way);
    if (code == CURLM_OK && running > 0)
        code = curl_multi_poll(client->multi, NULL, 0, CLIENT_LOOK, NULL);
    return code == CURLM_OK ? 0 : error_set(error, ERROR_RETRY, "libcurl: %s", curl_multi_strerror(code));
}

static struct flight *client_place(struct flight *flights, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!flights[i].call)
            return &flights[i];
    return NULL;
}

static bool client_gives_up(const struct http_client *client)
{
    return client->options.give_up && client->options.give_up(client->options.context);
}

static int client_fly(struct http_client *client, struct flight *flights, size_t places,
    struct http_call *calls, size_t count, struct error *error)
{
    size_t started = 0;
    size_t under_way = 0;

    while (started < count || under_way > 0) {
        if (client_gives_up(client))
            return error_set(error, ERROR_RETRY, "%s %.*s: given up, for the gateway ends", calls[0].method,
                (int)strcspn(calls[0].url, "?"), calls[0].url);
        for (struct flight *free; started < count && (free = client_place(flights, places));) {
            if (flight_start(client, free, &calls[started], error))
                return -1;
            started++;
            under_way++;
        }
        if (client_turn(client, &under_way, error))
            return -1;
    }
    return 0;
}

int http_client_run(struct http_client *client, struct http_call *calls, size_t count, struct error *error)
{
    const size_t places = count < client->options.connections ? count : client->options.connections;
    struct flight *flights = calloc(places ? places : 1, sizeof *flights);

    if (!flights)
        return error_set(
            error, ERROR_RETRY, "http client: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    for (size_t i = 0; i < count; i++) {
        calls[i].status = 0;
        calls[i].error = (struct error){0};
        flight_forget(&calls[i]);
    }
    const int result = client_fly(client, flights, places, calls, count, error);
    for (size_t i = 0; i < places; i++)
        flight_end(client, &flights[i]);
    free(flights);
    return result;
}
