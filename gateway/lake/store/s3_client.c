/* s3_client: see s3_client.h */
#include "lake/store/s3_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "lake/store/patience.h"

#define CLIENT_CONNECT (10 * CLOCK_SECOND)
#define CLIENT_STALL (60 * CLOCK_SECOND)
#define CLIENT_TEXT_MOST ((size_t)32 << 10) /* of a URL with its headers, a session's token among them */
#define CLIENT_ANSWER_MOST ((size_t)64 << 10)
#define CLIENT_FIELDS 12

/* One call as it goes out. */
struct ticket {
    struct s3_call *call;
    struct bytes text; /* all strings, each with its end */
    char *fields[CLIENT_FIELDS];
    char date[64];
    struct http_wanted wanted[4];
};

int s3_client_open(struct s3_client *client, const struct lake_options *options, struct error *error)
{
    const struct config_lake *config = options->config;
    const void *option;

    *client = (struct s3_client){.config = config, .options = options};
    if (s3_address_parse(config, &client->address, &option, error) ||
        s3_credentials_load(config->s3.credentials, config->s3.profile, &client->credentials, error))
        return -1;
    const struct http_client_options http = {.ca = config->ca,
        .ca_option = "lake.ca",
        .connections = (unsigned)config->connections,
        .connect_timeout = CLIENT_CONNECT,
        .stall_timeout = CLIENT_STALL,
        .give_up = options->give_up,
        .context = options->context};
    return http_client_open(&client->http, &http, error);
}

void s3_client_close(struct s3_client *client)
{
    http_client_close(&client->http);
    s3_credentials_forget(&client->credentials);
}

/* ---- one request ------------------------------------------------------------------------------------------- */

static size_t client_headers(const struct s3_client *client, const struct s3_call *call, const char *payload,
    const char *time, const char *range, struct s3_header headers[static S3_HEADERS_MOST])
{
    const struct config_lake *config = client->config;
    size_t count = 0;

    if (call->md5[0])
        headers[count++] = (struct s3_header){"content-md5", call->md5};
    headers[count++] = (struct s3_header){"host", client->address.host};
    if (call->if_none)
        headers[count++] = (struct s3_header){"if-none-match", "*"};
    if (range[0])
        headers[count++] = (struct s3_header){"range", range};
    headers[count++] = (struct s3_header){"x-amz-content-sha256", payload};
    headers[count++] = (struct s3_header){"x-amz-date", time};
    if (client->credentials.token[0])
        headers[count++] = (struct s3_header){"x-amz-security-token", client->credentials.token};
    if (call->encrypted && strcmp(config->s3.encryption, "none") != 0)
        headers[count++] = (struct s3_header){"x-amz-server-side-encryption", config->s3.encryption};
    if (call->encrypted && config->s3.kms_key[0])
        headers[count++] =
            (struct s3_header){"x-amz-server-side-encryption-aws-kms-key-id", config->s3.kms_key};
    return count;
}

/* Offsets into the text first: it may move while it grows. */
static int ticket_write(struct ticket *ticket, const struct s3_client *client,
    const struct s3_header *headers, size_t count, const char *authorization,
    size_t starts[static CLIENT_FIELDS], struct error *error)
{
    struct bytes *text = &ticket->text;

    for (size_t i = 0; i < count; i++) {
        starts[i] = text->length;
        if (bytes_print(text, error, "%s: %s", headers[i].name, headers[i].value) ||
            bytes_add(text, "", 1, error))
            return -1;
    }
    starts[count] = text->length;
    return bytes_print(text, error, "authorization: %s", authorization) || bytes_add(text, "", 1, error) ||
                   bytes_print(
                       text, error, "%s://%s", client->address.tls ? "https" : "http", client->address.host)
               ? -1
               : 0;
}

static int client_sign(struct s3_client *client, struct ticket *ticket, const char *path, struct error *error)
{
    const struct s3_call *call = ticket->call;
    struct s3_header headers[S3_HEADERS_MOST];
    size_t starts[CLIENT_FIELDS];
    char time[S3_TIME];
    char hash[S3_HEX];
    char range[64] = "";
    cleanup_bytes struct bytes authorization;

    bytes_init(&authorization, 4096);
    if (!call->from_file)
        s3_sha256(call->body, hash);
    const char *payload = !call->from_file ? hash : client->address.tls ? S3_UNSIGNED : call->sha256;
    s3_time(clock_wall(client->options->clock), time);
    if (call->most)
        snprintf(range, sizeof range, "bytes=%llu-%llu", (unsigned long long)call->from,
            (unsigned long long)(call->from + call->most - 1));
    const struct s3_request request = {.method = call->method,
        .path = path,
        .query = call->query,
        .headers = headers,
        .headers_count = client_headers(client, call, payload, time, range, headers),
        .payload = payload,
        .region = client->config->s3.region,
        .service = "s3",
        .time = time};
    if (s3_authorize(&request, &client->credentials, &authorization, error) ||
        bytes_add(&authorization, "", 1, error) ||
        ticket_write(ticket, client, headers, request.headers_count, authorization.data, starts, error))
        return -1;
    const size_t url =
        starts[request.headers_count] + strlen(ticket->text.data + starts[request.headers_count]) + 1;
    if (bytes_print(&ticket->text, error, "%s%s%s", path, call->query[0] ? "?" : "", call->query) ||
        bytes_add(&ticket->text, "", 1, error))
        return -1;
    for (size_t i = 0; i <= request.headers_count; i++)
        ticket->fields[i] = ticket->text.data + starts[i];
    ticket->fields[request.headers_count + 1] = ticket->text.data + url;
    return (int)request.headers_count + 1;
}

