/* lake_faults: every system call of the lake fails, or is the last one of the process, or of the machine.
 *
 * The linker puts the functions below in front of the system's (--wrap, tests.cmake). They count; at the call that was
 * chosen they fail before or after doing the work, or end the process. What a power cut would take is kept as a list of
 * directory entries and file contents that no fsync has reached. A scenario stores rows as the outlet does: from the
 * cursor, which is durable at once, up to the last row, over again after each failure.
 */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lake_harness.h"

#define ROWS 29
#define EXIT_DONE 0
#define EXIT_KILLED 77
#define VOLATILE_MAX 512

enum fault { FAULT_NONE, FAULT_BEFORE, FAULT_AFTER, FAULT_KILL_BEFORE, FAULT_KILL_AFTER };

struct entry {
    char path[256]; /* "" when free */
    bool contents; /* of a file; else the entry in its directory */
};

/* Shared by all processes of a scenario. */
struct machine {
    uint64_t cursor, highest; /* highest: read in this process's life; the journal's end otherwise */
    struct entry owed[VOLATILE_MAX]; /* not durable yet */
    unsigned syncs;
};

static struct machine *machine;
static char root[64];
static enum fault fault;
static unsigned long calls, chosen;
static bool watching;
static bool no_rename; /* the file system knows no RENAME_NOREPLACE */

/* ---- the machine ------------------------------------------------------------------------------------------ */

static void path_of(int at, const char *name, char ret_path[256])
{
    char link[64], base[200] = "";

    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t length = readlink(link, base, sizeof base - 1);
    base[length > 0 ? length : 0] = '\0';
    if (name && name[0] != '/')
        snprintf(ret_path, 256, "%s/%s", base, name);
    else
        snprintf(ret_path, 256, "%s", name ? name : base);
}

static void owe(const char *path, bool contents)
{
    for (size_t i = 0; i < VOLATILE_MAX; i++) {
        if (machine->owed[i].path[0] == '\0') {
            snprintf(machine->owed[i].path, sizeof machine->owed[i].path, "%s", path);
            machine->owed[i].contents = contents;
            return;
        }
    }
    abort();
}

/* What was written under the temporary name is owed under the new one. */
static void rename_owed(const char *from, const char *to)
{
    for (size_t i = 0; i < VOLATILE_MAX; i++) {
        if (machine->owed[i].contents && strcmp(machine->owed[i].path, from) == 0)
            snprintf(machine->owed[i].path, sizeof machine->owed[i].path, "%s", to);
    }
    owe(to, false);
}

static void pay(int fd)
{
    char path[256];

    path_of(fd, NULL, path);
    size_t length = strlen(path);
    for (size_t i = 0; i < VOLATILE_MAX; i++) {
        struct entry *entry = &machine->owed[i];
        const char *slash = strrchr(entry->path, '/');
        if (slash && (entry->contents ? strcmp(entry->path, path) == 0
                                      : (size_t)(slash - entry->path) == length &&
                                            strncmp(entry->path, path, length) == 0))
            entry->path[0] = '\0';
    }
}

/* The worst that a disk may do: no entry and no byte that is owed is there. */
static void cut_power(void)
{
    for (size_t i = 0; i < VOLATILE_MAX; i++) {
        struct entry *entry = &machine->owed[i];
        if (entry->path[0] == '\0')
            continue;
        if (entry->contents)
            cr_assert(truncate(entry->path, 0) == 0 || errno == ENOENT);
        else
            harness_remove(entry->path);
        entry->path[0] = '\0';
    }
}

/* ---- system calls ----------------------------------------------------------------------------------------- */

static bool is_now(void)
{
    return watching && ++calls == chosen;
}

/* Whether the call shall not happen. */
static bool fails_before(bool now)
{
    if (now && fault == FAULT_KILL_BEFORE)
        _exit(EXIT_KILLED);
    errno = EIO;
    return now && fault == FAULT_BEFORE;
}

static int fails_after(bool now, int result)
{
    if (now && fault == FAULT_KILL_AFTER)
        _exit(EXIT_KILLED);
    if (now && fault == FAULT_AFTER) {
        errno = EIO;
        return -1;
    }
    return result;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    bool now = is_now();

    if (fails_before(now))
        return -1;
    if (watching) {
        pay(fd);
        machine->syncs++;
    }
    return fails_after(now, 0);
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
    bool now = is_now();

    if (fails_before(now))
        return -1;
    int result = __real_mkdir(path, mode);
    if (watching && result == 0)
        owe(path, false);
    return fails_after(now, result);
}

