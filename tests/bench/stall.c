/* stall: see stall.h */
#include "bench/stall.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define STALL_TICK (TOOL_SECOND / 1000)
#define STALL_LEAST (TOOL_SECOND / 1000) /* late by this much: a stall */
#define STALLS_MAX 65536 /* of a processor */
#define PROCESSORS_MAX 64
#define SAMPLES_MAX ((size_t)16 << 20)

struct span {
    int64_t from, to;
};

struct watcher {
    pthread_t thread;
    struct span *stalls;
    size_t count;
};

static struct watcher watchers[PROCESSORS_MAX];
static long processors;
static atomic_bool ended;
static struct span *samples;
static size_t samples_count;
static struct tool_still still;

static void *watch(void *argument)
{
    struct watcher *watcher = argument;
    int64_t next = tool_now() + STALL_TICK;

    while (!atomic_load(&ended)) {
        tool_sleep_until(next);
        const int64_t now = tool_now();
        if (now - next >= STALL_LEAST && watcher->count < STALLS_MAX)
            watcher->stalls[watcher->count++] = (struct span){next, now + (now - next)};
        next = now + STALL_TICK;
    }
    return NULL;
}

static bool start(struct watcher *watcher, long processor)
{
    const struct sched_param priority = {.sched_priority = 50};
    pthread_attr_t attributes;
    cpu_set_t where;

    CPU_ZERO(&where);
    CPU_SET((size_t)processor, &where);
    watcher->stalls = tool_allocate(STALLS_MAX * sizeof *watcher->stalls);
    pthread_attr_init(&attributes);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
    pthread_attr_setschedparam(&attributes, &priority);
    pthread_attr_setaffinity_np(&attributes, sizeof where, &where);
    const bool started = pthread_create(&watcher->thread, &attributes, watch, watcher) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

void stall_begin(void)
{
    const long all = sysconf(_SC_NPROCESSORS_ONLN);

    samples = tool_allocate(SAMPLES_MAX * sizeof *samples);
    while (processors < all && processors < PROCESSORS_MAX && start(&watchers[processors], processors))
        processors++;
}

void stall_sample(int64_t due, int64_t done)
{
    if (samples && samples_count < SAMPLES_MAX)
        samples[samples_count++] = (struct span){due, done};
}

static int compare(const void *a, const void *b)
{
    const int64_t one = ((const struct span *)a)->from, other = ((const struct span *)b)->from;

    return (one > other) - (one < other);
}

/* All of them, ordered, none touching another. */
static size_t merge(struct span *stalls)
{
    size_t count = 0, merged = 0;

    for (long i = 0; i < processors; i++)
        for (size_t k = 0; k < watchers[i].count; k++)
            stalls[count++] = watchers[i].stalls[k];
    qsort(stalls, count, sizeof *stalls, compare);
    for (size_t i = 0; i < count; i++) {
        if (merged && stalls[i].from <= stalls[merged - 1].to) {
            if (stalls[i].to > stalls[merged - 1].to)
                stalls[merged - 1].to = stalls[i].to;
        } else {
            stalls[merged++] = stalls[i];
        }
    }
    return merged;
}

static bool touches(const struct span *stalls, size_t count, const struct span *sample)
{
    size_t low = 0, high = count; /* the first stall that ends at or behind its start */

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (stalls[middle].to < sample->from)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && stalls[low].from <= sample->to;
}

const struct tool_still *stall_end(void)
{
    if (!samples)
        return NULL;
    const bool whole =
        processors == sysconf(_SC_NPROCESSORS_ONLN) && samples_count > 0 && samples_count < SAMPLES_MAX;
    struct tool_latency *latency = tool_allocate(sizeof *latency);
    struct span *stalls = tool_allocate((size_t)(processors ? processors : 1) * STALLS_MAX * sizeof *stalls);

    atomic_store(&ended, true);
    for (long i = 0; i < processors; i++)
        pthread_join(watchers[i].thread, NULL);
    const size_t count = merge(stalls);
    for (size_t i = 0; i < samples_count; i++)
        if (!touches(stalls, count, &samples[i]))
            tool_latency_add(latency, samples[i].to - samples[i].from);
    still = (struct tool_still){
        .p50_us = tool_latency_at(latency, 0.5),
        .p99_us = tool_latency_at(latency, 0.99),
        .left_out = samples_count ? 1 - (double)latency->count / (double)samples_count : 0,
    };
    free(stalls);
    free(latency);
    return whole ? &still : NULL;
}