/* The call in libcurl's terms; its strings are the ticket's. */
static int client_prepare(
    struct s3_client *client, struct ticket *ticket, struct http_call *http, struct error *error)
{
    struct s3_call *call = ticket->call;
    cleanup_bytes struct bytes path;

    bytes_init(&path, CLIENT_TEXT_MOST);
    if (bytes_print(&path, error, "/%s%s%s", client->address.path_style ? client->address.bucket : "",
            client->address.path_style && call->key[0] ? "/" : "", call->key) ||
        bytes_add(&path, "", 1, error))
        return -1;
    const int fields = client_sign(client, ticket, path.data, error);
    if (fields < 0)
        return -1;
    const struct http_wanted wanted[] = {{"etag", call->etag, sizeof call->etag},
        {"x-amz-server-side-encryption", call->encryption, sizeof call->encryption},
        {"x-amz-bucket-region", call->failure.region, sizeof call->failure.region},
        {"date", ticket->date, sizeof ticket->date}};
    memcpy(ticket->wanted, wanted, sizeof wanted);
    *http = (struct http_call){.method = call->method,
        .url = ticket->fields[fields],
        .fields = (const char *const *)ticket->fields,
        .fields_count = (size_t)fields,
        .body = call->body,
        .from_file = call->from_file,
        .fd = call->fd,
        .offset = call->offset,
        .length = call->length,
        .wanted = ticket->wanted,
        .wanted_count = sizeof wanted / sizeof *wanted};
    bytes_init(&http->answer, call->answer_most ? call->answer_most : CLIENT_ANSWER_MOST);
    return 0;
}

/* ---- what came of it --------------------------------------------------------------------------------------- */

/* Takes the answer over. True: it counts; false: to be tried again. */
static bool client_take(struct s3_client *client, struct ticket *ticket, struct http_call *http)
{
    struct s3_call *call = ticket->call;

    bytes_free(&call->answer);
    call->answer = http->answer;
    bytes_init(&http->answer, 0);
    call->failure.status = http->status;
    call->failed = http->status < 200 || http->status > 299;
    if (http->status == 0)
        snprintf(call->failure.message, sizeof call->failure.message, "%.*s",
            (int)sizeof call->failure.message - 1, http->error.text);
    else if (call->failed || strcmp(call->method, "POST") == 0)
        call->failed |= s3_failure_read(bytes_slice(&call->answer), &call->failure);
    call->skew = s3_skew(ticket->date, clock_wall(client->options->clock));
    return !call->failed || !s3_failure_passes(&call->failure, call->once, call->skew);
}

int s3_client_tell(const struct s3_client *client, const struct s3_call *call, struct error *error)
{
    const struct s3_address *address = &client->address;

    if (call->failure.status == 0)
        error_set(error, ERROR_RETRY, "%s", call->failure.message);
    else
        s3_failure_tell(&call->failure, address->bucket, call->skew, error);
    return error_wrap(error, "lake s3://%s: %s %.200s at %s", address->bucket, call->method,
        call->key[0] ? call->key : "bucket", address->host);
}

/* ---- all of them ------------------------------------------------------------------------------------------- */

static void tickets_free(struct ticket *tickets, struct http_call *https, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (tickets[i].text.data)
            explicit_bzero(tickets[i].text.data, tickets[i].text.capacity); /* a session's token */
        bytes_free(&tickets[i].text);
        bytes_free(&https[i].answer);
    }
    free(tickets);
    free(https);
}

/* Those that are not done, once each. */
static int client_try(struct s3_client *client, struct s3_call *calls, size_t count, int64_t *ret_retry_after,
    const struct s3_call **ret_again, struct error *error)
{
    struct ticket *tickets = calloc(count, sizeof *tickets);
    struct http_call *https = calloc(count, sizeof *https);
    size_t ready = 0;
    int result = tickets && https ? 0 : error_set(error, ERROR_RETRY, "lake: out of memory");

    for (size_t i = 0; i < count && !result; i++) {
        if (calls[i].done)
            continue;
        tickets[ready].call = &calls[i];
        calls[i].failure = (struct s3_failure){0};
        bytes_init(&tickets[ready].text, CLIENT_TEXT_MOST);
        result = client_prepare(client, &tickets[ready], &https[ready], error);
        ready++;
    }
    if (!result)
        result = http_client_run(client->http, https, ready, error);
    *ret_again = NULL;
    *ret_retry_after = 0;
    for (size_t i = 0; i < ready && !result; i++) {
        tickets[i].call->done = client_take(client, &tickets[i], &https[i]);
        if (tickets[i].call->done)
            continue;
        *ret_again = tickets[i].call;
        if (https[i].retry_after > *ret_retry_after)
            *ret_retry_after = https[i].retry_after;
    }
    if (tickets && https)
        tickets_free(tickets, https, ready);
    else {
        free(tickets);
        free(https);
    }
    return result;
}

int s3_client_run(struct s3_client *client, struct s3_call *calls, size_t count, struct error *error)
{
    struct patience patience = patience_new(client->options);
    const struct s3_call *again;

    for (size_t i = 0; i < count; i++)
        calls[i].done = false;
    for (;;) {
        int64_t retry_after;
        if (client_try(client, calls, count, &retry_after, &again, error))
            return error_wrap(error, "lake s3://%s", client->address.bucket);
        if (!again)
            return 0;
        s3_client_tell(client, again, error);
        if (!patience_wait(&patience, retry_after, error))
            return -1;
    }
}

int s3_client_ask(struct s3_client *client, struct s3_call *calls, size_t count, struct error *error)
{
    if (s3_client_run(client, calls, count, error))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (calls[i].failed)
            return s3_client_tell(client, &calls[i], error);
    return 0;
}

void s3_calls_free(struct s3_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes_free(&calls[i].answer);
}
