/* metric_process: what /proc says about this process, under the names that Prometheus clients use. See metric.h.
 * Format: proc(5). */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/metric_internal.h"

/* Reads a small file of /proc as text. */
static int metric_read_file(const char *path, char *text, size_t size)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got;

    if (fd < 0)
        return -1;
    while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    return length ? 0 : -1;
}

/* A number of /proc/self/stat by its index in proc(5), from 3 (state) on: the name in brackets may hold anything. */
static int metric_process_stat(int index, double *ret_value)
{
    char text[1024];

    if (metric_read_file("/proc/self/stat", text, sizeof text))
        return -1;
    const char *next = strrchr(text, ')');
    for (int i = 2; next && i < index; i++)
        next = strchr(next + 1, ' ');
    if (!next)
        return -1;
    *ret_value = strtod(next, NULL);
    return 0;
}

static int metric_process_memory(double *ret_value)
{
    double pages;

    if (metric_process_stat(24, &pages))
        return -1;
    *ret_value = pages * (double)sysconf(_SC_PAGESIZE);
    return 0;
}

static int metric_process_cpu(double *ret_value)
{
    double user, system;

    if (metric_process_stat(14, &user) || metric_process_stat(15, &system))
        return -1;
    *ret_value = (user + system) / (double)sysconf(_SC_CLK_TCK);
    return 0;
}

static int metric_process_descriptors(double *ret_value)
{
    DIR *directory = opendir("/proc/self/fd");
    double count = 0;

    if (!directory)
        return -1;
    for (struct dirent *entry; (entry = readdir(directory));)
        count += isdigit((unsigned char)entry->d_name[0]) != 0;
    closedir(directory);
    *ret_value = count - 1; /* without the one just used */
    return 0;
}

/* When the machine was started, from the one line of /proc/stat that says so. */
static int metric_process_boot(double *ret_value)
{
    FILE *file = fopen("/proc/stat", "re");
    char line[256];
    int result = -1;

    while (file && result && fgets(line, sizeof line, file)) {
        if (!strncmp(line, "btime ", 6)) {
            *ret_value = strtod(line + 6, NULL);
            result = 0;
        }
    }
    if (file)
        fclose(file);
    return result;
}

static int metric_process_start(double *ret_value)
{
    double boot, ticks;

    if (metric_process_boot(&boot) || metric_process_stat(22, &ticks))
        return -1;
    *ret_value = boot + ticks / (double)sysconf(_SC_CLK_TCK);
    return 0;
}

const struct metric_process_row metric_process_rows[] = {
    {"process_resident_memory_bytes", "Resident memory.", METRIC_GAUGE, metric_process_memory},
    {"process_cpu_seconds_total", "Processor time used, user and system.", METRIC_COUNTER,
        metric_process_cpu},
    {"process_open_fds", "Open file descriptors.", METRIC_GAUGE, metric_process_descriptors},
    {"process_start_time_seconds", "Start of the process, since 1970.", METRIC_GAUGE, metric_process_start},
};
const size_t metric_process_count = sizeof metric_process_rows / sizeof *metric_process_rows;
