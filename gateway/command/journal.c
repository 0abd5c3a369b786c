/* journal: `penstock journal inspect|verify|export`, which read a journal that is in use, copied or damaged and change nothing, and `penstock journal
 * forget OUTLET`.
 *
 * Exit status 0: done, and of verify: it is sound; 1: what was asked for did not work, or something is damaged; 2: usage.
 */
#include "command/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/command.h"

struct journal_verb {
    const char *name;
    journal_verb_fn *run;
    size_t words; /* behind its name */
    bool looks; /* at any directory */
    bool json, selects; /* takes --json; --from and its like */
};

static const struct journal_verb journal_verbs[] = {
    {"inspect", journal_inspect_run, 0, true, true, false},
    {"verify", journal_verify_run, 0, true, false, false},
    {"export", journal_export_run, 0, true, false, true},
    {"forget", journal_forget_run, 1, false, false, false},
};

static int journal_usage(void)
{
    fprintf(stderr,
        "Usage: penstock journal inspect [--directory DIR] [--json]\n"
        "       penstock journal verify [--directory DIR]\n"
        "       penstock journal export [--directory DIR] [--from N] [--to N] [--stream NAME] [--queued OUTLET] [--payload]\n"
        "       penstock journal forget OUTLET\n"
        "Each with [-c FILE] [--set NAME=VALUE]...\n"
        "inspect shows what a journal holds, verify proves that it is whole, export writes its records: beside a gateway\n"
        "that runs or does not, or of a copy. forget gives up what the journal of a stopped gateway keeps for an outlet that is\n"
        "not configured any more.\n");
    return COMMAND_USAGE;
}

static const struct journal_verb *journal_find_verb(const struct arguments *arguments)
{
    const char *name = arguments->words_count ? arguments->words[0] : "";

    for (size_t i = 0; i < sizeof journal_verbs / sizeof *journal_verbs; i++)
        if (strcmp(journal_verbs[i].name, name) == 0 && arguments->words_count == journal_verbs[i].words + 1)
            return &journal_verbs[i];
    return NULL;
}

static int journal_check_options(
    const struct journal_verb *verb, const struct arguments *arguments, struct error *error)
{
    const struct {
        const char *name;
        bool found, allowed;
    } options[] = {
        {"--directory", arguments->directory, verb->looks},
        {"--json", arguments->json, verb->json},
        {"--from", arguments->from, verb->selects},
        {"--to", arguments->to, verb->selects},
        {"--stream", arguments->stream, verb->selects},
        {"--queued", arguments->queued, verb->selects},
        {"--payload", arguments->payload, verb->selects},
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].found && !options[i].allowed)
            return error_set(
                error, ERROR_REJECT, "found %s; %s does not have it", options[i].name, verb->name);
    return 0;
}

static int journal_sequence(
    const char *name, const char *text, uint64_t otherwise, uint64_t *ret_sequence, struct error *error)
{
    char *end;

    *ret_sequence = otherwise;
    if (!text)
        return 0;
    errno = 0;
    *ret_sequence = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9')
        return error_set(
            error, ERROR_REJECT, "%s: found \"%.64s\"; allowed: the sequence of a record", name, text);
    return 0;
}

static int journal_run(const struct journal_verb *verb, struct journal_command *command, struct error *error)
{
    char *directory = NULL;

    if (asprintf(&directory, "%s/journal", command->config->gateway.data) < 0)
        return error_set(error, ERROR_RETRY, "out of memory");
    command->directory = command->arguments->directory ? command->arguments->directory : directory;
    const int result = verb->run(command, error);
    free(directory);
    return result;
}

int command_journal(int argc, char **argv)
{
    cleanup_arguments struct arguments arguments = {0};
    struct journal_command command = {.arguments = &arguments};
    struct error error;
    int status;

    if (!arguments_take(&arguments, argc, argv, &status))
        return status;
    const struct journal_verb *verb = journal_find_verb(&arguments);
    if (!verb)
        return journal_usage();
    if (journal_check_options(verb, &arguments, &error) ||
        journal_sequence("--from", arguments.from, 1, &command.from, &error) ||
        journal_sequence("--to", arguments.to, UINT64_MAX, &command.to, &error)) {
        fprintf(stderr, "penstock journal: %s\n", error.text);
        return COMMAND_USAGE;
    }
    command.config = arguments_load(&arguments);
    if (!command.config)
        return COMMAND_FAILED; /* told already */
    const int result = journal_run(verb, &command, &error);
    if (result)
        fprintf(stderr, "penstock journal: %s\n", error.text);
    config_free(&command.config);
    return result ? COMMAND_FAILED : COMMAND_OK;
}
