/* rate: how many records a second come of one address, and of one key. Comes with access.h, for the sources.
 *
 * Those who are ahead of their rate stand in a table of fixed size (meter.h says what is kept of each). Whoever's debt is paid says nothing there any more, so its place is free; where all places that one may have
 * are taken by others' debts the smallest of these is forgotten, and counted (penstock_rate_debts_forgotten_total): a flood of names makes room among those that are hardly ahead, and whoever is far ahead
 * stays. Names are known by a hash alone, of 64 bits and with a key of this process, so nobody can choose a name that pays for another one, or shares its places.
 * `now` is monotonic, in microseconds. Somebody who is 0 is nobody: never waits, is never charged. @thread any; rates_new() and rates_free() of one
 */
#ifndef PENSTOCK_ACCESS_RATE_H
#define PENSTOCK_ACCESS_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/config.h"
#include "base/error.h"

#define RATE_SETS ((size_t)1 << 16) /* somebody's is that of its lowest bits */
#define RATE_WAYS 4 /* places in each: 64 bytes */

struct rates;

/* Memory: 4 MiB, as far as it is used, in pages of 2 MiB where the kernel has these. The configuration is not kept. */
int rates_new(struct rates **ret_rates, const struct config *config, struct error *error);
void rates_free(struct rates **rates);

/* ---- who it is -------------------------------------------------------------------------------------------------- */

/* scope: what tells the keys of one stream from those of others; not 0. "": nobody. */
uint64_t rate_key(const struct rates *rates, uint64_t scope, struct slice key);

/* Whoever is at the other end of a connection. Nobody: access.address_rate is 0, it is one of http.trusted_proxies, which many share, or none of IP. */
uint64_t rate_peer(const struct rates *rates, int fd);

/* Whoever such a proxy says that it speaks for: each field X-Forwarded-For in turn; *who is nobody before the first one. The last address that is none of a trusted proxy counts: what stands before it
 * anybody may have written. */
void rate_forwarded(const struct rates *rates, struct slice field, uint64_t *who);

/* access.address_rate */
uint64_t rate_of_address(const struct rates *rates);

/* ---- its debt ---------------------------------------------------------------------------------------------------- */

/* Microseconds until it may write again; 0: now. */
int64_t rate_wait(struct rates *rates, uint64_t who, int64_t now);

/* It has written so many records. */
void rate_charge(struct rates *rates, uint64_t who, uint64_t rate, uint64_t records, int64_t now);

/* Both for one record: charged when it need not wait. */
int64_t rate_take(struct rates *rates, uint64_t who, uint64_t rate, int64_t now);

/* So many of those that it was charged for were not stored after all. */
void rate_refund(struct rates *rates, uint64_t who, uint64_t rate, uint64_t records);

#endif