int __real_mkdirat(int at, const char *path, mode_t mode);
int __wrap_mkdirat(int at, const char *path, mode_t mode);
int __wrap_mkdirat(int at, const char *path, mode_t mode)
{
    bool now = is_now();
    char full[256];

    if (fails_before(now))
        return -1;
    int result = __real_mkdirat(at, path, mode);
    path_of(at, path, full);
    if (watching && result == 0)
        owe(full, false);
    return fails_after(now, result);
}

int __real_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    bool now = is_now();
    char old[256], new[256];

    cr_assert_eq(flags, RENAME_NOREPLACE);
    if (fails_before(now))
        return -1;
    errno = EINVAL;
    int result = no_rename ? -1 : __real_renameat2(from_at, from, to_at, to, flags);
    path_of(from_at, from, old);
    path_of(to_at, to, new);
    if (watching && result == 0)
        rename_owed(old, new);
    return fails_after(now, result);
}

int __real_linkat(int from_at, const char *from, int to_at, const char *to, int flags);
int __wrap_linkat(int from_at, const char *from, int to_at, const char *to, int flags);
int __wrap_linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    bool now = is_now();
    char old[256], new[256];

    if (fails_before(now))
        return -1;
    int result = __real_linkat(from_at, from, to_at, to, flags);
    path_of(from_at, from, old);
    path_of(to_at, to, new);
    if (watching && result == 0)
        rename_owed(old, new);
    return fails_after(now, result);
}

int __real_unlinkat(int at, const char *path, int flags);
int __wrap_unlinkat(int at, const char *path, int flags);
int __wrap_unlinkat(int at, const char *path, int flags)
{
    bool now = is_now();

    return fails_before(now) ? -1 : fails_after(now, __real_unlinkat(at, path, flags));
}

int __real_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...)
{
    bool now = is_now();
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (fails_before(now))
        return -1;
    int fd = __real_openat(at, path, flags, mode);
    int result = fails_after(now, fd);
    if (result < 0 && fd >= 0)
        close(fd);
    return result;
}

ssize_t __real_pwrite(int fd, const void *data, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t length, off_t offset)
{
    bool now = is_now();
    char path[256];

    if (fails_before(now))
        return -1;
    path_of(fd, NULL, path);
    if (watching)
        owe(path, true);
    return fails_after(now, 0) ? -1 : __real_pwrite(fd, data, length, offset);
}

struct dirent *__real_readdir(DIR *directory);
struct dirent *__wrap_readdir(DIR *directory);
struct dirent *__wrap_readdir(DIR *directory)
{
    bool now = is_now();

    if (fails_before(now) || fails_after(now, 0))
        return NULL;
    errno = 0;
    return __real_readdir(directory);
}

/* ---- the scenario ----------------------------------------------------------------------------------------- */

static struct lake_options scenario_options(const struct harness_clock *clock)
{
    struct lake_options options = harness_options(root, clock);

    options.roll_records = 3;
    options.max_open_files = 2; /* of four places: files are published out of their turn too */
    return options;
}

static int store_rows(struct lake *lake, struct error *error)
{
    bool there;
    uint64_t replay_until = machine->highest;

    for (uint64_t sequence = machine->cursor + 1; sequence <= ROWS; sequence++) {
        machine->highest = sequence > machine->highest ? sequence : machine->highest;
        if (harness_append(lake, sequence, replay_until, &there, error))
            return -1;
        machine->cursor = lake_oldest(lake) ? lake_oldest(lake) - 1 : sequence;
    }
    if (lake_roll(lake, true, error))
        return -1;
    machine->cursor = ROWS;
    return 0;
}

/* Whether it came to its end; asserts nothing, for it runs in child processes too. */
static bool store_all(void)
{
    struct harness_clock clock = harness_clock_at(0);
    struct lake_options options = scenario_options(&clock);
    struct error error;
    unsigned failures = 0;

    watching = true;
    while (machine->cursor < ROWS && failures < 3) {
        struct lake *lake = NULL;
        if (lake_open(&lake, &options, &error) || store_rows(lake, &error))
            failures++;
        lake_close(&lake);
    }
    watching = false;
    return machine->cursor == ROWS;
}

/* A new process of the same machine: what it may have read before is anything up to the journal's end. */
static int run_process(enum fault with, unsigned long at)
{
    machine->highest = ROWS;
    fflush(NULL);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        fault = with;
        chosen = at;
        calls = 0;
        _exit(store_all() ? EXIT_DONE : EXIT_FAILURE);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status), "child died: %d", status);
    cr_assert(
        WEXITSTATUS(status) == EXIT_DONE || WEXITSTATUS(status) == EXIT_KILLED, "child failed: %d", status);
    return WEXITSTATUS(status);
}

