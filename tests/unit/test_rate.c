/* rate: the table of those who are ahead: who stays in it, who is forgotten, and that its clock is the one it is given. */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "access/access.h"
#include "access/meter.h"
#include "base/metric.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})
#define NOW (1000 * CLOCK_SECOND)
/* The n-th of those whose places are in the same set. */
#define BESIDE(n) ((uint64_t)RATE_SETS * ((n) + 1) + 7)

static struct error error;
static char *trusted[] = {(char *)"loopback", (char *)"10.0.0.0/8"};

static struct rates *rates_of(uint64_t address_rate)
{
    static struct config config;
    struct rates *rates = NULL;

    config.access.address_rate = address_rate;
    config.http.trusted_proxies = (struct config_list){.items = trusted, .count = 2};
    cr_assert_eq(rates_new(&rates, &config, &error), 0, "%s", error.text);
    return rates;
}

static uint64_t forgotten(void)
{
    return metric_read(metric_series(METRIC_RATE_FORGOTTEN, NULL, NULL, NULL));
}

/* ---- a debt -------------------------------------------------------------------------------------------------- */

Test(rate, a_second_ahead_and_no_further)
{
    struct rates *rates = rates_of(0);

    for (int i = 0; i <= 10; i++)
        cr_assert_eq(rate_take(rates, 5, 10, NOW), 0, "%d", i);
    cr_assert_eq(rate_take(rates, 5, 10, NOW), CLOCK_SECOND / 10);
    cr_assert_eq(rate_take(rates, 5, 10, NOW), CLOCK_SECOND / 10, "who is refused is not charged");
    cr_assert_eq(rate_wait(rates, 5, NOW), CLOCK_SECOND / 10);
    cr_assert_eq(rate_take(rates, 6, 10, NOW), 0, "somebody else");
    cr_assert_eq(rate_take(rates, 5, 10, NOW + CLOCK_SECOND / 10), 0);
    cr_assert_neq(rate_take(rates, 5, 10, NOW + CLOCK_SECOND / 10), 0);
    rate_refund(rates, 5, 10, 1);
    cr_assert_eq(rate_take(rates, 5, 10, NOW + CLOCK_SECOND / 10), 0);
    rates_free(&rates);
    cr_assert_null(rates);
    rates_free(&rates);
}

Test(rate, the_debt_of_many_is_paid_in_full)
{
    struct rates *rates = rates_of(0);

    rate_charge(rates, 5, 10, 100, NOW);
    cr_assert_eq(rate_wait(rates, 5, NOW), 9 * CLOCK_SECOND);
    cr_assert_eq(rate_wait(rates, 5, NOW + 9 * CLOCK_SECOND), 0);
    rate_refund(rates, 5, 10, 90);
    cr_assert_eq(rate_wait(rates, 5, NOW), 0);
    rate_charge(rates, 5, 10, 11, NOW + 60 * CLOCK_SECOND);
    cr_assert_eq(rate_wait(rates, 5, NOW + 60 * CLOCK_SECOND), CLOCK_SECOND / 10, "nothing is saved up");
    rates_free(&rates);
}

Test(rate, nobody_and_no_rate_never_wait)
{
    struct rates *rates = rates_of(0);

    rate_charge(rates, 0, 1, 1000, NOW);
    rate_charge(rates, 5, 0, 1000, NOW);
    rate_charge(rates, 5, 1, 0, NOW);
    rate_refund(rates, 0, 1, 1);
    rate_refund(rates, 5, 0, 1);
    rate_refund(rates, 5, 1, 1);
    cr_assert_eq(rate_wait(rates, 0, NOW), 0);
    cr_assert_eq(rate_wait(rates, 5, NOW), 0);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(rate_take(rates, 0, 1, NOW), 0);
        cr_assert_eq(rate_take(rates, 5, 0, NOW), 0);
    }
    rates_free(&rates);
}

Test(rate, nothing_overflows)
{
    struct rates *rates = rates_of(0);

    for (int i = 0; i < 100; i++)
        rate_charge(rates, 5, 1, UINT64_MAX, NOW);
    cr_assert_gt(rate_wait(rates, 5, NOW), 3600 * CLOCK_SECOND);
    for (int i = 0; i < 100; i++)
        rate_refund(rates, 5, 1, UINT64_MAX);
    cr_assert_eq(rate_wait(rates, 5, NOW), 0);
    for (int i = 0; i < 1000000; i++)
        cr_assert_eq(rate_take(rates, 6, METER_RATE_MAX, NOW), 0);
    rates_free(&rates);
}

