/* meter: how far somebody is ahead of a rate (a leaky bucket as a meter, ITU-T I.371 GCRA). All that is kept of it is the moment when what was written by now would have been
 * written at the rate: `due`, monotonic, in nanoseconds; one that has passed says nothing. Pure. @thread any
 */
#ifndef PENSTOCK_ACCESS_METER_H
#define PENSTOCK_ACCESS_METER_H

#include <stdint.h>

#include "base/clock.h"

#define METER_RATE_MAX 1000000000 /* records per second */
#define METER_MICROSECOND INT64_C(1000)
#define METER_SECOND (CLOCK_SECOND * METER_MICROSECOND)
#define METER_MOST (INT64_MAX / 4) /* more than two thousand million seconds: so that nothing overflows */

/* Microseconds until it may write again: none while it is less than a second ahead. now: monotonic, microseconds. */
static inline int64_t meter_wait(int64_t due, int64_t now)
{
    const int64_t ahead = due - now * METER_MICROSECOND - METER_SECOND;

    return ahead > 0 ? (ahead + METER_MICROSECOND - 1) / METER_MICROSECOND : 0;
}

/* Nanoseconds that so many records take. */
static inline int64_t meter_cost(uint64_t records, uint64_t rate)
{
    const double cost = (double)records * (double)METER_SECOND / (double)rate;

    return cost < (double)METER_MOST ? (int64_t)cost : METER_MOST;
}

/* Of what cost so much, and is paid at a moment: what is left of it. */
static inline int64_t meter_unpaid(int64_t paid, int64_t cost, int64_t now)
{
    const int64_t left = paid - now * METER_MICROSECOND;

    return left <= 0 ? 0 : left < cost ? left : cost;
}

static inline int64_t meter_add(int64_t due, int64_t now, int64_t cost)
{
    const int64_t moment = now * METER_MICROSECOND;
    const int64_t next = (due > moment ? due : moment) + cost;

    return next < METER_MOST ? next : METER_MOST;
}

#endif
