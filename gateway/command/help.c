/* help: `penstock help`, from the tables of commands, arguments and options. */
#include "command/command.h"

#include <stdio.h>

#include "base/option.h"
#include "command/arguments.h"

#define HELP_TEXT_MAX (256 * 1024)

static int help_print_commands(struct bytes *text, struct error *error)
{
    if (bytes_print(text, error,
            "penstock %s takes records by HTTP, by MQTT and from files, brings them to Kafka and a lake, and loses none that it\n"
            "acknowledged.\n\n"
            "Usage: penstock COMMAND [ARGUMENT]...\n\nCommands:\n",
            PENSTOCK_VERSION))
        return -1;
    for (size_t i = 0; i < command_count; i++)
        if (bytes_print(text, error, "  %-22s%s\n", command_table[i].name, command_table[i].help))
            return -1;
    return 0;
}

static int help_print(struct bytes *text, struct error *error)
{
    if (help_print_commands(text, error) || bytes_add_text(text, "\nArguments:\n", error) ||
        arguments_print_help(text, error) ||
        bytes_add_text(text,
            "\nOptions, in the YAML file one name below the other (`*` is the name of a stream):\n", error) ||
        option_print_help(text, error))
        return -1;
    return bytes_add_text(text,
        "\nIn a value, ${NAME} is replaced from the environment, and $$ is a $.\n"
        "Exit status: 0 done, 1 it did not work (errors are on standard error), 2 wrong command line.\n",
        error);
}

int command_help(int argc, char **argv)
{
    cleanup_bytes struct bytes text;
    struct error error;

    if (argc > 1) {
        fprintf(stderr, "penstock help: found \"%s\"; allowed: nothing more\n", argv[1]);
        return COMMAND_USAGE;
    }
    bytes_init(&text, HELP_TEXT_MAX);
    if (help_print(&text, &error)) {
        fprintf(stderr, "penstock help: %s\n", error.text);
        return COMMAND_FAILED;
    }
    fwrite(text.data, 1, text.length, stdout);
    return COMMAND_OK;
}
