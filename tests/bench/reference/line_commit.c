/* line_commit: the least that reading lines and keeping them can cost.
 *
 * Reads standard input, counts its line breaks, and appends what it read to a new file, one pwrite and one fdatasync for each BLOCK
 * bytes; no checksum, no header, no records.
 *
 *     cat LINES | line_commit FILE BLOCK
 */
#include "bench/tool.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static size_t read_block(char *block, size_t size)
{
    size_t length = 0;
    ssize_t got;

    while (length < size && (got = read(STDIN_FILENO, block + length, size - length)) != 0) {
        if (got < 0)
            tool_fail("read");
        length += (size_t)got;
    }
    return length;
}

static uint64_t count_lines(const char *block, size_t length)
{
    uint64_t lines = 0;

    for (const char *at = block; (at = memchr(at, '\n', (size_t)(block + length - at))); at++)
        lines++;
    return lines;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fputs("usage: line_commit FILE BLOCK\n", stderr);
        return 2;
    }
    const int file = open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const size_t size = tool_number(arguments[2], "BLOCK", 4096, 64 << 20);
    char *block = tool_allocate(size);
    struct tool_latency *latency = tool_allocate(sizeof *latency);
    const int64_t start = tool_now(), cpu = tool_cpu();
    uint64_t lines = 0, commits = 0;
    off_t offset = 0;

    if (file < 0)
        tool_fail(arguments[1]);
    for (size_t length; (length = read_block(block, size)); commits++) {
        const int64_t begin = tool_now();
        lines += count_lines(block, length);
        tool_write(file, block, length, offset);
        if (fdatasync(file))
            tool_fail("fdatasync");
        offset += (off_t)length;
        tool_latency_add(latency, tool_now() - begin);
    }
    tool_report(commits, 0, lines, tool_now() - start, tool_cpu() - cpu, latency, NULL);
    return 0;
}
