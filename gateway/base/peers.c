/* peers: see peers.h */
#include "base/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEERS_BUCKETS 1024
#define PEERS_IPV6_BITS 64
#define NETWORK_TEXT_MAX (INET6_ADDRSTRLEN + sizeof "/128")

struct peers {
    uint64_t limit;
    bool loopback; /* is trusted */
    size_t trusted_count;
    pthread_mutex_t lock; /* guards the buckets and what is in them */
    struct peer *buckets[PEERS_BUCKETS];
    struct network trusted[];
};

/* ---- addresses ------------------------------------------------------------------------------------------------ */

static const unsigned char network_four[12] = {[10] = 0xff, [11] = 0xff};

static bool network_is_four(const unsigned char bytes[16])
{
    return memcmp(bytes, network_four, sizeof network_four) == 0;
}

int network_parse(const char *text, struct network *ret_network, struct error *error)
{
    char address[NETWORK_TEXT_MAX];
    struct network network = {0};
    const char *slash = strchrnul(text, '/');
    const size_t length = (size_t)(slash - text);
    char *end = NULL;
    bool good = length < sizeof address;

    snprintf(address, sizeof address, "%.*s", (int)length, text);
    if (good && inet_pton(AF_INET, address, network.bytes + 12) == 1)
        memcpy(network.bytes, network_four, sizeof network_four);
    else
        good = good && inet_pton(AF_INET6, address, network.bytes) == 1;
    const unsigned most = network_is_four(network.bytes) && !strchr(address, ':') ? 32 : 128;
    const unsigned long bits = *slash ? strtoul(slash + 1, &end, 10) : most;
    if (!good || (*slash && (slash[1] < '0' || slash[1] > '9' || *end)) || bits > most)
        return error_set(error, ERROR_REJECT,
            "'%s' is no address and no network, as in 10.1.2.3, 10.0.0.0/8 or fd00::/8", text);
    network.bits = (unsigned)bits + 128 - most;
    *ret_network = network;
    return 0;
}

