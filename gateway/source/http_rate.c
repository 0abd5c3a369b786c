/* http_rate: how fast somebody sends: by its principal, by its address, by the keys of its records; see http_internal.h, access/rate.h
 *
 * Principals and addresses are charged for what was taken apart, good and bad, each key for what is stored of it. Nobody pays for what the gateway refuses for its own sake (503); for
 * what was stored before no address and no key does, but a principal.
 */
#include <strings.h>

#include "source/http_internal.h"

struct rate_walk {
    http_forwarded_fn *take;
    void *context;
};

static enum MHD_Result rate_walk_field(void *cls, enum MHD_ValueKind kind, const char *name,
    size_t name_length, const char *value, size_t value_length)
{
    static const struct slice forwarded = {"X-Forwarded-For", sizeof "X-Forwarded-For" - 1};
    const struct rate_walk *walk = cls;

    (void)kind;
    if (name_length == forwarded.length && strncasecmp(name, forwarded.data, name_length) == 0)
        walk->take(walk->context, (struct slice){value, value_length});
    return MHD_YES;
}

void http_rate_forwarded(struct MHD_Connection *mhd, http_forwarded_fn *take, void *context)
{
    struct rate_walk walk = {take, context};

    MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, rate_walk_field, &walk);
}

struct rate_address {
    const struct rates *rates;
    uint64_t who;
};

static void rate_take_address(void *context, struct slice field)
{
    struct rate_address *address = context;

    rate_forwarded(address->rates, field, &address->who);
}

void http_rate_find_address(struct http_request *request, struct MHD_Connection *mhd)
{
    const struct rates *rates = access_rates(request->thread->source->context.access);
    struct http_connection *connection = request->connection;

    if (!rate_of_address(rates))
        return;
    if (!connection->address_known)
        connection->address = rate_peer(rates, connection->fd);
    connection->address_known = true;
    request->address = connection->address;
    if (request->address)
        return;
    struct rate_address address = {rates, 0};
    http_rate_forwarded(mhd, rate_take_address, &address);
    request->address = address.who;
}

int64_t http_retry_after(int64_t wait)
{
    return wait == INT64_MAX ? 0 : (wait + CLOCK_SECOND - 1) / CLOCK_SECOND;
}

int http_rate_check(struct http_request *request)
{
    const struct http_thread *thread = request->thread;
    const int64_t wait = grant_wait(&request->grant, thread->now);
    const int64_t address =
        rate_wait(access_rates(thread->source->context.access), request->address, thread->now);

    if (wait == 0 && address == 0)
        return 0;
    request->refusal.retry_after = http_retry_after(wait > address ? wait : address);
    if (wait)
        return http_refuse(&request->refusal, HTTP_STATUS_429, "%s has written as much as its rate allows",
            grant_name(&request->grant));
    return http_refuse(
        &request->refusal, HTTP_STATUS_429, "this address has written as much as access.address_rate allows");
}

void http_rate_charge(struct http_request *request, uint64_t records)
{
    struct rates *rates = access_rates(request->thread->source->context.access);

    request->grant_paid = grant_charge(&request->grant, records, request->thread->now);
    rate_charge(rates, request->address, rate_of_address(rates), records, request->thread->now);
    request->charged_records = records;
}

static void rate_give_back(struct http_request *request, uint64_t records, enum intake_refund what)
{
    const struct source *http = request->thread->source;
    struct rates *rates = access_rates(http->context.access);

    rate_refund(rates, request->address, rate_of_address(rates), records);
    if (request->stream->key_rate)
        intake_refund(
            http->context.routes->kept, http->context.routes->places, &request->handover, NULL, rates, what);
}

void http_rate_refund(struct http_request *request)
{
    grant_refund(&request->grant, request->charged_records, request->grant_paid, request->thread->now);
    rate_give_back(request, request->charged_records, INTAKE_REFUND_ALL);
}

void http_rate_settle(struct http_request *request)
{
    const uint64_t repeated = request->handover.duplicates + request->handover.old;

    if (request->result == HANDOVER_REFUSED)
        http_rate_refund(request);
    else if (request->result == HANDOVER_DURABLE && repeated)
        rate_give_back(request, repeated, INTAKE_REFUND_DUPLICATES);
}
