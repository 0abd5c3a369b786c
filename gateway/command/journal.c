/* journal: `penstock journal forget OUTLET`, gives up what the journal keeps for an outlet that will not come back.
 *
 * The gateway must be stopped; the journal's lock says so. The configuration must not ask for the outlet any more. Exit status 0: the
 * outlet's cursor and marks are gone durably, and standard output says what that was; 1: nothing was forgotten; 2: usage.
 */
#include "command/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/arguments.h"
#include "journal/journal.h"
#include "outlet/outlet.h"
#include "pipeline/pipeline.h"
#include "pipeline/states.h"

static int journal_usage(void)
{
    fprintf(stderr,
        "Usage: penstock journal forget OUTLET [-c FILE] [--set NAME=VALUE]...\n"
        "Gives up what the journal of a stopped gateway keeps for an outlet that is not configured any more.\n");
    return COMMAND_USAGE;
}

static void journal_print(const struct journal_report *report, const char *outlet)
{
    const struct journal_cursor *cursor = &report->forgotten;
    const uint64_t queued =
        report->last_sequence > cursor->position ? report->last_sequence - cursor->position : 0;

    printf("forgot outlet %s: position %" PRIu64 ", %" PRIu64 " records queued, %" PRIu64 " held, %" PRIu64
           " marks\n",
        outlet, cursor->position, queued, cursor->held, report->forgotten_marks);
}

/* A configured outlet would be new at the next start: what it has still to deliver would be lost to it, or come twice. */
static int journal_check_unwanted(const struct config *config, const char *outlet, struct error *error)
{
    if (strcmp(outlet, outlet_dead_letter.name) == 0)
        return error_set(
            error, ERROR_REJECT, "outlet %s belongs to every gateway and cannot be forgotten", outlet);
    if (pipeline_wants(config, outlet))
        return error_set(error, ERROR_REJECT,
            "the configuration still asks for outlet %s: take it out first (lake: lake.enabled: false; kafka: no "
            "kafka.properties, no kafka.files), and name that configuration with -c FILE",
            outlet);
    return 0;
}

/* Whose snapshots are written anew here. */
static int journal_forget(
    const struct config *config, const char *directory, const char *outlet, struct error *error)
{
    char gateway_id[JOURNAL_GATEWAY_ID_MAX + 1];
    struct states states = {0};
    struct journal_report report = {0};
    struct journal *journal = NULL;

    if (states_open(&states, config, error)) {
        states_close(&states);
        return -1;
    }
    journal_gateway_id(gateway_id, config->gateway.id);
    const struct journal_options options = {
        .directory = directory,
        .gateway_id = gateway_id,
        .segment_size = config->journal.segment_size,
        .max_size = config->journal.max_size,
        .forget = outlet,
        .kinds = states.kinds,
        .kinds_count = STATES_KINDS,
        .clock = &clock_system,
    };
    int result = journal_open(&journal, &options, &report, error);
    /* What recovery found is told now or never: the next start finds everything in order. */
    if (report.notes.length)
        fwrite(report.notes.data, 1, report.notes.length, stderr);
    if (!result)
        journal_print(&report, outlet);
    journal_close(&journal);
    bytes_free(&report.notes);
    states_close(&states);
    return result;
}

static int journal_forget_configured(const struct arguments *arguments, const char *outlet)
{
    struct config *config = arguments_load(arguments);
    char *directory = NULL;
    struct error error;

    if (!config)
        return COMMAND_FAILED; /* told already */
    int result = journal_check_unwanted(config, outlet, &error);
    if (!result && asprintf(&directory, "%s/journal", config->gateway.data) < 0) {
        directory = NULL;
        result = error_set(&error, ERROR_RETRY, "out of memory");
    }
    if (!result)
        result = journal_forget(config, directory, outlet, &error);
    if (result)
        fprintf(stderr, "penstock journal: %s\n", error.text);
    free(directory);
    config_free(&config);
    return result ? COMMAND_FAILED : COMMAND_OK;
}

int command_journal(int argc, char **argv)
{
    cleanup_arguments struct arguments arguments = {0};
    int status;

    if (!arguments_take(&arguments, argc, argv, &status))
        return status;
    if (arguments.words_count < 2 || strcmp(arguments.words[0], "forget"))
        return journal_usage();
    return journal_forget_configured(&arguments, arguments.words[1]);
}