static bool network_has(const struct network *network, const unsigned char bytes[16])
{
    const unsigned whole = network->bits / 8, rest = network->bits % 8;

    return memcmp(network->bytes, bytes, whole) == 0 &&
           (rest == 0 || (network->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

static bool peers_read(const struct sockaddr *address, unsigned char ret_bytes[16])
{
    if (address->sa_family == AF_INET) {
        memcpy(ret_bytes, network_four, sizeof network_four);
        memcpy(ret_bytes + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6)
        memcpy(ret_bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    else
        return false;
    return true;
}

static bool peers_trust(const struct peers *peers, const unsigned char bytes[16])
{
    static const unsigned char six_loopback[16] = {[15] = 1};

    if (peers->loopback &&
        (memcmp(bytes, six_loopback, 16) == 0 || (network_is_four(bytes) && bytes[12] == 127)))
        return true;
    for (size_t i = 0; i < peers->trusted_count; i++) {
        if (network_has(&peers->trusted[i], bytes))
            return true;
    }
    return false;
}

/* ---- connections ---------------------------------------------------------------------------------------------- */

int peers_new(
    struct peers **ret_peers, const struct config_list *trusted, uint64_t limit, struct error *error)
{
    struct peers *peers = calloc(1, sizeof *peers + trusted->count * sizeof *peers->trusted);

    if (!peers)
        return error_set(error, ERROR_FATAL, "no memory"); /* GCOVR_EXCL_LINE malloc does not fail in tests */
    peers->limit = limit ? limit : UINT64_MAX;
    pthread_mutex_init(&peers->lock, NULL);
    for (size_t i = 0; i < trusted->count; i++) {
        if (strcmp(trusted->items[i], "loopback") == 0)
            peers->loopback = true;
        else if (network_parse(trusted->items[i], &peers->trusted[peers->trusted_count++], error)) {
            peers_free(&peers);
            return -1;
        }
    }
    *ret_peers = peers;
    return 0;
}

void peers_free(struct peers **peers)
{
    for (size_t i = 0; *peers && i < PEERS_BUCKETS; i++) {
        for (struct peer *peer = (*peers)->buckets[i], *next; peer; peer = next) {
            next = peer->next;
            free(peer);
        }
    }
    if (*peers)
        pthread_mutex_destroy(&(*peers)->lock);
    free(*peers);
    *peers = NULL;
}

static struct peer **peers_place(struct peers *peers, const unsigned char bytes[16])
{
    uint32_t hash = 0;
    struct peer **at;

    for (size_t i = 0; i < 16; i++)
        hash = hash * 31 + bytes[i];
    for (at = &peers->buckets[hash % PEERS_BUCKETS]; *at && memcmp((*at)->bytes, bytes, 16) != 0;)
        at = &(*at)->next;
    return at;
}

/* @holds peers.lock */
static bool peers_add(struct peers *peers, const unsigned char bytes[16], struct peer **ret_peer)
{
    struct peer **at = peers_place(peers, bytes);

    if (*at && (*at)->count >= peers->limit)
        return false;
    if (!*at) {
        *at = calloc(1, sizeof **at);
        if (!*at)
            return true; /* GCOVR_EXCL_LINE malloc does not fail in tests */
        memcpy((*at)->bytes, bytes, sizeof(*at)->bytes);
    }
    (*at)->count++;
    *ret_peer = *at;
    return true;
}

static void peers_narrow(unsigned char bytes[16])
{
    if (!network_is_four(bytes))
        memset(bytes + PEERS_IPV6_BITS / 8, 0, 16 - PEERS_IPV6_BITS / 8);
}

/* The bytes that an address is counted by. False: it is not counted. */
static bool peers_count_by(
    const struct peers *peers, const struct sockaddr *address, unsigned char ret_bytes[16])
{
    if (!peers_read(address, ret_bytes) || peers_trust(peers, ret_bytes))
        return false;
    peers_narrow(ret_bytes);
    return true;
}

void peers_text(const unsigned char bytes[PEERS_ADDRESS], char ret_text[static PEERS_TEXT])
{
    if (network_is_four(bytes))
        inet_ntop(AF_INET, bytes + sizeof network_four, ret_text, PEERS_TEXT);
    else
        inet_ntop(AF_INET6, bytes, ret_text, PEERS_TEXT);
}

bool peers_tell(
    const struct peers *peers, int fd, unsigned char ret_bytes[16], char ret_text[static PEERS_TEXT])
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;

    ret_text[0] = '\0';
    if (getpeername(fd, (struct sockaddr *)&address, &length) ||
        !peers_read((const struct sockaddr *)&address, ret_bytes))
        return false;
    peers_text(ret_bytes, ret_text);
    return peers_count_by(peers, (const struct sockaddr *)&address, ret_bytes);
}

/* "10.1.2.3", "10.1.2.3:80", "fd00::1", "[fd00::1]:80", as inet_pton() has them. False: none of these. */
static bool peers_parse(struct slice item, unsigned char ret_bytes[16])
{
    char text[PEERS_TEXT];
    const bool brackets = item.length && item.data[0] == '[';
    const char *from = item.data + brackets;
    const char *end = memchr(from, brackets ? ']' : ':', item.length - brackets);
    const bool port = end && (brackets || !memchr(end + 1, ':', item.length - (size_t)(end + 1 - from)));
    const size_t length = port ? (size_t)(end - from) : item.length;

    if ((brackets && !end) || length >= sizeof text)
        return false;
    memcpy(text, from, length);
    text[length] = '\0';
    memcpy(ret_bytes, network_four, sizeof network_four);
    return inet_pton(AF_INET, text, ret_bytes + sizeof network_four) == 1 ||
           inet_pton(AF_INET6, text, ret_bytes) == 1;
}

enum peers_forwarded peers_forwarded(
    const struct peers *peers, struct slice field, unsigned char ret_bytes[PEERS_ADDRESS])
{
    while (field.length) {
        const char *comma = memrchr(field.data, ',', field.length);
        const size_t before = comma ? (size_t)(comma - field.data) : 0;
        const size_t from = comma ? before + 1 : 0;
        const struct slice item = slice_trim((struct slice){field.data + from, field.length - from}, " \t");
        field.length = before;
        if (item.length == 0)
            continue; /* a list may have empty items (RFC 9110, section 5.6.1) */
        if (!peers_parse(item, ret_bytes))
            return PEERS_UNKNOWN;
        if (!peers_trust(peers, ret_bytes)) {
            peers_narrow(ret_bytes);
            return PEERS_NAMED;
        }
    }
    return PEERS_TRUSTED;
}

bool peers_enter(struct peers *peers, const struct sockaddr *address, struct peer **ret_peer)
{
    unsigned char bytes[16];

    *ret_peer = NULL;
    if (!peers_count_by(peers, address, bytes))
        return true;
    pthread_mutex_lock(&peers->lock);
    const bool entered = peers_add(peers, bytes, ret_peer);
    pthread_mutex_unlock(&peers->lock);
    return entered;
}

void peers_leave(struct peers *peers, struct peer *peer)
{
    if (!peer)
        return;
    pthread_mutex_lock(&peers->lock);
    if (--peer->count == 0) {
        *peers_place(peers, peer->bytes) = peer->next;
        free(peer);
    }
    pthread_mutex_unlock(&peers->lock);
}
