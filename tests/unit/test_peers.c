/* Connections by address: what is counted, where the limit is, and what is trusted. */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/peers.h"

#define COUNT(array) (sizeof array / sizeof *array)

static struct error error;

static struct peers *trusting(const char *const *trusted, size_t count, uint64_t limit)
{
    struct config_list list = {(char **)(uintptr_t)trusted, count};
    struct peers *peers = NULL;

    cr_assert_eq(peers_new(&peers, &list, limit, &error), 0, "%s", error.text);
    return peers;
}

static bool enters(struct peers *peers, const char *address, struct peer **ret_peer)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, address, &four.sin_addr) == 1)
        return peers_enter(peers, (const struct sockaddr *)(const void *)&four, ret_peer);
    cr_assert_eq(inet_pton(AF_INET6, address, &six.sin6_addr), 1);
    return peers_enter(peers, (const struct sockaddr *)(const void *)&six, ret_peer);
}

Test(peers, an_address_has_no_more_than_the_limit)
{
    struct peers *peers = trusting(NULL, 0, 2);
    struct peer *first, *second, *third, *other;

    cr_assert(enters(peers, "10.0.0.1", &first) && first);
    cr_assert(enters(peers, "10.0.0.1", &second) && second == first);
    cr_assert(!enters(peers, "10.0.0.1", &third) && !third);
    cr_assert(enters(peers, "10.0.0.2", &other) && other != first);
    cr_assert(!enters(peers, "::ffff:10.0.0.1", &third));
    peers_leave(peers, first);
    cr_assert(enters(peers, "10.0.0.1", &third));
    cr_assert(!enters(peers, "10.0.0.1", &first));
    peers_leave(peers, second);
    peers_leave(peers, third);
    peers_leave(peers, NULL);
    cr_assert(enters(peers, "10.0.0.1", &first) && enters(peers, "10.0.0.1", &second));
    peers_free(&peers);
    cr_assert_null(peers);
    peers_free(&peers);
}

Test(peers, ipv6_counts_by_its_network_of_64_bits)
{
    struct peers *peers = trusting(NULL, 0, 1);
    struct peer *peer;

    cr_assert(enters(peers, "2001:db8:0:1::1", &peer));
    cr_assert(!enters(peers, "2001:db8:0:1:ffff::2", &peer));
    cr_assert(enters(peers, "2001:db8:0:2::1", &peer));
    cr_assert(enters(peers, "::1", &peer));
    cr_assert(!enters(peers, "::1", &peer));
    peers_free(&peers);
}

Test(peers, those_that_are_trusted_are_not_counted)
{
    static const char *const trusted[] = {
        "loopback", "10.1.0.0/15", "192.168.7.9", "fd00::/9", "0.0.0.0/32", "::ffff:1.2.3.4"};
    static const char *const inside[] = {"127.0.0.1", "127.9.9.9", "::1", "10.0.0.0", "10.1.255.255",
        "::ffff:10.0.1.1", "192.168.7.9", "fd7f::1", "1.2.3.4"};
    static const char *const outside[] = {
        "10.2.0.0", "192.168.7.8", "fd80::1", "::2", "126.0.0.1", "1.2.3.5"};
    struct peers *peers = trusting(trusted, COUNT(trusted), 1);
    struct peer *peer;

    for (size_t i = 0; i < COUNT(inside); i++)
        cr_expect(
            enters(peers, inside[i], &peer) && !peer && enters(peers, inside[i], &peer), "%s", inside[i]);
    for (size_t i = 0; i < COUNT(outside); i++)
        cr_expect(
            enters(peers, outside[i], &peer) && peer && !enters(peers, outside[i], &peer), "%s", outside[i]);
    peers_free(&peers);
}

/* It is counted all the same, because of what it may hold. */
Test(peers, without_a_limit_all_come_in_and_other_families_have_none)
{
    const struct sockaddr local = {.sa_family = AF_UNIX};
    struct peers *peers = trusting(NULL, 0, 0), *strict = trusting(NULL, 0, 1);
    struct peer *peer;

    cr_assert(enters(peers, "10.0.0.1", &peer) && peer && enters(peers, "10.0.0.1", &peer) && peer);
    cr_assert(peers_enter(strict, &local, &peer) && !peer);
    peers_free(&peers);
    peers_free(&strict);
}

Test(peers, many_addresses)
{
    struct peers *peers = trusting(NULL, 0, 1);
    static struct peer *all[5000];
    char address[32];

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(all); i++) {
            snprintf(address, sizeof address, "10.%zu.%zu.1", i / 250, i % 250);
            cr_assert(enters(peers, address, &all[i]) && all[i]);
        }
        for (size_t i = 0; i < COUNT(all); i++)
            peers_leave(peers, all[i]);
    }
    peers_free(&peers);
}

