/* pace: see pace.h. */
#include "table/pace.h"

#define PACE_STEPS 8 /* a second */
#define PACE_STEP_LEAST (UINT64_C(16) << 10)

void pace_open(struct pace *pace, uint64_t rate, int64_t now)
{
    pthread_mutex_init(&pace->lock, NULL);
    pace->rate = rate;
    pace->even = now;
}

void pace_close(struct pace *pace)
{
    pthread_mutex_destroy(&pace->lock);
}

/* In two parts, so that nothing overflows. */
static int64_t pace_time(uint64_t rate, uint64_t bytes)
{
    const uint64_t second = (uint64_t)CLOCK_SECOND;

    if (bytes / rate > INT64_MAX / 4 / second)
        return INT64_MAX / 4;
    return (
        int64_t)(bytes / rate * second + (uint64_t)((double)(bytes % rate) / (double)rate * (double)second));
}

int64_t pace_take(struct pace *pace, uint64_t bytes, int64_t now)
{
    if (!pace->rate)
        return 0;
    pthread_mutex_lock(&pace->lock);
    if (pace->even < now - PACE_BURST)
        pace->even = now - PACE_BURST;
    pace->even += pace_time(pace->rate, bytes);
    const int64_t wait = pace->even - now;
    pthread_mutex_unlock(&pace->lock);
    return wait > 0 ? wait : 0;
}

uint64_t pace_step(uint64_t rate, uint64_t most)
{
    uint64_t step = rate / PACE_STEPS;

    if (!rate || step > most)
        return most;
    return step > PACE_STEP_LEAST ? step : PACE_STEP_LEAST < most ? PACE_STEP_LEAST : most;
}
