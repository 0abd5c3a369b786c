/* stall: which moments of a measurement the machine beneath took for itself.
 *
 * On a virtual machine whose host has others to serve, a processor stands still for milliseconds now and then, whoever runs on it; a p99 is made of such
 * moments then, with and without what is measured. One thread per processor (SCHED_FIFO, so no load of this machine holds it up) wakes every
 * millisecond and notes when it was late. Latencies that touch such a moment, or the same time behind it, in which what had queued up is worked off,
 * are left out of the second set of figures. What the kernel itself does without a pause can hold up the watchers too: that is why the share left out stands beside
 * the figures; where it is larger with the load than without, they say less.
 */
#ifndef PENSTOCK_BENCH_STALL_H
#define PENSTOCK_BENCH_STALL_H

#include <stdint.h>

#include "bench/tool.h"

/* Without the right to SCHED_FIFO nothing is watched, and nothing is said. */
void stall_begin(void);
/* A latency, from when it was due to when it was done. @thread one at a time */
void stall_sample(int64_t due, int64_t done);
/* Ends the watchers; the figures are the program's to report. NULL: nothing was watched, or there were more samples than fit. */
const struct tool_still *stall_end(void);

#endif
