/* patience: how often and how long what a store has not done is asked for again.
 *
 * Between tries: 100 ms, doubling up to 5 s, with jitter so that many gateways do not come back at once, or what the store asks for if that is longer;
 * half a minute in all from the first trouble on. Then whoever asked tells what is wrong, and begins anew when he likes. What takes longer than a second
 * or two is told while it lasts. Room-internal. @thread the lake's
 */
#ifndef PENSTOCK_LAKE_PATIENCE_H
#define PENSTOCK_LAKE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct lake_options;

struct patience {
    const struct lake_options *options; /* their clock, and whether to give up */
    int64_t until; /* microseconds, monotonic; 0: nothing has gone wrong so far */
    int64_t pause;
    bool told;
};

/* For one request, or several that are made again together; the options outlive it. */
struct patience patience_new(const struct lake_options *options);

/* Waits before the next try, for what has just gone wrong. wanted: microseconds that the store asks for, 0: it does not. False: it has been enough,
 * or who waits gives up. */
bool patience_wait(struct patience *patience, int64_t wanted, const struct error *trouble);

#endif
