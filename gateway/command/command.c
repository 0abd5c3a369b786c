/* command: see command.h */
#include "command/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/option.h"

const struct command command_table[] = {
    {"run", command_run, "Start the gateway."},
    {"import", command_import, "Copy tables of PostgreSQL into files, or to Kafka: import --help."},
    {"sqoop", command_sqoop, "Take the command line of Apache Sqoop: sqoop help."},
    {"check", command_check, "Check a configuration and print the one in effect."},
    {"credentials", command_credentials,
        "Say who may write over HTTP and MQTT: credentials add|list|revoke."},
    {"ddl", command_ddl, "Print what Hive, Spark or Trino is told about the files of a stream."},
    {"dead-letters", command_dead_letters,
        "List, show, give back or delete what an outlet could not deliver."},
    {"drop", command_drop, "Put files into a watched directory, each whole or not at all: drop --help."},
    {"files", command_files, "List the files that are read, and how far; read some again: files list|reset."},
    {"journal", command_journal,
        "Inspect, verify or export a journal; forget an outlet: journal forget OUTLET."},
    {"land", command_land, "Write topics of Kafka to the lake, as a member of a consumer group."},
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

/* What was printed is part of what was asked for: a full disk behind it is a failure. */
static int command_end(int status)
{
    const bool lost = ferror(stdout);

    if (status != COMMAND_OK || (!lost && fflush(stdout) == 0))
        return status;
    fprintf(
        stderr, "penstock: standard output: %s\n", lost ? "not all of it could be written" : strerror(errno));
    return COMMAND_FAILED;
}

static int command_call(int argc, char **argv)
{
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

int command_main(int argc, char **argv)
{
    const bool sqoop = command_is_sqoop(argv[0]);
    const int status = sqoop ? command_sqoop(argc, argv) : command_call(argc, argv);

    /* Nobody has to read the banner of the gateway. */
    return !sqoop && argc > 1 && !strcmp(argv[1], "run") ? status : command_end(status);
}
