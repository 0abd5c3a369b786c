/* lake_machine: system calls that fail, or end the process, when they are told to, and a disk that forgets.
 *
 * The linker puts them in front of the system's (--wrap, tests.cmake). While the machine watches, they count; the chosen one
 * fails before or after doing its work, or ends the process with MACHINE_KILLED. What a power cut would take is kept as a
 * list of directory entries and file contents that no fsync has reached, shared by all processes of a test.
 */
#ifndef PENSTOCK_TESTS_LAKE_MACHINE_H
#define PENSTOCK_TESTS_LAKE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define MACHINE_KILLED 77 /* exit status */
#define MACHINE_OWED 512

enum fault { FAULT_NONE, FAULT_BEFORE, FAULT_AFTER, FAULT_KILL_BEFORE, FAULT_KILL_AFTER };

struct machine_debt {
    char path[256]; /* "" when free */
    bool contents; /* of a file; else the entry in its directory */
};

/* Shared by all processes of a test. */
struct machine {
    uint64_t cursor, highest; /* the test's: what is stored in a place that forgets nothing */
    struct machine_debt owed[MACHINE_OWED]; /* not durable yet */
    unsigned syncs;
};

extern struct machine *machine;
extern bool machine_watches;
extern bool machine_no_rename; /* the file system knows no RENAME_NOREPLACE */

void machine_start(void); /* nothing is owed, nothing stored; makes the shared memory when there is none */

/* Counts from 0 again; the call number `at` (from 1) gets the fault. */
void machine_arm(enum fault fault, unsigned long at);
unsigned long machine_calls(void);

/* The worst that a disk may do: no entry and no byte that is owed is there. */
void machine_cut_power(void);

#endif
