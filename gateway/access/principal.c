/* principal: see principal.h */
#include "access/principal.h"

#include "access/meter.h"

bool principal_is_name(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        const char c = name.data[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr("._-@+", c)))
            return false;
    }
    return name.length > 0 && name.length <= PRINCIPAL_NAME_MAX;
}

static const char *const principal_roles[] = {
    [ACCESS_NO_ROLE] = "", [ACCESS_READ] = "read", [ACCESS_RELOAD] = "reload"};

const char *principal_role_word(enum access_role role)
{
    return principal_roles[role];
}

int principal_role_parse(struct slice word, enum access_role *ret_role)
{
    for (enum access_role role = ACCESS_READ; role <= ACCESS_RELOAD; role++) {
        if (slice_is(word, principal_roles[role])) {
            *ret_role = role;
            return 0;
        }
    }
    return -1;
}

bool principal_matches(const char *pattern, struct slice text)
{
    const char *star = NULL; /* the last one met */
    size_t at = 0, after = 0; /* after: where its turn ends, and what is behind it has to match */

    while (at < text.length) {
        if (*pattern == '*') {
            star = pattern++;
            after = at;
        } else if (*pattern && *pattern == text.data[at]) {
            pattern++;
            at++;
        } else if (star) {
            pattern = star + 1;
            at = ++after;
        } else
            return false;
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool principal_may_stream(const struct principal *principal, const char *stream)
{
    for (size_t i = 0; i < principal->streams_count; i++) {
        if (principal_matches(principal->streams[i], slice_of(stream)))
            return true;
    }
    return false;
}

bool principal_may_key(const struct principal *principal, struct slice key)
{
    for (size_t i = 0; i < principal->keys_count; i++) {
        const char *pattern = principal->keys[i];
        if (strcmp(pattern, PRINCIPAL_OWN_KEY) == 0 ? slice_is(key, principal->name)
                                                    : principal_matches(pattern, key))
            return true;
    }
    return principal->keys_count == 0;
}

int64_t principal_wait(const struct principal *principal, int64_t now)
{
    return principal->rate ? meter_wait(atomic_load_explicit(&principal->due, memory_order_relaxed), now) : 0;
}

int64_t principal_charge(struct principal *principal, uint64_t records, int64_t now)
{
    int64_t due = atomic_load_explicit(&principal->due, memory_order_relaxed);
    int64_t next;

    if (!principal->rate)
        return 0;
    const int64_t cost = meter_cost(records, principal->rate);
    do
        next = meter_add(due, now, cost);
    while (!atomic_compare_exchange_weak_explicit(
        &principal->due, &due, next, memory_order_relaxed, memory_order_relaxed));
    return next;
}

void principal_refund(struct principal *principal, uint64_t records, int64_t paid, int64_t now)
{
    if (principal->rate)
        atomic_fetch_sub_explicit(&principal->due,
            meter_unpaid(paid, meter_cost(records, principal->rate), now), memory_order_relaxed);
}