static const struct {
    const char *field;
    enum peers_forwarded found;
    const char *address; /* as it is counted */
} fields[] = {
    {"", PEERS_TRUSTED, NULL},
    {" , \t,", PEERS_TRUSTED, NULL},
    {"10.1.2.3, 127.0.0.1", PEERS_TRUSTED, NULL},
    {"192.0.2.1", PEERS_NAMED, "192.0.2.1"},
    {"192.0.2.1:8080", PEERS_NAMED, "192.0.2.1"},
    {"192.0.2.9, 192.0.2.1 , 10.1.2.3", PEERS_NAMED, "192.0.2.1"},
    {"unknown, 192.0.2.1,", PEERS_NAMED, "192.0.2.1"},
    {"::ffff:192.0.2.1", PEERS_NAMED, "192.0.2.1"},
    {"2001:db8:0:1:2:3:4:5", PEERS_NAMED, "2001:db8:0:1::"},
    {"[2001:db8:0:1:2:3:4:5]", PEERS_NAMED, "2001:db8:0:1::"},
    {"[2001:db8:0:1:2:3:4:5]:443", PEERS_NAMED, "2001:db8:0:1::"},
    {"::1", PEERS_TRUSTED, NULL},
    {"192.0.2.1, unknown", PEERS_UNKNOWN, NULL},
    {"192.0.2.1, _hidden", PEERS_UNKNOWN, NULL},
    {"192.0.2.1, [2001:db8::1", PEERS_UNKNOWN, NULL},
    {"192.0.2.1, [", PEERS_UNKNOWN, NULL},
    {"192.0.2.1, 192.0.2.300", PEERS_UNKNOWN, NULL},
    {"192.0.2.1, 0000000000000000000000000000000000000000000000000000", PEERS_UNKNOWN, NULL},
};

Test(peers, whom_a_proxy_speaks_for)
{
    static const char *const trusted[] = {"loopback", "10.0.0.0/8"};
    struct peers *peers = trusting(trusted, COUNT(trusted), 0);
    unsigned char bytes[PEERS_ADDRESS], expected[PEERS_ADDRESS] = {[10] = 0xff, [11] = 0xff};

    for (size_t i = 0; i < COUNT(fields); i++) {
        cr_expect_eq(
            peers_forwarded(peers, slice_of(fields[i].field), bytes), fields[i].found, "%s", fields[i].field);
        if (fields[i].found != PEERS_NAMED)
            continue;
        if (inet_pton(AF_INET, fields[i].address, expected + 12) == 1)
            memcpy(expected, (unsigned char[12]){[10] = 0xff, [11] = 0xff}, 12);
        else
            cr_assert_eq(inet_pton(AF_INET6, fields[i].address, expected), 1);
        cr_expect_arr_eq(bytes, expected, sizeof bytes, "%s", fields[i].field);
    }
    peers_free(&peers);
}

/* A socket whose other end is said to be there; nothing is sent. */
static int socket_to(const char *text)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    const bool is_four = inet_pton(AF_INET, text, &four.sin_addr) == 1;
    const int fd = socket(is_four ? AF_INET : AF_INET6, SOCK_DGRAM, 0);

    cr_assert(is_four || inet_pton(AF_INET6, text, &six.sin6_addr) == 1);
    cr_assert_eq(is_four ? connect(fd, (struct sockaddr *)&four, sizeof four)
                         : connect(fd, (struct sockaddr *)&six, sizeof six),
        0);
    return fd;
}

Test(peers, who_is_at_the_other_end)
{
    struct config_list nobody = {NULL, 0}, loopback = {(char *[]){"loopback"}, 1};
    struct peers *counts = NULL, *trusts = NULL;
    unsigned char bytes[16];
    char text[PEERS_TEXT];

    cr_assert(peers_new(&counts, &nobody, 0, &error) == 0 && peers_new(&trusts, &loopback, 0, &error) == 0);
    const char *const ends[] = {"127.0.0.1", "::1"};
    for (size_t i = 0; i < COUNT(ends); i++) {
        const int fd = socket_to(ends[i]);
        cr_assert(peers_tell(counts, fd, bytes, text));
        cr_assert_str_eq(text, ends[i]);
        cr_assert_not(peers_tell(trusts, fd, bytes, text));
        cr_assert_str_eq(text, ends[i], "it has a name all the same");
        close(fd);
    }
    cr_assert_eq(bytes[15], 1, "of who is trusted all of the address is left");
    cr_assert_not(peers_tell(counts, -1, bytes, text));
    cr_assert_str_eq(text, "");
    peers_free(&counts);
    peers_free(&trusts);
}

Test(peers, what_is_no_network)
{
    static const char *const texts[] = {"", "10.0.0", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/8x",
        "10.0.0.0/-8", "10.0.0.0/ 8", "loopback", "example.com", "10.0.0.0/99999999999999999999",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    struct config_list list = {(char *[]){"loopback", "10.0.0.0/40"}, 2};
    struct network network = {.bits = 7};
    struct peers *peers = NULL;

    for (size_t i = 0; i < COUNT(texts); i++) {
        error = (struct error){0};
        cr_expect_eq(network_parse(texts[i], &network, &error), -1, "%s", texts[i]);
        cr_expect(error.kind == ERROR_REJECT && network.bits == 7, "%s", texts[i]);
    }
    cr_assert(peers_new(&peers, &list, 1, &error) == -1 && !peers);
}
