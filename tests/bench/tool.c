/* tool: see tool.h */
#include "bench/tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ZERO_STEP ((size_t)1 << 20)

static int64_t tool_clock(clockid_t id)
{
    struct timespec time;

    clock_gettime(id, &time);
    return time.tv_sec * TOOL_SECOND + time.tv_nsec;
}

int64_t tool_now(void)
{
    return tool_clock(CLOCK_MONOTONIC);
}

int64_t tool_cpu(void)
{
    return tool_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void tool_sleep_until(int64_t when)
{
    struct timespec time = {when / TOOL_SECOND, when % TOOL_SECOND};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
        continue;
}

void tool_fail(const char *what)
{
    perror(what);
    exit(1);
}

void *tool_allocate(size_t size)
{
    void *memory = calloc(1, size);

    if (!memory)
        tool_fail("memory");
    return memory;
}

uint64_t tool_number(const char *text, const char *what, uint64_t least, uint64_t most)
{
    char *end;

    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || end == text || *end || number < least || number > most) {
        fprintf(stderr, "%s: %s is not a number from %" PRIu64 " to %" PRIu64 "\n", what, text, least, most);
        exit(2);
    }
    return number;
}

void tool_write(int fd, const void *data, size_t length, off_t offset)
{
    if (pwrite(fd, data, length, offset) != (ssize_t)length)
        tool_fail("pwrite");
}

int tool_zeroed_file(const char *path, off_t size)
{
    struct stat status;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || fstat(fd, &status))
        tool_fail(path);
    if (status.st_size == size)
        return fd;

    char *zeros = tool_allocate(ZERO_STEP);
    for (off_t at = 0; at < size; at += (off_t)ZERO_STEP)
        tool_write(fd, zeros, ZERO_STEP, at);
    free(zeros);
    if (fsync(fd))
        tool_fail(path);
    return fd;
}

int tool_listen(uint16_t port)
{
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
        bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096))
        tool_fail("listen");
    return fd;
}

void tool_latency_add(struct tool_latency *latency, int64_t nanoseconds)
{
    tool_latency_add_many(latency, nanoseconds, 1);
}

void tool_latency_add_many(struct tool_latency *latency, int64_t nanoseconds, uint64_t count)
{
    uint64_t value = nanoseconds < TOOL_LATENCY_STEPS ? TOOL_LATENCY_STEPS : (uint64_t)nanoseconds;
    unsigned shift = 0;

    for (; value >> shift >= 2 * TOOL_LATENCY_STEPS; shift++)
        continue;
    uint64_t bucket = shift * TOOL_LATENCY_STEPS + (value >> shift) - TOOL_LATENCY_STEPS;
    latency->buckets[bucket] += count;
    latency->count += count;
}

double tool_latency_at(const struct tool_latency *latency, double share)
{
    uint64_t below = 0;

    for (unsigned i = 0; i < TOOL_LATENCY_BUCKETS; i++) {
        below += latency->buckets[i];
        if (below && (double)below >= share * (double)latency->count) {
            uint64_t low = (uint64_t)(TOOL_LATENCY_STEPS + i % TOOL_LATENCY_STEPS) << i / TOOL_LATENCY_STEPS;
            uint64_t width = UINT64_C(1) << i / TOOL_LATENCY_STEPS;
            return ((double)low + (double)width / 2) / 1000;
        }
    }
    return 0;
}

void tool_report(uint64_t commits, uint64_t unmeasured, uint64_t records, int64_t elapsed, int64_t cpu,
    const struct tool_latency *latency, const struct tool_still *still)
{
    double seconds = (double)elapsed / (double)TOOL_SECOND;

    printf("{\"commits\": %" PRIu64 ", \"unmeasured\": %" PRIu64 ", \"records\": %" PRIu64
           ", \"seconds\": %.4f, \"rate\": %.1f, "
           "\"cpu_ns\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f",
        commits, unmeasured, records, seconds, (double)records / seconds,
        (double)cpu / (double)(records ? records : 1), tool_latency_at(latency, 0.5),
        tool_latency_at(latency, 0.99), tool_latency_at(latency, 0.999));
    if (still)
        printf(", \"still_p50_us\": %.1f, \"still_p99_us\": %.1f, \"left_out\": %.4f", still->p50_us,
            still->p99_us, still->left_out);
    puts("}");
}
