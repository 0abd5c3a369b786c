/* clock: see clock.h */
#include "base/clock.h"

#include <time.h>

static int64_t clock_read(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000;
}

static int64_t clock_read_wall(const struct clock *clock)
{
    (void)clock;
    return clock_read(CLOCK_REALTIME);
}

static int64_t clock_read_monotonic(const struct clock *clock)
{
    (void)clock;
    return clock_read(CLOCK_MONOTONIC);
}

const struct clock clock_system = {clock_read_wall, clock_read_monotonic};
