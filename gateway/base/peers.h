/* peers: how many connections each address has, against a limit that those of trusted proxies are not held to, and what it holds by them.
 *
 * An address of IPv6 stands for its network of 64 bits, which is what one machine is given (RFC 6177); one of IPv4 in the form of IPv6 (RFC 4291,
 * 2.5.5.2) is one of IPv4. Memory: some 60 bytes for each address that has a connection now. @thread any; peers_new() and peers_free() of one
 */
#ifndef PENSTOCK_BASE_PEERS_H
#define PENSTOCK_BASE_PEERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/config.h"
#include "base/error.h"

/* Addresses that begin with the same bits. */
struct network {
    unsigned char bytes[16]; /* of IPv4 as ::ffff:a.b.c.d */
    unsigned bits;
};

/* "10.0.0.0/8", "10.1.2.3", "fd00::/8"; "loopback" is no network. ERROR_REJECT. */
int network_parse(const char *text, struct network *ret_network, struct error *error);

struct peers;

/* How many of something there are, against a limit. */
struct places {
    atomic_size_t taken;
    atomic_int_least64_t refused; /* when there was last none left (monotonic); 0: never */
};

/* An address that has connections. */
struct peer {
    /* The owner of its connections keeps these three; 0 at first. */
    _Atomic uint64_t held; /* bytes */
    uint64_t held_in_line; /* of these, by those of its connections that wait for more */
    struct places deliveries; /* of its requests that are awaited */
    /* And peers the others. */
    struct peer *next; /* in its bucket */
    unsigned char bytes[16];
    uint64_t count;
};

/* trusted: networks, and the word loopback. The list is read now and not kept. */
int peers_new(
    struct peers **ret_peers, const struct config_list *trusted, uint64_t limit, struct error *error);
void peers_free(struct peers **peers);

#define PEERS_TEXT 46 /* INET6_ADDRSTRLEN */
#define PEERS_ADDRESS 16 /* the bytes that one is counted by */

/* Who is at the other end of a connection: the bytes that its address is counted by, and its text ("" where it has none). False: it is trusted, or none of IP,
 * and not to be counted. */
bool peers_tell(
    const struct peers *peers, int fd, unsigned char ret_bytes[16], char ret_text[static PEERS_TEXT]);

enum peers_forwarded {
    PEERS_TRUSTED, /* all of them are trusted, or there is none */
    PEERS_NAMED, /* ret_bytes are set, as of peers_tell() */
    PEERS_UNKNOWN, /* it is no address: "unknown", a name */
};

/* The last one in a field X-Forwarded-For that is not trusted: addresses between commas, each added by the proxy that it came to, perhaps with a port. */
enum peers_forwarded peers_forwarded(
    const struct peers *peers, struct slice field, unsigned char ret_bytes[PEERS_ADDRESS]);

/* As inet_ntop() has it. */
void peers_text(const unsigned char bytes[PEERS_ADDRESS], char ret_text[static PEERS_TEXT]);

/* A connection from there. False: the address has as many as it may. ret_peer: for peers_leave(), NULL where nothing is counted (it is trusted,
 * is none of IP, or memory is gone). */
bool peers_enter(struct peers *peers, const struct sockaddr *address, struct peer **ret_peer);
/* It has ended. NULL is allowed. */
void peers_leave(struct peers *peers, struct peer *peer);

#endif
