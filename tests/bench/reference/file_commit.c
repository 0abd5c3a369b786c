/* file_commit: the least that taking dropped files can cost.
 *
 * Opens, reads and closes every file of DIRECTORY as it lists them, and appends what it read to a new file, one pwrite and one fdatasync for each BLOCK
 * bytes; then those files are unlinked, and the directory is fsynced. No order, no look at who writes them, nothing to know them by.
 *
 *     file_commit DIRECTORY FILE BLOCK
 */
#include "bench/tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 65536 /* of one block */

struct taken {
    char *names[FILES_MAX];
    size_t count, length;
};

/* False: the block is full, and the file waits for the next one. */
static int take(struct taken *taken, int directory, const char *name, char *block, size_t size)
{
    const int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    const size_t room = size - taken->length;
    const ssize_t got = file < 0 ? -1 : read(file, block + taken->length, room);

    if (got < 0)
        tool_fail(name);
    close(file);
    if (taken->count == FILES_MAX || (size_t)got == room) /* there may be more of it */
        return 0;
    taken->length += (size_t)got;
    taken->names[taken->count] = strdup(name);
    if (!taken->names[taken->count++])
        tool_fail("strdup");
    return 1;
}

static void commit(struct taken *taken, int directory, int file, const char *block, off_t *offset)
{
    tool_write(file, block, taken->length, *offset);
    if (fdatasync(file))
        tool_fail("fdatasync");
    *offset += (off_t)taken->length;
    for (size_t i = 0; i < taken->count; i++) {
        if (unlinkat(directory, taken->names[i], 0))
            tool_fail(taken->names[i]);
        free(taken->names[i]);
    }
    if (fsync(directory))
        tool_fail("fsync");
    taken->count = taken->length = 0;
}

int main(int count, char **arguments)
{
    if (count != 4) {
        fputs("usage: file_commit DIRECTORY FILE BLOCK\n", stderr);
        return 2;
    }
    DIR *entries = opendir(arguments[1]);
    const int file = open(arguments[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const size_t size = tool_number(arguments[3], "BLOCK", 4096, 64 << 20);
    char *block = tool_allocate(size);
    struct taken *taken = tool_allocate(sizeof *taken);
    struct tool_latency *latency = tool_allocate(sizeof *latency);
    const int64_t start = tool_now(), cpu = tool_cpu();
    uint64_t files = 0, commits = 0;
    off_t offset = 0;

    if (!entries || file < 0)
        tool_fail(arguments[entries ? 2 : 1]);
    taken->count = taken->length = 0;
    for (const struct dirent *entry; (entry = readdir(entries));) {
        if (entry->d_type != DT_REG)
            continue;
        while (!take(taken, dirfd(entries), entry->d_name, block, size)) {
            const int64_t begin = tool_now();
            if (taken->count == 0) {
                fprintf(stderr, "file_commit: %s is larger than a block\n", entry->d_name);
                return 1;
            }
            commit(taken, dirfd(entries), file, block, &offset);
            tool_latency_add(latency, tool_now() - begin);
            commits++;
        }
        files++;
    }
    commit(taken, dirfd(entries), file, block, &offset);
    tool_report(commits + 1, 0, files, tool_now() - start, tool_cpu() - cpu, latency, NULL);
    return 0;
}