/* Threads look at their clocks at different times. */
Test(rate, a_clock_that_is_behind_forgives_nothing_and_gives_nothing)
{
    struct rates *rates = rates_of(0);

    rate_charge(rates, 5, 10, 20, NOW);
    rate_charge(rates, 5, 10, 1, NOW - CLOCK_SECOND);
    cr_assert_eq(rate_wait(rates, 5, NOW), CLOCK_SECOND + CLOCK_SECOND / 10);
    cr_assert_eq(rate_wait(rates, 5, NOW - CLOCK_SECOND), 2 * CLOCK_SECOND + CLOCK_SECOND / 10);
    rates_free(&rates);
}

/* ---- who stays ------------------------------------------------------------------------------------------------ */

Test(rate, whoever_has_paid_makes_room)
{
    struct rates *rates = rates_of(0);
    const uint64_t before = forgotten();

    for (uint64_t i = 0; i < 1000; i++)
        rate_charge(rates, BESIDE(i), 1, 5, NOW + (int64_t)i * 10 * CLOCK_SECOND);
    cr_assert_eq(forgotten(), before);
    rates_free(&rates);
}

Test(rate, the_smallest_debt_of_a_full_set_is_forgotten)
{
    struct rates *rates = rates_of(0);
    const uint64_t before = forgotten();

    for (uint64_t i = 0; i < RATE_WAYS; i++)
        rate_charge(rates, BESIDE(i), 1, 10 + i, NOW);
    cr_assert_eq(forgotten(), before);
    rate_charge(rates, BESIDE(RATE_WAYS), 1, 50, NOW);
    cr_assert_eq(forgotten(), before + 1);
    cr_assert_eq(rate_wait(rates, BESIDE(0), NOW), 0, "it had the smallest");
    for (uint64_t i = 1; i < RATE_WAYS; i++)
        cr_assert_eq(rate_wait(rates, BESIDE(i), NOW), (int64_t)(9 + i) * CLOCK_SECOND);
    rate_refund(rates, BESIDE(0), 1, 1000);
    for (uint64_t i = 1; i < RATE_WAYS; i++)
        cr_assert_eq(rate_wait(rates, BESIDE(i), NOW), (int64_t)(9 + i) * CLOCK_SECOND, "it is not theirs");
    rates_free(&rates);
}

/* Whoever comes with ever new names gets in the way of such as are hardly ahead; not of a flooder, and not of an honest one. */
Test(rate, a_flood_of_names_frees_no_flooder)
{
    struct rates *rates = rates_of(0);
    uint64_t flood = 0;

    for (uint64_t i = 0; i < 100000; i++) {
        flood += rate_take(rates, BESIDE(0), 100, NOW) == 0;
        cr_assert_eq(rate_take(rates, BESIDE(1 + i), 100, NOW), 0, "each of them is new");
    }
    cr_assert_leq(flood, 101, "a second ahead, not %llu", (unsigned long long)flood);
    rates_free(&rates);
}

static long resident(void)
{
    FILE *stream = fopen("/proc/self/statm", "r");
    long pages = 0;

    cr_assert_eq(fscanf(stream, "%*d %ld", &pages), 1);
    fclose(stream);
    return pages * sysconf(_SC_PAGESIZE);
}

Test(rate, a_million_keys_take_no_more_memory_than_the_table)
{
    struct rates *rates = rates_of(0);
    const long before = resident();
    char key[32];

    for (int i = 0; i < 1000000; i++) {
        const int length = snprintf(key, sizeof key, "SENSOR_%d", i);
        cr_assert_eq(rate_take(rates, rate_key(rates, 1, (struct slice){key, (size_t)length}), 1, NOW), 0);
    }
    cr_assert_leq(resident() - before, (6L << 20));
    rates_free(&rates);
}

static void *take_many(void *context)
{
    uint64_t *taken = calloc(1, sizeof *taken);

    for (int i = 0; i < 200000; i++)
        *taken += rate_take(context, 5, 1000, NOW) == 0;
    return taken;
}

