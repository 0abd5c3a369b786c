/* lake_faults: every system call of the lake fails, or is the last one of the process, or of the machine (lake_machine.h).
 *
 * A scenario stores rows as the outlet does: from the cursor, which is durable at once, up to the last row, over again after
 * each failure.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lake_harness.h"
#include "lake_machine.h"

#define ROWS 29

static char root[64];

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

    machine_watches = true;
    while (machine->cursor < ROWS && failures < 3) {
        struct lake *lake = NULL;
        if (lake_open(&lake, &options, &error) || store_rows(lake, &error))
            failures++;
        lake_close(&lake);
    }
    machine_watches = false;
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
        machine_arm(with, at);
        _exit(store_all() ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status), "child died: %d", status);
    cr_assert(WEXITSTATUS(status) == EXIT_SUCCESS || WEXITSTATUS(status) == MACHINE_KILLED,
        "child failed: %d", status);
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

    harness_make_directory(parent);
    harness_remove(parent);
    snprintf(root, sizeof root, "%s", parent); /* made by the lake */
}

static void start_over(void)
{
    harness_remove(root);
    machine_start();
}

static void tear_down(void)
{
    harness_remove(root);
}

TestSuite(lake_faults, .init = set_up, .fini = tear_down, .timeout = 900);

/* ---- every call fails once -------------------------------------------------------------------------------- */

static unsigned long sweep_failures(enum fault with)
{
    unsigned long at = 0;

    do {
        start_over();
        machine_arm(with, ++at);
        cr_assert(store_all(), "does not recover from call %lu", at);
        scenario_verify("failure", at);
    } while (machine_calls() >= at);
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
    machine_no_rename = true;
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
            machine_cut_power();
        run_process(FAULT_NONE, 0);
        if (power)
            machine_cut_power(); /* what the cursor has passed stays */
        scenario_verify(power ? "power cut" : "kill", at);
    } while (ended == MACHINE_KILLED);
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
    machine_no_rename = true;
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
    machine_watches = true;
    cr_assert_eq(lake_open(&lake, &options, &error), 0);
    cr_assert_eq(harness_append(lake, 2, 0, &(bool){false}, &error), 0);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    snprintf(path, sizeof path, "%s/grid/dt=2", root);
    harness_remove(path);
    cr_assert_eq(harness_append(lake, 6, 0, &(bool){false}, &error), 0);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    machine_watches = false;
    lake_close(&lake);
    machine_cut_power();
    cr_assert(harness_has(root, "grid/dt=2/h=3/readings+gw-1.3f9a1c22+0000000006+0000000006.jsonl"));
}
