/* command: what `penstock NAME ...` can do, one row each.
 *
 * main() hands its arguments to command_main(). A command gets argv from its own name on, writes results to standard
 * output and complaints to standard error, and returns the exit status. @thread main
 */
#ifndef PENSTOCK_COMMAND_COMMAND_H
#define PENSTOCK_COMMAND_COMMAND_H

#include <stddef.h>

/* Exit statuses. */
enum command_status {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1, /* what was asked for did not work, e.g. errors in the configuration */
    COMMAND_USAGE = 2, /* the command line itself is wrong */
};

typedef int command_fn(int argc, char **argv);

struct command {
    const char *name;
    command_fn *run;
    const char *help;
};

extern const struct command command_table[];
extern const size_t command_count;

/* Finds the command that argv[1] names and runs it; also --help and --version. A link named sqoop is `penstock sqoop`. */
int command_main(int argc, char **argv);

command_fn command_run;
command_fn command_import;
command_fn command_sqoop;
command_fn command_check;
command_fn command_credentials;
command_fn command_ddl;
command_fn command_dead_letters;
command_fn command_drop;
command_fn command_files;
command_fn command_journal;
command_fn command_land;
command_fn command_help;

#endif
