/* rate: see rate.h */
#include "access/rate.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "access/meter.h"
#include "base/metric.h"
#include "base/peers.h"
#include "base/siphash.h"

#define RATE_LOCKS 256
#define RATE_ADDRESSES UINT64_C(0) /* their scope */

struct rate_place {
    uint64_t who;
    int64_t due; /* meter.h; what has passed: the place is free */
};

struct rate_set {
    struct rate_place places[RATE_WAYS];
};

struct rates {
    struct rate_set *sets;
    pthread_mutex_t locks[RATE_LOCKS]; /* each guards the sets of its number modulo RATE_LOCKS */
    struct siphash_key key;
    struct peers *peers; /* who is trusted */
    uint64_t address_rate; /* records per second; 0: as many as come */
    struct metric_series *forgotten;
};

/* ---- opening and closing ---------------------------------------------------------------------------------------- */

int rates_new(struct rates **ret_rates, const struct config *config, struct error *error)
{
    struct rates *rates = calloc(1, sizeof *rates);

    if (!rates)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE only malloc can fail */
    for (size_t i = 0; i < RATE_LOCKS; i++)
        pthread_mutex_init(&rates->locks[i], NULL);
    rates->address_rate = config->access.address_rate;
    rates->forgotten = metric_series(METRIC_RATE_FORGOTTEN, NULL, NULL, NULL);
    /* Of its own pages: they take no memory until somebody is ahead. */
    rates->sets = mmap(
        NULL, RATE_SETS * sizeof *rates->sets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    /* Whose place is looked up next nobody knows: with large pages, where there are some, that is one miss less. */
    if (rates->sets != MAP_FAILED)
        madvise(rates->sets, RATE_SETS * sizeof *rates->sets, MADV_HUGEPAGE);
    if (rates->sets == MAP_FAILED || getrandom(&rates->key, sizeof rates->key, 0) != sizeof rates->key) {
        /* GCOVR_EXCL_START the kernel has some megabytes, and always random bytes */
        rates_free(&rates);
        return error_set_errno(error, ERROR_FATAL, "rates: no memory, or no random bytes");
    } /* GCOVR_EXCL_STOP */
    if (peers_new(&rates->peers, &config->http.trusted_proxies, 0, error)) {
        rates_free(&rates);
        return error_wrap(error, "http.trusted_proxies");
    }
    *ret_rates = rates;
    return 0;
}

void rates_free(struct rates **rates)
{
    struct rates *old = *rates;

    *rates = NULL;
    if (!old)
        return;
    for (size_t i = 0; i < RATE_LOCKS; i++)
        pthread_mutex_destroy(&old->locks[i]);
    if (old->sets != MAP_FAILED)
        munmap(old->sets, RATE_SETS * sizeof *old->sets);
    peers_free(&old->peers);
    free(old);
}

/* ---- who it is -------------------------------------------------------------------------------------------------- */

static uint64_t rate_hash(const struct rates *rates, uint64_t scope, const void *name, size_t length)
{
    const uint64_t hash = siphash(&rates->key, scope, name, length);

    __builtin_prefetch(&rates->sets[hash % RATE_SETS], 1); /* it is asked for soon */
    return hash ? hash : 1;
}

uint64_t rate_key(const struct rates *rates, uint64_t scope, struct slice key)
{
    return key.length ? rate_hash(rates, scope, key.data, key.length) : 0;
}

uint64_t rate_peer(const struct rates *rates, int fd)
{
    unsigned char bytes[PEERS_ADDRESS];
    char text[PEERS_TEXT];

    return rates->address_rate && peers_tell(rates->peers, fd, bytes, text)
               ? rate_hash(rates, RATE_ADDRESSES, bytes, sizeof bytes)
               : 0;
}

void rate_forwarded(const struct rates *rates, struct slice field, uint64_t *who)
{
    unsigned char bytes[PEERS_ADDRESS];

    if (!rates->address_rate)
        return;
    switch (peers_forwarded(rates->peers, field, bytes)) {
    case PEERS_NAMED:
        *who = rate_hash(rates, RATE_ADDRESSES, bytes, sizeof bytes);
        break;
    case PEERS_UNKNOWN:
        *who = 0;
        break;
    case PEERS_TRUSTED:
        break;
    }
}

uint64_t rate_of_address(const struct rates *rates)
{
    return rates->address_rate;
}

/* ---- its debt ---------------------------------------------------------------------------------------------------- */

static struct rate_set *rate_lock(struct rates *rates, uint64_t who)
{
    pthread_mutex_lock(&rates->locks[who % RATE_LOCKS]);
    return &rates->sets[who % RATE_SETS];
}

static void rate_unlock(struct rates *rates, uint64_t who)
{
    pthread_mutex_unlock(&rates->locks[who % RATE_LOCKS]);
}

/* NULL: it is not ahead. @holds its lock */
static struct rate_place *rate_find(struct rate_set *set, uint64_t who)
{
    for (size_t i = 0; i < RATE_WAYS; i++) {
        if (set->places[i].who == who)
            return &set->places[i];
    }
    return NULL;
}

/* The one that it has, or takes. @holds its lock */
static struct rate_place *rate_place(struct rates *rates, struct rate_set *set, uint64_t who, int64_t now)
{
    struct rate_place *least = rate_find(set, who);

    if (least)
        return least;
    least = &set->places[0];
    for (size_t i = 1; i < RATE_WAYS; i++) {
        if (set->places[i].due < least->due)
            least = &set->places[i];
    }
    if (least->due > now * METER_MICROSECOND)
        metric_add(rates->forgotten, 1);
    *least = (struct rate_place){.who = who};
    return least;
}

int64_t rate_wait(struct rates *rates, uint64_t who, int64_t now)
{
    if (!who)
        return 0;
    const struct rate_place *place = rate_find(rate_lock(rates, who), who);
    const int64_t wait = place ? meter_wait(place->due, now) : 0;
    rate_unlock(rates, who);
    return wait;
}

void rate_charge(struct rates *rates, uint64_t who, uint64_t rate, uint64_t records, int64_t now)
{
    if (!who || !rate || !records)
        return;
    struct rate_place *place = rate_place(rates, rate_lock(rates, who), who, now);
    place->due = meter_add(place->due, now, meter_cost(records, rate));
    rate_unlock(rates, who);
}

int64_t rate_take(struct rates *rates, uint64_t who, uint64_t rate, int64_t now)
{
    if (!who || !rate)
        return 0;
    struct rate_set *set = rate_lock(rates, who);
    struct rate_place *place = rate_find(set, who);
    const int64_t wait = place ? meter_wait(place->due, now) : 0;
    if (!wait) {
        place = rate_place(rates, set, who, now);
        place->due = meter_add(place->due, now, meter_cost(1, rate));
    }
    rate_unlock(rates, who);
    return wait;
}

void rate_refund(struct rates *rates, uint64_t who, uint64_t rate, uint64_t records)
{
    if (!who || !rate)
        return;
    struct rate_place *place = rate_find(rate_lock(rates, who), who);
    const int64_t cost = meter_cost(records, rate);
    if (place)
        place->due = place->due > cost ? place->due - cost : 0;
    rate_unlock(rates, who);
}
