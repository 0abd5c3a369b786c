/* command: see command.h */
#include "command/command.h"

#include <stdio.h>
#include <string.h>

#include "base/option.h"

const struct command command_table[] = {
    {"run", command_run, "Start the gateway."},
    {"import", command_import, "Copy tables of PostgreSQL into files: import --help."},
    {"sqoop", command_sqoop, "Take the command line of Apache Sqoop: sqoop help."},
    {"check", command_check, "Check a configuration and print the one in effect."},
    {"dead-letters", command_dead_letters,
        "List, show, give back or delete what an outlet could not deliver."},
    {"journal", command_journal, "Forget an outlet that is not configured any more: journal forget OUTLET."},
    {"help", command_help, "Explain the commands and all options."},
};

const size_t command_count = sizeof command_table / sizeof *command_table;

#define COMMAND_NAMES_MAX 32

static int command_complain(const char *name)
{
    struct slice names[COMMAND_NAMES_MAX];

    for (size_t i = 0; i < command_count; i++)
        names[i] = slice_of(command_table[i].name);
    struct slice nearest = option_nearest(slice_of(name), names, command_count);
    fprintf(stderr, "penstock: unknown command \"%s\"; allowed: ", name);
    for (size_t i = 0; i < command_count; i++)
        fprintf(stderr, "%s%s", i ? ", " : "", command_table[i].name);
    if (nearest.length)
        fprintf(stderr, "; did you mean \"%.*s\"?", (int)nearest.length, nearest.data);
    fputc('\n', stderr);
    return COMMAND_USAGE;
}

static bool command_is_sqoop(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strcmp(slash ? slash + 1 : path, "sqoop") == 0;
}

int command_main(int argc, char **argv)
{
    if (command_is_sqoop(argv[0]))
        return command_sqoop(argc, argv);
    if (argc < 2) {
        fprintf(stderr, "penstock: a command is missing; see penstock --help\n");
        return COMMAND_USAGE;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("penstock %s\n", PENSTOCK_VERSION);
        return COMMAND_OK;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return command_help(1, argv + 1);
    for (size_t i = 0; i < command_count; i++)
        if (!strcmp(argv[1], command_table[i].name))
            return command_table[i].run(argc - 1, argv + 1);
    return command_complain(argv[1]);
}
