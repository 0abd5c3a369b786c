/* plain_commit: what the disk itself gives to one writer.
 *
 * Copies BATCH records of SIZE bytes together, one pwrite, one fdatasync, again, for SECONDS; no checksum, no header. The
 * file is zero-filled and written round and round. With BATCH 1 and SIZE 4096 this is the disk's own fdatasync.
 *
 *     plain_commit FILE BATCH SIZE SECONDS
 */
#include "bench/stall.h"
#include "bench/tool.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_SIZE ((off_t)256 << 20)

static void make_batch(char *data, uint64_t batch, size_t size, const char *record, uint64_t sequence)
{
    for (uint64_t i = 0; i < batch; i++, sequence++) {
        memcpy(data + i * size, record, size);
        memcpy(data + i * size, &sequence, sizeof sequence);
    }
}

int main(int count, char **arguments)
{
    if (count != 5) {
        fputs("usage: plain_commit FILE BATCH SIZE SECONDS\n", stderr);
        return 2;
    }
    int file = tool_zeroed_file(arguments[1], FILE_SIZE);
    uint64_t batch = tool_number(arguments[2], "BATCH", 1, 100000);
    size_t size = tool_number(arguments[3], "SIZE", 8, 65536);
    int64_t duration = (int64_t)tool_number(arguments[4], "SECONDS", 1, 60) * TOOL_SECOND;
    char *record = tool_allocate(size);
    char *data = tool_allocate(batch * size);
    struct tool_latency *latency = tool_allocate(sizeof *latency);
    int64_t start = tool_now();
    int64_t cpu = tool_cpu();
    int64_t now = start;
    off_t offset = 0;
    uint64_t records = 0;

    memset(record, 'x', size);
    if (batch == 1)
        stall_begin();
    while (now - start < duration) {
        int64_t begin = now;
        make_batch(data, batch, size, record, records);
        if (offset + (off_t)(batch * size) > FILE_SIZE)
            offset = 0;
        tool_write(file, data, batch * size, offset);
        if (fdatasync(file))
            tool_fail("fdatasync");
        offset += (off_t)(batch * size);
        records += batch;
        now = tool_now();
        tool_latency_add(latency, now - begin);
        stall_sample(begin, now);
    }
    tool_report(records / batch, 0, records, now - start, tool_cpu() - cpu, latency, stall_end());
    return 0;
}
