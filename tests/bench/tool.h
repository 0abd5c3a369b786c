/* tool: what the programs of the benchmarks share: time, latencies, a zero-filled file, a listener, arguments.
 *
 * Nothing of the gateway is in here, so that a reference stays independent of what it is compared with. These programs
 * live for seconds: whatever fails ends the program with a message.
 */
#ifndef PENSTOCK_BENCH_TOOL_H
#define PENSTOCK_BENCH_TOOL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TOOL_SECOND INT64_C(1000000000)

int64_t tool_now(void); /* nanoseconds, monotonic */
int64_t tool_cpu(void); /* nanoseconds of this process, user and system */
void tool_sleep_until(int64_t when);

void tool_fail(const char *what) __attribute__((noreturn)); /* with the text of errno */
void *tool_allocate(size_t size);

/* A decimal number between least and most; what names it in the message. */
uint64_t tool_number(const char *text, const char *what, uint64_t least, uint64_t most);

/* Opens path for writing and fills it with zeros and fsyncs it unless it has that size already, as a journal's
 * recycled segment would be. */
int tool_zeroed_file(const char *path, off_t size);
void tool_write(int fd, const void *data, size_t length, off_t offset);

/* A non-blocking listener on 127.0.0.1. */
int tool_listen(uint16_t port);

/* Latencies in nanoseconds. Each power of two has TOOL_LATENCY_STEPS buckets: an answer is right within 1/64. */
#define TOOL_LATENCY_STEPS 32
#define TOOL_LATENCY_BUCKETS (60 * TOOL_LATENCY_STEPS)

struct tool_latency {
    uint64_t count;
    uint64_t buckets[TOOL_LATENCY_BUCKETS];
};

void tool_latency_add(struct tool_latency *latency, int64_t nanoseconds);
void tool_latency_add_many(struct tool_latency *latency, int64_t nanoseconds, uint64_t count);
/* Microseconds below which this share (0..1) of them lies. */
double tool_latency_at(const struct tool_latency *latency, double share);

/* The same without what a stall of the machine touched (stall.h). */
struct tool_still {
    double p50_us, p99_us;
    double left_out; /* share, 0..1 */
};

/* One line of JSON on standard output. unmeasured: commits of the warm-up, for whoever counts those of the disk. still: NULL where nobody looked. */
void tool_report(uint64_t commits, uint64_t unmeasured, uint64_t records, int64_t elapsed, int64_t cpu,
    const struct tool_latency *latency, const struct tool_still *still);

#endif