static bool scenario_verify(const char *what, unsigned long at)
{
    struct harness_clock clock = harness_clock_at(0);
    struct lake_options options = scenario_options(&clock);
    struct lake *lake = NULL;
    struct error error;
    char path[128];

    cr_log_info("%s %lu", what, at);
    cr_assert_eq(lake_open(&lake, &options, &error), 0, "%s %lu: %s", what, at, error.text);
    lake_close(&lake);
    snprintf(path, sizeof path, "%s/.penstock/gw-1", root);
    cr_assert_eq(rmdir(path), 0, "%s %lu: leftovers", what, at);
    harness_verify(root, ROWS);
    harness_remove(root);
    return true;
}

static void set_up(void)
{
    char parent[64];

    machine = mmap(NULL, sizeof *machine, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(machine, MAP_FAILED);
    harness_make_directory(parent);
    harness_remove(parent);
    snprintf(root, sizeof root, "%s", parent); /* made by the lake */
}

static void start_over(void)
{
    harness_remove(root);
    memset(machine, 0, sizeof *machine);
}

static void tear_down(void)
{
    harness_remove(root);
}

TestSuite(lake_faults, .init = set_up, .fini = tear_down, .timeout = 120);

/* ---- every call fails once -------------------------------------------------------------------------------- */

static unsigned long sweep_failures(enum fault with)
{
    unsigned long at = 0;

    fault = with;
    do {
        start_over();
        chosen = ++at;
        calls = 0;
        cr_assert(store_all(), "does not recover from call %lu", at);
        scenario_verify("failure", at);
    } while (calls >= at);
    return at;
}

Test(lake_faults, every_call_fails_once)
{
    cr_assert_gt(sweep_failures(FAULT_BEFORE), 100);
}

Test(lake_faults, every_call_works_and_says_that_it_failed)
{
    cr_assert_gt(sweep_failures(FAULT_AFTER), 100);
}

Test(lake_faults, every_call_fails_where_rename_must_replace)
{
    no_rename = true;
    cr_assert_gt(sweep_failures(FAULT_BEFORE), 100);
    cr_assert_gt(sweep_failures(FAULT_AFTER), 100);
}

/* ---- every call is the last ------------------------------------------------------------------------------- */

/* Killed at each call, then at another one, then (or instead, with power) everything that is owed is lost. */
static void sweep_kills(enum fault with, bool power)
{
    unsigned long at = 0;
    int ended;

    do {
        start_over();
        at++;
        ended = run_process(with, at);
        run_process(with, at * 37 % 149 + 1);
        if (power)
            cut_power();
        run_process(FAULT_NONE, 0);
        if (power)
            cut_power(); /* what the cursor has passed stays */
        scenario_verify(power ? "power cut" : "kill", at);
    } while (ended == EXIT_KILLED);
    cr_assert_gt(at, 100);
}

Test(lake_faults, killed_before_every_call)
{
    sweep_kills(FAULT_KILL_BEFORE, false);
}

Test(lake_faults, killed_after_every_call)
{
    sweep_kills(FAULT_KILL_AFTER, false);
}

Test(lake_faults, killed_where_rename_must_replace)
{
    no_rename = true;
    sweep_kills(FAULT_KILL_AFTER, true);
}

Test(lake_faults, power_cut_before_every_call)
{
    sweep_kills(FAULT_KILL_BEFORE, true);
}

Test(lake_faults, power_cut_after_every_call)
{
    sweep_kills(FAULT_KILL_AFTER, true);
}

/* ---- one at a time ---------------------------------------------------------------------------------------- */

/* Directories are made durable once, not with each file. */
Test(lake_faults, no_fsync_is_wasted)
{
    start_over();
    cr_assert(store_all());
    uint64_t files = harness_verify(root, ROWS);
    /* Per file its contents and its directory; once each: the root's parent, root (grid, other), grid (dt=1, dt=2), dt=2 (h=3). */
    cr_assert_leq(machine->syncs, 2 * files + 1 + 1 + 5, "%u fsyncs for %llu files", machine->syncs,
        (unsigned long long)files);
}

/* Whoever cleans the lake up may delete an old directory; when rows for it come late it is made, and durable, again. */
Test(lake_faults, a_deleted_directory_is_made_durable_again)
{
    struct harness_clock clock = harness_clock_at(0);
    struct lake_options options = harness_options(root, &clock);
    struct lake *lake = NULL;
    struct error error;
    char path[128];

    start_over();
    watching = true;
    cr_assert_eq(lake_open(&lake, &options, &error), 0);
    cr_assert_eq(harness_append(lake, 2, 0, &(bool){false}, &error), 0);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    snprintf(path, sizeof path, "%s/grid/dt=2", root);
    harness_remove(path);
    cr_assert_eq(harness_append(lake, 6, 0, &(bool){false}, &error), 0);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    watching = false;
    lake_close(&lake);
    cut_power();
    cr_assert(harness_has(root, "grid/dt=2/h=3/readings+gw-1.3f9a1c22+0000000006+0000000006.jsonl"));
}
