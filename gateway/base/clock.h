/* clock: the time, injected, so that a test can hold it still.
 *
 * Everything that asks for the time takes a struct clock. Units are microseconds. @thread any
 */
#ifndef PENSTOCK_BASE_CLOCK_H
#define PENSTOCK_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND INT64_C(1000000)

struct clock;

typedef int64_t clock_now_fn(const struct clock *clock);

struct clock {
    clock_now_fn *wall; /* microseconds since 1970-01-01T00:00:00Z; may jump */
    clock_now_fn *monotonic; /* microseconds since an unknown moment; never goes back */
};

/* The system's clocks (CLOCK_REALTIME, CLOCK_MONOTONIC). */
extern const struct clock clock_system;

static inline int64_t clock_wall(const struct clock *clock)
{
    return clock->wall(clock);
}

static inline int64_t clock_monotonic(const struct clock *clock)
{
    return clock->monotonic(clock);
}

#endif
