/* drop: `penstock drop --to DIR FILE...`, puts files into a watched directory (files/drop.h).
 *
 * Needs no gateway and no configuration. Goes on behind a file that fails. Exit status 0: all are in their places, durably; 1: standard error says which are not, and
 * why; 2: usage. SIGINT, SIGTERM and SIGHUP end it as they do other programs, and leave no temporary file.
 */
#include "command/command.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/shown.h"
#include "files/drop.h"

#define DROP_SHOWN_MAX (64 * 1024)

struct drop_command {
    const char *to, *as;
    bool move;
};

static const char drop_text[] =
    "Usage: penstock drop --to DIR [--move] [--as NAME] FILE...\n"
    "Puts files into a directory that a gateway watches, each whole or not at all, and never over another one.\n"
    "  --to DIR              The directory.\n"
    "  --move                Move them there instead of copying.\n"
    "  --as NAME             The name that it gets there; one FILE only.\n"
    "FILE may be - for standard input, with --as NAME.\n";

/* For names that hold what a terminal obeys. */
static void drop_complain(const char *source, const struct error *error)
{
    cleanup_bytes struct bytes text;
    struct error ignored;

    bytes_init(&text, DROP_SHOWN_MAX);
    shown_add(&text, source, &ignored);
    fprintf(stderr, "penstock drop: %.*s: %s\n", (int)text.length, text.data, error->text);
}

static void drop_end(int number)
{
    drop_abandon();
    signal(number, SIG_DFL);
    raise(number); /* ends it once this returns */
}

static void drop_catch_signals(void)
{
    static const int ends[] = {SIGHUP, SIGINT, SIGTERM};
    const struct sigaction action = {.sa_handler = drop_end};
    struct sigaction before;

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        /* Who started us may have said that it does not end us (nohup). */
        if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(ends[i], &action, NULL);
    }
    signal(SIGXFSZ, SIG_IGN); /* then the write fails */
}

static int drop_usage(const char *text)
{
    fprintf(stderr, "penstock drop: %s\n%s", text, drop_text);
    return COMMAND_USAGE;
}

static int drop_all(const struct drop_command *command, char **sources)
{
    cleanup_fd int directory = open(command->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = COMMAND_OK;
    struct error error;

    if (directory < 0) {
        error_set_errno(&error, ERROR_REJECT, "directory");
        drop_complain(command->to, &error);
        return COMMAND_FAILED;
    }
    drop_catch_signals();
    for (; *sources; sources++) {
        const char *source = strcmp(*sources, "-") ? *sources : NULL;
        const char *slash = strrchr(*sources, '/');
        const char *name = command->as ? command->as : slash ? slash + 1 : *sources;
        if (drop_check_name(name, &error) || drop_put(directory, source, name, command->move, &error)) {
            drop_complain(*sources, &error);
            status = COMMAND_FAILED;
        }
    }
    return status;
}

int command_drop(int argc, char **argv)
{
    static const struct option options[] = {{"to", required_argument, NULL, 't'},
        {"as", required_argument, NULL, 'a'}, {"move", no_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'}, {0}};
    struct drop_command command = {0};
    int option;
    bool input = false;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
        if (option == 't')
            command.to = optarg;
        else if (option == 'a')
            command.as = optarg;
        else if (option == 'm')
            command.move = true;
        else if (option == 'h')
            return printf("%s", drop_text) < 0 ? COMMAND_FAILED : COMMAND_OK;
        else
            return drop_usage("an option that there is not, or that lacks what has to stand behind it");
    }
    for (int i = optind; i < argc; i++)
        input = input || !strcmp(argv[i], "-");
    if (!command.to)
        return drop_usage("--to DIR is missing");
    if (optind == argc)
        return drop_usage("FILE is missing");
    if (command.as && argc - optind > 1)
        return drop_usage("--as NAME is for one FILE");
    if (input && (!command.as || command.move))
        return drop_usage("standard input needs --as NAME, and cannot be moved");
    return drop_all(&command, argv + optind);
}