Test(rate, threads_share_one_rate)
{
    struct rates *rates = rates_of(0);
    pthread_t threads[4];
    uint64_t all = 0;

    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, take_many, rates), 0);
    for (size_t i = 0; i < 4; i++) {
        void *taken;
        pthread_join(threads[i], &taken);
        all += *(uint64_t *)taken;
        free(taken);
    }
    cr_assert_eq(all, 1001, "%llu", (unsigned long long)all);
    rates_free(&rates);
}

/* ---- who it is ---------------------------------------------------------------------------------------------------- */

Test(rate, keys_of_streams_and_of_processes)
{
    struct rates *rates = rates_of(0), *other = rates_of(0);
    const uint64_t who = rate_key(rates, 1, SLICE("a"));

    cr_assert(who);
    cr_assert_eq(rate_key(rates, 1, SLICE("a")), who);
    cr_assert_neq(rate_key(rates, 2, SLICE("a")), who);
    cr_assert_neq(rate_key(rates, 1, SLICE("b")), who);
    cr_assert_neq(rate_key(other, 1, SLICE("a")), who, "nobody can know");
    cr_assert_eq(rate_key(rates, 1, SLICE("")), 0);
    rates_free(&rates);
    rates_free(&other);
}

/* A socket whose other end is said to be there; nothing is sent. */
static uint64_t peer(const struct rates *rates, const char *address)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(9)};
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);

    cr_assert_eq(inet_pton(AF_INET, address, &four.sin_addr), 1);
    cr_assert_eq(connect(fd, (struct sockaddr *)&four, sizeof four), 0);
    const uint64_t who = rate_peer(rates, fd);
    close(fd);
    return who;
}

static uint64_t forwarded(const struct rates *rates, const char *one, const char *other)
{
    uint64_t who = 0;

    rate_forwarded(rates, slice_of(one), &who);
    rate_forwarded(rates, slice_of(other), &who);
    return who;
}

Test(rate, an_address_is_the_same_through_a_proxy)
{
    char *nobody = NULL;
    const struct config config = {
        .access.address_rate = 5, .http.trusted_proxies = {.items = &nobody, .count = 0}};
    struct rates *rates = rates_of(5), *strict = NULL;

    cr_assert_eq(rates_new(&strict, &config, &error), 0);
    cr_assert_eq(rate_of_address(strict), 5);
    cr_assert(peer(strict, "127.0.0.2"));
    cr_assert_eq(peer(strict, "127.0.0.2"), peer(strict, "127.0.0.2"));
    cr_assert_neq(peer(strict, "127.0.0.2"), peer(strict, "127.0.0.3"));
    cr_assert_eq(forwarded(strict, "127.0.0.2", ""), peer(strict, "127.0.0.2"));
    cr_assert_eq(peer(rates, "127.0.0.2"), 0, "it is trusted");
    const uint64_t client = forwarded(rates, "192.0.2.1", "");
    cr_assert(client);
    cr_assert_eq(forwarded(rates, "192.0.2.9, 192.0.2.1", "10.1.1.1"), client);
    cr_assert_neq(forwarded(rates, "192.0.2.1", "192.0.2.9"), client);
    cr_assert_eq(forwarded(rates, "192.0.2.1", "unknown"), 0, "the last proxy does not say");
    cr_assert_eq(forwarded(rates, "", ""), 0);
    rates_free(&rates);
    rates_free(&strict);
}

Test(rate, without_a_rate_nobody_looks_who_it_is)
{
    struct rates *rates = rates_of(0);

    cr_assert_eq(peer(rates, "127.0.0.2"), 0);
    cr_assert_eq(forwarded(rates, "192.0.2.1", ""), 0);
    rates_free(&rates);
}

Test(rate, of_a_gateway_without_credentials)
{
    const struct config config = {.access = {.credentials = (char *)"", .address_rate = 7}};
    struct access *access = NULL;

    cr_assert_eq(access_new(&access, &config, &clock_system, &error), 0);
    cr_assert(!access_is_wanted(access));
    cr_assert_eq(rate_of_address(access_rates(access)), 7);
    access_free(&access);
}

Test(rate, proxies_that_are_none)
{
    char *wrong[] = {(char *)"10.0.0.0/33"};
    const struct config config = {.http.trusted_proxies = {.items = wrong, .count = 1}};
    struct rates *rates = NULL;

    cr_assert_eq(rates_new(&rates, &config, &error), -1);
    cr_assert_null(rates);
    cr_assert(strstr(error.text, "http.trusted_proxies: '10.0.0.0/33'") == error.text, "%s", error.text);
}
